"""What the decoder makes of the bytes: messages, control frames, and the violation that ends everything.

Plain values, made by the thread that reads and handed on.
"""

from typing import TYPE_CHECKING

from syncws._wire.accelerated import speedups
from syncws.enums import SocketMessageType
from syncws.errors import WebSocketError

__all__ = ["CloseFrame", "Incoming", "Message", "MessagePiece", "Ping", "Pong", "Violation", "content_of"]


class MessageFields:
    """The fields of a Message; a class of its own, because these have a compiled form."""

    # The decoder, and who else makes one, sets these. The object goes to handlers, which can only read the properties;
    # where each message passes, ours reads the slots, which costs no call.
    __slots__ = ("_error", "_length", "_payload", "_text")

    _payload: bytes | None
    _text: str | None
    _length: int
    _error: WebSocketError | None


if not TYPE_CHECKING and speedups is not None:
    MessageFields = speedups.MessageFields


class Message(MessageFields):
    """A whole message, or the error that stands in for one.

    For text `text` is the decoded text and `payload` may be None (bytes are made again from the text when somebody
    asks for them); for binary `text` is None and `payload` is the data, which nobody changes any more.
    """

    __slots__ = ()

    @property
    def payload(self) -> bytes | None:
        """The bytes; None where a text is kept as text alone, whose bytes `data` gives (beyond WinRT)."""
        return self._payload

    @property
    def text(self) -> str | None:
        """The text of a text message; None for a binary one and a failure (beyond WinRT)."""
        return self._text

    @property
    def length(self) -> int:
        """Bytes of the message or the piece, a text's as UTF-8; what was compressed counts inflated (beyond WinRT)."""
        return self._length

    @property
    def error(self) -> WebSocketError | None:
        """The failure, if it is one; look here first when you use `text` or `data` (beyond WinRT)."""
        return self._error

    @property
    def message_type(self) -> SocketMessageType:
        """Type on the wire; only for information: any message can be read in any form.

        Source: MessageWebSocketMessageReceivedEventArgs.MessageType.
        """
        return SocketMessageType.BINARY if self._text is None else SocketMessageType.UTF8

    def _bytes(self) -> bytes:
        """The bytes, made again from the text where that is kept alone; not of a failure."""
        if self._payload is None:
            assert self._text is not None
            return self._text.encode("utf-8")
        return self._payload


def content_of(message: Message) -> str | bytes:
    """Return the text of a text message, the bytes of a binary one."""
    text, payload = message._text, message._payload
    if text is not None:
        return text
    assert payload is not None
    return payload


class MessagePiece(Message):
    """A piece of a message, in the order in which it came.

    `payload` is always set. For text, `text` is what the piece completes: the text of a character that the piece before
    it began is part of it, that of one which it leaves unfinished is not.
    """

    __slots__ = ("_is_last",)

    # Not set for what scan() has made, which is a whole message in one piece.
    _is_last: bool

    @property
    def is_last(self) -> bool:
        """True for the piece that ends the message."""
        return getattr(self, "_is_last", True)

    @property
    def payload(self) -> bytes:
        """The bytes of the piece."""
        return self._bytes()


class Ping:
    """A Ping frame (RFC 6455 5.5.2)."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


class Pong:
    """A Pong frame (RFC 6455 5.5.3)."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


class CloseFrame:
    """A Close frame (RFC 6455 5.5.1); 1005 stands for a frame without a code (7.1.5)."""

    __slots__ = ("code", "payload", "reason")

    def __init__(self, code: int, reason: str, payload: bytes) -> None:
        self.code = code
        self.reason = reason
        self.payload = payload


class Violation:
    """The peer broke a rule or a limit: the connection is to be failed (RFC 6455 7.1.7) with `code`."""

    __slots__ = ("code", "error")

    def __init__(self, code: int, error: WebSocketError) -> None:
        self.code = code
        self.error = error


Incoming = Message | Ping | Pong | CloseFrame | Violation
