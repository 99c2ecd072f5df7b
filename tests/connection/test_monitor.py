"""The monitor: timers of all connections on one thread, run at their time, held by nobody."""

import gc
import logging
import math
import queue
import threading
import weakref

import pytest
from support import LIMIT, join, wait
from support.calls import Call
from support.changes import always_changing

from syncws._connection import monitor as module
from syncws._connection.monitor import Monitor, Timer
from syncws._waiting.deadline import Deadline
from syncws._waiting.locks import Bell


class Noting(Timer):
    """A timer that notes its runs, and goes on as it is told."""

    def __init__(self, monitor, log=None, name="", again=None):
        super().__init__(monitor)
        self.log = [] if log is None else log
        self.name = name
        self.again = again
        self.ran = threading.Event()

    def run(self):
        self.log.append(self.name)
        self.ran.set()
        return self.again


class Failing(Noting):
    def run(self):
        super().run()
        raise ValueError("a defect")


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "syncws-monitor"]


@pytest.fixture
def real():
    """A monitor with a thread, on the real clock."""
    return Monitor()


# By hand, on a clock that stands still.


def test_a_timer_runs_when_it_is_due_and_not_before(monitor):
    timer = Noting(monitor)
    timer.set(5.0)
    monitor.pass_time(4.9)
    assert timer.log == []
    monitor.pass_time(0.1)
    assert len(timer.log) == 1
    monitor.pass_time(100)
    assert len(timer.log) == 1


def test_timers_run_in_the_order_of_their_times(monitor):
    log = []
    timers = [Noting(monitor, log, name) for name in "abc"]
    for timer, seconds in zip(timers, (3.0, 1.0, 2.0), strict=True):
        timer.set(seconds)
    monitor.pass_time(3.0)
    assert log == ["b", "c", "a"]


def test_a_timer_runs_again_in_the_seconds_that_it_returns(monitor):
    timer = Noting(monitor, again=2.0)
    timer.set(1.0)
    monitor.pass_time(5.0)
    assert len(timer.log) == 3


def test_a_timer_that_is_set_anew_runs_at_the_new_time_only(monitor):
    timer = Noting(monitor)
    timer.set(1.0)
    timer.set(5.0)
    monitor.pass_time(4.0)
    assert timer.log == []
    monitor.pass_time(1.0)
    assert len(timer.log) == 1


def test_a_closed_timer_never_runs_and_cannot_be_set(monitor):
    timer = Noting(monitor)
    timer.set(1.0)
    timer.close()
    timer.set(1.0)
    monitor.pass_time(2.0)
    assert timer.log == []
    assert not monitor.has_timers


def test_a_timer_that_closes_itself_does_not_run_again(monitor):
    timer = Noting(monitor, again=1.0)
    run = timer.run
    timer.run = lambda: (timer.close(), run())[1]
    timer.set(1.0)
    monitor.pass_time(10.0)
    assert len(timer.log) == 1


def test_no_timer_keeps_the_processor_busy_however_short_its_time(monitor):
    timer = Noting(monitor, again=0.0)
    timer.set(0.0)
    monitor.pass_time(1.0)
    assert len(timer.log) <= 101


def test_a_timer_that_fails_is_logged_and_the_others_go_on(monitor, caplog):
    failing, other = Failing(monitor), Noting(monitor)
    failing.set(1.0)
    other.set(2.0)
    monitor.pass_time(10.0)
    assert len(failing.log) == len(other.log) == 1
    assert "a defect" in caplog.text
    failing.set(1.0)
    monitor.pass_time(1.0)
    assert len(failing.log) == 2


def test_the_monitor_keeps_no_timer_alive(monitor):
    timer = Noting(monitor)
    timer.set(1.0)
    reference = weakref.ref(timer)
    del timer
    gc.collect()
    assert reference() is None
    assert not monitor.has_timers
    assert monitor.run_due() is None


def test_a_thousand_timers_have_one_thread(real):
    timers = [Noting(real) for _ in range(1000)]
    for timer in timers:
        timer.set(0.0)
    for timer in timers:
        wait(timer.ran)
    assert len(threads()) == 1
    for timer in timers:
        timer.close()


# With its thread.


def test_the_thread_starts_with_the_first_timer_that_is_set_and_ends_with_the_last(real):
    first, second = Noting(real), Noting(real)
    assert threads() == []
    first.set(LIMIT)
    second.set(LIMIT)
    (thread,) = threads()
    assert thread.daemon
    first.close()
    assert thread.is_alive()
    second.close()
    join(thread)


class CountedBell(Bell):
    count = 0

    def ring(self):
        self.count += 1
        super().ring()


