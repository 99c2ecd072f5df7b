"""All that is wrong with a server's certificate, where OpenSSL reports only the first error.

Functions over memory, but for an error's text, which tells of the environment and the clock: any thread may call them.

OpenSSL is asked again and again (chain_judge), each time without the checks that have failed (relaxed_context), until
it says that the chain passes, or names something that cannot be left out. Each answer is about the very chain that it
built by the application's own rules: an answer about another one is ignored. What cannot be checked cannot be let pass:
it is reported as OTHER_ERRORS.
"""

import os
import ssl
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from syncws._certificates.errors import IGNORABLE_ERRORS, hresult_of
from syncws._net.tls.chain_judge import PASSED, UNJUDGED, Verdict, judge
from syncws._net.tls.relaxed_context import has_readable_times, relaxed_context
from syncws._net.tls.trust import NO_HASHED_NAMES, has_hashed_names, why_not_loaded
from syncws.enums import ChainValidationResult
from syncws.errors import CertificateError

__all__ = ["CertificateReport", "certificate_error", "examine", "not_forgiven", "refused_at_once"]

_UNTRUSTED = frozenset({ChainValidationResult.UNTRUSTED})
# No issuer of the last certificate is known: one is missing, or the authority is a strange one; nobody can tell.
_NO_ISSUER = frozenset({ChainValidationResult.UNTRUSTED, ChainValidationResult.INCOMPLETE_CHAIN})
_EXPIRED = frozenset({ChainValidationResult.EXPIRED})
_INVALID_NAME = frozenset({ChainValidationResult.INVALID_NAME})
_WRONG_USAGE = frozenset({ChainValidationResult.WRONG_USAGE})
_NO_REVOCATION_INFORMATION = frozenset({ChainValidationResult.REVOCATION_INFORMATION_MISSING})
_REVOCATION_FAILURE = frozenset({ChainValidationResult.REVOCATION_FAILURE})
_INVALID_SIGNATURE = frozenset({ChainValidationResult.INVALID_SIGNATURE})
_BASIC_CONSTRAINTS = frozenset({ChainValidationResult.BASIC_CONSTRAINTS_ERROR})
_POLICY = frozenset({ChainValidationResult.INVALID_CERTIFICATE_AUTHORITY_POLICY})
_OTHER = frozenset({ChainValidationResult.OTHER_ERRORS})

# OpenSSL's X509_V_ERR_… numbers (x509_vfy.h); every other number is OTHER_ERRORS.
_ERRORS_OF_CODE = {
    2: _NO_ISSUER,
    3: _NO_REVOCATION_INFORMATION,
    4: _INVALID_SIGNATURE,
    5: _REVOCATION_FAILURE,
    6: _INVALID_SIGNATURE,
    7: _INVALID_SIGNATURE,
    8: _REVOCATION_FAILURE,
    9: _EXPIRED,  # not yet valid
    10: _EXPIRED,
    11: _REVOCATION_FAILURE,
    12: _REVOCATION_FAILURE,
    18: _UNTRUSTED,  # self-signed
    19: _UNTRUSTED,  # self-signed at the end of the chain
    20: _NO_ISSUER,
    21: _NO_ISSUER,
    23: frozenset({ChainValidationResult.REVOKED}),
    25: _BASIC_CONSTRAINTS,
    26: _WRONG_USAGE,
    32: _BASIC_CONSTRAINTS,
    33: _NO_REVOCATION_INFORMATION,
    34: frozenset({ChainValidationResult.UNKNOWN_CRITICAL_EXTENSION}),
    35: _REVOCATION_FAILURE,
    36: _REVOCATION_FAILURE,
    37: _BASIC_CONSTRAINTS,
    42: _POLICY,
    43: _POLICY,
    44: _REVOCATION_FAILURE,
    62: _INVALID_NAME,
    64: _INVALID_NAME,  # IP address
    79: _BASIC_CONSTRAINTS,
    80: _BASIC_CONSTRAINTS,
}
# What to set to trust an authority.
_AUTHORITIES = (
    "control.ca_file (or an ssl_context: truststore makes one that asks the system's own store), or SSL_CERT_FILE or "
    "SSL_CERT_DIR in the environment; UNTRUSTED in control.ignorable_server_certificate_errors accepts any authority"
)
_PROXY_AUTHORITIES = "control.proxy_ssl_context, or SSL_CERT_FILE or SSL_CERT_DIR in the environment"
# The names themselves would take `cryptography`, which the program may have no other use for.
_NAMES = (
    "`syncws info` shows the names it is valid for (its subject does not count); INVALID_NAME in "
    "control.ignorable_server_certificate_errors accepts any name"
)
_PROXY_NAMES = "control.proxy needs a name that it is valid for"
# How OpenSSL words what only VERIFY_X509_STRICT refuses, which Python 3.13 turned on by default.
_STRICT_WORDS = ("Missing Authority Key Identifier", "Missing Subject Key Identifier", "does not include key usage")
_ABOUT_TRUST = (_UNTRUSTED, _NO_ISSUER)
# Each can be left out of the next question; trust always is, and so can only fail at first.
_RELAXABLE = (_EXPIRED, _INVALID_NAME, _WRONG_USAGE, _NO_REVOCATION_INFORMATION)

