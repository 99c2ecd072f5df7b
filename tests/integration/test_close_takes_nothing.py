"""close() once the peer has ended the connection: whoever reads still gets what had come, and how it ended."""

import threading

import pytest
from support import LIMIT, handshake, read_frame, server_frame, wait
from support.calls import Call
from support.handlers import Slow, be_impatient
from support.scripts import (
    BINARY,
    TEXT,
    close_frame,
    connected,
    on_closed,
    on_message,
    sends,
    sends_and_closes,
    sends_and_ends,
)

from syncws import (
    CloseCause,
    ConnectionLostError,
    DataReader,
    InputStreamOptions,
    MessageWebSocket,
    ObjectClosedError,
    OperationCanceledError,
    ProtocolViolationError,
    StreamWebSocket,
)
from syncws._connection import closing
from syncws._connection.receiving.inbox import Inbox

PARTS = (b"one ", b"two ", b"three\n")
WHOLE = b"".join(PARTS)
FRAMES = tuple(server_frame(BINARY, part) for part in PARTS)

# How the peer ends it: what it sends, and what a reader of messages and one of a stream is told at last.
PEER_ENDS = {
    "a Close frame": (sends_and_closes(*FRAMES), ObjectClosedError, None),
    "the end of TCP": (sends_and_ends(*FRAMES), ConnectionLostError, ConnectionLostError),
    "a violation": (sends(*FRAMES, server_frame(3)), ProtocolViolationError, ProtocolViolationError),
}
OUR_ENDS = {
    "close in a Closed handler": (lambda socket: None, lambda sender, _: sender.close()),
    "close with a code in a Closed handler": (lambda socket: None, lambda sender, _: sender.close(3000, "seen")),
    "abort in a Closed handler": (lambda socket: None, lambda sender, _: sender.abort()),
    "close on the program's thread": (lambda socket: socket.close(), lambda *_: None),
    "the end of a with block": (lambda socket: socket.__exit__(None, None, None), lambda *_: None),
}
peer_ends = pytest.mark.parametrize(("script", "message_error", "stream_error"), PEER_ENDS.values(), ids=PEER_ENDS)
our_ends = pytest.mark.parametrize(("end", "handler"), OUR_ENDS.values(), ids=OUR_ENDS)


def end_both(socket, end):
    """Wait until the peer has ended the connection and the handlers have returned, then end it on this side."""
    assert socket.wait_closed(LIMIT)
    end(socket)
    with pytest.raises((ObjectClosedError, ConnectionLostError)):
        socket.output_stream.write(b"late")


# Messages.


def receive(socket):
    return [socket.receive(0) for _ in PARTS]


def receive_args(socket):
    messages = []
    for _ in PARTS:
        with socket.receive_args(0).get_data_reader() as reader:
            messages.append(reader.read_bytes(reader.unconsumed_buffer_length))
    return messages


def iterate(socket):
    messages = []
    try:
        messages.extend(socket)
    except (ConnectionLostError, ProtocolViolationError):
        pass  # Told again by the receive that follows.
    return messages


@pytest.mark.parametrize("take", [receive, receive_args, iterate])
@our_ends
@peer_ends
def test_messages_can_still_be_received(script, message_error, stream_error, end, handler, take, tls, monkeypatch):
    # Nobody answers here what came before the violation.
    monkeypatch.setattr(closing, "ANSWER_SLICES", 1)
    with connected(script, on_closed(handler), tls=tls) as socket:
        cause = {ObjectClosedError: CloseCause.PEER, ConnectionLostError: CloseCause.CONNECTION_LOST}
        end_both(socket, end)
        assert take(socket) == list(PARTS)
        for _ in range(2):
            with pytest.raises(message_error) as caught:
                socket.receive(0)
            assert caught.value.close_cause is cause.get(message_error, CloseCause.PROTOCOL_ERROR)


# A stream.


def read_in_one(socket):
    target = bytearray(100)
    return bytes(target[: socket.input_stream.read(target, 100).length])


def read_in_parts(socket):
    target = bytearray(1)
    return b"".join(
        bytes(target) for _ in WHOLE if socket.input_stream.read(target, 1, InputStreamOptions.PARTIAL).length
    )


def load(socket):
    reader = DataReader(socket.input_stream)
    reader.load(len(WHOLE))
    reader.detach_stream()
    return reader.read_bytes(reader.unconsumed_buffer_length)


def read_a_line(socket):
    return socket.input_stream.as_file().readline()


def read_the_file(socket):
    return socket.input_stream.as_file().read(len(WHOLE))


@pytest.mark.parametrize("take", [read_in_one, read_in_parts, load, read_a_line, read_the_file])
@our_ends
@peer_ends
def test_bytes_can_still_be_read(script, message_error, stream_error, end, handler, take, tls):
    with connected(script, on_closed(handler), socket_class=StreamWebSocket, tls=tls) as socket:
        end_both(socket, end)
        assert take(socket) == WHOLE
        for use in (
            lambda: socket.input_stream.read(bytearray(1), 1).length,
            lambda: len(socket.input_stream.as_file().read()),
        ):
            if stream_error is None:
                assert use() == 0
            else:
                with pytest.raises(stream_error):
                    use()


