"""Certificates of every kind, good and bad ones, for compliance.chains.

Needs `cryptography`.

What `cryptography` does not make (a date that is none, a version that does not exist, a curve written out) is put into
the bytes of a made certificate, which is then signed anew.
"""

import datetime as dt
import functools
import ipaddress
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = [
    "CLIENT",
    "CODE",
    "DAY",
    "NOW",
    "ODD_CURVE",
    "SERVER",
    "Certified",
    "Recipe",
    "certify",
    "certify_revocation",
    "with_explicit_curve",
    "with_public_key",
    "with_times",
    "with_version",
]

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
SERVER, CLIENT, CODE = (
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.CODE_SIGNING,
)

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Edit: TypeAlias = Callable[[list[bytes]], None]
"""Changes the parts of a certificate's inner sequence: version, number, algorithm, issuer, validity, subject, key."""

ALGORITHM, VALIDITY, PUBLIC_KEY = 2, 4, 6
_ECDSA_WITH_SHA1 = bytes.fromhex("3009 0607 2a8648ce3d0401")
_RSA_WITH_SHA1 = bytes.fromhex("300d 0609 2a864886f70d010105 0500")
_DER = serialization.Encoding.DER


@dataclass
class Recipe:
    """How a certificate is to be.

    Attributes:
        name: the subject's common name; "" for a subject without names.
        is_authority: what its basic constraints say; None leaves them out.
        path_length: how many authorities may be below it.
        dates: from when to when it is valid.
        key: "ec", "rsa" or "rsa1024".
        place: keeps the keys of a chain apart.
        is_signed_by_sha1: that is the hash function of the signature on it, else SHA-256.
        names: DNS names and IP addresses that it is for; none leaves the extension out.
        usages: of the extended key usage; none leaves the extension out.
        key_usage: names of what the key may do; None leaves the extension out.
        has_identifiers: whether it has the identifiers of its key and of its issuer's.
        extensions: further pairs of an extension and whether it is critical.
        edits: of the finished certificate, before it is signed anew.
        is_forged: signed by somebody else.
    """

    name: str
    place: str
    is_authority: bool | None = True
    path_length: int | None = None
    dates: tuple[dt.datetime, dt.datetime] = (NOW - DAY, NOW + DAY)
    key: str = "ec"
    is_signed_by_sha1: bool = False
    names: list[str] = field(default_factory=list)
    usages: list[x509.ObjectIdentifier] = field(default_factory=list)
    key_usage: list[str] | None = None
    has_identifiers: bool = True
    extensions: list[tuple[x509.ExtensionType, bool]] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    is_forged: bool = False


@dataclass(frozen=True)
class Certified:
    """A certificate with its key."""

    certificate: x509.Certificate
    der: bytes
    key: Key


@functools.cache
def _key(kind: str, place: str) -> Key:
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    # So short a key only has to be refused.
    return rsa.generate_private_key(65537, 1024 if kind == "rsa1024" else 2048)


def certify(recipe: Recipe, issuer: Certified | None) -> Certified:
    """Make a certificate; one that signs itself without an issuer."""
    key = _key(recipe.key, recipe.place)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, recipe.name)] if recipe.name else []
    subject = x509.Name(names)
    issuer_key = key if issuer is None else issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(recipe.dates[0])
        .not_valid_after(recipe.dates[1])
    )
    # Of two faults that set the same extension, the second one wins.
    extensions = {pair[0].oid: pair for pair in _extensions(recipe, key, issuer_key)}
    for extension, is_critical in extensions.values():
        builder = builder.add_extension(extension, critical=is_critical)
    signing_key = _key("ec", "a stranger") if recipe.is_forged else issuer_key
    certificate = builder.sign(signing_key, hashes.SHA256())
    if recipe.edits or recipe.is_signed_by_sha1:
        parts = [encoded for _, encoded in _elements(_elements_of(certificate.tbs_certificate_bytes))]
        for edit in recipe.edits:
            edit(parts)
        # Read by those who can: `cryptography` may not be one of them, and only the names are needed on.
        return Certified(certificate, _signed(parts, signing_key, is_by_sha1=recipe.is_signed_by_sha1), key)
    return Certified(certificate, certificate.public_bytes(_DER), key)


