"""Tests of reading from a StreamWebSocket: what a read gives, how it ends, and what it leaves."""

import socket as tcp
import threading

import pytest
from support import LIMIT, handshake, read_frame, reset, scripted_server, server_frame, wait
from support.calls import Call
from support.scripts import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    close_frame,
    noting,
    on_closed,
    read_until_close,
    sends,
    sends_and_closes,
    sends_and_ends,
)
from support.stream_websocket import (
    PARTIAL,
    Steps,
    assert_hresult,
    connected_stream,
    load,
    read,
    wait_closed,
    waiting,  # noqa: F401 - a fixture
)

from syncws import (
    ConnectionLostError,
    DataReader,
    IllegalMethodCallError,
    InputStreamOptions,
    InvalidOperationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    ProtocolViolationError,
    StreamWebSocket,
    WebErrorStatus,
)
from syncws._connection.receiving import reader
from syncws._connection.receiving.byte_inbox import ByteInbox


@pytest.fixture
def full(monkeypatch):
    """An Event that is set when the inbox is full."""
    event = threading.Event()
    note_full = ByteInbox._note_full
    monkeypatch.setattr(ByteInbox, "_note_full", lambda inbox: (note_full(inbox), event.set()))
    return event


# What a read gives.


@pytest.mark.parametrize(
    "frames",
    [
        [server_frame(TEXT, b"abcdef")],
        [server_frame(BINARY, b"abc"), server_frame(BINARY, b"def")],
        [server_frame(TEXT, b"abc"), server_frame(BINARY, b"def")],
        [server_frame(BINARY), server_frame(BINARY, b"abcdef"), server_frame(TEXT)],
        [server_frame(BINARY, b"ab", fin=False), server_frame(PING, b"ping"), server_frame(CONTINUATION, b"cdef")],
        [server_frame(BINARY, bytes([byte])) for byte in b"abcdef"],
    ],
    ids=["text", "two messages", "both types", "empty messages", "fragments", "single bytes"],
)
def test_messages_are_read_as_one_stream_of_bytes(frames):
    with connected_stream(sends_and_closes(*frames)) as socket:
        assert read(socket, 6) == b"abcdef"
        assert read(socket, 6) == b""


def load_and_read(socket):
    return load(socket, 4)


@pytest.mark.parametrize(
    "take",
    [
        lambda socket: socket.input_stream.as_file().readline(),
        lambda socket: socket.input_stream.as_file().read(4),
        lambda socket: read(socket, 4),
        load_and_read,
    ],
    ids=["readline", "file", "read", "load"],
)
def test_bytes_that_came_with_others_are_taken_without_a_look_at_the_session(monkeypatch, take):
    with connected_stream(sends(server_frame(BINARY, b"one\ntwo\nthree"))) as socket:
        assert take(socket) == b"one\n"
        with monkeypatch.context() as patch:
            patch.setattr(type(socket._session), "begin_read", None)
            assert take(socket) == b"two\n"
        assert read(socket, 5) == b"three"


def test_a_file_of_a_closed_stream_gives_nothing_although_bytes_are_there():
    with connected_stream(sends(server_frame(BINARY, b"one\ntwo\n"))) as socket:
        file = socket.input_stream.as_file()
        assert file.readline() == b"one\n"
        socket.input_stream.close()
        for call in (file.readline, lambda: file.read(1)):
            with pytest.raises(ObjectClosedError):
                call()


def test_bytes_that_came_with_the_handshake_are_read():
    def script(connection):
        handshake(connection, behind=server_frame(BINARY, b"early"))
        read_until_close(connection)

    with connected_stream(script) as socket:
        assert read(socket, 5) == b"early"


def test_the_end_of_a_utf8_character_may_come_in_the_next_read():
    with connected_stream(sends(server_frame(TEXT, "ü".encode()))) as socket:
        assert [read(socket, 1), read(socket, 1)] == [b"\xc3", b"\xbc"]


def test_a_partial_read_returns_before_the_buffer_is_full():
    with connected_stream(sends(server_frame(BINARY, b"abc"))) as socket:
        assert read(socket, 100, PARTIAL) == b"abc"


def test_bytes_are_there_before_their_message_and_even_their_frame_ends():
    # The peer never sends the rest.
    with connected_stream(sends(server_frame(BINARY, bytes(70_000))[:1000])) as socket:
        assert read(socket, 900) == bytes(900)
        socket.abort()


def test_a_read_of_nothing_returns_at_once():
    with connected_stream(sends()) as socket:
        assert read(socket, 0) == b""


