"""Whom TLS trusts: control.ca_file, the system's authorities and the environment's, and contexts of truststore."""

import shutil
import ssl
import subprocess

import pytest
from support import LIMIT, echo, running_server
from support.certificates import make, make_authority

import syncws
from syncws import (
    Certificate,
    CertificateError,
    ChainValidationResult,
    HResult,
    InvalidArgumentError,
    InvalidArgumentTypeError,
)


@pytest.fixture
def bundle(authority, tmp_path):
    """A file with the authority of the servers."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def stranger(tmp_path):
    """A file with an authority of nobody."""
    path = tmp_path / "stranger.pem"
    path.write_bytes(make_authority("Somebody Else").pem)
    return path


def hashed(file, folder):
    """Return a folder with a certificate under the name by which OpenSSL finds it, and other things."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    folder.mkdir()
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(file)], check=True, capture_output=True, text=True
    ).stdout.strip()
    (folder / f"{name}.0").write_bytes(file.read_bytes())
    (folder / "README").write_text("x")
    return folder


@pytest.fixture
def server(server_tls):
    """The URI of a server with TLS."""
    with running_server(echo, ssl_context=server_tls) as uri:
        yield uri


def talk(uri, **settings):
    with syncws.connect(uri, timeout=LIMIT, **settings) as socket:
        socket.send("through")
        assert socket.receive() == "through"
        return socket.information


def fails(uri, **settings):
    with pytest.raises(CertificateError) as caught:
        talk(uri, **settings)
    assert caught.value.hresult == HResult.WININET_E_INVALID_CA
    return caught.value


@pytest.mark.parametrize("is_alone", [False, True])
@pytest.mark.parametrize("kind", [str, "path", "folder"])
def test_an_authority_of_one_s_own_is_trusted(server, bundle, tmp_path, kind, is_alone):
    path = hashed(bundle, tmp_path / "folder") if kind == "folder" else bundle
    information = talk(server, ca_file=str(path) if kind is str else path, trusts_system_authorities=not is_alone)
    assert information.server_certificate_errors == ()


def test_another_authority_is_no_help(server, stranger, tmp_path):
    assert ChainValidationResult.UNTRUSTED in fails(server, ca_file=stranger).certificate_errors
    fails(server, ca_file=hashed(stranger, tmp_path / "folder"))


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_environment_s_authorities_stand_for_the_system_s(
    server, bundle, stranger, tmp_path, monkeypatch, variable
):
    path = hashed(bundle, tmp_path / "folder") if variable == "SSL_CERT_DIR" else bundle
    fails(server)
    monkeypatch.setenv(variable, str(path))
    talk(server)
    talk(server, ca_file=stranger)
    fails(server, ca_file=stranger, trusts_system_authorities=False)


def test_the_error_for_an_unknown_authority_names_what_helps(server):
    text = str(fails(server))
    for way in (
        "control.ca_file",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "truststore",
        "ignorable_server_certificate_errors",
    ):
        assert way in text


def test_it_works_together_with_errors_that_may_pass(server, bundle, stranger):
    ignorable = [ChainValidationResult.UNTRUSTED]
    assert talk(server, ca_file=bundle, ignorable_server_certificate_errors=ignorable).server_certificate_errors == ()
    errors = talk(server, ca_file=stranger, ignorable_server_certificate_errors=ignorable).server_certificate_errors
    assert ChainValidationResult.UNTRUSTED in errors


def test_a_context_of_truststore_is_used_as_any_other(server, bundle):
    truststore = pytest.importorskip("truststore", reason="of the extra test")
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert "truststore" in str(fails(server, ssl_context=context))
    context.load_verify_locations(bundle)
    information = talk(server, ssl_context=context)
    assert information.server_certificate is not None


@pytest.fixture
def injected(server):
    """The whole process uses truststore's contexts, except for the server, which was there before."""
    truststore = pytest.importorskip("truststore", reason="of the extra test")
    truststore.inject_into_ssl()
    try:
        yield truststore
    finally:
        truststore.extract_from_ssl()


def test_where_all_contexts_are_truststore_s_the_system_s_authorities_are_asked(server, injected, bundle, monkeypatch):
    fails(server)
    talk(server, ca_file=bundle)
    # The system's, for truststore on Linux as well as for this library.
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    talk(server)


def client_certificate():
    one = make("client", make_authority())
    return Certificate.from_pem(one.pem, one.key_pem())


@pytest.mark.parametrize(
    ("name", "make_value"),
    [
        ("trusts_system_authorities", lambda: False),
        ("ignorable_server_certificate_errors", lambda: [ChainValidationResult.UNTRUSTED]),
        ("client_certificate", client_certificate),
    ],
)
def test_where_all_contexts_are_truststore_s_what_they_do_not_keep_to_is_refused(injected, stranger, name, make_value):
    text = refused(ca_file=stranger, **{name: make_value()})
    assert f"control.{name} cannot be used while ssl.SSLContext is truststore" in text


# What is refused, before anything is sent.


def refused(**settings):
    with pytest.raises(InvalidArgumentError) as caught:
        # Nobody listens: the error comes first.
        syncws.connect("wss://127.0.0.1:9/", timeout=LIMIT, **settings)
    return caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "nothing.pem"
    assert refused(ca_file=path) == f"control.ca_file {str(path)!r} cannot be read: No such file or directory"


def test_a_file_without_certificates_is_told(tmp_path):
    path = tmp_path / "empty.pem"
    path.write_text("no certificate\n")
    assert refused(ca_file=path) == f"control.ca_file {str(path)!r} has no certificate in PEM form"


@pytest.mark.parametrize("spoil", [lambda pem: pem[:-40], lambda pem: pem.rstrip() + pem], ids=["cut off", "joined"])
def test_a_file_with_a_certificate_that_cannot_be_read_is_told(bundle, tmp_path, spoil):
    path = tmp_path / "spoiled.pem"
    path.write_bytes(spoil(bundle.read_bytes()))
    assert refused(ca_file=path) == (
        f"control.ca_file {str(path)!r} has something in PEM form that cannot be read: one that is cut off, or a BEGIN "
        "that is not on a line of its own"
    )


def test_a_folder_without_hashed_names_is_told(bundle):
    assert "no file has a hashed name: run openssl rehash" in refused(ca_file=bundle.parent)


def test_a_path_that_no_system_takes_is_told():
    assert "cannot be read: embedded null byte" in refused(ca_file="a\0b")


def test_somebody_must_be_trusted():
    assert "must say whom to trust" in refused(trusts_system_authorities=False)


@pytest.mark.parametrize("settings", [{"ca_file": "x.pem"}, {"trusts_system_authorities": False}])
def test_a_context_has_its_own_authorities(client_tls, settings):
    assert "load_verify_locations" in refused(ssl_context=client_tls, **settings)


def test_over_ws_it_is_not_read(tmp_path):
    with running_server(echo) as uri:
        talk(uri, ca_file=tmp_path / "nothing.pem")


@pytest.mark.parametrize(
    ("value", "error"),
    [("", InvalidArgumentError), (b"x", InvalidArgumentTypeError), (3, InvalidArgumentTypeError)],
)
def test_what_is_no_path_is_refused(value, error):
    control = syncws.MessageWebSocket().control
    with pytest.raises(error, match="ca_file must"):
        control.ca_file = value
    assert control.ca_file is None
