"""Waiting for a lock: in slices on the main thread, where Ctrl-C comes; at once elsewhere."""

import pytest
from support.calls import Call

from syncws._waiting.locks import acquire_within
from syncws._waiting.readiness import SLICE_SECONDS


class Lock:
    """Can be had at the last of so many tries; notes how long each would wait."""

    def __init__(self, tries):
        self.tries = tries
        self.waits = []

    def acquire(self, blocking=True, timeout=-1.0):
        assert blocking
        self.waits.append(timeout)
        return len(self.waits) == self.tries


class TimedLock(Lock):
    """Never to be had; each wait takes so many times as long as it was told."""

    def __init__(self, clock, times):
        super().__init__(None)
        self.clock = clock
        self.times = times

    def acquire(self, blocking=True, timeout=-1.0):
        self.clock.advance(self.times * timeout)
        return super().acquire(blocking, timeout)


def test_the_main_thread_waits_in_slices():
    lock = Lock(50)
    assert acquire_within(lock, None)
    assert lock.waits == [SLICE_SECONDS] * 50


def test_the_main_thread_waits_as_long_as_it_was_told_altogether(clock):
    lock = TimedLock(clock, 1)
    assert not acquire_within(lock, 2.5 * SLICE_SECONDS)
    assert lock.waits == pytest.approx([SLICE_SECONDS, SLICE_SECONDS, SLICE_SECONDS / 2])


def test_the_time_of_signal_handlers_counts(clock):
    # A handler takes nine times as long as the slice.
    lock = TimedLock(clock, 10)
    assert not acquire_within(lock, 15 * SLICE_SECONDS)
    assert lock.waits == pytest.approx([SLICE_SECONDS, SLICE_SECONDS, 0.0])


def test_the_main_thread_gives_up_when_waiting_is_in_vain():
    lock = Lock(None)
    assert not acquire_within(lock, None, lambda: len(lock.waits) == 3)
    assert lock.waits == [SLICE_SECONDS] * 3


@pytest.mark.parametrize(("seconds", "waits"), [(None, [-1.0]), (7.0, [7.0])])
def test_other_threads_wait_at_once(seconds, waits):
    lock = Lock(1)
    assert Call(acquire_within, lock, seconds).result()
    assert lock.waits == waits
