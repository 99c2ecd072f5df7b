"""Tests of MessageWebSocket on real connections over loopback (winrt.md 1.1, 3.4, 3.5, 3.8, 3.9, 3.10, 3.12)."""

import array
import contextlib
import gc
import inspect
import logging
import socket as tcp
import threading

import pytest
from scripts import (
    BINARY,
    CLOSE,
    CONTINUATION,
    EMPTY_CLOSE,
    FIN,
    PING,
    PONG,
    TEXT,
    Call,
    close_frame,
    connected,
    noting,
    noting_request,
    offering,
    on_closed,
    on_message,
    only_reads,
    read_until_close,
    round_trip,
    sends,
    sends_and_closes,
    sends_and_ends,
    sends_and_notes_one,
    uri_of_nobody,
)
from support import (
    LIMIT,
    drop,
    echo,
    handshake,
    read_frame,
    read_request,
    read_to_end,
    request_headers,
    reset,
    running_server,
    scripted_server,
    server_frame,
    wait,
)

import syncws
from syncws import (
    CertificateError,
    ConnectionLostError,
    DataWriter,
    HandshakeError,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    MessageTooBigError,
    MessageWebSocket,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    ProtocolViolationError,
    SocketMessageType,
    SocketSslErrorSeverity,
)
from syncws.net.resolver import Address, Answer
from syncws.threads.session import Session

# What the tests share.


class Record:
    """Handlers that note what the events bring, in order."""

    def __init__(self, socket):
        self.entries = []
        self.came = threading.Semaphore(0)
        self.is_closed = threading.Event()
        socket.add_message_received(self.take_message)
        socket.add_closed(self.take_closed)

    def take_message(self, sender, args):
        try:
            with args.get_data_reader() as reader:
                self.entries.append(reader.read_string(reader.unconsumed_buffer_length))
        except OSError as exc:
            self.entries.append(exc)
        self.came.release()

    def take_closed(self, sender, args):
        self.entries.append((args.code, args.reason))
        self.is_closed.set()

    def wait_messages(self, count):
        for _ in range(count):
            assert self.came.acquire(timeout=LIMIT), "the message did not come"


@contextlib.contextmanager
def recorded(script, prepare=None, **options):
    """Give a connected socket, and the record of all its events."""
    records = []

    def prepare_both(socket):
        records.append(Record(socket))
        if prepare is not None:
            prepare(socket)

    with connected(script, prepare_both, **options) as socket:
        yield socket, records[0]


@contextlib.contextmanager
def unheard_listener():
    """Give the URI of a listener, and see to it that nobody connected."""
    with tcp.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield f"ws://localhost:{listener.getsockname()[1]}/"
        with pytest.raises(BlockingIOError):
            listener.accept()


def assert_hresult(raised, hresult):
    assert raised.value.hresult == hresult


def assert_close_code(frames, code):
    """See to it that the frames are one Close with a code."""
    assert [(first, payload[:2]) for first, payload in frames] == [(FIN | CLOSE, code.to_bytes(2, "big"))]


# How a connection ends: closed exactly once, and last.


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going"), (4999, "Grüße"), (1011, "x" * 123)])
def test_the_peers_close_code_and_reason_come_in_closed(code, reason):
    with recorded(sends_and_closes(code=code, reason=reason)) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries == [(code, reason)]


def test_an_empty_close_frame_of_the_peer_is_1005():
    with recorded(sends_and_closes(code=None)) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries == [(1005, "")]


def test_messages_come_in_order_and_before_closed():
    frames = [server_frame(TEXT, str(number).encode()) for number in range(50)]
    with recorded(sends_and_closes(*frames)) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries == [*map(str, range(50)), (1000, "")]


@pytest.mark.parametrize(
    ("arguments", "payload", "closed"),
    [
        ((), b"", (1005, "")),
        ((1005, ""), b"", (1005, "")),
        ((1005,), b"", (1005, "")),
        ((1000, ""), b"\x03\xe8", (1000, "")),
        ((1000, None), b"\x03\xe8", (1000, "")),
        ((3000, "späť"), b"\x0b\xb8" + "späť".encode(), (3000, "späť")),
        ((4999, "x" * 123), b"\x13\x87" + b"x" * 123, (4999, "x" * 123)),
    ],
)
def test_close_sends_code_and_reason_and_the_peers_answer_comes_in_closed(arguments, payload, closed):
    frames = []
    with recorded(noting(frames)) as (socket, record):
        socket.close(*arguments)
    assert frames == [(FIN | CLOSE, payload)]
    assert record.entries == [closed]


def test_closed_brings_what_the_peer_answered_and_not_what_was_sent():
    def script(connection):
        handshake(connection)
        read_frame(connection)
        connection.sendall(close_frame(1008, "as I see it"))

    with recorded(script) as (socket, record):
        socket.close(1000, "as you see it")
    assert record.entries == [(1008, "as I see it")]


def test_close_has_returned_from_the_closed_handlers():
    with recorded(noting([])) as (socket, record):
        socket.close()
        assert record.entries == [(1005, "")]


def test_a_peer_that_ends_tcp_instead_of_answering_close_gives_1006_and_no_error():
    with recorded(sends_and_notes_one([])) as (socket, record):
        socket.close(1000)
    assert record.entries == [(1006, "")]


def test_a_peer_that_never_answers_close_is_left_after_the_time_limit():
    with recorded(only_reads, close_timeout=0.2) as (socket, record):
        socket.close(1000)
        assert socket.wait_closed(LIMIT)
    assert record.entries == [(1006, "")]


def test_abort_gives_1006_and_no_error():
    received = []

    def script(connection):
        handshake(connection)
        received.append(read_to_end(connection))

    with recorded(script) as (socket, record):
        socket.abort()
        assert socket.wait_closed(LIMIT)
    assert record.entries == [(1006, "")]
    assert received == [b""]


def test_abort_may_be_repeated_and_may_follow_close():
    with recorded(noting([])) as (socket, record):
        socket.close()
        socket.abort()
        socket.abort()
    assert record.entries == [(1005, "")]


def lost_script(go, rest, end):
    def script(connection):
        handshake(connection)
        wait(go)
        connection.sendall(rest)
        end(connection)

    return script


def assert_lost(record, hresult):
    error, closed = record.entries
    assert isinstance(error, ConnectionLostError)
    assert error.hresult == hresult
    assert closed == (1006, "")


MID_FRAME = server_frame(BINARY, bytes(100))[:50]


@pytest.mark.parametrize("rest", [b"", MID_FRAME, MID_FRAME[:1], server_frame(TEXT, b"half", fin=False)])
def test_the_end_of_tcp_without_close_is_a_message_error_and_then_closed_1006(rest):
    go = threading.Event()
    with recorded(lost_script(go, rest, tcp.socket.close)) as (socket, record):
        go.set()
        assert socket.wait_closed(LIMIT)
    assert_lost(record, HResult.WININET_E_CONNECTION_ABORTED)


def test_a_tcp_reset_is_a_message_error_with_its_own_number_and_then_closed_1006():
    go = threading.Event()
    with recorded(lost_script(go, b"", reset)) as (socket, record):
        go.set()
        assert socket.wait_closed(LIMIT)
    assert_lost(record, HResult.WININET_E_CONNECTION_RESET)


