"""The monitor's rounds: who is looked at how often, and how few wake-ups that costs."""

import gc
import itertools

import pytest
from support.fakes import interrupt_at

from syncws._connection import monitor as module
from syncws._connection.monitor import LONGEST_TICKS, Rounds
from syncws._connection.receiving.reading_role import CONNECTING, Hold, ReadingRole

TICK = 0.05


class Member:
    """What is looked at; notes when, and says again in `ticks`."""

    descriptor = -1

    def __init__(self, monitor, ticks):
        self.monitor = monitor
        self.ticks = ticks
        self.looks = []

    def look(self, is_readable):
        self.looks.append(round(self.monitor.clock() / TICK))
        return self.ticks


class Counted(Rounds):
    runs = 0

    def run(self):
        self.runs += 1
        return super().run()


@pytest.fixture
def rounds(monitor):
    monitor.clock.time = 0.0
    rounds = monitor.rounds = Counted(monitor)
    return rounds


def test_who_is_busy_is_looked_at_each_time_and_who_rests_each_eighth(monitor, rounds):
    busy, resting = Member(monitor, 1), Member(monitor, LONGEST_TICKS)
    rounds.add(busy)
    rounds.add(resting)
    monitor.pass_time(20.5 * TICK)
    assert busy.looks == list(range(1, 21))
    assert len(resting.looks) == 3


def test_a_look_that_fails_keeps_nobody_from_being_looked_at(monitor, rounds, caplog):
    class Failing(Member):
        def look(self, is_readable):
            super().look(is_readable)
            raise MemoryError

    failing, other = Failing(monitor, 1), Member(monitor, 1)
    rounds.add(failing)
    rounds.add(other)
    monitor.pass_time(20.5 * TICK)
    assert other.looks == list(range(1, 21))
    assert len(failing.looks) == 3
    assert {record.getMessage() for record in caplog.records} == {"a look at a connection failed"}


def test_all_that_rest_cost_one_wake_up_together(monitor, rounds):
    members = [Member(monitor, LONGEST_TICKS) for _ in range(5)]
    for member in members:
        rounds.add(member)
        monitor.pass_time(TICK * 1.3)
    before = rounds.runs
    monitor.pass_time(TICK * 8 * LONGEST_TICKS)
    assert rounds.runs - before <= 9
    assert all(len(member.looks) >= 7 for member in members)


def test_all_that_rest_cost_one_wake_up_together_though_one_was_busy_when_they_came(monitor, rounds):
    busy = Member(monitor, 1)
    members = [busy, *(Member(monitor, LONGEST_TICKS) for _ in range(5))]
    for member in members:
        rounds.add(member)
        monitor.pass_time(TICK * 1.3)
    busy.ticks = LONGEST_TICKS
    monitor.pass_time(TICK * LONGEST_TICKS)
    before = rounds.runs
    monitor.pass_time(TICK * 8 * LONGEST_TICKS)
    assert rounds.runs - before <= 9


def test_who_comes_is_looked_at_soon_though_the_others_rest(monitor, rounds):
    resting = Member(monitor, LONGEST_TICKS)
    rounds.add(resting)
    monitor.pass_time(TICK * 3)
    coming = Member(monitor, 1)
    rounds.add(coming)
    monitor.pass_time(TICK * 1.01)
    assert len(coming.looks) == 1


def test_who_comes_at_the_end_of_a_round_is_looked_at_soon(monitor, rounds):
    resting, coming = Member(monitor, LONGEST_TICKS), Member(monitor, 1)

    class Ending(Counted):
        def run(self):
            seconds = super().run()
            if self.runs == 1:
                self.add(coming)
            return seconds

    rounds = Ending(monitor)
    rounds.add(resting)
    monitor.pass_time(TICK * 2.01)
    assert len(coming.looks) == 1


def test_the_last_may_be_removed_while_it_is_looked_at(monitor, rounds, caplog):
    class Leaving(Member):
        def look(self, is_readable):
            rounds.remove(self)
            super().look(is_readable)
            return 0

    # As in a subinterpreter, where removing ends the timer at once.
    monitor._lingers = False
    leaving = Leaving(monitor, 1)
    rounds.add(leaving)
    monitor.pass_time(TICK * 3)
    assert len(leaving.looks) == 1
    assert not monitor.has_timers
    assert not caplog.records


def test_who_comes_again_and_again_puts_no_look_off(monitor, rounds):
    member = Member(monitor, 1)
    for _ in range(20):
        rounds.add(member)
        monitor.pass_time(TICK / 4)
    assert len(member.looks) >= 4


