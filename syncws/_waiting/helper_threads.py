"""Starting threads; and running what may wait, and no wake-up can reach, on helper threads.

`run_aside` is called on the connecting thread, the rest on any.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from syncws._waiting.deadline import FOREVER, Deadline
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws.errors import CannotConnectError

__all__ = ["run_aside", "start", "start_thread"]

ResultT = TypeVar("ResultT")

# How long a second answer is waited for when the first would do (RFC 8305 3 calls it the resolution delay).
_GRACE_SECONDS = 0.25


def run_aside(
    functions: Sequence[Callable[[], ResultT]],
    waiter: Waiter,
    waker: Waker,
    is_enough: Callable[[ResultT], bool] = lambda _: False,
) -> list[ResultT]:
    """Run each of `functions` on a daemon thread of its own, all at the same time, and wait for their results.

    When the waiter's deadline passes or it is cancelled, the threads are left to themselves: each ends when its
    function does, and what it finds then is dropped.

    Args:
        functions: what to run.
        waiter: bounds the wait.
        waker: the waiter's.
        is_enough: tells whether a result will do; the others are then waited for only a moment longer.

    Returns:
        The results that there are, in the order of the functions: all of them, unless one was enough.

    Raises:
        OperationTimedOutError, OperationCanceledError: as the waiter says.
        CannotConnectError: the system gives no thread (0x80072EFD).
        Exception: what the first function that failed raised.
    """
    results: dict[int, ResultT] = {}
    failures: list[BaseException] = []

    def body(number: int, function: Callable[[], ResultT]) -> None:
        try:
            results[number] = function()
        except BaseException as exc:  # noqa: BLE001 - handed to the waiting thread
            failures.append(exc)
        waker.wake()

    for number, function in enumerate(functions):
        start_thread(threading.Thread(target=body, args=(number, function), name="syncws-lookup", daemon=True))
    soon = None
    while len(results) < len(functions) and not failures:
        if soon is None and any(is_enough(result) for result in list(results.values())):
            # Half of the time that is left at the most: the rest is for using the answer that is there.
            remaining = waiter.deadline.remaining
            soon = Deadline(_GRACE_SECONDS if remaining is None else min(_GRACE_SECONDS, remaining / 2))
        if soon is not None and soon.is_expired:
            break
        waiter.wait(0, soon or FOREVER)
    if failures:
        # Taken out: its frames lead to the list.
        raise failures.pop(0)
    return [results[number] for number in sorted(results)]


def start(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        RuntimeError: the system gives none.
    """
    try:
        thread.start()
    except RuntimeError as exc:
        # It waits with a Condition, which says "release unlocked lock" where Ctrl-C ended that wait: the thread runs.
        if exc.__context__ is not None and not isinstance(exc.__context__, Exception):
            raise exc.__context__ from None
        raise
    except KeyError as exc:
        # The thread ran already when a signal handler raised: Python takes it out of its list of beginners once more.
        raise exc.__context__ or exc from None


def start_thread(thread: threading.Thread) -> None:
    """Start a thread that a connect needs.

    Raises:
        CannotConnectError: the system gives none (0x80072EFD).
    """
    try:
        start(thread)
    except RuntimeError as exc:
        raise CannotConnectError(f"the system cannot start a thread for the connection: {exc}") from exc
