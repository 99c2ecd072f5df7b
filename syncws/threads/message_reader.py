"""The reader of a MessageWebSocket: calls the handlers itself, or leaves messages for receive().

May import events, wire and the rest of this room. Everything here runs on one connection's reader thread.

The handlers are called here and not on a thread of their own: an answer that is sent in a handler then costs no change
of threads.
"""

from syncws.threads.message_session import MessageSession
from syncws.threads.reader import Reader
from syncws.wire.events import Message
from syncws.wire.frame_decoder import Event, FrameDecoder

__all__ = ["MessageReader"]


class MessageReader(Reader):
    """Delivers messages, whole or in pieces."""

    __slots__ = ("_message_class",)

    _session: MessageSession

    def __init__(self, session: MessageSession, decoder: FrameDecoder, message_class: type[Message]) -> None:
        """Make a reader whose `decoder` makes messages of `message_class`."""
        super().__init__(session, decoder)
        self._message_class = message_class

    def _process(self, events: list[Event]) -> None:
        session = self._session
        owner = session.owner()
        message_received = None if owner is None else owner.message_received
        message_class = self._message_class
        pulled: list[Message] = []
        for event in events:
            if not isinstance(event, message_class):
                if pulled:
                    # A Close frame ends the inbox.
                    session.inbox.put(pulled)
                    pulled = []
                self._answer(event)
            elif message_received is None or session.is_discarding:
                continue
            elif pulled or session.inbox.has_messages or not message_received.handlers:
                # A handler may have been added in the meantime: what came first goes first.
                pulled.append(event)
                if message_received.handlers:
                    session.inbox.put(pulled)
                    pulled = []
                    self._deliver_waiting()
            else:
                failures = message_received(owner, event)
                if failures:
                    session.handler_failures += failures
        if pulled:
            session.inbox.put(pulled)

    def _deliver_waiting(self) -> None:
        """Give handlers that were added late what came before them."""
        session = self._session
        if not session.inbox.has_messages:
            return
        owner = session.owner()
        # One at a time: a handler may take itself away, and then the rest is for receive().
        while owner is not None and owner.message_received.handlers and not session.is_discarding:
            message = session.inbox.take_now()
            if message is None:
                return
            session.handler_failures += owner.message_received(owner, message)
