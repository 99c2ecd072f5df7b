"""Gathering a binary message that comes in pieces.

One BinaryAssembler belongs to one decoder, which one thread at a time runs.
"""

from typing import TYPE_CHECKING

from syncws._wire.accelerated import speedups

__all__ = ["BinaryAssembler", "BinaryAssemblerInPython"]

# A piece from here on stands for itself; smaller ones are gathered first.
_LARGE_BYTES = 16384


class BinaryAssembler:
    """Gathers pieces into one bytes object.

    Large pieces are kept as they came and copied once, at the end, into an object of the exact size. Small ones are
    gathered in one buffer: a peer that sends a message byte by byte cannot make each byte cost an object.
    """

    __slots__ = ("_pieces", "_small")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._small = bytearray()

    def add(self, piece: bytes | memoryview, remaining: int = 0, /) -> memoryview | None:
        """Add the next piece, after which `remaining` bytes of the same frame come.

        Returns:
            Where these may be put: then the filled part of that very view is the next piece, and is released. Always
            None in this form: receiving into memory that Python has to clear first costs more than it saves.
        """
        if len(piece) < _LARGE_BYTES:
            self._small += piece
            if len(self._small) >= _LARGE_BYTES:
                self._take_small()
        else:
            if self._small:
                self._take_small()
            self._pieces.append(bytes(piece))
        return None

    def finish(self) -> bytes:
        """Return the whole payload."""
        if self._small:
            self._take_small()
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_small(self) -> None:
        self._pieces.append(bytes(self._small))
        self._small.clear()


BinaryAssemblerInPython = BinaryAssembler
if not TYPE_CHECKING and speedups is not None:
    BinaryAssembler = speedups.BinaryAssembler
