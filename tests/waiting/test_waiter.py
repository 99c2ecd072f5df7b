"""Waiter: readiness, the deadline and the cancellation of a connect in one."""

import select
import socket
import threading

import pytest
from support import LIMIT, join
from support.calls import Call
from support.fakes import FakeClock

from syncws._waiting import deadline as deadline_module
from syncws._waiting.deadline import FOREVER, Deadline
from syncws._waiting.readiness import READABLE, WOKEN, WRITABLE, make_readiness
from syncws._waiting.waiter import Waiter
from syncws.errors import OperationCanceledError, OperationTimedOutError
from syncws.hresult import HResult


class Switch:
    is_on = False

    def __call__(self):
        return self.is_on


def wait_for_ever(waiter):
    while True:
        waiter.wait(READABLE)


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_wait_tells_what_is_ready(waker, switch, pair):
    waiter = Waiter(waker, switch, FOREVER, pair[0].fileno())
    assert waiter.wait(WRITABLE) == WRITABLE


def test_wait_ends_with_the_deadline(waker, switch, pair):
    waiter = Waiter(waker, switch, Deadline(0.01), pair[0].fileno())
    with pytest.raises(OperationTimedOutError) as caught:
        wait_for_ever(waiter)
    assert caught.value.hresult == HResult.WININET_E_TIMEOUT


def test_wait_ends_at_the_time_of_a_cancellation_that_is_known_to_come(waker, switch):
    def limit(_):
        switch.is_on = True
        return Deadline(0.0)

    # Not on the main thread, which looks every moment anyway.
    call = Call(Waiter(waker, switch, Deadline(LIMIT / 2), limit=limit).wait, 0)
    assert isinstance(call.end(), OperationCanceledError)


@pytest.mark.parametrize("way", ["one socket", "several"])
def test_a_wake_up_ends_one_wait_only(waker, switch, way):
    waiter = Waiter(waker, switch, FOREVER)
    waker.wake()
    if way == "one socket":
        waiter.wait(0)
    else:
        waiter.wait_for_any([], FOREVER)
    assert not select.select([waker], [], [], 0)[0]


def test_wait_ends_when_it_is_canceled_from_another_thread(waker, switch):
    waiter = Waiter(waker, switch, FOREVER)
    errors = []

    def body():
        try:
            waiter.wait(0)
        except OperationCanceledError as exc:
            errors.append(exc.hresult)

    thread = threading.Thread(target=body)
    thread.start()
    switch.is_on = True
    waker.wake()
    join(thread)
    assert errors == [HResult.ERROR_CANCELLED]


def test_wait_does_not_begin_when_it_is_canceled_already(waker, switch):
    switch.is_on = True
    with pytest.raises(OperationCanceledError):
        Waiter(waker, switch, FOREVER).wait(0)


def test_a_cancellation_comes_before_a_deadline(waker, switch):
    switch.is_on = True
    with pytest.raises(OperationCanceledError):
        Waiter(waker, switch, Deadline(0.0)).check()


def test_a_stray_wake_up_is_told_and_forgotten(waker, switch):
    waker.wake()
    assert Waiter(waker, switch, FOREVER).wait(0) == WOKEN
    assert make_readiness(-1, waker.fileno()).wait(0, Deadline(0.0)) == 0


def test_the_error_names_the_phase(waker, switch):
    waiter = Waiter(waker, switch, Deadline(0.0))
    waiter.phase = "looking up example.org"
    with pytest.raises(OperationTimedOutError, match=r"looking up example\.org"):
        waiter.check()


def test_check_lets_an_operation_go_on_that_is_not_over(waker, switch):
    Waiter(waker, switch, Deadline(LIMIT)).check()


def test_for_descriptor_keeps_the_cancellation_and_the_phase(waker, switch, pair):
    waiter = Waiter(waker, switch, FOREVER)
    waiter.phase = "TLS"
    other = waiter.for_descriptor(pair[0].fileno(), Deadline(LIMIT))
    switch.is_on = True
    with pytest.raises(OperationCanceledError, match="TLS"):
        other.wait(READABLE)


def test_within_takes_the_earlier_deadline(waker, switch, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    waiter = Waiter(waker, switch, Deadline(10.0))
    assert waiter.within(1.0).deadline.remaining == 1.0
    assert waiter.within(20.0).deadline.remaining == 10.0
    assert waiter.deadline.remaining == 10.0


def test_within_waits_for_the_same_socket(waker, switch, pair):
    pair[1].send(b"x")
    waiter = Waiter(waker, switch, FOREVER, pair[0].fileno())
    assert waiter.within(LIMIT).wait(READABLE) == READABLE
