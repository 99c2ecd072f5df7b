"""Large messages on real connections: progress, a peer that does not read, mapped files."""

import mmap
import threading
import tracemalloc

import pytest
from support import LIMIT, handshake, read_exactly, read_frame, running_server, server_frame, wait
from support.calls import Call
from support.scripts import (
    BINARY,
    CLOSE,
    CONTINUATION,
    EMPTY_CLOSE,
    FIN,
    PONG,
    TEXT,
    connected,
    noting,
    pings_in_between,
    read_until_close,
)

from syncws import (
    ConnectionLostError,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidOperationError,
    OperationCanceledError,
    OperationTimedOutError,
    SocketMessageType,
)

PIECE = 65536
# More than the buffers of two sockets hold, of which IMPATIENT keeps the near one small.
LARGE = 8 << 20
IMPATIENT = {"send_timeout": 0.2, "outbound_buffer_size_in_bytes": PIECE}


class LatePeer:
    """A script that reads nothing before it is told to; then it notes the frames, and the end of the first message."""

    def __init__(self):
        self.go = threading.Event()
        self.frames = []
        self.has_first_message = threading.Event()

    def __call__(self, connection):
        handshake(connection)
        wait(self.go)
        while not self.frames or self.frames[-1][0] != FIN | CLOSE:
            self.frames.append(read_frame(connection))
            if self.frames[-1][0] & FIN:
                self.has_first_message.set()
        connection.sendall(server_frame(CLOSE, self.frames[-1][1]))


def reads_nothing(go):
    """Return a script that reads nothing, and ends when the Event has come."""

    def script(connection):
        handshake(connection)
        wait(go)

    return script


# Writing with progress.


@pytest.mark.parametrize("size", [0, 1, PIECE])
def test_what_fits_into_one_piece_goes_out_in_one_frame(size):
    frames, told = [], []
    with connected(noting(frames)) as socket:
        assert socket.output_stream.write(bytes(size), told.append) == size
    assert (frames, told) == ([(FIN | BINARY, bytes(size)), EMPTY_CLOSE], [size])


