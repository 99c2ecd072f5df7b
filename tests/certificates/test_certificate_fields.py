"""What Certificate shows of certificates of every kind."""

import copy
import ipaddress
import pickle
import ssl
import sys

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from support.certificates import make, make_authority

from syncws import (
    Certificate,
    CertificateKeyUsages,
    HResult,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    SubjectAlternativeNameInfo,
    WebSocketError,
)

PRINCIPAL_NAME = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
FIELDS = [
    "subject_alternative_name",
    "enhanced_key_usages",
    "key_usages",
    "key_algorithm_name",
    "signature_algorithm_name",
    "signature_hash_algorithm_name",
]
# The members in WinRT's order, as `cryptography` names them.
USAGES = {
    "encipher_only": "encipher_only",
    "crl_sign": "crl_sign",
    "key_certificate_sign": "key_cert_sign",
    "key_agreement": "key_agreement",
    "data_encipherment": "data_encipherment",
    "key_encipherment": "key_encipherment",
    "non_repudiation": "content_commitment",
    "digital_signature": "digital_signature",
}


def with_names(*names):
    return Certificate(make(extensions=[x509.SubjectAlternativeName(names)]).der)


def with_usages(*names):
    usages = {**dict.fromkeys(USAGES.values(), False), "decipher_only": False, **dict.fromkeys(names, True)}
    return Certificate(make(extensions=[x509.KeyUsage(**usages)]).der)


@pytest.fixture(scope="module")
def plain():
    return make()


# Names.


def test_each_kind_of_further_name_stands_in_its_own_sequence():
    certificate = with_names(
        x509.DNSName("example.org"),
        x509.DNSName("*.example.org"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.RFC822Name("user@example.org"),
        x509.UniformResourceIdentifier("spiffe://example.org/job"),
        x509.DirectoryName(
            x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(NameOID.COMMON_NAME, "A, B")])
        ),
        x509.OtherName(PRINCIPAL_NAME, b"\x0c\x10user@example.org"),
        x509.OtherName(ObjectIdentifier("1.2.3.4"), b"\x0c\x01x"),
        x509.RegisteredID(ObjectIdentifier("1.2.3.4")),
    )
    assert certificate.subject_alternative_name == SubjectAlternativeNameInfo(
        dns_name=("example.org", "*.example.org"),
        ip_address=("192.0.2.1", "2001:db8::1"),
        email_name=("user@example.org",),
        url=("spiffe://example.org/job",),
        distinguished_name=("CN=A\\, B,C=DE",),
        principal_name=("user@example.org",),
    )


def test_without_further_names_every_sequence_is_empty(plain):
    info = Certificate(plain.der).subject_alternative_name
    assert tuple(info) == ((), (), (), (), (), ())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\x0c\x03a\xc3\xa9", "aé"),
        (b"\x0c\x81\x82" + b"x" * 130, "x" * 130),
        (b"\x0c\x82\x01\x2c" + b"x" * 300, "x" * 300),
        (b"\x0c\x00", ""),
        (b"\x13\x02ab", "ab"),
        (b"\x16\x02ab", "ab"),
        (b"\x1e\x04\x00a\x00b", "ab"),
    ],
)
def test_a_principal_name_is_read_in_each_form_that_a_string_has(value, text):
    assert with_names(x509.OtherName(PRINCIPAL_NAME, value)).subject_alternative_name.principal_name == (text,)


@pytest.mark.parametrize("value", [b"\x0c\x01\xff", b"\x04\x01a", b"\x13\x01\xc3", b"\x1e\x01a"])
def test_a_principal_name_that_is_no_text_is_told(value):
    certificate = with_names(x509.OtherName(PRINCIPAL_NAME, value))
    with pytest.raises(InvalidArgumentError, match="principal name is not text") as caught:
        _ = certificate.subject_alternative_name
    assert caught.value.hresult == HResult.E_INVALIDARG


def test_the_names_of_a_server_s_certificate():
    issued = trustme.CA().issue_cert("localhost", "127.0.0.1", "::1")
    certificate = Certificate(ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode()))
    assert certificate.subject_alternative_name.dns_name == ("localhost",)
    assert certificate.subject_alternative_name.ip_address == ("127.0.0.1", "::1")


def test_an_extension_that_cannot_be_read_is_told():
    oid = x509.SubjectAlternativeName.oid
    certificate = Certificate(make(extensions=[x509.UnrecognizedExtension(oid, b"garbage")]).der)
    with pytest.raises(InvalidArgumentError, match="certificate cannot be read") as caught:
        _ = certificate.subject_alternative_name
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert certificate.subject == "client"


# Usages.


def test_enhanced_key_usages_are_oids():
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SMARTCARD_LOGON, ObjectIdentifier("1.2.3.4")]
    certificate = Certificate(make(extensions=[x509.ExtendedKeyUsage(usages)]).der)
    assert certificate.enhanced_key_usages == ("1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.2", "1.2.3.4")


def test_without_enhanced_key_usages_the_sequence_is_empty(plain):
    assert Certificate(plain.der).enhanced_key_usages == ()


@pytest.mark.parametrize("member", [name for name in USAGES if name != "encipher_only"])
def test_each_key_usage_has_its_member(member):
    usages = with_usages(USAGES[member]).key_usages
    assert usages == CertificateKeyUsages(**{member: True})
    assert getattr(usages, member) is True


