"""The opening handshake: what is asked, and every answer that must be refused."""

import base64
import logging
import ssl

import pytest
import websocket
from support import LIMIT, accept_key, request_headers
from support.fakes import ScriptedTransport

from syncws._net.http import handshake as module
from syncws._net.http import head as http_head
from syncws._net.http.authentication import SERVER, Authentication
from syncws._net.http.cookies import Cookies
from syncws._net.http.handshake import OpeningRequest, open_websocket
from syncws._net.http.head import MAX_BODY_BYTES, MAX_HEAD_BYTES
from syncws._waiting.deadline import Deadline, now
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.uri import parse_uri
from syncws.errors import (
    ConnectAbortedError,
    ConnectionLostError,
    HandshakeError,
    HttpStatusError,
    OperationCanceledError,
    OperationTimedOutError,
)
from syncws.hresult import HResult, unsigned

INVALID = HResult.WININET_E_INVALID_SERVER_RESPONSE
URI = "ws://example.org/chat"


class Peer:
    """A server in the transport: answers a request as soon as it is whole."""

    def __init__(self):
        self.transport = ScriptedTransport()
        self.transport.on_send = self._look
        self.waker = Waker()
        self.answer = lambda accept: [good(accept)]
        self.is_canceled = False
        self.timeout = LIMIT

    def _look(self, _):
        if self.transport.sent.endswith(b"\r\n\r\n"):
            for piece in self.answer(accept_key(bytes(self.transport.sent))):
                self.transport.feed(piece)

    def open(self, uri=URI, headers=(), subprotocols=()):
        waiter = Waiter(self.waker, lambda: self.is_canceled, Deadline(self.timeout), self.transport.fileno())
        target = parse_uri(uri)
        request = OpeningRequest(target, headers, subprotocols, Cookies(None, target), Authentication(SERVER, None))
        return open_websocket(self.transport, waiter, request)

    @property
    def request(self):
        return bytes(self.transport.sent)

    def release(self):
        self.transport.release()
        self.waker.close()


@pytest.fixture
def peers():
    made = []

    def make():
        made.append(Peer())
        return made[-1]

    yield make
    for one in made:
        one.release()


@pytest.fixture
def peer(peers):
    return peers()


def good(accept, *extra, status="HTTP/1.1 101 Switching Protocols", without=(), end="\r\n"):
    lines = {
        "status": status,
        "upgrade": "Upgrade: websocket",
        "connection": "Connection: Upgrade",
        "accept": f"Sec-WebSocket-Accept: {accept}",
    }
    kept = [line for name, line in lines.items() if name not in without]
    return end.join([*kept, *extra, "", ""]).encode("latin-1")


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


def test_endless_answers_before_the_answer_are_refused(peer):
    peer.answer = lambda accept: [b"HTTP/1.1 102 Processing\r\n\r\n" * 40 + good(accept)]
    with pytest.raises(HandshakeError, match="interim"):
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


# Answers that are refused.


def in_utf8(line):
    """Return a line that is `line` in UTF-8 when it is sent in Latin-1."""
    return line.encode().decode("latin-1")


def swapped(text):
    return text.swapcase()


