"""Tests of wire.decoder: every vector is fed whole, byte by byte and in pieces, with the same events coming out.

The bytes of the server are made here, by a few lines that share nothing with wire.frames, or written out.
"""

import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncws.enums import SocketMessageType
from syncws.errors import MessageTooBigError, ProtocolViolationError
from syncws.wire import decoder as decoder_module
from syncws.wire.decoder import Decoder
from syncws.wire.events import CloseFrame, Message, Ping, Pong, Violation

LIMIT = 1 << 20
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

# An unfinished header (14 bytes in the longest form) or an unfinished control frame (125 bytes of payload).
MOST_LEFT_OVER = 14 + 125


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
    assert getattr(event.error, "close_code", event.code) == event.code
    return ("violation", event.code, type(event.error))


def decode(data, cuts=(), max_message_size=LIMIT):
    """Feed `data`, cut at the indexes `cuts`; return the descriptions of all events."""
    decoder = Decoder(max_message_size)
    events = []
    start = 0
    for stop in [*sorted(cuts), len(data)]:
        events += decoder.receive_data(data[start:stop])
        start = stop
    return [describe(event) for event in events]


def text(value):
    return ("text", value, len(value.encode()))


def binary(value):
    return ("binary", value, len(value))


PROTOCOL_ERROR = ("violation", 1002, ProtocolViolationError)
BAD_TEXT = ("violation", 1007, ProtocolViolationError)
TOO_BIG = ("violation", 1009, MessageTooBigError)
EMPTY_CLOSE = ("close", 1005, "", b"")

BYTES_256 = bytes(range(256))
BYTES_64K = BYTES_256 * 256

# Examples of RFC 6455 5.7, as far as a server sends them. The masked ones are in test_frames.
RFC_VECTORS = {
    "5.7 single-frame unmasked text": (bytes.fromhex("810548656c6c6f"), [text("Hello")]),
    "5.7 fragmented unmasked text": (bytes.fromhex("010348656c 80026c6f"), [text("Hello")]),
    "5.7 unmasked ping": (bytes.fromhex("890548656c6c6f"), [("ping", b"Hello")]),
    "5.7 256 bytes binary": (bytes.fromhex("827e0100") + BYTES_256, [binary(BYTES_256)]),
    "5.7 64 KiB binary": (bytes.fromhex("827f0000000000010000") + BYTES_64K, [binary(BYTES_64K)]),
    "5.7 masked text, which no server may send": (bytes.fromhex("818537fa213d7f9f4d5158"), [PROTOCOL_ERROR]),
    "5.7 masked pong, which no server may send": (bytes.fromhex("8a8537fa213d7f9f4d5158"), [PROTOCOL_ERROR]),
}

MESSAGE_VECTORS = {
    "nothing": (b"", []),
    "empty text": (frame(TEXT), [text("")]),
    "empty binary": (frame(BINARY), [binary(b"")]),
    "empty fragments": (frame(TEXT, fin=False) + frame(CONT, fin=False) + frame(CONT), [text("")]),
    "empty fragments around data": (
        frame(BINARY, fin=False) + frame(CONT, b"x", fin=False) + frame(CONT),
        [binary(b"x")],
    ),
    "single byte": (frame(BINARY, b"\0"), [binary(b"\0")]),
    "several messages": (
        frame(TEXT, b"a") + frame(BINARY, b"b") + frame(TEXT, b"c"),
        [text("a"), binary(b"b"), text("c")],
    ),
    "long after short after long": (
        frame(BINARY, BYTES_256) + frame(TEXT, b"x") + frame(TEXT, b"y" * 300),
        [binary(BYTES_256), text("x"), text("y" * 300)],
    ),
    "a short whole message right after a fragmented one": (
        frame(TEXT, b"a", fin=False) + frame(CONT, b"b") + frame(BINARY, b"c"),
        [text("ab"), binary(b"c")],
    ),
    "fragmented message of long frames": (
        frame(BINARY, BYTES_256, fin=False) + frame(CONT, BYTES_256, fin=False) + frame(CONT, b"!"),
        [binary(BYTES_256 * 2 + b"!")],
    ),
    "text that is not ASCII": (frame(TEXT, "grüße €😀".encode()), [text("grüße €😀")]),
    "CR LF stay": (frame(TEXT, b"a\r\nb\rc\nd\n\re\r\n"), [text("a\r\nb\rc\nd\n\re\r\n")]),
    "CR LF stay in long text": (frame(TEXT, b"a\r\nb\r" * 60), [text("a\r\nb\r" * 60)]),
    "CR and LF in two fragments": (frame(TEXT, b"a\r", fin=False) + frame(CONT, b"\nb"), [text("a\r\nb")]),
    "bytes that are not UTF-8 are fine in binary": (frame(BINARY, b"\xff\xc0\x80"), [binary(b"\xff\xc0\x80")]),
}

