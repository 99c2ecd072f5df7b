"""What the tests of this room share: a server's bytes, events in a form to compare, and another implementation's eyes.

The bytes of the server are made here, by a few lines that share nothing with wire.frames.
"""

import functools
import itertools
import operator
import struct
import tracemalloc

import pytest
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from syncws._wire.incoming import CloseFrame, Message, MessagePiece, Ping, Pong, Violation
from syncws.enums import SocketMessageType

LIMIT = 1 << 20
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(opcode, payload=b"", *, fin=True, first_bits=0, mask=None, form=None):
    """Return a server's frame; `form` 7, 16 or 64 forces the length's form."""
    length = len(payload)
    form = form or (7 if length < 126 else 16 if length < 65536 else 64)
    second = {7: length, 16: 126, 64: 127}[form] | (0 if mask is None else 0x80)
    extended = {7: b"", 16: struct.pack("!H", length & 0xFFFF), 64: struct.pack("!Q", length)}[form]
    if mask is not None:
        payload = mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([(0x80 if fin else 0) | first_bits | opcode, second]) + extended + payload


def close(code, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


def describe(event):
    """Return all that an event tells, in a form that can be compared."""
    if isinstance(event, Message):
        assert event.error is None
        if event.message_type is SocketMessageType.UTF8:
            assert event.payload is None or event.payload == event.text.encode()
            return ("text", event.text, event.length)
        return ("binary", bytes(event.payload), event.length)
    if isinstance(event, Ping):
        return ("ping", event.payload)
    if isinstance(event, Pong):
        return ("pong", event.payload)
    if isinstance(event, CloseFrame):
        return ("close", event.code, event.reason, event.payload)
    assert isinstance(event, Violation)
    assert event.error.close_code in (None, event.code)
    return ("violation", event.code, type(event.error))


def text(value):
    return ("text", value, len(value.encode()))


def binary(value):
    return ("binary", value, len(value))


def feed(decoder, data, cuts=()):
    """Feed `data`, cut at the indexes `cuts`; return all events."""
    events = []
    start = 0
    for stop in [*sorted(cuts), len(data)]:
        events += decoder.receive_data(data[start:stop])
        while decoder.has_more:
            events += decoder.receive_data(b"")
        start = stop
    return events


def every_cut(data):
    """Return every index of short data; of long data those near its ends, where the headers are."""
    return range(len(data)) if len(data) < 2000 else (*range(300), *range(len(data) - 300, len(data)))


def single_cuts(data):
    """Return every place to cut short data in two; of long data those near its ends, where the headers are."""
    return range(len(data)) if len(data) < 100 else (*range(20), 127, 128, *range(len(data) - 20, len(data)))


def join_pieces(events):
    """Return the descriptions of the events, one for all the pieces of a message where its last one is."""
    described, pieces = [], []
    for event in events:
        if not isinstance(event, MessagePiece):
            described.append(describe(event))
            continue
        assert (type(event.payload), event.length, event.error) == (bytes, len(event.payload), None)
        # Only the last piece may be empty, and no message has pieces of two types.
        assert event.payload or event.is_last
        pieces.append(event)
        assert {piece.message_type for piece in pieces} == {event.message_type}
        if event.is_last:
            described.append(_joined(pieces))
            pieces = []
    return described


def _joined(pieces):
    payload = b"".join(piece.payload for piece in pieces)
    if pieces[0].message_type is SocketMessageType.BINARY:
        assert {piece.text for piece in pieces} == {None}
        return binary(payload)
    whole = "".join(piece.text for piece in pieces)
    assert whole.encode() == payload
    return text(whole)


# One message or control frame: what goes over the wire, and the event.
payloads = st.binary(max_size=6) | st.sampled_from([b"x" * 125, b"x" * 126, b"\r\n" * 100])
characters = st.lists(st.sampled_from("aé€😀\r\n"), max_size=12).map("".join)


@st.composite
def streams(draw):
    """Draw a server's stream of fragmented messages with control frames between, and the events it stands for."""
    data, expected = b"", []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            value = draw(characters)
            opcode, payload, event = TEXT, value.encode(), text(value)
        else:
            payload = draw(payloads)
            opcode, event = BINARY, binary(payload)
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        for start, stop in zip([0, *cuts], [*cuts, len(payload)], strict=True):
            is_last = stop == len(payload) and start == (cuts[-1] if cuts else 0)
            data += frame(opcode, payload[start:stop], fin=is_last)
            if is_last:
                break
            opcode = CONT
            if draw(st.booleans()):
                data += frame(PING, b"between")
                expected.append(("ping", b"between"))
        expected.append(event)
    return data, expected


# Where to cut, as parts of a length that is not known yet.
places = st.lists(st.floats(0, 1), max_size=6)


def cuts_at(places_drawn, data):
    return [int(place * len(data)) for place in places_drawn]


def peak_bytes(run):
    """Return the most memory that `run()` held at once."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@functools.lru_cache
def pattern(length):
    return bytes((index * 31 + index // 253) & 0xFF for index in range(length))


def naive_mask(data, mask):
    return bytes(map(operator.xor, data, itertools.cycle(mask)))


def count_masks(monkeypatch, *modules):
    """Give modules the keys 1, 2, 3 … (big-endian) instead of random ones; the list tells how many bytes each had."""
    asked = []

    def new_key():
        asked.append(4)
        return len(asked).to_bytes(4, "big")

    for module in modules:
        monkeypatch.setattr(module, "new_key", new_key)
    return asked


def parse_all(data):
    """Read masked frames with the parser of `websockets`; all bytes must belong to them."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    parsed = []
    while reader.buffer:
        with pytest.raises(StopIteration) as stop:
            next(Frame.parse(reader.read_exact, mask=True))
        parsed.append(stop.value.value)
    return parsed


def parse(data):
    """Read exactly one masked frame."""
    (parsed,) = parse_all(data)
    return parsed
