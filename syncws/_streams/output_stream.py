"""OutputStream, the writing end of a connection over a sink handed in.

Runs on the thread that calls it; blocks only where the sink does. On the hot path of sending: `write` adds two checks
to the sink's, and a program that asks its socket for a stream for each message makes one with a single field.
"""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, Protocol, Self

from syncws._buffers import ReadableBuffer
from syncws._copying import NotCopied
from syncws._functions import why_refused
from syncws._streams.buffer import as_bytes_view
from syncws._streams.files import OutputFile
from syncws._wire.accelerated import speedups
from syncws.errors import InvalidArgumentTypeError, ObjectClosedError

__all__ = ["ByteSink", "IOutputStream", "LatestStream", "OutputStream", "Progress", "check_progress"]

Progress = Callable[[int], object]
"""Called with the number of bytes sent so far, on the sending thread and without any lock held."""


def check_progress(progress: object) -> None:
    """Refuse what cannot be called with progress.

    Raises:
        InvalidArgumentTypeError: it is neither callable nor None, or would not run, as for Event.add (0x80070057).
    """
    if progress is not None and (why := why_refused(progress, " or None")) is not None:
        raise InvalidArgumentTypeError(f"progress {why}")


class ByteSink(Protocol):
    """What takes the bytes of an output stream. A socket is one, so none of it is public."""

    def _write(self, data: memoryview | bytes, progress: Progress | None, /) -> int:
        """Send one buffer, even an empty one, and return the number of bytes.

        It gets bytes as they are, and anything else as a flat view, which is released when it returns; and a function
        to call with its progress.
        """
        ...

    def _write_text(self, data: bytes | memoryview, /) -> int:
        """Do the same, without progress, for bytes that are known to be UTF-8."""
        ...

    def _flush(self) -> bool:
        """Wait until what was written has left; False when that failed."""
        ...

    def _close_output(self) -> bool:
        """Note that the stream was closed, once; True when more could have been sent on a connection."""
        ...


class _Closed:
    """The sink of a closed stream: with it, a write has nothing to check."""

    def _refuse(self, *_: object) -> NoReturn:
        raise ObjectClosedError("the output stream was closed, by close() or by a DataWriter that was not detached")

    _write = _write_text = _flush = _refuse

    def _close_output(self) -> bool:
        return False


_CLOSED = _Closed()


class IOutputStream:
    """Bytes that go out (Windows.Storage.Streams.IOutputStream); a context manager that closes on exit.

    For annotations and isinstance; the library's streams are of this type, and users make none.
    """

    __slots__ = ()

    # A DataWriter writes to it directly.
    _sink: ByteSink

    def write(self, buffer: "ReadableBuffer", /, progress: Progress | None = None) -> int:
        """Write all bytes of a buffer as one message; an empty one sends an empty message.

        Nothing is copied as a whole: a buffer of any size, even a mapped file, is masked and sent piece by piece. It
        must not change until the call returns.

        Args:
            buffer: bytes, any object with the buffer protocol, or a Buffer.
            progress: called with the bytes sent so far after each piece of 64 KiB, the last time with all of them. With
                it, a MessageWebSocket's message of more than 64 KiB goes out in fragments, otherwise in one frame. What
                it raises ends the write; in the middle of a message, that is then never finished, so that nothing more
                can be sent, but receiving and closing still work.

        Returns:
            The number of bytes written.

        Raises:
            ObjectClosedError: the stream was closed, or its socket (0x80000013).
            IllegalMethodCallError: not connected yet; or a message that send_nonfinal_frame began is not finished, or
                one was given up in the middle of it (0x8000000E).
            InvalidOperationError: called by the `progress` of a write that is not over (0x800710DD).
            InvalidArgumentTypeError: `buffer` is not a buffer, or `progress` not callable (0x80070057).
            InvalidArgumentError: control.message_type is UTF8 and the bytes are not; or the buffer is not contiguous,
                holds objects or pointers, or was released. Nothing was sent (0x80070057).
            OperationTimedOutError: the peer took nothing for control.send_timeout (0x80072EE2).
            OperationCanceledError: closed meanwhile (0x80072EF1).
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF).

        Source: IOutputStream.WriteAsync.
        """
        check_progress(progress)
        if type(buffer) is bytes:
            return self._sink._write(buffer, progress)
        # Released at once, even if an exception holds this frame: else a mapped file could not be closed.
        with as_bytes_view(buffer, "buffer") as view:
            return self._sink._write(view, progress)

    def flush(self) -> bool:
        """Wait until everything written has left; seldom needed, for a write waits itself.

        What may be left is the rest of a write that raised an OperationTimedOutError with `is_queued`.

        Returns:
            True, or False when it failed: the server took nothing for control.send_timeout, the connection ended before
            all had gone, or this is called in a signal handler that has interrupted a write of the same thread.

        Raises:
            ObjectClosedError: the stream was closed, or its socket (0x80000013).
            IllegalMethodCallError: the socket is not connected yet (0x8000000E).

        Source: IOutputStream.FlushAsync.
        """
        return self._sink._flush()

    def close(self) -> None:
        """Close the stream; later writes and flushes raise ObjectClosedError (0x80000013). May be repeated.

        Source: IOutputStream.Close.
        """
        self._close_once()

    def _close_once(self) -> bool:
        """Close; True when more could have been sent on an open connection."""
        sink = self._sink
        self._sink = _CLOSED  # type: ignore[misc] # the slots are the subclass's
        return sink._close_output()

    def __repr__(self) -> str:
        """Show whether it is open."""
        return f"<{type(self).__name__} {'closed' if self._sink is _CLOSED else 'open'}>"

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        """Close the stream."""
        self.close()


class StreamFields:
    """What an OutputStream holds; a class of its own, because it has a compiled form."""

    __slots__ = ("__weakref__", "_sink")

    def __init__(self, sink: ByteSink, /) -> None:
        """Make a stream over a sink (beyond WinRT)."""
        self._sink = sink


if not TYPE_CHECKING and speedups is not None:
    StreamFields = speedups.StreamFields


class OutputStream(StreamFields, NotCopied, IOutputStream):
    """The output stream of a connection: a socket's `output_stream`.

    Each `write` is one message: of control.message_type on a MessageWebSocket, binary on a StreamWebSocket.
    """

    __slots__ = ()

    def as_file(self) -> OutputFile:
        """Return the stream as a binary file object for writing (beyond WinRT).

        It is an io.RawIOBase: each write() is one message, unless it is empty; wrap it in an io.BufferedWriter to
        gather small writes. Closing it does not close the stream. Errors are those of write().

        An OperationTimedOutError whose `is_queued` is True says that the bytes will still be sent. A BufferedWriter
        does not know that, and would send them again when it is flushed or closed: abort() the connection first.
        """
        return OutputFile(self.write)


class LatestStream:
    """Gives the same output stream for as long as somebody holds it; this has a compiled form.

    Weakly: the stream holds the socket, and a cycle would put off the closing of a dropped socket.
    """

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream: Callable[[], OutputStream | None] = _no_stream

    def get(self, sink: ByteSink, /) -> OutputStream:
        """Return the stream, or a new one over `sink`."""
        stream = self._stream()
        if stream is None:
            stream = OutputStream(sink)
            self._stream = weakref.ref(stream)
        return stream


def _no_stream() -> None:
    """Stand for a reference to a stream that nobody holds."""


if not TYPE_CHECKING and speedups is not None:
    speedups.use_stream(OutputStream)
    LatestStream = speedups.LatestStream
