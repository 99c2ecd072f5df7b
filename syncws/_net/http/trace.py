"""The debug log of HTTP heads: lines, less everything that may be a secret.

Runs on the connecting thread; nothing is made of a head unless DEBUG is on.
"""

import logging

from syncws._wire.headers import is_token
from syncws._wire.shown import HIDDEN, shown_header, shown_text, shown_url

__all__ = ["trace_head"]

_logger = logging.getLogger("syncws.handshake")


def trace_head(direction: str, head: bytes) -> None:
    """Log a request's or an answer's head at DEBUG, a line each, on the logger `syncws.handshake`.

    Args:
        direction: what stands before each line.
        head: up to the empty line or with it.
    """
    if not _logger.isEnabledFor(logging.DEBUG):
        return
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")
    # The words of a request line apart: its middle one is a URL.
    _logger.debug("%s %s", direction, " ".join(shown_url(word) for word in first.split(" ")))
    for line in lines:
        name, _, value = line.partition(":")
        # What is no name may be a value that goes on from the line before (RFC 9112 5.2).
        shown_name = shown_text(name) if is_token(name) else HIDDEN
        _logger.debug("%s %s: %s", direction, shown_name, shown_header(shown_name, value.strip()))
