"""Incremental UTF-8 decoding of a text message that comes in pieces (RFC 6455 5.6, 8.1).

Imports only the standard library. One TextAssembler belongs to one decoder, which one thread at a time runs.
"""

import io
from codecs import utf_8_decode

__all__ = ["TextAssembler"]


# A piece from here on stands for itself; smaller ones are gathered first.
_LARGE_BYTES = 16384


class TextAssembler:
    """Decodes pieces of UTF-8 as they come and gathers the text.

    Each byte is decoded once, in C. A byte that cannot be UTF-8 fails in the piece that brings it, not at the end of
    the message. The text of small pieces is gathered in one growing buffer: a peer that sends a message byte by byte
    cannot make each byte cost a string object.
    """

    __slots__ = ("_small", "_small_length", "_tail", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._small = io.StringIO()
        self._small_length = 0
        # At most three bytes of an unfinished character.
        self._tail = b""

    def add(self, piece: bytes | memoryview) -> None:
        """Decode the next piece.

        Raises:
            UnicodeDecodeError: the bytes so far are not the beginning of any UTF-8 text.
        """
        if self._tail:
            piece = self._finish_character(piece)
        text, used = utf_8_decode(piece, "strict", False)
        if used < len(piece):
            self._keep_tail(bytes(piece[used:]))
        if len(piece) < _LARGE_BYTES:
            self._small.write(text)
            self._small_length += len(text)
            if self._small_length >= _LARGE_BYTES:
                self._take_small()
        else:
            if self._small_length:
                self._take_small()
            self._texts.append(text)

    def finish(self) -> str:
        """Return the whole text.

        Raises:
            UnicodeDecodeError: the text ends inside a character.
        """
        if self._tail:
            utf_8_decode(self._tail, "strict", True)
        if self._small_length:
            self._take_small()
        return "".join(self._texts)

    def _finish_character(self, piece: bytes | memoryview) -> bytes | memoryview:
        """Decode the unfinished character with the bytes that follow it; return the rest of the piece.

        Only these few bytes are put together: the piece as a whole is not copied.
        """
        tail = self._tail
        head = tail + bytes(piece[:3])
        text, used = utf_8_decode(head, "strict", False)
        if not used:
            # Still unfinished, so all of the piece is in it.
            self._keep_tail(head)
            return b""
        self._tail = b""
        self._small.write(text)
        self._small_length += len(text)
        return memoryview(piece)[used - len(tail) :]

    def _keep_tail(self, tail: bytes) -> None:
        if len(tail) == 2 and tail[0] == 0xED and tail[1] > 0x9F:
            # The beginning of a surrogate, for which CPython's decoder waits for the third byte.
            utf_8_decode(tail, "strict", True)
        self._tail = tail

    def _take_small(self) -> None:
        self._texts.append(self._small.getvalue())
        self._small = io.StringIO()
        self._small_length = 0