def test_an_interruption_of_who_comes_keeps_nobody_else_from_being_looked_at(monitor, rounds):
    resting = Member(monitor, LONGEST_TICKS)
    rounds.add(resting)
    monitor.pass_time(TICK * 3)
    for number in itertools.count():
        looks = len(resting.looks)
        coming, other = Member(monitor, 1), Member(monitor, 1)
        was_interrupted = interrupt_at(number, rounds.add, coming)
        rounds.remove(coming)
        monitor.pass_time(TICK * (2 * LONGEST_TICKS - 6))
        assert len(resting.looks) > looks, f"after an interruption in place {number}"
        rounds.add(other)
        monitor.pass_time(TICK * 3)
        assert len(other.looks) >= 2, f"after an interruption in place {number}"
        rounds.remove(other)
        # Then the next look is some time away, as it was before.
        monitor.pass_time(TICK * 3)
        if not was_interrupted:
            break
    assert number > 5


@pytest.mark.parametrize("way", ["it says so", "it is removed", "it is gone"])
def test_who_need_not_be_looked_at_any_more_is_not_and_the_timer_ends(monitor, rounds, way):
    member = Member(monitor, 0 if way == "it says so" else 1)
    rounds.add(member)
    if way == "it is removed":
        rounds.remove(member)
    elif way == "it is gone":
        del member
        gc.collect()
    monitor.pass_time(TICK * 3)
    assert not monitor.has_timers
    if way == "it says so":
        assert len(member.looks) == 1
    runs = rounds.runs
    monitor.pass_time(TICK * 30)
    assert rounds.runs == runs
    # It begins anew.
    other = Member(monitor, 1)
    rounds.add(other)
    monitor.pass_time(TICK * 3)
    assert len(other.looks) >= 2


class Role(ReadingRole):
    """A role whose thread is only noted."""

    __slots__ = ("has_room", "needs", "started")

    is_needed = property(lambda self: self.needs)
    _has_room = property(lambda self: self.has_room)

    def __init__(self):
        super().__init__()
        self.started = 0
        self.needs, self.has_room = False, True
        self.holders.clear()

    def _start(self):
        self.started += 1


def test_a_reader_is_started_at_the_second_look_in_a_row_without_a_pull():
    role = Role()
    assert role.look(True) == 1
    assert role.started == 0
    role.pulls += 1
    assert role.look(True) == 1
    assert role.started == 0
    role.look(True)
    assert role.started == 1


def test_looks_grow_rarer_as_long_as_nobody_pulls():
    role = Role()
    assert [role.look(True) for _ in range(6)] == [1, 2, 4, 8, 8, 8]
    role.pulls += 1
    assert [role.look(True) for _ in range(3)] == [1, 2, 4]


@pytest.mark.parametrize(("holder", "ticks"), [(Hold(), 0), (CONNECTING, 1), (object(), 1)])
def test_a_role_that_somebody_has_starts_no_reader(holder, ticks):
    role = Role()
    role.take(holder)
    assert role.look(True) == ticks
    role.look(True)
    assert role.started == 0


def test_after_a_reader_gave_way_the_first_look_only_begins_to_watch():
    role = Role()
    role.look(True)
    role.forget_looks()
    role.look(True)
    assert role.started == 0


@pytest.mark.parametrize(
    ("is_drained", "is_readable", "has_room", "starts"),
    [
        (True, False, True, 0),
        (True, True, True, 1),
        (False, False, True, 1),
        (True, True, False, 0),
        (False, True, False, 0),
    ],
)
def test_a_reader_is_started_where_there_is_something_and_it_can_be_kept(is_drained, is_readable, has_room, starts):
    role = Role()
    role.is_drained = is_drained
    role.has_room = has_room
    role.look(is_readable)
    role.look(is_readable)
    assert role.started == starts


def test_a_thread_that_could_not_be_started_is_tried_again():
    role = Role()
    role.is_drained = role.is_asked = role.needs = True
    role.look(False)
    role.look(False)
    assert role.started == 1


def test_all_that_are_due_are_asked_of_the_system_at_once(monitor, rounds, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "readable_of", lambda numbers: asked.append(sorted(numbers)) or {8})
    told = {}

    class Numbered(Member):
        def __init__(self, number):
            super().__init__(monitor, LONGEST_TICKS)
            self.descriptor = number

        def look(self, is_readable):
            told[self.descriptor] = is_readable
            return super().look(is_readable)

    members = [Numbered(number) for number in (7, 8, 9)]
    for member in members:
        rounds.add(member)
    monitor.pass_time(TICK * 1.5)
    assert asked == [[7, 8, 9]]
    assert told == {7: False, 8: True, 9: False}
