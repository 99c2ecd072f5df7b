"""The end of a socket object that the program has dropped: its connection is closed, with a ResourceWarning.

Any thread may watch; what closes the connection is called by the garbage collector.
"""

import warnings
import weakref
from functools import partial

from syncws._connection.session import Session
from syncws._wire.uri import WebSocketUri

__all__ = ["close_dropped", "close_when_dropped", "keep_when_dropped"]

# By id, as in _waiting.at_fork. It holds the sessions: one that nobody reads would go with its socket.
_Watched = tuple[weakref.ref[object], Session, WebSocketUri]
_watched: dict[int, _Watched] = {}


def close_when_dropped(socket: object, session: Session, uri: WebSocketUri) -> None:
    """Have the connection closed when its socket object is dropped.

    Not by weakref.finalize, which takes several times as long.
    """
    number = id(socket)
    # It is given all that it needs: when the program ends the module may be empty before the last socket goes.
    look = partial(_look_at_dropped, _watched, number, type(socket).__name__)
    _watched[number] = weakref.ref(socket, look), session, uri


def keep_when_dropped(socket: object) -> None:
    """Take close_when_dropped() back, if it was called."""
    _watched.pop(id(socket), None)


def _look_at_dropped(watched: dict[int, _Watched], number: int, name: str, _: object) -> None:
    _, session, uri = watched.pop(number)
    # When the program ends the sockets go with the process.
    if not (session.finished.is_set() or session.is_exiting):
        close_dropped(session, f"a {name} connected to {uri.scheme}://{uri.host}:{uri.port}")


def close_dropped(session: Session, what: str) -> None:
    """Close the connection of a socket object that was dropped."""
    try:
        # Not for one whose close() was interrupted, or has not come to its end; nor for one that the server has closed
        # and of which only the end of TCP is left; nor for one that a send has found lost.
        if not (session.closing.is_discarding or session.inbox.is_exhausted or session.outbox.is_broken):
            warnings.warn(f"{what} was dropped without close()", ResourceWarning, stacklevel=2)
    finally:
        session.abandon()
