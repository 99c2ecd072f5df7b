"""What is wrong with a chain of certificates: all of it, by OpenSSL's own verdict, and nothing passes unexamined."""

import ssl
import tempfile

import pytest
from cryptography import x509
from support.server_certificates import (
    CLIENT,
    CODE,
    LATER,
    LONG_AGO,
    SERVER,
    make,
    make_authority,
    make_revocation_list,
)

from syncws._net.tls import verification
from syncws._net.tls.chain_judge import PASSED, UNJUDGED, judge, sent_chain
from syncws._net.tls.relaxed_context import has_readable_times
from syncws._net.tls.trust import trusting_context
from syncws._net.tls.verification import certificate_error, examine, not_forgiven, refused_at_once
from syncws.enums import ChainValidationResult
from syncws.hresult import HResult

UNTRUSTED = ChainValidationResult.UNTRUSTED
REVOKED = ChainValidationResult.REVOKED
EXPIRED = ChainValidationResult.EXPIRED
INCOMPLETE_CHAIN = ChainValidationResult.INCOMPLETE_CHAIN
INVALID_SIGNATURE = ChainValidationResult.INVALID_SIGNATURE
WRONG_USAGE = ChainValidationResult.WRONG_USAGE
INVALID_NAME = ChainValidationResult.INVALID_NAME
BASIC_CONSTRAINTS_ERROR = ChainValidationResult.BASIC_CONSTRAINTS_ERROR
UNKNOWN_CRITICAL_EXTENSION = ChainValidationResult.UNKNOWN_CRITICAL_EXTENSION
NO_REVOCATION = ChainValidationResult.REVOCATION_INFORMATION_MISSING
REVOCATION_FAILURE = ChainValidationResult.REVOCATION_FAILURE
OTHER_ERRORS = ChainValidationResult.OTHER_ERRORS

ROOT = make_authority("root")
MIDDLE = make_authority("middle", ROOT)
OLD_ROOT = make_authority("old root", dates=LONG_AGO)
STRANGE = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), True)


FOR_CLIENTS = (x509.ExtendedKeyUsage([CLIENT]), False)


def trusting(*authorities):
    context = trusting_context()
    for authority in authorities:
        authority.trusted_by(context)
    return context


def found(chain, name="localhost", context=None):
    report = examine(context or trusting(ROOT), [made.der for made in chain], name)
    assert report.chain == tuple(made.der for made in chain)
    return list(report.errors)


@pytest.mark.parametrize("key", ["ec", "rsa", "ed25519"])
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_good_certificate_has_no_errors(key, name):
    assert found(make(issuer=ROOT, key=key).chain, name) == []
    assert found(make(issuer=MIDDLE, key=key).chain, name) == []


