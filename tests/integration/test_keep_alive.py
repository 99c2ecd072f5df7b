"""ping(), keep-alive and unsolicited pongs, on real connections and as settings."""

import datetime as dt
import threading

import pytest
from support import LIMIT, echo, handshake, read_frame, read_to_end, running_server, server_frame, wait
from support.calls import Call
from support.programs import press_ctrl_c
from support.scripts import (
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    TEXT,
    close_frame,
    connected,
    on_closed,
    on_message,
    read_until_close,
    sends,
    uri_of_nobody,
)

from syncws import (
    ConnectionLostError,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    ObjectClosedError,
    OperationTimedOutError,
    StreamWebSocket,
)
from syncws._connection.keep_alive import KeepAlive

each_socket = pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
INTERVAL = dt.timedelta(milliseconds=100)


def answers(frames, count):
    """Return a script that answers so many pings, notes all frames, and waits for the Close."""

    def script(connection):
        handshake(connection)
        for _ in range(count):
            frames.append(read_frame(connection))
            connection.sendall(server_frame(PONG, frames[-1][1]))
        read_until_close(connection)

    return script


# ping().


@each_socket
def test_a_ping_returns_the_round_trip_in_seconds(socket_class, tls):
    with connected(echo, run=running_server, socket_class=socket_class, tls=tls) as socket:
        assert socket.information.round_trip_time is None
        seconds = socket.ping()
        assert 0 < seconds < LIMIT
        assert socket.information.round_trip_time == seconds


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(125), bytearray(b"abc"), memoryview(b"abc")])
def test_a_ping_carries_its_payload(payload):
    frames = []
    with connected(answers(frames, 1)) as socket:
        socket.ping(payload)
    assert frames == [(FIN | PING, bytes(payload))]


def test_without_a_payload_no_two_pings_are_the_same():
    frames = []
    with connected(answers(frames, 2)) as socket:
        socket.ping()
        socket.ping(None)
    assert frames[0] != frames[1]


def released():
    view = memoryview(b"released")
    view.release()
    return view


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((bytes(126),), InvalidArgumentError),
        ((memoryview(bytes(64)).cast("H"), -1), InvalidArgumentError),
        ((released(),), InvalidArgumentError),
        (("text",), InvalidArgumentTypeError),
        ((5,), InvalidArgumentTypeError),
        ((b"", -1), InvalidArgumentError),
        ((b"", "1"), InvalidArgumentTypeError),
    ],
)
def test_bad_arguments_of_ping_are_refused_before_anything_else(arguments, error):
    with pytest.raises(error) as raised:
        MessageWebSocket().ping(*arguments)
    assert raised.value.hresult == HResult.E_INVALIDARG


@each_socket
def test_ping_before_connect_is_illegal_and_after_close_refused(socket_class):
    socket = socket_class()
    with pytest.raises(IllegalMethodCallError):
        socket.ping()
    socket.close()
    with pytest.raises(ObjectClosedError):
        socket.ping()


def test_a_ping_without_an_answer_times_out_and_the_connection_goes_on():
    is_answering = threading.Event()

    def script(connection):
        handshake(connection)
        # One that was given up before it went never comes.
        while (frame := read_frame(connection))[0] == FIN | PING:
            if is_answering.is_set():
                connection.sendall(server_frame(PONG, frame[1]))
        connection.sendall(server_frame(CLOSE, frame[1]))

    with connected(script, receive_timeout=0.01) as socket:
        with pytest.raises(OperationTimedOutError):
            socket.ping()
        is_answering.set()
        assert socket.ping(timeout=LIMIT) > 0


@pytest.mark.parametrize(
    ("end", "error"),
    [(lambda _: None, ConnectionLostError), (lambda c: c.sendall(close_frame(1000)), ObjectClosedError)],
)
def test_a_ping_that_waits_is_told_of_the_end(end, error):
    def script(connection):
        handshake(connection)
        read_frame(connection)
        end(connection)

    with connected(script) as socket, pytest.raises(error):
        socket.ping(timeout=None)


