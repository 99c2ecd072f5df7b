"""What both inboxes share: a bound, one operation that takes, and how it waits.

The reader puts in, the user's thread takes out, one at a time.

The lock is entered by `with` only: that is one step, which a KeyboardInterrupt cannot split. A Condition is Python code
around such a lock, and an interruption inside it would leave the lock held for ever. It is reentrant, because a signal
handler may close the socket in the middle of a read of the same thread: what is done under the lock must cope with the
queue being cleared during any call.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws._connection.receiving.descriptor import ReadyDescriptor
from syncws._locks import locks
from syncws._streams.operation import Operation
from syncws._waiting.at_fork import forked_error
from syncws._waiting.deadline import Deadline
from syncws._waiting.locks import acquire_within
from syncws.errors import InvalidOperationError, OperationTimedOutError

if TYPE_CHECKING:
    from syncws._connection.receiving.pulling import Puller

__all__ = ["BUSY", "LATE", "LOOK", "Inbox"]

# What came of an attempt to read on the thread that takes: see Puller.pull.
BUSY = 0
LOOK = 1
LATE = 2


class Inbox:
    """The base of a bounded queue. put() never waits: the reader asks `is_full`, and is woken when there is room.

    Attributes:
        capacity (int): see __init__.
        is_full (bool): True from the moment the bound is reached until half of it is free again.
        is_ended (bool): True when nothing more will come.
        is_pulled (bool): True while no reader thread runs: what waits was read by a caller.
        is_kept (bool): True once nothing more will come and what waits, and how it ended, is still there to be taken.
        puller (Puller | None): has the taking thread read itself; None when another thread always does.
    """

    __slots__ = (
        "_descriptor",
        "_lock",
        "_must_tell",
        "_on_room",
        "_operation",
        "_signal",
        "capacity",
        "is_ended",
        "is_full",
        "is_kept",
        "is_pulled",
        "puller",
    )

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """Make an inbox.

        Args:
            capacity: bytes that may wait.
            on_room: called, on the taking thread, when a full inbox has become half empty.
        """
        self.capacity = capacity
        self._on_room = on_room
        self._lock = locks.RLock()
        # What the taking thread waits for: a lock that whoever changes something releases.
        self._signal: threading.Lock | None = None
        # The latest call that takes; its caller says when it is over.
        self._operation: Operation | None = None
        self.is_ended = False
        # What fileno() has given out, if it was called.
        self._descriptor: ReadyDescriptor | None = None
        self._must_tell = False
        self.is_full = False
        self.is_kept = False
        self.is_pulled = False
        self.puller: Puller | None = None

    @property
    def size(self) -> int:
        """Bytes that wait. Any thread may ask."""
        raise NotImplementedError

    @property
    def has_messages(self) -> bool:
        """True when something waits that a handler could get; of a stream's bytes nothing does."""
        return False

    @property
    def is_exhausted(self) -> bool:
        """True when nothing more will come and nothing waits; asked without the lock, so true a moment ago."""
        return self.is_ended and not self._has_something

    @property
    def is_left_to_caller(self) -> bool:
        """True when something waits and the calling thread took last: its next receive or read gets it."""
        operation = self._operation
        return self._has_something and operation is not None and operation.thread == threading.get_ident()

    def note_told(self) -> None:
        """Note that the calling thread knows of the end by another call than a receive or read."""
        with self._lock:
            operation = self._operation
            if operation is not None and operation.is_over and operation.thread == threading.get_ident():
                self._operation = None

    @property
    def is_being_taken(self) -> bool:
        """True while a receive or read runs."""
        operation = self._operation
        return operation is not None and not operation.is_over

    @property
    def is_waited_for(self) -> bool:
        """True while a receive or read waits, because nothing is there."""
        return self._signal is not None

    def end(self, *, keep: bool) -> None:
        """End the queue; with `keep` what waits can still be taken. What ended it first counts."""
        with self._lock:
            if not self.is_ended:
                self.is_kept = keep
                self.is_ended = True
                if not keep:
                    self._clear()
            self._wake_taker()

    def stop_pulling(self) -> None:
        """Note that a reader thread runs now, or that the program ends."""
        self.is_pulled = False

    def wake(self) -> None:
        """Wake the thread that receives or reads."""
        with self._lock:
            self._wake_taker()

    # What select and its like wait on.

    def fileno(self) -> int:
        """Return a descriptor that is readable while something waits or nothing more will come; any thread.

        Raises:
            ConnectionLostError: in a forked child, if it was there before the fork.
        """
        with self._lock:
            if self._descriptor is None:
                self._descriptor = ReadyDescriptor()
            self._show_state()
            number = self._descriptor.fileno()
        if number < 0:
            raise forked_error()
        return number

    @property
    def has_descriptor(self) -> bool:
        """True when somebody may wait on fileno(): what comes must be read although nobody receives."""
        return self._descriptor is not None

    def _show_state(self) -> None:
        """Show on the descriptor, if there is one, whether something can be had; requires the lock."""
        if self._descriptor is not None:
            self._descriptor.show(self.is_ended or self._has_something)

    @property
    def _has_something(self) -> bool:
        """True when something can be taken."""
        raise NotImplementedError

    def _clear(self) -> None:
        """Drop what waits; requires the lock."""
        raise NotImplementedError

    def let_go_in_child(self) -> None:
        """In a forked child: nothing more will come, and what waits is the parent's."""
        self._lock = locks.RLock()
        self._operation = None
        if not self.is_ended:
            # Nothing waits, but whoever reads is told of the fork.
            self.is_ended = self.is_kept = True
        self._forget_all()
        if self._descriptor is not None:
            self._descriptor.let_go_in_child()
        self._wake_taker()

    def _forget_all(self) -> None:
        """Drop what waits, without a trace in the counts."""
        raise NotImplementedError

    def _begin(self, operation: Operation, what: str) -> None:
        """Begin an operation; its caller sets `is_over` in a `finally` that stands around this call too.

        Raises:
            InvalidOperationError: another one runs, maybe one that a signal handler has interrupted (0x800710DD).
        """
        with self._lock:
            running = self._operation
            if running is not None and not running.is_over:
                raise InvalidOperationError(what)
            self._operation = operation

    @property
    def _has_room(self) -> bool:
        """True when half of the bound is free."""
        raise NotImplementedError

    def _make_signal(self) -> threading.Lock:
        """Return what is released at the next change; requires the lock."""
        # The inbox is empty, so there is room; an interruption may have kept the reader from hearing of it.
        if self._must_tell and self._has_room:
            self._tell_of_room()
        signal = threading.Lock()
        signal.acquire()
        # Shown only when it is held: a signal handler may release it at once.
        self._signal = signal
        return signal

    def _wait(self, signal: threading.Lock, deadline: Deadline, what: str, until: Deadline | None = None) -> None:
        """Wait for a change, or for the thread that reads to give way; no longer than `until`, if that is given.

        Raises:
            OperationTimedOutError: the deadline has passed (0x80072EE2).
        """
        puller = self.puller
        # Asked after the signal stands: a thread that gives way does that first, and releases the signal then.
        if puller is not None and puller.is_free:
            return
        if deadline.is_expired:
            raise OperationTimedOutError(what)
        acquire_within(signal, (until or deadline).remaining)

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
        """Wake the thread that receives or reads; requires the lock."""
        if self._descriptor is not None:
            self._show_state()
        signal, self._signal = self._signal, None
        if signal is not None:
            signal.release()
