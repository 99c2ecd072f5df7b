"""All that is wrong with a server's certificate, where OpenSSL tells only the first thing.

May import certificate_errors, enums, errors and this room's chain_judge and misused_certificate. Pure functions over
memory: any thread may call them.

OpenSSL is asked again and again (net.chain_judge), each time with the check relaxed that failed last: the trusted end
of the chain is then the very certificate that the chain ends with, times are not compared, or names are not. What it
says last, with all that can be relaxed relaxed, is either that the chain passes or something that nobody can let pass.
"""

import datetime as dt
import ssl
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from syncws._certificates.errors import IGNORABLE_ERRORS, hresult_of
from syncws._net.tls.chain_judge import PASSED, Verdict, judge
from syncws._net.tls.misused_certificate import errors_besides_usage
from syncws.enums import ChainValidationResult
from syncws.errors import CertificateError, WebSocketError

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
    27: _UNTRUSTED,
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
_ABOUT_TRUST = (_UNTRUSTED, _NO_ISSUER)
_ABOUT_REVOCATION = (_NO_REVOCATION_INFORMATION, _REVOCATION_FAILURE)
# OpenSSL looks at these before revocation, which a relaxed context cannot look at: it has no revocation lists.
_BEFORE_REVOCATION = (*_ABOUT_TRUST, _INVALID_NAME, _WRONG_USAGE)

# X509_V_FLAG_NO_CHECK_TIME, for which Python has no name.
_NO_CHECK_TIME = 0x200000
_CRL_FLAGS = ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_CRL_CHECK_CHAIN
# Trust, time and name can each be relaxed once.
_MAX_QUESTIONS = 8


@dataclass(frozen=True)
class CertificateReport:
    """What a server showed over TLS, and what is wrong with it.

    Attributes:
        chain: what it sent, in DER form, its own certificate first.
        errors: all that was found, in the order in which OpenSSL looks.
        words: the same for people.
        problem: "" or why not all could be looked at.
    """

    chain: tuple[bytes, ...] = ()
    errors: tuple[ChainValidationResult, ...] = ()
    words: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class _Question:
    """How the chain is to be looked at next, once something has been found."""

    anchor: bytes = b""
    checks_name: bool = True
    checks_time: bool = True

    def context(self, original: ssl.SSLContext) -> ssl.SSLContext:
        """Return a context like the original, less what has been found."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = original.check_hostname and self.checks_name
        flags = (original.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~_CRL_FLAGS
        context.verify_flags = ssl.VerifyFlags(flags | (0 if self.checks_time else _NO_CHECK_TIME))
        context.hostname_checks_common_name = original.hostname_checks_common_name
        # Which keys and hashes are too weak.
        context.set_ciphers(f"DEFAULT:@SECLEVEL={original.security_level}")
        context.load_verify_locations(cadata=self.anchor)
        return context


@dataclass
class _Findings:
    errors: list[ChainValidationResult] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    problem: str = ""

    def add(self, errors: Collection[ChainValidationResult], words: str = "") -> bool:
        """Note what was found; return whether any of it is new."""
        new = [error for error in sorted(errors) if error not in self.errors]
        self.errors += new
        if words and new:
            self.words.append(words.rstrip("."))
        return bool(new)


def examine(context: ssl.SSLContext, chain: Sequence[bytes], server_name: str) -> CertificateReport:
    """Find all that is wrong with a chain by the rules of `context`.

    Args:
        context: a client's that verifies; only read.
        chain: certificates in DER form, the server's own first.
        server_name: what the certificate must be for, if the context checks that.
    """
    findings = _Findings()
    if not _look(findings, context, tuple(chain), server_name) and IGNORABLE_ERRORS.issuperset(findings.errors):
        # Nobody can say what else there is, so nobody can let it pass.
        findings.add(_OTHER, "it cannot be examined any further")
    return CertificateReport(tuple(chain), tuple(findings.errors), tuple(findings.words), findings.problem)


def refused_at_once(error: ssl.SSLCertVerificationError) -> CertificateReport:
    """Return the report of a handshake that failed and has left no chain to examine."""
    found = _ERRORS_OF_CODE.get(error.verify_code, _OTHER)
    return CertificateReport((), tuple(sorted(found)), (error.verify_message,))


def _look(findings: _Findings, context: ssl.SSLContext, chain: tuple[bytes, ...], server_name: str) -> bool:
    """Add what is wrong to the findings; return whether everything was looked at."""
    asked, question, certificates = context, _Question(), chain
    for _ in range(_MAX_QUESTIONS):
        verdict = judge(asked, certificates, server_name)
        if verdict.code == PASSED:
            return True
        found = _ERRORS_OF_CODE.get(verdict.code, _OTHER)
        is_new = findings.add(found, verdict.message)
        if asked is context and context.verify_flags & _CRL_FLAGS and found in _BEFORE_REVOCATION:
            findings.add(_NO_REVOCATION_INFORMATION, "revocation cannot be looked at")
        if found == _WRONG_USAGE:
            return _look_besides_usage(findings, verdict, server_name if asked.check_hostname else None, question)
        next_question = _relaxed(question, found, verdict)
        if next_question is None or not is_new:
            return False
        question = next_question
        asked = question.context(context)
        certificates = tuple(dict.fromkeys((*chain, *verdict.built)))
    return False


def _relaxed(question: _Question, found: frozenset[ChainValidationResult], verdict: Verdict) -> _Question | None:
    """Return the question without the check that has failed; None when there is no such question."""
    if not verdict.built:
        return None
    # The chain as it was built is trusted, or its trust is what failed: either way its end stands for an authority.
    question = replace(question, anchor=verdict.built[-1])
    if found in _ABOUT_TRUST or found in _ABOUT_REVOCATION:
        return question
    if found == _EXPIRED:
        return replace(question, checks_time=False)
    if found == _INVALID_NAME:
        return replace(question, checks_name=False)
    return None


def _look_besides_usage(findings: _Findings, verdict: Verdict, server_name: str | None, question: _Question) -> bool:
    if not verdict.built:
        return False
    try:
        errors = errors_besides_usage(verdict.built, server_name, dt.datetime.now(dt.UTC))
    except WebSocketError as exc:
        findings.problem = exc.message
        return False
    for error in sorted(errors):
        if error is not ChainValidationResult.EXPIRED or question.checks_time:
            findings.add({error}, error.name.lower().replace("_", " "))
    return True


def not_forgiven(
    errors: Sequence[ChainValidationResult], ignorable: Collection[ChainValidationResult]
) -> list[ChainValidationResult]:
    """Return the errors that are not to be let pass."""
    left = [error for error in errors if error not in ignorable]
    if set(errors) >= _NO_ISSUER and not _NO_ISSUER.isdisjoint(ignorable):
        # One fact under two names.
        left = [error for error in left if error not in _NO_ISSUER]
    return left


def certificate_error(
    report: CertificateReport, left: Sequence[ChainValidationResult], server_name: str
) -> CertificateError:
    """Return the error for a certificate that did not pass because of what is `left`."""
    words = "; ".join(report.words) or "it could not be examined"
    names = ", ".join(error.name for error in left)
    hint = f" ({report.problem})" if report.problem else ""
    return CertificateError(
        f"the certificate of {server_name} did not pass: {words} [{names}]{hint}",
        hresult=hresult_of(left),
        certificate_errors=left,
    )
