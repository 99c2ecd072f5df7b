"""The connections of this process, and what happens to them when the program ends.

Any thread adds; close_all runs on the main thread, as an atexit function: all threads but daemons have ended then, and
the readers still run. It is the last moment to use them, because once the interpreter has begun to take itself apart
they stop wherever they are. A subinterpreter must not end before its threads: Python aborts the process then.

Nobody is told of this end except by a ResourceWarning, which Python does not show by default: an error raised in a
daemon thread that waits for a message would only be a traceback on stderr. Threads of the application that wait go on
waiting until the process is gone.
"""

import atexit
import threading
import warnings
import weakref
from typing import TYPE_CHECKING

from syncws._waiting.deadline import Deadline
from syncws._waiting.locks import Bell
from syncws.enums import CloseCause

if TYPE_CHECKING:
    from syncws._connection.session import Session

__all__ = ["add", "close_all", "stay_quiet"]

# For all connections together: for the closing handshakes, and then for readers to leave what they do.
_CLOSE_SECONDS = 0.8
_DROP_SECONDS = 0.1
# How often connections without a reader thread are looked at meanwhile.
_LOOK_SECONDS = 0.01
# Longer than those two, so that the process is gone by then, most often; not for ever, for somebody may join a thread.
_QUIET_SECONDS = 2.0

# Not a WeakSet, whose iteration is Python code: a thread that connects in the middle of it would break it off.
_open: "set[weakref.ref[Session]]" = set()


def add(session: "Session") -> None:
    """Have a session closed at the end of the program, as long as it lives and is not finished."""
    _open.add(weakref.ref(session, _open.discard))


def close_all() -> None:
    """Close every connection with 1001, all of them together within a second."""
    sessions = [session for reference in _open.copy() if (session := reference())]
    # Not those whose end has begun: a handler of closed may be running still.
    forgotten = [one for one in sessions if not one.is_abandoned and one.close_cause is CloseCause.NONE]
    for session in sessions:
        if not session.finished.is_set():
            session.begin_exit()
    _wait(sessions, Deadline(_CLOSE_SECONDS))
    left = [session for session in sessions if not session.finished.is_set()]
    # All of them first: where many readers are busy, each step of this thread waits for them to leave.
    for session in left:
        session.is_aborted = True
    for session in left:
        session.transport.abort()
        session.waker.wake()
    _wait(left, Deadline(_DROP_SECONDS))
    if forgotten:
        # Last of all: a program may have made it an error.
        warnings.warn(
            f"connections that were open when the program ended: {len(forgotten)}; close() them, or use `with`",
            ResourceWarning,
            stacklevel=1,
        )


def _wait(sessions: "list[Session]", deadline: Deadline) -> None:
    left = [session for session in sessions if not session.finished.is_set()]
    while left:
        for session in left:
            session.role.read_at_exit()
            # Where there are many whose servers never pause, each turn takes its time.
            if deadline.is_expired:
                break
        left = [session for session in left if not session.finished.is_set()]
        if deadline.is_expired:
            break
        if left:
            left[0].finished.wait(Deadline(_LOOK_SECONDS).sooner(deadline).remaining)
    for session in sessions:
        session.wait_finished(deadline)


def stay_quiet() -> None:
    """Keep a daemon thread from raising while the program ends; other threads go on.

    Raises:
        SystemExit: the program takes its time to end, or waits for this thread: that ends it, without a traceback.
    """
    if threading.current_thread().daemon:
        Bell().wait(_QUIET_SECONDS)
        raise SystemExit


atexit.register(close_all)
