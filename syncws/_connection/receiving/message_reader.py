"""The reader of a MessageWebSocket: calls the handlers itself, or leaves messages for receive().

May import events, wire and the rest of this room. Everything here runs on one connection's reader thread.

The handlers are called here and not on a thread of their own: an answer that is sent in a handler then costs no change
of threads. Once a handler has been slow they are called by the dispatcher, and all messages go through the inbox.
"""

from collections.abc import Iterator
from typing import Any

from syncws._connection.message_session import MessageOwner, MessageSession
from syncws._connection.receiving.reader import Reader
from syncws._wire.frame_decoder import Event, FrameDecoder
from syncws._wire.incoming import Message
from syncws.events import Handler

__all__ = ["MessageReader"]


class MessageReader(Reader):
    """Delivers messages, whole or in pieces."""

    __slots__ = ("_batch", "_is_handed_over", "_last_event", "_message_class")

    _session: MessageSession

    def __init__(self, session: MessageSession, decoder: FrameDecoder, message_class: type[Message]) -> None:
        """Make a reader whose `decoder` makes messages of `message_class`."""
        super().__init__(session, decoder)
        self._message_class = message_class
        # What the last read has brought. Two threads may take from it for a moment: the one whose handler was slow goes
        # on with the next event, if it comes before the one that takes over, which takes all that is left in one step.
        self._batch: Iterator[Event] = iter(())
        # The Close frame or violation at its end, kept apart: it is for whoever reads when the rest is done.
        self._last_event: Event | None = None
        self._is_handed_over = False

    def hand_over(self) -> bool:
        """See Reader.hand_over."""
        self._is_handed_over = True
        self._is_handed_over = super().hand_over()
        return self._is_handed_over

    def _process(self, events: list[Event]) -> None:
        session = self._session
        if self._decoder.is_dead:
            self._last_event = events.pop()
        self._batch = iter(events)
        owner = session.owner()
        if (
            owner is not None
            and (handlers := owner.message_received.handlers)
            and not (self._is_handed_over or session.is_discarding or session.inbox.has_messages)
            and self._deliver(owner, handlers)
            and self._last_event is None
        ):
            return
        # A handler that is added in the meantime gets it by _deliver_waiting: what came first goes first.
        self._finish_batch()

    def _deliver(self, owner: MessageOwner, handlers: tuple[Handler[Any, Any], ...]) -> bool:
        """Call handlers for the messages of the batch; return False when something may be left that has none.

        `handlers` is for the first message. They are looked at before an event is taken: one that was taken and had no
        handler could not be put back in its place, for the reading may have passed to another thread.

        Raises:
            Relieved: another thread has the reading role now, and what is left.
        """
        session = self._session
        delivery = session.delivery
        message_class = self._message_class
        message_received = owner.message_received
        is_whole = True
        delivery.begin(self)
        try:
            for event in self._batch:
                if isinstance(event, message_class):
                    failures = message_received.call(handlers, owner, event)
                    if failures:
                        session.handler_failures += failures
                    handlers = message_received.handlers
                    if not handlers or session.is_discarding:
                        is_whole = False
                        break
                else:
                    self._answer(event)
        except BaseException as exc:
            delivery.end(exc)
            raise
        delivery.end()
        return is_whole

    def _finish_batch(self) -> None:
        session = self._session
        pulled: list[Message] = []
        # One step, so that the other thread cannot take one in between: a list made of an iterator runs no byte code.
        for event in list(self._batch):
            if isinstance(event, self._message_class):
                pulled.append(event)
            else:
                self._answer(event)
        if pulled and not session.is_discarding and session.owner() is not None:
            session.inbox.put(pulled)
        last, self._last_event = self._last_event, None
        if last is not None:
            # A Close frame ends the inbox.
            self._answer(last)

    def _deliver_waiting(self) -> None:
        """Give handlers that were added late what came before them."""
        session = self._session
        if not session.inbox.has_messages:
            return
        if self._is_handed_over:
            session.delivery.bell.ring()
        elif session.has_handlers:
            session.delivery.begin(self)
            try:
                while session.deliver_one():
                    pass
            except BaseException as exc:
                session.delivery.end(exc)
                raise
            session.delivery.end()
            session.note_pause(session.is_paused)
