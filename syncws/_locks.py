"""Where reentrant locks come from: `locks.RLock()`.

Before Python 3.14 it is threading's, looked up when a lock is made, because gevent may put its own there after the
import. From 3.14 on it is a class of ours: there a signal handler may run when the call of a lock's `__enter__` by
`with` has come back from C, and what it raises then leaves the lock taken for good. In 3.15 only a profiler was seen to
raise there.
"""

import sys
import threading
from typing import TYPE_CHECKING

__all__ = ["locks"]

if not TYPE_CHECKING and sys.version_info >= (3, 14):
    from _thread import RLock as _Native

    class _Lock(_Native):
        """A lock that `with` takes in one step.

        No signal handler runs when a function in Python returns, nor when an attribute has been got.
        """

        __slots__ = ()

        _taken = property(_Native.acquire)

        def __enter__(self) -> bool:
            return self._taken

    class locks:  # noqa: N801 - it stands for a module
        """What is asked for a lock."""

        @staticmethod
        def RLock() -> threading.RLock:  # noqa: N802 - as threading's
            """Return a new lock."""
            made = threading.RLock()
            return _Lock() if type(made) is _Native else made

else:
    locks = threading
