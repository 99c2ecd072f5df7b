"""Which context a connection uses, and how OpenSSL gets the client certificate: what is on disk, and that it goes."""

import os
import ssl
import stat
import tempfile

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from support import settings_with
from support.certificates import make, make_authority
from urllib3.util import ssl_

from syncws import Certificate, HResult, InvalidArgumentError, WebSocketError
from syncws._net.tls import trust
from syncws._net.tls.context import make_plan
from syncws._net.tls.trust import trusting_context


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def made():
    return make("client", make_authority())


def handshake_context(settings):
    return make_plan(settings).handshake


def settings_for(made, *others):
    pem = b"".join(one.pem for one in (made, *others))
    return settings_with(client_certificate=Certificate.from_pem(pem, made.key_pem()))


def watch_loading(monkeypatch, fail=None):
    """Note what load_cert_chain finds: its file's mode, its folder's mode, its content, the password."""
    seen = []
    original = ssl.SSLContext.load_cert_chain

    def load(self, path, keyfile=None, password=None):
        content = path.read_bytes()
        modes = [stat.S_IMODE(os.stat(one).st_mode) for one in (path, path.parent)]
        seen.append((modes, content, password, path))
        original(self, path, keyfile, password)
        if fail is not None:
            raise fail

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    return seen


def test_the_default_context_verifies_everything():
    context = trusting_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_the_default_context_is_the_same_where_urllib3_makes_those_of_pyopenssl(monkeypatch, tmp_path):
    class Foreign:
        """As urllib3.contrib.pyopenssl.inject_into_urllib3() puts it there: it has no wrap_bio()."""

        options = verify_flags = 0

        def __init__(self, protocol):
            assert protocol == ssl.PROTOCOL_TLS_CLIENT

        def set_ciphers(self, _):
            """Called by urllib3 1.26."""

    def shown(context):
        return type(context), {
            name: getattr(context, name)
            for name in dir(context)
            if not name.startswith("_") and isinstance(getattr(context, name), (int, str, type(None)))
        }

    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets"))
    usual = shown(trusting_context())
    monkeypatch.setattr(ssl_, "SSLContext", Foreign)
    assert shown(trusting_context()) == usual


def test_the_application_s_context_is_used_as_it_is(client_tls):
    assert handshake_context(settings_with(ssl_context=client_tls)) is client_tls


def test_a_context_is_made_once_for_the_settings_of_a_connect(folder, made):
    settings = settings_for(made)
    context = handshake_context(settings)
    # As the answer to a 401 has it.
    again = settings._replaced(request_headers=(("Authorization", "Basic x"),))
    assert handshake_context(again) is context
    assert handshake_context(settings_for(made)) is not context


def test_settings_that_go_on_without_the_certificate_get_a_context_without_it(folder, made):
    settings = settings_for(made)
    assert handshake_context(settings._replaced(client_certificate=None)) is not handshake_context(settings)


def test_beside_a_context_of_one_s_own_the_certificate_goes_into_a_copy(client_tls, folder, made):
    plan = make_plan(settings_for(made)._replaced(ssl_context=client_tls))
    assert plan.rules is client_tls
    assert plan.handshake is not client_tls
    assert plan.handshake.verify_mode is ssl.CERT_NONE
    assert client_tls.verify_mode is ssl.CERT_REQUIRED


def test_beside_a_context_that_verifies_nothing_nothing_is_verified(folder, made):
    own = ssl.create_default_context()
    own.check_hostname = False
    own.verify_mode = ssl.CERT_NONE
    plan = make_plan(settings_for(made)._replaced(ssl_context=own))
    assert plan.rules is None
    assert plan.handshake is not own


# A context's attributes, by which it has no TLS 1.2.
WITHOUT_TLS_1_2 = {
    "it begins above": {"minimum_version": ssl.TLSVersion.TLSv1_3},
    "it begins at the top": {"minimum_version": ssl.TLSVersion.MAXIMUM_SUPPORTED},
    "it ends below": {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1},
    "it leaves it out": {"options": ssl.OP_NO_TLSv1_2},
}


