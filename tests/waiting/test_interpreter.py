"""Which interpreter this is, as far as it needs no other: see also integration/test_subinterpreters.py."""

import _thread
import sys
import threading

import pytest

from syncws._waiting import interpreter
from syncws._waiting.interpreter import check_threads_allowed, is_main
from syncws.errors import CannotConnectError
from syncws.hresult import HResult


@pytest.fixture
def refusing(monkeypatch):
    """Take for a subinterpreter what has no daemon threads to give, with the words that are given."""

    def begin(words, are_allowed):
        def refuse(_):
            raise RuntimeError(words)

        monkeypatch.setattr(interpreter, "is_main", lambda: False)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        monkeypatch.setattr(_thread, "daemon_threads_allowed", lambda: are_allowed, raising=False)

    return begin


def test_this_is_the_main_one():
    assert is_main()
    check_threads_allowed()


def test_a_python_that_cannot_tell_has_the_main_one_only(monkeypatch):
    monkeypatch.setitem(sys.modules, "_xxsubinterpreters", None)
    # It is asked once.
    is_main.cache_clear()
    assert is_main()
    is_main.cache_clear()


def test_a_subinterpreter_that_allows_threads_has_none_more_afterwards(monkeypatch):
    monkeypatch.setattr(interpreter, "is_main", lambda: False)
    before = threading.enumerate()
    check_threads_allowed()
    assert threading.enumerate() == before


def test_an_isolated_one_is_refused(refusing):
    refusing("thread is not supported for isolated subinterpreters", are_allowed=False)
    with pytest.raises(CannotConnectError, match="Connect in the main interpreter") as caught:
        check_threads_allowed()
    assert caught.value.hresult == HResult.WININET_E_CANNOT_CONNECT


def test_a_system_without_threads_is_not_taken_for_one(refusing):
    refusing("can't start new thread", are_allowed=True)
    check_threads_allowed()
