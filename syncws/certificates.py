"""Certificates: what a TLS server showed, or what we show (Windows.Security.Cryptography.Certificates.Certificate).

Plain values, whose friendly_name alone can be changed: any thread may use them.
"""

import datetime as dt
from collections.abc import Callable
from typing import Self, TypeVar

from syncws._buffers import ReadableBuffer
from syncws._certificates import fields
from syncws._certificates.fields import CertificateKeyUsages, Parsed, SubjectAlternativeNameInfo
from syncws._certificates.loading import Loaded, PrivateKey, Source, encrypted_key, load_pem, load_pkcs12
from syncws._errors.bare import raising_bare
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["Certificate"]

_HASHES = {"SHA1": "sha1", "SHA256": "sha256"}


FieldT = TypeVar("FieldT")


class Certificate:
    """An X.509 certificate, with its private key or without.

    Certificates are equal when their DER bytes are, whatever else belongs to them. Bytes that are not a certificate, or
    a field that cannot be read, raise InvalidArgumentError (0x80070057) when a field is asked for. On a machine for
    which `cryptography` has no wheel, fields raise WebSocketError (0x80004005), which names the extra that builds it.

    The private key cannot be taken out again. A copy by the module copy shares it; pickling a certificate that has one
    raises TypeError, because the key would go along: pickle `Certificate(certificate.get_certificate_blob())`.
    """

    __slots__ = ("_blob", "_friendly_name", "_intermediates", "_parsed", "_private_key")

    def __init__(self, cert_blob: "ReadableBuffer", /) -> None:
        """Take a certificate in DER form, without a private key; see from_pem and from_pkcs12 for those with one.

        Args:
            cert_blob: any object with the buffer protocol, such as a Buffer.

        Raises:
            InvalidArgumentTypeError: `cert_blob` is not such an object (0x80070057).
            InvalidArgumentError: it is empty, or a released memoryview (0x80070057). Anything else that is wrong with
                it shows when a field is asked for.

        Source: Certificate(IBuffer).
        """
        try:
            self._blob = memoryview(cert_blob).tobytes()
        except TypeError:
            raise InvalidArgumentTypeError(
                f"a certificate is made from DER bytes, not {type(cert_blob).__name__}"
            ) from None
        except ValueError as error:
            raise InvalidArgumentError(f"a certificate is made from DER bytes: {error}") from None
        if not self._blob:
            raise InvalidArgumentError("a certificate is made from DER bytes, and these are empty")
        self._friendly_name = ""
        self._intermediates: tuple[Certificate, ...] = ()
        self._parsed: Parsed | None = None
        self._private_key: PrivateKey | None = None

    @classmethod
    @raising_bare
    def from_pem(
        cls,
        certificate: Source,
        private_key: Source | None = None,
        password: str | bytes | None = None,
    ) -> Self:
        """Make a certificate with its private key from PEM (beyond WinRT, where it comes from Windows' store).

        Args:
            certificate: a path (str or os.PathLike), or the content as bytes. Holds the certificate that the key
                belongs to; others in it become intermediate_certificates, in the order of the chain.
            private_key: the same for the key; None (the default) when it is in the same file as the certificate.
            password: of an encrypted key; None (the default) for none. Ignored when the key is not encrypted.

        Raises:
            InvalidArgumentError: no certificate, none or several keys, a wrong password, a key that does not fit, or
                something that cannot be read; the message says which (0x80070057).
            InvalidArgumentTypeError: an argument has the wrong type (0x80070057).
            WebSocketError: this machine has no wheel of `cryptography` (0x80004005); see Certificate.
            OSError: the system's, for a file that cannot be read.
        """
        return cls._from_loaded(load_pem(certificate, private_key, password))

    @classmethod
    @raising_bare
    def from_pkcs12(cls, data_or_path: Source, password: str | bytes | None = None) -> Self:
        """Make a certificate with its private key from PKCS #12, a .p12 or .pfx file (beyond WinRT).

        Args:
            data_or_path: a path (str or os.PathLike), or the content as bytes. Other certificates in it become
                intermediate_certificates, its name for the certificate becomes friendly_name.
            password: None (the default) or "" when there is none.

        Raises: as from_pem.
        """
        return cls._from_loaded(load_pkcs12(data_or_path, password))

    @classmethod
    def _from_loaded(cls, loaded: Loaded) -> Self:
        certificate = cls(loaded.blob)
        certificate._friendly_name = loaded.friendly_name
        certificate._intermediates = tuple(map(Certificate, loaded.intermediates))
        certificate._private_key = loaded.private_key
        return certificate

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
        name = _HASHES.get(hash_algorithm_name) if isinstance(hash_algorithm_name, str) else None
        if name is None:
            raise InvalidArgumentError(f"hash_algorithm_name must be SHA1 or SHA256; got {hash_algorithm_name!r}")
        # Here and not above: it loads OpenSSL.
        import hashlib

        return hashlib.new(name, self._blob).digest()

    @property
    def subject(self) -> str:
        """The subject's common name, or its whole name when it has none (Certificate.Subject)."""
        return self._read(lambda certificate: fields.shown_name(certificate.subject))

    @property
    def issuer(self) -> str:
        """The issuer's common name, or its whole name when it has none (Certificate.Issuer)."""
        return self._read(lambda certificate: fields.shown_name(certificate.issuer))

    @property
    def serial_number(self) -> bytes:
        """The serial number, big-endian (Certificate.SerialNumber)."""
        return self._read(fields.serial_number)

    @property
    def valid_from(self) -> dt.datetime:
        """When it begins to be valid, in UTC (Certificate.ValidFrom)."""
        return self._read(lambda certificate: certificate.not_valid_before_utc)

    @property
    def valid_to(self) -> dt.datetime:
        """When it stops being valid, in UTC (Certificate.ValidTo)."""
        return self._read(lambda certificate: certificate.not_valid_after_utc)

    @property
    def friendly_name(self) -> str:
        """A name for people; "" unless PKCS #12 gave one or it was set (Certificate.FriendlyName).

        Raises:
            InvalidArgumentTypeError: set to something that is not a str (0x80070057).
        """
        return self._friendly_name

    @friendly_name.setter
    def friendly_name(self, value: str) -> None:
        if not isinstance(value, str):
            raise InvalidArgumentTypeError(f"friendly_name must be str, not {type(value).__name__}")
        self._friendly_name = value

    @property
    def subject_alternative_name(self) -> SubjectAlternativeNameInfo:
        """The subject's further names, by kind; all empty when it has none (Certificate.SubjectAlternativeName)."""
        return self._read(fields.subject_alternative_name)

    @property
    def enhanced_key_usages(self) -> tuple[str, ...]:
        """What it may be used for, as OIDs (Certificate.EnhancedKeyUsages).

        1.3.6.1.5.5.7.3.1 is a TLS server, 1.3.6.1.5.5.7.3.2 a TLS client. Empty when it does not say: then nothing is
        excluded.
        """
        return self._read(fields.enhanced_key_usages)

    @property
    def key_usages(self) -> CertificateKeyUsages:
        """What the key may be used for (Certificate.KeyUsages).

        All are False when the certificate does not say: then nothing is excluded.
        """
        return self._read(fields.key_usages)

    @property
    def has_private_key(self) -> bool:
        """Whether the private key is here, so that it can be a client_certificate (Certificate.HasPrivateKey)."""
        return self._private_key is not None

    @property
    def intermediate_certificates(self) -> tuple["Certificate", ...]:
        """The other certificates that from_pem or from_pkcs12 found, each before its issuer (beyond WinRT)."""
        return self._intermediates

    @property
    def key_algorithm_name(self) -> str:
        """The key's algorithm: RSA, ECDSA_P256, ECDSA_P384, ECDSA_P521, Ed25519 … (Certificate.KeyAlgorithmName).

        ECDSA for other curves; the OID of an algorithm that has no name here.
        """
        return self._read(fields.key_algorithm_name)

    @property
    def signature_algorithm_name(self) -> str:
        """The issuer's signature: RSA, RSASSA-PSS, ECDSA, Ed25519 … (Certificate.SignatureAlgorithmName).

        The OID of an algorithm that has no name here.
        """
        return self._read(fields.signature_algorithm_name)

    @property
    def signature_hash_algorithm_name(self) -> str:
        """The hash function of the issuer's signature: SHA256 … (Certificate.SignatureHashAlgorithmName).

        "" where it has none of its own, like Ed25519, or one that is not known.
        """
        return self._read(fields.signature_hash_algorithm_name)

    @property
    def is_strongly_protected(self) -> bool:
        """False: no key store asks before the key is used (Certificate.IsStronglyProtected)."""
        return False

    @property
    def is_security_device_bound(self) -> bool:
        """False: the key is in memory, not in a security device (Certificate.IsSecurityDeviceBound)."""
        return False

    @property
    def is_per_user(self) -> bool:
        """False: it is not in a user's store (Certificate.IsPerUser)."""
        return False

    @property
    def key_storage_provider_name(self) -> str:
        """Empty: no key store holds the key (Certificate.KeyStorageProviderName)."""
        return ""

    @property
    def store_name(self) -> str:
        """Empty: it is not in a store (Certificate.StoreName)."""
        return ""

    def _read(self, look: Callable[[Parsed], FieldT]) -> FieldT:
        if self._parsed is None:
            self._parsed = fields.parse(self._blob)
        with fields.reading("the certificate cannot be read"):
            return look(self._parsed)

    def _encrypted_key(self, password: bytes) -> bytes:
        """Return the private key in PEM form, encrypted; there must be one."""
        assert self._private_key is not None
        return encrypted_key(self._private_key, password)

    def __copy__(self) -> Self:
        made = type(self)(self._blob)
        made._friendly_name = self._friendly_name
        made._intermediates = self._intermediates
        made._private_key = self._private_key
        return made

    def __deepcopy__(self, _: object) -> Self:
        return self.__copy__()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what is public.

        Raises:
            TypeError: there is a private key, which would go along.
        """
        if self.has_private_key:
            raise TypeError("a Certificate with a private key cannot be pickled: its key would go with it")
        return (_rebuild, (type(self), self._blob, self._friendly_name))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self._blob == other._blob

    def __hash__(self) -> int:
        return hash(self._blob)

    def __repr__(self) -> str:
        return f"<Certificate SHA256={self.get_hash_value('SHA256').hex()}>"


def _rebuild(cls: type[Certificate], blob: bytes, friendly_name: str) -> Certificate:
    certificate = cls(blob)
    certificate.friendly_name = friendly_name
    return certificate
