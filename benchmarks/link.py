"""Connecting and echoing over a link on which a round trip takes 20 ms: how many of these each client waits for.

    python benchmarks/link.py [--rounds N] [--clients WORDS] [--write FOLDER] [--quick]

For syncws by events and by pull, its peers and the bare socket: the time to connect and the time for one message of 32
bytes and its answer, plain and with TLS, in milliseconds, and what that is in round trips over the link. The link is a
process that hands on each chunk 10 ms after it has come, in either direction, before the server of benchmarks/peers.py.
TCP's own handshake is not delayed: over a real link it takes one round trip more, for each client.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from case import Lap
from clients import installed
from peers import Server, case_of, running, serving, versions
from report import Row, save, show

ROUND_TRIP_MILLISECONDS = 20
ROWS = (Row("connect", "drop", 5, 2, "ascii"), Row("echo", "trip", 10, 32, "ascii"))


def measure(client: Any, row: Row, server: Server, rounds: int) -> str:
    """Return the median time of one connect or one echo, in milliseconds and in round trips."""
    times = []
    for _ in range(rounds):
        lap = Lap()
        getattr(client, row.action)(case_of(row, server, row.times), lap)
        times.append(lap.wall / row.times * 1e3)
    median = statistics.median(times)
    return f"{median:.1f} ({median / ROUND_TRIP_MILLISECONDS:.1f})"


def main() -> None:
    """Start the server and the links to it, measure, stop them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default 5)")
    parser.add_argument("--clients", default="", help="only these, by parts of their names, separated by commas")
    parser.add_argument("--write", type=Path, help="the folder for the table")
    parser.add_argument("--quick", action="store_true", help="one round, to see that it runs")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    found, missing = installed()
    words = arguments.clients.split(",")
    clients = [one for one in found if any(word in one.name for word in words)]
    rows = [[client.name] for client in clients]
    heading = ["ms (round trips)"]
    one_way = str(ROUND_TRIP_MILLISECONDS / 2)
    print(versions(missing))
    with serving() as servers:
        for server in servers:
            with running("delayed_link.py", str(server.port), one_way) as port:
                over_link = Server(int(port), server.authority)
                for row in ROWS:
                    heading.append(row.title + (", TLS" if server.authority else ""))
                    for client, cells in zip(clients, rows, strict=True):
                        cells.append(measure(client, row, over_link, rounds))
    for cells in (heading, *rows):
        show(cells, 20, 16)
    if arguments.write:
        save(arguments.write / "link-figures.md", versions(missing), heading, rows)


if __name__ == "__main__":
    main()
