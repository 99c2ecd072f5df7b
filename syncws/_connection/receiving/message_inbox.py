"""Messages that wait for receive(), bounded in bytes and in number.

The reader puts in, the user's thread takes out.

A message is taken by one step under the lock. What interrupts the wait for it loses nothing; what interrupts the few
byte codes between that step and the return of receive() can lose it.

As long as the program reads the socket itself nobody asks how much waits: what one read has brought is taken before the
next. So it is counted when somebody asks, and until then the messages are at hand: each is taken by one step without
the lock. Whoever needs more than that (a count, a full inbox, another call that takes) takes that way away first. One
message may be taken by it a moment later, and then the counts are too high until nothing waits.
"""

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from syncws._connection.receiving.at_hand import NOTHING, AtHand
from syncws._connection.receiving.inbox import BUSY, LATE, LOOK, Inbox
from syncws._functions import nothing
from syncws._streams.operation import Operation
from syncws._waiting.deadline import Deadline
from syncws._wire.incoming import Message
from syncws.errors import OperationTimedOutError
from syncws.events import Event

__all__ = ["MAX_WAITING_MESSAGES", "MessageInbox"]

MAX_WAITING_MESSAGES = 1024
"""Messages that may wait before reading stops, however small they are; more in a large inbox, see _BYTES_EACH."""

# About the memory that a waiting message takes besides its payload, and some more: however small it is, each message
# needs this many bytes of the bound.
_BYTES_EACH = 512
# At the most: for a text, whose characters take up to four times the bytes that came, and for the objects around it.
_WEIGHT_OF_BYTE = 5
_WEIGHT_OF_MESSAGE = 256

_BUSY = "another receive is running on this socket: one at a time"
_length_of = attrgetter("_length")