def test_the_thread_stays_a_while_for_the_next_timer_and_is_not_woken_for_each(real, monkeypatch):
    monkeypatch.setattr(module, "_LINGER_SECONDS", LIMIT)
    bell = real._bell = CountedBell()
    first = Noting(real)
    first.set(2 * LIMIT)
    (thread,) = threads()
    first.close()
    for _ in range(1000):
        while not (real._lingers_until is not None and real._looks_at < math.inf):
            pass
        rings = bell.count
        for _ in range(20):
            timer = Noting(real)
            timer.set(2 * LIMIT)
            timer.close()
        if bell.count == rings:
            break
        # It was not asleep yet, for the ring of the first's close was still to come.
    assert bell.count == rings
    assert threads() == [thread]
    # But for what is due earlier.
    soon = Noting(real)
    soon.set(0.0)
    wait(soon.ran)
    monkeypatch.setattr(module, "_LINGER_SECONDS", 0.0)
    soon.close()
    join(thread)


@pytest.fixture
def sub(monkeypatch):
    """A monitor of a subinterpreter."""
    monkeypatch.setattr(module, "is_main", lambda: False)
    monkeypatch.setattr(module, "_LINGER_SECONDS", LIMIT)
    return Monitor()


def test_in_a_subinterpreter_the_thread_ends_at_once_and_is_waited_for(sub):
    for _ in range(20):
        timer = Noting(sub)
        timer.set(LIMIT)
        timer.close()
        sub.wait_ended(Deadline(LIMIT / 2))
        assert threads() == []


def test_in_a_subinterpreter_a_thread_that_is_on_its_way_out_is_waited_for(sub, monkeypatch):
    is_leaving, leave = threading.Event(), threading.Event()
    goes_on = sub._goes_on
    # Its last look is behind it, and a little of it still runs.
    monkeypatch.setattr(sub, "_goes_on", lambda: goes_on() or (is_leaving.set(), wait(leave), False)[2])
    timer = Noting(sub)
    timer.set(LIMIT)
    (thread,) = threads()
    timer.close()
    # Nobody lets it go before somebody waits for it.
    thread.join, join_thread = lambda seconds: (leave.set(), join_thread(seconds)), thread.join
    wait(is_leaving)
    sub.wait_ended(Deadline(LIMIT))
    was_waited_for = not thread.is_alive()
    leave.set()
    join_thread(LIMIT)
    assert was_waited_for


def test_in_a_subinterpreter_nobody_waits_while_there_are_other_timers(sub):
    first, second = Noting(sub), Noting(sub)
    first.set(LIMIT)
    second.set(LIMIT)
    (thread,) = threads()
    first.close()
    sub.wait_ended(Deadline(None))
    assert thread.is_alive()
    second.close()
    sub.wait_ended(Deadline(LIMIT))
    assert not thread.is_alive()


def test_in_a_subinterpreter_a_timer_that_is_made_meanwhile_ends_the_wait(sub):
    inside, leave, is_joining = threading.Event(), threading.Event(), threading.Event()
    busy = Noting(sub)
    busy.run = lambda: (busy.close(), inside.set(), wait(leave))[0]
    busy.set(0.0)
    (thread,) = threads()
    wait(inside)
    thread.join, join_thread = lambda seconds: (is_joining.set(), join_thread(seconds)), thread.join
    waiting = Call(sub.wait_ended, Deadline(None))
    wait(is_joining)
    other = Noting(sub)
    other.set(2 * LIMIT)
    waiting.result()
    assert thread.is_alive()
    leave.set()
    other.close()
    thread.join = join_thread
    join(thread)


def test_elsewhere_nobody_waits_for_the_thread_that_stays(real, monkeypatch):
    monkeypatch.setattr(module, "_LINGER_SECONDS", LIMIT)
    timer = Noting(real)
    timer.set(LIMIT)
    (thread,) = threads()
    timer.close()
    real.wait_ended(Deadline(None))
    assert thread.is_alive()
    monkeypatch.setattr(module, "_LINGER_SECONDS", 0.0)
    real._lingers_until = 0.0
    real._bell.ring()
    join(thread)


def test_the_thread_ends_when_the_last_timer_is_dropped(real):
    timer = Noting(real)
    timer.set(LIMIT)
    (thread,) = threads()
    del timer
    gc.collect()
    join(thread)


def test_the_thread_starts_anew(real):
    for _ in range(3):
        timer = Noting(real)
        timer.set(0.0)
        wait(timer.ran)
        timer.close()
        for thread in threads():
            join(thread)


def test_an_earlier_time_wakes_the_thread(real):
    late, soon = Noting(real), Noting(real)
    late.set(LIMIT * 10)
    soon.set(0.0)
    wait(soon.ran)
    late.close()
    soon.close()


