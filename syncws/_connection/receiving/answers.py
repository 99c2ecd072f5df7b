"""What a control frame or a violation brings about: an answer, an event, the end of the connection.

On the thread that has the reading role; nothing here waits.
"""

from typing import TYPE_CHECKING

from syncws._connection.notices import tell
from syncws._wire.frames import PONG, encode_frame
from syncws._wire.incoming import CloseFrame, Incoming, Ping, Pong, Violation
from syncws.event_args import WebSocketPingReceivedEventArgs, WebSocketPongReceivedEventArgs

if TYPE_CHECKING:
    from syncws._connection.session import Session

__all__ = ["answer"]


def answer(session: "Session", event: Incoming) -> None:
    """Deal with what is not a message: a Ping, a Pong, a Close frame or a violation."""
    if isinstance(event, Ping):
        session.outbox.post_pong(encode_frame(PONG, event.payload))
        owner = session.owner()
        if owner is not None and owner._ping_received_event.handlers:
            tell(session, owner._ping_received_event, WebSocketPingReceivedEventArgs(event.payload))
    elif isinstance(event, Pong):
        seconds = session.pings.take_pong(event.payload)
        owner = session.owner()
        if owner is not None and owner._pong_received_event.handlers:
            tell(session, owner._pong_received_event, WebSocketPongReceivedEventArgs(event.payload, seconds))
    elif isinstance(event, CloseFrame):
        session.take_close(event)
    elif isinstance(event, Violation):
        session.take_violation(event)
