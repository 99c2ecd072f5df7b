"""InputStream, the reading end of a connection over callables handed in, and MemoryInputStream over bytes.

May import enums, errors and this room's buffer and arguments. Runs on the thread that calls it; a read blocks only
where the callable does. Overlapping reads of one stream are not defined, as in WinRT.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws.enums import InputStreamOptions
from syncws.errors import InvalidArgumentError, ObjectClosedError
from syncws.streams.arguments import as_input_stream_options, check_count
from syncws.streams.buffer import Buffer, as_bytes_view, as_writable_view

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["InputStream", "MemoryInputStream"]


class InputStream:
    """Bytes that come in (Windows.Storage.Streams.IInputStream); a context manager that closes on exit.

    Not made by users: a socket's `input_stream` and `args.get_data_stream()` give one.
    """

    __slots__ = ("_close", "_is_closed", "_read_into")

    def __init__(self, read_into: Callable[[memoryview, InputStreamOptions], int], close: Callable[[], None]) -> None:
        """Make a stream over two callables.

        Args:
            read_into: called with a writable view of at least one byte and the options; blocks as they say (NONE: until
                the view is full or the stream ends; PARTIAL: until at least one byte is there), fills the view from
                its start and returns the number of bytes, 0 at the end of the stream.
            close: called once, by the first `close()`.

        Source: beyond WinRT.
        """
        self._read_into = read_into
        self._close = close
        self._is_closed = False

    def read(
        self,
        buffer: "WriteableBuffer",
        count: int,
        options: InputStreamOptions = InputStreamOptions.NONE,
        /,
    ) -> Buffer:
        """Read bytes into a buffer.

        Args:
            buffer: a Buffer, filled from its start, or any writable object with the buffer protocol.
            count: bytes to read, 0 to the buffer's capacity; 0 does not touch the stream.
            options: NONE waits for `count` bytes or the end of the stream, PARTIAL for at least one byte. READ_AHEAD
                fetches nothing beyond `count` here: bytes that no buffer holds would be lost.

        Returns:
            The Buffer that holds the bytes: `buffer` itself, or a new one over the memory of another object. Its
            `length` is the number of bytes read, 0 at the end of the stream.

        Raises:
            ObjectClosedError: the stream was closed (0x80000013).
            InvalidArgumentTypeError: an argument has the wrong type (0x80070057).
            InvalidArgumentError: `count` is over the capacity, or `buffer` is read-only (0x80070057).
            HResultError: what the connection raises.

        Source: IInputStream.ReadAsync.
        """
        if self._is_closed:
            raise ObjectClosedError("the input stream was closed")
        target = buffer if isinstance(buffer, Buffer) else Buffer._over(as_writable_view(buffer, "buffer"))
        memory = as_writable_view(Buffer.create_memory_buffer_over_ibuffer(target), "buffer")
        if check_count(count, "count") > len(memory):
            raise InvalidArgumentError(f"count {count} is over the buffer's capacity of {len(memory)} bytes")
        flags = as_input_stream_options(options)
        target.length = self._read_into(memory[:count], flags) if count else 0
        return target

    def close(self) -> None:
        """Close the stream; later reads raise ObjectClosedError (0x80000013). May be repeated.

        Source: IInputStream.Close.
        """
        if not self._is_closed:
            self._is_closed = True
            self._close()

    def __enter__(self) -> "InputStream":
        """Return the stream."""
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        """Close the stream."""
        self.close()


class _MemorySource:
    """The callables of a MemoryInputStream; an object of its own, so that the stream is in no reference cycle."""

    __slots__ = ("_rest",)

    def __init__(self, content: memoryview) -> None:
        self._rest = content

    def read_into(self, target: memoryview, options: InputStreamOptions) -> int:
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._rest = memoryview(b"")


class MemoryInputStream(InputStream):
    """An InputStream over bytes in memory: the content, then the end of the stream."""

    __slots__ = ()

    def __init__(self, content: "ReadableBuffer", /) -> None:
        """Make a stream over a buffer.

        Args:
            content: the bytes; not copied, and held until the stream is closed.

        Raises:
            InvalidArgumentTypeError: `content` is no buffer (0x80070057).

        Source: beyond WinRT (its InMemoryRandomAccessStream is more than this).
        """
        source = _MemorySource(as_bytes_view(content, "content"))
        super().__init__(source.read_into, source.close)
