"""Owner: what a session needs of the application's socket object, which it holds only weakly."""

from typing import Any, Protocol

from syncws._connection.closing import Closing
from syncws.event_args import (
    WebSocketClosedEventArgs,
    WebSocketPingReceivedEventArgs,
    WebSocketPongReceivedEventArgs,
)
from syncws.events import Event

__all__ = ["Owner"]


class Owner(Protocol):
    """What the session needs of the application's object."""

    _closed_event: Event[Any, WebSocketClosedEventArgs]
    _ping_received_event: Event[Any, WebSocketPingReceivedEventArgs]
    _pong_received_event: Event[Any, WebSocketPongReceivedEventArgs]

    def _raise_closed(self, closing: Closing) -> int:
        """Raise closed, with what `closing` ended with; return how many handlers raised."""
        ...