LENGTH_VECTORS = {
    f"{length} bytes of {name}": (frame(opcode, b"z" * length), [expected])
    for length in (124, 125, 126, 127, 65535, 65536)
    for name, opcode, expected in (("text", TEXT, text("z" * length)), ("binary", BINARY, binary(b"z" * length)))
}

BAD_LENGTH_VECTORS = {
    **{
        f"{length} in the {form}-bit form": (frame(BINARY, b"z" * length, form=form), [PROTOCOL_ERROR])
        for form, length in ((16, 0), (16, 1), (16, 125), (64, 0), (64, 125), (64, 126), (64, 65535))
    },
    "highest bit of the length set": (bytes.fromhex("827f8000000000000000"), [PROTOCOL_ERROR]),
    "all bits of the length set": (bytes.fromhex("827fffffffffffffffff"), [PROTOCOL_ERROR]),
}

HEADER_VECTORS = {
    **{
        f"reserved opcode 0x{opcode:x}{'' if fin else ', not final'}": (frame(opcode, b"x", fin=fin), [PROTOCOL_ERROR])
        for opcode in (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF)
        for fin in (True, False)
    },
    **{
        f"RSV bits 0x{bits:x} on opcode 0x{opcode:x}": (frame(opcode, first_bits=bits), [PROTOCOL_ERROR])
        for bits in (0x40, 0x20, 0x10, 0x70)
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
    },
    "RSV1 on a continuation": (frame(TEXT, fin=False) + frame(CONT, first_bits=0x40), [PROTOCOL_ERROR]),
    **{
        f"masked frame with opcode 0x{opcode:x}": (frame(opcode, mask=b"mask"), [PROTOCOL_ERROR])
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
    },
    "masked continuation": (frame(TEXT, fin=False) + frame(CONT, b"x", mask=bytes(4)), [PROTOCOL_ERROR]),
}

FRAGMENT_VECTORS = {
    "continuation of nothing": (frame(CONT, b"x"), [PROTOCOL_ERROR]),
    "continuation of nothing, not final": (frame(CONT, b"x", fin=False), [PROTOCOL_ERROR]),
    "continuation after a whole message": (frame(TEXT, b"a") + frame(CONT, b"b"), [text("a"), PROTOCOL_ERROR]),
    "continuation after the last fragment": (
        frame(TEXT, b"a", fin=False) + frame(CONT, b"b") + frame(CONT, b"c"),
        [text("ab"), PROTOCOL_ERROR],
    ),
    **{
        f"opcode 0x{second:x} within a message of 0x{first:x}{'' if fin else ', not final'}": (
            frame(first, b"a", fin=False) + frame(second, b"b", fin=fin),
            [PROTOCOL_ERROR],
        )
        for first in (TEXT, BINARY)
        for second in (TEXT, BINARY)
        for fin in (True, False)
    },
    "new message after empty first fragment": (frame(TEXT, fin=False) + frame(TEXT, b"b"), [PROTOCOL_ERROR]),
}

