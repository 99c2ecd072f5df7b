"""Seeing what goes over the wire, in a script: enable_trace().

Any thread may call it.
"""

import logging
import sys
from typing import Any, Protocol

from syncws._errors.bare import raising_bare
from syncws.errors import InvalidArgumentTypeError

__all__ = ["enable_trace"]

_NAME = "syncws.enable_trace"


class _TextFile(Protocol):
    def write(self, text: str, /) -> object:
        """Write some text."""

    def flush(self) -> object:
        """Push it out."""


class _Handler(logging.StreamHandler[Any]):
    """Writes the lines of the trace, whatever characters the file's encoding has."""

    def format(self, record: logging.LogRecord) -> str:
        # On Windows a file that was opened without an encoding has the system's, and a payload any character.
        text = super().format(record)
        encoding = getattr(self.stream, "encoding", None)
        return text.encode(encoding, "backslashreplace").decode(encoding) if isinstance(encoding, str) else text


@raising_bare
def enable_trace(file: _TextFile | None = None) -> logging.Handler:
    """Write what goes over the wire to a file: handshakes, addresses, and a line for each frame (beyond WinRT).

    It sets the logger `syncws` to DEBUG and gives it a handler; another call replaces that. Frames are shown for
    connections that are made afterwards, with the ends of their payloads: these are your data, and may be secret.
    Values in handshakes that may be secrets are left out::

        syncws.enable_trace()

        13:05:59.123 > GET /chat HTTP/1.1
        13:05:59.201 > TEXT 'hello' [5 bytes]
        13:05:59.243 < BINARY 00 01 02 [3 bytes]
        13:06:01.007 < CLOSE 1000 (OK)

    A program that has logging set up does not need it: the loggers are `syncws.frames`, `syncws.handshake`,
    `syncws.connect` and `syncws.reconnecting`.

    Args:
        file: an open text file; None (the default) is sys.stderr as it is now. What its encoding lacks is escaped.

    Returns:
        The handler. `logging.getLogger("syncws")` ends the trace by removeHandler(...) and setLevel(logging.NOTSET).

    Raises:
        InvalidArgumentTypeError: `file` has no write() and flush() (0x80070057).
    """
    if file is not None and not (callable(getattr(file, "write", None)) and callable(getattr(file, "flush", None))):
        raise InvalidArgumentTypeError(f"file must be an open text file or None, not {type(file).__name__}")
    handler = _Handler(sys.stderr if file is None else file)
    handler.set_name(_NAME)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("syncws")
    for earlier in [one for one in logger.handlers if one.get_name() == _NAME]:
        logger.removeHandler(earlier)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    return handler
