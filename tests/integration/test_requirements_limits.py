"""R35 to R43 of the user's document: time limits and cancellation, on a clock that moves only when somebody waits."""

import contextlib
import runpy
import socket as tcp
import threading
from pathlib import Path

import pytest
from support import (
    LIMIT,
    alone_listening,
    black_hole,
    handshake,
    join,
    read_to_end,
    running_server,
    scripted_server,
    wait,
)
from support.handlers import Server, innermost
from support.scripts import asked_in_vain, only_reads, uri_of_nobody
from support.stream_websocket import load

import syncws
from syncws import (
    MessageWebSocket,
    StreamWebSocket,
    WebErrorStatus,
    WebSocketError,
)
from syncws._connection.monitor import the_monitor
from syncws._waiting import waiter
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import READABLE, make_readiness


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def uri(server):
    with running_server(server) as uri:
        yield uri


@pytest.fixture
def dialing(monkeypatch, clock):
    """The times for which connect would have waited for TCP; each is over at once, as the clock has it."""
    waits = []

    wait = waiter.wait_for_writable

    def pass_at_once(descriptors, waker, seconds):
        waits.append(seconds)
        clock.advance(seconds)
        return wait(descriptors, waker, 0)

    monkeypatch.setattr(waiter, "wait_for_writable", pass_at_once)
    return waits


@pytest.fixture
def passing_waits(monkeypatch, clock):
    """A context that gives the times for which this thread would have waited; each is over at once, by the clock."""
    waiting = threading.current_thread()
    remaining = Deadline.remaining.fget

    @contextlib.contextmanager
    def passing():
        waits = []

        def pass_at_once(deadline):
            seconds = remaining(deadline)
            if seconds is None or threading.current_thread() is not waiting:
                return seconds
            waits.append(seconds)
            clock.advance(seconds)
            # The monitor sleeps by the system's clock, and would end only after 20 real seconds of keep-alive.
            the_monitor()._bell.ring()
            return 0.0

        with monkeypatch.context() as patch:
            patch.setattr(Deadline, "remaining", property(pass_at_once))
            yield waits

    return passing


@pytest.fixture
def silent_port():
    """A port at which no address of loopback answers."""
    with black_hole() as port:
        yield port


@pytest.fixture(params=[MessageWebSocket, StreamWebSocket])
def either_socket(request):
    """A socket of each class."""
    with request.param() as socket:
        yield socket


class Resolver:
    """A dns.resolver.Resolver that knows addresses of IPv4."""

    lifetime = LIMIT

    def __init__(self, *addresses):
        self.addresses = addresses

    def resolve(self, host, kind, *, lifetime, search):
        return self.addresses if kind == "A" else ()


def assert_timed_out(error, *addresses):
    assert error.hresult & 0xFFFF_FFFF == 0x8007_2EE2
    assert WebSocketError.get_status(error.hresult) is WebErrorStatus.TIMEOUT
    assert [attempt.address for attempt in error.attempts] == list(addresses)


def assert_canceled(error):
    assert error.hresult & 0xFFFF_FFFF == 0x8007_04C7
    assert WebSocketError.get_status(error.hresult) is WebErrorStatus.OPERATION_CANCELED


def test_r35_an_address_that_does_not_answer_fails_after_60_seconds(either_socket, clock, dialing, silent_port):
    """Without a limit of the application's own an address has 60 s for TCP; then connect raises."""
    start = clock()
    with pytest.raises(syncws.OperationTimedOutError) as raised:
        either_socket.connect(f"ws://127.0.0.1:{silent_port}/")
    assert dialing == [60.0]
    assert clock() - start == 60.0
    assert_timed_out(raised.value, "127.0.0.1")
    assert raised.value.attempts[0].seconds == 60.0


def test_r35_a_server_that_does_not_answer_the_request_fails_after_60_seconds(either_socket, clock, monkeypatch):
    """A server that accepts and never answers the WebSocket request makes connect raise after the same 60 s."""
    has_asked = threading.Event()
    noted = []

    class PassingReadiness:
        """Waits for real until the server has the request; then the rest of the time is over at once."""

        def __init__(self, *descriptors):
            self.real = make_readiness(*descriptors)

        def wait(self, interest, deadline):
            if interest != READABLE:
                return self.real.wait(interest, deadline)
            wait(has_asked)
            noted.append(deadline.remaining)
            clock.advance(deadline.remaining)
            return 0

    monkeypatch.setattr(waiter, "make_readiness", PassingReadiness)
    with scripted_server(asked_in_vain(has_asked)) as uri, pytest.raises(syncws.OperationTimedOutError) as raised:
        either_socket.connect(uri)
    assert noted == [60.0]
    # An address that says nothing is no answer: the other one of localhost was tried too.
    assert_timed_out(raised.value, "127.0.0.1", "::1")
    assert raised.value.attempts[0].seconds == 60.0
    assert "answer to the WebSocket handshake" in str(raised.value)