CONTROL_VECTORS = {
    "empty ping": (frame(PING), [("ping", b"")]),
    "empty pong": (frame(PONG), [("pong", b"")]),
    "ping of 125 bytes": (frame(PING, b"p" * 125), [("ping", b"p" * 125)]),
    "pong of 125 bytes": (frame(PONG, b"p" * 125), [("pong", b"p" * 125)]),
    "control frames between fragments": (
        frame(TEXT, b"Hel", fin=False)
        + frame(PING, b"1")
        + frame(PONG, b"2")
        + frame(CONT, b"l", fin=False)
        + frame(PING)
        + frame(CONT, b"o"),
        [("ping", b"1"), ("pong", b"2"), ("ping", b""), text("Hello")],
    ),
    "control frame inside a character": (
        frame(TEXT, b"\xe2", fin=False) + frame(PING, b"\x82") + frame(CONT, b"\x82\xac"),
        [("ping", b"\x82"), text("€")],
    ),
    "close between fragments": (frame(TEXT, b"Hel", fin=False) + frame(CLOSE) + frame(CONT, b"lo"), [EMPTY_CLOSE]),
    "ping before a message": (frame(PING, b"1") + frame(TEXT, b"a"), [("ping", b"1"), text("a")]),
    **{
        f"fragmented control frame 0x{opcode:x}": (frame(opcode, fin=False), [PROTOCOL_ERROR])
        for opcode in (CLOSE, PING, PONG)
    },
    **{
        f"control frame 0x{opcode:x} of 126 bytes": (frame(opcode, b"\x03\xe8" + b"p" * 124), [PROTOCOL_ERROR])
        for opcode in (CLOSE, PING, PONG)
    },
    **{
        f"control frame 0x{opcode:x} of 65536 bytes": (frame(opcode, b"\x03\xe8" * 32768), [PROTOCOL_ERROR])
        for opcode in (CLOSE, PING, PONG)
    },
    **{
        f"control frame 0x{opcode:x} of 2 bytes in the {form}-bit form": (
            frame(opcode, b"\x03\xe8", form=form),
            [PROTOCOL_ERROR],
        )
        for opcode in (CLOSE, PING, PONG)
        for form in (16, 64)
    },
}

CLOSE_VECTORS = {
    "empty close": (frame(CLOSE), [EMPTY_CLOSE]),
    "close with a code": (close(1000), [("close", 1000, "", b"\x03\xe8")]),
    "close with a reason": (close(1001, b"bye"), [("close", 1001, "bye", b"\x03\xe9bye")]),
    "close with a reason beyond ASCII": (
        close(4999, "tschüß".encode()),
        [("close", 4999, "tschüß", b"\x13\x87tsch\xc3\xbc\xc3\x9f")],
    ),
    "close with the longest reason": (
        close(1000, b"r" * 123),
        [("close", 1000, "r" * 123, b"\x03\xe8" + b"r" * 123)],
    ),
    "close with half a code": (frame(CLOSE, b"\x03"), [PROTOCOL_ERROR]),
    "close with 1005, which is never sent": (close(1005), [PROTOCOL_ERROR]),
    "close with a reason that is not UTF-8": (close(1000, b"\xff"), [BAD_TEXT]),
    "close with a reason that ends inside a character": (close(1000, b"ok\xe2\x82"), [BAD_TEXT]),
    "close with a bad code and a bad reason": (close(999, b"\xff"), [PROTOCOL_ERROR]),
    "message after close": (close(1000) + frame(TEXT, b"late"), [("close", 1000, "", b"\x03\xe8")]),
    "broken rule after close": (frame(CLOSE) + frame(0xF, b"x"), [EMPTY_CLOSE]),
    "second close": (frame(CLOSE) + close(1000), [EMPTY_CLOSE]),
    "half a header after close": (frame(CLOSE) + b"\x82\x7e\x01", [EMPTY_CLOSE]),
    "messages before close": (frame(TEXT, b"a") + frame(CLOSE), [text("a"), EMPTY_CLOSE]),
    "message after a broken rule": (frame(CONT) + frame(TEXT, b"late"), [PROTOCOL_ERROR]),
    "close after a broken rule": (frame(CONT) + close(1000), [PROTOCOL_ERROR]),
    "messages before a broken rule": (
        frame(TEXT, b"a") + frame(PING, b"b") + frame(0x3),
        [text("a"), ("ping", b"b"), PROTOCOL_ERROR],
    ),
}

