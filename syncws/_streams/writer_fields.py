"""The fields of a DataWriter, and the methods that a program calls for each message: what has a compiled form.

Runs on the thread that calls it; nothing here waits, but for a stream that is closed.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from syncws._buffers import ReadableBuffer
from syncws._streams.buffer import as_bytes_view
from syncws._streams.output_stream import IOutputStream, OutputStream
from syncws._streams.ownership import close_dropped
from syncws._streams.texts import encode_text
from syncws._wire.accelerated import speedups
from syncws.enums import ByteOrder, UnicodeEncoding
from syncws.errors import (
    IllegalMethodCallError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    ObjectClosedError,
    OperationTimedOutError,
)

__all__ = ["BUSY", "IN_PYTHON", "WriterFields", "refuse", "refuse_without_stream"]

_UTF8 = UnicodeEncoding.UTF8
_BIG_ENDIAN = ByteOrder.BIG_ENDIAN
BUSY = "another operation is running on this DataWriter"

# Not Self, see iwebsocket.
WriterT = TypeVar("WriterT", bound="WriterFields")


class WriterFields:
    """The base of DataWriter; a compiled writer calls these functions too, in all but the common case."""

    __slots__ = ("_byte_order", "_encoding", "_is_closed", "_length", "_parts", "_stream", "_text", "_turn")

    # None of the parts is empty; _length is the sum of their lengths. _turn holds one item, which an operation takes
    # while it runs: pop() of a list is atomic, and costs a third of a Lock, which nobody would wait for.
    _byte_order: ByteOrder
    _encoding: UnicodeEncoding
    _parts: list[bytes | memoryview]
    _length: int
    _stream: IOutputStream | None
    # The latest part that write_string made as UTF-8: sending it as text needs no check.
    _text: bytes | memoryview | None
    _turn: list[None]
    _is_closed: bool

    if TYPE_CHECKING:

        def close(self) -> None:
            """See DataWriter.close."""

        def _forget_queued(self, error: BaseException, count: int = 1) -> None: ...

    def __init__(self, output_stream: IOutputStream | None = None, /) -> None:
        """Make an empty writer.

        Args:
            output_stream: the stream to own, such as a socket's `output_stream`; None (default) for memory only.

        Raises:
            InvalidArgumentTypeError: `output_stream` is not an IOutputStream (0x80070057).

        Source: DataWriter(), DataWriter(IOutputStream).
        """
        # By its type first: most are.
        if type(output_stream) is not OutputStream and not isinstance(output_stream, IOutputStream | None):
            kind = type(output_stream).__name__
            raise InvalidArgumentTypeError(f"output_stream must be an OutputStream, not {kind}")
        self._stream = output_stream
        self._turn = [None]
        self._parts = []
        self._text = None
        self._length = 0
        self._encoding = _UTF8
        self._byte_order = _BIG_ENDIAN
        self._is_closed = False

    def write_bytes(self, value: "ReadableBuffer", /) -> None:
        """Add all bytes of a buffer, as they are now.

        Args:
            value: bytes, which are not copied; or a Buffer or any object with the buffer protocol, which is.

        Raises:
            InvalidArgumentError: the buffer is not contiguous, holds objects or pointers, or was released (0x80070057).
            InvalidArgumentTypeError, ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.WriteBytes.
        """
        if type(value) is not bytes:
            value = as_bytes_view(value, "value").tobytes()
        if self._is_closed or not self._turn:
            refuse(self)
        if value:
            self._parts.append(value)
            self._length += len(value)

    def write_string(self, value: str, /) -> int:
        """Add text in `unicode_encoding`, without length prefix, terminator or byte order mark.

        Args:
            value: the text.

        Returns:
            The number of bytes it takes.

        Raises:
            InvalidArgumentTypeError: `value` is not a str (0x80070057).
            InvalidArgumentError: `value` holds a lone surrogate (0x80070057).
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.WriteString.
        """
        data = encode_text(value, self._encoding)
        if self._is_closed or not self._turn:
            refuse(self)
        size = len(data)
        if size:
            self._parts.append(data)
            self._length += size
            if self._encoding is _UTF8:
                self._text = data
        return size

    def detach_stream(self) -> IOutputStream:
        """Give the stream back, so that closing the writer leaves it open; bytes not stored stay in the writer.

        Raises:
            IllegalMethodCallError: the writer has no stream: made without one, or detached (0x8000000E).
            ObjectClosedError, InvalidOperationError: see the class.

        Source: DataWriter.DetachStream.
        """
        if self._is_closed or not self._turn:
            refuse(self)
        stream = self._stream
        if stream is None:
            refuse_without_stream()
        self._stream = None
        return stream

    def store(self) -> int:
        """Give everything written to the stream in one write: on a MessageWebSocket one whole message.

        Returns:
            The number of bytes stored; 0 when nothing was written: then the stream is not touched.

        Raises:
            IllegalMethodCallError: the writer has no stream: made without one, or detached (0x8000000E).
            ObjectClosedError: the writer, the stream or its socket was closed (0x80000013).
            InvalidOperationError: an operation runs on this writer, such as another store (0x800710DD).
            OperationTimedOutError: the stream took no more (0x80072EE2). If `is_queued`, the bytes are on their way and
                no longer in the writer; otherwise they still are.
            WebSocketError: any other error of the stream; the bytes stay in the writer.

        Source: DataWriter.StoreAsync.
        """
        if self._is_closed:
            refuse(self)
        try:
            self._turn.pop()
        except IndexError:
            raise InvalidOperationError(BUSY) from None
        count = 0
        try:
            stream = self._stream
            if stream is None:
                refuse_without_stream()
            # A copy, made in one step: another thread may wrongly add a part just now, which stays for the next time.
            parts = self._parts.copy()
            count = len(parts)
            if not count:
                return 0
            data = parts[0] if count == 1 else b"".join(parts)
            # Past IOutputStream.write where that would only pass on: bytes, without progress to tell.
            if type(stream) is not OutputStream:
                size = stream.write(data)
            elif data is self._text:
                size = stream._sink._write_text(data)
            else:
                size = stream._sink._write(data, None)
            # _forget() without the call.
            parts = self._parts
            del parts[:count]
            self._length = sum(map(len, parts)) if parts else 0
            return size
        except OperationTimedOutError as error:
            self._forget_queued(error, count)
            raise
        finally:
            self._turn.append(None)

    def __enter__(self: WriterT) -> WriterT:
        """Return the writer."""
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        """Close the writer."""
        if self._stream is not None or self._parts:
            self.close()
            return
        # What close() does where there is nothing to drop: that is the hot path, and a call costs as much as the rest.
        self._is_closed = True
        self._text = None

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Close the stream that the writer still owns, as in WinRT."""
        # Without the attribute: __init__ refused its argument.
        stream = getattr(self, "_stream", None)
        if stream is not None and not is_finalizing():
            left = f" with {self._length} bytes not stored" if self._length else ""
            close_dropped(stream, f"a DataWriter{left}")


def refuse(writer: WriterFields) -> NoReturn:
    """Raise the reason why a writer cannot be used now."""
    if writer._is_closed:
        raise ObjectClosedError("the DataWriter was closed")
    raise InvalidOperationError(BUSY)


def refuse_without_stream() -> NoReturn:
    """Raise that there is no stream."""
    raise IllegalMethodCallError("the DataWriter has no stream: it was made without one, or the stream was detached")


IN_PYTHON = WriterFields
"""What a compiled writer calls; see there."""

if not TYPE_CHECKING and speedups is not None:
    WriterFields = speedups.WriterFields
