"""Tests of what the text of a certificate's error advises."""

import os
from datetime import datetime

import pytest
from support.certificates import make_authority

from syncws._net.tls import verification
from syncws._net.tls.verification import CertificateReport, certificate_error
from syncws.enums import ChainValidationResult as Result


@pytest.mark.parametrize("left", [[Result.UNTRUSTED], [Result.EXPIRED, Result.INCOMPLETE_CHAIN]])
def test_an_authority_that_is_not_known_can_be_trusted(left):
    message = certificate_error(CertificateReport(words=("self-signed certificate",)), left, "localhost").message
    for way in (
        "control.ca_file",
        "ssl_context",
        "truststore",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "UNTRUSTED in control.ign",
    ):
        assert way in message


def test_a_proxy_s_authority_has_settings_of_its_own():
    report = CertificateReport(words=("self-signed certificate",))
    message = certificate_error(report, [Result.UNTRUSTED], "the proxy x", is_proxy=True).message
    assert "control.proxy_ssl_context" in message
    assert "control.ca_file" not in message


@pytest.mark.parametrize("left", [[Result.INVALID_NAME], [Result.UNTRUSTED, Result.INVALID_NAME]])
def test_the_names_that_it_is_for_can_be_seen_and_the_one_that_it_is_not_for_let_pass(left):
    message = certificate_error(CertificateReport(words=("Hostname mismatch",)), left, "localhost").message
    # Of one with nothing but a common name the error would be a riddle.
    assert "`syncws info` shows the names it is valid for (its subject does not count)" in message
    for error in left:
        assert f"{error.name} in control.ignorable_server_certificate_errors accepts any" in message


def test_a_proxy_s_name_is_set_with_its_url():
    report = CertificateReport(words=("Hostname mismatch",))
    message = certificate_error(report, [Result.INVALID_NAME], "the proxy x", is_proxy=True).message
    assert message.endswith("control.proxy needs a name that it is valid for")


def test_what_only_the_strict_check_refuses_can_pass_without_it():
    report = CertificateReport(words=("Missing Authority Key Identifier",))
    assert "VERIFY_X509_STRICT" in certificate_error(report, [Result.OTHER_ERRORS], "localhost").message


class Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return cls(2000, 1, 2, 3, 4, 5, tzinfo=tz)


def test_a_certificate_that_is_not_valid_now_is_no_matter_of_trust_but_of_the_clock(monkeypatch):
    monkeypatch.setattr(verification, "datetime", Stopped)
    report = CertificateReport(words=("certificate is not yet valid",))
    message = certificate_error(report, [Result.EXPIRED], "x").message
    assert "ca_file" not in message
    assert message.endswith("; this computer's clock says 2000-01-02 03:04 UTC")


@pytest.fixture
def untrusted(monkeypatch):
    """Return the text for an authority that is not known, where the environment has such variables alone."""

    def text(**variables):
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return certificate_error(CertificateReport(), [Result.UNTRUSTED], "x").message

    return text


def test_what_stands_for_the_system_s_authorities_is_told(untrusted, tmp_path):
    file, missing = tmp_path / "authority.pem", tmp_path / "missing.pem"
    file.write_bytes(make_authority().pem)
    plain = untrusted()
    assert untrusted(SSL_CERT_FILE=str(file)) == f"{plain}; SSL_CERT_FILE is {str(file)!r}"
    assert untrusted(SSL_CERT_FILE=str(missing)) == f"{plain}; SSL_CERT_FILE is {str(missing)!r}, which is not there"
    assert untrusted(SSL_CERT_FILE="").endswith("; SSL_CERT_FILE is '', which is not there")


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda pem: b"", "no certificate in PEM form"),
        (lambda pem: pem.rstrip() + pem, "something in PEM form that cannot be read"),
        (lambda pem: pem + pem[:-40], "something in PEM form that cannot be read"),
    ],
    ids=["empty", "joined", "cut off"],
)
def test_a_file_that_openssl_passes_over_is_told(untrusted, tmp_path, spoil, what):
    file = tmp_path / "authorities.pem"
    file.write_bytes(spoil(make_authority().pem))
    assert f"; SSL_CERT_FILE is {str(file)!r}, which has {what}" in untrusted(SSL_CERT_FILE=str(file))


def test_one_of_several_folders_may_be_missing(untrusted, tmp_path):
    (tmp_path / "0123abcd.0").touch()
    several = os.pathsep.join([str(tmp_path / "missing"), str(tmp_path)])
    assert untrusted(SSL_CERT_DIR=several).endswith(f"; SSL_CERT_DIR is {several!r}")
    assert untrusted(SSL_CERT_DIR=str(tmp_path / "missing")).endswith("missing', which is not there")


def test_where_openssl_finds_nothing_is_told(untrusted, tmp_path):
    file = tmp_path / "authority.pem"
    file.touch()
    assert untrusted(SSL_CERT_DIR=str(tmp_path)).endswith(
        f"; SSL_CERT_DIR is {str(tmp_path)!r}, in which no file has a hashed name: run openssl rehash on it"
    )
    assert f"; SSL_CERT_DIR is {str(file)!r}, which cannot be read: " in untrusted(SSL_CERT_DIR=str(file))
    assert f"; SSL_CERT_FILE is {str(tmp_path)!r}, which cannot be read: " in untrusted(SSL_CERT_FILE=str(tmp_path))
