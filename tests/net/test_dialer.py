"""Dialer: one address after the other, or overlapping; every failure kept, no descriptor left."""

import contextlib
import errno
import logging
import socket
import sys
from typing import ClassVar

import pytest
from support import LIMIT, alone_listening, black_hole, can_listen, settings_with
from support.fakes import FakeClock

from syncws._net import dialer as dialer_module
from syncws._net.address import Address, parse_address
from syncws._net.dialer import Dialer, _system_error
from syncws._waiting import deadline as deadline_module
from syncws._waiting import waiter as waiter_module
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws.errors import CannotConnectError, ConnectAttempt, OperationCanceledError, OperationTimedOutError


def addresses(*texts):
    return [Address(socket.AF_INET6 if ":" in text else socket.AF_INET, text) for text in texts]


@pytest.fixture
def dial():
    """Make a Dialer and dial; gives both."""
    waker = Waker()

    def make(texts, port, timeout=LIMIT, is_canceled=lambda: False, **settings):
        waiter = Waiter(waker, is_canceled, Deadline(timeout))
        return Dialer(addresses(*texts), port, settings_with(**settings), waiter)

    yield make
    waker.close()


@contextlib.contextmanager
def listening(address, port=0):
    with socket.socket() as listener:
        listener.bind((address, port))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_failure_is_kept_without_the_frames_that_it_passed(dial):
    with listening("127.0.0.1") as port:
        dialer = dial(["127.0.0.1"], port)
        dialed = dialer.dial()
        try:
            raise OSError("no use") from ConnectionResetError("reset")
        except OSError as exc:
            dialer.fail(dialed, exc)
        [attempt] = dialer.attempts
        assert (str(attempt.error), str(attempt.error.__cause__)) == ("no use", "reset")
        assert attempt.error.__traceback__ is None


def test_the_first_that_accepts_is_taken_and_the_failures_before_it_are_kept(dial, caplog):
    caplog.set_level(logging.INFO, "syncws.connect")
    with alone_listening("127.0.0.3", "127.0.0.1", "127.0.0.2") as port:
        dialer = dial(["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"], port)
        dialed = dialer.dial()
        assert dialed.socket.getpeername() == ("127.0.0.3", port)
        dialed.socket.close()
    assert dialed.address.text == "127.0.0.3"
    assert [attempt.address for attempt in dialer.attempts] == ["127.0.0.1", "127.0.0.2"]
    assert {attempt.error.errno for attempt in dialer.attempts} == {errno.ECONNREFUSED}
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"127.0.0.1 port {port}",
        f"127.0.0.2 port {port}",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells on a second call how far the first has come")
@pytest.mark.parametrize("says_again", [True, False])
def test_a_server_nearby_is_not_waited_for_where_the_system_tells_at_once(dial, monkeypatch, says_again):
    waits = []
    wait = waiter_module.wait_for_writable

    def note(descriptors, *rest):
        waits.append(list(descriptors))
        return wait(descriptors, *rest)

    monkeypatch.setattr(waiter_module, "wait_for_writable", note)
    monkeypatch.setattr(dialer_module, "_SAYS_AGAIN", says_again)
    with listening("127.0.0.1") as port:
        dialed = dial(["127.0.0.1"], port).dial()
        assert dialed.socket.getpeername() == ("127.0.0.1", port)
        dialed.socket.close()
    assert len(waits) == (0 if says_again else 1)


@pytest.mark.parametrize("error", [RuntimeError("not in a test"), OSError("not in a test")])
def test_a_connect_that_is_replaced_so_that_none_gets_out_is_called(dial, monkeypatch, error):
    def refuse(self, address):
        raise error

    with listening("127.0.0.1") as port:
        dialer = dial(["127.0.0.1"], port)
        monkeypatch.setattr(socket.socket, "connect", refuse)
        with pytest.raises((RuntimeError, CannotConnectError), match="not in a test"):
            dialer.dial()


@pytest.mark.parametrize("says_again", [True, False])
def test_a_refusal_is_told_with_its_number_however_it_comes_to_light(dial, monkeypatch, says_again):
    monkeypatch.setattr(dialer_module, "_SAYS_AGAIN", says_again and sys.platform == "linux")
    with alone_listening("127.0.0.2", "127.0.0.1") as port:
        dialer = dial(["127.0.0.1"], port)
        with pytest.raises(CannotConnectError):
            dialer.dial()
    assert [attempt.error.errno for attempt in dialer.attempts] == [errno.ECONNREFUSED]


def test_an_attempt_is_a_value():
    error = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    assert ConnectAttempt("127.0.0.1", error, 1.5) == ConnectAttempt("127.0.0.1", error, 1.5)


