"""The reading role of a connection: one token, and the rules by which it moves.

Whoever has the token waits for the socket, decodes, answers pings, and puts what came into the inbox. That is the
reader thread; or the caller of receive(), or of a stream's read, who found the inbox empty; or nobody: then the role is
parked, and the monitor looks now and then whether somebody must read. See "The reading role" in DESIGN.md for the
states, and tests/connection/test_reading_role.py for the model that every order of these steps is tried on.

The rule by which no wake-up is lost: whoever needs a reader sets what it needs, then `is_asked`, and then looks whether
the token is taken. Whoever gives the token back does that first, and then looks at `is_asked` and at what is needed.
So one of the two sees the other.

Any thread may call what stands here, unless it says otherwise.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

from syncws._connection.monitor import LONGEST_TICKS
from syncws._streams.operation import Operation

__all__ = ["CONNECTING", "ENDED", "Hold", "ReadingRole"]

ResultT = TypeVar("ResultT")


class Hold:
    """Stands for a holder that is not a call of the application; each reader thread makes its own."""

    __slots__ = ()


CONNECTING = Hold()
"""The connect that makes the connection: nobody may read yet."""
ENDED = Hold()
"""Nobody reads any more."""


class ReadingRole:
    """The token, and what is wanted of whoever has it.

    Attributes:
        holders (dict[None, object]): who has the token, under the key None; empty while the role is parked. A dict,
            because taking is one step (setdefault), and so is giving back (del), which no interruption can split.
        is_asked (bool): True when something has changed that needs a reader; whoever gives the token back looks.
        is_wanted (bool): True when a caller would read itself; the reader thread gives way when nothing else needs it.
        descriptor (int): the socket's; -1 before the connection is read.
        is_closed (bool): True when no thread is started any more: the program ends, or the connection is over.
        is_drained (bool): True when all that was received and decoded has been dealt with, so that only the socket can
            bring more. Written by the holder of the token.
        pulls (int): how often callers have read themselves.
        waiters (dict[object, None]): calls that wait for something only a reader brings: a pong, the end.
    """

    __slots__ = (
        "__weakref__",
        "_seen",
        "_ticks",
        "descriptor",
        "holders",
        "is_asked",
        "is_closed",
        "is_drained",
        "is_wanted",
        "pulls",
        "waiters",
    )

    def __init__(self) -> None:
        """Make a role that the connect has."""
        self._seen = -1
        self._ticks = 1
        self.holders: dict[None, object] = {None: CONNECTING}
        self.descriptor = -1
        self.is_asked = self.is_drained = self.is_wanted = False
        self.is_closed = False
        self.pulls = 0
        self.waiters: dict[object, None] = {}

    # What the connection brings.

    @property
    def is_needed(self) -> bool:
        """True when somebody must read although nobody pulls."""
        raise NotImplementedError

    @property
    def _has_room(self) -> bool:
        """True when what is read can be kept; asked without the token."""
        raise NotImplementedError

    def _start(self) -> None:
        """Start the reader thread, which takes the token itself."""
        raise NotImplementedError

    def _wake(self) -> None:
        """End the wait of whoever has the token."""
        raise NotImplementedError

    def _tell_caller(self) -> None:
        """Wake a caller that waits for the thread that was to be started: there will be none, and it can read."""
        raise NotImplementedError

    # The token.

    def take(self, holder: object) -> bool:
        """Take the token if the role is parked; return whether it was. `holder` belongs to one taker, for one time."""
        return self.holders.setdefault(None, holder) is holder

    def give_back(self, holder: object) -> None:
        """Park the role, and see to what came up meanwhile; a caller does the same without a function of ours."""
        if self.holders.get(None) is holder:
            del self.holders[None]
        if self.is_asked:
            self.settle()

    def is_held_by(self, holder: object) -> bool:
        """Tell whether `holder` has the token."""
        return self.holders.get(None) is holder

    def claim(self) -> bool:
        """End the role before it began, for a connect that failed; return False when a thread reads already."""
        return self.holders.setdefault(None, ENDED) in (ENDED, CONNECTING)

    def call(self) -> None:
        """Have somebody look at what has changed: wake whoever reads, or start the reader thread.

        In a signal handler that interrupted a call which reads, that call loses the token: it cannot go on before the
        handler returns, which may be waiting for a reader.
        """
        self.is_asked = True
        holder = self.holders.get(None)
        if isinstance(holder, Operation) and holder.thread == threading.get_ident() and not holder.is_busy:
            self.holders.pop(None, None)
            holder = None
        if holder is None:
            self.settle()
        else:
            self._wake()

    def require(self) -> None:
        """Have somebody read; whoever does already need not look at anything."""
        self.is_asked = True
        self.settle()

    def while_read(self, wait: Callable[[], ResultT]) -> ResultT:
        """Return what `wait` does, which waits for something that only a reader brings."""
        waiter = object()
        try:
            self.waiters[waiter] = None
            self.call()
            return wait()
        finally:
            self.waiters.pop(waiter, None)

    @property
    def is_held_here(self) -> bool:
        """True in a signal handler that interrupted this thread's own reading in the middle of a message."""
        holder = self.holders.get(None)
        return isinstance(holder, Operation) and holder.thread == threading.get_ident() and holder.is_busy

    def want(self) -> None:
        """Ask the reader thread to give way; the caller, who could not take the token, then waits for a change."""
        self.is_wanted = True
        self._wake()

    def settle(self) -> None:
        """Start the reader thread if the role is parked and somebody must read."""
        if self.holders or self.is_closed:
            return
        self.is_asked = False
        if self.is_needed:
            # Whoever takes the token before that thread does looks at this when giving it back.
            self.is_asked = True
            self._start()
        else:
            self._tell_caller()

    def look(self, is_readable: bool) -> int:
        """Start the reader thread if nobody has pulled since the last look and there is something to do.

        The monitor calls it. At rest it touches nothing but this object, so that a thousand connections cost little.

        Args:
            is_readable: whether there is something to receive on the socket; all are asked by one system call.

        Returns:
            In how many ticks to look again, 1 to LONGEST_TICKS; 0 for no more, when the reader thread has the role,
            which says when it gives it back.
        """
        pulls = self.pulls
        is_quiet = pulls == self._seen
        self._seen = pulls
        self._ticks = min(2 * self._ticks, LONGEST_TICKS) if is_quiet else 1
        if is_quiet and self.is_drained and not (is_readable or self.is_asked):
            return self._ticks
        holder = self.holders.get(None)
        if isinstance(holder, Hold) or self.is_closed:
            return self._ticks if holder is CONNECTING else 0
        has_more = is_readable or not self.is_drained
        if holder is None and is_quiet and ((has_more and self._has_room) or self.is_needed):
            self.is_asked = True
            self._start()
        return self._ticks

    def forget_looks(self) -> None:
        """Have the next look only begin to watch; before the monitor is told to look again."""
        self._seen = -1
