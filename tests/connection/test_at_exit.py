"""The end of the program, as far as it needs no program of its own: see also integration/test_interpreter_exit.py."""

import sys
import threading

import pytest
from support import join
from support.fakes import FakeClock

from syncws._connection import at_exit
from syncws._waiting import deadline as deadline_module
from syncws._waiting.locks import Latch
from syncws.enums import CloseCause


class EndingConnection:
    """A session that closes as soon as it is told; its own role, transport and waker."""

    def __init__(self):
        self.finished = Latch()
        # Of its own accord: no warning.
        self.is_abandoned = True

    role = transport = waker = property(lambda self: self)

    def begin_exit(self):
        self.finished.set()

    def wait_finished(self, deadline):
        return self.finished.wait_until(deadline)

    def read_at_exit(self):
        """Do nothing: it is over."""


def test_connections_made_in_the_meantime_keep_no_other_from_being_closed(monkeypatch):
    monkeypatch.setattr(at_exit, "_open", type(at_exit._open)())
    connections = [EndingConnection() for _ in range(3)]
    for connection in connections:
        at_exit.add(connection)
    late = []

    def connect_at_every_line(*_):
        # As another thread may.
        late.append(EndingConnection())
        at_exit.add(late[-1])
        return connect_at_every_line

    former = sys.gettrace()
    sys.settrace(connect_at_every_line)
    try:
        at_exit.close_all()
    finally:
        sys.settrace(former)
    assert late
    assert all(connection.finished.is_set() for connection in connections)


def test_connections_that_take_long_to_read_are_not_read_in_turn_for_ever(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    monkeypatch.setattr(at_exit, "_open", type(at_exit._open)())
    dropped = []

    class Flooded(EndingConnection):
        def begin_exit(self):
            """Go on: the peer does, too."""

        def read_at_exit(self):
            clock.advance(0.3)

        def abort(self):
            assert all(connection.is_aborted for connection in connections), "the others' readers go on"

        def wake(self):
            dropped.append(self)

    connections = [Flooded() for _ in range(20)]
    for connection in connections:
        at_exit.add(connection)
    began = clock.time
    at_exit.close_all()
    assert clock.time - began < 2.0
    assert len(dropped) == 20


@pytest.mark.parametrize("cause", [CloseCause.NONE, CloseCause.PEER])
def test_only_connections_whose_end_has_not_begun_are_told_of(monkeypatch, recwarn, cause):
    monkeypatch.setattr(at_exit, "_open", type(at_exit._open)())
    connection = EndingConnection()
    connection.is_abandoned, connection.close_cause = False, cause
    at_exit.add(connection)
    at_exit.close_all()
    told = ["connections that were open when the program ended: 1; close() them, or use `with`"]
    assert [str(warning.message) for warning in recwarn] == (told if cause is CloseCause.NONE else [])


def test_a_connection_that_is_gone_is_forgotten(monkeypatch):
    monkeypatch.setattr(at_exit, "_open", type(at_exit._open)())
    at_exit.add(EndingConnection())
    assert not list(at_exit._open)


def test_a_daemon_thread_that_must_not_wait_any_longer_ends_without_a_word(monkeypatch):
    monkeypatch.setattr(at_exit, "_QUIET_SECONDS", 0.0)
    ends = []
    monkeypatch.setattr(threading, "excepthook", lambda args: ends.append(args.exc_type))
    thread = threading.Thread(target=at_exit.stay_quiet, daemon=True)
    thread.start()
    join(thread)
    # The hook of Python's own says nothing of this one.
    assert ends == [SystemExit]


def test_other_threads_go_on():
    ended = []
    thread = threading.Thread(target=lambda: ended.append(at_exit.stay_quiet()), daemon=False)
    thread.start()
    join(thread)
    assert ended == [None]
