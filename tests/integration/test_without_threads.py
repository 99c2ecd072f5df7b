"""Where the system gives no more threads, as in a container that has all it may: whoever waits reads itself."""

import contextlib
import gc
import logging
import threading
import weakref

import pytest
from support import LIMIT, echo, handshake, read_to_end, running_server, server_frame, wait
from support.calls import Call
from support.handlers import Slow, be_impatient
from support.scripts import (
    BINARY,
    TEXT,
    close_frame,
    connected,
    noting,
    on_closed,
    only_reads,
    read_until_close,
    sends_and_closes,
    sends_and_ends,
)

import syncws
from syncws import (
    CloseCause,
    ConnectionClosedError,
    MessageWebSocket,
    OperationTimedOutError,
    ProtocolViolationError,
    State,
    StreamWebSocket,
)
from syncws._connection import closing
from syncws._connection.receiving.receivers import MessageReceiver
from syncws._waiting.readiness import PollReadiness, SelectReadiness


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Whoever reads waits long for the end of TCP."""
    monkeypatch.setattr(closing, "LINGER_SECONDS", LIMIT)


# ping().


@pytest.mark.parametrize("kind", [None, StreamWebSocket])
def test_a_ping_has_its_pong(no_thread, kind):
    options = {} if kind is None else {"socket_class": kind}
    with connected(echo, run=running_server, **options) as socket:
        no_thread()
        for _ in range(2):
            assert socket.ping(timeout=LIMIT) >= 0.0


def test_a_ping_leaves_messages_to_the_next_receive(no_thread):
    with connected(echo, run=running_server, receive_timeout=LIMIT) as socket:
        no_thread()
        socket.send("one")
        socket.ping(timeout=LIMIT)
        assert socket.receive() == "one"


def test_a_ping_without_an_answer_ends_in_time(no_thread):
    with connected(only_reads, close_timeout=0.0) as socket:
        no_thread()
        with pytest.raises(OperationTimedOutError):
            socket.ping(timeout=0.05)


def test_a_ping_is_told_that_the_server_closes(no_thread):
    with connected(sends_and_closes(code=1001)) as socket:
        no_thread()
        with pytest.raises(ConnectionClosedError):
            socket.ping(timeout=LIMIT)
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_code == 1001


def test_a_ping_and_a_receive_wait_side_by_side(no_thread):
    go = threading.Event()

    def script(connection):
        handshake(connection)
        wait(go)
        connection.sendall(server_frame(TEXT, b"one"))
        read_until_close(connection)

    with connected(script, receive_timeout=LIMIT) as socket:
        no_thread()
        received = []
        pinger = Call(socket.ping, timeout=LIMIT)
        while not socket._session.role.holders:
            pass
        receiver = Call(lambda: received.append(socket.receive()))
        while not socket._session.inbox.is_being_taken:
            pass
        go.set()
        assert receiver.end() is None
        assert received == ["one"]
        socket.abort()
        assert isinstance(pinger.end(), ConnectionClosedError)


def test_a_connection_that_is_over_leaves_nothing_to_the_garbage_collector(no_thread, caplog):
    # A record of the log would hold the error, and what that has passed.
    caplog.set_level(logging.ERROR)
    with running_server(echo) as uri:
        socket = syncws.connect(uri)
        session = weakref.ref(socket._session)
        no_thread()
        socket.ping(timeout=LIMIT)
        gc.disable()
        try:
            socket.close()
            del socket
            assert session() is None
        finally:
            gc.enable()


# wait_closed().


@pytest.mark.parametrize("timeout", [None, LIMIT])
def test_who_waits_for_the_end_sees_it(no_thread, timeout):
    go = threading.Event()
    told = []
    closed = on_closed(lambda sender, args: told.append(args.code))
    with connected(sends_and_closes(server_frame(BINARY, b"abc"), after=go), closed) as socket:
        no_thread()
        waiter = Call(socket.wait_closed, timeout)
        while not socket._session.role.waiters:
            pass
        go.set()
        assert waiter.end() is None
        assert socket.state is State.CLOSED
        assert told == [1000]
        # What had come is kept.
        assert socket.receive(LIMIT) == b"abc"


def test_who_waits_for_the_end_is_told_of_a_loss(no_thread):
    with connected(lambda connection: handshake(connection)) as socket:
        no_thread()
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_cause is CloseCause.CONNECTION_LOST


def test_a_server_that_leaves_tcp_open_after_its_close_frame_is_waited_for_no_longer_than_ever(no_thread, monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", 0.05)

    def script(connection):
        handshake(connection)
        connection.sendall(close_frame(1000))
        read_to_end(connection)

    with connected(script, close_timeout=None) as socket:
        no_thread()
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_code == 1000


@pytest.mark.parametrize("waits", [MessageWebSocket.receive, MessageWebSocket.wait_closed])
def test_a_violation_behind_a_message_is_told(no_thread, waits):
    with connected(sends_and_ends(server_frame(TEXT, b"one") + b"\xff\xff"), receive_timeout=LIMIT) as socket:
        no_thread()
        assert socket.receive() == "one"
        with contextlib.suppress(ProtocolViolationError):
            waits(socket)
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_cause is CloseCause.PROTOCOL_ERROR


def test_waiting_for_the_end_ends_in_time(no_thread):
    with connected(only_reads, close_timeout=0.0) as socket:
        no_thread()
        assert not socket.wait_closed(0.05)
        assert socket.state is State.CONNECTED


@pytest.mark.parametrize("end", ["abort", "close"])
@pytest.mark.parametrize("has_handler", [False, True])
def test_who_waits_for_the_end_sees_one_that_another_thread_makes(no_thread, end, has_handler):
    told = []
    prepare = on_closed(lambda sender, args: told.append(args.code)) if has_handler else None
    frames = []
    with connected(noting(frames), prepare) as socket:
        no_thread()
        waiter = Call(socket.wait_closed, None)
        while not socket._session.role.waiters:
            pass
        getattr(socket, end)()
        assert waiter.end() is None
        assert socket._session.finished.is_set()
    assert len(told) == has_handler


def test_close_is_done_in_time_when_a_ping_that_read_is_ended_by_it(no_thread):
    with connected(noting([])) as socket:
        no_thread()
        # Nobody answers it before the close.
        pinger = Call(socket.ping, timeout=LIMIT)
        while not socket._session.role.holders:
            pass
        socket.close()
        assert socket.information.close_cause is CloseCause.LOCAL
        assert socket._session.finished.is_set()
        pinger.end()


def test_handlers_that_were_added_late_are_called_by_who_waits(no_thread):
    go = threading.Event()
    with connected(sends_and_closes(server_frame(TEXT, b"one"), after=go)) as socket:
        no_thread()
        texts = []
        socket.message_received += lambda sender, args: texts.append(args.text)
        go.set()
        assert socket.wait_closed(LIMIT)
    assert texts == ["one"]


def test_a_slow_handler_keeps_the_thread_that_waits(no_thread, monkeypatch):
    """It is called on a thread of the application's, which cannot stay for later messages."""
    be_impatient(monkeypatch)
    real_thread, real_hand_over = threading.Thread, MessageReceiver.hand_over
    asked = threading.Semaphore(0)

    def hand_over(receiver):
        is_handed_over = real_hand_over(receiver)
        asked.release()
        return is_handed_over

    monkeypatch.setattr(MessageReceiver, "hand_over", hand_over)
    with connected(sends_and_closes(server_frame(TEXT, b"one"), server_frame(TEXT, b"two"))) as socket:
        no_thread()
        slow = Slow("one")
        socket.message_received += slow
        waiter = Call(socket.wait_closed, None)
        wait(slow.inside)
        # There are threads again, and the monitor would have one read.
        monkeypatch.setattr(threading, "Thread", real_thread)
        assert asked.acquire(timeout=LIMIT)
        assert asked.acquire(timeout=LIMIT)
        slow.release.set()
        assert waiter.end() is None
    assert slow.texts == ["one", "two"]
    assert slow.threads[0] == waiter.name


def test_ctrl_c_ends_the_wait_and_nothing_else(no_thread, monkeypatch):
    with connected(echo, run=running_server, receive_timeout=LIMIT) as socket:
        no_thread()

        def interrupt(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            for kind in (PollReadiness, SelectReadiness):
                patch.setattr(kind, "wait", interrupt)
            with pytest.raises(KeyboardInterrupt):
                socket.wait_closed(None)
        socket.send("one")
        assert socket.receive() == "one"
