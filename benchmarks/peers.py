"""syncws next to five other clients and a bare socket, in turn, on one raw-socket server process, plain and with TLS.

    python benchmarks/peers.py [--rounds N] [--rows WORDS] [--only plain|tls] [--write FOLDER] [--quick]

For each thing that a client does it prints the median over the rounds for each client, by the clock and in processor
time, and how syncws compares: with the best peer, and with the bare socket. The clients take turns within each round,
so that whatever else the machine does meets all of them; the server has a processor for itself, as if it were
elsewhere. syncws is driven in both of its forms: by the event, DataReader and DataWriter, as WinRT programs are, and by
send() and receive(). The bare socket does the least that the wire asks for, without looking at what it reads: it is the
floor, not a client. The peers come with the extra `bench`.

All traffic stays on loopback. Only ratios mean anything; the times are one machine's on one day.
"""

import argparse
import contextlib
import os
import platform
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from case import Case, Lap
from clients import LIMIT, installed
from raw_server import wire_size
from report import Figures, Row, heading, line_of, show, write

import syncws

KIB = 1 << 10
MIB = 1 << 20

ROWS = (
    Row("round trip, 32 B text", "trip", 600, 32, "ascii"),
    Row("round trip, 64 B binary", "trip", 600, 64, "binary"),
    Row("round trip, 16 KiB text", "trip", 200, 16 * KIB, "ascii"),
    Row("round trip, 1 MiB text", "trip", 8, MIB, "text"),
    Row("round trip, 1 MiB binary", "trip", 8, MIB, "binary"),
    Row("receive 64 B binary", "flood", 10000, 64, "binary"),
    Row("receive 64 B text", "flood", 10000, 64, "ascii"),
    Row("receive 64 B text, not ASCII", "flood", 10000, 64, "text"),
    Row("receive 4 KiB text in 4 frames", "flood", 500, 4 * KIB, "pieces"),
    Row("receive 16 KiB binary", "flood", 1000, 16 * KIB, "binary"),
    Row("receive 16 KiB text", "flood", 1000, 16 * KIB, "ascii"),
    Row("receive 1 MiB binary", "flood", 24, MIB, "binary"),
    Row("receive 1 MiB text, ASCII", "flood", 24, MIB, "ascii"),
    Row("receive 1 MiB text, not ASCII", "flood", 24, MIB, "text"),
    Row("send 64 B binary", "sink", 3000, 64, "binary"),
    Row("send 64 B text", "sink", 3000, 64, "ascii"),
    Row("send 16 KiB binary", "sink", 500, 16 * KIB, "binary"),
    Row("send 1 MiB binary", "sink", 12, MIB, "binary"),
    Row("send 1 MiB text, not ASCII", "sink", 12, MIB, "text"),
    Row("connect and drop", "drop", 20, 2, "ascii"),
)


class Server(NamedTuple):
    """Where the server listens, and the file of its authority when it has TLS."""

    port: int
    authority: str | None


@contextlib.contextmanager
def serving() -> Iterator[list[Server]]:
    """Run the server; yield where it listens: plain first, then with TLS if it has that."""
    with running("raw_server.py") as line:
        said = line.split(maxsplit=2)
        servers = [Server(int(said[0]), None)]
        if len(said) == 3:
            servers.append(Server(int(said[1]), said[2].rstrip("\n")))
        yield servers


HAS_PROCESSORS = hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1
"""Whether the server can have one for itself."""


@contextlib.contextmanager
def serving_apart() -> Iterator[list[Server]]:
    """As serving(), with one processor for the server and the others for this process, where that is possible.

    Else the system puts some clients, or their threads, beside the server and some not: a small round trip takes a
    third then, and a large message half as long again, for every client.
    """
    with contextlib.ExitStack() as stack:
        if not HAS_PROCESSORS:
            yield stack.enter_context(serving())
            return
        processors = os.sched_getaffinity(0)
        alone = {max(processors)}
        stack.callback(os.sched_setaffinity, 0, processors)
        # What is started inherits it.
        os.sched_setaffinity(0, alone)
        servers = stack.enter_context(serving())
        os.sched_setaffinity(0, processors - alone)
        yield servers


