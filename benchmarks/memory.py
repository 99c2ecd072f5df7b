"""How much memory a StreamWebSocket takes: a gibibyte each way through a real server, and a consumer that sleeps.

    python benchmarks/memory.py [--mebibytes 1024] [--seconds 30] [--limit 48]

The server of the `websockets` package runs in a process of its own and echoes what it gets, frame by frame: one message
of the whole size, or messages of 64 KiB. The client checks the SHA-256 of what comes back, and the resident memory of
its process is watched from the connect on; the content itself, which lies in a mapped file for the one message, was
touched before that. Then a server sends without an end to a client that reads nothing for a while. Exit code 1 when a
digest differs, memory grew by more than the limit, or more was buffered than the inbox and one read hold.
"""

import argparse
import contextlib
import hashlib
import mmap
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from syncws import StreamWebSocket

_PIECE = 65536
# The most that one read brings, on top of what an inbox may hold.
_READ = 524288
_MIB = 1 << 20
# The content is a block of random bytes over and over: it costs no memory, and every shift of it shows in the digest.
_BLOCK = os.urandom(_MIB - 1)


def _serve(pipe: multiprocessing.connection.Connection) -> None:
    """Run the echo server until the parent hangs up."""
    with serve(_handle, "127.0.0.1", 0, max_size=None, compression=None, ping_interval=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pipe.send(server.socket.getsockname()[1])
        pipe.recv()
        server.shutdown()


def _handle(connection: ServerConnection) -> None:
    assert connection.request is not None
    with contextlib.suppress(ConnectionClosed):
        while connection.request.path == "/endless":
            connection.send(bytes(_PIECE))
        while True:
            connection.send(connection.recv_streaming())


@contextmanager
def _running_server() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"ws://127.0.0.1:{here.recv()}/"
    finally:
        here.send(None)
        process.join(10)


def _resident_bytes() -> int:
    """Return the resident memory of this process, mapped files included."""
    pages = pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE")


class _Watch(threading.Thread):
    """Notes the largest resident memory, a hundred times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._is_over = threading.Event()
        self.start_bytes = self.peak_bytes = _resident_bytes()

    def run(self) -> None:
        while not self._is_over.wait(0.01):
            self.peak_bytes = max(self.peak_bytes, _resident_bytes())

    def end(self) -> int:
        """Stop; return by how much memory has grown at most."""
        self._is_over.set()
        self.join()
        return self.peak_bytes - self.start_bytes


def _pieces(size: int) -> Iterator[bytes]:
    position = 0
    while size:
        piece = _BLOCK[position : position + min(_PIECE, size)]
        position = (position + len(piece)) % len(_BLOCK)
        size -= len(piece)
        yield piece


@contextmanager
def _mapped_file(size: int) -> Iterator[mmap.mmap]:
    """Give the content as a mapped file, all of which is in memory."""
    with tempfile.TemporaryFile() as file:
        for piece in _pieces(size):
            file.write(piece)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            for position in range(0, size, mmap.PAGESIZE):
                mapped[position]
            yield mapped


class _Reading(threading.Thread):
    """Reads `size` bytes and digests them."""

    def __init__(self, socket: StreamWebSocket, size: int) -> None:
        super().__init__(daemon=True)
        self._socket = socket
        self._size = size
        self.digest = hashlib.sha256()

    def run(self) -> None:
        left = self._size
        file = self._socket.input_stream.as_file()
        with memoryview(bytearray(_PIECE)) as buffer:
            while left and (count := file.readinto1(buffer[: min(left, _PIECE)])):
                self.digest.update(buffer[:count])
                left -= count


def _measure(uri: str, size: int, write: Callable[[StreamWebSocket], None]) -> tuple[int, float, bytes]:
    """Send and receive `size` bytes at the same time; return the growth of memory, the seconds and the digest."""
    watch = _Watch()
    with StreamWebSocket() as socket:
        watch.start()
        socket.connect(uri, timeout=10)
        start = time.perf_counter()
        reading = _Reading(socket, size)
        reading.start()
        write(socket)
        reading.join()
        return watch.end(), time.perf_counter() - start, reading.digest.digest()


def _measure_one_message(uri: str, size: int) -> tuple[int, float, bytes]:
    with _mapped_file(size) as content:

        def write(socket: StreamWebSocket) -> None:
            socket.output_stream.write(content)

        return _measure(uri, size, write)


def _measure_messages(uri: str, size: int) -> tuple[int, float, bytes]:
    def write(socket: StreamWebSocket) -> None:
        for piece in _pieces(size):
            socket.output_stream.write(piece)

    return _measure(uri, size, write)


def _measure_sleeping_consumer(uri: str, seconds: float) -> tuple[int, int]:
    """Read nothing from a server that sends without an end; return the growth of memory and the bytes buffered."""
    watch = _Watch()
    with StreamWebSocket() as socket:
        watch.start()
        socket.connect(f"{uri}endless", timeout=10)
        socket.wait_closed(timeout=seconds)
        buffered = socket.information.bytes_buffered_in
        growth = watch.end()
        bound = socket.control.inbox_size_in_bytes + _READ
    print(
        f"a server sent for {seconds:g} s to a client that read nothing: memory grew by {growth / _MIB:.1f} MiB, "
        f"{buffered:,} bytes were buffered, of {bound:,} that may be"
    )
    return growth, buffered - bound


def main() -> int:
    """Measure both ways of sending and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the content, each way")
    parser.add_argument("--seconds", type=float, default=30, help="for which nothing is read from the endless server")
    parser.add_argument("--limit", type=float, default=48, help="mebibytes by which memory may grow")
    options = parser.parse_args()
    if not pathlib.Path("/proc/self/statm").exists():
        print("this system does not tell a process its resident memory")
        return 0
    size = options.mebibytes * _MIB
    expected = hashlib.sha256()
    for piece in _pieces(size):
        expected.update(piece)
    is_good = True
    print(f"{options.mebibytes} MiB each way through a server of the websockets package")
    print(f"{'messages':<24}{'memory grew by':>16}{'MiB/s each way':>16}  SHA-256")
    for name, measure in (("one, from a mapped file", _measure_one_message), ("64 KiB each", _measure_messages)):
        with _running_server() as uri:
            growth, seconds, digest = measure(uri, size)
        is_equal = digest == expected.digest()
        is_good = is_good and is_equal and growth <= options.limit * _MIB
        rate = options.mebibytes / seconds
        print(f"{name:<24}{growth / _MIB:>12.1f} MiB{rate:>16.1f}  {'equal' if is_equal else 'DIFFERENT'}")
    with _running_server() as uri:
        growth, excess = _measure_sleeping_consumer(uri, options.seconds)
    is_good = is_good and growth <= options.limit * _MIB and excess <= 0
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
