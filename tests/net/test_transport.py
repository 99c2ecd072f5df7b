"""SocketTransport: a non-blocking socket as a byte pipe."""

import contextlib
import errno
import os
import select
import signal
import socket
import threading
from collections import deque

import pytest
from support import LIMIT, join, reset, wait
from support.fakes import call_with_room

import syncws
from syncws._net.transport import MANY_BYTES, SocketTransport
from syncws._wire.accelerated import speedups
from syncws.errors import ConnectionLostError
from syncws.hresult import HResult

MUCH_BYTES = 262144 if speedups is None else speedups.MUCH_BYTES


@pytest.fixture
def ends():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    near.setblocking(False)
    transport = SocketTransport(near)
    yield transport, far
    transport.close()
    far.close()


SIZES = pytest.mark.parametrize(
    "size", [100, 4096, 4097, MUCH_BYTES], ids=["small", "small at the most", "large", "the most"]
)


def receive(transport, size=100):
    """Receive, however long loopback takes."""
    while (data := transport.receive(size)) is None:
        pass
    return data


@SIZES
def test_receive_gives_what_came(ends, size):
    ends[1].sendall(b"hello")
    assert receive(ends[0], size) == b"hello"
    assert ends[0].inbound.total_bytes == 5


@SIZES
def test_receive_gives_none_when_there_is_nothing_now(ends, size):
    assert ends[0].receive(size) is None


def test_receive_gives_no_more_than_was_asked_for(ends):
    ends[1].sendall(b"hello")
    receive_first = ends[0]
    while (data := receive_first.receive(2)) is None:
        pass
    assert data == b"he"


@SIZES
def test_receive_gives_empty_bytes_at_the_end(ends, size):
    ends[1].shutdown(socket.SHUT_WR)
    assert receive(ends[0], size) == b""


def test_receive_into_fills_from_the_front_and_gives_the_filled_part(ends):
    room = memoryview(bytearray(8))
    assert ends[0].receive_into(room) is None
    ends[1].sendall(b"hello")
    while (filled := ends[0].receive_into(room)) is None:
        pass
    assert filled == b"hello"
    assert filled.obj is room.obj
    assert ends[0].inbound.total_bytes == 5
    ends[1].shutdown(socket.SHUT_WR)
    while (filled := ends[0].receive_into(room)) is None:
        pass
    assert filled == b""


@SIZES
def test_receive_raises_after_a_reset(ends, size):
    reset(ends[1])
    with pytest.raises(ConnectionLostError) as caught:
        receive(ends[0], size)
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET


@SIZES
def test_a_socket_that_was_closed_behind_our_back_is_told_as_lost(ends, size):
    ends[0]._socket.close()
    with pytest.raises(ConnectionLostError):
        ends[0].receive(size)


@pytest.mark.skipif(not syncws.accelerated, reason="only the compiled part has it")
def test_the_small_receive_refuses_what_it_does_not_take(ends):
    receive_small = speedups.receive_small
    with pytest.raises(TypeError):
        receive_small(ends[1])
    with pytest.raises(ValueError, match="4097"):
        receive_small(ends[1], deque(), 4097)
    ends[0].send(b"hello")
    wait_until_readable(ends[1])
    with pytest.raises(AttributeError):
        receive_small(ends[1], (), 10)


@pytest.mark.skipif(not syncws.accelerated, reason="only the compiled part has it")
def test_the_large_receive_refuses_what_it_does_not_take(ends):
    with pytest.raises(TypeError):
        speedups.receive_much(ends[1])
    with pytest.raises(ValueError, match=str(MUCH_BYTES + 1)):
        speedups.receive_much(ends[1], deque(), MUCH_BYTES + 1)
    ends[0].send(b"hello")
    wait_until_readable(ends[1])
    with pytest.raises(AttributeError):
        speedups.receive_much(ends[1], (), 65537)


class Full(deque):
    """Has no memory for more."""

    def append(self, _):
        raise MemoryError


