"""What the debug log shows of HTTP heads: lines, less everything that may be a secret.

May import only the standard library. Runs on the connecting thread; nothing is made of a head unless DEBUG is on.
"""

import logging
import re

__all__ = ["trace_head"]

_logger = logging.getLogger("syncws.handshake")

_HIDDEN = "***"
# Whose values are shown. A header that nobody knows may hold a key, so the others are hidden.
_SHOWN = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "date",
        "host",
        "location",
        "origin",
        "proxy-authenticate",
        "retry-after",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "server",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "www-authenticate",
    }
)
_QUERY = re.compile(r"\?[^\s#]*")
_USER_INFO = re.compile(r"//[^/?#\s]*@")


def trace_head(direction: str, head: bytes) -> None:
    """Log a request's or an answer's head at DEBUG, a line each, on the logger `syncws.handshake`.

    Args:
        direction: what stands before each line.
        head: up to the empty line or with it.
    """
    if not _logger.isEnabledFor(logging.DEBUG):
        return
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")
    _logger.debug("%s %s", direction, _without_secrets(first))
    for line in lines:
        name, _, value = line.partition(":")
        shown = _without_secrets(value.strip()) if name.strip().lower() in _SHOWN else _HIDDEN
        _logger.debug("%s %s: %s", direction, name, shown)


def _without_secrets(text: str) -> str:
    """Hide user info and queries, where tokens like to be; controls are escaped, for the log's reader's sake."""
    hidden = _USER_INFO.sub(f"//{_HIDDEN}@", _QUERY.sub(f"?{_HIDDEN}", text))
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in hidden)
