"""HTTP proxies that are played by scripts: what is asked of them, and every answer that is no tunnel."""

import errno

import dns.resolver
import pytest
from support import (
    LIMIT,
    black_hole,
    echo,
    handshake,
    read_frame,
    read_request,
    read_to_end,
    request_headers,
    running_server,
    scripted_server,
    server_frame,
)
from support.handlers import CredentialServer
from support.proxies import ASKING, TUNNEL, URI, answering, closed_port, connect, playing_both, scripted_proxy, socks5
from support.scripts import resets

import syncws
from syncws import (
    CertificateError,
    ConnectFailedError,
    ConnectTimedOutError,
    HandshakeError,
    HResult,
    HttpStatusError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    OperationTimedOutError,
    PasswordCredential,
    ProxyError,
    StreamWebSocket,
    TlsError,
    WebErrorStatus,
    WebSocketError,
)
from syncws._net.http.head import MAX_BODY_BYTES, MAX_HEAD_BYTES

# What is asked.


@pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])
def test_ws_goes_through_connect_too_and_information_says_so(make):
    heads = []
    with scripted_proxy(playing_both(heads)) as proxy:
        socket = connect(proxy, make=make)
    assert heads[0] == b"CONNECT server.invalid:8080 HTTP/1.1\r\nHost: server.invalid:8080\r\n\r\n"
    assert heads[1].startswith(b"GET /chat HTTP/1.1\r\n")
    assert socket.information.proxy == proxy
    assert socket.information.remote_address.canonical_name == "127.0.0.1"


def test_a_connection_that_goes_straight_has_no_proxy():
    with running_server(echo) as uri, syncws.connect(uri, proxy="") as socket:
        assert socket.information.proxy is None


def test_the_environment_s_proxy_is_used_and_said(monkeypatch):
    heads = []
    with scripted_proxy(playing_both(heads, asking=True)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.replace("//", "//name:secret@"))
        socket = connect(None)
    assert socket.information.proxy == proxy
    assert request_headers(heads[0])["proxy-authorization"] == "Basic bmFtZTpzZWNyZXQ="


def test_no_proxy_lets_example_com_go_straight_and_not_evilexample_com(monkeypatch):
    heads = []
    with scripted_proxy(playing_both(heads)) as proxy, running_server(echo) as uri:
        port = uri.rpartition(":")[2]
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", ".example.com,localhost")
        assert connect(None, f"ws://evilexample.com:{port}").information.proxy == proxy
        assert connect(None, uri).information.proxy is None
    assert heads[0].startswith(b"CONNECT evilexample.com:")


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("ws://server.invalid/", "server.invalid:80"),
        ("ws://10.1.2.3:9/", "10.1.2.3:9"),
        ("ws://[::1]:9/", "[::1]:9"),
        ("ws://[fe80::1%25eth0]/", "[fe80::1]:80"),
    ],
)
def test_the_target_is_host_and_port(uri, target):
    heads = []
    with scripted_proxy(playing_both(heads)) as proxy:
        connect(proxy, uri)
    assert heads[0].split(b"\r\n")[:2] == [f"CONNECT {target} HTTP/1.1".encode(), f"Host: {target}".encode()]


def test_the_proxy_hears_nothing_of_the_request_and_the_server_nothing_of_the_proxy_s_login():
    heads = []
    own = [("Authorization", "Bearer token"), ("Cookie", "a=b"), ("X-Own", "c"), ("Origin", "http://o")]
    with scripted_proxy(playing_both(heads, asking=True)) as proxy:
        credential = PasswordCredential("", "name", "secret")
        connect(proxy.replace("//", "//url:word@"), headers=own, proxy_credential=credential)
    assert request_headers(heads[0]) == {
        "host": "server.invalid:8080",
        "proxy-authorization": "Basic bmFtZTpzZWNyZXQ=",
    }
    to_server = request_headers(heads[1])
    assert {name.lower(): to_server[name.lower()] for name, _ in own} == {name.lower(): value for name, value in own}
    assert not [name for name in to_server if name.startswith("proxy")]


def test_a_login_without_a_password_is_sent():
    heads = []
    with scripted_proxy(playing_both(heads, asking=True)) as proxy:
        connect(proxy.replace("//", "//name@"))
    assert request_headers(heads[0])["proxy-authorization"] == "Basic bmFtZTo="


# The answer.


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 204 No Content\nVia: x\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_every_2xx_opens_the_tunnel_and_has_no_body(answer):
    heads = []
    with scripted_proxy(playing_both(heads, answer)) as proxy:
        assert connect(proxy).information.proxy == proxy
    assert len(heads) == 2


