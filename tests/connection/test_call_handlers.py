"""Both forms of the loop that calls handlers: which it calls, when it stops, what becomes of what they raise."""

import sys
import threading

import pytest
from support import LIMIT

from syncws._connection.closing import Closing
from syncws._connection.receiving.batch import call_handlers_in_python
from syncws._wire.accelerated import speedups
from syncws._wire.incoming import Message, Ping
from syncws.events import Event

FORMS = {"python": call_handlers_in_python}
if speedups is not None:
    FORMS["compiled"] = speedups.call_handlers


@pytest.fixture(params=FORMS.values(), ids=FORMS.keys())
def form(request):
    return request.param


class Rig:
    """A batch, an event and the end of a connection, with a form of the loop to go over them."""

    def __init__(self, form):
        self.form = form
        self.event = Event("message_received")
        self.closing = Closing()
        self.sender = object()
        self.failed = []

    def run(self, batch):
        return self.form(batch, Message, self.sender, self.event, self.closing, self.note)

    def note(self, handler):
        self.failed.append((handler, sys.exception()))


@pytest.fixture
def rig(form):
    return Rig(form)


def test_each_handler_gets_each_message_in_order(rig):
    got = []
    rig.event.add(lambda sender, args: got.append(("first", sender, args)))
    rig.event.add(lambda sender, args: got.append(("second", sender, args)))
    messages = [Message(), Message()]
    assert rig.run(iter(messages)) is True
    assert got == [(name, rig.sender, args) for args in messages for name in ("first", "second")]


def test_what_is_no_message_is_given_back_and_the_rest_is_left(rig):
    got, ping = [], Ping(b"")
    rig.event.add(lambda _, args: got.append(args))
    first, second = Message(), Message()
    batch = iter([first, ping, second])
    assert rig.run(batch) is ping
    assert (got, list(batch)) == ([first], [second])


def test_a_message_of_another_class_is_none(rig):
    class Other(Message):
        pass

    rig.event.add(lambda *_: pytest.fail("it was called"))
    other = Other()
    assert rig.run(iter([other])) is other


def test_without_a_handler_nothing_is_taken(rig):
    batch = iter([Message()])
    assert rig.run(batch) is False
    assert len(list(batch)) == 1


def test_handlers_are_looked_at_before_each_message(rig):
    got = []

    def leave(_, args):
        got.append(args)
        rig.event -= leave
        rig.event += stay

    def stay(_, args):
        got.append(-1)

    rig.event += leave
    messages = [Message(), Message()]
    assert rig.run(iter(messages)) is True
    assert got == [messages[0], -1]


def test_the_last_handler_that_leaves_leaves_the_rest(rig):
    def leave(*_):
        rig.event -= leave

    rig.event += leave
    batch = iter([Message(), Message()])
    assert rig.run(batch) is False
    assert len(list(batch)) == 1


def test_a_handler_that_leaves_in_the_middle_gets_the_message_still(rig):
    got = []

    def leave(*_):
        rig.event -= other

    def other(*_):
        got.append(1)

    rig.event += leave
    rig.event += other
    rig.run(iter([Message(), Message()]))
    assert got == [1]


def test_an_end_from_this_side_leaves_the_rest(rig):
    rig.event.add(lambda *_: rig.closing.start(1000, "", None, None))
    batch = iter([Message(), Message()])
    assert rig.run(batch) is False
    assert len(list(batch)) == 1


def test_a_failure_is_told_while_it_is_handled_and_the_next_handler_runs(rig):
    got, error = [], ValueError("mine")

    def fail(*_):
        raise error

    rig.event.add(fail)
    rig.event.add(lambda *_: got.append(1))
    outer = KeyError("outer")
    try:
        raise outer
    except KeyError:
        is_done = rig.run(iter([Message(), Message()]))
        handled = sys.exception()
    assert is_done is True
    assert handled is outer
    assert rig.failed == [(fail, error)] * 2
    assert error.__traceback__ is not None
    assert got == [1, 1]
    assert sys.exception() is None


def test_what_is_no_exception_goes_through(rig):
    def stop(*_):
        raise SystemExit

    rig.event.add(stop)
    batch = iter([Message(), Message()])
    with pytest.raises(SystemExit):
        rig.run(batch)
    assert len(list(batch)) == 1
    assert rig.failed == []


def test_what_telling_of_a_failure_raises_goes_through(rig):
    rig.event.add(lambda *_: 1 / 0)
    rig.note = lambda _: int("x")
    with pytest.raises(ValueError, match="invalid literal") as caught:
        rig.run(iter([Message()]))
    assert type(caught.value.__context__) is ZeroDivisionError


def test_what_the_batch_raises_goes_through(rig):
    def broken():
        yield Message()
        raise OSError("broken")

    rig.event.add(lambda *_: None)
    with pytest.raises(OSError, match="broken"):
        rig.run(broken())


def test_another_thread_may_take_the_rest_meanwhile(rig):
    inside, taken = threading.Event(), threading.Event()
    got = []

    def slow(_, args):
        got.append(args)
        inside.set()
        assert taken.wait(LIMIT)

    rig.event.add(slow)
    messages = [Message() for _ in range(5)]
    batch = iter(messages)
    rest = []

    def take():
        assert inside.wait(LIMIT)
        rest.extend(list(batch))
        taken.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert rig.run(batch) is True
    thread.join(LIMIT)
    assert (got, rest) == (messages[:1], messages[1:])


@pytest.mark.skipif(speedups is None, reason="in plain Python")
@pytest.mark.parametrize("arguments", [(), (None,) * 6, ([],) * 6, (iter([]), Message, 0, 0, 0, 0)])
def test_wrong_arguments_are_errors(arguments):
    with pytest.raises((TypeError, AttributeError)):
        speedups.call_handlers(*arguments)


@pytest.mark.skipif(speedups is None, reason="in plain Python")
def test_objects_whose_slots_cannot_be_told_are_asked():
    class Any:
        def __init__(self, **values):
            vars(self).update(values)

    got = []
    event, goes_on = Any(handlers=(lambda *given: got.append(given),)), Any(is_discarding=False)
    message = Message()

    def run(event, closing):
        return speedups.call_handlers(iter([message]), Message, 1, event, closing, None)

    assert run(event, goes_on) is True
    assert got == [(1, message)]
    assert run(event, Any(is_discarding=True)) is False
    assert run(Any(handlers=[]), goes_on) is False
    with pytest.raises(AttributeError):
        run(Any(), goes_on)
