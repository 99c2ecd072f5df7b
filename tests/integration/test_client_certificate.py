"""control.client_certificate against real TLS servers that insist on one; and SSLKEYLOGFILE."""

import os
import socket as socket_module
import ssl
import struct
import tempfile
import threading

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from support import LIMIT, echo, read_request, read_to_end, running_server, scripted_server, wait
from support.certificates import DAY, NOW, asking_context, make, make_authority
from support.scripts import only_reads
from support.tls_engine import ServerEngine

import syncws
from syncws import (
    Certificate,
    ChainValidationResult,
    ConnectionLostError,
    HResult,
    HttpStatusError,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    PasswordCredential,
    StreamWebSocket,
    TlsError,
    WebErrorStatus,
)
from syncws._net.tls import trust as tls_trust

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
each_version = pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
KEYS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.fixture(scope="module")
def root():
    return make_authority("Root of the clients")


@pytest.fixture(scope="module")
def middle(root):
    return make_authority("Middle", root)


@pytest.fixture(scope="module")
def server_chain(authority):
    return authority.issue_cert("localhost")


@pytest.fixture(autouse=True)
def trust(authority, tmp_path, monkeypatch):
    """Have contexts of the library's own trust the throw-away authority; let no temporary file stay."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    assert os.listdir(tmp_path / "temporary") == []


def loaded(made, *others):
    return Certificate.from_pem(b"".join(one.pem for one in (made, *others)), made.key_pem())


def noting_peer(seen):
    """Return a script that notes the client's chain as TLS has verified it, by common names."""

    def script(connection):
        subject = dict(field[0] for field in connection.getpeercert()["subject"])
        seen.append(subject["commonName"])
        only_reads(connection)

    return script


def connect(uri, certificate, socket_class=MessageWebSocket, context=None):
    with socket_class() as socket:
        socket.control.client_certificate = certificate
        socket.control.ssl_context = context
        socket.connect(uri, timeout=LIMIT)
        socket.abort()
        assert socket.wait_closed(LIMIT)


def refusal(context, certificate=None):
    """Connect to a server that must refuse; return the error."""
    with scripted_server(read_to_end, ssl_context=context) as uri, pytest.raises(TlsError) as caught:
        connect(uri, certificate)
    assert len(caught.value.attempts) == 1
    return caught.value


# Accepted.


@each_version
@pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
def test_a_server_that_insists_gets_the_certificate(root, server_chain, version, socket_class):
    seen = []
    with scripted_server(noting_peer(seen), ssl_context=asking_context(server_chain, [root], version)) as uri:
        connect(uri, loaded(make("client", root)), socket_class)
    assert seen == ["client"]


@each_version
@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_can_be_used(root, server_chain, version, kind):
    seen = []
    made = make("client", root, KEYS[kind]())
    with scripted_server(noting_peer(seen), ssl_context=asking_context(server_chain, [root], version)) as uri:
        connect(uri, loaded(made))
    assert seen == ["client"]


@each_version
def test_the_intermediates_are_sent_along(root, middle, server_chain, version):
    seen = []
    with scripted_server(noting_peer(seen), ssl_context=asking_context(server_chain, [root], version)) as uri:
        # In the file the order is the wrong one.
        made = make("client", middle)
        connect(uri, Certificate.from_pem(root.pem + middle.pem + made.pem, made.key_pem()))
    assert seen == ["client"]


def test_without_the_intermediates_the_server_cannot_know_it(root, middle, server_chain):
    error = refusal(asking_context(server_chain, [root]), loaded(make("client", middle)))
    assert "unknown_ca" in str(error)


def test_a_certificate_from_pkcs12_is_as_good(root, middle, server_chain):
    seen = []
    certificate = Certificate.from_pkcs12(make("client", middle).bundle(middle, password="secret"), "secret")
    with scripted_server(noting_peer(seen), ssl_context=asking_context(server_chain, [root])) as uri:
        connect(uri, certificate)
    assert seen == ["client"]


