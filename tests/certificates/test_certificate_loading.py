"""Certificate.from_pem and Certificate.from_pkcs12: what they take, what they refuse, and that no key gets out."""

import copy
import pickle
import ssl
import subprocess
import sys
import traceback

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat, pkcs12
from support.certificates import PASSWORD, make, make_authority

from syncws import Certificate, HResult, InvalidArgumentError, InvalidArgumentTypeError, WebSocketError

# In no line of source that a traceback could show.
WRONG = "-".join(["another", "password"])
TRADITIONAL = PrivateFormat.TraditionalOpenSSL
KEYS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "DSA": lambda: dsa.generate_private_key(2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}


@pytest.fixture(scope="module")
def root():
    return make_authority("Root")


@pytest.fixture(scope="module")
def middle(root):
    return make_authority("Middle", root)


@pytest.fixture(scope="module")
def client(middle):
    return make("client", middle)


def blobs(certificate):
    return [certificate.get_certificate_blob(), *(one.get_certificate_blob() for one in intermediates(certificate))]


def intermediates(certificate):
    return certificate.intermediate_certificates


def refused(load, match, secrets=()):
    """Check an error's number, words, and that nothing of it shows a secret; return it."""
    with pytest.raises(InvalidArgumentError, match=match) as caught:
        load()
    error = caught.value
    assert error.hresult == HResult.E_INVALIDARG
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)
    for secret in secrets:
        lines = secret.splitlines() if isinstance(secret, str) else secret.decode().splitlines()
        assert not any(line in shown for line in lines if line and not line.startswith("-----"))
    return error


# PEM.


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_can_be_loaded(root, kind):
    made = make("client", root, KEYS[kind]())
    certificate = Certificate.from_pem(made.pem, made.key_pem())
    assert blobs(certificate) == [made.der]
    assert certificate.has_private_key is True
    assert certificate.subject == "client"
    assert certificate.friendly_name == ""


def test_a_key_that_stands_with_the_certificate_is_found(client):
    certificate = Certificate.from_pem(client.key_pem() + client.pem)
    assert blobs(certificate) == [client.der]
    assert certificate.has_private_key


@pytest.mark.parametrize("path", [str, lambda path: path], ids=["str", "Path"])
def test_files_are_read(client, tmp_path, path):
    (tmp_path / "client.pem").write_bytes(client.pem)
    (tmp_path / "client.key").write_bytes(client.key_pem(PASSWORD))
    certificate = Certificate.from_pem(path(tmp_path / "client.pem"), path(tmp_path / "client.key"), PASSWORD)
    assert blobs(certificate) == [client.der]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_content_is_taken_as_any_kind_of_bytes(client, kind):
    assert blobs(Certificate.from_pem(kind(client.pem), kind(client.key_pem()))) == [client.der]


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, TRADITIONAL], ids=["PKCS #8", "traditional"])
@pytest.mark.parametrize("password", [PASSWORD, PASSWORD.encode()], ids=["str", "bytes"])
def test_an_encrypted_key_is_opened_with_its_password(client, form, password):
    assert Certificate.from_pem(client.pem, client.key_pem(PASSWORD, form), password).has_private_key


def test_a_traditional_key_without_a_password_is_taken(client):
    assert Certificate.from_pem(client.pem, client.key_pem(form=TRADITIONAL)).has_private_key


def test_a_password_that_is_not_needed_is_not_looked_at(client):
    assert Certificate.from_pem(client.pem, client.key_pem(), "whatever").has_private_key


def test_remarks_between_the_blocks_and_windows_line_ends_do_no_harm(client):
    pem = b"Bag Attributes: none\n" + client.pem + b"\n# the key\n" + client.key_pem()
    assert Certificate.from_pem(pem.replace(b"\n", b"\r\n")).has_private_key


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["as cat does it", "with a byte order mark each"])
def test_files_that_were_joined_without_a_line_end_are_told_apart(client, middle, mark):
    content = b"".join(mark + pem.rstrip() for pem in (client.pem, middle.pem, client.key_pem()))
    assert blobs(Certificate.from_pem(content)) == [client.der, middle.der]


def test_the_chain_is_kept_in_order_whatever_the_order_in_the_file(client, middle, root):
    for chain in ([client, middle, root], [root, middle, client], [middle, client, root]):
        certificate = Certificate.from_pem(b"".join(made.pem for made in chain), client.key_pem())
        assert blobs(certificate) == [client.der, middle.der, root.der]
        assert [intermediate.has_private_key for intermediate in intermediates(certificate)] == [False, False]