# X509_V_ERR_UNABLE_TO_GET_CRL.
_NO_LIST = 3
# X509_V_FLAG_CRL_CHECK and X509_V_FLAG_CRL_CHECK_ALL: for the server's own certificate, and for those above it too.
_LOOKS_AT_REVOCATION = ssl.VERIFY_CRL_CHECK_LEAF
_LOOKS_AT_ALL_REVOCATION = ssl.VERIFY_CRL_CHECK_CHAIN & ~ssl.VERIFY_CRL_CHECK_LEAF


class CertificateReport(NamedTuple):
    """What a server showed over TLS, and what is wrong with it.

    Attributes:
        chain: what it sent, in DER form, its own certificate first.
        errors: all that was found, in the order in which OpenSSL looks.
        words: the same for people.
    """

    chain: tuple[bytes, ...] = ()
    errors: tuple[ChainValidationResult, ...] = ()
    words: tuple[str, ...] = ()


@dataclass
class _Findings:
    errors: list[ChainValidationResult] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def add(self, errors: Collection[ChainValidationResult], words: str) -> None:
        new = [error for error in sorted(errors) if error not in self.errors]
        self.errors += new
        if words and new:
            self.words.append(words.rstrip("."))


def examine(context: ssl.SSLContext, chain: Sequence[bytes], server_name: str) -> CertificateReport:
    """Find all that is wrong with a chain by the rules of `context`.

    Args:
        context: a client's that verifies; only read.
        chain: certificates in DER form, the server's own first.
        server_name: what the certificate must be for, if the context checks that.
    """
    findings = _Findings()
    first = judge(context, chain, server_name)
    is_complete = _look(findings, context, first, tuple(chain), server_name)
    if not (is_complete and _revocation_is_known(context, first)) and IGNORABLE_ERRORS.issuperset(findings.errors):
        findings.add(_OTHER, "it cannot be examined any further")
    return CertificateReport(tuple(chain), tuple(findings.errors), tuple(findings.words))


def refused_at_once(error: ssl.SSLCertVerificationError, chain: tuple[bytes, ...] = ()) -> CertificateReport:
    """Return the report of a handshake that failed, with its own reason alone."""
    # A check of the application's own raises it without these two.
    found = _ERRORS_OF_CODE.get(getattr(error, "verify_code", UNJUDGED), _OTHER)
    words: str = getattr(error, "verify_message", None) or " ".join(map(str, error.args))
    return CertificateReport(chain, tuple(sorted(found)), (words.rstrip("."),))


def _look(
    findings: _Findings, context: ssl.SSLContext, first: Verdict, chain: tuple[bytes, ...], server_name: str
) -> bool:
    """Add what is wrong to the findings; return whether everything but revocation was looked at."""
    verdict = first
    left_to_relax = {*_RELAXABLE, *_ABOUT_TRUST}
    relaxed: set[ChainValidationResult] = set()
    certificates = tuple(dict.fromkeys((*chain, *first.built)))
    while verdict.code != PASSED:
        found = _ERRORS_OF_CODE.get(verdict.code, _OTHER)
        findings.add(found, verdict.message)
        if found not in left_to_relax or not first.built:
            return False
        if found == _EXPIRED and not all(map(has_readable_times, first.built)):
            return False
        left_to_relax -= {found, *_ABOUT_TRUST}
        relaxed |= found
        verdict = _next_verdict(context, certificates, server_name, relaxed)
        if verdict.built != first.built:
            verdict = Verdict(UNJUDGED, verdict.message if verdict.code == UNJUDGED else "", ())
    return True


