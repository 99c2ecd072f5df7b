"""Exceptions, each with an HRESULT; WebSocketError.get_status turns an HRESULT into a WebErrorStatus.

Plain values: any thread may use them. The tree, most general first; next to each class, what else it is in Python and
the HRESULT it carries::

    WebSocketError                     OSError                  any
    ├── InvalidArgumentError           ValueError               0x80070057 E_INVALIDARG
    │   └── InvalidArgumentTypeError   TypeError                0x80070057 E_INVALIDARG
    ├── IllegalMethodCallError         RuntimeError             0x8000000E E_ILLEGAL_METHOD_CALL
    ├── InvalidOperationError          RuntimeError             0x800710DD ERROR_INVALID_OPERATION
    ├── ObjectClosedError                                       0x80000013 RO_E_CLOSED
    ├── OutOfBoundsError               IndexError               0x8000000B E_BOUNDS
    ├── NoUnicodeTranslationError      UnicodeError             0x80070459 ERROR_NO_UNICODE_TRANSLATION
    ├── OperationCanceledError                                  0x800704C7 or 0x80072EF1
    ├── OperationTimedOutError         TimeoutError             0x80072EE2 WININET_E_TIMEOUT
    ├── ConnectFailedError             ConnectionError          (connect() failed)
    │   ├── HostNameNotResolvedError                            0x80072EE7
    │   ├── CannotConnectError                                  0x80072EFD, 0x80072F84
    │   │   └── ProxyError                                      0x80072F85; see there
    │   ├── TlsError                                            0x80072F7D, client certificate needed 0x80072F0C
    │   │   └── CertificateError                                0x80072F05, …06, …0D, …17, …19, …89, …8A, 0x800C000E
    │   ├── HandshakeError                                      0x80072F78, 0x83760003, 0x83760004
    │   │   ├── HttpStatusError                                 0x80190000 + status, 0x80190001 … 5
    │   │   └── RedirectError                                   0x80072F7C, 0x80072F08
    │   ├── ConnectTimedOutError       OperationTimedOutError   0x80072EE2
    │   └── ConnectAbortedError        ConnectionLostError      0x80072EFE, 0x80072EFF
    └── ConnectionOverError                                     (an open connection ended)
        ├── ConnectionClosedError      ObjectClosedError        0x80000013
        ├── CanceledByCloseError       OperationCanceledError   0x80072EF1
        ├── ConnectionLostError        ConnectionAbortedError   0x80072EFE, after a TCP reset 0x80072EFF
        ├── ProtocolViolationError                              0x83760002 E_INVALID_PROTOCOL_FORMAT
        └── MessageTooBigError         ValueError               0x80072738 WSAEMSGSIZE

A program that reconnects catches ConnectFailedError and ConnectionOverError; `is_transient` of either tells whether
another attempt has a chance. A connect() that is cancelled raises OperationCanceledError.
"""

import copy
import errno as errno_module
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from syncws._numbers import as_integer
from syncws.enums import ChainValidationResult, CloseCause, WebErrorStatus
from syncws.hresult import HResult, hresult_of_http_status, status_of, unsigned
from syncws.http_headers import HttpHeaders

__all__ = [
    "CanceledByCloseError",
    "CannotConnectError",
    "CertificateError",
    "ConnectAbortedError",
    "ConnectAttempt",
    "ConnectFailedError",
    "ConnectTimedOutError",
    "ConnectionClosedError",
    "ConnectionLostError",
    "ConnectionOverError",
    "HandshakeError",
    "HostNameNotResolvedError",
    "HttpStatusError",
    "IllegalMethodCallError",
    "InvalidArgumentError",
    "InvalidArgumentTypeError",
    "InvalidOperationError",
    "MessageTooBigError",
    "NoUnicodeTranslationError",
    "ObjectClosedError",
    "OperationCanceledError",
    "OperationTimedOutError",
    "OutOfBoundsError",
    "ProtocolViolationError",
    "ProxyError",
    "RedirectError",
    "TlsError",
    "WebSocketError",
]


class ConnectAttempt(NamedTuple):
    """What happened to one address during a connect() (beyond WinRT).

    Attributes:
        address (str): the IP address, or the path of a Unix socket.
        error (OSError): why it failed: the system's error, or one from this module.
        seconds (float): how long it was tried.
    """

    address: str
    error: OSError
    seconds: float


