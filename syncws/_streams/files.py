"""File objects over the two streams, for everything in Python that reads from or writes to a binary file.

Runs on the thread that calls it; a read or write blocks where the stream does.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncws._buffers import ReadableBuffer, WriteableBuffer
from syncws._streams.buffer import as_bytes_view, as_writable_view
from syncws._streams.byte_source import ByteSource
from syncws._streams.operation import Operation
from syncws._streams.reading import WHOLE_PIECE, Filling, Gathering
from syncws.enums import InputStreamOptions

__all__ = ["InputFile", "OutputFile"]


class InputFile(io.BufferedIOBase):
    """What InputStream.as_file() returns; see there. Cannot seek.

    All errors are those of InputStream.read; use after close() raises ValueError, as with every file object.
    """

    if TYPE_CHECKING:
        # io.TextIOWrapper is declared to want one, which even io.BytesIO has for type checkers only.
        name: Any

    def __init__(self, source: ByteSource, begin: Callable[[Operation], None]) -> None:
        """Make a file over a stream's source; `begin` begins an operation on it."""
        super().__init__()
        self._source = source
        self._begin = begin

    def readable(self) -> bool:
        """Return True (io.IOBase.readable)."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer only at the end; None or a negative number reads to the end (io)."""
        self._check_open()
        limit = _limit(size)
        data = self._source.take_at_hand(limit) if limit else None
        return Gathering(self._source, self._begin, limit).gather() if data is None else data

    def read1(self, size: int = -1, /) -> bytes:
        """Wait for at least one byte and read what is there, up to `size`; b"" at the end (io)."""
        self._check_open()
        limit = _limit(size)
        limit = WHOLE_PIECE if limit is None else limit
        return Gathering(self._source, self._begin, limit, is_partial=True).gather()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer, less only at the end; return the number of bytes (io)."""
        return self._fill(Filling(self._source, self._begin), buffer, InputStreamOptions.NONE)

    def readinto1(self, buffer: "WriteableBuffer", /) -> int:
        """Wait for at least one byte, put what is there into a buffer; return the number of bytes (io)."""
        return self._fill(Filling(self._source, self._begin), buffer, InputStreamOptions.PARTIAL)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read up to and with the next newline byte, up to `size` bytes, or to the end (io)."""
        self._check_open()
        limit = _limit(size)
        line = self._source.take_at_hand(WHOLE_PIECE if limit is None else limit, b"\n")
        return Gathering(self._source, self._begin, limit, is_line=True).gather() if line is None else line

    def _fill(self, filling: Filling, buffer: "WriteableBuffer", options: InputStreamOptions) -> int:
        self._check_open()
        target = as_writable_view(buffer, "buffer")
        try:
            return filling.fill(target, options)
        except BaseException:  # of any kind: one that is kept must not keep the caller's bytearray from growing
            # No `with`: its end is a call also after a read, and an interruption there would lose what was read.
            target.release()
            raise

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")


def _limit(size: int | None) -> int | None:
    return None if size is None or size < 0 else size


class OutputFile(io.RawIOBase):
    """What OutputStream.as_file() returns; see there. Cannot seek.

    All errors are those of OutputStream.write; use after close() raises ValueError, as with every file object.
    """

    def __init__(self, write: Callable[["ReadableBuffer"], int]) -> None:
        """Make a file over the write operation of a stream."""
        super().__init__()
        self._write = write

    def writable(self) -> bool:
        """Return True (io.IOBase.writable)."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Refuse: the file is for writing (io.RawIOBase.readinto).

        Raises:
            io.UnsupportedOperation: always.
        """
        raise io.UnsupportedOperation("not readable")

    def write(self, buffer: "ReadableBuffer", /) -> int:
        """Write all of a buffer as one message, an empty one not at all; return the number of bytes (io)."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if type(buffer) is bytes:
            return self._write(buffer) if buffer else 0
        with as_bytes_view(buffer, "buffer") as view:
            is_empty = not view
        return 0 if is_empty else self._write(buffer)