@pytest.fixture
def deaf_uri():
    """A server that reads nothing after the handshake."""
    leave = threading.Event()

    def script(connection):
        handshake(connection)
        wait(leave)

    with scripted_server(script) as uri:
        yield uri
        leave.set()


def test_r36_sending_and_receiving_have_30_seconds_by_default(either_socket):
    """Once connected, send and receive have 30 s each unless the application says otherwise."""
    assert either_socket.control.send_timeout == 30.0
    assert either_socket.control.receive_timeout == 30.0


@pytest.mark.parametrize(
    ("make", "receive"),
    [
        (MessageWebSocket, lambda socket: socket.receive()),
        (StreamWebSocket, lambda socket: socket.input_stream.as_file().read(1)),
        (StreamWebSocket, lambda socket: load(socket, 1)),
    ],
    ids=["receive", "read", "load"],
)
def test_r36_receiving_ends_after_30_seconds_without_data(make, receive, passing_waits):
    """A receive to which nothing comes raises after 30 s; the connection goes on."""
    with scripted_server(only_reads) as uri, make() as socket:
        socket.connect(uri)
        with passing_waits() as waits, pytest.raises(syncws.OperationTimedOutError) as raised:
            receive(socket)
        # The connection goes on.
        assert socket.output_stream.write(b"still there") == 11
        socket.abort()
    # It may look once more when the time is over.
    assert waits in ([30.0], [30.0, 0.0])
    assert_timed_out(raised.value)


@pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])
def test_r36_sending_ends_after_30_seconds_of_a_peer_that_reads_nothing(deaf_uri, make, passing_waits):
    """A send of which the peer takes nothing raises after 30 s."""
    with make() as socket:
        # The monitor sleeps for as long as the clock said before it was moved.
        socket.control.keep_alive_interval = None
        socket.connect(deaf_uri)
        with passing_waits() as waits, pytest.raises(syncws.OperationTimedOutError) as raised:
            socket.output_stream.write(bytes(64 << 20))
        socket.abort()
    assert waits == [30.0]
    assert_timed_out(raised.value)


def test_r37_five_of_seven_addresses_are_tried_with_60_seconds_each(either_socket, clock, dialing, silent_port):
    """Of a name's addresses five are tried, each for 60 s, so that connect may take five minutes."""
    addresses = [f"127.0.0.{number}" for number in range(1, 8)]
    either_socket.control.resolver = Resolver(*addresses)
    start = clock()
    with pytest.raises(syncws.OperationTimedOutError) as raised:
        either_socket.connect(f"ws://seven.test:{silent_port}/")
    assert dialing == [60.0] * 5
    assert clock() - start == 300.0
    assert_timed_out(raised.value, *addresses[:5])
    assert [attempt.seconds for attempt in raised.value.attempts] == [60.0] * 5
    assert all(address in str(raised.value) for address in addresses[:5])
    assert not any(address in str(raised.value) for address in addresses[5:])


def test_r37_the_fifth_address_is_still_tried_and_the_sixth_is_not(either_socket):
    """Failing early does not bring a sixth address its turn."""
    addresses = [f"127.0.0.{number}" for number in range(1, 7)]
    with alone_listening("127.0.0.6", *addresses[:5]) as port:
        either_socket.control.resolver = Resolver(*addresses)
        with pytest.raises(syncws.CannotConnectError) as raised:
            either_socket.connect(f"ws://six.test:{port}/", timeout=LIMIT)
    assert either_socket.control.max_connect_addresses == 5
    assert [attempt.address for attempt in raised.value.attempts] == addresses[:5]


def test_r38_a_shorter_limit_is_set_by_cancelling(either_socket, clock, dialing, silent_port):
    """Whoever wants less than 60 s cancels the connect; it is the same for both classes."""
    start = clock()
    with syncws.CancellationTokenSource() as source:
        source.cancel_after(12.5)
        with pytest.raises(syncws.OperationCanceledError) as raised:
            either_socket.connect(f"ws://127.0.0.1:{silent_port}/", cancellation_token=source.token)
    assert dialing == [12.5]
    assert clock() - start == 12.5
    assert_canceled(raised.value)


def test_r38_cancelling_cannot_make_the_limit_longer(either_socket, dialing, silent_port):
    """A cancellation that comes later than the 60 s changes nothing."""
    with syncws.CancellationTokenSource() as source:
        source.cancel_after(120)
        with pytest.raises(syncws.OperationTimedOutError) as raised:
            either_socket.connect(f"ws://127.0.0.1:{silent_port}/", cancellation_token=source.token)
    assert dialing == [60.0]
    assert_timed_out(raised.value, "127.0.0.1")


