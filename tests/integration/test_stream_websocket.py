"""Tests of StreamWebSocket as a whole: its members, the comparison with MessageWebSocket, settings that reach TCP."""

import socket as tcp
import threading

import pytest
from support import drop, echo, handshake, running_server, scripted_server, wait
from support.scripts import CLOSE, FIN, noting, noting_request, on_closed, read_until_close, uri_of_nobody
from support.stream_websocket import connected_stream, read, wait_closed

from syncws import (
    IllegalMethodCallError,
    InputStream,
    MessageWebSocket,
    MessageWebSocketControl,
    OutputStream,
    StreamWebSocket,
    StreamWebSocketControl,
    StreamWebSocketInformation,
)

MEMBERS = {
    "is_open",
    "state",
    "uri",
    "abort",
    "add_closed",
    "add_opened",
    "add_ping_received",
    "add_pong_received",
    "add_server_custom_validation_requested",
    "close",
    "closed",
    "connect",
    "control",
    "fileno",
    "information",
    "input_stream",
    "output_stream",
    "opened",
    "ping",
    "ping_received",
    "pong_received",
    "remove_closed",
    "remove_opened",
    "remove_ping_received",
    "remove_pong_received",
    "remove_server_custom_validation_requested",
    "server_custom_validation_requested",
    "set_request_header",
    "wait_closed",
}
ABSENT = ["message_received", "add_message_received", "send", "receive", "send_final_frame", "send_nonfinal_frame"]


@pytest.fixture
def socket():
    with connected_stream(echo, run=running_server) as socket:
        yield socket


def test_a_stream_web_socket_has_exactly_these_members():
    assert {name for name in dir(StreamWebSocket) if not name.startswith("_")} == MEMBERS


@pytest.mark.parametrize("name", ABSENT)
def test_what_belongs_to_messages_is_absent(name):
    with pytest.raises(AttributeError):
        getattr(StreamWebSocket(), name)


def test_its_objects_exist_before_connect():
    socket = StreamWebSocket()
    assert type(socket.control) is StreamWebSocketControl
    assert type(socket.information) is StreamWebSocketInformation
    assert isinstance(socket.input_stream, InputStream)
    assert isinstance(socket.output_stream, OutputStream)
    assert repr(socket) == "<StreamWebSocket NEW>"


def written_types(messages):
    """Write two pieces to a server that notes the messages it gets."""

    def handler(connection):
        for message in connection:
            messages.append(message)
            connection.send(message)

    with connected_stream(handler, run=running_server) as socket:
        socket.output_stream.write(b"one")
        socket.output_stream.write(b"two")
        assert read(socket, 6) == b"onetwo"
    return messages


def read_from(handler, count):
    with connected_stream(handler, run=running_server) as socket:
        return [read(socket, count), read(socket, 1)]


def both(name, of=lambda cls: cls):
    """Return whether the message half and the stream half have a member."""
    return hasattr(of(MessageWebSocket), name), hasattr(of(StreamWebSocket), name)


CONTROLS = {MessageWebSocket: MessageWebSocketControl, StreamWebSocket: StreamWebSocketControl}
# What Windows documents of StreamWebSocket, row by row: how it is seen, and what must be seen.
DIFFERENCES = {
    "receiving by message_received": (lambda: both("message_received"), (True, False)),
    "input_stream": (lambda: both("input_stream"), (False, True)),
    "output_stream": (lambda: both("output_stream"), (True, True)),
    "one write is one binary message": (lambda: written_types([]), [b"one", b"two"]),
    "the sender chooses the type": (lambda: both("message_type", CONTROLS.get), (True, False)),
    "text is seen as bytes": (lambda: read_from(lambda server: server.send("ü"), 2), [b"\xc3\xbc", b""]),
    "borders of messages are not seen": (
        lambda: read_from(lambda server: [server.send(b"ab"), server.send(b"cd")], 4),
        [b"abcd", b""],
    ),
    "an empty message is not seen": (
        lambda: read_from(lambda server: [server.send(b""), server.send(b"ab")], 2),
        [b"ab", b""],
    ),
    "max_message_size": (lambda: both("max_message_size", CONTROLS.get), (True, False)),
    "receive_mode": (lambda: both("receive_mode", CONTROLS.get), (True, False)),
    "send_nonfinal_frame": (lambda: both("send_nonfinal_frame"), (True, False)),
    "send_final_frame": (lambda: both("send_final_frame"), (True, False)),
    "no_delay": (lambda: both("no_delay", CONTROLS.get), (False, True)),
    "supported_protocols": (lambda: both("supported_protocols", CONTROLS.get), (True, True)),
    "outbound_buffer_size": (lambda: both("outbound_buffer_size_in_bytes", CONTROLS.get), (True, True)),
    "information": (lambda: both("information"), (True, True)),
    "closed": (lambda: both("closed"), (True, True)),
    "validation": (lambda: both("server_custom_validation_requested"), (True, True)),
    "set_request_header": (lambda: both("set_request_header"), (True, True)),
    "close": (lambda: both("close"), (True, True)),
    "the server's close ends the stream": (lambda: read_from(lambda server: None, 5), [b"", b""]),
}


