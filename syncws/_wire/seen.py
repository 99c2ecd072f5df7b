"""Frames as the debug log shows them: kind, the beginning and end of the payload, length.

Bytes only; whoever reads or has the writer role feeds a scanner, one thread at a time.
"""

import codecs

from syncws._wire.frames import CLOSE, CLOSE_CODES, CONTINUATION, PING, PONG, RSV1, TEXT

__all__ = ["FrameScanner", "SeenFrame"]

# Bytes that are kept of each end of a payload, and how much of them a line shows.
_KEPT = 64
_SHOWN_BYTES = 16
_SHOWN_TEXT = 48
_MASK_BIT = 0x80
_NAMES = {TEXT: "TEXT", CLOSE: "CLOSE", PING: "PING", PONG: "PONG"}


class SeenFrame:
    """A frame that has gone by; str() is its line, which is made only then.

    Attributes:
        first (int): the first byte of its header.
        opcode (int): the message's, where the frame continues one.
        length (int): bytes of payload on the wire.
        is_deflated (bool): True where its message is compressed, which only the first frame of it says (RFC 7692 6).
        plain_length (int | None): bytes before they were compressed, or inflated; None until that is known.
    """

    __slots__ = ("_head", "_mask", "_tail", "first", "is_deflated", "length", "opcode", "plain_length")

    def __init__(self, first: int, opcode: int, length: int, mask: bytes, *, is_deflated: bool) -> None:
        """Begin a frame; see the attributes."""
        self.first = first
        self.opcode = opcode
        self.length = length
        self.is_deflated = is_deflated
        self.plain_length: int | None = None
        self._mask = mask
        self._head = b""
        self._tail = b""

    def add(self, piece: bytes | memoryview) -> None:
        """Take the next piece of the payload; keep the ends of it."""
        missing = _KEPT - len(self._head)
        if missing:
            self._head += bytes(piece[:missing])
            piece = piece[missing:]
        if len(piece) >= _KEPT:
            self._tail = bytes(piece[-_KEPT:])
        elif piece:
            self._tail = (self._tail + bytes(piece))[-_KEPT:]

    def __str__(self) -> str:
        notes = [f"{self.length} byte{'' if self.length == 1 else 's'}"]
        if self.is_deflated:
            notes.append("deflated" if self.plain_length is None else f"deflated from {self.plain_length}")
        if self.first < 0x80:
            notes.append("continued")
        # What comes behind the first frame of a message has the name of its kind, and says that it goes on with it.
        if not self.first & 0x0F:
            notes.append("continuation")
        if self.opcode == CLOSE:
            return f"CLOSE {self._close()}"
        shown = f"{self._content()} " if self.length else ""
        return f"{_NAMES.get(self.opcode, 'BINARY')} {shown}[{', '.join(notes)}]"

    def _close(self) -> str:
        payload = self._unmasked(self._head, 0)
        if len(payload) < 2:
            return "without a code" if not payload else f"{payload.hex()} [1 byte]"
        code = int.from_bytes(payload[:2], "big")
        reason = self._text(payload[2:], self._unmasked(self._tail, self.length - len(self._tail)))
        name = CLOSE_CODES.get(code, "private use" if code >= 4000 else "registered" if code >= 3000 else "unknown")
        return f"{code} ({name})" + (f" {reason}" if self.length > 2 else "")

    def _content(self) -> str:
        head = self._unmasked(self._head, 0)
        tail = self._unmasked(self._tail, self.length - len(self._tail))
        is_text = self.opcode == TEXT and not self.is_deflated
        if is_text or (self.opcode in (PING, PONG) and head.isascii() and head.decode("ascii").isprintable()):
            return self._text(head, tail)
        if self.length <= 2 * _SHOWN_BYTES:
            return (head + tail).hex(" ")
        return f"{head[:_SHOWN_BYTES].hex(' ')} … {(head + tail)[-_SHOWN_BYTES:].hex(' ')}"

    def _text(self, head: bytes, tail: bytes) -> str:
        """Return text in quotes, the middle left out, what is not printable escaped; a character cut in two is lost."""
        is_whole = len(head) + len(tail) >= self.length - (2 if self.opcode == CLOSE else 0)
        if is_whole:
            head, tail = head + tail, b""
        start = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(head, is_whole and self.first >= 0x80)
        while tail and 0x80 <= tail[0] < 0xC0:
            tail = tail[1:]
        end = tail.decode("utf-8", "backslashreplace")
        if is_whole and len(start) <= 2 * _SHOWN_TEXT:
            return repr(start)
        return repr(f"{start[:_SHOWN_TEXT]}…{(start + end)[-_SHOWN_TEXT // 2 :]}")

    def _unmasked(self, data: bytes, position: int) -> bytes:
        if not self._mask:
            return data
        return bytes(byte ^ self._mask[(position + index) % 4] for index, byte in enumerate(data))


class FrameScanner:
    """Finds the frames in the bytes of one direction; checks nothing."""

    __slots__ = ("_frame", "_is_deflated", "_message", "_missing", "_unread")

    def __init__(self) -> None:
        self._unread = b""
        self._frame: SeenFrame | None = None
        self._missing = 0
        # The opcode of the message under way, or of the last one.
        self._message = CONTINUATION
        self._is_deflated = False

    def feed(self, data: bytes | memoryview) -> list[SeenFrame]:
        """Take the next bytes; return the frames that they complete."""
        seen: list[SeenFrame] = []
        view = memoryview(data)
        while view or self._frame is not None:
            if self._frame is None:
                view = self._begin(view)
                continue
            self._frame.add(view[: self._missing])
            taken = min(self._missing, len(view))
            view = view[taken:]
            self._missing -= taken
            if self._missing:
                break
            seen.append(self._frame)
            self._frame = None
        return seen

    def _begin(self, view: memoryview) -> memoryview:
        """Read a header, which may come in pieces; return what is behind it."""
        header = self._unread + bytes(view[: 14 - len(self._unread)])
        size = _header_size(header)
        if len(header) < size:
            self._unread = header
            return view[len(view) :]
        behind = view[size - len(self._unread) :]
        self._unread = b""
        first, length = header[0], header[1] & 0x7F
        if length > 125:
            length = int.from_bytes(header[2 : 4 if length == 126 else 10], "big")
        opcode = first & 0x0F
        if opcode == CONTINUATION:
            opcode = self._message
        elif opcode < CLOSE:
            self._message = opcode
            self._is_deflated = bool(first & RSV1)
        mask = header[size - 4 : size] if header[1] & _MASK_BIT else b""
        is_deflated = self._is_deflated and opcode < CLOSE
        self._frame = SeenFrame(first, opcode, length, mask, is_deflated=is_deflated)
        self._missing = length
        return behind


def _header_size(header: bytes) -> int:
    """Return how long a header is, as far as its beginning tells."""
    if len(header) < 2:
        return 2
    more = {126: 2, 127: 8}.get(header[1] & 0x7F, 0)
    return 2 + more + (4 if header[1] & _MASK_BIT else 0)
