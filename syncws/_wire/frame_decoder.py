"""The receiving half of RFC 6455 as far as frames: headers, limits, control frames.

The thread that holds the reading role runs it; it needs no lock.

What becomes of the payload is for the subclasses to say: decoder.py gathers whole messages, piece_decoder.py gives it
on as it comes. A decoder takes any split of the bytes. What is kept between two calls is at most one unfinished header
or control frame, or what decoder.py leaves of one message; nothing is read or copied again and again, so the work is
linear. Lengths are compared with the limits when the header is read, before the payload takes any memory.

What was compressed (RFC 7692) is inflated on the way to the subclass, in pieces, and what comes out is held against the
limits. One call gives out so much of it and no more, whatever the ratio: the rest waits for the next call.
"""

import operator
from collections.abc import Callable

from syncws._wire.accelerated import speedups
from syncws._wire.deflate import BadDeflateError, Inflater
from syncws._wire.frames import (
    CLOSE,
    CONTINUATION,
    MAX_CONTROL_PAYLOAD,
    NO_STATUS,
    PING,
    RSV1,
    is_valid_received_close_code,
)
from syncws._wire.incoming import CloseFrame, Incoming, Message, Ping, Pong, Violation
from syncws._wire.scanning import SCANNED_BYTES, scan
from syncws._wire.shown import shown_text
from syncws._wire.tally import Tally
from syncws.errors import MessageTooBigError, ProtocolViolationError, WebSocketError

__all__ = [
    "INFLATED_PIECE_BYTES",
    "MAX_FRAGMENTS",
    "NO_LIMIT",
    "Checkpoint",
    "FrameDecoder",
    "bad_text",
    "check_fragments",
]

Checkpoint = tuple[bytes, int, int, int, int]
"""The unread bytes of a decoder between two messages, and its counts."""

NO_LIMIT = 1 << 63
"""A max_message_size that no message reaches: frames alone can say lengths up to it."""

MAX_FRAGMENTS = 1 << 20
"""Frames that one message may have. Fragments are joined as they come and cost no memory of their own; the limit only
ends a message of endless empty frames."""

_RESERVED_BITS = 0x70
# How an answer of HTTP begins; no frame does.
_HTTP = tuple(b"HT")
_MASK_BIT = 0x80

# What the inflater gives out at a time.
INFLATED_PIECE_BYTES = 65536
# What may come of one call by inflating, and a piece beyond it.
_INFLATED_BYTES = 262144


# Puts what an earlier read has left before what has come since.
join: Callable[[bytes, bytes | memoryview], bytes | memoryview] = operator.add if speedups is None else speedups.join


class _Fail(Exception):
    """Carries a violation out of the nested steps."""

    def __init__(self, code: int, error: WebSocketError) -> None:
        super().__init__(code)
        self.violation = Violation(code, error)


def _protocol_error(message: str, code: int = 1002) -> _Fail:
    return _Fail(code, ProtocolViolationError(message, close_code=code))


def bad_text(reason: UnicodeDecodeError) -> _Fail:
    """Return the violation of a text message that is not UTF-8 (RFC 6455 8.1).

    Made where it is decoded: elsewhere a handler of a signal may have raised the error.
    """
    return _protocol_error(f"the server sent text that is not UTF-8: {reason.reason}", 1007)


def check_fragments(count: int) -> None:
    """Refuse a message of too many fragments."""
    if count > MAX_FRAGMENTS:
        raise _Fail(1009, MessageTooBigError(f"the server sent a message of over {MAX_FRAGMENTS} fragments"))


