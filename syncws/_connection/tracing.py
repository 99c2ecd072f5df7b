"""The debug log of frames, on the logger `syncws.frames`: a line for each one that has gone or come.

A connection that is made while that logger is at DEBUG gets the classes below in the place of the plain ones; any other
pays nothing. Lines are written by the threads that send and read, and by nobody who holds the writer role: a handler of
the log may wait, or send.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, cast

from syncws._connection.sending.outbox import Outbox
from syncws._net.transport import Transport
from syncws._wire.seen import FrameScanner, SeenFrame

__all__ = ["make_outbox", "traced"]

_Bytes = bytes | memoryview
EventsT = TypeVar("EventsT")

_logger = logging.getLogger("syncws.frames")


def make_outbox(transport: Transport, on_leftover: Callable[[], object], on_wait: Callable[[], object]) -> Outbox:
    """Return the outbox of a connection, which tells of its frames if the log is to have them."""
    if _logger.isEnabledFor(logging.DEBUG):
        return _TracedOutbox(transport, on_leftover, on_wait)
    return Outbox(transport, on_leftover, on_wait)


def traced(outbox: Outbox, decode: Callable[[_Bytes], EventsT]) -> Callable[[_Bytes], EventsT]:
    """Return what decodes the bytes of a connection, and tells of its frames if its outbox does."""
    if not isinstance(outbox, _TracedOutbox):
        return decode
    lines, scanner = outbox.lines, FrameScanner()

    def tell_and_decode(data: _Bytes) -> EventsT:
        for frame in scanner.feed(data):
            lines.begin("<").frames.append(frame)
        lines.finish_all()
        return decode(data)

    return tell_and_decode


class _Entry:
    """The frames that one step has sent or received."""

    __slots__ = ("direction", "frames", "is_done")

    def __init__(self, direction: str) -> None:
        self.direction = direction
        self.frames: list[SeenFrame] = []
        # What comes has come; what goes is begun before the call that sends it, so that no answer can stand before it.
        self.is_done = direction == "<"


class _Lines:
    """What is still to be written, in the order of the wire."""

    __slots__ = ("_entries", "_role")

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        # Who has it writes. It is never waited for: whoever has it looks again before it leaves.
        self._role = threading.RLock()

    def begin(self, direction: str) -> _Entry:
        """Add an entry, and return it."""
        entry = _Entry(direction)
        self._entries.append(entry)
        return entry

    def finish_all(self) -> None:
        """Write what is done, up to the first that is not, whose sender comes here too."""
        while self._entries and self._entries[0].is_done and self._role.acquire(False):
            try:
                if self._entries and self._entries[0].is_done:
                    entry = self._entries.popleft()
                    for frame in entry.frames:
                        _logger.debug("%s %s", entry.direction, frame)
            finally:
                self._role.release()


class _TracedTransport:
    """A transport that notes the frames that go."""

    __slots__ = ("_lines", "_scanner", "_transport")

    def __init__(self, transport: Transport, lines: _Lines) -> None:
        self._transport = transport
        self._lines = lines
        self._scanner = FrameScanner()

    def send(self, data: bytes | memoryview) -> int:
        """See Transport.send."""
        entry = self._lines.begin(">")
        try:
            sent = self._transport.send(data)
            entry.frames += self._scanner.feed(memoryview(data)[:sent])
            return sent
        finally:
            entry.is_done = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _TracedOutbox(Outbox):
    """An outbox that writes the lines of what has gone when it has given the writer role back."""

    __slots__ = ("lines",)

    def __init__(self, transport: Transport, on_leftover: Callable[[], object], on_wait: Callable[[], object]) -> None:
        self.lines = _Lines()
        super().__init__(cast("Transport", _TracedTransport(transport, self.lines)), on_leftover, on_wait)

    def send(self, *arguments: Any, **options: Any) -> None:
        """See Outbox.send."""
        try:
            super().send(*arguments, **options)
        finally:
            self.lines.finish_all()

    def flush_without_waiting(self) -> bool:
        """See Outbox.flush_without_waiting."""
        try:
            return super().flush_without_waiting()
        finally:
            self.lines.finish_all()