@contextlib.contextmanager
def running(program: str, *arguments: str) -> Iterator[str]:
    """Run a program of this folder that ends with its standard input; yield the first line that it says."""
    command = [sys.executable, str(Path(__file__).with_name(program)), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.stdout.readline().decode()
    finally:
        process.stdin.close()
        process.wait(LIMIT)
        process.stdout.close()


def case_of(row: Row, server: Server, count: int) -> Case:
    """Return what a client is to do; the URI makes the server do its part."""
    scheme = "ws" if server.authority is None else "wss"
    uri = f"{scheme}://127.0.0.1:{server.port}/{row.action}?count={count}&wire={wire_size(row.size)}"
    if row.action != "sink":
        # The answer to the last message that is sent stays small.
        uri += f"&size={row.size}&kind={row.kind}"
    return Case(uri, count, row.size, row.kind, server.authority)


def in_order_of(turn: int, clients: list[Any]) -> list[Any]:
    """Return the clients in another order for each turn, the same in each run.

    What one client leaves for the server to do costs the next one time, so none follows the same one in every round.
    """
    return random.Random(turn).sample(clients, len(clients))


def measure(row: Row, server: Server, clients: list[Any], rounds: int, shrink: int) -> Figures:
    """Measure one row with every client, in turn."""
    number = max(2, row.times // shrink)
    wall: dict[str, list[float]] = {client.name: [] for client in clients}
    cpu: dict[str, list[float]] = {client.name: [] for client in clients}
    for turn in range(rounds):
        for client in in_order_of(turn, clients):
            # Text of 1 MiB takes websocket-client a third of a second: a few of them tell as much.
            is_slow = client.name == "websocket-client" and row.size > KIB
            few = max(1, number // 50) if is_slow else number
            lap = Lap()
            getattr(client, row.action)(case_of(row, server, few), lap)
            wall[client.name].append(lap.wall / few * 1e6)
            cpu[client.name].append(lap.cpu / few * 1e6)
    return Figures(
        row,
        server.authority is not None,
        {name: statistics.median(times) for name, times in wall.items()},
        {name: statistics.median(times) for name, times in cpu.items()},
    )


def versions(missing: list[str]) -> str:
    """Return what was measured, and on what."""
    peers = ("websocket-client", "websockets", "curl_cffi", "aiohttp", "picows")
    form = "with its compiled part" if getattr(syncws, "accelerated", False) else "in plain Python"
    shown = "".join(f", {name} {version(name)}" for name in peers if name not in missing)
    return (
        f"syncws {version('syncws')} {form}{shown}; Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    )


def main() -> None:
    """Start the server, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds, of which the median counts (default 15)")
    parser.add_argument("--rows", default="", help="only the rows whose title has this text")
    parser.add_argument("--clients", default="", help="only these, by parts of their names, and the bare socket")
    parser.add_argument("--only", choices=("plain", "tls"), help="plain or TLS alone")
    parser.add_argument("--write", type=Path, help="the folder for the table and the plot")
    parser.add_argument("--quick", action="store_true", help="one round with a tenth of the work, to see that it runs")
    arguments = parser.parse_args()
    clients, missing = installed()
    if missing:
        print(f'not installed, and so left out: {", ".join(missing)} (pip install ".[bench]")')
    if arguments.clients:
        words = arguments.clients.split(",")
        clients = [one for one in clients if one.name == "bare socket" or any(word in one.name for word in words)]
    print(versions(missing))
    columns = heading(clients)
    show(columns, 36, 18)
    results = []
    with serving_apart() as servers:
        for server in servers:
            if arguments.only == ("plain" if server.authority else "tls"):
                continue
            for row in ROWS:
                if arguments.rows not in row.title:
                    continue
                rounds, shrink = (1, 10) if arguments.quick else (arguments.rounds, 1)
                results.append(measure(row, server, clients, rounds, shrink))
                show(line_of(results[-1]), 36, 18)
    if arguments.write:
        write(arguments.write, versions(missing), columns, results)


if __name__ == "__main__":
    main()
