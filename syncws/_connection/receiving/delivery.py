"""Which thread reads while handlers run: the ticket for the reading role, and the watch that gives it to another.

What stands here is shared by a connection's reader, the monitor and, once a handler has been slow, the dispatcher.

The plan. The reader calls the handlers itself. Around them it lays out a ticket, which is the reader object, and takes
it back afterwards. Both are single steps, and they are done once for all that one read has brought. Whoever takes the
ticket has the reading role. When the same delivery has lasted a second the monitor takes it, and starts a thread that
goes on reading. The first thread, when its handler finally returns, finds no ticket, and is the dispatcher from then
on: it takes messages from the inbox and calls the handlers, to the end.

The monitor looks twice a second as long as there are deliveries, and then rests until the next one. So messages cost no
look at the clock, and quiet connections no wake-up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from syncws._connection.monitor import Monitor, Timer
from syncws._connection.notices import MAX_WAITING_NOTICES, Notices
from syncws._waiting.deadline import now
from syncws._waiting.locks import Bell

if TYPE_CHECKING:
    from syncws._connection.receiving.reader import Reader

__all__ = ["Delivery", "Relieved"]

# How long a delivery may last before another thread takes over the reading.
_PATIENCE_SECONDS = 1.0
# How often the monitor looks, as long as there are deliveries.
_LOOK_SECONDS = 0.5


class Relieved(Exception):
    """Raised on the thread that called handlers when another has the reading role.

    Attributes:
        interruption: what a handler raised that is not an Exception, None when it has returned.
    """

    def __init__(self, interruption: BaseException | None = None) -> None:
        super().__init__()
        self.interruption = interruption


class Delivery(Timer):
    """The place of the ticket, and the monitor's watch over it.

    Attributes:
        ticket (deque[Reader]): the ticket, while handlers may be running on the reader thread; empty otherwise.
        count (int): deliveries so far.
        is_watched (bool): True while the monitor looks; the first delivery after a rest makes it.
        bell (Bell): what the dispatcher waits for.
        notices (Notices): pings and pongs that wait for the dispatcher.
    """

    __slots__ = ("_seen", "_since", "bell", "count", "is_watched", "notices", "ticket")

    def __init__(self, monitor: Monitor) -> None:
        """Make one without a ticket."""
        super().__init__(monitor)
        self.ticket: deque[Reader] = deque(maxlen=1)
        self.count = 0
        self.is_watched = False
        self.bell = Bell()
        self.notices: Notices = Notices(maxlen=MAX_WAITING_NOTICES)
        # The count at the monitor's latest look that found another one, and when that was.
        self._seen = 0
        self._since = 0.0

    # The thread that calls handlers.

    def begin(self, reader: Reader) -> None:
        """Make the ticket available to the monitor, before handlers are called."""
        self.count += 1
        self.ticket.append(reader)
        # Looked at after the ticket lies there: see _rest.
        if not self.is_watched:
            self._have_watched()

    def end(self, interruption: BaseException | None = None) -> None:
        """Take the ticket back.

        Raises:
            Relieved: the monitor has taken it.
        """
        try:
            self.ticket.pop()
        except IndexError:
            raise Relieved(interruption) from interruption

    def _have_watched(self) -> None:
        self._seen, self._since = self.count, now()
        self.is_watched = True
        self.set(_LOOK_SECONDS)

    # The monitor.

    def run(self) -> float | None:
        """See Timer.run."""
        time = now()
        if self.count != self._seen:
            self._seen, self._since = self.count, time
        elif not self.ticket:
            return self._rest()
        elif time - self._since >= _PATIENCE_SECONDS:
            return self._relieve()
        return min(_LOOK_SECONDS, self._since + _PATIENCE_SECONDS - time)

    def _rest(self) -> float | None:
        # Noted first and looked at once more afterwards: either this sees the delivery that the reader has just begun,
        # or the reader sees that nobody looks.
        self.is_watched = False
        if self.count == self._seen and not self.ticket:
            return None
        self.is_watched = True
        return _LOOK_SECONDS

    def _relieve(self) -> float | None:
        try:
            # If another delivery has just begun, that one is relieved instead, which does no harm.
            reader = self.ticket.pop()
        except IndexError:
            return _LOOK_SECONDS
        is_handed_over = False
        try:
            is_handed_over = reader.hand_over()
        finally:
            if not is_handed_over:
                # Nobody reads: give the role back, wherever its thread is.
                self.ticket.append(reader)
                self.bell.ring()
        if is_handed_over:
            return None
        # Threads are short at the moment; in a second there may be one.
        self._since = now()
        return _LOOK_SECONDS
