"""Deadlines on the monotonic clock: one for each operation, asked at each of its steps.

The only module that reads a clock, so that a test replaces time by setting `clock`.
"""

import sys
import time
from collections.abc import Callable
from importlib.machinery import BuiltinImporter

__all__ = ["FOREVER", "Deadline", "now"]

# Locks and poll count milliseconds in 32 bits on some systems.
_LONGEST_WAIT_SECONDS = 2_000_000.0
# On Windows before Python 3.13 time.monotonic moves in steps of 16 ms: most round trips would take 0 s.
_CLOCK = "perf_counter" if sys.platform == "win32" else "monotonic"


def _own_clock() -> Callable[[], float]:
    """Return the clock from a copy of the module `time` that nobody else has.

    freezegun puts its own function wherever a module holds the common one, and no time limit would ever end.
    """
    spec = BuiltinImporter.find_spec("time")
    own = None if spec is None else BuiltinImporter.create_module(spec)
    if own is None:
        own = time
    else:
        BuiltinImporter.exec_module(own)
    made: Callable[[], float] = getattr(own, _CLOCK)
    return made


clock: Callable[[], float] = _own_clock()


def now() -> float:
    """Return the time in seconds; only differences mean something."""
    return clock()


class Deadline:
    """A point in time by which an operation ends; may be never."""

    __slots__ = ("_at",)

    def __init__(self, timeout: float | None) -> None:
        """Set the deadline `timeout` seconds from now; None is never."""
        self._at = None if timeout is None else clock() + timeout

    @property
    def remaining(self) -> float | None:
        """Seconds left, not below 0 nor above what a system's waits take; None for ever.

        A wait may therefore end early; whether the time is over is for is_expired to say.
        """
        # Spelled out, for this is on the path of every wait.
        if self._at is None:
            return None
        left = self._at - clock()
        return 0.0 if left < 0.0 else left if left < _LONGEST_WAIT_SECONDS else _LONGEST_WAIT_SECONDS

    @property
    def is_expired(self) -> bool:
        """True once the time is over."""
        return self._at is not None and clock() >= self._at

    def within(self, timeout: float | None) -> "Deadline":
        """Return this deadline, or one `timeout` seconds from now when that comes sooner."""
        if timeout is None or (self._at is not None and self._at <= clock() + timeout):
            return self
        return Deadline(timeout)

    def sooner(self, other: "Deadline") -> "Deadline":
        """Return the one of two deadlines that comes sooner."""
        if other._at is None or (self._at is not None and self._at <= other._at):
            return self
        return other


FOREVER = Deadline(None)
