"""Tests of syncws.events: Event, EventRegistrationToken and Deferral."""

import itertools
import logging
import threading

import pytest
from support import LIMIT, join, wait
from support.fakes import interrupt_at

from syncws import (
    Deferral,
    Event,
    EventRegistrationToken,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentTypeError,
    MessageWebSocket,
)
from syncws.events import events_of


@pytest.fixture
def event():
    return Event("message_received")


# Adding and calling.


def test_an_event_without_handlers_can_be_raised(event):
    assert event("sender", "args") == 0


def test_a_handler_gets_sender_and_args(event):
    calls = []
    event.add(lambda *arguments: calls.append(arguments))
    event("sender", "args")
    assert calls == [("sender", "args")]


def test_handlers_are_called_in_the_order_in_which_they_were_added(event):
    calls = []
    for name in "cab":
        event.add(lambda sender, args, name=name: calls.append(name))
    event(None, None)
    assert calls == ["c", "a", "b"]


def test_a_handler_that_was_added_twice_is_called_twice(event):
    calls = []

    def handler(sender, args):
        calls.append(args)

    event.add(handler)
    event.add(handler)
    event(None, "x")
    assert calls == ["x", "x"]


@pytest.mark.parametrize("handler", [None, 5, "print", object()])
def test_what_cannot_be_called_is_refused_by_add(event, handler):
    with pytest.raises(InvalidArgumentTypeError, match="handler of message_received must be callable") as raised:
        event.add(handler)
    assert raised.value.hresult == HResult.E_INVALIDARG
    assert event.handlers == ()


def test_what_cannot_be_called_is_refused_by_plus_equals(event):
    with pytest.raises(InvalidArgumentTypeError, match="must be callable, not int"):
        event += 5


def test_plus_equals_leaves_the_same_event(event):
    before = event
    event += print
    assert event is before
    event -= print
    assert event is before


# Tokens.


def test_adding_returns_a_token_that_is_an_int_and_not_zero(event):
    token = event.add(print)
    assert isinstance(token, EventRegistrationToken)
    assert isinstance(token, int)
    assert token != 0


def test_every_registration_has_a_token_of_its_own(event):
    other = Event("closed")
    tokens = {event.add(print), event.add(print), other.add(print)}
    assert len(tokens) == 3


def test_a_token_shows_its_number(event):
    token = event.add(print)
    assert token.value == int(token)
    assert type(token.value) is int
    assert repr(token) == f"EventRegistrationToken({int(token)})"


@pytest.mark.parametrize("arguments", [(), (1,), (0,)])
def test_a_token_cannot_be_made(arguments):
    with pytest.raises(TypeError, match="cannot be made"):
        EventRegistrationToken(*arguments)


def test_remove_takes_out_exactly_the_registration_of_the_token(event):
    calls = []
    event.add(lambda sender, args: calls.append(1))
    token = event.add(lambda sender, args: calls.append(2))
    event.add(lambda sender, args: calls.append(3))
    event.remove(token)
    event(None, None)
    assert calls == [1, 3]


def test_a_token_can_be_removed_as_a_plain_number(event):
    token = event.add(print)
    event.remove(int(token))
    assert event.handlers == ()


def test_an_unknown_token_does_nothing(event):
    token = event.add(print)
    event.remove(token)
    event.remove(token)
    event.remove(0)
    assert event.handlers == ()


def test_the_token_of_another_event_does_nothing(event):
    token = Event("closed").add(print)
    event.add(print)
    event.remove(token)
    assert event.handlers == (print,)


@pytest.mark.parametrize("token", [None, print, "1", 1.0])
def test_remove_refuses_what_is_no_token(event, token):
    with pytest.raises(InvalidArgumentTypeError, match="takes the token that adding gave") as raised:
        event.remove(token)
    assert raised.value.hresult == HResult.E_INVALIDARG


def test_minus_equals_takes_out_the_latest_registration_of_a_handler(event):
    calls = []

    def first(sender, args):
        calls.append("first")

    def second(sender, args):
        calls.append("second")

    event += first
    event += second
    event += first
    event -= first
    event(None, None)
    assert calls == ["first", "second"]


def test_minus_equals_of_an_unknown_handler_does_nothing(event):
    event += print
    event -= repr
    assert event.handlers == (print,)


def test_a_bound_method_can_be_taken_out_by_minus_equals(event):
    class Owner:
        def handle(self, sender, args):
            pass

    owner = Owner()
    event += owner.handle
    event -= owner.handle
    assert event.handlers == ()


# While a call is under way.


def test_a_handler_added_during_a_call_is_called_from_the_next_one_on(event):
    calls = []
    event.add(lambda sender, args: event.add(lambda sender, args: calls.append(args)))
    event(None, 1)
    assert calls == []
    event(None, 2)
    assert calls == [2]


def test_a_handler_removed_during_a_call_is_still_called_by_that_call(event):
    calls = []
    event.add(lambda sender, args: event.remove(token))
    token = event.add(lambda sender, args: calls.append(args))
    event(None, 1)
    event(None, 2)
    assert calls == [1]


