"""Ending a connect by timeout, token, close() and abort(), phase by phase; the socket connects again afterwards."""

import contextlib
import socket as tcp
import threading
from functools import partial

import pytest
from support import LIMIT, black_hole, join, read_exactly, read_request, read_to_end, scripted_server, wait
from support.proxies import scripted_proxy
from support.scripts import asked_in_vain, only_reads

from syncws import (
    CancellationTokenSource,
    HResult,
    MessageWebSocket,
    OperationCanceledError,
    OperationTimedOutError,
    StreamWebSocket,
    WebErrorStatus,
)
from syncws._net import connector, dialer
from syncws._net.address import Address
from syncws._waiting import waiter

FIVE = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]


@pytest.fixture
def five_black_holes(monkeypatch):
    """The URI of a name with five addresses, none of which answers."""
    found = [Address(tcp.AF_INET, text) for text in FIVE]
    monkeypatch.setattr(connector, "addresses_without_waiting", lambda host: found)
    with black_hole() as port:
        yield f"ws://five.test:{port}/"


def names_of(error):
    return [attempt.address for attempt in error.attempts]


def connect_in_time(socket):
    """Connect to a server that answers, and drop it."""
    socket.control.proxy = ""
    with scripted_server(only_reads) as uri:
        socket.connect(uri, timeout=LIMIT)
        assert socket.information.remote_address.canonical_name == "127.0.0.1"
        socket.abort()


def test_a_time_limit_ends_the_wait_for_the_first_address_that_does_not_answer(five_black_holes, monkeypatch):
    with MessageWebSocket() as socket:
        with pytest.raises(OperationTimedOutError, match=r"connecting to 127\.0\.0\.1") as caught:
            socket.connect(five_black_holes, timeout=0.3)
        assert caught.value.hresult == HResult.WININET_E_TIMEOUT
        (attempt,) = caught.value.attempts
        assert attempt.address == "127.0.0.1"
        assert isinstance(attempt.error, OperationTimedOutError)
        assert attempt.seconds > 0
        monkeypatch.undo()
        connect_in_time(socket)


def test_a_time_limit_ends_five_addresses_that_are_tried_beside_each_other(five_black_holes, monkeypatch):
    with MessageWebSocket() as socket:
        socket.control.happy_eyeballs_delay = 0
        with pytest.raises(OperationTimedOutError) as caught:
            socket.connect(five_black_holes, timeout=0.3)
        assert names_of(caught.value) == FIVE
        assert {type(attempt.error) for attempt in caught.value.attempts} == {OperationTimedOutError}
        monkeypatch.undo()
        connect_in_time(socket)


def test_five_addresses_that_do_not_answer_are_given_up_one_after_the_other(five_black_holes, monkeypatch):
    with MessageWebSocket() as socket:
        socket.control.connect_timeout = 0.05
        with pytest.raises(OperationTimedOutError, match=r"cannot connect to ws://five\.test") as caught:
            socket.connect(five_black_holes, timeout=LIMIT)
        assert names_of(caught.value) == FIVE
        assert all(attempt.seconds >= 0.05 for attempt in caught.value.attempts)
        assert caught.value.status is WebErrorStatus.TIMEOUT
        monkeypatch.undo()
        connect_in_time(socket)


# A total time limit is shared out: a silent address leaves the others their part.


