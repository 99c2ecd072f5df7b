"""Waiting for a socket, a wake-up or a deadline, by poll and by select."""

import errno
import os
import select
import socket
import threading
import warnings

import pytest
from support import LIMIT, join

from syncws._waiting import readiness as readiness_module
from syncws._waiting.deadline import FOREVER, Deadline
from syncws._waiting.readiness import (
    READABLE,
    WOKEN,
    WRITABLE,
    PollReadiness,
    SelectReadiness,
    Waker,
    make_readiness,
    readable_of,
    wait_for_writable,
)

NOW = Deadline(0.0)
KINDS = [PollReadiness, SelectReadiness] if hasattr(select, "poll") else [SelectReadiness]
needs_poll = pytest.mark.skipif(not hasattr(select, "poll"), reason="there is no poll here")


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


@pytest.fixture(params=KINDS)
def readiness(request, pair, waker):
    return request.param(pair[0].fileno(), waker.fileno())


def fill(near):
    try:
        while True:
            near.send(b"\0" * 65536)
    except BlockingIOError:
        pass


def test_an_idle_socket_is_not_readable(readiness):
    assert readiness.wait(READABLE, NOW) == 0


def test_a_socket_with_bytes_is_readable(readiness, pair):
    pair[1].send(b"x")
    assert readiness.wait(READABLE, Deadline(LIMIT)) == READABLE


def test_an_empty_socket_is_writable(readiness):
    assert readiness.wait(WRITABLE, FOREVER) == WRITABLE


def test_a_full_socket_is_not_writable(readiness, pair):
    fill(pair[0])
    assert readiness.wait(WRITABLE, NOW) == 0


def test_both_can_be_ready_at_once(readiness, pair):
    pair[1].send(b"x")
    assert readiness.wait(READABLE | WRITABLE, FOREVER) == READABLE | WRITABLE


def test_what_nobody_asked_for_is_not_told(readiness, pair):
    pair[1].send(b"x")
    assert readiness.wait(WRITABLE, FOREVER) == WRITABLE


def test_with_no_interest_only_the_waker_counts(readiness, pair, waker):
    pair[1].send(b"x")
    assert readiness.wait(0, NOW) == 0
    waker.wake()
    assert readiness.wait(0, FOREVER) == WOKEN


def test_a_hang_up_is_not_told_to_who_has_no_interest(readiness, pair):
    readiness.wait(READABLE, NOW)
    pair[1].close()
    assert readiness.wait(0, NOW) == 0


def test_interest_can_come_back_after_it_was_gone(readiness, pair):
    pair[1].send(b"x")
    readiness.wait(READABLE, NOW)
    readiness.wait(0, NOW)
    assert readiness.wait(READABLE, NOW) == READABLE


def test_a_hang_up_counts_as_readable(readiness, pair):
    pair[1].close()
    assert readiness.wait(READABLE, FOREVER) & READABLE


def test_a_hang_up_counts_as_writable(readiness, pair):
    fill(pair[0])
    pair[1].close()
    assert readiness.wait(WRITABLE, FOREVER) & WRITABLE


def test_a_wake_from_another_thread_ends_a_wait_for_ever(readiness, waker):
    results = []
    thread = threading.Thread(target=lambda: results.append(readiness.wait(READABLE, FOREVER)))
    thread.start()
    waker.wake()
    join(thread)
    assert results == [WOKEN]


def test_a_wake_and_a_ready_socket_are_told_together(readiness, pair, waker):
    pair[1].send(b"x")
    waker.wake()
    assert readiness.wait(READABLE, FOREVER) == READABLE | WOKEN


def test_a_wait_ends_when_its_time_is_over(readiness):
    deadline = Deadline(0.01)
    while not deadline.is_expired:
        assert readiness.wait(READABLE, deadline) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_socket_the_waker_alone_is_waited_for(kind, waker):
    readiness = kind(-1, waker.fileno())
    assert readiness.wait(0, NOW) == 0
    waker.wake()
    assert readiness.wait(0, FOREVER) == WOKEN


def test_a_refused_connect_is_writable(waker):
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        for kind in KINDS:
            assert kind(client.fileno(), waker.fileno()).wait(WRITABLE, Deadline(LIMIT)) & WRITABLE


def test_a_failed_connect_is_writable_where_select_tells_it_as_an_exception(monkeypatch, waker):
    monkeypatch.setattr(select, "select", lambda _readers, _writers, failed, _timeout: ([], [], failed))
    assert SelectReadiness(5, waker.fileno()).wait(WRITABLE, NOW) == WRITABLE


@needs_poll
def test_poll_is_taken_where_there_is_one(waker):
    assert isinstance(make_readiness(-1, waker.fileno()), PollReadiness)


def test_select_is_taken_where_there_is_no_poll(monkeypatch, waker):
    monkeypatch.delattr(select, "poll", raising=False)
    assert isinstance(make_readiness(-1, waker.fileno()), SelectReadiness)


