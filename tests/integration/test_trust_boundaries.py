"""What goes to whom, and what is read of what others write: proxies, resolvers, hosts files, names in disguise."""

import socket as tcp
import sys

import pytest
from support import LIMIT, handshake, read_request, read_to_end, scripted_server, server_frame
from support.proxies import ASKING, playing_both, scripted_proxy
from support.scripts import CLOSE, read_until_close

import syncws
from syncws import (
    HostNameNotResolvedError,
    InvalidArgumentError,
    MessageWebSocket,
    PasswordCredential,
    ProtocolViolationError,
)
from syncws._net import hosts_file
from syncws._net.proxy.choice import is_exempt

SECRET = "hunter2"


def connect(uri, **settings):
    with syncws.connect(uri, timeout=LIMIT, **settings) as socket:
        socket.abort()


# proxy_credential belongs to one proxy.


def lines_of(head):
    return [line for line in head.decode("latin-1").split("\r\n") if line.lower().startswith("proxy-authorization")]


def test_a_credential_does_not_go_to_the_proxy_that_a_redirect_leads_through(monkeypatch):
    first, second = [], []

    def lead_away(connection):
        read_request(connection)
        connection.sendall(ASKING)
        first.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        read_request(connection)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: ws://plain.test/\r\nContent-Length: 0\r\n\r\n")
        read_to_end(connection)

    def note(connection):
        second.append(read_request(connection))
        connection.sendall(ASKING)
        second.append(read_to_end(connection))

    with scripted_proxy(lead_away) as one, scripted_proxy(note) as other:
        monkeypatch.setenv("ws_proxy", one)
        read = [one]
        monkeypatch.setattr("syncws._net.proxy.choice._from_environment", lambda uri: parse(read[0]))
        follow = syncws._net.connector.redirected

        def change_proxy(*arguments):
            read[0] = other
            return follow(*arguments)

        monkeypatch.setattr("syncws._net.connector.redirected", change_proxy)
        with pytest.raises(syncws.HttpStatusError, match="407"):
            connect("ws://name.test/", proxy_credential=PasswordCredential("", "me", SECRET), max_redirects=1)
    assert len(lines_of(first[0])) == 1
    assert lines_of(second[0]) == []
    assert second[1:] == [b""]


def parse(url):
    from syncws._wire.proxy_url import parse_proxy_url

    return parse_proxy_url(url)


def test_the_environment_s_proxy_gets_the_credential_that_was_set(monkeypatch):
    heads = []
    with scripted_proxy(playing_both(heads, asking=True)) as proxy:
        monkeypatch.setenv("ws_proxy", proxy)
        connect("ws://name.test/", proxy_credential=PasswordCredential("", "me", SECRET))
    assert len(lines_of(heads[0])) == 1


# SOCKS5, RFC 1928 6: the name that the proxy bound may have 255 bytes.


@pytest.mark.parametrize("length", [0, 127, 128, 255])
def test_a_bound_name_of_any_length_is_passed_over(length):
    def script(connection):
        connection.recv(3)
        connection.sendall(b"\x05\x00")
        connection.recv(4096)
        connection.sendall(b"\x05\x00\x00\x03" + bytes([length]) + b"n" * length + b"\x00\x50")
        handshake(connection)
        read_to_end(connection)

    with scripted_proxy(script, scheme="socks5h") as proxy:
        connect("ws://server.test/", proxy=proxy)


# An application's own resolver.


class Broken:
    lifetime = LIMIT

    def __init__(self, error):
        self.error = error

    def resolve(self, *_, **__):
        raise self.error


class WithoutLifetime:
    def resolve(self, *_, **__):
        return []


class GivesNumbers:
    lifetime = LIMIT

    def resolve(self, *_, **__):
        return 7


@pytest.mark.parametrize(
    "resolver", [Broken(AttributeError("x")), Broken(TypeError("x")), Broken(ZeroDivisionError()), GivesNumbers()]
)
def test_what_a_resolver_of_one_s_own_raises_is_told_as_an_error_of_connect(resolver):
    with pytest.raises(HostNameNotResolvedError, match=r"control\.resolver raised") as raised:
        connect("ws://name.test/", resolver=resolver)
    assert isinstance(raised.value.__cause__, Exception)