def test_messages_pass_with_a_certificate(root, server_chain):
    with running_server(echo, ssl_context=asking_context(server_chain, [root])) as uri, MessageWebSocket() as socket:
        socket.control.client_certificate = loaded(make("client", root))
        socket.connect(uri, timeout=LIMIT)
        socket.send("hello")
        assert socket.receive(LIMIT) == "hello"


def test_a_server_that_does_not_ask_gets_no_certificate(root, server_tls):
    seen = []

    def script(connection):
        seen.append(connection.getpeercert())
        only_reads(connection)

    with scripted_server(script, ssl_context=server_tls) as uri:
        connect(uri, loaded(make("client", root)))
    assert seen == [None]


def test_over_ws_the_certificate_has_no_effect(root):
    with scripted_server(only_reads) as uri:
        connect(uri, loaded(make("client", root)))


def test_one_context_serves_both_attempts_of_a_connect(root, server_chain, monkeypatch):
    made = []
    bare_context = tls_trust.bare_context

    def note():
        made.append(bare_context())
        return made[-1]

    monkeypatch.setattr(tls_trust, "bare_context", note)

    def script(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")

    context = asking_context(server_chain, [root])
    with scripted_server(script, ssl_context=context, connections=2) as uri, MessageWebSocket() as socket:
        socket.control.client_certificate = loaded(make("client", root))
        socket.control.server_credential = PasswordCredential("", "user", "password")
        with pytest.raises(HttpStatusError) as caught:
            socket.connect(uri, timeout=LIMIT)
    assert len(caught.value.attempts) == 2
    assert len(made) == 1


# Refused.


def test_a_missing_certificate_has_its_own_number_in_tls_1_3(root, server_chain):
    error = refusal(asking_context(server_chain, [root], ssl.TLSVersion.TLSv1_3))
    assert error.hresult == HResult.WININET_E_CLIENT_AUTH_CERT_NEEDED
    assert error.status is WebErrorStatus.UNKNOWN
    assert "wants a client certificate (alert certificate_required): set control.client_certificate" in str(error)


def test_a_missing_certificate_is_a_failed_handshake_in_tls_1_2(root, server_chain):
    error = refusal(asking_context(server_chain, [root], ssl.TLSVersion.TLSv1_2))
    assert error.hresult == HResult.WININET_E_SECURITY_CHANNEL_ERROR
    assert "alert handshake_failure" in str(error)


@each_version
def test_a_certificate_of_an_unknown_authority_is_told(root, server_chain, version):
    error = refusal(asking_context(server_chain, [root], version), loaded(make("client", make_authority())))
    assert error.hresult == HResult.WININET_E_SECURITY_CHANNEL_ERROR
    assert "alert unknown_ca, about the client certificate" in str(error)


@each_version
def test_a_certificate_that_has_expired_is_told(root, server_chain, version):
    expired = make("client", root, dates=(NOW - 9 * DAY, NOW - DAY))
    error = refusal(asking_context(server_chain, [root], version), loaded(expired))
    assert error.hresult == HResult.WININET_E_SECURITY_CHANNEL_ERROR
    assert "alert certificate_expired, about the client certificate" in str(error)


@pytest.mark.skipif(os.name == "nt", reason="Windows drops what has arrived when a reset comes")
def test_an_alert_is_told_although_the_connection_is_reset_before_the_request_is_sent(root, server_chain):
    context = asking_context(server_chain, [root], ssl.TLSVersion.TLSv1_3)
    gone = threading.Event()

    def script(connection):
        connection.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_LINGER, struct.pack("ii", 1, 0))
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)
        gone.set()

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        # Called when our side of TLS is done and the request has not been sent.
        socket.add_server_custom_validation_requested(lambda *_: wait(gone))
        with pytest.raises(TlsError) as caught:
            socket.connect(uri.replace("ws:", "wss:"), timeout=LIMIT)
    assert caught.value.hresult == HResult.WININET_E_CLIENT_AUTH_CERT_NEEDED


