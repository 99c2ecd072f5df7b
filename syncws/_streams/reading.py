"""One read of an InputStream or its file: it takes bytes piece by piece, and puts them back when it fails.

Runs on the thread that reads.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from syncws._streams.byte_source import ENDINGS, MOST_AT_HAND, ByteSource
from syncws._streams.operation import Operation
from syncws.cancellation import CancellationToken
from syncws.enums import InputStreamOptions

__all__ = ["WHOLE_PIECE", "Filling", "Gathering"]

WHOLE_PIECE = 1 << 20
"""Bytes to look at in one piece when there is no smaller limit."""
# How far a line is looked for at first; doubled as long as it is not found, so that short lines are not dear.
_LINE_WINDOW = 256

ResultT = TypeVar("ResultT")


class _Reading(Generic[ResultT]):
    """A read of a source, all or nothing."""

    __slots__ = ("_begin", "_source", "_token")

    def __init__(
        self, source: ByteSource, begin: Callable[[Operation], None], token: CancellationToken | None = None
    ) -> None:
        """Make a read of a source; `begin` begins an operation on it, see ByteSource.begin, and `token` cancels it."""
        self._source = source
        self._begin = begin
        self._token = token

    def _run(self) -> ResultT:
        """Take bytes and return what is to be given for them; an ending behind some bytes comes with the next read."""
        source = self._source
        operation = Operation(self._token)
        try:
            self._begin(operation)
            operation.listen(source.wake)
            start = source.position
            try:
                try:
                    self._take()
                except ENDINGS:
                    if source.position == start:
                        raise
                return self._result(source.position - start)
            except BaseException:  # of any kind: the end of the time, Ctrl-C, what a signal handler raises in a wait
                if source.position != start:
                    source.put_back(self._taken(source.position - start))
                raise
        finally:
            operation.is_over = True
            if self._token is not None:
                # Else not called: an interruption as it begins would lose what was taken.
                operation.stop_listening()

    def _take(self) -> None:
        raise NotImplementedError

    def _taken(self, count: int) -> bytes:
        """Return the first `count` bytes that this has taken, which are all but a piece that was only looked at."""
        raise NotImplementedError

    def _result(self, count: int) -> ResultT:
        """Return what the read gives for them."""
        raise NotImplementedError


class Filling(_Reading[int]):
    """A read into memory of the user's."""

    __slots__ = ("_options", "_target")

    def fill(self, target: memoryview, options: InputStreamOptions) -> int:
        """Fill `target`; return the number of bytes."""
        count = len(target)
        if self._token is None and 0 < count <= MOST_AT_HAND:
            put = partial(target.__setitem__, slice(count))
            if self._source.take_at_hand(count, put=put) is not None:
                return count
        self._target = target
        self._options = options
        return self._run() if count else 0

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

    def _taken(self, count: int) -> bytes:
        return self._target[:count].tobytes()

    def _result(self, count: int) -> int:
        return count


class Gathering(_Reading[bytes]):
    """A read that returns bytes of its own."""

    __slots__ = ("_gathered", "_is_line", "_is_partial", "_limit")

    def __init__(
        self,
        source: ByteSource,
        begin: Callable[[Operation], None],
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
        # It gives out what was written into it without a copy.
        self._gathered = io.BytesIO()

    def gather(self) -> bytes:
        """Take the bytes and return them."""
        return b"" if self._limit == 0 else self._run()

    def _take(self) -> None:
        source = self._source
        limit = self._limit
        taken = 0
        window = _LINE_WINDOW if self._is_line else WHOLE_PIECE
        while limit is None or taken < limit:
            with source.peek(window if limit is None else min(window, limit - taken)) as piece:
                size = len(piece)
                newline = piece.tobytes().find(b"\n") + 1 if self._is_line else 0
                self._gathered.write(piece[: newline or size])
            if not size:
                return
            source.advance(newline or size)
            taken += newline or size
            if self._is_partial or newline:
                return
            window = min(window * 2, WHOLE_PIECE)

    def _taken(self, count: int) -> bytes:
        # A piece that was only looked at comes with the next read; of all that is here, this is no copy.
        return self._gathered.getvalue()[:count]

    _result = _taken