CASES = {
    "expired": (lambda: make(issuer=ROOT, dates=LONG_AGO).chain, [EXPIRED]),
    "not yet valid": (lambda: make(issuer=ROOT, dates=LATER).chain, [EXPIRED]),
    "wrong name": (lambda: make(issuer=ROOT, names=["other.test"]).chain, [INVALID_NAME]),
    "only a common name": (lambda: make(issuer=ROOT, names=[]).chain, [INVALID_NAME]),
    "self-signed": (lambda: make().chain, [UNTRUSTED]),
    "unknown authority": (
        lambda: make(issuer=make_authority("unknown")).chain,
        [UNTRUSTED, INCOMPLETE_CHAIN],
    ),
    "unknown authority, sent along": (
        lambda: [leaf := make(issuer=make_authority("unknown")), leaf.issuer],
        [UNTRUSTED],
    ),
    "missing intermediate": (lambda: make(issuer=MIDDLE).chain[:1], [UNTRUSTED, INCOMPLETE_CHAIN]),
    "wrong usage": (lambda: make(issuer=ROOT, usages=[CLIENT]).chain, [WRONG_USAGE]),
    "expired and wrong name": (
        lambda: make(issuer=ROOT, dates=LONG_AGO, names=["other.test"]).chain,
        [INVALID_NAME, EXPIRED],
    ),
    "self-signed, wrong name, expired": (
        lambda: make(dates=LONG_AGO, names=["other.test"]).chain,
        [UNTRUSTED, INVALID_NAME, EXPIRED],
    ),
    "expired intermediate": (
        lambda: make(issuer=make_authority("late", ROOT, dates=LONG_AGO)).chain,
        [EXPIRED],
    ),
    "unknown authority that is expired, sent along": (
        lambda: [make(issuer=OLD_ROOT), OLD_ROOT],
        [UNTRUSTED, EXPIRED],
    ),
    "wrong usage and everything else": (
        lambda: make(usages=[CODE], dates=LONG_AGO, names=["other.test"]).chain,
        [UNTRUSTED, WRONG_USAGE, INVALID_NAME, EXPIRED],
    ),
    "wrong usage below an unknown authority": (
        lambda: [leaf := make(issuer=make_authority("unknown"), usages=[CLIENT]), leaf.issuer],
        [UNTRUSTED, WRONG_USAGE],
    ),
    "forged signature": (lambda: make(issuer=ROOT, signer=MIDDLE).chain, [INVALID_SIGNATURE]),
    "forged signature below an authority that is sent along": (
        lambda: [leaf := make(issuer=make_authority("unknown"), signer=MIDDLE), leaf.issuer],
        [UNTRUSTED, INVALID_SIGNATURE],
    ),
    "forged signature and wrong usage": (
        lambda: make(issuer=ROOT, signer=MIDDLE, usages=[CLIENT]).chain,
        [WRONG_USAGE, INVALID_SIGNATURE],
    ),
    "wrong usage of an authority": (
        lambda: make(issuer=make_authority("low", ROOT, extensions=[FOR_CLIENTS])).chain,
        [WRONG_USAGE, OTHER_ERRORS],
    ),
    "expired intermediate below which a signature is forged": (
        lambda: make(issuer=make_authority("late", ROOT, dates=LONG_AGO), signer=MIDDLE).chain,
        [EXPIRED, INVALID_SIGNATURE],
    ),
    "issued by a certificate that is no authority's": (
        lambda: make(issuer=make("nobody", ROOT)).chain,
        [BASIC_CONSTRAINTS_ERROR],
    ),
    "wrong usage, issued by a certificate that is no authority's": (
        lambda: make(issuer=make("nobody", ROOT), usages=[CLIENT]).chain,
        [WRONG_USAGE, BASIC_CONSTRAINTS_ERROR],
    ),
    "too many authorities": (
        lambda: make(issuer=make_authority("low", make_authority("high", ROOT, path_length=0))).chain,
        [BASIC_CONSTRAINTS_ERROR],
    ),
    "wrong usage and too many authorities": (
        lambda: make(issuer=make_authority("low", make_authority("high", ROOT, path_length=0)), usages=[CLIENT]).chain,
        [WRONG_USAGE, BASIC_CONSTRAINTS_ERROR],
    ),
    "critical extension": (lambda: make(issuer=ROOT, extensions=[STRANGE]).chain, [UNKNOWN_CRITICAL_EXTENSION]),
    "wrong usage below an authority with a critical extension": (
        lambda: make(issuer=make_authority("odd", ROOT, extensions=[STRANGE]), usages=[CLIENT]).chain,
        [WRONG_USAGE, UNKNOWN_CRITICAL_EXTENSION],
    ),
    "outside the authority's names": (
        lambda: make(issuer=make_authority("narrow", ROOT, permitted="other.test")).chain,
        [OTHER_ERRORS],
    ),
    "wrong usage, outside the authority's names": (
        lambda: make(issuer=make_authority("narrow", ROOT, permitted="other.test"), usages=[CLIENT]).chain,
        [WRONG_USAGE, OTHER_ERRORS],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_all_that_is_wrong_is_found_and_nothing_else(case):
    make_chain, errors = CASES[case]
    assert found(make_chain()) == errors


@pytest.mark.parametrize("name", ["127.0.0.2", "other.test", "::1"])
def test_a_name_or_address_that_the_certificate_is_not_for_is_found_also_with_a_wrong_usage(name):
    assert found(make(issuer=ROOT).chain, name) == [INVALID_NAME]
    assert found(make(issuer=ROOT, usages=[CLIENT]).chain, name) == [WRONG_USAGE, INVALID_NAME]


def test_a_wildcard_is_for_the_names_below_it_also_with_a_wrong_usage():
    leaf = make(issuer=ROOT, names=["*.example.test"], usages=[CLIENT])
    assert found(leaf.chain, "a.example.test") == [WRONG_USAGE]
    assert found(leaf.chain, "a.b.example.test") == [WRONG_USAGE, INVALID_NAME]


def test_what_a_context_does_not_ask_is_no_error():
    context = trusting(ROOT)
    context.check_hostname = False
    assert found(make(issuer=ROOT, names=["other.test"]).chain, context=context) == []
    assert found(make(issuer=ROOT, names=["other.test"], usages=[CLIENT]).chain, context=context) == [WRONG_USAGE]


def test_an_authority_in_the_middle_may_be_the_trusted_one():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    MIDDLE.trusted_by(context)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    assert found(make(issuer=MIDDLE).chain[:1], context=context) == []


def test_the_context_is_not_changed():
    context = trusting(ROOT)
    before = (context.verify_flags, context.verify_mode, context.check_hostname, set(context.get_ca_certs(True)))
    found(make(dates=LONG_AGO, names=["other.test"]).chain, context=context)
    after = (context.verify_flags, context.verify_mode, context.check_hostname, set(context.get_ca_certs(True)))
    assert after == before


def test_a_chain_of_many_records_is_examined():
    extension = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.2"), bytes(40000)), False)
    assert found(make(issuer=ROOT, extensions=[extension]).chain) == []


def test_bytes_that_are_no_certificate_do_not_pass():
    report = examine(trusting(ROOT), [b"no certificate"], "localhost")
    assert report.errors == (OTHER_ERRORS,)


# Revocation, for contexts that ask for it.


def revoking(*lists, root=ROOT):
    context = trusting(root)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    for text in lists:
        context.load_verify_locations(cadata=root.der)
        path = revoking.directory / f"{id(text)}.pem"
        path.write_bytes(text)
        context.load_verify_locations(path)
    return context


@pytest.fixture
def revocation_lists(tmp_path):
    revoking.directory = tmp_path


@pytest.mark.usefixtures("revocation_lists")
def test_revocation_is_told_apart():
    leaf = make(issuer=ROOT)
    assert found(leaf.chain, context=revoking()) == [NO_REVOCATION]
    assert found(leaf.chain, context=revoking(make_revocation_list(ROOT))) == []
    assert found(leaf.chain, context=revoking(make_revocation_list(ROOT, leaf))) == [REVOKED]


@pytest.mark.usefixtures("revocation_lists")
def test_a_certificate_that_is_expired_has_been_looked_up_before():
    leaf = make(issuer=ROOT, dates=LONG_AGO)
    assert found(leaf.chain, context=revoking(make_revocation_list(ROOT))) == [EXPIRED]


@pytest.mark.usefixtures("revocation_lists")
def test_an_old_list_may_hide_that_the_certificate_is_revoked():
    leaf = make(issuer=ROOT)
    old = make_revocation_list(ROOT, leaf, dates=LONG_AGO)
    assert found(leaf.chain, context=revoking(old)) == [REVOCATION_FAILURE, OTHER_ERRORS]


@pytest.mark.usefixtures("revocation_lists")
def test_a_missing_list_may_hide_that_an_authority_is_revoked():
    low = make_authority("low", ROOT)
    context = revoking(make_revocation_list(ROOT, low))
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    assert found(make(issuer=low).chain, context=context) == [NO_REVOCATION, OTHER_ERRORS]


@pytest.mark.usefixtures("revocation_lists")
@pytest.mark.parametrize(
    ("options", "error"), [({"names": ["other.test"]}, INVALID_NAME), ({"usages": [CLIENT]}, WRONG_USAGE)]
)
def test_what_fails_before_revocation_may_hide_it(options, error):
    leaf = make(issuer=ROOT, **options)
    assert found(leaf.chain, context=revoking(make_revocation_list(ROOT, leaf))) == [error, OTHER_ERRORS]


# Nothing passes unexamined.


def test_a_context_without_tls_1_2_lets_no_verdict_come_about():
    context = trusting(ROOT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    assert judge(context, [make(issuer=ROOT).der], "localhost").code == UNJUDGED
    assert found(make(issuer=ROOT).chain, context=context) == [OTHER_ERRORS]


def test_a_context_without_certificate_ciphers_lets_no_verdict_come_about():
    context = trusting(ROOT)
    context.set_ciphers("PSK")
    assert found(make(issuer=ROOT).chain, context=context) == [OTHER_ERRORS]


def test_a_verdict_that_leaves_no_chain_is_the_end_of_it(monkeypatch):
    blind = verification.Verdict(18, "self-signed certificate", ())
    monkeypatch.setattr(verification, "judge", lambda *_: blind)
    assert found(make().chain) == [UNTRUSTED, OTHER_ERRORS]


def test_an_answer_about_another_chain_is_none(monkeypatch):
    verdicts = iter(
        [verification.Verdict(62, "Hostname mismatch", (b"1", ROOT.der)), verification.Verdict(PASSED, "", (b"1",))]
    )
    monkeypatch.setattr(verification, "judge", lambda *_: next(verdicts))
    assert found(make(issuer=ROOT).chain) == [INVALID_NAME, OTHER_ERRORS]


def test_a_relaxation_that_does_not_help_is_the_end_of_it(monkeypatch):
    stubborn = verification.Verdict(62, "Hostname mismatch", (ROOT.der,))
    monkeypatch.setattr(verification, "judge", lambda *_: stubborn)
    assert found(make().chain) == [INVALID_NAME, OTHER_ERRORS]


def test_a_trust_that_fails_once_more_is_the_end_of_it(monkeypatch):
    verdicts = iter([verification.Verdict(code, "", (ROOT.der,)) for code in (62, 20)])
    monkeypatch.setattr(verification, "judge", lambda *_: next(verdicts))
    assert found(make().chain) == [INVALID_NAME, UNTRUSTED, INCOMPLETE_CHAIN, OTHER_ERRORS]


def test_a_wrong_usage_is_not_looked_behind_without_a_place_for_a_temporary_file(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    report = examine(trusting(ROOT), [make(issuer=ROOT, usages=[CLIENT]).der], "localhost")
    assert report.errors == (WRONG_USAGE, OTHER_ERRORS)
    assert "no place for a temporary file: " in certificate_error(report, report.errors, "x").message


def test_no_temporary_file_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert found(make(issuer=ROOT, usages=[CLIENT]).chain) == [WRONG_USAGE]
    assert list(tmp_path.iterdir()) == []


# The times 991231235959Z and 20501231235959Z, and what has another form.
@pytest.mark.parametrize(
    ("first", "second", "is_readable"),
    [
        ("170d3939313233313233353935395a", "180f32303530313233313233353935395a", True),
        ("170d3939313333313233353935395a", "180f32303530313233313233353935395a", False),
        ("170d3939313233313233353935395a", "180d3939313233313233353935395a", False),
        ("170b393931323331323335395a", "170d3939313233313233353935395a", False),
        ("170d3939313233313233353935392b", "170d3939313233313233353935395a", False),
        ("170d3939313233313233353935205a", "170d3939313233313233353935395a", False),
        ("0c0d3939313233313233353935395a", "170d3939313233313233353935395a", False),
        ("170d3939313233313233353935395a", "", False),
        ("170d39393132333132333539", "", False),
    ],
)
@pytest.mark.parametrize("version", ["", "a003020102"])
def test_times_of_another_form_than_x_509_s_are_not_readable(first, second, is_readable, version):
    times = bytes.fromhex(first + second)
    inner = bytes.fromhex(version + "020101" + "3000" + "3000") + bytes([0x30, len(times)]) + times
    whole = bytes([0x30, len(inner) + 2, 0x30, len(inner)]) + inner
    assert has_readable_times(whole) is is_readable


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x82\x00", b"\x30\x00", b"\x30\x02\x30\x00", b"\x30\x05\x30\x03\x02\x01\x01"]
)
def test_what_is_no_certificate_has_no_times(data):
    assert not has_readable_times(data)
    assert has_readable_times(ROOT.der)


def test_a_handshake_that_leaves_no_chain_has_at_least_its_own_error():
    error = ssl.SSLCertVerificationError(1, "odd")
    error.verify_code, error.verify_message = 10, "certificate has expired"
    assert refused_at_once(error).errors == (EXPIRED,)
    error.verify_code = 999
    assert refused_at_once(error).errors == (OTHER_ERRORS,)


def test_before_a_handshake_there_is_no_chain():
    context = trusting(ROOT)
    engine = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert sent_chain(engine) == ()


def test_a_verdict_that_passes_shows_the_chain_up_to_the_authority():
    leaf = make(issuer=MIDDLE)
    verdict = judge(trusting(ROOT), [made.der for made in leaf.chain], "localhost")
    assert verdict.code == PASSED
    assert verdict.built == (leaf.der, MIDDLE.der, ROOT.der)


# What is let pass, and what the rest is called.


@pytest.mark.parametrize(
    ("errors", "ignorable", "left"),
    [
        ([], [], []),
        ([EXPIRED], [], [EXPIRED]),
        ([EXPIRED], [EXPIRED], []),
        ([UNTRUSTED, INVALID_NAME, EXPIRED], [INVALID_NAME], [UNTRUSTED, EXPIRED]),
        ([UNTRUSTED, INVALID_NAME, EXPIRED], [UNTRUSTED, INVALID_NAME, EXPIRED], []),
        ([UNTRUSTED], [INCOMPLETE_CHAIN], [UNTRUSTED]),
        ([UNTRUSTED, INCOMPLETE_CHAIN], [INCOMPLETE_CHAIN], []),
        ([UNTRUSTED, INCOMPLETE_CHAIN, EXPIRED], [UNTRUSTED], [EXPIRED]),
        ([UNTRUSTED, INCOMPLETE_CHAIN], [EXPIRED], [UNTRUSTED, INCOMPLETE_CHAIN]),
    ],
)
def test_each_error_is_forgiven_by_its_own_entry(errors, ignorable, left):
    assert not_forgiven(errors, frozenset(ignorable)) == left


@pytest.mark.parametrize(
    ("left", "name"),
    [
        ([EXPIRED], "WININET_E_SEC_CERT_DATE_INVALID"),
        ([INVALID_NAME], "WININET_E_SEC_CERT_CN_INVALID"),
        ([UNTRUSTED], "WININET_E_INVALID_CA"),
        ([UNTRUSTED, INCOMPLETE_CHAIN], "WININET_E_INVALID_CA"),
        ([WRONG_USAGE], "WININET_E_SEC_INVALID_CERT"),
        ([REVOKED], "WININET_E_SEC_CERT_REVOKED"),
        ([NO_REVOCATION], "WININET_E_SEC_CERT_REV_FAILED"),
        ([REVOCATION_FAILURE], "WININET_E_SEC_CERT_REV_FAILED"),
        ([INVALID_SIGNATURE], "WININET_E_SEC_INVALID_CERT"),
        ([UNTRUSTED, INVALID_NAME], "WININET_E_SEC_CERT_ERRORS"),
    ],
)
def test_what_did_not_pass_has_its_number(left, name):
    report = examine(trusting(ROOT), [make().der], "localhost")
    error = certificate_error(report, left, "localhost")
    assert error.hresult == HResult[name]
    assert error.certificate_errors == tuple(left)
    assert all(entry.name in error.message for entry in left)


def test_the_usage_for_servers_may_stand_beside_others():
    assert found(make(issuer=ROOT, usages=[CLIENT, SERVER]).chain) == []
    assert found(make(issuer=ROOT, usages=[]).chain) == []