def test_the_end_of_tls_without_close_is_a_message_error_and_then_closed_1006(server_tls, client_tls):
    go = threading.Event()
    script = lost_script(go, MID_FRAME, tcp.socket.close)
    with recorded(script, tls=(server_tls, client_tls)) as (socket, record):
        go.set()
        assert socket.wait_closed(LIMIT)
    assert_lost(record, HResult.WININET_E_CONNECTION_ABORTED)


def test_the_stream_of_a_message_error_raises_too():
    errors = []

    def handler(sender, args):
        for give in (args.get_data_reader, args.get_data_stream, args.get_data_reader):
            with pytest.raises(ConnectionLostError) as raised:
                give()
            errors.append(raised.value.hresult)
        errors.append(repr(args))

    go = threading.Event()
    with connected(lost_script(go, MID_FRAME, tcp.socket.close), on_message(handler)) as socket:
        go.set()
        assert socket.wait_closed(LIMIT)
    assert errors[:3] == [HResult.WININET_E_CONNECTION_ABORTED] * 3
    assert "error=[HRESULT 0x80072EFE]" in errors[3]


def test_a_protocol_violation_is_a_message_error_and_then_closed_with_its_code():
    frames = []
    with recorded(sends_and_notes_one(frames, server_frame(TEXT, b"good"), server_frame(3))) as (socket, record):
        assert socket.wait_closed(LIMIT)
    good, error, (code, _) = record.entries
    assert good == "good"
    assert isinstance(error, ProtocolViolationError)
    assert error.hresult == HResult.E_INVALID_PROTOCOL_FORMAT
    assert_close_code(frames, 1002)
    assert code == 1002


def test_text_that_is_not_utf8_is_answered_with_1007():
    frames = []
    with recorded(sends_and_notes_one(frames, server_frame(TEXT, b"\xff"))) as (socket, record):
        assert socket.wait_closed(LIMIT)
    error, (code, _) = record.entries
    assert isinstance(error, ProtocolViolationError)
    assert error.close_code == code == 1007
    assert_close_code(frames, 1007)


# max_message_size.


def test_a_message_over_the_limit_is_refused_with_1009_and_its_reader_raises():
    frames = []
    script = sends_and_notes_one(frames, server_frame(BINARY, bytes(10)), server_frame(BINARY, bytes(11)))
    with recorded(script, max_message_size=10) as (socket, record):
        assert socket.wait_closed(LIMIT)
    good, error, (code, _) = record.entries
    assert good == "\0" * 10
    assert isinstance(error, MessageTooBigError)
    assert error.hresult == HResult.WSAEMSGSIZE
    assert_close_code(frames, 1009)
    assert code == 1009


def test_the_limit_counts_all_fragments_of_a_message():
    fragments = [server_frame(TEXT, b"123456", fin=False), server_frame(CONTINUATION, b"78901")]
    script = sends_and_notes_one([], *fragments)
    with connected(script, max_message_size=10) as socket, pytest.raises(MessageTooBigError):
        socket.receive(LIMIT)


def test_a_limit_of_0_lets_only_empty_messages_pass():
    script = sends_and_notes_one([], server_frame(TEXT), server_frame(BINARY), server_frame(TEXT, b"a"))
    with recorded(script, max_message_size=0) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries[:2] == ["", ""]
    assert isinstance(record.entries[2], MessageTooBigError)
    assert record.entries[3][0] == 1009


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