BAD_TEXTS = {
    "continuation byte alone": b"\x80",
    "overlong slash": b"\xc0\xaf",
    "overlong NUL": b"\xc0\x80",
    "overlong three-byte form": b"\xe0\x80\xaf",
    "overlong four-byte form": b"\xf0\x80\x80\xaf",
    "surrogate D800": b"\xed\xa0\x80",
    "surrogate DFFF": b"\xed\xbf\xbf",
    "pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "U+110000": b"\xf4\x90\x80\x80",
    "five-byte form": b"\xf8\x88\x80\x80\x80",
    "FF": b"\xff",
    "character cut off": b"\xe2\x82(",
    "ends inside a two-byte character": b"ok\xc3",
    "ends inside a three-byte character": b"ok\xe2\x82",
    "ends inside a four-byte character": b"ok\xf0\x9f\x98",
}

TEXT_VECTORS = {
    **{f"short text, {name}": (frame(TEXT, data), [BAD_TEXT]) for name, data in BAD_TEXTS.items()},
    **{f"long text, {name}": (frame(TEXT, b"a" * 200 + data), [BAD_TEXT]) for name, data in BAD_TEXTS.items()},
    **{
        f"last fragment, {name}": (frame(TEXT, b"a", fin=False) + frame(CONT, data), [BAD_TEXT])
        for name, data in BAD_TEXTS.items()
    },
    "text ends inside a character with an empty last fragment": (
        frame(TEXT, b"\xe2\x82", fin=False) + frame(CONT),
        [BAD_TEXT],
    ),
    "first fragment, before the last one comes": (frame(TEXT, b"a\xffb", fin=False), [BAD_TEXT]),
    "bad text after a good one": (frame(TEXT, b"a") + frame(TEXT, b"\xff"), [text("a"), BAD_TEXT]),
    **{
        f"a character cut into fragments after byte {cut}": (
            frame(TEXT, "😀".encode()[:cut], fin=False) + frame(CONT, "😀".encode()[cut:]),
            [text("😀")],
        )
        for cut in (1, 2, 3)
    },
    "a character of one-byte fragments": (
        frame(TEXT, b"\xf0", fin=False)
        + frame(CONT, b"\x9f", fin=False)
        + frame(CONT, fin=False)
        + frame(CONT, b"\x98", fin=False)
        + frame(CONT, b"\x80"),
        [text("😀")],
    ),
}

VECTORS = {
    **RFC_VECTORS,
    **MESSAGE_VECTORS,
    **LENGTH_VECTORS,
    **BAD_LENGTH_VECTORS,
    **HEADER_VECTORS,
    **FRAGMENT_VECTORS,
    **CONTROL_VECTORS,
    **CLOSE_VECTORS,
    **TEXT_VECTORS,
}

