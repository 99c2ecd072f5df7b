"""What a message costs of things that noise does not touch: system calls, allocations, memory and page faults.

    python benchmarks/counts.py [--write FOLDER]

For syncws by events and by pull, plain and with TLS, per message: the calls of the sockets' and poll's methods that go
to the system, the blocks of memory that a small message takes while it is kept, the most memory that is held at a time
for a large one, as a multiple of its size (by pull the inbox is part of that), and the pages that were touched for the
first time. `tests/programs/test_counts.py` holds them. The server is that of benchmarks/peers.py.
"""

import argparse
import contextlib
import gc
import inspect
import resource
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from case import Case, Lap
from clients import LIMIT, Syncws, SyncwsPull
from peers import KIB, MIB, Server, case_of, serving, versions
from report import Row

import syncws

ROWS = (
    Row("round trip, 32 B text", "trip", 200, 32, "ascii"),
    Row("receive 64 B binary", "flood", 2000, 64, "binary"),
    Row("receive 64 B text", "flood", 2000, 64, "ascii"),
    Row("receive 16 KiB binary", "flood", 500, 16 * KIB, "binary"),
    Row("receive 1 MiB binary", "flood", 4, MIB, "binary"),
    Row("receive 1 MiB text, not ASCII", "flood", 4, MIB, "text"),
    Row("send 64 B binary", "sink", 200, 64, "binary"),
    Row("send 1 MiB binary", "sink", 4, MIB, "binary"),
)

# Methods that are a system call each, by their qualified names.
_SYSTEM_CALLS = {
    "socket.recv",
    "socket.recv_into",
    "socket.send",
    "Outbox.send_at_once",
    "receive_much",
    "receive_small",
    # A few where it lets go of the GIL: one for 64 KiB.
    "TlsEngine._keep_small",
    "TlsEngine._keep_much",
    "TlsEngine._fill",
    "TlsEngine._send",
    "TlsEngine._flush",
    "socket.sendall",
    "poll.poll",
    "epoll.poll",
    "urandom",
    "read",
    "write",
    "eventfd_read",
    "eventfd_write",
}


class CallLap(Lap):
    """Counts system calls between start() and stop(), of all threads that begin while it is in use."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._is_on = False

    def start(self) -> None:
        """Begin to count."""
        self._is_on = True

    def stop(self) -> None:
        """End."""
        self._is_on = False

    def profile(self, frame: FrameType, event: str, argument: Any) -> None:
        """See sys.setprofile."""
        if self._is_on and event == "c_call":
            name = getattr(argument, "__qualname__", "")
            if name in _SYSTEM_CALLS:
                self.calls[name] += 1


@contextlib.contextmanager
def visible() -> Iterator[None]:
    """Send by calls from Python: the profiler does not see what C calls, as a short way does."""
    ways = {name: getattr(syncws.MessageWebSocket, name) for name in ("send", "_write", "_write_text")}
    for name, way in ways.items():
        setattr(syncws.MessageWebSocket, name, inspect.unwrap(way))
    try:
        yield
    finally:
        for name, way in ways.items():
            setattr(syncws.MessageWebSocket, name, way)


class FaultLap(Lap):
    """Counts pages that are touched for the first time."""

    faults = 0

    def start(self) -> None:
        """Begin to count."""
        self.faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    def stop(self) -> None:
        """End."""
        self.faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - self.faults


class PeakLap(Lap):
    """Notes the most memory that is held at a time."""

    peak = 0

    def start(self) -> None:
        """Begin to look."""
        gc.collect()
        tracemalloc.start()

    def stop(self) -> None:
        """End."""
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


class Counts(NamedTuple):
    """What one message costs: `peak` in multiples of its size, `blocks` where it was small and received, else None."""

    calls: float
    blocks: float | None
    peak: float
    faults: float


def count(client: Any, row: Row, server: Server) -> Counts:
    """Count for one row."""
    run: Callable[[Case, Lap], None] = getattr(client, row.action)
    case = case_of(row, server, row.times)
    calls = CallLap()
    threading.setprofile(calls.profile)
    sys.setprofile(calls.profile)
    try:
        with visible():
            run(case, calls)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    peak = PeakLap()
    run(case, peak)
    # The first has the memory made that the others use again; of the others the best: a thread may begin meanwhile.
    faults = []
    for _ in range(4):
        lap = FaultLap()
        run(case, lap)
        faults.append(lap.faults)
    blocks = kept_blocks(row, server) if row.action == "flood" and row.size < MIB else None
    return Counts(sum(calls.calls.values()) / row.times, blocks, peak.peak / row.size, min(faults[1:]) / row.times)


def kept_blocks(row: Row, server: Server) -> float:
    """Return how many blocks of memory one received message takes while it is kept."""
    kept: list[object] = []
    done = threading.Event()

    def received(_: object, args: syncws.MessageWebSocketMessageReceivedEventArgs) -> None:
        kept.append(args)
        if len(kept) == row.times:
            done.set()

    ws = syncws.MessageWebSocket()
    ws.control.ssl_context = case_of(row, server, row.times).context
    ws.add_message_received(received)
    ws.connect(case_of(row, server, row.times).uri)
    gc.collect()
    before = sys.getallocatedblocks()
    ws.send(b"go")
    assert done.wait(LIMIT)
    gc.collect()
    blocks = (sys.getallocatedblocks() - before) / row.times
    ws.abort()
    return blocks


def main() -> None:
    """Count, print, and write if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path, help="the folder for the table")
    arguments = parser.parse_args()
    lines = [
        f"{versions(['websocket-client', 'websockets', 'curl_cffi', 'aiohttp', 'picows'])}.",
        "",
        "| per message | | system calls | blocks kept | most memory / size | page faults |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    with serving() as servers:
        for server in servers:
            for row in ROWS:
                for client in (Syncws(), SyncwsPull()):
                    counts = count(client, row, server)
                    blocks = "" if counts.blocks is None else f"{counts.blocks:.1f}"
                    # Of a small message the memory of the whole connection would be shown.
                    peak = f"{counts.peak:.2f}" if row.size >= MIB else ""
                    title = row.title + (", TLS" if server.authority else "")
                    lines.append(
                        f"| {title} | {client.name.partition(', ')[2]} | {counts.calls:.2f} | {blocks} | {peak} "
                        f"| {counts.faults:.1f} |"
                    )
                    print(lines[-1], flush=True)
    if arguments.write:
        arguments.write.mkdir(parents=True, exist_ok=True)
        (arguments.write / "counts-figures.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
