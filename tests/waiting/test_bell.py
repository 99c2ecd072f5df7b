"""A bell: rings stay until somebody waits, and count once."""

import threading

from support import join, wait

from syncws._waiting.locks import Bell


def test_a_ring_that_came_before_the_wait_ends_it():
    bell = Bell()
    bell.ring()
    bell.wait(None)


def test_many_rings_count_as_one():
    bell = Bell()
    bell.ring()
    bell.ring()
    bell.wait(None)
    ended = threading.Event()
    thread = threading.Thread(target=lambda: (bell.wait(None), ended.set()))
    thread.start()
    assert not ended.is_set()
    bell.ring()
    wait(ended)
    join(thread)


def test_a_wait_ends_with_its_time():
    Bell().wait(0.0)
