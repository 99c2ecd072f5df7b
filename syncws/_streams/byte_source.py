"""What an InputStream reads from: the protocol of a source of bytes, and the source over bytes in memory.

A source is used by one thread at a time, which begin() sees to; only peek() may wait.

The rule that keeps bytes from being lost. peek() shows bytes and takes nothing; advance() takes them, by one assignment
to `position`. So whatever interrupts a reading thread, `position` says exactly what was taken, and what was not is
still there.
"""

from collections.abc import Callable
from typing import Protocol

from syncws._streams.operation import Operation
from syncws.errors import ConnectionLostError, MessageTooBigError, ProtocolViolationError

__all__ = ["ENDINGS", "MOST_AT_HAND", "ByteSource", "MemorySource"]

ENDINGS = (ConnectionLostError, ProtocolViolationError, MessageTooBigError)
"""Errors that say how the bytes ended: raised for good, after all that had arrived was given out."""


MOST_AT_HAND = 4096
"""Up to so many bytes, one copy more than peek() makes costs less than the rest of a read."""


class ByteSource(Protocol):
    """Bytes that arrive in order and end once."""

    @property
    def position(self) -> int:
        """Number of bytes taken since the beginning."""
        ...

    def begin(self, operation: Operation) -> None:
        """Begin an operation, with its own time limit.

        Args:
            operation: what stands for it. Its caller sets `is_over`, in a `finally` around this call too.

        Raises:
            InvalidOperationError: another operation runs (0x800710DD).
            IllegalMethodCallError: there is nothing to read from yet (0x8000000E).
            ObjectClosedError: it was closed (0x80000013).
        """

    def peek(self, count: int) -> memoryview:
        """Wait until at least one byte is there; show up to `count` of those that lie together, empty at the end.

        The view must be let go before the next call.

        Raises:
            OperationTimedOutError: none came within the operation's time (0x80072EE2).
            OperationCanceledError: the source was closed meanwhile (0x80072EF1).
            WebSocketError: one of ENDINGS.
        """
        ...

    def advance(self, count: int) -> None:
        """Take `count` bytes that peek() has shown."""

    def take_at_hand(self, count: int, stop: bytes = b"", put: Callable[[bytes], object] | None = None) -> bytes | None:
        """Take `count` bytes that already lie together, without begin(); if they do not, take nothing and return None.

        Args:
            count: how many bytes.
            stop: end with the first `stop` instead, which must be among these bytes.
            put: called with the bytes before they count as taken.
        """
        ...

    def put_back(self, data: bytes) -> None:
        """Undo the taking of `data`, the last bytes taken."""

    def wake(self) -> None:
        """Have a peek() that waits look again whether its operation is canceled. Any thread may call it."""

    def close(self) -> bool:
        """Let go of what is there and what may come. Any thread may call it.

        Returns:
            True when more could have come from a connection.
        """
        ...


class MemorySource:
    """A source over bytes that are all there."""

    __slots__ = ("content", "position")

    content: memoryview | bytearray
    position: int

    def __init__(self, content: memoryview | bytearray, position: int = 0) -> None:
        """Make a source that begins at `position`; the content is held, not copied."""
        self.content = content
        self.position = position

    def begin(self, operation: Operation) -> None:
        """See ByteSource.begin."""

    def peek(self, count: int) -> memoryview:
        """See ByteSource.peek; never waits."""
        return memoryview(self.content)[self.position : self.position + count]

    def advance(self, count: int) -> None:
        """See ByteSource.advance."""
        self.position += count

    def take_at_hand(self, count: int, stop: bytes = b"", put: Callable[[bytes], object] | None = None) -> bytes | None:
        """See ByteSource.take_at_hand; beginning a read costs little here."""
        return None

    def put_back(self, data: bytes) -> None:
        """See ByteSource.put_back."""
        self.position -= len(data)

    def wake(self) -> None:
        """See ByteSource.wake; nobody waits."""

    def close(self) -> bool:
        """See ByteSource.close."""
        self.content = memoryview(b"")
        return False
