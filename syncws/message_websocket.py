"""MessageWebSocket: whole messages, by events or by pull (Windows.Networking.Sockets.MessageWebSocket).

May import everything but cli. Its methods run on the caller's thread and may be called on any thread; handlers of
message_received run on the connection's reader thread, one at a time and in order.
"""

import enum
from collections.abc import Callable, Iterator

from syncws.control import MessageWebSocketControl, check_timeout
from syncws.enums import SocketMessageType
from syncws.errors import (
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    ObjectClosedError,
)
from syncws.events import Event, EventRegistrationToken, Handler
from syncws.message_event_args import MessageWebSocketMessageReceivedEventArgs
from syncws.net.connector import Opened
from syncws.net.deadline import Deadline
from syncws.net.readiness import Waker
from syncws.settings import Settings
from syncws.threads.reader import run_reader
from syncws.threads.session import Session
from syncws.websocket_base import State, WebSocketBase
from syncws.wire.events import Message
from syncws.wire.frames import BINARY, TEXT

__all__ = ["MessageWebSocket"]


class _Default(enum.Enum):
    TIMEOUT = "control.receive_timeout"

    def __repr__(self) -> str:
        return self.value


MessageHandler = Handler["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs]


class MessageWebSocket(WebSocketBase):
    """A WebSocket that reads and writes whole messages; a context manager that closes on exit.

    Set `control`, add handlers, then connect(). A socket connects once; after a connect that failed it may be tried
    again. Messages go to the handlers of message_received, or, when there are none, wait for receive().

    A socket object that is dropped without close() is closed, with a ResourceWarning.
    """

    def __init__(self) -> None:
        """Make a socket; nothing is connected yet. Source: MessageWebSocket constructor."""
        super().__init__()
        self._control = MessageWebSocketControl._create()
        self._message_received: Event[MessageWebSocket, MessageWebSocketMessageReceivedEventArgs] = Event(
            "message_received"
        )

    @property
    def control(self) -> MessageWebSocketControl:
        """Settings; the same object every time (MessageWebSocket.Control)."""
        return self._control

    @property
    def message_received(self) -> Event["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs]:
        """Raised for each message, and for a failure of receiving, whose reader raises (….MessageReceived).

        Handlers are called as handler(socket, args). Add them with `+=` or add_message_received, remove them with `-=`
        or remove_message_received; unlike in WinRT at any time. What came before the first handler goes to it first.
        """
        return self._message_received

    @message_received.setter
    def message_received(self, value: Event["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs]) -> None:
        self._check_same_event(value, self._message_received)
        self._wake_reader()

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

    def send(self, message: str | bytes | bytearray | memoryview, /) -> None:
        """Send one message: str as text, bytes as binary, whatever control.message_type says (beyond WinRT).

        Raises:
            InvalidArgumentTypeError: another type (0x80070057).
            InvalidArgumentError: the text holds lone surrogates (0x80070057).
            IllegalMethodCallError: not connected yet (0x8000000E).
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
            self._connected_session().send_message(TEXT, payload)
        elif isinstance(message, bytes):
            self._connected_session().send_message(BINARY, message)
        elif isinstance(message, bytearray | memoryview):
            view = _flat(message)
            self._connected_session().send_message(BINARY, view)
        else:
            raise InvalidArgumentTypeError(f"a message must be str or bytes, not {type(message).__name__}")

    def _write(self, data: bytes | bytearray | memoryview) -> int:
        """Send what came through the output stream."""
        session = self._output_session()
        if self._control._message_type is SocketMessageType.UTF8:
            _check_text(data)
            session.send_message(TEXT, data)
        else:
            session.send_message(BINARY, data)
        return len(data)

    def _write_text(self, data: bytes) -> int:
        """Send what a DataWriter encoded as UTF-8."""
        session = self._session
        if session is None or self._is_output_closed or self._state is not State.CONNECTED:
            session = self._output_session()
        session.send_message(TEXT if self._control._message_type is SocketMessageType.UTF8 else BINARY, data)
        return len(data)

    # Receiving by pull.

    def receive(self, timeout: float | _Default | None = _Default.TIMEOUT) -> str | bytes:
        """Wait for the next message and return it: text as str, binary as bytes (beyond WinRT).

        Only without handlers of message_received, or when the connection is over. Messages that came before the
        peer's Close can still be received.

        Args:
            timeout: seconds to wait, None for ever; control.receive_timeout (30) when not given. When it passes nothing
                is lost: a message that comes later is there for the next call.

        Raises:
            InvalidArgumentError: a bad timeout (0x80070057).
            IllegalMethodCallError: not connected yet; there are handlers; or called in a handler (0x8000000E).
            InvalidOperationError: another thread is receiving (0x800710DD).
            OperationTimedOutError: no message in time (0x80072EE2).
            ObjectClosedError: the connection is closed (0x80000013).
            ConnectionLostError, MessageTooBigError, ProtocolViolationError: how the connection was lost.
        """
        limit = self._control.receive_timeout if timeout is _Default.TIMEOUT else check_timeout(timeout, "timeout")
        session = self._connected_session()
        message = self._take(session, limit)
        if message is None:
            raise ObjectClosedError(
                f"the connection is closed: code {session.close_code} {session.close_reason}".rstrip()
            )
        return _content(message)

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield messages as receive() returns them, waiting for ever, until the connection is closed (beyond WinRT).

        Raises: as receive(), but an orderly close ends the iteration.
        """
        session = self._connected_session()
        while (message := self._take(session, None)) is not None:
            yield _content(message)

    def _take(self, session: Session, limit: float | None) -> Message | None:
        # When the connection is over no handler gets what still waits.
        if self._message_received.handlers and not session.finished.is_set():
            raise IllegalMethodCallError(
                "receive is for sockets without message_received handlers: they get the messages"
            )
        return session.receive(Deadline(limit))

    # What the session calls on the reader thread.

    def raise_message_received(self, message: Message) -> int:
        """Raise message_received with what stands for a failure; for the session."""
        return self._message_received(self, MessageWebSocketMessageReceivedEventArgs._over(message))

    def _make_session(self, opened: Opened, settings: Settings, waker: Waker) -> Session:
        return Session(opened, settings, waker, self)

    def _run_reader(self) -> Callable[[Session], None]:
        return _read_messages


def _read_messages(session: Session) -> None:
    run_reader(session, MessageWebSocketMessageReceivedEventArgs)


def _flat(data: bytearray | memoryview) -> memoryview:
    try:
        view = memoryview(data)
    except ValueError as exc:
        raise InvalidArgumentError("a message must not be a memoryview that was released") from exc
    if not view.contiguous:
        raise InvalidArgumentError("a message must be a contiguous buffer")
    return view.cast("B")


def _check_text(data: bytes | bytearray | memoryview) -> None:
    try:
        str(data, "utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidArgumentError(
            f"a message of message_type UTF8 must be UTF-8; byte {exc.start} of it is not ({exc.reason})"
        ) from exc


def _content(message: Message) -> str | bytes:
    if message.text is not None:
        return message.text
    assert message.payload is not None
    return message.payload
