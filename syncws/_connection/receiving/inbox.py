"""What both inboxes share: a bound, one thread that takes, and how it waits.

May import errors and net.deadline. The reader puts in, the user's thread takes out, one at a time.

The lock is entered by `with` only: that is one step, which a KeyboardInterrupt cannot split. A Condition is Python code
around such a lock, and an interruption inside it would leave the lock held for ever. It is reentrant, because a signal
handler may close the socket in the middle of a read of the same thread: what is done under the lock must bear that the
queue is cleared at any call.
"""

import sys
import threading
import weakref
from collections.abc import Callable

from syncws._waiting.deadline import Deadline
from syncws._waiting.locks import acquire_within
from syncws.errors import InvalidOperationError, OperationTimedOutError

__all__ = ["Claim", "Inbox"]


def _nobody() -> None:
    """Stand for the weak reference to a claim that there is not."""


class Claim:
    """What the frame of a taking operation holds.

    Attributes:
        is_over (bool): True when it claims nothing any more, although somebody holds it: a profiler, say, that keeps
            the frame, or whoever keeps an exception that has passed through it.
    """

    __slots__ = ("__weakref__",)

    @property
    def is_over(self) -> bool:
        """False: whoever has such a claim gives it back."""
        return False


class Inbox:
    """The base of a bounded queue. Being full stops nobody: the reader asks `is_full` and is told of room.

    Attributes:
        is_full (bool): True from the moment the bound is reached until half of it is free again.
        is_denied (bool): True when the reader wanted something that a taking operation had before it: nobody tells the
            reader when that is over, so it must look again.
    """

    __slots__ = (
        "_capacity",
        "_claimed",
        "_is_ended",
        "_is_inside",
        "_lock",
        "_must_tell",
        "_on_room",
        "_signal",
        "_taker",
        "is_denied",
        "is_full",
    )

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """Make an inbox.

        Args:
            capacity: bytes that may wait.
            on_room: called, on the taking thread, when a full inbox has become half empty.
        """
        self._capacity = capacity
        self._on_room = on_room
        self._lock = threading.RLock()
        # What the taking thread waits for: a lock that whoever changes something releases.
        self._signal: threading.Lock | None = None
        # The taking operation, as long as its frame lives: an interruption can leave nothing behind.
        self._claimed: Callable[[], Claim | None] = _nobody
        self._taker: int | None = None
        # The taking operation was begun by a signal handler, where this thread has the lock (asked on 3.10 only).
        self._is_inside = False
        self._is_ended = False
        self._must_tell = False
        self.is_denied = False
        self.is_full = False

    @property
    def size(self) -> int:
        """Bytes that wait. Any thread may ask."""
        raise NotImplementedError

    @property
    def is_ended(self) -> bool:
        """True when nothing more will come."""
        return self._is_ended

    def end(self, *, keep: bool) -> None:
        """Say that nothing more will come; what waits can still be taken when `keep` is true."""
        with self._lock:
            self._is_ended = True
            if not keep:
                self._clear()
            self._wake_taker()

    def _clear(self) -> None:
        """Drop what waits; requires the lock."""
        raise NotImplementedError

    def let_go_in_child(self) -> None:
        """See net.inherited: nothing more will come, and what waits is the parent's."""
        self._lock = threading.RLock()
        self._claimed = _nobody
        self._is_ended = True
        self._forget_all()
        self._wake_taker()

    def _forget_all(self) -> None:
        """Drop what waits, as if it had never come."""
        raise NotImplementedError

    @property
    def _has_taker(self) -> bool:
        claim = self._claimed()
        return claim is not None and not claim.is_over

    def _claim(self, claim: Claim, what: str) -> None:
        """Become the taking thread, until _release(), or until nobody holds `claim`.

        Raises:
            InvalidOperationError: another thread is, or this one in a call that a signal handler has interrupted
                (0x800710DD).
        """
        is_inside = sys.version_info < (3, 11) and self._lock._is_owned()
        with self._lock:
            if self._has_taker:
                raise InvalidOperationError(what)
            self._claimed = weakref.ref(claim)
            self._taker = threading.get_ident()
            # Last: a signal handler's operation that comes before would leave its own here.
            self._is_inside = is_inside

    def _release(self) -> None:
        """Be the taking thread no more; nothing when it is another. May be repeated."""
        if self._taker == threading.get_ident():
            if sys.version_info < (3, 11) and not self._is_inside:
                # Python 3.10 looks for signals once more before the __exit__ that an interruption leads to: a second
                # one that comes just then leaves the lock taken. (Of an operation inside it is not this one's.)
                while self._lock._is_owned():  # type: ignore[attr-defined]
                    self._lock.release()
            self._taker = None
            self._claimed = _nobody

    @property
    def _has_room(self) -> bool:
        """True when half of the bound is free."""
        raise NotImplementedError

    def _make_signal(self) -> threading.Lock:
        """Return what is released at the next change; requires the lock."""
        # Nothing is here, and so there is room: an interruption may have kept the reader from hearing of it.
        if self._must_tell and self._has_room:
            self._tell_of_room()
        signal = self._signal = threading.Lock()
        signal.acquire()
        return signal

    def _wait(self, signal: threading.Lock, deadline: Deadline, what: str) -> None:
        """Wait for a change.

        Raises:
            OperationTimedOutError: the deadline has passed (0x80072EE2).
        """
        if deadline.is_expired:
            raise OperationTimedOutError(what)
        acquire_within(signal, deadline.remaining)

    def _note_full(self) -> None:
        """The reader has put in as much as may wait; requires the lock."""
        self.is_full = self._must_tell = True

    def _tell_of_room(self) -> None:
        """Let the reader go on, for a full inbox has become half empty; requires the lock."""
        self.is_full = False
        # Told first and then noted: an interruption in between tells once more.
        self._on_room()
        self._must_tell = False

    def _wake_taker(self) -> None:
        """Let the taking thread look again; requires the lock."""
        signal, self._signal = self._signal, None
        if signal is not None:
            signal.release()