def waiting_messages(frames, ready):
    """Return a script that sends frames, and sets `ready` when the client has them all in its queue."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(frames))
        round_trip(connection)
        ready.set()
        read_until_close(connection)

    return script


THREE = [server_frame(TEXT, text) for text in (b"one", b"two", b"three")]


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


class HandlerError(Exception):
    pass


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


# Calls inside a handler.


@pytest.mark.parametrize("arguments", [(), (1000, ""), (4000, "done")])
def test_close_inside_a_message_handler_begins_closing_and_returns(arguments):
    frames = []
    returned = []

    def handler(sender, args):
        sender.close(*arguments)
        returned.append(args.length)

    closed = []

    def prepare(socket):
        socket.add_message_received(handler)
        socket.add_closed(lambda sender, args: closed.append(args.code))

    with connected(noting(frames, server_frame(TEXT, b"a"), server_frame(TEXT, b"b")), prepare) as socket:
        assert socket.wait_closed(LIMIT)
    # After close nothing more is delivered.
    assert returned == [1]
    assert [first for first, _ in frames] == [FIN | CLOSE]
    assert closed == [arguments[0] if arguments else 1005]


def test_leaving_a_with_block_inside_a_message_handler_closes():
    frames = []

    def handler(sender, args):
        with sender:
            pass

    with connected(noting(frames, server_frame(TEXT, b"a")), on_message(handler)) as socket:
        assert socket.wait_closed(LIMIT)
    assert frames == [EMPTY_CLOSE]


def test_close_inside_a_handler_ends_in_time_although_the_peer_never_stops_sending(monkeypatch):
    # Exactly what is read at a time, so that there is always more: a line that is faster than the reader.
    frame = server_frame(BINARY, bytes(65532))

    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"first"))
        read_to_end(connection)

    def handler(sender, args):
        monkeypatch.setattr("syncws.net.transport.SocketTransport.receive", lambda transport, size: frame)
        sender.close()

    with connected(script, on_message(handler), close_timeout=0.1) as socket:
        is_over = socket.wait_closed(LIMIT)
        socket.abort()
    assert is_over


def test_close_inside_a_closed_handler_does_nothing_and_does_not_hurt():
    prepare = on_closed(lambda sender, args: sender.close(1000, "again"))
    with recorded(sends_and_closes(code=1000), prepare) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries == [(1000, "")]
    assert socket.information.handler_failures == 0


def test_abort_inside_a_handler_ends_the_connection():
    def script(connection):
        handshake(connection, behind=THREE[0])
        read_to_end(connection)

    with recorded(script, on_message(lambda sender, args: sender.abort())) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries[-1] == (1006, "")


def test_send_inside_a_handler_works():
    frames = []

    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"question"))
        frames.append(read_frame(connection))
        read_until_close(connection)

    answered = threading.Event()

    def handler(sender, args):
        sender.send("answer")
        answered.set()

    with connected(script, on_message(handler)):
        wait(answered)
    assert frames == [(FIN | TEXT, b"answer")]


def test_a_large_echo_inside_a_handler_works():
    data = bytes(range(256)) * 4096

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, data))
        first, payload = read_frame(connection)
        assert first == FIN | BINARY
        assert payload == data
        connection.sendall(close_frame(1000))
        read_frame(connection)

    def handler(sender, args):
        with args.get_data_reader() as reader:
            sender.send(reader.read_bytes(reader.unconsumed_buffer_length))

    with connected(script, on_message(handler)) as socket:
        assert socket.wait_closed(LIMIT)
    assert socket.information.handler_failures == 0


def test_a_data_writer_inside_a_handler_works():
    frames = []

    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"question"))
        frames.append(read_frame(connection))
        connection.sendall(close_frame(1000))
        read_frame(connection)

    def handler(sender, args):
        with DataWriter(sender.output_stream) as writer:
            writer.write_string("answer")
            writer.store()
            writer.detach_stream()

    with connected(script, on_message(handler)) as socket:
        assert socket.wait_closed(LIMIT)
    assert frames == [(FIN | BINARY, b"answer")]


def test_waiting_inside_a_handler_is_refused():
    refusals = []

    def handler(sender, args):
        for wait_inside in (sender.wait_closed, sender.receive, lambda: next(iter(sender))):
            with pytest.raises(IllegalMethodCallError) as raised:
                wait_inside()
            refusals.append(raised.value.hresult)

    with connected(sends_and_closes(server_frame(TEXT)), on_message(handler)) as socket:
        assert socket.wait_closed(LIMIT)
    assert refusals == [HResult.E_ILLEGAL_METHOD_CALL] * 3
    assert socket.information.handler_failures == 0


def test_waiting_inside_a_closed_handler_is_refused():
    refusals = []

    def handler(sender, args):
        for wait_inside in (sender.wait_closed, sender.receive):
            with pytest.raises(IllegalMethodCallError) as raised:
                wait_inside()
            refusals.append(raised.value.hresult)

    with connected(sends_and_closes(), on_closed(handler)) as socket:
        assert socket.wait_closed(LIMIT)
    assert refusals == [HResult.E_ILLEGAL_METHOD_CALL] * 2


def test_send_inside_a_closed_handler_says_that_the_connection_is_closed():
    errors = []

    def handler(sender, args):
        with pytest.raises(ObjectClosedError) as raised:
            sender.send("too late")
        errors.append(raised.value.hresult)

    with connected(sends_and_closes(), on_closed(handler)) as socket:
        assert socket.wait_closed(LIMIT)
    assert errors == [HResult.RO_E_CLOSED]


# close, from everywhere.


def test_close_may_be_repeated():
    frames = []
    with recorded(noting(frames)) as (socket, record):
        socket.close(1000, "first")
        socket.close(1001, "second")
        socket.close()
    assert frames == [(FIN | CLOSE, b"\x03\xe8first")]
    assert record.entries == [(1000, "first")]


def test_several_threads_that_close_at_once_close_once():
    frames = []
    with recorded(noting(frames)) as (socket, record):
        start = threading.Barrier(8)

        def body():
            start.wait(LIMIT)
            socket.close(1000)
            return list(record.entries)

        calls = [Call(body) for _ in range(8)]
        results = [call.result() for call in calls]
    assert frames == [(FIN | CLOSE, b"\x03\xe8")]
    assert results == [[(1000, "")]] * 8


def test_close_before_connect_is_allowed_and_connect_is_refused_then():
    socket = MessageWebSocket()
    socket.close()
    with unheard_listener() as uri, pytest.raises(ObjectClosedError) as raised:
        socket.connect(uri)
    assert_hresult(raised, HResult.RO_E_CLOSED)


def test_close_on_another_thread_ends_a_receive_that_waits():
    asked = threading.Event()

    def script(connection):
        handshake(connection)
        asked.set()
        read_until_close(connection)

    with connected(script) as socket:
        receiving = Call(socket.receive, timeout=None)
        wait(asked)
        socket.close()
        with pytest.raises(ObjectClosedError) as raised:
            receiving.result()
    assert_hresult(raised, HResult.RO_E_CLOSED)


def test_close_drops_what_has_not_been_received():
    ready = threading.Event()
    with connected(waiting_messages(THREE, ready)) as socket:
        wait(ready)
        socket.close()
        with pytest.raises(ObjectClosedError):
            socket.receive()
        record = Record(socket)
    assert record.entries == []


def test_a_with_block_that_is_left_by_an_exception_closes_and_lets_it_through():
    frames = []
    with pytest.raises(ZeroDivisionError), connected(noting(frames)) as socket, socket:
        raise ZeroDivisionError
    assert frames == [EMPTY_CLOSE]


def test_a_with_block_without_a_close_limit_does_not_wait_for_ever_when_left_by_an_exception():
    with pytest.raises(ZeroDivisionError), connected(only_reads, close_timeout=None):
        raise ZeroDivisionError


# connect.


@contextlib.contextmanager
def connecting():
    """Give a socket, its connect, which waits for the server's answer, and the URI."""
    asked = threading.Event()

    def silent(connection):
        read_request(connection)
        asked.set()
        read_to_end(connection)

    socket = MessageWebSocket()
    with scripted_server(silent) as uri:
        call = Call(socket.connect, uri)
        wait(asked)
        yield socket, call, uri


def test_close_during_connect_cancels_it_and_the_socket_can_connect_again():
    with connecting() as (socket, call, _):
        socket.close()
        with pytest.raises(OperationCanceledError) as raised:
            call.result()
    assert_hresult(raised, HResult.ERROR_CANCELLED)
    with running_server(echo) as uri, socket:
        socket.connect(uri)
        socket.send("again")
        assert socket.receive() == "again"


def test_abort_during_connect_cancels_it():
    with connecting() as (socket, call, _):
        socket.abort()
        with pytest.raises(OperationCanceledError):
            call.result()


def test_connect_while_connecting_is_an_illegal_method_call():
    with connecting() as (socket, call, uri):
        with pytest.raises(IllegalMethodCallError) as raised:
            socket.connect(uri)
        for refused in (socket.wait_closed, socket.receive):
            with pytest.raises(IllegalMethodCallError):
                refused()
        socket.close()
        with pytest.raises(OperationCanceledError):
            call.result()
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


def test_connect_twice_is_an_illegal_method_call_and_the_connection_goes_on():
    with running_server(echo) as uri, MessageWebSocket() as socket:
        socket.connect(uri)
        with unheard_listener() as other, pytest.raises(IllegalMethodCallError) as raised:
            socket.connect(other)
        assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)
        socket.send("on")
        assert socket.receive() == "on"


def test_connect_after_close_is_an_illegal_method_call():
    with connected(noting([])) as socket:
        socket.close()
        with unheard_listener() as uri, pytest.raises(IllegalMethodCallError) as raised:
            socket.connect(uri)
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


def test_connect_after_the_peers_close_is_an_illegal_method_call():
    with connected(sends_and_closes()) as socket:
        assert socket.wait_closed(LIMIT)
        with unheard_listener() as uri, pytest.raises(IllegalMethodCallError) as raised:
            socket.connect(uri)
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


def test_after_a_failed_connect_everything_can_be_changed_and_connect_tried_again():
    with running_server(echo, subprotocols=["chat"]) as uri, MessageWebSocket() as socket:
        with pytest.raises(ConnectionError):
            socket.connect(uri_of_nobody())
        socket.control.receive_timeout = LIMIT
        socket.control.supported_protocols.append("chat")
        socket.set_request_header("X-Try", "2")
        socket.connect(uri)
        assert socket.information.protocol == "chat"


def test_a_failed_connect_raises_no_events():
    with MessageWebSocket() as socket:
        record = Record(socket)
        with pytest.raises(ConnectionError):
            socket.connect(uri_of_nobody())
    assert record.entries == []


