"""SOCKS4, 4a, 5 and 5h with proxies that are played by scripts: every byte that is sent, and every answer."""

import socket as tcp

import pytest
from support import LIMIT, read_exactly, read_to_end
from support.proxies import scripted_proxy, socks4, socks5

from syncws import (
    HandshakeError,
    HostNameNotResolvedError,
    HResult,
    MessageWebSocket,
    PasswordCredential,
    ProxyError,
    WebErrorStatus,
)
from syncws._net import connector
from syncws._net.address import Address

V4, V6 = tcp.AF_INET, tcp.AF_INET6
GRANTED5 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


@pytest.fixture
def names(monkeypatch):
    """Names that need no lookup, and a list of those that were asked for."""
    known = {"127.0.0.1": ["127.0.0.1"]}
    asked = []

    def look_up(host):
        asked.append(host)
        assert host in known, f"{host} was looked up"
        return [Address(V6 if ":" in text else V4, text) for text in known[host]]

    monkeypatch.setattr(connector, "addresses_without_waiting", look_up)
    known["asked"] = asked
    return known


def connect(proxy, uri="ws://server.test:8080/", *, user_info="", **settings):
    with MessageWebSocket() as socket:
        socket.control.proxy = proxy.replace("//", f"//{user_info}")
        for name, value in settings.items():
            setattr(socket.control, name, value)
        socket.connect(uri, timeout=LIMIT)
        socket.abort()
        assert socket.wait_closed(LIMIT)
        return socket


# What is sent. 0x1F90 is port 8080.


@pytest.mark.parametrize(
    ("scheme", "addresses", "user_info", "request_bytes"),
    [
        ("socks4", ["10.1.2.3"], "", b"\x04\x01\x1f\x90\x0a\x01\x02\x03\x00"),
        ("socks4", ["fd00::1", "10.1.2.3"], "na%20me:word@", b"\x04\x01\x1f\x90\x0a\x01\x02\x03na me\x00"),
        ("socks4a", None, "", b"\x04\x01\x1f\x90\x00\x00\x00\xff\x00server.test\x00"),
        ("socks4a", None, "%C3%A9@", b"\x04\x01\x1f\x90\x00\x00\x00\xff\xc3\xa9\x00server.test\x00"),
    ],
)
def test_a_socks4_request_is_what_the_protocol_asks_for(names, scheme, addresses, user_info, request_bytes):
    requests = []
    if addresses is not None:
        names["server.test"] = addresses
    with scripted_proxy(socks4(requests), scheme=scheme) as proxy:
        socket = connect(proxy, user_info=user_info)
    assert requests == [request_bytes]
    assert socket.information.proxy == proxy
    # The name is looked up here only where the scheme says so.
    assert ("server.test" in names["asked"]) is (scheme == "socks4")


@pytest.mark.parametrize(
    ("uri", "request_bytes"),
    [
        ("ws://10.1.2.3:8080/", b"\x04\x01\x1f\x90\x0a\x01\x02\x03\x00"),
        ("ws://[fd00::1]:8080/", b"\x04\x01\x1f\x90\x00\x00\x00\xff\x00fd00::1\x00"),
    ],
)
def test_socks4a_takes_addresses(names, uri, request_bytes):
    requests = []
    with scripted_proxy(socks4(requests), scheme="socks4a") as proxy:
        connect(proxy, uri)
    assert requests == [request_bytes]
    assert names["asked"] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("scheme", "uri", "address"),
    [
        ("socks5h", "ws://server.test:8080/", b"\x03\x0bserver.test"),
        ("socks5h", "ws://10.1.2.3:8080/", b"\x01\x0a\x01\x02\x03"),
        ("socks5h", "ws://[fd00::1%25eth0]:8080/", b"\x04\xfd" + bytes(14) + b"\x01"),
        ("socks", "ws://server.test:8080/", b"\x03\x0bserver.test"),
        ("socks5", "ws://server.test:8080/", b"\x04\xfd" + bytes(14) + b"\x01"),
    ],
)
def test_a_socks5_request_is_what_rfc_1928_asks_for(names, scheme, uri, address):
    requests = []
    names["server.test"] = ["fd00::1", "10.1.2.3"]
    with scripted_proxy(socks5(requests), scheme=scheme) as proxy:
        connect(proxy, uri)
    assert requests == [b"\x00", b"\x05\x01\x00" + address + b"\x1f\x90"]
    assert ("server.test" in names["asked"]) is (scheme == "socks5")