def test_r39_the_example_s_limit_is_five_seconds(clock, dialing, silent_port, monkeypatch, capsys):
    """The document's example cancels after 5 s, and so does ours."""
    example = Path(__file__).parents[2] / "examples" / "connect_timeout.py"
    monkeypatch.setattr("sys.argv", [str(example), f"ws://127.0.0.1:{silent_port}/"])
    start = clock()
    with pytest.raises(SystemExit) as exited:
        runpy.run_path(str(example), run_name="__main__")
    assert exited.value.code == 1
    assert dialing == [5.0]
    assert clock() - start == 5.0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "timed out after 5 s"
    assert lines[1].startswith("  127.0.0.1: connect was canceled (connecting to 127.0.0.1")
    assert lines[1].endswith("after 5.00 s")
    assert len(lines) == 2


@pytest.mark.parametrize(
    "cancel", [lambda source, clock: source.cancel(), lambda source, clock: clock.advance(5)], ids=["cancel", "timer"]
)
def test_r40_cancelling_after_completion_has_no_effect(either_socket, uri, server, clock, cancel):
    """Cancelling a connect that has completed is safe; the connection goes on."""
    with syncws.CancellationTokenSource() as source:
        source.cancel_after(5)
        either_socket.connect(uri, cancellation_token=source.token)
        cancel(source, clock)
        assert source.is_cancellation_requested
        assert either_socket.output_stream.write(b"still there") == 11
        if isinstance(either_socket, MessageWebSocket):
            assert either_socket.receive() == b"still there"
        else:
            assert either_socket.input_stream.as_file().read(11) == b"still there"
    either_socket.close(1000, "")
    wait(server.ended)
    assert server.messages == [b"still there"]
    assert server.closes == [(1000, "")]


def test_r41_a_connect_that_returns_is_connected(either_socket, uri):
    """What completes without an exception is connected."""
    assert either_socket.connect(uri) is None
    assert either_socket.is_open
    assert either_socket.state is syncws.State.CONNECTED
    assert either_socket.information.remote_address.canonical_name == "127.0.0.1"


def cancel_connect(socket, port):
    source = syncws.CancellationTokenSource()
    source.cancel_after(5)
    socket.connect(f"ws://127.0.0.1:{port}/", cancellation_token=source.token)


FAILURES = [
    (cancel_connect, syncws.OperationCanceledError, 0x8007_04C7, WebErrorStatus.OPERATION_CANCELED),
    (
        lambda socket, port: socket.connect(f"ws://127.0.0.1:{port}/", timeout=5),
        syncws.OperationTimedOutError,
        0x8007_2EE2,
        WebErrorStatus.TIMEOUT,
    ),
    (
        lambda socket, port: socket.connect(uri_of_nobody()),
        syncws.CannotConnectError,
        0x8007_2EFD,
        WebErrorStatus.CANNOT_CONNECT,
    ),
]


@pytest.mark.parametrize(("connect", "kind", "hresult", "status"), FAILURES, ids=["canceled", "timed out", "refused"])
def test_r41_and_r42_what_a_cancelled_or_failed_connect_raises_may_be_fed_to_get_status(
    either_socket, request, silent_port, connect, kind, hresult, status
):
    """Anything else than completion timed out or failed; its exception may be fed to get_status."""
    if kind is not syncws.CannotConnectError:
        # A refusal comes without waiting.
        request.getfixturevalue("dialing")
    with pytest.raises(WebSocketError) as raised:
        connect(either_socket, silent_port)
    assert isinstance(raised.value, kind)
    assert raised.value.hresult & 0xFFFF_FFFF == hresult
    assert WebSocketError.get_status(raised.value.hresult) is raised.value.status is status
    assert WebSocketError.get_status(innermost(raised.value).hresult) is status
    assert repr(either_socket) == f"<{type(either_socket).__name__} NEW>"


def test_r43_connect_blocks_until_completion(either_socket):
    """The calling thread waits in connect until the server has answered."""
    happened = []
    has_asked, may_answer = threading.Event(), threading.Event()

    def script(connection):
        connection.recv(1, tcp.MSG_PEEK)
        has_asked.set()
        wait(may_answer)
        happened.append("answered")
        handshake(connection)
        read_to_end(connection)

    def connect():
        either_socket.connect(uri, timeout=LIMIT)
        happened.append("connected")

    with scripted_server(script) as uri:
        connecting = threading.Thread(target=connect)
        connecting.start()
        wait(has_asked)
        assert repr(either_socket) == f"<{type(either_socket).__name__} CONNECTING>"
        may_answer.set()
        join(connecting)
        either_socket.abort()
    assert happened == ["answered", "connected"]


def test_r43_connect_blocks_until_cancellation(either_socket):
    """The calling thread waits in connect until it is cancelled."""
    happened = []
    has_asked = threading.Event()
    source = syncws.CancellationTokenSource()

    def connect():
        with pytest.raises(syncws.OperationCanceledError):
            either_socket.connect(uri, timeout=LIMIT, cancellation_token=source.token)
        happened.append("canceled")

    with scripted_server(asked_in_vain(has_asked)) as uri:
        connecting = threading.Thread(target=connect)
        connecting.start()
        wait(has_asked)
        happened.append("asked")
        source.cancel()
        join(connecting)
    assert happened == ["asked", "canceled"]
