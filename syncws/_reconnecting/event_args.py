"""What the handlers of a ReconnectingWebSocket receive, except for messages.

Plain values; made on the object's own thread.
"""

from typing import NamedTuple

from syncws.errors import WebSocketError
from syncws.message_websocket import MessageWebSocket

__all__ = ["ConnectedEventArgs", "DisconnectedEventArgs", "ReconnectingEventArgs"]


class ConnectedEventArgs(NamedTuple):
    """What handlers of connected receive (beyond WinRT).

    Attributes:
        socket (MessageWebSocket): the new connection's, with its information.
        attempt (int): number of the connect that made it, counted since the last connection that lasted; 1 for the very
            first.
    """

    socket: MessageWebSocket
    attempt: int


class DisconnectedEventArgs(NamedTuple):
    """What handlers of disconnected receive (beyond WinRT).

    Attributes:
        error (WebSocketError): why the connection is over, with close_cause, close_code and close_reason.
        socket (MessageWebSocket): the socket that it had.
    """

    error: WebSocketError
    socket: MessageWebSocket


class ReconnectingEventArgs(NamedTuple):
    """What handlers of reconnecting receive (beyond WinRT).

    Attributes:
        attempt (int): number of the next connect, counted since the last connection that lasted.
        delay (float): seconds until then.
        error (Exception): why there is no connection.
    """

    attempt: int
    delay: float
    error: Exception