@pytest.mark.parametrize(
    ("user_info", "credential", "login"),
    [
        ("name:word@", None, b"\x01\x04name\x04word"),
        ("n%3A%C3%A9@", None, b"\x01\x04n:\xc3\xa9\x00"),
        ("url:word@", ("name", "secret"), b"\x01\x04name\x06secret"),
    ],
)
def test_the_login_goes_by_rfc_1929(names, user_info, credential, login):
    requests = []
    settings = {} if credential is None else {"proxy_credential": PasswordCredential("", *credential)}
    with scripted_proxy(socks5(requests, method=2), scheme="socks5h") as proxy:
        socket = connect(proxy, user_info=user_info, **settings)
    assert requests[:2] == [b"\x00\x02", login]
    assert socket.information.proxy == proxy


def test_a_login_that_is_not_asked_for_is_not_sent(names):
    requests = []
    with scripted_proxy(socks5(requests), scheme="socks5h") as proxy:
        connect(proxy, user_info="name:word@")
    assert requests[0] == b"\x00\x02"
    assert b"word" not in b"".join(requests)


# Grants.


@pytest.mark.parametrize(
    "reply",
    [
        GRANTED5,
        b"\x05\x00\x00\x04" + bytes(18),
        b"\x05\x00\x00\x03\x05bound\x00\x50",
        b"\x05\x00\x00\x03\x00\x00\x50",
    ],
)
def test_every_form_of_a_bound_address_is_read_to_its_end_and_no_further(names, reply):
    with scripted_proxy(socks5([], reply=reply), scheme="socks5h") as proxy:
        assert connect(proxy).information.proxy == proxy


# Refusals.


@pytest.mark.parametrize(
    ("code", "words", "hresult", "status"),
    [
        (1, "general server failure", 0x80072F85, WebErrorStatus.SERVER_UNREACHABLE),
        (2, "connection not allowed by ruleset", 0x80072F85, WebErrorStatus.SERVER_UNREACHABLE),
        (3, "network unreachable", 0x80072F84, WebErrorStatus.SERVER_UNREACHABLE),
        (4, "host unreachable", 0x80072F84, WebErrorStatus.SERVER_UNREACHABLE),
        (5, "connection refused", 0x80072EFD, WebErrorStatus.CANNOT_CONNECT),
        (6, "ttl expired", 0x80072F84, WebErrorStatus.SERVER_UNREACHABLE),
        (7, "command not supported", 0x80072F85, WebErrorStatus.SERVER_UNREACHABLE),
        (8, "address type not supported", 0x80072F85, WebErrorStatus.SERVER_UNREACHABLE),
        (9, "reply 9", 0x80072F85, WebErrorStatus.SERVER_UNREACHABLE),
    ],
)
@pytest.mark.parametrize("rest", [b"", b"\x00", b"\x01" + bytes(6)], ids=["short", "shorter", "whole"])
def test_a_socks5_proxy_s_words_are_kept(names, code, words, hresult, status, rest):
    reply = bytes([5, code, 0, 1]) + rest[1:]
    with scripted_proxy(socks5([], reply=reply), scheme="socks5h") as proxy:
        why = rf"the proxy {proxy} cannot connect to server\.test port 8080: {words} "
        with pytest.raises(ProxyError, match=why) as caught:
            connect(proxy)
    assert caught.value.hresult & 0xFFFF_FFFF == hresult
    assert caught.value.status is status
    assert caught.value.is_about_server
    # What it must not or cannot do, it will not do later.
    assert caught.value.is_transient is (code not in (2, 7, 8))
    assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("code", "words", "is_authentication"),
    [(0x5B, "request rejected or failed", False), (0x5C, "cannot reach an identd", True), (0x5D, "another user", True)],
)
def test_a_socks4_proxy_s_words_are_kept(names, code, words, is_authentication):
    reply = bytes([0, code]) + bytes(6)
    with scripted_proxy(socks4([], reply), scheme="socks4a") as proxy, pytest.raises(ProxyError, match=words) as caught:
        connect(proxy)
    assert caught.value.is_about_server is not is_authentication
    expected = WebErrorStatus.PROXY_AUTHENTICATION_REQUIRED if is_authentication else WebErrorStatus.SERVER_UNREACHABLE
    assert caught.value.status is expected


