"""One test or more for each requirement of the user's document that both socket classes meet.

R35 to R43, which are about time limits and cancellation, are in test_requirements_limits.py.
"""

import http
import socket as tcp
import threading

import pytest
from support import (
    LIMIT,
    echo,
    handshake,
    join,
    read_frame,
    running_server,
    scripted_server,
    server_frame,
    wait,
)
from support.handlers import Server, innermost
from support.scripts import uri_of_nobody

import syncws
from syncws import (
    DataReader,
    DataWriter,
    HResult,
    InputStreamOptions,
    MessageWebSocket,
    MessageWebSocketControl,
    MessageWebSocketInformation,
    MessageWebSocketMessageReceivedEventArgs,
    SocketMessageType,
    StreamWebSocket,
    UnicodeEncoding,
    WebErrorStatus,
    WebSocketError,
)

HELLO = "Hello, World!"


class Texts:
    """A handler of message_received that reads text as the document shows it."""

    def __init__(self):
        self.texts = []
        self.came = threading.Event()

    def __call__(self, sender, args):
        with args.get_data_reader() as reader:
            reader.unicode_encoding = UnicodeEncoding.UTF8
            self.texts.append(reader.read_string(reader.unconsumed_buffer_length))
        self.came.set()


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def uri(server):
    with running_server(server) as uri:
        yield uri


@pytest.fixture
def socket():
    with MessageWebSocket() as socket:
        yield socket


@pytest.fixture
def stream_socket():
    with StreamWebSocket() as socket:
        yield socket


def send_text(socket, text):
    with DataWriter(socket.output_stream) as writer:
        writer.write_string(text)
        writer.store()
        writer.detach_stream()


def answering(status):
    """Return the option of a server that refuses the handshake with a status."""
    return {"process_request": lambda connection, request: connection.respond(http.HTTPStatus(status), "no\n")}


@pytest.mark.parametrize("message", ["text: Grüße", b"binary: \x00\xff"])
def test_r01_messages_go_both_ways_over_http_upgrade(uri, socket, server, message):
    """A WebSocket carries UTF-8 and binary messages both ways over an upgraded HTTP connection."""
    socket.connect(uri)
    socket.send(message)
    assert socket.receive() == message
    assert server.messages == [message]


def test_r02_the_connection_starts_with_an_http_handshake():
    """The connection begins with an HTTP request to upgrade, and HTTP ends with it."""
    requests, frames = [], []

    def script(connection):
        requests.append(handshake(connection))
        frames.append(read_frame(connection))
        connection.sendall(server_frame(1, b"from the server"))
        connection.sendall(server_frame(8, read_frame(connection)[1]))

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        socket.connect(uri + "path?query")
        socket.send("from the client")
        assert socket.receive() == "from the server"
    assert requests[0].startswith(b"GET /path?query HTTP/1.1\r\n")
    assert b"\r\nUpgrade: websocket\r\n" in requests[0]
    assert frames == [(0x81, b"from the client")]


def test_r02_either_side_sends_until_the_connection_is_closed(uri, socket):
    """After the handshake either side sends as often as it likes until the connection is closed."""
    socket.connect(uri)
    for number in range(10):
        socket.send(str(number))
        assert socket.receive() == str(number)
    socket.close()
    with pytest.raises(WebSocketError) as raised:
        socket.send("more")
    assert raised.value.hresult == HResult.RO_E_CLOSED


def test_r03_the_package_offers_message_web_socket():
    """One namespace offers the client classes; this is its MessageWebSocket half."""
    assert syncws.MessageWebSocket is MessageWebSocket


def test_r04_a_fresh_socket_connects_by_wss_without_handlers(server_tls, client_tls):
    """With wss the connection is encrypted, and a fresh socket connects with no handlers attached."""
    with running_server(echo, ssl_context=server_tls) as uri, MessageWebSocket() as socket:
        assert uri.startswith("wss://")
        socket.control.ssl_context = client_tls
        socket.connect(uri)
        socket.send("secret")
        assert socket.receive() == "secret"


