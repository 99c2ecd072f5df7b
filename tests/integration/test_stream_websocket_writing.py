"""Tests of writing to a StreamWebSocket: what the peer gets, time limits, and errors."""

import array
import mmap
import socket as tcp
import threading

import pytest
from support import LIMIT, echo, handshake, read_frame, read_to_end, running_server, server_frame, wait
from support.calls import Call
from support.scripts import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    noting,
    on_closed,
    read_until_close,
    sends,
    sends_and_closes,
)
from support.stream_websocket import assert_hresult, connected_stream, wait_closed

from syncws import (
    ConnectionLostError,
    DataWriter,
    IllegalMethodCallError,
    InputStreamOptions,
    InvalidArgumentTypeError,
    InvalidOperationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    StreamWebSocket,
)
from syncws._connection.sending.frame_writer import FrameWriter
from syncws._connection.sending.outbox import Outbox

BIG = bytes(range(256)) * 4096
STUCK = bytes(50_000_000)


class Received:
    """Handler of a server that notes each message."""

    def __init__(self):
        self.messages = []
        self._came = threading.Semaphore(0)

    def __call__(self, connection):
        for message in connection:
            self.messages.append(message)
            self._came.release()

    def take(self, count):
        for _ in range(count):
            assert self._came.acquire(timeout=LIMIT), "the message did not come"
        return self.messages


def assert_same(messages, expected):
    # Without pytest's comparison, which takes minutes for a megabyte.
    is_same = messages == expected
    assert is_same, [len(message) for message in messages]


@pytest.fixture
def received():
    return Received()


@pytest.fixture
def socket(tls, received):
    with connected_stream(received, run=running_server, tls=tls) as socket:
        yield socket


# What the peer gets.


def test_each_write_is_one_binary_message(socket, received):
    sizes = [0, 1, 125, 126, 65535, 65536, 65537, 200_000]
    assert [socket.output_stream.write(BIG[:size]) for size in sizes] == sizes
    assert_same(received.take(8), [BIG[:size] for size in sizes])


def test_each_store_is_one_binary_message_also_of_text(socket, received):
    with DataWriter(socket.output_stream) as writer:
        for text in ("grün", "x" * 100_000):
            writer.write_string(text)
            assert writer.store() == len(text.encode())
        writer.write_bytes(BIG)
        assert writer.store() == len(BIG)
    assert_same(received.take(3), ["grün".encode(), b"x" * 100_000, BIG])


BUFFERS = {
    "bytes": lambda: BIG,
    "bytearray": lambda: bytearray(BIG),
    "memoryview": lambda: memoryview(b"\0" + BIG)[1:],
    "array": lambda: array.array("I", BIG),
}


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
def test_a_big_buffer_of_any_kind_arrives_whole(socket, received, make):
    assert socket.output_stream.write(make()) == len(BIG)
    assert_same(received.take(1), [BIG])


def test_a_mapped_file_arrives_whole_and_can_be_closed_at_once(socket, received, tmp_path):
    path = tmp_path / "big"
    path.write_bytes(BIG)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert socket.output_stream.write(mapped) == len(BIG)
    assert_same(received.take(1), [BIG])


def test_a_buffer_may_change_as_soon_as_the_write_has_returned(socket, received):
    data = bytearray(BIG)
    socket.output_stream.write(data)
    data[:] = bytes(len(data))
    data.append(0)
    assert_same(received.take(1), [BIG])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, [0]),
        (5, [5]),
        (65536, [65536]),
        (65537, [65536, 65537]),
        (200_000, [65536, 131072, 196608, 200_000]),
    ],
)
def test_progress_tells_the_bytes_sent_so_far(socket, size, expected):
    told = []
    assert socket.output_stream.write(BIG[:size], told.append) == size
    assert told == expected


def test_a_large_write_goes_out_in_fragments_of_one_message():
    frames = []
    with connected_stream(noting(frames)) as socket:
        socket.output_stream.write(BIG[:150_000])
        socket.output_stream.write(b"small")
    assert [(first, len(payload)) for first, payload in frames[:4]] == [
        (BINARY, 65536),
        (CONTINUATION, 65536),
        (FIN | CONTINUATION, 150_000 - 131_072),
        (FIN | BINARY, 5),
    ]
    assert b"".join(payload for _, payload in frames[:3]) == BIG[:150_000]


def test_flush_answers_true_when_connected(socket):
    assert socket.output_stream.flush() is True


