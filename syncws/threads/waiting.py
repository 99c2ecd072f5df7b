"""Waiting for a lock on a thread of the application's, so that Ctrl-C ends it.

May import net.deadline and net.readiness. Any thread may call it.

The main thread waits in slices. On POSIX a signal ends a lock's wait, unless it comes in the moment between the last
look for signals and the system call; on Windows it never does.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from syncws.net.deadline import Deadline
from syncws.net.readiness import SLICE_SECONDS

__all__ = ["acquire_within"]


class _Lock(Protocol):
    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool:
        """See threading.Lock."""


def _never() -> bool:
    return False


def acquire_within(lock: _Lock, seconds: float | None, is_in_vain: Callable[[], bool] = _never) -> bool:
    """Take a lock, waiting at most `seconds`, None for ever; return whether that came about.

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
