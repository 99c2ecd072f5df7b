"""Messages that wait for receive(), bounded in bytes and in number.

May import errors, wire, net.deadline and this room's inbox. The reader puts in, the user's thread takes out.

What waits is never counted up and down: each message stands with the counts of all that came before it. So taking one
is one step, and an interruption behind it leaves no count wrong.
"""

import sys
from collections import deque
from collections.abc import Callable

from syncws.net.deadline import Deadline
from syncws.threads.inbox import Inbox
from syncws.wire.events import Message

__all__ = ["MAX_WAITING_MESSAGES", "MessageInbox"]

MAX_WAITING_MESSAGES = 1024
"""Messages that may wait before reading stops, however small they are."""


class MessageInbox(Inbox):
    """A bounded queue of messages, or of pieces of messages.

    The bound is on the memory that they take: text may take up to four bytes for one on the wire.
    """

    __slots__ = ("_bytes", "_messages", "_weight")

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """See Inbox."""
        super().__init__(capacity, on_room)
        # Each with the bytes of payload, and of memory, that were put in before it.
        self._messages: deque[tuple[int, int, Message]] = deque()
        self._bytes = 0
        self._weight = 0

    @property
    def size(self) -> int:
        """See Inbox.size; bytes of payload."""
        try:
            return self._bytes - self._messages[0][0]
        except IndexError:
            return 0

    @property
    def _waiting_weight(self) -> int:
        try:
            return self._weight - self._messages[0][1]
        except IndexError:
            return 0

    @property
    def _has_room(self) -> bool:
        return self._waiting_weight * 2 <= self._capacity and len(self._messages) * 2 <= MAX_WAITING_MESSAGES

    def put(self, messages: list[Message]) -> None:
        """Add messages; never waits."""
        with self._lock:
            if self._is_ended:
                return
            for message in messages:
                self._messages.append((self._bytes, self._weight, message))
                self._bytes += message.length
                self._weight += _weight(message)
            if self._waiting_weight >= self._capacity or len(self._messages) >= MAX_WAITING_MESSAGES:
                self._note_full()
            self._wake_taker()

    def _clear(self) -> None:
        self._messages.clear()

    def take(self, deadline: Deadline) -> Message | None:
        """Take the next message; None when there will be no more.

        Raises:
            OperationTimedOutError: none came in time (0x80072EE2); one that comes later is there for the next call.
            InvalidOperationError: another thread is taking (0x800710DD).
        """
        claim = None
        try:
            claim = self._claim("another receive runs on this socket: one at a time")
            while True:
                with self._lock:
                    message = self._pop()
                    if message is not None or self._is_ended:
                        return message
                    signal = self._make_signal()
                    if self._is_ended:
                        # By a signal handler, just now.
                        continue
                self._wait(signal, deadline, "no message came in time")
        finally:
            if claim is not None:
                self._release()

    @property
    def has_messages(self) -> bool:
        """True when something waits; asked without the lock, so true a moment ago."""
        return bool(self._messages)

    def take_now(self) -> Message | None:
        """Take the next message if there is one, for a handler that was added after it came; never waits."""
        with self._lock:
            return self._pop()

    def _pop(self) -> Message | None:
        """Take the first message out, if there is one; requires the lock."""
        try:
            message = self._messages.popleft()[2]
        except IndexError:
            return None
        if self._must_tell and self._has_room:
            self._tell_of_room()
        return message


def _weight(message: Message) -> int:
    """Return about how much memory a message takes that waits."""
    text = message.text
    if text is None:
        return message.length
    return sys.getsizeof(text) + (0 if message.payload is None else message.length)