@pytest.mark.parametrize("end", [MessageWebSocket.close, MessageWebSocket.abort])
def test_a_ping_that_waits_is_told_of_our_own_end(end):
    def script(connection):
        handshake(connection)
        read_frame(connection)
        pinged.set()
        read_to_end(connection)

    pinged = threading.Event()
    with connected(script, close_timeout=0.1) as socket:
        call = Call(socket.ping, timeout=None)
        wait(pinged)
        end(socket)
        with pytest.raises(ObjectClosedError):
            call.result()


def test_a_ping_inside_a_handler_is_refused():
    errors = []

    def handler(sender, args):
        with pytest.raises(IllegalMethodCallError) as raised:
            sender.ping()
        errors.append(raised.value.hresult)

    with connected(sends(server_frame(TEXT, b"a"), close_frame(1000)), on_message(handler)) as socket:
        assert socket.wait_closed(LIMIT)
    assert errors == [HResult.E_ILLEGAL_METHOD_CALL]


def test_many_threads_may_ping_while_others_send_and_receive(tls):
    count = 8
    with connected(echo, run=running_server, tls=tls) as socket:
        calls = [Call(lambda: [socket.ping(timeout=LIMIT) for _ in range(20)]) for _ in range(count)]
        for number in range(100):
            socket.send(str(number))
        assert [socket.receive(LIMIT) for _ in range(100)] == [str(number) for number in range(100)]
        for call in calls:
            assert len(call.result()) == 20
        assert not socket._session.pings._sent


def test_ctrl_c_ends_a_ping_and_leaves_none_behind():
    def script(connection):
        handshake(connection)
        read_frame(connection)
        press_ctrl_c()
        pong = read_frame(connection)
        connection.sendall(server_frame(PONG, pong[1]))
        read_until_close(connection)

    with connected(script) as socket:
        with pytest.raises(KeyboardInterrupt):
            socket.ping(timeout=LIMIT)
        assert not socket._session.pings._sent
        assert socket.ping(timeout=LIMIT) > 0


# Keep-alive.


@each_socket
def test_a_peer_that_answers_keep_alive_is_kept(socket_class, tls):
    frames = []
    done = threading.Event()

    def script(connection):
        handshake(connection)
        for _ in range(3):
            frames.append(read_frame(connection))
            connection.sendall(server_frame(PONG, frames[-1][1]))
        done.set()
        read_to_end(connection)

    settings = {"keep_alive_interval": 0.05, "keep_alive_timeout": LIMIT}
    with connected(script, socket_class=socket_class, tls=tls, **settings) as socket:
        wait(done)
        while socket.information.round_trip_time is None:
            pass
        assert socket.information.round_trip_time > 0
        socket.abort()
    assert [first for first, _ in frames] == [FIN | PING] * 3


def test_a_silent_peer_is_given_up_soon_and_the_reason_is_told(tls):
    events = []
    frames = []

    def script(connection):
        handshake(connection)
        frames.extend([read_frame(connection), read_frame(connection)])
        read_to_end(connection)

    prepare = on_closed(lambda _, args: events.append((args.code, args.reason)))
    settings = {"keep_alive_interval": 0.05, "keep_alive_timeout": 0.1, "close_timeout": LIMIT * 10}
    with connected(script, prepare, tls=tls, **settings) as socket:
        with pytest.raises(ConnectionLostError, match=r"keep-alive: nothing came for 0\.05 s, nor in the 0\.1 s after"):
            socket.receive(LIMIT)
        # Not after close_timeout: nobody answers.
        assert socket.wait_closed(LIMIT)
    reason = "keep-alive: nothing came for 0.05 s, nor in the 0.1 s after a ping"
    assert events == [(1011, reason)]
    assert [first for first, _ in frames] == [FIN | PING, FIN | CLOSE]
    assert frames[1][1] == (1011).to_bytes(2, "big") + reason.encode()


def test_a_peer_that_neither_reads_nor_sends_is_given_up_while_a_send_is_stuck():
    go_on = threading.Event()

    def script(connection):
        handshake(connection)
        wait(go_on)

    settings = {"keep_alive_interval": 0.05, "keep_alive_timeout": 0.1, "close_timeout": LIMIT, "send_timeout": None}
    with connected(script, **settings) as socket:
        with pytest.raises(ConnectionLostError, match="keep-alive"):
            socket.send(bytes(1 << 26))
        assert socket.wait_closed(LIMIT)
        go_on.set()