def test_r04_wss_begins_with_tls_and_not_with_http(client_tls):
    """With wss nothing of the handshake goes out unencrypted."""
    first_bytes = []

    def script(connection):
        first_bytes.append(connection.recv(2))

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        socket.control.ssl_context = client_tls
        with pytest.raises(WebSocketError):
            socket.connect(uri.replace("ws:", "wss:"))
    # A TLS record of the kind handshake, version 3.x.
    assert first_bytes == [b"\x16\x03"]


def test_r04_an_authority_that_is_not_trusted_fails_wss(server_tls):
    """Encryption is worth nothing without verification: a server of an unknown authority is refused."""
    with (
        running_server(echo, ssl_context=server_tls) as uri,
        MessageWebSocket() as socket,
        pytest.raises(syncws.CertificateError) as raised,
    ):
        socket.connect(uri)
    assert raised.value.hresult == HResult.WININET_E_INVALID_CA


@pytest.mark.parametrize("length", [0, 1, 70_000])
def test_r05_one_operation_reads_and_writes_a_whole_message(uri, socket, server, length):
    """MessageWebSocket reads and writes a whole message in one operation, text or binary."""
    socket.connect(uri)
    for message in ("ä" * length, b"\xff" * length):
        socket.send(message)
        assert socket.receive() == message
    assert server.messages == ["ä" * length, b"\xff" * length]


def test_r06_message_type_utf8_before_connect_sends_strings_as_text(uri, socket, server):
    """MessageType Utf8 may be set before connect and makes strings leave as text frames."""
    socket.control.message_type = SocketMessageType.UTF8
    socket.connect(uri)
    send_text(socket, HELLO)
    assert socket.receive() == HELLO
    assert server.messages == [HELLO]


def test_r06_without_message_type_utf8_strings_leave_as_binary(uri, socket, server):
    """Without MessageType Utf8 the same call sends a binary message."""
    socket.connect(uri)
    send_text(socket, HELLO)
    assert socket.receive() == HELLO.encode()


def test_r07_handlers_are_added_before_connecting(uri, socket):
    """MessageReceived and Closed are subscribed before connecting and sending."""
    texts, codes = Texts(), []
    socket.add_message_received(texts)
    socket.add_closed(lambda sender, args: codes.append(args.code))
    socket.connect(uri)
    socket.send(HELLO)
    wait(texts.came)
    socket.close(1000, "")
    assert texts.texts == [HELLO]
    assert codes == [1000]


def test_r08_data_writer_sends_one_hello_world_message(uri, socket, server):
    """DataWriter, write_string, store and detach_stream send one message to an echo server."""
    texts = Texts()
    socket.control.message_type = SocketMessageType.UTF8
    socket.add_message_received(texts)
    socket.connect(uri)
    writer = DataWriter(socket.output_stream)
    writer.write_string(HELLO)
    assert writer.store() == len(HELLO)
    writer.detach_stream()
    wait(texts.came)
    socket.close()
    assert server.messages == [HELLO]
    assert texts.texts == [HELLO]


def test_r09_a_data_writer_is_used_in_a_scope_and_detached_before_its_end(uri, socket, server):
    """The DataWriter lives in a scope and is detached before the scope ends, as often as wanted."""
    socket.connect(uri)
    for _ in range(3):
        with DataWriter(socket.output_stream) as writer:
            writer.write_string(HELLO)
            writer.store()
            writer.detach_stream()
        assert socket.receive() == HELLO.encode()


def test_r10_the_message_handler_reads_text_with_a_data_reader(uri, socket):
    """The handler gets sender and args, and reads the text through args.get_data_reader() in a scope."""
    calls = []
    came = threading.Event()

    def received(sender, args):
        with args.get_data_reader() as reader:
            assert isinstance(reader, DataReader)
            reader.unicode_encoding = UnicodeEncoding.UTF8
            calls.append((sender, reader.read_string(reader.unconsumed_buffer_length)))
        came.set()

    socket.add_message_received(received)
    socket.connect(uri)
    socket.send("héllo")
    wait(came)
    assert calls == [(socket, "héllo")]


