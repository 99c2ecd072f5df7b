"""Telling what a signal handler raises from what the system says.

Runs on the thread that caught the error.

A handler may raise a TimeoutError or any other OSError wherever its thread is, in the middle of a system call too. Such
an error goes to the application as it is; by its type nobody could tell it from the connection's.
"""

__all__ = ["is_from_signal_handler"]


def is_from_signal_handler(error: BaseException) -> bool:
    """True when a signal handler has raised `error`: such a one is called with the frame that it interrupts.

    Args:
        error: an exception that has been caught.
    """
    outer = error.__traceback__
    while outer is not None and (inner := outer.tb_next) is not None:
        for value in tuple(inner.tb_frame.f_locals.values()):
            # By itself, or in `*args`.
            if value is outer.tb_frame or (type(value) is tuple and any(item is outer.tb_frame for item in value)):
                return True
        outer = inner
    return False
