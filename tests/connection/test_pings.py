"""Pings that wait for their pongs: which pong answers what, and how a wait ends."""

import threading

import pytest
from support import LIMIT, wait
from support.calls import Call
from support.doubles import frames_of
from support.fakes import interrupt_at
from support.scripts import FIN, PING

from syncws._connection.pings import Pings
from syncws._waiting.deadline import Deadline
from syncws.errors import ConnectionLostError, ObjectClosedError, OperationTimedOutError


@pytest.fixture
def pings(outbox):
    """Pings whose reader sends at once."""
    return Pings(outbox, outbox.flush_without_waiting)


class Pinging(Call):
    """A thread that pings, and has sent its ping."""

    def __init__(self, pings, transport, payload, timeout=LIMIT):
        count = len(transport.sends)
        super().__init__(pings.ping, payload, Deadline(timeout))
        while len(transport.sends) == count:
            pass


def test_a_pong_brings_the_round_trip(pings, transport, clock):
    pinging = Pinging(pings, transport, b"a")
    clock.advance(0.5)
    pings.take_pong(b"a")
    assert pinging.result() == 0.5
    assert pings.round_trip_time == 0.5
    assert frames_of(transport.sent) == [(FIN | PING, b"a")]


def test_without_a_payload_each_ping_has_bytes_of_its_own(pings, transport, clock):
    threads = [Pinging(pings, transport, None) for _ in range(3)]
    payloads = [payload for _, payload in frames_of(transport.sent)]
    assert len(set(payloads)) == 3
    pings.take_pong(payloads[-1])
    for thread in threads:
        assert thread.result() == 0.0


def test_a_pong_that_nobody_waits_for_is_ignored(pings, transport):
    pings.take_pong(b"a")
    pinging = Pinging(pings, transport, b"a")
    pings.take_pong(b"b")
    assert pinging.is_alive()
    assert pings.round_trip_time is None
    pings.take_pong(b"a")
    pinging.result()


def test_a_pong_answers_the_earlier_pings_too_and_not_the_later_ones(pings, transport, clock):
    first = Pinging(pings, transport, b"first")
    clock.advance(1.0)
    second = Pinging(pings, transport, b"second")
    clock.advance(1.0)
    third = Pinging(pings, transport, b"third")
    clock.advance(1.0)
    pings.take_pong(b"second")
    assert (first.result(), second.result()) == (3.0, 2.0)
    assert pings.round_trip_time == 2.0
    assert third.is_alive()
    pings.take_pong(b"third")
    assert third.result() == 1.0


def test_equal_payloads_are_answered_by_one_pong(pings, transport):
    # A peer may answer the second only (RFC 6455 5.5.3).
    threads = [Pinging(pings, transport, b"same") for _ in range(2)]
    pings.take_pong(b"same")
    for thread in threads:
        thread.result()
    pings.take_pong(b"same")


def test_a_ping_that_times_out_leaves_nothing_behind(pings, transport, outbox):
    transport.block()
    with pytest.raises(OperationTimedOutError):
        pings.ping(b"a", Deadline(0.0))
    assert not pings._sent
    assert not outbox._posted._controls


def test_the_time_that_a_ping_waits_for_its_turn_does_not_count(outbox, transport, clock):
    # Nobody sends it for now.
    pings = Pings(outbox, lambda: None)
    pinging = Call(pings.ping, b"a", Deadline(LIMIT))
    while not outbox._posted._controls:
        pass
    pings.take_pong(b"a")
    assert pings.round_trip_time is None, "what has not gone cannot have been answered"
    clock.advance(5.0)
    assert outbox.flush_without_waiting()
    clock.advance(0.5)
    pings.take_pong(b"a")
    assert pinging.end() is None
    assert pings.round_trip_time == 0.5


def test_a_wait_may_end_early_and_goes_on(pings, transport):
    pinging = Pinging(pings, transport, b"a")
    (waiting,) = pings._sent
    waiting.bell.ring()
    waiting.bell.ring()
    assert pinging.is_alive()
    pings.take_pong(b"a")
    pinging.result()


@pytest.mark.parametrize("reason", [ObjectClosedError("closed"), ConnectionLostError("lost")])
def test_the_end_is_told_to_whoever_waits_and_whoever_comes(pings, transport, reason):
    pinging = Pinging(pings, transport, None, None)
    pings.end(reason)
    pings.end(ValueError("another"))
    assert type(pinging.end()) is type(reason)
    with pytest.raises(type(reason)):
        pings.ping(None, Deadline(None))
    assert not pings._sent
    assert len(transport.sends) == 1


def test_a_ping_that_waits_at_a_fork_ends_in_the_child_whoever_held_the_lock(pings):
    held, go_on = threading.Event(), threading.Event()

    def hold(lock):
        with lock:
            held.set()
            wait(go_on)

    holders = []

    def fork(deadline):
        holders.append(Call(hold, pings._lock))
        wait(held)
        pings.let_go_in_child(ConnectionLostError("it is the parent's"))
        return deadline

    try:
        with pytest.raises(ConnectionLostError, match="it is the parent's"):
            pings.ping(b"a", Deadline(LIMIT), fork)
    finally:
        go_on.set()
    assert holders[0].end() is None


def test_without_a_time_limit_it_waits_for_ever(pings, transport):
    pinging = Pinging(pings, transport, b"a", None)
    pings.take_pong(b"a")
    pinging.result()


def test_keep_alives_ping_is_answered_too_and_has_one_place(pings, transport, outbox, clock):
    transport.block()
    pings.post_own()
    pings.post_own()
    assert len(pings._sent) == 1
    assert len(outbox._posted._controls) <= 1
    assert pings.own_sent is None
    transport.unblock()
    assert outbox.flush_without_waiting()
    assert pings.own_sent == clock()
    clock.advance(0.25)
    pings.take_pong(pings._sent[0].payload)
    assert pings.round_trip_time == 0.25


def test_the_reader_is_woken_to_send(outbox, transport):
    woken = []
    pings = Pings(outbox, lambda: woken.append(len(outbox._posted._controls)))
    pings.post_own()
    with pytest.raises(OperationTimedOutError):
        pings.ping(None, Deadline(0.0))
    assert woken == [1, 2]
    assert not transport.sends


def test_an_interruption_anywhere_leaves_no_lock(outbox, transport):
    for number in range(200):
        pings = Pings(outbox, lambda: None)

        def ping(pings=pings):
            with pytest.raises(OperationTimedOutError):
                pings.ping(b"a", Deadline(0.0))

        was_interrupted = interrupt_at(number, ping)
        assert not pings._lock._is_owned()
        pings.take_pong(b"a")
        if not was_interrupted:
            break
    assert not was_interrupted
    assert number > 10
