"""The events that both socket classes have: closed and server_custom_validation_requested.

Handlers of closed run on the connection's reader thread, those of server_custom_validation_requested on the connecting
thread; adding and removing may be done on any thread.
"""

from typing import TYPE_CHECKING, Any

from syncws._arguments.setting import nearest
from syncws.event_args import WebSocketClosedEventArgs, WebSocketServerCustomValidationRequestedEventArgs
from syncws.events import Event, EventMember, EventRegistrationToken, Handler

__all__ = ["SocketEvents"]

ClosedHandler = Handler[Any, WebSocketClosedEventArgs]
ValidationHandler = Handler[Any, WebSocketServerCustomValidationRequestedEventArgs]
ValidationMember = EventMember[Any, WebSocketServerCustomValidationRequestedEventArgs]


class SocketEvents:
    """The part of IWebSocket that holds the events. Not for use by itself."""

    def __init__(self) -> None:
        self._closed: Event[Any, WebSocketClosedEventArgs] = Event("closed")
        self._server_custom_validation_requested: Event[Any, WebSocketServerCustomValidationRequestedEventArgs] = Event(
            "server_custom_validation_requested"
        )

    closed: EventMember[Any, WebSocketClosedEventArgs] = EventMember(
        """Raised once, last, when the connection is over, however it ended (….Closed).

        Unlike in WinRT it is raised too when the connection was lost: with code 1006. It is not for a socket
        object that was dropped without close(): nobody is left to get it, and a ResourceWarning tells of it.
        """
    )

    server_custom_validation_requested: ValidationMember = EventMember(
        """Raised during a wss connect, after the server's certificate has passed (….ServerCustomValidationRequested).

        Handlers run on the connecting thread and may reject the server; one that raises rejects it.
        """
    )

    if not TYPE_CHECKING:
        # Type checkers know the attributes, and would take this for leave to set any.
        def __setattr__(self, name: str, value: object) -> None:
            """Refuse a name that is nearly one of ours, such as a misspelt event; a subclass may have its own."""
            is_ours = type(self).__module__.startswith("syncws.")
            if is_ours and not name.startswith("_") and not hasattr(type(self), name):
                meant = nearest(name, [known for known in dir(type(self)) if not known.startswith("_")])
                if meant:
                    raise AttributeError(f"{type(self).__name__} has no attribute {name}{meant}")
            object.__setattr__(self, name, value)

    @property
    def _events(self) -> tuple[Event[Any, Any], ...]:
        """All events of the object."""
        return (self._closed, self._server_custom_validation_requested)

    def add_closed(self, handler: ClosedHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args); return the token that removes it (….add_Closed).

        Raises:
            InvalidArgumentTypeError: it is not callable (0x80070057).
        """
        return self._closed.add(handler)

    def remove_closed(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (….remove_Closed)."""
        self._closed.remove(token)

    def add_server_custom_validation_requested(self, handler: ValidationHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args); return the token that removes it (….add_ServerCustomValidationRequested).

        Raises:
            InvalidArgumentTypeError: it is not callable (0x80070057).
        """
        return self._server_custom_validation_requested.add(handler)

    def remove_server_custom_validation_requested(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (….remove_ServerCustomValidationRequested)."""
        self._server_custom_validation_requested.remove(token)