class WebSocketError(OSError):
    """Base of every error of this library; an OSError that carries an HRESULT.

    Attributes:
        hresult (int): the signed 32-bit HRESULT; also as `winerror`, as in PyWinRT's errors.
        status (WebErrorStatus): what WebSocketError.get_status gives for it.
        message (str): what went wrong, for people; also as `strerror`.
        errno (int | None): the nearest POSIX number, None where there is none.
        attempts (tuple[ConnectAttempt, ...]): from connect(), what happened to each address that was tried; else empty.
    """

    args: tuple[Any, ...]
    _default_hresult: ClassVar[int] = HResult.E_FAIL
    _default_errno: ClassVar[int | None] = None

    def __init__(self, message: str, *, hresult: int | None = None) -> None:
        super().__init__(message)
        self.hresult: int = int(self._default_hresult if hresult is None else hresult)
        self.message: str = message
        self.strerror: str | None = message
        self.attempts: tuple[ConnectAttempt, ...] = ()
        self.errno: int | None = self._default_errno

    def __reduce__(self) -> tuple[object, ...]:
        # OSError's own would lose the keyword arguments; errors cross process borders by pickle.
        return (_rebuild, (type(self), self.message, self.__dict__ | {"errno": self.errno}))

    def _reword(self, message: str) -> None:
        """Change the text."""
        self.args = (message,)
        self.message = self.strerror = message

    @property
    def winerror(self) -> int:
        """The signed HRESULT, under the name that PyWinRT's errors give it."""
        return self.hresult

    @property
    def status(self) -> WebErrorStatus:
        """WebErrorStatus for this error's HRESULT (WebSocketError.GetStatus)."""
        return WebSocketError.get_status(self.hresult)

    @staticmethod
    def get_status(hresult: int, /) -> WebErrorStatus:
        """Return the WebErrorStatus of an HRESULT, signed or unsigned; UNKNOWN for a number that has none.

        Raises:
            InvalidArgumentTypeError, InvalidArgumentError: not an int, or one that does not fit 32 bits (0x80070057).

        Source: Windows.Networking.Sockets.WebSocketError.GetStatus.
        """
        if (number := as_integer(hresult)) is None:
            raise InvalidArgumentTypeError(f"hresult must be an int, not {type(hresult).__name__}")
        if not -0x8000_0000 <= number <= 0xFFFF_FFFF:
            raise InvalidArgumentError(f"hresult must fit 32 bits, got {hresult}")
        return status_of(number)

    def __str__(self) -> str:
        return f"{self.message} [HRESULT 0x{unsigned(self.hresult):08X}]"


def fresh(error: WebSocketError) -> WebSocketError:
    """Return a copy to raise: an error raised twice keeps the frames of both times, and what their locals hold."""
    made = copy.copy(error)
    made.__cause__ = error.__cause__
    return made


def _rebuild(cls: type[WebSocketError], message: str, state: dict[str, object]) -> WebSocketError:
    error = cls.__new__(cls, message)
    WebSocketError.__init__(error, message)
    for name, value in state.items():
        setattr(error, name, value)
    return error


class InvalidArgumentError(WebSocketError, ValueError):
    """A value that is not allowed, found before any I/O: E_INVALIDARG 0x80070057."""

    _default_hresult = HResult.E_INVALIDARG
    _default_errno = errno_module.EINVAL


class InvalidArgumentTypeError(InvalidArgumentError, TypeError):
    """A value of a type that is not allowed: E_INVALIDARG 0x80070057."""


class IllegalMethodCallError(WebSocketError, RuntimeError):
    """A call that this state of the object does not allow: E_ILLEGAL_METHOD_CALL 0x8000000E."""

    _default_hresult = HResult.E_ILLEGAL_METHOD_CALL


class InvalidOperationError(WebSocketError, RuntimeError):
    """A second operation while another runs on the same reader or writer: 0x800710DD."""

    _default_hresult = HResult.ERROR_INVALID_OPERATION
    _default_errno = errno_module.EBUSY


class ObjectClosedError(WebSocketError):
    """Use of a socket, stream, reader or writer after it was closed: RO_E_CLOSED 0x80000013."""

    _default_hresult = HResult.RO_E_CLOSED
    _default_errno = errno_module.EBADF


class OutOfBoundsError(WebSocketError, IndexError):
    """A read past the bytes that are loaded: E_BOUNDS 0x8000000B."""

    _default_hresult = HResult.E_BOUNDS


class NoUnicodeTranslationError(WebSocketError, UnicodeError):
    """Bytes that are not text in the chosen encoding: ERROR_NO_UNICODE_TRANSLATION 0x80070459."""

    _default_hresult = HResult.ERROR_NO_UNICODE_TRANSLATION
    _default_errno = errno_module.EILSEQ


class OperationCanceledError(WebSocketError):
    """The operation was ended by close(), abort() or a cancellation: 0x800704C7 or 0x80072EF1."""

    _default_hresult = HResult.ERROR_CANCELLED
    _default_errno = errno_module.ECANCELED


