"""DataReader: typed values out of a stream, a buffer or a received message.

Runs on the thread that calls it; only `load` can block, in the stream. On the hot path of receiving: the text of a
whole message is not decoded again.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self, overload

from syncws._arguments.checks import as_input_stream_options, check_count
from syncws._buffers import ReadableBuffer, WriteableBuffer
from syncws._numbers import as_integer
from syncws._streams import layouts
from syncws._streams.buffer import Buffer, as_bytes_view, as_writable_view
from syncws._streams.input_stream import IInputStream
from syncws._streams.ownership import OwnedInputStream
from syncws._streams.reader_core import Data, ReaderCore, copy_bytes, copy_into
from syncws._streams.texts import CODE_UNIT_SIZES, decode_text
from syncws._wire.accelerated import speedups
from syncws.cancellation import CancellationToken, check_token
from syncws.enums import ByteOrder, InputStreamOptions, UnicodeEncoding
from syncws.errors import InvalidArgumentTypeError, fresh

if TYPE_CHECKING:
    import uuid

__all__ = ["DataReader", "MessageReader"]

_UTF8 = UnicodeEncoding.UTF8
_BIG_ENDIAN = ByteOrder.BIG_ENDIAN
_NO_OPTIONS = InputStreamOptions.NONE


class DataReader(ReaderCore):
    """Reads typed values (Windows.Storage.Streams.DataReader); a context manager that closes on exit.

    Over a stream the reader owns the stream: closing the reader closes it, unless `detach_stream` gave it back. So does
    dropping it, with a ResourceWarning.
    Every `read_*` takes its bytes from those that `load` fetched, and never waits. Each of these errors means that
    nothing was consumed:

        OutOfBoundsError: fewer bytes are loaded than it needs (0x8000000B).
        ObjectClosedError: the reader was closed (0x80000013).
        InvalidOperationError: an operation runs on this reader in another thread (0x800710DD).

    One thread at a time may use a reader; over a stream a second one is refused with InvalidOperationError.
    """

    __slots__ = ()

    def __init__(self, input_stream: IInputStream, /) -> None:
        """Make a reader that owns a stream; nothing is read yet.

        Args:
            input_stream: the stream, such as a StreamWebSocket's `input_stream`.

        Raises:
            InvalidArgumentTypeError: `input_stream` is not an IInputStream (0x80070057).

        Source: DataReader(IInputStream).
        """
        if not isinstance(input_stream, IInputStream):
            raise InvalidArgumentTypeError(f"input_stream must be an InputStream, not {type(input_stream).__name__}")
        self._data = bytearray()
        self._text = None
        self._position = 0
        self._unread = 0
        self._encoding = _UTF8
        self._byte_order = _BIG_ENDIAN
        self._options = _NO_OPTIONS
        self._stream = OwnedInputStream(input_stream)
        self._turn = {}
        self._is_closed = False

    @staticmethod
    def from_buffer(buffer: "ReadableBuffer", /) -> "DataReader":
        """Make a reader over the bytes of a buffer, all of them loaded; it has no stream.

        Args:
            buffer: a Buffer, of which the bytes in use count, or any object with the buffer protocol. Not copied:
                changes to it show until they are read.

        Raises:
            InvalidArgumentTypeError: `buffer` is not a buffer (0x80070057).
            InvalidArgumentError: it is not contiguous, holds objects or pointers, or was released (0x80070057).

        Source: DataReader.FromBuffer.
        """
        if type(buffer) is bytes:
            return MessageReader(buffer, None, len(buffer))
        view = as_bytes_view(buffer, "buffer")
        return _BufferReader(view, None, len(view))

    @property
    def input_stream_options(self) -> InputStreamOptions:
        """When `load` is complete; NONE at first (DataReader.InputStreamOptions).

        Setting it to anything else raises InvalidArgumentTypeError or InvalidArgumentError (0x80070057).
        """
        return self._options

    @input_stream_options.setter
    def input_stream_options(self, value: InputStreamOptions) -> None:
        self._options = as_input_stream_options(value, "input_stream_options")

    @property
    def unconsumed_buffer_length(self) -> int:
        """Bytes that are loaded and not read yet; 0 after close (DataReader.UnconsumedBufferLength)."""
        return self._unread

    def load(self, count: int, /, *, cancellation_token: CancellationToken | None = None) -> int:
        """Fetch more bytes from the stream, to follow those that are still unread. The only member that waits.

        Args:
            count: bytes to fetch, 0 to 4,294,967,295; 0 does not touch the stream.
            cancellation_token: ends the wait when its source is cancelled, just as the time limit does; None (the
                default) for none.

        Returns:
            The number of bytes fetched. With `input_stream_options` NONE it is `count`, or less when the stream ended.
            With PARTIAL it is at least 1 and may be less than `count`; 0 is the end of the stream. READ_AHEAD changes
            nothing: a socket always reads ahead, as far as its inbox has room. When the connection is lost, what had
            arrived is loaded first, as a short load; the next load raises.

        Raises:
            IllegalMethodCallError: the reader has no stream, because it was made over a buffer or message, or detached;
                the socket is not connected yet; or called in one of its handlers (0x8000000E).
            ObjectClosedError: the reader, the stream or the socket was closed (0x80000013).
            InvalidOperationError: an operation runs on this reader or stream in another thread (0x800710DD).
            InvalidArgumentTypeError: `count` is not an int (0x80070057).
            InvalidArgumentError: `count` is out of range (0x80070057).
            OperationTimedOutError: control.receive_timeout passed for the load as a whole (0x80072EE2). The bytes that
                came are loaded and can be read, and the next load goes on after them.
            OperationCanceledError: the socket was closed meanwhile (0x80072EF1), or the token is cancelled
                (0x800704C7).
            ConnectionLostError, ProtocolViolationError: how the connection was lost.

        Source: DataReader.LoadAsync.
        """
        count = check_count(count, "count")
        token = check_token(cancellation_token)
        self._begin()
        try:
            stream = self._required_stream()
            return self._fill(stream, count, token) if count else 0
        finally:
            self._finish()

    def read_byte(self) -> int:
        """Take 1 byte, 0 to 255 (DataReader.ReadByte); errors: see the class."""
        return self._read_number(layouts.BYTE)

    def read_boolean(self) -> bool:
        """Take 1 byte; any that is not 0 is True (DataReader.ReadBoolean); errors: see the class."""
        return self._read_number(layouts.BYTE) != 0

    def read_int16(self) -> int:
        """Take 2 bytes in `byte_order` as a signed number (DataReader.ReadInt16); errors: see the class."""
        return self._read_number(layouts.INT16)

    def read_uint16(self) -> int:
        """Take 2 bytes in `byte_order` as an unsigned number (DataReader.ReadUInt16); errors: see the class."""
        return self._read_number(layouts.UINT16)

    def read_int32(self) -> int:
        """Take 4 bytes in `byte_order` as a signed number (DataReader.ReadInt32); errors: see the class."""
        return self._read_number(layouts.INT32)

    def read_uint32(self) -> int:
        """Take 4 bytes in `byte_order` as an unsigned number (DataReader.ReadUInt32); errors: see the class."""
        return self._read_number(layouts.UINT32)

    def read_int64(self) -> int:
        """Take 8 bytes in `byte_order` as a signed number (DataReader.ReadInt64); errors: see the class."""
        return self._read_number(layouts.INT64)

    def read_uint64(self) -> int:
        """Take 8 bytes in `byte_order` as an unsigned number (DataReader.ReadUInt64); errors: see the class."""
        return self._read_number(layouts.UINT64)

    def read_single(self) -> float:
        """Take 4 bytes in `byte_order` as IEEE 754 single (DataReader.ReadSingle); errors: see the class."""
        return self._read_number(layouts.SINGLE)

    def read_double(self) -> float:
        """Take 8 bytes in `byte_order` as IEEE 754 double (DataReader.ReadDouble); errors: see the class."""
        return self._read_number(layouts.DOUBLE)

    def read_guid(self) -> "uuid.UUID":
        """Take 16 bytes in `byte_order` as a uuid.UUID (DataReader.ReadGuid); errors: see the class.

        In BIG_ENDIAN, the default, they are what write_guid makes, which is not UUID.bytes. For a peer that sends
        `bytes`, use uuid.UUID(bytes=reader.read_bytes(16)).
        """
        return self._read(16, lambda data, start: layouts.unpack_guid(copy_bytes(data, start, 16), self._byte_order))

    def read_date_time(self) -> datetime:
        """Take 8 bytes in `byte_order` as a date.

        Returns:
            The moment in UTC, rounded down to whole microseconds, which is all a datetime holds.

        Raises:
            InvalidArgumentError: the moment is not in the years 1 to 9999; nothing is consumed (0x80070057).
            OutOfBoundsError, ObjectClosedError, InvalidOperationError: see the class.

        Source: DataReader.ReadDateTime.
        """
        return self._read(8, lambda data, start: layouts.unpack_date_time(copy_bytes(data, start, 8), self._byte_order))

    def read_time_span(self) -> timedelta:
        """Take 8 bytes in `byte_order` as a span.

        Returns:
            The span, rounded down to whole microseconds, which is all a timedelta holds.

        Raises:
            OutOfBoundsError, ObjectClosedError, InvalidOperationError: see the class.

        Source: DataReader.ReadTimeSpan.
        """
        return self._read(8, lambda data, start: layouts.unpack_time_span(copy_bytes(data, start, 8), self._byte_order))

    @overload
    def read_bytes(self, value: int, /) -> bytes: ...

    @overload
    def read_bytes(self, value: "WriteableBuffer", /) -> None: ...

    def read_bytes(self, value: "int | WriteableBuffer", /) -> bytes | None:
        """Take bytes.

        Args:
            value: a writable buffer, all of which is filled; or the number of bytes to return, 0 to 4,294,967,295.

        Returns:
            None when a buffer was filled, the bytes when a number was given.

        Raises:
            InvalidArgumentTypeError: `value` is neither, or a bool (0x80070057).
            InvalidArgumentError: the buffer is read-only or the number out of range (0x80070057).
            OutOfBoundsError, ObjectClosedError, InvalidOperationError: see the class.

        Source: DataReader.ReadBytes for the buffer; the number is beyond WinRT.
        """
        # Not by __index__ alone, which arrays have too.
        if isinstance(value, int) or as_integer(value) is not None:
            return self._read_copy(check_count(value, "value"))
        # Released at once, even if an exception holds this frame: else a mapped file could not be closed.
        with as_writable_view(value, "value") as target:
            self._read(len(target), lambda data, start: copy_into(target, data, start))
        return None

    def read_buffer(self, length: int, /) -> Buffer:
        """Take bytes as a Buffer.

        Args:
            length: number of bytes, 0 to 4,294,967,295.

        Returns:
            A Buffer that is full. Over immutable bytes, such as a received message, it shares their memory and is
            read-only; otherwise it is a copy.

        Raises:
            InvalidArgumentTypeError: `length` is not an int (0x80070057).
            InvalidArgumentError: `length` is out of range (0x80070057).
            OutOfBoundsError, ObjectClosedError, InvalidOperationError: see the class.

        Source: DataReader.ReadBuffer.
        """
        length = check_count(length, "length")
        return self._read(length, lambda data, start: _as_buffer(data, start, length))

    def read_string(self, count: int, /) -> str:
        """Take text in `unicode_encoding`; a byte order mark is text like any other.

        Args:
            count: code units to take, 0 to 4,294,967,295: bytes for UTF8, units of 2 bytes for the UTF-16 encodings.

        Raises:
            NoUnicodeTranslationError: the bytes are not text in the encoding; nothing is consumed (0x80070459).
            InvalidArgumentTypeError: `count` is not an int (0x80070057).
            InvalidArgumentError: `count` is out of range (0x80070057).
            OutOfBoundsError, ObjectClosedError, InvalidOperationError: see the class.

        Source: DataReader.ReadString.
        """
        text = self._text
        if text is not None and count == self._unread and self._encoding is _UTF8:
            self._text = None
            self._unread = 0
            return text
        return self._read_encoded(count)

    def detach_buffer(self) -> Buffer:
        """Give the unread bytes away without a copy; the reader is empty then and keeps its stream.

        Returns:
            A Buffer of the unread bytes, which outlives the reader; read-only unless they came from a stream.

        Raises:
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataReader.DetachBuffer.
        """
        self._begin()
        try:
            return self._release()
        finally:
            self._finish()

    def detach_stream(self) -> IInputStream:
        """Give the stream back, so that closing the reader leaves it open; unread bytes stay in the reader.

        Raises:
            IllegalMethodCallError: the reader has no stream: made over a buffer or message, or detached (0x8000000E).
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataReader.DetachStream.
        """
        self._begin()
        try:
            stream = self._required_stream()
            self._disown()
            return stream
        finally:
            self._finish()

    def close(self) -> None:
        """Close the reader, and its stream unless detached; unread bytes are dropped. May be repeated.

        A load that runs in another thread ends as the closed stream ends it.

        Source: DataReader.Close.
        """
        self._is_closed = True
        self._text = None
        self._data = None
        self._unread = 0
        stream = self._disown()
        if stream is not None:
            stream.close()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        """Close the reader."""
        if self._stream is not None:
            self.close()
            return
        # What close() does without a stream: this is the hot path, and a call costs as much as the rest.
        self._is_closed = True
        self._text = None
        self._data = None
        self._unread = 0

    def __repr__(self) -> str:
        """Show the bytes not read, and where more come from."""
        where = "closed" if self._is_closed else "in memory" if self._stream is None else "over a stream"
        return f"<DataReader {where} unconsumed={self._unread}>"

    def _read_encoded(self, count: int) -> str:
        encoding = self._encoding
        size = check_count(count, "count") * CODE_UNIT_SIZES[encoding]
        return self._read(size, lambda data, start: decode_text(copy_bytes(data, start, size), encoding))


class MessageReader(DataReader):
    """A DataReader over a message, all of whose bytes are there; its own class, so that making one is a single call.

    What a handler calls on it has a compiled form, which the class gets below.
    """

    __slots__ = ()

    def __init__(self, data: Data | None, text: str | None, length: int, /) -> None:
        """Make a reader of `length` bytes without a copy; with `text` data may be None, and is made when needed."""
        self._data = data
        self._text = text
        self._position = 0
        self._unread = length
        self._encoding = _UTF8
        self._byte_order = _BIG_ENDIAN
        self._options = _NO_OPTIONS
        self._stream = None
        self._turn = None
        self._is_closed = False


class _BufferReader(MessageReader):
    """A reader over memory of the caller: once it is closed, a mapped file can be too.

    Even while an exception is kept that holds a frame of a method here, and so the memory.
    """

    __slots__ = ()

    def close(self) -> None:
        data = self._data
        super().close()
        # After detach_buffer() these are bytes.
        if isinstance(data, memoryview):
            data.release()

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        self.close()


if speedups is not None:
    # What get_data_reader() of a message makes, filled in as above, and how it raises the error of a failure.
    speedups.use_reader(MessageReader, _UTF8, _BIG_ENDIAN, _NO_OPTIONS, fresh)


def _as_buffer(data: Data, start: int, count: int) -> Buffer:
    if isinstance(data, bytes):
        return Buffer._over(memoryview(data)[start : start + count])
    return Buffer._over(bytearray(copy_bytes(data, start, count)))
