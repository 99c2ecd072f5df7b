"""Tests of calls to a MessageWebSocket inside one of its own handlers."""

import threading

import pytest
from support import LIMIT, handshake, read_frame, read_to_end, server_frame, wait
from support.message_websocket import THREE, recorded
from support.scripts import (
    BINARY,
    CLOSE,
    EMPTY_CLOSE,
    FIN,
    TEXT,
    close_frame,
    connected,
    noting,
    on_closed,
    on_message,
    read_until_close,
    sends_and_closes,
)

from syncws import DataWriter, HResult, IllegalMethodCallError, ObjectClosedError


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
        monkeypatch.setattr("syncws._net.transport.SocketTransport.receive", lambda transport, size: frame)
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
