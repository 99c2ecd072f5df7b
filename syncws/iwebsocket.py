"""IWebSocket, what both socket classes share: connecting, closing, sending, events.

Methods run on the caller's thread and may be called on any thread. Which thread handlers run on: socket_events.py.
"""

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from syncws._arguments.checks import Default, check_timeout
from syncws._connection.closing import Closing, time_on_exit
from syncws._connection.dropping import close_when_dropped, keep_when_dropped
from syncws._connection.link import SessionLink, ShownSocket
from syncws._connection.notices import ask_about_server, raise_opened
from syncws._connection.pings import check_ping_payload
from syncws._connection.session import Session
from syncws._connection.short_way import short_way
from syncws._connection.socket_events import SocketEvents
from syncws._copying import NotCopied
from syncws._errors.bare import raising_bare
from syncws._locks import locks
from syncws._net.connector import Connect
from syncws._net.given_socket import check_connected_socket
from syncws._net.opening import Reached
from syncws._streams.output_stream import LatestStream, OutputStream, Progress
from syncws._texts import plain_text
from syncws._waiting.at_fork import loading, watch
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.closing import check_close
from syncws._wire.headers import check_request_header
from syncws._wire.uri import WebSocketUri, parse_plain_uri, parse_uri
from syncws.cancellation import CancellationToken, check_token
from syncws.control import WebSocketControl
from syncws.errors import IllegalMethodCallError, ObjectClosedError, OperationCanceledError
from syncws.event_args import WebSocketClosedEventArgs
from syncws.events import events_of
from syncws.info import WebSocketInformation
from syncws.state import State
from syncws.uri import Uri, uri_text

if TYPE_CHECKING:
    from syncws._net.tls.verification import CertificateReport

__all__ = ["IWebSocket"]

# As in message_websocket: asking an enumeration for a member takes long.
_NEW, _CONNECTING, _CONNECTED, _CLOSED = State
_TIMEOUT = Default.TIMEOUT

if TYPE_CHECKING:
    # With defaults (PEP 696, Python 3.13), so that an annotation is plain IWebSocket.
    from typing_extensions import TypeVar as TypeVarWithDefault

    SessionT = TypeVarWithDefault("SessionT", bound=Session, default=Any)
    ControlT = TypeVarWithDefault("ControlT", bound=WebSocketControl, default=Any)
else:
    SessionT = TypeVar("SessionT")
    ControlT = TypeVar("ControlT")

# Not Self, for which Jedi, which completes in notebooks, takes the base class.
SocketT = TypeVar("SocketT", bound="IWebSocket")


