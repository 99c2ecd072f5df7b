"""Messages that whoever receives may take by one step, without a look at anything else: what has a compiled form.

The inbox says what lies there (message_inbox.py); any thread may take.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from syncws._wire.accelerated import speedups
from syncws._wire.incoming import Message
from syncws.events import Event

__all__ = ["NOTHING", "AtHand", "at_hand_first"]

_ReceiveT = TypeVar("_ReceiveT", bound=Callable[..., Any])

NOTHING: deque[Message] = deque(maxlen=0)


class AtHand:
    """What the thread that pulls may take.

    Attributes:
        messages (deque[Message]): all that waits, or NOTHING when it is to be taken by MessageInbox.take().
    """

    __slots__ = ("_event", "messages")

    messages: deque[Message]

    def __init__(self, messages: deque[Message], event: Event[Any, Any] | None, /) -> None:
        """Make it.

        Args:
            messages: see there.
            event: the one whose handlers would get the messages; None when there are never any.
        """
        self.messages = messages
        self._event = event

    def take(self) -> str | bytes | None:
        """Take the first message and return its content; None when there is none, or it is for a handler."""
        messages = self.messages
        if not messages or (self._event is not None and self._event.handlers):
            return None
        try:
            message = messages.popleft()
        except IndexError:
            return None  # Another thread, or a signal handler, was faster.
        text = message._text
        return message._payload if text is None else text


def at_hand_first(receive: _ReceiveT) -> _ReceiveT:
    """Return a method that looks first, when it is called without arguments, into the `_at_hand` of its object.

    In C that costs a third of a call of `receive`, which looks there too: so in plain Python that is all.
    """
    return receive


if not TYPE_CHECKING and speedups is not None:
    AtHand = speedups.AtHand
    at_hand_first = speedups.AtHandFirst
