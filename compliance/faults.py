"""Breaks connections: each has one fault at one byte of what the server sends.

    python -m compliance.faults [--connections 2000] [--seed 1] [--client syncws] [--workers 8]
    python -m compliance.faults --client syncws --seed 1 --only 17

Over ws and wss in turn, and for syncws by receive(), by events and as a stream in turn. Of each connection is asked:
no call overruns its limit, only documented errors come, what arrived whole before the fault is given out once and in
order, what the server got is what was sent, and no thread and descriptor is left. Each client runs in a process of its
own, because the peers of syncws may hang. Exit code 1 when anything was found about syncws.
"""

import argparse
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from compliance.clients import CLIENTS, Client, Connection, Ended, Limits, TimedOut, expected_error
from compliance.conversation import CONVERSATION, MESSAGES, Message, as_bytes
from compliance.faulty_peer import FAULTS, FaultyPeer, Plan
from compliance.pipe import contexts
from compliance.reconnecting_clients import SyncwsReconnecting
from compliance.report import run_clients
from compliance.watch import Figures, Leaks, Stages, background_errors

__all__ = ["Campaign", "run"]

_CLIENTS: dict[str, Client] = CLIENTS | {SyncwsReconnecting.name: SyncwsReconnecting()}

HANG_SECONDS = 20.0
"""What a whole connection may take at most; its calls together are given much less."""

_OVERRUN_SECONDS = 5.0
"""What a call may take beyond its limit before it counts as a hang: the machine may be busy."""

_PATIENCE_SECONDS = 10.0
"""How long a message that is known to have arrived is waited for, and a thread's end."""


@dataclass
class _Outcome:
    """What one connection gave."""

    got: list[Message] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    is_stream: bool = False
    is_connected: bool = False
    stages: Stages = field(default_factory=Stages)
    undocumented: list[str] = field(default_factory=list)

    @property
    def amount(self) -> int:
        """Messages received, or bytes of a stream."""
        return sum(map(len, self.got)) if self.is_stream else len(self.got)


