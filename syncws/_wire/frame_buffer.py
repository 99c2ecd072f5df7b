"""Memory that the bytes of one large text frame are received into, until they are decoded.

What is ASCII, as most texts are, need not be decoded: where it is compiled the memory is that of the text to be. One
FrameBuffer belongs to one decoder, which one thread at a time runs; the stock of memory is everybody's.
"""

from typing import Any

from syncws._wire.accelerated import speedups

__all__ = ["MAX_FRAME_BYTES", "FrameBuffer"]

MAX_FRAME_BYTES = 1 << 20
"""The most that one takes."""

# Memory that was used before costs no page faults, which are half of what a large text costs. Two, for all connections:
# taken and given back by one step each.
_MAX_STOCK = 2
_stock: list[bytearray] = []


class FrameBuffer:
    """Bytes gathered in place: whoever receives puts them into `room`, and hands the filled part to `add`."""

    __slots__ = ("_length", "_memory", "_text")

    def __init__(self, size: int, *, is_ascii: bool) -> None:
        """Make one for `size` bytes, MAX_FRAME_BYTES at most, which begin as ASCII where `is_ascii`."""
        self._length = 0
        self._memory: Any
        # What is the text, as long as all is ASCII.
        self._text: Any = None
        if is_ascii and speedups is not None:
            self._memory = self._text = speedups.TextMemory(size)
            return
        try:
            self._memory = _stock.pop()
        except IndexError:
            self._memory = bytearray(MAX_FRAME_BYTES)

    def add(self, piece: bytes | memoryview) -> None:
        """Add the next piece.

        The filled part of a view that room() gave lies in its place already: it is counted, and released.
        """
        start = self._length
        self._length = stop = start + len(piece)
        memory = self._memory
        if type(piece) is memoryview and piece.obj is memory:
            piece.release()
        else:
            with memoryview(memory) as whole:
                whole[start:stop] = piece
        # While it lies in the processor's cache.
        if self._text is not None and not self._text.check(stop):
            self._text = None

    def room(self, remaining: int) -> memoryview:
        """Return where the next `remaining` bytes may be put."""
        return memoryview(self._memory)[self._length : self._length + remaining]

    def text(self) -> str | None:
        """Return the text if all of it is there and is ASCII; the memory is the text's from then on."""
        text: str | None = None if self._text is None else self._text.take()
        return text

    def content(self) -> memoryview:
        """Return the bytes; the view is released before give_back()."""
        return memoryview(self._memory)[: self._length]

    def give_back(self) -> None:
        """Let another frame have the memory; nobody may look into it any more."""
        memory, self._memory = self._memory, bytearray()
        if type(memory) is bytearray and len(_stock) < _MAX_STOCK:
            _stock.append(memory)
