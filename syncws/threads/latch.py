"""A flag that is set once and can be waited for, whatever interrupts the waiting thread.

May import this room's waiting. Any thread may use it.

Not threading.Event: its wait() is Python code around a lock, and a KeyboardInterrupt at the wrong moment leaves that
lock held, so that the thread which wants to set the event hangs for ever.
"""

import threading

from syncws.threads.waiting import acquire_within

__all__ = ["Latch"]

# Only ever used up when an interruption has left the lock held; the flag is what counts.
_LOOK_AGAIN_SECONDS = 0.5


class Latch:
    """Set once, waited for by any number of threads."""

    __slots__ = ("_is_set", "_lock")

    def __init__(self) -> None:
        self._is_set = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def is_set(self) -> bool:
        """Tell whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and let everybody who waits go on. Only one thread sets it."""
        if not self._is_set:
            self._is_set = True
            self._lock.release()

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is set, at most `timeout` seconds, and possibly less; return whether it is."""
        if not self._is_set:
            limit = _LOOK_AGAIN_SECONDS if timeout is None else min(timeout, _LOOK_AGAIN_SECONDS)
            if acquire_within(self._lock, limit):
                # For the next one that waits.
                self._lock.release()
        return self._is_set
