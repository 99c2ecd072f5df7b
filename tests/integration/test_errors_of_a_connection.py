"""What an error tells a program that connects again: how the connection ended, what connect() met, and where."""

import logging
import threading
import traceback

import pytest
from support import LIMIT, handshake, read_frame, read_request, read_to_end, scripted_server, server_frame, wait
from support.calls import Call
from support.scripts import CLOSE, close_frame, read_until_close, resets
from support.stream_websocket import waiting  # noqa: F401 - a fixture

import syncws
from syncws import (
    CanceledByCloseError,
    CloseCause,
    ConnectAbortedError,
    ConnectFailedError,
    ConnectionClosedError,
    ConnectionLostError,
    ConnectionOverError,
    ConnectTimedOutError,
    HandshakeError,
    HttpStatusError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    ProtocolViolationError,
    StreamWebSocket,
    TlsError,
)

# The lines that a failed connect may take in a terminal.
MOST_LINES = 17

USES = {
    "send": lambda socket: socket.send("text"),
    "receive": lambda socket: socket.receive(LIMIT),
    "ping": lambda socket: socket.ping(timeout=LIMIT),
}
each_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


def closes(code, reason=""):
    def script(connection):
        handshake(connection, behind=close_frame(code, reason))
        read_frame(connection)

    return script


def hangs_up(connection):
    handshake(connection)


def stays(connection):
    handshake(connection)
    read_until_close(connection)


def story(error):
    return (error.close_cause, error.close_code, error.close_reason)


# How the connection ended.


@each_use
@pytest.mark.parametrize(("code", "is_transient"), [(1012, True), (4000, True), (1008, False)])
def test_an_error_after_the_servers_close_tells_of_it(use, code, is_transient):
    with scripted_server(closes(code, "why")) as uri, syncws.connect(uri) as socket:
        assert socket.wait_closed(LIMIT)
        with pytest.raises(ConnectionClosedError) as raised:
            use(socket)
        assert story(raised.value) == (CloseCause.PEER, code, "why")
        assert raised.value.is_transient is is_transient
        assert isinstance(raised.value, ObjectClosedError)


@each_use
def test_an_error_after_a_loss_tells_what_information_does(use):
    with scripted_server(hangs_up) as uri, syncws.connect(uri) as socket:
        assert socket.wait_closed(LIMIT)
        with pytest.raises(ConnectionLostError) as raised:
            use(socket)
        assert story(raised.value) == (CloseCause.CONNECTION_LOST, 1006, "")
        assert socket.information.close_code == 1006
        assert raised.value.is_transient


@pytest.mark.parametrize("cause", [CloseCause.LOCAL, CloseCause.ABORTED, CloseCause.DROPPED, CloseCause.FORKED])
def test_a_loss_that_this_side_brought_about_is_not_transient(cause):
    error = ConnectionLostError("why")
    assert error.is_transient
    error.close_cause = cause
    assert not error.is_transient


@each_use
@pytest.mark.parametrize(("end", "cause"), [("close", CloseCause.LOCAL), ("abort", CloseCause.ABORTED)])
def test_an_error_after_an_end_of_our_own_is_not_transient(use, end, cause):
    with scripted_server(stays) as uri, syncws.connect(uri) as socket:
        getattr(socket, end)()
        with pytest.raises(ConnectionClosedError) as raised:
            use(socket)
        assert raised.value.close_cause is cause
        assert not raised.value.is_transient


def test_a_ping_that_abort_ends_tells_who_did():
    pinged = threading.Event()

    def script(connection):
        handshake(connection)
        read_frame(connection)
        pinged.set()
        read_to_end(connection)

    with scripted_server(script) as uri, syncws.connect(uri) as socket:
        call = Call(socket.ping, timeout=LIMIT)
        wait(pinged)
        socket.abort()
        with pytest.raises(ConnectionClosedError) as raised:
            call.result()
        assert raised.value.close_cause is CloseCause.ABORTED


