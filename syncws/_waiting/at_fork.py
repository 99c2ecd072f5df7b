"""What a forked child inherits of this library's objects, and lets go at once.

Any thread of the parent may call watch() and loading(). What is watched is told in the child, on its only thread,
before anything else runs there.

After os.fork() the child has a copy of every object and of every descriptor, but only one thread. The connections are
the parent's: a byte, a TLS alert or a shutdown() by the child would break them for the parent, and a lock that another
thread held at that moment stays held for ever. So each object that has descriptors or locks is told: it closes its
descriptors, which the parent's copies do not notice, makes new locks, and refuses to be used.

The interpreter has a lock for each module that is being imported, and OpenSSL has locks that it holds while it makes
a context and in the middle of a handshake. Nobody can renew those, so a fork waits while a connect imports a module,
has a context made, or is in a call of a handshake; it does not wait between those calls.
"""

# Before our own hooks are registered: a fork takes loading() first and logging's lock then, as an import does that
# makes a logger.
import logging  # noqa: F401
import os
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

from syncws._locks import locks
from syncws.enums import CloseCause
from syncws.errors import ConnectionLostError

__all__ = ["forked_error", "loading", "watch"]

HolderT = TypeVar("HolderT")

# One at most, made at the first use: gevent and eventlet may put their locks in the place of threading's after the
# import.
_made: dict[None, AbstractContextManager[object]] = {}


def loading() -> AbstractContextManager[object]:
    """Return what a connect holds while it imports a module that takes long, or OpenSSL works with locks of its own.

    A fork waits for it. Its thread may take it again: a signal handler may fork while its thread imports, and the child
    then goes on.
    """
    return _made.get(None) or _made.setdefault(None, locks.RLock())


# By id and not in a WeakSet: two that the application's subclass calls equal are two all the same.
_holders: "dict[int, tuple[weakref.ref[Any], Callable[[Any], None]]]" = {}


def watch(holder: HolderT, let_go: Callable[[HolderT], None]) -> None:
    """Have `let_go(holder)` called in a child, as long as the holder lives.

    It closes descriptors and makes new locks; it must not wait, send or raise.
    """
    number = id(holder)
    # The callback gets the reference, as what pop returns where nothing is. It is no Python code: in that a
    # KeyboardInterrupt would be lost.
    _holders[number] = weakref.ref(holder, partial(_holders.pop, number)), let_go


def forked_error() -> ConnectionLostError:
    """Return the error for every use in the child."""
    error = ConnectionLostError(
        "the connection belongs to the parent process: after a fork the child must make its own"
    )
    error.close_cause = CloseCause.FORKED
    return error


def _let_go() -> None:
    errors = []
    for reference, let_go in list(_holders.values()):
        holder = reference()
        try:
            if holder is not None:
                let_go(holder)
        except Exception as exc:  # noqa: BLE001 - a defect of ours, of which the others are to be spared
            errors.append(exc)
    if errors:
        raise errors[0]


def _hold() -> None:
    loading().__enter__()


def _release() -> None:
    loading().__exit__(None, None, None)


def _release_in_child() -> None:
    _release()
    # The child may put other locks in the place of threading's before it connects.
    _made.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release_in_child)
    os.register_at_fork(after_in_child=_let_go)