def test_a_certificate_without_a_place_in_the_chain_comes_last_and_none_comes_twice(client, middle, root):
    other = make_authority("Other")
    chain = [client, other, root, middle, client, middle]
    certificate = Certificate.from_pem(b"".join(made.pem for made in chain) + client.key_pem())
    assert blobs(certificate) == [client.der, middle.der, root.der, other.der]


def test_a_self_signed_certificate_is_its_own_chain():
    made = make()
    assert blobs(Certificate.from_pem(made.pem + made.key_pem())) == [made.der]


def test_what_trustme_issues_can_be_loaded():
    issued = trustme.CA().create_child_ca().issue_cert("client@example.org")
    certificate = Certificate.from_pem(issued.private_key_and_cert_chain_pem.bytes())
    assert len(intermediates(certificate)) == len(issued.cert_chain_pems) - 1
    assert certificate.subject_alternative_name.email_name == ("client@example.org",)


def test_a_wrong_password_is_told_and_not_shown(client):
    key = client.key_pem(PASSWORD)
    refused(lambda: Certificate.from_pem(client.pem, key, WRONG), "password of the private key is wrong", [key, WRONG])


def test_a_wrong_password_of_a_traditional_key_is_told(client):
    key = client.key_pem(PASSWORD, TRADITIONAL)
    refused(lambda: Certificate.from_pem(client.pem, key, "wrong"), "password of the private key is wrong", [key])


@pytest.mark.parametrize("password", [None, "", b""])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, TRADITIONAL], ids=["PKCS #8", "traditional"])
def test_a_missing_password_is_told(client, password, form):
    key = client.key_pem(PASSWORD, form)
    refused(lambda: Certificate.from_pem(client.pem, key, password), "it needs a password", [key])


def test_a_missing_key_is_told(client):
    refused(lambda: Certificate.from_pem(client.pem), "holds no private key in PEM form, and private_key was not given")
    refused(lambda: Certificate.from_pem(client.pem, client.pem), "private_key holds no private key in PEM form")
    refused(lambda: Certificate.from_pem(client.pem, b""), "private_key holds no private key in PEM form")


def test_several_keys_are_refused(client):
    keys = client.key_pem() + client.key_pem()
    refused(lambda: Certificate.from_pem(client.pem + keys), "more than one private key", [keys])


def test_a_key_that_does_not_fit_is_told(client, middle):
    key = make().key_pem()
    refused(lambda: Certificate.from_pem(client.pem, key), "does not fit the certificate", [key])
    refused(lambda: Certificate.from_pem(client.pem + middle.pem, key), "does not fit any of the certificates", [key])


def test_a_key_of_another_kind_does_not_fit(client):
    key = make(key=KEYS["RSA"]()).key_pem()
    refused(lambda: Certificate.from_pem(client.pem, key), "does not fit", [key])


@pytest.mark.parametrize("content", [b"", b"garbage", b"\0\xff" * 50, b"-----END CERTIFICATE-----\n"])
def test_content_without_a_certificate_is_told(content):
    refused(lambda: Certificate.from_pem(content), "holds no certificate in PEM form")


def test_line_ends_that_an_environment_s_variable_has_lost_are_told(client):
    key = client.key_pem()
    spoilt_key = key.replace(b"\n", b"\\n")
    refused(lambda: Certificate.from_pem(client.pem.replace(b"\n", b"\\n"), key), "certificate has a backslash", [key])
    refused(lambda: Certificate.from_pem(client.pem, spoilt_key), "private_key has a backslash and an n", [spoilt_key])


def test_a_certificate_in_der_form_is_no_pem(client):
    refused(lambda: Certificate.from_pem(client.der, client.key_pem()), "holds no certificate in PEM form")


def test_a_damaged_certificate_is_told(client):
    damaged = client.pem.replace(b"\nMII", b"\nAAA")
    refused(lambda: Certificate.from_pem(damaged, client.key_pem()), "a PEM block that is not a certificate")


def test_a_damaged_key_is_told_and_not_shown(client):
    lines = client.key_pem().splitlines(keepends=True)
    key = b"".join([lines[0], lines[1][:-3] + b"!\n", *lines[2:]])
    refused(lambda: Certificate.from_pem(client.pem, key), "private key is damaged", [key])


def test_a_key_in_a_form_that_is_not_known_is_told(client):
    key = b"-----BEGIN ODD PRIVATE KEY-----\nQUJD\n-----END ODD PRIVATE KEY-----\n"
    refused(lambda: Certificate.from_pem(client.pem, key), "of a kind that is not supported", [key])


