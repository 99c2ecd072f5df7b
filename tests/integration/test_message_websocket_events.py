"""Tests of the events of MessageWebSocket: their handlers, and what happens when a handler fails."""

import logging
import threading

import pytest
from support import LIMIT, handshake, read_to_end, server_frame, wait
from support.message_websocket import THREE, HandlerError, Record, assert_hresult, recorded, waiting_messages
from support.scripts import (
    BINARY,
    TEXT,
    connected,
    on_closed,
    on_message,
    read_until_close,
    round_trip,
    sends,
    sends_and_closes,
)

from syncws import (
    HResult,
    IllegalMethodCallError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    SocketMessageType,
)

# Handlers.


def test_a_handler_gets_the_socket_and_the_message():
    calls = []
    script = sends_and_closes(server_frame(TEXT, "naïve".encode()), server_frame(BINARY, b"\xff"))
    with connected(script, on_message(lambda sender, args: calls.append((sender, args)))) as socket:
        assert socket.wait_closed(LIMIT)
        (first_sender, text), (_, binary) = calls
        assert first_sender is socket
        assert text.message_type is SocketMessageType.UTF8
        assert binary.message_type is SocketMessageType.BINARY
        assert text.is_message_complete
        assert repr(text) == "<MessageWebSocketMessageReceivedEventArgs UTF8 length=6>"


def test_args_can_be_read_after_the_handler_and_more_than_once():
    calls = []
    script = sends_and_closes(server_frame(TEXT, "é".encode()), server_frame(TEXT, b"x" * 200))
    with connected(script, on_message(lambda sender, args: calls.append(args))) as socket:
        assert socket.wait_closed(LIMIT)
    short, long = calls
    for _ in range(2):
        assert short.get_data_reader().read_string(2) == "é"
        assert long.get_data_reader().read_bytes(200) == b"x" * 200
        assert bytes(short.get_data_stream().read(bytearray(9), 9)) == "é".encode()
        assert bytes(long.get_data_stream().read(bytearray(300), 300)) == b"x" * 200


def test_an_empty_message_has_a_reader_that_holds_nothing():
    with recorded(sends_and_closes(server_frame(TEXT), server_frame(BINARY))) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries == ["", "", (1000, "")]


def test_a_closed_handler_gets_the_socket_and_can_print_the_args():
    calls = []
    prepare = on_closed(lambda sender, args: calls.append((sender, repr(args))))
    with connected(sends_and_closes(code=1001, reason="bye"), prepare) as socket:
        assert socket.wait_closed(LIMIT)
        assert calls == [(socket, "<WebSocketClosedEventArgs code=1001 reason='bye'>")]


def test_handlers_run_on_the_reader_thread_of_the_connection():
    names = []

    def note(sender, args):
        names.append(threading.current_thread().name)

    def prepare(socket):
        socket.add_message_received(note)
        socket.add_closed(note)

    with connected(sends_and_closes(server_frame(TEXT)), prepare) as socket:
        assert socket.wait_closed(LIMIT)
    assert names[0].startswith("syncws-reader-")
    assert names == [names[0]] * 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_handlers_can_be_added_by_plus_equals_before_and_after_connect(when):
    calls = []

    def received(sender, args):
        calls.append("message")

    def closed(sender, args):
        calls.append("closed")

    def add(socket):
        socket.message_received += received
        socket.closed += closed

    go = threading.Event()
    with connected(sends_and_closes(server_frame(TEXT), after=go), add if when == "before" else None) as socket:
        if when == "after":
            add(socket)
        go.set()
        assert socket.wait_closed(LIMIT)
    assert calls == ["message", "closed"]