@pytest.mark.parametrize(
    ("size", "pieces"), [(PIECE + 1, [PIECE, 1]), (3 * PIECE, [PIECE] * 3), (200_000, [PIECE, PIECE, PIECE, 3392])]
)
def test_what_does_not_goes_out_in_fragments_and_progress_is_told_each(tls, size, pieces):
    frames, told = [], []
    payload = bytes(range(250)) * (size // 250) + bytes(size % 250)
    with connected(noting(frames), tls=tls) as socket:
        assert socket.output_stream.write(payload, told.append) == size
        assert socket.output_stream.write(payload) == size
    assert told == [sum(pieces[: number + 1]) for number in range(len(pieces))]
    *fragments, whole, close = frames
    assert [first for first, _ in fragments] == [BINARY, *[CONTINUATION] * (len(pieces) - 2), FIN | CONTINUATION]
    assert [len(data) for _, data in fragments] == pieces
    assert b"".join(data for _, data in fragments) == payload
    assert (whole, close) == ((FIN | BINARY, payload), EMPTY_CLOSE)


def test_the_server_sees_one_text_even_when_a_fragment_ends_inside_a_character():
    text = "x" + "ü" * PIECE
    received = []

    def handler(connection):
        received.append(connection.recv())

    with connected(handler, run=running_server, message_type=SocketMessageType.UTF8) as socket:
        assert socket.output_stream.write(text.encode(), [].append) == 1 + 2 * PIECE
        assert socket.wait_closed(LIMIT)
    assert received == [text]


def test_text_is_checked_as_a_whole_before_any_of_it_goes():
    frames, told = [], []
    with connected(noting(frames), message_type=SocketMessageType.UTF8) as socket:
        with pytest.raises(InvalidArgumentError, match="byte 200000 of it is not") as raised:
            socket.output_stream.write(b"x" * 200_000 + b"\xff", told.append)
        socket.send("next")
    assert raised.value.hresult == HResult.E_INVALIDARG
    assert (frames, told) == ([(FIN | TEXT, b"next"), EMPTY_CLOSE], [])


def fails_at(size):
    def progress(sent):
        if sent == size:
            raise ZeroDivisionError

    return progress


def test_a_progress_that_raises_in_the_midst_leaves_only_closing():
    frames = []
    with connected(noting(frames)) as socket:
        with pytest.raises(ZeroDivisionError):
            socket.output_stream.write(bytes(3 * PIECE), fails_at(2 * PIECE))
        for write in (lambda: socket.send("a"), lambda: socket.send_final_frame(b"a")):
            with pytest.raises(IllegalMethodCallError, match="can only be closed") as raised:
                write()
            assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL
        socket.close(1001, "")
    assert frames == [(BINARY, bytes(PIECE)), (CONTINUATION, bytes(PIECE)), (FIN | CLOSE, b"\x03\xe9")]


@pytest.mark.parametrize("size", [5, 2 * PIECE])
def test_a_progress_that_raises_at_the_end_leaves_the_connection_as_it_is(size):
    frames = []
    with connected(noting(frames)) as socket:
        with pytest.raises(ZeroDivisionError):
            socket.output_stream.write(bytes(size), fails_at(size))
        socket.send("next")
    assert frames[-3][0] & FIN
    assert frames[-2:] == [(FIN | TEXT, b"next"), EMPTY_CLOSE]


def test_a_progress_cannot_write_before_the_last_frame():
    frames, errors = [], []
    with connected(noting(frames)) as socket:

        def progress(sent):
            try:
                socket.send(f"after {sent}")
            except InvalidOperationError as exc:
                errors.append(exc.hresult)

        assert socket.output_stream.write(bytes(2 * PIECE), progress) == 2 * PIECE
    assert errors == [HResult.ERROR_INVALID_OPERATION]
    assert frames[1:] == [(FIN | CONTINUATION, bytes(PIECE)), (FIN | TEXT, b"after 131072"), EMPTY_CLOSE]


def test_another_thread_waits_until_the_message_is_out():
    frames, calls = [], []
    with connected(noting(frames)) as socket:

        def progress(sent):
            if sent == PIECE:
                calls.append(Call(socket.send, "other"))

        socket.output_stream.write(bytes(4 * PIECE), progress)
        calls[0].result()
    assert [first for first, _ in frames[:-2]] == [BINARY, CONTINUATION, CONTINUATION, FIN | CONTINUATION]
    assert frames[-2:] == [(FIN | TEXT, b"other"), EMPTY_CLOSE]


def test_another_thread_waits_no_longer_than_its_own_time():
    frames = []
    sending, go = threading.Event(), threading.Event()

    def progress(sent):
        sending.set()
        wait(go)

    with connected(noting(frames), send_timeout=0.2) as socket:
        writing = Call(socket.output_stream.write, bytes(2 * PIECE), progress)
        wait(sending)
        with pytest.raises(OperationTimedOutError, match="another sender's message") as raised:
            socket.send("other")
        go.set()
        assert writing.result() == 2 * PIECE
    assert raised.value.is_queued is False
    assert frames == [(BINARY, bytes(PIECE)), (FIN | CONTINUATION, bytes(PIECE)), EMPTY_CLOSE]


def test_pings_are_answered_between_the_fragments():
    frames = []
    answered = threading.Event()
    with connected(pings_in_between(frames, answered)) as socket:
        socket.output_stream.write(bytes(2 * PIECE), lambda _: wait(answered))
    assert [first for first, _ in frames] == [BINARY, FIN | PONG, FIN | CONTINUATION, FIN | CLOSE]


def test_a_progress_may_close_and_the_write_ends_there():
    frames = []
    with connected(noting(frames)) as socket:
        with pytest.raises(OperationCanceledError) as raised:
            socket.output_stream.write(bytes(3 * PIECE), lambda _: socket.close(1000, "enough"))
        assert socket.wait_closed(LIMIT)
    assert raised.value.hresult == HResult.WININET_E_OPERATION_CANCELLED
    assert frames == [(BINARY, bytes(PIECE)), (FIN | CLOSE, b"\x03\xe8enough")]


# A peer that does not read.

SENDS = {
    "send": (lambda socket, data: socket.send(data), [FIN | BINARY]),
    "write": (lambda socket, data: socket.output_stream.write(data), [FIN | BINARY]),
    "send_final_frame": (lambda socket, data: socket.send_final_frame(data), [FIN | BINARY]),
    "write with progress": (
        lambda socket, data: socket.output_stream.write(data, [].append),
        [BINARY, *[CONTINUATION] * (LARGE // PIECE - 2), FIN | CONTINUATION],
    ),
}


@pytest.mark.parametrize("last", [[(FIN | TEXT, b"next")], []], ids=["another message", "the Close frame alone"])
@pytest.mark.parametrize(("send", "firsts"), SENDS.values(), ids=SENDS)
def test_bytes_that_were_given_up_arrive_when_the_peer_reads_and_so_does_what_follows(tls, send, firsts, last):
    peer = LatePeer()
    payload = bytes(range(256)) * (LARGE // 256)
    with connected(peer, tls=tls, **IMPATIENT) as socket:
        with pytest.raises(OperationTimedOutError) as raised:
            send(socket, payload)
        assert (raised.value.hresult, raised.value.is_queued) == (HResult.WININET_E_TIMEOUT, True)
        peer.go.set()
        for _, data in last:
            wait(peer.has_first_message)
            socket.send(data.decode())
    assert [first for first, _ in peer.frames[: len(firsts)]] == firsts
    assert b"".join(data for _, data in peer.frames[: len(firsts)]) == payload
    assert peer.frames[len(firsts) :] == [*last, EMPTY_CLOSE]


def test_what_had_not_begun_is_not_queued_and_can_be_sent_again():
    peer = LatePeer()
    with connected(peer, **IMPATIENT) as socket:
        with pytest.raises(OperationTimedOutError):
            socket.send(bytes(LARGE))
        for send in (socket.send, socket.send_final_frame, socket.output_stream.write, socket.send_nonfinal_frame):
            with pytest.raises(OperationTimedOutError) as raised:
                send(b"small")
            assert raised.value.is_queued is False
        peer.go.set()
        wait(peer.has_first_message)
        socket.send_nonfinal_frame(b"1")
        socket.send_final_frame(b"2")
    assert peer.frames[1:] == [(BINARY, b"1"), (FIN | CONTINUATION, b"2"), EMPTY_CLOSE]


def test_a_nonfinal_frame_that_is_queued_counts_as_sent():
    go, arrived, frames = threading.Event(), threading.Event(), []

    def script(connection):
        handshake(connection)
        wait(go)
        frames.append(read_frame(connection))
        arrived.set()
        frames.extend(read_until_close(connection))

    text = b"x" * (LARGE - 1) + b"\xc3"
    with connected(script, **IMPATIENT, message_type=SocketMessageType.UTF8) as socket:
        with pytest.raises(OperationTimedOutError) as raised:
            socket.send_nonfinal_frame(text)
        assert raised.value.is_queued is True
        with pytest.raises(InvalidArgumentError):
            socket.send_final_frame(b"a")
        go.set()
        wait(arrived)
        assert socket.send_final_frame(b"\xbc") == 1
    assert frames == [(TEXT, text), (FIN | CONTINUATION, b"\xbc"), EMPTY_CLOSE]


@pytest.mark.parametrize("name", ["send", "write", "send_final_frame"])
def test_a_large_buffer_that_may_change_is_not_copied_and_ends_the_connection(name):
    go = threading.Event()
    data = bytearray(LARGE)
    with connected(reads_nothing(go), **IMPATIENT) as socket:
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            with pytest.raises(OperationTimedOutError) as raised:
                SENDS[name][0](socket, data)
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        assert raised.value.is_queued is False
        # Nothing holds it any more.
        data.clear()
        with pytest.raises(ConnectionLostError) as lost:
            socket.send(b"next")
        assert lost.value.hresult == HResult.WININET_E_CONNECTION_ABORTED
        assert socket.wait_closed(LIMIT)
        go.set()
    assert peak < 1 << 20


def test_a_write_with_progress_of_a_buffer_that_may_change_leaves_only_closing():
    peer = LatePeer()
    data = bytearray(LARGE)
    with connected(peer, **IMPATIENT) as socket:
        with pytest.raises(OperationTimedOutError) as raised:
            socket.output_stream.write(data, [].append)
        assert raised.value.is_queued is False
        data.clear()
        with pytest.raises(IllegalMethodCallError, match="can only be closed"):
            socket.send(b"next")
        peer.go.set()
        socket.close(1001, "")
    assert peer.frames[-1] == (FIN | CLOSE, b"\x03\xe9")
    assert not any(first & FIN for first, _ in peer.frames[:-1])
    assert {len(payload) for _, payload in peer.frames[:-1]} == {PIECE}


def send_until_time_is_up(socket, data):
    """Send the same buffer, filled anew each time; return how many messages have gone or are kept."""
    for number in range(256):
        data[:] = bytes([number]) * len(data)
        try:
            socket.send(data)
        except OperationTimedOutError as exc:
            return number + exc.is_queued
    raise AssertionError("the peer takes everything")


@pytest.mark.parametrize("size", [PIECE, 500_000])
def test_what_is_left_of_a_small_buffer_that_may_change_is_kept(size):
    peer = LatePeer()
    data = bytearray(size)
    with connected(peer, **IMPATIENT) as socket:
        count = send_until_time_is_up(socket, data)
        data.clear()
        peer.go.set()
    assert count > 0
    assert peer.frames.pop() == EMPTY_CLOSE
    assert [payload for _, payload in peer.frames] == [bytes([number]) * size for number in range(count)]


# Mapped files.


def view_and_send(socket, area):
    with memoryview(area) as view:
        socket.send(view)


MAPPED_SENDS = {
    "send": view_and_send,
    "write": lambda socket, area: socket.output_stream.write(area),
    "write with progress": lambda socket, area: socket.output_stream.write(area, [].append),
    "send_nonfinal_frame": lambda socket, area: socket.send_nonfinal_frame(area),
}


@pytest.mark.parametrize("send", MAPPED_SENDS.values(), ids=MAPPED_SENDS)
@pytest.mark.parametrize("size", [1000, 5 * PIECE + 7])
def test_a_mapped_file_can_be_closed_when_it_was_sent(tls, send, size):
    frames = []
    payload = bytes(range(251)) * (size // 251) + bytes(size % 251)
    area = mmap.mmap(-1, size)
    area.write(payload)
    with connected(noting(frames), tls=tls) as socket:
        send(socket, area)
        area.close()
    assert b"".join(data for first, data in frames if first & 0x0F in (BINARY, CONTINUATION)) == payload


@pytest.mark.parametrize("send", MAPPED_SENDS.values(), ids=MAPPED_SENDS)
def test_a_mapped_file_can_be_closed_when_sending_it_timed_out(send):
    go = threading.Event()
    area = mmap.mmap(-1, LARGE)
    with connected(reads_nothing(go), **IMPATIENT) as socket:
        with pytest.raises(OperationTimedOutError) as raised:
            send(socket, area)
        # The exception, and with it the frames it came through, is still here.
        area.close()
        assert raised.value.is_queued is False
        socket.abort()
        go.set()


@pytest.mark.parametrize("send", MAPPED_SENDS.values(), ids=MAPPED_SENDS)
def test_a_mapped_file_can_be_closed_when_the_connection_was_lost_in_the_midst(send):
    def script(connection):
        handshake(connection)
        read_exactly(connection, 1000)

    area = mmap.mmap(-1, LARGE)
    with connected(script) as socket:
        with pytest.raises(ConnectionLostError) as raised:
            send(socket, area)
        area.close()
    assert raised.value.hresult in (HResult.WININET_E_CONNECTION_ABORTED, HResult.WININET_E_CONNECTION_RESET)
