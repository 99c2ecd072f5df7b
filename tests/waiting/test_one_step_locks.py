"""Reentrant locks: a signal handler that raises leaves none taken, wherever it runs."""

import random
import select
import signal
import threading

import pytest

from syncws._locks import locks


class Interruption(BaseException):
    """What the signal handler raises."""


def enter(lock):
    with lock:
        pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers that signal")
def test_a_signal_handler_that_raises_leaves_no_lock_taken():
    """Without the class that Python 3.14 needs every second interruption leaves it taken there."""
    lock, choice = locks.RLock(), random.Random(1)
    is_armed = False

    def interrupt(number, frame):
        nonlocal is_armed
        # Once, also where Python swallows it, in what the collector calls.
        if is_armed:
            is_armed = False
            raise Interruption

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(500):
            try:
                is_armed = True
                signal.setitimer(signal.ITIMER_REAL, choice.uniform(0.00002, 0.0001))
                while is_armed:
                    for _ in range(1000):
                        enter(lock)
                    # Lets go of the GIL: before Python 3.12 a signal that the system gave to another thread is not
                    # seen until then.
                    select.select([], [], [], 0)
            except Interruption:
                pass
            assert not lock._is_owned()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_lock_is_what_threading_makes_when_it_is_made(monkeypatch):
    """Where gevent has put its own there."""
    made = object()
    monkeypatch.setattr(threading, "RLock", lambda: made)
    assert locks.RLock() is made


def test_a_lock_may_be_taken_again_by_its_thread_alone():
    lock = locks.RLock()
    with lock, lock:
        taken = []
        thread = threading.Thread(target=lambda: taken.append(lock.acquire(blocking=False)))
        thread.start()
        thread.join()
    assert taken == [False]
    assert not lock._is_owned()
