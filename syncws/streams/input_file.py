"""A file object over an InputStream, for everything in Python that reads from a binary file.

May import enums and this room's byte_source. Runs on the thread that calls it; a read blocks where the stream does.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws.enums import InputStreamOptions
from syncws.streams.buffer import as_writable_view
from syncws.streams.byte_source import ENDINGS, ByteSource

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["InputFile"]

_WHOLE_PIECE = 1 << 20
# How far a line is looked for at first; doubled as long as it is not found, so that short lines are not dear.
_LINE_WINDOW = 256


class InputFile(io.BufferedIOBase):
    """What InputStream.as_file() returns; see there. Cannot seek.

    All errors are those of InputStream.read; use after close() raises ValueError, as with every file object.
    """

    def __init__(
        self,
        source: ByteSource,
        begin: Callable[[], object],
        read_into: Callable[[memoryview, InputStreamOptions, Callable[[int], int]], int],
    ) -> None:
        """Make a file over a stream's source and its two operations."""
        super().__init__()
        self._source = source
        self._begin = begin
        self._read_into = read_into

    def readable(self) -> bool:
        """Return True (io.IOBase.readable)."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer only at the end; None or a negative number reads to the end (io)."""
        return self._gather(_limit(size), is_partial=False)

    def read1(self, size: int = -1, /) -> bytes:
        """Wait for at least one byte and read what is there, up to `size`; b"" at the end (io)."""
        limit = _limit(size)
        return self._gather(_WHOLE_PIECE if limit is None else limit, is_partial=True)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer, less only at the end; return the number of bytes (io)."""
        return self._fill(buffer, InputStreamOptions.NONE)

    def readinto1(self, buffer: "WriteableBuffer", /) -> int:
        """Wait for at least one byte, put what is there into a buffer; return the number of bytes (io)."""
        return self._fill(buffer, InputStreamOptions.PARTIAL)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read up to and with the next newline byte, up to `size` bytes, or to the end (io)."""
        return self._gather(_limit(size), is_partial=False, is_line=True)

    def _fill(self, buffer: "WriteableBuffer", options: InputStreamOptions) -> int:
        self._check_open()
        with as_writable_view(buffer, "buffer") as target:
            return self._read_into(target, options, int) if len(target) else 0

    def _gather(self, limit: int | None, *, is_partial: bool, is_line: bool = False) -> bytes:
        self._check_open()
        if limit == 0:
            return b""
        source = self._source
        operation = start = None
        parts: list[bytes] = []
        try:
            operation = self._begin()
            start = source.position
            try:
                _take(source, parts, limit, is_partial=is_partial, is_line=is_line)
            except ENDINGS:
                if source.position == start:
                    raise
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            source.finish()
            return data
        except BaseException:
            if start is not None and source.position > start:
                source.put_back(b"".join(parts)[: source.position - start])
            if operation is not None:
                source.finish()
            raise

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")


def _limit(size: int | None) -> int | None:
    return None if size is None or size < 0 else size


def _take(source: ByteSource, parts: list[bytes], limit: int | None, *, is_partial: bool, is_line: bool) -> None:
    taken = 0
    window = _LINE_WINDOW if is_line else _WHOLE_PIECE
    while limit is None or taken < limit:
        with source.peek(window if limit is None else min(window, limit - taken)) as piece:
            data = piece.tobytes()
        if not data:
            return
        newline = data.find(b"\n") + 1 if is_line else 0
        if newline:
            data = data[:newline]
        parts.append(data)
        source.advance(len(data))
        taken += len(data)
        if is_partial or newline:
            return
        window = min(window * 2, _WHOLE_PIECE)
