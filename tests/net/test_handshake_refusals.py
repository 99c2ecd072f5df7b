"""The opening handshake: every answer that must be refused."""

import base64

import pytest
import websocket
from support import LIMIT
from support.handshake_peer import good

from syncws._net.http import head as http_head
from syncws._net.http.head import MAX_BODY_BYTES, MAX_HEAD_BYTES
from syncws._waiting.deadline import now
from syncws.errors import HandshakeError, HttpStatusError, OperationCanceledError
from syncws.hresult import HResult, unsigned

INVALID = HResult.WININET_E_INVALID_SERVER_RESPONSE


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


ORDINARY = ": that is ordinary HTTP, not a WebSocket; are path and port right, and do reverse proxies pass on Upgrade?"


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (b"200 No", ORDINARY),
        (b"404 No", ORDINARY),
        (b"426 No", ORDINARY),
        (b"426 No\r\nUpgrade: TLS/1.2", ORDINARY),
        (
            b"426 No\r\nUpgrade: WebSocket",
            ": it has not got our Upgrade and Connection, which a reverse proxy must pass on",
        ),
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


def test_a_cancellation_while_the_body_comes_is_told_in_place_of_the_status(peer):
    def cancel():
        peer.is_canceled = True
        peer.waker.wake()
        return b"half"

    peer.answer = lambda _: [b"HTTP/1.1 503 No\r\n\r\n", cancel]
    with pytest.raises(OperationCanceledError):
        peer.open()
