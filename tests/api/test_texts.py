"""Tests of text of other types than str, as an enumeration's: what it holds counts, and not what it formats as."""

import enum
import socket

import pytest
from support import LIMIT, request_headers, scripted_server
from support.handlers import ACCEPTED, Answers, CredentialServer

import syncws
from syncws import CannotConnectError, HostName, HostNameType, MessageWebSocket, PasswordCredential, Uri
from syncws._net.proxy.choice import choose_proxy
from syncws._wire.uri import parse_uri


class Text(str, enum.Enum):  # noqa: UP042 # a StrEnum formats as what it holds
    """Text that str() and an f-string show as Text.NAME."""

    NAME = "X-Name"
    VALUE = "value"
    USER = "Aladdin"
    PASSWORD = "open sesame"
    PROXY = "http://proxy.test:3128"
    ADDRESS = "127.0.0.1"
    PATH = "/nowhere"
    URI = "ws://host.test/path?query"


def test_the_request_has_what_the_text_holds():
    server = Answers(ACCEPTED)
    with server.running() as uri:
        syncws.connect(
            uri,
            timeout=LIMIT,
            proxy="",
            headers={Text.NAME: Text.VALUE},
            user_agent=Text.VALUE,
            cookies={Text.NAME: Text.VALUE},
            subprotocols=[Text.VALUE],
        ).abort()
    headers = request_headers(server.requests[0])
    assert headers["x-name"] == headers["user-agent"] == headers["sec-websocket-protocol"] == "value"
    assert headers["cookie"] == "X-Name=value"


def test_a_credential_has_what_the_text_holds():
    server = CredentialServer(refusing="HTTP/1.1")
    credential = PasswordCredential("", Text.USER, Text.PASSWORD)
    with scripted_server(server) as uri:
        syncws.connect(uri, timeout=LIMIT, proxy="", server_credential=credential).abort()
    # RFC 7617 2 has this very example.
    assert server.seen == [None, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]


def test_a_proxy_is_what_the_text_holds():
    control = MessageWebSocket().control
    control.proxy = Text.PROXY
    control.proxy_credential = PasswordCredential("", Text.USER, Text.PASSWORD)
    proxy = choose_proxy(parse_uri("ws://host.test/"), control)
    assert (proxy.host, proxy.port) == ("proxy.test", 3128)
    assert [f"{part}" for part in proxy.login] == ["Aladdin", "open sesame"]


def test_an_address_is_what_the_text_holds():
    control = MessageWebSocket().control
    control.local_address = Text.ADDRESS
    assert control.local_address == "127.0.0.1"
    control.local_address = (Text.ADDRESS, 0)
    assert HostName(Text.ADDRESS).type is HostNameType.IPV4
    assert f"{HostName(Text.ADDRESS).raw_name}" == "127.0.0.1"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
def test_an_error_names_the_path_that_the_text_holds():
    with pytest.raises(CannotConnectError, match="/nowhere: "):
        syncws.unix_connect(Text.PATH)


def test_a_uri_is_what_the_text_holds():
    assert str(Uri(Text.URI)) == f"{Uri(Text.URI).raw_uri}" == "ws://host.test/path?query"
