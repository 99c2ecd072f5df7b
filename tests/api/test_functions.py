"""Functions that do nothing when they are called, because they are async or generators: refused where one is given."""

import functools
from unittest.mock import AsyncMock, Mock

import dns.asyncresolver
import pytest

import syncws
from syncws import Deferral, InvalidArgumentTypeError, MessageWebSocket
from syncws._streams.output_stream import check_progress
from syncws.hresult import HResult


async def coroutine(*_):
    pass


async def async_generator(*_):
    yield


def generator(*_):
    yield


class Methods:
    async def method(self, *_):
        pass

    @classmethod
    async def class_method(cls, *_):
        pass

    @staticmethod
    def static_method(*_):
        yield

    async def __call__(self, *_):
        pass


LATER = {
    "async function": coroutine,
    "async generator": async_generator,
    "generator": generator,
    "method": Methods().method,
    "class method": Methods.class_method,
    "static method": Methods.static_method,
    "object that can be called": Methods(),
    "part of another": functools.partial(functools.partial(Methods().method, 1), 2),
}


@functools.wraps(coroutine)
def plain(*_):
    """Do what an async function does not: something, when it is called."""


PLAIN = {
    "function": plain,
    "class": dict,
    "built-in": print,
    "method": [].append,
    "part of another": functools.partial(plain, 1),
    "mock": Mock(),
}


def refusal(event, function):
    """Have the event refuse a handler, and return what it says."""
    with pytest.raises(InvalidArgumentTypeError) as caught:
        event += function
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert event.handlers == ()
    return caught.value.message


@pytest.mark.parametrize("function", LATER.values(), ids=LATER)
@pytest.mark.parametrize("name", ["opened", "message_received", "closed", "ping_received"])
def test_a_handler_that_runs_later_is_refused(name, function):
    assert refusal(getattr(MessageWebSocket(), name), function) == (
        f"a handler of {name} must be a plain function: an async function or a generator does nothing when it is called"
    )


@pytest.mark.parametrize("function", PLAIN.values(), ids=PLAIN)
def test_any_other_that_can_be_called_is_taken(function):
    socket = MessageWebSocket()
    socket.message_received += function
    assert socket.message_received.handlers == (function,)


class Handlers:
    def of_one(self, args):
        pass

    def of_two(self, sender, args):
        pass

    @staticmethod
    def of_three(sender, code, reason):
        pass


MISFITS = {
    "none": lambda: None,
    "one": lambda args: None,
    "three, as another client's on_close": lambda socket, code, reason: None,
    "method of one": Handlers().of_one,
    "method that is not bound": Handlers.of_two,
    "static method of three": Handlers.of_three,
    "three and one of them by default": lambda sender, args, more, last=None: None,
}
FITS = {
    "two": lambda sender, args: None,
    "method": Handlers().of_two,
    "one by default": lambda sender, args=None: None,
    "more by default": lambda sender, args, more=1: None,
    "any number": lambda *both: None,
    "any number behind one": lambda sender, *rest: None,
    "part of another": functools.partial(Handlers.of_three, 1),
}


@pytest.mark.parametrize("handler", MISFITS.values(), ids=MISFITS)
@pytest.mark.parametrize("make", [MessageWebSocket, lambda: syncws.ReconnectingWebSocket("ws://localhost/")])
def test_a_handler_that_cannot_take_sender_and_args_is_refused(make, handler):
    """Otherwise each call would fail, and the log alone say so: of messages nothing would be left."""
    assert refusal(make().message_received, handler) == (
        f"a handler of message_received must take two arguments, the socket and the event's args; {handler!r} does not"
    )


@pytest.mark.parametrize("handler", FITS.values(), ids=FITS)
def test_a_handler_that_can_take_them_is_taken(handler):
    event = MessageWebSocket().message_received
    event.add(handler)
    assert event(None, None) == 0


@pytest.mark.parametrize("make", [syncws.reconnecting, syncws.ReconnectingWebSocket])
@pytest.mark.parametrize("name", ["uri", "headers", "policy", "on_connecting", "on_connected"])
def test_sockets_that_reconnect_refuse_it_too(make, name):
    with pytest.raises(InvalidArgumentTypeError, match=f"^{name} must be a plain function: an async function"):
        make(**{"uri": "ws://localhost/", name: coroutine})


def test_headers_for_each_attempt_may_be_yielded():
    syncws.ReconnectingWebSocket("ws://localhost/", headers=generator)
    with pytest.raises(InvalidArgumentTypeError, match="an async function does nothing when it is called"):
        syncws.ReconnectingWebSocket("ws://localhost/", headers=async_generator)


def test_progress_and_deferrals_refuse_it_too():
    with pytest.raises(InvalidArgumentTypeError, match="progress must be a plain function"):
        check_progress(generator)
    with pytest.raises(InvalidArgumentTypeError, match="deferral's handler must be a plain function"):
        Deferral(coroutine)


def test_an_async_resolver_is_refused():
    socket = MessageWebSocket()
    with pytest.raises(InvalidArgumentTypeError, match="method resolve of resolver must be a plain function"):
        socket.control.resolver = dns.asyncresolver.Resolver(configure=False)


def test_a_mock_of_an_async_function_is_taken_for_what_it_shows():
    # It looks like a plain object: nothing of it tells before it is called.
    socket = MessageWebSocket()
    socket.closed += AsyncMock()
    assert len(socket.closed.handlers) == 1
