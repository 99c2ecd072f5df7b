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


@pytest.mark.parametrize("function", LATER.values(), ids=LATER)
@pytest.mark.parametrize("name", ["opened", "message_received", "closed", "ping_received"])
def test_a_handler_that_runs_later_is_refused(name, function):
    socket = MessageWebSocket()
    event = getattr(socket, name)
    with pytest.raises(InvalidArgumentTypeError) as caught:
        event += function
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert caught.value.message == (
        f"a handler of {name} must be a plain function: an async function or a generator does nothing when it is called"
    )
    assert event.handlers == ()


@pytest.mark.parametrize("function", PLAIN.values(), ids=PLAIN)
def test_any_other_that_can_be_called_is_taken(function):
    socket = MessageWebSocket()
    socket.message_received += function
    assert socket.message_received.handlers == (function,)


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