# name: (max_message_size, bytes, events)
LIMIT_VECTORS = {
    "limit 0, empty text": (0, frame(TEXT), [text("")]),
    "limit 0, empty binary": (0, frame(BINARY), [binary(b"")]),
    "limit 0, empty fragments": (0, frame(BINARY, fin=False) + frame(CONT), [binary(b"")]),
    "limit 0, one byte": (0, frame(BINARY, b"x"), [TOO_BIG]),
    "limit 0, one byte in the second fragment": (0, frame(TEXT, fin=False) + frame(CONT, b"x"), [TOO_BIG]),
    "limit 0, control frames are not messages": (0, frame(PING, b"p" * 125), [("ping", b"p" * 125)]),
    "limit 10, ten bytes": (10, frame(BINARY, b"x" * 10), [binary(b"x" * 10)]),
    "limit 10, eleven bytes": (10, frame(BINARY, b"x" * 11), [TOO_BIG]),
    "limit 10, eleven bytes of text": (10, frame(TEXT, b"x" * 11), [TOO_BIG]),
    "limit 10, bytes count and not characters": (10, frame(TEXT, "€".encode() * 4), [TOO_BIG]),
    "limit 10, 126 bytes": (10, frame(BINARY, b"x" * 126), [TOO_BIG]),
    "limit 10, 65536 bytes": (10, frame(BINARY, b"x" * 65536), [TOO_BIG]),
    "limit 10, fragments of ten": (
        10,
        frame(BINARY, b"12345", fin=False) + frame(CONT, b"67890"),
        [binary(b"1234567890")],
    ),
    "limit 10, fragments of eleven": (10, frame(BINARY, b"12345", fin=False) + frame(CONT, b"678901"), [TOO_BIG]),
    "limit 10, third fragment over": (
        10,
        frame(BINARY, b"12345", fin=False) + frame(CONT, b"67890", fin=False) + frame(CONT, b"1", fin=False),
        [TOO_BIG],
    ),
    "limit 10, each message counts for itself": (
        10,
        frame(BINARY, b"x" * 10) + frame(TEXT, b"12345", fin=False) + frame(CONT, b"67890") + frame(TEXT, b"y" * 10),
        [binary(b"x" * 10), text("1234567890"), text("y" * 10)],
    ),
    "limit 10, a control frame between fragments does not count": (
        10,
        frame(BINARY, b"12345", fin=False) + frame(PING, b"p" * 100) + frame(CONT, b"67890"),
        [("ping", b"p" * 100), binary(b"1234567890")],
    ),
    "limit 125, 125 bytes": (125, frame(BINARY, b"x" * 125), [binary(b"x" * 125)]),
    "limit 125, 126 bytes": (125, frame(BINARY, b"x" * 126), [TOO_BIG]),
    "limit 126, 126 bytes": (126, frame(BINARY, b"x" * 126), [binary(b"x" * 126)]),
    "limit 65535, 65536 bytes": (65535, frame(BINARY, b"x" * 65536), [TOO_BIG]),
    "limit 65536, 65536 bytes": (65536, frame(BINARY, b"x" * 65536), [binary(b"x" * 65536)]),
    "limit 10, nothing comes after": (10, frame(BINARY, b"x" * 11) + frame(TEXT, b"late"), [TOO_BIG]),
    "limit 10, message before": (10, frame(TEXT, b"a") + frame(TEXT, b"x" * 11), [text("a"), TOO_BIG]),
    "limit 10, a broken rule counts before the size": (10, frame(CONT, b"x" * 11), [PROTOCOL_ERROR]),
}

ALL_VECTORS = {**{name: (LIMIT, *vector) for name, vector in VECTORS.items()}, **LIMIT_VECTORS}


@pytest.mark.parametrize(("limit", "data", "expected"), ALL_VECTORS.values(), ids=ALL_VECTORS)
def test_bytes_fed_whole_give_these_events(limit, data, expected):
    assert decode(data, (), limit) == expected


def test_bytes_fed_one_by_one_give_the_same_events():
    for name, (limit, data, expected) in ALL_VECTORS.items():
        assert decode(data, range(1, len(data)), limit) == expected, name


def test_bytes_cut_once_give_the_same_events():
    for name, (limit, data, expected) in ALL_VECTORS.items():
        # Every cut of a short vector; of a long one those near its ends, where the headers are.
        cuts = range(len(data)) if len(data) < 100 else (*range(20), 127, 128, *range(len(data) - 20, len(data)))
        for cut in cuts:
            assert decode(data, (cut,), limit) == expected, (name, cut)


@settings(deadline=None, max_examples=150, database=None)
@given(st.sampled_from(sorted(ALL_VECTORS)), st.lists(st.floats(0, 1), max_size=6))
def test_bytes_cut_anywhere_give_these_events(name, places):
    limit, data, expected = ALL_VECTORS[name]
    assert decode(data, [int(place * len(data)) for place in places], limit) == expected


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


@settings(deadline=None, max_examples=80, database=None)
@given(streams(), st.lists(st.floats(0, 1), max_size=5))
def test_any_stream_of_messages_comes_out_as_it_went_in(stream, places):
    data, expected = stream
    assert decode(data, [int(place * len(data)) for place in places]) == expected


