"""Tests of what MessageWebSocket asks for in its opening handshake: request headers and subprotocols."""

import pytest
from support import handshake, read_to_end, request_headers, scripted_server
from support.changes import always_changing
from support.message_websocket import assert_hresult
from support.scripts import connected, noting, noting_request, offering

from syncws import (
    HandshakeError,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    MessageWebSocket,
    ObjectClosedError,
    __version__,
)

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


def user_agents(*headers, **settings):
    """Return the lines User-Agent of a request."""
    requests = []

    def prepare(socket):
        socket.control.update(**settings)
        for name, value in headers:
            socket.set_request_header(name, value)

    with connected(noting_request(requests), prepare):
        pass
    lines = requests[0].decode("latin-1").split("\r\n")
    return [line for line in lines if line.lower().startswith("user-agent:")]


def test_by_default_the_user_agent_is_this_library_and_its_version():
    assert user_agents() == [f"User-Agent: syncws/{__version__}"]


def test_a_user_agent_that_was_set_is_sent_and_none_sends_none():
    assert user_agents(user_agent="app/1 (grün)") == ["User-Agent: app/1 (grün)"]
    assert user_agents(user_agent=None) == []


def test_a_user_agent_among_the_request_headers_replaces_the_setting():
    assert user_agents(("user-agent", "mine"), user_agent="app/1") == ["user-agent: mine"]


@pytest.mark.parametrize("value", ["", " ", "a\r\nX: y", "€", 1, b"app"])
def test_a_user_agent_that_cannot_be_sent_is_refused_at_once(value):
    control = MessageWebSocket().control
    with pytest.raises(InvalidArgumentError, match=r"user_agent|User-Agent"):
        control.user_agent = value
    assert control.user_agent == f"syncws/{__version__}"


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


def test_request_headers_may_be_set_while_another_thread_begins_to_connect():
    with MessageWebSocket() as socket:
        # Enough of them that Python makes memory for a list of them.
        for number in range(30):
            socket.set_request_header(f"X-{number}", "y")
    with always_changing(socket._request_headers, "x-other", ("X-Other", "y")):
        for _ in range(200):
            with pytest.raises(ObjectClosedError):
                socket.connect("ws://127.0.0.1:9/")


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
