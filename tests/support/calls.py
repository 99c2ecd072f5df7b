"""Calls on threads of their own."""

import threading

from support.servers import join

__all__ = ["Call"]


class Call(threading.Thread):
    """A call on a thread of its own, which begins at once.

    Attributes:
        done: set when the call is over.
        value, error: what it returned and what it raised; None as long as there is none.
    """

    def __init__(self, function, *arguments, **options):
        super().__init__(name="test-call")
        self.value = self.error = None
        self.done = threading.Event()
        self._call = (function, arguments, options)
        self.start()

    def run(self):
        function, arguments, options = self._call
        # What was called is held no longer than the call lasts.
        del self._call
        try:
            self.value = function(*arguments, **options)
        except BaseException as exc:  # noqa: BLE001 - handed to the test
            self.error = exc
        finally:
            self.done.set()

    def end(self):
        """Wait for the end of the call; return what it raised."""
        join(self)
        return self.error

    def result(self):
        """Wait for the end of the call; return what it returned or raise what it raised."""
        if self.end() is not None:
            raise self.error
        return self.value
