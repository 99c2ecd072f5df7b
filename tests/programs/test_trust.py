"""compliance.trust in a small size, with a fixed seed; that it finds what it looks for; and holes that there were."""

import random
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support import LIMIT, scripted_server

from compliance import trust
from compliance.certificates import CLIENT, ODD_CURVE, Recipe, certify, with_public_key, with_version
from compliance.chains import FAULTS, cases, make_case
from syncws import (
    Certificate,
    CertificateError,
    ChainValidationResult,
    InvalidArgumentError,
    MessageWebSocket,
    TlsError,
)
from syncws._certificates.errors import IGNORABLE_ERRORS
from syncws._net.tls.chain_judge import server_flight
from syncws._net.tls.verification import CertificateReport, examine, not_forgiven

ROOT = Path(__file__).parents[2]
WRONG_USAGE = ChainValidationResult.WRONG_USAGE

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
needs_same_openssl = pytest.mark.skipif(not trust.openssl_is_there(), reason="there is no openssl of Python's release")


@pytest.mark.slow
@needs_same_openssl
def test_no_chain_passes_that_openssl_s_own_list_does_not_allow():
    figures = trust.run(100, seed=1)
    assert figures.wrong == []
    assert figures.chains == 100
    assert figures.questions == 2900
    assert figures.passed > 100


@needs_same_openssl
def test_a_chain_that_passes_and_should_not_is_told(monkeypatch):
    monkeypatch.setattr(trust, "examine", lambda context, chain, host: CertificateReport(chain))
    figures = trust.run(20, seed=1)
    assert figures.wrong


@needs_same_openssl
def test_a_chain_that_is_refused_and_need_not_be_is_counted(monkeypatch):
    monkeypatch.setattr(
        trust,
        "examine",
        lambda context, chain, host: CertificateReport(chain, (ChainValidationResult.OTHER_ERRORS,)),
    )
    assert trust.run(20, seed=1).refused.total() > 0


@needs_same_openssl
def test_the_command_finds_no_chain_that_passes_and_must_not():
    command = [sys.executable, "-m", "compliance.trust", "--cases", "3", "--seed", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 chains, 87 questions" in done.stdout
    assert "passed and must not: 0" in done.stdout


def test_the_cases_are_all_faults_alone_and_in_pairs():
    number = len(FAULTS)
    assert len(cases()) == 1 + number + number * (number - 1) // 2


# What passed once, with all errors ignored that can be, or with the entries that are named.
HOLES = {
    "an authority revoked behind a missing list": (["middle revoked, leaf without a list"], IGNORABLE_ERRORS),
    "revoked in an old list": (["leaf revoked in an old list"], IGNORABLE_ERRORS),
    "revoked, with a wrong name": (["leaf revoked", "wrong name"], IGNORABLE_ERRORS),
    "revoked, with a wrong usage": (["leaf revoked", "leaf for clients"], IGNORABLE_ERRORS),
    "no wildcard for OpenSSL": (["wildcard alone", "leaf for clients"], {WRONG_USAGE}),
    "a wildcard for a whole domain": (["wildcard of a whole domain", "leaf for clients"], {WRONG_USAGE}),
    "a wildcard inside a label": (["wildcard inside a label", "leaf for clients"], {WRONG_USAGE}),
    "a wildcard below localhost": (["wildcard below localhost", "leaf for code"], {WRONG_USAGE}),
    "a short key of an authority": (["middle with a short key", "leaf for clients"], IGNORABLE_ERRORS),
    "a short key of the root": (["root with a short key", "leaf for clients"], IGNORABLE_ERRORS),
    "an authority without identifiers": (
        ["strict", "middle without identifiers", "leaf for clients"],
        IGNORABLE_ERRORS,
    ),
    "no time at the end": (["leaf from the future without an end"], IGNORABLE_ERRORS),
    "an odd curve": (["middle with an odd curve", "leaf for clients"], IGNORABLE_ERRORS),
}


@pytest.mark.parametrize("hole", HOLES)
def test_what_nobody_has_let_pass_does_not_pass(hole):
    faults, ignorable = HOLES[hole]
    case = make_case(*faults)
    report = examine(case.context(), case.chain, case.host)
    assert report.chain == case.chain
    assert not_forgiven(report.errors, ignorable)


@needs_openssl
def test_a_curve_that_is_written_out_does_not_pass_with_a_wrong_usage():
    case = make_case("middle with a written-out curve", "leaf for clients")
    assert not_forgiven(examine(case.context(), case.chain, case.host).errors, IGNORABLE_ERRORS)


# What `cryptography` cannot read.

ODD_EDITS = {
    "odd curve": with_public_key(ODD_CURVE),
    **{f"version {number}": with_version(number) for number in (1, 3, 9)},
}


@pytest.mark.parametrize("ignorable", [[], sorted(IGNORABLE_ERRORS)])
@pytest.mark.parametrize("place", ["leaf", "middle"])
@pytest.mark.parametrize("odd", ODD_EDITS)
def test_a_stranger_s_odd_certificate_makes_connect_raise_what_is_documented(
    monkeypatch, tmp_path, odd, place, ignorable
):
    monkeypatch.setitem(FAULTS, "odd", lambda plan: getattr(plan, place).edits.append(ODD_EDITS[odd]))
    case = make_case("odd", "leaf for clients")
    (tmp_path / "anchors.pem").write_text(case.anchors)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "anchors.pem"))

    def script(connection):
        connection.recv(65536)
        connection.sendall(server_flight(case.chain, 0xC02B))

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        socket.control.ignorable_server_certificate_errors.extend(ignorable)
        # OpenSSL has nothing against some of them: they pass with all that is ignored, and the server hangs up.
        with pytest.raises((CertificateError, TlsError) if ignorable else CertificateError):
            socket.connect(uri.replace("ws:", "wss:"), timeout=LIMIT)
        certificate = socket.information.server_certificate
        assert certificate.get_certificate_blob() == case.chain[0]
        if place == "leaf" and odd.startswith("version"):
            with pytest.raises(InvalidArgumentError, match="known version"):
                certificate.subject  # noqa: B018 - a property


def test_loading_an_odd_certificate_raises_what_is_documented():
    made = certify(Recipe("leaf", "leaf", edits=[with_version(9)]), None)
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(InvalidArgumentError, match="not a certificate of a known version"):
        Certificate.from_pem(ssl.DER_cert_to_PEM_cert(made.der).encode() + key)


def test_no_property_of_a_damaged_certificate_raises_what_is_not_documented():
    good = certify(Recipe("leaf", "leaf", names=["localhost", "127.0.0.1"], usages=[CLIENT]), None).der
    names = [name for name in dir(Certificate) if isinstance(getattr(Certificate, name), property)]
    rng = random.Random(1)
    refused = 0
    for _ in range(500):
        damaged = bytearray(good)
        damaged[rng.randrange(len(good))] = rng.choice((0, 1, 9, 0x17, 0x30, 0x7F, 0x80, 0xFF))
        certificate = Certificate(bytes(damaged))
        for name in names:
            try:
                getattr(certificate, name)
            except InvalidArgumentError:
                refused += 1
    assert refused > 100
