"""Digest for a server and for a proxy: on the same connection or a new one, stale nonces, redirects, one deadline."""

import hashlib
import socket as sockets

import pytest
from support import LIMIT, handshake, read_request, read_to_end, scripted_server
from support.handlers import ACCEPTED, Answers, DigestGate
from support.proxies import real_proxy, scripted_proxy

import syncws
from syncws import HttpStatusError, MessageWebSocket, OperationTimedOutError, PasswordCredential, WebErrorStatus

CREDENTIAL = PasswordCredential("", "Mufasa", "Circle of Life")
TUNNEL = ("200 Connection established",)
CLOSING = ("Connection: close",)


def connect(uri, **settings):
    settings.setdefault("proxy", "")
    syncws.connect(uri, timeout=LIMIT, **settings).abort()


def closing(answer):
    """Have an answer end its connection."""
    return lambda request: (*answer(request), *CLOSING)


# A server.


def test_a_server_s_digest_is_answered_on_the_same_connection():
    gate = DigestGate()
    server = Answers(gate, gate)
    with server.running() as uri:
        connect(f"{uri}chat?a=b", server_credential=CREDENTIAL)
    assert server.connections == 1
    assert gate.counts == {"first": 1}
    assert not [request for request in server.requests if b"Basic" in request]


@pytest.mark.parametrize(
    "more", ["Connection: close", "Connection: Foo, CLOSE", "Content-Length: 5000", "Transfer-Encoding: chunked"]
)
def test_a_server_whose_connection_ends_gets_the_answer_on_a_new_one(more):
    gate = DigestGate()

    def script(connection):
        server(connection) if server.requests else end(connection)

    def end(connection):
        server.requests.append(read_request(connection))
        length = ["Content-Length: 0"] if more.startswith("Connection") else []
        lines = ["HTTP/1.1 401 Who", *gate.asking()[1:], more, *length, "", ""]
        connection.sendall("\r\n".join(lines).encode() + b"0\r\n\r\n")

    server = Answers(gate)
    with scripted_server(script, connections=2) as uri:
        connect(uri, server_credential=CREDENTIAL)
    assert gate.counts == {"first": 1}


def test_a_server_that_ends_a_connection_which_should_go_on_gets_the_answer_on_a_new_one():
    gate = DigestGate()
    server = Answers(gate, gate)

    def script(connection):
        if server.requests:
            # The count goes on: the answer that nobody read had the first number.
            gate.counts["first"] = 1
            server(connection)
        else:
            server.requests.append(read_request(connection))
            lines = ["HTTP/1.1 401 Who", *gate.asking()[1:], "Content-Length: 0", "", ""]
            connection.sendall("\r\n".join(lines).encode())
            read_request(connection)

    with scripted_server(script, connections=2) as uri:
        connect(uri, server_credential=CREDENTIAL)
    assert gate.counts == {"first": 2}


def test_a_wrong_password_is_sent_once():
    gate = DigestGate(password="other")
    server = Answers(gate, gate)
    with server.running() as uri, pytest.raises(HttpStatusError, match=r"Digest .* were refused") as caught:
        connect(uri, server_credential=CREDENTIAL)
    assert caught.value.status is WebErrorStatus.UNAUTHORIZED
    assert len(server.requests) == 2
    assert "Circle" not in str(caught.value) + repr(caught.value) + repr(vars(caught.value))


def test_a_nonce_that_has_become_stale_is_replaced():
    gate = DigestGate()

    def late(request):
        gate.nonce = "second"
        return gate(request)

    server = Answers(gate, late, gate)
    with server.running() as uri:
        connect(uri, server_credential=CREDENTIAL)
    assert gate.counts == {"second": 1}


@pytest.mark.parametrize("realm", ["Höhle".encode(), "Höhle".encode("latin-1")], ids=["UTF-8", "Latin-1"])
def test_a_realm_beyond_ascii_is_taken_in_the_server_s_own_bytes(realm):
    answers = []

    def script(connection):
        read_request(connection)
        asks = b'WWW-Authenticate: Digest realm="%b", nonce="n"' % realm
        connection.sendall(b"HTTP/1.1 401 Who\r\n%b\r\nContent-Length: 0\r\n\r\n" % asks)
        answers.append(handshake(connection))

    with scripted_server(script) as uri:
        connect(uri, server_credential=PasswordCredential("", "Müller", "Schlüssel"))
    secret = hashlib.md5(b"%b:%b:%b" % ("Müller".encode(), realm, "Schlüssel".encode())).hexdigest()
    response = hashlib.md5(f"{secret}:n:{hashlib.md5(b'GET:/').hexdigest()}".encode()).hexdigest()
    assert b"username*=UTF-8''M%C3%BCller, " in answers[0]
    assert b'realm="%b"' % realm in answers[0]
    assert response.encode() in answers[0]


def test_a_server_whose_nonces_are_always_stale_is_given_up():
    gate = DigestGate()

    def always_late(request):
        gate.nonce += "x"
        return gate(request)

    server = Answers(always_late, always_late, always_late)
    with server.running() as uri, pytest.raises(HttpStatusError):
        connect(uri, server_credential=CREDENTIAL)
    assert len(server.requests) == 3


def test_a_redirect_to_the_same_origin_goes_on_counting():
    gate = DigestGate(granted=("302 Found", "Location: /elsewhere"))
    at_last = DigestGate()
    at_last.counts = gate.counts
    server = Answers(gate, gate, at_last)
    with server.running() as uri:
        connect(uri, server_credential=CREDENTIAL, max_redirects=1)
    assert gate.counts == {"first": 2}


