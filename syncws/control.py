"""The control object of a MessageWebSocket: everything that is set before connect.

May import enums, errors, settings, streams and wire. Its properties may be read and set on any thread; connect()
freezes them into a Settings value, after which only message_type may change.
"""

import math
import ssl
from collections.abc import Callable, Iterable, MutableSequence
from typing import overload

from syncws.enums import SocketMessageType
from syncws.errors import IllegalMethodCallError, InvalidArgumentError, InvalidArgumentTypeError
from syncws.settings import Settings
from syncws.streams.arguments import shown_number
from syncws.wire.headers import check_subprotocol, check_subprotocols

__all__ = ["DEFAULT_MAX_MESSAGE_SIZE", "MessageWebSocketControl", "check_timeout"]

DEFAULT_MAX_MESSAGE_SIZE = 64 * 1024 * 1024
_DEFAULT_INBOX_SIZE = 16 * 1024 * 1024
_MAX_UINT32 = 0xFFFF_FFFF


def check_timeout(value: object, what: str) -> float | None:
    """Check a time limit in seconds.

    Raises:
        InvalidArgumentTypeError: neither a number nor None (0x80070057).
        InvalidArgumentError: negative or not a number (0x80070057).
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgumentTypeError(f"{what} must be seconds as a number, or None, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        raise InvalidArgumentError(f"{what} must be seconds that fit a float, or None for ever") from None
    if math.isnan(seconds) or seconds < 0:
        raise InvalidArgumentError(f"{what} must be 0 or more seconds, or None for ever; got {value!r}")
    # Infinity is for ever as well.
    return None if math.isinf(seconds) else seconds


def check_number(value: object, what: str, lowest: int, highest: int) -> int:
    """Check a whole number.

    Raises:
        InvalidArgumentTypeError: it is no int (0x80070057).
        InvalidArgumentError: it is out of range (0x80070057).
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgumentTypeError(f"{what} must be an int, not {type(value).__name__}")
    if not lowest <= value <= highest:
        raise InvalidArgumentError(f"{what} must be from {lowest} to {highest}; got {shown_number(value)}")
    return value


class _Protocols(MutableSequence[str]):
    """The list of supported_protocols: checks what goes in, and is frozen with the rest."""

    def __init__(self, check_settable: Callable[[], None]) -> None:
        self._check_settable = check_settable
        self._entries: list[str] = []

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._entries[index]

    @overload
    def __setitem__(self, index: int, value: str) -> None: ...

    @overload
    def __setitem__(self, index: slice, value: Iterable[str]) -> None: ...

    def __setitem__(self, index: int | slice, value: str | Iterable[str]) -> None:
        self._check_settable()
        changed: list[object] = list(self._entries)
        if isinstance(index, slice):
            changed[index] = check_subprotocols(value)
        else:
            changed[index] = value
        self._entries = check_subprotocols(changed)

    def __delitem__(self, index: int | slice) -> None:
        self._check_settable()
        del self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def extend(self, values: Iterable[str]) -> None:
        """Put several subprotocols at the end, all or none; errors as supported_protocols."""
        self._check_settable()
        self._entries = check_subprotocols([*self._entries, *check_subprotocols(values)])

    def reverse(self) -> None:
        """Turn the order round; errors as supported_protocols."""
        self._check_settable()
        self._entries.reverse()

    def insert(self, index: int, value: str) -> None:
        """Put a subprotocol in; errors as supported_protocols."""
        self._check_settable()
        self._entries.insert(index, check_subprotocol(value, self._entries))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, list | tuple | _Protocols) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._entries)