@contextlib.contextmanager
def accepting_and_silent(address):
    """Give a port at which an address accepts, by its backlog, and says nothing."""
    with tcp.create_server((address, 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("silent", "delay"),
    [(black_hole, None), (accepting_and_silent, None), (accepting_and_silent, 0.05)],
    ids=["swallows packets", "accepts", "accepts, with happy_eyeballs_delay"],
)
def test_a_silent_first_address_does_not_use_up_the_time_of_a_good_second(silent, delay, monkeypatch):
    found = [Address(tcp.AF_INET, text) for text in FIVE[:2]]
    monkeypatch.setattr(connector, "addresses_without_waiting", lambda host: found)
    # The two seconds of the floor, made short.
    monkeypatch.setattr(dialer, "_SHORTEST_SHARE_SECONDS", 0.1)
    with (
        silent(FIVE[0]) as port,
        scripted_server(only_reads, address=FIVE[1], port=port),
        MessageWebSocket() as socket,
    ):
        socket.control.happy_eyeballs_delay = delay
        socket.connect(f"ws://two.test:{port}/", timeout=4)
        (attempt,) = socket._link.connect.attempts
        assert attempt.address == FIVE[0]
        assert isinstance(attempt.error, OperationTimedOutError)
        assert 1.8 < attempt.seconds < 4
        assert socket.information.remote_address.canonical_name == FIVE[1]
        socket.abort()


# The phases: each gives a URI, and sets `is_reached` when connect has come to where it would wait for ever.


class SilentResolver:
    """A dns.resolver.Resolver that finds nothing until it is released."""

    lifetime = LIMIT

    def __init__(self, is_reached):
        self.is_reached = is_reached
        self.released = threading.Event()

    def resolve(self, host, kind, *, lifetime, search):
        self.is_reached.set()
        wait(self.released)
        return []


@contextlib.contextmanager
def silent_name_servers(socket, is_reached, request):
    resolver = SilentResolver(is_reached)
    socket.control.resolver = resolver
    try:
        yield "ws://silent.test/"
    finally:
        resolver.released.set()


@contextlib.contextmanager
def silent_tcp(socket, is_reached, request):
    wait = waiter.wait_for_writable

    def tell_and_wait(*arguments):
        is_reached.set()
        return wait(*arguments)

    request.getfixturevalue("monkeypatch").setattr(waiter, "wait_for_writable", tell_and_wait)
    with black_hole() as port:
        yield f"ws://127.0.0.1:{port}/"


@contextlib.contextmanager
def silent_tls(socket, is_reached, request):
    def script(connection):
        read_exactly(connection, 5)
        is_reached.set()
        read_to_end(connection)

    with scripted_server(script) as uri:
        yield uri.replace("ws:", "wss:")


@contextlib.contextmanager
def silent_handshake(socket, is_reached, request):
    with scripted_server(asked_in_vain(is_reached)) as uri:
        yield uri


@contextlib.contextmanager
def silent_validation(socket, is_reached, request):
    deferrals = []

    def validate(sender, args):
        deferrals.append(args.get_deferral())
        is_reached.set()

    token = socket.add_server_custom_validation_requested(validate)
    socket.control.ssl_context = request.getfixturevalue("client_tls")
    with scripted_server(read_to_end, ssl_context=request.getfixturevalue("server_tls")) as uri:
        yield uri
        socket.remove_server_custom_validation_requested(token)
        # Nobody waits for it any more.
        for deferral in deferrals:
            deferral.complete()


@contextlib.contextmanager
def silent_proxy(socket, is_reached, request, scheme="http", count=7):
    def script(connection):
        read_exactly(connection, count)
        is_reached.set()
        read_to_end(connection)

    with scripted_proxy(script, scheme=scheme) as socket.control.proxy:
        yield "wss://server.invalid/"


@contextlib.contextmanager
def silent_proxy_tcp(socket, is_reached, request):
    with silent_tcp(socket, is_reached, request) as uri:
        socket.control.proxy = uri.replace("ws:", "http:")
        yield "wss://server.invalid/"


@contextlib.contextmanager
def silent_tls_behind_a_proxy(socket, is_reached, request):
    def script(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        read_exactly(connection, 5)
        is_reached.set()
        read_to_end(connection)

    with scripted_proxy(script) as socket.control.proxy:
        yield "wss://server.invalid/"


@contextlib.contextmanager
def name_for_a_silent_proxy(socket, is_reached, request):
    socket.control.proxy = "socks5://127.0.0.1:9"
    with silent_name_servers(socket, is_reached, request) as uri:
        yield uri


PHASES = {
    "name": (silent_name_servers, "looking up silent.test", 0),
    "TCP": (silent_tcp, "connecting to 127.0.0.1 port", 1),
    "name of the proxy's target": (name_for_a_silent_proxy, "looking up silent.test", 0),
    "TCP to the proxy": (silent_proxy_tcp, "connecting to 127.0.0.1 port", 1),
    "TLS to the proxy": (partial(silent_proxy, scheme="https", count=5), "TLS handshake with the proxy https://", 1),
    "HTTP proxy": (silent_proxy, "waiting for the proxy's answer, http://127.0.0.1:", 1),
    "SOCKS4 proxy": (partial(silent_proxy, scheme="socks4a", count=8), "waiting for the proxy's answer, socks4a://", 1),
    "SOCKS5 proxy": (partial(silent_proxy, scheme="socks5h", count=3), "waiting for the proxy's answer, socks5h://", 1),
    "TLS behind a proxy": (silent_tls_behind_a_proxy, "TLS handshake with server.invalid", 1),
    "TLS": (silent_tls, "TLS handshake with localhost", 1),
    "handshake": (silent_handshake, "waiting for the server's answer to the WebSocket handshake", 1),
    "validation": (silent_validation, "custom validation of the server's certificate", 1),
}
ENDINGS = {
    "cancel": lambda socket, source: source.cancel(),
    "cancel_after": lambda socket, source: source.cancel_after(0),
    "close": lambda socket, source: socket.close(),
    "abort": lambda socket, source: socket.abort(),
}


@pytest.fixture(params=[MessageWebSocket, StreamWebSocket])
def socket(request):
    with request.param() as socket:
        yield socket


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("phase", PHASES)
def test_a_connect_is_canceled_from_another_thread_in_any_phase(socket, request, phase, ending):
    stage, message, attempts = PHASES[phase]
    is_reached = threading.Event()
    source = CancellationTokenSource()

    def end():
        wait(is_reached)
        ENDINGS[ending](socket, source)

    ending_thread = threading.Thread(target=end)
    with stage(socket, is_reached, request) as uri:
        ending_thread.start()
        with pytest.raises(OperationCanceledError) as caught:
            socket.connect(uri, timeout=LIMIT, cancellation_token=source.token)
        join(ending_thread)
        assert caught.value.hresult == HResult.ERROR_CANCELLED
        assert caught.value.status is WebErrorStatus.OPERATION_CANCELED
        assert caught.value.message.startswith(f"connect was canceled ({message}")
        assert names_of(caught.value) == ["127.0.0.1"] * attempts
        assert source.token._listeners == {}
        # The settings can be changed again.
        socket.control.resolver = None
        connect_in_time(socket)


@pytest.mark.parametrize("phase", PHASES)
def test_a_time_limit_ends_a_connect_in_any_phase(socket, request, phase):
    stage = PHASES[phase][0]
    with stage(socket, threading.Event(), request) as uri:
        with pytest.raises(OperationTimedOutError) as caught:
            socket.connect(uri, timeout=0.1)
        assert caught.value.hresult == HResult.WININET_E_TIMEOUT
        assert caught.value.status is WebErrorStatus.TIMEOUT
        socket.control.resolver = None
        connect_in_time(socket)


def test_a_connect_without_time_does_not_say_that_it_looks_up_an_address(socket):
    with pytest.raises(OperationTimedOutError, match=r"\(connecting to 127\.0\.0\.1 port 9\)"):
        socket.connect("ws://127.0.0.1:9/", timeout=0)


@pytest.mark.parametrize("phase", [phase for phase in PHASES if not phase.startswith("name")])
def test_the_time_of_an_address_covers_every_phase_but_the_name(socket, request, phase):
    stage = PHASES[phase][0]
    socket.control.connect_timeout = 0.1
    with stage(socket, threading.Event(), request) as uri:
        with pytest.raises(OperationTimedOutError) as caught:
            socket.connect(uri.replace("localhost", "127.0.0.1"), timeout=LIMIT)
        assert names_of(caught.value) == ["127.0.0.1"]
        assert isinstance(caught.value.attempts[0].error, OperationTimedOutError)
        # It begins a moment after the time limit.
        assert caught.value.attempts[0].seconds > 0.05
        socket.control.connect_timeout = 60
        connect_in_time(socket)


def test_without_a_limit_of_its_own_the_address_s_60_seconds_do_not_bound_the_name_lookup(request):
    """R35 is per address: before there is one, only timeout, token and the resolver's own lifetime count."""
    is_reached = threading.Event()
    with MessageWebSocket() as socket, silent_name_servers(socket, is_reached, request) as uri:
        socket.control.connect_timeout = 0
        resolver = socket.control.resolver
        releasing = threading.Thread(target=lambda: (wait(is_reached), resolver.released.set()))
        releasing.start()
        with pytest.raises(OSError, match="has no address") as caught:
            socket.connect(uri)
        join(releasing)
        assert caught.value.hresult == HResult.WININET_E_NAME_NOT_RESOLVED
        assert caught.value.attempts == ()


def test_a_connect_that_close_has_ended_leaves_a_socket_that_close_closes_for_good():
    is_reached = threading.Event()

    socket = MessageWebSocket()
    closing = threading.Thread(target=lambda: (wait(is_reached), socket.close()))
    closing.start()
    with scripted_server(asked_in_vain(is_reached)) as uri, pytest.raises(OperationCanceledError):
        socket.connect(uri, timeout=LIMIT)
    join(closing)
    assert repr(socket) == "<MessageWebSocket NEW>"
    socket.close()
    with pytest.raises(OSError, match="the socket was closed") as caught:
        socket.connect("ws://127.0.0.1:9/", timeout=LIMIT)
    assert caught.value.hresult == HResult.RO_E_CLOSED