@pytest.mark.parametrize(
    ("end", "close"),
    [
        (lambda sender: sender.close(), (1005, "")),
        (lambda sender: sender.__exit__(None, None, None), (1005, "")),
        (lambda sender: sender.close(1000, ""), (1000, "")),
    ],
    ids=["close", "leave the with block", "close 1000"],
)
def test_r11_the_socket_may_be_disposed_in_its_own_message_handler(uri, server, end, close):
    """The socket may be disposed, or closed with 1000 and no reason, inside its own MessageReceived handler."""
    socket = MessageWebSocket()
    failures = []

    def received(sender, args):
        try:
            end(sender)
        except Exception as exc:  # noqa: BLE001 - shown by the test
            failures.append(exc)

    socket.add_message_received(received)
    socket.connect(uri)
    socket.send(HELLO)
    assert socket.wait_closed(LIMIT)
    wait(server.ended)
    assert failures == []
    assert server.closes == [close]


def test_r12_the_closed_handler_prints_code_and_reason(socket, capsys):
    """The Closed handler gets the socket and args, and can print Code and Reason."""
    senders = []

    def closed(sender, args):
        senders.append(sender)
        print(f"WebSocket_Closed; Code: {args.code}, Reason: {args.reason!r}")

    socket.add_closed(closed)
    with running_server(lambda connection: connection.close(1001, "good bye")) as uri:
        socket.connect(uri)
        assert socket.wait_closed(LIMIT)
    assert senders == [socket]
    assert capsys.readouterr().out == "WebSocket_Closed; Code: 1001, Reason: 'good bye'\n"


def test_r13_a_failed_connect_goes_through_get_status(socket):
    """The error of a failed connect, or its innermost one, goes through WebSocketError.get_status."""
    with pytest.raises(WebSocketError) as raised:
        socket.connect(uri_of_nobody())
    assert WebSocketError.get_status(raised.value.hresult) is WebErrorStatus.CANNOT_CONNECT
    assert WebSocketError.get_status(innermost(raised.value).hresult) is WebErrorStatus.CANNOT_CONNECT


def test_r13_a_failure_in_a_handler_goes_through_get_status(socket):
    """The error that a message handler meets goes through WebSocketError.get_status."""
    statuses = []

    def received(sender, args):
        try:
            args.get_data_reader()
        except OSError as exc:
            statuses.append(WebSocketError.get_status(exc.hresult))

    socket.add_message_received(received)
    with running_server(lambda connection: connection.socket.shutdown(2)) as uri:
        socket.connect(uri)
        assert socket.wait_closed(LIMIT)
    assert statuses == [WebErrorStatus.CONNECTION_ABORTED]


def test_r14_message_received_is_raised_when_data_arrives(socket):
    """MessageReceived is raised when data arrives, and the data is reached through the args."""
    calls = []
    socket.add_message_received(
        lambda sender, args: calls.append((type(args), args.get_data_reader().read_string(args.length)))
    )
    with running_server(lambda connection: connection.send("unasked")) as uri:
        socket.connect(uri)
        assert socket.wait_closed(LIMIT)
    assert calls == [(MessageWebSocketMessageReceivedEventArgs, "unasked")]


def test_r15_closed_is_raised_when_the_client_closes(uri, socket):
    """Closed is raised when the client closes the socket."""
    codes = []
    socket.add_closed(lambda sender, args: codes.append(args.code))
    socket.connect(uri)
    socket.close(1000, "")
    assert codes == [1000]


def test_r15_closed_is_raised_when_the_server_closes(socket):
    """Closed is raised when the server closes the socket."""
    codes = []
    socket.add_closed(lambda sender, args: codes.append(args.code))
    with running_server(lambda connection: connection.close(4321)) as uri:
        socket.connect(uri)
        assert socket.wait_closed(LIMIT)
    assert codes == [4321]


def test_r16_data_may_be_sent_once_the_connection_stands(uri, socket):
    """Data may be sent once the connection stands, and not before."""
    with pytest.raises(WebSocketError) as raised:
        socket.send(HELLO)
    assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL
    socket.connect(uri)
    socket.send(HELLO)
    assert socket.receive() == HELLO


@pytest.mark.parametrize(
    "use",
    [
        lambda socket: send_text(socket, HELLO),
        lambda socket: socket.output_stream.write(b"x"),
        lambda socket: socket.output_stream.flush(),
    ],
    ids=["store", "write", "flush"],
)
def test_r17_a_data_writer_that_was_not_detached_releases_the_stream(uri, socket, use):
    """A DataWriter that goes out of scope with the stream attached releases it: later use fails with 0x80000013."""
    socket.connect(uri)
    with DataWriter(socket.output_stream) as writer:
        writer.write_string(HELLO)
        writer.store()
    with pytest.raises(WebSocketError) as raised:
        use(socket)
    assert raised.value.hresult == HResult.RO_E_CLOSED
    assert raised.value.hresult & 0xFFFF_FFFF == 0x8000_0013