def test_another_origin_is_answered_nothing():
    other_gate = DigestGate()
    other = Answers(other_gate)
    with other.running() as there:
        gate = DigestGate(granted=("302 Found", f"Location: {there}"))
        server = Answers(gate, gate)
        with server.running() as uri, pytest.raises(HttpStatusError) as caught:
            connect(uri, server_credential=CREDENTIAL, max_redirects=1)
    assert caught.value.status_code == 401
    assert other.headers("authorization") == [None]


def test_one_deadline_holds_for_all_of_it():
    gate = DigestGate()
    first = Answers(closing(gate))

    def script(connection):
        if first.answers:
            first(connection)
        read_to_end(connection)

    with scripted_server(script, connections=2) as uri, pytest.raises(OperationTimedOutError):
        syncws.connect(uri, server_credential=CREDENTIAL, timeout=0.5)


def test_a_socket_that_was_given_is_asked_again_and_never_replaced():
    gate = DigestGate()
    server = Answers(gate, gate)
    with server.running() as uri, MessageWebSocket() as socket:
        socket.control.server_credential = CREDENTIAL
        given = sockets.create_connection(("127.0.0.1", int(uri.rpartition(":")[2].rstrip("/"))))
        socket.connect(uri, socket=given, timeout=LIMIT)
        socket.abort()
    assert gate.counts == {"first": 1}


def test_a_given_socket_that_ends_with_the_question_is_named_as_the_reason_and_not_the_credential():
    gate = DigestGate()
    server = Answers(closing(gate))
    with server.running() as uri, MessageWebSocket() as socket:
        socket.control.server_credential = CREDENTIAL
        given = sockets.create_connection(("127.0.0.1", int(uri.rpartition(":")[2].rstrip("/"))))
        with pytest.raises(HttpStatusError, match="only on another connection") as caught:
            socket.connect(uri, socket=given, timeout=LIMIT)
    assert "refused" not in caught.value.message
    assert gate.counts == {}


# A proxy.


def tunnelling(gate, *answers, requests):
    """Return a script that is an HTTP proxy with a gate, and a server behind it; notes the CONNECTs."""

    def script(connection):
        while True:
            requests.append(read_request(connection))
            status, *lines = gate(requests[-1])
            is_granted = status.startswith("2")
            if not is_granted:
                lines.append("Content-Length: 0")
            connection.sendall("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode())
            if is_granted:
                break
            if CLOSING[0] in lines:
                return
        server(connection)

    server = Answers(*answers)
    script.server = server
    return script


@pytest.mark.parametrize("is_closing", [False, True])
def test_a_proxy_s_digest_is_answered(is_closing):
    requests = []
    gate = DigestGate(granted=TUNNEL, proxy=True)
    asks = closing(gate) if is_closing else gate
    script = tunnelling(lambda request: (gate if requests[1:] else asks)(request), ACCEPTED, requests=requests)
    with scripted_proxy(script, connections=1 + is_closing) as proxy:
        connect("ws://server.invalid/", proxy=proxy, proxy_credential=CREDENTIAL)
    assert gate.counts == {"first": 1}
    assert [request.split(b" ")[1] for request in requests] == [b"server.invalid:80"] * 2


def test_the_next_tunnel_through_the_same_proxy_goes_on_counting():
    requests = []
    gate = DigestGate(granted=TUNNEL, proxy=True)
    refusal = ("401 Who", 'WWW-Authenticate: Basic realm="x"', *CLOSING)
    script = tunnelling(gate, refusal, ACCEPTED, requests=requests)
    with scripted_proxy(script, connections=2) as proxy:
        connect("ws://server.invalid/", proxy=proxy, proxy_credential=CREDENTIAL, server_credential=CREDENTIAL)
    assert gate.counts == {"first": 2}
    assert len(requests) == 3
    # What is the proxy's does not go to the server, and the other way round.
    assert script.server.headers("proxy-authorization") == [None, None]
    assert not [request for request in requests if b"\r\nauthorization" in request.lower()]


def test_a_407_of_the_server_is_not_answered():
    requests = []
    gate = DigestGate(granted=TUNNEL, proxy=True)
    script = tunnelling(gate, DigestGate(proxy=True), requests=requests)
    with scripted_proxy(script) as proxy, pytest.raises(HttpStatusError, match="the server answered 407") as caught:
        connect("ws://server.invalid/", proxy=proxy, proxy_credential=CREDENTIAL)
    assert not caught.value.is_from_proxy
    assert len(script.server.requests) == 1


def test_a_proxy_s_wrong_password_is_sent_once():
    requests = []
    gate = DigestGate(password="other", granted=TUNNEL, proxy=True)
    script = tunnelling(gate, requests=requests)
    with (
        scripted_proxy(script) as proxy,
        pytest.raises(HttpStatusError, match=r"the user name and password were refused"),
    ):
        connect("ws://server.invalid/", proxy=proxy, proxy_credential=CREDENTIAL)
    assert len(requests) == 2


def test_a_proxy_that_wants_ntlm_is_told_with_what_to_use():
    def script(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n")
        read_to_end(connection)

    with scripted_proxy(script) as proxy, pytest.raises(HttpStatusError, match=r"asks for NTLM; .* px or cntlm"):
        connect("ws://server.invalid/", proxy=proxy, proxy_credential=CREDENTIAL)


def test_both_a_real_proxy_and_the_server_behind_it_ask():
    gate = DigestGate()
    server = Answers(gate, gate)
    with real_proxy("http", "name:word") as address, server.running() as uri:
        credential = PasswordCredential("", "name", "word")
        connect(uri, proxy=f"http://{address}", proxy_credential=credential, server_credential=CREDENTIAL)
    assert gate.counts == {"first": 1}
