"""One read of an InputStream or its file, which can be undone until the very method that the user called returns.

May import enums and this room's byte_source. Runs on the thread that reads.
"""

from collections.abc import Callable

from syncws._streams.byte_source import ENDINGS, ByteSource
from syncws.enums import InputStreamOptions

__all__ = ["WHOLE_PIECE", "Filling", "Gathering"]

WHOLE_PIECE = 1 << 20
"""Bytes to look at in one piece when there is no smaller limit."""
# How far a line is looked for at first; doubled as long as it is not found, so that short lines are not dear.
_LINE_WINDOW = 256


class _Reading:
    """A read that can be undone.

    Whoever makes one must be the method that the user calls, and must call undo() for every exception: Python 3.10
    looks for signals when a call has returned, as 3.11 does at the end of a `with` block, so that a KeyboardInterrupt
    may come in each frame on the way out. Only a plain `return` in the last one has none behind it.
    """

    __slots__ = ("_begin", "_end", "_operation", "_source", "_start")

    def __init__(self, source: ByteSource, begin: Callable[[], object]) -> None:
        self._source = source
        self._begin = begin
        self._operation: object = None
        self._start: int | None = None
        self._end: int | None = None

    def run(self) -> int:
        """Take bytes and return their number; an ending behind some bytes comes with the next read."""
        source = self._source
        self._operation = self._begin()
        start = self._start = source.position
        try:
            self._take()
        except ENDINGS:
            if source.position == start:
                raise
        end = self._end = source.position
        source.finish()
        return end - start

    def undo(self) -> None:
        """Give back what was taken, and end the operation if it is not over."""
        try:
            self._give_back()
        except Exception:
            raise
        except BaseException:
            # An interruption of that: again, from where `position` says that it is.
            self.undo()
            raise

    def _give_back(self) -> None:
        source = self._source
        start = self._start
        if start is not None and self._end is None:
            # Piece by piece from the end: no interruption comes so quickly that nothing is done in between.
            position = None
            while source.position not in (start, position):
                position = source.position
                source.put_back(self._last_piece(position - start))
        elif start is not None and start < source.position == self._end:
            # The operation was over: another thread may read on between two pieces, so it is one.
            source.put_back(self._whole(self._end - start))
        if self._operation is not None:
            source.finish()

    def _take(self) -> None:
        raise NotImplementedError

    def _last_piece(self, taken: int) -> bytes:
        """Return the last of the first `taken` bytes that this has taken."""
        raise NotImplementedError

    def _whole(self, taken: int) -> bytes:
        """Return the first `taken` bytes that this has taken."""
        raise NotImplementedError


class Filling(_Reading):
    """A read into memory of the user's."""

    __slots__ = ("_options", "_target")

    def __init__(self, source: ByteSource, begin: Callable[[], object]) -> None:
        """Make a read of a source; `begin` begins an operation on it."""
        super().__init__(source, begin)
        self._target = memoryview(b"")
        self._options = InputStreamOptions.NONE

    def fill(self, target: memoryview, options: InputStreamOptions) -> int:
        """Fill `target`, which is held until undo() or the end of this object; return the number of bytes."""
        self._target = target
        self._options = options
        return self.run() if len(target) else 0

    def undo(self) -> None:
        """See the base class; lets go of the memory too, because the exception may be kept."""
        super().undo()
        self._target.release()

    def _take(self) -> None:
        source = self._source
        target = self._target
        filled = 0
        while filled < len(target):
            with source.peek(len(target) - filled) as piece:
                size = len(piece)
                if not size:
                    return
                target[filled : filled + size] = piece
            source.advance(size)
            filled += size
            if self._options & InputStreamOptions.PARTIAL:
                return

    def _last_piece(self, taken: int) -> bytes:
        return self._target[max(taken - WHOLE_PIECE, 0) : taken].tobytes()

    def _whole(self, taken: int) -> bytes:
        return self._target[:taken].tobytes()


class Gathering(_Reading):
    """A read that returns bytes of its own."""

    __slots__ = ("_is_line", "_is_partial", "_limit", "_parts")

    def __init__(
        self,
        source: ByteSource,
        begin: Callable[[], object],
        limit: int | None,
        *,
        is_partial: bool = False,
        is_line: bool = False,
    ) -> None:
        """Make a read of up to `limit` bytes, None without end: all of them, one piece or one line."""
        super().__init__(source, begin)
        self._limit = limit
        self._is_partial = is_partial
        self._is_line = is_line
        # With the number of bytes before each.
        self._parts: list[tuple[int, bytes]] = []

    def gather(self) -> bytes:
        """Take the bytes and return them."""
        if self._limit == 0:
            return b""
        self.run()
        parts = self._parts
        return parts[0][1] if len(parts) == 1 else b"".join(data for _, data in parts)

    def _take(self) -> None:
        source = self._source
        limit = self._limit
        taken = 0
        window = _LINE_WINDOW if self._is_line else WHOLE_PIECE
        while limit is None or taken < limit:
            with source.peek(window if limit is None else min(window, limit - taken)) as piece:
                data = piece.tobytes()
            if not data:
                return
            newline = data.find(b"\n") + 1 if self._is_line else 0
            if newline:
                data = data[:newline]
            self._parts.append((taken, data))
            source.advance(len(data))
            taken += len(data)
            if self._is_partial or newline:
                return
            window = min(window * 2, WHOLE_PIECE)

    def _last_piece(self, taken: int) -> bytes:
        parts = self._parts
        # The last one is shown and not taken, when an interruption came in between.
        while parts[-1][0] >= taken:
            parts.pop()
        begin, data = parts[-1]
        return data[: taken - begin]

    def _whole(self, taken: int) -> bytes:
        return b"".join(data for _, data in self._parts)