# Close codes.


def test_a_close_frame_may_carry_exactly_the_codes_of_the_rfc_and_the_registry():
    # RFC 6455 7.4.1 without 1004, 1005, 1006 and 1015; 1012 to 1014 from the IANA registry; 7.4.2 for the ranges.
    allowed = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, *range(3000, 5000)}
    for code in [*range(5001), 32768, 65535]:
        expected = ("close", code, "", struct.pack("!H", code)) if code in allowed else PROTOCOL_ERROR
        assert decode(close(code)) == [expected]


# Failing at the first byte that tells.


@pytest.mark.parametrize(
    ("limit", "header"),
    [
        (10, "820b"),
        (10, "810b"),
        (10, "020b"),
        (125, "827e 007e"),
        (300, "827e 012d"),
        (65535, "827f 0000000000010000"),
        (LIMIT, "817f 7fffffffffffffff"),
        (LIMIT, "827f 0000000100000000"),
    ],
)
def test_a_message_over_the_limit_is_refused_when_its_header_is_complete(limit, header):
    data = bytes.fromhex(header)
    assert decode(data[:-1], (), limit) == []
    assert decode(data, (), limit) == [TOO_BIG]
    assert decode(data, range(1, len(data)), limit) == [TOO_BIG]


@pytest.mark.parametrize("header", ["0006", "8006", "807e 0100", "807f 0000000000010000"])
def test_a_sum_of_fragments_over_the_limit_is_refused_when_the_last_header_is_complete(header):
    data = frame(BINARY, b"12345", fin=False) + bytes.fromhex(header)
    assert decode(data[:-1], (), 10) == []
    assert decode(data, (), 10) == [TOO_BIG]


def test_a_limit_of_a_whole_64_bit_length_lets_the_largest_frame_begin():
    assert decode(bytes.fromhex("827f 7fffffffffffffff") + b"some", (), (1 << 63) - 1) == []


@pytest.mark.parametrize(
    "header",
    ["c100", "9100", "a100", "8180", "8300", "8b00", "0900", "897e", "887f", "8000", "887e", "8a7f"],
)
def test_a_broken_rule_in_the_first_two_bytes_fails_before_more_comes(header):
    assert decode(bytes.fromhex(header)) == [PROTOCOL_ERROR]


def test_a_length_in_a_longer_form_fails_before_the_payload_comes():
    assert decode(bytes.fromhex("827e007d")) == [PROTOCOL_ERROR]
    assert decode(bytes.fromhex("827f000000000000ffff")) == [PROTOCOL_ERROR]


@pytest.mark.parametrize(
    ("good", "bad"), [(b"a", b"\xff"), (b"\xe0", b"\x80"), (b"\xf4", b"\x90"), (b"\xe2\x82", b"a"), (b"a", b"\x80")]
)
@pytest.mark.parametrize("start", [frame(TEXT, fin=False) + b"\x80\x64", b"\x81\x64", b"\x81\x7e\x10\x00", b"\x01\x64"])
def test_bad_text_fails_with_the_byte_that_is_bad_and_not_at_the_end(start, good, bad):
    decoder = Decoder(LIMIT)
    assert decoder.receive_data(start + good) == []
    assert [describe(event) for event in decoder.receive_data(bad)] == [BAD_TEXT]


# The limit on fragments.


@pytest.mark.parametrize("fragments", [1, 2, 3])
def test_a_message_may_have_as_many_fragments_as_the_limit_says(monkeypatch, fragments):
    monkeypatch.setattr(decoder_module, "MAX_FRAGMENTS", 3)
    data = frame(TEXT, fin=fragments == 1)
    data += b"".join(frame(CONT, b"x", fin=number == fragments) for number in range(2, fragments + 1))
    assert decode(data * 2) == [text("x" * (fragments - 1))] * 2


@pytest.mark.parametrize("last", ["0000", "8000", "0005"])
def test_a_fragment_too_many_is_refused_when_its_header_is_complete(monkeypatch, last):
    monkeypatch.setattr(decoder_module, "MAX_FRAGMENTS", 3)
    data = frame(TEXT, fin=False) + frame(CONT, fin=False) * 2
    assert decode(data) == []
    assert decode(data + bytes.fromhex(last)) == [TOO_BIG]


