"""Certificates that do not pass, and those that are let pass, in real connections; what information tells of them."""

import re
import ssl
import threading

import pytest
from support import LIMIT, echo, read_to_end, running_server, scripted_server, settings_with, wait
from support.calls import Call
from support.server_certificates import CLIENT, LONG_AGO, make, make_authority
from support.tls_engine import ServerEngine

from syncws import (
    CertificateError,
    ChainValidationResult,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    OperationTimedOutError,
    SocketSslErrorSeverity,
    StreamWebSocket,
    TlsError,
    WebErrorStatus,
)
from syncws._certificates.errors import IGNORABLE_ERRORS
from syncws._net.tls.context import make_plan

UNTRUSTED = ChainValidationResult.UNTRUSTED
EXPIRED = ChainValidationResult.EXPIRED
INCOMPLETE_CHAIN = ChainValidationResult.INCOMPLETE_CHAIN
WRONG_USAGE = ChainValidationResult.WRONG_USAGE
INVALID_NAME = ChainValidationResult.INVALID_NAME
INVALID_SIGNATURE = ChainValidationResult.INVALID_SIGNATURE

ROOT = make_authority("root")
MIDDLE = make_authority("middle", ROOT)
ALL = sorted(IGNORABLE_ERRORS)

# What the server shows, what is wrong with it for a client that trusts ROOT, and the status of the refusal.
BAD = {
    "expired": (lambda: make(issuer=ROOT, dates=LONG_AGO).chain, [EXPIRED], "CERTIFICATE_EXPIRED"),
    "wrong name": (
        lambda: make(issuer=ROOT, names=["other.test"]).chain,
        [INVALID_NAME],
        "CERTIFICATE_COMMON_NAME_IS_INCORRECT",
    ),
    "self-signed": (lambda: make().chain, [UNTRUSTED], "CERTIFICATE_IS_INVALID"),
    "unknown authority": (
        lambda: make(issuer=make_authority("unknown")).chain,
        [UNTRUSTED, INCOMPLETE_CHAIN],
        "CERTIFICATE_IS_INVALID",
    ),
    "missing intermediate": (
        lambda: make(issuer=MIDDLE).chain[:1],
        [UNTRUSTED, INCOMPLETE_CHAIN],
        "CERTIFICATE_IS_INVALID",
    ),
    "wrong usage": (lambda: make(issuer=ROOT, usages=[CLIENT]).chain, [WRONG_USAGE], "CERTIFICATE_IS_INVALID"),
    "self-signed, wrong name, expired": (
        lambda: make(dates=LONG_AGO, names=["other.test"]).chain,
        [UNTRUSTED, INVALID_NAME, EXPIRED],
        "CERTIFICATE_CONTAINS_ERRORS",
    ),
    "forged": (lambda: make(issuer=ROOT, signer=MIDDLE).chain, [INVALID_SIGNATURE], "CERTIFICATE_IS_INVALID"),
}
FORGIVABLE = [case for case, (_, errors, _) in BAD.items() if IGNORABLE_ERRORS.issuperset(errors)]


def shown_by(chain):
    return running_server(echo, ssl_context=chain[0].server_context(chain))


def make_socket(*ignorable, context="own", socket_class=MessageWebSocket):
    socket = socket_class()
    socket.control.ignorable_server_certificate_errors.extend(ignorable)
    if context == "own":
        socket.control.ssl_context = ROOT.trusted_by(ssl.create_default_context())
    return socket


def refused(socket, chain):
    with shown_by(chain) as uri, socket, pytest.raises(CertificateError) as caught:
        socket.connect(uri, timeout=LIMIT)
    return caught.value


@pytest.fixture
def system_trusts_root(monkeypatch, tmp_path):
    """Have the settings that the library makes itself trust ROOT."""
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("case", BAD)
def test_a_certificate_that_does_not_pass_tells_all_that_is_wrong(case, version):
    make_chain, errors, status = BAD[case]
    chain = make_chain()
    socket = make_socket()
    socket.control.ssl_context.maximum_version = version
    error = refused(socket, chain)
    assert error.status is WebErrorStatus[status]
    assert list(error.certificate_errors) == errors
    information = socket.information
    assert list(information.server_certificate_errors) == errors
    is_fatal = INVALID_SIGNATURE in errors
    severity = SocketSslErrorSeverity.FATAL if is_fatal else SocketSslErrorSeverity.IGNORABLE
    assert information.server_certificate_error_severity is severity
    assert information.server_certificate.get_certificate_blob() == chain[0].der
    assert len(information.server_intermediate_certificates) == len(chain) - 1