def test_threads_that_add_and_remove_at_once_lose_nothing(event):
    start = threading.Barrier(8)

    def body():
        start.wait(LIMIT)
        for _ in range(200):
            event.remove(event.add(print))
        event.add(repr)

    threads = [threading.Thread(target=body) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    assert event.handlers == (repr,) * 8


# Failures of handlers.


def failing(sender, args):
    raise ValueError("handler's own")


def test_a_removal_that_was_interrupted_was_done_or_not_begun():
    for number in itertools.count():
        event = Event("message_received")
        token = event.add(lambda sender, args: None)
        is_interrupted = interrupt_at(number, event.remove, token)
        assert len(event.handlers) == len(event._registrations)
        if not is_interrupted:
            break
    assert number > 2


def test_a_handler_that_raises_does_not_keep_the_next_from_running(event, caplog):
    calls = []
    event.add(failing)
    event.add(lambda sender, args: calls.append(args))
    assert event(None, "x") == 1
    assert calls == ["x"]


def test_the_call_returns_how_many_handlers_raised(event, caplog):
    event.add(failing)
    event.add(failing)
    event.add(lambda sender, args: None)
    assert event(None, None) == 2


def test_a_handlers_exception_is_logged_as_an_error_with_its_traceback(event, caplog):
    event.add(failing)
    event(None, None)
    (record,) = caplog.records
    assert record.name == "syncws"
    assert record.levelno == logging.ERROR
    assert "message_received" in record.getMessage()
    assert "failing" in record.getMessage()
    assert record.exc_info[0] is ValueError
    assert "handler's own" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_goes_through(event, error):
    def handler(sender, args):
        raise error

    event.add(handler)
    with pytest.raises(error):
        event(None, None)


def test_repr_names_the_event_and_counts_its_handlers(event):
    event.add(print)
    assert repr(event) == "<Event message_received with 1 handler(s)>"


# Deferral.


def test_completing_a_deferral_calls_its_handler_once_without_arguments():
    calls = []
    deferral = Deferral(lambda: calls.append(threading.get_ident()))
    assert calls == []
    deferral.complete()
    assert calls == [threading.get_ident()]


def test_a_second_complete_is_an_illegal_method_call():
    calls = []
    deferral = Deferral(lambda: calls.append(1))
    deferral.complete()
    with pytest.raises(IllegalMethodCallError, match="completed already") as raised:
        deferral.complete()
    assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL
    assert calls == [1]


def test_closing_a_deferral_completes_it():
    calls = []
    Deferral(lambda: calls.append(1)).close()
    assert calls == [1]


def test_closing_may_be_repeated_and_may_follow_complete():
    calls = []
    deferral = Deferral(lambda: calls.append(1))
    deferral.complete()
    deferral.close()
    deferral.close()
    assert calls == [1]


def test_complete_after_close_is_an_illegal_method_call():
    deferral = Deferral(lambda: None)
    deferral.close()
    with pytest.raises(IllegalMethodCallError):
        deferral.complete()


def test_a_deferral_completes_when_its_block_is_left():
    calls = []
    with Deferral(lambda: calls.append(1)) as deferral:
        assert isinstance(deferral, Deferral)
        assert calls == []
    assert calls == [1]


def test_a_deferral_completes_when_its_block_is_left_by_an_exception():
    calls = []
    with pytest.raises(ZeroDivisionError), Deferral(lambda: calls.append(1)):
        raise ZeroDivisionError
    assert calls == [1]


def test_the_exception_of_a_deferrals_handler_reaches_whoever_completes():
    def handler():
        raise ValueError("from the handler")

    with pytest.raises(ValueError, match="from the handler"):
        Deferral(handler).complete()


def test_any_thread_may_complete_a_deferral():
    done = threading.Event()
    thread = threading.Thread(target=Deferral(done.set).complete)
    thread.start()
    wait(done)
    join(thread)


def test_threads_that_close_at_once_complete_once():
    calls = []
    deferral = Deferral(lambda: calls.append(1))
    start = threading.Barrier(8)

    def body():
        start.wait(LIMIT)
        deferral.close()

    threads = [threading.Thread(target=body) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    assert calls == [1]


@pytest.mark.parametrize("handler", [None, 3, "complete"])
def test_a_deferral_needs_a_handler_that_can_be_called(handler):
    with pytest.raises(InvalidArgumentTypeError, match="deferral's handler must be callable") as raised:
        Deferral(handler)
    assert raised.value.hresult == HResult.E_INVALIDARG


def test_a_token_can_be_subtracted_like_its_handler():
    seen = []
    event = Event("happened")
    token = event.add(lambda sender, args: seen.append(args))
    event -= token
    event(None, 1)
    assert seen == []
    assert event.handlers == ()


def test_a_forked_child_may_add_handlers_although_another_thread_held_the_lock():
    event = Event("message_received")
    thread = threading.Thread(target=event._lock.acquire)
    thread.start()
    thread.join()
    event._let_go_in_child()
    event.add(print)
    assert event.handlers == (print,)


@pytest.mark.parametrize("name", ["closed", "opened", "ping_received", "pong_received"])
def test_an_event_is_made_for_one_socket_when_it_is_asked_for(name):
    socket, other = MessageWebSocket(), MessageWebSocket()
    assert f"_{name}_event" not in vars(socket)
    event = getattr(socket, name)
    event += print
    assert getattr(socket, name) is event
    assert getattr(socket, f"_{name}_event").handlers == (print,)
    assert getattr(other, f"_{name}_event").handlers == ()
    assert getattr(other, name).handlers == ()


def test_the_events_of_an_object_are_those_that_somebody_has_asked_for():
    socket = MessageWebSocket()
    before = events_of(socket)
    closed = socket.closed
    assert [event for event in events_of(socket) if event not in before] == [closed]
    assert socket.opened not in before
