"""Through real proxies: proxy.py for HTTP CONNECT, also over TLS; Twisted for SOCKS4 and 4a; pproxy for SOCKS5."""

import os
import threading

import pytest
from support import LIMIT, echo, join, running_server
from support.proxies import real_proxy

import syncws
from syncws import (
    HttpStatusError,
    MessageWebSocket,
    PasswordCredential,
    ProxyError,
    StreamWebSocket,
    WebErrorStatus,
)

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def certificate(authority, tmp_path_factory):
    """The files of a certificate for the proxy and of its key."""
    issued = authority.issue_cert("127.0.0.1")
    folder = tmp_path_factory.mktemp("proxy")
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return str(chain), str(key)


@pytest.fixture(scope="module")
def address(request, certificate):
    """Host and port of a proxy: of a kind, with a login or without, over TLS or not."""
    kind, login, *is_over_tls = request.param
    with real_proxy(kind, login, *(certificate if is_over_tls else ())) as address:
        yield address


def through(*proxies):
    """Run a test with each of these proxies, which several tests share."""
    return pytest.mark.parametrize("address", proxies, indirect=True, ids=" ".join)


def echoes(uri, proxy, *, credential=None, context=None, data=b"through", make=MessageWebSocket):
    """Send and receive through a proxy; return what information says of it."""
    with make() as socket:
        socket.control.proxy = proxy
        socket.control.ssl_context = socket.control.proxy_ssl_context = context
        if credential is not None:
            socket.control.proxy_credential = PasswordCredential("", *credential)
        socket.connect(uri, timeout=LIMIT)
        if make is StreamWebSocket:
            socket.output_stream.write(data)
            assert socket.input_stream.as_file().read(len(data)) == data
        else:
            socket.send(data)
            assert socket.receive(LIMIT) == data
        return socket.information.proxy


@through(("http", ""))
@pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])
def test_an_http_proxy_carries_ws_and_wss(address, tls, make):
    server_context, client_context = tls
    with running_server(echo, ssl_context=server_context) as uri:
        assert echoes(uri, f"http://{address}", context=client_context, make=make) == f"http://{address}"


@through(("http", "name:word"))
@pytest.mark.parametrize(
    ("user_info", "credential"),
    [("name:word@", None), ("", ("name", "word")), ("name:wrong@", ("name", "word"))],
    ids=["in the URL", "as a credential", "the credential goes first"],
)
def test_an_http_proxy_takes_the_login(address, tls, user_info, credential):
    server_context, client_context = tls
    with running_server(echo, ssl_context=server_context) as uri:
        shown = echoes(uri, f"http://{user_info}{address}", credential=credential, context=client_context)
        assert shown == f"http://{address}"


@through(("http", "name:word"))
@pytest.mark.parametrize("user_info", ["", "name:wrong@"])
def test_an_http_proxy_s_407_is_raised(address, user_info):
    with running_server(echo) as uri:
        with pytest.raises(HttpStatusError, match=rf"the proxy http://{address} answered 407") as caught:
            echoes(uri, f"http://{user_info}{address}")
        assert caught.value.status is WebErrorStatus.PROXY_AUTHENTICATION_REQUIRED
        assert caught.value.headers["proxy-authenticate"] == "Basic"
        assert caught.value.is_from_proxy


@through(("http", "", "over TLS"), ("http", "name:word", "over TLS"))
def test_an_https_proxy_carries_ws_and_wss(address, tls, client_tls, request):
    server_context, _ = tls
    login = request.node.callspec.params["address"][1]
    with running_server(echo, ssl_context=server_context) as uri:
        proxy = f"https://{login}{'@' if login else ''}{address}"
        assert echoes(uri, proxy, context=client_tls) == f"https://{address}"


@through(("http", "", "over TLS"))
def test_a_mebibyte_goes_both_ways_at_once_in_tls_inside_tls(address, server_tls, client_tls):
    pieces = [os.urandom(MEBIBYTE // 16) for _ in range(16)]
    received = []
    with (
        running_server(echo, ssl_context=server_tls) as uri,
        syncws.connect(
            uri, proxy=f"https://{address}", ssl_context=client_tls, proxy_ssl_context=client_tls, timeout=LIMIT
        ) as socket,
    ):
        reading = threading.Thread(target=lambda: received.extend(socket.receive(LIMIT) for _ in range(17)))
        writing = threading.Thread(target=lambda: [socket.send(piece) for piece in [*pieces, b"".join(pieces)]])
        reading.start()
        writing.start()
        join(writing)
        join(reading)
        assert socket.information.server_certificate is not None
    assert received == [*pieces, b"".join(pieces)]


@through(("socks4", ""), ("socks4", "somebody"))
@pytest.mark.parametrize("scheme", ["socks4", "socks4a"])
def test_a_socks4_proxy_carries_ws_and_wss(address, tls, scheme, request):
    server_context, client_context = tls
    user = request.node.callspec.params["address"][1]
    with running_server(echo, ssl_context=server_context) as uri:
        proxy = f"{scheme}://{user}{'@' if user else ''}{address}"
        assert echoes(uri, proxy, context=client_context) == f"{scheme}://{address}"


@through(("socks4", "somebody"))
def test_a_socks4_proxy_that_wants_another_user_refuses(address):
    with running_server(echo) as uri:
        with pytest.raises(ProxyError, match="request rejected or failed") as caught:
            echoes(uri, f"socks4://nobody@{address}")
        assert caught.value.status is WebErrorStatus.SERVER_UNREACHABLE


@through(("socks5", ""), ("socks5", "name:word"))
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks5_proxy_carries_ws_and_wss(address, tls, scheme, request):
    server_context, client_context = tls
    login = request.node.callspec.params["address"][1]
    with running_server(echo, ssl_context=server_context) as uri:
        proxy = f"{scheme}://{login}{'@' if login else ''}{address}"
        assert echoes(uri, proxy, context=client_context) == f"{scheme}://{address}"


@through(("socks5", "name:word"))
@pytest.mark.parametrize("user_info", ["", "name:wrong@"])
def test_a_socks5_proxy_that_is_not_told_its_password_hangs_up(address, user_info):
    with running_server(echo) as uri:
        with pytest.raises(ProxyError, match=r"ended the connection before it answered|broke") as caught:
            echoes(uri, f"socks5://{user_info}{address}")
        assert caught.value.status is WebErrorStatus.SERVER_UNREACHABLE