def test_without_a_delay_an_address_is_given_up_before_the_next_is_tried(dial, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    wait = waiter_module.wait_for_writable

    def answer_nothing_at_first(descriptors, waker, _):
        monkeypatch.setattr(waiter_module, "wait_for_writable", wait)
        clock.advance(60)
        return wait(descriptors, waker, 0)

    with black_hole("127.0.0.1") as port, listening("127.0.0.2", port):
        dialer = dial(["127.0.0.1", "127.0.0.2"], port, timeout=None, connect_timeout=60.0)
        monkeypatch.setattr(waiter_module, "wait_for_writable", answer_nothing_at_first)
        dialed = dialer.dial()
        dialed.socket.close()
    assert dialed.address.text == "127.0.0.2"
    (attempt,) = dialer.attempts
    assert isinstance(attempt.error, OperationTimedOutError)
    assert attempt.seconds == 60


def test_with_a_delay_the_next_address_is_tried_beside_the_first(dial):
    with black_hole("127.0.0.1") as port, listening("127.0.0.2", port):
        dialer = dial(["127.0.0.1", "127.0.0.2"], port, happy_eyeballs_delay=0.01)
        dialed = dialer.dial()
        dialed.socket.close()
    assert dialed.address.text == "127.0.0.2"
    # The first was dropped, not given up.
    assert dialer.attempts == []


def test_the_delay_does_not_hold_up_the_next_address_after_a_refusal(dial):
    with alone_listening("127.0.0.2", "127.0.0.1") as port:
        dialer = dial(["127.0.0.1", "127.0.0.2"], port, happy_eyeballs_delay=LIMIT)
        dialer.dial().socket.close()
    assert [attempt.address for attempt in dialer.attempts] == ["127.0.0.1"]


def test_overlapping_addresses_that_all_fail_are_told_of_in_the_order_of_their_failures(dial):
    with black_hole("127.0.0.1") as port:
        dialer = dial(["127.0.0.1", "127.0.0.2", "127.0.0.3"], port, happy_eyeballs_delay=0, connect_timeout=0.1)
        with pytest.raises(CannotConnectError) as caught:
            dialer.dial()
    assert sorted(attempt.address for attempt in dialer.attempts) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert dialer.attempts[-1].address == "127.0.0.1"
    assert "127.0.0.1: no answer within" in str(caught.value)


def test_each_address_has_its_own_time(dial, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    with black_hole("127.0.0.1") as port:
        dialer = dial(["127.0.0.1"] * 3, port, timeout=None, connect_timeout=60.0)
        wait = waiter_module.wait_for_writable

        def answer_nothing(descriptors, waker, _):
            clock.advance(60)
            return wait(descriptors, waker, 0)

        monkeypatch.setattr(waiter_module, "wait_for_writable", answer_nothing)
        start = clock()
        with pytest.raises(OperationTimedOutError):
            dialer.dial()
    assert clock() - start == 180
    assert [attempt.seconds for attempt in dialer.attempts] == [60, 60, 60]


def test_when_the_operation_s_time_is_over_the_addresses_that_wait_are_told_of(dial):
    with black_hole("127.0.0.1") as port:
        dialer = dial(["127.0.0.1", "127.0.0.1"], port, timeout=0.05, happy_eyeballs_delay=0.0)
        with pytest.raises(OperationTimedOutError, match=r"connecting to 127\.0\.0\.1"):
            dialer.dial()
    assert len(dialer.attempts) == 2
    assert all(isinstance(attempt.error, OperationTimedOutError) for attempt in dialer.attempts)


def test_a_cancellation_ends_it(dial):
    looks = []
    with black_hole("127.0.0.1") as port:
        dialer = dial(["127.0.0.1"], port, is_canceled=lambda: looks.append(1) or len(looks) > 1)
        with pytest.raises(OperationCanceledError):
            dialer.dial()


def test_a_family_that_the_system_does_not_have_is_a_failure_like_any_other(dial, monkeypatch):
    real = socket.socket

    def without_ipv6(family, *arguments):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, *arguments)

    with listening("127.0.0.1") as port:
        dialer = dial(["::1", "127.0.0.1"], port)
        monkeypatch.setattr(socket, "socket", without_ipv6)
        dialed = dialer.dial()
        monkeypatch.undo()
        dialed.socket.close()
    assert [attempt.error.errno for attempt in dialer.attempts] == [errno.EAFNOSUPPORT]


def test_an_interface_that_does_not_exist_is_a_failure_like_any_other(dial, caplog):
    caplog.set_level(logging.INFO, "syncws.connect")
    with listening("127.0.0.1") as port:
        dialer = dial(["fe80::1%nowhere", "fe80::1%999999", "127.0.0.1"], port)
        dialer.dial().socket.close()
    assert [attempt.address for attempt in dialer.attempts] == ["fe80::1%nowhere", "fe80::1%999999"]
    assert [attempt.error.errno for attempt in dialer.attempts] == [errno.ENODEV] * 2
    assert "fe80::1%nowhere port" in caplog.text
    assert "this system has no network interface 'nowhere'" in caplog.text


def test_nothing_is_looked_up_when_an_address_is_connected_to(dial, monkeypatch):
    """CPython hands the system's resolver what inet_pton does not take, and that may wait for name servers."""
    taken = []

    class Noting(socket.socket):
        def connect(self, address):
            taken.append((self.family, *address))
            raise OSError(errno.ECONNREFUSED, "refused")

    index, name = socket.if_nameindex()[0]
    dialer = dial(["127.0.0.1", "::1", f"fe80::1%{name}", f"fe80::1%{index}", "fe80::1%nowhere"], 9)
    monkeypatch.setattr(socket, "socket", Noting)
    with pytest.raises(CannotConnectError):
        dialer.dial()
    monkeypatch.undo()
    assert [address[1] for address in taken] == ["127.0.0.1", "::1", "fe80::1", "fe80::1"]
    for family, text, *_ in taken:
        assert socket.inet_pton(family, text)
    assert [address[4] for address in taken[2:]] == [index, index]


# Happy eyeballs: what becomes of the others.


class Watched(socket.socket):
    """A socket that is kept, so that a test can ask whether it was closed."""

    made: ClassVar[list[socket.socket]] = []

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.made.append(self)


def test_the_socket_of_the_slower_address_is_closed(dial, monkeypatch):
    monkeypatch.setattr(Watched, "made", [])
    with black_hole("127.0.0.1") as port, listening("127.0.0.2", port):
        dialer = dial(["127.0.0.1", "127.0.0.2", "127.0.0.3"], port, happy_eyeballs_delay=0.01)
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", Watched)
            dialed = dialer.dial()
        first, second = Watched.made
        assert dialed.socket is second
        assert first.fileno() == -1
        assert second.getpeername() == ("127.0.0.2", port)
        second.close()


def test_an_address_that_fails_beside_another_lets_the_next_begin_at_once(dial, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    with black_hole("127.0.0.1") as port, listening("127.0.0.3", port):
        texts = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]
        dialer = dial(texts, port, timeout=LIMIT, happy_eyeballs_delay=0.25, connect_timeout=None)
        wait = waiter_module.wait_for_writable

        def pass_the_delay(descriptors, waker, seconds):
            # Nobody answers for the first; the others do while it is looked.
            ready = wait(descriptors, waker, 0.05)
            if not ready:
                clock.advance(seconds)
            return ready

        monkeypatch.setattr(waiter_module, "wait_for_writable", pass_the_delay)
        start = clock()
        dialed = dialer.dial()
        dialed.socket.close()
    assert dialed.address.text == "127.0.0.3"
    assert [attempt.address for attempt in dialer.attempts] == ["127.0.0.2"]
    # One delay, for the second; the third begins when that is refused.
    assert clock() - start == 0.25


# A total time limit is shared out.


@pytest.fixture
def silence(monkeypatch):
    """Have the fake clock pass over every wait for an address, unless something is there; gives the clock."""
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    wait = waiter_module.wait_for_writable

    def pass_over(descriptors, waker, seconds):
        # A moment of real time, for what is there.
        ready = wait(descriptors, waker, 0.02)
        if not ready:
            clock.advance(seconds)
        return ready

    monkeypatch.setattr(waiter_module, "wait_for_writable", pass_over)
    return clock


def tried(dial, count, **options):
    """Dial `count` addresses that are silent; return for how long each was tried."""
    with black_hole("127.0.0.1") as port:
        dialer = dial(["127.0.0.1"] * count, port, **options)
        with pytest.raises(OperationTimedOutError):
            dialer.dial()
    return [attempt.seconds for attempt in dialer.attempts]


@pytest.mark.usefixtures("silence")
def test_of_a_total_time_each_silent_address_gets_its_part(dial):
    assert tried(dial, 5, timeout=20.0) == [4, 4, 4, 4, 4]


@pytest.mark.usefixtures("silence")
def test_an_address_gets_two_seconds_at_least_and_never_more_than_is_left(dial):
    assert tried(dial, 5, timeout=5.0) == [2, 2, 1]
    assert tried(dial, 2, timeout=1.5) == [1.5]


@pytest.mark.usefixtures("silence")
def test_an_address_gets_connect_timeout_at_most(dial):
    assert tried(dial, 3, timeout=100.0, connect_timeout=7.0) == [7, 7, 7]
    # Also when that is less than the two seconds.
    assert tried(dial, 3, timeout=5.0, connect_timeout=0.5) == [0.5, 0.5, 0.5]


def test_behind_a_silent_address_the_next_one_is_tried_within_the_total_time(dial, silence):
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(black_hole("127.0.0.1"))
        stack.enter_context(listening("127.0.0.2", port))
        begun = silence()
        dialer = dial(["127.0.0.1", "127.0.0.2"], port, timeout=5.0)
        dialed = dialer.dial()
        dialed.socket.close()
        assert dialed.address.text == "127.0.0.2"
        assert [attempt.seconds for attempt in dialer.attempts] == [2.5]
        # The last one has all that is left, for TLS and the handshake too.
        assert silence() - begun == 2.5
        assert dialed.deadline.remaining == 2.5


@pytest.mark.usefixtures("silence")
def test_what_an_address_does_not_use_is_for_the_others(dial):
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(black_hole("127.0.0.1"))
        stack.enter_context(socket.socket()).bind(("127.0.0.2", port))
        dialer = dial(["127.0.0.2", "127.0.0.1", "127.0.0.1"], port, timeout=12.0)
        with pytest.raises(OperationTimedOutError):
            dialer.dial()
    assert [attempt.seconds for attempt in dialer.attempts] == [0, 6, 6]


@pytest.mark.usefixtures("silence")
def test_addresses_that_are_tried_beside_each_other_have_all_the_time(dial):
    assert tried(dial, 2, timeout=10.0, happy_eyeballs_delay=1.0) == [10, 9]


def test_with_a_delay_an_address_that_has_accepted_leaves_time_for_the_others(dial, silence):
    with listening("127.0.0.1") as port:
        dialer = dial(["127.0.0.1"] * 4, port, timeout=20.0, happy_eyeballs_delay=1.0)
        for part in (5, 5, 5, 5):
            dialed = dialer.dial()
            assert dialed.deadline.remaining == pytest.approx(part)
            silence.advance(part)
            dialer.fail(dialed, OperationTimedOutError("it said nothing"))


@pytest.mark.parametrize("delay", [None, 0.05])
def test_localhost_that_has_accepted_has_all_the_time(dial, silence, delay):
    with listening("127.0.0.1") as port:
        dialed = dial(["127.0.0.1", "::1"], port, timeout=20.0, happy_eyeballs_delay=delay).dial()
        dialed.socket.close()
    assert (dialed.address.text, dialed.deadline.remaining) == ("127.0.0.1", 20)


@pytest.mark.skipif(not can_listen("::1"), reason="this machine has no ::1")
def test_localhost_s_second_address_is_tried_in_time_when_the_first_one_does_not_accept(dial, silence):
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(black_hole("127.0.0.1"))
        listener = stack.enter_context(socket.socket(socket.AF_INET6))
        listener.bind(("::1", port))
        listener.listen()
        dialer = dial(["127.0.0.1", "::1"], port, timeout=20.0)
        dialed = dialer.dial()
        dialed.socket.close()
    assert [attempt.seconds for attempt in dialer.attempts] == [10]
    assert (dialed.address.text, dialed.deadline.remaining) == ("::1", 10)


def test_localhost_s_time_to_accept_counts_for_connect_timeout(dial, silence, monkeypatch):
    look = waiter_module.wait_for_writable

    def accept_late(*arguments):
        silence.advance(3.0)
        return look(*arguments)

    monkeypatch.setattr(waiter_module, "wait_for_writable", accept_late)
    monkeypatch.setattr(dialer_module, "_SAYS_AGAIN", False)
    with listening("127.0.0.1") as port:
        dialed = dial(["127.0.0.1", "::1"], port, timeout=20.0, connect_timeout=12.0).dial()
        dialed.socket.close()
    assert dialed.deadline.remaining == 9


@pytest.mark.usefixtures("silence")
def test_without_a_total_time_each_address_has_connect_timeout(dial):
    assert tried(dial, 2, timeout=None, connect_timeout=60.0) == [60, 60]


@pytest.mark.parametrize(
    ("text", "number", "is_told"),
    [
        ("fe80::1", errno.EINVAL, True),
        ("fe80::1", errno.ECONNREFUSED, False),
        ("fe80::1%lo", errno.EINVAL, False),
        ("2001:db8::1", errno.EINVAL, False),
        ("169.254.0.1", errno.EINVAL, False),
    ],
)
def test_a_link_local_address_that_the_system_refuses_is_told_to_need_its_interface(text, number, is_told):
    error = _system_error(number, parse_address(text))
    assert error.errno == number
    assert ("such an address needs its network interface, as in ws://[fe80::1%25eth0]/" in str(error)) is is_told