def test_a_data_reader_goes_on_behind_what_it_has_loaded(tls):
    arrived = threading.Event()

    def script(connection):
        handshake(connection, behind=FRAMES[0])
        wait(arrived)
        connection.sendall(FRAMES[1] + FRAMES[2] + close_frame())

    handler = on_closed(lambda sender, _: sender.close())
    with connected(script, handler, socket_class=StreamWebSocket, tls=tls) as socket:
        reader = DataReader(socket.input_stream)
        assert reader.load(2) == 2
        arrived.set()
        assert socket.wait_closed(LIMIT)
        assert reader.load(100) == len(WHOLE) - 2
        assert reader.load(1) == 0
        assert reader.read_bytes(len(WHOLE)) == WHOLE


# Whoever waits while it happens.


@pytest.fixture
def late(monkeypatch):
    """Have whoever waits for messages or bytes be woken only when the Closed handlers have returned; is set when it
    begins to wait."""
    begun, over = threading.Event(), threading.Event()
    wait_for_change = Inbox._wait

    def wait_long(inbox, *how):
        begun.set()
        wait_for_change(inbox, *how)
        wait(over)

    monkeypatch.setattr(Inbox, "_wait", wait_long)
    return begun, over


def read_for_the_end(socket):
    """Return a call that waits for the end of the connection, once a thread reads for it: others then wait for that."""
    ended = Call(socket.wait_closed, LIMIT)
    while socket._session.reader_thread is None:
        pass
    return ended


def waits_first(late, *ends):
    begun, _ = late

    def script(connection):
        handshake(connection)
        wait(begun)
        connection.sendall(b"".join((*FRAMES, *ends)))
        if ends:
            read_frame(connection)

    return script


@pytest.mark.parametrize("ends", [(), (close_frame(1000),)], ids=["lost", "closed"])
@pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
def test_a_wait_that_the_end_ends_gets_all(socket_class, ends, late, tls):
    def take(socket):
        if socket_class is MessageWebSocket:
            return b"".join(socket.receive() for _ in PARTS)
        return socket.input_stream.as_file().read(len(WHOLE))

    handler = on_closed(lambda sender, _: sender.close())
    with connected(waits_first(late, *ends), handler, socket_class=socket_class, tls=tls) as socket:
        ended = read_for_the_end(socket)
        call = Call(take, socket)
        assert ended.result()
        late[1].set()
        assert call.result() == WHOLE


def test_a_wait_that_only_the_close_frame_ends_is_told_of_the_peer(late, tls):
    begun, over = late

    def script(connection):
        handshake(connection)
        wait(begun)
        connection.sendall(close_frame(4000, "enough"))
        read_frame(connection)

    handler = on_closed(lambda sender, _: sender.close())
    with connected(script, handler, socket_class=StreamWebSocket, tls=tls) as socket:
        ended = read_for_the_end(socket)
        call = Call(socket.input_stream.read, bytearray(1), 1)
        assert ended.result()
        over.set()
        assert call.result().length == 0


# Handlers.


def test_a_handler_that_closes_is_called_no_more_and_the_rest_can_be_received(monkeypatch):
    be_impatient(monkeypatch)
    slow = Slow()

    def handler(sender, args):
        slow(sender, args)
        sender.close()

    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"one"))
        wait(slow.inside)
        connection.sendall(server_frame(TEXT, b"two") + server_frame(TEXT, b"three") + close_frame())

    with connected(script, on_message(handler)) as socket:
        wait(slow.inside)
        while not socket._session.is_over:
            pass
        slow.release.set()
        assert socket.wait_closed(LIMIT)
        assert slow.texts == ["one"]
        assert [socket.receive(0), socket.receive(0)] == ["two", "three"]


# What this side ends first stays ended.


@pytest.mark.parametrize("end", [MessageWebSocket.close, MessageWebSocket.abort])
def test_a_close_that_comes_first_drops_what_waits(end):
    ready = threading.Event()

    def script(connection):
        handshake(connection, behind=b"".join(FRAMES))
        wait(ready)
        connection.sendall(FRAMES[0] + close_frame())
        read_frame(connection)

    with connected(script) as socket:
        while not socket.information.bytes_buffered_in:
            pass
        ending = Call(end, socket)
        while socket.information.close_cause is CloseCause.NONE:
            pass
        ready.set()
        ending.result()
        assert socket.wait_closed(LIMIT)
        assert socket.information.bytes_buffered_in == 0
        with pytest.raises(ObjectClosedError):
            socket.receive(0)
        with pytest.raises(ObjectClosedError):
            list(socket)


def test_a_stream_that_was_closed_itself_says_so_also_after_the_end(late):
    begun, over = late

    def script(connection):
        handshake(connection)
        wait(begun)
        connection.sendall(close_frame())
        read_frame(connection)

    with connected(script, on_closed(lambda sender, _: sender.close()), socket_class=StreamWebSocket) as socket:
        call = Call(socket.input_stream.read, bytearray(1), 1)
        assert socket.wait_closed(LIMIT)
        socket.input_stream.close()
        over.set()
        with pytest.raises(OperationCanceledError, match="the stream was closed"):
            call.result()
        with pytest.raises(ObjectClosedError, match="input stream was closed"):
            socket.input_stream.read(bytearray(1), 1)
