"""The monitor: one thread of the process that keeps all timers of all connections.

Timers are set on any thread and run on the monitor's, `syncws-monitor`, a daemon. It starts when the first timer is
set, sleeps until the next one is due, and ends a second after the last timer was closed; in a subinterpreter, which
must not end before its threads, at once. What a timer does must not wait.

The heap holds timers weakly: being watched keeps nothing alive.
"""

import heapq
import itertools
import logging
import math
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws._locks import locks
from syncws._waiting.at_fork import watch
from syncws._waiting.deadline import Deadline, now
from syncws._waiting.helper_threads import start
from syncws._waiting.interpreter import is_main
from syncws._waiting.locks import Bell
from syncws._waiting.readiness import readable_of

if TYPE_CHECKING:
    from syncws._connection.receiving.reading_role import ReadingRole

__all__ = ["LONGEST_TICKS", "Monitor", "Timer", "the_monitor"]

_logger = logging.getLogger("syncws.monitor")

# How long the thread stays after the last timer was closed: a program that makes one connection after the other needs
# no new thread for each.
_LINGER_SECONDS = 1.0
# How often wait_ended() looks whether a timer was set meanwhile, for which the thread stays.
_LOOK_SECONDS = 0.1
# How soon a connection is looked at whose program has just read itself; one at rest, every eighth time. Two of these
# longer waits, and the start of a thread, take less than the second for which a ping may wait for its answer.
_TICK_SECONDS = 0.05
LONGEST_TICKS = 8
# So that a tiny interval of the application's cannot keep the processor busy.
_SHORTEST_SECONDS = 0.01


class Timer:
    """Something to run at a given time. The monitor's thread stays for it from the first set() to close()."""

    __slots__ = ("__weakref__", "_is_closed", "_monitor", "_number")

    def __init__(self, monitor: "Monitor") -> None:
        """Make a timer for which no time is set."""
        self._monitor = monitor
        # Of the entry in the heap that counts; others are what is left of earlier times. -1 when there is none, because
        # no time was set, or this is closed.
        self._number = -1
        self._is_closed = False

    def run(self) -> float | None:
        """Do what is due; return in how many seconds again, None to wait for the next set(). The monitor calls it."""
        raise NotImplementedError

    def set(self, seconds: float) -> None:
        """Run it `seconds` from now, instead of at the time set before; nothing after close(). Any thread."""
        self._monitor._set(self, seconds)

    def close(self) -> None:
        """Never run again. Any thread."""
        with self._monitor._lock:
            self._is_closed = True
            is_known = self._number >= 0
        if is_known:
            self._monitor._remove(self)


class Rounds(Timer):
    """One timer for all roles that are to be looked at: a thousand idle connections cost a wake-up together."""

    __slots__ = ("_members", "_runs_at", "_tick")

    def __init__(self, monitor: "Monitor") -> None:
        """Make one that looks at nothing."""
        super().__init__(monitor)
        # With the tick at which each is due.
        self._members: dict[weakref.ref[ReadingRole], int] = {}
        self._tick = 0
        # When the next look is, by the clock; never, while there is nothing to look at.
        self._runs_at = math.inf

    def add(self, member: "ReadingRole") -> None:
        """Look at `member` soon, and on, until it says otherwise, or is gone; held weakly. Any thread."""
        with self._monitor._lock:
            self._members[weakref.ref(member)] = self._tick
            soon = now() + _TICK_SECONDS
            if soon < self._runs_at or self._monitor._thread is None:
                self._is_closed = False
                self.set(_TICK_SECONDS)
                # Noted last: after an interruption the next member sets the time.
                self._runs_at = soon

    def remove(self, member: "ReadingRole") -> None:
        """Look at `member` no more. Any thread."""
        self._members.pop(weakref.ref(member), None)
        # Elsewhere the next look finds that there is nothing: a program that makes one connection after the other need
        # not set the timer for each.
        if not self._monitor._lingers:
            with self._monitor._lock:
                self._rest_without_members()

    def _rest_without_members(self) -> bool:
        """Close this timer if there is nothing to look at; requires the lock."""
        if self._members:
            return False
        self._runs_at = math.inf
        self.close()
        return True

    def run(self) -> float | None:
        """See Timer.run."""
        tick = self._tick
        # Where this fails, the next member that is added sets the time.
        self._runs_at = math.inf
        due = [(reference, reference()) for reference, at in self._members.copy().items() if at <= tick]
        readable = readable_of(member.descriptor for _, member in due if member is not None)
        for reference, member in due:
            # Taken out first: a member that is added while it is looked at stays.
            self._members.pop(reference, None)
            ticks = 0 if member is None else _look(member, member.descriptor in readable)
            if ticks:
                # At a common time, so that all that rest as long cost one wake-up.
                self._members[reference] = tick - tick % ticks + ticks
        with self._monitor._lock:
            if self._rest_without_members():
                return None
            self._tick = max(tick + 1, min(self._members.copy().values(), default=0))
            seconds = (self._tick - tick) * _TICK_SECONDS
            self._runs_at = now() + seconds
            # It was closed where somebody looked while the only member was taken out.
            self._is_closed = False
            # Within the lock: a member that is added behind it may set an earlier time.
            self.set(seconds)
            return None


