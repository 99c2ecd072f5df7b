"""Which of the process's interpreters this one is, and whether a connection can live in it.

Any thread may ask. mod_wsgi, `concurrent.interpreters` and programs that embed Python make subinterpreters. One that
ends while a thread of its own is left aborts the process, or cannot be destroyed.
"""

import _thread
import functools
import importlib
import sys
import threading

from syncws._waiting.at_fork import loading
from syncws.errors import CannotConnectError

__all__ = ["check_threads_allowed", "is_main"]


@functools.cache
def is_main() -> bool:
    """Tell whether this is the process's main interpreter; also where there is no way to tell."""
    # Each interpreter has its own copy of this module, and so of what was found.
    if sys.version_info >= (3, 12):
        return _thread._is_main_interpreter()
    try:
        with loading():
            interpreters = importlib.import_module("_xxsubinterpreters")
    except ImportError:
        return True
    return bool(interpreters.get_current() == interpreters.get_main())


def check_threads_allowed() -> None:
    """See to it that this interpreter allows the threads that a connection needs, which are daemons.

    Raises:
        CannotConnectError: it is an isolated one (0x80072EFD).
    """
    if is_main() or _allows_daemons():
        return
    raise CannotConnectError(
        "this subinterpreter is isolated: it allows no daemon threads, and a connection needs one. Connect in the main"
        " interpreter, or run the client in a process of its own (subprocess, multiprocessing)"
    )


def _allows_daemons() -> bool:
    if sys.version_info >= (3, 12):
        return _thread.daemon_threads_allowed()
    # Python 3.11 says so only when one tries.
    thread = threading.Thread(target=int, name="syncws-trial", daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:
        # Or the system gives none: the connect itself reports that.
        return "isolated" not in str(exc)
    thread.join()
    return True