def test_a_key_of_an_algorithm_that_is_not_known_is_told(client):
    # PKCS #8 with the algorithm 1.2.3.4.
    key = b"-----BEGIN PRIVATE KEY-----\nMA0CAQAwBQYDKgMEBAEA\n-----END PRIVATE KEY-----\n"
    refused(lambda: Certificate.from_pem(client.pem, key), "of a kind that is not supported", [key])


def test_a_certificate_of_an_algorithm_that_is_not_known_fits_no_key(client):
    unknown = client.der.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d027f"))
    pem = make_pem(unknown)
    refused(lambda: Certificate.from_pem(pem, client.key_pem()), "does not fit the certificate")


def make_pem(der):
    return ssl.DER_cert_to_PEM_cert(der).encode()


def test_a_key_that_cannot_sign_loads_and_is_refused_only_where_it_is_used(root):
    made = make("client", root, x25519.X25519PrivateKey.generate())
    assert Certificate.from_pem(made.pem, made.key_pem()).key_algorithm_name == "X25519"


def test_a_block_that_is_cut_off_is_told_and_not_passed_over(client, middle):
    """The chain would lack it, and the server say no more than that it knows no such authority."""
    key = client.key_pem()
    for content in (client.pem + middle.pem[:-40] + b"\n" + key, client.pem + key + middle.pem[:-40]):
        refused(lambda pem=content: Certificate.from_pem(pem), "certificate holds a PEM block without its END", [key])
    refused(lambda: Certificate.from_pem(client.pem, key[:-30]), "private_key holds a PEM block without its END", [key])


def test_many_blocks_without_an_end_are_no_work():
    refused(lambda: Certificate.from_pem(b"-----BEGIN CERTIFICATE-----\n" * 200_000), "a PEM block without its END")


# PKCS #12.


@pytest.mark.parametrize("password", [None, "", b""])
def test_pkcs12_without_a_password_is_loaded(client, password):
    certificate = Certificate.from_pkcs12(client.bundle(), password)
    assert blobs(certificate) == [client.der]
    assert certificate.has_private_key


@pytest.mark.parametrize("password", [PASSWORD, PASSWORD.encode()], ids=["str", "bytes"])
def test_pkcs12_with_a_password_is_loaded(client, middle, root, password):
    certificate = Certificate.from_pkcs12(client.bundle(root, middle, password=PASSWORD), password)
    assert blobs(certificate) == [client.der, middle.der, root.der]
    assert certificate.has_private_key


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_can_be_loaded_from_pkcs12(root, kind):
    made = make("client", root, KEYS[kind]())
    assert blobs(Certificate.from_pkcs12(made.bundle(password=PASSWORD), PASSWORD)) == [made.der]


@pytest.mark.parametrize("path", [str, lambda path: path], ids=["str", "Path"])
def test_a_pkcs12_file_is_read(client, tmp_path, path):
    (tmp_path / "client.p12").write_bytes(client.bundle(password=PASSWORD))
    assert blobs(Certificate.from_pkcs12(path(tmp_path / "client.p12"), PASSWORD)) == [client.der]


@pytest.mark.parametrize(("name", "shown"), [("Grüße".encode(), "Grüße"), (None, "")])
def test_the_friendly_name_is_the_bundle_s(client, middle, name, shown):
    assert Certificate.from_pkcs12(client.bundle(middle, name=name)).friendly_name == shown


@pytest.mark.parametrize("options", [[], ["-legacy"], ["-descert"]])
@pytest.mark.parametrize("password", ["", PASSWORD])
def test_what_openssl_exports_can_be_loaded(client, middle, tmp_path, options, password):
    (tmp_path / "all.pem").write_bytes(client.pem + client.key_pem() + middle.pem)
    command = ["openssl", "pkcs12", "-export", "-in", "all.pem", "-out", "all.p12", "-name", "mine", *options]
    command += ["-passout", f"pass:{password}"]
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    if done.returncode:
        pytest.skip("this openssl does not know the option")
    certificate = Certificate.from_pkcs12(tmp_path / "all.p12", password)
    assert blobs(certificate) == [client.der, middle.der]
    assert certificate.friendly_name == "mine"


def test_a_wrong_password_of_pkcs12_is_told_and_not_shown(client):
    data = client.bundle(password=PASSWORD)
    refused(lambda: Certificate.from_pkcs12(data, WRONG), "password of the PKCS #12 data is wrong", [WRONG])