def test_control_frames_are_no_fragments(monkeypatch):
    monkeypatch.setattr(decoder_module, "MAX_FRAGMENTS", 2)
    data = frame(TEXT, b"a", fin=False) + frame(PING) * 5 + frame(CONT, b"b")
    assert decode(data) == [("ping", b"")] * 5 + [text("ab")]


def test_endless_empty_fragments_are_ended_by_a_limit_of_a_million_or_so():
    assert decoder_module.MAX_FRAGMENTS == 1 << 20


# After the end.


@pytest.mark.parametrize("data", [frame(CLOSE), close(1000), frame(0x3), frame(TEXT, b"\xff"), b"\x82\x7e\x00\x7d"])
def test_after_the_last_event_further_bytes_are_ignored(data):
    decoder = Decoder(LIMIT)
    assert len(decoder.receive_data(data)) == 1
    assert decoder.receive_data(frame(TEXT, b"late")) == []
    assert decoder.receive_data(b"\xff\xff") == []


@pytest.mark.parametrize("data", [frame(CLOSE), frame(0x3), frame(TEXT, b"\xff"), frame(TEXT, b"\xff" * 126)])
def test_a_decoder_is_dead_after_a_close_frame_or_a_violation(data):
    decoder = Decoder(LIMIT)
    assert not decoder.is_dead
    decoder.receive_data(data)
    assert decoder.is_dead


@pytest.mark.parametrize("data", [frame(TEXT, b"a"), frame(PING), frame(TEXT, b"a", fin=False), b"\x81", b"\x88"])
def test_a_decoder_lives_on_after_anything_else(data):
    decoder = Decoder(LIMIT)
    decoder.receive_data(data)
    assert not decoder.is_dead


def test_an_empty_piece_changes_nothing():
    decoder = Decoder(LIMIT)
    events = []
    for piece in (b"", b"\x81", b"", b"\x7e\x00", b"", b"\xc8", b"", b"x" * 199, b"", b"x", b""):
        events += decoder.receive_data(piece)
    assert [describe(event) for event in events] == [text("x" * 200)]


# Errors.


def test_a_violation_carries_the_error_with_its_close_code():
    (event,) = Decoder(LIMIT).receive_data(frame(TEXT, b"\xff"))
    assert event.error.close_code == event.code == 1007


def test_a_message_over_the_limit_says_its_size_and_the_limit():
    (event,) = Decoder(1000).receive_data(frame(BINARY, b"x" * 900, fin=False) + frame(CONT, b"x" * 101))
    assert "1001 bytes" in event.error.message
    assert "1000" in event.error.message


def test_every_violation_names_itself_in_ascii_short_enough_for_a_close_frame():
    messages = [
        event.error.message
        for limit, data, _expected in ALL_VECTORS.values()
        for event in Decoder(limit).receive_data(data)
        if isinstance(event, Violation)
    ]
    assert len(messages) > 100
    assert all(message.isascii() and 0 < len(message) <= 123 for message in messages)


# The message objects.


def single(data, message_class=Message):
    (message,) = Decoder(LIMIT, message_class).receive_data(data)
    return message


def test_a_short_text_message_has_both_text_and_payload():
    message = single(frame(TEXT, "né".encode()))
    assert (message.text, message.payload) == ("né", b"n\xc3\xa9")
    assert type(message.payload) is bytes
    assert message.message_type is SocketMessageType.UTF8


@pytest.mark.parametrize(
    "data", [frame(TEXT, b"x" * 200), frame(TEXT, b"x" * 100, fin=False) + frame(CONT, b"x" * 100)]
)
def test_a_text_message_that_came_in_pieces_has_only_text(data):
    message = single(data)
    assert (message.text, message.payload, message.length) == ("x" * 200, None, 200)
    assert message.message_type is SocketMessageType.UTF8