class OperationTimedOutError(WebSocketError, TimeoutError):
    """The operation's deadline passed: WININET_E_TIMEOUT 0x80072EE2.

    Attributes:
        is_queued (bool): only for a send: True when part of the message had already left and the rest is kept, so all
            of it may still arrive; False when it will not arrive.
    """

    _default_hresult = HResult.WININET_E_TIMEOUT
    _default_errno = errno_module.ETIMEDOUT

    def __init__(self, message: str, *, hresult: int | None = None, is_queued: bool = False) -> None:
        super().__init__(message, hresult=hresult)
        self.is_queued = is_queued


class ConnectFailedError(WebSocketError, ConnectionError):
    """Base of the errors with which connect() fails for a reason of the network or the server."""

    # Set for a class, or for one error.
    _is_transient = True

    @property
    def is_transient(self) -> bool:
        """True when the same connect() would have a chance later (beyond WinRT).

        True when the name was not found, nobody accepted, the time ran out, or the server or a proxy hung up, and for
        the HTTP statuses 408, 425, 429 and 5xx. False for every other status, for a user name or password that a proxy
        does not accept, for certificates and TLS, unless the server hung up in the middle of the TLS handshake or says
        that something is wrong on its side (internal_error), and for an answer that is not a valid handshake.
        """
        return self._is_transient


class HostNameNotResolvedError(ConnectFailedError):
    """The host name has no address: WININET_E_NAME_NOT_RESOLVED 0x80072EE7."""

    _default_hresult = HResult.WININET_E_NAME_NOT_RESOLVED


class CannotConnectError(ConnectFailedError):
    """No TCP connection: WININET_E_CANNOT_CONNECT 0x80072EFD, unreachable 0x80072F84."""

    _default_hresult = HResult.WININET_E_CANNOT_CONNECT
    _default_errno = errno_module.ECONNREFUSED


class ProxyError(CannotConnectError):
    """The proxy cannot be reached, or refuses: WININET_E_PROXY_SERVER_UNREACHABLE 0x80072F85 (beyond WinRT).

    A SOCKS proxy that does not accept our user name and password: 0x80190197, as for an HTTP proxy's 407. One that
    says why it did not reach the server: refused 0x80072EFD, unreachable 0x80072F84.

    Attributes:
        is_about_server (bool): the proxy works, but could not or would not connect to the server.
    """

    _default_hresult = HResult.WININET_E_PROXY_SERVER_UNREACHABLE

    def __init__(self, message: str, *, hresult: int | None = None, is_about_server: bool = False) -> None:
        super().__init__(message, hresult=hresult)
        self.is_about_server = is_about_server
        self._is_transient = self.hresult != HResult.HTTP_E_STATUS_PROXY_AUTH_REQ


class TlsError(ConnectFailedError):
    """The TLS handshake failed: WININET_E_SECURITY_CHANNEL_ERROR 0x80072F7D.

    0x80072F0C (WININET_E_CLIENT_AUTH_CERT_NEEDED) when the server says that it wants a client certificate and got none.
    Only TLS 1.3 has an alert for that; in older versions servers send others, which the message names, as it does those
    about a client certificate that is not accepted (unknown_ca, certificate_expired …).
    """

    _is_transient = False
    _default_hresult = HResult.WININET_E_SECURITY_CHANNEL_ERROR
    _default_errno = errno_module.EPROTO


class CertificateError(TlsError):
    """The server's certificate did not pass; the HRESULT tells why (0x80072F05, …06, …0D, …17, …19, …89, …8A).

    0x800C000E when a handler of server_custom_validation_requested has refused it.

    Attributes:
        certificate_errors (tuple[ChainValidationResult, ...]): what did not pass; empty after a handler's refusal.
    """

    _default_hresult = HResult.WININET_E_SEC_INVALID_CERT

    def __init__(
        self, message: str, *, hresult: int | None = None, certificate_errors: Iterable[ChainValidationResult] = ()
    ) -> None:
        super().__init__(message, hresult=hresult)
        self.certificate_errors: tuple[ChainValidationResult, ...] = tuple(certificate_errors)


class HandshakeError(ConnectFailedError):
    """The server's answer is not a valid WebSocket handshake: 0x80072F78, 0x83760003 or 0x83760004.

    Or a proxy's answer is one that its protocol does not allow: 0x80072F78.
    """

    _is_transient = False
    _default_hresult = HResult.WININET_E_INVALID_SERVER_RESPONSE
    _default_errno = errno_module.EPROTO


