"""Waiting for a socket, for a wake-up or for a deadline, whichever comes first.

A Waker may be woken by any thread; each Readiness is used by one thread at a time, so the reader and the writer of a
connection have one each.

`poll` rather than `select` where it exists, because select cannot take descriptors over 1023; rather than epoll,
because epoll costs a descriptor for each connection and thread, and saves nothing for two descriptors.
"""

import math
import os
import select
import socket
import sys
from collections.abc import Iterable
from io import FileIO
from types import ModuleType
from typing import Protocol

from syncws._locks import locks
from syncws._waiting.deadline import Deadline

__all__ = [
    "READABLE",
    "SLICE_SECONDS",
    "WOKEN",
    "WRITABLE",
    "Readiness",
    "Waker",
    "make_readiness",
    "readable_of",
    "wait_for_writable",
]

READABLE = 1
WRITABLE = 2
WOKEN = 4

SLICE_SECONDS = 0.1
"""How long a thread of the application's waits at a time. A signal that comes just before a system call begins to wait
does not end that (and on Windows none ever does), so Ctrl-C is looked for in between."""


# Windows' select takes 512 sockets.
_MOST_SELECTED = 256


class _Counter:
    """A descriptor that is readable while a number in the kernel is not zero (Linux)."""

    __slots__ = ("_file",)

    def __init__(self) -> None:
        # In C from the system call to an object that gives the descriptor back when it is dropped.
        (self._file,) = map(FileIO, map(os.eventfd, (0,), (os.EFD_NONBLOCK | os.EFD_CLOEXEC,)))

    def fileno(self) -> int:
        return -1 if self._file.closed else self._file.fileno()

    def signal(self) -> None:
        os.eventfd_write(self.fileno(), 1)

    def clear(self) -> None:
        os.eventfd_read(self.fileno())

    def close(self) -> None:
        self._file.close()


class _Pair:
    """The same by two sockets, of which one is readable when something was sent by the other."""

    __slots__ = ("_receiver", "_sender")

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def fileno(self) -> int:
        return self._receiver.fileno()

    def signal(self) -> None:
        self._sender.send(b"\0")

    def clear(self) -> None:
        self._receiver.recv(4096)

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()


class Waker:
    """Wakes a thread that waits in a Readiness. Wakings stay until `clear`, however many came."""

    __slots__ = ("__weakref__", "_bell", "_is_closed", "_lock")

    def __init__(self) -> None:
        """Make a waker that was not woken."""
        # Keeps wake() and close() apart; never held for longer than one system call.
        self._lock = locks.RLock()
        self._is_closed = False
        self._bell: _Counter | _Pair = _Counter() if hasattr(os, "eventfd") else _Pair()

    def fileno(self) -> int:
        """Descriptor that is readable while there is a waking."""
        return self._bell.fileno()

    def wake(self) -> None:
        """Wake the waiting thread, or its next wait. Any thread may call it, also after close()."""
        with self._lock:
            if not self._is_closed:
                try:
                    self._bell.signal()
                except BlockingIOError:
                    pass  # Full of wakings already.

    def clear(self) -> None:
        """Forget the wakings so far; the waiting thread calls it before it looks for what happened."""
        if self._is_closed:
            return  # In a child of a fork in a handler, whose wait ends at once.
        try:
            self._bell.clear()
        except OSError:
            pass  # There are none.

    def close(self) -> None:
        """Give the descriptors back; nobody may be waiting any more."""
        with self._lock:
            self._is_closed = True
            self._bell.close()

    def let_go_in_child(self) -> None:
        """See _waiting.at_fork."""
        self._lock = locks.RLock()
        self.close()


class Readiness(Protocol):
    """Waits for a socket's descriptor and for a waker's."""

    def wait(self, interest: int, deadline: Deadline) -> int:
        """Wait until something of `interest` is there, the waker was woken, or the deadline passed.

        Args:
            interest: READABLE, WRITABLE, both, or 0 to wait for the waker alone.
            deadline: when to give up; an expired one asks without waiting.

        Returns:
            What is ready: a sum of READABLE, WRITABLE and WOKEN; 0 when the time was over. An error or hang-up of the
            socket counts as both ready, so that the next receive or send brings it to light. 0 may come early; the
            caller asks its deadline.
        """
        ...


def make_readiness(descriptor: int, waker: int, longest: float | None = None) -> Readiness:
    """Return the Readiness of this system.

    Args:
        descriptor: the socket's; -1 means no socket.
        waker: the waker's descriptor; -1 for none.
        longest: seconds after which a wait returns 0 at the latest; None for no such limit.
    """
    kind = PollReadiness if hasattr(select, "poll") else SelectReadiness
    return kind(descriptor, waker, longest)


