"""MessageWebSocket: whole messages, by events or by pull (Windows.Networking.Sockets.MessageWebSocket), and connect().

Its methods run on the caller's thread and may be called on any thread; handlers of message_received run on the
connection's reader thread, or its dispatcher, one at a time and in order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from syncws._arguments.checks import Default, check_header_pairs, check_timeout
from syncws._connection.message_session import MessageSession
from syncws._connection.receiving.reader import run_reader
from syncws._connection.receiving.receivers import MessageReceiver
from syncws._errors.bare import raising_bare
from syncws._net.connector import Opened
from syncws._net.given_socket import check_path
from syncws._streams.buffer import as_bytes_view
from syncws._streams.output_stream import Progress, check_progress
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._wire.decoder import Decoder
from syncws._wire.frames import BINARY, TEXT
from syncws._wire.incoming import Message
from syncws._wire.piece_decoder import PieceDecoder
from syncws._wire.utf8 import NotUtf8Error, check_text
from syncws.cancellation import CancellationToken
from syncws.control import MessageWebSocketControl, MessageWebSocketSettings
from syncws.enums import MessageWebSocketReceiveMode, SocketMessageType
from syncws.errors import (
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
)
from syncws.event_args import MessagePieceEventArgs, MessageWebSocketMessageReceivedEventArgs
from syncws.events import Event, EventMember, EventRegistrationToken, Handler
from syncws.info import MessageWebSocketInformation
from syncws.iwebsocket import IWebSocket, State
from syncws.uri import Uri

if TYPE_CHECKING:
    import os
    import socket

    from _typeshed import ReadableBuffer

__all__ = ["MessageWebSocket", "connect", "unix_connect"]

# To ask an enumeration for a member costs as much as all of a function that does so for each message (Python 3.11).
_CONNECTED = State.CONNECTED
_UTF8 = SocketMessageType.UTF8

MessageHandler = Handler["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs]


class _MessageReceived(EventMember["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs]):
    """The attribute message_received; a first handler is given what waits."""

    def __set__(
        self,
        instance: object,
        value: Event["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs],
    ) -> None:
        super().__set__(instance, value)
        assert isinstance(instance, MessageWebSocket)
        instance._wake_reader()


class MessageWebSocket(IWebSocket[MessageSession, MessageWebSocketControl]):
    """A WebSocket that reads and writes whole messages; a context manager that closes on exit.

    Set `control`, add handlers, then connect(). A socket connects once; after a connect that failed it may be tried
    again. Messages go to the handlers of message_received, or, when there are none, wait for receive().

    A socket object that is dropped without close() is closed, with a ResourceWarning; closed is not raised then.
    """

    _information: MessageWebSocketInformation

    def __init__(self) -> None:
        """Make a socket; nothing is connected yet. Source: MessageWebSocket constructor."""
        # First: from super().__init__() on a forked child tells this object, and asks for its events.
        self._message_received: Event[MessageWebSocket, MessageWebSocketMessageReceivedEventArgs] = Event(
            "message_received"
        )
        super().__init__()
        self._control = MessageWebSocketControl._create()
        self._information = MessageWebSocketInformation._over(self._link.take_snapshot)

    @property
    def control(self) -> MessageWebSocketControl:
        """MessageWebSocketControl; the same object every time (MessageWebSocket.Control)."""
        return self._control

    @property
    def information(self) -> MessageWebSocketInformation:
        """Facts about the connection, readable at any time; the same object every time (….Information)."""
        return self._information

    message_received: _MessageReceived = _MessageReceived(
        """Raised for each message, and for a failure of receiving, whose reader raises (….MessageReceived).

        Handlers are called as handler(socket, args). Add them with `+=` or add_message_received, remove them with `-=`
        or remove_message_received; unlike in WinRT at any time. What came before the first handler goes to it first.
        """
    )

    @property
    def _events(self) -> tuple[Event[Any, Any], ...]:
        return (*super()._events, self._message_received)

    def add_message_received(self, handler: MessageHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args); return the token that removes it (….add_MessageReceived).

        Raises:
            InvalidArgumentTypeError: it is not callable (0x80070057).
        """
        token = self._message_received.add(handler)
        self._wake_reader()
        return token

    def remove_message_received(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (….remove_MessageReceived)."""
        self._message_received.remove(token)

    # Sending.

    def send(self, message: "str | ReadableBuffer", /, *, compress: bool = True) -> None:
        """Send one message: str as text, any buffer as binary, whatever control.message_type says (beyond WinRT).

        Args:
            message: what to send.
            compress: False sends it plain where control.compression was agreed, as what is compressed already or holds
                a secret should be. Without compression it has no effect.

        Raises:
            InvalidArgumentTypeError: another type (0x80070057).
            InvalidArgumentError: the text holds lone surrogates (0x80070057).
            IllegalMethodCallError: not connected yet; or a message that send_nonfinal_frame began is not finished, or
                one was given up in the middle of it (0x8000000E).
            ObjectClosedError: closed, or closing (0x80000013).
            OperationTimedOutError: the peer does not read (0x80072EE2).
            OperationCanceledError: closed meanwhile (0x80072EF1).
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF).
        """
        if isinstance(message, str):
            try:
                payload = message.encode()
            except UnicodeEncodeError as exc:
                raise InvalidArgumentError(f"the text holds a lone surrogate at {exc.start}") from exc
            opcode = TEXT
        elif isinstance(message, bytes):
            payload = message
            opcode = BINARY
        else:
            try:
                view = as_bytes_view(message, "a message")
            except InvalidArgumentTypeError:
                kind = type(message).__name__
                raise InvalidArgumentTypeError(
                    f"a message must be str or bytes, or another buffer, not {kind}"
                ) from None
            with view:
                self._connected_session().send_message(BINARY, view, compress)
            return
        session = self._session
        if session is None or self._state is not _CONNECTED:
            session = self._connected_session()
        session.send_message(opcode, payload, compress)

    def send_nonfinal_frame(self, data: "ReadableBuffer", /, progress: Progress | None = None) -> int:
        """Send one frame of a message, with more of it to follow.

        The message is of the type that control.message_type has at its first frame. Until send_final_frame has ended
        it nothing else can be written; pings are answered, and closing is possible. Text may be cut anywhere, also
        inside a character. It goes plain, whatever control.compression says.

        Args:
            data: bytes, any object with the buffer protocol, or a Buffer; may be empty.
            progress: called with the number of bytes when the frame has gone.

        Returns:
            The number of bytes sent.

        Raises:
            InvalidArgumentTypeError: `data` is no buffer, `progress` not callable (0x80070057).
            InvalidArgumentError: the message is text, and this frame does not go on with UTF-8; it was not sent
                (0x80070057).
            IllegalMethodCallError: not connected yet (0x8000000E).
            InvalidOperationError: another thread is sending a frame in this way (0x800710DD).
            ObjectClosedError: closed, or closing (0x80000013).
            OperationTimedOutError: the peer does not read; when `is_queued` the frame follows and counts as sent, else
                it can be sent again, unless over 1 MiB of a buffer that may change was broken off: that ends the
                connection (0x80072EE2).
            OperationCanceledError: closed meanwhile (0x80072EF1).
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF).

        Source: MessageWebSocket.SendNonfinalFrameAsync.
        """
        return self._send_frame(data, progress, is_final=False)

    def send_final_frame(self, data: "ReadableBuffer", /, progress: Progress | None = None) -> int:
        """Send the last frame of a message, or a message of one frame; otherwise as send_nonfinal_frame.

        Raises: as send_nonfinal_frame; text that ends inside a character is an InvalidArgumentError too.

        Source: MessageWebSocket.SendFinalFrameAsync.
        """
        return self._send_frame(data, progress, is_final=True)

    def _send_frame(self, data: "ReadableBuffer", progress: Progress | None, *, is_final: bool) -> int:
        check_progress(progress)
        with as_bytes_view(data, "data") as view:
            size = len(view)
            opcode = TEXT if self._control._message_type is _UTF8 else BINARY
            self._connected_session().send_fragment(opcode, view, is_final=is_final)
        if progress is not None:
            progress(size)
        return size

    def _write(self, data: bytes | memoryview, progress: Progress | None) -> int:
        session = self._session
        if session is None or self._is_output_closed or self._state is not _CONNECTED:
            session = self._output_session()
        opcode = BINARY
        if self._control._message_type is _UTF8:
            _check_whole_text(data)
            opcode = TEXT
        if progress is not None:
            # Not one frame: progress can only be told between frames.
            return session.write(opcode, data, progress, may_split=True)
        session.send_message(opcode, data)
        return len(data)

    def _write_text(self, data: bytes) -> int:
        session = self._session
        if session is None or self._is_output_closed or self._state is not _CONNECTED:
            session = self._output_session()
        session.send_message(TEXT if self._control._message_type is _UTF8 else BINARY, data)
        return len(data)

    # Receiving by pull.

    def receive(self, timeout: float | Default | None = Default.TIMEOUT) -> str | bytes:
        """Wait for the next message and return it: text as str, binary as bytes (beyond WinRT).

        Only without handlers of message_received, or when the connection is over. Messages that came before the
        peer's Close can still be received. With control.receive_mode PARTIAL_MESSAGE it returns the next piece: text as
        far as it is complete, so that a str may be empty; receive_args tells where messages end.

        When a handler is added while a call waits, that call is refused as a later one would be, and the handler gets
        the messages. Ctrl-C, or what a signal handler raises, ends the wait and loses no message; in the few byte codes
        between the taking of a message and the return of this method it can lose that one.

        Args:
            timeout: seconds to wait, None for ever; control.receive_timeout (30) when not given. When it passes nothing
                is lost: a message that comes later is there for the next call.

        Raises:
            InvalidArgumentError: a bad timeout (0x80070057).
            IllegalMethodCallError: not connected yet; there are handlers, or one is added meanwhile; or called in a
                handler (0x8000000E).
            InvalidOperationError: another thread is receiving (0x800710DD).
            OperationTimedOutError: no message in time (0x80072EE2).
            ObjectClosedError: the connection is closed (0x80000013).
            ConnectionLostError, MessageTooBigError, ProtocolViolationError: how the connection was lost.
        """
        return _content(self._await_message(timeout))

    def receive_args(
        self, timeout: float | Default | None = Default.TIMEOUT
    ) -> MessageWebSocketMessageReceivedEventArgs:
        """Wait for the next message, or piece of one, and return what a handler would receive (beyond WinRT).

        Args, Raises: as receive.
        """
        message = self._await_message(timeout)
        assert isinstance(message, MessageWebSocketMessageReceivedEventArgs)
        return message

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield messages as receive() returns them, waiting for ever, until the connection is closed (beyond WinRT).

        Raises: as receive(), but an orderly close ends the iteration.
        """
        return _Messages(partial(self._take_message, self._connected_session(to_read=True), None))

    def _await_message(self, timeout: float | Default | None) -> Message:
        limit = self._control._receive_timeout if timeout is Default.TIMEOUT else check_timeout(timeout, "timeout")
        session = self._connected_session(to_read=True)
        message = self._take_message(session, limit)
        if message is None:
            raise session.closed_error("the connection is closed")
        return message

    def _take_message(self, session: MessageSession, limit: float | None) -> Message | None:
        return session.receive(Deadline(limit), partial(self._check_no_handlers, session))

    def _check_no_handlers(self, session: MessageSession) -> None:
        # When the connection is over no handler gets what still waits.
        if self._message_received.handlers and not session.finished.is_set():
            raise IllegalMethodCallError(
                "receive is for sockets without message_received handlers: they get the messages"
            )

    # What the session calls on the reader thread.

    def _raise_message_received(self, message: Message) -> int:
        """Raise message_received with what stands for a failure; for the session."""
        return self._message_received(self, MessageWebSocketMessageReceivedEventArgs._over(message))

    def _make_session(self, opened: Opened, settings: MessageWebSocketControl, waker: Waker) -> MessageSession:
        return MessageSession(opened, settings, waker, self)

    def _run_reader(self) -> Callable[[MessageSession], None]:
        return _read_messages


