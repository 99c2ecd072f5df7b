"""What a forked child lets go: here without a fork; see also integration/test_fork.py."""

import pytest

from syncws._waiting import at_fork


class Holder:
    def __init__(self, error=None):
        self.error = error
        self.is_told = False

    def let_go_in_child(self):
        self.is_told = True
        if self.error is not None:
            raise self.error


def test_a_defect_of_one_does_not_keep_the_others(monkeypatch):
    holders = [Holder(), Holder(ValueError("a defect")), Holder(), Holder(KeyError("another")), Holder()]
    monkeypatch.setattr(at_fork, "_holders", {})
    for holder in holders:
        at_fork.watch(holder, type(holder).let_go_in_child)
    with pytest.raises(ValueError, match="a defect"):
        at_fork._let_go()
    assert all(holder.is_told for holder in holders)


class Equal(Holder):
    """As a dataclass is: equal to every other one, and without a hash."""

    def __eq__(self, other):
        return isinstance(other, Equal)

    __hash__ = None


def test_two_that_are_equal_are_both_told_as_long_as_they_live(monkeypatch):
    monkeypatch.setattr(at_fork, "_holders", {})
    holders = [Equal(), Equal()]
    for holder in holders:
        at_fork.watch(holder, type(holder).let_go_in_child)
    at_fork._let_go()
    assert [holder.is_told for holder in holders] == [True, True]
    del holder
    holders.clear()
    assert at_fork._holders == {}