REFUSED = {
    "not HTTP": lambda accept: b"SSH-2.0-OpenSSH_9.6\r\n",
    "a letter": lambda accept: b"X",
    "HTTP/1.0": lambda accept: good(accept, status="HTTP/1.0 101 Switching Protocols"),
    "HTTP/2": lambda accept: good(accept, status="HTTP/2 101 Switching Protocols"),
    "no status": lambda accept: good(accept, status="HTTP/1.1"),
    "status of two digits": lambda accept: good(accept, status="HTTP/1.1 99 Odd"),
    "status of four digits": lambda accept: good(accept, status="HTTP/1.1 1010 Odd"),
    "status below 100": lambda accept: good(accept, status="HTTP/1.1 099 Odd"),
    "status with a sign": lambda accept: good(accept, status="HTTP/1.1 +10 Odd"),
    "status in other digits": lambda accept: "HTTP/1.1 \u0661\u0660\u0661 Odd\r\n\r\n".encode(),
    "no upgrade": lambda accept: good(accept, without=["upgrade"]),
    "wrong upgrade": lambda accept: good(accept, "Upgrade: h2c", without=["upgrade"]),
    "two upgrades": lambda accept: good(accept, "Upgrade: websocket"),
    "a kelvin sign for a k": lambda accept: good(accept, in_utf8("Upgrade: webSoc\u212aet"), without=["upgrade"]),
    "a wide space at upgrade": lambda accept: good(
        accept, in_utf8("Connection: \u2003Upgrade"), without=["connection"]
    ),
    "a control character in the reason": lambda accept: good(accept, status="HTTP/1.1 101 a\x1b[31mc"),
    "a delete in the reason": lambda accept: good(accept, status="HTTP/1.1 101 a\x7f"),
    "upgrade among others": lambda accept: good(accept, "Upgrade: websocket, h2c", without=["upgrade"]),
    "no connection": lambda accept: good(accept, without=["connection"]),
    "wrong connection": lambda accept: good(accept, "Connection: close", without=["connection"]),
    "upgrade within a word": lambda accept: good(accept, "Connection: noupgrade", without=["connection"]),
    "no accept": lambda accept: good(accept, without=["accept"]),
    "wrong accept": lambda accept: good(base64.b64encode(b"x" * 20).decode()),
    "accept that is no base64": lambda accept: good("*" + accept[1:]),
    "accept that is not ASCII": lambda accept: good("\xe9" + accept[1:]),
    "accept of another length": lambda accept: good(base64.b64encode(b"x" * 19).decode()),
    "accept in another case": lambda accept: good(swapped(accept)),
    "accept twice": lambda accept: good(accept, f"Sec-WebSocket-Accept: {accept}"),
    "no colon": lambda accept: good(accept, "Nonsense"),
    "space before the colon": lambda accept: good(accept, "X-A : 1"),
    "a first header that goes on from nothing": lambda accept: good(accept, status="HTTP/1.1 101 Odd\r\n X-A: 1"),
    "no name": lambda accept: good(accept, ": 1"),
    "carriage return in a value": lambda accept: good(accept, "X-A: 1\r2"),
    "NUL in a value": lambda accept: good(accept, "X-A: 1\0002"),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_an_answer_is_refused_that_is_no_handshake(peer, make):
    peer.answer = lambda accept: [make(accept)]
    with pytest.raises(HandshakeError) as caught:
        peer.open()
    assert type(caught.value) is HandshakeError
    assert caught.value.hresult == INVALID


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ("Sec-WebSocket-Accept: {accept}", "it has 2 Sec-WebSocket-Accept headers, where one is allowed"),
        ("Upgrade: websocket", "it has 2 Upgrade headers, where one is allowed"),
        ("Nonsense", "it has a header line that cannot be read, 'Nonsense'"),
    ],
)
def test_a_refusal_of_an_answer_says_what_is_wrong_with_it(peer, extra, text):
    peer.answer = lambda accept: [good(accept, extra.format(accept=accept))]
    with pytest.raises(HandshakeError) as caught:
        peer.open()
    assert caught.value.message.endswith(f": {text}")


@pytest.mark.parametrize(
    ("header", "values", "instead"),
    [
        ("Upgrade: websocket", [], ""),
        ("Upgrade: websocket", [""], ""),
        ("Upgrade: websocket", ["websocket, h2c"], ", but 'Upgrade: websocket, h2c'"),
        ("Connection: Upgrade", [], ""),
        # As of a proxy that does not pass it on.
        ("Connection: Upgrade", ["close"], ", but 'Connection: close'"),
        ("Connection: Upgrade", ["a", "b"], ", but 'Connection: a,b'"),
    ],
)
def test_a_refusal_shows_what_stands_in_the_place_of_a_header(peer, header, values, instead):
    name, _, _ = header.partition(":")
    lines = [f"{name}: {value}" for value in values]
    peer.answer = lambda accept: [good(accept, *lines, without=[name.lower()])]
    with pytest.raises(HandshakeError) as caught:
        peer.open()
    assert caught.value.message.endswith(f": it has no header '{header}'{instead}")


@pytest.mark.parametrize("line", ["Sec-WebSocket-Extensions: permessage-deflate", "sec-websocket-extensions: x; y=1"])
def test_an_extension_that_was_not_offered_is_refused(peer, line):
    peer.answer = lambda accept: [good(accept, line)]
    with pytest.raises(HandshakeError) as caught:
        peer.open()
    assert unsigned(caught.value.hresult) == 0x83760003


