"""The opening handshake: what is asked, the answers that are taken, and those that do not come."""

import base64
import logging
import ssl

import pytest
import websocket
from support import request_headers
from support.handshake_peer import good

from syncws._net.http import handshake as module
from syncws.errors import (
    ConnectAbortedError,
    ConnectionLostError,
    HandshakeError,
    HttpStatusError,
    OperationCanceledError,
    OperationTimedOutError,
)
from syncws.hresult import HResult

# What is asked.


def test_the_request_is_what_rfc_6455_asks_for(peer):
    peer.open()
    headers = request_headers(peer.request)
    key = headers.pop("sec-websocket-key")
    assert len(base64.b64decode(key, validate=True)) == 16
    assert peer.request.startswith(b"GET /chat HTTP/1.1\r\n")
    assert headers == {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "host": "example.org",
        "sec-websocket-version": "13",
    }


def test_each_key_is_fresh(peers):
    keys = set()
    for _ in range(3):
        one = peers()
        one.open()
        keys.add(request_headers(one.request)["sec-websocket-key"])
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("ws://host", "/"),
        ("ws://host?", "/?"),
        ("ws://host/a;params", "/a;params"),
        ("ws://host/a;p=1/b;q=2?x=1;y=2", "/a;p=1/b;q=2?x=1;y=2"),
        ("ws://host/a?", "/a?"),
        ("ws://host/%2F%20?q=%26", "/%2F%20?q=%26"),
    ],
)
def test_the_request_target_is_exact(peer, uri, target):
    peer.open(uri)
    assert peer.request.split(b"\r\n")[0] == f"GET {target} HTTP/1.1".encode()


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("ws://host/", "host"),
        ("ws://host:80/", "host"),
        ("ws://host:443/", "host:443"),
        ("wss://host:443/", "host"),
        ("wss://host:80/", "host:80"),
        ("ws://host:8080/", "host:8080"),
        ("ws://[::1]/", "[::1]"),
        ("ws://[::1]:8080/", "[::1]:8080"),
    ],
)
def test_the_host_header_follows_the_scheme(peer, uri, host):
    peer.open(uri)
    assert request_headers(peer.request)["host"] == host


def test_a_host_header_of_the_application_replaces_ours(peer):
    peer.open(headers=[("hOST", "other.example")])
    assert peer.request.lower().count(b"\r\nhost:") == 1
    assert request_headers(peer.request)["host"] == "other.example"


def test_headers_of_the_application_are_sent_as_they_are(peer):
    peer.open(headers=[("X-One", "1"), ("Origin", "https://a.example"), ("X-Latin", "caf\xe9")])
    assert b"\r\nX-One: 1\r\nOrigin: https://a.example\r\nX-Latin: caf\xe9\r\n\r\n" in peer.request


def test_subprotocols_are_offered_in_order_and_case(peer):
    peer.open(subprotocols=["Chat.v2", "chat"])
    assert request_headers(peer.request)["sec-websocket-protocol"] == "Chat.v2, chat"


def test_a_request_that_goes_slowly_goes_whole(peer):
    peer.transport.takes.extend([1, 0, 3, 0, 50])
    peer.transport.flushes.extend([False, True])
    peer.open()
    assert peer.request.count(b"GET ") == 1
    assert peer.request.endswith(b"\r\n\r\n")


def test_a_library_that_makes_another_request_is_not_trusted(peer, monkeypatch):
    monkeypatch.setattr(module, "_LIBRARY_REQUEST_LINE", "OPTIONS / HTTP/1.1")
    with pytest.raises(HandshakeError, match="unknown form"):
        peer.open()
    assert peer.request == b""


def test_no_cookie_is_carried_from_one_connection_to_another(peers):
    first = peers()
    first.answer = lambda accept: [
        good(
            accept,
            "Set-Cookie: a=1",
            "Set-Cookie: b=2; Domain=example.org",
            "set-cookie: c=3; Domain=.example.org; Path=/",
            "Set-Cookie: d=4; Domain=org",
        )
    ]
    first.open()
    second = peers()
    second.open()
    assert b"cookie" not in second.request.lower()


def test_set_cookie_is_among_the_headers_of_the_result(peer):
    peer.answer = lambda accept: [good(accept, "Set-Cookie: a=1")]
    assert peer.open().headers["set-cookie"] == "a=1"


def test_the_librarys_trace_shows_nothing_of_the_handshake(peer, caplog):
    websocket.enableTrace(True, handler=logging.NullHandler())
    logger = logging.getLogger("websocket")
    logger.addHandler(caplog.handler)
    try:
        peer.open(headers=[("Authorization", "Bearer secret"), ("Cookie", "session=secret")])
    finally:
        logger.removeHandler(caplog.handler)
        websocket.enableTrace(False)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
    assert caplog.text == ""


# Answers that are taken.


def test_the_result_holds_what_was_settled(peer):
    peer.answer = lambda accept: [good(accept, "Sec-WebSocket-Protocol: chat", "X-A: 1", "x-a: 2")]
    result = peer.open(subprotocols=["chat"])
    assert result.subprotocol == "chat"
    assert result.headers["x-a"] == "1, 2"
    assert result.remainder == b""


def test_frames_in_the_same_packet_are_kept(peer):
    peer.answer = lambda accept: [good(accept) + b"\x81\x02hi\n\n"]
    assert peer.open().remainder == b"\x81\x02hi\n\n"