class MessageWebSocketControl:
    """Settings of a MessageWebSocket (Windows.Networking.Sockets.MessageWebSocketControl).

    Comes from `MessageWebSocket.control`; cannot be made. Set everything before connect: afterwards every property but
    message_type raises IllegalMethodCallError (0x8000000E). After a connect that failed they may be set again.
    Times are in seconds, None is for ever.
    """

    __slots__ = (
        "_close_timeout",
        "_connect_timeout",
        "_inbox_size_in_bytes",
        "_is_frozen",
        "_max_connect_addresses",
        "_max_message_size",
        "_message_type",
        "_outbound_buffer_size_in_bytes",
        "_receive_timeout",
        "_send_timeout",
        "_ssl_context",
        "_supported_protocols",
    )

    def __new__(cls) -> "MessageWebSocketControl":
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError("MessageWebSocketControl cannot be made: it is MessageWebSocket.control")

    @classmethod
    def _create(cls) -> "MessageWebSocketControl":
        control = object.__new__(cls)
        control._is_frozen = False
        control._message_type = SocketMessageType.BINARY
        control._max_message_size = DEFAULT_MAX_MESSAGE_SIZE
        control._supported_protocols = _Protocols(control._check_settable)
        control._outbound_buffer_size_in_bytes = None
        control._connect_timeout = 60.0
        control._max_connect_addresses = 5
        control._send_timeout = 30.0
        control._receive_timeout = 30.0
        control._close_timeout = 10.0
        control._inbox_size_in_bytes = _DEFAULT_INBOX_SIZE
        control._ssl_context = None
        return control

    _is_frozen: bool
    _message_type: SocketMessageType
    _max_message_size: int
    _supported_protocols: _Protocols
    _outbound_buffer_size_in_bytes: int | None
    _connect_timeout: float | None
    _max_connect_addresses: int
    _send_timeout: float | None
    _receive_timeout: float | None
    _close_timeout: float | None
    _inbox_size_in_bytes: int
    _ssl_context: ssl.SSLContext | None

    def _check_settable(self) -> None:
        if self._is_frozen:
            raise IllegalMethodCallError("control cannot be changed after connect was called; only message_type can")

    def _set_frozen(self, is_frozen: bool) -> None:
        self._is_frozen = is_frozen

    def _to_settings(self, request_headers: tuple[tuple[str, str], ...]) -> Settings:
        return Settings(
            max_message_size=self._max_message_size,
            supported_protocols=tuple(self._supported_protocols),
            request_headers=request_headers,
            outbound_buffer_size_in_bytes=self._outbound_buffer_size_in_bytes,
            connect_timeout=self._connect_timeout,
            max_connect_addresses=self._max_connect_addresses,
            send_timeout=self._send_timeout,
            receive_timeout=self._receive_timeout,
            close_timeout=self._close_timeout,
            inbox_size_in_bytes=self._inbox_size_in_bytes,
            ssl_context=self._ssl_context,
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
    def max_message_size(self) -> int:
        """Bytes that an incoming message may have; default 64 MiB (MessageWebSocketControl.MaxMessageSize).

        WinRT's default is no limit, which is 0xFFFFFFFF here. A larger message raises MessageReceived, whose
        get_data_reader() raises MessageTooBigError, and the connection is closed with 1009.

        Raises:
            InvalidArgumentError: not from 0 to 0xFFFFFFFF (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._max_message_size

    @max_message_size.setter
    def max_message_size(self, value: int) -> None:
        self._check_settable()
        self._max_message_size = check_number(value, "max_message_size", 0, _MAX_UINT32)

    @property
    def supported_protocols(self) -> MutableSequence[str]:
        """Subprotocols to offer, best first; default none (MessageWebSocketControl.SupportedProtocols).

        Edit the sequence; it can be read at any time.

        Raises, on an edit:
            InvalidArgumentError: an entry that is no token, or is there already (0x80070057).
            IllegalMethodCallError: after connect (0x8000000E).
        """
        return self._supported_protocols

    @supported_protocols.setter
    def supported_protocols(self, value: MutableSequence[str]) -> None:
        # `control.supported_protocols += [...]` gets the sequence, extends it, and sets it again.
        if value is not self._supported_protocols:
            raise InvalidArgumentTypeError("supported_protocols cannot be assigned: edit the sequence")

    @property
    def outbound_buffer_size_in_bytes(self) -> int:
        """Size of the socket's send buffer, SO_SNDBUF; default 0, the system's (….OutboundBufferSizeInBytes).

        Raises:
            InvalidArgumentError: not from 0 to 0x7FFFFFFF, what the system takes (0x80070057).
            IllegalMethodCallError: set after connect, where WinRT does nothing (0x8000000E).
        """
        return self._outbound_buffer_size_in_bytes or 0

    @outbound_buffer_size_in_bytes.setter
    def outbound_buffer_size_in_bytes(self, value: int) -> None:
        self._check_settable()
        checked = check_number(value, "outbound_buffer_size_in_bytes", 0, 0x7FFF_FFFF)
        self._outbound_buffer_size_in_bytes = checked or None

    @property
    def connect_timeout(self) -> float | None:
        """Seconds for each address: TCP, TLS and handshake; default 60 (beyond WinRT, where it is fixed).

        Raises:
            InvalidArgumentError: negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._connect_timeout

    @connect_timeout.setter
    def connect_timeout(self, value: float | None) -> None:
        self._check_settable()
        self._connect_timeout = check_timeout(value, "connect_timeout")

    @property
    def max_connect_addresses(self) -> int:
        """How many of a name's addresses are tried; default 5 (beyond WinRT, where it is fixed).

        Raises:
            InvalidArgumentError: not from 1 to 100 (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._max_connect_addresses

    @max_connect_addresses.setter
    def max_connect_addresses(self, value: int) -> None:
        self._check_settable()
        self._max_connect_addresses = check_number(value, "max_connect_addresses", 1, 100)

    @property
    def send_timeout(self) -> float | None:
        """Seconds that a peer which does not read may hold a send; default 30 (beyond WinRT, where it is fixed).

        It bounds the wait for other senders, and then each piece of 64 KiB: a large message on a slow line may take
        longer in all.

        Raises:
            InvalidArgumentError: negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._send_timeout

    @send_timeout.setter
    def send_timeout(self, value: float | None) -> None:
        self._check_settable()
        self._send_timeout = check_timeout(value, "send_timeout")

    @property
    def receive_timeout(self) -> float | None:
        """Seconds that receive() waits when it is not told otherwise; default 30 (beyond WinRT, where it is fixed).

        It never ends a quiet connection.

        Raises:
            InvalidArgumentError: negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._receive_timeout

    @receive_timeout.setter
    def receive_timeout(self, value: float | None) -> None:
        self._check_settable()
        self._receive_timeout = check_timeout(value, "receive_timeout")

    @property
    def close_timeout(self) -> float | None:
        """Seconds that closing may take, the peer's answer included; default 10 (beyond WinRT).

        Raises:
            InvalidArgumentError: negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._close_timeout

    @close_timeout.setter
    def close_timeout(self, value: float | None) -> None:
        self._check_settable()
        self._close_timeout = check_timeout(value, "close_timeout")

    @property
    def inbox_size_in_bytes(self) -> int:
        """Bytes of messages that wait for receive() before reading stops; default 16 MiB (beyond WinRT).

        Reading goes on when half of it is free again. A single message may be larger. With handlers nothing waits.

        Raises:
            InvalidArgumentError: not from 1 to 0xFFFFFFFF (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._inbox_size_in_bytes

    @inbox_size_in_bytes.setter
    def inbox_size_in_bytes(self, value: int) -> None:
        self._check_settable()
        self._inbox_size_in_bytes = check_number(value, "inbox_size_in_bytes", 1, _MAX_UINT32)

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS settings of your own for wss; default None: verification against the system's authorities (beyond WinRT).

        Raises:
            InvalidArgumentTypeError: neither an ssl.SSLContext nor None (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._ssl_context

    @ssl_context.setter
    def ssl_context(self, value: ssl.SSLContext | None) -> None:
        self._check_settable()
        if value is not None and not isinstance(value, ssl.SSLContext):
            raise InvalidArgumentTypeError(f"ssl_context must be an ssl.SSLContext or None, not {type(value).__name__}")
        self._ssl_context = value

    def __repr__(self) -> str:
        state = "frozen" if self._is_frozen else "settable"
        return f"<MessageWebSocketControl message_type={self._message_type.name} {state}>"
