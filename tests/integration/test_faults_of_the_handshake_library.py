"""What websocket-client does wrong in an opening handshake and around it (peers.md 5.2): here none of it holds.

Row by row. Redirects and proxies have rows too; their tests stand here as well, in short.
"""

import contextlib
import logging

import pytest
from support import (
    LIMIT,
    accept_key,
    acceptance,
    echo,
    handshake,
    read_request,
    read_to_end,
    request_headers,
    running_server,
    scripted_server,
    server_frame,
)
from support.scripts import BINARY, CONTINUATION
from support.server_certificates import LONG_AGO, make, make_authority

from syncws import (
    CertificateError,
    ChainValidationResult,
    HandshakeError,
    HttpStatusError,
    InvalidArgumentError,
    MessageTooBigError,
    MessageWebSocket,
    OperationTimedOutError,
    RedirectError,
)

SECRETS = {"Authorization": "Bearer secret", "Cookie": "id=secret"}


class Notes:
    """A script that notes each request and answers with the next answer's lines; None accepts."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, connection):
        answer = self.answers.pop(0)
        request = read_request(connection)
        self.requests.append(request)
        if answer is None:
            connection.sendall(acceptance(request))
        else:
            connection.sendall("\r\n".join([f"HTTP/1.1 {answer[0]}", *answer[1:], "", ""]).encode())
        read_to_end(connection)


@contextlib.contextmanager
def noting(*answers, **options):
    notes = Notes(*answers)
    with scripted_server(notes, connections=len(answers), **options) as uri:
        yield uri, notes


def connect(uri, *, headers=(), prepare=lambda socket: None):
    with MessageWebSocket() as socket:
        for name, value in dict(headers).items():
            socket.set_request_header(name, value)
        prepare(socket)
        try:
            socket.connect(uri, timeout=LIMIT)
        finally:
            socket.abort()


def test_a_redirect_to_another_host_takes_no_authorization_and_no_cookies_along():
    with noting(None) as (there, other), noting(["302 Found", f"Location: {there}"]) as (uri, first):
        connect(uri, headers=SECRETS, prepare=lambda socket: setattr(socket.control, "max_redirects", 1))
    assert {"authorization", "cookie"} <= set(request_headers(first.requests[0]))
    assert not {"authorization", "cookie"} & set(request_headers(other.requests[0]))


def test_a_redirect_from_wss_to_ws_is_not_followed(server_tls, client_tls):
    def prepare(socket):
        socket.control.max_redirects = 1
        socket.control.ssl_context = client_tls

    with (
        noting(["302 Found", "Location: ws://localhost:9/"], ssl_context=server_tls) as (uri, _),
        pytest.raises(RedirectError),
    ):
        connect(uri, prepare=prepare)


def test_a_cookie_of_one_connection_is_not_sent_on_the_next(server_tls, client_tls):
    def prepare(socket):
        socket.control.ssl_context = client_tls

    with (
        noting(["403 Forbidden", "Set-Cookie: id=secret; Secure; Path=/private"], ssl_context=server_tls) as (uri, _),
        pytest.raises(HttpStatusError),
    ):
        connect(uri + "private", prepare=prepare)
    with noting(None) as (uri, next_one):
        connect(uri)
    assert "cookie" not in request_headers(next_one.requests[0])


def test_a_server_plants_no_cookies_for_other_domains():
    planted = ["Set-Cookie: a=1; Domain=example.org", "Set-Cookie: b=2; Domain=localhost, c=3; Domain=.localhost"]
    with noting(["403 Forbidden", *planted], None) as (uri, notes):
        with pytest.raises(HttpStatusError):
            connect(uri)
        connect(uri)
    assert "cookie" not in request_headers(notes.requests[1])


@pytest.mark.parametrize("breaks", ["\r\n", "\r", "\n", "\0"])
@pytest.mark.parametrize("where", ["host", "path", "Host", "Origin", "Cookie", "X-Header", "name", "subprotocol"])
def test_no_line_breaks_get_into_the_request(where, breaks):
    text = f"a{breaks}X-Injected: yes"
    socket = MessageWebSocket()
    use = {
        "host": lambda: socket.connect(f"ws://{text}/"),
        "path": lambda: socket.connect(f"ws://localhost:9/{text}"),
        "name": lambda: socket.set_request_header(text, "value"),
        "subprotocol": lambda: socket.control.supported_protocols.append(text),
    }.get(where, lambda: socket.set_request_header(where, text))
    with pytest.raises(InvalidArgumentError):
        use()


@pytest.mark.parametrize("is_fragmented", [False, True])
def test_a_frame_that_claims_a_tebibyte_is_refused_at_its_header(is_fragmented):
    claim = bytes([0x80 | (CONTINUATION if is_fragmented else BINARY), 127]) + (1 << 40).to_bytes(8, "big")
    before = server_frame(BINARY, b"x", fin=False) if is_fragmented else b""

    def script(connection):
        handshake(connection, behind=before + claim + bytes(1000))
        read_to_end(connection)

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        socket.connect(uri, timeout=LIMIT)
        with pytest.raises(MessageTooBigError):
            socket.receive(LIMIT)


def test_header_lines_headers_and_bodies_have_a_bound():
    with noting(["101 Switching Protocols", "X: " + "x" * 70000]) as (uri, _), pytest.raises(HandshakeError):
        connect(uri)
    with noting(["101 Switching Protocols", *["X: x"] * 20000]) as (uri, _), pytest.raises(HandshakeError):
        connect(uri)
    with (
        noting(["400 Bad Request", "Content-Length: 99999999", "", "x" * 100000]) as (uri, _),
        pytest.raises(HttpStatusError) as caught,
    ):
        connect(uri)
    assert len(caught.value.body) == 4096


def test_a_handshake_that_trickles_ends_at_the_deadline(clock):
    def script(connection):
        read_request(connection)
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"x" * 100:
            clock.advance(0.5)
            connection.sendall(bytes([byte]))
        read_to_end(connection)

    with scripted_server(script) as uri, MessageWebSocket() as socket, pytest.raises(OperationTimedOutError):
        socket.connect(uri, timeout=20)


def test_the_trace_shows_no_secrets(caplog):
    with caplog.at_level(logging.DEBUG), noting(None) as (uri, notes):
        connect(uri, headers={**SECRETS, "Proxy-Authorization": "Basic secret"})
    assert b"secret" in notes.requests[0]
    assert "Authorization: ***" in caplog.text
    assert "secret" not in caplog.text


def test_sec_websocket_accept_is_compared_with_its_case():
    def script(connection):
        request = read_request(connection)
        key = accept_key(request)
        connection.sendall(acceptance(request).replace(key.encode(), key.swapcase().encode()))
        read_to_end(connection)

    with scripted_server(script) as uri, pytest.raises(HandshakeError, match="does not answer our key"):
        connect(uri)


def test_the_body_of_a_refusal_is_an_attribute_and_not_in_the_text():
    with (
        noting(["400 Bad Request", "Content-Length: 6", "", "secret"]) as (uri, _),
        pytest.raises(HttpStatusError) as caught,
    ):
        connect(uri)
    assert caught.value.body[:6] == b"secret"
    assert "secret" not in str(caught.value)


def test_relaxing_the_name_relaxes_nothing_else():
    chain = make(names=["other.test"], issuer=make_authority(), dates=LONG_AGO).chain

    def prepare(socket):
        socket.control.ignorable_server_certificate_errors.append(ChainValidationResult.INVALID_NAME)

    with running_server(echo, ssl_context=chain[0].server_context()) as uri, pytest.raises(CertificateError) as caught:
        connect(uri, prepare=prepare)
    assert ChainValidationResult.INVALID_NAME not in caught.value.certificate_errors
    assert {ChainValidationResult.EXPIRED, ChainValidationResult.UNTRUSTED} <= set(caught.value.certificate_errors)


def test_verification_is_on_without_any_setting():
    with running_server(echo, ssl_context=make().server_context()) as uri, pytest.raises(CertificateError):
        connect(uri)


def test_the_library_s_own_environment_variable_for_authorities_is_not_heeded(monkeypatch, tmp_path):
    authority = make_authority()
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(tmp_path / "authority.pem"))
    with (
        running_server(echo, ssl_context=make(issuer=authority).server_context()) as uri,
        pytest.raises(CertificateError),
    ):
        connect(uri)
    # OpenSSL's own variable is, and says so in the documentation.
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with running_server(echo, ssl_context=make(issuer=authority).server_context()) as uri:
        connect(uri)
