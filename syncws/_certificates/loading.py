"""Certificates with their private keys, from PEM and PKCS #12: reading them, and giving a key out encrypted.

A key stays inside an object of `cryptography`; no message of an error holds one, or a password. Runs on the caller's
thread.
"""

import codecs
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from syncws._certificates.fields import Parsed, missing_extra, reading
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates

    PrivateKey: TypeAlias = PrivateKeyTypes
else:
    PrivateKey = Any

__all__ = ["Loaded", "PrivateKey", "Source", "encrypted_key", "load_pem", "load_pkcs12"]

Source: TypeAlias = str | os.PathLike[str] | os.PathLike[bytes] | bytes

# Far above any chain with its key; what is larger is some other file.
_MAX_BYTES = 1 << 20

_CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")


class Loaded(NamedTuple):
    """A certificate with its key.

    Attributes:
        blob: the certificate in DER form.
        intermediates: the others, in DER form, each before its issuer.
        private_key: fits the certificate.
        friendly_name: what PKCS #12 calls the certificate, "" without.
    """

    blob: bytes
    intermediates: tuple[bytes, ...]
    private_key: PrivateKey
    friendly_name: str = ""

    def __repr__(self) -> str:
        return f"<Loaded {self.friendly_name!r}, its private key not shown>"


def load_pem(certificate: Source, private_key: Source | None, password: str | bytes | None) -> Loaded:
    """Load PEM; see Certificate.from_pem."""
    _check_extra()
    secret = _checked_password(password)
    blocks = _blocks(certificate, "certificate")
    certificates = [_parse_block(block) for label, block in blocks if label in _CERTIFICATE_LABELS]
    if not certificates:
        raise InvalidArgumentError("certificate holds no certificate in PEM form")
    if private_key is None:
        key_blocks, missing = blocks, "certificate holds no private key in PEM form, and private_key was not given"
    else:
        key_blocks = _blocks(private_key, "private_key")
        missing = "private_key holds no private key in PEM form"
    keys = [(label, block) for label, block in key_blocks if label.endswith("PRIVATE KEY")]
    if not keys:
        raise InvalidArgumentError(missing)
    if len(keys) > 1:
        raise InvalidArgumentError("there is more than one private key: give one")
    key = _load_key(*keys[0], secret)
    with reading("the certificates cannot be read"):
        return _assembled(key, certificates)


def load_pkcs12(source: Source, password: str | bytes | None) -> Loaded:
    """Load PKCS #12; see Certificate.from_pkcs12."""
    _check_extra()
    secret = _checked_password(password)
    bundle = _load_bundle(_content(source, "data_or_path"), secret)
    key = bundle.key
    entries = [entry for entry in (bundle.cert, *bundle.additional_certs) if entry is not None]
    if not entries:
        raise InvalidArgumentError("the PKCS #12 data hold no certificate")
    if key is None:
        raise InvalidArgumentError("the PKCS #12 data hold no private key")
    names = {entry.certificate: entry.friendly_name for entry in reversed(entries)}
    with reading("the certificates cannot be read"):
        return _assembled(key, [entry.certificate for entry in entries], names)


def encrypted_key(private_key: PrivateKey, password: bytes) -> bytes:
    """Return a key in PEM form, encrypted under a password."""
    from cryptography.hazmat.primitives import serialization

    return private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )


def _check_extra() -> None:
    try:
        from cryptography import x509  # noqa: F401 - only whether it can be used
    except ImportError as exc:
        raise missing_extra(exc) from exc


def _checked_password(password: object) -> bytes | None:
    if password is None:
        return None
    if isinstance(password, str):
        # Looked for, because encode()'s own error would hold the password.
        if any("\ud800" <= character <= "\udfff" for character in password):
            raise InvalidArgumentError("password must not hold lone surrogates")
        return password.encode("utf-8")
    if isinstance(password, bytes):
        return password
    raise InvalidArgumentTypeError(f"password must be str, bytes or None, not {type(password).__name__}")