def _next_verdict(
    context: ssl.SSLContext, certificates: Sequence[bytes], server_name: str, relaxed: Collection[ChainValidationResult]
) -> Verdict:
    try:
        less_strict = relaxed_context(context, certificates[0], relaxed)
    except OSError as exc:
        if exc.errno is None:
            # A signal handler's, which came in that moment: what the system says has a number.
            raise
        return Verdict(UNJUDGED, f"there is no place for a temporary file: {exc.strerror or exc}", ())
    return judge(less_strict, certificates, server_name)


def _revocation_is_known(context: ssl.SSLContext, first: Verdict) -> bool:
    """Tell whether revocation has been looked at to the end, which only the application's context can do.

    Python hands out no revocation list, so no other context can have them. OpenSSL looks at revocation after trust,
    usage and name, and before signatures and times.
    """
    if not context.verify_flags & _LOOKS_AT_REVOCATION or first.code == PASSED:
        return True
    if first.code == _NO_LIST:
        # Without a list there is no more to find about this certificate, and it may be the only one that is asked for.
        return not context.verify_flags & _LOOKS_AT_ALL_REVOCATION
    return _ERRORS_OF_CODE.get(first.code) == _EXPIRED


def not_forgiven(
    errors: Sequence[ChainValidationResult], ignorable: Collection[ChainValidationResult]
) -> list[ChainValidationResult]:
    """Return the errors that are not to be let pass."""
    left = [error for error in errors if error not in ignorable]
    if set(errors) >= _NO_ISSUER and not _NO_ISSUER.isdisjoint(ignorable):
        # One fact under two names.
        left = [error for error in left if error not in _NO_ISSUER]
    return left


def _given_authorities() -> str:
    """Say what the environment puts in the place of the system's authorities, for it may be what is wrong."""
    told = ""
    for variable, fault_of in (("SSL_CERT_FILE", _fault_of_file), ("SSL_CERT_DIR", _fault_of_folders)):
        path = os.environ.get(variable)
        if path is not None:
            told += f"; {variable} is {path!r}{fault_of(path)}"
    return told


def _fault_of_file(path: str) -> str:
    """Say what is wrong with a file of authorities: OpenSSL passes over one that it cannot use, and says nothing."""
    if not os.path.exists(path):
        return ", which is not there"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as exc:
        return f", which has {why_not_loaded(exc)}"
    except OSError as exc:
        return f", which cannot be read: {exc.strerror}"
    return ""


def _fault_of_folders(path: str) -> str:
    """Say what is wrong with folders of authorities, of which OpenSSL says as little."""
    there = [folder for folder in path.split(os.pathsep) if os.path.exists(folder)]
    if not there:
        return ", which is not there"
    try:
        return "" if any(map(has_hashed_names, there)) else f", {NO_HASHED_NAMES}"
    except OSError as exc:
        return f", which cannot be read: {exc.strerror}"


def certificate_error(
    report: CertificateReport, left: Sequence[ChainValidationResult], server_name: str, *, is_proxy: bool = False
) -> CertificateError:
    """Return the error for a certificate that did not pass because of what is `left`; a proxy's has other settings."""
    words = "; ".join(report.words) or "it could not be examined"
    names = ", ".join(error.name for error in left)
    advice = ""
    if not _NO_ISSUER.isdisjoint(left):
        settings = _PROXY_AUTHORITIES if is_proxy else _AUTHORITIES
        advice = f"; to trust its authority set {settings}{_given_authorities()}"
    elif any(strict in words for strict in _STRICT_WORDS):
        advice = "; without ssl.VERIFY_X509_STRICT in the verify_flags of control.ssl_context it may pass"
    elif ChainValidationResult.EXPIRED in left:
        # Many a small computer has no clock of its own, and begins in the past.
        advice = f"; this computer's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    if not _INVALID_NAME.isdisjoint(left):
        advice += f"; {_PROXY_NAMES if is_proxy else _NAMES}"
    return CertificateError(
        f"the certificate of {server_name} did not pass: {words} [{names}]{advice}",
        hresult=hresult_of(left),
        certificate_errors=left,
    )