def test_an_answer_byte_by_byte_is_read(peer):
    peer.answer = lambda accept: [bytes([byte]) for byte in good(accept)]
    assert peer.open().headers["upgrade"] == "websocket"


def test_a_bare_line_feed_ends_a_line_too(peer):
    peer.answer = lambda accept: [good(accept, end="\n") + b"rest"]
    assert peer.open().remainder == b"rest"


def test_a_bare_line_feed_split_anywhere_ends_the_head(peer):
    peer.answer = lambda accept: [bytes([byte]) for byte in good(accept, end="\n")]
    assert peer.open().remainder == b""


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_answer_before_the_answer_is_skipped(peer, status):
    peer.answer = lambda accept: [f"HTTP/1.1 {status} Wait\r\nLink: x\r\n\r\n".encode() + good(accept)]
    assert "link" not in peer.open().headers


def test_sixteen_interim_answers_are_passed_over(peer):
    peer.answer = lambda accept: [b"HTTP/1.1 102 Processing\r\n\r\n" * 16 + good(accept)]
    peer.open()


def test_endless_answers_before_the_answer_are_refused(peer):
    peer.answer = lambda accept: [b"HTTP/1.1 102 Processing\r\n\r\n" * 17 + good(accept)]
    with pytest.raises(HandshakeError, match="more than 16 interim"):
        peer.open()


def test_a_status_line_without_a_reason_is_taken(peer):
    peer.answer = lambda accept: [good(accept, status="HTTP/1.1 101")]
    peer.open()


def test_a_value_that_is_not_utf_8_is_read_as_latin_1(peer):
    peer.answer = lambda accept: [good(accept, "X-Name: caf\xe9")]
    assert peer.open().headers["x-name"] == "caf\xe9"


@pytest.mark.parametrize(
    "extra",
    [
        ("Connection: keep-alive",),
        ("X-Empty:",),
        ("Sec-WebSocket-Extensions:",),
        ("X-Tab: a\tb",),
    ],
    ids=["Connection twice", "empty value", "empty extensions", "tab"],
)
def test_headers_that_change_nothing_are_taken(peer, extra):
    peer.answer = lambda accept: [good(accept, *extra)]
    peer.open()


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_header_may_go_on_in_the_next_line(peer, end):
    peer.answer = lambda accept: [
        good(f"{end} {accept}", "X-A: one", "\ttwo: 2", "  three", "X-B: last", " ", end=end) + b" rest"
    ]
    result = peer.open()
    assert (result.headers["x-a"], result.headers["x-b"]) == ("one two: 2 three", "last")
    assert result.remainder == b" rest"


@pytest.mark.parametrize("value", ["keep-alive, Upgrade", "UPGRADE", "upgrade,foo"])
def test_upgrade_may_stand_among_other_tokens(peer, value):
    peer.answer = lambda accept: [good(accept, f"Connection: {value}", without=["connection"])]
    peer.open()


def test_the_value_of_upgrade_is_taken_in_any_case(peer):
    peer.answer = lambda accept: [good(accept, "Upgrade: WebSocket", without=["upgrade"])]
    peer.open()


# The end of the connection, of the time, of the patience.


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 101 Swit", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: w"])
def test_a_server_that_hangs_up_before_the_answer(peer, before):
    peer.answer = lambda _: [before, b""] if before else [b""]
    with pytest.raises(ConnectionLostError) as caught:
        peer.open()
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_ABORTED


@pytest.mark.parametrize("end", [b"", ConnectionResetError(104, "reset")])
@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 101 Odd\r\nUpgr", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_server_that_hangs_up_in_the_middle_of_its_answer_is_not_asked_for_tls(peer, part, end):
    peer.answer = lambda _: [part, end]
    with pytest.raises(ConnectAbortedError, match="in the middle of its answer"):
        peer.open()


def test_a_server_that_does_not_answer_is_left_at_the_deadline(peer):
    peer.answer = lambda _: []
    peer.timeout = 0.01
    with pytest.raises(OperationTimedOutError):
        peer.open()


def test_a_server_that_does_not_take_the_request_is_left_at_the_deadline(peer):
    peer.transport.block()
    peer.timeout = 0.01
    with pytest.raises(OperationTimedOutError):
        peer.open()


def test_a_cancellation_ends_the_wait(peer):
    def cancel(_):
        peer.is_canceled = True
        peer.waker.wake()
        return []

    peer.answer = cancel
    with pytest.raises(OperationCanceledError):
        peer.open()


@pytest.mark.parametrize("failure", [BrokenPipeError(32, "pipe"), ConnectionResetError(104, "reset")])
def test_a_refusal_that_came_before_the_server_hung_up_on_the_request_is_told(peer, failure):
    peer.transport.takes.append(failure)
    peer.transport.feed(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(HttpStatusError, match="503 Busy"):
        peer.open()


def test_an_alert_that_came_before_the_server_hung_up_on_the_request_is_told(peer):
    peer.transport.takes.append(BrokenPipeError(32, "pipe"))
    peer.transport.feed(ssl.SSLError(1, "alert"))
    with pytest.raises(ssl.SSLError, match="alert"):
        peer.open()


def test_a_server_that_hangs_up_on_the_request_and_said_nothing_has_reset_the_connection(peer):
    failure = BrokenPipeError(32, "pipe")
    peer.transport.takes.append(failure)
    peer.transport.feed(b"")
    with pytest.raises(ConnectionLostError) as caught:
        peer.open()
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET
