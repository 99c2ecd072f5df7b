"""ShortWay and what it asks: a plain call that something compiled can answer does not enter the method."""

import gc
import inspect
import math
import weakref
from collections import deque
from fractions import Fraction
from unittest.mock import create_autospec

import pytest

import syncws
from syncws._arguments.checks import Default
from syncws._connection.receiving.at_hand import NOTHING, AtHand
from syncws._connection.short_way import short_way
from syncws._wire.accelerated import speedups
from syncws._wire.incoming import Message
from syncws.events import Event

compiled = pytest.mark.skipif(speedups is None, reason="in plain Python there is no short way")


def message(content):
    made = Message()
    made._text, made._payload = (content, None) if isinstance(content, str) else (None, content)
    made._length, made._error = len(content), None
    return made


class Receiver:
    """Notes what enters its methods."""

    def __init__(self, *contents):
        self.entered = []
        self._at_hand = AtHand(deque(map(message, contents)))
        self._message_received_event = Event("message_received")

    @short_way("_at_hand")
    def receive(self, timeout=7, *, token=None):
        """Receive."""
        self.entered.append((timeout, token))
        return "from the method"


# What lies at hand, in both forms.


def test_content_is_taken_in_order_until_there_is_none():
    at_hand = AtHand(deque(map(message, ("a", b"b", "", b""))))
    assert [at_hand.take(()) for _ in range(5)] == ["a", b"b", "", b"", None]


def test_nothing_is_taken_where_there_are_handlers():
    at_hand = AtHand(deque([message("a")]))
    assert at_hand.take((print,)) is None
    assert at_hand.take(()) == "a"


def test_nothing_lies_at_hand_when_that_is_said():
    at_hand = AtHand(deque([message("a")]))
    at_hand.messages = NOTHING
    assert at_hand.take(()) is None


class Emptied(deque):
    """Looks as if it had something."""

    def __len__(self):
        return 1


def test_another_thread_may_be_faster():
    assert AtHand(Emptied()).take(()) is None


@compiled
@pytest.mark.parametrize("arguments", [(), ([],), ((), ())])
def test_take_takes_a_tuple(arguments):
    with pytest.raises(TypeError):
        AtHand(deque([message("a")])).take(*arguments)


@compiled
def test_what_is_no_message_or_was_not_filled_in_is_an_error():
    with pytest.raises(TypeError):
        AtHand(deque(["a"])).take(())
    with pytest.raises(AttributeError):
        AtHand(deque([Message()])).take(())
    with pytest.raises(TypeError):
        AtHand(7).take(())
    at_hand = AtHand(deque())
    del at_hand.messages
    assert at_hand.take(()) is None


@compiled
@pytest.mark.parametrize(("arguments", "names"), [((), {}), ((1, 2), {}), ((), {"messages": deque()})])
def test_wrong_arguments_of_the_constructor_are_refused(arguments, names):
    with pytest.raises(TypeError):
        AtHand(*arguments, **names)


# The short way.


@compiled
def test_a_plain_call_does_not_enter_the_method_as_long_as_something_lies_at_hand():
    receiver = Receiver("a", b"b")
    assert [receiver.receive(), Receiver.receive(receiver), receiver.receive()] == ["a", b"b", "from the method"]
    assert receiver.entered == [(7, None)]


@compiled
@pytest.mark.parametrize("limit", [None, 0, 3, 2**40, 0.0, 1.5, math.inf])
def test_nor_does_a_call_with_a_time_limit(limit):
    receiver = Receiver("a", "b", "c")
    assert [receiver.receive(limit), receiver.receive(timeout=limit), Receiver.receive(receiver, limit)] == [*"abc"]
    assert receiver.entered == []


@pytest.mark.parametrize("limit", [-1, -0.5, math.nan, 10**400, True, "1", Fraction(1), Default.TIMEOUT])
def test_a_limit_that_is_to_be_looked_at_enters_it(limit):
    receiver = Receiver("a", "b")
    receiver.receive(limit)
    receiver.receive(timeout=limit)
    assert receiver.entered == [(limit, None), (limit, None)]


def test_every_other_call_enters_it():
    receiver = Receiver("a")
    receiver.receive(token=3)
    receiver.receive(timeout=2, token=4)
    receiver.receive(1, token=5)
    receiver._message_received_event.add(print)
    receiver.receive()
    receiver._at_hand = None
    receiver.receive()
    assert receiver.entered == [(7, 3), (2, 4), (1, 5), (7, None), (7, None)]


def test_wrong_calls_raise_what_the_method_raises():
    receiver = Receiver("a")
    with pytest.raises(TypeError, match="positional argument"):
        receiver.receive(1, 2)
    with pytest.raises(TypeError, match="self"):
        Receiver.receive()


def test_a_subclass_may_call_it_by_super():
    class Louder(Receiver):
        def receive(self, timeout=7):
            return super().receive(timeout).upper()

    assert Louder().receive() == "FROM THE METHOD"


class Bare:
    """Has no dictionary, and notes nothing."""

    __slots__ = ("_at_hand",)

    receive = Receiver.receive


def test_what_lacks_something_enters_the_method():
    without_content, without_event, with_a_list = Receiver("a"), Receiver("a"), Receiver("a")
    del without_content._at_hand
    del without_event._message_received_event
    with_a_list._message_received_event = type("Handlers", (), {"handlers": []})
    for receiver in (without_content, without_event, with_a_list):
        assert receiver.receive() == "from the method"
    bare = Bare()
    bare._at_hand = AtHand(deque([message("a")]))
    with pytest.raises(AttributeError, match="entered"):
        bare.receive()


@compiled
def test_what_is_raised_on_the_way_is_raised():
    receiver = Receiver("a")
    receiver._message_received_event = object()
    with pytest.raises(AttributeError, match="handlers"):
        receiver.receive()
    assert not receiver.entered


@pytest.mark.parametrize("method", [Receiver.receive, syncws.MessageWebSocket.receive, syncws.MessageWebSocket.send])
def test_it_looks_like_the_method(method):
    function = inspect.unwrap(method)
    assert inspect.isfunction(function)
    assert inspect.isroutine(method)
    assert method.__doc__ == function.__doc__
    assert (method.__name__, method.__qualname__, method.__module__) == (
        function.__name__,
        function.__qualname__,
        function.__module__,
    )
    assert inspect.signature(method) == inspect.signature(function)
    assert inspect.isfunction(method)
    assert inspect.getsourcefile(method) == inspect.getsourcefile(function)


def test_a_mock_of_the_socket_checks_the_arguments_of_calls():
    socket = create_autospec(syncws.MessageWebSocket, instance=True)
    socket.send("a")
    socket.receive(timeout=1)
    with pytest.raises(TypeError):
        socket.send()
    with pytest.raises(TypeError):
        socket.receive(limit=1)


@compiled
@pytest.mark.parametrize(
    ("arguments", "names"),
    [((), {}), ((len, "a"), {}), ((print,), {}), ((lambda: 1, 2), {}), ((lambda: 1, "a"), {"b": 1})],
)
def test_only_a_function_and_a_name_make_one(arguments, names):
    with pytest.raises(TypeError):
        speedups.ShortWay(*arguments, **names)


@compiled
def test_one_in_a_cycle_is_collected():
    def make():
        ways = []

        def function(self):
            return ways

        ways.append(speedups.ShortWay(function, "_at_hand"))
        return weakref.ref(function)

    seen = make()
    gc.collect()
    assert seen() is None


@compiled
@pytest.mark.parametrize("name", ["use_stream", "use_keys", "use_clock", "use_writer"])
def test_what_python_tells_the_compiled_part_is_checked(name):
    with pytest.raises(TypeError):
        getattr(speedups, name)(7)
    if name == "use_stream":
        with pytest.raises(TypeError):
            speedups.use_stream(int)