@pytest.mark.parametrize(
    ("offered", "lines", "chosen"),
    [
        (["a", "b"], ["b"], "b"),
        (["a"], [], ""),
        ([], [], ""),
        (["Chat"], ["Chat"], "Chat"),
    ],
)
def test_the_chosen_subprotocol_is_one_of_ours_or_none(peer, offered, lines, chosen):
    peer.answer = lambda accept: [good(accept, *(f"Sec-WebSocket-Protocol: {line}" for line in lines))]
    assert peer.open(subprotocols=offered).subprotocol == chosen


@pytest.mark.parametrize(
    ("offered", "lines"),
    [
        ([], ["a"]),
        (["a"], ["b"]),
        (["Chat"], ["chat"]),
        (["a", "b"], ["a, b"]),
        (["a", "b"], ["a", "b"]),
        (["a"], ["a", "a"]),
        (["a"], [""]),
    ],
)
def test_another_subprotocol_is_refused(peer, offered, lines):
    peer.answer = lambda accept: [good(accept, *(f"Sec-WebSocket-Protocol: {line}" for line in lines))]
    with pytest.raises(HandshakeError) as caught:
        peer.open(subprotocols=offered)
    assert unsigned(caught.value.hresult) == 0x83760004


@pytest.mark.parametrize(
    ("offered", "lines", "text"),
    [
        ([], ["xmpp.v2"], "it chose the subprotocol 'xmpp.v2', and none was offered: control.supported_protocols"),
        ([], [""], "its header Sec-WebSocket-Protocol is empty"),
        (["Token"], ["token"], "differs from an offered one in upper and lower case; offered were 1 by control.sup"),
        (["a", "b"], ["secret"], "not among those offered; offered were 2 by control.supported_protocols"),
        (["a", "b"], ["a", "secret"], "it chose 2 subprotocols; offered were 2 by control.supported_protocols"),
    ],
)
def test_the_refusal_of_a_subprotocol_tells_what_to_offer(peer, offered, lines, text):
    peer.answer = lambda accept: [good(accept, *(f"Sec-WebSocket-Protocol: {line}" for line in lines))]
    with pytest.raises(HandshakeError) as caught:
        peer.open(subprotocols=offered)
    assert text in caught.value.message
    # Once some were offered, one of them may be a bearer token.
    assert "token'" not in caught.value.message
    assert "secret" not in caught.value.message


def test_headers_over_the_limit_are_refused(peer):
    peer.answer = lambda accept: [good(accept)[:-2], b"X-A: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n"]
    with pytest.raises(HandshakeError, match="65536"):
        peer.open()


def test_headers_of_just_the_limit_are_taken(peer):
    def answer(accept):
        head = good(accept, "X-A: ")
        return [head[:-4] + b"a" * (MAX_HEAD_BYTES - len(head)) + b"\r\n\r\n", b"rest"]

    peer.answer = answer
    peer.open()


def test_endless_headers_are_refused(peer):
    peer.answer = lambda accept: [good(accept)[:-2]] + [b"X-A: 1\r\n" * 1000] * 20
    with pytest.raises(HandshakeError):
        peer.open()


def test_a_refusal_of_the_library_is_a_handshake_error(peer, monkeypatch):
    monkeypatch.setattr(websocket._handshake, "_validate", lambda *_: (False, None))
    with pytest.raises(HandshakeError, match="does not answer our key"):
        peer.open()


# Other statuses.


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, *range(400, 418), *range(500, 506)])
def test_a_status_has_its_own_hresult(peer, status):
    peer.answer = lambda accept: [f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()]
    with pytest.raises(HttpStatusError) as caught:
        peer.open()
    assert unsigned(caught.value.hresult) == 0x80190000 + status
    assert caught.value.status == status
    assert caught.value.status_code == status


@pytest.mark.parametrize(
    ("status", "number"),
    [(200, 1), (204, 1), (308, 3), (399, 3), (418, 4), (426, 4), (429, 4), (511, 5), (599, 5), (600, 1), (999, 1)],
)
def test_a_status_without_a_number_has_its_classes_number(peer, status, number):
    peer.answer = lambda accept: [f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()]
    with pytest.raises(HttpStatusError) as caught:
        peer.open()
    assert unsigned(caught.value.hresult) == 0x80190000 + number


def refusal(peer, *pieces):
    peer.answer = lambda _: pieces
    with pytest.raises(HttpStatusError) as caught:
        peer.open()
    return caught.value