@pytest.mark.parametrize(("look", "seen"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_row_of_the_comparison_with_message_web_socket(look, seen):
    assert look() == seen


# Settings.


def option(socket, level, name):
    """Ask an option of the connected TCP socket."""
    with tcp.fromfd(socket._session.transport.fileno(), tcp.AF_INET, tcp.SOCK_STREAM) as copy:
        return copy.getsockopt(level, name)


@pytest.mark.parametrize("no_delay", [None, True, False])
def test_no_delay_is_tcp_nodelay(tls, no_delay):
    settings = {} if no_delay is None else {"no_delay": no_delay}
    with connected_stream(echo, run=running_server, tls=tls, **settings) as socket:
        assert bool(option(socket, tcp.IPPROTO_TCP, tcp.TCP_NODELAY)) is (no_delay is not False)


def test_a_message_web_socket_does_not_use_nagles_algorithm_either():
    with running_server(echo) as uri, MessageWebSocket() as socket:
        socket.connect(uri)
        assert option(socket, tcp.IPPROTO_TCP, tcp.TCP_NODELAY) != 0


def test_header_and_subprotocol_are_sent_and_the_choice_is_in_information():
    requests = []

    def prepare(socket):
        socket.set_request_header("X-One", "1")
        socket.control.supported_protocols.extend(["one", "two"])

    with connected_stream(noting_request(requests, "Sec-WebSocket-Protocol: two"), prepare) as socket:
        assert socket.information.protocol == "two"
        assert socket.information.local_address.canonical_name == "127.0.0.1"
        with pytest.raises(IllegalMethodCallError):
            socket.set_request_header("X-Two", "2")
    assert b"\r\nX-One: 1\r\n" in requests[0]
    assert socket.information.bytes_received > 0


def test_a_socket_connects_once(socket):
    with pytest.raises(IllegalMethodCallError):
        socket.connect("ws://localhost/")


def test_after_a_failed_connect_settings_and_connect_work_again():
    socket = StreamWebSocket()
    with pytest.raises(OSError, match="HRESULT"):
        socket.connect(uri_of_nobody())
    socket.control.no_delay = False
    with running_server(echo) as uri, socket:
        socket.connect(uri)
        socket.output_stream.write(b"abc")
        assert read(socket, 3) == b"abc"


# Closing.


@pytest.mark.parametrize(
    ("arguments", "payload", "closed"),
    [
        ((), b"", (1005, "")),
        ((1000, ""), b"\x03\xe8", (1000, "")),
        ((4000, "späť"), b"\x0f\xa0sp\xc3\xa4\xc5\xa5", (4000, "späť")),
    ],
)
def test_close_sends_code_and_reason_and_closed_is_raised_once(arguments, payload, closed):
    frames, events = [], []
    prepare = on_closed(lambda sender, args: events.append((sender, args.code, args.reason)))
    with connected_stream(noting(frames), prepare) as socket:
        socket.close(*arguments)
        socket.close()
    assert frames == [(FIN | CLOSE, payload)]
    assert events == [(socket, *closed)]


def test_a_lost_connection_raises_closed_with_1006():
    codes = []
    with connected_stream(handshake, on_closed(lambda sender, args: codes.append(args.code))) as socket:
        wait_closed(socket)
    assert codes == [1006]


def test_a_dropped_socket_is_closed_with_a_warning():
    frames, is_over = [], threading.Event()

    def script(connection):
        handshake(connection)
        frames.extend(read_until_close(connection))
        is_over.set()

    with scripted_server(script) as uri:
        holder = [StreamWebSocket()]
        holder[0].connect(uri)
        stream = holder[0].input_stream
        del stream
        with pytest.warns(ResourceWarning, match="a StreamWebSocket connected to ws://localhost"):
            drop(holder)
        wait(is_over)
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]
