"""The receiving half of RFC 6455: bytes in, messages and control frames out.

May import enums, errors and the rest of this room. The thread that holds the reading role runs it; it needs no lock.

The decoder takes any split of the bytes. What is kept between two calls is at most one unfinished header or control
frame, and the payload so far; nothing is read or copied again when more arrives, so the work is linear. Lengths are
compared with the limits when the header is read, before the payload takes any memory.
"""

from syncws.errors import HResultError, MessageTooBigError, ProtocolViolationError
from syncws.wire.binary import BinaryAssembler
from syncws.wire.events import CloseFrame, Message, Ping, Pong, Violation
from syncws.wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_CONTROL_PAYLOAD,
    PING,
    TEXT,
    is_valid_received_close_code,
)
from syncws.wire.utf8 import TextAssembler

__all__ = ["MAX_FRAGMENTS", "Decoder", "Event"]

Event = Message | Ping | Pong | CloseFrame | Violation

MAX_FRAGMENTS = 1 << 20
"""Frames that one message may have. Fragments are joined as they come and cost no memory of their own; the limit only
ends a message of endless empty frames."""

_FIN_TEXT = 0x80 | TEXT
_FIN_DATA = (_FIN_TEXT, 0x80 | BINARY)
_RESERVED_BITS = 0x70
_MASK_BIT = 0x80
_new = object.__new__


class _Fail(Exception):
    """Carries a violation out of the nested steps."""

    def __init__(self, code: int, error: HResultError) -> None:
        super().__init__(code)
        self.violation = Violation(code, error)


def _protocol_error(message: str) -> _Fail:
    return _Fail(1002, ProtocolViolationError(message, close_code=1002))


def _bad_text(reason: UnicodeDecodeError) -> _Fail:
    message = f"the server sent text that is not UTF-8: {reason.reason}"
    return _Fail(1007, ProtocolViolationError(message, close_code=1007))