class Campaign:
    """The faults of one client."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self._seed = seed
        self._contexts = contexts()
        self._lengths = {scheme: self._record(scheme) for scheme in ("ws", "wss")}

    def _record(self, scheme: str) -> int:
        """Hold the conversation without a fault; return how many bytes the server sent."""
        plan = Plan(scheme, "none", 1 << 40)
        # The limits are short ones, which a busy machine may exceed.
        for _ in range(10):
            with FaultyPeer(plan, self._server_context(scheme), "record") as peer:
                outcome = self._converse(peer, scheme, 0, CLIENTS["syncws"])
            if outcome.got == list(MESSAGES):
                return peer.sent_bytes
        raise RuntimeError(f"the conversation without a fault gave {outcome.got}")

    def _server_context(self, scheme: str) -> ssl.SSLContext | None:
        return self._contexts[0] if scheme == "wss" else None

    def plan(self, number: int) -> Plan:
        """Return what happens to a connection; it depends on the seed and the number only."""
        rng = random.Random(f"{self._seed}/{number}")
        scheme = ("ws", "wss")[number % 2]
        return Plan(scheme, rng.choice(FAULTS), rng.randint(1, self._lengths[scheme]))

    def run_one(self, number: int, figures: Figures) -> None:
        """Hold one conversation, break it, and count what is wrong."""
        plan = self.plan(number)
        with FaultyPeer(plan, self._server_context(plan.scheme), f"{self._seed}/{number}/garbage") as peer:
            outcome = _Outcome()
            thread = threading.Thread(
                target=self._converse, args=(peer, plan.scheme, number // 2, self._client, outcome), daemon=True
            )
            thread.start()
            self._wait(thread)
            hung = outcome.stages.now if thread.is_alive() else None
        self._judge(number, plan, peer, outcome, hung, figures)

    def _wait(self, thread: threading.Thread) -> None:
        """Wait for a conversation to end, or to take too long."""
        thread.join(HANG_SECONDS)

    def _converse(
        self, peer: FaultyPeer, scheme: str, number: int, client: Client, outcome: _Outcome | None = None
    ) -> _Outcome:
        outcome = outcome or _Outcome()
        context = self._contexts[1] if scheme == "wss" else None
        call = outcome.stages.call
        try:
            connection = cast(Connection, call("connect", Limits.connect, client.connect, peer.uri, context, number))
        except Exception as exc:  # noqa: BLE001 - classified
            _note_error(client, "connect", exc, outcome)
            return outcome
        outcome.is_connected = True
        outcome.is_stream = connection.is_stream
        try:
            _Talk(client, connection, peer, outcome).hold()
        finally:
            try:
                call("close", Limits.close, connection.close)
            except Exception as exc:  # noqa: BLE001 - classified
                _note_error(client, "close", exc, outcome)
        return outcome

    def _judge(
        self, number: int, plan: Plan, peer: FaultyPeer, outcome: _Outcome, hung: str | None, figures: Figures
    ) -> None:
        found = list(outcome.undocumented)
        figures.undocumented += len(found)
        figures.count(plan.fault)
        figures.overrun = max(figures.overrun, outcome.stages.overrun)
        if hung is not None or outcome.stages.overrun > _OVERRUN_SECONDS:
            figures.hangs += 1
            found.append(
                f"hang in {hung}" if hung is not None else f"hang: a call overran by {outcome.stages.overrun:.1f} s"
            )
        elif outcome.is_connected:
            lost, doubled = _compare(plan, peer, outcome)
            figures.lost += lost
            figures.doubled += doubled
            if lost or doubled:
                found.append(
                    f"{lost} lost, {doubled} doubled of {peer.whole_messages} messages; got {outcome.amount} "
                    f"{'bytes' if outcome.is_stream else 'messages'}"
                )
        if found:
            again = f"--client {self._client.name} --seed {self._seed} --only {number}"
            figures.note(f"{plan}: {'; '.join(found)}; again: python -m compliance.faults {again}")


class _Talk:
    """The client's half of the conversation."""

    def __init__(self, client: Client, connection: Connection, peer: FaultyPeer, outcome: _Outcome) -> None:
        self._client = client
        self._connection = connection
        self._peer = peer
        self._outcome = outcome
        self._is_over = False
        self._end = time.monotonic() + _PATIENCE_SECONDS

    def hold(self) -> None:
        """Ask and receive; after the fault receive whatever has come."""
        for exchange in CONVERSATION:
            if self._is_over:
                return
            if not self._send(exchange.question):
                break
            total = exchange.total
            if self._outcome.is_stream:
                total = sum(len(as_bytes(message)) for message in MESSAGES[:total])
            self._receive_until(total)
        # One more than there is, which must not come.
        self._receive_until(1 << 40)

    def _send(self, message: Message) -> bool:
        try:
            self._outcome.stages.call("send", Limits.send, self._connection.send, message)
        except Exception as exc:  # noqa: BLE001 - classified
            _note_error(self._client, "send", exc, self._outcome)
            return False
        finally:
            # The server may have got a message of which its sender was told that it failed.
            self._outcome.sent.append(as_bytes(message))
        return True

    def _receive_until(self, total: int) -> None:
        outcome = self._outcome
        while not self._is_over and outcome.amount < total:
            was_faulted = self._peer.faulted.is_set()
            try:
                limit = Limits.receive
                outcome.got.append(outcome.stages.call("receive", limit, self._connection.receive, limit))
            except TimedOut:
                # Not by the time alone: the machine may be busy.
                self._is_over = (was_faulted and self._has_all()) or time.monotonic() > self._end
            except Ended:
                self._is_over = True
            except Exception as exc:  # noqa: BLE001 - classified
                _note_error(self._client, "receive", exc, outcome)
                self._is_over = True

    def _has_all(self) -> bool:
        whole = self._peer.whole_bytes if self._outcome.is_stream else self._peer.whole_messages
        return self._outcome.amount >= whole


