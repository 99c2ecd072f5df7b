"""How far the body of an HTTP answer goes (RFC 9112 6, 7), and the beginning of it; done as frames are in _wire.

No I/O: its caller hands in what was read. One thread at a time.
"""

import re

from syncws.http_headers import HttpHeaders

__all__ = ["BodyDecoder"]

# Of a chunk's size with its extensions, or of a line behind a chunk.
_MAX_LINE = 1024
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]+")


class BodyDecoder:
    """Takes the bytes after an answer's head, in pieces of any size.

    Attributes:
        body (bytearray): the beginning of the body, without the marks of chunks.
        is_over (bool): True when nothing more is wanted: the body has ended, is long enough, or is damaged.
        is_at_end (bool): True when the body's length was given and all of it has come, and nothing else.
    """

    def __init__(self, status_code: int, headers: HttpHeaders, limit: int) -> None:
        """Find out how the body ends.

        Args:
            status_code: of an answer to GET, or of a refusal.
            headers: the answer's.
            limit: bytes of the body that are wanted.
        """
        self.body = bytearray()
        self._wanted = limit
        self._buffer = bytearray()
        self._is_behind_chunk = False
        # A list may end in empty elements (RFC 9110 5.6.1).
        codings = headers.get("transfer-encoding", "").lower().rstrip(" \t,")
        self._is_chunked = codings.rpartition(",")[2].strip(" \t") == "chunked"
        # Bytes to the end of the chunk or the body; None is to the end of the connection.
        self._left: int | None = 0
        if not self._is_chunked:
            # Any other coding goes before a Content-Length as well (RFC 9112 6.3).
            length = None if codings else _content_length(headers)
            self._left = 0 if status_code in (204, 304) else length
        self.is_over = self.is_at_end = not self._is_chunked and self._left == 0

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._buffer += data
        while self._buffer and not self.is_over:
            if self._left != 0:
                self._take_content()
            elif not self._take_line():
                break
        if self.is_over:
            self.is_at_end = not self._is_chunked and self._left == 0 and not self._buffer
            self._buffer.clear()

    def _take_content(self) -> None:
        count = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        self.body += self._buffer[: min(count, self._wanted - len(self.body))]
        del self._buffer[:count]
        if self._left is not None:
            self._left -= count
            self._is_behind_chunk = self._left == 0
        self.is_over = len(self.body) == self._wanted or (self._left == 0 and not self._is_chunked)

    def _take_line(self) -> bool:
        """Take the line between two chunks, or that with a chunk's size; return False when it is not whole."""
        end = self._buffer.find(b"\n", 0, _MAX_LINE)
        if end < 0:
            self.is_over = len(self._buffer) >= _MAX_LINE
            return False
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        if self._is_behind_chunk:
            self._is_behind_chunk = False
            self.is_over = line != b""
            return True
        size = line.partition(b";")[0].strip(b" \t")
        self._left = int(size, 16) if _HEXADECIMAL.fullmatch(size) else 0
        # The last chunk, of no bytes: what may follow it is not part of the body. Or no size at all.
        self.is_over = self._left == 0
        return True


def _content_length(headers: HttpHeaders) -> int | None:
    """Return what Content-Length says, even if repeated alike; None when it says nothing that can be used."""
    said = {value.strip(" \t") for value in headers.get("content-length", "").split(",")}
    text = said.pop()
    if said or not (text.isascii() and text.isdigit()):
        return None
    # Not int() of any length: it is quadratic in the digits, and refuses thousands.
    return int(text) if len(text) < 16 else None
