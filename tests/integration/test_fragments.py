"""Tests of send_nonfinal_frame and send_final_frame on real connections: one message, sent frame by frame."""

import mmap
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import LIMIT, handshake, read_exactly, read_frame, running_server, wait
from support.calls import Call
from support.scripts import (
    BINARY,
    CLOSE,
    CONTINUATION,
    EMPTY_CLOSE,
    FIN,
    PONG,
    TEXT,
    close_frame,
    connected,
    noting,
    pings_in_between,
    read_until_close,
)

from syncws import (
    DataWriter,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    MessageWebSocket,
    ObjectClosedError,
    SocketMessageType,
)

LAST = FIN | CONTINUATION
LARGE = 16 << 20


def store(socket):
    """Store a byte by a DataWriter that leaves the stream open."""
    with DataWriter(socket.output_stream) as writer:
        writer.write_byte(1)
        try:
            writer.store()
        finally:
            writer.detach_stream()


FRAMES = ["send_nonfinal_frame", "send_final_frame"]

# How many bytes of payload each of them sends.
OTHER_WRITES = {
    "send text": (1, lambda socket: socket.send("a")),
    "send bytes": (1, lambda socket: socket.send(b"a")),
    "send a view": (1, lambda socket: socket.send(memoryview(b"a"))),
    "write": (1, lambda socket: socket.output_stream.write(b"a")),
    "write with progress": (100_000, lambda socket: socket.output_stream.write(bytes(100_000), [].append)),
    "write a long one": (100_000, lambda socket: socket.output_stream.write(bytes(100_000))),
    "store": (1, store),
}


# One message.


def test_frames_make_one_message_and_their_sizes_are_returned(tls):
    frames = []
    with connected(noting(frames), tls=tls) as socket:
        sizes = [socket.send_nonfinal_frame(b"one"), socket.send_nonfinal_frame(b""), socket.send_final_frame(b"three")]
        socket.send("next")
    assert sizes == [3, 0, 5]
    assert frames == [(BINARY, b"one"), (CONTINUATION, b""), (LAST, b"three"), (FIN | TEXT, b"next"), EMPTY_CLOSE]


@pytest.mark.parametrize("data", [b"abc", b"", bytes(70_000)])
def test_a_final_frame_alone_is_a_whole_message(data):
    frames = []
    with connected(noting(frames)) as socket:
        assert socket.send_final_frame(data) == len(data)
        socket.send(b"next")
    assert frames == [(FIN | BINARY, data), (FIN | BINARY, b"next"), EMPTY_CLOSE]


def written(data):
    with DataWriter() as writer:
        writer.write_bytes(data)
        return writer.detach_buffer()


def mapped(data):
    area = mmap.mmap(-1, len(data))
    area.write(data)
    return area


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, written, mapped])
@pytest.mark.parametrize("size", [3, 65_536, 65_537, 300_000])
def test_frames_of_any_buffer_and_size_go_out_as_they_are(make, size):
    frames = []
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with connected(noting(frames)) as socket:
        data = make(payload)
        assert [socket.send_nonfinal_frame(data), socket.send_final_frame(data)] == [size, size]
        if make is mapped:
            # Nothing holds it any more.
            data.close()
    assert frames == [(BINARY, payload), (LAST, payload), EMPTY_CLOSE]


def test_progress_is_told_each_frame_when_it_has_gone():
    told = []
    with connected(noting([])) as socket:
        for send, size in [(socket.send_nonfinal_frame, 3), (socket.send_nonfinal_frame, 0)]:
            send(bytes(size), told.append)
        socket.send_nonfinal_frame(bytes(200_000), told.append)
        socket.send_final_frame(b"12", told.append)
        socket.send_final_frame(b"1", told.append)
    assert told == [3, 0, 200_000, 2, 1]


@pytest.mark.parametrize("method", FRAMES)
def test_an_exception_of_progress_comes_out_and_the_frame_has_gone(method):
    frames = []

    def fail(_):
        raise ZeroDivisionError

    with connected(noting(frames)) as socket:
        with pytest.raises(ZeroDivisionError):
            getattr(socket, method)(b"1", fail)
        socket.send_final_frame(b"2")
    first = (BINARY, b"1") if method == "send_nonfinal_frame" else (FIN | BINARY, b"1")
    assert frames[:2] == [first, (LAST if method == "send_nonfinal_frame" else FIN | BINARY, b"2")]


