"""Shows a connection's messages while a function sends: what connect does through pipes.

Messages are shown on the connection's reader thread; what sends runs on a thread of its own, so that a server which
waits for us to read never waits for what it makes us wait for; the main thread waits for the end.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable

from syncws import MessageWebSocket, MessageWebSocketMessageReceivedEventArgs
from syncws.cli.exits import LOOK_SECONDS

__all__ = ["Conversation"]


# 127, and TLS around them.
_MOST_BYTES_OF_A_CONTROL_FRAME = 256

Args = MessageWebSocketMessageReceivedEventArgs


class Conversation:
    """Shows what comes over a connection, and knows when it is over.

    Args:
        show: called with each message, one at a time and in order.
        count: messages after which it is over; None for any number.
        ended: called once, when the connection has ended, or showing has failed.
    """

    def __init__(
        self,
        show: Callable[[Args], object],
        count: int | None = None,
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        self._show = show
        self._count = count
        self._ended = ended
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._shown = 0
        self._latest = 0.0
        self._is_fed = False
        self._wait: float | None = None
        # Pings and pongs that have come; and bytes, frames and these at the last look.
        self._controls = 0
        self._seen = (0, 0, 0)
        self.is_over: bool = False
        # The one that is connecting, or connected.
        self._socket: MessageWebSocket | None = None

    def listen_to(self, socket: MessageWebSocket) -> None:
        """Be over when this socket, which is not connected yet, has closed."""
        self.watch(socket)
        socket.message_received += self.received
        socket.closed += lambda sender, args: self.end(None)

    def watch(self, socket: MessageWebSocket) -> None:
        """Look at this socket, which is not connected yet, to see whether an answer is coming in."""
        self._socket = socket
        socket.ping_received += self._control_came
        socket.pong_received += self._control_came

    def _control_came(self, *_: object) -> None:
        self._controls += 1

    def run(self, feed: Callable[[], object], wait: float | None) -> None:
        """Send, and show what comes, until the connection is over or quiet enough.

        Args:
            feed: sends everything; runs on a thread that may be left behind in a read from stdin.
            wait: seconds without a message, after `feed` has returned, for which it goes on; None for ever. They do
                not begin while a part of one comes, or while one is being shown, as where nobody reads our output.

        Raises:
            Exception: what `feed` or showing raised, or how the connection failed.
        """
        self._wait = wait
        threading.Thread(target=self._run_feed, args=(feed,), name="syncws-stdin", daemon=True).start()
        with self._changed:
            while not self.is_over and (remaining := self._remaining()) > 0:
                self._changed.wait(min(remaining, LOOK_SECONDS))
        self.raise_failure()

    def raise_failure(self) -> None:
        """Raise what has failed, if anything has."""
        with self._changed:
            if self._failure is not None:
                raise self._failure

    def _remaining(self) -> float:
        if not self._is_fed or self._wait is None:
            return LOOK_SECONDS
        now = time.monotonic()
        if self._is_arriving():
            self._latest = max(self._latest, now)
        return self._latest + self._wait - now

    def _is_arriving(self) -> bool:
        """Tell whether a part of a message has come since the last look."""
        if self._socket is None:
            return False
        information = self._socket.information
        before, self._seen = self._seen, (information.bytes_received, information.frames_received, self._controls)
        came, frames, controls = (now - then for now, then in zip(self._seen, before, strict=True))
        # Frames of a message; or of one that has not all come more bytes than the pings and pongs can have had.
        return frames > controls or came > controls * _MOST_BYTES_OF_A_CONTROL_FRAME

    def _run_feed(self, feed: Callable[[], object]) -> None:
        try:
            feed()
        except Exception as error:  # noqa: BLE001 - raised by the main thread
            self.end(error)
        with self._changed:
            self._is_fed = True
            self._latest = max(self._latest, time.monotonic())
            self._changed.notify()

    def received(self, _: object, args: Args) -> None:
        """Handle message_received."""
        if args.error is not None:
            self.end(args.error)
            return
        with self._changed:
            if self._remaining() <= 0:
                # Here too: run() may never look between two messages, which would matter where it is not to wait.
                self.end(None)
            if self.is_over:
                return
            # Nobody takes it yet, so it is not the server that is silent.
            self._latest = math.inf
        try:
            self._show(args)
        except OSError as error:
            self.end(error)
            return
        finally:
            with self._changed:
                self._latest = time.monotonic()
        with self._changed:
            self._shown += 1
            is_last = self._shown == self._count
        if is_last:
            self.end(None)

    def end(self, failure: BaseException | None) -> None:
        """Be over, for a reason to raise or for none; on any thread, the first counts."""
        with self._changed:
            if self.is_over:
                return
            self.is_over = True
            self._failure = failure
            self._changed.notify()
        with contextlib.suppress(RuntimeError):
            # The one to be told may have left meanwhile.
            self._ended()
