"""Deadlines: what is left, when it is over, and which of two comes first."""

import pytest
from support.fakes import FakeClock

from syncws._waiting import deadline as module
from syncws._waiting.deadline import FOREVER, Deadline, now


@pytest.fixture
def clock(monkeypatch):
    fake = FakeClock()
    monkeypatch.setattr(module, "clock", fake)
    return fake


def test_now_is_what_the_clock_says(clock):
    clock.advance(5)
    assert now() == 1005.0


def test_remaining_goes_down_with_the_clock(clock):
    deadline = Deadline(10.0)
    clock.advance(4)
    assert deadline.remaining == 6.0


def test_remaining_never_goes_below_zero(clock):
    deadline = Deadline(1.0)
    clock.advance(5)
    assert deadline.remaining == 0.0


def test_remaining_is_no_more_than_a_poll_can_count(clock):
    deadline = Deadline(1e12)
    assert deadline.remaining * 1000 < 2**31


def test_a_deadline_expires_when_its_time_has_come_and_not_before(clock):
    deadline = Deadline(1.0)
    clock.advance(0.5)
    assert not deadline.is_expired
    clock.advance(0.5)
    assert deadline.is_expired


def test_a_deadline_of_no_seconds_is_expired_at_once(clock):
    assert Deadline(0.0).is_expired


def test_for_ever_has_no_end(clock):
    clock.advance(1e15)
    assert not FOREVER.is_expired
    assert FOREVER.remaining is None


@pytest.mark.parametrize(
    ("own", "other", "remaining"),
    [
        (10.0, 5.0, 5.0),
        (5.0, 10.0, 5.0),
        (5.0, 5.0, 5.0),
        (5.0, None, 5.0),
        (None, 5.0, 5.0),
        (None, None, None),
    ],
)
def test_within_gives_the_one_that_comes_first(clock, own, other, remaining):
    assert Deadline(own).within(other).remaining == remaining


def test_within_leaves_the_deadline_as_it_is(clock):
    deadline = Deadline(10.0)
    deadline.within(1.0)
    assert deadline.remaining == 10.0