def readable_of(descriptors: Iterable[int]) -> set[int]:
    """Return those of some sockets' descriptors on which there is something to receive, or an end; without waiting.

    One that is negative is left out; one that was closed in the meantime may be returned.
    """
    numbers = [descriptor for descriptor in descriptors if descriptor >= 0]
    own = _unpatched_select()
    if hasattr(own, "poll"):
        poll = own.poll()
        for number in numbers:
            poll.register(number, own.POLLIN)
        return {number for number, _ in poll.poll(0)}
    readable: set[int] = set()
    for begin in range(0, len(numbers), _MOST_SELECTED):
        some = numbers[begin : begin + _MOST_SELECTED]
        try:
            readable.update(select.select(some, [], [], 0)[0])
        except (OSError, ValueError):
            readable.update(some)
    return readable


def _unpatched_select() -> ModuleType:
    # eventlet takes poll away, and lets nobody select a socket that another green thread waits for, not even to look.
    patcher = sys.modules.get("eventlet.patcher")
    return select if patcher is None else patcher.original("select")


def wait_for_writable(descriptors: Iterable[int], waker: int, seconds: float | None) -> list[int]:
    """Wait until one of some sockets is connected, or has failed to, or the waker was woken.

    Args:
        descriptors: the sockets'; one that is negative, after a fork in a signal handler, is left out.
        waker: the waker's descriptor, likewise.
        seconds: for how long at most, None for ever; it may be less.

    Returns:
        What is ready, the waker's descriptor too.
    """
    longest = SLICE_SECONDS if seconds is None or seconds > SLICE_SECONDS else seconds
    if hasattr(select, "poll"):
        poll = select.poll()
        if waker >= 0:
            poll.register(waker, select.POLLIN)
        for descriptor in descriptors:
            if descriptor >= 0:
                poll.register(descriptor, select.POLLOUT)
        return [descriptor for descriptor, _ in poll.poll(math.ceil(longest * 1000))]
    # Where there is no poll there is no fork either.
    writers = list(descriptors)
    readable, writable, failed = select.select([waker], writers, writers, longest)
    return readable + list(dict.fromkeys(writable + failed))


class PollReadiness:
    """Readiness by poll."""

    __slots__ = ("_descriptor", "_interest", "_longest", "_only_readable", "_poll", "_waker")

    def __init__(self, descriptor: int, waker: int, longest: float | None = None) -> None:
        self._descriptor = descriptor
        self._waker = waker
        self._longest = longest
        # Made for the first wait: many connections are never waited for in each of the ways in which they could be.
        self._poll: select.poll | None = None
        self._interest = -1
        # What poll finds at most times.
        self._only_readable: list[tuple[int, int]] = []

    def wait(self, interest: int, deadline: Deadline) -> int:
        """See Readiness.wait."""
        poll = self._poll
        if poll is None or interest != self._interest:
            poll = self._watch(interest)
        remaining, longest = deadline.remaining, self._longest
        if longest is not None and (remaining is None or remaining > longest):
            remaining = longest
        found = poll.poll(None if remaining is None else math.ceil(remaining * 1000))
        if found == self._only_readable:
            return READABLE
        ready = 0
        for descriptor, events in found:
            if descriptor == self._waker:
                ready |= WOKEN
            else:
                if events & ~select.POLLOUT:
                    ready |= READABLE
                if events & ~select.POLLIN:
                    ready |= WRITABLE
        return ready

    def _watch(self, interest: int) -> "select.poll":
        poll = self._poll
        if poll is None:
            poll = self._poll = select.poll()
            self._only_readable = [(self._descriptor, select.POLLIN)]
            if self._waker >= 0:
                poll.register(self._waker, select.POLLIN)
        if interest:
            events = (select.POLLIN if interest & READABLE else 0) | (select.POLLOUT if interest & WRITABLE else 0)
            poll.register(self._descriptor, events)
        elif self._interest > 0:
            # Not merely no events: poll reports a hang-up for every registered descriptor.
            poll.unregister(self._descriptor)
        self._interest = interest
        return poll


class SelectReadiness:
    """Readiness by select, for systems without poll (Windows)."""

    __slots__ = ("_descriptor", "_longest", "_waker")

    def __init__(self, descriptor: int, waker: int, longest: float | None = None) -> None:
        self._descriptor = descriptor
        self._waker = waker
        self._longest = longest

    def wait(self, interest: int, deadline: Deadline) -> int:
        """See Readiness.wait."""
        readers = [self._waker] if self._waker >= 0 else []
        readers += [self._descriptor] if interest & READABLE else []
        writers = [self._descriptor] if interest & WRITABLE else []
        remaining = deadline.within(self._longest).remaining
        # Windows reports a failed non-blocking connect as an exception, not as writable.
        readable, writable, failed = select.select(readers, writers, writers, remaining)
        ready = WOKEN if self._waker in readable else 0
        if self._descriptor in readable:
            ready |= READABLE
        if writable or failed:
            ready |= WRITABLE
        return ready
