"""What becomes of what the reader decodes: messages go to the handlers or to receive(), a stream's bytes to its inbox.

Most of it runs on the connection's reader thread; `separate` and `put` on the thread of a caller that reads itself.

The handlers of messages are called here and not on a thread of their own: an answer that is sent in a handler then
costs no change of threads. Once a handler has been slow they are called by the dispatcher, and all messages go through
the inbox.
"""

import sys
from typing import Any

from syncws._connection import closing
from syncws._connection.message_session import MessageOwner, MessageSession
from syncws._connection.receiving.answers import answer
from syncws._connection.receiving.batch import call_handlers, make_batch, take_rest
from syncws._connection.receiving.byte_inbox import Bytes
from syncws._connection.receiving.reader import Reader
from syncws._connection.stream_session import StreamSession
from syncws._waiting.deadline import Deadline
from syncws._wire.decoder import Decoder
from syncws._wire.frame_decoder import FrameDecoder
from syncws._wire.incoming import Incoming, Message, MessagePiece, Ping, Pong
from syncws._wire.piece_decoder import PieceDecoder
from syncws.enums import MessageWebSocketReceiveMode
from syncws.event_args import MessagePieceEventArgs, MessageWebSocketMessageReceivedEventArgs
from syncws.events import Handler, log_handler_failure

__all__ = ["MessageReceiver", "StreamReceiver", "make_message_receiver"]

# A stream keeps larger pieces where they were received, in memory of MUCH_BYTES: so a sixth of it is in use at least.
_COPIED_BYTES = 131072


class MessageReceiver(Reader):
    """Delivers messages, whole or in pieces."""

    __slots__ = ("_batch", "_is_answer_due", "_message_class")

    session: MessageSession

    def __init__(self, session: MessageSession, decoder: FrameDecoder, message_class: type[Message]) -> None:
        """Make a reader whose `decoder` makes messages of `message_class`."""
        super().__init__(session, decoder)
        self._message_class = message_class
        # What the last read has brought. Two threads may take from it for a moment: the one whose handler was slow goes
        # on with the next event, if it comes before the one that takes over, which takes all that is left in one step.
        self._batch = make_batch([])
        # True when the last read put a message into the inbox.
        self._is_answer_due = False

    def _process(self, events: list[Incoming]) -> None:
        session = self.session
        self._is_answer_due = False
        if self.decoder.is_dead:
            self._last_event = events.pop()
        self._batch = make_batch(events)
        owner = session.owner()
        sent = session.outbox.tally
        sent_before = sent.whole
        if (
            owner is not None
            and owner._message_received_event.handlers
            and session.dispatcher_thread is None
            and not (session.closing.is_discarding or session.inbox.has_messages)
            and self._deliver(owner)
            and self._last_event is None
        ):
            if sent.whole != sent_before:
                # A server nearby has answered sooner than a thread that waits can be woken.
                self.may_have_more = True
            return
        # What goes to the inbox here, a handler that is added in the meantime gets by _deliver_waiting.
        self._finish_batch()

    def _deliver(self, owner: MessageOwner) -> bool:
        """Call handlers for the messages of the batch; return False when messages may be left for the inbox.

        Raises:
            Relieved: another thread has the reading role now, and what is left.
        """
        session = self.session
        delivery = session.delivery
        # Fetched before the ticket lies there: whoever takes that puts batches of its own here, which are not this
        # thread's.
        batch = iter(self._batch)
        delivery.begin(self)
        try:
            while True:
                event = call_handlers(
                    batch,
                    self._message_class,
                    owner,
                    owner._message_received_event,
                    session.closing,
                    self._note_handler_failure,
                )
                if event is True or event is False:
                    return event
                answer(session, event)
        finally:
            delivery.end(sys.exception())

    def _note_handler_failure(self, handler: Handler[Any, Any]) -> None:
        self.session.handler_failures += 1
        log_handler_failure("message_received", handler)

    def _finish_batch(self) -> None:
        session = self.session
        pulled: list[Message] = []
        # One step, so that the other thread cannot take one in between.
        for event in take_rest(self._batch):
            if isinstance(event, self._message_class):
                pulled.append(event)
            else:
                answer(session, event)
        if pulled and not session.closing.is_discarding and session.owner() is not None:
            if session.settings.discard_unclaimed_messages and session.is_unclaimed:
                session.discarded_messages += len(pulled)
            else:
                session.inbox.put(pulled)
                self._is_answer_due = True
        super()._finish_batch()

    def separate(self, events: list[Incoming]) -> tuple[Any, list[Ping | Pong]]:
        self._is_answer_due = False
        if self.decoder.is_dead:
            self._last_event = events[-1]
        message_class = self._message_class
        messages, controls = events, []
        # A conversation brings one event at a time, a stream many.
        is_plain = type(events[0]) is message_class if len(events) == 1 else set(map(type, events)) == {message_class}
        if not is_plain:
            messages = [event for event in events if isinstance(event, message_class)]
            controls = [event for event in events if isinstance(event, Ping | Pong)]
        return (messages, iter(messages)), controls

    def put(self, content: Any) -> bool:
        messages, rest = content
        if messages and not self.session.closing.is_discarding:
            self.session.inbox.put(messages, rest)
            self._is_answer_due = True
        return bool(messages)

    def _let_receiver_answer(self) -> None:
        """Wait a moment until whoever received what came before a violation has answered it, and receives again.

        Both came in one read, and after our Close frame nothing can be sent any more. Handlers have answered by then.
        Without a reader thread it is the receiver that reads, as a rule, and again: it has answered.
        """
        session = self.session
        if not self._is_answer_due or self.until is not None:
            return
        for _ in range(closing.ANSWER_SLICES):
            if session.inbox.is_waited_for or session.closing.is_discarding or session.is_aborted:
                return
            self._wait(0, Deadline(closing.ANSWER_SLICE_SECONDS))

    def _deliver_waiting(self) -> None:
        """Deliver to handlers that were added late what came before them."""
        session = self.session
        if not session.inbox.has_messages:
            return
        if session.dispatcher_thread is not None:
            session.delivery.bell.ring()
        elif session.has_handlers:
            session.delivery.begin(self)
            try:
                session.deliver_all()
            finally:
                session.delivery.end(sys.exception())
            session.note_pause(session.is_paused)