def test_a_short_binary_message_has_bytes():
    message = single(frame(BINARY, b"abc"))
    assert (type(message.payload), message.payload, message.text) == (bytes, b"abc", None)
    assert message.message_type is SocketMessageType.BINARY


@pytest.mark.parametrize(
    "data", [frame(BINARY, b"x" * 200), frame(BINARY, b"x" * 100, fin=False) + frame(CONT, b"x" * 100)]
)
def test_a_binary_message_that_came_in_pieces_is_one_bytes_object(data):
    message = single(data)
    assert (type(message.payload), message.payload, message.text) == (bytes, b"x" * 200, None)
    assert message.message_type is SocketMessageType.BINARY


def test_messages_do_not_share_their_payload():
    first, second = Decoder(LIMIT).receive_data(frame(BINARY, b"x" * 200) + frame(BINARY, b"y" * 200))
    assert first.payload == b"x" * 200
    assert second.payload == b"y" * 200


@pytest.mark.parametrize("data", [frame(TEXT), frame(TEXT, b"x"), frame(BINARY, b"x" * 126), frame(TEXT, b"x" * 126)])
def test_messages_are_of_the_class_asked_for_and_its_constructor_is_not_called(data):
    class Arguments(Message):
        __slots__ = ()

        def __init__(self):
            raise AssertionError("the constructor was called")

    message = single(data, Arguments)
    assert type(message) is Arguments
    assert message.error is None


# Work and memory.


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(BINARY, b"\0" * 262144), id="one large binary frame"),
        pytest.param(frame(TEXT, "€".encode() * 30000), id="one large text frame"),
        pytest.param(frame(TEXT, b"x", fin=False) + frame(CONT, b"y", fin=False) * 20000, id="tiny fragments"),
        pytest.param(frame(PING, b"p" * 125) * 200, id="control frames"),
        pytest.param(frame(BINARY, b"x" * 125) * 200, id="small messages"),
    ],
)
def test_what_waits_between_two_bytes_is_never_more_than_a_header_or_control_frame(data):
    # What waits is copied once more with the next byte, and nothing else is, so this bounds the work for each byte.
    decoder = Decoder(LIMIT)
    most = 0
    for index in range(len(data)):
        decoder.receive_data(data[index : index + 1])
        if len(decoder._unread) > most:
            most = len(decoder._unread)
    assert 0 < most <= MOST_LEFT_OVER


def test_every_payload_byte_is_decoded_as_text_once(monkeypatch):
    taken = []

    class Counting(decoder_module.TextAssembler):
        __slots__ = ()

        def add(self, piece):
            taken.append(len(piece))
            super().add(piece)

    monkeypatch.setattr(decoder_module, "TextAssembler", Counting)
    data = frame(TEXT, b"x" * 5000, fin=False) + frame(CONT, b"y" * 5000)
    assert decode(data, range(1, len(data))) == [text("x" * 5000 + "y" * 5000)]
    assert sum(taken) == 10000


def peak_bytes(run):
    """Return the most memory that `run()` held at once."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_header_alone_takes_no_memory_for_its_payload():
    decoder = Decoder(1 << 40)
    assert peak_bytes(lambda: decoder.receive_data(bytes.fromhex("827f 000000ff00000000") + b"some")) < 10_000


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_tiny_fragments_takes_about_as_much_memory_as_its_bytes(opcode):
    decoder = Decoder(LIMIT)
    data = frame(opcode, b"x", fin=False)
    following = frame(CONT, b"y", fin=False)

    def feed():
        decoder.receive_data(data)
        for _ in range(20000):
            decoder.receive_data(following)

    # io.StringIO keeps 4 bytes for each character, and grows by an eighth or so; a list of pieces would take 50.
    assert peak_bytes(feed) < 20000 * 12


def test_a_dead_decoder_keeps_nothing_of_the_message_under_way():
    decoder = Decoder(LIMIT)
    decoder.receive_data(b"\x02\x7f\x00\x00\x00\x00\x00\x03\x00\x00" + bytes(0x30000))
    decoder.receive_data(frame(CLOSE))
    assert decoder.is_dead
    assert decoder._binary is None