@pytest.mark.skipif(not syncws.accelerated, reason="only the compiled part has it")
@pytest.mark.parametrize("size", [4096, MANY_BYTES + 1])
def test_what_no_memory_has_lost_is_told(ends, size):
    ends[1].sendall(b"hello")
    wait_until_readable(ends[0]._socket)
    assert not ends[0].is_torn
    with pytest.raises(MemoryError):
        ends[0].keep(Full(), size)
    assert ends[0].is_torn
    assert ends[0].receive(size) is None


def test_much_is_received_into_memory_that_is_used_again_when_nobody_holds_it(ends):
    data = bytes(range(256)) * 40
    held = []
    for turn in range(6):
        ends[1].sendall(data)
        received = b""
        while len(received) < len(data):
            piece = receive(ends[0], ends[0].most_bytes)
            received += piece
            if turn < 3:
                held.append((piece, bytes(piece)))
        assert received == data
    # What somebody holds is his.
    assert all(piece == copy for piece, copy in held)
    assert ends[0].inbound.total_bytes == 6 * len(data)


class Numbered:
    """Is no socket of Python's own, but has its number."""

    def __init__(self, socket):
        self._socket = socket

    def fileno(self):
        return self._socket.fileno()


class Renumbered(socket.socket):
    """Says another number."""

    number = -1

    def fileno(self):
        return self.number


@pytest.mark.skipif(not syncws.accelerated, reason="only the compiled part has it")
def test_the_small_receive_asks_each_socket_for_its_number(ends):
    near, far = ends[0]._socket, ends[1]

    def received(socket_):
        kept = deque()
        return speedups.receive_small(socket_, kept, 10), list(kept)

    def error_number(socket_):
        with pytest.raises(OSError, match=r"[Bb]ad file descriptor") as caught:
            received(socket_)
        return caught.value.errno

    with Renumbered(fileno=os.dup(near.fileno())) as renumbered:
        for _ in range(2):
            for receiving in (near, Numbered(near), near):
                far.sendall(b"x")
                wait_until_readable(ends[0])
                assert received(receiving) == (1, [b"x"])
            renumbered.number = -1
            assert error_number(renumbered) == errno.EBADF
            renumbered.number = near.fileno()
            assert received(renumbered) == (-1, [])
    assert error_number(object()) == errno.EBADF


def wait_until_readable(connection):
    assert select.select([connection], [], [], LIMIT)[0]


def test_send_tells_how_much_it_took(ends):
    assert ends[0].send(memoryview(b"hello")) == 5
    assert ends[1].recv(100) == b"hello"


@pytest.mark.skipif(not hasattr(socket, "MSG_NOSIGNAL"), reason="sends cannot be told here to raise no signal")
def test_a_send_to_a_broken_pipe_is_an_error_and_no_signal(ends):
    signals = []
    before = signal.signal(signal.SIGPIPE, lambda *_: signals.append(1))
    try:
        ends[0].abort()
        with pytest.raises(ConnectionLostError):
            ends[0].send(b"hello")
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert not signals


def test_send_takes_nothing_when_the_socket_is_full(ends):
    while ends[0].send(b"\0" * 65536):
        pass
    assert ends[0].send(b"x") == 0


def test_both_directions_are_counted(ends):
    ends[0].send(b"hello")
    ends[1].sendall(b"hi")
    receive(ends[0])
    assert (ends[0].outbound.total_bytes, ends[0].inbound.total_bytes) == (5, 2)


def test_nothing_is_kept_back(ends):
    ends[0].send(b"hello")
    assert ends[0].flush()
    assert not ends[0].has_unsent
    assert not ends[0].has_buffered


def test_end_output_ends_the_stream_of_the_peer_only(ends):
    ends[0].end_output()
    assert ends[1].recv(1) == b""
    ends[1].sendall(b"still there")
    assert receive(ends[0]) == b"still there"


def test_end_output_on_a_connection_that_is_gone_does_nothing(ends):
    reset(ends[1])
    with pytest.raises(ConnectionLostError) as caught:
        receive(ends[0])
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET
    ends[0].end_output()


