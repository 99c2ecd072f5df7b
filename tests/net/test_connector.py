"""From a URI to an open connection: addresses in turn, their failures, socket options, and nothing left behind."""

import errno
import socket
import threading

import dns.resolver
import pytest
from support import LIMIT, handshake, read_to_end, scripted_server, settings_with

from syncws._net import connector as module
from syncws._net.address import Address
from syncws._net.connector import lost_connection, open_connection
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.uri import parse_uri
from syncws.control import StreamWebSocketControl
from syncws.errors import (
    CannotConnectError,
    ConnectionLostError,
    HostNameNotResolvedError,
    OperationCanceledError,
    OperationTimedOutError,
    TlsError,
)
from syncws.hresult import HResult

V4, V6 = socket.AF_INET, socket.AF_INET6
LOOPBACK = Address(V4, "127.0.0.1")


class Tools:
    """Runs everything on the calling thread."""

    def __init__(self):
        self.validated = []
        self.noted = []

    def make_lock(self):
        return threading.Lock()

    def run_aside(self, functions, waiter):
        return [function() for function in functions]

    def note_certificates(self, report):
        self.noted.append(report)

    def validate_server(self, report, waiter):
        self.validated.append(report)


def serve_one(connection):
    handshake(connection)
    read_to_end(connection)


@pytest.fixture
def tools():
    return Tools()


@pytest.fixture
def connect(tools, monkeypatch):
    waker = Waker(threading.RLock())

    def make(uri, addresses=None, timeout=LIMIT, is_canceled=lambda: False, **settings):
        if addresses is not None:
            monkeypatch.setattr(module, "addresses_without_waiting", lambda _: addresses)
        waiter = Waiter(waker, is_canceled, Deadline(timeout))
        return open_connection(parse_uri(uri), settings_with(**settings), waiter, tools)

    yield make
    waker.close()


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
    with scripted_server(serve_one) as uri:
        opened = connect(uri)
        assert opened.local_address == "127.0.0.1"
        assert opened.transport is opened.socket_transport
        opened.transport.close()


def test_a_tls_connection_is_opened_and_shown_to_the_application(connect, tools, server_tls, client_tls):
    with scripted_server(serve_one, ssl_context=server_tls) as uri:
        opened = connect(uri, ssl_context=client_tls)
        (report,) = tools.validated
        assert tools.noted == [report]
        assert report.chain[0] == opened.transport.ssl_object.getpeercert(binary_form=True)
        assert report.errors == ()
        opened.transport.close()


def test_the_default_context_trusts_no_unknown_authority(connect, server_tls):
    with scripted_server(serve_one, ssl_context=server_tls) as uri, pytest.raises(TlsError) as caught:
        connect(uri)
    assert caught.value.hresult == HResult.WININET_E_INVALID_CA


@pytest.mark.parametrize("no_delay", [True, False])
def test_nagles_algorithm_is_as_the_settings_say(connect, no_delay):
    with scripted_server(serve_one) as uri:
        opened = connect(uri, control_class=StreamWebSocketControl, no_delay=no_delay)
        assert bool(opened.transport._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is no_delay
        opened.transport.close()


def test_the_send_buffer_is_as_the_settings_say(connect):
    with scripted_server(serve_one) as uri:
        opened = connect(uri, outbound_buffer_size_in_bytes=16384)
        # Linux doubles what was asked for.
        assert opened.transport._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) in (16384, 32768)
        opened.transport.close()


def test_a_refused_connection_names_the_address_and_the_reason(connect, closed_port):
    with pytest.raises(CannotConnectError, match=r"127\.0\.0\.1: Connection refused") as caught:
        connect(f"ws://127.0.0.1:{closed_port}/")
    assert caught.value.hresult == HResult.WININET_E_CANNOT_CONNECT


def test_the_next_address_is_tried_after_a_refusal(connect):
    with scripted_server(serve_one) as uri:
        opened = connect(uri, [Address(V4, "127.0.0.2"), LOOPBACK])
        assert opened.local_address == "127.0.0.1"
        opened.transport.close()


def test_every_address_and_its_failure_is_named(connect, closed_port):
    addresses = [Address(V4, f"127.0.0.{last}") for last in (2, 3, 4)]
    with pytest.raises(CannotConnectError) as caught:
        connect(f"ws://host:{closed_port}/", addresses)
    for address in addresses:
        assert f"{address.text}: Connection refused" in str(caught.value)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_no_more_addresses_are_tried_than_the_settings_allow(connect, closed_port):
    addresses = [Address(V4, f"127.0.0.{last}") for last in (2, 3, 4)]
    with pytest.raises(CannotConnectError) as caught:
        connect(f"ws://host:{closed_port}/", addresses, max_connect_addresses=2)
    assert "127.0.0.3" in str(caught.value)
    assert "127.0.0.4" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL])
def test_an_unreachable_server_has_its_own_number(connect, monkeypatch, number):
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: number)
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


def test_a_cancellation_ends_the_wait_for_an_address(connect, silent_port):
    looks = []
    with pytest.raises(OperationCanceledError):
        connect(f"ws://127.0.0.1:{silent_port}/", is_canceled=lambda: looks.append(1) or len(looks) > 3, timeout=0.5)


def test_a_name_is_looked_up_aside(connect, monkeypatch):
    monkeypatch.setattr(module, "look_up", lambda *_: [LOOPBACK])
    monkeypatch.setattr(module, "addresses_without_waiting", lambda _: [])
    with scripted_server(serve_one) as uri:
        connect(uri.replace("localhost", "example.org")).transport.close()


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


def test_an_error_of_the_system_in_the_handshake_is_a_lost_connection(connect, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "open_websocket", broken)
    with scripted_server(read_to_end) as uri, pytest.raises(ConnectionLostError, match="Input/output"):
        connect(uri)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_descriptors_that_run_out_in_the_handshake_are_not_the_server_s_fault(connect, monkeypatch, number):
    def short(*_):
        raise OSError(number, "Too many open files")

    monkeypatch.setattr(module, "open_websocket", short)
    with scripted_server(read_to_end) as uri, pytest.raises(CannotConnectError, match="no descriptor"):
        connect(uri)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), BrokenPipeError(32, "pipe")])
def test_a_reset_is_told_apart(error):
    assert lost_connection(error).hresult == HResult.WININET_E_CONNECTION_RESET


def test_another_error_is_a_connection_that_broke():
    assert lost_connection(OSError("odd")).hresult == HResult.WININET_E_CONNECTION_ABORTED


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
    with scripted_server(serve_one) as uri:
        opened = connect(uri)
        assert opened.remote_address == "127.0.0.1"
        opened.transport.close()