def test_connect_with_no_time_at_all_times_out():
    with unheard_listener() as uri, MessageWebSocket() as socket, pytest.raises(OperationTimedOutError) as raised:
        socket.connect(uri, timeout=0)
    assert_hresult(raised, HResult.WININET_E_TIMEOUT)


def test_a_thread_that_cannot_be_started_fails_connect_and_leaves_nothing_open(monkeypatch):
    def refuse(session, run):
        raise RuntimeError("can't start new thread")

    with scripted_server(only_reads) as uri:
        socket = MessageWebSocket()
        socket.control.close_timeout = 0.5
        monkeypatch.setattr(Session, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            socket.connect(uri)
        socket.close()
        del socket


def test_a_reader_that_was_interrupted_right_after_its_start_is_given_back(monkeypatch):
    start = Session.start

    def interrupted(session, run):
        start(session, run)
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "start", interrupted)
    with scripted_server(only_reads) as uri, pytest.raises(KeyboardInterrupt):
        MessageWebSocket().connect(uri)


def test_close_at_the_last_moment_of_connect_still_cancels_it(monkeypatch):
    make_session = MessageWebSocket._make_session

    def close_first(socket, *arguments):
        socket.close()
        return make_session(socket, *arguments)

    monkeypatch.setattr(MessageWebSocket, "_make_session", close_first)
    with scripted_server(only_reads) as uri, pytest.raises(OperationCanceledError) as raised:
        MessageWebSocket().connect(uri)
    assert_hresult(raised, HResult.ERROR_CANCELLED)


def test_a_name_that_must_be_looked_up_is_looked_up_on_other_threads(monkeypatch):
    asked = []

    def ask(host, kind, *_):
        asked.append((host, kind, threading.current_thread().name))
        return Answer([Address(tcp.AF_INET, "127.0.0.1")])

    monkeypatch.setattr("syncws.net.resolver.ask_name_servers", ask)
    with running_server(echo) as uri, MessageWebSocket() as socket:
        socket.connect(uri.replace("localhost", "server.invalid"))
        socket.send("found")
        assert socket.receive() == "found"
    assert sorted(asked) == [("server.invalid", kind, "syncws-lookup") for kind in ("A", "AAAA")]


BAD_URIS = [
    "",
    "localhost",
    "/path",
    "//localhost/",
    "ws:localhost",
    "ws:/localhost",
    "ws://",
    "ws:///path",
    "http://localhost{port}/",
    "https://localhost{port}/",
    "wsx://localhost{port}/",
    "ws://localhost{port}/#fragment",
    "ws://localhost{port}/#",
    "ws://user@localhost{port}/",
    "ws://user:secret@localhost{port}/",
    "ws://localhost:0/",
    "ws://localhost:65536/",
    "ws://localhost:-1/",
    "ws://localhost:port/",
    "ws://localhost{port}/a b",
    "ws://localhost{port}/a\r\nX: y",
    "ws://localhost{port}/\x00",
    "ws://localhost{port}/\x7f",
    "ws://localhost{port}/\ud800",
    " ws://localhost{port}/",
    "ws://localhost{port}/\n",
]


@pytest.mark.parametrize("template", BAD_URIS)
def test_a_bad_uri_is_refused_before_any_connection(template):
    with unheard_listener() as uri:
        port = uri.removeprefix("ws://localhost").removesuffix("/")
        with pytest.raises(InvalidArgumentError, match="uri") as raised:
            MessageWebSocket().connect(template.replace("{port}", port))
    assert_hresult(raised, HResult.E_INVALIDARG)


def test_the_message_for_a_bad_uri_does_not_show_the_password():
    with pytest.raises(InvalidArgumentError) as raised:
        MessageWebSocket().connect("ws://user:secret@localhost/")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("uri", [None, 5, b"ws://localhost/", ["ws://localhost/"]])
def test_a_uri_that_is_no_str_is_refused(uri):
    with pytest.raises(InvalidArgumentTypeError, match="uri must be str") as raised:
        MessageWebSocket().connect(uri)
    assert_hresult(raised, HResult.E_INVALIDARG)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", True, -float("inf")])
def test_a_bad_timeout_is_refused_before_any_connection(timeout):
    with unheard_listener() as uri, pytest.raises(InvalidArgumentError, match="timeout must be") as raised:
        MessageWebSocket().connect(uri, timeout=timeout)
    assert_hresult(raised, HResult.E_INVALIDARG)


BAD_CLOSES = [
    (0, ""),
    (999, ""),
    (1004, ""),
    (1006, ""),
    (1011, ""),
    (1015, ""),
    (2999, ""),
    (5000, ""),
    (-1, ""),
    (65536 + 1000, ""),
    (1000, "x" * 124),
    (1000, "é" * 62),
    (1000, "\ud800"),
    (1005, "reason"),
    (None, "reason"),
    ("1000", ""),
    (1000.0, ""),
    (True, ""),
    (1000, b"reason"),
    (1000, 5),
]


@pytest.mark.parametrize(("code", "reason"), BAD_CLOSES)
def test_a_bad_close_is_refused_and_closes_nothing(code, reason):
    with connected(noting([])) as socket:
        with pytest.raises(InvalidArgumentError) as raised:
            socket.close(code, reason)
        assert_hresult(raised, HResult.E_INVALIDARG)
        socket.send("still open")


# Request headers.


def request_with(*headers):
    """Return the request of a socket for which these headers were set, one after the other."""
    requests = []
    with connected(noting_request(requests), lambda socket: [socket.set_request_header(*header) for header in headers]):
        pass
    return requests[0]


def test_request_headers_reach_the_server():
    request = request_with(
        ("Authorization", "Bearer abc"), ("Cookie", "a=b; c=d"), ("X-Latin", "grün"), ("X-Empty", "")
    )
    headers = request_headers(request)
    assert headers["authorization"] == "Bearer abc"
    assert headers["cookie"] == "a=b; c=d"
    assert headers["x-latin"] == "grün"
    assert headers["x-empty"] == ""
    assert b"\r\nAuthorization: Bearer abc\r\n" in request


def test_a_request_header_that_is_set_twice_is_replaced_whatever_its_case():
    request = request_with(("X-Name", "first"), ("x-name", "second"))
    assert request.lower().count(b"x-name:") == 1
    assert b"x-name: second" in request


def test_host_and_origin_can_be_set():
    request = request_with(("Host", "example.org"), ("Origin", "https://example.org"))
    headers = request_headers(request)
    assert headers["host"] == "example.org"
    assert headers["origin"] == "https://example.org"
    assert request.lower().count(b"\r\nhost:") == 1


def test_by_default_host_is_that_of_the_uri_and_there_is_no_origin():
    requests = []
    with scripted_server(noting_request(requests)) as uri, MessageWebSocket() as socket:
        socket.connect(uri)
    headers = request_headers(requests[0])
    assert headers["host"] == uri.removeprefix("ws://").removesuffix("/")
    assert "origin" not in headers
    assert "sec-websocket-protocol" not in headers
    assert "sec-websocket-extensions" not in headers