def test_after_a_refusal_the_socket_can_connect_with_a_certificate(root, server_chain):
    context = asking_context(server_chain, [root])
    with scripted_server(only_reads, ssl_context=context, connections=2) as uri, MessageWebSocket() as socket:
        with pytest.raises(TlsError):
            socket.connect(uri, timeout=LIMIT)
        socket.control.client_certificate = loaded(make("client", root))
        socket.connect(uri, timeout=LIMIT)
        socket.abort()


def test_a_server_that_hangs_up_without_an_alert_is_a_lost_connection(server_tls):
    with scripted_server(lambda _: None, ssl_context=server_tls) as uri, pytest.raises(ConnectionLostError):
        connect(uri, None)


# The setting.


@pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
def test_control_takes_a_certificate_with_a_key_and_none(root, socket_class):
    control = socket_class().control
    certificate = loaded(make("client", root))
    control.client_certificate = certificate
    assert control.client_certificate is certificate
    control.client_certificate = None
    assert control.client_certificate is None


@pytest.mark.parametrize("value", ["client.pem", b"", True, ("a", "b")])
def test_control_refuses_what_is_no_certificate(value):
    control = MessageWebSocket().control
    with pytest.raises(InvalidArgumentTypeError, match="client_certificate must be a Certificate or None") as caught:
        control.client_certificate = value
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert "Certificate.from_pem(" in caught.value.message
    assert control.client_certificate is None


def test_control_refuses_a_certificate_without_a_key(root):
    control = MessageWebSocket().control
    with pytest.raises(InvalidArgumentError, match="must have a private key") as caught:
        control.client_certificate = Certificate(make("client", root).der)
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert control.client_certificate is None


def test_it_cannot_be_set_after_connect(root):
    with scripted_server(only_reads) as uri, syncws.connect(uri) as socket:
        with pytest.raises(IllegalMethodCallError):
            socket.control.client_certificate = loaded(make("client", root))
        socket.abort()


def never_called(_):
    raise AssertionError("the server was connected to")


def test_what_tls_cannot_use_is_refused_before_anything_is_sent(root):
    weak = rsa.generate_private_key(65537, 1024)
    with scripted_server(never_called) as uri, MessageWebSocket() as socket:
        socket.control.client_certificate = loaded(make("client", root, weak))
        with pytest.raises(InvalidArgumentError) as caught:
            socket.connect(uri.replace("ws:", "wss:"), timeout=LIMIT)
        assert caught.value.hresult == HResult.E_INVALIDARG
        assert caught.value.attempts == ()
        # As after every connect that failed.
        socket.control.client_certificate = None


@each_version
def test_beside_a_context_of_one_s_own_the_certificate_is_shown_and_the_server_checked(
    root, server_chain, client_tls, version
):
    certificate = loaded(make("client", root))
    seen = []
    with scripted_server(noting_peer(seen), ssl_context=asking_context(server_chain, [root], version)) as uri:
        connect(uri, certificate, context=client_tls)
    assert seen == ["client"]
    other = asking_context(trustme.CA().issue_cert("localhost"), [root], version)
    with scripted_server(read_to_end, ssl_context=other) as uri, pytest.raises(syncws.CertificateError):
        connect(uri, certificate, context=client_tls)
    # Nothing was loaded into it: another server that asks gets no certificate.
    asking = asking_context(server_chain, [root], ssl.TLSVersion.TLSv1_3)
    with scripted_server(read_to_end, ssl_context=asking) as uri, pytest.raises(TlsError) as caught:
        syncws.connect(uri, ssl_context=client_tls, timeout=LIMIT)
    assert caught.value.hresult == HResult.WININET_E_CLIENT_AUTH_CERT_NEEDED


@each_version
def test_a_server_that_is_not_trusted_gets_no_client_certificate(root, client_tls, version):
    left = []
    asking = asking_context(trustme.CA().issue_cert("localhost"), [root], version)

    def script(connection):
        ServerEngine(connection, asking).show_certificate()
        left.append(read_to_end(connection))

    with scripted_server(script) as uri, pytest.raises(syncws.CertificateError):
        connect(uri.replace("ws:", "wss:"), loaded(make("client", root)), context=client_tls)
    assert left == [b""]


