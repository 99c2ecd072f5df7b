"""Which thread reads while handlers run: the ticket for the reading role, and the watch that gives it to another.

What stands here is shared by a connection's reader, the monitor and, once a handler has been slow, the dispatcher.

The plan. The reader calls the handlers itself. Around them it lays out a ticket, which is the reader object, and takes
it back afterwards. Both are single steps, and they are done once for all that one read has brought. Whoever takes the
ticket has the reading role. When the same delivery has lasted a second the monitor takes it, and starts a thread that
goes on reading. The first thread, when its handler returns at last, finds no ticket, and is the dispatcher from then
on: it takes messages from the inbox and calls the handlers, to the end.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws._connection.monitor import Monitor, Timer
from syncws._connection.notices import MAX_WAITING_NOTICES, Notices
from syncws._waiting.deadline import now
from syncws._waiting.locks import Bell

if TYPE_CHECKING:
    from syncws._connection.receiving.reader import Reader

__all__ = ["Delivery", "Relieved", "Watch"]

# How long a delivery may last before another thread takes over the reading.
_PATIENCE_SECONDS = 1.0
# How often the monitor looks, as long as there are deliveries.
_LOOK_SECONDS = 0.5


class Relieved(Exception):
    """Raised on the thread that called handlers when another has the reading role.

    Attributes:
        interruption: what a handler raised that is no Exception, None when it has returned.
    """

    def __init__(self, interruption: BaseException | None = None) -> None:
        super().__init__()
        self.interruption = interruption


class Delivery:
    """The place of the ticket.

    Attributes:
        ticket (deque[Reader]): the ticket, while handlers may be running on the reader thread; empty otherwise.
        count (int): deliveries so far.
        bell (Bell): what the dispatcher waits for.
        watch (Watch): the monitor's part.
        notices (Notices): pings and pongs that wait for the dispatcher.
    """

    __slots__ = ("__weakref__", "bell", "count", "notices", "ticket", "watch")

    def __init__(self, monitor: Monitor) -> None:
        """Make one without a ticket."""
        self.ticket: deque[Reader] = deque(maxlen=1)
        self.count = 0
        self.bell = Bell()
        self.notices: Notices = Notices(maxlen=MAX_WAITING_NOTICES)
        self.watch = Watch(self, monitor)

    def begin(self, role: Reader) -> None:
        """Make the ticket available to the monitor, before handlers are called."""
        self.count += 1
        self.ticket.append(role)
        # Looked at after the ticket lies there: see Watch.run.
        if not self.watch.is_armed:
            self.watch.arm()

    def end(self, interruption: BaseException | None = None) -> None:
        """Take the ticket back.

        Raises:
            Relieved: the monitor has taken it.
        """
        try:
            self.ticket.pop()
        except IndexError:
            raise Relieved(interruption) from interruption


class Watch(Timer):
    """Notices that one delivery's handlers have run for a second.

    It looks twice a second as long as there are deliveries, and then rests until the reader arms it. So messages cost
    no look at the clock, and quiet connections no wake-up. The monitor knows of it from the first delivery on.
    """

    __slots__ = ("_delivery", "_is_closed", "_is_known", "_seen", "_since", "is_armed")

    def __init__(self, delivery: Delivery, monitor: Monitor) -> None:
        """Make a watch that rests."""
        self._monitor = monitor
        self._number = -1
        self._is_known = self._is_closed = False
        self._delivery: Callable[[], Delivery | None] = weakref.ref(delivery)
        self._seen = 0
        self._since = 0.0
        self.is_armed = False

    def arm(self) -> None:
        """Begin to look; the reader calls it at the first delivery after a rest."""
        delivery = self._delivery()
        assert delivery is not None
        self._seen, self._since = delivery.count, now()
        self.is_armed = True
        if not self._is_known:
            with self._monitor._lock:
                if self._is_closed:
                    return
                self._is_known = True
                self._monitor._add(self)
        self.set(_LOOK_SECONDS)

    def close(self) -> None:
        """See Timer.close."""
        if not self._is_known:
            with self._monitor._lock:
                self._is_closed = True
        if self._is_known:
            super().close()

    def run(self) -> float | None:
        """See Timer.run."""
        delivery = self._delivery()
        if delivery is None:
            return None
        time = now()
        if delivery.count != self._seen:
            self._seen, self._since = delivery.count, time
        elif not delivery.ticket:
            return self._rest(delivery)
        elif time - self._since >= _PATIENCE_SECONDS:
            return self._relieve(delivery)
        return min(_LOOK_SECONDS, self._since + _PATIENCE_SECONDS - time)

    def _rest(self, delivery: Delivery) -> float | None:
        # Noted first and looked at once more afterwards: either this sees the delivery that the reader has just begun,
        # or the reader sees that nobody looks.
        self.is_armed = False
        if delivery.count == self._seen and not delivery.ticket:
            return None
        self.is_armed = True
        return _LOOK_SECONDS

    def _relieve(self, delivery: Delivery) -> float | None:
        try:
            # If another delivery has begun just now it is that one which is relieved, to no harm.
            role = delivery.ticket.pop()
        except IndexError:
            return _LOOK_SECONDS
        is_handed_over = False
        try:
            is_handed_over = role.hand_over()
        finally:
            if not is_handed_over:
                # Nobody reads: give the role back, wherever its thread is.
                delivery.ticket.append(role)
                delivery.bell.ring()
        if is_handed_over:
            return None
        # Threads are short at the moment; in a second there may be one.
        self._since = now()
        return _LOOK_SECONDS
