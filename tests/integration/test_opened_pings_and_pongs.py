"""The events opened, ping_received and pong_received: when they come, in which order, and on which thread."""

import threading
from functools import partial

import pytest
from support import handshake, read_frame, scripted_server, server_frame, wait
from support.calls import Call
from support.handlers import Slow, be_impatient
from support.scripts import (
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    TEXT,
    close_frame,
    connected,
    read_until_close,
    sends,
    sends_and_closes,
)

from syncws import (
    IllegalMethodCallError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    State,
    StreamWebSocket,
)
from syncws._connection.monitor import Rounds
from syncws._connection.notices import MAX_WAITING_NOTICES

SOCKETS = pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
MIXED = (
    server_frame(PING, b"1"),
    server_frame(TEXT, b"a"),
    server_frame(PONG, b"2"),
    server_frame(TEXT, b"b"),
    server_frame(PING, b"3"),
)


def noting(log):
    """Return a preparation that notes all events of a socket."""

    def prepare(socket):
        socket.opened += lambda sender, information: log.append(("opened", information.protocol))
        socket.ping_received += lambda sender, args: log.append(("ping", args.payload))
        socket.pong_received += lambda sender, args: log.append(("pong", args.payload))
        socket.closed += lambda sender, args: log.append(("closed", args.code))
        if isinstance(socket, MessageWebSocket):
            socket.message_received += lambda sender, args: log.append(("message", args.text))

    return prepare


def test_all_events_come_in_the_order_in_which_they_happened():
    log = []
    with connected(sends_and_closes(*MIXED), noting(log)) as socket:
        socket.wait_closed()
    assert log == [
        ("opened", ""),
        ("ping", b"1"),
        ("message", "a"),
        ("pong", b"2"),
        ("message", "b"),
        ("ping", b"3"),
        ("closed", 1000),
    ]


def test_a_stream_has_them_too():
    log = []
    with connected(sends_and_closes(*MIXED), noting(log), socket_class=StreamWebSocket) as socket:
        assert socket.input_stream.as_file().read() == b"ab"
        socket.wait_closed()
    assert log == [("opened", ""), ("ping", b"1"), ("pong", b"2"), ("ping", b"3"), ("closed", 1000)]


def test_with_messages_that_are_pulled_they_come_too():
    log = []
    came = threading.Event()

    def prepare(socket):
        socket.ping_received += lambda sender, args: (log.append(args.payload), args.payload == b"3" and came.set())

    with connected(sends(*MIXED), prepare) as socket:
        assert [socket.receive(), socket.receive()] == ["a", "b"]
        wait(came)
    assert log == [b"1", b"3"]


@SOCKETS
def test_opened_comes_on_the_connecting_thread_before_anything_is_read(socket_class):
    seen = []

    def opened(sender, information):
        seen.append((threading.current_thread(), sender.is_open, information.bytes_received))
        for waits in (sender.wait_closed, sender.ping):
            with pytest.raises(IllegalMethodCallError):
                waits()

    with connected(sends(server_frame(TEXT, b"hello")), lambda socket: socket.add_opened(opened)):
        pass
    ((thread, is_open, _),) = seen
    assert (thread, is_open) == (threading.current_thread(), True)


@SOCKETS
def test_a_thread_that_receives_since_opened_reads_as_soon_as_it_may(monkeypatch, socket_class):
    # No help from the monitor, which finds after a while that nobody reads.
    monkeypatch.setattr(Rounds, "add", lambda *_: None)
    calls = []

    def receive_on_a_thread(socket, _):
        is_stream = isinstance(socket, StreamWebSocket)
        receive = partial(socket.input_stream.as_file().read, 1) if is_stream else socket.receive_bytes
        calls.append(Call(receive))
        while not socket._session.inbox.is_waited_for:
            pass

    def prepare(socket):
        socket.opened += receive_on_a_thread

    with connected(sends(server_frame(BINARY, b"x")), prepare, socket_class=socket_class, receive_timeout=None):
        wait(calls[0].done)
        assert calls[0].result() == b"x"


def test_opened_may_send_and_close():
    def opened(sender, information):
        sender.send("first")
        sender.close(4000)

    frames = []

    def script(connection):
        handshake(connection)
        frames.extend(read_until_close(connection))

    with connected(script, lambda socket: socket.add_opened(opened)) as socket:
        assert socket.wait_closed()
        assert socket.information.close_code == 4000
    assert frames[0] == (FIN | TEXT, b"first")


def test_a_failing_handler_of_opened_is_counted_and_an_interrupted_connect_leaves_nothing():
    with connected(sends(), lambda socket: socket.add_opened(lambda *_: 1 / 0)) as socket:
        assert socket.information.handler_failures == 1

    def interrupt(sender, information):
        raise KeyboardInterrupt

    with scripted_server(handshake) as uri, MessageWebSocket() as socket:
        socket.opened += interrupt
        with pytest.raises(KeyboardInterrupt):
            socket.connect(uri)
        assert (socket.state, socket.uri) == (State.NEW, None)


def test_a_pong_tells_the_round_trip_of_the_ping_that_it_answers():
    pongs = []

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(PONG, b"unasked"))
        _, payload = read_frame(connection)
        connection.sendall(server_frame(PONG, payload))
        read_until_close(connection)

    with connected(script, lambda socket: socket.add_pong_received(lambda _, args: pongs.append(args))) as socket:
        seconds = socket.ping(b"mine")
    assert pongs[0] == (b"unasked", None)
    assert pongs[1] == (b"mine", seconds)


def test_behind_a_slow_handler_they_wait_and_are_raised_by_the_same_thread(monkeypatch):
    be_impatient(monkeypatch)
    slow = Slow("a")
    pings = []
    ended = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"a"))
        wait(slow.inside)
        for number in range(MAX_WAITING_NOTICES + 5):
            connection.sendall(server_frame(PING, str(number).encode()))
        connection.sendall(close_frame(1000))
        # Answered all the same; and when the Close frame is, all pings wait for the handler.
        while read_frame(connection) != (FIN | CLOSE, b"\x03\xe8"):
            pass
        slow.release.set()

    def prepare(socket):
        socket.message_received += slow
        socket.ping_received += lambda _, args: pings.append((int(args.payload), threading.current_thread().name[:17]))
        socket.closed += lambda *_: ended.set()

    with connected(script, prepare):
        wait(ended)
    assert [number for number, _ in pings] == list(range(5, MAX_WAITING_NOTICES + 5))
    assert {name for _, name in pings} == {"syncws-dispatcher"}


def test_after_close_no_more_are_raised():
    pings = []

    def script(connection):
        handshake(connection)
        frame = read_frame(connection)
        connection.sendall(server_frame(PING, b"late") + server_frame(8, frame[1]))

    with connected(script, lambda socket: socket.add_ping_received(lambda _, args: pings.append(args))) as socket:
        socket.close()
    assert pings == []


@SOCKETS
@pytest.mark.parametrize("name", ["opened", "ping_received", "pong_received"])
def test_handlers_are_added_and_removed_as_those_of_the_other_events(socket_class, name):
    socket = socket_class()
    event = getattr(socket, name)
    token = getattr(socket, f"add_{name}")(print)
    assert event.handlers == (print,)
    getattr(socket, f"remove_{name}")(token)
    assert event.handlers == ()
    with pytest.raises(InvalidArgumentTypeError):
        getattr(socket, f"add_{name}")(7)
    with pytest.raises(InvalidArgumentTypeError, match="cannot be assigned"):
        setattr(socket, name, print)
