"""Everything that can go wrong in a connect, phase by phase: exception, HRESULT, status, in time, nothing left behind.

The servers are real and broken in one way each. A row's time is the best of three tries, because the machine may be
busy; what a failed connect leaves behind is watched by a fixture.
"""

import contextlib
import errno
import socket as tcp
import ssl
import threading
import time

import dns.rcode
import pytest
from support import (
    LIMIT,
    accept_key,
    black_hole,
    handshake,
    read_request,
    read_to_end,
    reset,
    scripted_server,
    server_frame,
)
from support.dns_server import NO_DATA, code, dns_server, silence
from support.proxies import answering, closed_port, scripted_proxy

from syncws import (
    CannotConnectError,
    CertificateError,
    ConnectionLostError,
    HandshakeError,
    HostNameNotResolvedError,
    HttpStatusError,
    MessageWebSocket,
    OperationTimedOutError,
    ProxyError,
    TlsError,
    WebErrorStatus,
    WebSocketError,
)
from syncws._net import dialer

TIMEOUT = 0.4
"""Seconds that a connect to a server that never ends may take."""
GRACE = 0.3
"""Seconds after the deadline by which it must be over."""


# TCP.


@contextlib.contextmanager
def refused(monkeypatch):
    with tcp.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"ws://127.0.0.1:{bound.getsockname()[1]}/"


@contextlib.contextmanager
def no_answer(monkeypatch):
    with black_hole("127.0.0.1") as port:
        yield f"ws://127.0.0.1:{port}/"


@contextlib.contextmanager
def unreachable(monkeypatch):
    class Unreachable(tcp.socket):
        def connect(self, address):
            # A pair of sockets is connected so too where the system has none.
            if address != ("127.0.0.1", 9):
                return super().connect(address)
            raise OSError(errno.EHOSTUNREACH, "unreachable")

    monkeypatch.setattr(dialer.socket, "socket", Unreachable)
    yield "ws://127.0.0.1:9/"


# TLS and HTTP.


def scripted(script, scheme="ws"):
    @contextlib.contextmanager
    def run(monkeypatch):
        with scripted_server(script) as uri:
            yield uri.replace("ws:", f"{scheme}:")

    return run