@needs_poll
def test_a_descriptor_over_1023_can_be_waited_for_by_poll(waker):
    resource = pytest.importorskip("resource")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 1100:
        pytest.skip("the system allows too few descriptors")
    fcntl = pytest.importorskip("fcntl")
    near, far = socket.socketpair()
    with near, far, socket.socket(fileno=fcntl.fcntl(near.fileno(), fcntl.F_DUPFD, 1050)) as high:
        far.send(b"x")
        assert high.fileno() > 1023
        assert PollReadiness(high.fileno(), waker.fileno()).wait(READABLE, FOREVER) == READABLE


def test_a_waking_stays_until_it_is_cleared(waker):
    readiness = make_readiness(-1, waker.fileno())
    waker.wake()
    assert readiness.wait(0, NOW) == WOKEN
    assert readiness.wait(0, NOW) == WOKEN
    waker.clear()
    assert readiness.wait(0, NOW) == 0


def test_clearing_forgets_all_wakings_at_once(waker):
    for _ in range(3):
        waker.wake()
    waker.clear()
    assert make_readiness(-1, waker.fileno()).wait(0, NOW) == 0


def test_clearing_a_waker_that_was_not_woken_does_nothing(waker):
    waker.clear()
    assert make_readiness(-1, waker.fileno()).wait(0, NOW) == 0


def test_a_waker_that_is_full_can_be_woken_all_the_same(waker):
    fill(waker._bell._sender) if isinstance(waker._bell, readiness_module._Pair) else count_to_the_end(waker)
    waker.wake()
    assert make_readiness(-1, waker.fileno()).wait(0, NOW) == WOKEN


def count_to_the_end(waker):
    os.eventfd_write(waker.fileno(), (1 << 64) - 2)


@pytest.mark.skipif(not hasattr(os, "eventfd"), reason="has no other wakers")
def test_without_eventfd_a_waker_is_a_pair_of_sockets(monkeypatch):
    monkeypatch.delattr(os, "eventfd")
    waker = Waker()
    readiness = make_readiness(-1, waker.fileno())
    assert readiness.wait(0, NOW) == 0
    fill(waker._bell._sender)
    waker.wake()
    assert readiness.wait(0, NOW) == WOKEN
    while readiness.wait(0, NOW):
        waker.clear()
    waker.close()
    waker.clear()


def test_a_waker_that_is_dropped_gives_its_descriptors_back():
    waker = Waker()
    descriptor = waker.fileno()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del waker
    with pytest.raises(OSError) as caught:  # noqa: PT011 - each system has its own text
        os.fstat(descriptor)
    assert caught.value.errno == errno.EBADF


def test_waking_after_close_does_nothing():
    waker = Waker()
    waker.close()
    waker.wake()


def test_a_waker_can_be_closed_twice():
    waker = Waker()
    waker.close()
    waker.close()


@pytest.mark.parametrize("has_poll", [True, False])
def test_of_many_sockets_those_are_told_on_which_something_has_come(monkeypatch, has_poll):
    if not has_poll:
        monkeypatch.delattr(select, "poll", raising=False)
        monkeypatch.setattr(readiness_module, "_MOST_SELECTED", 2)
    pairs = [socket.socketpair() for _ in range(5)]
    try:
        for number in (1, 4):
            pairs[number][1].send(b"x")
        pairs[2][1].close()
        numbers = [first.fileno() for first, _ in pairs]
        assert readable_of([*numbers, -1]) == {numbers[1], numbers[2], numbers[4]}
        assert readable_of([]) == set()
    finally:
        for pair in pairs:
            for end in pair:
                end.close()


def test_without_poll_a_socket_that_was_closed_in_the_meantime_may_have_something(monkeypatch):
    monkeypatch.delattr(select, "poll", raising=False)
    first, second = socket.socketpair()
    number = first.fileno()
    first.close()
    second.close()
    assert readable_of([number]) == {number}


@pytest.mark.parametrize("has_poll", [pytest.param(True, marks=needs_poll), False])
def test_of_several_sockets_those_that_are_connected_are_told_and_the_waker(waker, monkeypatch, has_poll):
    if not has_poll:
        monkeypatch.delattr(select, "poll", raising=False)
    first, second = socket.socketpair()
    with first, second:
        number = first.fileno()
        assert wait_for_writable([number], waker.fileno(), 0) == [number]
        waker.wake()
        assert sorted(wait_for_writable([number], waker.fileno(), 0)) == sorted([waker.fileno(), number])


@needs_poll
def test_in_a_child_that_was_forked_in_a_signal_handler_there_is_nothing_to_wait_for():
    assert wait_for_writable([-1], -1, 0) == []


def test_a_waker_that_a_fork_has_closed_has_nothing_to_forget():
    waker = Waker()
    waker.let_go_in_child()
    waker.clear()
    assert waker.fileno() == -1
