"""Messages that wait for receive(), bounded in bytes and in number.

May import errors, wire and net.deadline. The reader puts in, the user's thread takes out, one at a time.
"""

import threading
from collections import deque
from collections.abc import Callable

from syncws.errors import InvalidOperationError, OperationTimedOutError
from syncws.net.deadline import Deadline
from syncws.wire.events import Message

__all__ = ["MAX_WAITING_MESSAGES", "Inbox"]

MAX_WAITING_MESSAGES = 1024
"""Messages that may wait before reading stops, however small they are."""


class Inbox:
    """A bounded queue. Being full stops nobody: the reader asks `is_full` and stops reading, and is told of room."""

    __slots__ = ("_bytes", "_capacity", "_changed", "_is_ended", "_is_taking", "_messages", "_on_room", "is_full")

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """Make an inbox.

        Args:
            capacity: bytes of messages that may wait.
            on_room: called, on the taking thread, when a full inbox has become half empty.
        """
        self._capacity = capacity
        self._on_room = on_room
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._changed = threading.Condition(threading.Lock())
        self._is_taking = False
        self._is_ended = False
        self.is_full = False

    def put(self, messages: list[Message]) -> None:
        """Add messages; never waits."""
        with self._changed:
            if self._is_ended:
                return
            self._messages.extend(messages)
            self._bytes += sum(message.length for message in messages)
            self.is_full = self._bytes >= self._capacity or len(self._messages) >= MAX_WAITING_MESSAGES
            self._changed.notify()

    def end(self, *, keep: bool) -> None:
        """Say that nothing more will come; what waits can still be taken when `keep` is true."""
        with self._changed:
            self._is_ended = True
            if not keep:
                self._messages.clear()
                self._bytes = 0
            self._changed.notify_all()

    def take(self, deadline: Deadline) -> Message | None:
        """Take the next message; None when there will be no more.

        Raises:
            OperationTimedOutError: none came in time (0x80072EE2); one that comes later is there for the next call.
            InvalidOperationError: another thread is taking (0x800710DD).
        """
        with self._changed:
            if self._is_taking:
                raise InvalidOperationError("another thread is receiving on this socket: one at a time")
            self._is_taking = True
            try:
                while not self._messages:
                    if self._is_ended:
                        return None
                    self._wait(deadline)
                message = self._messages.popleft()
                self._bytes -= message.length
                has_room = self.is_full and self._has_room
                if has_room:
                    self.is_full = False
            finally:
                self._is_taking = False
        if has_room:
            self._on_room()
        return message

    @property
    def has_messages(self) -> bool:
        """True when something waits; asked without the lock, so true a moment ago."""
        return bool(self._messages)

    def take_now(self) -> Message | None:
        """Take the next message if there is one, for a handler that was added after it came; never waits."""
        with self._changed:
            if not self._messages:
                return None
            message = self._messages.popleft()
            self._bytes -= message.length
            self.is_full = self.is_full and not self._has_room
        return message

    @property
    def _has_room(self) -> bool:
        return self._bytes * 2 <= self._capacity and len(self._messages) * 2 <= MAX_WAITING_MESSAGES

    def _wait(self, deadline: Deadline) -> None:
        if deadline.is_expired:
            raise OperationTimedOutError("no message came in time")
        self._changed.wait(deadline.remaining)
