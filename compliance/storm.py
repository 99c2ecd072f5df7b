"""Threads that send, receive, ping and close at random over the same connections, and an account of every message.

    python -m compliance.storm [--seconds 60] [--threads 30] [--connections 50] [--seed 1] [--client syncws]

Over ws and wss in turn. A connection that a thread closes is replaced by a new one. In the end each message is
accounted for: it was delivered, once and in its sender's order, or its sender was told that it failed (it may have
arrived all the same); and of what the server sent back over a connection that nobody closed, each message came out
once. Each client runs in a process of its own. Exit code 1 when anything was found about syncws. What a seed settles is
what each thread does, not how the threads take turns.
"""

import argparse
import itertools
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from compliance.clients import CLIENTS, Client, Connection, Ended, Limits, SyncwsMessages, TimedOut, expected_error
from compliance.conversation import as_bytes
from compliance.echo_server import EchoServer
from compliance.pipe import contexts
from compliance.reconnecting_clients import SyncwsReconnecting
from compliance.report import run_clients
from compliance.watch import Figures, Leaks, Stages, background_errors

__all__ = ["Storm", "run"]

_PATIENCE_SECONDS = 30.0
"""What is waited for what must come: the last echoes, the end of a thread."""

_OVERRUN_SECONDS = 10.0
"""What a call may take beyond its limit before it counts as a hang: thirty threads share the machine."""

_CLIENTS: dict[str, Client] = CLIENTS | {client.name: client for client in (SyncwsMessages(), SyncwsReconnecting())}
_ACTIONS = ("send",) * 44 + ("receive",) * 48 + ("ping",) * 8
_CLOSE_CHANCE = 0.002


@dataclass
class _Life:
    """One connection from connect to its end, and what is known about its messages."""

    path: str
    scheme: str
    connection: Connection
    sent: set[bytes] = field(default_factory=set)
    failed: set[bytes] = field(default_factory=set)
    received: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    is_closed_by_us: bool = False
    is_broken: bool = False

    def all_received(self) -> int:
        """Return how many messages have come back."""
        return sum(map(len, list(self.received.values())))


