"""Certificates: what a TLS server showed (Windows.Security.Cryptography.Certificates.Certificate).

May import errors; the only home of `cryptography`, which is imported when a field is first asked for, because programs
that never look at a certificate need not install it (extra `certificates`). Plain values: any thread may use them.
"""

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from syncws.errors import HResultError, InvalidArgumentError, InvalidArgumentTypeError

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Certificate"]

_COMMON_NAME = "2.5.4.3"
_HASHES = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256}


class Certificate:
    """An X.509 certificate."""

    __slots__ = ("_blob", "_parsed")

    def __init__(self, cert_blob: bytes, /) -> None:
        """Take a certificate in DER form.

        Raises:
            InvalidArgumentTypeError: `cert_blob` is no bytes-like object (0x80070057).
            InvalidArgumentError: it is empty (0x80070057). What else is wrong with it shows when a field is asked for.
        """
        if not isinstance(cert_blob, bytes | bytearray | memoryview):
            raise InvalidArgumentTypeError(f"a certificate is made from DER bytes, not {type(cert_blob).__name__}")
        self._blob = bytes(cert_blob)
        if not self._blob:
            raise InvalidArgumentError("a certificate is made from DER bytes; these are none")
        self._parsed: x509.Certificate | None = None

    def get_certificate_blob(self) -> bytes:
        """Return the DER bytes (Certificate.GetCertificateBlob)."""
        return self._blob

    def get_hash_value(self, hash_algorithm_name: str = "SHA1", /) -> bytes:
        """Return the thumbprint.

        Args:
            hash_algorithm_name: "SHA1" or "SHA256".

        Raises:
            InvalidArgumentError: another name (0x80070057).

        Source: Certificate.GetHashValue.
        """
        make_hash = _HASHES.get(hash_algorithm_name) if isinstance(hash_algorithm_name, str) else None
        if make_hash is None:
            raise InvalidArgumentError(f"hash_algorithm_name must be SHA1 or SHA256; got {hash_algorithm_name!r}")
        return make_hash(self._blob).digest()

    @property
    def subject(self) -> str:
        """The subject's common name, or its whole name when it has none (Certificate.Subject)."""
        return _name(self._x509().subject)

    @property
    def issuer(self) -> str:
        """The issuer's common name, or its whole name when it has none (Certificate.Issuer)."""
        return _name(self._x509().issuer)

    @property
    def serial_number(self) -> bytes:
        """The serial number, big-endian (Certificate.SerialNumber)."""
        number = self._x509().serial_number
        return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")

    @property
    def valid_from(self) -> dt.datetime:
        """When it begins to be valid, in UTC (Certificate.ValidFrom)."""
        return self._x509().not_valid_before_utc

    @property
    def valid_to(self) -> dt.datetime:
        """When it ceases to be valid, in UTC (Certificate.ValidTo)."""
        return self._x509().not_valid_after_utc

    def _x509(self) -> "x509.Certificate":
        if self._parsed is None:
            # Here and not above: it is an optional dependency, and a heavy one.
            try:
                from cryptography import x509
            except ImportError as exc:
                message = "reading a certificate's fields needs an extra: pip install syncws[certificates]"
                raise HResultError(message) from exc
            try:
                self._parsed = x509.load_der_x509_certificate(self._blob)
            except ValueError as exc:
                raise InvalidArgumentError("these bytes are no DER certificate") from exc
        return self._parsed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self._blob == other._blob

    def __hash__(self) -> int:
        return hash(self._blob)

    def __repr__(self) -> str:
        return f"<Certificate SHA256={self.get_hash_value('SHA256').hex()}>"


def _name(name: "x509.Name") -> str:
    common_names = [attribute.value for attribute in name if attribute.oid.dotted_string == _COMMON_NAME]
    return str(common_names[0]) if common_names else name.rfc4514_string()
