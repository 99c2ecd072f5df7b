"""MessageWebSocket: whole messages, by events or by pull (Windows.Networking.Sockets.MessageWebSocket).

Its methods run on the caller's thread and may be called on any thread; handlers of message_received run on the
connection's reader thread, or its dispatcher, one at a time and in order.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from syncws._arguments.checks import Default, check_bool, check_timeout
from syncws._buffers import ReadableBuffer
from syncws._connection.json_messages import as_json, from_json
from syncws._connection.message_session import MessageSession, check_whole_text
from syncws._connection.receiving.at_hand import NOTHING, AtHand
from syncws._connection.receiving.message_iterator import MessageIterator
from syncws._connection.receiving.receivers import make_message_receiver
from syncws._connection.sending.outbox import Outbox
from syncws._connection.short_way import short_way
from syncws._connection.socket_events import ReaderEvent
from syncws._net.connector import Connect
from syncws._net.opening import Reached
from syncws._streams.buffer import as_bytes_view
from syncws._streams.output_stream import Progress, check_progress
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._wire.frames import BINARY, TEXT
from syncws._wire.incoming import Message, content_of
from syncws._wire.uri import WebSocketUri
from syncws._wire.utf8 import utf8_of
from syncws.cancellation import CancellationToken, check_token
from syncws.control import MessageWebSocketControl
from syncws.enums import MessageWebSocketReceiveMode, SocketMessageType
from syncws.errors import (
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    OperationTimedOutError,
)
from syncws.event_args import MessageWebSocketMessageReceivedEventArgs
from syncws.events import Event, EventMember, EventRegistrationToken, Handler
from syncws.info import MessageWebSocketInformation
from syncws.iwebsocket import IWebSocket
from syncws.state import State

__all__ = ["MessageWebSocket"]

# Asking an enumeration for a member costs as much as the rest of a function that runs for each message (Python 3.11).
_CONNECTED = State.CONNECTED
_UTF8 = SocketMessageType.UTF8
_TIMEOUT = Default.TIMEOUT

ResultT = TypeVar("ResultT")
MessageHandler = Handler["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs]


class MessageWebSocket(IWebSocket[MessageSession, MessageWebSocketControl]):
    """A WebSocket that reads and writes whole messages; a context manager that closes on exit.

    Set `control`, add handlers, then connect(). A socket connects once; after a connect that failed it may be tried
    again. Messages go to the handlers of message_received, or, when there are none, wait for receive().

    A socket object that is dropped without close() is closed, with a ResourceWarning; closed is not raised then.
    """

    _information: MessageWebSocketInformation
    _message_received_event: Event["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs]
    # The session's, while it is connected; _outbox only where it may send at once.
    _at_hand = AtHand(NOTHING)
    _outbox: Outbox | None = None

    def __init__(self) -> None:
        """Make a socket; nothing is connected yet. Source: MessageWebSocket constructor."""
        # First: from super().__init__() on a forked child tells this object, and asks for its events.
        vars(self)["_message_received_event"] = MessageWebSocket.message_received._make(self)
        super().__init__()
        vars(self)["_control"] = MessageWebSocketControl._create()
        vars(self)["_information"] = MessageWebSocketInformation._over(self._link.take_snapshot)

    @property
    def control(self) -> MessageWebSocketControl:
        """MessageWebSocketControl; the same object every time (MessageWebSocket.Control)."""
        return self._control

    @property
    def information(self) -> MessageWebSocketInformation:
        """Facts about the connection, readable at any time; the same object every time (….Information)."""
        return self._information

    message_received: EventMember["MessageWebSocket", MessageWebSocketMessageReceivedEventArgs] = ReaderEvent(
        """Raised for each message, and for a failure of receiving, whose args raise it (….MessageReceived).

        Handlers are called as handler(socket, args). Add them with `+=` or add_message_received, remove them with `-=`
        or remove_message_received; unlike in WinRT at any time. The first handler first gets what came before it; if
        the connection is over, receive() gives that instead.
        """
    )

    def add_message_received(self, handler: MessageHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args); return the token that removes it (….add_MessageReceived).

        Raises:
            InvalidArgumentTypeError: it is not callable with two arguments, or async or a generator (0x80070057).
        """
        return self._message_received_event.add(handler)

    def remove_message_received(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (….remove_MessageReceived)."""
        self._message_received_event.remove(token)

    # Sending.

    @short_way("_outbox")
    def send(self, message: "str | ReadableBuffer", /, *, compress: bool = True) -> None:
        """Send one message: str as text, any buffer as binary, whatever control.message_type says (beyond WinRT).

        With `compress` False it is not compressed even where compression was agreed, as suits a secret.

        Raises:
            InvalidArgumentTypeError: another type, or `compress` is not a bool (0x80070057).
            InvalidArgumentError: the text holds lone surrogates; or the buffer is not contiguous, holds objects or
                pointers, or was released (0x80070057).
            IllegalMethodCallError: not connected yet; or a message that send_nonfinal_frame began is not finished, or
                one was given up in the middle of it (0x8000000E).
            ObjectClosedError: closed, or closing (0x80000013).
            OperationTimedOutError: the server does not read (0x80072EE2).
            OperationCanceledError: closed meanwhile (0x80072EF1).
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF).
        """
        if compress is not True:
            check_bool(compress, "compress")
        if isinstance(message, str):
            try:
                payload, opcode = utf8_of(message), TEXT
            except UnicodeEncodeError as exc:
                raise InvalidArgumentError(f"the text holds a lone surrogate at {exc.start}") from exc
        elif isinstance(message, bytes):
            payload = message
            opcode = BINARY
        else:
            try:
                view = as_bytes_view(message, "a message")
            except InvalidArgumentTypeError:
                hint = "; send_json() sends it as JSON" if isinstance(message, dict | list | tuple) else ""
                raise InvalidArgumentTypeError(
                    f"a message must be str or bytes, or another buffer, not {type(message).__name__}{hint}"
                ) from None
            with view:
                self._connected_session().send_message(BINARY, view, compress)
            return
        session = self._session
        if session is None or self._socket_state is not _CONNECTED:
            session = self._connected_session()
        session.send_message(opcode, payload, compress)

    def send_json(self, value: Any, /) -> None:
        """Send a value as JSON, in one text message (beyond WinRT).

        Written without spaces, by orjson where that is installed and knows all of the value, else by json.

        Raises:
            InvalidArgumentTypeError: the value, or something in it, has no JSON (0x80070057).
            InvalidArgumentError: it holds itself, or with json a NaN or infinity; orjson sends null for these
                (0x80070057).

        As for the rest: as send.
        """
        self.send(as_json(value))

    def send_nonfinal_frame(self, data: "ReadableBuffer", /, progress: Progress | None = None) -> int:
        """Send one frame of a message, with more of it to follow.

        The message is of the type that control.message_type has at its first frame. Until send_final_frame has ended
        it nothing else can be written; pings are still answered, and closing is possible. Text may be cut anywhere,
        even inside a character. It is not compressed, whatever control.compression says.

        Args:
            data: bytes, any object with the buffer protocol, or a Buffer; may be empty.
            progress: called with the number of bytes when the frame has gone.

        Returns:
            The number of bytes sent.

        Raises:
            InvalidArgumentTypeError: `data` is not a buffer, or `progress` not callable (0x80070057).
            InvalidArgumentError: the message is text, and with this frame it is not UTF-8; or the buffer is not
                contiguous, holds objects or pointers, or was released. Nothing was sent (0x80070057).
            IllegalMethodCallError: not connected yet (0x8000000E).
            InvalidOperationError: another thread is sending a frame in this way (0x800710DD).
            ObjectClosedError: closed, or closing (0x80000013).
            OperationTimedOutError: the server does not read (0x80072EE2). If `is_queued`, the frame follows and counts
                as sent; else it can be sent again, unless more than 1 MiB of a buffer that may change was broken off:
                that ends the connection.
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

    @short_way("_outbox", _UTF8)
    def _write(self, data: bytes | memoryview, progress: Progress | None) -> int:
        session = self._output_session()
        opcode = BINARY
        if self._control._message_type is _UTF8:
            check_whole_text(data)
            opcode = TEXT
        if progress is not None:
            # Not as one frame: progress can only be reported between frames.
            return session.write(opcode, data, progress)
        session.send_message(opcode, data)
        return len(data)

    @short_way("_outbox", _UTF8)
    def _write_text(self, data: bytes | memoryview) -> int:
        session = self._output_session()
        session.send_message(TEXT if self._control._message_type is _UTF8 else BINARY, data)
        return len(data)

    # Receiving by pull.

    @short_way("_at_hand")
    def receive(
        self,
        timeout: float | Default | None = Default.TIMEOUT,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> str | bytes:
        """Wait for the next message and return it: text as str, binary as bytes (beyond WinRT).

        Only without handlers of message_received, or when the connection is over. Messages that came before the
        server's Close can still be received. With control.receive_mode PARTIAL_MESSAGE it returns the next piece: text
        as far as its characters are complete, so a str may be empty; receive_args tells where messages end.

        When a handler is added while a call waits, that call is refused as a later one would be, and the handler gets
        the messages.

        Ctrl-C, or what a signal handler raises, ends the wait and loses no message. There are two exceptions. In the
        few byte codes between taking a message and returning, that message can be lost. And if the call is interrupted
        not while it waits but while it takes in part of a message that is compressed or lies across several reads, as a
        large one does, the connection ends.

        Args:
            timeout: seconds to wait, None for ever; control.receive_timeout (30) when not given. When it passes,
                nothing is lost: a message that comes later is there for the next call.
            cancellation_token: ends the wait when its source is cancelled, and loses no message either; None (the
                default) for none.

        Raises:
            InvalidArgumentError: a bad timeout or token (0x80070057).
            IllegalMethodCallError: not connected yet; there are handlers, or one is added meanwhile; or called in a
                handler (0x8000000E).
            InvalidOperationError: another thread is receiving (0x800710DD).
            OperationTimedOutError: no message in time (0x80072EE2).
            OperationCanceledError: the token is cancelled (0x800704C7).
            ObjectClosedError: the connection is closed (0x80000013).
            ConnectionLostError, MessageTooBigError, ProtocolViolationError: how the connection was lost.
        """
        if timeout is not _TIMEOUT:
            timeout = check_timeout(timeout, "timeout")
        messages = self._at_hand.messages
        if messages and not self._message_received_event.handlers and cancellation_token is None:
            # As AtHand.take(), without the call: in plain Python each message of a stream passes here.
            try:
                first = messages.popleft()
            except IndexError:
                pass  # Another thread, or a signal handler, was faster.
            else:
                text = first._text
                return first._payload if text is None else text  # type: ignore[return-value] # one is set
        limit = self._control._receive_timeout if timeout is _TIMEOUT else timeout
        session = self._session
        if session is None or self._socket_state is not _CONNECTED or cancellation_token is not None:
            token = check_token(cancellation_token)
            return content_of(self._await_message(self._connected_session(to_read=True), limit, token))
        taken = session.receive(Deadline(limit), self._check_no_handlers, self._message_received_event)
        if taken is None:
            raise session.closed_error("the connection is closed")
        return content_of(taken)

    def receive_args(
        self,
        timeout: float | Default | None = Default.TIMEOUT,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> MessageWebSocketMessageReceivedEventArgs:
        """Wait for the next message, or piece of one, and return what a handler would receive (beyond WinRT).

        Args, Raises: as receive.
        """
        limit, token = self._limit(timeout), check_token(cancellation_token)
        message = self._await_message(self._connected_session(to_read=True), limit, token)
        assert isinstance(message, MessageWebSocketMessageReceivedEventArgs)
        return message

    def receive_text(
        self,
        timeout: float | Default | None = Default.TIMEOUT,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> str:
        """Wait for the next message, which must be text, and return it (beyond WinRT).

        Args: as receive.

        Raises: as receive; and IllegalMethodCallError when the message is binary (0x8000000E): it stays, for receive()
            or receive_bytes().
        """
        return self._receive_as(_as_text, timeout, cancellation_token)

    def receive_bytes(
        self,
        timeout: float | Default | None = Default.TIMEOUT,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> bytes:
        """Wait for the next message and return its bytes, which for text are UTF-8 (beyond WinRT).

        Args, Raises: as receive.
        """
        return self.receive_args(timeout, cancellation_token=cancellation_token).data

    def receive_json(
        self,
        timeout: float | Default | None = Default.TIMEOUT,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> Any:
        """Wait for the next message, text or binary, and return what its JSON stands for (beyond WinRT).

        Read by orjson where that is installed, else by json. orjson turns integers of more than 64 bits into floats. If
        reading the JSON is interrupted, the message is left for the next call.

        Args: as receive.

        Raises: as receive; and
            IllegalMethodCallError: control.receive_mode is PARTIAL_MESSAGE, whose pieces are not JSON (0x8000000E).
            json.JSONDecodeError, a ValueError: the message is not JSON; it has been taken, and is the error's `doc`.
        """
        if self._control._receive_mode is MessageWebSocketReceiveMode.PARTIAL_MESSAGE:
            raise IllegalMethodCallError("receive_json needs whole messages, and receive_mode is PARTIAL_MESSAGE")
        return self._receive_as(from_json, timeout, cancellation_token)

    def receive_all_waiting(self) -> list[str | bytes]:
        """Return the messages that have come, without waiting; [] for none (beyond WinRT).

        Raises: as receive, when there are none and the connection is over.
        """
        session = self._connected_session(to_read=True)
        try:
            return session.take_waiting(partial(self._take_message, session, 0.0), self._check_no_handlers)
        except OperationTimedOutError:
            return []

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield messages as receive() returns them, waiting for ever, until the connection is closed (beyond WinRT).

        Raises: as receive(), but an orderly close ends the iteration.
        """
        return self.messages(None)

    def messages(
        self,
        timeout: float | Default | None = Default.TIMEOUT,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> Iterator[str | bytes]:
        """Return an iterator over the messages, each waited for as receive() does (beyond WinRT).

        After an error from a time limit or a token the iteration may go on: nothing is lost.

        Args: as receive, for each message.

        Raises: as receive(), but an orderly close ends the iteration.
        """
        limit, token = self._limit(timeout), check_token(cancellation_token)
        session = self._connected_session(to_read=True)
        take = partial(self._take_message, session, limit, token)
        return MessageIterator(session.inbox.at_hand if token is None else None, self._message_received_event, take)

    def _receive_as(
        self,
        convert: Callable[[str | bytes], ResultT],
        timeout: float | Default | None,
        token: CancellationToken | None,
    ) -> ResultT:
        limit, token = self._limit(timeout), check_token(token)
        session = self._connected_session(to_read=True)
        return session.take_as(partial(self._await_message, session, limit, token), convert)

    def _await_message(self, session: MessageSession, limit: float | None, token: CancellationToken | None) -> Message:
        message = self._take_message(session, limit, token)
        if message is None:
            raise session.closed_error("the connection is closed")
        return message

    def _take_message(
        self, session: MessageSession, limit: float | None, token: CancellationToken | None = None
    ) -> Message | None:
        messages = self._at_hand.messages
        if messages and not self._message_received_event.handlers and not (token and token.is_cancellation_requested):
            # As in receive().
            try:
                return messages.popleft()
            except IndexError:
                pass
        deadline = Deadline(limit)
        if token is not None:
            return session.receive_until_canceled(deadline, token, self._check_no_handlers)
        return session.receive(deadline, self._check_no_handlers, self._message_received_event)

    def _check_no_handlers(self) -> None:
        # Once the connection is over, no handler gets what still waits.
        session = self._session
        if self._message_received_event.handlers and not (session is not None and session.finished.is_set()):
            raise IllegalMethodCallError(
                "receive is for sockets without message_received handlers: they get the messages"
            )

    def _take_session(self, connect: Connect, session: MessageSession, text: str, target: WebSocketUri) -> None:
        super()._take_session(connect, session, text, target)
        # Past __setattr__, as there.
        own = vars(self)
        own["_at_hand"] = session.inbox.at_hand
        if session.outbox.direct is not None:
            own["_outbox"] = session.outbox
        if self._is_output_closed:
            # Checked last: another thread may close it at that moment.
            own.pop("_outbox", None)

    def _close_output(self) -> bool:
        could_send = super()._close_output()
        # No short way around the check that it is closed; send() takes the long way too.
        vars(self).pop("_outbox", None)
        return could_send

    def _end(self) -> MessageSession | None:
        session = super()._end()
        own = vars(self)
        own.pop("_at_hand", None)
        own.pop("_outbox", None)
        return session

    # What the session calls on the reader thread.

    def _raise_message_received(self, message: Message) -> int:
        """Raise message_received with a message that stands for a failure; for the session."""
        return self._message_received_event(self, MessageWebSocketMessageReceivedEventArgs._over(message))

    def _make_session(self, settings: MessageWebSocketControl, reached: Reached, waker: Waker) -> MessageSession:
        session = MessageSession(reached, settings, waker, self)
        session.role.reader = make_message_receiver(session)
        return session


def _as_text(content: str | bytes) -> str:
    if isinstance(content, str):
        return content
    raise IllegalMethodCallError("the next message is binary: receive() and receive_bytes() take it")