class _Messages:
    """The iterator over a socket's messages. Not a generator, which an interruption of a wait would end."""

    __slots__ = ("_take",)

    def __init__(self, take: Callable[[], Message | None]) -> None:
        self._take = take

    def __iter__(self) -> "_Messages":
        return self

    def __next__(self) -> str | bytes:
        message = self._take()
        if message is None:
            raise StopIteration
        return _content(message)


def _read_messages(session: MessageSession) -> None:
    run_reader(session, _make_reader)


def _make_reader(session: MessageSession) -> MessageReceiver:
    limit, inflater = session.settings._message_limit, session.inflater
    if session.settings.receive_mode is MessageWebSocketReceiveMode.PARTIAL_MESSAGE:
        pieces = PieceDecoder(limit, MessagePieceEventArgs, inflater)
        return MessageReceiver(session, pieces, MessagePieceEventArgs)
    whole = Decoder(limit, MessageWebSocketMessageReceivedEventArgs, inflater)
    return MessageReceiver(session, whole, MessageWebSocketMessageReceivedEventArgs)


def _check_whole_text(data: bytes | memoryview) -> None:
    try:
        check_text(data)
    except NotUtf8Error as exc:
        raise InvalidArgumentError(
            f"a message of message_type UTF8 must be UTF-8; byte {exc.start} of it is not ({exc.reason})"
        ) from exc