def test_an_error_of_the_applications_that_is_its_own_cause_is_told():
    class Resolver:
        lifetime = LIMIT

        def resolve(self, *_, **__):
            error = ValueError("mine")
            error.__cause__ = error
            raise error

    with pytest.raises(HostNameNotResolvedError, match=r"control\.resolver raised ValueError"):
        syncws.connect("ws://server.test/", resolver=Resolver())


def test_a_resolver_without_a_lifetime_is_told_too():
    with pytest.raises(HostNameNotResolvedError, match=r"control\.resolver raised AttributeError"):
        connect("ws://name.test/", resolver=WithoutLifetime())


# The hosts file.


def test_what_lies_behind_the_limit_of_a_hosts_file_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "hosts"
    path.write_bytes(b"127.0.0.1 near.test\n" + b"# filler\n" * 1000 + b"127.0.0.1 far.test\n")
    monkeypatch.setattr(hosts_file, "hosts_file", lambda: str(path))
    assert [address.text for address in hosts_file.find_in_hosts_file("far.test")] == ["127.0.0.1"]
    monkeypatch.setattr(hosts_file, "_MAX_BYTES", 4096)
    assert hosts_file.find_in_hosts_file("far.test") == []
    assert [address.text for address in hosts_file.find_in_hosts_file("near.test")] == ["127.0.0.1"]


def test_a_name_on_endless_lines_of_a_hosts_file_does_not_hold_a_connect_up(tmp_path, monkeypatch):
    path = tmp_path / "hosts"
    path.write_bytes(b"127.0.0.1 near.test\n" * 5000)
    monkeypatch.setattr(hosts_file, "hosts_file", lambda: str(path))
    assert len(hosts_file.find_in_hosts_file("near.test")) == 1000


# Names in disguise.


@pytest.mark.parametrize("host", ["%6cocalhost", "127.0.0%2e1", "localhos%74", "%31%32%37.0.0.1", "a%2eexample"])
def test_a_percent_encoded_host_is_refused(host):
    with pytest.raises(InvalidArgumentError, match="host that holds a percent sign"):
        connect(f"ws://{host}:9/")


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1"])
def test_an_exception_covers_an_address_in_its_ipv4_mapped_form(exempt):
    assert is_exempt("::ffff:127.0.0.1", 80, exempt)
    assert is_exempt("127.0.0.1", 80, exempt)
    assert not is_exempt("::ffff:127.0.0.1", 80, "10.0.0.1")


def test_an_empty_host_header_is_refused():
    with pytest.raises(InvalidArgumentError, match="Host"):
        MessageWebSocket().set_request_header("Host", "")


# The peer's words.

FORGED = "bye\nERROR forged line \x1b[31m\u202egnp.exe\x9b"


def test_a_close_reason_forges_no_line_of_a_log(caplog):
    caplog.set_level("DEBUG", logger="syncws")

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(CLOSE, b"\x0b\xb8" + FORGED.encode()))
        read_until_close(connection)

    with scripted_server(script) as uri, syncws.connect(uri) as socket:
        with pytest.raises(syncws.ConnectionClosedError) as raised:
            socket.receive(LIMIT)
        assert raised.value.close_reason == FORGED
        for text in (str(raised.value), repr(raised.value), caplog.text):
            assert not any(
                mark in text.replace(caplog.text if text is not caplog.text else "", "") for mark in "\x1b\u202e\x9b"
            )
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 \xe2\x80\xae\x9b\r\n\r\n", b"HTTP/1.1 503 a\xc2\x85b\r\n\r\n"])
def test_a_reason_phrase_is_escaped(answer):
    def script(connection):
        read_request(connection)
        connection.sendall(answer)

    with scripted_server(script) as uri, pytest.raises(syncws.HttpStatusError) as raised:
        connect(uri)
    assert str(raised.value).isprintable()


def test_a_close_code_that_must_not_be_sent_is_told_with_its_reason():
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(CLOSE, b"\x03\xed" + b"so long"))
        read_until_close(connection)

    with (
        scripted_server(script) as uri,
        syncws.connect(uri) as socket,
        pytest.raises(ProtocolViolationError, match="so long"),
    ):
        socket.receive(LIMIT)


@pytest.mark.skipif(sys.platform == "win32", reason="a socket of IPv6 takes it there only when told to")
def test_the_kernel_takes_the_mapped_form_as_loopback():
    # What the rule for no_proxy rests on.
    with tcp.create_server(("127.0.0.1", 0)) as listener, tcp.socket(tcp.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", listener.getsockname()[1]))