def test_progress_may_send_the_next_frame():
    frames = []
    with connected(noting(frames)) as socket:
        socket.send_nonfinal_frame(b"1", lambda _: socket.send_final_frame(b"2", lambda _: socket.send("3")))
    assert frames[:3] == [(BINARY, b"1"), (LAST, b"2"), (FIN | TEXT, b"3")]


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
def test_the_type_is_that_of_the_first_frame(first, second):
    frames = []
    with connected(noting(frames), message_type=SocketMessageType(first)) as socket:
        socket.send_nonfinal_frame(b"1")
        socket.control.message_type = SocketMessageType(second)
        socket.send_nonfinal_frame(b"2")
        socket.send_final_frame(b"3")
        socket.send_final_frame(b"4")
    opcodes = [BINARY, TEXT]
    assert frames[:4] == [(opcodes[first], b"1"), (CONTINUATION, b"2"), (LAST, b"3"), (FIN | opcodes[second], b"4")]


def test_the_server_sees_one_message():
    received = []

    def handler(connection):
        received.extend([connection.recv(), list(connection.recv_streaming())])
        connection.recv()

    with connected(handler, run=running_server) as socket:
        socket.control.message_type = SocketMessageType.UTF8
        for _ in range(2):
            socket.send_nonfinal_frame("Grüße ".encode())
            socket.send_nonfinal_frame(b"in ")
            socket.send_final_frame("Stücken".encode())
        socket.send("done")
        assert socket.wait_closed(LIMIT)
    assert received == ["Grüße in Stücken", ["Grüße ", "in ", "Stücken"]]


# Text.


@settings(deadline=None, max_examples=20)
@given(st.text(st.characters(codec="utf-8"), max_size=30), st.lists(st.integers(0, 1000), max_size=5))
def test_text_may_be_cut_anywhere(text, places):
    data = text.encode()
    borders = sorted(place % (len(data) + 1) for place in places)
    frames = []
    with connected(noting(frames), message_type=SocketMessageType.UTF8) as socket:
        start = 0
        for stop in borders:
            assert socket.send_nonfinal_frame(data[start:stop]) == stop - start
            start = stop
        socket.send_final_frame(data[start:])
    assert frames.pop() == EMPTY_CLOSE
    assert b"".join(payload for _, payload in frames).decode() == text
    assert [first for first, _ in frames] == (
        [TEXT] + [CONTINUATION] * (len(borders) - 1) + [LAST] if borders else [FIN | TEXT]
    )


@pytest.mark.parametrize("bad", [b"\xff", b"a\x80", b"\xed\xa0", b"x" * 70_000 + b"\xc3a"])
@pytest.mark.parametrize("method", FRAMES)
def test_a_first_frame_that_is_no_text_is_not_sent_and_begins_nothing(method, bad):
    frames = []
    with connected(noting(frames), message_type=SocketMessageType.UTF8) as socket:
        with pytest.raises(InvalidArgumentError, match="must be UTF-8") as raised:
            getattr(socket, method)(bad)
        socket.send("good")
    assert raised.value.hresult == HResult.E_INVALIDARG
    assert frames == [(FIN | TEXT, b"good"), EMPTY_CLOSE]


@pytest.mark.parametrize("bad", [b"b", b"\xc3", b"\xa4\xff"])
@pytest.mark.parametrize("method", FRAMES)
def test_a_frame_that_does_not_go_on_with_the_character_is_not_sent_and_the_message_goes_on(method, bad):
    frames, told = [], []
    with connected(noting(frames), message_type=SocketMessageType.UTF8) as socket:
        socket.send_nonfinal_frame(b"a\xc3")
        with pytest.raises(InvalidArgumentError) as raised:
            getattr(socket, method)(bad, told.append)
        socket.send_final_frame(b"\xa4")
    assert raised.value.hresult == HResult.E_INVALIDARG
    assert (frames, told) == ([(TEXT, b"a\xc3"), (LAST, b"\xa4"), EMPTY_CLOSE], [])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "byte 0 of this one is not (invalid start byte)"),
        (b"ab\xe2\x82", "byte 2 of this one is not (unexpected end of data)"),
        (b"", "the character it begins in is not (unexpected end of data)"),
    ],
)
def test_the_error_tells_where_the_text_is_wrong(data, message):
    with connected(noting([]), message_type=SocketMessageType.UTF8) as socket:
        socket.send_nonfinal_frame(b"" if data else b"\xe2\x82")
        with pytest.raises(InvalidArgumentError) as raised:
            socket.send_final_frame(data)
    assert raised.value.message == f"the frames of a message of message_type UTF8 must be UTF-8; {message}"


