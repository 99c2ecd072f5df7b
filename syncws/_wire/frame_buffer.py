"""Memory that the bytes of one large text frame are received into, until they are decoded.

One FrameBuffer belongs to one decoder, which one thread at a time runs; the stock of memory is everybody's.
"""

__all__ = ["MAX_FRAME_BYTES", "FrameBuffer"]

MAX_FRAME_BYTES = 1 << 20
"""The most that one takes."""

# Memory that was used before costs no page faults, which are half of what a large text costs. Two, for all connections:
# taken and given back by one step each.
_MAX_STOCK = 2
_stock: list[bytearray] = []


class FrameBuffer:
    """Bytes gathered in place: whoever receives puts them into `room`, and hands the filled part to `add`."""

    __slots__ = ("_length", "_memory")

    def __init__(self) -> None:
        self._length = 0
        try:
            self._memory = _stock.pop()
        except IndexError:
            self._memory = bytearray(MAX_FRAME_BYTES)

    def add(self, piece: bytes | memoryview, remaining: int) -> memoryview:
        """Add the next piece; return where the `remaining` bytes of the frame may be put.

        The filled part of that very view lies in its place already: it is counted, and released.
        """
        start = self._length
        self._length = stop = start + len(piece)
        memory = self._memory
        if type(piece) is memoryview and piece.obj is memory:
            piece.release()
        else:
            memory[start:stop] = piece
        return memoryview(memory)[stop : stop + remaining]

    def content(self) -> memoryview:
        """Return the bytes; the view is released before give_back()."""
        return memoryview(self._memory)[: self._length]

    def give_back(self) -> None:
        """Let another frame have the memory; nobody may look into it any more."""
        memory, self._memory = self._memory, bytearray()
        if len(_stock) < _MAX_STOCK:
            _stock.append(memory)
