"""Short ways through what was read: messages that are whole in it are found by their headers.

Leaf functions, each with a compiled form. They take what is right, and stop before the first frame that is not for
them, which includes anything that is wrong: that is for the decoder. The thread that holds the reading role runs them.
"""

from syncws._wire.accelerated import speedups
from syncws._wire.frames import BINARY, CONTINUATION, FIN, TEXT
from syncws._wire.incoming import Incoming, Message
from syncws._wire.utf8 import decode_utf8

__all__ = [
    "FIN_BINARY",
    "FIN_TEXT",
    "FIRST_FRAGMENTS",
    "FRAGMENTED_BYTES",
    "SCANNED_BYTES",
    "long_header",
    "message_of",
    "scan",
    "scan_fragmented",
]

FIN_TEXT = FIN | TEXT
FIN_BINARY = FIN | BINARY
FIRST_FRAGMENTS = (TEXT, BINARY)
"""The first byte of a message of several frames."""
_LAST_FRAGMENT = FIN | CONTINUATION
_LATER_FRAGMENTS = (CONTINUATION, _LAST_FRAGMENT)
_WRONG, _UNFINISHED = -1, -2

SCANNED_BYTES: int = 65535 if speedups is None else speedups.SCANNED_BYTES
"""The longest message that scan() takes; in Python one whose length takes 16 bits at most."""
FRAGMENTED_BYTES = 131072
"""The longest message that scan_fragmented() takes: it holds its bytes twice for a moment."""

_new = object.__new__


def scan_in_python(
    data: bytes, position: int, limit: int, message_class: type[Message], events: list[Incoming], /
) -> int:
    """Append a message for each whole, unfragmented message from `position` on; return where the next frame is.

    That may be a message too: one of over `limit` bytes, or one that is too large for the short way of this form.

    Raises:
        UnicodeDecodeError: text is not UTF-8.
    """
    end = len(data)
    last = end - 2
    append = events.append
    while position <= last:
        first = data[position]
        length = data[position + 1]
        start = position + 2
        if length > 125:
            # As long_header(), without a call for each message.
            start += 2
            if length != 126 or start > end:
                break
            length = data[position + 2] << 8 | data[position + 3]
            if length < 126:
                break
        stop = start + length
        if length > limit or stop > end:
            break
        if first == FIN_BINARY:
            message = _new(message_class)
            message._payload = data[start:stop]
            message._text = message._error = None
        elif first == FIN_TEXT:
            text = data[start:stop].decode()
            message = _new(message_class)
            message._text = text
            message._payload = message._error = None
        else:
            break
        message._length = length
        append(message)
        position = stop
    return position


def scan_fragmented_in_python(
    data: bytes | memoryview, position: int, limit: int, message_class: type[Message], events: list[Incoming], /
) -> tuple[int, int, bool]:
    """Append a message for each whole message of several frames from `position` on, with nothing in between.

    Returns:
        Where the next frame is, which may begin such a message as well, of over `limit` bytes or not UTF-8; how many
        frames the messages had; and whether such a message begins there of which all that has come is right.
    """
    count = 0
    while True:
        pieces, stop = _fragments_at(data, position, limit)
        if stop < 0:
            return position, count, stop == _UNFINISHED and position < len(data)
        try:
            events.append(message_of(b"".join(pieces), message_class, is_text=data[position] == TEXT))
        except UnicodeDecodeError:
            return position, count, False
        count += len(pieces)
        position = stop


def message_of(content: bytes, message_class: type[Message], *, is_text: bool) -> Message:
    """Return a message of that content.

    Raises:
        UnicodeDecodeError: text is not UTF-8.
    """
    message = _new(message_class)
    message._length = len(content)
    message._payload, message._text = (None, decode_utf8(content, True)[0]) if is_text else (content, None)
    message._error = None
    return message


def _fragments_at(data: bytes | memoryview, position: int, limit: int) -> tuple[list[bytes | memoryview], int]:
    """Return the payloads of a message of several frames, and where it ends."""
    pieces: list[bytes | memoryview] = []
    end = len(data)
    expected = FIRST_FRAGMENTS
    while end - position >= 2:
        first = data[position]
        length = data[position + 1]
        if first not in expected or length > 127:
            return pieces, _WRONG
        start = position + 2
        if length >= 126:
            shortest = 126 if length == 126 else 65536
            start, length = long_header(data, position)
            if start > end:
                break
            if length < shortest:
                return pieces, _WRONG
        limit -= length
        if limit < 0:
            return pieces, _WRONG
        stop = start + length
        if stop > end:
            break
        pieces.append(data[start:stop])
        if first == _LAST_FRAGMENT:
            return pieces, stop
        position = stop
        expected = _LATER_FRAGMENTS
    return pieces, _UNFINISHED


def long_header(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Return where the payload of the frame at `position` begins, and its length if that has a long form, else -1.

    If the header is not whole, the length is too small.
    """
    form = data[position + 1]
    start = position + (4 if form == 126 else 10)
    return start, int.from_bytes(data[position + 2 : start], "big") if 126 <= form <= 127 else -1


scan = scan_in_python if speedups is None else speedups.scan
scan_fragmented = scan_fragmented_in_python if speedups is None else speedups.scan_fragmented