def test_a_handler_gets_the_loss_with_its_cause():
    errors = []

    def on_message(_, args):
        with pytest.raises(ConnectionOverError) as raised:
            args.get_data_reader()
        errors.append(raised.value)

    with scripted_server(hangs_up) as uri:
        socket = MessageWebSocket()
        socket.message_received += on_message
        socket.connect(uri)
        assert socket.wait_closed(LIMIT)
    assert [error.close_cause for error in errors] == [CloseCause.CONNECTION_LOST]


def test_a_violation_keeps_the_code_that_answered_it():
    def script(connection):
        handshake(connection, behind=server_frame(CLOSE, (1005).to_bytes(2, "big") + b"so long\x1b[2J"))
        read_to_end(connection)

    with scripted_server(script) as uri, syncws.connect(uri) as socket:
        with pytest.raises(ProtocolViolationError) as raised:
            socket.receive(LIMIT)
        assert (raised.value.close_cause, raised.value.close_code) == (CloseCause.PROTOCOL_ERROR, 1002)
        # The server's words stand in it, and command no terminal.
        assert "1005" in str(raised.value)
        assert "so long" in str(raised.value)
        assert "\x1b" not in str(raised.value)
        assert not raised.value.is_transient


@pytest.mark.parametrize("of_the_socket", [True, False])
def test_a_read_tells_whether_the_connection_ended_or_its_stream_only(of_the_socket, waiting):  # noqa: F811 - the fixture
    with scripted_server(stays) as uri:
        socket = StreamWebSocket()
        socket.connect(uri)
        stream = socket.input_stream
        call = Call(stream.read, syncws.Buffer(5), 5, syncws.InputStreamOptions.NONE)
        wait(waiting)
        (socket if of_the_socket else stream).close()
        with pytest.raises(OperationCanceledError) as raised:
            call.result()
        assert isinstance(raised.value, CanceledByCloseError) is of_the_socket
        if of_the_socket:
            assert raised.value.close_cause is CloseCause.LOCAL
        socket.close()


def test_a_socket_that_never_connected_is_no_connection_that_is_over():
    socket = MessageWebSocket()
    socket.close()
    for use in (socket.receive, lambda: socket.connect("ws://localhost/")):
        with pytest.raises(ObjectClosedError, match="make a new one") as raised:
            use()
        assert not isinstance(raised.value, ConnectionOverError)


# What connect() met.


def answers(text):
    def script(connection):
        read_request(connection)
        connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))

    return script


def failure_of_connect(uri, **options):
    with pytest.raises(ConnectFailedError) as raised:
        syncws.connect(uri, **options)
    error = raised.value
    assert len("".join(traceback.format_exception(error)).splitlines()) <= MOST_LINES
    assert uri.partition("?")[0] in error.message
    return error


def test_an_error_of_connect_names_the_uri_without_what_may_be_secret():
    with scripted_server(answers("HTTP/1.1 404 Not Found\nContent-Length: 0\n\n")) as uri:
        error = failure_of_connect(f"{uri}chat?token=hunter2")
    assert isinstance(error, HttpStatusError)
    assert "hunter2" not in str(error)
    assert "path" in error.message


@pytest.mark.parametrize("end", [resets, read_request], ids=["reset", "end"])
def test_a_server_that_hangs_up_on_ws_may_want_wss(end):
    with scripted_server(end) as uri:
        error = failure_of_connect(uri)
    assert isinstance(error, ConnectAbortedError)
    assert isinstance(error, ConnectionLostError)
    assert "wss://?" in error.message
    assert "waiting for the server's answer" in error.message
    assert error.is_transient


def test_an_alert_of_tls_in_answer_to_ws_asks_for_wss():
    with scripted_server(answers("\x15\x03\x03\x00\x02\x02\x50")) as uri:
        assert "wss://?" in failure_of_connect(uri).message


def test_a_server_of_http_2_alone_is_told_as_such():
    # SETTINGS, with which its side begins, and GOAWAY.
    frames = "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
    with scripted_server(answers(frames + "\x00\x00\x08\x07" + "\x00" * 12 + "\x01")) as uri:
        error = failure_of_connect(uri)
    assert isinstance(error, HandshakeError)
    assert error.message.endswith("it is HTTP/2, and a WebSocket is opened by HTTP/1.1")
    assert not error.is_transient


