"""OutputStream, the writing end of a connection over callables handed in.

May import errors and this room's buffer. Runs on the thread that calls it; blocks only where the callables do. On
the hot path of sending: `write` adds one type check to the callable.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws.errors import ObjectClosedError
from syncws.streams.buffer import as_bytes_view

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["OutputStream"]


class OutputStream:
    """Bytes that go out (Windows.Storage.Streams.IOutputStream); a context manager that closes on exit.

    Not made by users: a socket's `output_stream` gives one. On a MessageWebSocket each `write` is one message.
    """

    __slots__ = ("__weakref__", "_close", "_flush", "_write", "_write_text")

    def __init__(
        self,
        write: Callable[[memoryview | bytes | bytearray], int],
        flush: Callable[[], bool],
        close: Callable[[], None],
        write_text: Callable[[bytes], int] | None = None,
    ) -> None:
        """Make a stream over three callables.

        Args:
            write: sends one buffer, also an empty one, and returns the number of bytes. It gets bytes as they are,
                anything else as a flat view, which it must not keep.
            flush: waits until what was written has left; False when that failed.
            close: called once, by the first `close()`.
            write_text: as `write`, for bytes that are known to be UTF-8; `write` when None.

        Source: beyond WinRT.
        """
        self._write = write
        # A DataWriter calls it directly.
        self._write_text: Callable[[bytes], int] = write if write_text is None else write_text
        self._flush = flush
        self._close: Callable[[], None] | None = close

    def write(self, buffer: "ReadableBuffer", /) -> int:
        """Write all bytes of a buffer; an empty one is passed on too and sends an empty message.

        Args:
            buffer: bytes, any object with the buffer protocol, or a Buffer.

        Returns:
            The number of bytes written.

        Raises:
            ObjectClosedError: the stream was closed, or its socket (0x80000013).
            InvalidArgumentTypeError: `buffer` is no buffer (0x80070057).
            HResultError: what the connection raises.

        Source: IOutputStream.WriteAsync.
        """
        if type(buffer) is bytes:
            return self._write(buffer)
        return self._write(as_bytes_view(buffer, "buffer"))

    def flush(self) -> bool:
        """Wait until everything written has left; seldom needed.

        Returns:
            True, or False when it failed.

        Raises:
            ObjectClosedError: the stream was closed, or its socket (0x80000013).
            IllegalMethodCallError: the socket is not connected yet (0x8000000E).

        Source: IOutputStream.FlushAsync.
        """
        return self._flush()

    def close(self) -> None:
        """Close the stream; later writes and flushes raise ObjectClosedError (0x80000013). May be repeated.

        Source: IOutputStream.Close.
        """
        close = self._close
        if close is not None:
            # Changing the callables leaves nothing to check in `write`.
            self._close = None
            self._write = self._write_text = _refuse_write
            self._flush = _refuse_flush
            close()

    def __enter__(self) -> "OutputStream":
        """Return the stream."""
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        """Close the stream."""
        self.close()


def _refuse_write(data: memoryview | bytes | bytearray) -> int:
    raise ObjectClosedError("the output stream was closed, by close() or by a DataWriter that was not detached")


def _refuse_flush() -> bool:
    raise ObjectClosedError("the output stream was closed, by close() or by a DataWriter that was not detached")