def _content(message: Message) -> str | bytes:
    if message._text is not None:
        return message._text
    assert message._payload is not None
    return message._payload


@raising_bare
def connect(
    uri: str | Uri,
    *,
    timeout: float | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    subprotocols: Iterable[str] | None = None,
    cancellation_token: CancellationToken | None = None,
    socket: "socket.socket | None" = None,
    **settings: Unpack[MessageWebSocketSettings],
) -> MessageWebSocket:
    """Return a MessageWebSocket that is connected; use it in a `with` block, or close() it.

    To add handlers before it connects, make a MessageWebSocket and call its connect().

    Args:
        uri: absolute ws or wss URI, as text or Uri.
        timeout: seconds for all of it; None (the default) leaves the limits of the settings.
        headers: request headers to add.
        subprotocols: to offer, best first; the setting supported_protocols by the name that other clients have.
        cancellation_token: ends it when its source is cancelled.
        socket: a connected stream socket to use; see MessageWebSocket.connect.
        settings: any setting of MessageWebSocketControl, described there; a list may be any iterable.

    Raises:
        TypeError: there is no such setting, or supported_protocols is given twice; before any I/O.

    As for the rest: as MessageWebSocket.connect, set_request_header and the settings, these before any I/O.

    Source: beyond WinRT.
    """
    made = _made_with(headers, subprotocols, settings)
    made.connect(uri, timeout=timeout, cancellation_token=cancellation_token, socket=socket)
    return made


