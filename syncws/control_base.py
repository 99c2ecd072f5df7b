"""What the control objects of both socket classes share.

May import checked_list, checks, connect_control, errors, settings and wire. Properties may be read and set on any
thread; connect() freezes them into a Settings value.
"""

from collections.abc import MutableSequence
from typing import TypeVar

from syncws._arguments.checked_list import CheckedList
from syncws._arguments.checks import check_number, check_timeout
from syncws._wire.frame_decoder import NO_LIMIT
from syncws._wire.headers import check_subprotocols
from syncws.connect_control import ConnectControl
from syncws.errors import IllegalMethodCallError, InvalidArgumentTypeError
from syncws.settings import Settings

__all__ = ["MAX_UINT32", "WebSocketControl"]

MAX_UINT32 = 0xFFFF_FFFF

ControlT = TypeVar("ControlT", bound="WebSocketControl")


class WebSocketControl(ConnectControl):
    """Settings of either socket class; what WinRT calls IWebSocketControl2, and more. Not for use by itself.

    Times are in seconds, None is for ever.
    """

    __slots__ = (
        "_close_timeout",
        "_inbox_size_in_bytes",
        "_is_frozen",
        "_outbound_buffer_size_in_bytes",
        "_receive_timeout",
        "_send_timeout",
        "_supported_protocols",
    )

    _is_frozen: bool
    _supported_protocols: CheckedList[str]
    _outbound_buffer_size_in_bytes: int | None
    _send_timeout: float | None
    _receive_timeout: float | None
    _close_timeout: float | None
    _inbox_size_in_bytes: int

    @classmethod
    def _create(cls: type[ControlT]) -> ControlT:
        control = object.__new__(cls)
        control._set_defaults()
        return control

    def _set_defaults(self) -> None:
        super()._set_defaults()
        self._is_frozen = False
        self._supported_protocols = CheckedList(self._check_settable, check_subprotocols)
        self._outbound_buffer_size_in_bytes = None
        self._send_timeout = 30.0
        self._receive_timeout = 30.0
        self._close_timeout = 10.0
        self._inbox_size_in_bytes = 0

    def _check_settable(self) -> None:
        if self._is_frozen:
            raise IllegalMethodCallError("control cannot be changed after connect was called")

    def _set_frozen(self, is_frozen: bool) -> None:
        super()._set_frozen(is_frozen)
        self._is_frozen = is_frozen

    def _to_settings(self, request_headers: tuple[tuple[str, str], ...]) -> Settings:
        return Settings(
            max_message_size=NO_LIMIT,
            supported_protocols=tuple(self._supported_protocols),
            ignorable_server_certificate_errors=frozenset(self._ignorable_errors),
            request_headers=request_headers,
            outbound_buffer_size_in_bytes=self._outbound_buffer_size_in_bytes,
            resolver=self._resolver,
            server_credential=self._server_credential,
            proxy=self._proxy,
            proxy_credential=self._proxy_credential,
            connect_timeout=self._connect_timeout,
            max_connect_addresses=self._max_connect_addresses,
            max_redirects=self._max_redirects,
            happy_eyeballs_delay=self._happy_eyeballs_delay,
            send_timeout=self._send_timeout,
            receive_timeout=self._receive_timeout,
            close_timeout=self._close_timeout,
            keep_alive_interval=self._keep_alive_interval or None,
            keep_alive_timeout=self._keep_alive_timeout,
            unsolicited_pong_interval=self._pong_interval.total_seconds(),
            inbox_size_in_bytes=self._inbox_size_in_bytes,
            ssl_context=self._ssl_context,
            client_certificate=self._client_certificate,
        )

    @property
    def supported_protocols(self) -> MutableSequence[str]:
        """Subprotocols to offer, best first; default none (….SupportedProtocols).

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
    def send_timeout(self) -> float | None:
        """Seconds that a peer which takes nothing may hold a send; default 30 (beyond WinRT, where it is fixed).

        It bounds the wait for other senders, and then begins anew whenever the peer takes something: a large message on
        a slow line may take longer in all.

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
        """Seconds that one receive(), read or load may take; default 30 (beyond WinRT, where it is fixed).

        A time-out loses nothing: what has arrived, and what comes later, is there for the next call. It never ends a
        quiet connection.

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
        """Bytes that may have arrived and wait to be taken before reading stops, as memory counts (beyond WinRT).

        Default 16 MiB for the messages of a MessageWebSocket, and 1 MiB for a StreamWebSocket. Of messages at most one
        for each 512 bytes of it may wait besides (32,768 by default), though always 1,024. Reading goes on when half of
        it is free again; while it stops, TCP holds the peer, and its pings are not answered. A single message may be
        larger. With handlers of message_received nothing waits, but while one of them takes long.

        Raises:
            InvalidArgumentError: not from 1 to 0xFFFFFFFF (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._inbox_size_in_bytes

    @inbox_size_in_bytes.setter
    def inbox_size_in_bytes(self, value: int) -> None:
        self._check_settable()
        self._inbox_size_in_bytes = check_number(value, "inbox_size_in_bytes", 1, MAX_UINT32)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'frozen' if self._is_frozen else 'settable'}>"
