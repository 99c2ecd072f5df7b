"""Incremental UTF-8 decoding of a text message that comes in pieces (RFC 6455 5.6, 8.1).

Imports only the standard library. One TextAssembler belongs to one decoder, which one thread at a time runs.
"""

import io
from codecs import utf_8_decode

__all__ = ["TextAssembler"]


class TextAssembler:
    """Decodes pieces of UTF-8 as they come and gathers the text.

    Each byte is decoded once, in C. A byte that cannot be UTF-8 fails in the piece that brings it, not at the end of
    the message. The text is gathered in one growing buffer rather than as a list of strings: a peer that sends a
    message byte by byte cannot make each byte cost a string object.
    """

    __slots__ = ("_tail", "_text")

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._tail = b""

    def add(self, piece: bytes | memoryview) -> None:
        """Decode the next piece.

        Raises:
            UnicodeDecodeError: the bytes so far are not the beginning of any UTF-8 text.
        """
        data = self._tail + bytes(piece) if self._tail else piece
        text, used = utf_8_decode(data, "strict", False)
        # At most three bytes of an unfinished character.
        tail = self._tail = bytes(data[used:])
        if len(tail) == 2 and tail[0] == 0xED and tail[1] > 0x9F:
            # The beginning of a surrogate, for which CPython's decoder waits for the third byte.
            utf_8_decode(tail, "strict", True)
        self._text.write(text)

    def finish(self) -> str:
        """Return the whole text.

        Raises:
            UnicodeDecodeError: the text ends inside a character.
        """
        if self._tail:
            utf_8_decode(self._tail, "strict", True)
        return self._text.getvalue()
