"""Latch: how it opens, and how waiting for it ends."""

import threading

from support import LIMIT, join

from syncws._waiting.deadline import Deadline
from syncws._waiting.locks import Latch


def test_it_is_not_set_at_first():
    latch = Latch()
    assert not latch.is_set()
    assert not latch.wait(0)


def test_a_latch_stays_set():
    latch = Latch()
    latch.set()
    latch.set()
    assert latch.is_set()
    assert latch.wait(None)
    assert latch.wait(0)


def test_everybody_who_waits_goes_on():
    latch = Latch()
    seen = []

    def body():
        while not latch.wait(LIMIT):
            pass
        seen.append(True)

    threads = [threading.Thread(target=body) for _ in range(5)]
    for thread in threads:
        thread.start()
    latch.set()
    for thread in threads:
        join(thread)
    assert len(seen) == 5


def test_a_wait_that_was_interrupted_holding_the_lock_keeps_nobody():
    latch = Latch()
    assert not latch.wait(0)
    latch.set()
    latch._made[None].acquire()
    assert latch.wait(None)


def test_without_a_limit_it_looks_again_now_and_then(monkeypatch):
    monkeypatch.setattr("syncws._waiting.locks._LOOK_AGAIN_SECONDS", 0.0)
    assert not Latch().wait(None)


def test_a_wait_until_a_deadline_ends_when_it_is_set_or_too_late():
    latch = Latch()
    assert not latch.wait_until(Deadline(0.0))
    assert not latch.wait_until(Deadline(0.01))
    thread = threading.Thread(target=latch.set)
    thread.start()
    assert latch.wait_until(Deadline(LIMIT))
    assert latch.wait_until(Deadline(0.0))
    join(thread)
