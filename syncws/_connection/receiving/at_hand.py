"""Messages that a receiving thread may take by one step, without checking anything else: this has a compiled form.

The inbox says what is there (message_inbox.py); any thread may take.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

from syncws._wire.accelerated import speedups
from syncws._wire.incoming import Message
from syncws.events import Handler

__all__ = ["NOTHING", "AtHand"]

NOTHING: deque[Message] = deque(maxlen=0)


class AtHand:
    """What the thread that pulls may take.

    Attributes:
        messages (deque[Message]): all that waits, or NOTHING when it is to be taken by MessageInbox.take().
    """

    __slots__ = ("messages",)

    messages: deque[Message]

    def __init__(self, messages: deque[Message], /) -> None:
        self.messages = messages

    def take(self, handlers: tuple[Handler[Any, Any], ...], /) -> str | bytes | None:
        """Take the first message and return its content; None when there is none, or handlers want it."""
        messages = self.messages
        if not messages or handlers:
            return None
        try:
            message = messages.popleft()
        except IndexError:
            return None  # Another thread, or a signal handler, was faster.
        text = message._text
        return message._payload if text is None else text


if not TYPE_CHECKING and speedups is not None:
    AtHand = speedups.AtHand
