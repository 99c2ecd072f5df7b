"""The reader of a StreamWebSocket: puts the payload of all messages, one after the other, into the inbox.

May import wire and the rest of this room. Everything here runs on one connection's reader thread.
"""

from syncws._connection.receiving.reader import Reader
from syncws._connection.stream_session import StreamSession
from syncws._wire.frame_decoder import Event
from syncws._wire.incoming import MessagePiece
from syncws._wire.piece_decoder import PieceDecoder

__all__ = ["StreamReader"]


class StreamReader(Reader):
    """Delivers bytes."""

    __slots__ = ()

    _session: StreamSession

    def __init__(self, session: StreamSession) -> None:
        """Make a reader."""
        super().__init__(session, PieceDecoder())

    def _process(self, events: list[Event]) -> None:
        arrived: list[bytes] = []
        for event in events:
            if isinstance(event, MessagePiece):
                arrived.append(event.payload or b"")
            else:
                # What came before a violation or a Close frame is given out before it.
                self._put(arrived)
                self._answer(event)
        self._put(arrived)

    def _put(self, arrived: list[bytes]) -> None:
        """Put in what came in one read, in one piece."""
        data = arrived[0] if len(arrived) == 1 else b"".join(arrived)
        arrived.clear()
        if data and not self._session.is_discarding:
            self._session.inbox.put(data)
