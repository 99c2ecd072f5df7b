"""The session of a MessageWebSocket: messages that are pulled, and messages that are sent frame by frame.

Each method says who may call it.
"""

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from syncws._connection.notices import tell_waiting
from syncws._connection.owner import Owner
from syncws._connection.receiving.message_inbox import MessageInbox
from syncws._connection.sending.open_message import OpenMessage
from syncws._connection.session import Session
from syncws._functions import nothing
from syncws._net.opening import Reached
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._wire.frames import CONTINUATION, FRAGMENT_BYTES, TEXT, encode_frame
from syncws._wire.incoming import Message, content_of
from syncws._wire.large import FramePieces
from syncws._wire.utf8 import NotUtf8Error, check_text
from syncws.cancellation import CancellationToken
from syncws.control import MessageWebSocketControl
from syncws.errors import (
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidOperationError,
    OperationCanceledError,
    OperationTimedOutError,
    WebSocketError,
)
from syncws.events import Event

__all__ = ["MessageOwner", "MessageSession", "check_whole_text"]

ResultT = TypeVar("ResultT")


class _TokenChanged(Exception):
    """Raised in the middle of a receive that is to start over; nothing has been taken."""


class MessageOwner(Owner, Protocol):
    """What the session needs of a MessageWebSocket."""

    _message_received_event: Event[Any, Any]

    def _raise_message_received(self, message: Message) -> int:
        """Raise message_received with what stands for a failure; return how many handlers raised."""
        ...