def test_handlers_can_be_removed_by_token_and_by_minus_equals_after_connect():
    calls = []

    def unwanted(sender, args):
        calls.append("unwanted")

    go = threading.Event()
    with connected(sends_and_closes(server_frame(TEXT), after=go)) as socket:
        socket.message_received += unwanted
        socket.closed += unwanted
        tokens = socket.add_message_received(unwanted), socket.add_closed(unwanted)
        record = Record(socket)
        socket.message_received -= unwanted
        socket.closed -= unwanted
        # `-=` has taken out the latest registration, the one of the token.
        socket.message_received -= unwanted
        socket.closed -= unwanted
        socket.remove_message_received(tokens[0])
        socket.remove_closed(tokens[1])
        go.set()
        assert socket.wait_closed(LIMIT)
    assert calls == []
    assert record.entries == ["", (1000, "")]


def test_a_token_removes_its_handler():
    calls = []

    def prepare(socket):
        socket.remove_message_received(socket.add_message_received(lambda sender, args: calls.append(1)))
        socket.remove_closed(socket.add_closed(lambda sender, args: calls.append(2)))
        validation = socket.add_server_custom_validation_requested(lambda sender, args: calls.append(3))
        socket.remove_server_custom_validation_requested(validation)

    with connected(sends_and_closes(server_frame(TEXT)), prepare) as socket:
        assert socket.wait_closed(LIMIT)
    assert calls == []


@pytest.mark.parametrize("name", ["message_received", "closed", "server_custom_validation_requested"])
def test_an_event_cannot_be_assigned(name):
    socket = MessageWebSocket()
    event = getattr(socket, name)
    with pytest.raises(InvalidArgumentTypeError, match=r"use \+= and -=") as raised:
        setattr(socket, name, print)
    assert_hresult(raised, HResult.E_INVALIDARG)
    assert getattr(socket, name) is event


@pytest.mark.parametrize("name", ["message_received", "closed", "server_custom_validation_requested"])
def test_a_handler_must_be_callable(name):
    with pytest.raises(InvalidArgumentTypeError, match="must be callable") as raised:
        getattr(MessageWebSocket(), f"add_{name}")("handler")
    assert_hresult(raised, HResult.E_INVALIDARG)


def test_messages_from_before_the_first_handler_go_to_it_first():
    ready, more = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(THREE))
        round_trip(connection)
        ready.set()
        wait(more)
        connection.sendall(server_frame(TEXT, b"four"))
        read_until_close(connection)

    with connected(script) as socket:
        wait(ready)
        record = Record(socket)
        more.set()
        record.wait_messages(4)
        assert record.entries == ["one", "two", "three", "four"]


def test_what_was_read_with_the_message_before_is_a_new_handlers_and_not_for_receive():
    with connected(sends(b"".join(THREE))) as socket:
        assert socket.receive(LIMIT) == "one"
        assert next(socket.messages()) == "two"
        record = Record(socket)
        for receive in (lambda: socket.receive(0), lambda: next(socket.messages(0))):
            with pytest.raises(IllegalMethodCallError):
                receive()
        record.wait_messages(1)
        assert record.entries == ["three"]


def add_to_the_event_itself(socket, handler):
    event = socket.message_received
    event += handler


WAYS_TO_ADD = {
    "add_message_received": lambda socket, handler: socket.add_message_received(handler),
    "add of the event": lambda socket, handler: socket.message_received.add(handler),
    "+= of the event": add_to_the_event_itself,
}


@pytest.mark.parametrize("add", WAYS_TO_ADD.values(), ids=WAYS_TO_ADD)
def test_what_has_come_goes_to_the_first_handler_however_that_is_added(add):
    texts, both = [], threading.Event()

    def handler(_, args):
        texts.append(args.text)
        if len(texts) == 2:
            both.set()

    def without_pings(socket):
        # An answer would have the reader look.
        socket.control.keep_alive_interval = None

    with connected(sends(b"".join(THREE)), without_pings) as socket:
        assert socket.receive(LIMIT) == "one"
        add(socket, handler)
        wait(both)
        assert texts == ["two", "three"]