class Storm:
    """One run of one client."""

    def __init__(self, client: Client, seed: int, connections: int, threads: int) -> None:
        self._client = client
        self._seed = seed
        self._threads = threads
        self._server_context, self._client_context = contexts()
        self._locks = [threading.Lock() for _ in range(connections)]
        self._current: list[_Life | None] = [None] * connections
        self._lives: list[_Life] = []
        self._names = itertools.count()
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self.figures = Figures(client.name)
        self._servers: dict[str, EchoServer] = {}

    def run(self, seconds: float, actions: int | None = None) -> Figures:
        """Let the threads work, for `seconds` or until each has done so many actions; then settle the account."""
        figures = self.figures
        with background_errors() as errors:
            leaks = Leaks()
            with EchoServer() as plain, EchoServer(self._server_context) as secure:
                self._servers = {"ws": plain, "wss": secure}
                self._work(seconds, actions)
                self._finish()
            figures.threads, figures.descriptors = leaks.count(_PATIENCE_SECONDS)
        figures.connections = len(self._lives)
        for life in self._lives:
            self._settle(life)
        figures.undocumented += len(errors)
        for error in errors:
            figures.note(f"{error}, with seed {self._seed}")
        return figures

    def _work(self, seconds: float, actions: int | None) -> None:
        stages = [Stages() for _ in range(self._threads)]
        threads = [
            threading.Thread(
                target=self._act, args=(number, stages[number], actions), name=f"storm-{number}", daemon=True
            )
            for number in range(self._threads)
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._is_over.set()
        end = time.monotonic() + _PATIENCE_SECONDS
        for number, thread in enumerate(threads):
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive() or stages[number].overrun > _OVERRUN_SECONDS:
                self.figures.hangs += 1
                what = (
                    stages[number].now if thread.is_alive() else f"a call, for {stages[number].overrun:.1f} s too long"
                )
                self._note(f"hang of thread {number} in {what}")
            self.figures.overrun = max(self.figures.overrun, stages[number].overrun)

    # The threads.

    def _act(self, number: int, stages: Stages, actions: int | None) -> None:
        rng = random.Random(f"{self._seed}/{number}")
        count = 0
        while not self._is_over.is_set() and count != actions:
            place = rng.randrange(len(self._locks))
            action = "close" if rng.random() < _CLOSE_CHANCE else rng.choice(_ACTIONS)
            size = rng.choice((0, 10, 100, 1000)) if rng.random() < 0.99 else 150_000
            is_text = rng.random() < 0.5
            life = self._life_at(place, stages)
            count += 1
            if life is None:
                continue
            if action == "send":
                self._send(life, f"{number}/{count}/{'x' * size}", is_text=is_text, stages=stages)
            elif action == "receive":
                self._receive(life, number, stages)
            elif action == "ping":
                self._call(life, "ping", stages)
            else:
                life.is_closed_by_us = True
                self._call(life, "close", stages)
                self._replace(place, life)
            if life.is_broken:
                # Its server may not have ended TCP yet.
                self._call(life, "close", stages)
                self._replace(place, life)

    def _life_at(self, place: int, stages: Stages) -> _Life | None:
        with self._locks[place]:
            life = self._current[place]
            if life is not None:
                return life
            scheme = ("ws", "wss")[place % 2]
            context = self._client_context if scheme == "wss" else None
            path = f"/{place}-{next(self._names)}"
            uri = f"{self._servers[scheme].uri}{path}"
            try:
                connection = stages.call("connect", Limits.connect, self._client.connect, uri, context, place // 2)
            except Exception as exc:  # noqa: BLE001 - classified
                self._classify("connect", exc)
                self.figures.count("failed connects")
                return None
            life = self._current[place] = _Life(path, scheme, connection)
            with self._lock:
                self._lives.append(life)
            return life

    def _replace(self, place: int, life: _Life) -> None:
        with self._locks[place]:
            if self._current[place] is life:
                self._current[place] = None

    def _send(self, life: _Life, text: str, *, is_text: bool, stages: Stages) -> None:
        message = text if is_text else text.encode()
        # Before it goes: the server may be faster than this thread.
        life.sent.add(as_bytes(message))
        if not self._call(life, "send", stages, message):
            life.failed.add(as_bytes(message))

    def _receive(self, life: _Life, number: int, stages: Stages) -> None:
        try:
            limit = Limits.receive
            message = stages.call("receive", limit, life.connection.receive, limit)
        except TimedOut:
            return
        except Ended:
            self._note_end(life)
            return
        except Exception as exc:  # noqa: BLE001 - classified
            self._classify("receive", exc)
            return
        life.received[number].append(as_bytes(message))

    def _call(self, life: _Life, method: str, stages: Stages, *arguments: object) -> bool:
        """Call a method of the connection; return whether it succeeded."""
        limit = {"send": Limits.send, "close": Limits.close}.get(method, Limits.receive)
        try:
            stages.call(method, limit, getattr(life.connection, method), *arguments)
        except Exception as exc:  # noqa: BLE001 - classified
            self._classify(method, exc)
            self._note_end(life)
            return False
        return True

    def _note_end(self, life: _Life) -> None:
        life.is_broken = True

    def _classify(self, method: str, error: Exception) -> None:
        with self._lock:
            self.figures.count(f"{method}: {type(error).__name__}")
            if not expected_error(self._client, method, error):
                self.figures.undocumented += 1
                self._note(f"{method} raised {error!r}")

    def _note(self, failure: str) -> None:
        again = f"--client {self._client.name} --seed {self._seed}"
        self.figures.note(f"{failure}; again: python -m compliance.storm {again}")

    # The account.

    def _finish(self) -> None:
        """Receive what is still to come, and close what is still open."""
        stages = Stages()
        threads = []
        for life in self._current:
            if life is not None:
                threads.append(threading.Thread(target=self._end, args=(life, stages), daemon=True))
                threads[-1].start()
        end = time.monotonic() + 2 * _PATIENCE_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                self.figures.hangs += 1
                self._note("hang at the end of a connection")

    def _end(self, life: _Life, stages: Stages) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while not life.is_closed_by_us and not life.is_broken and time.monotonic() < end:
            if life.all_received() >= len(life.sent - life.failed):
                break
            self._receive(life, -1, stages)
        self._call(life, "close", stages)

    def _settle(self, life: _Life) -> None:
        """Count what was lost and doubled of one connection's messages."""
        arrived = self._servers[life.scheme].received.get(life.path, [])
        counts = Counter(arrived)
        lost = (life.sent - life.failed) - counts.keys()
        echoes = Counter(message for part in life.received.values() for message in part)
        doubled = _excess(counts, life.sent) + _disorder(arrived)
        doubled += _excess(echoes, counts.keys()) + _disordered_parts(arrived, life.received.values())
        never_came = 0
        if not life.is_closed_by_us:
            never_came = len(counts.keys() - echoes.keys())
            if life.is_broken:
                self.figures.broken += 1
                self._note(f"a connection over {life.scheme} broke that nobody closed")
        figures = self.figures
        figures.count("sent", len(life.sent) - len(life.failed))
        figures.count("told failed", len(life.failed))
        figures.count("told failed and arrived", len(life.failed & counts.keys()))
        figures.count("received", echoes.total())
        figures.lost += len(lost) + never_came
        figures.doubled += doubled
        if lost or never_came or doubled:
            how = "closed" if life.is_closed_by_us else "broken" if life.is_broken else "whole"
            self._note(
                f"a {how} connection over {life.scheme}: {len(lost)} sent and not arrived, "
                f"{never_came} not given out, {doubled} doubled or out of order"
            )


def _excess(counts: Counter[bytes], allowed: Set[bytes]) -> int:
    """Return how many messages came more than once, or from nowhere."""
    return counts.total() - len(counts) + len(counts.keys() - allowed)


def _disordered_parts(arrived: list[bytes], parts: Iterable[list[bytes]]) -> int:
    """Return how many threads received in another order than the server sent."""
    places = {message: place for place, message in enumerate(arrived)}
    orders = [[places[message] for message in part if message in places] for part in parts]
    return sum(order != sorted(order) for order in orders)


def _disorder(arrived: list[bytes]) -> int:
    """Return how many messages came before one that the same thread had sent earlier."""
    latest: dict[bytes, int] = {}
    found = 0
    for message in arrived:
        thread, number, _ = message.split(b"/", 2)
        found += int(number) <= latest.get(thread, 0)
        latest[thread] = int(number)
    return found


def run(
    client: Client, seconds: float, seed: int, *, connections: int, threads: int, actions: int | None = None
) -> Figures:
    """Run the storm for one client in this process."""
    start = time.monotonic()
    figures = Storm(client, seed, connections, threads).run(seconds, actions)
    figures.seconds = time.monotonic() - start
    return figures


def main() -> int:
    """Run the storm for each client, and print the figures side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=30)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--client", choices=_CLIENTS, help="one client only")
    parser.add_argument("--json", action="store_true", help="run in this process, and print the figures as JSON")
    options = parser.parse_args()
    Limits.connect = Limits.send = Limits.close = 10.0
    Limits.receive = 0.02
    return run_clients(
        "compliance.storm",
        options,
        _CLIENTS,
        lambda client: run(
            client, options.seconds, options.seed, connections=options.connections, threads=options.threads
        ),
        options.seconds + 6 * _PATIENCE_SECONDS,
    )


if __name__ == "__main__":
    raise SystemExit(main())