def test_abort_ends_both_directions(ends):
    ends[0].abort()
    # Windows refuses to receive after that.
    with contextlib.suppress(ConnectionLostError):
        assert receive(ends[0]) == b""
    with pytest.raises(ConnectionLostError) as caught:
        ends[0].send(b"x")
    assert isinstance(caught.value.__cause__, BrokenPipeError)


def test_abort_twice_does_nothing_more(ends):
    reset(ends[1])
    ends[0].abort()
    ends[0].abort()


def test_abort_after_close_touches_no_descriptor(ends):
    transport, _ = ends
    number = transport.fileno()
    transport.close()
    near, far = socket.socketpair()
    with near, far:
        # The number is most likely given out again at once; it must be left alone.
        assert number in (near.fileno(), far.fileno())
        transport.abort()
        near.send(b"x")
        assert far.recv(1) == b"x"


@pytest.mark.skipif(os.name != "posix", reason="nothing is set there")
def test_a_peer_that_sends_is_not_left_waiting_when_something_was_read_after_abort(ends):
    transport, far = ends
    far.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            far.send(bytes(1 << 20))
    transport.abort()
    # As a reader does that has just looked whether there was one.
    while receive(transport, 65536):
        pass
    transport.close()
    far.settimeout(LIMIT)
    with pytest.raises(ConnectionError):
        far.sendall(bytes(1 << 24))


def test_close_twice_does_nothing_more(ends):
    ends[0].close()
    ends[0].close()


def test_abort_waits_for_a_close_that_is_under_way():
    class Lock:
        """Lets the other thread try while this one is inside."""

        def __init__(self):
            self.lock = threading.Lock()
            self.tried = threading.Event()

        def __enter__(self):
            if self.lock.locked():
                self.tried.set()
            self.lock.acquire()

        def __exit__(self, *_):
            self.lock.release()

    near, far = socket.socketpair()
    lock = Lock()
    transport = SocketTransport(near)
    transport._lock = lock
    with far:
        lock.lock.acquire()
        aborting = threading.Thread(target=transport.abort)
        aborting.start()
        wait(lock.tried)
        # What close() does inside the lock.
        transport._is_closed = True
        near.close()
        lock.lock.release()
        join(aborting)


class Socket:
    """A socket whose calls raise."""

    def __init__(self, error):
        self.error = error
        self.shutdowns = 0

    def fileno(self):
        return 0

    def recv(self, _):
        raise self.error

    def recv_into(self, _):
        raise self.error

    def send(self, *_):
        raise self.error

    def shutdown(self, _):
        self.shutdowns += 1

    def close(self):
        pass


CALLS = [
    lambda transport: transport.send(b"x"),
    lambda transport: transport.receive(1),
    lambda transport: transport.receive_into(memoryview(bytearray(1))),
]


@pytest.mark.parametrize("call", CALLS)
def test_an_error_of_the_system_that_ends_no_connection_ends_it_here(call):
    broken = Socket(OSError(errno.ENOBUFS, "No buffer space available"))
    with pytest.raises(ConnectionLostError, match="the connection broke: No buffer space available"):
        call(SocketTransport(broken))
    assert broken.shutdowns == 1


@pytest.mark.parametrize("call", CALLS)
def test_what_a_signal_handler_raises_in_that_moment_goes_through(call):
    error = TimeoutError("from the program's alarm")
    with pytest.raises(TimeoutError) as caught:
        call(SocketTransport(Socket(error)))
    assert caught.value is error


@SIZES
def test_a_receive_for_which_the_stack_is_too_full_takes_nothing(ends, size):
    ends[1].sendall(b"hello")
    wait_until_readable(ends[0]._socket)
    kept = deque()
    room = 0
    while not kept:
        room += 1
        with contextlib.suppress(RecursionError):
            call_with_room(room, ends[0].keep, kept, size)
        assert kept or select.select([ends[0]._socket], [], [], 0)[0], f"lost with room for {room}"
    assert b"".join(kept) == b"hello"