def test_r18_detach_stream_gives_the_stream_back_usable(uri, socket, server):
    """DataWriter.detach_stream gives ownership back to the socket, and the stream stays usable."""
    socket.connect(uri)
    with DataWriter(socket.output_stream) as writer:
        writer.write_string("one")
        writer.store()
        stream = writer.detach_stream()
    assert stream.write(b"two") == 3
    send_text(socket, "three")
    assert [socket.receive() for _ in range(3)] == [b"one", b"two", b"three"]


def test_r03_the_package_offers_stream_web_socket():
    """The second of the two client classes is StreamWebSocket."""
    assert StreamWebSocket in vars(syncws).values()


def test_r19_each_read_of_a_stream_takes_part_of_a_message(uri, stream_socket, server):
    """StreamWebSocket lets each read take part of a message, and sends binary messages only."""
    stream_socket.connect(uri)
    stream_socket.output_stream.write(b"0123456789")
    file = stream_socket.input_stream.as_file()
    assert [file.read(4), file.read(4), file.read(2)] == [b"0123", b"4567", b"89"]
    assert server.messages == [b"0123456789"]


def test_r20_closed_of_a_stream_is_subscribed_before_connecting(uri, stream_socket):
    """Closed of StreamWebSocket is subscribed before connecting and sending."""
    closed = []
    stream_socket.closed += lambda sender, args: closed.append((sender, args.code, args.reason))
    stream_socket.connect(uri)
    stream_socket.close(1000, "")
    assert closed == [(stream_socket, 1000, "")]