@pytest.mark.parametrize("data", [b"\xc3", b"a\xe2\x82"])
def test_text_that_ends_inside_a_character_is_refused_and_can_be_finished_otherwise(data):
    frames = []
    with connected(noting(frames), message_type=SocketMessageType.UTF8) as socket:
        with pytest.raises(InvalidArgumentError):
            socket.send_final_frame(data)
        socket.send_nonfinal_frame(b"a")
        with pytest.raises(InvalidArgumentError):
            socket.send_final_frame(data)
        socket.send_final_frame(b"b")
        socket.send_final_frame(b"c")
    assert frames == [(TEXT, b"a"), (LAST, b"b"), (FIN | TEXT, b"c"), EMPTY_CLOSE]


def test_a_text_is_checked_to_its_end_whatever_the_type_is_by_then():
    with connected(noting([]), message_type=SocketMessageType.UTF8) as socket:
        socket.send_nonfinal_frame(b"a")
        socket.control.message_type = SocketMessageType.BINARY
        with pytest.raises(InvalidArgumentError):
            socket.send_final_frame(b"\xff")


def test_binary_frames_are_not_looked_at_whatever_the_type_is_by_then():
    frames = []
    with connected(noting(frames)) as socket:
        socket.send_nonfinal_frame(b"\xc3")
        socket.control.message_type = SocketMessageType.UTF8
        socket.send_final_frame(b"\xff")
    assert frames[:2] == [(BINARY, b"\xc3"), (LAST, b"\xff")]


# What is refused.


@pytest.mark.parametrize(("size", "write"), OTHER_WRITES.values(), ids=OTHER_WRITES)
def test_nothing_else_can_be_written_in_the_middle_of_a_message(size, write):
    frames = []
    with connected(noting(frames)) as socket:
        socket.send_nonfinal_frame(b"1")
        with pytest.raises(IllegalMethodCallError, match="send_nonfinal_frame began must be finished") as raised:
            write(socket)
        socket.send_final_frame(b"2")
        write(socket)
    assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL
    assert frames[:2] == [(BINARY, b"1"), (LAST, b"2")]
    assert frames.pop() == EMPTY_CLOSE
    assert sum(len(payload) for _, payload in frames[2:]) == size


def test_neither_can_another_thread_write_but_it_can_finish_the_message():
    frames = []

    def body(socket):
        with pytest.raises(IllegalMethodCallError) as raised:
            socket.send(b"a")
        socket.send_final_frame(b"2")
        return raised.value.hresult

    with connected(noting(frames)) as socket:
        socket.send_nonfinal_frame(b"1")
        assert Call(body, socket).result() == HResult.E_ILLEGAL_METHOD_CALL
    assert frames == [(BINARY, b"1"), (LAST, b"2"), EMPTY_CLOSE]


def test_what_a_data_writer_could_not_store_stays_in_it():
    frames = []
    with connected(noting(frames)) as socket, DataWriter(socket.output_stream) as writer:
        writer.write_string("kept")
        socket.send_nonfinal_frame(b"1")
        with pytest.raises(IllegalMethodCallError):
            writer.store()
        socket.send_final_frame(b"2")
        assert writer.store() == 4
        writer.detach_stream()
    assert frames == [(BINARY, b"1"), (LAST, b"2"), (FIN | BINARY, b"kept"), EMPTY_CLOSE]


