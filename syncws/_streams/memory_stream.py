"""InMemoryRandomAccessStream: bytes in memory that are written and read as a stream, from any position.

Never waits. One thread at a time uses a stream and those made from it.
"""

from syncws._arguments.checks import check_integer
from syncws._streams.byte_source import MemorySource
from syncws._streams.input_stream import IInputStream, InputStream
from syncws._streams.output_stream import IOutputStream, OutputStream, Progress
from syncws.errors import ObjectClosedError

__all__ = ["InMemoryRandomAccessStream"]

_MAXIMUM_POSITION = 0x7FFF_FFFF_FFFF_FFFF


class _Cursor(MemorySource):
    """A place in bytes that several streams may share: reads and writes go on from it."""

    __slots__ = ()

    content: bytearray

    def peek(self, count: int) -> memoryview:
        """See ByteSource.peek; a copy, because nobody can write to bytes that somebody looks into."""
        return memoryview(bytes(self.content[self.position : self.position + count]))

    def close(self) -> bool:
        """See ByteSource.close."""
        self.content = bytearray()
        return False

    def _write(self, data: memoryview | bytes, progress: Progress | None = None) -> int:
        """See ByteSink; over what is there, and on behind it."""
        size = len(data)
        if size:
            self.content.extend(bytes(max(0, self.position - len(self.content))))
            self.content[self.position : self.position + size] = data
            self.position += size
        if progress is not None:
            progress(size)
        return size

    _write_text = _write

    def _flush(self) -> bool:
        return True

    def _close_output(self) -> bool:
        return self.close()


class InMemoryRandomAccessStream(IInputStream, IOutputStream):
    """Bytes in memory (Windows.Storage.Streams.InMemoryRandomAccessStream); a context manager that closes on exit.

    A DataWriter writes to it, a DataReader reads from it, both from `position` on, which moves with them. Closing it
    leaves the streams that were made from it open.
    """

    __slots__ = ("__weakref__", "_cursor", "_is_closed", "_sink", "_source")

    def __init__(self) -> None:
        """Make an empty stream (InMemoryRandomAccessStream constructor)."""
        self._open(_Cursor(bytearray(), 0))

    def _open(self, cursor: _Cursor) -> None:
        self._cursor = self._source = self._sink = cursor
        self._is_closed = False

    @property
    def can_read(self) -> bool:
        """True until it is closed (….CanRead)."""
        return not self._is_closed

    @property
    def can_write(self) -> bool:
        """True until it is closed (….CanWrite)."""
        return not self._is_closed

    @property
    def position(self) -> int:
        """Where the next read or write begins; seek() sets it (….Position)."""
        return self._opened().position

    @property
    def size(self) -> int:
        """Bytes in the stream; setting cuts them, or adds zeros (….Size).

        Setting raises InvalidArgumentTypeError for no int, InvalidArgumentError for one out of range (0x80070057).
        ObjectClosedError: the stream was closed (0x80000013).
        """
        return len(self._opened().content)

    @size.setter
    def size(self, value: int) -> None:
        content = self._opened().content
        size = check_integer(value, "size", 0, _MAXIMUM_POSITION)
        del content[size:]
        content.extend(bytes(size - len(content)))

    def seek(self, position: int, /) -> None:
        """Set where the next read or write begins; it may lie behind the end (….Seek).

        Raises:
            InvalidArgumentTypeError: it is not an int (0x80070057).
            InvalidArgumentError: it is negative (0x80070057).
            ObjectClosedError: the stream was closed (0x80000013).
        """
        self._opened().position = check_integer(position, "position", 0, _MAXIMUM_POSITION)

    def get_input_stream_at(self, position: int, /) -> InputStream:
        """Return a stream that reads the same bytes, with a position of its own (….GetInputStreamAt).

        Raises: as seek().
        """
        content = self._opened().content
        return InputStream(_Cursor(content, check_integer(position, "position", 0, _MAXIMUM_POSITION)))

    def get_output_stream_at(self, position: int, /) -> OutputStream:
        """Return a stream that writes to the same bytes, with a position of its own (….GetOutputStreamAt).

        Raises: as seek().
        """
        content = self._opened().content
        return OutputStream(_Cursor(content, check_integer(position, "position", 0, _MAXIMUM_POSITION)))

    def clone_stream(self) -> "InMemoryRandomAccessStream":
        """Return another stream over the same bytes, at position 0 (….CloneStream).

        Raises:
            ObjectClosedError: the stream was closed (0x80000013).
        """
        clone = InMemoryRandomAccessStream()
        clone._open(_Cursor(self._opened().content, 0))
        return clone

    def close(self) -> None:
        """Close the stream; later use raises ObjectClosedError (0x80000013). May be repeated (….Close)."""
        self._close_once()

    def _close_once(self) -> bool:
        self._is_closed = True
        return IOutputStream._close_once(self)

    def _opened(self) -> _Cursor:
        if self._is_closed:
            raise ObjectClosedError("the stream was closed")
        return self._cursor

    def __repr__(self) -> str:
        """Show position and size."""
        if self._is_closed:
            return "<InMemoryRandomAccessStream closed>"
        return f"<InMemoryRandomAccessStream position={self.position} size={self.size}>"
