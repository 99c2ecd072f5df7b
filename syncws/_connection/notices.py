"""What handlers are told besides messages: that the connection is open, and the pings and pongs that come.

`raise_opened` runs on the connecting thread, `tell` on the one that reads, `tell_waiting` on the dispatcher.
"""

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from syncws.events import Event

if TYPE_CHECKING:
    from syncws._connection.session import Session

__all__ = ["MAX_WAITING_NOTICES", "Notices", "raise_opened", "tell", "tell_waiting"]

MAX_WAITING_NOTICES = 1024
"""Pings and pongs that wait behind a slow handler. Of a server that sends more the oldest are dropped."""

Notices = deque[tuple[Event[Any, Any], object]]


def raise_opened(session: "Session", event: Event[Any, Any], owner: object, args: object) -> None:
    """Call the handlers of opened, before anything is read.

    They find themselves inside a handler: what would wait for the reader, which is not there yet, only begins.
    """
    if event.handlers:
        session.reader = threading.current_thread()
        try:
            session.handler_failures += event(owner, args)
        finally:
            session.reader = None


def tell(session: "Session", event: Event[Any, Any], args: object) -> None:
    """Call the handlers of a ping or pong; when another thread calls handlers at the time, leave it to that one."""
    owner = session.owner()
    if owner is None or session.closing.is_discarding:
        return
    if session.dispatcher is not None or not session.is_on_reader:
        # The dispatcher calls handlers, or nobody yet: a caller reads, and a handler has come in the meantime.
        session.delivery.notices.append((event, args))
        session.delivery.bell.ring()
        session.role.require()
        return
    session.handler_failures += event(owner, args)


def tell_waiting(session: "Session") -> None:
    """Call the handlers for what was left to the dispatcher."""
    while session.delivery.notices:
        event, args = session.delivery.notices.popleft()
        owner = session.owner()
        if owner is not None and not session.closing.is_discarding:
            session.handler_failures += event(owner, args)