def test_r21_a_stream_receives_and_sends_at_the_same_time(uri, stream_socket, server):
    """Receiving and sending run at the same time, each on a thread of its own."""
    stream_socket.connect(uri)
    received, is_reading = [], threading.Event()

    def receive():
        is_reading.set()
        received.append(stream_socket.input_stream.as_file().read(10))

    def send():
        wait(is_reading)
        stream_socket.output_stream.write(bytes(range(10)))

    threads = [threading.Thread(target=receive), threading.Thread(target=send)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    assert received == [bytes(range(10))]


@pytest.mark.parametrize("is_csharp", [True, False], ids=["C#", "C++"])
def test_r22_and_r23_a_data_reader_reads_partially_and_the_socket_is_closed(stream_socket, is_csharp):
    """DataReader over input_stream, PARTIAL, load(256), read_bytes into an array; then dispose or close(1000, "")."""
    with running_server(lambda connection: [connection.send(bytes(range(10))), *connection]) as uri:
        stream_socket.connect(uri)
        with DataReader(stream_socket.input_stream) as reader:
            reader.input_stream_options = InputStreamOptions.PARTIAL
            loaded = reader.load(256)
            message = bytearray(reader.unconsumed_buffer_length if is_csharp else loaded)
            reader.read_bytes(message)
        if is_csharp:
            stream_socket.close()
        else:
            stream_socket.close(1000, "")
        assert stream_socket.wait_closed(LIMIT)
    assert loaded == 10
    assert message == bytes(range(10))


def test_r24_a_data_writer_sends_bytes_on_a_stream(uri, stream_socket, server):
    """DataWriter over output_stream, write_bytes of 0 to 9, store, detach_stream."""
    stream_socket.connect(uri)
    with DataWriter(stream_socket.output_stream) as writer:
        writer.write_bytes(bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
        assert writer.store() == 10
        writer.detach_stream()
    assert stream_socket.input_stream.as_file().read(10) == bytes(range(10))
    assert server.messages == [bytes(range(10))]


def test_r25_a_writer_is_detached_before_the_next_one_writes(uri, stream_socket, server):
    """For many writes on one socket each DataWriter is detached before it goes out of scope."""
    stream_socket.connect(uri)
    for text in ("one", "two", "three"):
        send_text(stream_socket, text)
    assert stream_socket.input_stream.as_file().read(11) == b"onetwothree"
    assert server.messages == [b"one", b"two", b"three"]


def test_r25_without_detaching_the_next_writer_fails(uri, stream_socket):
    """A DataWriter that went out of scope with the stream attached has closed it."""
    stream_socket.connect(uri)
    with DataWriter(stream_socket.output_stream) as writer:
        writer.write_string("one")
        writer.store()
    with pytest.raises(WebSocketError) as raised:
        send_text(stream_socket, "two")
    assert raised.value.hresult & 0xFFFF_FFFF == 0x8000_0013


def test_r26_input_stream_with_a_data_reader_reads_data(uri, stream_socket):
    """input_stream with a DataReader reads data."""
    stream_socket.connect(uri)
    send_text(stream_socket, HELLO)
    with DataReader(stream_socket.input_stream) as reader:
        assert reader.load(len(HELLO)) == len(HELLO)
        assert reader.read_string(len(HELLO)) == HELLO


@pytest.mark.parametrize("no_delay", [True, False])
def test_r28_no_delay_is_the_default_and_can_be_turned_off_before_connect(uri, stream_socket, no_delay):
    """Nagle is not used by default; control.no_delay = False before connect turns it on."""
    assert stream_socket.control.no_delay is True
    stream_socket.control.no_delay = no_delay
    stream_socket.connect(uri)
    with tcp.fromfd(stream_socket._session.transport.fileno(), tcp.AF_INET, tcp.SOCK_STREAM) as copy:
        assert bool(copy.getsockopt(tcp.IPPROTO_TCP, tcp.TCP_NODELAY)) is no_delay


def test_r27_advanced_options_are_properties_of_control_set_before_connect(uri, socket, server):
    """Advanced options are properties of MessageWebSocketControl, reached through control, set before connect."""
    assert isinstance(socket.control, MessageWebSocketControl)
    socket.control.max_message_size = 4
    socket.connect(uri)
    assert socket.control.max_message_size == 4
    socket.send("12345")
    with pytest.raises(syncws.MessageTooBigError):
        socket.receive()


def test_r29_no_control_property_may_be_changed_after_connect(uri, socket):
    """No control property may be changed after connect was called."""
    socket.connect(uri)
    methods = {"copy_from", "update"}
    names = {name for name in dir(type(socket.control)) if not name.startswith("_")} - methods
    changed = []
    lists = {"supported_protocols", "ignorable_server_certificate_errors", "socket_options"}
    for name in sorted(names - {"message_type", "actual_unsolicited_pong_interval", *lists}):
        try:
            setattr(socket.control, name, getattr(socket.control, name))
        except WebSocketError as exc:
            assert exc.hresult == HResult.E_ILLEGAL_METHOD_CALL  # noqa: PT017 - there are many of them
        else:
            changed.append(name)
    assert changed == []
    for name in lists:
        with pytest.raises(WebSocketError) as raised:
            getattr(socket.control, name).append("late")
        assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL


def test_r29_message_type_alone_may_be_changed_after_connect(uri, socket, server):
    """The only exception is message_type, which changes what the next message is."""
    socket.connect(uri)
    send_text(socket, "binary")
    socket.control.message_type = SocketMessageType.UTF8
    send_text(socket, "text")
    socket.control.message_type = SocketMessageType.BINARY
    send_text(socket, "binary again")
    assert [socket.receive() for _ in range(3)] == [b"binary", "text", b"binary again"]


def test_r30_information_gives_message_web_socket_information(socket):
    """Information gives a MessageWebSocketInformation."""
    assert isinstance(socket.information, MessageWebSocketInformation)


INFORMATION = [name for name in dir(MessageWebSocketInformation) if not name.startswith("_")]


@pytest.mark.parametrize("name", INFORMATION)
def test_r31_information_is_read_only(socket, name):
    """Information properties are read-only."""
    with pytest.raises(AttributeError):
        setattr(socket.information, name, None)


def test_r31_information_can_be_read_at_any_time(uri, socket):
    """Information properties can be read at any time in the life of the socket object."""
    moments = []

    def read():
        moments.append([getattr(socket.information, name) for name in INFORMATION])

    socket.add_closed(lambda sender, args: read())
    read()
    socket.connect(uri)
    read()
    socket.close()
    read()
    before, connected, closing, closed = moments
    assert len(before) == len(connected) == len(closing) == len(closed) == len(INFORMATION)
    assert connected != before
    assert closed[INFORMATION.index("local_address")].canonical_name == "127.0.0.1"


def test_r32_errors_carry_an_hresult_that_get_status_turns_into_web_error_status(socket):
    """Errors come back as HRESULTs, and WebSocketError.get_status turns them into WebErrorStatus."""
    with pytest.raises(OSError, match="HRESULT") as raised:
        socket.connect(uri_of_nobody())
    error = raised.value
    assert error.hresult < 0
    assert error.winerror == error.hresult
    assert error.hresult & 0xFFFF_FFFF == 0x8007_2EFD
    assert error.status is WebSocketError.get_status(error.hresult) is WebErrorStatus.CANNOT_CONNECT


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, WebErrorStatus.MOVED_PERMANENTLY),
        (401, WebErrorStatus.UNAUTHORIZED),
        (404, WebErrorStatus.NOT_FOUND),
        (418, WebErrorStatus.UNEXPECTED_CLIENT_ERROR),
        (503, WebErrorStatus.SERVICE_UNAVAILABLE),
    ],
)
def test_r33_an_application_may_branch_on_the_status_of_the_http_client(socket, status, expected):
    """Most WebErrorStatus values correspond to errors of the HTTP client, and an app may branch on them."""
    with running_server(echo, **answering(status)) as uri, pytest.raises(WebSocketError) as raised:
        socket.connect(uri)
    assert raised.value.status is expected
    assert raised.value.status_code == status


