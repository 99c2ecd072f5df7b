"""Connections that echo for a long time: what has grown in the end.

    python benchmarks/soak.py [--connections 50] [--minutes 10] [--rate 500] [--limit 8]

The echo server of compliance/ runs in a process of its own. Messages of up to 2,000 bytes go out over the connections
in turn, so many a second altogether, and come back to handlers of message_received. Memory, threads, descriptors and
latency are shown for the first part of the time and for the last. Memory is shown as it is resident, and as it is in
use: of what is free in its heap the C library keeps a good deal. Exit code 1 when a message was lost, doubled or
changed, when threads or descriptors were more in the end, or when memory in use or Python's blocks had grown by more
than the limit.
"""

import argparse
import ctypes
import gc
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from syncws import MessageWebSocket, MessageWebSocketMessageReceivedEventArgs

ROOT = pathlib.Path(__file__).parent.parent
LIMIT = 60.0
# Objects of Python by which there may be more in the end: what is under way, and latencies noted.
_MORE_BLOCKS = 20_000
_CONTENT = bytes(range(256)) * 8


@dataclass
class Sample:
    """What was seen at one time."""

    resident: float
    used: float
    blocks: int
    threads: int
    descriptors: int
    median: float
    late: float

    def __str__(self) -> str:
        return (
            f"{self.resident:>14.1f}{self.used:>12.1f}{self.blocks:>10}{self.threads:>10}{self.descriptors:>13}"
            f"{self.median * 1e3:>13.2f}{self.late * 1e3:>13.2f}"
        )


def _megabytes() -> float:
    """Return the resident memory of this process."""
    pages = pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class _HeapFigures(ctypes.Structure):
    """What glibc's mallinfo2() returns."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def _megabytes_in_use() -> float:
    """Return what the C library's heap has given out; all that is resident where it does not tell."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return _megabytes()
    ask.restype = _HeapFigures
    figures = ask()
    return float(figures.uordblks + figures.hblkhd) / 1e6


class Soak:
    """The connections, and what is under way on them."""

    def __init__(self, uri: str, connections: int, rate: float) -> None:
        self._rate = rate
        self._random = random.Random(1)
        self._sent_at: dict[int, tuple[float, int]] = {}
        self._latencies: list[float] = []
        self.sent = self.wrong = 0
        self._sockets = [self._connect(uri) for _ in range(connections)]

    def _connect(self, uri: str) -> MessageWebSocket:
        socket = MessageWebSocket()
        socket.add_message_received(self._take)
        socket.connect(uri, timeout=LIMIT)
        return socket

    def _take(self, _: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
        came = time.perf_counter()
        with args.get_data_reader() as reader:
            number = reader.read_uint64()
            content = reader.read_bytes(reader.unconsumed_buffer_length)
        at, size = self._sent_at.pop(number, (0.0, -1))
        if content != _CONTENT[:size]:
            self.wrong += 1
        self._latencies.append(came - at)

    def run(self, seconds: float) -> None:
        """Send at the rate for so many seconds."""
        pause = threading.Event()
        start = time.perf_counter()
        end = start + seconds
        first = self.sent
        while (now := time.perf_counter()) < end:
            due = first + int((now - start) * self._rate)
            while self.sent < due:
                self._send()
            pause.wait(min(end - now, 1 / self._rate))

    def _send(self) -> None:
        size = self._random.randrange(len(_CONTENT) - 48)
        self._sent_at[self.sent] = (time.perf_counter(), size)
        self._sockets[self.sent % len(self._sockets)].send(self.sent.to_bytes(8, "big") + _CONTENT[:size])
        self.sent += 1

    def sample(self, seconds: float) -> Sample:
        """Go on for so many seconds, and tell what is seen at their end."""
        self._latencies.clear()
        self.run(seconds)
        latencies = sorted(self._latencies)
        if len(latencies) < 2:
            raise RuntimeError("too few messages came back to tell anything")
        gc.collect()
        return Sample(
            _megabytes(),
            _megabytes_in_use(),
            sys.getallocatedblocks(),
            threading.active_count(),
            len(os.listdir("/proc/self/fd")),
            statistics.median(latencies),
            latencies[int(len(latencies) * 0.99)],
        )

    def end(self) -> int:
        """Wait for what is under way, close, and return how many messages were lost."""
        pause = threading.Event()
        end = time.perf_counter() + LIMIT
        while self._sent_at and time.perf_counter() < end:
            pause.wait(0.01)
        for socket in self._sockets:
            socket.close()
        return len(self._sent_at)

    def go_on_quietly(self, seconds: float) -> None:
        """Go on between the samples; latencies are not kept, so that they do not count as growth."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.run(min(left, 5.0))
            self._latencies.clear()


def _run(uri: str, options: argparse.Namespace) -> int:
    soak = Soak(uri, options.connections, options.rate)
    part = min(30.0, options.minutes * 60 / 4)
    print(f"{options.connections} connections, {options.rate:g} messages a second, {options.minutes:g} minutes")
    titles = ("resident, MB", "in use, MB", "blocks", "threads", "descriptors", "median, ms", "99 %, ms")
    widths = (14, 12, 10, 10, 13, 13, 13)
    print(" " * 8 + "".join(f"{title:>{width}}" for title, width in zip(titles, widths, strict=True)))
    # Before the first sample, so that what is made once is there.
    soak.go_on_quietly(part / 3)
    first = soak.sample(part)
    print(f"{'start':<8}{first}", flush=True)
    soak.go_on_quietly(options.minutes * 60 - part * 7 / 3)
    last = soak.sample(part)
    print(f"{'end':<8}{last}", flush=True)
    lost = soak.end()
    print(f"{soak.sent:,} messages sent, {lost} lost, {soak.wrong} doubled or changed")
    has_grown = last.threads > first.threads or last.descriptors > first.descriptors
    has_grown = has_grown or last.used - first.used > options.limit or last.blocks - first.blocks > _MORE_BLOCKS
    is_good = not (lost or soak.wrong or has_grown)
    return 0 if is_good else 1


def main() -> int:
    """Start the server, soak, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second, of all connections together")
    parser.add_argument(
        "--limit", type=float, default=8.0, help="megabytes by which memory in use may grow (default 8)"
    )
    options = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "compliance.echo_server"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        return _run(f"ws://127.0.0.1:{int(server.stdout.readline())}/", options)
    finally:
        server.stdin.close()
        server.wait(LIMIT)
        server.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