def test_the_input_stream_is_the_same_while_it_is_held():
    socket = StreamWebSocket()
    stream = socket.input_stream
    assert socket.input_stream is stream


def test_a_stream_taken_before_connect_reads_after_it():
    streams = []
    prepare = lambda socket: streams.append(socket.input_stream)  # noqa: E731 - short
    with connected_stream(sends(server_frame(BINARY, b"abc")), prepare) as socket:
        assert socket.input_stream is streams[0]
        assert streams[0].as_file().read(3) == b"abc"


# Before connect and after close.

READS = {
    "read": lambda socket: socket.input_stream.read(bytearray(1), 1),
    "load": lambda socket: load(socket, 1),
    "file": lambda socket: socket.input_stream.as_file().read(1),
}
each_read = pytest.mark.parametrize("call", READS.values(), ids=READS)


@each_read
def test_a_read_before_connect_is_illegal(call):
    with pytest.raises(IllegalMethodCallError) as raised:
        call(StreamWebSocket())
    assert_hresult(raised, 0x8000000E)


@each_read
@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_read_after_close_is_refused(call, end):
    with connected_stream(sends(server_frame(BINARY, b"unread"))) as socket:
        getattr(socket, end)()
        with pytest.raises(ObjectClosedError) as raised:
            call(socket)
    assert_hresult(raised, 0x80000013)


@each_read
def test_a_read_of_a_socket_closed_before_connect_is_refused(call):
    socket = StreamWebSocket()
    socket.close()
    with pytest.raises(ObjectClosedError) as raised:
        call(socket)
    assert_hresult(raised, 0x80000013)


# The ownership of a DataReader.


def test_a_data_reader_that_was_detached_leaves_the_stream_open():
    with connected_stream(sends(server_frame(BINARY, b"abcdef"))) as socket:
        with DataReader(socket.input_stream) as reader:
            assert reader.load(3) == 3
            reader.detach_stream()
        assert read(socket, 3) == b"def"


@each_read
def test_a_data_reader_that_was_not_detached_closes_the_stream_and_not_the_socket(call):
    frames = []
    with connected_stream(noting(frames, server_frame(BINARY, b"abc"))) as socket:
        with DataReader(socket.input_stream) as reader:
            assert reader.load(1) == 1
        with pytest.raises(ObjectClosedError) as raised:
            call(socket)
        assert_hresult(raised, 0x80000013)
        assert socket.output_stream.write(b"still open") == 10
    assert frames[0] == (FIN | BINARY, b"still open")


def test_what_comes_for_a_closed_stream_is_thrown_away_so_that_the_peer_is_not_held():
    block = server_frame(BINARY, bytes(65536))
    frames = []

    def script(connection):
        handshake(connection)
        for _ in range(128):
            connection.sendall(block)
        frames.append(read_frame(connection))
        connection.sendall(server_frame(CLOSE, frames[0][1]))

    with connected_stream(script, inbox_size_in_bytes=1000) as socket:
        socket.input_stream.close()
        socket.close(1000, "enough")
    assert frames == [(FIN | CLOSE, b"\x03\xe8enough")]
    assert socket.information.bytes_received > 128 * 65536


def test_a_full_inbox_goes_on_when_the_stream_is_closed(full):
    sent = threading.Event()

    def script(connection):
        handshake(connection)
        for _ in range(128):
            connection.sendall(server_frame(BINARY, bytes(65536)))
        sent.set()
        read_until_close(connection)

    with connected_stream(script, inbox_size_in_bytes=1000) as socket:
        wait(full)
        socket.input_stream.close()
        wait(sent)
        assert socket.information.bytes_buffered_in == 0


def test_a_stream_closed_before_connect_stays_closed():
    with connected_stream(sends(server_frame(BINARY, b"abc")), lambda socket: socket.input_stream.close()) as socket:
        with pytest.raises(ObjectClosedError) as raised:
            read(socket, 1)
        assert_hresult(raised, 0x80000013)


def test_a_stream_closed_while_connect_waits_for_the_answer_stays_closed_and_keeps_nothing():
    asked, go = threading.Event(), threading.Event()

    def script(connection):
        connection.recv(1, tcp.MSG_PEEK)
        asked.set()
        wait(go)
        handshake(connection, behind=server_frame(BINARY, b"abc"))
        _, payload = read_frame(connection)
        connection.sendall(server_frame(PONG, payload))
        read_until_close(connection)

    with scripted_server(script) as uri, StreamWebSocket() as socket:
        call = Call(socket.connect, uri)
        wait(asked)
        socket.input_stream.close()
        go.set()
        call.result()
        socket.ping()
        assert socket.information.bytes_buffered_in == 0
        with pytest.raises(ObjectClosedError):
            read(socket, 1)


