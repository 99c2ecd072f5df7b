"""Tests of how a ReconnectingWebSocket is started: once, on one thread, and what is called meanwhile."""

import sys
import threading

import pytest
from support import LIMIT, join, wait
from support.calls import Call
from support.reconnecting import one_after_the_other, sends, stays
from support.scripts import uri_of_nobody

from syncws import (
    CannotConnectError,
    ConnectionLostError,
    IllegalMethodCallError,
    ObjectClosedError,
    ReconnectingWebSocket,
)


def test_it_starts_once_and_waits_need_the_start():
    with ReconnectingWebSocket(uri_of_nobody()) as socket, pytest.raises(IllegalMethodCallError, match="already"):
        socket.start()
    with pytest.raises(ObjectClosedError):
        socket.start()
    socket = ReconnectingWebSocket(uri_of_nobody())
    with pytest.raises(IllegalMethodCallError, match="start"):
        socket.wait_closed()
    socket.close()
    assert socket.wait_closed()
    with pytest.raises(ObjectClosedError):
        socket.start()


def test_of_threads_that_start_it_at_the_same_time_one_does(monkeypatch):
    both = threading.Barrier(2)

    class Numbers:
        def __next__(self):
            return both.wait(LIMIT)

    # Each call asks for a number behind its first checks.
    monkeypatch.setattr(sys.modules["syncws.reconnecting_websocket"], "_numbers", Numbers())
    with one_after_the_other(sends(then=stays)) as uri:
        socket = ReconnectingWebSocket(uri)
        calls = [Call(socket.start) for _ in range(2)]
        for call in calls:
            wait(call.done)
        refusals = [call.error for call in calls if call.error is not None]
        with socket:
            assert socket.wait_connected(LIMIT)
    assert [type(error) for error in refusals] == [IllegalMethodCallError]


def test_a_start_that_is_interrupted_leaves_no_thread(monkeypatch):
    begun = []

    def start_and_interrupt(thread):
        begun.append(thread)
        thread.start()
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["syncws.reconnecting_websocket"], "start_thread", start_and_interrupt)
    socket = ReconnectingWebSocket(uri_of_nobody())
    with pytest.raises(KeyboardInterrupt):
        socket.start()
    join(begun[0])
    assert socket.wait_closed(LIMIT)
    with pytest.raises(ObjectClosedError):
        socket.start()


def test_what_is_called_before_start_has_returned_is_not_told_to_call_it(monkeypatch):
    told, is_asked = [], threading.Event()

    def find_uri():
        told.append(repr(socket))
        for call in (socket.wait_connected, lambda: socket.send("x")):
            try:
                call()
            except (IllegalMethodCallError, ConnectionLostError) as error:
                told.append(str(error))
        is_asked.set()
        raise KeyError("a token")

    def start_and_let_it_go_first(thread):
        thread.start()
        wait(is_asked)

    monkeypatch.setattr(sys.modules["syncws.reconnecting_websocket"], "start_thread", start_and_let_it_go_first)
    socket = ReconnectingWebSocket(find_uri)
    socket.start()
    with pytest.raises(KeyError):
        socket.wait_closed(LIMIT)
    assert "connecting" in told[0]
    assert "its own thread" in told[1]
    assert "at the moment" in told[2]


def test_a_start_for_which_there_is_no_thread_may_be_tried_again(monkeypatch):
    def refuse(thread):
        raise CannotConnectError("the system gives no thread")

    with one_after_the_other(sends(then=stays)) as uri:
        socket = ReconnectingWebSocket(uri)
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules["syncws.reconnecting_websocket"], "start_thread", refuse)
            with pytest.raises(CannotConnectError):
                socket.start()
        with socket:
            assert socket.wait_connected(LIMIT)
