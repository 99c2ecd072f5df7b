"""The debug log of frames, on the logger `syncws.frames`: a line for each one that has gone or come.

A connection that is made while that logger is at DEBUG gets the classes below in place of the plain ones; any other
pays nothing. Lines are written by the threads that send and read, and by nobody who holds the writer role: a handler of
the log may wait, or send.

A compressed frame is shown with both of its sizes, so one that comes gets its line only when it has been inflated: for
a stream, and for messages in pieces, when there was room for what came of it.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from syncws._connection.compressing import Compression
from syncws._connection.sending.outbox import Outbox
from syncws._locks import locks
from syncws._net.transport import Transport
from syncws._wire.deflate import Deflater, Inflater
from syncws._wire.frame_decoder import FrameDecoder
from syncws._wire.incoming import Incoming
from syncws._wire.seen import FrameScanner, SeenFrame

__all__ = ["make_outbox", "traced"]

_Bytes = bytes | memoryview
_Decode = Callable[[_Bytes], list[Incoming]]

_logger = logging.getLogger("syncws.frames")


def make_outbox(transport: Transport, *callbacks: Callable[..., Any]) -> Outbox:
    """Return the outbox of a connection, which logs its frames if the log wants them."""
    if _logger.isEnabledFor(logging.DEBUG):
        return _TracedOutbox(transport, *callbacks)
    return Outbox(transport, *callbacks)


def traced(outbox: Outbox, decoder: FrameDecoder, compression: Compression | None) -> _Decode:
    """Return what decodes the bytes of a connection, and logs its frames if its outbox does."""
    if not isinstance(outbox, _TracedOutbox):
        return decoder.receive_data
    if compression is not None:
        outbox.wire.deflater = compression.deflater
    return _TracedDecoding(outbox.lines, decoder).decode


class _Entry:
    """The frames that one step has sent or received."""

    __slots__ = ("direction", "frames", "is_done")

    def __init__(self, direction: str) -> None:
        self.direction = direction
        self.frames: list[SeenFrame] = []
        # What comes has come; what goes is begun before the call that sends it, so that no answer can stand before it.
        self.is_done = direction == "<"


class _Lines:
    """What is still to be written, in the order of the wire."""

    __slots__ = ("_entries", "_role")

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        # The thread that has it writes. Nobody waits for it: that thread looks again before it leaves.
        self._role = locks.RLock()

    def begin(self, direction: str) -> _Entry:
        """Add an entry, and return it."""
        entry = _Entry(direction)
        self._entries.append(entry)
        return entry

    def finish_all(self) -> None:
        """Write what is done, up to the first that is not, whose sender comes here too."""
        while self._entries and self._entries[0].is_done and self._role.acquire(False):
            try:
                if self._entries and self._entries[0].is_done:
                    entry = self._entries.popleft()
                    for frame in entry.frames:
                        _logger.debug("%s %s", entry.direction, frame)
            finally:
                self._role.release()


class _NotingInflater:
    """An inflater that notes, each time it is fed, how much came of what it was fed before."""

    __slots__ = ("_inflater", "_marks", "_told", "_told_plain")

    def __init__(self, inflater: Inflater) -> None:
        self._inflater = inflater
        # Bytes fed and what had come of them. A frame ends where something is fed, or where nothing more is there.
        self._marks: deque[tuple[int, int]] = deque()
        self._told = self._told_plain = 0

    def feed(self, data: _Bytes, *, is_last: bool) -> None:
        """See Inflater.feed."""
        self._marks.append((self._inflater.compressed_bytes, self._inflater.plain_bytes))
        self._inflater.feed(data, is_last=is_last)

    def take_plain_length(self, length: int) -> int | None:
        """Return what has come of the next frame, of `length` bytes; None when that is not all inflated."""
        inflater, end = self._inflater, self._told + length
        if inflater.is_drained:
            self._marks.append((inflater.compressed_bytes, inflater.plain_bytes))
        while self._marks and self._marks[0][0] < end:
            self._marks.popleft()
        if not self._marks:
            return None
        plain = self._marks[0][1] - self._told_plain
        self._told, self._told_plain = end, self._marks[0][1]
        return plain

    def forget_marks(self) -> None:
        """Take no more memory for a frame that comes in many pieces: its end is still to come."""
        self._marks.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inflater, name)


class _TracedDecoding:
    """A decoder's one verb, which tells of the frames too."""

    __slots__ = ("_decoder", "_inflater", "_lines", "_scanner", "_waiting")

    def __init__(self, lines: _Lines, decoder: FrameDecoder) -> None:
        self._lines = lines
        self._decoder = decoder
        self._scanner = FrameScanner()
        # Frames that have no line yet.
        self._waiting: deque[SeenFrame] = deque()
        self._inflater: _NotingInflater | None = None
        if decoder.inflater is not None:
            self._inflater = _NotingInflater(decoder.inflater)
            decoder.inflater = cast("Inflater", self._inflater)

    def decode(self, data: _Bytes) -> list[Incoming]:
        """See FrameDecoder.receive_data."""
        self._waiting += self._scanner.feed(data)
        try:
            # Before the lines, and those still before anything is answered.
            return self._decoder.receive_data(data)
        finally:
            self._tell()

    def _tell(self) -> None:
        while self._waiting:
            frame = self._waiting[0]
            if frame.is_deflated and self._inflater is not None:
                frame.plain_length = self._inflater.take_plain_length(frame.length)
                if frame.plain_length is None and self._decoder.has_more:
                    break
            self._lines.begin("<").frames.append(self._waiting.popleft())
        if self._inflater is not None and not self._waiting:
            self._inflater.forget_marks()
        self._lines.finish_all()


class _TracedTransport:
    """A transport that notes the frames that go.

    Attributes:
        deflater (Deflater | None): what compresses them; None where nothing does.
    """

    __slots__ = ("_lines", "_scanner", "_told_plain", "_transport", "deflater")

    def __init__(self, transport: Transport, lines: _Lines) -> None:
        self._transport = transport
        self._lines = lines
        self._scanner = FrameScanner()
        self._told_plain = 0
        self.deflater: Deflater | None = None

    def send(self, data: bytes | memoryview) -> int:
        """See Transport.send."""
        entry = self._lines.begin(">")
        try:
            sent = self._transport.send(data)
            entry.frames += self._scanner.feed(memoryview(data)[:sent])
            self._note_plain_length(entry.frames)
            return sent
        finally:
            entry.is_done = True

    def _note_plain_length(self, frames: list[SeenFrame]) -> None:
        # None is compressed before the one before it is out: what was taken in since then became this one.
        deflater = self.deflater
        for frame in frames:
            if frame.is_deflated and deflater is not None:
                frame.plain_length = deflater.plain_bytes - self._told_plain
                self._told_plain = deflater.plain_bytes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _TracedOutbox(Outbox):
    """An outbox that writes the lines of what has gone when it has given the writer role back."""

    __slots__ = ("lines", "wire")

    def __init__(self, transport: Transport, *callbacks: Callable[..., Any]) -> None:
        self.lines = _Lines()
        self.wire = _TracedTransport(transport, self.lines)
        super().__init__(cast("Transport", self.wire), *callbacks)

    def send(self, *arguments: Any, **options: Any) -> None:
        """See Outbox.send."""
        try:
            super().send(*arguments, **options)
        finally:
            self.lines.finish_all()

    def flush_without_waiting(self) -> bool:
        """See Outbox.flush_without_waiting."""
        try:
            return super().flush_without_waiting()
        finally:
            self.lines.finish_all()