BAD_HEADERS = [
    ("", "value"),
    ("X Y", "value"),
    ("X:", "value"),
    ("X\r\n", "value"),
    ("Ü", "value"),
    ("X", "a\r\nY: b"),
    ("X", "a\nb"),
    ("X", "a\rb"),
    ("X", "\x00"),
    ("X", "\x1f"),
    ("X", "\x7f"),
    ("X", "€"),
    ("X", "\ud800"),
    ("Sec-WebSocket-Protocol", "chat"),
    ("sec-websocket-extensions", "permessage-deflate"),
    ("Sec-WebSocket-Key", "x"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Accept", "x"),
    ("Upgrade", "websocket"),
    ("CONNECTION", "close"),
    (None, "value"),
    ("X", None),
    (b"X", "value"),
    ("X", 5),
]


@pytest.mark.parametrize(("name", "value"), BAD_HEADERS)
def test_a_bad_request_header_is_refused(name, value):
    socket = MessageWebSocket()
    with pytest.raises(InvalidArgumentError, match="header") as raised:
        socket.set_request_header(name, value)
    assert_hresult(raised, HResult.E_INVALIDARG)


def test_the_message_for_a_bad_header_does_not_show_its_value():
    with pytest.raises(InvalidArgumentError) as raised:
        MessageWebSocket().set_request_header("Authorization", "secret\n")
    assert "secret" not in str(raised.value)
    assert "Authorization" in str(raised.value)


def test_request_headers_cannot_be_set_after_connect():
    with connected(noting([])) as socket:
        with pytest.raises(IllegalMethodCallError) as raised:
            socket.set_request_header("X", "y")
        socket.close()
        with pytest.raises(IllegalMethodCallError):
            socket.set_request_header("X", "y")
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


# Subprotocols.


def test_subprotocols_are_offered_in_order_and_with_their_case():
    requests = []
    with connected(noting_request(requests), offering("Chat", "chat", "v2.example.org")):
        pass
    assert request_headers(requests[0])["sec-websocket-protocol"] == "Chat, chat, v2.example.org"


def test_the_chosen_subprotocol_keeps_its_case():
    with connected(noting_request([], "Sec-WebSocket-Protocol: CHAT"), offering("chat", "CHAT")) as socket:
        assert socket.information.protocol == "CHAT"


def test_a_server_may_choose_no_subprotocol():
    with connected(noting_request([]), offering("chat")) as socket:
        assert socket.information.protocol == ""


@pytest.mark.parametrize("chosen", ["other", "CHAT", "chat, v2", ""])
def test_a_subprotocol_that_was_not_offered_fails_connect(chosen):
    def script(connection):
        handshake(connection, f"Sec-WebSocket-Protocol: {chosen}")
        read_to_end(connection)

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        offering("chat", "v2")(socket)
        with pytest.raises(HandshakeError) as raised:
            socket.connect(uri)
    assert_hresult(raised, HResult.E_SUBPROTOCOL_NOT_SUPPORTED)


def test_a_subprotocol_when_none_was_offered_fails_connect():
    def script(connection):
        handshake(connection, "Sec-WebSocket-Protocol: chat")
        read_to_end(connection)

    with scripted_server(script) as uri, pytest.raises(HandshakeError) as raised:
        MessageWebSocket().connect(uri)
    assert_hresult(raised, HResult.E_SUBPROTOCOL_NOT_SUPPORTED)


# Sending.


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        ("", (FIN | TEXT, b"")),
        ("Grüße 😀", (FIN | TEXT, "Grüße 😀".encode())),
        (b"", (FIN | BINARY, b"")),
        (b"\x00\xff", (FIN | BINARY, b"\x00\xff")),
        (bytearray(b"\x01\x02"), (FIN | BINARY, b"\x01\x02")),
        (memoryview(b"abcd")[1:3], (FIN | BINARY, b"bc")),
        (memoryview(array.array("H", [0x0101, 0x0202])), (FIN | BINARY, b"\x01\x01\x02\x02")),
        (b"x" * 70_000, (FIN | BINARY, b"x" * 70_000)),
        (bytearray(b"y" * 70_000), (FIN | BINARY, b"y" * 70_000)),
    ],
    ids=["empty text", "text", "no bytes", "bytes", "bytearray", "view", "wide view", "long", "long bytearray"],
)
def test_send_sends_str_as_text_and_bytes_as_binary(message, frame):
    frames = []
    with connected(noting(frames)) as socket:
        socket.send(message)
    assert frames == [frame, EMPTY_CLOSE]


@pytest.mark.parametrize("message_type", SocketMessageType)
def test_send_does_not_mind_the_message_type(message_type):
    frames = []
    with connected(noting(frames)) as socket:
        socket.control.message_type = message_type
        socket.send("a")
        socket.send(b"\xff")
    assert frames[:2] == [(FIN | TEXT, b"a"), (FIN | BINARY, b"\xff")]


@pytest.mark.parametrize("message", [None, 5, ["a"], object(), array.array("B", b"a")])
def test_send_refuses_other_types(message):
    with (
        connected(noting([])) as socket,
        pytest.raises(InvalidArgumentTypeError, match="must be str or bytes") as raised,
    ):
        socket.send(message)
    assert_hresult(raised, HResult.E_INVALIDARG)


@pytest.mark.parametrize("message", ["\ud800", memoryview(b"abcdef")[::2]])
def test_send_refuses_what_cannot_be_sent_and_the_connection_goes_on(message):
    frames = []
    with connected(noting(frames)) as socket:
        with pytest.raises(InvalidArgumentError) as raised:
            socket.send(message)
        socket.send("good")
    assert_hresult(raised, HResult.E_INVALIDARG)
    assert frames[0] == (FIN | TEXT, b"good")


USES = {
    "send text": lambda socket: socket.send("a"),
    "send bytes": lambda socket: socket.send(b"a"),
    "send a view": lambda socket: socket.send(memoryview(b"a")),
    "receive": lambda socket: socket.receive(0),
    "iterate": lambda socket: next(iter(socket)),
    "write": lambda socket: socket.output_stream.write(b"a"),
    "flush": lambda socket: socket.output_stream.flush(),
}


@pytest.mark.parametrize("use", USES)
def test_use_before_connect_is_an_illegal_method_call(use):
    with pytest.raises(IllegalMethodCallError, match="call connect first") as raised:
        USES[use](MessageWebSocket())
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


@pytest.mark.parametrize("use", USES)
def test_use_after_close_says_closed(use):
    with connected(noting([])) as socket:
        socket.close()
        with pytest.raises(ObjectClosedError) as raised:
            USES[use](socket)
    assert_hresult(raised, HResult.RO_E_CLOSED)


@pytest.mark.parametrize("use", [use for use in USES if use not in ("flush", "iterate")])
def test_use_after_the_peers_close_says_closed(use):
    with connected(sends_and_closes()) as socket:
        assert socket.wait_closed(LIMIT)
        with pytest.raises(ObjectClosedError) as raised:
            USES[use](socket)
    assert_hresult(raised, HResult.RO_E_CLOSED)


@pytest.mark.parametrize("use", [use for use in USES if use != "flush"])
def test_use_after_the_connection_was_lost_says_lost(use):
    go = threading.Event()
    with connected(lost_script(go, b"", tcp.socket.close)) as socket:
        go.set()
        assert socket.wait_closed(LIMIT)
        with pytest.raises(ConnectionLostError) as raised:
            USES[use](socket)
    assert_hresult(raised, HResult.WININET_E_CONNECTION_ABORTED)


