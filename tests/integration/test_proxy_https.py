"""HTTPS proxies that are played by scripts: TLS to the proxy, verified by its own name, and TLS inside TLS."""

import ssl

import pytest
from support import LIMIT, handshake, read_request, read_to_end, server_frame
from support.proxies import TUNNEL, URI, answering, connect, playing_both, scripted_proxy
from support.tls_engine import ServerTls

import syncws
from syncws import CertificateError, HResult, HttpStatusError, MessageWebSocket, PasswordCredential, TlsError


def test_an_https_proxy_is_asked_inside_tls_and_its_certificate_is_not_the_server_s(server_tls, client_tls):
    heads = []
    with scripted_proxy(playing_both(heads), scheme="https", ssl_context=server_tls) as proxy:
        socket = connect(proxy, proxy_ssl_context=client_tls)
    assert heads[0].startswith(b"CONNECT server.invalid:8080")
    assert socket.information.proxy == proxy
    assert socket.information.server_certificate is None


def test_handlers_of_custom_validation_do_not_see_the_proxy_s_certificate(server_tls, client_tls):
    seen = []
    with scripted_proxy(playing_both([]), scheme="https", ssl_context=server_tls) as proxy:
        socket = MessageWebSocket()
        socket.control.proxy = proxy
        socket.control.proxy_ssl_context = client_tls
        socket.server_custom_validation_requested += lambda sender, args: seen.append(args)
        socket.connect(URI, timeout=LIMIT)
        socket.abort()
        assert socket.wait_closed(LIMIT)
    assert seen == []


@pytest.mark.parametrize("name", ["default", "other"])
def test_an_https_proxy_s_own_name_is_verified(authority, client_tls, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("server.invalid").configure_cert(context)
    options = {} if name == "default" else {"proxy_ssl_context": client_tls}
    expected = HResult.WININET_E_INVALID_CA if name == "default" else HResult.WININET_E_SEC_CERT_CN_INVALID
    with scripted_proxy(read_to_end, scheme="https", ssl_context=context) as proxy:
        with pytest.raises(CertificateError, match=rf"the certificate of the proxy {proxy} did not pass") as caught:
            connect(proxy, "wss://server.invalid/", **options)
        assert caught.value.hresult == expected


def test_a_proxy_is_not_shown_the_client_certificate_of_the_server_s_context(
    authority, authority_file, server_tls, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(asking)
    asking.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(asking)
    own = ssl.create_default_context()
    authority.issue_cert("client").configure_cert(own)
    shown = []

    def script(connection):
        shown.append(connection.getpeercert())
        playing_both([])(connection)

    with scripted_proxy(script, scheme="https", ssl_context=asking) as proxy:
        connect(proxy, ssl_context=own)
    assert shown == [None]


def test_a_false_proxy_gets_no_password_although_the_server_is_not_verified(server_tls):
    own = ssl.create_default_context()
    own.check_hostname = False
    own.verify_mode = ssl.CERT_NONE
    heads = []
    with scripted_proxy(playing_both(heads), scheme="https", ssl_context=server_tls) as proxy:
        credential = PasswordCredential("", "user", "secret")
        with pytest.raises(CertificateError, match="the proxy"):
            connect(proxy, ssl_context=own, proxy_credential=credential)
    assert heads == []


def answers_in_plain(connection):
    connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")
    read_to_end(connection)


@pytest.mark.parametrize("script", [answers_in_plain, lambda connection: connection.recv(1 << 16)])
def test_an_https_proxy_that_speaks_no_tls_is_asked_after_as_http(script):
    with (
        scripted_proxy(script, scheme="https") as proxy,
        pytest.raises(TlsError, match=r"should it be http://\?") as caught,
    ):
        connect(proxy)
    assert "TLS handshake" in caught.value.message
    assert f"the proxy {proxy}" in caught.value.message


def test_an_https_proxy_s_407_comes_through_tls(server_tls, client_tls):
    answer = answering(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nyou")
    with scripted_proxy(answer, scheme="https", ssl_context=server_tls) as proxy:
        with pytest.raises(HttpStatusError, match="answered 407 Who") as caught:
            connect(proxy, proxy_ssl_context=client_tls)
        assert caught.value.body == b"you"


@pytest.mark.parametrize("record_size", [100, 700, 16384])
def test_a_message_whose_tls_record_the_proxy_cuts_into_many_of_its_own_is_received(
    server_tls, client_tls, record_size
):
    """All of them come at once: the socket tells of nothing while TLS with the proxy holds the rest."""
    message = "x" * 16000

    def script(connection):
        outside = ServerTls(connection, server_tls)
        read_request(outside)
        outside.sendall(TUNNEL)
        inside = ServerTls(outside, server_tls)
        handshake(inside)
        inside.sendall(server_frame(1, message.encode()), record_size_below=record_size)
        read_to_end(connection)

    with scripted_proxy(script, scheme="https") as proxy:
        uri = "wss://localhost/"
        tls = {"ssl_context": client_tls, "proxy_ssl_context": client_tls}
        with syncws.connect(uri, proxy=proxy, timeout=LIMIT, **tls) as socket:
            assert socket.receive(LIMIT) == message
            socket.abort()
