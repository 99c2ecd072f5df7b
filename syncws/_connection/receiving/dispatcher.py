"""The dispatcher: the thread of a handler that was slow, which goes on calling handlers and reads no more.

`start_another_reader` runs on the monitor's thread, `dispatch` on the dispatcher, which is a daemon named
`syncws-dispatcher-N`. It is fed through the inbox: when that is full the reader pauses.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws._connection.session import Session

if TYPE_CHECKING:
    from syncws._connection.receiving.reader import Reader

__all__ = ["dispatch", "start_another_reader"]

_logger = logging.getLogger("syncws.reader")


def start_another_reader(session: Session, run: Callable[[], object]) -> bool:
    """Start a thread that reads, in addition to the one that is in a handler; return whether that was possible."""
    former = session.reader_thread
    assert former is not None
    name = former.name
    reader = threading.Thread(target=run, name=name, daemon=True)
    # In this order: the former one is always one of the two.
    session.dispatcher_thread, session.reader_thread = former, reader
    former.name = f"syncws-dispatcher-{session.number}"
    try:
        reader.start()
    except RuntimeError as exc:
        # While the interpreter ends there is nobody left to tell.
        if threading.main_thread().is_alive():
            _logger.warning("no thread to read while handlers of connection %d are slow: %s", session.number, exc)
        former.name = name
        session.reader_thread, session.dispatcher_thread = former, None
        return False
    return True


def dispatch(session: Session, interruption: BaseException | None) -> "Reader | None":
    """Call the handlers for what the reader puts into the inbox, until the connection is over.

    Args:
        session: the connection's.
        interruption: what a handler has raised that is not an Exception: it ends the connection, and is raised.

    Returns:
        The ticket, when no thread could be started that reads; None at the end.
    """
    delivery = session.delivery
    try:
        if interruption is not None:
            raise interruption
        while True:
            # Asked first: what came before the end has been put in by then.
            is_over = session.is_over
            session.deliver_all()
            if is_over:
                return None
            if delivery.ticket:
                return delivery.ticket.pop()
            delivery.bell.wait(None)
    except BaseException:  # a handler has ended its thread by SystemExit, say: nobody would end the reading
        _end_reading(session)
        raise


def _end_reading(session: Session) -> None:
    """End the connection, because the thread that calls the handlers ends, and wait for the reader."""
    session.give_up()
    session.is_aborted = True
    session.transport.abort()
    session.waker.wake()
    delivery = session.delivery
    while not session.is_over:
        if delivery.ticket:
            # No thread could be started to read, so none will end the connection.
            delivery.ticket.pop()
            session.end()
        else:
            delivery.bell.wait(None)