@pytest.mark.filterwarnings("ignore:ssl.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("attributes", WITHOUT_TLS_1_2.values(), ids=WITHOUT_TLS_1_2.keys())
def test_a_context_without_tls_1_2_cannot_be_the_rules(made, attributes):
    own = ssl.create_default_context()
    for name, value in attributes.items():
        setattr(own, name, value)
    with pytest.raises(InvalidArgumentError, match=r"without TLS 1\.2") as caught:
        make_plan(settings_for(made)._replaced(ssl_context=own))
    assert caught.value.hresult == HResult.E_INVALIDARG


def test_on_disk_the_key_is_encrypted_and_only_the_user_can_read_it(folder, made, monkeypatch):
    authority = make_authority()
    seen = watch_loading(monkeypatch)
    handshake_context(settings_for(made, authority))
    ((modes, content, password, path),) = seen
    if os.name == "posix":
        assert modes == [0o600, 0o700]
    assert path.parent.parent == folder
    assert content.startswith(made.pem + authority.pem)
    assert content.count(b"PRIVATE KEY-----") == 2
    key = content[content.index(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") :]
    assert load_pem_private_key(key, password).private_numbers() == made.key.private_numbers()
    der = made.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    number = made.key.private_numbers().private_value.to_bytes(32, "big")
    written = ssl.PEM_cert_to_DER_cert(key.decode().replace("ENCRYPTED PRIVATE KEY", "CERTIFICATE"))
    assert der not in written
    assert number not in written
    assert len(password) == 64


def test_no_two_keys_are_encrypted_under_the_same_password(folder, made, monkeypatch):
    seen = watch_loading(monkeypatch)
    handshake_context(settings_for(made))
    handshake_context(settings_for(made))
    assert seen[0][2] != seen[1][2]
    assert seen[0][1] != seen[1][1]


def test_the_temporary_file_is_gone_after_loading(folder, made):
    handshake_context(settings_for(made))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(5, "no"), WebSocketError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (TimeoutError("from the program's alarm"), TimeoutError),
    ],
    ids=["the system's", "Ctrl-C", "an alarm's"],
)
def test_the_temporary_file_is_gone_when_loading_fails(folder, made, monkeypatch, error, raised):
    seen = watch_loading(monkeypatch, fail=error)
    settings = settings_for(made)
    with pytest.raises(raised):
        handshake_context(settings)
    assert seen[0][3].parent.parent == folder
    assert list(folder.iterdir()) == []
    assert not settings._made_plans


def test_a_certificate_that_openssl_does_not_take_is_told(folder):
    weak = make("client", key=rsa.generate_private_key(65537, 1024))
    with pytest.raises(InvalidArgumentError, match="cannot be used: OpenSSL says EE_KEY_TOO_SMALL") as caught:
        handshake_context(settings_for(weak))
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert list(folder.iterdir()) == []


def test_a_key_that_cannot_sign_is_told(folder):
    made = make("client", make_authority(), x25519.X25519PrivateKey.generate())
    with pytest.raises(InvalidArgumentError, match="cannot be used: OpenSSL says"):
        handshake_context(settings_for(made))


def test_without_a_place_for_temporary_files_the_error_says_so(made, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(WebSocketError, match="needs a temporary file, which cannot be made: ") as caught:
        handshake_context(settings_for(made))
    assert caught.value.hresult == HResult.E_FAIL


def test_a_key_log_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "nowhere" / "keys"))
    with pytest.raises(WebSocketError, match="SSLKEYLOGFILE") as caught:
        trusting_context()
    assert caught.value.hresult == HResult.E_FAIL


def test_an_openssl_that_is_configured_to_do_nothing_is_told(monkeypatch):
    def refuse():
        raise ssl.SSLError(1, "[SSL: LIBRARY_HAS_NO_CIPHERS] library has no ciphers (_ssl.c:3098)")

    monkeypatch.setattr(ssl_, "create_urllib3_context", refuse)
    with pytest.raises(WebSocketError, match=r"OPENSSL_CONF.*library has no ciphers") as caught:
        trust.bare_context()
    assert "SSLKEYLOGFILE" not in str(caught.value)
    assert caught.value.hresult == HResult.E_FAIL
