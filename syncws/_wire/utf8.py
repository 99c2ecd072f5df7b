"""Incremental UTF-8 decoding of a text message that comes in pieces (RFC 6455 5.6, 8.1).

An object belongs to one message, which one thread at a time works on.
"""

import io
from codecs import utf_8_decode

from syncws._wire.accelerated import speedups
from syncws._wire.frame_buffer import MAX_FRAME_BYTES, FrameBuffer

__all__ = ["NotUtf8Error", "TextAssembler", "TextDecoder", "check_text", "decode_utf8", "utf8_of"]

# A piece from here on stands for itself; smaller ones are gathered first.
_LARGE_BYTES = 16384
_CHECKED_BYTES = 65536
# Text of more is masked piece by piece, so that its bytes need not be in one object. As SYNCWS_LENT.
_LENT_BYTES = 65536

# Bytes of a frame still to come from which on it is gathered before it is decoded, when so many are there: a header
# alone takes no memory.
_LARGE_FRAME_BYTES = 65536
_EARNEST_BYTES = 1024


def decode_utf8_in_python(data: bytes | bytearray | memoryview, is_last: bool, /) -> tuple[str, int]:
    """Decode; return the text and how many bytes it took. Unless `is_last`, an unfinished character may be left.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return utf_8_decode(data, "strict", is_last)


decode_utf8 = decode_utf8_in_python if speedups is None else speedups.decode_utf8


def utf8_of(text: str) -> bytes | memoryview:
    """Return text as UTF-8: of a large one that is ASCII its own memory where that can be had, which never changes.

    Raises:
        UnicodeEncodeError: it holds a lone surrogate.
    """
    if len(text) > _LENT_BYTES and speedups is not None and type(text) is str and text.isascii():
        return memoryview(speedups.AsciiText(text))
    return text.encode()


class NotUtf8Error(ValueError):
    """Text that is not UTF-8, from byte `start` to before byte `end`; negative for bytes of an earlier part.

    Not UnicodeDecodeError, which would need all of the bytes.
    """

    def __init__(self, start: int, end: int, reason: str) -> None:
        super().__init__(f"byte {start} is not UTF-8: {reason}")
        self.start = start
        self.end = end
        self.reason = reason


class TextDecoder:
    """Decodes pieces of UTF-8 as they come.

    Each byte is decoded once, in C. A byte that cannot be UTF-8 fails in the piece that brings it, not at the end of
    the message.

    Attributes:
        tail (bytes): at most three bytes, of a character that is not finished; what another TextDecoder would go on
            with.
    """

    __slots__ = ("tail",)

    def __init__(self, tail: bytes = b"") -> None:
        """Begin, or go on after the first bytes of a character."""
        self.tail = tail

    def decode(self, piece: bytes | memoryview) -> tuple[str, str]:
        """Decode the next piece.

        Returns:
            The text of the character that an earlier piece began, and possibly of the next two, if this one finishes
            it, and the text after that.

        Raises:
            UnicodeDecodeError: the bytes so far are not the beginning of any UTF-8 text.
        """
        head = ""
        if self.tail:
            head, piece = self._finish_character(piece)
        text, used = decode_utf8(piece, False)
        if used < len(piece):
            self._keep_tail(bytes(piece[used:]))
        return head, text

    def check_end(self) -> None:
        """Say that no more comes.

        Raises:
            UnicodeDecodeError: the text ends inside a character.
        """
        if self.tail:
            utf_8_decode(self.tail, "strict", True)

    def _finish_character(self, piece: bytes | memoryview) -> tuple[str, bytes | memoryview]:
        """Decode the unfinished character with the bytes that follow it; return it, and the rest of the piece.

        Only these few bytes are put together: the piece as a whole is not copied.
        """
        tail = self.tail
        head = tail + bytes(piece[:3])
        text, used = utf_8_decode(head, "strict", False)
        if not used:
            # Still unfinished, so all of the piece is in it.
            self._keep_tail(head)
            return "", b""
        self.tail = b""
        return text, memoryview(piece)[used - len(tail) :]

    def _keep_tail(self, tail: bytes) -> None:
        if len(tail) == 2 and tail[0] == 0xED and tail[1] > 0x9F:
            # The beginning of a surrogate, for which CPython's decoder waits for the third byte.
            utf_8_decode(tail, "strict", True)
        self.tail = tail


class TextAssembler(TextDecoder):
    """Decodes pieces of UTF-8 and gathers the text.

    The text of small pieces is gathered in one growing buffer: a peer that sends a message byte by byte cannot make
    each byte cost a string object. A large frame, of a very large one the last mebibyte, is received into one buffer
    and decoded once, at its end: to put together the texts of many pieces costs as much as decoding them. So bytes in
    it that are not UTF-8 are found at its end.
    """

    __slots__ = ("_frame", "_small", "_small_length", "_texts")

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []
        self._small = io.StringIO()
        self._small_length = 0
        self._frame: FrameBuffer | None = None

    def add(self, piece: bytes | memoryview, remaining: int = 0) -> memoryview | None:
        """Add the next piece, after which `remaining` bytes of the same frame come.

        Returns:
            Where these may be put: then the filled part of that very view is the next piece, and is released. None to
            take them as they come.

        Raises:
            UnicodeDecodeError: the bytes so far are not the beginning of any UTF-8 text.
        """
        if self._frame is None:
            if not _LARGE_FRAME_BYTES <= remaining <= MAX_FRAME_BYTES - len(piece) or len(piece) < _EARNEST_BYTES:
                self._decode(piece)
                return None
            is_ascii = not self.tail and bytes(piece[:_EARNEST_BYTES]).isascii()
            self._frame = FrameBuffer(len(piece) + remaining, is_ascii=is_ascii)
        return self._gather(self._frame, piece, remaining)

    def _gather(self, frame: FrameBuffer, piece: bytes | memoryview, remaining: int) -> memoryview | None:
        frame.add(piece)
        if remaining:
            return frame.room(remaining)
        self._frame = None
        try:
            text = frame.text()
            if text is not None:
                self._add_large(text)
            else:
                with frame.content() as content:
                    self._decode(content)
        finally:
            frame.give_back()
        return None

    def _decode(self, piece: bytes | memoryview) -> None:
        head, text = self.decode(piece)
        if len(piece) < _LARGE_BYTES:
            self._add_small(head + text)
            return
        self._add_small(head)
        self._add_large(text)

    def _add_large(self, text: str) -> None:
        if self._small_length:
            self._take_small()
        self._texts.append(text)

    def finish(self) -> str:
        """Return the whole text.

        Raises:
            UnicodeDecodeError: the text ends inside a character.
        """
        self.check_end()
        if self._small_length:
            self._take_small()
        return "".join(self._texts)

    def _add_small(self, text: str) -> None:
        self._small.write(text)
        self._small_length += len(text)
        if self._small_length >= _LARGE_BYTES:
            self._take_small()

    def _take_small(self) -> None:
        self._texts.append(self._small.getvalue())
        self._small = io.StringIO()
        self._small_length = 0


def check_text(data: bytes | bytearray | memoryview, tail: bytes = b"", *, is_last: bool = True) -> bytes:
    """Check text that is to be sent, without making a str of the whole.

    Args:
        data: the text, or its next part.
        tail: the bytes of an unfinished character with which the part before it ended.
        is_last: False when more is to come.

    Returns:
        The bytes of an unfinished character at the end; always empty when `is_last`.

    Raises:
        NotUtf8Error: it is not UTF-8.
    """
    decoder = TextDecoder(tail)
    with memoryview(data) as view:
        for start in range(0, len(view), _CHECKED_BYTES):
            before = decoder.tail
            with view[start : start + _CHECKED_BYTES] as piece:
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError as exc:
                    raise _fault(before + bytes(piece), start - len(before), exc) from None
        try:
            if is_last:
                decoder.check_end()
        except UnicodeDecodeError as exc:
            raise _fault(decoder.tail, len(view) - len(decoder.tail), exc) from None
    return decoder.tail


def _fault(data: bytes, offset: int, error: UnicodeDecodeError) -> NotUtf8Error:
    """Return the error of decoding `data`, which begins at `offset`; `error` when only its end is at fault."""
    try:
        utf_8_decode(data, "strict", True)
    except UnicodeDecodeError as exc:
        error = exc
    return NotUtf8Error(error.start + offset, error.end + offset, error.reason)
