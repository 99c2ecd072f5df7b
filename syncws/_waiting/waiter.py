"""Waiting while a connection is being made: readiness, the deadline and the cancellation in one.

Belongs to one connect operation, on its thread; `cancel` through the waker may come from any thread.
"""

from collections.abc import Callable, Iterable

from syncws._waiting.deadline import FOREVER, Deadline, now
from syncws._waiting.readiness import SLICE_SECONDS, WOKEN, Readiness, Waker, make_readiness, wait_for_writable
from syncws.errors import OperationCanceledError, OperationTimedOutError

__all__ = ["Waiter"]


class Waiter:
    """Waits for one socket on behalf of one connect operation.

    Attributes:
        deadline (Deadline): the operation's.
        phase (str): what is under way, for an error.
    """

    __slots__ = ("_descriptor", "_is_canceled", "_limit", "_readiness", "_waker", "deadline", "phase")

    def __init__(
        self,
        waker: Waker,
        is_canceled: Callable[[], bool],
        deadline: Deadline,
        descriptor: int = -1,
        limit: Callable[[Deadline], Deadline] | None = None,
    ) -> None:
        """Make a waiter.

        Args:
            waker: what a cancellation wakes.
            is_canceled: asked after each wait, which a cancellation that came before ends at once.
            deadline: the operation's.
            descriptor: the socket to wait for; -1 when there is only the waker.
            limit: returns a deadline, or the time of a cancellation that is known to come sooner; None when there is
                no such time.
        """
        self._waker = waker
        self._is_canceled = is_canceled
        self.deadline = deadline
        self._limit = limit
        self._descriptor = descriptor
        # Made for the first wait: that for an address needs none.
        self._readiness: Readiness | None = None
        self.phase = "connect"

    def for_descriptor(self, descriptor: int, deadline: Deadline) -> "Waiter":
        """Return a waiter for a socket under an earlier deadline, with the same cancellation."""
        waiter = Waiter(self._waker, self._is_canceled, deadline, descriptor, self._limit)
        waiter.phase = self.phase
        return waiter

    def within(self, seconds: float) -> "Waiter":
        """Return a waiter for the same socket that gives up after `seconds` at the latest."""
        return self.for_descriptor(self._descriptor, self.deadline.within(seconds))

    def wait(self, interest: int, until: Deadline = FOREVER) -> int:
        """Wait for READABLE, WRITABLE, or with 0 for a wake-up, until `until` at the latest, and possibly less.

        Returns:
            What is ready, as Readiness.wait does.

        Raises:
            OperationCanceledError: close(), abort() or a cancellation came (0x800704C7).
            OperationTimedOutError: the deadline passed (0x80072EE2).
        """
        if self._readiness is None:
            self._readiness = make_readiness(self._descriptor, self._waker.fileno(), SLICE_SECONDS)
        ready = self._readiness.wait(interest, self._latest(until))
        if ready & WOKEN:
            self._waker.clear()
        self.check()
        return ready

    def _latest(self, until: Deadline) -> Deadline:
        """Return when a wait must end: by the operation's deadline, a known cancellation, or `until`."""
        deadline = self.deadline if until is FOREVER else self.deadline.sooner(until)
        return deadline if self._limit is None else self._limit(deadline)

    def wait_for_any(self, descriptors: Iterable[int], until: Deadline) -> list[int]:
        """Wait for one of several sockets to be connected, or to have failed, until `until` at the latest.

        Returns:
            The descriptors of those that are; possibly none, and others that are none of them.

        Raises: as wait.
        """
        waker = self._waker.fileno()
        ready = wait_for_writable(descriptors, waker, self._latest(until).remaining)
        if waker in ready:
            self._waker.clear()
        self.check()
        return ready

    def check(self) -> None:
        """Raise as wait() does when the operation is over, without waiting."""
        if self._is_canceled():
            raise OperationCanceledError(f"connect was canceled ({self.phase})")
        # is_expired spelled out, for this is asked at each step.
        at = self.deadline._at
        if at is not None and now() >= at:
            raise OperationTimedOutError(f"connect took longer than its time limit ({self.phase})")
