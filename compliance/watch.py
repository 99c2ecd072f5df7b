"""What the campaigns count: threads and descriptors left behind, errors on other threads, calls that take too long.

May import the standard library only. Figures go from a campaign's process to the one that prints them as JSON.
"""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Figures", "Leaks", "Stages", "background_errors", "descriptors"]

_SHOWN = 8


@dataclass
class Figures:
    """What a campaign counted for one client.

    Attributes:
        connections: how many there were.
        hangs: calls that did not end, or not within a few seconds of their limit.
        lost, doubled: messages; those out of order, or from nowhere, count as doubled.
        threads, descriptors: what was left in the end.
        undocumented: errors that the client's documentation does not name, on any thread.
        broken: connections that ended, though nobody ended them.
        seconds: how long it took.
        overrun: by how many seconds the slowest call overran its limit.
        other: what else was counted, by name.
        failures: the first of them, each with how to see it again.
    """

    client: str
    connections: int = 0
    hangs: int = 0
    lost: int = 0
    doubled: int = 0
    threads: int = 0
    descriptors: int = 0
    undocumented: int = 0
    broken: int = 0
    seconds: float = 0.0
    overrun: float = 0.0
    other: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """True when nothing was found."""
        found = (self.hangs, self.lost, self.doubled, self.threads, self.descriptors, self.undocumented, self.broken)
        return not any(found)

    def note(self, failure: str) -> None:
        """Keep a failure's description, if there are not too many of those that are hangs, or not hangs."""
        alike = [one for one in self.failures if ("hang" in one) == ("hang" in failure)]
        if len(alike) < _SHOWN:
            self.failures.append(failure)

    def count(self, name: str, number: int = 1) -> None:
        """Count something besides."""
        self.other[name] = self.other.get(name, 0) + number


def descriptors() -> set[str]:
    """Return the numbers of this process's open descriptors."""
    return set(os.listdir("/proc/self/fd"))


class Leaks:
    """Threads and descriptors that were not there at the beginning."""

    def __init__(self) -> None:
        gc.collect()
        self._threads = set(threading.enumerate())
        self._descriptors = len(descriptors())

    def count(self, patience: float) -> tuple[int, int]:
        """Return how many threads and descriptors are left after `patience` seconds at most."""
        end = time.monotonic() + patience
        gc.collect()
        for thread in set(threading.enumerate()) - self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))
        gc.collect()
        left = [thread for thread in set(threading.enumerate()) - self._threads if thread.is_alive()]
        return len(left), max(0, len(descriptors()) - self._descriptors)


class Stages:
    """Says what a thread is doing, and by how much its calls overran their limits."""

    def __init__(self) -> None:
        self.now = "not begun"
        self.overrun = 0.0

    def call(self, name: str, limit: float, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function that should take `limit` seconds at most."""
        self.now = name
        start = time.monotonic()
        try:
            return function(*arguments)
        finally:
            self.overrun = max(self.overrun, time.monotonic() - start - limit)
            self.now = f"after {name}"


@contextmanager
def background_errors() -> Iterator[list[str]]:
    """Give a list of the exceptions that end threads, or that nobody can raise, in the block."""
    errors: list[str] = []
    old_thread, old_unraisable = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda args: errors.append(f"{args.exc_value!r} ended a thread")
    sys.unraisablehook = lambda args: errors.append(f"{args.exc_value!r} could not be raised")
    try:
        yield errors
    finally:
        threading.excepthook, sys.unraisablehook = old_thread, old_unraisable