class HttpStatusError(HandshakeError):
    """The server answered with a status other than 101: 0x80190000 + status, or 0x80190001 … 5.

    Or the proxy answered CONNECT with a status other than 2xx; 407 is PROXY_AUTHENTICATION_REQUIRED.

    Attributes:
        status_code (int): the HTTP status code.
        headers (HttpHeaders): the answer's headers; repeated ones are joined by ", ", and `get_all(name)` has them
            apart.
        body (bytes): the first bytes of the answer's body, at most 4,096.
        location (str | None): the Location header of a redirect, which is not followed.
        is_from_proxy (bool): the answer came from the proxy, not from the server.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        is_from_proxy: bool = False,
    ) -> None:
        super().__init__(message, hresult=hresult_of_http_status(status_code))
        self.status_code = status_code
        self.headers: HttpHeaders = headers if isinstance(headers, HttpHeaders) else HttpHeaders(headers or {})
        self.body = body
        self.is_from_proxy = is_from_proxy
        self._is_transient = status_code in (408, 425, 429) or status_code >= 500

    @property
    def location(self) -> str | None:
        """Value of the Location header; None when there is none, or it is a proxy's, which must not lead us away."""
        return None if self.is_from_proxy else self.headers.get("location")


class RedirectError(HandshakeError):
    """A redirect that is not followed although control.max_redirects allows some: WININET_E_REDIRECT_FAILED 0x80072F7C.

    There were too many, or it does not lead to a WebSocket URI; from wss to ws it is 0x80072F08.

    Attributes:
        location (str | None): where it leads.
    """

    _default_hresult = HResult.WININET_E_REDIRECT_FAILED

    def __init__(self, message: str, *, hresult: int | None = None, location: str | None = None) -> None:
        super().__init__(message, hresult=hresult)
        self.location = location


class ConnectTimedOutError(ConnectFailedError, OperationTimedOutError):
    """A connect() ran out of time: WININET_E_TIMEOUT 0x80072EE2."""


class ConnectionOverError(WebSocketError):
    """Base of the errors of an open connection that is over, or closing.

    Attributes:
        close_cause (CloseCause): who or what ended it; NONE where that is not known.
        close_code (int | None): the close code, as information.close_code has it; None where it is not known.
        close_reason (str): the reason that goes with close_code.
    """

    close_cause: CloseCause = CloseCause.NONE
    close_code: int | None = None
    close_reason: str = ""

    @property
    def is_transient(self) -> bool:
        """True when connecting again would have a chance (beyond WinRT).

        True when the connection was lost or went silent, or when the server closed it with a code that does not blame
        this side; codes from 3000 on, which only their server can explain, count as such. False after 1002, 1003 and
        1007 to 1010, when this side closed it, and when the server broke the protocol or sent too much.
        """
        if self.close_cause is CloseCause.PEER:
            return self.close_code not in _CODES_THAT_BLAME_US
        return self.close_cause in (CloseCause.CONNECTION_LOST, CloseCause.KEEP_ALIVE)


_CODES_THAT_BLAME_US = frozenset({1002, 1003, 1007, 1008, 1009, 1010})


class ConnectionClosedError(ObjectClosedError, ConnectionOverError):
    """The connection was closed, by the server or by this side: RO_E_CLOSED 0x80000013."""


class CanceledByCloseError(OperationCanceledError, ConnectionOverError):
    """A send or read was under way when the connection was closed: 0x80072EF1."""

    _default_hresult = HResult.WININET_E_OPERATION_CANCELLED


class MessageTooBigError(ConnectionOverError, ValueError):
    """An incoming message over control.max_message_size, or in too many fragments: 0x80072738."""

    _default_hresult = HResult.WSAEMSGSIZE
    _default_errno = errno_module.EMSGSIZE


class ProtocolViolationError(ConnectionOverError):
    """The server broke RFC 6455, and was sent the close code 1002 or 1007: E_INVALID_PROTOCOL_FORMAT 0x83760002."""

    _default_hresult = HResult.E_INVALID_PROTOCOL_FORMAT
    _default_errno = errno_module.EPROTO

    def __init__(self, message: str, *, hresult: int | None = None, close_code: int = 1002) -> None:
        super().__init__(message, hresult=hresult)
        self.close_code: int | None = close_code


class ConnectionLostError(ConnectionOverError, ConnectionAbortedError):
    """TCP or TLS ended without a Close frame: 0x80072EFE, after a reset by the server 0x80072EFF."""

    _default_hresult = HResult.WININET_E_CONNECTION_ABORTED
    _default_errno = errno_module.ECONNABORTED

    @property
    def is_transient(self) -> bool:
        """True while its cause is not known; else see ConnectionOverError.is_transient."""
        return self.close_cause is CloseCause.NONE or super().is_transient


class ConnectAbortedError(ConnectFailedError, ConnectionLostError):
    """The server hung up before the connection was open: 0x80072EFE, after a TCP reset 0x80072EFF."""