# How the stream ends.


def test_what_came_before_the_peers_close_is_read_and_then_the_end():
    closes = []
    prepare = on_closed(lambda sender, args: closes.append((args.code, args.reason)))
    script = sends_and_closes(server_frame(BINARY, b"abcde"), code=4001, reason="done")
    with connected_stream(script, prepare) as socket:
        wait_closed(socket)
        assert closes == [(4001, "done")]
        assert [read(socket, 3), read(socket, 3), read(socket, 3)] == [b"abc", b"de", b""]
        assert read(socket, 3, PARTIAL) == b""


def test_a_load_at_the_peers_close_is_short_and_the_next_one_is_0():
    with (
        connected_stream(sends_and_closes(server_frame(BINARY, b"abcde"))) as socket,
        DataReader(socket.input_stream) as reader,
    ):
        assert reader.load(100) == 5
        assert reader.load(100) == 0
        assert reader.read_bytes(5) == b"abcde"


LOSSES = {
    "eof": (tcp.socket.close, b"", ConnectionLostError, 0x80072EFE),
    "reset": (reset, b"", ConnectionLostError, 0x80072EFF),
    "half a frame": (tcp.socket.close, server_frame(BINARY, bytes(9))[:1], ConnectionLostError, 0x80072EFE),
    "violation": (read_frame, server_frame(3), ProtocolViolationError, 0x83760002),
    "masked frame": (read_frame, b"\x82\x80abcd", ProtocolViolationError, 0x83760002),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def losing(loss, go):
    end, last, _, _ = loss

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"abcde"))
        wait(go)
        connection.sendall(last)
        end(connection)

    return script


@each_loss
def test_what_came_before_a_loss_is_read_first_and_then_every_read_raises(loss):
    go = threading.Event()
    with connected_stream(losing(loss, go)) as socket:
        assert read(socket, 1) == b"a"
        go.set()
        wait_closed(socket)
        assert read(socket, 3) == b"bcd"
        assert read(socket, 3) == b"e"
        for call in [*READS.values(), *READS.values()]:
            with pytest.raises(loss[2]) as raised:
                call(socket)
            assert_hresult(raised, loss[3])


@each_loss
def test_a_load_at_a_loss_is_short_and_every_later_one_raises(loss):
    go = threading.Event()
    with connected_stream(losing(loss, go)) as socket, DataReader(socket.input_stream) as reader:
        assert reader.load(1) == 1
        call = Call(reader.load, 100)
        go.set()
        assert call.result() == 4
        for _ in range(2):
            with pytest.raises(loss[2]) as raised:
                reader.load(100)
            assert_hresult(raised, loss[3])
        assert reader.read_bytes(5) == b"abcde"


def test_a_lost_tls_connection_gives_the_bytes_and_then_raises(server_tls, client_tls):
    script = sends_and_ends(server_frame(BINARY, b"abcde"))
    with connected_stream(script, tls=(server_tls, client_tls)) as socket:
        assert read(socket, 10) == b"abcde"
        with pytest.raises(ConnectionLostError):
            read(socket, 10)


# receive_timeout.


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_read_that_times_out_loses_nothing(timeout):
    steps = Steps(server_frame(BINARY, b"abc"), server_frame(BINARY, b"defgh"))
    with connected_stream(steps, receive_timeout=timeout) as socket:
        steps.step(0)
        for call in (lambda: read(socket, 6), socket.input_stream.as_file().readline):
            with pytest.raises(OperationTimedOutError) as raised:
                call()
            assert_hresult(raised, 0x80072EE2)
            assert socket.information.bytes_buffered_in == 3
        steps.step(1)
        assert read(socket, 6) == b"abcdef"
        assert read(socket, 9, PARTIAL) == b"gh"


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_load_that_times_out_keeps_what_it_has_loaded(timeout):
    steps = Steps(server_frame(BINARY, b"abc"), server_frame(BINARY, b"defgh"))
    with connected_stream(steps, receive_timeout=timeout) as socket, DataReader(socket.input_stream) as reader:
        steps.step(0)
        with pytest.raises(OperationTimedOutError):
            reader.load(6)
        assert reader.unconsumed_buffer_length == 3
        steps.step(1)
        assert reader.load(3) == 3
        assert reader.read_bytes(6) == b"abcdef"


