"""Processor time for each message with 1, 50 and 200 connections: syncws by pull and by events, and blocking peers.

    python benchmarks/scale.py [--rounds N] [--messages N] [--clients WORDS] [--write FOLDER] [--quick]

On each connection a text of 32 bytes goes and comes back, again and again, on all of them at a time. By pull, and with
the peers and the bare socket, each connection has a thread of the program's; by events it has its reader. There are as
many messages in all for each number of connections, and only the client's process counts: the server is that of
benchmarks/peers.py. The clients take turns within each round.

It is measured twice: with a processor for the server alone, as if it were elsewhere, and with both of them wherever the
system puts them. That often puts a client with one connection on the server's processor, where the two take turns and
no other processor has to be woken: one message then costs a third, and the ratio tells more of that than of the client.
"""

import argparse
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from case import Lap
from clients import installed
from peers import HAS_PROCESSORS, Server, case_of, in_order_of, serving, serving_apart, versions
from report import Row, number, save, show

CONNECTIONS = (1, 50, 200)
HEADING = ["processor time, µs", *(f"{count} connection{'s' * (count > 1)}" for count in CONNECTIONS), "200 : 1"]


PLACES: dict[str, Callable[[], AbstractContextManager[list[Server]]]] = {"": serving_apart, ", anywhere": serving}
"""What is put behind a client's name, and how the server is started."""


def measure(client: Any, server: Server, count: int, messages: int) -> float:
    """Return the microseconds of processor time for one message and its answer, with so many connections."""
    row = Row("", "trip", messages // count, 32, "ascii")
    lap = Lap()
    client.crowd(case_of(row, server, row.times), count, lap)
    return lap.cpu / (row.times * count) * 1e6


def measure_all(clients: list[Any], server: Server, rounds: int, messages: int) -> list[list[str]]:
    """Return a row for each client: the medians, and how the last compares with the first."""
    times: dict[str, list[list[float]]] = {client.name: [[] for _ in CONNECTIONS] for client in clients}
    for turn in range(rounds):
        for client in in_order_of(turn, clients):
            for count, measured in zip(CONNECTIONS, times[client.name], strict=True):
                measured.append(measure(client, server, count, messages))
    rows = []
    for name, measured_of in times.items():
        medians = [statistics.median(measured) for measured in measured_of]
        rows.append([name, *map(number, medians), f"{medians[-1] / medians[0]:.2f}"])
    return rows


def main() -> None:
    """Start the server in each place, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds, of which the median counts (default 7)")
    parser.add_argument("--messages", type=int, default=6000, help="on all connections together (default 6000)")
    parser.add_argument("--clients", default="", help="only these, by parts of their names, separated by commas")
    parser.add_argument("--write", type=Path, help="the folder for the table")
    parser.add_argument("--quick", action="store_true", help="one round with a tenth of the work, to see that it runs")
    arguments = parser.parse_args()
    rounds, shrink = (1, 10) if arguments.quick else (arguments.rounds, 1)
    found, missing = installed()
    words = arguments.clients.split(",")
    # Those on an event loop have no thread for a connection.
    clients = [one for one in found if hasattr(one, "crowd") and any(word in one.name for word in words)]
    print(versions(missing))
    show(HEADING, 30, 16)
    rows = []
    for behind, start in PLACES.items():
        if start is serving_apart and not HAS_PROCESSORS:
            print("there is no second processor, or it cannot be reserved: the server has none for itself")
            continue
        with start() as (server, *_):
            for name, *cells in measure_all(clients, server, rounds, arguments.messages // shrink):
                rows.append([name + behind, *cells])
                show(rows[-1], 30, 16)
    if arguments.write:
        save(arguments.write / "scale-figures.md", versions(missing), HEADING, rows)


if __name__ == "__main__":
    main()
