"""What handlers receive: a message, how the connection ended, a server's certificate to check.

Made by the thread that reads, or, for a server's certificate, on the connecting thread; usable on any thread and after
the handler has returned.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Self

from syncws._arguments.showing import as_html
from syncws._certificates.errors import severity_of
from syncws._copying import NotCopied
from syncws._locks import locks
from syncws._streams.data_reader import DataReader, MessageReader
from syncws._streams.input_stream import InputStream, MemoryInputStream
from syncws._wire.accelerated import speedups
from syncws._wire.incoming import Message, MessagePiece
from syncws.certificates import Certificate
from syncws.enums import ChainValidationResult, SocketSslErrorSeverity
from syncws.errors import fresh
from syncws.events import Deferral

__all__ = [
    "MessagePieceEventArgs",
    "MessageWebSocketMessageReceivedEventArgs",
    "WebSocketClosedEventArgs",
    "WebSocketPingReceivedEventArgs",
    "WebSocketPongReceivedEventArgs",
    "WebSocketServerCustomValidationRequestedEventArgs",
]


class _OnlyReceived:
    """The base of those that only a socket makes."""

    __slots__ = ()

    def __new__(cls) -> Self:
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{cls.__name__} cannot be made: handlers receive it")


class MessageWebSocketMessageReceivedEventArgs(Message, NotCopied, _OnlyReceived):
    """A received message (Windows.Networking.Sockets.MessageWebSocketMessageReceivedEventArgs); cannot be made.

    It may also stand for a failure, the last event of a connection: then get_data_reader() and get_data_stream() raise
    that. Like all event args it is read-only: setting a property raises AttributeError.
    """

    # The decoder makes the very object that handlers receive: one allocation for each message.
    __slots__ = ()

    @classmethod
    def _over(cls, message: Message) -> Self:
        args = object.__new__(cls)
        args._payload = message._payload
        args._text = message._text
        args._length = message._length
        args._error = message._error
        return args

    def get_data_reader(self) -> DataReader:
        """Return a reader that holds the whole message, or the piece of it: no load() is needed.

        Each call gives a new reader over the same bytes. A piece of text may end inside a character, which read_string
        refuses: PartialTextReader reads text across events.

        Raises:
            ConnectionLostError: the connection broke (0x80072EFE, after a reset 0x80072EFF).
            MessageTooBigError: the message is over control.max_message_size (0x80072738).
            ProtocolViolationError: the server broke RFC 6455 (0x83760002).

        Source: MessageWebSocketMessageReceivedEventArgs.GetDataReader.
        """
        if self._error is not None:
            raise fresh(self._error)
        return MessageReader(self._payload, self._text, self._length)

    def get_data_stream(self) -> InputStream:
        """Return the message's bytes, or the piece's, as a stream; a text message's are its UTF-8.

        Raises: as get_data_reader.

        Source: MessageWebSocketMessageReceivedEventArgs.GetDataStream.
        """
        if self._error is not None:
            raise fresh(self._error)
        return MemoryInputStream(self._bytes())

    @property
    def data(self) -> bytes:
        """The message's bytes, or the piece's; a text message's are its UTF-8, a failure has none (beyond WinRT)."""
        return self._bytes()

    @property
    def is_message_complete(self) -> bool:
        """True when the event ends its message: always, unless control.receive_mode is PARTIAL_MESSAGE.

        Source: MessageWebSocketMessageReceivedEventArgs.IsMessageComplete.
        """
        return True

    def __repr__(self) -> str:
        if self._error is not None:
            return f"<MessageWebSocketMessageReceivedEventArgs error={self._error}>"
        part = "" if self.is_message_complete else " partial"
        return f"<MessageWebSocketMessageReceivedEventArgs {self.message_type.name}{part} length={self._length}>"


if speedups is not None:
    # Gives it the compiled form of get_data_reader().
    speedups.use_message(MessageWebSocketMessageReceivedEventArgs)


class MessagePieceEventArgs(MessageWebSocketMessageReceivedEventArgs, MessagePiece):
    """The args of a piece of a message, for receive_mode PARTIAL_MESSAGE."""

    __slots__ = ()

    def get_data_reader(self) -> DataReader:
        """Return a reader that holds the piece; see the base class."""
        # Not over the text: that begins and ends where characters do.
        return MessageReader(self.payload, None, self._length)

    @property
    def is_message_complete(self) -> bool:
        """True when the piece ends its message; see the base class."""
        return self.is_last


