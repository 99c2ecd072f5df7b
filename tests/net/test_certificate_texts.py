"""Tests of what the text of a certificate's error advises."""

import pytest

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


def test_what_only_the_strict_check_refuses_can_pass_without_it():
    report = CertificateReport(words=("Missing Authority Key Identifier",))
    assert "VERIFY_X509_STRICT" in certificate_error(report, [Result.OTHER_ERRORS], "localhost").message


def test_a_certificate_that_is_too_old_is_no_matter_of_trust():
    message = certificate_error(CertificateReport(words=("certificate has expired",)), [Result.EXPIRED], "x").message
    assert "ca_file" not in message
