"""Connecting over a socket that the application brings, and to a server on a Unix socket."""

import contextlib
import socket as socket_module
import sys
import threading

import pytest
from support import LIMIT, echo, read_request, read_to_end, running_server, running_unix_server, scripted_server
from support.calls import Call

import syncws
from syncws import (
    CannotConnectError,
    ConnectionLostError,
    HttpStatusError,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    OperationTimedOutError,
    StreamWebSocket,
)
from syncws._wire.uri import parse_uri

needs_unix = pytest.mark.skipif(not hasattr(socket_module, "AF_UNIX"), reason="there are no Unix sockets here")


def connected_to(uri):
    return socket_module.create_connection(("127.0.0.1", parse_uri(uri).port))


@pytest.fixture
def unix_server(tmp_path, tls):
    """A server on a Unix socket; gives its path, the URI to ask for, and the client's context."""
    path = tmp_path / "server.sock"
    with running_unix_server(path, echo, ssl_context=tls[0]):
        yield path, "ws://localhost/" if tls[0] is None else "wss://localhost/", tls[1]


# A connected socket.


def test_a_connected_socket_is_used_and_belongs_to_the_web_socket(tls):
    with running_server(echo, ssl_context=tls[0]) as uri:
        given = connected_to(uri)
        with syncws.connect(uri, socket=given, ssl_context=tls[1]) as socket:
            # The application's object has let go: closing it closes nothing.
            given.close()
            socket.send("hello")
            assert socket.receive(LIMIT) == "hello"
            assert str(socket.information.remote_address) == "127.0.0.1"
            assert str(socket.information.local_address) == "127.0.0.1"
            assert socket.information.proxy is None


def test_a_stream_runs_over_a_connected_socket():
    with running_server(echo) as uri, StreamWebSocket() as socket:
        socket.connect("ws://any-name.invalid/", socket=connected_to(uri))
        socket.output_stream.write(b"hello")
        assert socket.input_stream.as_file().read(5) == b"hello"


def test_neither_a_name_is_looked_up_nor_a_proxy_used(monkeypatch):
    monkeypatch.setenv("ws_proxy", "http://127.0.0.1:9")
    with running_server(echo) as uri, syncws.connect("ws://any-name.invalid/", socket=connected_to(uri)) as socket:
        socket.send("hello")
        assert socket.receive(LIMIT) == "hello"


@needs_unix
def test_a_socket_pair_has_no_address_to_show(tls):
    near, far = socket_module.socketpair()
    with contextlib.ExitStack() as stack:
        uri = stack.enter_context(running_server(echo, ssl_context=tls[0]))
        stack.enter_context(relaying(far, connected_to(uri)))
        with syncws.connect(uri, socket=near, ssl_context=tls[1]) as socket:
            socket.send(b"hello")
            assert socket.receive(LIMIT) == b"hello"
            assert socket.information.local_address is None
            assert socket.information.remote_address is None
            assert "local_address=None" in repr(socket.information)


@contextlib.contextmanager
def relaying(one, other):
    """Carry bytes between two sockets until either ends."""

    def carry(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket_module.SHUT_WR)

    threads = [threading.Thread(target=carry, args=pair) for pair in ((one, other), (other, one))]
    with one, other:
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join(LIMIT)


def test_a_failed_connect_has_closed_the_socket_and_another_may_be_given():
    def refuse(connection):
        connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        read_to_end(connection)

    with scripted_server(refuse) as refusing, running_server(echo) as uri, MessageWebSocket() as socket:
        given = connected_to(refusing)
        with pytest.raises(HttpStatusError) as caught:
            socket.connect(refusing, socket=given)
        assert given.fileno() == -1
        assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.1"]
        socket.connect(uri, socket=connected_to(uri))


def test_a_redirect_is_not_followed_on_a_socket_that_was_given():
    def lead_away(connection):
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: ws://localhost:9/\r\nContent-Length: 0\r\n\r\n")
        read_to_end(connection)

    with scripted_server(lead_away) as uri, pytest.raises(HttpStatusError) as caught:
        syncws.connect(uri, socket=connected_to(uri), max_redirects=3)
    assert caught.value.location == "ws://localhost:9/"


def test_a_silent_server_ends_with_the_time():
    with scripted_server(read_to_end) as uri, pytest.raises(OperationTimedOutError):
        syncws.connect(uri, socket=connected_to(uri), timeout=0.05)


