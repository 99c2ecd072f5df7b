"""Waiting on a lock so that Ctrl-C ends it: a bell, a latch, and the function that both wait by.

Any thread may use what stands here.

The main thread waits in slices. On POSIX a signal ends a lock's wait, unless it comes in the moment between the last
look for signals and the system call; on Windows it never does. Bell and Latch stand in the place of threading.Event,
whose wait() is Python code around a lock: a KeyboardInterrupt at the wrong moment leaves that lock held, so that the
thread which wants to set the event hangs for ever.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import SLICE_SECONDS

__all__ = ["Bell", "Latch", "acquire_within", "nothing_else"]


class _Lock(Protocol):
    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool:
        """See threading.Lock."""
        ...


def _never() -> bool:
    return False


def nothing_else(deadline: Deadline) -> Deadline:
    """Do nothing else while a deadline is waited for."""
    return deadline


def acquire_within(lock: _Lock, seconds: float | None, is_in_vain: Callable[[], bool] = _never) -> bool:
    """Take a lock, waiting at most `seconds`, None for ever; return whether it was taken.

    The main thread gives up as soon as a signal handler has made `is_in_vain` true.
    """
    if threading.current_thread() is threading.main_thread():
        # On the clock: a signal handler's time counts, and that for which the process was stopped.
        deadline = Deadline(seconds)
        while seconds is None or seconds > SLICE_SECONDS:
            if lock.acquire(timeout=SLICE_SECONDS):
                return True
            if is_in_vain():
                return False
            seconds = deadline.remaining
    return lock.acquire(timeout=-1 if seconds is None else seconds)


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


class Bell:
    """Wakes one thread that has nothing else to wait for."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _locked()

    def ring(self) -> None:
        """Let the waiting thread go on, or its next wait end at once."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # It has been rung already.

    def wait(self, timeout: float | None) -> None:
        """Wait until it is rung, at most `timeout` seconds; None for ever."""
        acquire_within(self._lock, timeout)


# Only ever used up when an interruption has left the lock held; the flag is what counts.
_LOOK_AGAIN_SECONDS = 0.5


class Latch:
    """Set once, waited for by any number of threads."""

    # In the class until it is set.
    _is_set = False

    def __init__(self) -> None:
        # What is waited for, under the key None: made by the first who waits, in one step for all threads.
        self._made: dict[None, threading.Lock] = {}

    def is_set(self) -> bool:
        """Tell whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and let everybody who waits go on. Only one thread sets it."""
        if not self._is_set:
            # Set first: whoever makes the lock asks for this afterwards.
            self._is_set = True
            lock = self._made.get(None)
            if lock is not None:
                lock.release()

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is set, at most `timeout` seconds, and possibly less; return whether it is."""
        if not self._is_set:
            lock = self._made.get(None) or self._made.setdefault(None, _locked())
            limit = _LOOK_AGAIN_SECONDS if timeout is None else min(timeout, _LOOK_AGAIN_SECONDS)
            if not self._is_set and acquire_within(lock, limit):
                # For the next one that waits.
                lock.release()
        return self._is_set

    def wait_until(self, deadline: Deadline, meanwhile: Callable[[Deadline], Deadline] = nothing_else) -> bool:
        """Wait until it is set or the deadline has passed; return whether it is set.

        Args:
            deadline: bounds the wait.
            meanwhile: called with it before each wait; returns until when that one lasts.
        """
        while not self.wait(meanwhile(deadline).remaining):
            if deadline.is_expired:
                return False
        return True