@raising_bare
def unix_connect(
    path: "str | os.PathLike[str]",
    uri: str | Uri = "ws://localhost/",
    *,
    timeout: float | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    subprotocols: Iterable[str] | None = None,
    cancellation_token: CancellationToken | None = None,
    **settings: Unpack[MessageWebSocketSettings],
) -> MessageWebSocket:
    """Return a MessageWebSocket that is connected to a server on a Unix socket.

    Example::

        with syncws.unix_connect("/run/service.sock") as socket:
            socket.send("status")

    Args:
        path: of the Unix socket.
        uri: what the request names: its host goes into the Host header, and for wss its name is compared with the
            server's certificate. The default is "ws://localhost/".

    As for the rest: as connect(). No name is looked up, no proxy is used, no redirect is followed.

    Raises:
        InvalidArgumentError: a bad path, or this system has no Unix sockets; before any I/O (0x80070057).
        CannotConnectError: nobody accepts there (0x80072EFD).

    Source: beyond WinRT.
    """
    checked = check_path(path)
    made = _made_with(headers, subprotocols, settings)
    made._connect(uri, timeout, cancellation_token, checked)
    return made


def _made_with(
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    subprotocols: Iterable[str] | None,
    settings: MessageWebSocketSettings,
) -> MessageWebSocket:
    if subprotocols is not None:
        if "supported_protocols" in settings:
            raise TypeError("subprotocols and supported_protocols are the same setting: give one of them")
        settings["supported_protocols"] = subprotocols
    made = MessageWebSocket()
    made.control.update(**settings)
    for name, value in check_header_pairs(headers):
        made.set_request_header(name, value)
    return made
