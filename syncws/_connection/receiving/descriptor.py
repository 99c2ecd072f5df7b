"""The descriptor of fileno(): what select, selectors and event loops may wait on, which know nothing of an inbox.

A socket pair that holds a byte while receiving would not block. Made at the first fileno(), on the program's thread;
a thread that changes the inbox shows it here, under the inbox's lock.
"""

import weakref

from syncws._waiting.readiness import Waker

__all__ = ["ReadyDescriptor"]


class ReadyDescriptor:
    """A descriptor that is readable or not, as it is shown; given back with this object, or when the program ends."""

    __slots__ = ("__weakref__", "_is_ready", "_waker")

    def __init__(self) -> None:
        """Make one that is not readable."""
        self._waker = Waker()
        self._is_ready = False
        weakref.finalize(self, self._waker.close)

    def fileno(self) -> int:
        """Return its number."""
        return self._waker.fileno()

    def show(self, is_ready: bool) -> None:
        """Make it readable or not; one thread at a time.

        In this order, so that an interruption in between leaves it readable: then somebody looks once for nothing.
        """
        if is_ready and not self._is_ready:
            self._waker.wake()
            self._is_ready = True
        elif self._is_ready and not is_ready:
            self._is_ready = False
            self._waker.clear()

    def let_go_in_child(self) -> None:
        """See _waiting.at_fork."""
        self._waker.let_go_in_child()