def test_bytes_behind_the_head_reach_the_handshake():
    """A server that answers before it is asked is refused for its answer, which must have got through."""

    def script(connection):
        read_request(connection)
        connection.sendall(TUNNEL + b"HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\nno")
        read_to_end(connection)

    with scripted_proxy(script) as proxy, pytest.raises(HttpStatusError, match="the server answered 418") as caught:
        connect(proxy)
    assert caught.value.body == b"no"
    assert not caught.value.is_from_proxy


def test_bytes_behind_the_head_reach_the_tls_engine():
    def script(connection):
        read_request(connection)
        # An alert, handshake_failure, of TLS 1.2.
        connection.sendall(TUNNEL + b"\x15\x03\x03\x00\x02\x02\x28")
        read_to_end(connection)

    with (
        scripted_proxy(script) as proxy,
        pytest.raises(TlsError, match=r"server\.invalid failed: .*(?i:handshake_fail)"),
    ):
        connect(proxy, "wss://server.invalid/")


def test_a_server_behind_a_proxy_that_speaks_no_tls_asks_for_ws():
    script = answering(TUNNEL + b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with scripted_proxy(script) as proxy, pytest.raises(TlsError, match=r"should it be ws://\?"):
        connect(proxy, "wss://server.invalid/")


def test_frames_right_behind_both_answers_are_received():
    def script(connection):
        read_request(connection)
        connection.sendall(TUNNEL)
        handshake(connection, behind=server_frame(1, b"first"))
        read_frame(connection)

    with scripted_proxy(script) as proxy, syncws.connect(URI, proxy=proxy, timeout=LIMIT) as socket:
        assert socket.receive(LIMIT) == "first"


STATUSES = {
    407: WebErrorStatus.PROXY_AUTHENTICATION_REQUIRED,
    401: WebErrorStatus.UNAUTHORIZED,
    403: WebErrorStatus.FORBIDDEN,
    502: WebErrorStatus.BAD_GATEWAY,
    504: WebErrorStatus.GATEWAY_TIMEOUT,
    301: WebErrorStatus.MOVED_PERMANENTLY,
    511: WebErrorStatus.UNEXPECTED_SERVER_ERROR,
    101: WebErrorStatus.UNEXPECTED_STATUS_CODE,
}


@pytest.mark.parametrize("status", STATUSES)
def test_another_status_than_2xx_is_raised_with_headers_and_body(status):
    lines = f"HTTP/1.1 {status} Words\r\nX-Why: because\r\nLocation: ws://evil.test/\r\nContent-Length: 4\r\n\r\nbody"
    with scripted_proxy(answering(lines.encode())) as proxy:
        with pytest.raises(HttpStatusError, match=rf"the proxy {proxy} answered {status} Words") as caught:
            connect(proxy.replace("//", "//name:secret@"), server_credential=PasswordCredential("", "a", "b"))
        error = caught.value
        assert (error.status_code, error.body, error.headers["x-why"]) == (status, b"body", "because")
        assert error.status is STATUSES[status]
        assert error.is_from_proxy
        # Nobody is to follow where a proxy leads.
        assert error.location is None
        assert "secret" not in str(error)
        assert [attempt.address for attempt in error.attempts] == ["127.0.0.1"]


def test_a_refusal_s_body_is_kept_up_to_its_limit():
    answer = b"HTTP/1.1 403 No\r\nContent-Length: 999999\r\n\r\n" + b"x" * 9999
    with scripted_proxy(answering(answer)) as proxy, pytest.raises(HttpStatusError) as caught:
        connect(proxy)
    assert caught.value.body == b"x" * MAX_BODY_BYTES


GARBAGE = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "another version": b"HTTP/2 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a bad header": b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * (MAX_HEAD_BYTES // 8),
    "an endless line": b"HTTP/1.1 200 " + b"x" * (MAX_HEAD_BYTES + 1),
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
}


@pytest.mark.slow
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_a_handshake_error_that_names_the_proxy(garbage):
    with scripted_proxy(answering(GARBAGE[garbage])) as proxy:
        with pytest.raises(
            HandshakeError, match=rf"the answer of the proxy {proxy} to CONNECT is not valid HTTP: "
        ) as caught:
            connect(proxy)
        assert caught.value.hresult == HResult.WININET_E_INVALID_SERVER_RESPONSE


@pytest.mark.parametrize(
    ("sent", "when"),
    [(b"", "before it answered"), (b"HTTP/1.1 200 OK\r\nVia", "in the middle of its answer")],
    ids=["at once", "in the middle"],
)
def test_a_proxy_that_hangs_up_is_a_proxy_error(sent, when):
    def script(connection):
        read_request(connection)
        connection.sendall(sent)

    with scripted_proxy(script) as proxy:
        with pytest.raises(ProxyError, match=rf"the proxy {proxy} ended the connection {when}") as caught:
            connect(proxy)
        assert caught.value.hresult == HResult.WININET_E_PROXY_SERVER_UNREACHABLE
        assert caught.value.status is WebErrorStatus.SERVER_UNREACHABLE
        assert not caught.value.is_about_server


def test_a_proxy_that_resets_the_connection_is_a_proxy_error():
    with scripted_proxy(resets) as proxy, pytest.raises(ProxyError, match=f"the connection to the proxy {proxy} broke"):
        connect(proxy)


def test_a_slow_drip_does_not_outlive_the_deadline(clock):
    """One byte at a time, each in time by itself; the clock moves with every byte."""

    def script(connection):
        read_request(connection)
        try:
            for byte in b"HTTP/1.1 200 " + b"x" * 1000:
                connection.sendall(bytes([byte]))
                clock.advance(0.3)
        finally:
            read_to_end(connection)

    with scripted_proxy(script) as proxy, pytest.raises(OperationTimedOutError, match="waiting for the proxy's answer"):
        connect(proxy, timeout=5)


def test_a_proxy_that_falls_silent_is_named_with_its_variable(monkeypatch, clock):
    def script(connection):
        read_request(connection)
        clock.advance(10)
        connection.sendall(b"H")
        read_to_end(connection)

    with scripted_proxy(script) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        said = rf"proxy's answer, {proxy} \(from the environment variable http_proxy\)"
        with pytest.raises(ConnectTimedOutError, match=said):
            connect(None, timeout=5)


# Reaching it.


def test_a_proxy_that_refuses_is_a_proxy_error_with_its_attempts():
    port = closed_port()
    with pytest.raises(
        ProxyError, match=rf"the proxy http://127\.0\.0\.1:{port} cannot be reached: 127.*refused"
    ) as caught:
        connect(f"http://name:secret@127.0.0.1:{port}")
    error = caught.value
    assert error.hresult == HResult.WININET_E_PROXY_SERVER_UNREACHABLE
    assert error.status is WebErrorStatus.SERVER_UNREACHABLE
    assert WebSocketError.get_status(error.hresult) is WebErrorStatus.SERVER_UNREACHABLE
    assert error.__cause__.errno == errno.ECONNREFUSED
    assert [attempt.address for attempt in error.attempts] == ["127.0.0.1"]


def test_an_error_names_the_variable_that_the_proxy_came_from(monkeypatch):
    origin = r"\(from the environment variable http_proxy\)"
    monkeypatch.setenv("http_proxy", f"http://name:secret@127.0.0.1:{closed_port()}")
    for credential in (None, PasswordCredential("", "another", "secret")):
        with pytest.raises(ProxyError, match=rf"the proxy http:\S+ {origin} cannot be reached") as caught:
            connect(None, proxy_credential=credential)
        assert "secret" not in str(caught.value)
    with scripted_proxy(answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(HttpStatusError, match=rf"the proxy {proxy} {origin} answered 403"):
            connect(None)


def reads_and_leaves(connection):
    connection.recv(1 << 16)


@pytest.mark.parametrize(
    ("scheme", "script"),
    [
        ("http", answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")),
        ("http", reads_and_leaves),
        ("http", lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nVia")),
        ("http", resets),
        ("https", reads_and_leaves),
        ("socks5h", socks5([], method=0xFF)),
        ("socks5h", socks5([], reply=b"\x05\x05\x00\x01")),
        ("socks5h", lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        ("socks4a", reads_and_leaves),
    ],
    ids=["not HTTP", "silent", "cut", "reset", "no TLS", "a login is wanted", "refused", "not SOCKS", "silent SOCKS"],
)
def test_whatever_a_proxy_does_the_error_names_its_variable(monkeypatch, scheme, script):
    with scripted_proxy(script, scheme=scheme) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(
            ConnectFailedError, match=rf"the proxy {proxy} \(from the environment variable http_proxy\)"
        ):
            connect(None)


@pytest.mark.parametrize("limits", [{"timeout": 1}, {"connect_timeout": 0.1}])
def test_a_proxy_that_does_not_answer_is_named_with_its_variable(monkeypatch, limits):
    with black_hole("127.0.0.1") as port:
        monkeypatch.setenv("http_proxy", f"http://name:secret@127.0.0.1:{port}")
        with pytest.raises(
            ConnectTimedOutError,
            match=rf"the proxy http://127\.0\.0\.1:{port} \(from the environment variable http_proxy\) cannot be",
        ) as caught:
            syncws.connect("ws://server.invalid:8080/chat", **limits)
    assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.1"]


def test_every_address_of_the_proxy_is_tried():
    port = closed_port()
    with pytest.raises(ProxyError, match="the proxy http://localhost:") as caught:
        connect(f"http://localhost:{port}")
    assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.1", "::1"]


def test_a_proxy_whose_name_has_no_address_is_a_proxy_error():
    class Nobody:
        lifetime = LIMIT

        def resolve(self, *_, **__):
            raise dns.resolver.NXDOMAIN

    with pytest.raises(
        ProxyError, match=r"the proxy http://proxy\.invalid:80 cannot be reached: .*does not exist"
    ) as caught:
        connect("http://proxy.invalid", resolver=Nobody())
    assert caught.value.hresult == HResult.WININET_E_PROXY_SERVER_UNREACHABLE
    assert caught.value.attempts == ()


# The server behind it.


def test_the_second_attempt_with_a_credential_goes_through_the_same_proxy():
    server = CredentialServer(refusing="HTTP/1.0")
    connects = []

    def script(connection):
        if not connects:
            read_request(connection)
            connection.sendall(ASKING)
        connects.append(read_request(connection))
        connection.sendall(TUNNEL)
        server(connection)

    with scripted_proxy(script, connections=2) as proxy:
        socket = connect(
            proxy.replace("//", "//proxy:word@"), server_credential=PasswordCredential("", "Aladdin", "open sesame")
        )
    assert server.seen == [None, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
    assert [request_headers(request)["proxy-authorization"] for request in connects] == ["Basic cHJveHk6d29yZA=="] * 2
    assert not [request for request in connects if b"QWxhZGRpbj" in request]
    assert socket.information.proxy == proxy


def test_the_server_s_certificate_is_checked_by_its_own_name(server_tls, client_tls):
    """The certificate is for localhost and loopback: the name in the URI counts, not where the proxy led."""

    def script(connection):
        read_request(connection)
        connection.sendall(TUNNEL)
        server_tls.wrap_socket(connection, server_side=True).close()

    with scripted_proxy(script) as proxy:
        with pytest.raises(CertificateError, match=r"the certificate of server\.invalid did not pass") as caught:
            connect(proxy, "wss://server.invalid/", ssl_context=client_tls)
        assert caught.value.hresult == HResult.WININET_E_SEC_CERT_CN_INVALID


# control.


@pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])
def test_control_checks_the_proxy_at_once_and_keeps_the_text(make):
    control = make().control
    for value in ("http://name:secret@proxy:1", "", None):
        control.proxy = value
        assert control.proxy == value
    with pytest.raises(InvalidArgumentError, match="no usable scheme") as caught:
        control.proxy = "ftp://name:secret@proxy"
    assert "secret" not in str(caught.value)
    for value in (False, 0, b"", 5):
        with pytest.raises(InvalidArgumentTypeError, match=r'must be a URL as str, not .*; "" is none, and None'):
            control.proxy = value
    assert control.proxy is None


@pytest.mark.parametrize(
    ("value", "error"), [(PasswordCredential(), InvalidArgumentError), ("name:password", InvalidArgumentTypeError)]
)
def test_control_refuses_what_is_no_credential(value, error):
    control = MessageWebSocket().control
    with pytest.raises(error, match="proxy_credential must"):
        control.proxy_credential = value
    assert control.proxy_credential is None


def test_the_function_connect_takes_a_proxy():
    with scripted_server(read_to_end, connections=0) as uri, pytest.raises(InvalidArgumentError, match="proxy"):
        syncws.connect(uri, proxy="proxy.example:3128", timeout=LIMIT)
    heads = []
    with scripted_proxy(playing_both(heads)) as proxy:
        syncws.connect(URI, proxy=proxy, timeout=LIMIT).abort()
    assert heads[0].startswith(b"CONNECT ")


def test_a_proxy_s_redirect_is_not_followed():
    answer = b"HTTP/1.1 302 Found\r\nLocation: ws://evil.test/\r\nContent-Length: 0\r\n\r\n"
    with scripted_proxy(answering(answer)) as proxy, pytest.raises(HttpStatusError, match="answered 302 Found"):
        connect(proxy, max_redirects=5)


def test_the_debug_log_shows_connect_without_the_login(caplog):
    heads = []
    with caplog.at_level("DEBUG", logger="syncws.handshake"), scripted_proxy(playing_both(heads, asking=True)) as proxy:
        connect(proxy.replace("//", "//name:secret@"))
    assert "> CONNECT server.invalid:8080 HTTP/1.1" in caplog.messages
    assert "> Proxy-Authorization: ***" in caplog.messages
    assert "< HTTP/1.1 200 Connection established" in caplog.messages
    assert not [text for text in caplog.messages if "bmFtZTpzZWNyZXQ" in text]