@pytest.mark.parametrize("case", BAD)
def test_without_tls_1_2_a_certificate_that_does_not_pass_tells_the_first_thing_that_is_wrong(case):
    make_chain, errors, status = BAD[case]
    chain = make_chain()
    first = [error for error in errors if error in (errors[0], INCOMPLETE_CHAIN)]
    socket = make_socket()
    socket.control.ssl_context.minimum_version = ssl.TLSVersion.TLSv1_3
    error = refused(socket, chain)
    assert error.status is WebErrorStatus[status if first == errors else "CERTIFICATE_IS_INVALID"]
    assert list(error.certificate_errors) == list(socket.information.server_certificate_errors) == first
    assert socket.information.server_certificate.get_certificate_blob() == chain[0].der


@pytest.mark.parametrize("context", ["own", "default"])
@pytest.mark.parametrize("case", FORGIVABLE)
@pytest.mark.usefixtures("system_trusts_root")
def test_a_certificate_passes_when_all_that_is_wrong_is_ignored(case, context):
    make_chain, errors, _ = BAD[case]
    chain = make_chain()
    with shown_by(chain) as uri, make_socket(*errors, context=context) as socket:
        socket.connect(uri, timeout=LIMIT)
        socket.send("hello")
        assert socket.receive(LIMIT) == "hello"
        assert list(socket.information.server_certificate_errors) == errors
        assert socket.information.server_certificate_error_severity is SocketSslErrorSeverity.IGNORABLE
        assert socket.information.server_certificate.get_certificate_blob() == chain[0].der


@pytest.mark.parametrize("context", ["own", "default"])
@pytest.mark.parametrize("case", FORGIVABLE)
@pytest.mark.usefixtures("system_trusts_root")
def test_an_entry_relaxes_no_other_check(case, context):
    make_chain, errors, _ = BAD[case]
    # UNTRUSTED and INCOMPLETE_CHAIN are one fact when the issuer is not known.
    related = {UNTRUSTED, INCOMPLETE_CHAIN} if INCOMPLETE_CHAIN in errors else set()
    for missing in errors:
        ignorable = [error for error in ALL if error is not missing and error not in related]
        error = refused(make_socket(*ignorable, context=context), make_chain())
        assert missing in error.certificate_errors
        assert set(error.certificate_errors) <= {missing, *related}


def test_what_nobody_can_let_pass_does_not_pass():
    make_chain, errors, _ = BAD["forged"]
    error = refused(make_socket(*ALL), make_chain())
    assert list(error.certificate_errors) == errors


@pytest.mark.parametrize("ignorable", [UNTRUSTED, INCOMPLETE_CHAIN])
def test_an_issuer_that_is_not_known_is_let_pass_under_either_name(ignorable):
    with shown_by(make(issuer=MIDDLE).chain[:1]) as uri, make_socket(ignorable) as socket:
        socket.connect(uri, timeout=LIMIT)


@pytest.mark.parametrize("context", ["own", "default"])
@pytest.mark.usefixtures("system_trusts_root")
def test_a_good_certificate_passes_as_ever_when_errors_would_be_ignored(context):
    with shown_by(make(issuer=MIDDLE).chain) as uri, make_socket(*ALL, context=context) as socket:
        socket.connect(uri, timeout=LIMIT)
        assert socket.information.server_certificate_errors == ()
        assert socket.information.server_certificate_error_severity is SocketSslErrorSeverity.NONE
        (intermediate,) = socket.information.server_intermediate_certificates
        assert intermediate.get_certificate_blob() == MIDDLE.der


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_is_refused_gets_no_answer_to_its_certificate(version):
    left = []
    chain = make(dates=LONG_AGO).chain
    context = chain[0].server_context()
    context.maximum_version = version

    def script(connection):
        ServerEngine(connection, context).show_certificate()
        left.append(read_to_end(connection))

    with scripted_server(script) as uri, make_socket(UNTRUSTED) as socket:
        with pytest.raises(CertificateError):
            socket.connect(uri.replace("ws:", "wss:"), timeout=LIMIT)
        assert socket.information.local_address is None
    assert left == [b""]


def test_after_a_refusal_the_errors_can_be_ignored_and_the_socket_connects():
    # As the StreamSocket sample does it.
    with shown_by(make(names=["other.test"]).chain) as uri, make_socket() as socket:
        with pytest.raises(CertificateError):
            socket.connect(uri, timeout=LIMIT)
        socket.control.ignorable_server_certificate_errors.extend(socket.information.server_certificate_errors)
        socket.connect(uri, timeout=LIMIT)
        assert list(socket.information.server_certificate_errors) == [UNTRUSTED, INVALID_NAME]


