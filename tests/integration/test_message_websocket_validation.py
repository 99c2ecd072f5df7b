"""Tests of MessageWebSocket's custom validation of the server's certificate, on real TLS connections."""

import contextlib
import threading

import pytest
from support import read_to_end, scripted_server, wait
from support.calls import Call
from support.message_websocket import (
    HandlerError,
    assert_hresult,
    wss_fixture,  # noqa: F401 - the fixture wss
)
from support.scripts import connected, noting

from syncws import (
    CancellationTokenSource,
    CertificateError,
    HResult,
    MessageWebSocket,
    OperationCanceledError,
    OperationTimedOutError,
    SocketSslErrorSeverity,
)


@pytest.fixture
def secure(client_tls):
    with MessageWebSocket() as socket:
        socket.control.ssl_context = client_tls
        yield socket


@contextlib.contextmanager
def watched_wss(server_tls, received):
    """Run a wss server that notes the first byte of the request, or its absence."""

    def script(connection):
        try:
            received.append(connection.recv(1))
        except OSError:
            received.append(b"")

    with scripted_server(script, ssl_context=server_tls) as uri:
        yield uri


def test_a_custom_validation_that_does_nothing_accepts(wss, secure):
    calls = []
    secure.add_server_custom_validation_requested(lambda sender, args: calls.append((sender, args)))
    secure.connect(wss)
    secure.send("on")
    assert secure.receive() == "on"
    ((sender, args),) = calls
    assert sender is secure
    assert args.server_certificate.get_certificate_blob()[:1] == b"\x30"
    assert list(args.server_intermediate_certificates) == []
    assert list(args.server_certificate_errors) == []
    assert args.server_certificate_error_severity is SocketSslErrorSeverity.NONE


def test_a_custom_validation_can_be_added_by_plus_equals_and_removed(wss, secure):
    calls = []

    def handler(sender, args):
        calls.append(threading.current_thread())

    secure.server_custom_validation_requested += handler
    secure.server_custom_validation_requested += handler
    secure.server_custom_validation_requested -= handler
    secure.connect(wss)
    assert calls == [threading.current_thread()]


def test_a_rejected_server_fails_connect_and_gets_no_request(server_tls, secure):
    received = []
    secure.add_server_custom_validation_requested(lambda sender, args: (args.reject(), args.reject()))
    with watched_wss(server_tls, received) as uri:
        with pytest.raises(CertificateError) as raised:
            secure.connect(uri)
        assert_hresult(raised, HResult.INET_E_SECURITY_PROBLEM)
    assert received == [b""]


@pytest.mark.parametrize("end", ["close", "abort", "cancel", "too late"])
def test_a_server_gets_no_request_after_a_handler_that_has_ended_connect(server_tls, secure, clock, end):
    received, source = [], CancellationTokenSource()
    ends = {"close": secure.close, "abort": secure.abort, "cancel": source.cancel, "too late": lambda: clock.advance(9)}
    secure.add_server_custom_validation_requested(lambda sender, args: ends[end]())
    error = OperationTimedOutError if end == "too late" else OperationCanceledError
    with watched_wss(server_tls, received) as uri, source, pytest.raises(error, match="custom validation"):
        secure.connect(uri, timeout=9, cancellation_token=source.token)
    assert received == [b""]


def test_one_handler_that_rejects_is_enough(server_tls, secure):
    secure.add_server_custom_validation_requested(lambda sender, args: args.reject())
    secure.add_server_custom_validation_requested(lambda sender, args: None)
    with watched_wss(server_tls, []) as uri, pytest.raises(CertificateError):
        secure.connect(uri)


def test_a_validation_handler_that_raises_rejects_and_is_logged(server_tls, secure, caplog):
    def handler(sender, args):
        raise HandlerError

    received = []
    secure.add_server_custom_validation_requested(handler)
    with watched_wss(server_tls, received) as uri, pytest.raises(CertificateError, match="requested raised") as raised:
        secure.connect(uri)
    assert_hresult(raised, HResult.INET_E_SECURITY_PROBLEM)
    assert received == [b""]
    assert [entry.exc_info[0] for entry in caplog.records] == [HandlerError]


def test_after_a_rejection_the_socket_can_connect_again(server_tls, wss, secure):
    token = secure.add_server_custom_validation_requested(lambda sender, args: args.reject())
    with pytest.raises(CertificateError):
        secure.connect(wss)
    secure.remove_server_custom_validation_requested(token)
    secure.connect(wss)


@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_connect_waits_for_a_deferral_that_another_thread_completes(server_tls, wss, secure, verdict):
    deferrals = []
    asked = threading.Event()

    def handler(sender, args):
        deferrals.append((args, args.get_deferral(), args.get_deferral()))
        asked.set()

    secure.add_server_custom_validation_requested(handler)
    connecting = Call(secure.connect, wss)
    wait(asked)
    ((args, first, second),) = deferrals
    first.complete()
    assert not connecting.done.is_set()
    if verdict == "reject":
        args.reject()
    second.complete()
    if verdict == "accept":
        connecting.result()
    else:
        with pytest.raises(CertificateError):
            connecting.result()


def test_a_deferral_that_is_completed_in_the_handler_does_not_hold_connect(wss, secure):
    def handler(sender, args):
        with args.get_deferral():
            pass

    secure.add_server_custom_validation_requested(handler)
    secure.connect(wss)


def test_close_ends_a_connect_that_waits_for_a_deferral(server_tls, secure):
    deferrals = []
    asked = threading.Event()

    def handler(sender, args):
        deferrals.append(args.get_deferral())
        asked.set()

    secure.add_server_custom_validation_requested(handler)
    with watched_wss(server_tls, []) as uri:
        connecting = Call(secure.connect, uri)
        wait(asked)
        secure.close()
        with pytest.raises(OperationCanceledError):
            connecting.result()
    # A verdict that comes too late hurts nobody.
    deferrals[0].complete()


def test_a_certificate_that_fails_the_usual_checks_never_comes_to_custom_validation(server_tls):
    calls = []

    def script(connection):
        read_to_end(connection)

    with scripted_server(script, ssl_context=server_tls) as uri, MessageWebSocket() as socket:
        socket.add_server_custom_validation_requested(lambda sender, args: calls.append(args))
        with pytest.raises(CertificateError) as raised:
            socket.connect(uri)
    assert_hresult(raised, HResult.WININET_E_INVALID_CA)
    assert calls == []


def test_custom_validation_is_never_asked_for_on_ws():
    calls = []

    def prepare(socket):
        socket.add_server_custom_validation_requested(lambda sender, args: calls.append(args))

    with connected(noting([]), prepare):
        pass
    assert calls == []
