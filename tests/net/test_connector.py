"""From a URI to an open connection: addresses in turn, their failures, socket options, and nothing left behind."""

import contextlib
import errno
import socket
import ssl
import threading

import dns.resolver
import pytest
from support import LIMIT, join, read_request, read_to_end, reset, scripted_server, settings_with
from support.scripts import only_reads

from syncws._net import connector as module
from syncws._net.address import Address
from syncws._net.connector import Connect
from syncws._net.transport import lost_connection
from syncws._waiting.deadline import Deadline
from syncws._waiting.waiter import Waiter
from syncws._wire import uri as uris
from syncws._wire.uri import parse_uri
from syncws.control import StreamWebSocketControl
from syncws.errors import (
    CannotConnectError,
    ConnectionLostError,
    HostNameNotResolvedError,
    HttpStatusError,
    OperationCanceledError,
    OperationTimedOutError,
    TlsError,
    WebSocketError,
)
from syncws.hresult import HResult

V4, V6 = socket.AF_INET, socket.AF_INET6
LOOPBACK = Address(V4, "127.0.0.1")


@pytest.fixture
def connect(monkeypatch):
    made = []

    def make(uri, addresses=None, timeout=LIMIT, validate=None, over=None, **settings):
        if addresses is not None:
            monkeypatch.setattr(module, "addresses_without_waiting", lambda _: addresses)
        values = settings_with(**settings)
        made.append(Connect(parse_uri(uri), values, Deadline(timeout), over=over, validate=validate))
        return made[-1].run()

    make.made = made
    yield make
    for one in made:
        one.close()


@pytest.fixture
def closed_port():
    """A port of loopback on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def silent_port():
    """A port of loopback that does not answer, because its backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        try:
            for _ in range(20):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(address)
                fillers.append(filler)
            yield address[1]
        finally:
            for filler in fillers:
                filler.close()


def test_a_connection_is_opened(connect):
    with scripted_server(only_reads) as uri:
        opened = connect(uri)
        assert opened.reached.local_address == "127.0.0.1"
        assert opened.reached.transport is opened.reached.socket_transport
        opened.reached.transport.close()


def test_a_tls_connection_is_opened_and_shown_to_the_application(connect, server_tls, client_tls):
    reports = []
    with scripted_server(only_reads, ssl_context=server_tls) as uri:
        opened = connect(uri, ssl_context=client_tls, validate=lambda report, *_: reports.append(report))
        (report,) = reports
        assert [one.get_certificate_blob() for one in connect.made[0].certificates] == list(report.chain)
        assert report.chain[0] == opened.reached.transport.ssl_object.getpeercert(binary_form=True)
        assert report.errors == ()
        opened.reached.transport.close()


def test_the_default_context_trusts_no_unknown_authority(connect, server_tls):
    with scripted_server(only_reads, ssl_context=server_tls) as uri, pytest.raises(TlsError) as caught:
        connect(uri)
    assert caught.value.hresult == HResult.WININET_E_INVALID_CA


@pytest.mark.parametrize("no_delay", [True, False])
def test_nagles_algorithm_is_as_the_settings_say(connect, no_delay):
    with scripted_server(only_reads) as uri:
        opened = connect(uri, control_class=StreamWebSocketControl, no_delay=no_delay)
        assert bool(opened.reached.transport._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is no_delay
        opened.reached.transport.close()


def test_the_send_buffer_is_as_the_settings_say(connect):
    with scripted_server(only_reads) as uri:
        opened = connect(uri, outbound_buffer_size_in_bytes=16384)
        # Linux doubles what was asked for.
        assert opened.reached.transport._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) in (16384, 32768)
        opened.reached.transport.close()


def test_a_refused_connection_names_the_address_and_the_reason(connect, closed_port):
    with pytest.raises(CannotConnectError, match=rf":{closed_port}/: 127\.0\.0\.1: Connection refused") as caught:
        connect(f"ws://127.0.0.1:{closed_port}/")
    assert caught.value.hresult == HResult.WININET_E_CANNOT_CONNECT


@pytest.mark.parametrize("uri", ["ws://127.0.0.1/", "ws://[::1]/"])
def test_a_refusal_names_the_port_that_the_uri_leaves_out(connect, closed_port, monkeypatch, uri):
    monkeypatch.setitem(uris._DEFAULT_PORTS, False, closed_port)
    with pytest.raises(CannotConnectError) as caught:
        connect(uri, [LOOPBACK])
    assert f"cannot connect to {uri} (port {closed_port}): 127.0.0.1: Connection refused" in str(caught.value)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")
def test_a_unix_socket_has_no_port_to_name(connect, tmp_path):
    with pytest.raises(CannotConnectError, match="cannot connect to ws://localhost/: "):
        connect("ws://localhost/", over=str(tmp_path / "nobody"))


def test_the_next_address_is_tried_after_a_refusal(connect):
    with scripted_server(only_reads) as uri:
        opened = connect(uri, [Address(V4, "127.0.0.2"), LOOPBACK])
        assert opened.reached.local_address == "127.0.0.1"
        opened.reached.transport.close()


