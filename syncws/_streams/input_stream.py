"""InputStream, the reading end of a connection over a source handed in, and MemoryInputStream over bytes.

Runs on the thread that calls it; a read blocks only where the source does.
"""

from typing import Self

from syncws._arguments.checks import as_input_stream_options, check_count
from syncws._buffers import ReadableBuffer, WriteableBuffer
from syncws._copying import NotCopied
from syncws._streams.buffer import Buffer, as_bytes_view, as_writable_view
from syncws._streams.byte_source import ByteSource, MemorySource
from syncws._streams.files import InputFile
from syncws._streams.operation import Operation
from syncws._streams.reading import Filling
from syncws.cancellation import CancellationToken, check_token
from syncws.enums import InputStreamOptions
from syncws.errors import InvalidArgumentError, ObjectClosedError

__all__ = ["IInputStream", "InputStream", "MemoryInputStream"]

_CLOSED = "the input stream was closed, by close() or by a DataReader that was not detached"


class IInputStream:
    """Bytes that come in (Windows.Storage.Streams.IInputStream); a context manager that closes on exit.

    For annotations and isinstance; the library's streams are of this type, and users make none. One thread at a time
    may read from a stream; a second one is refused.
    """

    __slots__ = ()

    _is_closed: bool
    _source: ByteSource

    def read(
        self,
        buffer: "WriteableBuffer",
        count: int,
        /,
        options: InputStreamOptions = InputStreamOptions.NONE,
        *,
        cancellation_token: CancellationToken | None = None,
    ) -> Buffer:
        """Read bytes into a buffer. A read that raises has taken nothing: the next one gets the same bytes.

        Args:
            buffer: a Buffer, filled from its start, or any writable object with the buffer protocol.
            count: bytes to read, 0 to the buffer's capacity; 0 does not touch the stream.
            options: NONE waits for `count` bytes or the end of the stream, PARTIAL for at least one byte. READ_AHEAD
                changes nothing: a socket always reads ahead, as far as its inbox has room.
            cancellation_token: ends the wait when its source is cancelled; None (the default) for none.

        Returns:
            The Buffer that holds the bytes, `buffer` itself or a new one over the memory of another object. Its
            `length` is the number of bytes read, 0 at the end of the stream. When the connection is lost, what had
            arrived is returned first, as a short read; the next read raises.

        Raises:
            ObjectClosedError: the stream was closed, or its socket (0x80000013).
            InvalidArgumentTypeError: an argument has the wrong type (0x80070057).
            InvalidArgumentError: `count` is negative or over the capacity, `options` has a bit that is not known, or
                `buffer` is read-only, not contiguous or released (0x80070057).
            IllegalMethodCallError: the socket is not connected yet; or called in one of its handlers (0x8000000E).
            InvalidOperationError: another read or load runs on the stream (0x800710DD).
            OperationTimedOutError: control.receive_timeout passed for the read as a whole (0x80072EE2).
            OperationCanceledError: the stream or the socket was closed meanwhile (0x80072EF1), or the token was
                cancelled (0x800704C7).
            ConnectionLostError, ProtocolViolationError: how the connection was lost.

        Source: IInputStream.ReadAsync.
        """
        if self._is_closed:
            raise ObjectClosedError(_CLOSED)
        flags = as_input_stream_options(options, "options")
        token = check_token(cancellation_token)
        part = _writable_part(buffer, count)
        target = buffer if isinstance(buffer, Buffer) else Buffer._over(as_writable_view(buffer, "buffer"))
        try:
            length = Filling(self._source, self._begin, token).fill(part, flags)
        except BaseException:  # of any kind, and no `with`: both as in InputFile._fill()
            part.release()
            if target is not buffer:
                target._memory.release()
            raise
        # Not by the property: in a call an interruption would lose what was read.
        target._length = length
        return target

    def close(self) -> None:
        """Close the stream; later reads raise ObjectClosedError (0x80000013). May be repeated.

        A read in another thread ends with OperationCanceledError. The socket stays open; what comes is thrown away.

        Source: IInputStream.Close.
        """
        self._close_once()

    def _close_once(self) -> bool:
        """Close; True when something could still have been read from an open connection."""
        if self._is_closed:
            return False
        self._is_closed = True  # type: ignore[misc] # the slot is the subclass's
        return self._source.close()

    def _begin(self, operation: Operation) -> None:
        """Begin an operation on the source; see ByteSource.begin."""
        if self._is_closed:
            raise ObjectClosedError(_CLOSED)
        self._source.begin(operation)

    def __repr__(self) -> str:
        """Show whether it is open."""
        return f"<{type(self).__name__} {'closed' if self._is_closed else 'open'}>"

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        """Close the stream."""
        self.close()


def _writable_part(buffer: "WriteableBuffer", count: int) -> memoryview:
    whole = Buffer.create_memory_buffer_over_ibuffer(buffer) if isinstance(buffer, Buffer) else buffer
    with as_writable_view(whole, "buffer") as memory:
        count = check_count(count, "count")
        if count > len(memory):
            raise InvalidArgumentError(f"count {count} is over the buffer's capacity of {len(memory)} bytes")
        return memory[:count]


class InputStream(NotCopied, IInputStream):
    """The input stream of a connection or a message: a StreamWebSocket's `input_stream`, `args.get_data_stream()`."""

    __slots__ = ("__weakref__", "_is_closed", "_source")

    def __init__(self, source: ByteSource) -> None:
        """Make a stream over a source, which is closed with it.

        Source: beyond WinRT.
        """
        self._source = source
        self._is_closed = False

    def as_file(self) -> InputFile:
        """Return the stream as a binary file object for reading (beyond WinRT).

        It is an io.BufferedIOBase that keeps nothing back: what it has not returned can still be read from the stream.
        Its read(n) waits for all n bytes or the end of the stream, read1() for one. Closing it does not close the
        stream. After a lost connection it returns what had arrived, and the next read raises: only one that returns b""
        tells that nothing is missing.

        Each of its calls is one read, with read()'s limits and errors; one that fails loses nothing, as long as no
        other object (an io.TextIOWrapper, say) gathers what it returns. That holds for any amount: read() and
        readline() without a size gather as much as the server sends within the time, and put it back if they fail, so
        give them a size if you do not trust the server. An io.BufferedReader around it would wait until its own buffer
        is full.

        Raises:
            ObjectClosedError: the stream was closed (0x80000013).
        """
        if self._is_closed:
            raise ObjectClosedError(_CLOSED)
        return InputFile(self._source, self._begin)


class MemoryInputStream(InputStream):
    """An InputStream over bytes in memory: the content, then the end of the stream."""

    __slots__ = ()

    def __init__(self, content: "ReadableBuffer", /) -> None:
        """Make a stream over a buffer.

        Args:
            content: the bytes; not copied, and held until the stream is closed.

        Raises:
            InvalidArgumentTypeError: `content` is not a buffer (0x80070057).

        Source: beyond WinRT (its InMemoryRandomAccessStream is more than this).
        """
        super().__init__(MemorySource(as_bytes_view(content, "content")))