@pytest.mark.parametrize("password", [None, "", b""])
def test_a_missing_password_of_pkcs12_is_told(client, password):
    data = client.bundle(password=PASSWORD)
    refused(lambda: Certificate.from_pkcs12(data, password), "they need a password")


def test_pkcs12_without_a_key_is_told(client):
    data = pkcs12.serialize_key_and_certificates(None, None, client.certificate, None, NoEncryption())
    refused(lambda: Certificate.from_pkcs12(data), "hold no private key")


def test_pkcs12_without_a_certificate_is_told(client):
    data = pkcs12.serialize_key_and_certificates(b"x", client.key, None, None, NoEncryption())
    refused(lambda: Certificate.from_pkcs12(data), "hold no certificate")


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x30\x03\x02\x01\x03"])
def test_garbage_is_no_pkcs12(data):
    refused(lambda: Certificate.from_pkcs12(data), "holds no PKCS #12 data")


def test_pem_is_no_pkcs12(client):
    refused(lambda: Certificate.from_pkcs12(client.pem + client.key_pem()), "holds no PKCS #12", [client.key_pem()])


# Arguments.


@pytest.mark.parametrize("value", [None, 5, ["x"], object()])
def test_what_is_neither_path_nor_bytes_is_refused(client, value):
    with pytest.raises(InvalidArgumentTypeError, match="certificate must be a path"):
        Certificate.from_pem(value)
    with pytest.raises(InvalidArgumentTypeError, match="data_or_path must be a path"):
        Certificate.from_pkcs12(value)
    if value is not None:
        with pytest.raises(InvalidArgumentTypeError, match="private_key must be a path"):
            Certificate.from_pem(client.pem, value)


@pytest.mark.parametrize("password", [5, ["x"], bytearray(b"x")])
def test_a_password_of_another_type_is_refused(client, password):
    with pytest.raises(InvalidArgumentTypeError, match="password must be str, bytes or None"):
        Certificate.from_pem(client.pem, client.key_pem(), password)
    with pytest.raises(InvalidArgumentTypeError, match="password must be str, bytes or None"):
        Certificate.from_pkcs12(client.bundle(), password)


def test_a_password_with_lone_surrogates_is_refused(client):
    refused(lambda: Certificate.from_pkcs12(client.bundle(), f"{WRONG}\ud800"), "lone surrogates", [WRONG])


def test_the_text_of_a_pem_file_is_no_path_and_not_shown(client):
    text = client.key_pem().decode()
    refused(lambda: Certificate.from_pem(client.pem, text), "private_key is the text of a PEM file", [text])


def test_a_path_with_a_null_character_is_refused():
    refused(lambda: Certificate.from_pem("a\0b"), "certificate is not a path that")


def test_a_missing_file_is_the_system_s_error_which_names_it(client, tmp_path):
    for load in (Certificate.from_pem, Certificate.from_pkcs12, lambda path: Certificate.from_pem(client.pem, path)):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load(tmp_path / "nowhere")


def test_a_file_that_is_far_too_large_is_refused(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 32)
    refused(lambda: Certificate.from_pem(tmp_path / "large"), "a file of more than 1048576 bytes: .*large")


@pytest.mark.parametrize("load", [Certificate.from_pem, Certificate.from_pkcs12])
def test_without_cryptography_the_error_names_the_extra(monkeypatch, load):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(WebSocketError, match=r'pip install "syncws\[certificates\]"'):
        load(b"")


# The key stays inside.


def test_repr_shows_nothing_of_the_key(client):
    certificate = Certificate.from_pem(client.pem, client.key_pem())
    assert repr(certificate) == f"<Certificate SHA256={certificate.get_hash_value('SHA256').hex()}>"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_certificate_with_a_key_cannot_be_pickled(client, protocol):
    certificate = Certificate.from_pem(client.pem, client.key_pem())
    with pytest.raises(TypeError, match="its key would go with it"):
        pickle.dumps(certificate, protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_shares_the_key(client, middle, duplicate):
    certificate = Certificate.from_pkcs12(client.bundle(middle))
    made = duplicate(certificate)
    made.friendly_name = "another"
    assert blobs(made) == blobs(certificate)
    assert made.has_private_key
    assert certificate.friendly_name == "The Client"


def test_certificates_with_and_without_their_key_are_equal(client):
    assert Certificate.from_pem(client.pem, client.key_pem()) == Certificate(client.der)


def test_a_class_of_one_s_own_is_loaded_as_such(client):
    class Own(Certificate):
        pass

    assert type(Own.from_pem(client.pem, client.key_pem())) is Own
