"""Whole messages: the payload of each is gathered, checked and given out when it is complete.

The thread that holds the reading role runs it; it needs no lock.
"""

from syncws._wire.accelerated import speedups
from syncws._wire.binary import BinaryAssembler
from syncws._wire.deflate import Inflater
from syncws._wire.frame_decoder import (
    INFLATED_PIECE_BYTES,
    Checkpoint,
    FrameDecoder,
    Incoming,
    bad_text,
    check_fragments,
)
from syncws._wire.frames import BINARY, RSV1, TEXT
from syncws._wire.incoming import Message
from syncws._wire.utf8 import TextAssembler, decode_utf8

__all__ = ["MAX_FRAGMENTS", "Decoder", "Incoming"]

MAX_FRAGMENTS = 1 << 20
"""Frames that one message may have. Fragments are joined as they come and cost no memory of their own; the limit only
ends a message of endless empty frames."""

# The longest message that scan() takes.
_SCANNED_BYTES = 125 if speedups is None else speedups.SCANNED_BYTES
# Of an unfinished message so much must have come, or what is wrong in it is better found at once.
_LEFT_BYTES = 1024

_FIN_TEXT = 0x80 | TEXT
_FIN_BINARY = 0x80 | BINARY
_COMPRESSED_TEXT = _FIN_TEXT | RSV1
_COMPRESSED_BINARY = _FIN_BINARY | RSV1
_new = object.__new__


def scan_in_python(
    data: bytes, position: int, limit: int, message_class: type[Message], events: list[Incoming], /
) -> int:
    """Append a message for each small, whole, unfragmented message from `position` on; return where the next frame is.

    That may be a message as well: of over `limit` bytes, or whatever is too large for the short way of this form.

    Raises:
        UnicodeDecodeError: text is not UTF-8.
    """
    end = len(data)
    last = end - 2
    small_limit = min(125, limit)
    append = events.append
    while position <= last:
        first = data[position]
        length = data[position + 1]
        start = position + 2
        stop = start + length
        if length > small_limit or stop > end:
            break
        if first == _FIN_BINARY:
            message = _new(message_class)
            message._payload = data[start:stop]
            message._text = message._error = None
        elif first == _FIN_TEXT:
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


scan = scan_in_python if speedups is None else speedups.scan


def _long_header(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Return where the payload of the frame at `position` begins, and its length if that has a long form, else -1."""
    form = data[position + 1]
    start = position + (4 if form == 126 else 10)
    return start, int.from_bytes(data[position + 2 : start], "big") if 126 <= form <= 127 else -1


class Decoder(FrameDecoder):
    """Turns the server's bytes into whole messages, and the events of a FrameDecoder."""

    takes_views = True

    __slots__ = ("_binary", "_fragments", "_message_class", "_scan_limit", "_small_limit", "_text")

    def __init__(
        self, max_message_size: int, message_class: type[Message] = Message, inflater: Inflater | None = None
    ) -> None:
        """Make a decoder.

        Args:
            max_message_size: bytes that a message may have; a larger one is refused when its header says so.
            message_class: the class of the messages; made without calling its constructor, so that the object
                decoded here can be the very one that an application's handler receives.
            inflater: see FrameDecoder.
        """
        super().__init__(max_message_size, inflater)
        self._message_class = message_class
        self._scan_limit = min(_SCANNED_BYTES, max_message_size)
        self._small_limit = min(125, max_message_size)
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
            start, payload_length = _long_header(data, 0)
            is_whole = payload_length == len(data) - start
            return self._only_scanned(data) if is_whole and payload_length <= self._scan_limit else None
        if length < 0 or data[1] != length:
            return None
        first = data[0]
        text = payload = None
        if first == _FIN_TEXT:
            try:
                text = data[2:].decode()
            except UnicodeDecodeError:
                return None
        elif first == _FIN_BINARY:
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

    def _decode(self, data: bytes | memoryview, events: list[Incoming]) -> None:
        position = 0
        end = len(data)
        if self._frame_remaining:
            position = self._take_payload(data, 0, end, events)
        while end - position >= 2:
            # Whole small messages, unless one is under way: then nothing may take the short way.
            if not self._is_under_way:
                count = len(events)
                try:
                    # Views come only where scan() is compiled.
                    position = scan(data, position, self._scan_limit, self._message_class, events)  # type: ignore[arg-type]
                except UnicodeDecodeError as exc:
                    raise bad_text(exc) from None
                finally:
                    self.tally.whole += len(events) - count
                following = position if self.inflater is None else self._take_compressed(data, position, end, events)
                if following > position:
                    position = following
                    continue
                if end - position < 2 or self._is_left(data, position, end):
                    break
            following = self._take_frame(data, position, end, events)
            if following < 0 or self.is_dead:
                break
            position = following
        if position < end and not self.is_dead:
            self._unread = bytes(data[position:])

    def _is_left(self, data: bytes | memoryview, position: int, end: int) -> bool:
        """Tell whether the unfinished message at `position` is left to the next call, for scan() to take it whole then.

        No more is left than this call has taken: so each byte is copied once at most, and who sends little by little
        is told at once of what is wrong.
        """
        if not _LEFT_BYTES <= end - position <= position or data[position] not in (_FIN_TEXT, _FIN_BINARY):
            return False
        start, length = _long_header(data, position)
        return end - start < length <= self._scan_limit

    def _take_compressed(self, data: bytes | memoryview, position: int, end: int, events: list[Incoming]) -> int:
        """Take whole compressed messages of one frame each; return where the next frame is."""
        inflater = self.inflater
        assert inflater is not None
        while end - position >= 2 and inflater.plain_bytes < self._inflated_limit:
            first = data[position]
            length = data[position + 1]
            start = position + 2
            if length == 126:
                start += 2
                length = int.from_bytes(data[position + 2 : start], "big")
                if length < 126:
                    break
            elif length > 126:
                break
            stop = start + length
            if stop > end or first not in (_COMPRESSED_TEXT, _COMPRESSED_BINARY):
                break
            inflater.feed(data[start:stop], is_last=True)
            # One byte beyond the limit shows that there is more, as in _inflate().
            content = inflater.read(min(INFLATED_PIECE_BYTES, self._max_message_size + 1))
            if inflater.is_drained and len(content) <= self._max_message_size:
                is_text = first == _COMPRESSED_TEXT
                self._append_message(content, events, is_text=is_text)
            else:
                # It goes on as what has come in pieces.
                self._begin_frame(first, first & 0x0F, 0)
                self._take_inflated(content, events, is_last=False)
                if not self._inflate(events):
                    self._unread = bytes(data[stop:])
                    return end
            position = stop
        return position

    def _append_message(self, content: bytes, events: list[Incoming], *, is_text: bool) -> None:
        message = _new(self._message_class)
        message._length = len(content)
        message._payload = message._text = message._error = None
        if is_text:
            try:
                message._text = decode_utf8(content, True)[0]
            except UnicodeDecodeError as exc:
                raise bad_text(exc) from None
        else:
            message._payload = content
        events.append(message)
        self.tally.whole += 1

    def _begin_message(self, opcode: int) -> None:
        self._fragments = 0
        if opcode == TEXT:
            self._text = TextAssembler()
        else:
            self._binary = BinaryAssembler()

    def _count_fragment(self, length: int) -> None:
        self._fragments += 1
        check_fragments(self._fragments, MAX_FRAGMENTS)

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