class Decoder:
    """Turns the server's bytes into events.

    `receive_data(data)` is the one verb. After a Close frame or a violation, which is always the last event, further
    bytes are ignored: the caller goes on to close the connection.
    """

    __slots__ = (
        "_binary",
        "_fragments",
        "_frame_is_final",
        "_frame_remaining",
        "_is_dead",
        "_max_message_size",
        "_message_class",
        "_message_length",
        "_small_limit",
        "_text",
        "_unread",
    )

    def __init__(self, max_message_size: int, message_class: type[Message] = Message) -> None:
        """Make a decoder.

        Args:
            max_message_size: bytes that a message may have; a larger one is refused when its header says so.
            message_class: the class of the messages; made without calling its constructor, so that the object
                decoded here can be the very one that an application's handler receives.
        """
        self._max_message_size = max_message_size
        self._message_class = message_class
        self._small_limit = min(125, max_message_size)
        # An unfinished header or control frame: less than 14 + 125 bytes.
        self._unread = b""
        self._frame_remaining = 0
        self._frame_is_final = False
        # The message under way, if any: then exactly one of the two is set, and _fragments is not 0.
        self._text: TextAssembler | None = None
        self._binary: BinaryAssembler | None = None
        self._message_length = 0
        self._fragments = 0
        self._is_dead = False

    @property
    def is_dead(self) -> bool:
        """True after a Close frame or a violation: nothing more will come out."""
        return self._is_dead

    def receive_data(self, data: bytes) -> list[Event]:
        """Take the next bytes of the stream, in any split, and return the events that they complete.

        The caller deals with the events in order; Ping, CloseFrame and Violation want an answer, which
        `wire.protocol` makes.
        """
        events: list[Event] = []
        if self._is_dead:
            return events
        if self._unread:
            data = self._unread + data
            self._unread = b""
        try:
            self._decode(data, events)
        except _Fail as fail:
            self._die()
            events.append(fail.violation)
        return events

    def _die(self) -> None:
        self._is_dead = True
        self._text = self._binary = None

    def _decode(self, data: bytes, events: list[Event]) -> None:
        position = 0
        end = len(data)
        if self._frame_remaining:
            position = self._take_payload(data, 0, end, events)
        message_class = self._message_class
        # -1 while a message is under way: then nothing may take the short way.
        small_limit = -1 if self._fragments else self._small_limit
        while end - position >= 2:
            first = data[position]
            length = data[position + 1]
            start = position + 2
            stop = start + length
            # The common case, a whole small unfragmented message, without a call or a branch too many.
            if length <= small_limit and stop <= end and first in _FIN_DATA:
                message = _new(message_class)
                message.payload = payload = data[start:stop]
                if first == _FIN_TEXT:
                    try:
                        message.text = payload.decode()
                    except UnicodeDecodeError as exc:
                        raise _bad_text(exc) from None
                else:
                    message.text = None
                message.length = length
                message.error = None
                events.append(message)
                position = stop
                continue
            following = self._take_frame(data, position, end, events)
            if following < 0 or self._is_dead:
                break
            position = following
            small_limit = -1 if self._fragments else self._small_limit
        if position < end and not self._is_dead:
            self._unread = data[position:]

    def _take_frame(self, data: bytes, position: int, end: int, events: list[Event]) -> int:
        """Read the frame at `position`; return where the next one begins, or -1 when the header needs more bytes."""
        first = data[position]
        second = data[position + 1]
        opcode = first & 0x0F
        self._check_first_bytes(first, second, opcode)
        if opcode >= CLOSE:
            return self._take_control(data, position, end, events)
        length = second
        start = position + 2
        if second == 126:
            start += 2
            if start > end:
                return -1
            length = int.from_bytes(data[position + 2 : start], "big")
            if length < 126:
                raise _protocol_error(f"the server sent a length of {length} in a longer form than it needs")
        elif second == 127:
            start += 8
            if start > end:
                return -1
            length = int.from_bytes(data[position + 2 : start], "big")
            if length < 65536:
                raise _protocol_error(f"the server sent a length of {length} in a longer form than it needs")
            if length >= 1 << 63:
                raise _protocol_error("the server sent a length with its highest bit set")
        self._begin_frame(opcode, length, is_final=first >= 0x80)
        return self._take_payload(data, start, end, events)

    def _check_first_bytes(self, first: int, second: int, opcode: int) -> None:
        if first & _RESERVED_BITS:
            # No extension is negotiated; permessage-deflate will own RSV1 here.
            raise _protocol_error(f"the server set reserved bits (first byte 0x{first:02x}) without an extension")
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
            if self._binary is None and self._text is None:
                raise _protocol_error("the server sent a continuation frame with no message to continue")
        elif self._binary is not None or self._text is not None:
            raise _protocol_error("the server began a message before it had finished the last one")

    def _begin_frame(self, opcode: int, length: int, *, is_final: bool) -> None:
        if self._message_length + length > self._max_message_size:
            size = self._message_length + length
            raise _Fail(
                1009,
                MessageTooBigError(
                    f"the server sent a message of at least {size} bytes; "
                    f"control.max_message_size allows {self._max_message_size}"
                ),
            )
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            raise _Fail(1009, MessageTooBigError(f"the server sent a message of over {MAX_FRAGMENTS} fragments"))
        if opcode == TEXT:
            self._text = TextAssembler()
        elif opcode == BINARY:
            self._binary = BinaryAssembler()
        self._message_length += length
        self._frame_remaining = length
        self._frame_is_final = is_final

    def _take_payload(self, data: bytes, start: int, end: int, events: list[Event]) -> int:
        """Take what is there of the current frame's payload; return the position behind it."""
        remaining = self._frame_remaining
        stop = start + remaining
        if stop > end:
            stop = end
        if stop > start:
            # A memoryview: the piece is copied once, into the message.
            piece = data if stop - start == len(data) else memoryview(data)[start:stop]
            if self._binary is not None:
                self._binary.add(piece)
            else:
                self._add_text(piece)
            self._frame_remaining = remaining - (stop - start)
        if not self._frame_remaining and self._frame_is_final:
            events.append(self._finish_message())
        return stop

    def _add_text(self, piece: bytes | memoryview) -> None:
        assert self._text is not None
        try:
            self._text.add(piece)
        except UnicodeDecodeError as exc:
            raise _bad_text(exc) from None

    def _finish_message(self) -> Message:
        message = _new(self._message_class)
        message.length = self._message_length
        message.error = None
        if self._binary is not None:
            message.payload = self._binary.finish()
            message.text = None
        else:
            assert self._text is not None
            message.payload = None
            try:
                message.text = self._text.finish()
            except UnicodeDecodeError as exc:
                raise _bad_text(exc) from None
        self._text = self._binary = None
        self._message_length = self._fragments = 0
        self._frame_is_final = False
        return message

    def _take_control(self, data: bytes, position: int, end: int, events: list[Event]) -> int:
        start = position + 2
        stop = start + data[position + 1]
        if stop > end:
            return -1
        payload = data[start:stop]
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
        return CloseFrame(1005, "", payload)
    if len(payload) == 1:
        raise _protocol_error("the server sent a Close frame with half a close code")
    code = int.from_bytes(payload[:2], "big")
    if not is_valid_received_close_code(code):
        raise _protocol_error(f"the server sent a Close frame with the code {code}, which must not be sent")
    try:
        return CloseFrame(code, payload[2:].decode(), payload)
    except UnicodeDecodeError as exc:
        raise _bad_text(exc) from None