@pytest.mark.parametrize(
    "call",
    [
        lambda socket: socket.connect("http://localhost/"),
        lambda socket: socket.connect("ws://localhost/#fragment"),
        lambda socket: socket.close(1006, ""),
        lambda socket: socket.close(1000, "x" * 124),
        lambda socket: socket.set_request_header("bad name", "value"),
        lambda socket: socket.control.supported_protocols.append("bad name"),
        lambda socket: setattr(socket.control, "max_message_size", -1),
        lambda socket: socket.send(5),
        lambda socket: socket.add_closed(None),
    ],
    ids=["scheme", "fragment", "code", "reason", "header", "subprotocol", "size", "message", "handler"],
)
def test_r34_the_hresult_of_a_parameter_error_is_e_invalidarg(socket, call):
    """The HRESULT of a parameter error tells more; most of them are E_INVALIDARG."""
    with pytest.raises(WebSocketError) as raised:
        call(socket)
    assert raised.value.hresult == HResult.E_INVALIDARG
    assert raised.value.hresult & 0xFFFF_FFFF == 0x8007_0057
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    "name",
    [
        "DataReader",
        "DataWriter",
        "DataWriter.detach_stream",
        "MessageWebSocket",
        "MessageWebSocket.closed",
        "MessageWebSocket.add_closed",
        "MessageWebSocket.remove_closed",
        "MessageWebSocket.connect",
        "MessageWebSocket.control",
        "MessageWebSocket.information",
        "MessageWebSocket.message_received",
        "MessageWebSocket.add_message_received",
        "MessageWebSocket.remove_message_received",
        "MessageWebSocket.output_stream",
        "MessageWebSocketControl",
        "MessageWebSocketControl.message_type",
        "MessageWebSocketInformation",
        "MessageWebSocketMessageReceivedEventArgs",
        "MessageWebSocketMessageReceivedEventArgs.get_data_reader",
        "SocketMessageType",
        "StreamWebSocket",
        "StreamWebSocket.closed",
        "StreamWebSocket.connect",
        "StreamWebSocket.control",
        "StreamWebSocket.information",
        "StreamWebSocket.input_stream",
        "StreamWebSocket.output_stream",
        "StreamWebSocketControl",
        "StreamWebSocketInformation",
        "WebErrorStatus",
        "WebSocketError.get_status",
    ],
)
def test_r44_the_important_apis_are_there(name):
    """The names of the document's list of important APIs are there (its StreamSocket.connect is a slip)."""
    found = syncws
    for part in name.split("."):
        found = getattr(found, part)
    assert found.__doc__