def test_an_inbox_that_is_full_is_not_the_peers_silence(monkeypatch):
    full, go_on = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection, behind=server_frame(BINARY, bytes(100)))
        wait(full)
        connection.sendall(server_frame(BINARY, b"after") + close_frame(1000))
        wait(go_on)

    settings = {"keep_alive_interval": 0.02, "keep_alive_timeout": 0.02, "inbox_size_in_bytes": 10}
    with connected(script, **settings) as socket:
        while not socket._session.is_paused:
            pass
        looked = threading.Semaphore(0)
        run = KeepAlive.run
        monkeypatch.setattr(KeepAlive, "run", lambda timer: (looked.release(), run(timer))[1])
        for _ in range(5):
            assert looked.acquire(timeout=LIMIT)
        # Enough was seen: a busy machine may take any time from here on.
        monkeypatch.setattr(KeepAlive, "run", lambda timer: None)
        full.set()
        assert socket.receive(LIMIT) == bytes(100)
        assert socket.receive(LIMIT) == b"after"
        go_on.set()


def test_when_it_is_off_there_is_no_monitor_before_a_handler_is_called():
    """Without handlers there is one, which looks whether somebody reads."""

    def prepare(socket):
        socket.add_message_received(print)

    with connected(echo, run=running_server, prepare=prepare, keep_alive_interval=0):
        assert "syncws-monitor" not in {thread.name for thread in threading.enumerate()}


def test_all_connections_have_one_monitor_which_ends_with_the_last():
    with running_server(echo) as uri:
        sockets = [MessageWebSocket() for _ in range(10)]
        for socket in sockets:
            socket.connect(uri)
        (monitor,) = [thread for thread in threading.enumerate() if thread.name == "syncws-monitor"]
        for socket in sockets:
            socket.close()
        monitor.join(LIMIT)
        assert not monitor.is_alive()


# Unsolicited pongs.


@each_socket
def test_unsolicited_pongs_are_sent(socket_class, tls):
    frames = []
    done = threading.Event()

    def script(connection):
        handshake(connection)
        frames.extend([read_frame(connection), read_frame(connection)])
        done.set()
        read_until_close(connection)

    with connected(script, socket_class=socket_class, tls=tls, desired_unsolicited_pong_interval=INTERVAL):
        wait(done)
    assert frames == [(FIN | PONG, b"")] * 2


def test_the_actual_interval_is_that_in_use():
    zero, day = dt.timedelta(), dt.timedelta(days=1)
    with running_server(echo) as uri, MessageWebSocket() as socket:
        control = socket.control
        assert (control.desired_unsolicited_pong_interval, control.actual_unsolicited_pong_interval) == (zero, zero)
        control.desired_unsolicited_pong_interval = day
        assert control.actual_unsolicited_pong_interval == zero
        with pytest.raises(OSError):  # noqa: PT011 - nobody is there
            socket.connect(uri_of_nobody())
        assert control.actual_unsolicited_pong_interval == zero
        socket.connect(uri)
        assert control.actual_unsolicited_pong_interval == day
        socket.close()
        assert control.actual_unsolicited_pong_interval == day


@pytest.mark.parametrize(("desired", "actual"), [(0, 0), (1, 100_000), (100_000, 100_000), (200_000, 200_000)])
def test_an_interval_that_is_too_short_is_lengthened(desired, actual):
    interval = dt.timedelta(microseconds=desired)
    with connected(echo, run=running_server, desired_unsolicited_pong_interval=interval) as socket:
        assert socket.control.actual_unsolicited_pong_interval == dt.timedelta(microseconds=actual)


@pytest.mark.parametrize("value", [1, 1.0, None, "1"])
def test_an_interval_that_is_no_timedelta_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError):
        MessageWebSocket().control.desired_unsolicited_pong_interval = value


def test_a_negative_interval_is_refused():
    with pytest.raises(InvalidArgumentError):
        MessageWebSocket().control.desired_unsolicited_pong_interval = dt.timedelta(-1)


def test_the_actual_interval_cannot_be_set():
    with pytest.raises(AttributeError):
        MessageWebSocket().control.actual_unsolicited_pong_interval = INTERVAL


def test_a_keep_alive_timeout_of_nothing_is_refused():
    with pytest.raises(InvalidArgumentError, match="keep_alive_interval 0"):
        MessageWebSocket().control.keep_alive_timeout = 0
