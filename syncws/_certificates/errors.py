"""What may be wrong with a server's certificate: what can be let pass, how bad it is, which HRESULT it gets.

Pure functions over plain values: any thread may call them.
"""

from collections.abc import Iterable

from syncws._numbers import as_number_of
from syncws.enums import ChainValidationResult, SocketSslErrorSeverity
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.hresult import HResult

__all__ = ["IGNORABLE_ERRORS", "check_ignorable_errors", "hresult_of", "severity_of"]

IGNORABLE_ERRORS = frozenset(
    {
        ChainValidationResult.UNTRUSTED,
        ChainValidationResult.EXPIRED,
        ChainValidationResult.INCOMPLETE_CHAIN,
        ChainValidationResult.WRONG_USAGE,
        ChainValidationResult.INVALID_NAME,
        ChainValidationResult.REVOCATION_INFORMATION_MISSING,
        ChainValidationResult.REVOCATION_FAILURE,
    }
)
"""The errors that an application may let pass; the others are fatal."""

# Every other error is WININET_E_SEC_INVALID_CERT.
_HRESULTS = {
    ChainValidationResult.UNTRUSTED: HResult.WININET_E_INVALID_CA,
    ChainValidationResult.INCOMPLETE_CHAIN: HResult.WININET_E_INVALID_CA,
    ChainValidationResult.EXPIRED: HResult.WININET_E_SEC_CERT_DATE_INVALID,
    ChainValidationResult.INVALID_NAME: HResult.WININET_E_SEC_CERT_CN_INVALID,
    ChainValidationResult.REVOKED: HResult.WININET_E_SEC_CERT_REVOKED,
    ChainValidationResult.REVOCATION_INFORMATION_MISSING: HResult.WININET_E_SEC_CERT_REV_FAILED,
    ChainValidationResult.REVOCATION_FAILURE: HResult.WININET_E_SEC_CERT_REV_FAILED,
}


def check_ignorable_errors(errors: Iterable[object]) -> list[ChainValidationResult]:
    """Check a whole list of errors that are to be let pass.

    Raises:
        InvalidArgumentTypeError: an entry is not a ChainValidationResult, nor its number (0x80070057).
        InvalidArgumentError: an entry can never be let pass (0x80070057).
    """
    if not isinstance(errors, Iterable):
        raise InvalidArgumentTypeError(
            f"certificate errors must be a sequence of ChainValidationResult, not {type(errors).__name__}"
        )
    checked: list[ChainValidationResult] = []
    for error in errors:
        number = as_number_of(ChainValidationResult, error)
        if number is None:
            raise InvalidArgumentTypeError(
                f"a certificate error must be a ChainValidationResult, not {type(error).__name__}"
            )
        if number not in IGNORABLE_ERRORS:
            allowed = ", ".join(ignorable.name for ignorable in sorted(IGNORABLE_ERRORS))
            raise InvalidArgumentError(f"{error!r} cannot be ignored; these can: {allowed}")
        checked.append(ChainValidationResult(number))
    return checked


def severity_of(errors: Iterable[ChainValidationResult]) -> SocketSslErrorSeverity:
    """Return how bad the errors are altogether (SocketSslErrorSeverity)."""
    found = frozenset(errors)
    if not found:
        return SocketSslErrorSeverity.NONE
    return SocketSslErrorSeverity.IGNORABLE if found <= IGNORABLE_ERRORS else SocketSslErrorSeverity.FATAL


def hresult_of(errors: Iterable[ChainValidationResult]) -> int:
    """Return the HRESULT for what did not pass: the number of the one error, or the one for several."""
    numbers = {_HRESULTS.get(error, HResult.WININET_E_SEC_INVALID_CERT) for error in errors}
    return numbers.pop() if len(numbers) == 1 else HResult.WININET_E_SEC_CERT_ERRORS