def _note_error(client: Client, method: str, error: Exception, outcome: _Outcome) -> None:
    if not expected_error(client, method, error):
        outcome.undocumented.append(f"{method} raised {error!r}")


def _compare(plan: Plan, peer: FaultyPeer, outcome: _Outcome) -> tuple[int, int]:
    """Return how many messages were lost, and how many were doubled or made up, on either way."""
    expected: list[Message] = list(MESSAGES[: peer.whole_messages])
    # Over ws garbage, or the beginning of another frame, may end one that was cut, and be frames itself.
    may_be_more = plan.fault in ("garbage", "partial record") and plan.scheme == "ws"
    if outcome.is_stream:
        lost, doubled = _compare_stream(b"".join(map(as_bytes, outcome.got)), expected, may_be_more=may_be_more)
    elif outcome.got[: len(expected)] == expected:
        lost, doubled = 0, 0 if may_be_more else len(outcome.got) - len(expected)
    else:
        wanted, got = Counter(expected), Counter(outcome.got)
        lost, doubled = (wanted - got).total(), max(1, (got - wanted).total())
        if outcome.got == expected[: len(outcome.got)]:
            doubled = 0
    if peer.received != outcome.sent[: len(peer.received)]:
        doubled += 1
    return lost, doubled


def _compare_stream(got: bytes, expected: Iterable[Message], *, may_be_more: bool) -> tuple[int, int]:
    """A stream may besides have the beginning of the message that was cut."""
    whole = b"".join(map(as_bytes, expected))
    everything = b"".join(map(as_bytes, MESSAGES))
    if not got.startswith(whole):
        return (1, 0) if whole.startswith(got) else (1, 1)
    return 0, 0 if may_be_more or everything.startswith(got) else 1


def run(client: Client, connections: int, seed: int, *, workers: int, only: int | None = None) -> Figures:
    """Run the campaign for one client in this process."""
    figures = Figures(client.name)
    start = time.monotonic()
    with background_errors() as errors:
        campaign = Campaign(client, seed)
        leaks = Leaks()
        numbers = iter(range(connections) if only is None else (only,))
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                one = Figures(client.name)
                campaign.run_one(number, one)
                with lock:
                    _add(figures, one)

        threads = [threading.Thread(target=work, name="fault-worker") for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        figures.threads, figures.descriptors = leaks.count(_PATIENCE_SECONDS)
    if figures.threads or figures.descriptors:
        figures.note(f"{figures.threads} threads and {figures.descriptors} descriptors left with seed {seed}")
    figures.undocumented += len(errors)
    for error in errors:
        figures.note(f"{error}, with seed {seed}")
    figures.seconds = time.monotonic() - start
    return figures


def _add(figures: Figures, one: Figures) -> None:
    figures.connections += 1
    for name in ("hangs", "lost", "doubled", "undocumented"):
        setattr(figures, name, getattr(figures, name) + getattr(one, name))
    figures.overrun = max(figures.overrun, one.overrun)
    for name, number in one.other.items():
        figures.count(name, number)
    for failure in one.failures:
        figures.note(failure)


def main() -> int:
    """Run the campaign for each client, and print the figures side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=8, help="connections at the same time (default 8)")
    parser.add_argument("--only", type=int, help="run the one connection of this number")
    parser.add_argument("--client", choices=_CLIENTS, help="one client only")
    parser.add_argument("--json", action="store_true", help="run in this process, and print the figures as JSON")
    options = parser.parse_args()
    workers = 1 if options.only is not None else options.workers
    # Each connection is bounded by HANG_SECONDS; far more means that the process itself hangs.
    limit = 60 + options.connections * HANG_SECONDS / workers
    return run_clients(
        "compliance.faults",
        options,
        _CLIENTS,
        lambda client: run(client, options.connections, options.seed, workers=workers, only=options.only),
        limit,
    )


if __name__ == "__main__":
    raise SystemExit(main())
