"""What the control objects of both socket classes share.

May import errors, settings, checks, streams and wire. Properties may be read and set on any thread; connect() freezes
them into a Settings value.
"""

import ssl
from collections.abc import MutableSequence
from typing import Any, TypeVar

from syncws.checks import Default, check_number, check_timeout
from syncws.credentials import PasswordCredential
from syncws.errors import IllegalMethodCallError, InvalidArgumentError, InvalidArgumentTypeError
from syncws.keep_alive_control import KeepAliveControl
from syncws.settings import Settings
from syncws.subprotocol_list import SubprotocolList
from syncws.wire.frame_decoder import NO_LIMIT

__all__ = ["MAX_UINT32", "Default", "WebSocketControl", "check_number", "check_timeout"]

MAX_UINT32 = 0xFFFF_FFFF

ControlT = TypeVar("ControlT", bound="WebSocketControl")


class WebSocketControl(KeepAliveControl):
    """Settings of either socket class; what WinRT calls IWebSocketControl2, and more. Not for use by itself.

    Times are in seconds, None is for ever.
    """

    __slots__ = (
        "_close_timeout",
        "_connect_timeout",
        "_happy_eyeballs_delay",
        "_inbox_size_in_bytes",
        "_is_frozen",
        "_max_connect_addresses",
        "_outbound_buffer_size_in_bytes",
        "_receive_timeout",
        "_resolver",
        "_send_timeout",
        "_server_credential",
        "_ssl_context",
        "_supported_protocols",
    )

    _is_frozen: bool
    _supported_protocols: SubprotocolList
    _outbound_buffer_size_in_bytes: int | None
    _resolver: Any
    _server_credential: PasswordCredential | None
    _connect_timeout: float | None
    _max_connect_addresses: int
    _happy_eyeballs_delay: float | None
    _send_timeout: float | None
    _receive_timeout: float | None
    _close_timeout: float | None
    _inbox_size_in_bytes: int
    _ssl_context: ssl.SSLContext | None

    @classmethod
    def _create(cls: type[ControlT]) -> ControlT:
        control = object.__new__(cls)
        control._set_defaults()
        return control

    def _set_defaults(self) -> None:
        super()._set_defaults()
        self._is_frozen = False
        self._supported_protocols = SubprotocolList(self._check_settable)
        self._outbound_buffer_size_in_bytes = None
        self._resolver = None
        self._server_credential = None
        self._connect_timeout = 60.0
        self._max_connect_addresses = 5
        self._happy_eyeballs_delay = None
        self._send_timeout = 30.0
        self._receive_timeout = 30.0
        self._close_timeout = 10.0
        self._inbox_size_in_bytes = 0
        self._ssl_context = None

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
            request_headers=request_headers,
            outbound_buffer_size_in_bytes=self._outbound_buffer_size_in_bytes,
            resolver=self._resolver,
            server_credential=self._server_credential,
            connect_timeout=self._connect_timeout,
            max_connect_addresses=self._max_connect_addresses,
            happy_eyeballs_delay=self._happy_eyeballs_delay,
            send_timeout=self._send_timeout,
            receive_timeout=self._receive_timeout,
            close_timeout=self._close_timeout,
            keep_alive_interval=self._keep_alive_interval or None,
            keep_alive_timeout=self._keep_alive_timeout,
            unsolicited_pong_interval=self._pong_interval.total_seconds(),
            inbox_size_in_bytes=self._inbox_size_in_bytes,
            ssl_context=self._ssl_context,
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
    def server_credential(self) -> PasswordCredential | None:
        """Who we are to the server, if it asks; default None (….ServerCredential).

        Sent by HTTP's Basic scheme, once, after the server has answered 401 and offered it; over ws anybody on the way
        can read it. Not sent when an Authorization header was set.

        Raises:
            InvalidArgumentTypeError: neither a PasswordCredential nor None (0x80070057).
            InvalidArgumentError: the credential is empty (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._server_credential

    @server_credential.setter
    def server_credential(self, value: PasswordCredential | None) -> None:
        self._check_settable()
        if value is not None:
            if not isinstance(value, PasswordCredential):
                kind = type(value).__name__
                raise InvalidArgumentTypeError(f"server_credential must be a PasswordCredential or None, not {kind}")
            if not value.user_name or not value.password:
                raise InvalidArgumentError("server_credential must have a user name and a password")
        self._server_credential = value

    @property
    def resolver(self) -> Any:
        """Your own dns.resolver.Resolver of dnspython, which alone is then asked (beyond WinRT).

        Default None: the system's name servers, and when those find nothing the system's own resolver. IP addresses,
        localhost and names in the hosts file are never asked for. Its `lifetime` bounds each lookup, besides the
        connect's own limits.

        Raises:
            InvalidArgumentTypeError: neither None nor an object with a method resolve (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._resolver

    @resolver.setter
    def resolver(self, value: Any) -> None:
        self._check_settable()
        if value is not None and not callable(getattr(value, "resolve", None)):
            raise InvalidArgumentTypeError(
                f"resolver must be a dns.resolver.Resolver or None, not {type(value).__name__}"
            )
        self._resolver = value

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
    def happy_eyeballs_delay(self) -> float | None:
        """Seconds after which the next address is tried beside the ones before it (beyond WinRT, RFC 8305).

        Default None: an address is given up before the next is tried. RFC 8305 recommends 0.25. The first to accept is
        taken, the others are dropped.

        Raises:
            InvalidArgumentError: negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._happy_eyeballs_delay

    @happy_eyeballs_delay.setter
    def happy_eyeballs_delay(self, value: float | None) -> None:
        self._check_settable()
        self._happy_eyeballs_delay = check_timeout(value, "happy_eyeballs_delay")

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

        Default 16 MiB for the messages of a MessageWebSocket, which are besides at most 1,024, and 1 MiB for a
        StreamWebSocket. Reading goes on when half of it is free again; while it stops, TCP holds the peer. A single
        message may be larger. With handlers of message_received nothing waits, but
        while one of them takes long.

        Raises:
            InvalidArgumentError: not from 1 to 0xFFFFFFFF (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._inbox_size_in_bytes

    @inbox_size_in_bytes.setter
    def inbox_size_in_bytes(self, value: int) -> None:
        self._check_settable()
        self._inbox_size_in_bytes = check_number(value, "inbox_size_in_bytes", 1, MAX_UINT32)

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
        return f"<{type(self).__name__} {'frozen' if self._is_frozen else 'settable'}>"
