"""Threads that go on one line at a time, in an order that the test chooses; and a connection for them to meet on.

Between two lines of the code under test any other thread may have its turn, as between two of its byte codes in the
real thing. What would wait there (poll, a lock, the waker) says here what it waits for, so that a schedule in which
nobody can go on, although there is something to be done, is seen.
"""

import sys
import threading

from support.doubles import Rig
from support.servers import LIMIT
from syncws._connection.receiving import inbox, message_inbox, pulling, reader, reading_role
from syncws._connection.receiving.session_role import SessionRole
from syncws._waiting import locks
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import READABLE, WOKEN

_TRACED = {module.__file__ for module in (inbox, message_inbox, pulling, reader, reading_role)}


class _Over(BaseException):
    """Ends an actor whose test is over."""


def _at_once():
    return True


class Actor(threading.Thread):
    """A thread that takes a step when it is told to.

    Attributes:
        error: what its function raised.
        where: the function in which it stands.
    """

    def __init__(self, stage, function):
        super().__init__(daemon=True)
        self.stage = stage
        self.function = function
        self.error = self.result = None
        self.is_done = False
        self.where = ""
        self._can_go_on = _at_once
        self._go, self._paused = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._paused.acquire()
        stage.actors.append(self)

    def run(self):
        self._go.acquire()
        sys.settrace(self._trace)
        try:
            self.result = self.function()
        except _Over:
            pass
        except BaseException as exc:  # noqa: BLE001 - looked at by the test
            self.error = exc
        finally:
            sys.settrace(None)
            self.is_done = True
            self._paused.release()

    def _trace(self, frame, *_):
        return self._at_line if frame.f_code.co_filename in _TRACED else None

    def _at_line(self, frame, event, __):
        if event == "line":
            self.where = frame.f_code.co_name
            self.pause()
        return self._at_line

    def pause(self, can_go_on=_at_once):
        """Let others have their turn, until `can_go_on`; on the actor's own thread."""
        self._can_go_on = can_go_on
        self._paused.release()
        self._go.acquire()
        if self.stage.is_over:
            raise _Over

    @property
    def is_ready(self):
        return not self.is_done and self._can_go_on()

    def go_into(self, function, steps):
        """Go on until it is in `function`, and then some steps more; return False when it cannot go so far."""
        while self.is_ready and self.where != function:
            self.step()
        for _ in range(steps):
            if not self.is_ready:
                return False
            self.step()
        return self.is_ready

    def step(self):
        self._go.release()
        assert self._paused.acquire(timeout=LIMIT)


def current():
    """The actor whose turn it is; None on the test's own thread."""
    thread = threading.current_thread()
    return thread if isinstance(thread, Actor) else None


def pause(can_go_on=_at_once):
    actor = current()
    if actor is not None:
        actor.pause(can_go_on)


class _Lock:
    """A reentrant lock between actors."""

    def __init__(self):
        self._owner, self._depth = None, 0

    def __enter__(self):
        own = threading.get_ident()
        if self._owner != own:
            while self._owner is not None:
                pause(lambda: self._owner is None)
            self._owner = own
        self._depth += 1

    def __exit__(self, *_):
        self._depth -= 1
        if not self._depth:
            self._owner = None


class _Waker:
    def __init__(self):
        self.is_woken = False

    def wake(self):
        self.is_woken = True

    def clear(self):
        self.is_woken = False

    def close(self):
        pass

    def fileno(self):
        return -1


class _Readiness:
    """Stands for poll; two threads in it at once are two readers."""

    def __init__(self, stage):
        self.stage = stage

    def wait(self, interest, deadline):
        stage = self.stage
        assert stage.reads is None, "two threads wait for the socket at once"
        stage.reads = current()
        try:
            pause(lambda: self._ready(interest) or deadline.is_expired)
        finally:
            stage.reads = None
        return self._ready(interest)

    def _ready(self, interest):
        has_bytes = bool(self.stage.rig.transport.incoming)
        return (READABLE if has_bytes and interest & READABLE else 0) | (WOKEN if self.stage.waker.is_woken else 0)


def _acquire_within(lock, seconds, is_in_vain=None):
    deadline = Deadline(seconds)
    pause(lambda: not lock.locked() or deadline.is_expired)
    return lock.acquire(False)


class Stage:
    """A session whose threads are actors.

    Attributes:
        reads: the actor that waits for the socket.
        schedules: how the next actor is chosen among those that can go on.
    """

    def __init__(self, monkeypatch, clock):
        self.actors = []
        self.is_over = False
        self.reads = None
        self.clock = clock
        self.rig = rig = Rig()
        self.session = session = rig.session
        rig.waker.close()
        self.waker = rig.waker = session.waker = _Waker()
        monkeypatch.setattr(inbox, "acquire_within", _acquire_within)
        monkeypatch.setattr(locks, "acquire_within", _acquire_within)
        monkeypatch.setattr(reader, "make_readiness", lambda *_: _Readiness(self))
        monkeypatch.setattr(pulling, "make_readiness", lambda *_: _Readiness(self))
        session.inbox._lock = _Lock()
        # With the readiness from above.
        session.role.reader = rig.make_reader(session)
        monkeypatch.setattr(SessionRole, "_make_thread", lambda _, reader: Actor(self, reader.serve))
        session.start()

    def act(self, function):
        """Have a thread do something, step by step."""
        actor = Actor(self, function)
        actor.start()
        return actor

    @property
    def ready(self):
        return [actor for actor in self.actors if actor.ident is not None and actor.is_ready]

    def run_out(self, steps=20000):
        """Let everybody go on, in turn, until nobody can."""
        while ready := self.ready:
            for actor in ready:
                if actor.is_ready:
                    actor.step()
                steps -= 1
                assert steps, "somebody goes on for ever"

    def close(self):
        self.is_over = True
        for actor in self.actors:
            while actor.ident is not None and not actor.is_done:
                actor.step()
            if actor.ident is not None:
                actor.join(LIMIT)
        self.rig.transport.release()