@pytest.mark.parametrize(
    ("options", "user_info", "words"),
    [
        ({"method": 0xFF}, "", "it wants a user name and a password"),
        ({"method": 0xFF}, "name:secret@", "it wants something other than a user name and a password"),
        ({"method": 2, "verdict": b"\x01\x01"}, "name:secret@", "it refuses the user name or the password"),
    ],
)
def test_a_refused_login_has_the_status_of_a_407(names, options, user_info, words):
    with scripted_proxy(socks5([], **options), scheme="socks5") as proxy:
        names["server.test"] = ["10.0.0.1", "10.0.0.2"]
        with pytest.raises(ProxyError, match=f"the proxy {proxy} does not let us in: {words} ") as caught:
            connect(proxy, user_info=user_info)
    assert caught.value.hresult & 0xFFFF_FFFF == 0x80190197
    assert caught.value.status is WebErrorStatus.PROXY_AUTHENTICATION_REQUIRED
    assert not caught.value.is_about_server
    # Another address of the server would be answered alike.
    assert len(caught.value.attempts) == 1


# Several addresses of the server.


@pytest.mark.parametrize("scheme", ["socks4", "socks5"])
def test_the_server_s_next_address_is_tried_after_a_refusal(names, scheme):
    requests = []
    names["server.test"] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    make, refusal, grant = {
        "socks4": (socks4, b"\x00\x5b" + bytes(6), b"\x00\x5a" + bytes(6)),
        "socks5": (lambda requests, reply: socks5(requests, reply=reply), b"\x05\x05\x00\x01" + bytes(6), GRANTED5),
    }[scheme]

    def script(connection):
        asked = b"".join(requests).count(b"\x0a\x00\x00")
        make(requests, refusal if asked == 0 else grant)(connection)

    with scripted_proxy(script, scheme=scheme, connections=2) as proxy:
        assert connect(proxy).information.proxy == proxy
    sent = b"".join(requests)
    assert [b"\x0a\x00\x00" + bytes([last]) in sent for last in (1, 2, 3)] == [True, True, False]


def test_no_more_of_the_server_s_addresses_are_tried_than_control_allows(names):
    names["server.test"] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    refusing = socks5([], reply=b"\x05\x04\x00\x01" + bytes(6))
    with scripted_proxy(refusing, scheme="socks5", connections=2) as proxy, pytest.raises(ProxyError) as caught:
        connect(proxy, max_connect_addresses=2)
    assert caught.value.message.endswith("cannot connect to 10.0.0.2 port 8080: host unreachable")
    first, second = (attempt.error.message for attempt in caught.value.attempts)
    assert "10.0.0.1" in first
    assert "10.0.0.2" in second


def test_socks4_to_a_name_without_an_ipv4_address_has_nowhere_to_go(names):
    names["server.test"] = ["fd00::1"]
    with pytest.raises(
        HostNameNotResolvedError, match=r"'server\.test' has no IPv4 address, and the proxy socks4://127"
    ):
        connect("socks4://127.0.0.1:9")