def make_message_receiver(session: MessageSession) -> MessageReceiver:
    """Return what reads whole messages or pieces, as the settings say; the connecting thread calls it."""
    limit = session.settings._message_limit()
    if session.settings._receive_mode is MessageWebSocketReceiveMode.PARTIAL_MESSAGE:
        return MessageReceiver(session, PieceDecoder(limit, MessagePieceEventArgs), MessagePieceEventArgs)
    whole = Decoder(limit, MessageWebSocketMessageReceivedEventArgs)
    return MessageReceiver(session, whole, MessageWebSocketMessageReceivedEventArgs)


class StreamReceiver(Reader):
    """Delivers bytes."""

    __slots__ = ()

    session: StreamSession

    def __init__(self, session: StreamSession) -> None:
        """Make a reader."""
        super().__init__(session, PieceDecoder(copied_bytes=_COPIED_BYTES))

    def _process(self, events: list[Incoming]) -> None:
        arrived: list[Bytes] = []
        for event in events:
            if isinstance(event, MessagePiece):
                arrived.append(event._payload or event.payload)
            else:
                # What came before a violation or a Close frame is given out before it.
                self._put_arrived(arrived)
                answer(self.session, event)
        self._put_arrived(arrived)

    def _put_arrived(self, arrived: list[Bytes]) -> None:
        """Put in what came in one read, in one piece."""
        data = _joined(arrived)
        arrived.clear()
        if data and not self.session.closing.is_discarding:
            self.session.inbox.put(data)

    def separate(self, events: list[Incoming]) -> tuple[Any, list[Ping | Pong]]:
        if self.decoder.is_dead:
            self._last_event = events[-1]
        data = _joined([event._payload or event.payload for event in events if isinstance(event, MessagePiece)])
        controls = [event for event in events if isinstance(event, Ping | Pong)]
        return (data, self.session.inbox.end_position), controls

    def put(self, content: Any) -> bool:
        data, position = content
        if data and not self.session.closing.is_discarding:
            self.session.inbox.put(data, position)
        return bool(data)


def _joined(pieces: list[Bytes]) -> Bytes:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
