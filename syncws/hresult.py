"""The HRESULT numbers that WebSocket operations give, signed as Windows' API shows them, with their names.

Plain values: any thread may use them. Names without a prefix in WinError.h (ERROR_CANCELLED and the like) are the
HRESULT_FROM_WIN32 form of that error.
"""

from syncws._numbers import as_integer
from syncws.enums import NamedNumber, WebErrorStatus

__all__ = ["HResult", "hresult_of_http_status", "signed", "status_of", "unsigned"]

_HTTP_STATUS_BASE = 0x80190000
"""HRESULT of an HTTP answer, less its status code (facility 25)."""


def signed(hresult: int) -> int:
    """Return the signed 32-bit form of an HRESULT written as 0x8…, which is what exceptions carry."""
    return hresult - 0x1_0000_0000 if hresult >= 0x8000_0000 else hresult


def unsigned(hresult: int) -> int:
    """Return the unsigned 32-bit form of an HRESULT, which is how the documentation writes it."""
    return hresult & 0xFFFF_FFFF


class HResult(NamedNumber):
    """HRESULT values by their names in WinError.h; members are signed 32-bit numbers.

    `HResult(number)` takes the signed form, which errors carry, and the unsigned one, which messages print:
    `HResult(0x80072EFD)`. Every error of this library has a name here: compare `error.hresult` with HResult.NAME.

    Raises:
        ValueError: it is none of these.

    Source: the HRESULT catalogue of the Windows API.
    """

    @classmethod
    def _missing_(cls, value: object) -> "HResult | None":
        """Find the unsigned form."""
        number = as_integer(value)
        if number is not None and 0x8000_0000 <= number <= 0xFFFF_FFFF:
            return cls._value2member_map_.get(signed(number))  # type: ignore[return-value]
        return None

    # State and arguments.
    E_INVALIDARG = signed(0x80070057)
    E_ILLEGAL_METHOD_CALL = signed(0x8000000E)
    RO_E_CLOSED = signed(0x80000013)
    ERROR_INVALID_OPERATION = signed(0x800710DD)
    E_BOUNDS = signed(0x8000000B)
    E_POINTER = signed(0x80004003)
    ERROR_NO_UNICODE_TRANSLATION = signed(0x80070459)
    E_ILLEGAL_STATE_CHANGE = signed(0x8000000D)
    E_ILLEGAL_DELEGATE_ASSIGNMENT = signed(0x80000018)
    E_FAIL = signed(0x80004005)
    E_OUTOFMEMORY = signed(0x8007000E)
    E_ACCESSDENIED = signed(0x80070005)

    # Cancellation.
    ERROR_CANCELLED = signed(0x800704C7)
    WININET_E_OPERATION_CANCELLED = signed(0x80072EF1)
    ERROR_OPERATION_ABORTED = signed(0x800703E3)
    E_ABORT = signed(0x80004004)

    # Network.
    WININET_E_OUT_OF_HANDLES = signed(0x80072EE1)
    WININET_E_TIMEOUT = signed(0x80072EE2)
    WININET_E_INTERNAL_ERROR = signed(0x80072EE4)
    WININET_E_INVALID_URL = signed(0x80072EE5)
    WININET_E_UNRECOGNIZED_SCHEME = signed(0x80072EE6)
    WININET_E_NAME_NOT_RESOLVED = signed(0x80072EE7)
    WININET_E_LOGIN_FAILURE = signed(0x80072EEF)
    WININET_E_INVALID_OPERATION = signed(0x80072EF0)
    WININET_E_INCORRECT_HANDLE_STATE = signed(0x80072EF3)
    WININET_E_CANNOT_CONNECT = signed(0x80072EFD)
    WININET_E_CONNECTION_ABORTED = signed(0x80072EFE)
    WININET_E_CONNECTION_RESET = signed(0x80072EFF)
    WININET_E_HEADER_NOT_FOUND = signed(0x80072F76)
    WININET_E_INVALID_SERVER_RESPONSE = signed(0x80072F78)
    WININET_E_INVALID_HEADER = signed(0x80072F79)
    WININET_E_HEADER_ALREADY_EXISTS = signed(0x80072F7B)
    WININET_E_REDIRECT_FAILED = signed(0x80072F7C)
    WININET_E_SECURITY_CHANNEL_ERROR = signed(0x80072F7D)
    WININET_E_DISCONNECTED = signed(0x80072F83)
    WININET_E_SERVER_UNREACHABLE = signed(0x80072F84)
    WININET_E_PROXY_SERVER_UNREACHABLE = signed(0x80072F85)
    WININET_E_HTTP_TO_HTTPS_ON_REDIR = signed(0x80072F07)
    WININET_E_HTTPS_TO_HTTP_ON_REDIR = signed(0x80072F08)
    WININET_E_REDIRECT_SCHEME_CHANGE = signed(0x80072F10)
    ERROR_CONNECTION_REFUSED = signed(0x800704C9)
    ERROR_NETWORK_UNREACHABLE = signed(0x800704CF)
    ERROR_HOST_UNREACHABLE = signed(0x800704D0)
    ERROR_CONNECTION_ABORTED = signed(0x800704D4)
    # WSAEMSGSIZE: Windows documents no number for a message over MaxMessageSize; this one says it by name.
    WSAEMSGSIZE = signed(0x80072738)

    # TLS and certificates.
    WININET_E_SEC_CERT_DATE_INVALID = signed(0x80072F05)
    WININET_E_SEC_CERT_CN_INVALID = signed(0x80072F06)
    WININET_E_CLIENT_AUTH_CERT_NEEDED = signed(0x80072F0C)
    WININET_E_INVALID_CA = signed(0x80072F0D)
    WININET_E_SEC_CERT_ERRORS = signed(0x80072F17)
    WININET_E_SEC_CERT_REV_FAILED = signed(0x80072F19)
    WININET_E_SEC_INVALID_CERT = signed(0x80072F89)
    WININET_E_SEC_CERT_REVOKED = signed(0x80072F8A)
    INET_E_SECURITY_PROBLEM = signed(0x800C000E)

    # HTTP answers without a number of their own.
    HTTP_E_STATUS_UNEXPECTED = signed(0x80190001)
    HTTP_E_STATUS_UNEXPECTED_REDIRECTION = signed(0x80190003)
    HTTP_E_STATUS_UNEXPECTED_CLIENT_ERROR = signed(0x80190004)
    HTTP_E_STATUS_UNEXPECTED_SERVER_ERROR = signed(0x80190005)

    # HTTP answers with a number of their own: 0x80190000 + status.
    HTTP_E_STATUS_AMBIGUOUS = signed(0x8019012C)
    HTTP_E_STATUS_MOVED = signed(0x8019012D)
    HTTP_E_STATUS_REDIRECT = signed(0x8019012E)
    HTTP_E_STATUS_REDIRECT_METHOD = signed(0x8019012F)
    HTTP_E_STATUS_NOT_MODIFIED = signed(0x80190130)
    HTTP_E_STATUS_USE_PROXY = signed(0x80190131)
    HTTP_E_STATUS_REDIRECT_KEEP_VERB = signed(0x80190133)
    HTTP_E_STATUS_BAD_REQUEST = signed(0x80190190)
    HTTP_E_STATUS_DENIED = signed(0x80190191)
    HTTP_E_STATUS_PAYMENT_REQ = signed(0x80190192)
    HTTP_E_STATUS_FORBIDDEN = signed(0x80190193)
    HTTP_E_STATUS_NOT_FOUND = signed(0x80190194)
    HTTP_E_STATUS_BAD_METHOD = signed(0x80190195)
    HTTP_E_STATUS_NONE_ACCEPTABLE = signed(0x80190196)
    HTTP_E_STATUS_PROXY_AUTH_REQ = signed(0x80190197)
    HTTP_E_STATUS_REQUEST_TIMEOUT = signed(0x80190198)
    HTTP_E_STATUS_CONFLICT = signed(0x80190199)
    HTTP_E_STATUS_GONE = signed(0x8019019A)
    HTTP_E_STATUS_LENGTH_REQUIRED = signed(0x8019019B)
    HTTP_E_STATUS_PRECOND_FAILED = signed(0x8019019C)
    HTTP_E_STATUS_REQUEST_TOO_LARGE = signed(0x8019019D)
    HTTP_E_STATUS_URI_TOO_LONG = signed(0x8019019E)
    HTTP_E_STATUS_UNSUPPORTED_MEDIA = signed(0x8019019F)
    HTTP_E_STATUS_RANGE_NOT_SATISFIABLE = signed(0x801901A0)
    HTTP_E_STATUS_EXPECTATION_FAILED = signed(0x801901A1)
    HTTP_E_STATUS_SERVER_ERROR = signed(0x801901F4)
    HTTP_E_STATUS_NOT_SUPPORTED = signed(0x801901F5)
    HTTP_E_STATUS_BAD_GATEWAY = signed(0x801901F6)
    HTTP_E_STATUS_SERVICE_UNAVAIL = signed(0x801901F7)
    HTTP_E_STATUS_GATEWAY_TIMEOUT = signed(0x801901F8)
    HTTP_E_STATUS_VERSION_NOT_SUP = signed(0x801901F9)

    # WebSocket protocol.
    E_INVALID_PROTOCOL_OPERATION = signed(0x83760001)
    E_INVALID_PROTOCOL_FORMAT = signed(0x83760002)
    E_PROTOCOL_EXTENSIONS_NOT_SUPPORTED = signed(0x83760003)
    E_SUBPROTOCOL_NOT_SUPPORTED = signed(0x83760004)
    E_PROTOCOL_VERSION_NOT_SUPPORTED = signed(0x83760005)


