"""A container that changes while something goes through it."""

import contextlib
import gc
import threading

from support.servers import join, wait

__all__ = ["always_changing"]


@contextlib.contextmanager
def always_changing(container, key, value):
    """Put a key into a dict and take it out again, all the time.

    On another thread, which without a GIL runs at the same time; and as the garbage collector may, which before Python
    3.12 runs in the midst of a built-in function.
    """

    kept = []

    def change():
        # With one object more after each collection, the next comes soon.
        kept.append([])
        if container.pop(key, None) is None:
            container[key] = value

    def change_once(phase, _):
        # Python calls it before and after each collection.
        if phase == "stop":
            change()

    def change_until_over():
        while not is_over.is_set():
            change()
            has_begun.set()

    has_begun, is_over, thresholds = threading.Event(), threading.Event(), gc.get_threshold()
    thread = threading.Thread(target=change_until_over)
    thread.start()
    wait(has_begun)
    gc.callbacks.append(change_once)
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(change_once)
        is_over.set()
        join(thread)
        container.pop(key, None)