def test_the_next_connect_forgets_the_last_server():
    with shown_by(make().chain) as bad, running_server(echo) as plain, make_socket() as socket:
        with pytest.raises(CertificateError):
            socket.connect(bad, timeout=LIMIT)
        socket.connect(plain, timeout=LIMIT)
        assert socket.information.server_certificate_errors == ()
        assert socket.information.server_certificate is None


def test_a_stream_web_socket_lets_errors_pass_too():
    with shown_by(make().chain) as uri, make_socket(UNTRUSTED, socket_class=StreamWebSocket) as socket:
        socket.connect(uri, timeout=LIMIT)
        assert list(socket.information.server_certificate_errors) == [UNTRUSTED]


def test_the_application_s_context_is_not_changed():
    socket = make_socket(*ALL)
    context = socket.control.ssl_context
    with shown_by(make().chain) as uri, socket:
        socket.connect(uri, timeout=LIMIT)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_context_that_verifies_nothing_goes_on_doing_so():
    socket = make_socket(EXPIRED, context="none")
    context = socket.control.ssl_context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with shown_by(make(names=["other.test"]).chain) as uri, socket:
        socket.connect(uri, timeout=LIMIT)
        assert socket.information.server_certificate_errors == ()


def test_the_copy_of_a_context_has_its_versions_ciphers_and_options(tmp_path):
    own = ssl.create_default_context()
    own.maximum_version = ssl.TLSVersion.TLSv1_2
    own.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    own.options |= ssl.OP_NO_TICKET
    own.post_handshake_auth = True
    own.keylog_filename = str(tmp_path / "keys")
    settings = settings_with(ssl_context=own, ignorable_server_certificate_errors=[EXPIRED])
    plan = make_plan(settings)
    assert plan.rules is own
    copy = plan.handshake
    assert copy.verify_mode is ssl.CERT_NONE
    assert copy.maximum_version is ssl.TLSVersion.TLSv1_2
    names = [cipher["name"] for cipher in copy.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert names == ["ECDHE-RSA-AES256-GCM-SHA384"]
    assert copy.options == own.options | ssl.OP_NO_RENEGOTIATION
    assert copy.post_handshake_auth
    assert copy.keylog_filename == own.keylog_filename


class OwnEngine(ssl.SSLObject):
    """What an application puts in place of OpenSSL's, to look at certificates itself."""


class OwnWay(ssl.SSLContext):
    """A context that makes its connections its own way."""

    def wrap_bio(self, *arguments, **options):
        return super().wrap_bio(*arguments, **options)


class Prepared(ssl.SSLContext):
    """A context that only sets itself up."""

    def __init__(self, _):
        self.load_verify_locations(cadata=ROOT.der)


def context_with_own_engine():
    context = ssl.create_default_context()
    context.sslobject_class = OwnEngine
    return context


def context_with_own_method():
    context = ssl.create_default_context()
    context.wrap_bio = lambda *arguments, **options: None
    return context


@pytest.mark.parametrize(
    "make_context", [context_with_own_engine, context_with_own_method, lambda: OwnWay(ssl.PROTOCOL_TLS_CLIENT)]
)
def test_a_context_that_makes_its_connections_its_own_way_is_not_replaced(make_context):
    def never_called(_):
        raise AssertionError("the server was connected to")

    with scripted_server(never_called) as uri, make_socket(EXPIRED) as socket:
        socket.control.ssl_context = make_context()
        with pytest.raises(InvalidArgumentError, match="own sslobject_class or wrap_bio") as caught:
            socket.connect(uri.replace("ws:", "wss:"), timeout=LIMIT)
        assert caught.value.hresult == HResult.E_INVALIDARG
        assert caught.value.attempts == ()


def test_a_context_of_a_class_that_only_sets_it_up_can_be_replaced():
    with shown_by(make(issuer=ROOT, dates=LONG_AGO).chain) as uri, make_socket(EXPIRED) as socket:
        socket.control.ssl_context = Prepared(ssl.PROTOCOL_TLS_CLIENT)
        socket.connect(uri, timeout=LIMIT)


# The application's own look.


@pytest.mark.parametrize(
    ("raised", "error", "text"),
    [
        (ssl.SSLCertVerificationError, CertificateError, "did not pass: it is another one [OTHER_ERRORS]"),
        (ssl.SSLError, TlsError, "TLS handshake with localhost failed: it is another one"),
    ],
)
def test_what_a_check_of_the_application_s_own_raises_is_told(raised, error, text):
    class Pinning(ssl.SSLObject):
        def do_handshake(self):
            super().do_handshake()
            raise raised("it is another one")

    with shown_by(make(issuer=ROOT).chain) as uri, make_socket() as socket:
        socket.control.ssl_context.sslobject_class = Pinning
        with pytest.raises(error, match=re.escape(text)):
            socket.connect(uri, timeout=LIMIT)


def test_a_handler_sees_the_errors_that_were_let_pass():
    seen = []

    def look(sender, args):
        seen.append((list(args.server_certificate_errors), args.server_certificate_error_severity))

    with shown_by(make(names=["other.test"]).chain) as uri, make_socket(UNTRUSTED, INVALID_NAME) as socket:
        socket.add_server_custom_validation_requested(look)
        socket.connect(uri, timeout=LIMIT)
    assert seen == [([UNTRUSTED, INVALID_NAME], SocketSslErrorSeverity.IGNORABLE)]


def test_a_handler_is_not_asked_about_a_certificate_that_has_not_passed():
    seen = []
    socket = make_socket(UNTRUSTED)
    socket.add_server_custom_validation_requested(lambda sender, args: seen.append(args))
    refused(socket, make(names=["other.test"]).chain)
    assert seen == []


def test_a_handler_may_refuse_what_was_let_pass():
    with shown_by(make().chain) as uri, make_socket(UNTRUSTED) as socket:
        socket.add_server_custom_validation_requested(lambda sender, args: args.reject())
        with pytest.raises(CertificateError) as caught:
            socket.connect(uri, timeout=LIMIT)
    assert caught.value.hresult == HResult.INET_E_SECURITY_PROBLEM
    assert caught.value.certificate_errors == ()


def test_a_deferral_completed_on_another_thread_lets_connect_go_on():
    deferrals = []
    taken = threading.Event()

    def look(sender, args):
        deferrals.append(args.get_deferral())
        taken.set()

    with shown_by(make().chain) as uri, make_socket(UNTRUSTED) as socket:
        socket.add_server_custom_validation_requested(look)
        call = Call(socket.connect, uri, timeout=LIMIT)
        wait(taken)
        assert not call.done.is_set()
        deferrals[0].complete()
        call.result()


def test_a_deferral_that_is_never_completed_does_not_outlast_the_deadline(clock):
    deferrals = []

    def defer(sender, args):
        deferrals.append(args.get_deferral())
        clock.advance(LIMIT)

    with shown_by(make().chain) as uri, make_socket(UNTRUSTED) as socket:
        socket.add_server_custom_validation_requested(defer)
        with pytest.raises(OperationTimedOutError, match="custom validation"):
            socket.connect(uri, timeout=LIMIT)
    assert len(deferrals) == 1


# The list.


def test_exactly_the_seven_values_can_be_ignored():
    control = MessageWebSocket().control
    names = "UNTRUSTED EXPIRED INCOMPLETE_CHAIN WRONG_USAGE INVALID_NAME"
    names += " REVOCATION_INFORMATION_MISSING REVOCATION_FAILURE"
    assert {error.name for error in IGNORABLE_ERRORS} == set(names.split())
    for value in ChainValidationResult:
        if value in IGNORABLE_ERRORS:
            control.ignorable_server_certificate_errors.append(value)
        else:
            with pytest.raises(InvalidArgumentError, match="cannot be ignored; these can: UNTRUSTED") as caught:
                control.ignorable_server_certificate_errors.append(value)
            assert caught.value.hresult == HResult.E_INVALIDARG
    assert list(control.ignorable_server_certificate_errors) == ALL


def test_the_list_takes_numbers_and_gives_members():
    errors = MessageWebSocket().control.ignorable_server_certificate_errors
    errors.append(1)
    assert errors == [UNTRUSTED]
    assert isinstance(errors[0], ChainValidationResult)


@pytest.mark.parametrize("value", ["UNTRUSTED", None, True, 1.0])
def test_the_list_takes_nothing_else(value):
    errors = MessageWebSocket().control.ignorable_server_certificate_errors
    with pytest.raises(InvalidArgumentTypeError, match="must be a ChainValidationResult"):
        errors.append(value)
    assert errors == []


def test_the_list_takes_only_sequences_at_once():
    control = MessageWebSocket().control
    with pytest.raises(InvalidArgumentTypeError, match="must be a sequence"):
        control.ignorable_server_certificate_errors.extend(5)
    with pytest.raises(InvalidArgumentTypeError, match="cannot be assigned"):
        control.ignorable_server_certificate_errors = [EXPIRED]
    control.ignorable_server_certificate_errors += [EXPIRED]
    assert control.ignorable_server_certificate_errors == [EXPIRED]


def test_the_list_is_frozen_with_the_rest():
    with running_server(echo) as uri, make_socket() as socket:
        socket.connect(uri, timeout=LIMIT)
        with pytest.raises(IllegalMethodCallError):
            socket.control.ignorable_server_certificate_errors.append(EXPIRED)
