"""Tests of syncws.certificates with certificates of a throw-away authority."""

import array
import datetime as dt
import hashlib
import importlib.util
import pathlib
import ssl
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from syncws import Certificate, DataReader, HResult, InvalidArgumentError, InvalidArgumentTypeError, WebSocketError

FROM = dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
TO = dt.datetime(2040, 6, 7, 8, 9, 10, tzinfo=dt.UTC)


def make_der(subject, issuer, serial_number):
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        subject_name=x509.Name([x509.NameAttribute(*field) for field in subject]),
        issuer_name=x509.Name([x509.NameAttribute(*field) for field in issuer]),
        public_key=key.public_key(),
        serial_number=serial_number,
        not_valid_before=FROM,
        not_valid_after=TO,
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def der():
    subject = [(NameOID.ORGANIZATION_NAME, "Fabrikam"), (NameOID.COMMON_NAME, "www.fabrikam.com")]
    issuer = [(NameOID.ORGANIZATION_NAME, "An Authority"), (NameOID.COMMON_NAME, "The Root")]
    return make_der(subject, issuer, 0x80FF01)


def test_the_blob_is_the_bytes_that_it_was_made_from(der):
    assert Certificate(der).get_certificate_blob() == der


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_certificate_is_made_from_any_kind_of_bytes(der, kind):
    assert Certificate(kind(der)).get_certificate_blob() == der


def test_a_certificate_does_not_change_with_the_bytes_that_it_was_made_from(der):
    blob = bytearray(der)
    certificate = Certificate(blob)
    blob[0] = 0
    assert certificate.get_certificate_blob() == der


def test_the_certificate_of_a_running_authority_can_be_read(authority):
    pem = authority.cert_pem.bytes().decode()
    certificate = Certificate(ssl.PEM_cert_to_DER_cert(pem))
    assert "trustme" in certificate.subject
    assert certificate.subject == certificate.issuer


def test_subject_is_the_common_name(der):
    assert Certificate(der).subject == "www.fabrikam.com"


def test_issuer_is_the_common_name(der):
    assert Certificate(der).issuer == "The Root"


def test_a_name_without_common_name_is_shown_whole():
    nameless = make_der([(NameOID.ORGANIZATION_NAME, "Fabrikam")], [(NameOID.COUNTRY_NAME, "DE")], 1)
    assert Certificate(nameless).subject == "O=Fabrikam"
    assert Certificate(nameless).issuer == "C=DE"


def test_the_serial_number_is_big_endian_bytes(der):
    assert Certificate(der).serial_number == b"\x80\xff\x01"


def test_the_times_are_in_utc(der):
    certificate = Certificate(der)
    assert certificate.valid_from == FROM
    assert certificate.valid_to == TO
    assert certificate.valid_from.utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize(("arguments", "name"), [((), "sha1"), (("SHA1",), "sha1"), (("SHA256",), "sha256")])
def test_the_hash_value_is_the_thumbprint(der, arguments, name):
    assert Certificate(der).get_hash_value(*arguments) == hashlib.new(name, der).digest()


@pytest.mark.parametrize("name", ["MD5", "sha1", "", "SHA-256", None])
def test_other_hash_algorithms_are_refused(der, name):
    with pytest.raises(InvalidArgumentError, match="must be SHA1 or SHA256") as raised:
        Certificate(der).get_hash_value(name)
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("make", [bytearray, memoryview, lambda der: array.array("B", der)])
def test_it_is_made_from_any_object_with_the_buffer_protocol(make, der):
    assert Certificate(make(der)).get_certificate_blob() == der


@pytest.mark.skipif(
    sys.version_info < (3, 12) and importlib.util.find_spec("syncws._streams._exporter") is None,
    reason="Python 3.11, built without a compiler",
)
def test_it_is_made_from_a_buffer(der):
    buffer = DataReader.from_buffer(der).read_buffer(len(der))
    assert Certificate(buffer).get_certificate_blob() == der


def test_a_memoryview_that_was_released_is_refused(der):
    blob = memoryview(der)
    blob.release()
    with pytest.raises(InvalidArgumentError, match="released"):
        Certificate(blob)


@pytest.mark.parametrize("blob", [None, "text", 5, [1, 2], pathlib.Path("a.der")])
def test_what_is_no_bytes_is_refused(blob):
    with pytest.raises(InvalidArgumentTypeError, match="made from DER bytes") as raised:
        Certificate(blob)
    assert raised.value.hresult == HResult.E_INVALIDARG


def test_no_bytes_at_all_are_refused():
    with pytest.raises(InvalidArgumentError, match="these are empty") as raised:
        Certificate(b"")
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("field", ["subject", "issuer", "serial_number", "valid_from", "valid_to"])
def test_bytes_that_are_no_certificate_show_when_a_field_is_asked_for(field):
    certificate = Certificate(b"no certificate")
    with pytest.raises(InvalidArgumentError, match="not a DER certificate") as raised:
        getattr(certificate, field)
    assert raised.value.hresult == HResult.E_INVALIDARG


def test_the_hash_value_of_bytes_that_are_no_certificate_can_still_be_had():
    assert Certificate(b"x").get_hash_value() == hashlib.sha1(b"x").digest()


@pytest.mark.parametrize("field", ["subject", "issuer", "serial_number", "valid_from", "valid_to"])
def test_without_cryptography_the_error_names_the_extra(der, monkeypatch, field):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(WebSocketError, match=r'pip install "syncws\[certificates\]"'):
        getattr(Certificate(der), field)


def test_without_cryptography_blob_and_hash_value_can_be_had(der, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    certificate = Certificate(der)
    assert certificate.get_certificate_blob() == der
    assert len(certificate.get_hash_value()) == 20


def test_certificates_of_the_same_bytes_are_equal(der):
    assert Certificate(der) == Certificate(der)
    assert hash(Certificate(der)) == hash(Certificate(der))
    assert Certificate(der) != Certificate(der + b"x")
    assert Certificate(der) != der


def test_repr_shows_the_thumbprint(der):
    assert repr(Certificate(der)) == f"<Certificate SHA256={hashlib.sha256(der).hexdigest()}>"
