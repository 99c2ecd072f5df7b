"""Messages that wait for receive(), bounded in bytes and in number.

May import errors, wire, net.deadline and this room's inbox. The reader puts in, the user's thread takes out.
"""

from collections import deque
from collections.abc import Callable

from syncws.net.deadline import Deadline
from syncws.threads.inbox import Inbox
from syncws.wire.events import Message

__all__ = ["MAX_WAITING_MESSAGES", "MessageInbox"]

MAX_WAITING_MESSAGES = 1024
"""Messages that may wait before reading stops, however small they are."""


class MessageInbox(Inbox):
    """A bounded queue of messages, or of pieces of messages."""

    __slots__ = ("_bytes", "_messages")

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """See Inbox."""
        super().__init__(capacity, on_room)
        self._messages: deque[Message] = deque()
        self._bytes = 0

    @property
    def size(self) -> int:
        """See Inbox.size."""
        return self._bytes

    def put(self, messages: list[Message]) -> None:
        """Add messages; never waits."""
        with self._lock:
            if self._is_ended:
                return
            self._messages.extend(messages)
            self._bytes += sum(message.length for message in messages)
            if self._bytes >= self._capacity or len(self._messages) >= MAX_WAITING_MESSAGES:
                self._note_full()
            self._wake_taker()

    def _clear(self) -> None:
        self._messages.clear()
        self._bytes = 0

    def take(self, deadline: Deadline) -> Message | None:
        """Take the next message; None when there will be no more.

        Raises:
            OperationTimedOutError: none came in time (0x80072EE2); one that comes later is there for the next call.
            InvalidOperationError: another thread is taking (0x800710DD).
        """
        self._claim("another thread is receiving on this socket: one at a time")
        try:
            while True:
                with self._lock:
                    if self._messages:
                        return self._pop()
                    if self._is_ended:
                        return None
                    signal = self._make_signal()
                self._wait(signal, deadline, "no message came in time")
        finally:
            self._taker = None

    @property
    def has_messages(self) -> bool:
        """True when something waits; asked without the lock, so true a moment ago."""
        return bool(self._messages)

    def take_now(self) -> Message | None:
        """Take the next message if there is one, for a handler that was added after it came; never waits."""
        with self._lock:
            return self._pop() if self._messages else None

    def _pop(self) -> Message:
        """Take the first message out; requires the lock."""
        message = self._messages.popleft()
        self._bytes -= message.length
        if self._must_tell and self._bytes * 2 <= self._capacity and len(self._messages) * 2 <= MAX_WAITING_MESSAGES:
            self._tell_of_room()
        return message
