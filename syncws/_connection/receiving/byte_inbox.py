"""Bytes that wait for the reads of a StreamWebSocket, bounded in number.

The reader puts in, the user's thread takes out.

Only positions in the stream are counted: each chunk knows where it begins, and taking bytes is one assignment to
`position`. So whatever interrupts a read, `position` says what was taken.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable

from syncws._connection.receiving.inbox import BUSY, LOOK, Inbox
from syncws._streams.operation import Operation
from syncws._waiting.deadline import FOREVER, Deadline
from syncws.errors import ObjectClosedError, OperationCanceledError, OperationTimedOutError
from syncws.hresult import HResult

__all__ = ["ByteInbox", "Bytes"]

Bytes = bytes | memoryview
"""What a stream receives; a view holds the memory into which it was received."""

# A chunk from here on stands for itself; smaller ones are gathered, so that each byte cannot cost an object.
_LARGE_BYTES = 16384
# So far a line is looked for in a view, which must be copied for that.
_LINE_BYTES = 1024


class ByteInbox(Inbox):
    """A bounded queue of bytes. The taking side is a source of an InputStream, see _streams.byte_source.

    Attributes:
        position (int): bytes taken since the beginning.
    """

    __slots__ = ("_at_hand", "_chunks", "_deadline", "_growing", "_is_dropping", "_is_late", "position")

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        """See Inbox."""
        super().__init__(capacity, on_room)
        # Each with the position at which it begins.
        self._chunks: deque[tuple[int, Bytes | bytearray]] = deque()
        # The last chunk, as long as nobody looks into it: a bytearray that somebody looks into cannot grow.
        self._growing: bytearray | None = None
        self._is_dropping = False
        self._deadline = FOREVER
        # True once this read has read the socket after its time: a peer that never pauses would stretch it for ever.
        self._is_late = False
        # Stands for a call of take_at_hand().
        self._at_hand = Operation()
        self._at_hand.is_over = True
        self.position = 0

    @property
    def end_position(self) -> int:
        """Where in the stream the last chunk ends, and the next bytes belong."""
        try:
            begin, chunk = self._chunks[-1]
        except IndexError:
            return self.position
        return begin + len(chunk)

    @property
    def size(self) -> int:
        """See Inbox.size."""
        return max(0, self.end_position - self.position)

    # The reader's side.

    def put(self, data: Bytes, position: int | None = None) -> None:
        """Add bytes, at least one; never waits.

        Args:
            data: the bytes.
            position: what `end_position` was, for a thread that may be interrupted: bytes that are there already are
                not added once more.
        """
        with self._lock:
            if self.is_ended or self._is_dropping or (position is not None and position != self.end_position):
                return
            self._append(data)
            if self.end_position - self.position >= self.capacity:
                self._note_full()
                if self._has_room:
                    # By advance(), just now, which has no lock and so told nobody.
                    self._tell_of_room()
            self._wake_taker()

    def _append(self, data: Bytes) -> None:
        """Add bytes to the chunks, which moves `end_position`, in one step."""
        if len(data) >= _LARGE_BYTES:
            self._growing = None
            self._chunks.append((self.end_position, data))
        elif self._growing is not None and len(self._growing) < _LARGE_BYTES:
            self._growing += data
        else:
            growing = bytearray(data)
            self._chunks.append((self.end_position, growing))
            self._growing = growing

    # Any thread.

    def drop(self) -> None:
        """Discard the waiting bytes and all to come; a read that waits is canceled."""
        with self._lock:
            self._clear()
            self._tell_of_room()
            self._wake_taker()

    def _clear(self) -> None:
        # A thread that is taking may finish with the chunk that it has; nothing comes after that.
        self._is_dropping = True
        self._forget_all()

    def _forget_all(self) -> None:
        self._chunks.clear()
        self._growing = None

    # The taking side.

    def begin(self, operation: Operation, deadline: Deadline) -> None:
        """Begin a read; see ByteSource.begin.

        Raises:
            InvalidOperationError: another read runs (0x800710DD).
            ObjectClosedError: nothing can be read any more, because this side has closed (0x80000013).
        """
        self._begin(operation, "another read is running on this stream: one at a time")
        if self._is_dropping:
            raise ObjectClosedError("the input stream was closed, or its socket")
        self._deadline = deadline
        self._is_late = False

    def peek(self, count: int) -> memoryview:
        """Wait for bytes and show up to `count` of them; empty when there will be no more.

        Raises:
            OperationTimedOutError: none came in time (0x80072EE2).
            OperationCanceledError: drop(), or end() without keeping, came meanwhile (0x80072EF1); or the operation's
                token is cancelled (0x800704C7).
        """
        operation = self._operation
        assert operation is not None
        what = "the bytes did not arrive within control.receive_timeout (None waits for ever)"
        outcome = LOOK
        while True:
            with self._lock:
                operation.check("the read")
                if self._is_dropping:
                    raise OperationCanceledError(
                        "the read was ended: the stream was closed",
                        hresult=HResult.WININET_E_OPERATION_CANCELLED,
                    )
                view = self._show(count)
                if view is not None:
                    return view
                if self.is_ended:
                    # A new one for each call, because its user releases it.
                    return memoryview(b"")
                signal = self._make_signal() if outcome == BUSY else None
                if self.is_ended or self._is_dropping:
                    # By a signal handler, just now.
                    continue
            until = self._deadline if operation.token is None else operation.token._limit(self._deadline)
            if self._is_late:
                raise OperationTimedOutError(what)
            if signal is not None:
                self._wait(signal, self._deadline, what, until)
                outcome = LOOK
            else:
                is_expired = self._deadline.is_expired
                outcome = BUSY if self.puller is None else self.puller.pull(operation, until)
                self._is_late = is_expired and outcome != BUSY

    def advance(self, count: int) -> None:
        """Take `count` bytes that peek() has shown."""
        self.position += count
        if self._descriptor is not None:
            with self._lock:
                self._show_state()
        if self._must_tell and self._has_room:
            with self._lock:
                # Asked again: the reader may have filled it in the meantime.
                if self._has_room:
                    self._tell_of_room()

    def take_at_hand(self, count: int, stop: bytes = b"", put: Callable[[bytes], object] | None = None) -> bytes | None:
        """See ByteSource.take_at_hand; only for a program that reads the socket itself, and when nobody must be told.

        No call comes between the last look and the assignment to `position`, so no other thread runs there, and an
        interruption finds all taken, or nothing.
        """
        operation = self._at_hand
        is_begun = False
        try:
            with self._lock:
                running = self._operation
                if not self.is_pulled or self._descriptor is not None or not (running is None or running.is_over):
                    return None
                operation.thread = threading.get_ident()
                operation.is_over = False
                is_begun = True
                self._operation = operation
                position = self.position
                data = self._find_at_hand(position, count, stop)
            if data is None:
                return None
            if put is not None:
                put(data)
            end = position + len(data)
            if self._must_tell or self._is_dropping:
                return None
            self.position = end
            return data
        finally:
            if is_begun:
                operation.is_over = True

    def _find_at_hand(self, position: int, count: int, stop: bytes) -> bytes | None:
        try:
            begin, chunk = self._chunks[0]
        except IndexError:
            return None
        start = position - begin
        end = start + count
        if stop:
            if isinstance(chunk, memoryview):
                end = min(end, start + _LINE_BYTES)
                end = start + bytes(chunk[start:end]).find(stop) + 1
            else:
                end = chunk.find(stop, start, end) + 1
        if not start < end <= len(chunk):
            return None
        return bytes(chunk[start:end])

    @property
    def _has_something(self) -> bool:
        return self.end_position > self.position

    @property
    def _has_room(self) -> bool:
        return (self.end_position - self.position) * 2 <= self.capacity

    def put_back(self, data: bytes) -> None:
        """Undo the taking of `data`, the last bytes taken; when all was dropped meanwhile they are dropped too."""
        with self._lock:
            if self._is_dropping:
                return
            with contextlib.suppress(IndexError):
                self._forget_taken()
                begin, chunk = self._chunks[0]
                if begin < self.position:
                    # What is left of the first chunk; it now comes second, and must not begin before it is reached.
                    self._chunks[0] = (self.position, bytes(memoryview(chunk)[self.position - begin :]))
            begin = self.position - len(data)
            self._chunks.appendleft((begin, data))
            self.position = begin
            self._show_state()

    def _forget_taken(self) -> None:
        """Drop the chunks that were taken whole; requires the lock.

        Raises:
            IndexError: there are none left.
        """
        chunks = self._chunks
        begin, chunk = chunks[0]
        while begin + len(chunk) <= self.position:
            if chunk is self._growing:
                # Taken at hand, without a look into it. What comes now belongs into a chunk of the queue.
                self._growing = None
            chunks.popleft()
            begin, chunk = chunks[0]

    def _show(self, count: int) -> memoryview | None:
        """Return up to `count` bytes of the first chunk, None when there is none; requires the lock."""
        try:
            self._forget_taken()
            begin, chunk = self._chunks[0]
        except IndexError:
            return None
        if chunk is self._growing:
            self._growing = None
        start = self.position - begin
        return memoryview(chunk)[start : start + count]
