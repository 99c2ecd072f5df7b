"""Messages that wait for receive(), bounded in bytes and in number.

May import errors, wire, net.deadline and this room's inbox. The reader puts in, the user's thread takes out.

What waits is never counted up and down: each message stands with the counts of all that came before it. And it is
taken by one assignment, which empties its place: whoever gives it to the application does that last of all, where no
KeyboardInterrupt can come between it and the return. So an interruption loses no message and leaves no count wrong.
"""

import contextlib
import sys
from collections import deque
from collections.abc import Callable

from syncws._connection.receiving.inbox import Claim, Inbox
from syncws._waiting.deadline import Deadline
from syncws._wire.incoming import Message

__all__ = ["MAX_WAITING_MESSAGES", "MessageInbox", "Place", "Taking"]

MAX_WAITING_MESSAGES = 1024
"""Messages that may wait before reading stops, however small they are; more in a large inbox, see _BYTES_EACH."""

# About what a waiting message takes of memory besides its payload, and some more: of so many bytes of the bound each
# message needs one part, however small it is.
_BYTES_EACH = 512


class Place:
    """Where a message waits.

    Attributes:
        message (Message | None): the message; None is what takes it.
        bytes_before (int): bytes of payload that were put in before it.
        weight_before (int): the same, of memory.
    """

    __slots__ = ("bytes_before", "message", "weight_before")

    def __init__(self, message: Message, bytes_before: int, weight_before: int) -> None:
        self.message: Message | None = message
        self.bytes_before = bytes_before
        self.weight_before = weight_before


# Where a taking stands that has no message yet.
_NOWHERE = Place(Message(), 0, 0)


class Taking(Claim):
    """The taking of one message, from begin_take() on: until it is over, or nobody holds it, nobody else takes.

    Attributes:
        message (Message): the message.
        place (Place): where it waits; `place.message = None` takes it.
    """

    __slots__ = ("_inbox", "message", "place")

    message: Message
    place: Place

    def __init__(self, inbox: "MessageInbox") -> None:
        self._inbox = inbox
        self.place = _NOWHERE

    @property
    def is_over(self) -> bool:
        """True when the message is taken. The claim is not given back then, for that would be one step more."""
        return self.place.message is None

    def undo(self) -> None:
        """Leave the message where it was, or put it back; others may take it then."""
        self.place.message = self.message
        self._inbox.leave(self)


class MessageInbox(Inbox):
    """A bounded queue of messages, or of pieces of messages.

    The bound is on the memory that they take: text may take up to four bytes for one on the wire.
    """

    __slots__ = ("_bytes", "_max_count", "_places", "_weight")

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """See Inbox."""
        super().__init__(capacity, on_room)
        self._max_count = max(MAX_WAITING_MESSAGES, capacity // _BYTES_EACH)
        # Of these only the first may be empty.
        self._places: deque[Place] = deque()
        self._bytes = 0
        self._weight = 0

    @property
    def size(self) -> int:
        """See Inbox.size; bytes of payload."""
        first = self._first
        return 0 if first is None else self._bytes - first.bytes_before

    @property
    def _waiting_weight(self) -> int:
        first = self._first
        return 0 if first is None else self._weight - first.weight_before

    @property
    def _first(self) -> Place | None:
        """The first message's place; without the lock, so it was a moment ago."""
        places = self._places
        try:
            return places[0] if places[0].message is not None else places[1]
        except IndexError:
            return None

    @property
    def _has_room(self) -> bool:
        return self._has_room_for(self._waiting_weight, len(self._places))

    def _has_room_for(self, weight: int, count: int) -> bool:
        return weight * 2 <= self._capacity and count * 2 <= self._max_count

    def put(self, messages: list[Message]) -> None:
        """Add messages; never waits."""
        with self._lock:
            if self._is_ended:
                return
            if self._claimed() is None:
                self._forget_taken()
            for message in messages:
                self._places.append(Place(message, self._bytes, self._weight))
                self._bytes += message.length
                self._weight += _weight(message)
            if self._waiting_weight >= self._capacity or len(self._places) >= self._max_count:
                self._note_full()
            self._wake_taker()

    def _clear(self) -> None:
        self._places.clear()

    _forget_all = _clear

    def begin_take(self, deadline: Deadline) -> Taking | None:
        """Wait for a message and show it; None when there will be no more. It is taken by emptying its place.

        Raises:
            OperationTimedOutError: none came in time (0x80072EE2); one that comes later is there for the next call.
            InvalidOperationError: another thread is taking (0x800710DD).
        """
        taking = Taking(self)
        try:
            self._claim(taking, "another receive runs on this socket: one at a time")
            while True:
                with self._lock:
                    if self._show(taking):
                        return taking
                    if self._is_ended:
                        return None
                    signal = self._make_signal()
                    if self._is_ended:
                        # By a signal handler, just now.
                        continue
                self._wait(
                    signal,
                    deadline,
                    "no message came within timeout or control.receive_timeout (None: for ever)",
                )
        except BaseException:
            # An exception that is kept holds this frame, and so the claim.
            self.leave(taking)
            raise

    def leave(self, taking: Taking) -> None:
        """End a taking, if it is the one that runs."""
        if self._claimed() is taking:
            self._release()

    def _show(self, taking: Taking) -> bool:
        """Let `taking` have the first message, if there is one; requires the lock."""
        self._forget_taken()
        first = self._first
        message = None if first is None else first.message
        if first is None or message is None:
            return False
        # Told before it is taken, because after that nothing more may happen.
        behind = self._weight - first.weight_before - _weight(message)
        if self._must_tell and self._has_room_for(behind, len(self._places) - 1):
            self._tell_of_room()
        taking.place = first
        taking.message = message
        return True

    def _forget_taken(self) -> None:
        """Drop the place that was emptied; requires the lock, and that no other thread's taking can be undone."""
        with contextlib.suppress(IndexError):
            if self._places[0].message is None:
                self._places.popleft()

    @property
    def has_messages(self) -> bool:
        """True when something waits; asked without the lock, so true a moment ago."""
        return self._first is not None

    def take_now(self) -> Message | None:
        """Take the next message if there is one, for a handler that was added after it came; never waits.

        Returns None also as long as a receive has that message before it: `is_denied` tells.
        """
        with self._lock:
            self.is_denied = self._has_taker and self.has_messages
            if self.is_denied:
                return None
            self._forget_taken()
            try:
                message = self._places.popleft().message
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
