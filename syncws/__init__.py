"""syncws: a blocking WebSocket client with the object model of Windows.Networking.Sockets.

Everything that a program needs is importable from here; names are PyWinRT's with the suffix `_async` dropped, because
every call blocks. Errors are in `syncws.errors`, whose docstring shows their tree. Each class says what any thread may
do with it.
"""

import typing as _typing

from syncws._certificates.fields import CertificateKeyUsages, SubjectAlternativeNameInfo
from syncws._streams.buffer import Buffer, IBuffer
from syncws._streams.data_reader import DataReader
from syncws._streams.data_writer import DataWriter
from syncws._streams.input_stream import IInputStream, InputStream
from syncws._streams.memory_stream import InMemoryRandomAccessStream
from syncws._streams.output_stream import IOutputStream, OutputStream
from syncws._version import __version__
from syncws._wire.accelerated import accelerated
from syncws.cancellation import CancellationToken, CancellationTokenSource
from syncws.certificates import Certificate
from syncws.compression import CompressionStatistics, Deflate
from syncws.connecting import connect, unix_connect
from syncws.control import MessageWebSocketControl, StreamWebSocketControl
from syncws.credentials import PasswordCredential
from syncws.enums import (
    ByteOrder,
    ChainValidationResult,
    CloseCause,
    HostNameType,
    InputStreamOptions,
    MessageWebSocketReceiveMode,
    SocketMessageType,
    SocketSslErrorSeverity,
    UnicodeEncoding,
    WebErrorStatus,
)
from syncws.errors import (
    CanceledByCloseError,
    CannotConnectError,
    CertificateError,
    ConnectAbortedError,
    ConnectAttempt,
    ConnectFailedError,
    ConnectionClosedError,
    ConnectionLostError,
    ConnectionOverError,
    ConnectTimedOutError,
    HandshakeError,
    HostNameNotResolvedError,
    HttpStatusError,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    MessageTooBigError,
    NoUnicodeTranslationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    OutOfBoundsError,
    ProtocolViolationError,
    ProxyError,
    RedirectError,
    TlsError,
    WebSocketError,
)
from syncws.event_args import (
    MessageWebSocketMessageReceivedEventArgs,
    WebSocketClosedEventArgs,
    WebSocketPingReceivedEventArgs,
    WebSocketPongReceivedEventArgs,
    WebSocketServerCustomValidationRequestedEventArgs,
)
from syncws.events import Deferral, Event, EventRegistrationToken
from syncws.host_name import HostName
from syncws.hresult import HResult
from syncws.http_headers import HttpHeaders
from syncws.info import (
    BandwidthStatistics,
    ConnectTimes,
    MessageWebSocketInformation,
    StreamWebSocketInformation,
)
from syncws.iwebsocket import IWebSocket
from syncws.message_websocket import MessageWebSocket
from syncws.partial_text import PartialTextReader
from syncws.reconnecting import (
    Backoff,
    ConnectedEventArgs,
    DisconnectedEventArgs,
    ReconnectingEventArgs,
    ReconnectingIterator,
    ReconnectingWebSocket,
    is_worth_another,
    reconnecting,
)
from syncws.state import State
from syncws.stream_websocket import StreamWebSocket
from syncws.tracing import enable_trace
from syncws.uri import Uri

__all__ = [
    "Backoff",
    "BandwidthStatistics",
    "Buffer",
    "ByteOrder",
    "CanceledByCloseError",
    "CancellationToken",
    "CancellationTokenSource",
    "CannotConnectError",
    "Certificate",
    "CertificateError",
    "CertificateKeyUsages",
    "ChainValidationResult",
    "CloseCause",
    "CompressionStatistics",
    "ConnectAbortedError",
    "ConnectAttempt",
    "ConnectFailedError",
    "ConnectTimedOutError",
    "ConnectTimes",
    "ConnectedEventArgs",
    "ConnectionClosedError",
    "ConnectionLostError",
    "ConnectionOverError",
    "DataReader",
    "DataWriter",
    "Deferral",
    "Deflate",
    "DisconnectedEventArgs",
    "Event",
    "EventRegistrationToken",
    "HResult",
    "HandshakeError",
    "HostName",
    "HostNameNotResolvedError",
    "HostNameType",
    "HttpHeaders",
    "HttpStatusError",
    "IBuffer",
    "IInputStream",
    "IOutputStream",
    "IWebSocket",
    "IllegalMethodCallError",
    "InMemoryRandomAccessStream",
    "InputStream",
    "InputStreamOptions",
    "InvalidArgumentError",
    "InvalidArgumentTypeError",
    "InvalidOperationError",
    "MessageTooBigError",
    "MessageWebSocket",
    "MessageWebSocketControl",
    "MessageWebSocketInformation",
    "MessageWebSocketMessageReceivedEventArgs",
    "MessageWebSocketReceiveMode",
    "NoUnicodeTranslationError",
    "ObjectClosedError",
    "OperationCanceledError",
    "OperationTimedOutError",
    "OutOfBoundsError",
    "OutputStream",
    "PartialTextReader",
    "PasswordCredential",
    "ProtocolViolationError",
    "ProxyError",
    "ReconnectingEventArgs",
    "ReconnectingIterator",
    "ReconnectingWebSocket",
    "RedirectError",
    "SocketMessageType",
    "SocketSslErrorSeverity",
    "State",
    "StreamWebSocket",
    "StreamWebSocketControl",
    "StreamWebSocketInformation",
    "SubjectAlternativeNameInfo",
    "TlsError",
    "UnicodeEncoding",
    "Uri",
    "WebErrorStatus",
    "WebSocketClosedEventArgs",
    "WebSocketError",
    "WebSocketPingReceivedEventArgs",
    "WebSocketPongReceivedEventArgs",
    "WebSocketServerCustomValidationRequestedEventArgs",
    "__version__",
    "accelerated",
    "connect",
    "enable_trace",
    "is_worth_another",
    "reconnecting",
    "unix_connect",
]

if not _typing.TYPE_CHECKING:
    # Type checkers know the names, and would let every other pass.
    def __getattr__(name: str) -> object:
        """Say what a misspelt name, or another client's, is called here."""
        # Here and not above: it is imported only when needed.
        from syncws._arguments.other_names import CLIENTS, nearest

        meant = "" if name.startswith("_") else nearest(name, [*__all__, *CLIENTS], CLIENTS)
        raise AttributeError(f"module 'syncws' has no attribute '{name}'{meant}")