def test_threads_that_send_at_once_do_not_mix_their_messages():
    frames = []
    with connected(noting(frames)) as socket:
        start = threading.Barrier(4)

        def body(letter):
            start.wait(LIMIT)
            for length in (1, 200, 70_000):
                socket.send(letter * length)

        for call in [Call(body, letter) for letter in "abcd"]:
            call.result()
    sent = sorted((payload[:1], len(payload)) for first, payload in frames if first == FIN | TEXT)
    assert sent == [(letter, length) for letter in (b"a", b"b", b"c", b"d") for length in (1, 200, 70_000)]
    assert all(len(set(payload)) == 1 for first, payload in frames if first == FIN | TEXT)


# The output stream.


def test_one_write_is_one_message_of_the_type_that_holds_at_that_moment():
    frames = []
    with connected(noting(frames)) as socket:
        stream = socket.output_stream
        assert stream.write(b"one") == 3
        socket.control.message_type = SocketMessageType.UTF8
        assert stream.write("zwölf".encode()) == 6
        socket.control.message_type = SocketMessageType.BINARY
        assert stream.write(b"") == 0
        assert stream.flush() is True
    assert frames == [(FIN | BINARY, b"one"), (FIN | TEXT, "zwölf".encode()), (FIN | BINARY, b""), EMPTY_CLOSE]


def test_the_message_type_counts_when_the_data_is_stored():
    frames = []
    with connected(noting(frames)) as socket, DataWriter(socket.output_stream) as writer:
        socket.control.message_type = SocketMessageType.UTF8
        writer.write_string("a")
        socket.control.message_type = SocketMessageType.BINARY
        writer.store()
        writer.write_string("b")
        socket.control.message_type = SocketMessageType.UTF8
        writer.store()
        writer.detach_stream()
    assert frames[:2] == [(FIN | BINARY, b"a"), (FIN | TEXT, b"b")]


@pytest.mark.parametrize("data", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"x" * 70_000 + b"\x80"])
def test_text_that_is_not_utf8_is_refused_and_not_sent(data):
    frames = []
    with connected(noting(frames)) as socket:
        socket.control.message_type = SocketMessageType.UTF8
        with pytest.raises(InvalidArgumentError, match="must be UTF-8") as raised:
            socket.output_stream.write(data)
        socket.output_stream.write(b"good")
    assert_hresult(raised, HResult.E_INVALIDARG)
    assert frames[0] == (FIN | TEXT, b"good")


def test_the_output_stream_is_the_same_as_long_as_somebody_has_it():
    socket = MessageWebSocket()
    stream = socket.output_stream
    assert socket.output_stream is stream


def test_a_data_writer_may_be_made_before_connect():
    frames = []
    with scripted_server(noting(frames)) as uri, MessageWebSocket() as socket:
        writer = DataWriter(socket.output_stream)
        writer.write_string("early")
        socket.connect(uri)
        writer.store()
    assert frames[0] == (FIN | BINARY, b"early")


def test_a_data_writer_that_is_left_attached_closes_the_stream():
    with connected(noting([])) as socket:
        with DataWriter(socket.output_stream) as writer:
            writer.write_string("once")
            writer.store()
        with pytest.raises(ObjectClosedError, match="detach") as raised:
            socket.output_stream.write(b"again")
        assert_hresult(raised, HResult.RO_E_CLOSED)
        with pytest.raises(ObjectClosedError):
            socket.output_stream.flush()


def test_a_data_writer_over_a_closed_stream_cannot_store():
    with connected(noting([])) as socket:
        stream = socket.output_stream
        stream.close()
        with DataWriter(stream) as writer:
            writer.write_string("again")
            with pytest.raises(ObjectClosedError) as raised:
                writer.store()
    assert_hresult(raised, HResult.RO_E_CLOSED)


def test_a_detached_stream_can_be_used_again():
    frames = []
    with connected(noting(frames)) as socket:
        for text in ("one", "two"):
            with DataWriter(socket.output_stream) as writer:
                writer.write_string(text)
                writer.store()
                writer.detach_stream()
    assert frames[:2] == [(FIN | BINARY, b"one"), (FIN | BINARY, b"two")]


# Receiving by pull.


def test_receive_gives_text_as_str_and_binary_as_bytes():
    frames = [server_frame(TEXT, "ü".encode()), server_frame(BINARY, b"\xff"), server_frame(BINARY, bytes(300))]
    with connected(sends(*frames)) as socket:
        messages = [socket.receive(), socket.receive(), socket.receive()]
    assert messages == ["ü", b"\xff", bytes(300)]
    assert [type(message) for message in messages] == [str, bytes, bytes]


def test_receive_gives_empty_messages_too():
    with connected(sends(server_frame(TEXT), server_frame(BINARY))) as socket:
        assert socket.receive() == ""
        assert socket.receive() == b""


def test_a_receive_that_times_out_loses_nothing():
    go = threading.Event()
    with connected(sends(server_frame(TEXT, b"late"), after=go)) as socket:
        for timeout in (0, 0.01, 0):
            with pytest.raises(OperationTimedOutError) as raised:
                socket.receive(timeout=timeout)
            assert_hresult(raised, HResult.WININET_E_TIMEOUT)
        go.set()
        assert socket.receive() == "late"


def test_receive_waits_as_long_as_the_control_says_when_it_is_not_told():
    with connected(noting([]), receive_timeout=0) as socket, pytest.raises(OperationTimedOutError):
        socket.receive()


def test_the_signature_of_receive_tells_where_its_time_limit_comes_from():
    assert "= control.receive_timeout" in str(inspect.signature(MessageWebSocket.receive))


def test_receive_with_no_time_gives_what_is_there_already():
    ready = threading.Event()
    with connected(waiting_messages(THREE, ready)) as socket:
        wait(ready)
        assert [socket.receive(timeout=0) for _ in range(3)] == ["one", "two", "three"]


@pytest.mark.parametrize("timeout", [-1, "5", True, float("nan")])
def test_receive_refuses_a_bad_timeout(timeout):
    with connected(noting([])) as socket, pytest.raises(InvalidArgumentError, match="timeout must be") as raised:
        socket.receive(timeout)
    assert_hresult(raised, HResult.E_INVALIDARG)


def test_receive_and_iteration_are_refused_when_there_are_handlers():
    with connected(noting([])) as socket:
        token = socket.add_message_received(lambda sender, args: None)
        for use in (USES["receive"], USES["iterate"]):
            with pytest.raises(IllegalMethodCallError, match="message_received handlers") as raised:
                use(socket)
            assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)
        socket.remove_message_received(token)
        with pytest.raises(OperationTimedOutError):
            socket.receive(timeout=0)


def test_a_second_thread_that_receives_is_refused():
    refused = threading.Event()

    def receive(socket):
        try:
            return socket.receive(timeout=LIMIT)
        except InvalidOperationError:
            refused.set()
            raise

    with connected(sends(server_frame(TEXT, b"for the other"), after=refused)) as socket:
        calls = [Call(receive, socket) for _ in range(2)]
        for call in calls:
            wait(call.done)
    assert sorted(str(call.value) for call in calls) == ["None", "for the other"]
    (error,) = [call.error for call in calls if call.error is not None]
    assert error.hresult == HResult.ERROR_INVALID_OPERATION


