"""Pieces of messages: the payload is passed on as it comes, even in the middle of a frame, and nothing is gathered.

The thread that holds the reading role runs it; it needs no lock.
"""

from syncws._wire.frame_decoder import NO_LIMIT, FrameDecoder, bad_text, check_fragments
from syncws._wire.frames import TEXT
from syncws._wire.incoming import Incoming, MessagePiece
from syncws._wire.utf8 import TextDecoder

__all__ = ["PieceDecoder"]

_new = object.__new__

# scan() copies what it takes.
_SCANNED_BYTES = 131072


class PieceDecoder(FrameDecoder):
    """Turns the server's bytes into pieces of messages, and the events of a FrameDecoder.

    A piece ends where a frame ends, or where the bytes that have arrived end. Text is checked: a piece whose bytes
    cannot be UTF-8 is not returned. An empty frame gives a piece only when it ends the message.
    """

    __slots__ = ("_copied_bytes", "_empty_fragments", "_has_ended", "_text")

    _message_class: type[MessagePiece]

    def __init__(
        self,
        max_message_size: int = NO_LIMIT,
        piece_class: type[MessagePiece] = MessagePiece,
        copied_bytes: int = NO_LIMIT,
    ) -> None:
        """Make a decoder.

        Args:
            max_message_size: bytes that a whole message may have; without a limit when not given.
            piece_class: the class of the pieces; see FrameDecoder.
            copied_bytes: a larger payload may be a view, of what was given or a part of that; without a limit when not
                given.
        """
        super().__init__(max_message_size, piece_class)
        self._scan_limit = min(self._scan_limit, _SCANNED_BYTES)
        self._copied_bytes = copied_bytes
        # Set for a text message, also after its end.
        self._text: TextDecoder | None = None
        # Others bring payload, which costs the server as much as us.
        self._empty_fragments = 0
        self._has_ended = False

    def _begin_message(self, opcode: int) -> None:
        self._empty_fragments = 0
        self._has_ended = False
        self._text = TextDecoder() if opcode == TEXT else None

    def _count_fragment(self, length: int) -> None:
        if not length:
            self._empty_fragments += 1
            check_fragments(self._empty_fragments)

    def _add_payload(self, piece: bytes | memoryview, remaining: int, events: list[Incoming], *, is_last: bool) -> None:
        event = _new(self._message_class)
        event._text = None if self._text is None else self._decode_text(self._text, piece, is_last=is_last)
        event._payload = bytes(piece) if len(piece) <= self._copied_bytes else piece  # type: ignore[assignment]
        event._length = len(piece)
        event._error = None
        event._is_last = self._has_ended = is_last
        events.append(event)

    def _end_message(self, events: list[Incoming]) -> None:
        if not self._has_ended:
            # Nothing came with the end.
            self._add_payload(b"", 0, events, is_last=True)

    def _decode_text(self, decoder: TextDecoder, piece: bytes | memoryview, *, is_last: bool) -> str:
        try:
            head, text = decoder.decode(piece)
            if is_last:
                decoder.check_end()
        except UnicodeDecodeError as exc:
            raise bad_text(exc) from None
        return head + text