def test_a_refusal_carries_headers_and_body(peer):
    error = refusal(peer, b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\nX-A: 1\r\n\r\nno", b"thing and more")
    assert (error.body, error.headers["x-a"]) == (b"nothin", "1")
    assert "404 Not Found" in str(error)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (b"200 No", ": that is ordinary HTTP, not a WebSocket; are path and port right?"),
        (b"404 No", ": that is ordinary HTTP, not a WebSocket; are path and port right?"),
        (b"426 No", ": that is ordinary HTTP, not a WebSocket; are path and port right?"),
        (b"400 No", ": are path, headers and subprotocols what it expects? error.body may tell"),
        (b"403 No", ": it may want an Origin, a cookie or a token; error.body may tell"),
        (b"307 No\r\nLocation: /", ": that leads to /; control.max_redirects says how far to follow"),
        (
            b"301 No\r\nLocation: https://me:it@h/a\xe2\x80\xae?it",
            ": that leads to https://***@h/a\\u202e?***; control.max_redirects says how far to follow",
        ),
        (b"307 No", ""),
        (b"503 No", ""),
    ],
)
def test_a_refusal_says_what_to_do(peer, answer, advice):
    error = refusal(peer, b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n")
    assert error.message.endswith(f"the server answered {error.status_code} No{advice}")


@pytest.mark.parametrize("status", [400, 426])
@pytest.mark.parametrize(
    ("lines", "advice"),
    [
        (["13"], ""),
        (["8, 13"], ""),
        (["8", "7"], ": it speaks version 8, 7 of the protocol, this client version 13"),
        (["\u202e8"], ": it speaks version \\u202e8 of the protocol, this client version 13"),
    ],
)
def test_a_refusal_that_names_versions_comes_from_a_websocket_server(peer, status, lines, advice):
    versions = "".join(f"Sec-WebSocket-Version: {line}\r\n" for line in lines)
    error = refusal(peer, f"HTTP/1.1 {status} No\r\n{versions}Content-Length: 0\r\n\r\n".encode())
    assert error.message.endswith(f"the server answered {status} No{advice}")


def test_a_redirect_carries_its_location(peer):
    error = refusal(peer, b"HTTP/1.1 302 Found\r\nLocation: wss://other/\r\nContent-Length: 0\r\n\r\n")
    assert error.location == "wss://other/"


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_refusal_of_either_version_keeps_status_headers_and_body(peer, version):
    error = refusal(peer, f"{version} 404 File not found\r\nServer: SimpleHTTP\r\n\r\n".encode(), b"not here", b"")
    assert (error.status_code, error.headers, error.body) == (404, {"server": "SimpleHTTP"}, b"not here")
    assert "404 File not found" in str(error)


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_body_in_chunks_is_put_together_and_nothing_is_waited_for_behind_it(peer, version, monkeypatch):
    monkeypatch.setattr(http_head, "_BODY_SECONDS", LIMIT)
    head = f"{version} 503 Later\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    # The connection stays open.
    started = now()
    assert refusal(peer, head + b"3\r\ntry", b"\r", b"\n6\r\n later\r\n0\r\n\r\n").body == b"try later"
    assert now() - started < LIMIT / 2


def test_a_body_is_cut_at_the_limit(peer):
    error = refusal(peer, b"HTTP/1.1 500 No\r\nContent-Length: 99999999999999999999\r\n\r\n", b"x" * 10000)
    assert error.body == b"x" * MAX_BODY_BYTES


@pytest.mark.parametrize("length", ["-1", "many", "\u0663"])
def test_a_body_without_a_usable_length_is_read_to_its_end(peer, length):
    head = f"HTTP/1.1 500 No\r\nContent-Length: {length}\r\n\r\n".encode()
    assert refusal(peer, head, b"body", b"").body == b"body"


def test_a_body_without_a_length_is_read_to_its_end(peer):
    assert refusal(peer, b"HTTP/1.1 500 No\r\n\r\n", b"bo", b"dy", b"").body == b"body"


def test_a_body_that_does_not_come_is_not_waited_for_long(peer, monkeypatch):
    monkeypatch.setattr(http_head, "_BODY_SECONDS", 0.01)
    assert refusal(peer, b"HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\n", b"half").body == b"half"


def test_a_body_that_ends_in_a_reset_leaves_the_status(peer):
    error = refusal(peer, b"HTTP/1.1 503 No\r\n\r\n", b"half", ConnectionResetError(104, "reset"))
    assert (error.status_code, error.body) == (503, b"half")


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
