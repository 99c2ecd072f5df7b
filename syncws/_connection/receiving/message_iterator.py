"""The iterator over a socket's messages; it runs on the thread that receives."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncws._wire.incoming import Message, content_of

if TYPE_CHECKING:
    from syncws._connection.receiving.at_hand import AtHand
    from syncws.events import Event

__all__ = ["MessageIterator"]


class MessageIterator:
    """Yields messages as receive() returns them. Not a generator, which an interruption of a wait would end."""

    __slots__ = ("_at_hand", "_event", "_take")

    def __init__(self, at_hand: "AtHand | None", event: "Event[Any, Any]", take: Callable[[], Message | None]) -> None:
        """Make it.

        Args:
            at_hand: what it may take at once; None when each message is to be taken by `take`.
            event: the one whose handlers would get the messages.
            take: waits for a message, and returns None at the end.
        """
        self._at_hand = at_hand
        self._event = event
        self._take = take

    def __iter__(self) -> "MessageIterator":
        return self

    def __next__(self) -> str | bytes:
        at_hand = self._at_hand
        if at_hand is not None and (content := at_hand.take(self._event.handlers)) is not None:
            return content
        taken = self._take()
        if taken is None:
            raise StopIteration
        return content_of(taken)