def test_a_second_thread_is_refused_while_a_frame_is_being_sent():
    begun, go = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection)
        assert read_exactly(connection, 2)[0] == BINARY
        begun.set()
        wait(go)
        read_exactly(connection, 8 + 4 + LARGE)
        assert read_frame(connection) == (LAST, b"end")
        read_until_close(connection)

    with connected(script) as socket:
        sending = Call(socket.send_nonfinal_frame, bytes(LARGE))
        wait(begun)
        for method in FRAMES:
            with pytest.raises(InvalidOperationError, match="one at a time") as raised:
                getattr(socket, method)(b"a")
            assert raised.value.hresult == HResult.ERROR_INVALID_OPERATION
        go.set()
        assert sending.result() == LARGE
        assert socket.send_final_frame(b"end") == 3


@pytest.mark.parametrize("method", FRAMES)
@pytest.mark.parametrize("arguments", [("text",), (None,), (5,), (b"a", 5), (b"a", "progress")])
def test_what_is_no_buffer_or_no_progress_is_refused_and_nothing_is_sent(method, arguments):
    frames = []
    with connected(noting(frames)) as socket:
        with pytest.raises(InvalidArgumentTypeError) as raised:
            getattr(socket, method)(*arguments)
        socket.send(b"next")
    assert raised.value.hresult == HResult.E_INVALIDARG
    assert frames == [(FIN | BINARY, b"next"), EMPTY_CLOSE]


@pytest.mark.parametrize("method", FRAMES)
def test_before_connect_frames_are_an_illegal_method_call(method):
    with pytest.raises(IllegalMethodCallError, match="call connect first") as raised:
        getattr(MessageWebSocket(), method)(b"a")
    assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL


@pytest.mark.parametrize("method", FRAMES)
@pytest.mark.parametrize("has_begun", [False, True])
def test_after_close_frames_say_closed(method, has_begun):
    with connected(noting([])) as socket:
        if has_begun:
            socket.send_nonfinal_frame(b"a")
        socket.close()
        with pytest.raises(ObjectClosedError) as raised:
            getattr(socket, method)(b"a")
    assert raised.value.hresult == HResult.RO_E_CLOSED


# Control frames between.


def test_pings_are_answered_in_the_middle_of_a_message(tls):
    frames = []
    answered = threading.Event()
    with connected(pings_in_between(frames, answered), tls=tls) as socket:
        socket.send_nonfinal_frame(b"1")
        wait(answered)
        socket.send_final_frame(b"2")
    assert frames == [(BINARY, b"1"), (FIN | PONG, b"there?"), (LAST, b"2"), EMPTY_CLOSE]


def test_close_is_possible_in_the_middle_of_a_message():
    frames = []
    with connected(noting(frames)) as socket:
        socket.send_nonfinal_frame(b"1")
        socket.close(1000, "enough")
        assert socket.wait_closed(LIMIT)
    assert frames == [(BINARY, b"1"), (FIN | CLOSE, b"\x03\xe8enough")]


def test_the_peers_close_ends_the_message():
    frames = []

    def script(connection):
        handshake(connection)
        frames.append(read_frame(connection))
        connection.sendall(close_frame(1000))
        frames.append(read_frame(connection))

    with connected(script) as socket:
        socket.send_nonfinal_frame(b"1")
        assert socket.wait_closed(LIMIT)
        for write in (lambda: socket.send_final_frame(b"2"), lambda: socket.send(b"3")):
            with pytest.raises(ObjectClosedError) as raised:
                write()
            assert raised.value.hresult == HResult.RO_E_CLOSED
    assert frames == [(BINARY, b"1"), (FIN | CLOSE, b"\x03\xe8")]


def test_another_connection_knows_nothing_of_an_unfinished_message():
    for text in ("1", "2"):
        frames = []
        with connected(noting(frames), message_type=SocketMessageType.UTF8) as socket:
            socket.send_final_frame(text.encode())
            socket.send_nonfinal_frame(b"\xc3")
        assert frames == [(FIN | TEXT, text.encode()), (TEXT, b"\xc3"), EMPTY_CLOSE]


def test_progress_may_be_given_by_name():
    told = []
    with connected(noting([])) as socket:
        socket.send_nonfinal_frame(b"ab", progress=told.append)
        socket.send_final_frame(b"c", progress=told.append)
    assert told == [2, 1]
