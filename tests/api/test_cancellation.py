"""CancellationTokenSource and CancellationToken: what they say by themselves, and how a token ends connect()."""

import functools
import threading

import pytest
from support import LIMIT, echo, handshake, join, read_request, read_to_end, running_server, scripted_server, wait
from support.changes import always_changing
from support.scripts import asked_in_vain

import syncws
from syncws import (
    CancellationToken,
    CancellationTokenSource,
    HResult,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    StreamWebSocket,
    WebErrorStatus,
)


@pytest.fixture
def source():
    return CancellationTokenSource()


def test_a_new_source_is_not_canceled(source):
    assert not source.is_cancellation_requested
    assert not source.token.is_cancellation_requested
    assert source.token is source.token
    assert repr(source) == "<CancellationTokenSource not canceled>"
    assert repr(source.token) == "<CancellationToken not canceled>"


def test_cancel_cancels_for_ever(source):
    source.cancel()
    source.cancel()
    assert source.is_cancellation_requested
    assert source.token.is_cancellation_requested
    assert repr(source.token) == "<CancellationToken canceled>"


def test_cancel_after_cancels_when_its_time_is_over_and_for_ever(source, clock):
    source.cancel_after(5)
    clock.advance(4.999)
    assert not source.is_cancellation_requested
    clock.advance(0.001)
    assert source.is_cancellation_requested
    clock.advance(-5)
    assert source.is_cancellation_requested


@pytest.mark.parametrize(("again", "at_five", "at_ten"), [(10, False, True), (None, False, False), (1, True, True)])
def test_a_later_cancel_after_replaces_an_earlier_one(source, clock, again, at_five, at_ten):
    source.cancel_after(5)
    source.cancel_after(again)
    clock.advance(5)
    assert source.is_cancellation_requested is at_five
    clock.advance(5)
    assert source.is_cancellation_requested is at_ten


def test_a_time_that_is_over_cannot_be_taken_back_although_nobody_has_looked(source, clock):
    source.cancel_after(5)
    clock.advance(6)
    source.cancel_after(None)
    assert source.is_cancellation_requested


def test_cancel_after_0_cancels_at_once(source):
    source.cancel_after(0)
    assert source.is_cancellation_requested


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(-1, InvalidArgumentError), (float("nan"), InvalidArgumentError), ("5", InvalidArgumentTypeError)],
)
def test_cancel_after_refuses_what_is_no_time(source, seconds, error):
    with pytest.raises(error, match="seconds must be") as caught:
        source.cancel_after(seconds)
    assert caught.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("call", [lambda source: source.cancel(), lambda source: source.cancel_after(1)])
def test_a_closed_source_cannot_cancel(source, clock, call):
    with source:
        source.cancel_after(5)
    source.close()
    clock.advance(10)
    assert not source.token.is_cancellation_requested
    with pytest.raises(ObjectClosedError) as caught:
        call(source)
    assert caught.value.hresult == HResult.RO_E_CLOSED


def test_what_was_canceled_stays_so_when_the_source_is_closed(source):
    with source:
        source.cancel()
    assert source.token.is_cancellation_requested


def test_a_token_comes_from_a_source_only():
    with pytest.raises(TypeError, match=r"CancellationTokenSource\.token"):
        CancellationToken()


@pytest.mark.parametrize("token", ["token", CancellationTokenSource(), 5])
def test_connect_refuses_what_is_no_token(token):
    with pytest.raises(InvalidArgumentTypeError, match="cancellation_token must be a CancellationToken"):
        MessageWebSocket().connect("ws://localhost/", cancellation_token=token)


def test_a_token_that_is_canceled_already_ends_connect_before_any_io(source):
    # A server would have to be there for anything else to be raised.
    source.cancel()
    socket = MessageWebSocket()
    with pytest.raises(OperationCanceledError):
        socket.connect("ws://127.0.0.1:9/", cancellation_token=source.token)


@pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])
def test_cancel_from_another_thread_ends_connect_and_the_socket_may_connect_again(source, make):
    has_asked = threading.Event()

    def silent_then_good(connection):
        if not has_asked.is_set():
            read_request(connection)
            has_asked.set()
            read_to_end(connection)
        else:
            handshake(connection)
            read_to_end(connection)

    def cancel():
        wait(has_asked)
        source.cancel()

    canceling = threading.Thread(target=cancel)
    canceling.start()
    with scripted_server(silent_then_good, connections=2) as uri:
        with make() as socket:
            with pytest.raises(OperationCanceledError) as caught:
                socket.connect(uri, timeout=LIMIT, cancellation_token=source.token)
            assert caught.value.hresult == HResult.ERROR_CANCELLED
            assert caught.value.status is WebErrorStatus.OPERATION_CANCELED
            socket.connect(uri, timeout=LIMIT)
            socket.abort()
        join(canceling)


def test_cancel_after_ends_a_connect_that_waits_already(source):
    has_asked = threading.Event()

    def cancel():
        wait(has_asked)
        source.cancel_after(0.01)

    canceling = threading.Thread(target=cancel)
    canceling.start()
    with scripted_server(asked_in_vain(has_asked)) as uri, pytest.raises(OperationCanceledError):
        MessageWebSocket().connect(uri, timeout=LIMIT, cancellation_token=source.token)
    join(canceling)


def test_the_sooner_of_timeout_and_token_decides(source):
    def silent(connection):
        read_to_end(connection)

    source.cancel_after(LIMIT)
    with scripted_server(silent) as uri, pytest.raises(OperationTimedOutError):
        MessageWebSocket().connect(uri, timeout=0.05, cancellation_token=source.token)


def test_canceling_after_completion_has_no_effect(source):
    with running_server(echo) as uri, MessageWebSocket() as socket:
        socket.connect(uri, timeout=LIMIT, cancellation_token=source.token)
        source.cancel()
        socket.send("still there")
        assert socket.receive(LIMIT) == "still there"
    assert source.token._listeners == {}


def test_syncws_connect_takes_a_token_too(source):
    with running_server(echo) as uri:
        with syncws.connect(uri, timeout=LIMIT, cancellation_token=source.token) as socket:
            socket.send("hello")
            assert socket.receive(LIMIT) == "hello"
        source.cancel()
        with pytest.raises(OperationCanceledError):
            syncws.connect(uri, timeout=LIMIT, cancellation_token=source.token)


def test_calls_may_begin_and_end_while_others_are_told(source):
    woken = []
    for number in range(30):
        source.token._add_listener(number, functools.partial(woken.append, number))
    with always_changing(source.token._listeners, "other", int):
        for _ in range(200):
            source.token._tell()
    assert woken == [*range(30)] * 200