class MessageInbox(Inbox):
    """A bounded queue of messages, or of pieces of messages.

    The bound is on the memory that they take: text may take up to four bytes for one on the wire.

    Attributes:
        at_hand (AtHand): what the thread that pulls may take without anything else.
    """

    __slots__ = ("_bytes", "_is_counted", "_max_count", "_messages", "_weight", "at_hand")

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """See Inbox."""
        super().__init__(capacity, on_room)
        self._max_count = max(MAX_WAITING_MESSAGES, capacity // _BYTES_EACH)
        self._messages: deque[Message] = deque()
        self.at_hand = AtHand(NOTHING)
        # Of all that wait: bytes of payload, and about how much memory; when they are counted, as a full inbox is.
        self._bytes = 0
        self._weight = 0
        self._is_counted = True

    @property
    def size(self) -> int:
        """See Inbox.size; bytes of payload."""
        with self._lock:
            self._count()
            return self._bytes if self._messages else 0

    def _count(self) -> None:
        """Count what waits, if that was not done; requires the lock."""
        self.at_hand.messages = NOTHING
        if not self._is_counted:
            messages = self._messages.copy()
            self._bytes = sum(map(_length_of, messages))
            self._weight = sum(map(_weight, messages))
            self._is_counted = True

    @property
    def has_messages(self) -> bool:
        """True when something waits; asked without the lock, so true a moment ago."""
        return bool(self._messages)

    @property
    def _has_something(self) -> bool:
        return bool(self._messages)

    @property
    def _has_room(self) -> bool:
        self._count()
        return self._has_room_for(self._weight, len(self._messages))

    def _has_room_for(self, weight: int, count: int) -> bool:
        return weight * 2 <= self.capacity and count * 2 <= self._max_count

    def put(self, messages: list[Message], rest: Iterator[Message] | None = None) -> None:
        """Add messages; never waits.

        Args:
            messages: to be added.
            rest: an iterator over them, for a thread that may be interrupted: it says which are still to be added when
                this is called once more. The counts may be too high then, until nothing waits.
        """
        with self._lock:
            if self.is_ended:
                return
            if not self._messages and self._fit_in_any_case(messages):
                self._is_counted = False
            else:
                self._count()
                for message in messages:
                    self._bytes += message._length
                    self._weight += _weight(message)
            # One step, which an interruption does not split.
            self._messages.extend(messages if rest is None else rest)
            if self._is_counted and (self._weight >= self.capacity or len(self._messages) >= self._max_count):
                self._note_full()
            if self._signal is not None or self._descriptor is not None:
                self._wake_taker()

    def _fit_in_any_case(self, messages: list[Message]) -> bool:
        """Tell whether there is room for all of them in an empty inbox, however much they weigh."""
        count = len(messages)
        most = sum(map(_length_of, messages)) * _WEIGHT_OF_BYTE + count * _WEIGHT_OF_MESSAGE
        return most < self.capacity and count < self._max_count

    def stop_pulling(self) -> None:
        """See Inbox.stop_pulling."""
        super().stop_pulling()
        self.at_hand.messages = NOTHING

    def fileno(self) -> int:
        """See Inbox.fileno."""
        with self._lock:
            number = super().fileno()
            # From here on nobody takes without the lock; what was taken so at the last moment is shown by this.
            self.at_hand.messages = NOTHING
            self._show_state()
            return number

    def _clear(self) -> None:
        self._messages.clear()
        self._bytes = self._weight = 0
        self._is_counted = True

    _forget_all = _clear

    def take_answer(self, deadline: Deadline, event: Event[Any, Any]) -> Message | None:
        """Take the answer in a conversation: nothing waits, nobody reads, and a single small message comes next.

        None for anything else: then take() does it, within the same deadline.

        Args:
            deadline: of the wait.
            event: see Puller.pull_one.

        Raises:
            InvalidOperationError: another thread is taking (0x800710DD).
        """
        puller = self.puller
        if self._messages or self.is_ended or self._descriptor is not None or puller is None or not self.is_pulled:
            return None
        if not puller.role.is_drained:
            return None
        operation = Operation()
        try:
            self._begin(operation, _BUSY)
            return puller.pull_one(operation, deadline, event)
        finally:
            operation.is_over = True

    def take(self, deadline: Deadline, check: Callable[[], object] = nothing) -> Message | None:
        """Wait for a message and take it; None when there will be no more.

        Args:
            deadline: of the wait.
            check: asked before a message is taken; raises when this call may have none.

        Raises:
            OperationTimedOutError: none came in time (0x80072EE2); one that comes later is there for the next call.
            InvalidOperationError: another thread is taking (0x800710DD).
        """
        operation = Operation()
        what = "no message arrived within timeout or receive_timeout (None waits for ever)"
        outcome = LOOK
        try:
            self.at_hand.messages = NOTHING
            self._begin(operation, _BUSY)
            while True:
                with self._lock:
                    check()
                    if self._messages and (message := self._take_first()) is not None:
                        return message
                    if self.is_ended:
                        return None
                    signal = self._make_signal() if outcome == BUSY else None
                    if self.is_ended:
                        # By a signal handler, just now.
                        continue
                if outcome == LATE:
                    raise OperationTimedOutError(what)
                if signal is not None:
                    self._wait(signal, deadline, what)
                    outcome = LOOK
                else:
                    outcome = BUSY if self.puller is None else self.puller.pull(operation, deadline)
        finally:
            operation.is_over = True

    def take_all(self, check: Callable[[], object]) -> list[Message]:
        """Take all that has come; never waits.

        Args, Raises: as take.
        """
        taken: list[Message] = []
        operation = Operation()
        try:
            self.at_hand.messages = NOTHING
            self._begin(operation, _BUSY)
            self._pull_all(operation)
            with self._lock:
                check()
                if self._must_tell:
                    self._tell_of_room()
                with contextlib.suppress(IndexError):
                    # One step, in C, to the end of what waits.
                    taken.extend(iter(self._messages.popleft, None))
                self._clear()
                self._show_state()
                return taken
        except BaseException:  # Ctrl-C: they wait again
            if taken:
                self.put_back(taken)
            raise
        finally:
            operation.is_over = True

    def _pull_all(self, operation: Operation) -> None:
        """Bring in what lies in the socket, as far as there is room."""
        puller = self.puller
        while not (puller is None or self.is_full or self.is_ended):
            if puller.pull(operation, Deadline(0.0)) != LOOK:
                return

    def put_back(self, messages: list[Message]) -> None:
        """Have messages wait again before all others: their taker was interrupted."""
        with self._lock:
            self._count()
            self._is_counted = False
            self._messages.extendleft(reversed(messages))
            self._show_state()

    def take_now(self) -> Message | None:
        """Take the next message if there is one, for a handler that was added after it came; never waits."""
        with self._lock:
            return self._take_first() if self._messages else None

    def _take_first(self) -> Message | None:
        """Take the first message, None when it is gone: dropped by a signal handler, or at hand; requires the lock."""
        messages = self._messages
        try:
            if not (self._is_counted or self._must_tell or self._descriptor is not None):
                first = messages.popleft()
                if self.is_pulled:
                    # Behind the first only: the call that has pulled them has looked at that one, and takes it.
                    self.at_hand.messages = messages
                return first
            return self._take_counted(messages)
        except IndexError:
            return None

    def _take_counted(self, messages: deque[Message]) -> Message:
        self._count()
        first = messages[0]
        weight = _weight(first)
        left = len(messages) - 1
        # Told before it is taken, because what interrupts that would lose it.
        if self._must_tell and (not left or self._has_room_for(self._weight - weight, left)):
            self._tell_of_room()
        bytes_left, weight_left = self._bytes - first._length, self._weight - weight
        if left:
            self._bytes, self._weight = bytes_left, weight_left
            return messages.popleft()
        # Nothing is left: what an interruption of put() has counted twice is forgotten.
        self._bytes = self._weight = 0
        if self._descriptor is None:
            return messages.popleft()
        taken = None
        try:
            taken = messages.popleft()
            self._show_state()
        except BaseException:  # the same: the message stays
            if taken is not None:
                messages.appendleft(taken)
                self._bytes, self._weight = first._length, weight
                self._show_state()
            raise
        return taken


def _weight(message: Message) -> int:
    """Return the approximate memory of a waiting message."""
    text = message._text
    if text is None:
        return message._length
    return sys.getsizeof(text) + (0 if message._payload is None else message._length)