@pytest.mark.parametrize("ignorable", [[], [ChainValidationResult.EXPIRED]])
def test_a_server_may_ask_for_the_certificate_after_the_request(root, server_chain, client_tls, ignorable):
    """Authentication after the handshake (RFC 8446 4.6.2), to which TLS itself answers."""
    seen = []
    asking = asking_context(server_chain, [root], ssl.TLSVersion.TLSv1_3)
    asking.verify_mode = ssl.CERT_OPTIONAL
    asking.post_handshake_auth = True
    own = ssl.create_default_context()
    own.post_handshake_auth = True

    def script(connection):
        server = ServerEngine(connection, asking)
        server.do(server.engine.do_handshake)
        request = b""
        while b"\r\n\r\n" not in request:
            request += server.do(server.engine.read, 65536)
        server.engine.verify_client_post_handshake()
        server.do(server.engine.do_handshake)
        while not server.engine.getpeercert():
            server.take_answer()
        seen.append(dict(field[0] for field in server.engine.getpeercert()["subject"])["commonName"])

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        socket.control.client_certificate = loaded(make("client", root))
        socket.control.ssl_context = own
        socket.control.ignorable_server_certificate_errors.extend(ignorable)
        with pytest.raises(ConnectionLostError):
            socket.connect(uri.replace("ws:", "wss:"), timeout=LIMIT)
    assert seen == ["client"]


def test_the_application_s_context_is_not_changed(root, server_chain, client_tls):
    """A certificate of an earlier connect shows nowhere else."""
    with scripted_server(noting_peer([]), ssl_context=asking_context(server_chain, [root])) as uri:
        connect(uri, loaded(make("client", root)))
    context = asking_context(server_chain, [root], ssl.TLSVersion.TLSv1_3)
    with scripted_server(read_to_end, ssl_context=context) as uri, pytest.raises(TlsError) as caught:
        syncws.connect(uri, ssl_context=client_tls, timeout=LIMIT)
    assert caught.value.hresult == HResult.WININET_E_CLIENT_AUTH_CERT_NEEDED


def test_the_server_s_certificate_is_still_verified(root, server_chain):
    other = trustme.CA().issue_cert("localhost")
    with (
        scripted_server(read_to_end, ssl_context=asking_context(other, [root])) as uri,
        pytest.raises(syncws.CertificateError) as caught,
    ):
        connect(uri, loaded(make("client", root)))
    assert caught.value.hresult == HResult.WININET_E_INVALID_CA


# SSLKEYLOGFILE.


@each_version
def test_sslkeylogfile_gets_the_secrets_of_a_connection(authority, server_chain, tmp_path, monkeypatch, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_chain.configure_cert(context)
    context.minimum_version = context.maximum_version = version
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    with scripted_server(only_reads, ssl_context=context) as uri:
        connect(uri, None)
    labels = {line.split()[0] for line in log.read_text().splitlines() if not line.startswith("#")}
    wanted = "CLIENT_RANDOM" if version is ssl.TLSVersion.TLSv1_2 else "CLIENT_TRAFFIC_SECRET_0"
    assert wanted in labels


@pytest.mark.parametrize("value", [None, ""])
def test_without_sslkeylogfile_nothing_is_logged(server_tls, tmp_path, monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("SSLKEYLOGFILE", value)
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    contexts = []

    bare_context = tls_trust.bare_context

    def note():
        contexts.append(bare_context())
        return contexts[-1]

    monkeypatch.setattr(tls_trust, "_shared", {})
    monkeypatch.setattr(tls_trust, "bare_context", note)
    with scripted_server(only_reads, ssl_context=server_tls) as uri:
        connect(uri, None)
    assert [context.keylog_filename for context in contexts] == [None]
    assert sorted(os.listdir(tmp_path)) == before
