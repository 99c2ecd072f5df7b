"""A file object over an OutputStream, for everything in Python that writes to a binary file.

May import this room's buffer. Runs on the thread that calls it; a write blocks where the stream does.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws.streams.buffer import as_bytes_view

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["OutputFile"]


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
        with as_bytes_view(buffer, "buffer") as view:
            is_empty = not view
        return 0 if is_empty else self._write(buffer)
