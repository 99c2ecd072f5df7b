"""Tests of sending with MessageWebSocket: send, the output stream, and a DataWriter over it."""

import array
import socket as tcp
import threading

import pytest
from support import LIMIT, scripted_server
from support.calls import Call
from support.message_websocket import USES, assert_hresult, lost_script
from support.scripts import BINARY, EMPTY_CLOSE, FIN, TEXT, connected, noting, sends_and_closes

from syncws import (
    ConnectionLostError,
    DataWriter,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    ObjectClosedError,
    SocketMessageType,
)

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


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (None, ""),
        (5, ""),
        (object(), ""),
        (["a"], "; send_json() sends it as JSON"),
        ({"a": 1}, "; send_json() sends it as JSON"),
        ((1, 2), "; send_json() sends it as JSON"),
    ],
)
def test_send_refuses_other_types(message, hint):
    with connected(noting([])) as socket, pytest.raises(InvalidArgumentTypeError) as raised:
        socket.send(message)
    assert_hresult(raised, HResult.E_INVALIDARG)
    kind = type(message).__name__
    assert raised.value.message == f"a message must be str or bytes, or another buffer, not {kind}{hint}"


@pytest.mark.parametrize("message", ["\ud800", memoryview(b"abcdef")[::2]])
def test_send_refuses_what_cannot_be_sent_and_the_connection_goes_on(message):
    frames = []
    with connected(noting(frames)) as socket:
        with pytest.raises(InvalidArgumentError) as raised:
            socket.send(message)
        socket.send("good")
    assert_hresult(raised, HResult.E_INVALIDARG)
    assert frames[0] == (FIN | TEXT, b"good")


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


@pytest.mark.parametrize("is_early", [True, False])
def test_after_the_stream_was_closed_nothing_goes_through_another_and_send_goes_on(is_early):
    frames = []
    with scripted_server(noting(frames)) as uri, MessageWebSocket() as socket:
        if is_early:
            socket.output_stream.close()
        socket.connect(uri)
        if not is_early:
            socket.output_stream.close()
        for text in ("one", "two"):
            with pytest.raises(ObjectClosedError):
                socket.output_stream.write(b"no")
            with DataWriter(socket.output_stream) as writer:
                writer.write_string("no")
                with pytest.raises(ObjectClosedError):
                    writer.store()
            socket.send(text)
    assert frames[:2] == [(FIN | TEXT, b"one"), (FIN | TEXT, b"two")]


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