def _extensions(recipe: Recipe, key: Key, issuer_key: Key) -> Iterator[tuple[x509.ExtensionType, bool]]:
    if recipe.has_identifiers:
        yield x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
        yield x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
    if recipe.is_authority is not None:
        yield x509.BasicConstraints(recipe.is_authority, recipe.path_length), True
    if recipe.key_usage is not None:
        names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
        names += " crl_sign encipher_only decipher_only"
        yield x509.KeyUsage(**{name: name in recipe.key_usage for name in names.split()}), True
    if recipe.names:
        yield x509.SubjectAlternativeName([_general_name(name) for name in recipe.names]), not recipe.name
    if recipe.usages:
        yield x509.ExtendedKeyUsage(recipe.usages), False
    yield from recipe.extensions


def _general_name(text: str) -> x509.GeneralName:
    # "dns:…" where an address stands among the DNS names.
    if text.startswith("dns:"):
        return x509.DNSName(text[4:])
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def certify_revocation(
    issuer: Certified,
    *revoked: Certified,
    dates: tuple[dt.datetime, dt.datetime] = (NOW - DAY, NOW + DAY),
    is_forged: bool = False,
) -> bytes:
    """Return an authority's list of revoked certificates, as PEM."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(dates[0]).next_update(dates[1])
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(dates[0])
        builder = builder.add_revoked_certificate(entry.build())
    key = _key("ec", "a stranger") if is_forged else issuer.key
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


# Edits.


def with_times(before: bytes, after: bytes) -> Edit:
    """Return an edit that sets both times of validity, as UTCTime, to anything."""

    def edit(parts: list[bytes]) -> None:
        parts[VALIDITY] = _element(0x30, _element(0x17, before) + _element(0x17, after))

    return edit


def with_version(number: int) -> Edit:
    """Return an edit that sets the version; 2 stands for 3."""

    def edit(parts: list[bytes]) -> None:
        parts[0] = _element(0xA0, _element(2, bytes([number])))

    return edit


def with_public_key(info: bytes) -> Edit:
    """Return an edit that sets the key, as SubjectPublicKeyInfo."""

    def edit(parts: list[bytes]) -> None:
        parts[PUBLIC_KEY] = info

    return edit


ODD_CURVE = bytes.fromhex(
    "3055301306072a8648ce3d020106082a8648ce3d030104033e000440db60"
    "a7c499a4120279e8185a34e2c275ab70d30602b44e8b89cabe2d3058e19f"
    "99b0e15db4857f9a7534049de8da81158d59bc7edd6270b0f7ba43"
)
"""A key on prime239v1, which OpenSSL knows and `cryptography` does not."""


def with_explicit_curve(parts: list[bytes]) -> None:
    """Write the curve of the key out, instead of its name."""
    command = ["openssl", "ec", "-pubin", "-inform", "DER", "-pubout", "-outform", "DER", "-param_enc", "explicit"]
    parts[PUBLIC_KEY] = subprocess.run(command, input=parts[PUBLIC_KEY], capture_output=True, check=True).stdout


def _signed(parts: list[bytes], key: Key, *, is_by_sha1: bool) -> bytes:
    function = hashes.SHA1() if is_by_sha1 else hashes.SHA256()
    is_elliptic = isinstance(key, ec.EllipticCurvePrivateKey)
    if is_by_sha1:
        # Only the names are made by hand: `cryptography` refuses to sign a certificate so.
        parts[ALGORITHM] = _ECDSA_WITH_SHA1 if is_elliptic else _RSA_WITH_SHA1
    inner = _element(0x30, b"".join(parts))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(inner, ec.ECDSA(function))
    else:
        signature = key.sign(inner, padding.PKCS1v15(), function)
    return _element(0x30, inner + parts[ALGORITHM] + _element(3, b"\0" + signature))


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _elements_of(encoded: bytes) -> bytes:
    """Return the content of one element."""
    return encoded[2 + (encoded[1] & 0x7F if encoded[1] & 0x80 else 0) :]


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and whole encoding of the elements of DER, one behind the other."""
    while data:
        start = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
        length = int.from_bytes(data[2:start], "big") if data[1] & 0x80 else data[1]
        yield data[0], data[: start + length]
        data = data[start + length :]
