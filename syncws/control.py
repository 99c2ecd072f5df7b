"""The control objects of both socket classes: everything that is set before connect.

May import enums, errors, settings, streams, wire and control_base. Properties may be read and set on any thread;
connect() freezes them into a Settings value, after which only message_type may change.
"""

from dataclasses import replace

from syncws._arguments.checks import check_number
from syncws._wire.frame_decoder import NO_LIMIT
from syncws.control_base import MAX_UINT32, WebSocketControl
from syncws.enums import MessageWebSocketReceiveMode, SocketMessageType
from syncws.errors import IllegalMethodCallError, InvalidArgumentTypeError
from syncws.settings import Settings

__all__ = ["DEFAULT_MAX_MESSAGE_SIZE", "MessageWebSocketControl", "StreamWebSocketControl"]

DEFAULT_MAX_MESSAGE_SIZE = 64 * 1024 * 1024
_MESSAGE_INBOX_SIZE = 16 * 1024 * 1024
_STREAM_INBOX_SIZE = 1024 * 1024


class MessageWebSocketControl(WebSocketControl):
    """Settings of a MessageWebSocket (Windows.Networking.Sockets.MessageWebSocketControl).

    Comes from `MessageWebSocket.control`; cannot be made. Set everything before connect: afterwards every property but
    message_type raises IllegalMethodCallError (0x8000000E). After a connect that failed they may be set again.
    Times are in seconds, None is for ever.
    """

    __slots__ = ("_max_message_size", "_message_type", "_receive_mode")

    _message_type: SocketMessageType
    _receive_mode: MessageWebSocketReceiveMode
    # None is the default, which depends on the receive mode.
    _max_message_size: int | None

    def __new__(cls) -> "MessageWebSocketControl":
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError("MessageWebSocketControl cannot be made: it is MessageWebSocket.control")

    def _set_defaults(self) -> None:
        super()._set_defaults()
        self._message_type = SocketMessageType.BINARY
        self._receive_mode = MessageWebSocketReceiveMode.FULL_MESSAGE
        self._max_message_size = None
        self._inbox_size_in_bytes = _MESSAGE_INBOX_SIZE

    def _check_settable(self) -> None:
        if self._is_frozen:
            raise IllegalMethodCallError("control cannot be changed after connect was called; only message_type can")

    def _to_settings(self, request_headers: tuple[tuple[str, str], ...]) -> Settings:
        limit = self.max_message_size
        return replace(
            super()._to_settings(request_headers),
            max_message_size=NO_LIMIT if limit == MAX_UINT32 else limit,
            receive_mode=self._receive_mode,
        )

    @property
    def message_type(self) -> SocketMessageType:
        """Type of the messages that are written; default BINARY (MessageWebSocketControl.MessageType).

        May change at any time. What counts is the value when the data is stored, not when it is put into a DataWriter.

        Raises:
            InvalidArgumentTypeError: set to something that is no SocketMessageType, or its number (0x80070057).
        """
        return self._message_type

    @message_type.setter
    def message_type(self, value: SocketMessageType) -> None:
        if type(value) not in (SocketMessageType, int) or value not in (0, 1):
            raise InvalidArgumentTypeError(f"message_type must be a SocketMessageType, not {value!r}")
        self._message_type = SocketMessageType(value)

    @property
    def receive_mode(self) -> MessageWebSocketReceiveMode:
        """Whether events carry whole messages or pieces; default FULL_MESSAGE (MessageWebSocketControl.ReceiveMode).

        With PARTIAL_MESSAGE message_received is raised for each piece as it arrives, also inside a frame; see
        is_message_complete of its args. Messages of any size then take no memory.

        Raises:
            InvalidArgumentTypeError: set to something that is no MessageWebSocketReceiveMode, or its number
                (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._receive_mode

    @receive_mode.setter
    def receive_mode(self, value: MessageWebSocketReceiveMode) -> None:
        self._check_settable()
        if type(value) not in (MessageWebSocketReceiveMode, int) or value not in (0, 1):
            raise InvalidArgumentTypeError(f"receive_mode must be a MessageWebSocketReceiveMode, not {value!r}")
        self._receive_mode = MessageWebSocketReceiveMode(value)

    @property
    def max_message_size(self) -> int:
        """Bytes that an incoming message may have; default 64 MiB (MessageWebSocketControl.MaxMessageSize).

        WinRT's default is no limit, which is 0xFFFFFFFF here, and the default too when receive_mode is PARTIAL_MESSAGE,
        where messages take no memory. A larger message raises MessageReceived, whose get_data_reader() raises
        MessageTooBigError, and the connection is closed with 1009.

        Raises:
            InvalidArgumentError: not from 0 to 0xFFFFFFFF (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        if self._max_message_size is not None:
            return self._max_message_size
        is_whole = self._receive_mode is MessageWebSocketReceiveMode.FULL_MESSAGE
        return DEFAULT_MAX_MESSAGE_SIZE if is_whole else MAX_UINT32

    @max_message_size.setter
    def max_message_size(self, value: int) -> None:
        self._check_settable()
        self._max_message_size = check_number(value, "max_message_size", 0, MAX_UINT32)

    def __repr__(self) -> str:
        state = "frozen" if self._is_frozen else "settable"
        return f"<MessageWebSocketControl message_type={self._message_type.name} {state}>"


class StreamWebSocketControl(WebSocketControl):
    """Settings of a StreamWebSocket (Windows.Networking.Sockets.StreamWebSocketControl).

    Comes from `StreamWebSocket.control`; cannot be made. Set everything before connect: afterwards every property
    raises IllegalMethodCallError (0x8000000E). After a connect that failed they may be set again. Times are in seconds,
    None is for ever.
    """

    __slots__ = ("_no_delay",)

    _no_delay: bool

    def __new__(cls) -> "StreamWebSocketControl":
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError("StreamWebSocketControl cannot be made: it is StreamWebSocket.control")

    def _set_defaults(self) -> None:
        super()._set_defaults()
        self._no_delay = True
        self._inbox_size_in_bytes = _STREAM_INBOX_SIZE

    def _to_settings(self, request_headers: tuple[tuple[str, str], ...]) -> Settings:
        return replace(super()._to_settings(request_headers), no_delay=self._no_delay)

    @property
    def no_delay(self) -> bool:
        """Whether small writes leave at once; default True (StreamWebSocketControl.NoDelay).

        It is TCP_NODELAY: False turns Nagle's algorithm on, which waits for the peer to acknowledge what has gone.

        Raises:
            InvalidArgumentTypeError: set to something that is no bool (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._no_delay

    @no_delay.setter
    def no_delay(self, value: bool) -> None:
        self._check_settable()
        if not isinstance(value, bool):
            raise InvalidArgumentTypeError(f"no_delay must be a bool, not {type(value).__name__}")
        self._no_delay = value