def test_without_a_thread_to_be_had_it_is_tried_again_with_the_next_timer(real, monkeypatch, caplog):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    timer = Noting(real)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        timer.set(0.0)
    assert "can't start new thread" in caplog.text
    timer.set(0.0)
    wait(timer.ran)
    timer.close()


class Looked:
    descriptor = -1

    def __init__(self):
        self.was_looked_at = threading.Event()

    def look(self, is_readable):
        self.was_looked_at.set()
        return 0


def test_what_is_looked_at_stays_when_another_is_removed_in_the_middle_of_it(sub):
    class Staying(Looked):
        number = 0

        def look(self, is_readable):
            self.number += 1
            sub.rounds.remove(other)
            if self.number == 3:
                super().look(is_readable)
            return 3 - self.number

    other, staying = Looked(), Staying()
    sub.rounds.add(staying)
    wait(staying.was_looked_at)
    sub.wait_ended(Deadline(LIMIT))
    assert threads() == []


def test_what_is_looked_at_may_come_and_go_while_a_round_begins(monitor):
    class Resting(Looked):
        def look(self, is_readable):
            return 1

    # Enough of them that Python makes memory for a list of them.
    members, other = [Resting() for _ in range(30)], Resting()
    for member in members:
        monitor.rounds.add(member)
    with always_changing(monitor.rounds._members, weakref.ref(other), 0):
        for _ in range(200):
            monitor.rounds.run()


def test_a_round_that_failed_is_not_the_last(real, monkeypatch, caplog):
    failed = threading.Event()

    def fail(_):
        monkeypatch.setattr(module, "readable_of", readable_of)
        failed.set()
        raise ValueError("a defect")

    readable_of = module.readable_of
    monkeypatch.setattr(module, "readable_of", fail)
    first, second = Looked(), Looked()
    real.rounds.add(first)
    wait(failed)
    real.rounds.add(second)
    for looked in (first, second):
        wait(looked.was_looked_at)


def test_without_a_thread_to_be_had_it_is_tried_again_for_the_next_that_is_looked_at(real, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    first, second = Looked(), Looked()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        real.rounds.add(first)
    real.rounds.add(second)
    for looked in (first, second):
        wait(looked.was_looked_at)


@pytest.fixture
def without_memory(real, monkeypatch):
    """The monitor, whose thread has ended for want of memory; a timer and a round were set."""
    ended = queue.Queue()

    def short(_):
        raise MemoryError

    timer, looked = Noting(real), Looked()
    with monkeypatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda args: ended.put((args.exc_type, args.thread)))
        patch.setattr(Monitor, "run_due", short)
        with real._lock:
            real.rounds.add(looked)
            timer.set(LIMIT * 10)
        kind, thread = ended.get(timeout=LIMIT)
    assert kind is MemoryError
    join(thread)
    yield real
    timer.close()


def test_a_thread_that_had_no_memory_is_replaced_with_the_next_timer(without_memory):
    timer = Noting(without_memory)
    timer.set(0.0)
    wait(timer.ran)
    timer.close()


def test_a_thread_that_had_no_memory_is_replaced_for_the_next_that_is_looked_at(without_memory):
    looked = Looked()
    without_memory.rounds.add(looked)
    wait(looked.was_looked_at)


def test_while_the_interpreter_ends_a_thread_that_cannot_be_had_is_not_worth_a_word(real, monkeypatch, caplog):
    def refuse(_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    caplog.set_level(logging.DEBUG)
    timer = Noting(real)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        patch.setattr(threading.main_thread(), "is_alive", lambda: False)
        timer.set(0.0)
    assert caplog.text == ""


def test_a_start_that_was_interrupted_is_made_good_by_the_next_timer(real, monkeypatch):
    started = []

    def interrupt(thread):
        started.append(thread)
        raise KeyboardInterrupt

    timer = Noting(real)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            timer.set(0.0)
    timer.set(0.0)
    wait(timer.ran)
    # If it comes to run after all, it finds that another has its place.
    started[0].start()
    join(started[0])
    assert len(threads()) == 1
    timer.close()


def test_after_a_fork_the_child_has_no_timers_and_no_thread_of_the_parents(monkeypatch):
    parent = Monitor()
    monkeypatch.setattr(module, "_made", {None: parent})
    old = Noting(parent)
    old.set(LIMIT)
    (thread,) = threads()
    bell, lock = parent._bell, parent._lock
    lock.acquire()
    parent.let_go_in_child()
    old.set(0.0)
    new = Noting(module.the_monitor())
    new.set(0.0)
    wait(new.ran)
    new.close()
    assert old.log == []
    # The parent's thread, which here goes on to be, finds that it is not the one, whichever bell it has come to.
    lock.release()
    while thread.is_alive():
        bell.ring()
        parent._bell.ring()
