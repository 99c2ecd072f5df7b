"""A bell: rings stay until somebody waits, and count once."""

import threading

from support import join

from syncws._waiting import locks
from syncws._waiting.locks import Bell


def test_a_ring_that_came_before_the_wait_ends_it():
    bell = Bell()
    bell.ring()
    bell.wait(None)


def test_many_rings_count_as_one(monkeypatch):
    bell = Bell()
    bell.ring()
    bell.ring()
    ended = []
    monkeypatch.setattr(locks, "acquire_within", lambda lock, _: ended.append(lock.acquire(False)))
    bell.wait(None)
    bell.wait(None)
    assert ended == [True, False]


def test_a_ring_ends_a_wait_that_is_under_way():
    bell = Bell()
    thread = threading.Thread(target=bell.wait, args=(None,))
    thread.start()
    bell.ring()
    join(thread)


def test_a_wait_ends_with_its_time():
    Bell().wait(0.0)