def test_a_ping_is_answered_between_the_fragments_of_a_write(monkeypatch):
    posted = threading.Event()
    post_pong = Outbox.post_pong
    monkeypatch.setattr(Outbox, "post_pong", lambda outbox, frame: (post_pong(outbox, frame), posted.set()))
    frames = []

    def script(connection):
        connection.setsockopt(tcp.SOL_SOCKET, tcp.SO_RCVBUF, 65536)
        handshake(connection)
        frames.append(read_frame(connection))
        connection.sendall(server_frame(PING, b"are you there"))
        # Nothing is read meanwhile, so the write cannot come to its end.
        wait(posted)
        frames.extend(read_until_close(connection))

    data = bytes(16_000_000)
    with connected_stream(script, outbound_buffer_size_in_bytes=65536) as socket:
        assert socket.output_stream.write(data) == len(data)
    firsts = [first for first, _ in frames]
    place = firsts.index(FIN | PONG)
    assert frames[place] == (FIN | PONG, b"are you there")
    assert firsts.index(FIN | CONTINUATION) > place > firsts.index(BINARY)
    assert b"".join(payload for first, payload in frames if first in (BINARY, CONTINUATION, FIN | CONTINUATION)) == data


# A peer that does not read.


def stuck(taken):
    def script(connection):
        connection.setsockopt(tcp.SOL_SOCKET, tcp.SO_RCVBUF, 4096)
        handshake(connection)
        wait(taken)

    return script


@pytest.mark.parametrize("make", [lambda: STUCK, lambda: bytearray(STUCK)], ids=["bytes", "bytearray"])
def test_a_write_to_a_peer_that_reads_nothing_times_out_and_close_still_ends(make):
    taken, closes = threading.Event(), []
    prepare = on_closed(lambda sender, args: closes.append(args.code))
    settings = {"send_timeout": 0.2, "close_timeout": 0.3, "outbound_buffer_size_in_bytes": 4096}
    try:
        with connected_stream(stuck(taken), prepare, **settings) as socket:
            with pytest.raises(OperationTimedOutError) as raised:
                socket.output_stream.write(make())
            assert_hresult(raised, 0x80072EE2)
            socket.close()
            wait_closed(socket)
            # Before the peer is let go.
            assert not taken.is_set()
            assert closes == [1006]
            taken.set()
    finally:
        taken.set()


def test_flush_waits_for_what_a_write_has_left_to_be_sent():
    taken = threading.Event()

    def script(connection):
        stuck(taken)(connection)
        read_until_close(connection)

    try:
        with connected_stream(script, send_timeout=0.2, outbound_buffer_size_in_bytes=4096) as socket:
            with pytest.raises(OperationTimedOutError) as raised:
                # TCP takes it a few kilobytes at a time, which lasts.
                socket.output_stream.write(BIG[: 1 << 16])
            assert raised.value.is_queued
            assert socket.output_stream.flush() is False
            taken.set()
            while not socket.output_stream.flush():
                assert socket.is_open
            assert socket.information.bytes_pending_out == 0
    finally:
        taken.set()


def test_flush_does_not_say_that_all_has_gone_when_the_end_has_dropped_it():
    go, over = threading.Event(), threading.Event()

    def script(connection):
        stuck(go)(connection)
        connection.sendall(server_frame(CLOSE, (1000).to_bytes(2, "big")))
        wait(over)

    settings = {"send_timeout": 0.2, "close_timeout": 0.2, "outbound_buffer_size_in_bytes": 4096}
    try:
        with connected_stream(script, **settings) as socket:
            with pytest.raises(OperationTimedOutError) as raised:
                socket.output_stream.write(BIG)
            assert raised.value.is_queued
            go.set()
            wait_closed(socket)
            assert socket.output_stream.flush() is False
            over.set()
    finally:
        over.set()


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_write_that_waits_is_ended_by_closing(monkeypatch, end):
    taken, begun = threading.Event(), threading.Event()
    wait_writable = FrameWriter._wait_writable
    monkeypatch.setattr(
        FrameWriter, "_wait_writable", lambda writer, patience: (begun.set(), wait_writable(writer, patience))
    )
    settings = {"send_timeout": None, "close_timeout": 0.2, "outbound_buffer_size_in_bytes": 4096}
    try:
        with connected_stream(stuck(taken), **settings) as socket:
            writing = Call(socket.output_stream.write, STUCK)
            wait(begun)
            getattr(socket, end)()
            with pytest.raises(OperationCanceledError) as raised:
                writing.result()
            assert_hresult(raised, 0x80072EF1)
            taken.set()
    finally:
        taken.set()


# Errors.


def store_one(socket):
    with DataWriter(socket.output_stream) as writer:
        writer.write_string("x")
        try:
            return writer.store()
        finally:
            writer.detach_stream()


