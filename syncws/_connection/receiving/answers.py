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
        _tell_of(session, event, None)
        return
    if isinstance(event, Pong):
        _tell_of(session, event, session.pings.take_pong(event.payload))
        return
    if isinstance(event, CloseFrame):
        session.take_close(event)
    elif isinstance(event, Violation):
        session.take_violation(event)
    else:
        return
    # Nothing more will come: whoever reads need not wait for the end of TCP.
    session.end_input()


def _tell_of(session: "Session", frame: Ping | Pong, round_trip_time: float | None) -> None:
    """Raise ping_received or pong_received, where there are handlers."""
    owner = session.owner()
    if owner is None:
        return
    if isinstance(frame, Ping):
        if owner._ping_received_event.handlers:
            tell(session, owner._ping_received_event, WebSocketPingReceivedEventArgs(frame.payload))
    elif owner._pong_received_event.handlers:
        tell(session, owner._pong_received_event, WebSocketPongReceivedEventArgs(frame.payload, round_trip_time))
