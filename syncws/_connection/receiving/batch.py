"""What one read has brought: handlers are called for one message after the other, or another thread takes what is left.

The thread that reads runs it. When one of its handlers is slow, another thread may take the rest at any moment.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from syncws._connection.closing import Closing
from syncws._connection.message_session import MessageOwner
from syncws._locks import locks
from syncws._wire.accelerated import speedups
from syncws._wire.incoming import Incoming, Message
from syncws.events import Event, Handler

__all__ = ["SharedBatch", "call_handlers", "call_handlers_in_python", "make_batch", "take_rest"]


def call_handlers_in_python(
    batch: Iterator[Incoming],
    message_class: type[Message],
    sender: MessageOwner,
    event: Event[Any, Any],
    closing: Closing,
    failed: Callable[[Handler[Any, Any]], object],
    /,
) -> Incoming | bool:
    """Call the handlers that `event` has for the messages that `batch` begins with.

    They are looked at before a message is taken: one that was taken and had no handler could not be put back in its
    place, for the reading may have passed to another thread.

    Args:
        failed: called for a handler that raised, with its exception being handled.

    Returns:
        What is next and no message, taken; True when nothing is left, False when something may be and there is no
        handler any more, or closing discards.
    """
    while (handlers := event.handlers) and not closing.is_discarding:
        # A batch holds no None: that is its end.
        incoming = next(batch, None)
        if type(incoming) is not message_class:
            return True if incoming is None else incoming
        # Event.call, spelled out: for small messages a call is a tenth of the whole.
        for handler in handlers:
            try:
                handler(sender, incoming)
            except Exception:  # noqa: BLE001 - see Event.call
                failed(handler)
    return False


call_handlers: Callable[..., Incoming | bool] = call_handlers_in_python if speedups is None else speedups.call_handlers


class SharedBatch:
    """What a read has brought, where there is no GIL: there an iterator may give two threads the same event."""

    __slots__ = ("_events", "_lock")

    def __init__(self, events: list[Incoming]) -> None:
        self._events = iter(events)
        self._lock = locks.RLock()

    def __iter__(self) -> Iterator[Incoming]:
        """Return an iterator of the caller's own, which takes one event after the other."""
        return iter(self._take, None)

    def _take(self) -> Incoming | None:
        with self._lock:
            return next(self._events, None)

    def take_rest(self) -> list[Incoming]:
        """Take all that is left, in one step."""
        with self._lock:
            return list(self._events)


_has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
# With a GIL each is one step as it is: neither runs byte code.
make_batch: Callable[[list[Incoming]], Iterable[Incoming]] = iter if _has_gil else SharedBatch
take_rest: Callable[[Any], list[Incoming]] = list if _has_gil else SharedBatch.take_rest