def test_messages_can_be_received_after_the_peers_close():
    with connected(sends_and_closes(*THREE, code=1001, reason="bye")) as socket:
        assert socket.wait_closed(LIMIT)
        assert [socket.receive() for _ in range(3)] == ["one", "two", "three"]
        with pytest.raises(ObjectClosedError, match="code 1001 bye") as raised:
            socket.receive()
    assert_hresult(raised, HResult.RO_E_CLOSED)


def test_messages_can_be_received_after_the_connection_was_lost():
    with connected(sends_and_ends(*THREE, MID_FRAME)) as socket:
        assert socket.wait_closed(LIMIT)
        assert [socket.receive() for _ in range(3)] == ["one", "two", "three"]
        for _ in range(2):
            with pytest.raises(ConnectionLostError):
                socket.receive()


def test_iteration_ends_when_the_peer_closes():
    with connected(sends_and_closes(*THREE)) as socket:
        assert list(socket) == ["one", "two", "three"]
        assert list(socket) == []


def test_iteration_raises_when_the_connection_is_lost():
    messages = []
    with connected(sends_and_ends(*THREE, MID_FRAME)) as socket, pytest.raises(ConnectionLostError):
        messages.extend(socket)
    assert messages == ["one", "two", "three"]


def test_iteration_ends_when_another_thread_closes():
    asked = threading.Event()

    def script(connection):
        handshake(connection)
        asked.set()
        read_until_close(connection)

    with connected(script) as socket:
        iterating = Call(lambda: next(iter(socket), "ended"))
        wait(asked)
        socket.close()
        try:
            assert iterating.result() == "ended"
        except ObjectClosedError:
            # close() was faster than the thread.
            pass


def test_a_full_inbox_stops_reading_and_goes_on_when_there_is_room():
    frames = [server_frame(BINARY, bytes([number]) * 1000) for number in range(100)]
    with connected(sends_and_closes(*frames), inbox_size_in_bytes=2000) as socket:
        assert [message[0] for message in socket] == list(range(100))


def test_a_first_handler_empties_a_full_inbox():
    frames = [server_frame(BINARY, bytes(1000))] * 100
    ready = threading.Event()

    def script(connection):
        handshake(connection, behind=frames[0])
        ready.set()
        connection.sendall(b"".join(frames[1:]) + close_frame(1000))
        read_frame(connection)

    with connected(script, inbox_size_in_bytes=1) as socket:
        wait(ready)
        record = Record(socket)
        assert socket.wait_closed(LIMIT)
    assert len(record.entries) == 101


# wait_closed.


def test_wait_closed_is_false_when_the_time_is_over():
    with connected(noting([])) as socket:
        assert socket.wait_closed(timeout=0) is False
        assert socket.wait_closed(0.01) is False
        socket.send("still open")


def test_wait_closed_is_true_when_it_is_over_and_may_be_repeated():
    with connected(sends_and_closes()) as socket:
        assert socket.wait_closed() is True
        assert socket.wait_closed(0) is True


def test_wait_closed_before_connect_is_an_illegal_method_call():
    with pytest.raises(IllegalMethodCallError) as raised:
        MessageWebSocket().wait_closed()
    assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)


def test_wait_closed_is_true_for_a_socket_that_was_closed_before_connect():
    socket = MessageWebSocket()
    socket.close()
    assert socket.wait_closed() is True


@pytest.mark.parametrize("timeout", [-1, "5", True])
def test_wait_closed_refuses_a_bad_timeout(timeout):
    with pytest.raises(InvalidArgumentError, match="timeout must be") as raised:
        MessageWebSocket().wait_closed(timeout)
    assert_hresult(raised, HResult.E_INVALIDARG)


# Custom validation of the server.


@pytest.fixture
def wss(server_tls):
    with running_server(echo, ssl_context=server_tls) as uri:
        yield uri


@pytest.fixture
def secure(client_tls):
    with MessageWebSocket() as socket:
        socket.control.ssl_context = client_tls
        yield socket


@contextlib.contextmanager
def watched_wss(server_tls, received):
    """Run a wss server that notes the first byte of the request, or its absence."""

    def script(connection):
        try:
            received.append(connection.recv(1))
        except OSError:
            received.append(b"")

    with scripted_server(script, ssl_context=server_tls) as uri:
        yield uri


def test_a_custom_validation_that_does_nothing_accepts(wss, secure):
    calls = []
    secure.add_server_custom_validation_requested(lambda sender, args: calls.append((sender, args)))
    secure.connect(wss)
    secure.send("on")
    assert secure.receive() == "on"
    ((sender, args),) = calls
    assert sender is secure
    assert args.server_certificate.get_certificate_blob()[:1] == b"\x30"
    assert list(args.server_intermediate_certificates) == []
    assert list(args.server_certificate_errors) == []
    assert args.server_certificate_error_severity is SocketSslErrorSeverity.NONE


def test_a_custom_validation_can_be_added_by_plus_equals_and_removed(wss, secure):
    calls = []

    def handler(sender, args):
        calls.append(threading.current_thread())

    secure.server_custom_validation_requested += handler
    secure.server_custom_validation_requested += handler
    secure.server_custom_validation_requested -= handler
    secure.connect(wss)
    assert calls == [threading.current_thread()]


def test_a_rejected_server_fails_connect_and_gets_no_request(server_tls, secure):
    received = []
    secure.add_server_custom_validation_requested(lambda sender, args: (args.reject(), args.reject()))
    with watched_wss(server_tls, received) as uri:
        with pytest.raises(CertificateError) as raised:
            secure.connect(uri)
        assert_hresult(raised, HResult.INET_E_SECURITY_PROBLEM)
    assert received == [b""]


def test_one_handler_that_rejects_is_enough(server_tls, secure):
    secure.add_server_custom_validation_requested(lambda sender, args: args.reject())
    secure.add_server_custom_validation_requested(lambda sender, args: None)
    with watched_wss(server_tls, []) as uri, pytest.raises(CertificateError):
        secure.connect(uri)


def test_a_validation_handler_that_raises_rejects_and_is_logged(server_tls, secure, caplog):
    def handler(sender, args):
        raise HandlerError

    received = []
    secure.add_server_custom_validation_requested(handler)
    with watched_wss(server_tls, received) as uri, pytest.raises(CertificateError) as raised:
        secure.connect(uri)
    assert_hresult(raised, HResult.INET_E_SECURITY_PROBLEM)
    assert received == [b""]
    assert [entry.exc_info[0] for entry in caplog.records] == [HandlerError]


def test_after_a_rejection_the_socket_can_connect_again(server_tls, wss, secure):
    token = secure.add_server_custom_validation_requested(lambda sender, args: args.reject())
    with pytest.raises(CertificateError):
        secure.connect(wss)
    secure.remove_server_custom_validation_requested(token)
    secure.connect(wss)


