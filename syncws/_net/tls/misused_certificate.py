"""What is left to check of a chain whose only known fault is its usage, when the application lets that pass.

May import _certificates, enums and errors; urllib3 for comparing names, and `cryptography`, which is imported when
it is needed. Pure functions over memory: any thread may call them.

OpenSSL looks at the usage early, cannot be told to go on, and by then has built the chain to an authority that is
trusted, but has checked no name, signature or time. These checks are made here, on the chain that it has built; what
cannot be judged counts as an error that nobody can let pass.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from urllib3.util.ssl_match_hostname import CertificateError, match_hostname

from syncws._certificates.fields import extension, extensions
from syncws.enums import ChainValidationResult
from syncws.errors import WebSocketError

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["errors_besides_usage"]

# An authority that may issue for some names only: nobody here compares them.
_NAME_CONSTRAINTS = "2.5.29.30"

# Extensions whose meaning is heeded here, or has nothing to do with whether a chain holds, by their OIDs.
_KNOWN_EXTENSIONS = {
    "2.5.29.14",  # subject key identifier
    "2.5.29.15",  # key usage
    "2.5.29.17",  # subject alternative name
    "2.5.29.18",  # issuer alternative name
    "2.5.29.19",  # basic constraints
    "2.5.29.35",  # authority key identifier
    "2.5.29.37",  # extended key usage: the usage that was let pass
}


def errors_besides_usage(
    built: Sequence[bytes], server_name: str | None, now: dt.datetime
) -> set[ChainValidationResult]:
    """Return what is wrong with a chain besides its usage.

    Args:
        built: the chain to its trusted end, in DER form, the server's own certificate first.
        server_name: what it must be for; None when that is not asked.
        now: the time by which it must be valid.

    Raises:
        WebSocketError: the extra `certificates` is not installed (0x80004005).
    """
    try:
        from cryptography import x509
    except ImportError as exc:
        message = "letting WRONG_USAGE pass needs an extra: pip install syncws[certificates]"
        raise WebSocketError(message) from exc
    try:
        chain = [x509.load_der_x509_certificate(certificate) for certificate in built]
        return set(_errors(chain, server_name, now))
    except ValueError:
        return {ChainValidationResult.OTHER_ERRORS}


def _errors(
    chain: "list[x509.Certificate]", server_name: str | None, now: dt.datetime
) -> Iterator[ChainValidationResult]:
    for certificate in chain:
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            yield ChainValidationResult.EXPIRED
        for found in extensions(certificate):
            if found.oid.dotted_string == _NAME_CONSTRAINTS:
                yield ChainValidationResult.OTHER_ERRORS
            elif found.critical and found.oid.dotted_string not in _KNOWN_EXTENSIONS:
                yield ChainValidationResult.UNKNOWN_CRITICAL_EXTENSION
    for depth, (certificate, issuer) in enumerate(pairwise(chain)):
        if not _may_issue(issuer, depth):
            yield ChainValidationResult.BASIC_CONSTRAINTS_ERROR
        if not _is_signed_by(certificate, issuer):
            yield ChainValidationResult.INVALID_SIGNATURE
    if server_name is not None and not _is_for(chain[0], server_name):
        yield ChainValidationResult.INVALID_NAME


def _may_issue(issuer: "x509.Certificate", intermediates_below: int) -> bool:
    """Tell whether a certificate is an authority's, for so many others below it (RFC 5280 4.2.1.3, 4.2.1.9)."""
    from cryptography import x509

    constraints = extension(issuer, x509.BasicConstraints)
    if constraints is None:
        return False
    usage = extension(issuer, x509.KeyUsage)
    signs = usage is None or usage.key_cert_sign
    is_near = constraints.path_length is None or intermediates_below <= constraints.path_length
    return constraints.ca and signs and is_near


def _is_signed_by(certificate: "x509.Certificate", issuer: "x509.Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _is_for(certificate: "x509.Certificate", server_name: str) -> bool:
    from cryptography import x509

    names = extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return False
    pairs = [("DNS", name) for name in names.get_values_for_type(x509.DNSName)]
    pairs += [
        ("IP Address", str(address))
        for address in names.get_values_for_type(x509.IPAddress)
        if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    ]
    try:
        match_hostname({"subjectAltName": tuple(pairs)}, server_name)
    except CertificateError:
        return False
    return True