class MessageSession(Session):
    """State of one connection of a MessageWebSocket."""

    inbox: MessageInbox
    settings: MessageWebSocketControl
    owner: Callable[[], MessageOwner | None]
    # The message that the application is sending frame by frame, and the end of it that is half a character.
    _fragmented: OpenMessage | None = None
    _is_fragmented_text = False
    _fragment_tail = b""

    def __init__(self, reached: Reached, settings: MessageWebSocketControl, waker: Waker, owner: MessageOwner) -> None:
        """See Session."""
        super().__init__(reached, settings, waker, owner, MessageInbox(settings._inbox_size(), waker.wake))
        # The thread that is in send_fragment(), if there is one.
        self._fragment_sender: dict[None, int] = {}

    # Receiving by pull: one user thread at a time.

    def receive(
        self, deadline: Deadline, check: Callable[[], object] = nothing, event: Event[Any, Any] | None = None
    ) -> Message | None:
        """Wait for the next message and take it; None after an orderly close.

        Args:
            deadline: of the wait.
            check: raises when this call may have no message, because there are handlers now.
            event: the event of those handlers, when nothing else is to be checked: then the short way of a
                conversation may be taken.

        Raises:
            OperationTimedOutError: none in time (0x80072EE2).
            InvalidOperationError: another thread receives (0x800710DD).
            IllegalMethodCallError: called in a handler, behind which the messages would wait (0x8000000E).
            WebSocketError: how the connection was lost.
        """
        if self.reader_thread is not None and self.is_on_reader:
            raise IllegalMethodCallError(
                "receive cannot wait inside a handler: it would wait for its own thread. A handler gets the message in "
                "its args"
            )
        if self.is_exiting:
            self._check_program_goes_on()
        message = None if event is None else self.inbox.take_answer(deadline, event)
        if message is None:
            message = self.inbox.take(deadline, check)
        if message is None:
            self._check_not_lost()
        return message

    def receive_until_canceled(
        self, deadline: Deadline, token: CancellationToken, check: Callable[[], object]
    ) -> Message | None:
        """As receive(), until the token is cancelled.

        Raises:
            OperationCanceledError: the token is cancelled; a message that came stays for the next call (0x800704C7).
            As for the rest: as receive.
        """
        changes: list[None] = []

        def note_change() -> None:
            changes.append(None)
            self.look_again()

        def check_all() -> None:
            if token.is_cancellation_requested:
                raise OperationCanceledError("the receive was canceled by the cancellation_token")
            if changes:
                raise _TokenChanged
            check()

        key = object()
        token._add_listener(key, note_change)
        try:
            while True:
                changes.clear()
                try:
                    return self.receive(token._limit(deadline), check_all)
                except _TokenChanged:
                    # Its time may be another now.
                    continue
                except OperationTimedOutError:
                    # The token's time, most likely, which check_all tells.
                    if deadline.is_expired and not token.is_cancellation_requested:
                        raise
        finally:
            token._remove_listener(key)

    def take_as(self, take: Callable[[], Message], convert: Callable[[str | bytes], ResultT]) -> ResultT:
        """Take a message and return what `convert` makes of its content.

        If it refuses the message, or is interrupted, the message waits again. A ValueError is about the message, which
        is then done with.
        """
        message = take()
        try:
            return convert(content_of(message))
        except ValueError:
            raise
        except BaseException:
            self.inbox.put_back([message])
            raise

    def take_waiting(self, take: Callable[[], Message | None], check: Callable[[], object]) -> list[str | bytes]:
        """Return the contents of all that waits, the first by `take`; if that is interrupted, they wait again."""
        first = take()
        if first is None:
            raise self.closed_error("the connection is closed")
        taken = [first]
        try:
            try:
                taken += self.inbox.take_all(check)
            except (IllegalMethodCallError, InvalidOperationError):
                pass  # A handler, or another thread that receives, came in between: the rest is theirs.
            return [content_of(message) for message in taken]
        except BaseException:
            self.inbox.put_back(taken)
            raise

    # Sending frame by frame: one user thread at a time.

    def send_fragment(self, opcode: int, payload: bytes | memoryview, *, is_final: bool) -> None:
        """Send one frame of a message that may have several (RFC 6455 5.4).

        Args:
            opcode: TEXT or BINARY, for the first frame of a message; of others the message's own counts.
            payload: of text, any part: characters may lie across frames.
            is_final: True for the last frame of the message, or the only one.

        Raises:
            InvalidArgumentError: the text is not UTF-8; nothing was sent (0x80070057).
            InvalidOperationError: another thread is sending a frame in this way (0x800710DD).
            OperationTimedOutError, OperationCanceledError, ObjectClosedError, ConnectionLostError,
            IllegalMethodCallError: as Outbox.send.
        """
        own = threading.get_ident()
        # One step, and it knows its owner: what an interruption leaves here is this thread's own.
        if self._fragment_sender.setdefault(None, own) != own:
            raise InvalidOperationError("another thread is sending a frame of the message: one at a time")
        try:
            self._send_fragment(opcode, payload, is_final=is_final)
        finally:
            self._fragment_sender.pop(None, None)

    def _send_fragment(self, opcode: int, payload: bytes | memoryview, *, is_final: bool) -> None:
        message = self._fragmented
        is_text = opcode == TEXT if message is None else self._is_fragmented_text
        tail = b""
        if is_text:
            tail = _check_part(payload, b"" if message is None else self._fragment_tail, is_last=is_final)
        if message is not None:
            opcode = CONTINUATION
        elif is_final:
            self.send_message(opcode, payload)
            return
        else:
            message = OpenMessage()
        message.is_last = is_final
        try:
            if len(payload) <= FRAGMENT_BYTES:
                frame = encode_frame(opcode, payload, is_final=is_final)
                self.outbox.send(frame, None, message)
            else:
                self._send_large(FramePieces(opcode, payload, is_final=is_final), message)
        finally:
            # Also when the sender gave up: a frame that has begun follows in whole, one that has not is not sent.
            if message.has_begun:
                message.has_begun = False
                self._fragmented = None if is_final else message
                self._is_fragmented_text = is_text
                self._fragment_tail = tail

    def let_go_in_child(self) -> None:
        """See _waiting.at_fork."""
        super().let_go_in_child()
        self._fragment_sender = {}
        self._fragmented = None

    # The reader's side, and the dispatcher's.

    @property
    def has_handlers(self) -> bool:
        """True when messages go to handlers."""
        owner = self.owner()
        return owner is not None and bool(owner._message_received_event.handlers) and not self.closing.is_discarding

    @property
    def keeps_reader(self) -> bool:
        """See Session.keeps_reader: what nobody claims must be read to be dropped when it comes."""
        return self.has_handlers or self.settings._discard_unclaimed_messages or super().keeps_reader

    @property
    def is_unclaimed(self) -> bool:
        """See Session.is_unclaimed."""
        return not self.inbox.is_being_taken and not self.has_handlers

    def deliver_one(self) -> bool:
        """Call the handlers with the first waiting message; return False when there is none, or no handler."""
        tell_waiting(self)
        owner = self.owner()
        if owner is None or self.closing.is_discarding:
            return False
        # Asked each time: a handler may take itself away, and then the rest is for receive(). And before a message is
        # taken, which could not be put back.
        handlers = owner._message_received_event.handlers
        message = self.inbox.take_now() if handlers else None
        if message is None:
            return False
        failures = owner._message_received_event.call(handlers, owner, message)
        if failures:
            self.handler_failures += failures
        return True

    def _raise_last_events(self) -> None:
        owner = self.owner()
        try:
            if owner is not None and self.loss is not None:
                self.handler_failures += owner._raise_message_received(_error_message(self.with_end(self.loss)))
        finally:
            super()._raise_last_events()


def check_whole_text(data: bytes | memoryview) -> None:
    """Check that a whole text message is UTF-8.

    Raises:
        InvalidArgumentError: it is not (0x80070057).
    """
    try:
        check_text(data)
    except NotUtf8Error as exc:
        raise InvalidArgumentError(
            f"a message of message_type UTF8 must be UTF-8; byte {exc.start} of it is not ({exc.reason})"
        ) from exc


def _check_part(payload: bytes | memoryview, tail: bytes, *, is_last: bool) -> bytes:
    try:
        return check_text(payload, tail, is_last=is_last)
    except NotUtf8Error as exc:
        where = f"byte {exc.start} of this one is not" if exc.start >= 0 else "the character it begins in is not"
        raise InvalidArgumentError(
            f"the frames of a message of message_type UTF8 must be UTF-8; {where} ({exc.reason})"
        ) from exc


def _error_message(error: WebSocketError) -> Message:
    """Return the message that stands for a failure of receiving: its reader raises `error`."""
    message = Message()
    message._payload = b""
    message._text = None
    message._length = 0
    message._error = error
    return message
