"""Standing in for the reader thread: on the main thread while the program ends, and on a caller's.

A caller does where no thread can be started, or it is not worth starting one: for the rest of a close().
"""

import contextlib
import threading
from typing import TYPE_CHECKING

from syncws._streams.operation import Operation
from syncws._waiting.deadline import Deadline
from syncws.errors import ConnectionLostError

if TYPE_CHECKING:
    from syncws._connection.receiving.reader import Reader

__all__ = ["GivesWay", "stand_in"]


class GivesWay(Exception):
    """Ends a thread's run without ending the connection: a caller reads, nothing is to be read, or its time is over."""


def stand_in(reader: "Reader", seconds: float) -> bool:
    """Do as the reader thread if nobody reads, for so many seconds at most; return whether nobody did.

    An interruption cuts the connection, and leaves the rest to the next reader.
    """
    session = reader.session
    role = session.role
    holders = role.holders
    # No Hold, as of the reader thread: the monitor goes on looking whether there is to be one.
    operation = Operation()
    operation.is_busy = True
    former = session.reader_thread
    is_finished = is_given_back = False
    try:
        if not role.take(operation):
            return False
        # Handlers may be called now.
        session.reader_thread = threading.current_thread()
        reader.until = Deadline(seconds)
        with contextlib.suppress(GivesWay):
            reader.read_to_end()
        if session.is_over:
            session.finish()
            is_finished = True
        else:
            role.is_drained = not reader.has_leftover
    except BaseException as exc:  # an interruption, of any kind
        if role.is_held_by(operation):
            if session.loss is None and not session.closing.is_discarding:
                session.loss = ConnectionLostError(f"receiving was interrupted by {type(exc).__name__}")
            reader.cut()
        raise
    finally:
        # No call before the role is given back: an interruption can come after each.
        try:
            if holders[None] is operation:
                # Whoever takes it next has its own time.
                reader.until, session.reader_thread = None, former
                if not is_finished:
                    del holders[None]
                    is_given_back = True
        except KeyError:
            pass  # Nobody has it.
        if is_given_back:
            if role.is_asked:
                role.settle()
            session.inbox.wake()
    return True
