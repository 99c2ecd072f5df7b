"""Errors as the application gets them: without the library's frames.

Where in the library an error was found means nothing to the application, turns a traceback of ten lines into one of
sixty, and holds in its locals what the application has passed in: headers, passwords, queries. Any thread may use it.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import ParamSpec, TypeVar

__all__ = ["raising_bare", "without_frames"]

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")
ErrorT = TypeVar("ErrorT", bound=BaseException)

# Ours, and what we call, which get what the application gave from us.
_PACKAGES = frozenset({"idna", "ipaddress", "socket", "socksio", "ssl", "syncws", "urllib", "urllib3", "websocket"})


def raising_bare(function: Callable[ArgumentsT, ResultT]) -> Callable[ArgumentsT, ResultT]:
    """Return a function whose errors leave without the frames and the arguments that they, and their causes, passed.

    That is so for OSError, which WebSocketError is, TypeError and AttributeError: they say what the application did, or
    its peer. Of any other, Ctrl-C or a fault of the library, the frames are needed to find it. The application's own
    frames stay.
    """

    @functools.wraps(function)
    def call(*args: ArgumentsT.args, **kwargs: ArgumentsT.kwargs) -> ResultT:
        handled = sys.exception()
        try:
            return function(*args, **kwargs)
        except (OSError, TypeError, AttributeError) as error:
            _strip(error, handled)
            # This frame itself stays in the traceback.
            del args, kwargs, handled
            raise

    return call


def without_frames(error: ErrorT) -> ErrorT:
    """Return an error that is going to be kept, and its causes, without the frames that they passed.

    A frame holds those of all its callers, the application's too, with whatever stands in them: the socket object among
    the rest, which would never be dropped as long as its connection keeps the error.
    """
    for link in _chain_of(error):
        link.__traceback__ = link.__context__ = None
    return error


def _strip(error: BaseException, handled: BaseException | None) -> None:
    """Take our frames out of an error and its causes; `handled` is the error that the application is handling."""
    # The context is an error of the library's that has already been shown, or the cause of it.
    error.__context__ = handled
    for link in _chain_of(error):
        if link is handled:
            break
        link.__traceback__ = _of_others(link.__traceback__)
        if link is not error:
            link.__context__ = None


def _chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, each once: those of the application may go in a circle."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__


def _of_others(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback with the frames that are not the library's, such as an iterable's of the application."""
    frames = []
    while traceback is not None:
        if str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0] not in _PACKAGES:
            frames.append(traceback)
        traceback = traceback.tb_next
    kept = None
    for each in reversed(frames):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return kept
