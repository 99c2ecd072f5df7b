"""`syncws ping URL`: round trips by Ping and Pong (RFC 6455 5.5.2), shown as ping(8) shows them.

Runs on the main thread.
"""

import argparse
import contextlib
import statistics
import time

from syncws import MessageWebSocket, OperationTimedOutError
from syncws.cli.exits import LOOK_SECONDS, ExitCode
from syncws.cli.options import Commands, add_command, connect, new_socket, seconds, whole
from syncws.cli.screen import shown_uri

__all__ = ["add_to", "run"]

_DESCRIPTION = """\
Send Pings and say how long each answer took, until Ctrl-C, the count, or the end of the connection. The exit code is
0 if at least one was answered, and 1 if none was.
"""
_INTERVAL = 1.0
_ANSWER = 10.0


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(commands, "ping", "measure round trips", _DESCRIPTION)
    parser.add_argument("-c", "--count", type=whole(1), metavar="N", help="pings to send (default: no limit)")
    parser.add_argument(
        "-i",
        "--interval",
        type=seconds,
        default=_INTERVAL,
        metavar="SECONDS",
        help="between two pings (default: %(default)g)",
    )
    parser.add_argument(
        "-W",
        "--answer",
        type=seconds,
        default=_ANSWER,
        metavar="SECONDS",
        help="to wait for an answer (default: %(default)g)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ping; return 0 when at least one was answered, 1 when none was.

    Raises:
        WebSocketError: the connection cannot be made, or ends.
    """
    with new_socket(options, MessageWebSocket) as socket:
        # What the server says meanwhile is not what was asked for, and would fill the inbox.
        socket.control.discard_unclaimed_messages = True
        connect(options, socket)
        where = socket.information.remote_address
        print(f"PING {shown_uri(socket.uri)}" + ("" if where is None else f" ({where})"), flush=True)
        pings = _Pings(socket)
        # As ping(8) is ended; the inner block closes without waiting long for a server that may be gone.
        with contextlib.suppress(KeyboardInterrupt), socket:
            try:
                pings.run(options.count, options.interval, options.answer)
            except KeyboardInterrupt:
                print()
                raise
            finally:
                print(pings.statistics(), flush=True)
    return ExitCode.OK if pings.round_trips else ExitCode.FAILED


class _Pings:
    """Sends them and keeps count."""

    def __init__(self, socket: MessageWebSocket) -> None:
        self._socket = socket
        self._start = time.monotonic()
        self._sent = 0
        self.round_trips: list[float] = []

    def run(self, count: int | None, interval: float | None, answer: float | None) -> None:
        """Send `count` of them, or go on without end.

        Raises:
            WebSocketError: the connection is over.
        """
        while count is None or self._sent < count:
            if self._sent:
                self._wait(interval)
            self._sent += 1
            try:
                seconds_taken = self._socket.ping(timeout=answer)
            except OperationTimedOutError:
                print(f"seq={self._sent} no answer", flush=True)
            else:
                self.round_trips.append(seconds_taken)
                print(f"seq={self._sent} time={seconds_taken * 1000:.3f} ms", flush=True)

    def _wait(self, interval: float | None) -> None:
        end = None if interval is None else time.monotonic() + interval
        while end is None or time.monotonic() < end:
            remaining = LOOK_SECONDS if end is None else min(end - time.monotonic(), LOOK_SECONDS)
            if self._socket.wait_closed(max(remaining, 0)):
                # The next ping says why.
                return

    def statistics(self) -> str:
        """Return the lines that ping(8) ends with."""
        answered = len(self.round_trips)
        lost = 100 * (self._sent - answered) / self._sent if self._sent else 0
        lines = [
            f"--- {shown_uri(self._socket.uri)} ping statistics ---",
            f"{self._sent} pings, {answered} answers, {lost:g}% lost, time {time.monotonic() - self._start:.3f} s",
        ]
        if self.round_trips:
            times = [seconds_taken * 1000 for seconds_taken in self.round_trips]
            figures = (min(times), statistics.fmean(times), max(times), statistics.pstdev(times))
            lines.append("round trip min/avg/max/mdev = " + "/".join(f"{figure:.3f}" for figure in figures) + " ms")
        return "\n".join(lines)