class IWebSocket(SocketEvents, ShownSocket, NotCopied, Generic[SessionT, ControlT]):
    """Either socket class, for annotations and isinstance (Windows.Networking.Sockets.IWebSocket); cannot be made."""

    _control: ControlT
    _information: WebSocketInformation
    _session: SessionT | None = None
    _socket_lock: AbstractContextManager[object]
    _socket_state = _NEW
    _socket_uri: str | None = None
    _link: SessionLink
    _request_headers: dict[str, tuple[str, str]]
    _is_output_closed = False
    _latest_stream: LatestStream

    def __init__(self) -> None:
        """Refuse: sockets are a MessageWebSocket or a StreamWebSocket.

        Raises:
            TypeError: always, of IWebSocket itself.
        """
        if type(self) is IWebSocket:
            raise TypeError("IWebSocket cannot be made: make a MessageWebSocket or a StreamWebSocket")
        # Here, and wherever a connect sets these, past __setattr__, which checks each name.
        vars(self).update(
            _socket_lock=locks.RLock(), _link=SessionLink(), _request_headers={}, _latest_stream=LatestStream()
        )
        watch(self, IWebSocket._let_go_in_child)

    def _let_go_in_child(self) -> None:
        """In a forked child: a connect that was under way has failed; see _waiting.at_fork."""
        self._socket_lock = locks.RLock()
        for event in events_of(self):
            event._let_go_in_child()
        connect = self._link.connect
        if self._socket_state is _CONNECTING and connect is not None:
            connect.let_go_in_child()
            self._socket_state = _NEW
            self._control._thaw()

    # What each socket class supplies.

    def _write(self, data: bytes | memoryview, progress: Progress | None) -> int:
        """Send what came through the output stream."""
        raise NotImplementedError

    def _write_text(self, data: bytes | memoryview) -> int:
        """Send bytes that are known to be UTF-8."""
        raise NotImplementedError

    def _make_session(self, settings: ControlT, reached: Reached, waker: Waker) -> SessionT:
        """Make a session and its reader, which must not hold the socket; called while the server answers."""
        raise NotImplementedError

    # Before connect.

    @raising_bare
    def set_request_header(self, header_name: str, header_value: str, /) -> None:
        """Add a header to the opening handshake's request, or replace the one of that name.

        Host and Origin may be set; what belongs to the handshake (Sec-WebSocket-…, Upgrade, Connection) may not.

        Raises:
            InvalidArgumentTypeError: name or value is not a str (0x80070057).
            InvalidArgumentError: the name is not a token or belongs to the handshake; or the value holds control
                characters or some beyond Latin-1 (0x80070057).
            IllegalMethodCallError: connect was called (0x8000000E).

        Source: MessageWebSocket.SetRequestHeader.
        """
        check_request_header(header_name, header_value)
        with self._socket_lock:
            if self._socket_state is not _NEW:
                raise IllegalMethodCallError("request headers cannot be set after connect was called")
            self._request_headers[header_name.lower()] = (plain_text(header_name), plain_text(header_value))

    # Connecting.

    @raising_bare
    def connect(
        self,
        uri: str | Uri,
        /,
        *,
        timeout: float | None = None,
        cancellation_token: CancellationToken | None = None,
        socket: socket.socket | None = None,
    ) -> None:
        """Connect to an absolute ws or wss URI; returns when messages can be sent.

        Args:
            uri: text or Uri, without fragment and user info.
            timeout: seconds for all of it: name, addresses, proxy, TLS, handshake. With None (the default) there are
                only the 60 seconds of control.connect_timeout for each of at most five addresses.
            cancellation_token: ends it when its source is cancelled; the socket may then be connected again. None (the
                default) if only close() and abort() may.
            socket: a connected stream socket to use, AF_UNIX too, instead of the URI's host and the proxy (beyond
                WinRT). It belongs to this object from then on, even if connecting fails. Only its descriptor is used:
                what a subclass of socket.socket overrides is not called. Redirects are not followed. None (the default)
                to find the server by the URI.

        Raises:
            InvalidArgumentError: a bad URI, timeout, token or socket, a bad proxy in the environment, or a
                client_certificate that TLS cannot use, before any I/O (0x80070057).
            WebSocketError: a SOCKS proxy is to be used and the extra for it is not installed, before any I/O; or
                another module has the name `websocket`, which is websocket-client's (0x80004005).
            IllegalMethodCallError: connect was called already, and has not failed (0x8000000E).
            ObjectClosedError: the socket was closed (0x80000013).
            HostNameNotResolvedError: the name has no address (0x80072EE7).
            CannotConnectError: no address accepts (0x80072EFD), or none can be reached (0x80072F84); or the system
                has no thread or descriptor left, or the subinterpreter allows no threads (0x80072EFD).
            ProxyError: the proxy cannot be reached, or refuses (0x80072F85, 0x80190197, 0x80072EFD, 0x80072F84).
            CertificateError: the server's certificate did not pass (0x80072F05, …06, …0D, …17, …19, …89, …8A), or a
                handler refused it (0x800C000E).
            TlsError: TLS failed otherwise (0x80072F7D), or the server wants a client certificate (0x80072F0C).
            HttpStatusError: a status other than 101, or from a proxy other than 2xx (0x80190000 + status, for a status
                without a number of its own 0x80190001, …03, …04, …05).
            RedirectError: too many redirects, or one that cannot be followed (0x80072F7C, 0x80072F08).
            HandshakeError: the answer, or a proxy's, is not valid (0x80072F78, 0x83760003, 0x83760004).
            ConnectAbortedError: the server hung up (0x80072EFE, 0x80072EFF).
            ConnectTimedOutError: the time ran out (0x80072EE2).
            OperationCanceledError: close() or abort() was called meanwhile, or the token cancelled (0x800704C7).

        Source: MessageWebSocket.ConnectAsync.
        """
        self._connect(uri, timeout, cancellation_token, check_connected_socket(socket))

    def _connect(
        self, uri: str | Uri, timeout: float | None, token: CancellationToken | None, over: "socket.socket | str | None"
    ) -> None:
        text = uri_text(uri)
        target = parse_plain_uri(text)
        if target is None:
            # It is read with urllib3, which is imported then.
            with loading():
                target = parse_uri(text)
        deadline = Deadline(check_timeout(timeout, "timeout"))
        check_token(token)
        settings = self._control._snapshot(list(self._request_headers.values()))
        validate, prepare = self._validate_server, partial(self._make_session, settings)
        connect = Connect(target, settings, deadline, token, over=over, validate=validate, prepare=prepare)
        is_open = False
        try:
            self._begin_connect(connect)
            opened = connect.run()
            session: SessionT = opened.prepared
            session.open(opened)
            self._take_session(connect, session, text, target)
            raise_opened(session, self._opened_event, self, self._information)
            session.start()
            is_open = True
        finally:
            if not is_open:
                # After Ctrl-C too the object is as it was, and may connect again.
                self._end_failed_connect(connect)

    def _begin_connect(self, connect: Connect) -> None:
        with self._socket_lock:
            if self._socket_state is _CLOSED and self._session is None:
                raise ObjectClosedError("the socket was closed: make a new one to connect")
            if self._socket_state is not _NEW:
                raise IllegalMethodCallError("connect was called already, and a socket connects once: make a new one")
            # First this, which tells whose the rest is if an interruption comes in between.
            self._link.connect = connect
            vars(self)["_socket_state"] = _CONNECTING
            self._control._freeze()

    def _take_session(self, connect: Connect, session: SessionT, text: str, target: WebSocketUri) -> None:
        with self._socket_lock:
            if connect.is_canceled:
                raise OperationCanceledError("connect was canceled")
            self._link.session, self._link.uri = session, target
            vars(self).update(_session=session, _socket_uri=text, _socket_state=_CONNECTED)
            self._control._set_connected()
            close_when_dropped(self, session, target)

    def _end_failed_connect(self, connect: Connect) -> None:
        """Make the socket as it was before `connect`, unless that was refused; give back what it has."""
        session = None
        with self._socket_lock:
            if self._link.connect is connect:
                session = self._session
                self._session = self._link.session = self._socket_uri = None
                keep_when_dropped(self)
                if self._socket_state is not _CLOSED:
                    self._socket_state = _NEW
                    self._control._thaw()
        if session is None or session.role.claim():
            connect.close()
        else:
            # Interrupted between the start of the reader and the return: the reader gives everything back.
            session.abort()

    # Sending.

    @property
    @short_way("_latest_stream")
    def output_stream(self) -> OutputStream:
        """The stream for a DataWriter, or for write(); exists before connect (….OutputStream).

        One write is one message: of control.message_type with a MessageWebSocket, binary with a StreamWebSocket. A
        DataWriter that is closed with the stream attached closes the stream: later use raises ObjectClosedError
        (0x80000013). It keeps the socket object alive.
        """
        return self._latest_stream.get(self)

    def _flush(self) -> bool:
        """Answer the output stream's flush: a write that timed out may have left something."""
        return self._output_session().outbox.wait_until_idle()

    def _close_output(self) -> bool:
        self._is_output_closed = True
        return not self._is_over

    @property
    def _is_over(self) -> bool:
        """True when nothing can be sent or received any more."""
        session = self._session
        return self._socket_state is _CLOSED or (session is not None and session.finished.is_set())

    def _output_session(self) -> SessionT:
        if self._is_output_closed:
            raise ObjectClosedError("the output stream was closed: detach it from its DataWriter to go on using it")
        session = self._session
        if session is not None and self._socket_state is _CONNECTED:
            # As _connected_session(), without the call: each write passes here.
            return session
        return self._connected_session()

    def _connected_session(self, *, to_read: bool = False) -> SessionT:
        """Return the session that can send or, maybe closed, still be read; or raise why there is none."""
        session = self._session
        if session is not None and (self._socket_state is _CONNECTED or (to_read and session.inbox.is_kept)):
            return session
        if self._socket_state is _CLOSED:
            if session is not None:
                raise session.closed_error("the socket was closed")
            raise ObjectClosedError("the socket was closed: make a new one")
        raise IllegalMethodCallError("the socket is not connected: call connect first")

    def ping(
        self, payload: bytes | bytearray | memoryview | None = None, timeout: float | Default | None = Default.TIMEOUT
    ) -> float:
        """Send a Ping and wait for the answer; return the round trip in seconds (beyond WinRT, RFC 6455 5.5.2).

        Any number of threads may ping at the same time, whatever else is sent or received. A pong that answers a later
        ping answers the earlier ones too; pings with the same payload cannot be told apart, and one pong answers them
        all. While the inbox is full nothing is read, and so no pong is seen.

        Args:
            payload: at most 125 bytes; None (the default) for bytes that no other ping has.
            timeout: seconds to wait, None for ever; control.receive_timeout (30) when not given. When it passes, the
                connection goes on.

        Raises:
            InvalidArgumentTypeError: `payload` is not bytes, a bytearray or a memoryview (0x80070057).
            InvalidArgumentError: more than 125 bytes, a released memoryview, or a bad timeout (0x80070057).
            IllegalMethodCallError: not connected yet, or called in a handler (0x8000000E).
            OperationTimedOutError: no answer in time (0x80072EE2).
            ObjectClosedError: closed, or closing (0x80000013).
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF).
        """
        checked, limit = check_ping_payload(payload), self._limit(timeout)
        return self._connected_session().ping(checked, Deadline(limit))

    def _limit(self, timeout: float | Default | None) -> float | None:
        return self._control._receive_timeout if timeout is _TIMEOUT else check_timeout(timeout, "timeout")

    # Closing.

    def close(self, code: int | None = None, reason: str | None = "") -> None:
        """Close the connection, and wait for that no longer than control.close_timeout (10 s).

        Without arguments an empty Close frame is sent. It may be called at any time, on any thread, several times, and
        inside a handler, where it begins closing but does not wait. During a connect it cancels that. Messages and
        bytes that nobody has taken are dropped; but if the server closed or the connection was lost before, receive()
        and reads still get them. Unlike in WinRT it waits until the connection is over, and then a second at most for
        running handlers. Ctrl-C ends the wait, and may cut the connection.

        Args:
            code: 1000 to 1003, 1005 (sends none), 1007 to 1010, or 3000 to 4999.
            reason: at most 123 bytes of UTF-8; only with a code other than 1005.

        Raises:
            InvalidArgumentError: a code or reason that is not allowed, before anything is done (0x80070057).
            InvalidArgumentTypeError: code is not an int or reason not a str (0x80070057).

        Source: MessageWebSocket.Close, IClosable.Close.
        """
        checked_code, checked_reason = check_close(code, reason)
        self._close(checked_code, checked_reason, self._control.close_timeout)

    def _close(self, code: int | None, reason: str, timeout: float | None) -> None:
        session = self._end()
        if session is not None:
            session.close(code, reason, timeout)

    def abort(self) -> None:
        """Cut the connection at once, without a Close frame; closed is raised with 1006 (beyond WinRT).

        It takes no lock that a stuck thread can hold. On any thread, at any time; during a connect it cancels that.
        """
        session = self._end()
        if session is not None:
            session.abort()

    def _end(self) -> SessionT | None:
        """Note that the socket is closed; return the session to end, if there is one."""
        with self._socket_lock:
            connect = self._link.connect
            if self._socket_state is _CONNECTING and connect is not None:
                connect.cancel()
            else:
                vars(self)["_socket_state"] = _CLOSED
            return self._session

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Wait until the connection is over and the handlers of closed have returned (beyond WinRT).

        Args:
            timeout: seconds to wait; None (the default) for ever.

        Returns:
            True when it is over, False when the time ran out first.

        Raises:
            InvalidArgumentError: a bad timeout (0x80070057).
            IllegalMethodCallError: never connected, or called in a handler (0x8000000E).
        """
        deadline = Deadline(check_timeout(timeout, "timeout"))
        session = self._session
        if session is None:
            if self._socket_state is _CLOSED:
                return True
            raise IllegalMethodCallError("the socket is not connected: call connect first")
        return session.wait_closed(deadline)

    def __enter__(self: SocketT) -> SocketT:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        """Close; quickly when the block is left by an exception."""
        self._close(None, "", time_on_exit(self._control.close_timeout, exc_type))

    # What can be asked.

    @property
    def state(self) -> State:
        """How far it has come: NEW, CONNECTING, CONNECTED, CLOSED (beyond WinRT).

        CLOSED as soon as a receive or read has raised how the connection ended, or a handler is told: also inside
        closed. For the thread that received last it is CONNECTED as long as something waits that came before the end,
        unless another call has told that thread of it; for other threads only until the connection is over. After a
        send has raised that it is lost it is CLOSED too, with two exceptions: while a handler runs that may take a
        second, and while the inbox is full until something is received.
        """
        session = self._session
        if session is None or self._socket_state is not _CONNECTED:
            return self._socket_state
        # A loop that asks would miss what waits, and then, until the server ends TCP, call again and again.
        if session.inbox.is_exhausted or (session.finished.is_set() and not session.inbox.is_left_to_caller):
            return _CLOSED
        return _CONNECTED

    @property
    def is_open(self) -> bool:
        """True while it is connected, as far as is known: a next call may still find the connection lost.

        A loop that receives may ask it and misses nothing: see state.

        Source: beyond WinRT.
        """
        return self.state is _CONNECTED

    def fileno(self) -> int:
        """Return a descriptor that select, selectors and event loops can wait on; nobody may read it (beyond WinRT).

        Readable while a receive, or a read of one byte, would not block. It lives as long as this object.

        Raises:
            IllegalMethodCallError: never connected (0x8000000E).
            ConnectionLostError: in a forked child, if it was asked for before the fork (0x80072EFE); else it is
                readable there, because receiving raises at once.
            OSError: the system has no descriptors left for it; the connection goes on.
        """
        session = self._session or self._connected_session()
        number = session.inbox.fileno()
        # From now on the library must read even while nobody receives.
        session.role.call()
        return number

    @property
    def uri(self) -> str | None:
        """The text that connect() was given, secrets in it included; None before it has connected (beyond WinRT)."""
        return self._socket_uri

    # What the session and the connector call.

    def _raise_closed(self, closing: Closing) -> int:
        """Raise closed; for the session."""
        if not self._closed_event.handlers:
            return 0
        return self._closed_event(self, WebSocketClosedEventArgs._create(closing.code, closing.reason))

    def _validate_server(self, report: "CertificateReport", waiter: Waiter, on_change: Callable[[], None]) -> None:
        """Raise server_custom_validation_requested and wait for the verdict."""
        ask_about_server(self, self._server_custom_validation_requested_event, report, waiter, on_change)

    def _wake_reader(self) -> None:
        # It may be waiting with a full inbox, which a first handler empties.
        session = self._session
        if session is not None:
            session.look_again()