def answers_in_plain(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    read_to_end(connection)


def hangs_up(connection):
    connection.recv(65536)


def resets(connection):
    connection.recv(65536)
    reset(connection)


def falls_silent_in_the_handshake(connection):
    connection.recv(65536)
    # A ServerHello's record that announces more than comes.
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03")
    read_to_end(connection)


def sends_a_tls_alert(connection):
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")
    read_to_end(connection)


def says(answer, *, then=read_to_end):
    def script(connection):
        read_request(connection)
        connection.sendall(answer)
        then(connection)

    return script


def drips(*, piece=b"X", first=b"HTTP/1.1 101 Switching Protocols\r\n"):
    """Send one byte in 0.3 s, for ever."""

    def script(connection):
        read_request(connection)
        connection.sendall(first)
        gone = threading.Event()
        with contextlib.suppress(OSError):
            while not gone.wait(0.3):
                connection.sendall(piece)

    return script


def sends_headers_for_ever(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"X-Filler: " + b"x" * 1000 + b"\r\n")


def sends_one_header_line_for_ever(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nX-Filler: ")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"x" * 1000)


def sends_interim_answers_for_ever(connection):
    read_request(connection)
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")


def upgrades(*changes, without=()):
    """Answer as RFC 6455 has it, but for some lines."""

    def script(connection):
        request = read_request(connection)
        lines = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept_key(request)}"]
        kept = [line for line in lines if not line.startswith(tuple(without))]
        connection.sendall("\r\n".join(["HTTP/1.1 101 Switching Protocols", *kept, *changes, "", ""]).encode())
        read_to_end(connection)

    return script


def status(code, *headers):
    return says("\r\n".join([f"HTTP/1.1 {code} Reason", *headers, "Content-Length: 4", "", "body"]).encode())


# Name: (server, exception, HRESULT, status).
ROWS = {
    "TCP: refused": (refused, CannotConnectError, 0x80072EFD, "CANNOT_CONNECT"),
    "TCP: no answer": (no_answer, OperationTimedOutError, 0x80072EE2, "TIMEOUT"),
    "TCP: unreachable": (unreachable, CannotConnectError, 0x80072F84, "SERVER_UNREACHABLE"),
    "TLS: not TLS": (scripted(answers_in_plain, "wss"), TlsError, 0x80072F7D, "UNKNOWN"),
    "TLS: hangs up": (scripted(hangs_up, "wss"), TlsError, 0x80072F7D, "UNKNOWN"),
    "TLS: alert": (scripted(sends_a_tls_alert, "wss"), TlsError, 0x80072F7D, "UNKNOWN"),
    "TLS: resets": (scripted(resets, "wss"), ConnectionLostError, 0x80072EFF, "CONNECTION_RESET"),
    "TLS: silence": (scripted(read_to_end, "wss"), OperationTimedOutError, 0x80072EE2, "TIMEOUT"),
    "TLS: silence in the middle": (
        scripted(falls_silent_in_the_handshake, "wss"),
        OperationTimedOutError,
        0x80072EE2,
        "TIMEOUT",
    ),
    "HTTP: hangs up": (scripted(hangs_up), ConnectionLostError, 0x80072EFE, "CONNECTION_ABORTED"),
    "HTTP: hangs up in the middle": (
        scripted(says(b"HTTP/1.1 101 Swi", then=bool)),
        ConnectionLostError,
        0x80072EFE,
        "CONNECTION_ABORTED",
    ),
    "HTTP: resets": (scripted(resets), ConnectionLostError, 0x80072EFF, "CONNECTION_RESET"),
    "HTTP: silence": (scripted(read_to_end), OperationTimedOutError, 0x80072EE2, "TIMEOUT"),
    "HTTP: silence in the middle": (
        scripted(says(b"HTTP/1.1 101 Switching Protocols\r\nUpgr")),
        OperationTimedOutError,
        0x80072EE2,
        "TIMEOUT",
    ),
    "HTTP: garbage": (
        scripted(says(b"SSH-2.0-OpenSSH_9.9\r\n")),
        HandshakeError,
        0x80072F78,
        "ERROR_HTTP_INVALID_SERVER_RESPONSE",
    ),
    "HTTP: binary garbage": (
        scripted(says(bytes(range(256)) * 40)),
        HandshakeError,
        0x80072F78,
        "ERROR_HTTP_INVALID_SERVER_RESPONSE",
    ),
    "HTTP: one byte in 0.3 s": (scripted(drips()), OperationTimedOutError, 0x80072EE2, "TIMEOUT"),
    "HTTP: one header in 0.3 s": (
        scripted(drips(piece=b"X-Filler: x\r\n")),
        OperationTimedOutError,
        0x80072EE2,
        "TIMEOUT",
    ),
    "HTTP: endless headers": (
        scripted(sends_headers_for_ever),
        HandshakeError,
        0x80072F78,
        "ERROR_HTTP_INVALID_SERVER_RESPONSE",
    ),
    "HTTP: endless header line": (
        scripted(sends_one_header_line_for_ever),
        HandshakeError,
        0x80072F78,
        "ERROR_HTTP_INVALID_SERVER_RESPONSE",
    ),
    "HTTP: endless interim answers": (
        scripted(sends_interim_answers_for_ever),
        HandshakeError,
        0x80072F78,
        "ERROR_HTTP_INVALID_SERVER_RESPONSE",
    ),
    "HTTP: a wrong answer to our key": (
        scripted(upgrades("Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=", without=["Sec"])),
        HandshakeError,
        0x80072F78,
        "ERROR_HTTP_INVALID_SERVER_RESPONSE",
    ),
    "HTTP: 101 without Upgrade": (
        scripted(upgrades(without=["Upgrade"])),
        HandshakeError,
        0x80072F78,
        "ERROR_HTTP_INVALID_SERVER_RESPONSE",
    ),
    "HTTP: an extension nobody offered": (
        scripted(upgrades("Sec-WebSocket-Extensions: permessage-deflate")),
        HandshakeError,
        0x83760003,
        "UNKNOWN",
    ),
    "HTTP: a subprotocol nobody offered": (
        scripted(upgrades("Sec-WebSocket-Protocol: chat")),
        HandshakeError,
        0x83760004,
        "UNKNOWN",
    ),
}

OWN_STATUSES = [code for code in WebErrorStatus if 300 <= code <= 505]
OTHER_STATUSES = {
    308: (0x80190003, "UNEXPECTED_REDIRECTION"),
    418: (0x80190004, "UNEXPECTED_CLIENT_ERROR"),
    426: (0x80190004, "UNEXPECTED_CLIENT_ERROR"),
    429: (0x80190004, "UNEXPECTED_CLIENT_ERROR"),
    511: (0x80190005, "UNEXPECTED_SERVER_ERROR"),
    200: (0x80190001, "UNEXPECTED_STATUS_CODE"),
    204: (0x80190001, "UNEXPECTED_STATUS_CODE"),
}


def failure(run, monkeypatch, timeout=TIMEOUT):
    """Return the error of a connect, and the seconds that it took."""
    with run(monkeypatch) as uri, MessageWebSocket() as socket:
        started = time.monotonic()
        with pytest.raises(WebSocketError) as caught:
            socket.connect(uri, timeout=timeout)
        seconds = time.monotonic() - started
        # It may be changed and tried again.
        socket.control.connect_timeout = 1
        monkeypatch.undo()
    return caught.value, seconds


@pytest.mark.parametrize("row", ROWS)
def test_a_connect_fails_with_its_reason_and_in_time(row, monkeypatch):
    run, kind, hresult, name = ROWS[row]
    for _ in range(3):
        error, seconds = failure(run, monkeypatch)
        # On a busy machine the limit may come before what is looked for, or late itself.
        if seconds < TIMEOUT or (isinstance(error, kind) and seconds < TIMEOUT + GRACE):
            break
    assert isinstance(error, kind), error
    assert error.hresult & 0xFFFF_FFFF == hresult, error
    assert error.status is WebErrorStatus[name]
    assert seconds < TIMEOUT + GRACE


# Names and proxies, which are set up by control.


@contextlib.contextmanager
def named(script):
    with dns_server() as server:
        if script is not None:
            server.scripts["name.test."] = script
        yield "ws://name.test:9/", {"resolver": server.resolver()}


@contextlib.contextmanager
def proxied(script):
    with scripted_proxy(script) as proxy:
        yield "ws://name.test/", {"proxy": proxy}


@contextlib.contextmanager
def no_proxy_there(_):
    yield "ws://name.test/", {"proxy": f"http://127.0.0.1:{closed_port()}"}


LOGIN_WANTED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
ROWS_BY_CONTROL = {
    "name: does not exist": (named, None, HostNameNotResolvedError, 0x80072EE7, "HOST_NAME_NOT_RESOLVED"),
    "name: no data": (named, NO_DATA, HostNameNotResolvedError, 0x80072EE7, "HOST_NAME_NOT_RESOLVED"),
    "name: servers fail": (
        named,
        code(dns.rcode.SERVFAIL),
        HostNameNotResolvedError,
        0x80072EE7,
        "HOST_NAME_NOT_RESOLVED",
    ),
    "name: silence": (named, silence, OperationTimedOutError, 0x80072EE2, "TIMEOUT"),
    "proxy: refused": (no_proxy_there, None, ProxyError, 0x80072F85, "SERVER_UNREACHABLE"),
    "proxy: 407": (proxied, answering(LOGIN_WANTED), HttpStatusError, 0x80190197, "PROXY_AUTHENTICATION_REQUIRED"),
    "proxy: garbage": (
        proxied,
        answering(b"SSH-2.0-x\r\n"),
        HandshakeError,
        0x80072F78,
        "ERROR_HTTP_INVALID_SERVER_RESPONSE",
    ),
    "proxy: silence": (proxied, read_to_end, OperationTimedOutError, 0x80072EE2, "TIMEOUT"),
}


@pytest.mark.parametrize("row", ROWS_BY_CONTROL)
def test_a_name_or_a_proxy_fails_with_its_reason(row):
    run, script, kind, hresult, name = ROWS_BY_CONTROL[row]
    with run(script) as (uri, settings), MessageWebSocket() as socket:
        for setting, value in settings.items():
            setattr(socket.control, setting, value)
        # Only what ends by the deadline has a short one: the others must not depend on the machine's speed.
        with pytest.raises(WebSocketError) as caught:
            socket.connect(uri, timeout=TIMEOUT if "silence" in row else LIMIT)
    assert isinstance(caught.value, kind), caught.value
    assert caught.value.hresult & 0xFFFF_FFFF == hresult
    assert caught.value.status is WebErrorStatus[name]


@pytest.mark.parametrize("way", ["ws", "wss", "proxy"])
def test_a_port_on_which_nobody_listens_is_refused_though_the_system_gives_it_to_our_own_end(way):
    port = closed_port()
    uri = "ws://server.invalid/" if way == "proxy" else f"{way}://127.0.0.1:{port}/"
    with MessageWebSocket() as socket:
        socket.control.local_address = ("127.0.0.1", port)
        if way == "proxy":
            socket.control.proxy = f"http://127.0.0.1:{port}"
        with pytest.raises(CannotConnectError) as caught:
            socket.connect(uri, timeout=LIMIT)
    assert caught.value.is_transient
    assert [attempt.error.errno for attempt in caught.value.attempts] == [errno.ECONNREFUSED]


@pytest.mark.parametrize("code", [*OWN_STATUSES, *OTHER_STATUSES])
def test_a_status_is_the_error_with_headers_and_body(code, monkeypatch):
    hresult, name = OTHER_STATUSES.get(code, (0x80190000 + code, None))
    error, _ = failure(scripted(status(int(code), "X-Reason: because", "Location: /there")), monkeypatch, LIMIT)
    assert type(error) is HttpStatusError
    assert error.hresult & 0xFFFF_FFFF == hresult
    assert error.status is (WebErrorStatus(code) if name is None else WebErrorStatus[name])
    assert error.status_code == code
    assert error.headers["x-reason"] == "because"
    assert error.location == "/there"
    # These two have no body, whatever Content-Length says (RFC 9112 6.3).
    assert error.body == (b"" if code in (204, 304) else b"body")


def test_what_the_table_holds_is_told_apart_from_a_server_that_answers(monkeypatch):
    # The scripts above are run by the same helper as a good one: only then does a failure say something.
    def good(connection):
        handshake(connection, behind=server_frame(1, b"hello"))
        read_to_end(connection)

    with scripted(good)(monkeypatch) as uri, MessageWebSocket() as socket:
        socket.connect(uri, timeout=LIMIT)
        assert socket.receive(LIMIT) == "hello"
        socket.abort()


@pytest.mark.parametrize("row", [row for row in ROWS if "TLS" in row and "silence" in row])
def test_the_deadline_of_an_address_holds_in_tls_too(row, monkeypatch):
    with ROWS[row][0](monkeypatch) as uri, MessageWebSocket() as socket:
        socket.control.connect_timeout = 0.1
        with pytest.raises(OperationTimedOutError, match="TLS handshake with localhost"):
            socket.connect(uri)


def test_tls_versions_that_do_not_meet_are_a_tls_error(server_tls, client_tls):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    with scripted_server(read_to_end, ssl_context=server) as uri, MessageWebSocket() as socket:
        socket.control.ssl_context = old
        with pytest.raises(TlsError) as caught:
            socket.connect(uri, timeout=LIMIT)
    assert not isinstance(caught.value, CertificateError)
