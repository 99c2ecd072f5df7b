"""Messages that wait for receive(), bounded in bytes and in number.

May import errors, wire and net.deadline. The reader puts in, the user's thread takes out, one at a time.

The lock is a plain one, entered by `with` only: that is one step, which a KeyboardInterrupt cannot split. A Condition
is Python code around such a lock, and an interruption inside it would leave the lock held for ever.
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

    __slots__ = (
        "_bytes",
        "_capacity",
        "_is_ended",
        "_lock",
        "_messages",
        "_must_tell",
        "_on_room",
        "_signal",
        "_taker",
        "is_full",
    )

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
        self._lock = threading.Lock()
        # What the taking thread waits for: a lock that whoever changes something releases.
        self._signal: threading.Lock | None = None
        # The taking thread; its own number, when it finds it here, is what an interruption left behind.
        self._taker: int | None = None
        self._is_ended = False
        self._must_tell = False
        self.is_full = False

    def put(self, messages: list[Message]) -> None:
        """Add messages; never waits."""
        with self._lock:
            if self._is_ended:
                return
            self._messages.extend(messages)
            self._bytes += sum(message.length for message in messages)
            if self._bytes >= self._capacity or len(self._messages) >= MAX_WAITING_MESSAGES:
                self.is_full = self._must_tell = True
            self._wake_taker()

    def end(self, *, keep: bool) -> None:
        """Say that nothing more will come; what waits can still be taken when `keep` is true."""
        with self._lock:
            self._is_ended = True
            if not keep:
                self._messages.clear()
                self._bytes = 0
            self._wake_taker()

    def take(self, deadline: Deadline) -> Message | None:
        """Take the next message; None when there will be no more.

        Raises:
            OperationTimedOutError: none came in time (0x80072EE2); one that comes later is there for the next call.
            InvalidOperationError: another thread is taking (0x800710DD).
        """
        own = threading.get_ident()
        with self._lock:
            if self._taker not in (None, own):
                raise InvalidOperationError("another thread is receiving on this socket: one at a time")
            self._taker = own
        try:
            while True:
                with self._lock:
                    if self._messages:
                        return self._pop()
                    if self._is_ended:
                        return None
                    signal = self._signal = threading.Lock()
                    signal.acquire()
                if deadline.is_expired:
                    raise OperationTimedOutError("no message came in time")
                remaining = deadline.remaining
                signal.acquire(timeout=-1 if remaining is None else remaining)
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
            self.is_full = False
            # Told first and then noted: an interruption in between tells once more.
            self._on_room()
            self._must_tell = False
        return message

    def _wake_taker(self) -> None:
        """Let the taking thread look again; requires the lock."""
        signal, self._signal = self._signal, None
        if signal is not None:
            signal.release()
