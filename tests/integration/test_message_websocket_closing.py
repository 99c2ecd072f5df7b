"""Tests of how a connection of MessageWebSocket ends: by close, by abort, by the peer or by a failure."""

import socket as tcp
import threading

import pytest
from support import LIMIT, handshake, read_frame, read_to_end, reset, server_frame, wait
from support.calls import Call
from support.message_websocket import (
    MID_FRAME,
    THREE,
    Record,
    assert_close_code,
    assert_hresult,
    lost_script,
    recorded,
    unheard_listener,
    waiting_messages,
)
from support.scripts import (
    CLOSE,
    EMPTY_CLOSE,
    FIN,
    TEXT,
    close_frame,
    connected,
    noting,
    on_message,
    only_reads,
    read_until_close,
    sends_and_closes,
    sends_and_notes_one,
)

from syncws import (
    ConnectionLostError,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    MessageWebSocket,
    ObjectClosedError,
    ProtocolViolationError,
)

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


def assert_lost(record, hresult):
    error, closed = record.entries
    assert isinstance(error, ConnectionLostError)
    assert error.hresult == hresult
    assert closed == (1006, "")


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
    assert "[HRESULT 0x80072EFE]>" in errors[3]


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
