"""Tests of MessageWebSocket.connect and of the function syncws.connect, on real connections over loopback."""

import contextlib
import errno
import socket as tcp
import threading

import pytest
from support import LIMIT, echo, request_headers, running_server, scripted_server, wait
from support.calls import Call
from support.message_websocket import (
    Record,
    assert_hresult,
    unheard_listener,
    wss_fixture,  # noqa: F401 - the fixture wss
)
from support.scripts import (
    asked_in_vain,
    connected,
    noting,
    noting_request,
    only_reads,
    sends_and_closes,
    uri_of_nobody,
)

import syncws
from syncws import (
    CannotConnectError,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    OperationCanceledError,
    OperationTimedOutError,
)
from syncws._connection.session import Session
from syncws._net.address import Address
from syncws._net.resolver import Answer

# connect.


@contextlib.contextmanager
def connecting():
    """Give a socket, its connect, which waits for the server's answer, and the URI."""
    asked = threading.Event()
    socket = MessageWebSocket()
    with scripted_server(asked_in_vain(asked)) as uri:
        call = Call(socket.connect, uri)
        wait(asked)
        yield socket, call, uri


def test_close_during_connect_cancels_it_and_the_socket_can_connect_again():
    with connecting() as (socket, call, _):
        socket.close()
        with pytest.raises(OperationCanceledError) as raised:
            call.result()
    assert_hresult(raised, HResult.ERROR_CANCELLED)
    with running_server(echo) as uri, socket:
        socket.connect(uri)
        socket.send("again")
        assert socket.receive() == "again"


def test_abort_during_connect_cancels_it():
    with connecting() as (socket, call, _):
        socket.abort()
        with pytest.raises(OperationCanceledError):
            call.result()


def test_connect_while_connecting_is_an_illegal_method_call():
    with connecting() as (socket, call, uri):
        with pytest.raises(IllegalMethodCallError) as raised:
            socket.connect(uri)
        for refused in (socket.wait_closed, socket.receive):
            with pytest.raises(IllegalMethodCallError):
                refused()
        socket.close()
        with pytest.raises(OperationCanceledError):
            call.result()
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


def test_connect_twice_is_an_illegal_method_call_and_the_connection_goes_on():
    with running_server(echo) as uri, MessageWebSocket() as socket:
        socket.connect(uri)
        with unheard_listener() as other, pytest.raises(IllegalMethodCallError) as raised:
            socket.connect(other)
        assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)
        socket.send("on")
        assert socket.receive() == "on"


def test_connect_after_close_is_an_illegal_method_call():
    with connected(noting([])) as socket:
        socket.close()
        with unheard_listener() as uri, pytest.raises(IllegalMethodCallError) as raised:
            socket.connect(uri)
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


def test_connect_after_the_peers_close_is_an_illegal_method_call():
    with connected(sends_and_closes()) as socket:
        assert socket.wait_closed(LIMIT)
        with unheard_listener() as uri, pytest.raises(IllegalMethodCallError) as raised:
            socket.connect(uri)
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


def test_after_a_failed_connect_everything_can_be_changed_and_connect_tried_again():
    with running_server(echo, subprotocols=["chat"]) as uri, MessageWebSocket() as socket:
        with pytest.raises(ConnectionError):
            socket.connect(uri_of_nobody())
        socket.control.receive_timeout = LIMIT
        socket.control.supported_protocols.append("chat")
        socket.set_request_header("X-Try", "2")
        socket.connect(uri)
        assert socket.information.protocol == "chat"


def test_a_failed_connect_raises_no_events():
    with MessageWebSocket() as socket:
        record = Record(socket)
        with pytest.raises(ConnectionError):
            socket.connect(uri_of_nobody())
    assert record.entries == []


def test_connect_with_no_time_at_all_times_out():
    with unheard_listener() as uri, MessageWebSocket() as socket, pytest.raises(OperationTimedOutError) as raised:
        socket.connect(uri, timeout=0)
    assert_hresult(raised, HResult.WININET_E_TIMEOUT)


def test_a_thread_that_cannot_be_started_fails_connect_and_leaves_nothing_open(monkeypatch):
    def refuse(session):
        raise RuntimeError("can't start new thread")

    with scripted_server(only_reads) as uri:
        socket = MessageWebSocket()
        socket.control.close_timeout = 0.5
        monkeypatch.setattr(Session, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            socket.connect(uri)
        socket.close()
        del socket


def test_without_descriptors_connect_fails_and_may_be_tried_again(monkeypatch):
    def refuse():
        raise OSError(errno.EMFILE, "Too many open files")

    with scripted_server(only_reads) as uri, MessageWebSocket() as socket:
        socket.control.close_timeout = 0.5
        with monkeypatch.context() as patch:
            patch.setattr("syncws._net.connector.Waker", refuse)
            with pytest.raises(CannotConnectError, match="no file descriptors for the connection") as raised:
                socket.connect(uri)
        assert_hresult(raised, HResult.WININET_E_CANNOT_CONNECT)
        socket.connect(uri)


def test_a_reader_that_was_interrupted_right_after_its_start_is_given_back(monkeypatch):
    start = Session.start

    def interrupted(session):
        start(session)
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "start", interrupted)
    with scripted_server(only_reads) as uri, pytest.raises(KeyboardInterrupt):
        MessageWebSocket().connect(uri)


def test_close_at_the_last_moment_of_connect_still_cancels_it(monkeypatch):
    take_session = MessageWebSocket._take_session

    def close_first(socket, *arguments):
        socket.close()
        return take_session(socket, *arguments)

    monkeypatch.setattr(MessageWebSocket, "_take_session", close_first)
    with scripted_server(only_reads) as uri, pytest.raises(OperationCanceledError) as raised:
        MessageWebSocket().connect(uri)
    assert_hresult(raised, HResult.ERROR_CANCELLED)


