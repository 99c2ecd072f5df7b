"""Whole messages: the payload of each is gathered, checked and given out when it is complete.

The thread that holds the reading role runs it; it needs no lock.
"""

from syncws._wire.binary import BinaryAssembler
from syncws._wire.frame_decoder import (
    INFLATED_PIECE_BYTES,
    Checkpoint,
    FrameDecoder,
    bad_text,
    check_fragments,
)
from syncws._wire.frames import RSV1, TEXT
from syncws._wire.incoming import Incoming, Message
from syncws._wire.scanning import (
    FIN_BINARY,
    FIN_TEXT,
    FIRST_FRAGMENTS,
    FRAGMENTED_BYTES,
    long_header,
    message_of,
    scan,
    scan_fragmented,
)
from syncws._wire.utf8 import TextAssembler

__all__ = ["Decoder"]

# Of an unfinished message so much must have come, or what is wrong in it is better found at once.
_LEFT_BYTES = 1024

_COMPRESSED_TEXT = FIN_TEXT | RSV1
_COMPRESSED = (_COMPRESSED_TEXT, FIN_BINARY | RSV1)
_new = object.__new__


class Decoder(FrameDecoder):
    """Turns the server's bytes into whole messages, and the events of a FrameDecoder."""

    __slots__ = ("_binary", "_fragmented_limit", "_fragments", "_small_limit", "_text")

    def __init__(self, max_message_size: int, message_class: type[Message] = Message) -> None:
        """Make a decoder.

        Args:
            max_message_size: bytes that a message may have; a larger one is refused when its header says so.
            message_class: see FrameDecoder.
        """
        super().__init__(max_message_size, message_class)
        self._small_limit = min(125, max_message_size)
        self._fragmented_limit = min(FRAGMENTED_BYTES, max_message_size)
        # The message under way, if any: then exactly one of the two is set.
        self._text: TextAssembler | None = None
        self._binary: BinaryAssembler | None = None
        self._fragments = 0

    def restart(self, checkpoint: Checkpoint) -> None:
        """See FrameDecoder.restart."""
        super().restart(checkpoint)
        self._text = self._binary = self.room = None

    def only_message(self, data: bytes) -> Message | None:
        """Return the message that `data` is, if it comes between two and a look at its header tells that it is one.

        It counts nothing and changes nothing.
        """
        if self._is_under_way or self._unread:
            return None
        length = len(data) - 2
        if length > self._small_limit:
            # A look at the header spares what comes in a stream of messages to be decoded twice.
            start, payload_length = long_header(data, 0)
            is_whole = payload_length == len(data) - start
            return self._only_scanned(data) if is_whole and payload_length <= self._scan_limit else None
        if length < 0 or data[1] != length:
            return None
        first = data[0]
        text = payload = None
        if first == FIN_TEXT:
            try:
                text = data[2:].decode()
            except UnicodeDecodeError:
                return None
        elif first == FIN_BINARY:
            payload = data[2:]
        else:
            return None
        # As scan() makes it: in a conversation that costs less than a call and a list for one.
        message = _new(self._message_class)
        message._payload = payload
        message._text = text
        message._length = length
        message._error = None
        return message

    def _only_scanned(self, data: bytes) -> Message | None:
        found: list[Incoming] = []
        try:
            end = scan(data, 0, self._scan_limit, self._message_class, found)
        except UnicodeDecodeError:
            return None
        return found[0] if end == len(data) and len(found) == 1 else None  # type: ignore[return-value] # scan's are

    def _die(self) -> None:
        super()._die()
        self._text = self._binary = self.room = None

    def _take_frame(self, data: bytes | memoryview, position: int, end: int, events: list[Incoming]) -> int:
        if not self._is_under_way and self._is_left(data, position, end):
            return -1
        return super()._take_frame(data, position, end, events)

    def _is_left(self, data: bytes | memoryview, position: int, end: int) -> bool:
        """Tell whether the unfinished message at `position` is left to the next call, to be taken whole then.

        No more is left than this call has taken: so each byte is copied once at most, and a peer that sends little by
        little is told at once what is wrong.
        """
        size = end - position
        if not _LEFT_BYTES <= size <= position:
            return False
        first = data[position]
        if first in FIRST_FRAGMENTS:
            limit = self._fragmented_limit
            return size <= limit and scan_fragmented(data, position, limit, self._message_class, [])[2]
        start, length = long_header(data, position)
        return first in (FIN_TEXT, FIN_BINARY) and end - start < length <= self._scan_limit

    def _take_short_ways(self, data: bytes | memoryview, position: int, end: int, events: list[Incoming]) -> int:
        first = data[position]
        if first in FIRST_FRAGMENTS:
            return self._take_fragmented(data, position, events)
        if self.inflater is not None and first in _COMPRESSED:
            return self._take_compressed(data, position, end, events)
        return position

    def _take_fragmented(self, data: bytes | memoryview, position: int, events: list[Incoming]) -> int:
        count = len(events)
        position, frames, _ = scan_fragmented(data, position, self._fragmented_limit, self._message_class, events)
        self.tally.begun += frames
        self.tally.ended += len(events) - count
        return position

    def _take_compressed(self, data: bytes | memoryview, position: int, end: int, events: list[Incoming]) -> int:
        """Take whole compressed messages of one frame each; return where the next frame is."""
        inflater = self.inflater
        assert inflater is not None
        while end - position >= 2 and inflater.plain_bytes < self._inflated_limit:
            first = data[position]
            length = data[position + 1]
            start = position + 2
            if length == 126:
                start, length = long_header(data, position)
                if length < 126:
                    break
            elif length > 126:
                break
            stop = start + length
            if stop > end or first not in _COMPRESSED:
                break
            inflater.feed(data[start:stop], is_last=True)
            # One byte beyond the limit shows that there is more, as in _inflate().
            content = inflater.read(min(INFLATED_PIECE_BYTES, self._max_message_size + 1))
            if inflater.is_drained and len(content) <= self._max_message_size:
                try:
                    message = message_of(content, self._message_class, is_text=first == _COMPRESSED_TEXT)
                except UnicodeDecodeError as exc:
                    raise bad_text(exc) from None
                events.append(message)
                self.tally.whole += 1
            else:
                # It goes on as what has come in pieces.
                self._begin_frame(first, first & 0x0F, 0)
                self._take_inflated(content, events, is_last=False)
                if not self._inflate(events):
                    self._unread = bytes(data[stop:])
                    return end
            position = stop
        return position

    def _begin_message(self, opcode: int) -> None:
        self._fragments = 0
        if opcode == TEXT:
            self._text = TextAssembler()
        else:
            self._binary = BinaryAssembler()

    def _count_fragment(self, length: int) -> None:
        self._fragments += 1
        check_fragments(self._fragments)

    def _add_payload(self, piece: bytes | memoryview, remaining: int, events: list[Incoming], *, is_last: bool) -> None:
        # Let go of first: the buffer is given out without a copy when nobody looks into it.
        self.room = None
        if self._binary is not None:
            self.room = self._binary.add(piece, remaining)
            return
        assert self._text is not None
        try:
            self.room = self._text.add(piece, remaining)
        except UnicodeDecodeError as exc:
            raise bad_text(exc) from None

    def _end_message(self, events: list[Incoming]) -> None:
        message = _new(self._message_class)
        message._length = self._message_length
        message._error = None
        if self._binary is not None:
            message._payload = self._binary.finish()
            message._text = None
        else:
            assert self._text is not None
            message._payload = None
            try:
                message._text = self._text.finish()
            except UnicodeDecodeError as exc:
                raise bad_text(exc) from None
        self._text = self._binary = None
        events.append(message)
