"""Large payloads, masked piece by piece so that no masked copy of the whole is ever in memory.

An object belongs to one sender; when that gives up, to the one that goes on in its place.
"""

from collections import deque
from collections.abc import Iterator

from syncws._wire.accelerated import speedups
from syncws._wire.deflate import Deflater
from syncws._wire.frames import CONTINUATION, FIN, FRAGMENT_BYTES, RSV1, encode_frame, frame_header
from syncws._wire.mask_keys import new_key
from syncws._wire.masking import make_room, mask_into

__all__ = ["PIECE_BYTES", "CompressedFrames", "FragmentFrames", "FramePieces"]

PIECE_BYTES = 131072 if speedups is None else 524288
"""What is masked and given to the system at a time, a multiple of the mask's length.

Each system call wakes the peer's side, which costs more than the call itself; and half of a mebibyte still lies in the
processor's second cache when the system copies it. Plain Python takes as much memory again to mask it, and longer than
any call.
"""

# What stands before the first piece, which has as much of the payload as the others: a power of two leaves no rest.
_HEADER_BYTES = 14

# Where pieces are masked, used again: fresh memory of this size costs a page fault for each 4 KiB. A sender takes one,
# and gives it back at the end of its message; of what more senders than these need at a time nothing is kept.
_rooms: deque[bytearray] = deque(maxlen=4)

# What owns memory that never changes.
_FIXED = (bytes,) if speedups is None else (bytes, speedups.AsciiText)


class _PayloadPieces(Iterator[bytes | memoryview]):
    """What both ways of sending a large payload share: how far it has come, and whose memory it lies in.

    Attributes:
        position (int): payload bytes that were given out.
    """

    __slots__ = ("_base", "_is_detached", "_length", "_payload", "_size", "position")

    def __init__(self, payload: bytes | bytearray | memoryview, size: int) -> None:
        self._payload = memoryview(payload)
        # Of a piece.
        self._size = size
        # The position at which the memory begins.
        self._base = 0
        self._length = len(self._payload)
        self.position = 0
        self._is_detached = False

    @property
    def remaining(self) -> int:
        """Payload bytes that were not given out yet. Any thread may ask."""
        return self._length - self.position

    def detach(self, limit: int) -> bool:
        """Make what remains independent of the caller's buffer, which may change when the call returns.

        Bytes and text cannot change and are kept as they are; of anything else what remains is copied.

        Returns:
            False when that copy would take more than `limit` bytes: then nothing more can be sent.
        """
        if type(self._payload.obj) not in _FIXED:
            if self.remaining > limit:
                return False
            rest = bytes(self._payload[self.position :])
            self._payload.release()
            self._payload = memoryview(rest)
            self._base = self.position
        self._is_detached = True
        return True

    def release(self) -> None:
        """Let go of the caller's buffer, unless what remains is still wanted."""
        if not self._is_detached:
            self._payload.release()

    def _take(self) -> bytes | memoryview:
        start = self.position
        self.position = min(start + self._size, self._length)
        return self._payload[start - self._base : self.position - self._base]


class FramePieces(_PayloadPieces):
    """One masked frame in pieces, each of which is good until the next is asked for."""

    __slots__ = ("_header", "_mask", "_room")

    def __init__(self, opcode: int, payload: bytes | bytearray | memoryview, *, is_final: bool = True) -> None:
        """Make the pieces; `payload` must not change until the last was taken, or detach() was called."""
        super().__init__(payload, PIECE_BYTES)
        self._mask = new_key()
        self._header = frame_header(opcode | FIN if is_final else opcode, self._length) + self._mask
        self._room: bytearray | None = _take_room()

    def __next__(self) -> memoryview:
        header, self._header = self._header, bytearray()
        room = self._room
        if not header and not self.remaining:
            # What was given out has gone. A second time there is nothing to give back.
            self._room = None
            if room is not None:
                _rooms.append(room)
            raise StopIteration
        assert room is not None, "there is no piece after the end"
        # The header goes with the first piece: alone it would be a packet of its own.
        return memoryview(room)[: mask_into(room, self._take(), self._mask, header)]


class FragmentFrames(_PayloadPieces):
    """One message as frames of a piece each (RFC 6455 5.4), between which control frames can pass."""

    __slots__ = ("_opcode",)

    def __init__(self, opcode: int, payload: bytes | bytearray | memoryview, size: int = FRAGMENT_BYTES) -> None:
        """Make the frames; `payload` must not change until the last was taken, or detach() was called."""
        super().__init__(payload, size)
        self._opcode = opcode

    def __next__(self) -> bytes:
        if not self.remaining:
            raise StopIteration
        opcode, self._opcode = self._opcode, CONTINUATION
        piece = self._take()
        return encode_frame(opcode, piece, is_final=not self.remaining)


class CompressedFrames(FragmentFrames):
    """One message as compressed frames, each made under the writer role: the context follows the order of the wire.

    What was made must be sent, and the rest of the message after it: the context already holds it.
    """

    __slots__ = ("_deflater",)

    def __init__(
        self, opcode: int, payload: bytes | bytearray | memoryview, deflater: Deflater, size: int = FRAGMENT_BYTES
    ) -> None:
        """Make the frames, of `size` bytes of payload each; see FragmentFrames."""
        super().__init__(opcode | RSV1, payload, size)
        self._deflater = deflater

    def __next__(self) -> bytes:
        if not self.remaining:
            raise StopIteration
        opcode, self._opcode = self._opcode, CONTINUATION
        is_first = opcode != CONTINUATION
        compressed = b""
        # Of what repeats itself nothing may come for a while, at most for the 4 MiB that zlib can hold back.
        while not compressed and self.remaining:
            piece = self._take()
            compressed = self._deflater.compress(piece, is_first=is_first, is_last=not self.remaining)
            is_first = False
        return encode_frame(opcode, compressed, is_final=not self.remaining)


def _take_room() -> bytearray:
    try:
        return _rooms.pop()
    except IndexError:
        return make_room(_HEADER_BYTES + PIECE_BYTES)