def test_a_first_handler_that_takes_one_message_and_goes_leaves_the_others_for_receive():
    ready, came = threading.Event(), threading.Event()
    taken = []
    with connected(waiting_messages(THREE, ready)) as socket:
        wait(ready)

        def once(sender, args):
            taken.append(args.get_data_reader().read_string(3))
            socket.message_received -= once
            came.set()

        socket.message_received += once
        wait(came)
        assert taken == ["one"]
        assert socket.receive(LIMIT) == "two"
        assert socket.receive(LIMIT) == "three"


def test_a_handler_added_in_a_handler_gets_the_next_message():
    later = []

    def first(sender, args):
        if not later:
            sender.add_message_received(lambda sender, args: later.append(args.length))
            later.append("added")

    with connected(sends_and_closes(*THREE), on_message(first)) as socket:
        assert socket.wait_closed(LIMIT)
    assert later == ["added", 3, 5]


# Failures of handlers.


def test_a_handlers_exception_is_logged_and_counted_and_the_connection_goes_on(caplog):
    def handler(sender, args):
        if args.length == 3:
            raise HandlerError("of the application")

    with recorded(sends_and_closes(*THREE), on_message(handler)) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries == ["one", "two", "three", (1000, "")]
    assert socket.information.handler_failures == 2
    assert [(entry.name, entry.levelno) for entry in caplog.records] == [("syncws", logging.ERROR)] * 2
    assert all(entry.exc_info[0] is HandlerError for entry in caplog.records)
    assert "of the application" in caplog.text


def test_an_exception_of_a_closed_handler_is_logged_and_counted(caplog):
    def handler(sender, args):
        raise HandlerError

    with recorded(sends_and_closes(), on_closed(handler)) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries == [(1000, "")]
    assert socket.information.handler_failures == 1
    assert [entry.name for entry in caplog.records] == ["syncws"]


def test_failures_of_handlers_that_were_added_late_are_counted_too(caplog):
    ready, came = threading.Event(), threading.Event()

    def handler(sender, args):
        if args.length == 5:
            came.set()
        raise HandlerError

    with connected(waiting_messages(THREE, ready)) as socket:
        wait(ready)
        socket.add_message_received(handler)
        wait(came)
    assert socket.information.handler_failures == 3


class Stop(BaseException):
    pass


@pytest.fixture
def thread_failures(monkeypatch):
    failures = []
    monkeypatch.setattr(threading, "excepthook", lambda args: failures.append(args.exc_type))
    return failures


def test_what_is_no_exception_ends_the_reader_and_is_not_swallowed(thread_failures):
    calls = []

    def handler(sender, args):
        calls.append(args)
        if len(calls) == 1:
            raise Stop

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(THREE))
        read_to_end(connection)

    closed = []

    def prepare(socket):
        socket.add_message_received(handler)
        socket.add_closed(lambda sender, args: closed.append(args.code))

    with connected(script, prepare, close_timeout=0.5) as socket:
        assert socket.wait_closed(LIMIT)
    assert closed == [1006]
    assert thread_failures == [Stop]


@pytest.mark.parametrize("event", ["message_received", "closed"])
def test_a_handler_that_always_raises_what_is_no_exception_does_not_keep_the_socket_from_ending(event, thread_failures):
    def handler(sender, args):
        raise Stop

    def prepare(socket):
        getattr(socket, f"add_{event}")(handler)

    with connected(sends_and_closes(*THREE), prepare, close_timeout=0.5) as socket:
        assert socket.wait_closed(LIMIT)
    assert set(thread_failures) == {Stop}


def test_closed_is_raised_although_every_message_handler_ends_in_what_is_no_exception(thread_failures):
    def handler(sender, args):
        raise Stop

    with recorded(sends_and_closes(*THREE), on_message(handler)) as (socket, record):
        socket.wait_closed(LIMIT)
    assert record.entries[-1] == (1006, "")
