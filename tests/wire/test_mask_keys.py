"""Tests of wire.mask_keys: each key is random, taken once, and never a forked child's as well."""

import itertools
import os
import threading

import pytest
from support import LIMIT

from syncws._wire import mask_keys
from syncws._wire.mask_keys import new_key


class System:
    """Stands for `os`: counts what it is asked for, and gives numbers."""

    def __init__(self, during=lambda: None):
        self.asked = []
        self._numbers = itertools.count(1)
        self._during = during

    def urandom(self, size):
        self.asked.append(size)
        self._during()
        first = next(self._numbers) * 1_000_000
        return b"".join((first + index).to_bytes(4, "big") for index in range(size // 4))


@pytest.fixture
def anew():
    """Begin with an empty stock, and leave none of a test's keys behind."""
    mask_keys._begin_anew()
    yield
    mask_keys._begin_anew()


@pytest.mark.usefixtures("anew")
def test_1024_keys_cost_one_request_to_the_system(monkeypatch):
    system = System()
    monkeypatch.setattr(mask_keys, "os", system)
    keys = {new_key() for _ in range(1024)}
    assert system.asked == [4096]
    assert len(keys) == 1024
    assert {len(key) for key in keys} == {4}
    assert new_key() not in keys
    assert system.asked == [4096, 4096]


@pytest.mark.usefixtures("anew")
def test_no_two_threads_get_the_same_key(monkeypatch):
    monkeypatch.setattr(mask_keys, "os", System())
    taken = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def take(into):
        start.wait(LIMIT)
        into.extend(new_key() for _ in range(5000))

    threads = [threading.Thread(target=take, args=(into,)) for into in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    keys = [key for into in taken for key in into]
    assert len(set(keys)) == len(keys) == 20000


def test_keys_are_the_system_s_own_random_bytes():
    # 4,096 keys of 32 bits: two of them are the same in one of 500 runs, three never.
    assert len({new_key() for _ in range(4096)}) >= 4094


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
# Of the thread that watches over the test's time. From 3.15 on fork() raises it, and the child is there all the same.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("anew")
def test_a_forked_child_takes_none_of_its_parent_s_keys():
    new_key()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"".join(new_key() for _ in range(64)))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    theirs = {told[start : start + 4] for start in range(0, len(told), 4)}
    ours = {new_key() for _ in range(1023)}
    assert len(theirs) >= 63
    # One key in common by chance: 64 * 1023 / 2**32.
    assert len(theirs & ours) <= 1


@pytest.mark.usefixtures("anew")
def test_a_child_that_is_forked_while_the_stock_is_filled_does_not_keep_what_its_parent_gets(monkeypatch):
    system = System(during=lambda: len(system.asked) == 1 and mask_keys._begin_anew())
    monkeypatch.setattr(mask_keys, "os", system)
    # What a child does: its stock is emptied in the middle of a request that the parent ends as well.
    first = int.from_bytes(new_key(), "big")
    assert system.asked == [4096, 4096]
    assert first >= 2_000_000
