"""The two streams of permessage-deflate: messages that go are compressed, messages that come inflated (RFC 7692 7.2).

A Deflater belongs to whoever has the writer role, an Inflater to whoever has the reading role; neither needs a lock.

zlib does the work. What it does not: its compressor refuses a window of 8 bits, and its inflater stops at a block that
calls itself final and gives no sign when a message ends in the middle of a block. A context takes memory from the first
message on, and one that is not taken over is given back after each.
"""

import zlib
from collections.abc import Callable
from typing import Any

from syncws._wire.extension import WHOLE, Agreement

__all__ = ["BadDeflateError", "Deflater", "Inflater"]

# The end of each flush, which the sender leaves out and the receiver puts back (7.2.1, 7.2.2).
_TAIL = b"\x00\x00\xff\xff"
# An empty block that calls itself final: where a block may begin it ends the stream, and anywhere else it does not.
_FINAL_BLOCK = b"\x01\x00\x00\xff\xff"
# An empty message, or what ends one: the header of an empty stored block, its length left out with the tail (7.2.3.6).
_EMPTY = b"\x00"
# zlib is given this much at a time, because it copies what it does not take at once.
_INPUT_BYTES = 8192


class BadDeflateError(Exception):
    """What came is not compressed as RFC 7692 has it."""


class Deflater:
    """Compresses messages, one at a time, in the order in which they go.

    Attributes:
        minimum_size (int): bytes below which a message is to go plain.
        plain_bytes (int): bytes of the messages that were compressed.
        compressed_bytes (int): what they were compressed to, without frame headers.
    """

    __slots__ = (
        "_engine",
        "_has_takeover",
        "_level",
        "_library_for",
        "_memory_level",
        "_window_bits",
        "compressed_bytes",
        "minimum_size",
        "plain_bytes",
    )

    def __init__(
        self,
        agreement: Agreement = WHOLE,
        *,
        level: int = 6,
        memory_level: int = 8,
        minimum_size: int = 0,
        library_for: Callable[[int, int], Any] = lambda level, size: zlib,
    ) -> None:
        """Make one for the client's side of `agreement`; it takes no memory before the first message.

        Args:
            agreement: what was agreed.
            level: zlib's, 0 to 9.
            memory_level: zlib's, 1 to 9.
            minimum_size: see the attribute.
            library_for: of a level and a size: zlib, or a module like it, for a context whose first message has so many
                bytes.
        """
        self._library_for = library_for
        # zlib has no raw window of 8 bits. One of 9 looks back no further than 250 bytes: its match finder keeps 262 of
        # the window's 512 for itself (MAX_DIST in deflate.h). So a peer's 8 bits are enough.
        self._window_bits = max(9, agreement.client_max_window_bits)
        self._has_takeover = agreement.client_context_takeover
        self._level = level
        # A hash table that is larger than the window only falls out of the processor's cache: 15 % more time, measured.
        self._memory_level = min(memory_level, max(5, self._window_bits - 7))
        self._engine: Any = None
        self.minimum_size = minimum_size
        self.plain_bytes = 0
        self.compressed_bytes = 0

    def compress(self, data: bytes | bytearray | memoryview, *, is_first: bool = True, is_last: bool = True) -> bytes:
        """Return the payload of the next frame: of a message, or of a part of one.

        What it returns must be sent, and before anything that is compressed after it: the server's context follows.
        """
        engine = self._engine
        if engine is None:
            engine = self._engine = self._make_engine(len(data) if is_first and is_last else 1 << 15)
        compressed: bytes = engine.compress(data)
        if is_last:
            # Nothing comes of a second flush in a row.
            compressed = (compressed + engine.flush(zlib.Z_SYNC_FLUSH))[:-4] or _EMPTY
            if not self._has_takeover:
                self._engine = None
        self.plain_bytes += len(data)
        self.compressed_bytes += len(compressed)
        return compressed

    def forget(self) -> None:
        """Give the context back: nothing more is compressed."""
        self._engine = None

    def _make_engine(self, size: int) -> Any:
        window_bits, memory_level = self._window_bits, self._memory_level
        if not self._has_takeover:
            # For one message only: what it cannot fill need not be cleared for it, which takes longer than the rest.
            window_bits = min(window_bits, max(9, (size + 262).bit_length()))
            memory_level = min(memory_level, max(1, size.bit_length() - 4))
        library = self._library_for(self._level, size)
        return library.compressobj(self._level, zlib.DEFLATED, -window_bits, memory_level)