def test_what_is_no_connected_stream_socket_is_refused_and_left_alone():
    with socket_module.socket() as unconnected, pytest.raises(InvalidArgumentError, match="must be connected"):
        syncws.connect("ws://localhost/", socket=unconnected)
    with socket_module.socket(type=socket_module.SOCK_DGRAM) as datagrams:
        datagrams.connect(("127.0.0.1", 9))
        with pytest.raises(InvalidArgumentError, match="must be a stream socket"):
            syncws.connect("ws://localhost/", socket=datagrams)
    with pytest.raises(InvalidArgumentTypeError, match=r"must be a connected socket\.socket or None, not int"):
        syncws.connect("ws://localhost/", socket=3)


def test_a_socket_with_tls_of_its_own_is_refused(server_tls, client_tls):
    with running_server(echo, ssl_context=server_tls) as uri:
        over_tls = client_tls.wrap_socket(connected_to(uri), server_hostname="localhost")
        with over_tls, pytest.raises(InvalidArgumentTypeError, match="connect\\(\\) does TLS on it"):
            syncws.connect(uri, socket=over_tls)
        assert over_tls.fileno() == -1


def test_a_socket_is_not_taken_by_a_connect_that_is_not_allowed():
    with running_server(echo) as uri, syncws.connect(uri) as socket, connected_to(uri) as given:
        with pytest.raises(IllegalMethodCallError):
            socket.connect(uri, socket=given)
        assert given.fileno() != -1


# A Unix socket.


@needs_unix
def test_a_server_on_a_unix_socket_is_talked_to(unix_server):
    path, uri, context = unix_server
    with syncws.unix_connect(path, uri, ssl_context=context) as socket:
        socket.send("hello")
        assert socket.receive(LIMIT) == "hello"
        assert socket.information.remote_address is None


@needs_unix
def test_the_uri_may_be_left_out(tmp_path):
    path = str(tmp_path / "server.sock")
    with socket_module.socket(socket_module.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(LIMIT)
        call = Call(syncws.unix_connect, path, timeout=LIMIT)
        with listener.accept()[0] as connection:
            request = read_request(connection)
        with pytest.raises(ConnectionLostError):
            call.result()
    assert request.startswith(b"GET / HTTP/1.1\r\n")
    assert b"\r\nHost: localhost\r\n" in request


@needs_unix
def test_where_nobody_listens_the_path_is_told(tmp_path):
    path = str(tmp_path / "nobody.sock")
    with pytest.raises(CannotConnectError, match="No such file or directory") as caught:
        syncws.unix_connect(path)
    assert path in str(caught.value)
    assert [attempt.address for attempt in caught.value.attempts] == [path]


@needs_unix
def test_a_server_whose_queue_is_full_is_told_of(tmp_path):
    path = str(tmp_path / "full.sock")
    with socket_module.socket(socket_module.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)
        for _ in range(2):
            filler = stack.enter_context(socket_module.socket(socket_module.AF_UNIX))
            filler.setblocking(False)
            filler.connect_ex(path)
        with pytest.raises(CannotConnectError, match="temporarily unavailable"):
            syncws.unix_connect(path)


@needs_unix
@pytest.mark.parametrize("path", ["", b"/bytes", 3, None, "/no\ud800where", "/cut\0short"])
def test_a_bad_path_is_refused(path):
    with pytest.raises(InvalidArgumentError, match="path must be"):
        syncws.unix_connect(path)


@needs_unix
@pytest.mark.parametrize("begin", ["", "\0"], ids=["path", "abstract name"])
def test_a_path_that_the_system_has_no_room_for_is_refused(begin):
    if begin and sys.platform != "linux":
        pytest.skip("only Linux has abstract names")
    longest = begin + "x" * ((108 if sys.platform == "linux" else 104) - 1)
    with socket_module.socket(socket_module.AF_UNIX) as probe:
        with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
            probe.connect(longest)
        with pytest.raises(OSError, match="too long"):
            probe.connect(longest + "x")
    with pytest.raises(CannotConnectError):
        syncws.unix_connect(longest)
    with pytest.raises(InvalidArgumentError, match=f"at most {len(longest)} bytes.* got {len(longest) + 1}"):
        syncws.unix_connect(longest + "x")


@needs_unix
def test_settings_are_checked_before_the_path_is_touched(tmp_path):
    with pytest.raises(TypeError, match="max_message_size"):
        syncws.unix_connect(tmp_path / "x", max_mesage_size=3)