WRITES = {
    "write": lambda socket: socket.output_stream.write(b"x"),
    "write big": lambda socket: socket.output_stream.write(BIG),
    "write with progress": lambda socket: socket.output_stream.write(b"x", len),
    "file": lambda socket: socket.output_stream.as_file().write(b"x"),
    "store": store_one,
}
FLUSH = {"flush": lambda socket: socket.output_stream.flush()}
each_write = pytest.mark.parametrize("call", WRITES.values(), ids=WRITES)
each_write_and_flush = pytest.mark.parametrize("call", [*WRITES.values(), *FLUSH.values()], ids=[*WRITES, *FLUSH])


@each_write_and_flush
def test_a_write_before_connect_is_illegal(call):
    with pytest.raises(IllegalMethodCallError) as raised:
        call(StreamWebSocket())
    assert_hresult(raised, 0x8000000E)


@each_write_and_flush
@pytest.mark.parametrize(
    "end",
    [
        lambda socket: socket.close(),
        lambda socket: socket.abort(),
        lambda socket: socket.output_stream.close(),
        lambda socket: DataWriter(socket.output_stream).close(),
    ],
    ids=["close", "abort", "stream closed", "DataWriter not detached"],
)
def test_a_write_after_close_is_refused(call, end):
    with connected_stream(sends()) as socket:
        end(socket)
        with pytest.raises(ObjectClosedError) as raised:
            call(socket)
    assert_hresult(raised, 0x80000013)


@each_write
def test_a_write_after_the_peers_close_is_refused(call):
    with connected_stream(sends_and_closes()) as socket:
        wait_closed(socket)
        with pytest.raises(ObjectClosedError) as raised:
            call(socket)
    assert_hresult(raised, 0x80000013)


@each_write
def test_a_write_after_the_connection_was_lost_raises_that(call):
    with connected_stream(handshake) as socket:
        wait_closed(socket)
        with pytest.raises(ConnectionLostError) as raised:
            call(socket)
    assert_hresult(raised, 0x80072EFE)


@pytest.mark.parametrize("arguments", [("text",), (None,), (5,), (b"", 5), (b"", "progress")])
def test_what_cannot_be_written_is_refused(socket, received, arguments):
    with pytest.raises(InvalidArgumentTypeError) as raised:
        socket.output_stream.write(*arguments)
    assert_hresult(raised, 0x80070057)
    socket.output_stream.write(b"this can")
    assert received.take(1) == [b"this can"]


def test_a_write_from_its_own_progress_callback_is_refused(socket, received):
    errors = []

    def progress(sent):
        if sent < 200_000:
            with pytest.raises(InvalidOperationError) as raised:
                socket.output_stream.write(b"in between")
            errors.append(raised.value.hresult & 0xFFFF_FFFF)

    socket.output_stream.write(BIG[:200_000], progress)
    assert errors == [0x800710DD] * 3
    assert_same(received.take(1), [BIG[:200_000]])


def test_after_an_exception_of_progress_only_closing_is_left():
    frames = []

    def progress(sent):
        raise LookupError("my own")

    with connected_stream(noting(frames)) as socket:
        with pytest.raises(LookupError, match="my own"):
            socket.output_stream.write(BIG, progress)
        with pytest.raises(IllegalMethodCallError):
            socket.output_stream.write(b"later")
    assert [first for first, _ in frames] == [BINARY, FIN | CLOSE]


# Threads.


def test_writes_of_several_threads_do_not_mix(socket, received):
    data = [bytes([number]) * 200_000 for number in range(4)]
    for call in [Call(socket.output_stream.write, piece) for piece in data]:
        assert call.result() == 200_000
    assert_same(sorted(received.take(4)), data)


def test_a_detached_writer_leaves_the_stream_usable(socket, received):
    for text in ("one", "two"):
        with DataWriter(socket.output_stream) as writer:
            writer.write_string(text)
            writer.store()
            writer.detach_stream()
    assert_same(received.take(2), [b"one", b"two"])


def test_nothing_is_read_from_a_peer_that_only_reads():
    payloads = []

    def script(connection):
        handshake(connection)
        payloads.append(len(read_to_end(connection)))

    with connected_stream(script) as socket:
        socket.output_stream.write(BIG)
        socket.abort()
        assert socket.wait_closed(LIMIT)
    assert payloads[0] > len(BIG)


def test_progress_and_options_may_be_given_by_name():
    told = []
    with connected_stream(echo, run=running_server) as socket:
        assert socket.output_stream.write(b"abc", progress=told.append) == 3
        target = bytearray(10)
        assert socket.input_stream.read(target, 10, options=InputStreamOptions.PARTIAL).length == 3
    assert told == [3]
