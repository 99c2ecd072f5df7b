"""Both ways of staying connected, through a server that breaks down every few seconds; an account of every message.

    python -m compliance.reconnecting [--seconds 600] [--seed 1]

A ReconnectingWebSocket and a loop over reconnecting() send a number every hundredth of a second and receive the
server's. Every one to three seconds the server resets, ends or closes all connections, refuses, answers 503 with
Retry-After, wants a fresh token, swallows connects, or goes silent. In the end: no message was given out twice or out
of order, on either side; each message of a connection that the server ended in an orderly way came out; each message
that has not arrived was either refused by send(), or went over a connection whose end the program was told of; and
threads and descriptors are as many as before. Exit code 1 when that is not so.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import syncws
from compliance.changing_server import FAULTS, ChangingServer
from compliance.watch import Leaks, background_errors, descriptors

__all__ = ["Account", "Campaign", "main"]

_PAUSE_SECONDS = 0.01
_PATIENCE_SECONDS = 30.0


@dataclass
class Account:
    """What one client knows about its messages.

    Attributes:
        name: its path.
        sent: for each message that send() took, the socket that it went over.
        refused: the messages for which send() raised.
        told: the sockets of whose end the program was told.
        received: the server's numbers, in order.
    """

    name: str
    sent: dict[str, object] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    told: list[object] = field(default_factory=list)
    received: list[int] = field(default_factory=list)

    def faults(self, server: ChangingServer) -> list[str]:
        """Return what is wrong with it."""
        found = []
        for where, numbers in (
            ("received", self.received),
            ("arrived", [int(text) for text in server.received.get(self.name, [])]),
        ):
            twice = [number for number, times in Counter(numbers).items() if times > 1]
            if twice:
                found.append(f"{self.name}: {where} twice: {twice[:5]}")
            if numbers != sorted(numbers):
                found.append(f"{self.name}: {where} out of order")
        received = set(self.received)
        for peer in server.peers:
            missing = [number for number in peer.sent if number not in received]
            if peer.client == self.name and peer.is_orderly and missing:
                found.append(f"{self.name}: {len(missing)} of {len(peer.sent)} lost of an orderly end ({peer.end})")
        untold = [text for text in self.lost(server) if self.sent[text] not in self.told]
        if untold:
            found.append(f"{self.name}: lost, and nobody told: {untold[:5]}")
        return found

    def lost(self, server: ChangingServer) -> list[str]:
        """Return the messages that send() took and that have not arrived."""
        arrived = set(server.received.get(self.name, []))
        return [text for text in self.sent if text not in arrived]


class Campaign:
    """One run.

    Attributes:
        accounts: one for each client.
        connections: how many there were.
        most_threads, most_descriptors: of the library's, and of the process, when a fault was over.
    """

    def __init__(self, server: ChangingServer, seed: int) -> None:
        self.server = server
        self.accounts = [Account("/object"), Account("/loop")]
        self.connections = 0
        self.most_threads = self.most_descriptors = 0
        self.faults: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._token = ""
        self._stop = threading.Event()

    def run(self, seconds: float) -> None:
        """Break down for so long, then let all messages arrive, and end."""
        clients = [threading.Thread(target=run) for run in (self._run_object, self._run_loop)]
        for client in clients:
            client.start()
        try:
            self._break_down_until(time.monotonic() + seconds)
            # The last silence is noticed, and the last messages arrive.
            self._stop.wait(3)
        finally:
            self._stop.set()
            for client in clients:
                client.join(_PATIENCE_SECONDS)

    def _break_down_until(self, end: float) -> None:
        while time.monotonic() < end:
            self._stop.wait(self._random.uniform(1, 3))
            fault = self._random.choice(FAULTS)
            self.faults[fault] += 1
            self.server.break_down(fault)
            self.most_threads = max(self.most_threads, sum("syncws" in one.name for one in threading.enumerate()))
            self.most_descriptors = max(self.most_descriptors, len(descriptors()))

    def _settings(self) -> dict[str, object]:
        return {
            "timeout": 1.0,
            "headers": lambda: {"X-Token": self._token},
            "policy": self._is_worth_another,
            "backoff": syncws.Backoff(0.05, 0.5, held_after=2),
            "keep_alive_interval": 0.5,
            "keep_alive_timeout": 0.5,
        }

    def _is_worth_another(self, error: Exception) -> bool:
        if isinstance(error, syncws.HttpStatusError) and error.status_code == 401:
            self._token = self.server.token
            return True
        return syncws.is_worth_another(error)

    def _send(self, account: Account, number: int, send: Callable[[str], None], over: Callable[[], object]) -> None:
        text = str(number)
        before = over()
        try:
            send(text)
        except syncws.ConnectionOverError:
            account.refused.add(text)
            raise
        after = over()
        # Of one that was sent just when one connection followed the other, either's end tells.
        account.sent[text] = before if before is not None else after

    def _run_object(self) -> None:
        account = self.accounts[0]
        socket = syncws.ReconnectingWebSocket(self.server.uri + "object", **self._settings())  # type: ignore[arg-type]
        socket.message_received += lambda sender, args: account.received.append(int(args.text or ""))
        socket.connected += lambda sender, args: self._count()
        socket.disconnected += lambda sender, args: account.told.append(args.socket)
        number = 0
        with socket:
            while not self._stop.wait(_PAUSE_SECONDS):
                number += 1
                try:
                    self._send(account, number, socket.send, lambda: socket.socket)
                except syncws.ConnectionOverError:
                    socket.wait_connected(0.1)

    def _run_loop(self) -> None:
        account = self.accounts[1]
        number = 0
        with syncws.reconnecting(self.server.uri + "loop", **self._settings()) as sockets:  # type: ignore[arg-type]
            for socket in sockets:
                self._count()
                sender = threading.Thread(target=self._send_numbers, args=(account, socket, number))
                sender.start()
                self._receive(account, socket)
                account.told.append(socket)
                sender.join()
                number = max([number, *(int(text) for text in account.sent), *map(int, account.refused)])
                if self._stop.is_set():
                    return

    def _send_numbers(self, account: Account, socket: syncws.MessageWebSocket, number: int) -> None:
        try:
            while not self._stop.wait(_PAUSE_SECONDS):
                number += 1
                self._send(account, number, socket.send, lambda: socket)
        except syncws.ConnectionOverError:
            return

    def _receive(self, account: Account, socket: syncws.MessageWebSocket) -> None:
        try:
            while not self._stop.is_set():
                try:
                    account.received.append(int(socket.receive(timeout=0.5)))
                except syncws.OperationTimedOutError:
                    continue
        except syncws.ConnectionOverError:
            return

    def _count(self) -> None:
        self.connections += 1


def main() -> int:
    """Run the campaign; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    leaks = Leaks()
    with background_errors() as errors:
        with ChangingServer() as server:
            campaign = Campaign(server, options.seed)
            campaign.run(options.seconds)
        threads, left = leaks.count(_PATIENCE_SECONDS)
    found = errors + [fault for account in campaign.accounts for fault in account.faults(server)]
    if threads or left:
        found.append(f"{threads} threads and {left} descriptors are left")
    print(f"{campaign.connections} connections, faults: {dict(sorted(campaign.faults.items()))}")
    for account in campaign.accounts:
        lost = len(account.lost(server))
        print(
            f"{account.name}: {len(account.received):,} received, {len(account.sent):,} sent, of these {lost} lost "
            f"with their connection, {len(account.refused)} refused"
        )
    print(f"at most {campaign.most_threads} threads of the library and {campaign.most_descriptors} descriptors")
    print("\n".join(found) if found else "nothing was lost in silence, doubled or left behind")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