@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_connect_waits_for_a_deferral_that_another_thread_completes(server_tls, wss, secure, verdict):
    deferrals = []
    asked = threading.Event()

    def handler(sender, args):
        deferrals.append((args, args.get_deferral(), args.get_deferral()))
        asked.set()

    secure.add_server_custom_validation_requested(handler)
    connecting = Call(secure.connect, wss)
    wait(asked)
    ((args, first, second),) = deferrals
    first.complete()
    assert not connecting.done.is_set()
    if verdict == "reject":
        args.reject()
    second.complete()
    if verdict == "accept":
        connecting.result()
    else:
        with pytest.raises(CertificateError):
            connecting.result()


def test_a_deferral_that_is_completed_in_the_handler_does_not_hold_connect(wss, secure):
    def handler(sender, args):
        with args.get_deferral():
            pass

    secure.add_server_custom_validation_requested(handler)
    secure.connect(wss)


def test_close_ends_a_connect_that_waits_for_a_deferral(server_tls, secure):
    deferrals = []
    asked = threading.Event()

    def handler(sender, args):
        deferrals.append(args.get_deferral())
        asked.set()

    secure.add_server_custom_validation_requested(handler)
    with watched_wss(server_tls, []) as uri:
        connecting = Call(secure.connect, uri)
        wait(asked)
        secure.close()
        with pytest.raises(OperationCanceledError):
            connecting.result()
    # A verdict that comes too late hurts nobody.
    deferrals[0].complete()


def test_a_certificate_that_fails_the_usual_checks_never_comes_to_custom_validation(server_tls):
    calls = []

    def script(connection):
        read_to_end(connection)

    with scripted_server(script, ssl_context=server_tls) as uri, MessageWebSocket() as socket:
        socket.add_server_custom_validation_requested(lambda sender, args: calls.append(args))
        with pytest.raises(CertificateError) as raised:
            socket.connect(uri)
    assert_hresult(raised, HResult.WININET_E_INVALID_CA)
    assert calls == []


def test_custom_validation_is_never_asked_for_on_ws():
    calls = []

    def prepare(socket):
        socket.add_server_custom_validation_requested(lambda sender, args: calls.append(args))

    with connected(noting([]), prepare):
        pass
    assert calls == []


# syncws.connect().


def test_the_function_connect_gives_a_connected_socket():
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        assert isinstance(socket, MessageWebSocket)
        socket.send("hi")
        assert socket.receive() == "hi"


@pytest.mark.parametrize("headers", [{"X-One": "1", "X-Two": "2"}, [("X-One", "1"), ("X-Two", "2")]])
def test_the_function_connect_passes_its_settings_on(headers):
    requests = []
    script = noting_request(requests, "Sec-WebSocket-Protocol: b")
    with (
        scripted_server(script) as uri,
        syncws.connect(uri, timeout=LIMIT, headers=headers, subprotocols=("a", "b"), max_message_size=5) as socket,
    ):
        assert socket.information.protocol == "b"
        assert socket.control.max_message_size == 5
    sent = request_headers(requests[0])
    assert sent["x-one"] == "1"
    assert sent["x-two"] == "2"
    assert sent["sec-websocket-protocol"] == "a, b"


def test_the_function_connect_takes_a_tls_context(wss, client_tls):
    with syncws.connect(wss, ssl_context=client_tls) as socket:
        socket.send(b"hi")
        assert socket.receive() == b"hi"


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": -1},
        {"headers": {"X Y": "z"}},
        {"subprotocols": ["a", "a"]},
        {"subprotocols": "chat"},
        {"ssl_context": True},
        {"max_message_size": -1},
    ],
    ids=str,
)
def test_the_function_connect_refuses_bad_settings_before_any_connection(options):
    with unheard_listener() as uri, pytest.raises(InvalidArgumentError) as raised:
        syncws.connect(uri, **{"timeout": 0.2, **options})
    assert_hresult(raised, HResult.E_INVALIDARG)


# A socket object that is dropped.


def test_a_dropped_socket_warns_and_says_1001():
    frames = []
    with scripted_server(noting(frames)) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        with pytest.warns(ResourceWarning, match=r"a MessageWebSocket connected to ws://localhost:\d+ was dropped"):
            drop(holder)
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_a_dropped_socket_whose_handlers_refer_to_it_warns_and_says_1001():
    frames = []

    def make(uri):
        socket = MessageWebSocket()
        socket.message_received += lambda sender, args: socket.send("never")
        socket.closed += lambda sender, args: socket.close()
        socket.connect(uri)
        return socket

    with scripted_server(noting(frames)) as uri:
        holder = [make(uri)]
        with pytest.warns(ResourceWarning, match="was dropped without close"):
            drop(holder)
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_a_socket_that_is_dropped_after_messages_have_come_warns_and_says_1001():
    frames = []
    ready, ended = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(THREE))
        round_trip(connection)
        ready.set()
        frames.extend(read_until_close(connection))
        ended.set()

    with scripted_server(script) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        wait(ready)
        # The reader may be at the last message still, and is then the one that drops the socket.
        with pytest.warns(ResourceWarning):  # noqa: PT031 - the warning comes during the wait
            drop(holder)
            wait(ended)
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_a_closed_socket_that_is_dropped_does_not_warn():
    with connected(noting([])) as socket:
        socket.close()
    del socket
    gc.collect()


def test_a_socket_whose_peer_has_closed_may_be_dropped():
    with scripted_server(sends_and_closes()) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        assert holder[0].wait_closed(LIMIT)
        drop(holder)


def test_a_socket_that_never_connected_may_be_dropped():
    holder = [MessageWebSocket()]
    drop(holder)


def test_the_output_stream_keeps_the_socket_alive():
    frames = []
    with scripted_server(noting(frames)) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        streams = [holder[0].output_stream]
        drop(holder)
        streams[0].write(b"alive")
        with pytest.warns(ResourceWarning):
            drop(streams)
    assert frames == [(FIN | BINARY, b"alive"), (FIN | CLOSE, b"\x03\xe9")]


# The rest.


def test_a_socket_that_is_connected_answers_pings():
    pongs = []
    answered = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(PING, b"are you there"))
        pongs.append(read_frame(connection))
        answered.set()
        read_until_close(connection)

    with connected(script):
        wait(answered)
    assert pongs == [(FIN | PONG, b"are you there")]


def test_frames_that_come_with_the_handshakes_answer_are_not_lost():
    def script(connection):
        handshake(connection, behind=b"".join(THREE) + close_frame(1000))
        read_frame(connection)

    with connected(script) as socket:
        assert list(socket) == ["one", "two", "three"]


def test_repr_tells_how_far_the_socket_has_come():
    with scripted_server(noting([])) as uri, MessageWebSocket() as socket:
        assert repr(socket) == "<MessageWebSocket NEW>"
        socket.connect(uri)
        assert repr(socket) == "<MessageWebSocket CONNECTED>"
        socket.close()
        assert repr(socket) == "<MessageWebSocket CLOSED>"


def test_control_and_information_are_there_before_connect_and_stay_the_same():
    with scripted_server(noting([])) as uri, MessageWebSocket() as socket:
        before = socket.control, socket.information
        socket.connect(uri)
        assert (socket.control, socket.information) == before
        assert socket.information.local_address.canonical_name == "127.0.0.1"