# One status for each number that has one; every other number is UNKNOWN.
_STATUS_OF_HRESULT: dict[int, WebErrorStatus] = {
    HResult.ERROR_CANCELLED: WebErrorStatus.OPERATION_CANCELED,
    HResult.WININET_E_OPERATION_CANCELLED: WebErrorStatus.OPERATION_CANCELED,
    HResult.ERROR_OPERATION_ABORTED: WebErrorStatus.OPERATION_CANCELED,
    HResult.E_ABORT: WebErrorStatus.OPERATION_CANCELED,
    HResult.WININET_E_TIMEOUT: WebErrorStatus.TIMEOUT,
    HResult.WININET_E_NAME_NOT_RESOLVED: WebErrorStatus.HOST_NAME_NOT_RESOLVED,
    HResult.WININET_E_CANNOT_CONNECT: WebErrorStatus.CANNOT_CONNECT,
    HResult.WININET_E_CONNECTION_ABORTED: WebErrorStatus.CONNECTION_ABORTED,
    HResult.WININET_E_CONNECTION_RESET: WebErrorStatus.CONNECTION_RESET,
    HResult.WININET_E_INVALID_SERVER_RESPONSE: WebErrorStatus.ERROR_HTTP_INVALID_SERVER_RESPONSE,
    HResult.WININET_E_REDIRECT_FAILED: WebErrorStatus.REDIRECT_FAILED,
    HResult.WININET_E_DISCONNECTED: WebErrorStatus.DISCONNECTED,
    HResult.WININET_E_SERVER_UNREACHABLE: WebErrorStatus.SERVER_UNREACHABLE,
    HResult.WININET_E_PROXY_SERVER_UNREACHABLE: WebErrorStatus.SERVER_UNREACHABLE,
    HResult.WININET_E_HTTP_TO_HTTPS_ON_REDIR: WebErrorStatus.HTTP_TO_HTTPS_ON_REDIRECTION,
    HResult.WININET_E_HTTPS_TO_HTTP_ON_REDIR: WebErrorStatus.HTTPS_TO_HTTP_ON_REDIRECTION,
    HResult.ERROR_CONNECTION_REFUSED: WebErrorStatus.CANNOT_CONNECT,
    HResult.ERROR_NETWORK_UNREACHABLE: WebErrorStatus.SERVER_UNREACHABLE,
    HResult.ERROR_HOST_UNREACHABLE: WebErrorStatus.SERVER_UNREACHABLE,
    HResult.ERROR_CONNECTION_ABORTED: WebErrorStatus.CONNECTION_ABORTED,
    HResult.WININET_E_SEC_CERT_DATE_INVALID: WebErrorStatus.CERTIFICATE_EXPIRED,
    HResult.WININET_E_SEC_CERT_CN_INVALID: WebErrorStatus.CERTIFICATE_COMMON_NAME_IS_INCORRECT,
    HResult.WININET_E_INVALID_CA: WebErrorStatus.CERTIFICATE_IS_INVALID,
    HResult.WININET_E_SEC_CERT_ERRORS: WebErrorStatus.CERTIFICATE_CONTAINS_ERRORS,
    HResult.WININET_E_SEC_INVALID_CERT: WebErrorStatus.CERTIFICATE_IS_INVALID,
    HResult.WININET_E_SEC_CERT_REVOKED: WebErrorStatus.CERTIFICATE_REVOKED,
    HResult.HTTP_E_STATUS_UNEXPECTED: WebErrorStatus.UNEXPECTED_STATUS_CODE,
    HResult.HTTP_E_STATUS_UNEXPECTED_REDIRECTION: WebErrorStatus.UNEXPECTED_REDIRECTION,
    HResult.HTTP_E_STATUS_UNEXPECTED_CLIENT_ERROR: WebErrorStatus.UNEXPECTED_CLIENT_ERROR,
    HResult.HTTP_E_STATUS_UNEXPECTED_SERVER_ERROR: WebErrorStatus.UNEXPECTED_SERVER_ERROR,
} | {signed(_HTTP_STATUS_BASE + status): status for status in WebErrorStatus if status >= 300}


def status_of(hresult: int) -> WebErrorStatus:
    """Return the WebErrorStatus of an HRESULT in either form; UNKNOWN for every number that has none."""
    return _STATUS_OF_HRESULT.get(signed(unsigned(hresult)), WebErrorStatus.UNKNOWN)


def hresult_of_http_status(status_code: int) -> int:
    """Return the HRESULT of an HTTP answer: the status's own where Windows has one, else that of its class."""
    hresult = signed(_HTTP_STATUS_BASE + status_code)
    if hresult in _STATUS_OF_HRESULT and status_code >= 300:
        return hresult
    return {
        3: HResult.HTTP_E_STATUS_UNEXPECTED_REDIRECTION,
        4: HResult.HTTP_E_STATUS_UNEXPECTED_CLIENT_ERROR,
        5: HResult.HTTP_E_STATUS_UNEXPECTED_SERVER_ERROR,
    }.get(status_code // 100, HResult.HTTP_E_STATUS_UNEXPECTED)
