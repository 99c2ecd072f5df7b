"""DataWriter: typed values into memory, and from there into a stream.

Runs on the thread that calls it; only `store` and `flush` can block, in the stream. On the hot path of sending: one
part is stored as it is, without a join or a copy. Its other methods on that path are in writer_fields.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, SupportsFloat, SupportsIndex, overload

from syncws._arguments.checks import check_bool, check_count
from syncws._buffers import ReadableBuffer
from syncws._streams import layouts
from syncws._streams.buffer import Buffer, as_bytes_view
from syncws._streams.texts import Formatted, encode_text
from syncws._streams.writer_fields import IN_PYTHON, WriterFields, refuse, refuse_without_stream
from syncws._wire.accelerated import speedups
from syncws.enums import ByteOrder, UnicodeEncoding
from syncws.errors import (
    InvalidArgumentError,
    OperationTimedOutError,
)

if TYPE_CHECKING:
    import uuid

__all__ = ["DataWriter"]


class DataWriter(Formatted, WriterFields):
    """Writes typed values (Windows.Storage.Streams.DataWriter); a context manager that closes on exit.

    Over a stream the writer owns the stream: closing the writer closes it, unless `detach_stream` gave it back. So does
    dropping it, with a ResourceWarning that names the bytes not stored.
    Every `write_*` only adds to the writer's memory; nothing leaves before `store`. Each of these errors means that
    nothing was written:

        InvalidArgumentTypeError: the value has the wrong type; a bool is not a number (0x80070057).
        InvalidArgumentError: the value is out of range (0x80070057).
        ObjectClosedError: the writer was closed (0x80000013).
        InvalidOperationError: an operation runs on this writer, such as a store in another thread (0x800710DD).

    One thread at a time may use a writer; over a stream a second one is refused with InvalidOperationError.
    """

    __slots__ = ()

    # A subclass may have a write_bytes() of its own.
    _append = WriterFields.write_bytes

    @property
    def unstored_buffer_length(self) -> int:
        """Bytes that are written and not stored yet; 0 after close (DataWriter.UnstoredBufferLength)."""
        return self._length

    def write_byte(self, value: SupportsIndex, /) -> None:
        """Add 1 byte, 0 to 255 (DataWriter.WriteByte); errors: see the class."""
        self._append(layouts.pack_integer(value, layouts.BYTE, self._byte_order))

    def write_boolean(self, value: bool, /) -> None:
        """Add 1 byte, 0 or 1, for a bool and nothing else (DataWriter.WriteBoolean); errors: see the class."""
        self._append(b"\x01" if check_bool(value, "Boolean") else b"\x00")

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
        """Add the 16 bytes of a uuid.UUID (DataWriter.WriteGuid); errors: see the class.

        In LITTLE_ENDIAN they are its `bytes_le`. In BIG_ENDIAN, the default, they are not its `bytes`: the last eight
        are the other way round. For a peer that wants `bytes`, use write_bytes(value.bytes).
        """
        self._append(layouts.pack_guid(value, self._byte_order))

    def write_date_time(self, value: datetime, /) -> None:
        """Add the 8 bytes of a datetime, local time when it has no zone (DataWriter.WriteDateTime); errors: class."""
        self._append(layouts.pack_date_time(value, self._byte_order))

    def write_time_span(self, value: timedelta, /) -> None:
        """Add the 8 bytes of a timedelta within 2**63 ticks of 100 ns (DataWriter.WriteTimeSpan); errors: class."""
        self._append(layouts.pack_time_span(value, self._byte_order))

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
            InvalidArgumentError: the part is not within the buffer; or as write_bytes (0x80070057).
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.WriteBuffer(IBuffer), WriteBuffer(IBuffer, UInt32, UInt32).
        """
        if start is None and count is None:
            self.write_bytes(buffer)
            return
        # Released at once, even if an exception holds this frame: else a mapped file could not be closed.
        with as_bytes_view(buffer, "buffer") as view:
            first, size = check_count(start, "start"), check_count(count, "count")
            if first + size > len(view):
                raise InvalidArgumentError(
                    f"start {first} and count {size} go beyond the {len(view)} bytes of the buffer"
                )
            self._append(view[first : first + size].tobytes())

    def measure_string(self, value: str, /) -> int:
        """Tell how many bytes `write_string` would add; writes nothing.

        Args:
            value: the text.

        Raises:
            InvalidArgumentTypeError: `value` is not a str (0x80070057).
            InvalidArgumentError: `value` holds a lone surrogate (0x80070057).
            ObjectClosedError: the writer was closed (0x80000013).

        Source: DataWriter.MeasureString.
        """
        if self._is_closed:
            refuse(self)
        return len(encode_text(value, self._encoding))

    def flush(self) -> bool:
        """Flush the stream, see IOutputStream.flush; does not store. Seldom needed.

        Returns:
            True, or False when it failed.

        Raises:
            IllegalMethodCallError: the writer has no stream: made without one, or detached (0x8000000E).
            ObjectClosedError: the writer, the stream or its socket was closed (0x80000013).

        Source: DataWriter.FlushAsync.
        """
        if self._is_closed:
            refuse(self)
        stream = self._stream
        if stream is None:
            refuse_without_stream()
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
            refuse(self)
        parts = self._parts
        self._drop()
        return Buffer._over(parts[0] if len(parts) == 1 else b"".join(parts))

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

    def __repr__(self) -> str:
        """Show the bytes not stored, and where they will go."""
        where = "closed" if self._is_closed else "in memory" if self._stream is None else "over a stream"
        return f"<DataWriter {where} unstored={self._length}>"

    def _drop(self) -> None:
        self._parts = []
        self._length = 0

    def _forget_queued(self, error: BaseException, count: int = 1) -> None:
        """Drop the parts that are on their way although storing them raised `error`."""
        if isinstance(error, OperationTimedOutError) and error.is_queued:
            self._forget(count)

    def _forget(self, count: int) -> None:
        """Drop the parts that were stored."""
        # By number, so that a part that another thread wrongly added at the last moment is not lost.
        del self._parts[:count]
        self._length = sum(map(len, self._parts)) if self._parts else 0


if speedups is not None:
    speedups.use_writer(IN_PYTHON, DataWriter, UnicodeEncoding.UTF8, ByteOrder.BIG_ENDIAN)