def _content(source: object, what: str) -> bytes:
    """Return what was handed over as bytes, or what the file holds."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        raise InvalidArgumentTypeError(f"{what} must be a path (str or os.PathLike) or bytes, not {kind}")
    # The system's error for a file that is missing would show it.
    if isinstance(source, str) and "-----BEGIN" in source:
        raise InvalidArgumentError(f"{what} is the text of a PEM file: pass it as bytes; a str is a path")
    try:
        with open(source, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except ValueError:
        raise InvalidArgumentError(f"{what} is not a path that the system can open") from None
    if len(content) > _MAX_BYTES:
        raise InvalidArgumentError(f"{what} is a file of more than {_MAX_BYTES} bytes: {os.fsdecode(source)}")
    return content


def _blocks(source: Source, what: str) -> list[tuple[str, bytes]]:
    """Return labels and texts of the blocks of a PEM file (RFC 7468 2); what stands between them is a remark."""
    pem = _content(source, what)
    if b"-----\\n" in pem:
        raise InvalidArgumentError(
            f"{what} has a backslash and an n for each line end, as an environment variable may have: put in line ends"
        )
    blocks: list[tuple[str, bytes]] = []
    label = b""
    lines: list[bytes] = []
    # Of files that were joined each may begin with a byte order mark, and end without a line end.
    apart = pem.replace(codecs.BOM_UTF8, b"").replace(b"----------BEGIN ", b"-----\n-----BEGIN ")
    for line in apart.splitlines():
        mark = line.strip()
        if mark.startswith(b"-----BEGIN ") and mark.endswith(b"-----"):
            if label:
                break
            label = mark[11:-5]
            lines = []
        lines.append(line)
        if label and mark == b"-----END " + label + b"-----":
            blocks.append((label.decode("ascii", "replace"), b"\n".join(lines) + b"\n"))
            label = b""
    if label:
        raise InvalidArgumentError(f"{what} holds a PEM block without its END: is the file cut off?")
    return blocks


def _parse_block(block: bytes) -> Parsed:
    from cryptography import x509

    with reading("certificate holds a PEM block that is not a certificate of a known version"):
        return x509.load_pem_x509_certificate(block)


def _load_key(label: str, block: bytes, password: bytes | None) -> PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    is_encrypted = label == "ENCRYPTED PRIVATE KEY" or b"\nProc-Type: 4,ENCRYPTED" in block
    if is_encrypted and not password:
        raise InvalidArgumentError("the private key is encrypted: it needs a password")
    # As everywhere, a password that is not needed is ignored.
    try:
        return serialization.load_pem_private_key(block, password if is_encrypted else None)
    except UnsupportedAlgorithm:
        raise InvalidArgumentError("the private key is of a kind that is not supported") from None
    except (ValueError, TypeError):
        # Without a cause: nothing that has seen the key goes into an error.
        if is_encrypted:
            raise InvalidArgumentError("the password of the private key is wrong, or the key is damaged") from None
        raise InvalidArgumentError("the private key is damaged, or of a kind that is not supported") from None


def _load_bundle(content: bytes, password: bytes | None) -> "PKCS12KeyAndCertificates":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import pkcs12

    with reading("the PKCS #12 data hold something that cannot be read"):
        try:
            return pkcs12.load_pkcs12(content, password or None)
        except UnsupportedAlgorithm:
            raise InvalidArgumentError("the PKCS #12 data are encrypted in a way that is not supported") from None
        except ValueError as exc:
            _refuse_bundle(password, is_about_password="password" in str(exc).lower())


def _refuse_bundle(password: bytes | None, *, is_about_password: bool) -> NoReturn:
    if not is_about_password:
        raise InvalidArgumentError("data_or_path holds no PKCS #12 data, or damaged data") from None
    if not password:
        raise InvalidArgumentError("the PKCS #12 data are encrypted: they need a password") from None
    raise InvalidArgumentError("the password of the PKCS #12 data is wrong, or they are damaged") from None


def _assembled(
    key: PrivateKey, certificates: Sequence[Parsed], friendly_names: dict[Parsed, bytes | None] | None = None
) -> Loaded:
    """Find the certificate that a key fits, and put the others behind it in order."""
    wanted = _public_bytes(key.public_key())
    own = next((certificate for certificate in certificates if _public_bytes_of(certificate) == wanted), None)
    if own is None:
        which = "the certificate" if len(certificates) == 1 else "any of the certificates"
        raise InvalidArgumentError(f"the private key does not fit {which}")
    name = (friendly_names or {}).get(own) or b""
    ordered = _in_chain_order(own, certificates)
    return Loaded(_der(own), tuple(map(_der, ordered)), key, name.decode("utf-8", "replace"))


def _public_bytes_of(certificate: Parsed) -> bytes | None:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _public_bytes(certificate.public_key())
    except (UnsupportedAlgorithm, ValueError):
        return None


def _public_bytes(key: "PublicKeyTypes") -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _der(certificate: Parsed) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.DER)


def _in_chain_order(own: Parsed, certificates: Iterable[Parsed]) -> list[Parsed]:
    """Return the others, each before its issuer as TLS 1.2 has them (RFC 5246 7.4.2); last those without a place."""
    left = dict.fromkeys(certificates)
    del left[own]
    by_subject: dict[bytes, list[Parsed]] = {}
    for certificate in left:
        by_subject.setdefault(certificate.subject.public_bytes(), []).append(certificate)
    ordered = []
    issuer = own
    while candidates := by_subject.get(issuer.issuer.public_bytes()):
        issuer = candidates.pop(0)
        ordered.append(issuer)
        del left[issuer]
    return [*ordered, *left]
