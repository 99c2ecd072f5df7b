"""Connections that echo for a long time: what has grown in the end.

    python benchmarks/soak.py [--connections 50] [--minutes 10] [--rate 500] [--limit 8]

The echo server of compliance/ runs in a process of its own. Messages of up to 2,000 bytes go out over the connections
in turn, so many a second altogether, and come back to handlers of message_received. Memory, threads, descriptors and
latency are shown for the first part of the time and for the last. Exit code 1 when a message was lost, doubled or
changed, when threads or descriptors were more in the end, or memory had grown by more than the limit.
"""

import argparse
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
_CONTENT = bytes(range(256)) * 8


@dataclass
class Sample:
    """What was seen at one time."""

    megabytes: float
    threads: int
    descriptors: int
    median: float
    late: float

    def __str__(self) -> str:
        return (
            f"{self.megabytes:>14.1f}{self.threads:>10}{self.descriptors:>13}"
            f"{self.median * 1e3:>13.2f}{self.late * 1e3:>13.2f}"
        )


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
        pages = pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()
        return Sample(
            int(pages[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6,
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
    print(f"{'':<8}{'megabytes':>14}{'threads':>10}{'descriptors':>13}{'median, ms':>13}{'99 %, ms':>13}")
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
    is_good = not (lost or soak.wrong or has_grown) and last.megabytes - first.megabytes <= options.limit
    return 0 if is_good else 1


def main() -> int:
    """Start the server, soak, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second, of all connections together")
    parser.add_argument("--limit", type=float, default=8.0, help="megabytes by which memory may grow (default 8)")
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
