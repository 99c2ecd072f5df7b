"""Receiving by pull in other ways than the plain call: in a loop, and with a token.

Runs on the thread that receives.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncws._waiting.deadline import Deadline
from syncws._wire.incoming import Message, content_of
from syncws.cancellation import CancellationToken
from syncws.errors import OperationCanceledError, OperationTimedOutError

if TYPE_CHECKING:
    from syncws._connection.message_session import MessageSession
    from syncws._connection.receiving.at_hand import AtHand
    from syncws.events import Event

__all__ = ["MessageIterator", "receive_until_canceled"]


class MessageIterator:
    """The iterator over a socket's messages. Not a generator, which an interruption of a wait would end."""

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


class _TokenChanged(Exception):
    """Raised in the middle of a receive that is to start over; nothing has been taken."""


def receive_until_canceled(
    session: "MessageSession",
    deadline: Deadline,
    token: CancellationToken,
    check: Callable[[], object],
    wake: Callable[[], None],
) -> Message | None:
    """Wait for a message as session.receive does, until the token is cancelled; `wake` has the wait look again.

    Raises:
        OperationCanceledError: the token is cancelled; a message that came stays for the next call (0x800704C7).
        As for the rest: as session.receive.
    """
    changes: list[None] = []

    def note_change() -> None:
        changes.append(None)
        wake()

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
                return session.receive(token._limit(deadline), check_all)
            except _TokenChanged:
                # Its time may be another now.
                continue
            except OperationTimedOutError:
                # The token's time, most likely, which check_all tells.
                if deadline.is_expired and not token.is_cancellation_requested:
                    raise
    finally:
        token._remove_listener(key)