class Inflater:
    """Inflates messages, one after the other, in pieces whose size the caller says.

    The caller feeds bytes, then reads until `is_drained`.

    Attributes:
        is_drained (bool): True when all that was fed has been given out.
        compressed_bytes (int): payload of compressed messages that came.
        plain_bytes (int): what came of them.
    """

    __slots__ = (
        "_engine",
        "_fed",
        "_has_takeover",
        "_is_empty",
        "_is_ending",
        "_library",
        "_position",
        "_rest",
        "_window_bits",
        "compressed_bytes",
        "is_drained",
        "plain_bytes",
    )

    def __init__(self, agreement: Agreement = WHOLE, library: Any = zlib) -> None:
        """Make one for the server's side of `agreement`, with zlib or a module like it.

        It takes no memory before the first message.
        """
        self._library = library
        self._window_bits = agreement.server_max_window_bits
        self._has_takeover = agreement.server_context_takeover
        self._engine: Any = None
        self._fed: bytes | memoryview = b""
        self._position = 0
        # What zlib did not take of what it was given.
        self._rest: bytes | memoryview = b""
        self._is_ending = False
        self._is_empty = True
        self.is_drained = True
        self.compressed_bytes = 0
        self.plain_bytes = 0

    def feed(self, data: bytes | memoryview, *, is_last: bool) -> None:
        """Take the next bytes of a message, `is_last` when they end it; only when what was fed before is drained."""
        self.compressed_bytes += len(data)
        if data:
            self._is_empty = False
        self._fed = data
        self._position = 0
        self._is_ending = is_last
        self.is_drained = False

    def read(self, limit: int) -> bytes:
        """Return what comes next, at most `limit` bytes, which is one or more; it may be empty.

        Raises:
            BadDeflateError: the data is damaged, or the message ends in the middle of a block.
        """
        data = self._rest
        if not data:
            start = self._position
            data = self._fed[start : start + _INPUT_BYTES]
            self._position = start + len(data)
        engine = self._engine
        if engine is None:
            engine = self._engine = self._library.decompressobj(-self._window_bits)
        try:
            inflated: bytes = engine.decompress(data, limit)
        except self._library.error as exc:
            raise BadDeflateError(str(exc)) from exc
        if engine.eof:
            # A final block ends zlib's stream, but not the message (7.2.3.4). What follows cannot refer back to before.
            self._engine = None
            self._rest = engine.unused_data
        else:
            self._rest = engine.unconsumed_tail
        self.plain_bytes += len(inflated)
        if not self._rest and self._position >= len(self._fed) and (len(inflated) < limit or engine.eof):
            self._fed = b""
            if self._is_ending:
                self._end_message()
            self.is_drained = True
        return inflated

    def _end_message(self) -> None:
        """Put back what the sender has left out (7.2.2), and check that the message ends where a block does."""
        engine = self._engine
        # There is none right behind a final block: some senders leave out the octet that is to follow it. And some make
        # no octet at all of an empty message, as zlib does: see Deflater.
        if engine is not None and not self._is_empty and not self._ends_well(engine):
            raise BadDeflateError("the message ends in the middle of a block")
        if not self._has_takeover:
            self._engine = None
        self._is_ending = False
        self._is_empty = True

    def _ends_well(self, engine: Any) -> bool:
        """Tell whether the tail completes an empty block, and nothing else, behind which a block may begin."""
        try:
            # All of the tail belongs to that block: its zeros would also end a final block of fixed codes.
            if engine.decompress(_TAIL, 1) or engine.unused_data:
                return False
            # Only an attempt tells where zlib is, and after it the context cannot be used.
            probe = engine.copy() if self._has_takeover else engine
            return not probe.decompress(_FINAL_BLOCK, 1) and probe.eof
        except self._library.error:
            return False
