"""The unread bytes of a DataReader: where they lie, how a load adds to them, how a read takes some.

Runs on the thread that calls it; only `_fill` can block, in the stream.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from syncws._streams.buffer import Buffer
from syncws._streams.byte_source import ENDINGS, MOST_AT_HAND, ByteSource
from syncws._streams.input_stream import IInputStream
from syncws._streams.layouts import FloatLayout, IntegerLayout
from syncws._streams.operation import Operation
from syncws._streams.ownership import OwnedInputStream
from syncws._streams.texts import Formatted
from syncws._wire.accelerated import speedups
from syncws.cancellation import CancellationToken
from syncws.enums import InputStreamOptions
from syncws.errors import (
    IllegalMethodCallError,
    InvalidOperationError,
    ObjectClosedError,
    OutOfBoundsError,
)

__all__ = ["Data", "ReaderCore", "copy_bytes", "copy_into"]

Data = bytes | bytearray | memoryview
"""What unread bytes lie in: a bytearray over a stream, else what was handed in."""

_Value = TypeVar("_Value")


class ReaderFields:
    """The fields of a DataReader; a class of its own, because these have a compiled form."""

    __slots__ = (
        "_byte_order",
        "_data",
        "_encoding",
        "_is_closed",
        "_options",
        "_position",
        "_stream",
        "_text",
        "_turn",
        "_unread",
    )

    _data: Data | None
    _text: str | None
    _position: int
    _unread: int
    _options: InputStreamOptions
    _stream: OwnedInputStream | None
    _turn: dict[None, int] | None
    _is_closed: bool


if not TYPE_CHECKING and speedups is not None:
    ReaderFields = speedups.ReaderFields


class ReaderCore(Formatted, ReaderFields):
    """The private half of DataReader; a base class and not a part, so that a message costs one object.

    The unread bytes are `_data[_position : _position + _unread]`. `_text` is all of them while nothing was taken from
    a text message; `_data` may then be None until somebody needs bytes. `_turn` is there only with a stream: while an
    operation runs it holds the number of its thread. setdefault() of a dict is atomic, and costs a third of a Lock,
    which nobody would wait for; a number that an interruption left behind is the thread's own, and stops nobody else
    for longer than until that thread's next operation.
    """

    __slots__ = ()

    def _begin(self) -> None:
        """Refuse when closed or busy; else `_finish` must follow."""
        if self._is_closed:
            raise ObjectClosedError("the DataReader was closed")
        turn = self._turn
        if turn is not None:
            own = threading.get_ident()
            if turn.setdefault(None, own) != own:
                raise InvalidOperationError("another operation is running on this DataReader")

    def _finish(self) -> None:
        turn = self._turn
        if turn is not None:
            turn.pop(None, None)

    def _required_stream(self) -> IInputStream:
        owned = self._stream
        stream = None if owned is None else owned.stream
        if stream is None:
            raise IllegalMethodCallError(
                "the DataReader has no stream: it was made over a buffer or message, or the stream was detached"
            )
        return stream

    def _disown(self) -> IInputStream | None:
        """Give up the stream, so that nothing closes it."""
        owned = self._stream
        self._stream = None
        stream = None
        if owned is not None:
            stream, owned.stream = owned.stream, None
        return stream

    def _fill(self, stream: IInputStream, count: int, token: CancellationToken | None) -> int:
        source = stream._source
        if token is None and count <= MOST_AT_HAND and self._take_at_hand(source, count):
            return count
        operation = Operation(token)
        try:
            stream._begin(operation)
            operation.listen(source.wake)
            start = source.position
            unread = self._unread
            try:
                self._append_from(source, count)
            except ENDINGS:
                if source.position == start:
                    raise
            finally:
                # Exactly what was taken counts, wherever an interruption came; of a closed reader nothing does.
                self._unread = 0 if self._is_closed else unread + source.position - start
            return source.position - start
        finally:
            operation.is_over = True
            operation.stop_listening()

    def _take_at_hand(self, source: ByteSource, count: int) -> bool:
        start, unread = source.position, self._unread
        try:
            if source.take_at_hand(count, put=self._append) is None:
                return False
            # As in _append_from(): to ask for the position below is a call, in which an interruption may come.
            self._unread += count
            return True
        finally:
            # As in _fill().
            self._unread = 0 if self._is_closed else unread + source.position - start

    def _append_from(self, source: ByteSource, count: int) -> None:
        loaded = 0
        while loaded < count:
            with source.peek(count - loaded) as piece:
                size = len(piece)
                if not size:
                    return
                self._append(piece)
            source.advance(size)
            self._unread += size
            loaded += size
            if self._options & InputStreamOptions.PARTIAL:
                return

    def _append(self, arrived: bytes | memoryview) -> None:
        data = self._data
        if not isinstance(data, bytearray):
            raise ObjectClosedError("the DataReader was closed")
        # Bytes that an interrupted load had copied and not taken.
        del data[self._position + self._unread :]
        # Moving the unread bytes only when they are the smaller part keeps many small loads linear in all.
        if self._position >= self._unread:
            data = data[self._position :]
            # One statement, so that no interruption comes between.
            self._data, self._position = data, 0
        data += arrived

    def _read(self, count: int, convert: Callable[[Data, int], _Value]) -> _Value:
        """Convert `count` bytes, then consume them: after a conversion that fails they are still there."""
        self._begin()
        try:
            if count > self._unread:
                hint = ": load() brings more" if self._stream is not None else ""
                raise OutOfBoundsError(f"{count} bytes are needed, {self._unread} are loaded{hint}")
            value = convert(self._bytes(), self._position)
            self._text = None
            self._position += count
            self._unread -= count
            return value
        finally:
            self._finish()

    @overload
    def _read_number(self, layout: IntegerLayout) -> int: ...

    @overload
    def _read_number(self, layout: FloatLayout) -> float: ...

    def _read_number(self, layout: IntegerLayout | FloatLayout) -> Any:
        data, size = self._data, layout.size
        unpack = layout.structs[self._byte_order].unpack_from
        if not isinstance(data, bytes) or size > self._unread:
            return self._read(size, unpack)[0]
        # As in _read_copy().
        start = self._position
        (value,) = unpack(data, start)
        self._text = None
        self._position = start + size
        self._unread -= size
        return value

    def _read_copy(self, count: int) -> bytes:
        data = self._data
        if isinstance(data, bytes) and count <= self._unread:
            # The short way for a binary message: bytes mean that there is no stream, and that the reader is open.
            start = self._position
            value = data[start : start + count]
            self._text = None
            self._position = start + count
            self._unread -= count
            return value
        return self._read(count, lambda data, start: copy_bytes(data, start, count))

    def _bytes(self) -> Data:
        data = self._data
        if data is None:
            data = b"" if self._text is None else self._text.encode("utf-8")
            self._data = data
        return data

    def _release(self) -> Buffer:
        """Give the unread bytes away without a copy."""
        part = memoryview(self._bytes())[self._position : self._position + self._unread]
        self._text = None
        self._data = b"" if self._turn is None else bytearray()
        self._position = 0
        self._unread = 0
        # Bytes that came from a stream are nobody else's; a message or a buffer may have other readers.
        return Buffer._over(part.toreadonly() if self._turn is None else part)


def copy_bytes(data: Data, start: int, count: int) -> bytes:
    """Copy `count` bytes from `start`; all of a bytes object is not copied but returned."""
    if isinstance(data, bytes):
        return data[start : start + count]
    # Released at once: a bytearray cannot grow while somebody looks into it.
    with memoryview(data) as whole, whole[start : start + count] as part:
        return part.tobytes()


def copy_into(target: memoryview, data: Data, start: int) -> None:
    """Fill `target` with the bytes from `start`."""
    with memoryview(data) as whole, whole[start : start + len(target)] as part:
        target[:] = part