def test_every_address_and_its_failure_is_named(connect, closed_port):
    addresses = [Address(V4, f"127.0.0.{last}") for last in (2, 3, 4)]
    with pytest.raises(CannotConnectError) as caught:
        connect(f"ws://host:{closed_port}/", addresses)
    for address in addresses:
        assert f"{address.text}: Connection refused" in str(caught.value)
    assert caught.value.__cause__.errno == errno.ECONNREFUSED


def test_no_more_addresses_are_tried_than_the_settings_allow(connect, closed_port):
    addresses = [Address(V4, f"127.0.0.{last}") for last in (2, 3, 4)]
    with pytest.raises(CannotConnectError) as caught:
        connect(f"ws://host:{closed_port}/", addresses, max_connect_addresses=2)
    assert "127.0.0.3" in str(caught.value)
    assert "127.0.0.4" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL])
def test_an_unreachable_server_has_its_own_number(connect, monkeypatch, number):
    connect_anywhere = socket.socket.connect

    def fail(self, address):
        # A pair of sockets is connected so too where the system has none.
        if address == ("127.0.0.1", 9):
            raise OSError(number, "unreachable")
        connect_anywhere(self, address)

    monkeypatch.setattr(socket.socket, "connect", fail)
    with pytest.raises(CannotConnectError) as caught:
        connect("ws://127.0.0.1:9/")
    assert caught.value.hresult == HResult.WININET_E_SERVER_UNREACHABLE


def test_a_silent_address_ends_with_connect_timeout(connect, silent_port):
    with pytest.raises(OperationTimedOutError, match=r"127\.0\.0\.1"):
        connect(f"ws://127.0.0.1:{silent_port}/", connect_timeout=0.05)


def test_a_silent_address_ends_with_the_deadline(connect, silent_port):
    with pytest.raises(OperationTimedOutError, match="connecting to"):
        connect(f"ws://127.0.0.1:{silent_port}/", timeout=0.05)


def test_after_a_silent_address_the_next_is_tried(connect, silent_port):
    addresses = [LOOPBACK, Address(V4, "127.0.0.2")]
    with pytest.raises(CannotConnectError, match=r"127\.0\.0\.2: Connection refused"):
        connect(f"ws://host:{silent_port}/", addresses, connect_timeout=0.05)


def test_a_cancellation_ends_the_wait_for_an_address(connect, monkeypatch, silent_port):
    wait = Waiter.wait_for_any

    def cancel_and_wait(waiter, *arguments):
        connect.made[0].cancel()
        return wait(waiter, *arguments)

    monkeypatch.setattr(Waiter, "wait_for_any", cancel_and_wait)
    with pytest.raises(OperationCanceledError):
        connect(f"ws://127.0.0.1:{silent_port}/")


def test_a_name_is_looked_up_aside(connect, monkeypatch):
    monkeypatch.setattr(module, "look_up", lambda *_: [LOOPBACK])
    monkeypatch.setattr(module, "addresses_without_waiting", lambda _: [])
    with scripted_server(only_reads) as uri:
        connect(uri.replace("localhost", "example.org")).reached.transport.close()


def test_a_name_without_an_address_is_not_resolved(connect, monkeypatch):
    class Nobody:
        lifetime = LIMIT

        def resolve(self, *_, **__):
            raise dns.resolver.NXDOMAIN

    with pytest.raises(HostNameNotResolvedError, match="the name does not exist") as caught:
        connect("ws://example.org/", [], resolver=Nobody())
    assert caught.value.attempts == ()


def test_a_server_that_hangs_up_is_a_lost_connection(connect):
    with scripted_server(lambda _: None) as uri, pytest.raises(ConnectionLostError):
        connect(uri)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_descriptors_that_run_out_in_the_handshake_are_not_the_server_s_fault(connect, monkeypatch, number):
    def short(*_):
        raise OSError(number, "Too many open files")

    monkeypatch.setattr("syncws._net.opening.open_websocket", short)
    with scripted_server(read_to_end) as uri, pytest.raises(CannotConnectError, match="no file descriptor"):
        connect(uri)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_descriptors_that_run_out_before_anything_is_sent_are_told_as_that(connect, monkeypatch, number):
    def short():
        raise OSError(number, "Too many open files", "_net/tls/server.py")

    monkeypatch.setattr(module, "tls", short)
    with pytest.raises(CannotConnectError, match="no file descriptor") as caught:
        connect("wss://localhost:1/")
    assert caught.value.hresult == HResult.WININET_E_CANNOT_CONNECT


def test_another_error_of_the_system_is_no_error_of_connecting(connect, monkeypatch):
    def broken():
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "tls", broken)
    with pytest.raises(OSError, match="Input/output error") as caught:
        connect("wss://localhost:1/")
    assert not isinstance(caught.value, WebSocketError)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), BrokenPipeError(32, "pipe")])
