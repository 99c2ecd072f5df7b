"""DataWriter: typed values into memory, and from there into a stream.

Runs on the thread that calls it; only `store` and `flush` can block, in the stream. On the hot path of sending: one
part is stored as it is, without a join and without a copy.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn, Self, SupportsFloat, SupportsIndex, overload

from syncws._arguments.checks import check_count
from syncws._streams import layouts
from syncws._streams.buffer import Buffer, as_bytes_view
from syncws._streams.output_stream import IOutputStream, OutputStream
from syncws._streams.ownership import close_dropped
from syncws._streams.texts import Formatted, encode_text
from syncws.enums import ByteOrder, UnicodeEncoding
from syncws.errors import (
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    ObjectClosedError,
    OperationTimedOutError,
)

if TYPE_CHECKING:
    import uuid

    from _typeshed import ReadableBuffer

__all__ = ["DataWriter"]

_UTF8 = UnicodeEncoding.UTF8
_BIG_ENDIAN = ByteOrder.BIG_ENDIAN
_BUSY = "another operation runs on this DataWriter"


class DataWriter(Formatted):
    """Writes typed values (Windows.Storage.Streams.DataWriter); a context manager that closes on exit.

    Over a stream the writer owns the stream: closing the writer closes it, unless `detach_stream` gave it back. So does
    dropping it, with a ResourceWarning that names the bytes not stored.
    Every `write_*` only adds to the writer's memory; nothing leaves before `store`. Each of them raises, and writes
    nothing then:

        InvalidArgumentTypeError: the value has the wrong type; a bool is no number (0x80070057).
        InvalidArgumentError: the value is out of range (0x80070057).
        ObjectClosedError: the writer was closed (0x80000013).
        InvalidOperationError: an operation runs on this writer, such as a store in another thread (0x800710DD).

    One thread at a time may use a writer; over a stream a second one is refused with InvalidOperationError.
    """

    __slots__ = ("_byte_order", "_encoding", "_is_closed", "_length", "_parts", "_stream", "_text", "_turn")

    # None of the parts is empty; _length is the sum of their lengths. _turn holds one item, which an operation takes
    # while it runs: pop() of a list is atomic, and costs a third of a Lock, which nobody would wait for.
    _parts: list[bytes]
    _length: int
    _stream: IOutputStream | None
    # The latest part that write_string made as UTF-8: sending it as text needs no check.
    _text: bytes | None
    _turn: list[None]
    _is_closed: bool

    def __init__(self, output_stream: IOutputStream | None = None, /) -> None:
        """Make an empty writer.

        Args:
            output_stream: the stream to own, such as a socket's `output_stream`; None (default) for memory only.

        Raises:
            InvalidArgumentTypeError: `output_stream` is no IOutputStream (0x80070057).

        Source: DataWriter(), DataWriter(IOutputStream).
        """
        if type(output_stream) is not OutputStream:
            _check_stream(output_stream)
        self._stream = output_stream
        self._turn = [None]
        self._parts = []
        self._text = None
        self._length = 0
        self._encoding = _UTF8
        self._byte_order = _BIG_ENDIAN
        self._is_closed = False

    @property
    def unstored_buffer_length(self) -> int:
        """Bytes that are written and not stored yet; 0 after close (DataWriter.UnstoredBufferLength)."""
        return self._length

    def write_byte(self, value: SupportsIndex, /) -> None:
        """Add 1 byte, 0 to 255 (DataWriter.WriteByte); errors: see the class."""
        self._append(layouts.pack_integer(value, layouts.BYTE, self._byte_order))

    def write_boolean(self, value: bool, /) -> None:
        """Add 1 byte, 0 or 1, for a bool and nothing else (DataWriter.WriteBoolean); errors: see the class."""
        if not isinstance(value, bool):
            raise InvalidArgumentTypeError(f"Boolean must be a bool, not {type(value).__name__}")
        self._append(b"\x01" if value else b"\x00")

    def write_int16(self, value: SupportsIndex, /) -> None:
        """Add 2 bytes, -32,768 to 32,767 (DataWriter.WriteInt16); errors: see the class."""
        self._append(layouts.pack_integer(value, layouts.INT16, self._byte_order))

    def write_uint16(self, value: SupportsIndex, /) -> None:
        """Add 2 bytes, 0 to 65,535 (DataWriter.WriteUInt16); errors: see the class."""
        self._append(layouts.pack_integer(value, layouts.UINT16, self._byte_order))

    def write_int32(self, value: SupportsIndex, /) -> None:
        """Add 4 bytes, -2**31 to 2**31-1 (DataWriter.WriteInt32); errors: see the class."""
        self._append(layouts.pack_integer(value, layouts.INT32, self._byte_order))

    def write_uint32(self, value: SupportsIndex, /) -> None:
        """Add 4 bytes, 0 to 2**32-1 (DataWriter.WriteUInt32); errors: see the class."""
        self._append(layouts.pack_integer(value, layouts.UINT32, self._byte_order))

    def write_int64(self, value: SupportsIndex, /) -> None:
        """Add 8 bytes, -2**63 to 2**63-1 (DataWriter.WriteInt64); errors: see the class."""
        self._append(layouts.pack_integer(value, layouts.INT64, self._byte_order))

    def write_uint64(self, value: SupportsIndex, /) -> None:
        """Add 8 bytes, 0 to 2**64-1 (DataWriter.WriteUInt64); errors: see the class."""
        self._append(layouts.pack_integer(value, layouts.UINT64, self._byte_order))

    def write_single(self, value: SupportsFloat | SupportsIndex, /) -> None:
        """Add 4 bytes: a float or int, rounded; infinities and NaN allowed (DataWriter.WriteSingle); errors: class."""
        self._append(layouts.pack_float(value, layouts.SINGLE, self._byte_order))

    def write_double(self, value: SupportsFloat | SupportsIndex, /) -> None:
        """Add 8 bytes: a float or int; infinities and NaN allowed (DataWriter.WriteDouble); errors: see the class."""
        self._append(layouts.pack_float(value, layouts.DOUBLE, self._byte_order))

    def write_guid(self, value: "uuid.UUID", /) -> None:
        """Add the 16 bytes of a uuid.UUID (DataWriter.WriteGuid); errors: see the class."""
        self._append(layouts.pack_guid(value, self._byte_order))

    def write_date_time(self, value: datetime, /) -> None:
        """Add the 8 bytes of a datetime, local time when it has no zone (DataWriter.WriteDateTime); errors: class."""
        self._append(layouts.pack_date_time(value, self._byte_order))

    def write_time_span(self, value: timedelta, /) -> None:
        """Add the 8 bytes of a timedelta within 2**63 ticks of 100 ns (DataWriter.WriteTimeSpan); errors: class."""
        self._append(layouts.pack_time_span(value, self._byte_order))

    def write_bytes(self, value: "ReadableBuffer", /) -> None:
        """Add all bytes of a buffer, as they are now.

        Args:
            value: bytes, which are not copied, or any object with the buffer protocol or a Buffer, which are.

        Raises:
            InvalidArgumentTypeError, ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.WriteBytes.
        """
        if type(value) is not bytes:
            value = as_bytes_view(value, "value").tobytes()
        # _append() without the call.
        if self._is_closed or not self._turn:
            self._refuse()
        if value:
            self._parts.append(value)
            self._length += len(value)

    @overload
    def write_buffer(self, buffer: "ReadableBuffer", /) -> None: ...

    @overload
    def write_buffer(self, buffer: "ReadableBuffer", start: int, count: int, /) -> None: ...

    def write_buffer(self, buffer: "ReadableBuffer", start: int | None = None, count: int | None = None, /) -> None:
        """Add the bytes of a buffer, or a part of them, as they are now.

        Args:
            buffer: a Buffer, of which the bytes in use count, or any object with the buffer protocol.
            start: first byte of the part, 0 to the buffer's length; without it and `count`, all bytes are added.
            count: bytes of the part; `start` + `count` is at most the buffer's length.

        Raises:
            InvalidArgumentTypeError: an argument has the wrong type, or `count` is missing (0x80070057).
            InvalidArgumentError: the part is not within the buffer (0x80070057).
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.WriteBuffer(IBuffer), WriteBuffer(IBuffer, UInt32, UInt32).
        """
        if start is None and count is None:
            self.write_bytes(buffer)
            return
        view = as_bytes_view(buffer, "buffer")
        first, size = check_count(start, "start"), check_count(count, "count")
        if first + size > len(view):
            raise InvalidArgumentError(f"start {first} and count {size} go beyond the {len(view)} bytes of the buffer")
        self._append(view[first : first + size].tobytes())

    def write_string(self, value: str, /) -> int:
        """Add text in `unicode_encoding`, without length prefix, terminator or byte order mark.

        Args:
            value: the text.

        Returns:
            The number of bytes it takes.

        Raises:
            InvalidArgumentTypeError: `value` is no str (0x80070057).
            InvalidArgumentError: `value` holds a lone surrogate (0x80070057).
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.WriteString.
        """
        data = encode_text(value, self._encoding)
        if self._is_closed or not self._turn:
            self._refuse()
        size = len(data)
        if size:
            self._parts.append(data)
            self._length += size
            if self._encoding is _UTF8:
                self._text = data
        return size

    def measure_string(self, value: str, /) -> int:
        """Tell how many bytes `write_string` would add; writes nothing.

        Args:
            value: the text.

        Raises:
            InvalidArgumentTypeError: `value` is no str (0x80070057).
            InvalidArgumentError: `value` holds a lone surrogate (0x80070057).
            ObjectClosedError: the writer was closed (0x80000013).

        Source: DataWriter.MeasureString.
        """
        if self._is_closed:
            self._refuse()
        return len(encode_text(value, self._encoding))

    def store(self) -> int:
        """Give everything written to the stream in one write: on a MessageWebSocket one whole message.

        Returns:
            The number of bytes stored; 0 when nothing was written, and the stream is not touched then.

        Raises:
            IllegalMethodCallError: the writer has no stream: made without one, or detached (0x8000000E).
            ObjectClosedError: the writer, the stream or its socket was closed (0x80000013).
            InvalidOperationError: an operation runs on this writer, such as another store (0x800710DD).
            OperationTimedOutError: the stream took no more. With `is_queued` True the bytes are on their way and no
                longer in the writer; otherwise they still are (0x80072EE2).
            WebSocketError: what else the stream raises; the bytes stay in the writer.

        Source: DataWriter.StoreAsync.
        """
        if self._is_closed:
            self._refuse()
        try:
            self._turn.pop()
        except IndexError:
            raise InvalidOperationError(_BUSY) from None
        try:
            parts = self._parts
            stream = self._stream
            if stream is None:
                self._refuse_without_stream()
            if not parts:
                return 0
            return self._store_one(stream, parts[0]) if len(parts) == 1 else self._store_joined(stream, parts)
        finally:
            self._turn.append(None)

    def flush(self) -> bool:
        """Flush the stream; does not store. Seldom needed.

        Returns:
            True, or False when it failed.

        Raises:
            IllegalMethodCallError: the writer has no stream: made without one, or detached (0x8000000E).
            ObjectClosedError: the writer, the stream or its socket was closed (0x80000013).

        Source: DataWriter.FlushAsync.
        """
        if self._is_closed:
            self._refuse()
        stream = self._stream
        if stream is None:
            self._refuse_without_stream()
        return stream.flush()

    def detach_buffer(self) -> Buffer:
        """Give the written bytes away; the writer is empty then and keeps its stream.

        Returns:
            A read-only Buffer of the bytes, which outlives the writer.

        Raises:
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.DetachBuffer.
        """
        if self._is_closed or not self._turn:
            self._refuse()
        parts = self._parts
        self._drop()
        return Buffer._over(parts[0] if len(parts) == 1 else b"".join(parts))

    def detach_stream(self) -> IOutputStream:
        """Give the stream back, so that closing the writer leaves it open; bytes not stored stay in the writer.

        Raises:
            IllegalMethodCallError: the writer has no stream: made without one, or detached (0x8000000E).
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.DetachStream.
        """
        if self._is_closed or not self._turn:
            self._refuse()
        stream = self._stream
        if stream is None:
            self._refuse_without_stream()
        self._stream = None
        return stream

    def close(self) -> None:
        """Close the writer, and its stream unless detached; bytes not stored are dropped. May be repeated.

        A store that runs in another thread ends as the closed stream ends it.

        Source: DataWriter.Close.
        """
        self._is_closed = True
        self._drop()
        stream = self._stream
        if stream is not None:
            self._stream = None
            stream.close()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __repr__(self) -> str:
        """Show the bytes not stored, and what becomes of them."""
        where = "closed" if self._is_closed else "in memory" if self._stream is None else "over a stream"
        return f"<DataWriter {where} unstored={self._length}>"

    def __del__(self) -> None:
        """Close the stream that the writer still owns, as in WinRT."""
        # Without the attribute: __init__ refused its argument.
        stream = getattr(self, "_stream", None)
        if stream is not None:
            left = f" with {self._length} bytes not stored" if self._length else ""
            close_dropped(stream, f"a DataWriter{left}")

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        """Close the writer."""
        if self._stream is not None:
            self.close()
            return
        # What close() does without a stream: detached writers are the hot path, and a call costs as much as the rest.
        self._is_closed = True
        self._parts = []
        self._length = 0

    def _refuse(self) -> NoReturn:
        if self._is_closed:
            raise ObjectClosedError("the DataWriter was closed")
        raise InvalidOperationError(_BUSY)

    def _append(self, data: bytes) -> None:
        if self._is_closed or not self._turn:
            self._refuse()
        if data:
            self._parts.append(data)
            self._length += len(data)

    def _refuse_without_stream(self) -> NoReturn:
        raise IllegalMethodCallError("the DataWriter has no stream: made without one, or detached")

    def _drop(self) -> None:
        self._parts = []
        self._length = 0

    def _store_one(self, stream: IOutputStream, part: bytes) -> int:
        try:
            # Past IOutputStream.write where that would only pass on: bytes, without progress to tell.
            if type(stream) is OutputStream:
                size = stream._write_text(part) if part is self._text else stream._write(part, None)
            else:
                size = stream.write(part)
        except OperationTimedOutError as error:
            if error.is_queued:
                self._forget(1)
            raise
        # _forget() without the call.
        parts = self._parts
        del parts[:1]
        self._length = sum(map(len, parts)) if parts else 0
        return size

    def _store_joined(self, stream: IOutputStream, parts: list[bytes]) -> int:
        count = len(parts)
        try:
            size = stream.write(b"".join(parts))
        except OperationTimedOutError as error:
            if error.is_queued:
                self._forget(count)
            raise
        self._forget(count)
        return size

    def _forget(self, count: int) -> None:
        """Drop the parts that were stored."""
        # By number, so that a part which another thread wrongly added at the last moment is not lost unsent.
        del self._parts[:count]
        self._length = sum(map(len, self._parts)) if self._parts else 0


def _check_stream(output_stream: object) -> None:
    if output_stream is not None and not isinstance(output_stream, IOutputStream):
        kind = type(output_stream).__name__
        raise InvalidArgumentTypeError(f"output_stream must be an OutputStream, not {kind}")
