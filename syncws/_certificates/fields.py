"""What a certificate's fields say: names, usages, algorithms, and the two structures that hold them.

`cryptography` is imported when a field is first asked for, because that takes longer than all of syncws. Where it has
no wheel it is missing without the extra `certificates`. Plain values: any thread may use them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from syncws.errors import InvalidArgumentError, WebSocketError

if TYPE_CHECKING:
    from cryptography import x509

    Parsed: TypeAlias = x509.Certificate
else:
    Parsed = Any

__all__ = [
    "CertificateKeyUsages",
    "Parsed",
    "SubjectAlternativeNameInfo",
    "enhanced_key_usages",
    "key_algorithm_name",
    "key_usages",
    "missing_extra",
    "parse",
    "reading",
    "serial_number",
    "shown_name",
    "signature_algorithm_name",
    "signature_hash_algorithm_name",
    "subject_alternative_name",
]

ExtensionT = TypeVar("ExtensionT", bound="x509.ExtensionType")

_COMMON_NAME = "2.5.4.3"

# Microsoft's user principal name, a general name of the kind otherName.
_PRINCIPAL_NAME = "1.3.6.1.4.1.311.20.2.3"

# Encodings of ASN.1's strings by their tags: UTF8String, PrintableString, IA5String, BMPString.
_ENCODING_OF_TAG = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x1E: "utf-16-be"}

# Names as Windows' CNG has them, where it has the algorithm.
_ELLIPTIC_CURVES = "1.2.840.10045.2.1"
_KEY_ALGORITHMS = {
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSA",  # for RSASSA-PSS only
    "1.2.840.10040.4.1": "DSA",
    "1.3.101.110": "X25519",
    "1.3.101.111": "X448",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
_CURVES = {"secp256r1": "ECDSA_P256", "secp384r1": "ECDSA_P384", "secp521r1": "ECDSA_P521"}
_SIGNATURE_ALGORITHMS = {
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
# Families of OIDs; the last number tells the hash function. One of them holds several.
_SIGNATURE_FAMILIES = {
    "1.2.840.113549.1.1": "RSA",
    "1.2.840.10040.4": "DSA",
    "1.2.840.10045.4": "ECDSA",
    "1.2.840.10045.4.3": "ECDSA",
}
_SIGNATURE_ALGORITHMS |= {
    f"2.16.840.1.101.3.4.3.{number}": name
    for name, numbers in (("DSA", range(1, 9)), ("ECDSA", range(9, 13)), ("RSA", range(13, 17)))
    for number in numbers
}


class SubjectAlternativeNameInfo(NamedTuple):
    """Further names of a certificate's subject (….Certificates.SubjectAlternativeNameInfo); each () for none.

    Attributes:
        dns_name (tuple[str, ...]): host names, international ones as xn--….
        ip_address (tuple[str, ...]): IP addresses.
        email_name (tuple[str, ...]): e-mail addresses.
        url (tuple[str, ...]): URIs.
        distinguished_name (tuple[str, ...]): directory names, as RFC 4514 writes them.
        principal_name (tuple[str, ...]): Windows' user principal names.
    """

    dns_name: tuple[str, ...] = ()
    ip_address: tuple[str, ...] = ()
    email_name: tuple[str, ...] = ()
    url: tuple[str, ...] = ()
    distinguished_name: tuple[str, ...] = ()
    principal_name: tuple[str, ...] = ()


class CertificateKeyUsages(NamedTuple):
    """What a certificate's key may be used for (….Certificates.CertificateKeyUsages; RFC 5280 4.2.1.3).

    Attributes:
        crl_sign (bool): signing revocation lists.
        data_encipherment (bool): encrypting data.
        digital_signature (bool): signing, as TLS does.
        encipher_only (bool): with key_agreement: only for encrypting.
        key_agreement (bool): agreeing on keys.
        key_certificate_sign (bool): signing certificates.
        key_encipherment (bool): encrypting keys.
        non_repudiation (bool): signatures that the signer cannot deny.
    """

    crl_sign: bool = False
    data_encipherment: bool = False
    digital_signature: bool = False
    encipher_only: bool = False
    key_agreement: bool = False
    key_certificate_sign: bool = False
    key_encipherment: bool = False
    non_repudiation: bool = False


def missing_extra(error: ImportError) -> WebSocketError:
    """Return the error for a `cryptography` that is not there, as on machines for which it has no wheel.

    Or that is there and cannot be used, as in a subinterpreter.
    """
    if isinstance(error, ModuleNotFoundError):
        why = 'is not installed: pip install "syncws[certificates]"'
    else:
        why = f"cannot be loaded here: {error}"
    return WebSocketError(f"reading certificates and loading keys needs cryptography, which {why}")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn the errors of `cryptography` about a certificate into one of ours, whose message begins with `what`.

    Raises:
        InvalidArgumentError: it cannot read something of the certificate (0x80070057).
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        yield
    except InvalidArgumentError:
        raise
    except (
        ValueError,
        TypeError,
        OverflowError,
        NotImplementedError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as exc:
        raise InvalidArgumentError(f"{what}: {type(exc).__name__}: {exc}") from exc


def parse(blob: bytes) -> Parsed:
    """Read a certificate in DER form.

    Raises:
        WebSocketError: the extra is missing (0x80004005).
        InvalidArgumentError: it is none (0x80070057).
    """
    # Here and not above: it is heavy, and not there on every machine.
    try:
        from cryptography import x509
    except ImportError as exc:
        raise missing_extra(exc) from exc
    with reading("these bytes are not a DER certificate of a known version"):
        return x509.load_der_x509_certificate(blob)


def serial_number(certificate: Parsed) -> bytes:
    """Return the serial number, big-endian."""
    number = certificate.serial_number
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def shown_name(name: "x509.Name") -> str:
    """Return the common name, or the whole name when it has none."""
    common_names = [attribute.value for attribute in name if attribute.oid.dotted_string == _COMMON_NAME]
    return str(common_names[0]) if common_names else name.rfc4514_string()


def _extension(certificate: Parsed, kind: type[ExtensionT]) -> ExtensionT | None:
    """Return one extension; None when the certificate has none of that kind."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def subject_alternative_name(certificate: Parsed) -> SubjectAlternativeNameInfo:
    """Return the names of the extension subjectAltName (RFC 5280 4.2.1.6)."""
    from cryptography import x509

    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return SubjectAlternativeNameInfo()
    others = names.get_values_for_type(x509.OtherName)
    return SubjectAlternativeNameInfo(
        dns_name=tuple(names.get_values_for_type(x509.DNSName)),
        ip_address=tuple(map(str, names.get_values_for_type(x509.IPAddress))),
        email_name=tuple(names.get_values_for_type(x509.RFC822Name)),
        url=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        distinguished_name=tuple(name.rfc4514_string() for name in names.get_values_for_type(x509.DirectoryName)),
        principal_name=tuple(_text(name.value) for name in others if name.type_id.dotted_string == _PRINCIPAL_NAME),
    )