def test_other_bytes_without_sense_are_not_taken_for_http_2():
    with scripted_server(answers("\x00\x00\x06\x05" + "\x00" * 20)) as uri:
        assert failure_of_connect(uri).message.endswith("it is not HTTP")


@pytest.mark.parametrize("line", ["HTTP/1.0 101 Switching Protocols", "HTTP/1.1 abc"])
def test_a_status_line_that_cannot_be_is_shown(line):
    with scripted_server(answers(f"{line}\nServer: other\n\n")) as uri:
        error = failure_of_connect(uri)
    assert isinstance(error, HandshakeError)
    assert error.message.endswith(f"its status line is {line!r}")


def test_an_answer_that_is_no_tls_asks_for_ws():
    with scripted_server(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as uri:
        error = failure_of_connect(uri.replace("ws:", "wss:"))
    assert isinstance(error, TlsError)
    assert "ws://?" in error.message
    assert not error.is_transient


def test_an_issuer_that_is_not_known_is_told_with_the_ways_to_make_it_known(server_tls):
    with scripted_server(read_to_end, ssl_context=server_tls) as uri:
        message = failure_of_connect(uri.replace("ws:", "wss:")).message
    assert "ssl_context" in message
    assert "SSL_CERT_FILE" in message


def test_a_server_that_hangs_up_in_the_middle_of_tls_may_do_better_later():
    with scripted_server(lambda connection: connection.recv(1 << 16)) as uri:
        error = failure_of_connect(uri.replace("ws:", "wss:"))
    assert "TLS handshake" in error.message
    assert "should it be ws://?" in error.message
    assert error.is_transient


def test_a_connect_that_takes_too_long_is_both_a_timeout_and_a_failed_connect():
    with scripted_server(lambda connection: read_to_end(connection)) as uri:
        error = failure_of_connect(uri, timeout=0.1)
    assert isinstance(error, ConnectTimedOutError)
    assert isinstance(error, OperationTimedOutError)
    assert error.is_transient


def test_a_connect_that_is_cancelled_is_no_failed_one():
    source = syncws.CancellationTokenSource()
    source.cancel()
    with pytest.raises(OperationCanceledError) as raised:
        syncws.connect("ws://localhost:1/", cancellation_token=source.token)
    assert not isinstance(raised.value, ConnectFailedError | ConnectionOverError)


def test_a_plain_answer_asks_for_path_and_port():
    with scripted_server(answers("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi")) as uri:
        message = failure_of_connect(uri).message
    assert "path" in message
    assert "port" in message


def test_a_refusal_says_which_schemes_are_asked_for_and_what_answers_basic():
    with scripted_server(answers('HTTP/1.1 401 No\nWWW-Authenticate: Digest realm="x"\nContent-Length: 0\n\n')) as uri:
        message = failure_of_connect(uri).message
    assert "Digest" in message
    assert "Basic" in message
    assert "server_credential" in message


def test_two_upgrade_headers_are_told():
    answer = "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nUpgrade: h2c\nConnection: Upgrade\n\n"
    with scripted_server(answers(answer)) as uri:
        assert "2 Upgrade headers" in failure_of_connect(uri).message


def test_a_server_that_chooses_none_of_the_subprotocols_is_logged(caplog):
    caplog.set_level(logging.INFO, "syncws.connect")
    with scripted_server(stays) as uri, syncws.connect(uri, subprotocols=["chat"]):
        pass
    assert "subprotocol" in caplog.text


@pytest.mark.parametrize("headers", ["A: b", ["A: b"], [("A",)], 5, {"A": 5}])
def test_headers_of_a_wrong_form_are_told_before_anything_is_sent(headers):
    with pytest.raises(InvalidArgumentTypeError, match="header"):
        syncws.connect("ws://localhost:1/", headers=headers)


def test_a_receive_that_takes_too_long_says_how_to_wait_for_ever():
    with scripted_server(stays) as uri, syncws.connect(uri) as socket:
        with pytest.raises(OperationTimedOutError, match=r"receive_timeout.*None") as raised:
            socket.receive(0.01)
        assert not isinstance(raised.value, ConnectionOverError)