class FrameDecoder:
    """Turns the server's bytes into events.

    `receive_data(data)` is the one verb. After a Close frame or a violation, which is always the last event, further
    bytes are ignored: the caller goes on to close the connection.

    Attributes:
        is_dead (bool): True after a Close frame or a violation: nothing more will come out.
        tally (Tally): what has come.
        room (memoryview | None): where the next bytes of the stream may be put. Then the filled part of that very view
            is what receive_data gets, and releases. Mostly None.
        inflater (Inflater | None): for what is compressed; None until that is agreed.
        has_more (bool): True when there is more in what was taken than one call gives out; call again, with b"".
    """

    __slots__ = (
        "_frame_is_final",
        "_frame_remaining",
        "_inflated_limit",
        "_is_compressed",
        "_is_under_way",
        "_max_message_size",
        "_message_class",
        "_message_length",
        "_scan_limit",
        "_unread",
        "has_more",
        "inflater",
        "is_dead",
        "room",
        "tally",
    )

    def __init__(self, max_message_size: int, message_class: type[Message]) -> None:
        """Make a decoder.

        Args:
            max_message_size: in bytes; a larger message is refused when a header says so, or when it is inflated.
            message_class: the class of what it makes; made without calling its constructor, so that the object
                decoded here can be the very one that an application's handler receives.
        """
        self._max_message_size = max_message_size
        self._scan_limit = min(SCANNED_BYTES, max_message_size)
        self._message_class = message_class
        self.inflater: Inflater | None = None
        # Where the inflater's count of bytes ends this call.
        self._inflated_limit = 0
        self._is_compressed = False
        # An unfinished header or control frame: less than 14 + 125 bytes. And whatever is there while has_more.
        self._unread = b""
        self._frame_remaining = 0
        self._frame_is_final = False
        # True from the first frame of a message to the end of its last.
        self._is_under_way = False
        self._message_length = 0
        self.has_more = False
        self.is_dead = False
        self.tally = Tally()
        self.room: memoryview | None = None

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What restart() takes to have the decoder as it is now; None where it cannot be set back to that."""
        if self._is_under_way or self._frame_remaining or self.inflater is not None:
            return None
        tally = self.tally
        return self._unread, tally.whole, tally.begun, tally.ended, tally.controls

    def restart(self, checkpoint: Checkpoint) -> None:
        """Forget all since `checkpoint`; the bytes given since then are to be given once more."""
        tally = self.tally
        self._unread, tally.whole, tally.begun, tally.ended, tally.controls = checkpoint
        self._frame_remaining = self._message_length = 0
        self._frame_is_final = self._is_under_way = self.is_dead = False

    # What becomes of the payload.

    def _begin_message(self, opcode: int) -> None:
        raise NotImplementedError

    def _count_fragment(self, length: int) -> None:
        """Note one frame more of the message under way; refuse what is too much."""
        raise NotImplementedError

    def _add_payload(self, piece: bytes | memoryview, remaining: int, events: list[Incoming], *, is_last: bool) -> None:
        """Take a piece of the message under way, which may be empty when it is the last.

        After it come `remaining` bytes of the same frame, as they are; 0 when it is compressed.
        """
        raise NotImplementedError

    def _end_message(self, events: list[Incoming]) -> None:
        raise NotImplementedError

    def receive_data(self, data: bytes | memoryview) -> list[Incoming]:
        """Take the next bytes of the stream, in any split, and return the events that they complete.

        The caller deals with the events in order; Ping, CloseFrame and Violation want an answer. When `has_more` is
        true then, the next call takes b"".
        """
        events: list[Incoming] = []
        if self.is_dead:
            return events
        if self._unread:
            data = join(self._unread, data)
            self._unread = b""
        if self.inflater is not None:
            self._inflated_limit = self.inflater.plain_bytes + _INFLATED_BYTES
        try:
            if not self.has_more or self._inflate(events):
                self._decode(data, events)
            else:
                self._unread = bytes(data)
        except BadDeflateError as exc:
            self._fail(_protocol_error(f"the server sent compressed data that cannot be inflated: {exc}", 1007), events)
        except _Fail as fail:
            self._fail(fail, events)
        return events

    def _fail(self, fail: _Fail, events: list[Incoming]) -> None:
        self._die()
        events.append(fail.violation)

    def _die(self) -> None:
        self.is_dead = True
        self.has_more = False

    def _decode(self, data: bytes | memoryview, events: list[Incoming]) -> None:
        position = 0
        end = len(data)
        if self._frame_remaining:
            position = self._take_payload(data, 0, end, events)
        while end - position >= 2:
            # Whole messages, unless one is under way: then nothing may take the short way.
            if not self._is_under_way:
                count = len(events)
                try:
                    # Views come only where scan() is compiled.
                    position = scan(data, position, self._scan_limit, self._message_class, events)  # type: ignore[arg-type]
                except UnicodeDecodeError as exc:
                    raise bad_text(exc) from None
                finally:
                    self.tally.whole += len(events) - count
                if end - position < 2:
                    break
                following = self._take_short_ways(data, position, end, events)
                if following > position:
                    position = following
                    continue
            following = self._take_frame(data, position, end, events)
            if following < 0 or self.is_dead:
                break
            position = following
        if position < end and not self.is_dead:
            self._unread = bytes(data[position:])

    def _take_short_ways(self, data: bytes | memoryview, position: int, end: int, events: list[Incoming]) -> int:
        """Take whole messages that scan() leaves, where there is a way; return where the next frame is."""
        return position

    def _take_frame(self, data: bytes | memoryview, position: int, end: int, events: list[Incoming]) -> int:
        """Read the frame at `position`; return where the next one begins, or -1 when the header needs more bytes."""
        first = data[position]
        second = data[position + 1]
        opcode = first & 0x0F
        self._check_first_bytes(first, second, opcode)
        if opcode >= CLOSE:
            return self._take_control(data, position, end, events)
        length = second
        start = position + 2
        if second >= 126:
            # RFC 6455 5.2: 16 bits, or 64 of which the highest is 0.
            size, shortest = (2, 126) if second == 126 else (8, 65536)
            start += size
            if start > end:
                return -1
            length = int.from_bytes(data[position + 2 : start], "big")
            if length < shortest:
                raise _protocol_error(f"the server sent a length of {length} in a longer form than it needs")
            if length >= 1 << 63:
                raise _protocol_error("the server sent a length with its highest bit set")
        self._begin_frame(first, opcode, length)
        return self._take_payload(data, start, end, events)

    def _check_first_bytes(self, first: int, second: int, opcode: int) -> None:
        if first & _RESERVED_BITS:
            self._check_reserved_bits(first, second, opcode)
        if second & _MASK_BIT:
            raise _protocol_error("the server sent a masked frame")
        if opcode > 0xA or 0x2 < opcode < CLOSE:
            raise _protocol_error(f"the server sent a frame with the reserved opcode 0x{opcode:x}")
        if opcode >= CLOSE:
            if first < 0x80:
                raise _protocol_error("the server sent a fragmented control frame")
            if second > MAX_CONTROL_PAYLOAD:
                raise _protocol_error("the server sent a control frame of more than 125 bytes")
        elif opcode == CONTINUATION:
            if not self._is_under_way:
                raise _protocol_error("the server sent a continuation frame with no message to continue")
        elif self._is_under_way:
            raise _protocol_error("the server began a message before it had finished the last one")

    def _check_reserved_bits(self, first: int, second: int, opcode: int) -> None:
        """Allow RSV1 alone, on the first frame of a message, where compression was agreed (RFC 7692 6)."""
        may_be_compressed = first & _RESERVED_BITS == RSV1 and CONTINUATION < opcode < CLOSE
        if self.inflater is not None and may_be_compressed:
            return
        hint = ""
        if (first, second) == _HTTP:
            # Development servers, and proxies at their time limit, write such an answer on a connection that is open.
            hint = "; it sent HTTP instead of a frame"
        elif may_be_compressed:
            hint = "; it may compress unasked: control.compression offers it"
        where = "without an extension" if self.inflater is None else "where permessage-deflate has none"
        raise _protocol_error(f"the server set reserved bits (first byte 0x{first:02x}) {where}{hint}")

    def _begin_frame(self, first: int, opcode: int, length: int) -> None:
        if opcode != CONTINUATION:
            self._is_compressed = bool(first & RSV1)
        if not self._is_compressed:
            self._count_bytes(length)
        if opcode != CONTINUATION:
            self._begin_message(opcode)
            self._is_under_way = True
        self._count_fragment(length)
        self.tally.begun += 1
        self._frame_remaining = length
        self._frame_is_final = first >= 0x80

    def _count_bytes(self, count: int) -> None:
        """Note bytes of the message under way, before they take memory; refuse what is too much."""
        size = self._message_length + count
        if size > self._max_message_size:
            raise _Fail(
                1009,
                MessageTooBigError(
                    f"the server sent a message of at least {size} bytes; "
                    f"control.max_message_size allows {self._max_message_size}"
                ),
            )
        self._message_length = size

    def _take_payload(self, data: bytes | memoryview, start: int, end: int, events: list[Incoming]) -> int:
        """Take what is there of the current frame's payload; return the position behind it."""
        remaining = self._frame_remaining
        stop = min(start + remaining, end)
        self._frame_remaining = remaining = remaining - (stop - start)
        is_last = self._frame_is_final and not remaining
        if self._is_compressed:
            assert self.inflater is not None
            self.inflater.feed(memoryview(data)[start:stop], is_last=is_last)
            if self._inflate(events):
                return stop
            # No more of this data in this call.
            self._unread = bytes(data[stop:])
            return end
        if stop > start:
            # A memoryview: the piece is copied once, where it goes.
            piece = data if stop - start == len(data) else memoryview(data)[start:stop]
            self._add_payload(piece, remaining, events, is_last=is_last)
        if is_last:
            self._finish_message(events)
        return stop

    def _inflate(self, events: list[Incoming]) -> bool:
        """Inflate what there is of the message under way; return False when that is more than one call gives out."""
        inflater = self.inflater
        assert inflater is not None
        is_end = self._frame_is_final and not self._frame_remaining
        while not inflater.is_drained:
            if inflater.plain_bytes >= self._inflated_limit:
                self.has_more = True
                return False
            # One byte beyond the limit shows that there is more; its memory is not taken.
            piece = inflater.read(min(INFLATED_PIECE_BYTES, self._max_message_size - self._message_length + 1))
            self._take_inflated(piece, events, is_last=is_end and inflater.is_drained)
        self.has_more = False
        if is_end:
            self._finish_message(events)
        return True

    def _take_inflated(self, piece: bytes, events: list[Incoming], *, is_last: bool) -> None:
        self._count_bytes(len(piece))
        if piece:
            self._add_payload(piece, 0, events, is_last=is_last)

    def _finish_message(self, events: list[Incoming]) -> None:
        self._end_message(events)
        self.tally.ended += 1
        self._message_length = 0
        self._is_under_way = self._frame_is_final = self._is_compressed = False

    def _take_control(self, data: bytes | memoryview, position: int, end: int, events: list[Incoming]) -> int:
        start = position + 2
        stop = start + data[position + 1]
        if stop > end:
            return -1
        self.tally.controls += 1
        payload = bytes(data[start:stop])
        opcode = data[position] & 0x0F
        if opcode == CLOSE:
            events.append(_close_frame(payload))
            self._die()
        elif opcode == PING:
            events.append(Ping(payload))
        else:
            events.append(Pong(payload))
        return stop


def _close_frame(payload: bytes) -> CloseFrame:
    """Read a Close frame's payload (RFC 6455 5.5.1, 7.4)."""
    if not payload:
        return CloseFrame(NO_STATUS, "", payload)
    if len(payload) == 1:
        raise _protocol_error("the server sent a Close frame with half a close code")
    code = int.from_bytes(payload[:2], "big")
    if not is_valid_received_close_code(code):
        # Short and ASCII: the text is the reason of the Close frame that answers.
        reason = ascii(shown_text(payload[2:].decode("utf-8", "replace"), 24))
        raise _protocol_error(f"the server sent a Close frame with the code {code}, which must not be sent: {reason}")
    try:
        return CloseFrame(code, payload[2:].decode(), payload)
    except UnicodeDecodeError:
        # Often one that was cut in the middle of a character: the rest tells why the server closed. ASCII, as above.
        reason = ascii(shown_text(payload[2:].decode("utf-8", "replace")))
        start = f"the server sent a Close frame with the code {code} and a reason that is not UTF-8"
        raise _protocol_error(f"{start}: {reason}", 1007) from None