# Garbage and hang-ups.


def answers(*steps):
    """Return a script that reads so many bytes and answers with some, and so on."""

    def script(connection):
        for count, answer in steps:
            read_exactly(connection, count)
            connection.sendall(answer)
        read_to_end(connection)

    return script


METHODS = (3, b"\x05\x00")
GARBAGE = {
    "HTTP to SOCKS5": ("socks5h", "", [(3, b"HTTP/1.1 400 Bad Request\r\n\r\n")]),
    "an unknown method": ("socks5h", "", [(3, b"\x05\x07")]),
    "a method that was not offered": ("socks5h", "", [(3, b"\x05\x02")]),
    "GSSAPI": ("socks5h", "name:secret@", [(4, b"\x05\x01")]),
    "another answer to the password": ("socks5h", "name:secret@", [(4, b"\x05\x02"), (13, b"\x05\x00")]),
    "another version": ("socks5h", "", [METHODS, (18, b"\x04\x00\x00\x01" + bytes(6))]),
    "an unknown type of address": ("socks5h", "", [METHODS, (18, b"\x05\x00\x00\x02" + bytes(6))]),
    "HTTP to SOCKS4": ("socks4a", "", [(9, b"HTTP/1.1 400 Bad Request\r\n\r\n")]),
    "an unknown code": ("socks4a", "", [(9, b"\x00\x00" + bytes(6))]),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_is_a_handshake_error_that_names_the_proxy(names, case):
    scheme, user_info, steps = GARBAGE[case]
    with scripted_proxy(answers(*steps), scheme=scheme) as proxy, pytest.raises(HandshakeError) as caught:
        connect(proxy, user_info=user_info)
    assert f": the answer of the proxy {proxy} is not {scheme}: " in caught.value.message
    assert caught.value.hresult == HResult.WININET_E_INVALID_SERVER_RESPONSE
    assert "secret" not in str(caught.value)


HANG_UPS = {
    "at once": ("socks5h", [(3, b"")]),
    "in the methods": ("socks5h", [(3, b"\x05")]),
    "before the reply": ("socks5h", [METHODS, (18, b"")]),
    "in the reply": ("socks5h", [METHODS, (18, b"\x05\x00\x00\x01\x7f")]),
    "in a bound name": ("socks5h", [METHODS, (18, b"\x05\x00\x00\x03\x09bound")]),
    "in SOCKS4": ("socks4a", [(9, b"\x00\x5a\x00")]),
}


@pytest.mark.parametrize("case", HANG_UPS)
def test_a_proxy_that_hangs_up_is_a_proxy_error(names, case):
    scheme, steps = HANG_UPS[case]

    def script(connection):
        for count, answer in steps:
            read_exactly(connection, count)
            connection.sendall(answer)
        connection.shutdown(tcp.SHUT_WR)
        read_to_end(connection)

    with scripted_proxy(script, scheme=scheme) as proxy, pytest.raises(ProxyError) as caught:
        connect(proxy)
    assert caught.value.message.endswith(f": the proxy {proxy} ended the connection before it answered")
    assert caught.value.hresult == HResult.WININET_E_PROXY_SERVER_UNREACHABLE


def test_an_answer_in_single_bytes_is_read(names):
    class Dripping:
        """The connection, which sends each byte by itself."""

        def __init__(self, connection):
            self._connection = connection

        def __getattr__(self, name):
            return getattr(self._connection, name)

        def sendall(self, data):
            for byte in data:
                self._connection.sendall(bytes([byte]))

    script = socks5([], method=2)
    with scripted_proxy(lambda connection: script(Dripping(connection)), scheme="socks5h") as proxy:
        assert connect(proxy, user_info="name:word@").information.proxy == proxy
