"""Running something that may wait, and that no wake-up can reach, on a helper thread.

May import net. `run_aside` is called on the connecting thread.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

from syncws.net.readiness import Waker
from syncws.net.waiter import Waiter

__all__ = ["run_aside"]

ResultT = TypeVar("ResultT")


def run_aside(function: Callable[[], ResultT], waiter: Waiter, waker: Waker) -> ResultT:
    """Run `function` on a daemon thread and wait for its result.

    When the waiter's deadline passes or it is cancelled, the thread is left to itself: it ends when `function` does,
    and what it finds then is dropped.

    Raises:
        OperationTimedOutError, OperationCanceledError: as the waiter says.
        Exception: what `function` raised.
    """
    results: list[ResultT] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as exc:  # noqa: BLE001 - handed to the waiting thread
            failures.append(exc)
        waker.wake()

    threading.Thread(target=body, name="syncws-lookup", daemon=True).start()
    while not results and not failures:
        waiter.wait(0)
    if failures:
        raise failures[0]
    return results[0]