def test_a_name_that_must_be_looked_up_is_looked_up_on_other_threads(monkeypatch):
    asked = []

    def ask(host, kind, *_):
        asked.append((host, kind, threading.current_thread().name))
        return Answer([Address(tcp.AF_INET, "127.0.0.1")])

    monkeypatch.setattr("syncws._net.resolver.ask_name_servers", ask)
    with running_server(echo) as uri, MessageWebSocket() as socket:
        socket.connect(uri.replace("localhost", "server.invalid"))
        socket.send("found")
        assert socket.receive() == "found"
    assert sorted(asked) == [("server.invalid", kind, "syncws-lookup") for kind in ("A", "AAAA")]


BAD_URIS = [
    "",
    "localhost",
    "/path",
    "//localhost/",
    "ws:localhost",
    "ws:/localhost",
    "ws://",
    "ws:///path",
    "http://localhost{port}/",
    "https://localhost{port}/",
    "wsx://localhost{port}/",
    "ws://localhost{port}/#fragment",
    "ws://localhost{port}/#",
    "ws://user@localhost{port}/",
    "ws://user:secret@localhost{port}/",
    "ws://localhost:0/",
    "ws://localhost:65536/",
    "ws://localhost:-1/",
    "ws://localhost:port/",
    "ws://localhost{port}/a b",
    "ws://localhost{port}/a\r\nX: y",
    "ws://localhost{port}/\x00",
    "ws://localhost{port}/\x7f",
    "ws://localhost{port}/\ud800",
    " ws://localhost{port}/",
    "ws://localhost{port}/\n",
]


@pytest.mark.parametrize("template", BAD_URIS)
def test_a_bad_uri_is_refused_before_any_connection(template):
    with unheard_listener() as uri:
        port = uri.removeprefix("ws://localhost").removesuffix("/")
        with pytest.raises(InvalidArgumentError, match="uri") as raised:
            MessageWebSocket().connect(template.replace("{port}", port))
    assert_hresult(raised, HResult.E_INVALIDARG)


def test_the_message_for_a_bad_uri_does_not_show_the_password():
    with pytest.raises(InvalidArgumentError) as raised:
        MessageWebSocket().connect("ws://user:secret@localhost/")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("uri", [None, 5, b"ws://localhost/", ["ws://localhost/"]])
def test_a_uri_that_is_no_str_is_refused(uri):
    with pytest.raises(InvalidArgumentTypeError, match="uri must be str") as raised:
        MessageWebSocket().connect(uri)
    assert_hresult(raised, HResult.E_INVALIDARG)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", True, -float("inf")])
def test_a_bad_timeout_is_refused_before_any_connection(timeout):
    with unheard_listener() as uri, pytest.raises(InvalidArgumentError, match="timeout must be") as raised:
        MessageWebSocket().connect(uri, timeout=timeout)
    assert_hresult(raised, HResult.E_INVALIDARG)


BAD_CLOSES = [
    (0, ""),
    (999, ""),
    (1004, ""),
    (1006, ""),
    (1011, ""),
    (1015, ""),
    (2999, ""),
    (5000, ""),
    (-1, ""),
    (65536 + 1000, ""),
    (1000, "x" * 124),
    (1000, "é" * 62),
    (1000, "\ud800"),
    (1005, "reason"),
    (None, "reason"),
    ("1000", ""),
    (1000.0, ""),
    (True, ""),
    (1000, b"reason"),
    (1000, 5),
]


@pytest.mark.parametrize(("code", "reason"), BAD_CLOSES)
def test_a_bad_close_is_refused_and_closes_nothing(code, reason):
    with connected(noting([])) as socket:
        with pytest.raises(InvalidArgumentError) as raised:
            socket.close(code, reason)
        assert_hresult(raised, HResult.E_INVALIDARG)
        socket.send("still open")


# syncws.connect().


def test_the_function_connect_gives_a_connected_socket():
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        assert isinstance(socket, MessageWebSocket)
        socket.send("hi")
        assert socket.receive() == "hi"


@pytest.mark.parametrize("headers", [{"X-One": "1", "X-Two": "2"}, [("X-One", "1"), ("X-Two", "2")]])
def test_the_function_connect_passes_its_settings_on(headers):
    requests = []
    script = noting_request(requests, "Sec-WebSocket-Protocol: b")
    with (
        scripted_server(script) as uri,
        syncws.connect(uri, timeout=LIMIT, headers=headers, subprotocols=("a", "b"), max_message_size=5) as socket,
    ):
        assert socket.information.protocol == "b"
        assert socket.control.max_message_size == 5
    sent = request_headers(requests[0])
    assert sent["x-one"] == "1"
    assert sent["x-two"] == "2"
    assert sent["sec-websocket-protocol"] == "a, b"


def test_a_program_may_hand_on_the_headers_that_it_was_not_given():
    with running_server(echo) as uri, syncws.connect(uri, headers=None, subprotocols=None) as socket:
        assert socket.is_open


def test_the_function_connect_takes_a_tls_context(wss, client_tls):
    with syncws.connect(wss, ssl_context=client_tls) as socket:
        socket.send(b"hi")
        assert socket.receive() == b"hi"


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": -1},
        {"headers": {"X Y": "z"}},
        {"subprotocols": ["a", "a"]},
        {"subprotocols": "chat"},
        {"ssl_context": True},
        {"max_message_size": -1},
    ],
    ids=str,
)
def test_the_function_connect_refuses_bad_settings_before_any_connection(options):
    with unheard_listener() as uri, pytest.raises(InvalidArgumentError) as raised:
        syncws.connect(uri, **{"timeout": 0.2, **options})
    assert_hresult(raised, HResult.E_INVALIDARG)