def test_encipher_only_goes_with_key_agreement():
    usages = with_usages("key_agreement", "encipher_only").key_usages
    assert usages == CertificateKeyUsages(key_agreement=True, encipher_only=True)


def test_without_key_usage_every_member_is_false(plain):
    assert Certificate(plain.der).key_usages == CertificateKeyUsages()
    assert not any(tuple(CertificateKeyUsages()))
    assert len(tuple(CertificateKeyUsages())) == 8


def test_the_usages_of_an_authority():
    usages = Certificate(make_authority().der).key_usages
    assert (usages.key_certificate_sign, usages.crl_sign, usages.digital_signature) == (True, True, True)
    assert not usages.key_encipherment


# Algorithms.


@pytest.mark.parametrize(
    ("make_key", "name", "signature", "function"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RSA", "RSA", "SHA256"),
        (lambda: dsa.generate_private_key(2048), "DSA", "DSA", "SHA256"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ECDSA_P256", "ECDSA", "SHA256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ECDSA_P384", "ECDSA", "SHA256"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "ECDSA_P521", "ECDSA", "SHA256"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "ECDSA", "ECDSA", "SHA256"),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519", "Ed25519", ""),
    ],
    ids=["RSA", "DSA", "P-256", "P-384", "P-521", "secp256k1", "Ed25519"],
)
def test_the_algorithms_of_each_kind_of_key(make_key, name, signature, function):
    certificate = Certificate(make(key=make_key()).der)
    assert certificate.key_algorithm_name == name
    assert certificate.signature_algorithm_name == signature
    assert certificate.signature_hash_algorithm_name == function


@pytest.mark.parametrize(
    ("key", "name"), [(ed448.Ed448PrivateKey.generate, "Ed448"), (x25519.X25519PrivateKey.generate, "X25519")]
)
def test_the_key_and_the_issuer_s_signature_are_told_apart(key, name):
    certificate = Certificate(make(key=key(), issuer=make_authority()).der)
    assert certificate.key_algorithm_name == name
    assert certificate.signature_algorithm_name == "ECDSA"


@pytest.mark.parametrize(("function", "name"), [(hashes.SHA384(), "SHA384"), (hashes.SHA512(), "SHA512")])
def test_the_hash_function_is_the_signature_s(function, name):
    assert Certificate(make(function=function).der).signature_hash_algorithm_name == name


def test_rsa_with_pss_is_told_apart():
    made = make(key=rsa.generate_private_key(65537, 2048), rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), 32))
    certificate = Certificate(made.der)
    assert (certificate.key_algorithm_name, certificate.signature_algorithm_name) == ("RSA", "RSASSA-PSS")
    assert certificate.signature_hash_algorithm_name == "SHA256"


def test_algorithms_without_a_name_are_shown_as_oids(plain):
    # ecPublicKey, and ecdsa-with-SHA256 in both its places, become numbers that nobody has given out.
    der = plain.der.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d027f"))
    der = der.replace(bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d047f02"))
    certificate = Certificate(der)
    assert certificate.key_algorithm_name == "1.2.840.10045.2.127"
    assert certificate.signature_algorithm_name == "1.2.840.10045.4.127.2"
    assert certificate.signature_hash_algorithm_name == ""


def test_a_curve_that_is_not_known_is_ecdsa(plain):
    # prime256v1 becomes a curve that nobody has defined.
    der = plain.der.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f"))
    assert Certificate(der).key_algorithm_name == "ECDSA"


# The rest.


def test_the_friendly_name_can_be_set(plain):
    certificate = Certificate(plain.der)
    assert certificate.friendly_name == ""
    certificate.friendly_name = "my own"
    assert certificate.friendly_name == "my own"
    with pytest.raises(InvalidArgumentTypeError, match="friendly_name must be str, not int") as caught:
        certificate.friendly_name = 5
    assert caught.value.hresult == HResult.E_INVALIDARG


def test_what_is_about_windows_key_store_says_that_there_is_none(plain):
    certificate = Certificate(plain.der)
    assert certificate.is_strongly_protected is False
    assert certificate.is_security_device_bound is False
    assert certificate.is_per_user is False
    assert certificate.key_storage_provider_name == ""
    assert certificate.store_name == ""


def test_a_certificate_from_der_has_no_private_key(plain):
    assert Certificate(plain.der).has_private_key is False
    assert Certificate(plain.der).intermediate_certificates == ()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_certificate_without_a_key_can_be_copied_and_pickled(plain, duplicate):
    certificate = Certificate(plain.der)
    certificate.friendly_name = "my own"
    assert certificate.subject == "client"
    made = duplicate(certificate)
    assert made is not certificate
    assert (made, made.friendly_name, made.subject) == (certificate, "my own", "client")


@pytest.mark.parametrize("field", FIELDS)
def test_bytes_that_are_no_certificate_show_when_a_field_is_asked_for(field):
    with pytest.raises(InvalidArgumentError, match="not a DER certificate"):
        getattr(Certificate(b"no certificate"), field)


@pytest.mark.parametrize("field", FIELDS)
def test_without_cryptography_the_error_names_the_extra(plain, monkeypatch, field):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(WebSocketError, match=r'pip install "syncws\[certificates\]"'):
        getattr(Certificate(plain.der), field)