class WebSocketClosedEventArgs(_OnlyReceived):
    """How a connection ended (Windows.Networking.Sockets.WebSocketClosedEventArgs); cannot be made."""

    __slots__ = ("_code", "_reason")

    _code: int
    _reason: str

    @classmethod
    def _create(cls, code: int, reason: str) -> Self:
        args = object.__new__(cls)
        args._code = code
        args._reason = reason
        return args

    @property
    def code(self) -> int:
        """The server's close code (….Code).

        1005 when its Close frame had none, 1006 when there was no Close frame (RFC 6455 7.1.5). When this side ended
        the connection because of the server, the code that the server was sent: 1002 or 1007 after a violation, 1009
        after a message that was too big, 1011 when it was silent for longer than keep-alive allows.
        """
        return self._code

    @property
    def reason(self) -> str:
        """Text of the Close frame; "" for none (….Reason)."""
        return self._reason

    def _repr_html_(self) -> str:
        return as_html("WebSocketClosedEventArgs", {"code": self._code, "reason": self._reason})

    def __repr__(self) -> str:
        return f"<WebSocketClosedEventArgs code={self._code} reason={self._reason!r}>"


class WebSocketPingReceivedEventArgs(NamedTuple):
    """A Ping from the server, which has been answered (beyond WinRT, RFC 6455 5.5.2).

    Attributes:
        payload (bytes): at most 125 bytes.
    """

    payload: bytes


class WebSocketPongReceivedEventArgs(NamedTuple):
    """A Pong from the server (beyond WinRT, RFC 6455 5.5.3).

    Attributes:
        payload (bytes): at most 125 bytes.
        round_trip_time (float | None): seconds since the Ping that it answers, of ping() or keep-alive; None when it
            answers none.
    """

    payload: bytes
    round_trip_time: float | None


class WebSocketServerCustomValidationRequestedEventArgs(_OnlyReceived):
    """A server's certificate that has passed the usual checks, for one more check; cannot be made.

    Windows.Networking.Sockets.WebSocketServerCustomValidationRequestedEventArgs. The connection goes on unless a
    handler calls reject() or raises. Meanwhile the server waits, and connect's deadline runs.
    """

    __slots__ = ("_certificates", "_errors", "_is_rejected", "_lock", "_on_change", "_open_deferrals")

    _certificates: tuple[Certificate, ...]
    _errors: tuple[ChainValidationResult, ...]
    _is_rejected: bool
    _lock: AbstractContextManager[object]
    _on_change: Callable[[], None]
    _open_deferrals: int

    @classmethod
    def _create(
        cls,
        certificates: tuple[Certificate, ...],
        errors: tuple[ChainValidationResult, ...],
        on_change: Callable[[], None],
    ) -> Self:
        args = object.__new__(cls)
        args._certificates = certificates
        args._errors = errors
        args._is_rejected = False
        args._lock = locks.RLock()
        args._on_change = on_change
        args._open_deferrals = 0
        return args

    @property
    def server_certificate(self) -> Certificate:
        """The server's certificate (….ServerCertificate)."""
        return self._certificates[0]

    @property
    def server_intermediate_certificates(self) -> Sequence[Certificate]:
        """The other certificates that the server sent (….ServerIntermediateCertificates)."""
        return self._certificates[1:]

    @property
    def server_certificate_errors(self) -> Sequence[ChainValidationResult]:
        """Errors of the certificate that control.ignorable_server_certificate_errors let pass; usually none.

        Source: ….ServerCertificateErrors.
        """
        return self._errors

    @property
    def server_certificate_error_severity(self) -> SocketSslErrorSeverity:
        """NONE, or IGNORABLE when errors were ignored (….ServerCertificateErrorSeverity)."""
        return severity_of(self._errors)

    def reject(self) -> None:
        """Refuse the server: connect raises CertificateError with 0x800C000E. May be called again (….Reject)."""
        self._is_rejected = True

    def get_deferral(self) -> Deferral:
        """Return a Deferral: connect waits until it is completed, or its deadline has passed (….GetDeferral)."""
        with self._lock:
            self._open_deferrals += 1
        return Deferral(self._complete_one)

    def _complete_one(self) -> None:
        with self._lock:
            self._open_deferrals -= 1
        self._on_change()

    def __repr__(self) -> str:
        verdict = "rejected" if self._is_rejected else f"errors={[error.name for error in self._errors]}"
        return f"<WebSocketServerCustomValidationRequestedEventArgs {verdict}>"

    @property
    def _is_settled(self) -> bool:
        return self._open_deferrals == 0
