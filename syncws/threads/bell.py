"""A bell: one thread waits for it, any thread may ring it.

May import this room's waiting. A ring that nobody waits for stays until somebody does; many count as one.

Not threading.Event, for the reason that threads.latch gives: ringing is one step, which nothing can interrupt.
"""

import threading

from syncws.threads.waiting import acquire_within

__all__ = ["Bell"]


class Bell:
    """What a thread sleeps on that has nothing else to wait for."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Let the waiting thread go on, or its next wait end at once."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # It has been rung already.

    def wait(self, timeout: float | None) -> None:
        """Wait until it is rung, at most `timeout` seconds; None for ever."""
        acquire_within(self._lock, timeout)
