"""The events that both socket classes have: opened, pings and pongs, closed, server_custom_validation_requested.

Handlers of closed, pings and pongs run on the connection's reader thread, or its dispatcher, those of opened and of
server_custom_validation_requested on the connecting thread; adding and removing may be done on any thread.
"""

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from syncws._arguments.other_names import ATTRIBUTES, EVENTS, check_attribute
from syncws.event_args import (
    WebSocketClosedEventArgs,
    WebSocketPingReceivedEventArgs,
    WebSocketPongReceivedEventArgs,
    WebSocketServerCustomValidationRequestedEventArgs,
)
from syncws.events import Event, EventMember, EventRegistrationToken, Handler

__all__ = ["ReaderEvent", "SocketEvents"]

SenderT = TypeVar("SenderT")
ArgsT = TypeVar("ArgsT")
ClosedHandler = Handler[Any, WebSocketClosedEventArgs]
# Any for the information too: its class, which a handler may name, goes with the socket's.
OpenedHandler = Handler[Any, Any]
PingHandler = Handler[Any, WebSocketPingReceivedEventArgs]
PongHandler = Handler[Any, WebSocketPongReceivedEventArgs]
ValidationHandler = Handler[Any, WebSocketServerCustomValidationRequestedEventArgs]
ValidationMember = EventMember[Any, WebSocketServerCustomValidationRequestedEventArgs]


class ReaderEvent(EventMember[SenderT, ArgsT]):
    """The attribute of an event whose handlers need a reader even while nobody receives."""

    def _make(self, instance: object, /) -> Event[SenderT, ArgsT]:
        assert isinstance(instance, SocketEvents)
        return Event(self._name, partial(_wake_reader_of, weakref.ref(instance)))


def _wake_reader_of(reference: "weakref.ref[SocketEvents]") -> None:
    """Have the reader of a socket look, if the socket is still there: its event must not hold it."""
    socket = reference()
    if socket is not None:
        socket._wake_reader()


class SocketEvents:
    """The part of IWebSocket that holds the events. Not for use by itself."""

    _closed_event: Event[Any, WebSocketClosedEventArgs]
    _opened_event: Event[Any, Any]
    _ping_received_event: Event[Any, WebSocketPingReceivedEventArgs]
    _pong_received_event: Event[Any, WebSocketPongReceivedEventArgs]
    _server_custom_validation_requested_event: Event[Any, WebSocketServerCustomValidationRequestedEventArgs]

    closed: EventMember[Any, WebSocketClosedEventArgs] = EventMember(
        """Raised once, last, when the connection is over, however it ended (….Closed).

        Unlike in WinRT it is also raised when the connection was lost: with code 1006. It is not raised for a socket
        object that was dropped without close(): nobody is left to receive it, and a ResourceWarning says so. A
        handler that is added when it has been raised is not called: `state` and `wait_closed()` tell.
        """
    )

    opened: EventMember[Any, Any] = EventMember(
        """Raised by connect() before it returns, and before the first message (beyond WinRT).

        A handler is called as handler(socket, information) on the connecting thread, and may send. Nothing is read
        until it returns. The order of all events is guaranteed: opened once, then messages, pings and pongs, then
        closed once; never two at a time.
        """
    )

    ping_received: EventMember[Any, WebSocketPingReceivedEventArgs] = ReaderEvent(
        """Raised for each Ping from the server, which is answered automatically (beyond WinRT).

        In the order in which pings, pongs and the messages for handlers came. Behind a slow handler only the latest
        1,024 wait, and messages may overtake them; messages that wait for receive() are themselves overtaken. Without
        handlers of message_received nothing is read while a handler runs, so let it return soon.
        """
    )

    pong_received: EventMember[Any, WebSocketPongReceivedEventArgs] = ReaderEvent(
        """Raised for each Pong from the server, even for keep-alive (beyond WinRT); see ping_received."""
    )

    server_custom_validation_requested: ValidationMember = EventMember(
        """Raised during a wss connect, after the server's certificate has passed (….ServerCustomValidationRequested).

        Handlers run on the connecting thread and may reject the server; one that raises rejects it.
        """
    )

    if not TYPE_CHECKING:
        # Type checkers know the attributes, and would take this as permission to set any.
        def __setattr__(self, name: str, value: object) -> None:
            """Refuse a misspelt event, another client's event or a setting; a subclass may have its own."""
            if not name.startswith("_"):
                check_attribute(self, name, self._names_elsewhere)
            object.__setattr__(self, name, value)

        def _names_elsewhere(self) -> dict[str, str]:
            settings = {name: f"control.{name}" for name in self._control._settings}
            return {**EVENTS, **ATTRIBUTES, **settings}

    def _wake_reader(self) -> None:
        """Have the thread that reads look at what has changed, or have one begin to read."""
        raise NotImplementedError

    def add_closed(self, handler: ClosedHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args); return the token that removes it (….add_Closed).

        Raises:
            InvalidArgumentTypeError: it is not callable with two arguments, or async or a generator (0x80070057).
        """
        return self.closed.add(handler)

    def remove_closed(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (….remove_Closed)."""
        self.closed.remove(token)

    def add_server_custom_validation_requested(self, handler: ValidationHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args); return the token that removes it (….add_ServerCustomValidationRequested).

        Raises:
            InvalidArgumentTypeError: it is not callable with two arguments, or async or a generator (0x80070057).
        """
        return self.server_custom_validation_requested.add(handler)

    def remove_server_custom_validation_requested(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (….remove_ServerCustomValidationRequested)."""
        self.server_custom_validation_requested.remove(token)

    def add_opened(self, handler: OpenedHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args) of opened; return the token that removes it (beyond WinRT).

        Raises:
            InvalidArgumentTypeError: it is not callable with two arguments, or async or a generator (0x80070057).
        """
        return self.opened.add(handler)

    def remove_opened(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (beyond WinRT)."""
        self.opened.remove(token)

    def add_ping_received(self, handler: PingHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args) of ping_received; return the token that removes it (beyond WinRT).

        Raises:
            InvalidArgumentTypeError: it is not callable with two arguments, or async or a generator (0x80070057).
        """
        return self.ping_received.add(handler)

    def remove_ping_received(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (beyond WinRT)."""
        self.ping_received.remove(token)

    def add_pong_received(self, handler: PongHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args) of pong_received; return the token that removes it (beyond WinRT).

        Raises:
            InvalidArgumentTypeError: it is not callable with two arguments, or async or a generator (0x80070057).
        """
        return self.pong_received.add(handler)

    def remove_pong_received(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (beyond WinRT)."""
        self.pong_received.remove(token)