def test_a_reset_is_told_apart(error):
    assert lost_connection(error).hresult == HResult.WININET_E_CONNECTION_RESET


def test_another_error_is_a_connection_that_broke():
    assert lost_connection(OSError("odd")).hresult == HResult.WININET_E_CONNECTION_ABORTED


def test_a_failure_of_tls_is_told_without_the_place_in_python_s_source():
    error = ssl.SSLError(1, "[SSL: BAD_RECORD] bad record (_ssl.c:2580)")
    assert lost_connection(error).message == "the connection broke: [SSL: BAD_RECORD] bad record"


# What became of each address.


def test_a_handshake_that_fails_is_an_attempt_after_those_that_did_not_connect(connect):
    addresses = [Address(V4, "127.0.0.2"), LOOPBACK]
    with scripted_server(lambda _: None) as uri, pytest.raises(ConnectionLostError) as caught:
        connect(uri, addresses)
    first, second = caught.value.attempts
    assert (first.address, first.error.errno) == ("127.0.0.2", errno.ECONNREFUSED)
    assert second.address == "127.0.0.1"
    assert isinstance(second.error, ConnectionLostError)
    # A copy, or the error would hold itself.
    assert second.error is not caught.value
    assert second.error.attempts == ()


def test_the_address_that_accepted_is_told(connect):
    with scripted_server(only_reads) as uri:
        opened = connect(uri)
        assert opened.reached.remote_address == "127.0.0.1"
        opened.reached.transport.close()


# Addresses that accept and say nothing.


def port_of(uri):
    return parse_uri(uri).port


def silent(connection):
    read_to_end(connection)


def hangs_up(connection):
    connection.recv(1)


@pytest.mark.parametrize("script", [silent, hangs_up, reset], ids=["silent", "hangs up", "resets"])
def test_an_address_that_accepts_and_says_nothing_is_no_answer(connect, script):
    # Only silence takes that long; the server that answers has to do so within it too.
    timeout = 1.0 if script is silent else LIMIT
    with scripted_server(only_reads) as good, scripted_server(script, address="127.0.0.2", port=port_of(good)):
        opened = connect(good, [Address(V4, "127.0.0.2"), LOOPBACK], connect_timeout=timeout)
        assert opened.reached.remote_address == "127.0.0.1"
        opened.reached.transport.close()
    (attempt,) = connect.made[0].attempts
    assert attempt.address == "127.0.0.2"


def test_five_silent_servers_are_tried_each_within_its_time(connect):
    texts = [f"127.0.0.{last}" for last in range(2, 9)]
    with contextlib.ExitStack() as stack:
        port = port_of(stack.enter_context(scripted_server(silent, address=texts[0])))
        for text in texts[1:]:
            stack.enter_context(scripted_server(silent, address=text, port=port))
        with pytest.raises(OperationTimedOutError) as caught:
            connect(f"ws://host:{port}/", [Address(V4, text) for text in texts], connect_timeout=0.05)
    assert [attempt.address for attempt in caught.value.attempts] == texts[:5]


def test_a_server_that_hung_up_is_told_of_and_not_the_refusals_behind_it(connect):
    with scripted_server(hangs_up) as uri, pytest.raises(ConnectionLostError) as caught:
        connect(uri, [LOOPBACK, Address(V4, "127.0.0.2")])
    assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.1", "127.0.0.2"]


def test_an_address_that_ends_tls_in_the_handshake_is_no_answer(connect):
    def says_goodbye(connection):
        connection.recv(4096)
        connection.sendall(b"\x15\x03\x03\x00\x02\x01\x00")
        read_to_end(connection)

    with scripted_server(says_goodbye) as uri, pytest.raises(TlsError) as caught:
        connect(uri.replace("ws:", "wss:"), [LOOPBACK, Address(V4, "127.0.0.2")])
    assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.1", "127.0.0.2"]


def test_an_answer_is_final(connect):
    def refuse(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    with scripted_server(refuse) as uri, pytest.raises(HttpStatusError) as caught:
        connect(uri, [LOOPBACK, Address(V4, "127.0.0.2")])
    assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.1"]


# A socket of the application's, and a Unix socket.


def test_a_given_socket_is_used_and_taken_over(connect):
    near, far = socket.socketpair()
    # Windows' pairs are of TCP.
    addresses = tuple(end.getsockname()[0] if end.family is socket.AF_INET else "" for end in (near, far))
    server = threading.Thread(target=only_reads, args=(far,))
    with far:
        server.start()
        opened = connect("ws://anywhere/", over=near)
        assert near.fileno() == -1
        assert (opened.reached.local_address, opened.reached.remote_address, opened.reached.proxy) == (*addresses, None)
        opened.reached.transport.close()
        join(server)


def test_a_given_socket_is_closed_when_connecting_fails(connect):
    near, far = socket.socketpair()
    with far:
        far.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        with pytest.raises(HttpStatusError):
            connect("ws://anywhere/", over=near)
        connect.made[0].close()
        assert near.fileno() == -1
        read_to_end(far)
