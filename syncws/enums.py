"""The enumerations of the Windows API, with PyWinRT's spelling and Windows' numbers; CloseCause is beyond it.

Plain values: any thread may use them.
"""

import enum

__all__ = [
    "ByteOrder",
    "ChainValidationResult",
    "CloseCause",
    "HostNameType",
    "InputStreamOptions",
    "MessageWebSocketReceiveMode",
    "SocketMessageType",
    "SocketSslErrorSeverity",
    "UnicodeEncoding",
    "WebErrorStatus",
]


class NamedNumber(enum.IntEnum):
    """Base of the enumerations: an int whose str() is its name on every Python, and whose repr() shows both."""

    def __str__(self) -> str:
        return self.name


class SocketMessageType(NamedNumber):
    """Type of a WebSocket message (Windows.Networking.Sockets.SocketMessageType)."""

    BINARY = 0
    UTF8 = 1


class MessageWebSocketReceiveMode(NamedNumber):
    """What an event of a MessageWebSocket carries (Windows.Networking.Sockets.MessageWebSocketReceiveMode)."""

    FULL_MESSAGE = 0
    PARTIAL_MESSAGE = 1


class SocketSslErrorSeverity(NamedNumber):
    """How bad the errors of a server certificate are (Windows.Networking.Sockets.SocketSslErrorSeverity)."""

    NONE = 0
    IGNORABLE = 1
    FATAL = 2


class InputStreamOptions(enum.IntFlag):
    """When a read from a stream is complete (Windows.Storage.Streams.InputStreamOptions).

    NONE waits for all bytes asked for, PARTIAL for at least one byte. READ_AHEAD changes nothing here: a socket always
    reads ahead.
    """

    NONE = 0
    PARTIAL = 1
    READ_AHEAD = 2

    def __str__(self) -> str:
        return self.name or "NONE"


class UnicodeEncoding(NamedNumber):
    """Encoding of strings in DataReader and DataWriter (Windows.Storage.Streams.UnicodeEncoding)."""

    UTF8 = 0
    UTF16_L_E = 1
    UTF16_B_E = 2


class ByteOrder(NamedNumber):
    """Order of the bytes of a number (Windows.Storage.Streams.ByteOrder)."""

    LITTLE_ENDIAN = 0
    BIG_ENDIAN = 1


class HostNameType(NamedNumber):
    """What a HostName holds (Windows.Networking.HostNameType)."""

    DOMAIN_NAME = 0
    IPV4 = 1
    IPV6 = 2
    BLUETOOTH = 3


class ChainValidationResult(NamedNumber):
    """Outcome of a certificate check (Windows.Security.Cryptography.Certificates.ChainValidationResult)."""

    SUCCESS = 0
    UNTRUSTED = 1
    REVOKED = 2
    EXPIRED = 3
    INCOMPLETE_CHAIN = 4
    INVALID_SIGNATURE = 5
    WRONG_USAGE = 6
    INVALID_NAME = 7
    INVALID_CERTIFICATE_AUTHORITY_POLICY = 8
    BASIC_CONSTRAINTS_ERROR = 9
    UNKNOWN_CRITICAL_EXTENSION = 10
    REVOCATION_INFORMATION_MISSING = 11
    REVOCATION_FAILURE = 12
    OTHER_ERRORS = 13


class CloseCause(NamedNumber):
    """Why a connection is over, or ending: who or what began it (beyond WinRT)."""

    NONE = 0
    """It is open, or was never connected."""
    PEER = 1
    """The server sent a Close frame."""
    LOCAL = 2
    """close() was called, a `with` block was left, or the program ended."""
    ABORTED = 3
    """abort() was called."""
    DROPPED = 4
    """The socket object was dropped without close()."""
    CONNECTION_LOST = 5
    """TCP or TLS ended or broke, without a Close frame."""
    KEEP_ALIVE = 6
    """The server was silent for longer than keep-alive allows."""
    PROTOCOL_ERROR = 7
    """The server broke RFC 6455."""
    MESSAGE_TOO_BIG = 8
    """A message was over control.max_message_size, or in too many fragments."""
    FORKED = 9
    """This is a forked child, and the connection is its parent's."""
    HANDLER = 10
    """A handler raised something that is not an Exception, such as SystemExit, and so ended the handlers' thread."""


class WebErrorStatus(NamedNumber):
    """What kind of failure it was (Windows.Web.WebErrorStatus); 55 values, HTTP answers by their own number."""

    UNKNOWN = 0
    CERTIFICATE_COMMON_NAME_IS_INCORRECT = 1
    CERTIFICATE_EXPIRED = 2
    CERTIFICATE_CONTAINS_ERRORS = 3
    CERTIFICATE_REVOKED = 4
    CERTIFICATE_IS_INVALID = 5
    SERVER_UNREACHABLE = 6
    TIMEOUT = 7
    ERROR_HTTP_INVALID_SERVER_RESPONSE = 8
    CONNECTION_ABORTED = 9
    CONNECTION_RESET = 10
    DISCONNECTED = 11
    HTTP_TO_HTTPS_ON_REDIRECTION = 12
    HTTPS_TO_HTTP_ON_REDIRECTION = 13
    CANNOT_CONNECT = 14
    HOST_NAME_NOT_RESOLVED = 15
    OPERATION_CANCELED = 16
    REDIRECT_FAILED = 17
    UNEXPECTED_STATUS_CODE = 18
    UNEXPECTED_REDIRECTION = 19
    UNEXPECTED_CLIENT_ERROR = 20
    UNEXPECTED_SERVER_ERROR = 21
    INSUFFICIENT_RANGE_SUPPORT = 22
    MISSING_CONTENT_LENGTH_SUPPORT = 23
    MULTIPLE_CHOICES = 300
    MOVED_PERMANENTLY = 301
    FOUND = 302
    SEE_OTHER = 303
    NOT_MODIFIED = 304
    USE_PROXY = 305
    TEMPORARY_REDIRECT = 307
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    PAYMENT_REQUIRED = 402
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    NOT_ACCEPTABLE = 406
    PROXY_AUTHENTICATION_REQUIRED = 407
    REQUEST_TIMEOUT = 408
    CONFLICT = 409
    GONE = 410
    LENGTH_REQUIRED = 411
    PRECONDITION_FAILED = 412
    REQUEST_ENTITY_TOO_LARGE = 413
    REQUEST_URI_TOO_LONG = 414
    UNSUPPORTED_MEDIA_TYPE = 415
    REQUESTED_RANGE_NOT_SATISFIABLE = 416
    EXPECTATION_FAILED = 417
    INTERNAL_SERVER_ERROR = 500
    NOT_IMPLEMENTED = 501
    BAD_GATEWAY = 502
    SERVICE_UNAVAILABLE = 503
    GATEWAY_TIMEOUT = 504
    HTTP_VERSION_NOT_SUPPORTED = 505
