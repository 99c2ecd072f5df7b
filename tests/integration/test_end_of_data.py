"""How receiving ends: at the Close frame and not only at the end of TCP, and without holding what the caller owns."""

import threading

import pytest
from support import LIMIT, handshake, reset, server_frame, wait
from support.scripts import BINARY, close_frame, connected

from syncws import (
    ConnectionLostError,
    DataReader,
    IllegalMethodCallError,
    MessageWebSocket,
    ObjectClosedError,
    OperationTimedOutError,
    ProtocolViolationError,
    State,
    StreamWebSocket,
)
from syncws._connection import closing


@pytest.fixture
def stays():
    """A script that sends data and then something, and leaves TCP open until it is told that the client has seen it."""

    class Stays:
        def __init__(self):
            self.has_seen = threading.Event()
            self.last = close_frame()

        def __call__(self, connection):
            handshake(connection)
            connection.sendall(server_frame(BINARY, b"abc") + self.last)
            wait(self.has_seen)

    made = Stays()
    yield made
    made.has_seen.set()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """The reader waits long for the end of TCP."""
    monkeypatch.setattr(closing, "LINGER_SECONDS", LIMIT)


def read_all(socket):
    with DataReader(socket.input_stream) as data_reader:
        return data_reader.read_bytes(data_reader.load(100))


def test_a_stream_ends_with_the_close_frame(stays):
    with connected(stays, socket_class=StreamWebSocket, receive_timeout=LIMIT) as socket:
        assert read_all(socket) == b"abc"
        assert not socket._session.finished.is_set()
        stays.has_seen.set()


def test_a_stream_s_violation_is_told_at_once(stays):
    stays.last = b"\xff\xff"
    with connected(stays, socket_class=StreamWebSocket, receive_timeout=LIMIT) as socket:
        target = bytearray(10)
        assert socket.input_stream.read(target, 10).length == 3
        with pytest.raises(ProtocolViolationError):
            socket.input_stream.read(target, 10)
        stays.has_seen.set()


def test_messages_end_with_the_close_frame(stays):
    with connected(stays, receive_timeout=LIMIT) as socket:
        assert socket.receive() == b"abc"
        with pytest.raises(ObjectClosedError, match="code 1005"):
            socket.receive()
        assert not socket._session.finished.is_set()
        stays.has_seen.set()


def loses(connection):
    handshake(connection)
    reset(connection)


def test_where_there_is_no_thread_to_be_had_a_receive_is_told_of_the_close_frame(stays, no_thread, caplog):
    with connected(stays, receive_timeout=LIMIT) as socket:
        no_thread()
        assert socket.receive() == b"abc"
        with pytest.raises(ObjectClosedError, match="code 1005"):
            socket.receive()
        with pytest.raises(ObjectClosedError, match="code 1005"):
            socket.send("late")
        stays.has_seen.set()
    assert socket.information.close_code == 1005
    assert caplog.text.count("no thread to read") == 1


def test_where_there_is_no_thread_to_be_had_a_stream_ends_all_the_same(stays, no_thread):
    with connected(stays, socket_class=StreamWebSocket, receive_timeout=LIMIT) as socket:
        no_thread()
        assert read_all(socket) == b"abc"
        stays.has_seen.set()


def test_where_there_is_no_thread_to_be_had_a_receive_is_told_of_the_loss_and_handlers_of_the_end(no_thread):
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"abc"))

    told = []

    def closed(sender, args):
        told.append(args.code)
        # As in any handler: it does not wait for its own thread.
        sender.close()
        with pytest.raises(IllegalMethodCallError):
            sender.wait_closed()

    with connected(script, receive_timeout=LIMIT) as socket:
        socket.closed += closed
        no_thread()
        assert socket.receive() == b"abc"
        with pytest.raises(ConnectionLostError, match="without a Close frame"):
            socket.receive()
        assert socket.state is State.CLOSED
    assert told == [1006]


@pytest.mark.parametrize("kind", [StreamWebSocket, MessageWebSocket])
def test_a_lost_connection_raises_an_error_of_its_own_each_time(kind):
    with connected(loses, socket_class=kind, receive_timeout=LIMIT) as socket:
        raised = []
        for _ in range(2):
            with pytest.raises(ConnectionLostError) as caught:
                socket.receive() if kind is MessageWebSocket else read_one(socket)
            raised.append(caught.value)
        assert raised[0] is not raised[1]
        assert raised[0].hresult == raised[1].hresult
        assert str(raised[0]) == str(raised[1])


def read_one(socket):
    return socket.input_stream.read(bytearray(1), 1)


def test_a_buffer_may_grow_while_the_error_of_a_lost_connection_is_kept():
    with connected(loses, socket_class=StreamWebSocket, receive_timeout=LIMIT) as socket:
        target = bytearray(10)
        with pytest.raises(ConnectionLostError) as kept:
            socket.input_stream.read(target, 10)
        target.extend(b"more")
    assert kept.value.__traceback__ is not None


def test_a_buffer_may_grow_while_the_error_of_a_timed_out_read_is_kept(stays):
    stays.last = b""
    with connected(stays, socket_class=StreamWebSocket, receive_timeout=0.0) as socket:
        target = bytearray(10)
        with pytest.raises(OperationTimedOutError) as kept:
            socket.input_stream.read(target, 10)
        target.extend(b"more")
        stays.has_seen.set()
    assert kept.value.__traceback__ is not None