class Monitor:
    """Runs timers when they are due."""

    def __init__(self) -> None:
        """Make a monitor without timers; the thread starts with the first that is set."""
        self._lingers = is_main()
        self._reset()
        watch(self, Monitor.let_go_in_child)

    def _reset(self) -> None:
        self._lock = locks.RLock()
        self._bell = Bell()
        self._thread: threading.Thread | None = None
        # The same, once it runs: to ask it whether it is alive takes as long as all the rest of setting a timer.
        self._serving: threading.Thread | None = None
        # The one that ended last: it may still be on its way out.
        self._former: threading.Thread | None = None
        self._open: set[weakref.ref[Timer]] = set()
        self._heap: list[tuple[float, int, weakref.ref[Timer]]] = []
        # When the thread looks next by itself; never, while it does not sleep: then a ring has it look again.
        self._looks_at = math.inf
        # When the thread ends that has no timers; None while there are some.
        self._lingers_until: float | None = None
        self._numbers = itertools.count()
        # What is to run at once.
        self._soon: deque[Callable[[], object]] = deque()
        self.rounds = Rounds(self)

    def let_go_in_child(self) -> None:
        """See _waiting.at_fork: the child does not have the thread, and the parent's timers are not its own."""
        parents = [timer for reference in self._open.copy() if (timer := reference()) is not None]
        self._reset()
        for timer in parents:
            timer._is_closed = True
        # The child may put other locks in the place of threading's before it connects.
        _made.clear()

    # Any thread.

    def call_soon(self, function: Callable[[], object]) -> None:
        """Run `function` on the monitor's thread, if there is one. The garbage collector may call it, anywhere."""
        self._soon.append(function)
        self._bell.ring()

    def _forget(self, timer: "weakref.ref[Timer]") -> None:
        # Of a timer that nobody holds any more. The garbage collector calls it, anywhere: so it takes no lock.
        self._open.discard(timer)
        self._bell.ring()

    def _remove(self, timer: Timer) -> None:
        with self._lock:
            timer._number = -1
            self._open.discard(weakref.ref(timer))
            is_last = not self._open
        if is_last:
            self._ring_before(now() + self._linger_seconds)

    @property
    def _linger_seconds(self) -> float:
        return _LINGER_SECONDS if self._lingers else 0.0

    def wait_ended(self, deadline: Deadline) -> None:
        """In a subinterpreter, wait until the thread is gone or has other timers to keep; elsewhere it stays.

        Any thread but the monitor's.
        """
        while not self._lingers and not deadline.is_expired:
            with self._lock:
                thread = None if self._open else self._thread or self._former
            if thread is None or not thread.is_alive():
                return
            thread.join(deadline.within(_LOOK_SECONDS).remaining)

    def _set(self, timer: Timer, seconds: float) -> None:
        with self._lock:
            if timer._is_closed:
                return
            reference = weakref.ref(timer)
            if reference not in self._open:
                self._open.add(weakref.ref(timer, self._forget))
            due = now() + max(seconds, _SHORTEST_SECONDS)
            # No call in between: an interruption would leave the timer without an entry that counts.
            number = timer._number = next(self._numbers)
            heapq.heappush(self._heap, (due, number, reference))
            self._start_thread()
        self._ring_before(due)

    def _ring_before(self, time: float) -> None:
        """Wake the thread unless it looks by then anyway."""
        if time < self._looks_at:
            self._bell.ring()

    def _start_thread(self) -> None:
        """Start the thread if it does not run; requires the lock."""
        # A start that was interrupted may still come to be: then _goes_on() tells it that another has its place.
        thread = self._thread
        if thread is not None and (thread is self._serving or thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._serve, name="syncws-monitor", daemon=True)
        try:
            start(self._thread)
        except RuntimeError as exc:
            # The next timer that is set tries again. While the interpreter ends there is nothing left to watch.
            self._thread = None
            if threading.main_thread().is_alive():
                _logger.warning("no thread for keep-alive and slow handlers: %s", exc)

    # The monitor's thread; tests call run_due() by hand.

    def _serve(self) -> None:
        own = threading.current_thread()
        try:
            while self._goes_on():
                self.run_due()
                self._bell.wait(self._begin_sleep())
                self._looks_at = math.inf
        finally:
            # Where there was no memory for one of these: what is set next starts another thread.
            if self._serving is own:
                self._former, self._thread, self._serving, self._looks_at = own, None, None, math.inf

    def _goes_on(self) -> bool:
        with self._lock:
            if self._thread is not threading.current_thread():
                return False
            self._serving = self._thread
            if self._open:
                self._lingers_until = None
                return True
            if self._lingers_until is None:
                self._lingers_until = now() + self._linger_seconds
            if now() < self._lingers_until:
                return True
            self._heap.clear()
            self._former, self._thread, self._serving, self._lingers_until = self._thread, None, None, None
            return False

    def _begin_sleep(self) -> float | None:
        """Return how long to sleep, and note until when."""
        with self._lock:
            if self._open or self._lingers_until is None:
                seconds = self._seconds_left()
            else:
                seconds = Deadline(self._lingers_until - now()).remaining
            self._looks_at = math.inf if seconds is None else now() + seconds
            return seconds

    def _seconds_left(self) -> float | None:
        """Return the seconds until something is due, None when nothing will be; requires the lock."""
        return Deadline(self._heap[0][0] - now()).remaining if self._heap else None

    def run_due(self) -> None:
        """Run all that is due."""
        while self._soon:
            _run_soon(self._soon.popleft())
        while (timer := self._take_due()) is not None:
            _run(timer)
            del timer

    def _take_due(self) -> Timer | None:
        """Take the first timer out of the heap if it is due."""
        with self._lock:
            while self._heap:
                due, number, reference = self._heap[0]
                timer = reference()
                is_set = timer is not None and timer._number == number
                if is_set and due > now():
                    return None
                heapq.heappop(self._heap)
                if is_set:
                    return timer
        return None


def _look(member: "ReadingRole", is_readable: bool) -> int:
    """Look at one member; an exception puts off its own next look, and nobody else's."""
    try:
        return member.look(is_readable)
    except Exception:
        _logger.exception("a look at a connection failed")
        return LONGEST_TICKS


def _run_soon(function: Callable[[], object]) -> None:
    try:
        function()
    except Exception:
        _logger.exception("a call on the monitor's thread failed")


def _run(timer: Timer) -> None:
    """Run one timer; an exception ends that timer only."""
    try:
        seconds = timer.run()
    except Exception:
        _logger.exception("a timer of the monitor failed")
        return
    if seconds is not None:
        timer.set(seconds)


# One at most, made at the first use: gevent and eventlet may put their locks in the place of threading's after the
# import.
_made: dict[None, Monitor] = {}


def the_monitor() -> Monitor:
    """Return the monitor of this process."""
    # setdefault is one step: of two threads that make one at the same time both get the same.
    return _made.get(None) or _made.setdefault(None, Monitor())