def _text(der: bytes) -> str:
    """Return the text of one of ASN.1's strings (X.690 8.1, 8.23), whose length the parser has checked."""
    start = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    try:
        return der[start:].decode(_ENCODING_OF_TAG[der[0]])
    except (KeyError, UnicodeDecodeError) as exc:
        raise InvalidArgumentError("the certificate's principal name is not text") from exc


def enhanced_key_usages(certificate: Parsed) -> tuple[str, ...]:
    """Return the OIDs of the extension extKeyUsage (RFC 5280 4.2.1.12)."""
    from cryptography import x509

    usages = _extension(certificate, x509.ExtendedKeyUsage)
    return tuple(usage.dotted_string for usage in usages or ())


def key_usages(certificate: Parsed) -> CertificateKeyUsages:
    """Return what the extension keyUsage allows (RFC 5280 4.2.1.3)."""
    from cryptography import x509

    usages = _extension(certificate, x509.KeyUsage)
    if usages is None:
        return CertificateKeyUsages()
    return CertificateKeyUsages(
        crl_sign=usages.crl_sign,
        data_encipherment=usages.data_encipherment,
        digital_signature=usages.digital_signature,
        encipher_only=usages.key_agreement and usages.encipher_only,
        key_agreement=usages.key_agreement,
        key_certificate_sign=usages.key_cert_sign,
        key_encipherment=usages.key_encipherment,
        non_repudiation=usages.content_commitment,
    )


def key_algorithm_name(certificate: Parsed) -> str:
    """Return the key's algorithm; of an unknown one the OID."""
    number = certificate.public_key_algorithm_oid.dotted_string
    return _curve_name(certificate) if number == _ELLIPTIC_CURVES else _KEY_ALGORITHMS.get(number, number)


def _curve_name(certificate: Parsed) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        curve = getattr(certificate.public_key(), "curve", None)
    except (UnsupportedAlgorithm, ValueError):
        curve = None
    return _CURVES.get(getattr(curve, "name", ""), "ECDSA")


def signature_algorithm_name(certificate: Parsed) -> str:
    """Return the algorithm of the issuer's signature, without its hash function; of an unknown one the OID."""
    number = certificate.signature_algorithm_oid.dotted_string
    family = _SIGNATURE_FAMILIES.get(number.rpartition(".")[0], number)
    return _SIGNATURE_ALGORITHMS.get(number, family)


def signature_hash_algorithm_name(certificate: Parsed) -> str:
    """Return the hash function of the issuer's signature; "" where it has none of its own, or an unknown one."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        function = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return "" if function is None else function.name.upper()