def test_a_partial_read_that_finds_nothing_in_time_raises_and_the_next_one_reads():
    steps = Steps(server_frame(BINARY, b"abc"))
    with connected_stream(steps, receive_timeout=0) as socket:
        with pytest.raises(OperationTimedOutError):
            read(socket, 6, PARTIAL)
        steps.step(0)
        assert read(socket, 6, PARTIAL) == b"abc"


# Other threads.


def test_lines_that_a_thread_has_read_and_later_ones_are_all_there(monkeypatch, waiting):  # noqa: F811 - the fixture
    monkeypatch.setattr(reader, "_IDLE_SECONDS", 0.0)
    steps = Steps(server_frame(BINARY, b"one\n"), server_frame(BINARY, b"two\n"))
    with connected_stream(steps) as socket:
        file = socket.input_stream.as_file()
        # Nobody reads, so a thread does; it ends when nothing more comes.
        steps.step(0)
        for thread in threading.enumerate():
            if thread.name.startswith("syncws-reader"):
                thread.join(LIMIT)
        assert file.readline() == b"one\n"
        waiting.clear()
        second = Call(file.readline)
        wait(waiting)
        steps.step(1)
        assert second.result() == b"two\n"


@pytest.mark.parametrize("end", ["close", "abort", "close_stream"])
@pytest.mark.parametrize("timeout", [None, LIMIT])
@each_read
def test_a_read_that_waits_is_ended_at_once(waiting, call, timeout, end):  # noqa: F811 - the fixture
    with connected_stream(sends(), receive_timeout=timeout) as socket:
        reading = Call(call, socket)
        wait(waiting)
        socket.input_stream.close() if end == "close_stream" else getattr(socket, end)()
        with pytest.raises(OperationCanceledError) as raised:
            reading.result()
    assert_hresult(raised, 0x80072EF1)
    assert raised.value.status is WebErrorStatus.OPERATION_CANCELED


@each_read
def test_a_second_read_while_one_waits_is_refused(waiting, call):  # noqa: F811 - the fixture
    steps = Steps(server_frame(BINARY, b"x"))
    with connected_stream(steps) as socket:
        reading = Call(read, socket, 1)
        wait(waiting)
        with pytest.raises(InvalidOperationError) as raised:
            call(socket)
        assert_hresult(raised, 0x800710DD)
        steps.step(0)
        assert reading.result() == b"x"


def test_a_data_reader_cannot_be_detached_while_it_loads(waiting):  # noqa: F811 - the fixture
    steps = Steps(server_frame(BINARY, b"x"))
    with connected_stream(steps) as socket, DataReader(socket.input_stream) as reader:
        loading = Call(reader.load, 1)
        wait(waiting)
        with pytest.raises(InvalidOperationError) as raised:
            reader.detach_stream()
        assert_hresult(raised, 0x800710DD)
        steps.step(0)
        assert loading.result() == 1


# Inside handlers.


def test_a_closed_handler_reads_what_is_left():
    found = []
    prepare = on_closed(lambda sender, args: found.extend([read(sender, 3), read(sender, 3), read(sender, 3)]))
    with connected_stream(sends_and_closes(server_frame(BINARY, b"abcde")), prepare) as socket:
        wait_closed(socket)
    assert found == [b"abc", b"de", b""]


def test_a_read_inside_a_validation_handler_is_illegal(server_tls, client_tls):
    found = []

    def handler(sender, args):
        with pytest.raises(IllegalMethodCallError) as raised:
            read(sender, 1)
        found.append(raised.value.hresult & 0xFFFF_FFFF)

    prepare = lambda socket: socket.add_server_custom_validation_requested(handler)  # noqa: E731 - short
    with connected_stream(sends(), prepare, tls=(server_tls, client_tls)):
        pass
    assert found == [0x8000000E]


# Back-pressure.


def test_a_peer_that_sends_without_end_is_held_and_no_byte_is_lost(full):
    blocks = [number.to_bytes(4, "big") * 16384 for number in range(128)]

    def script(connection):
        handshake(connection)
        for block in blocks:
            connection.sendall(server_frame(BINARY, block))
        connection.sendall(close_frame(1000))
        read_frame(connection)

    capacity = 100_000
    with connected_stream(script, inbox_size_in_bytes=capacity) as socket:
        wait(full)
        most = 0
        for block in blocks:
            most = max(most, socket.information.bytes_buffered_in)
            assert read(socket, len(block)) == block
        assert read(socket, 1, InputStreamOptions.NONE) == b""
    assert capacity <= most <= capacity + 65536
