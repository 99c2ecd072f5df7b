"""What a server may and may not send, and the events it stands for: name, bytes, descriptions of whole messages."""

from support.wire import BINARY, CLOSE, CONT, LIMIT, PING, PONG, TEXT, binary, close, frame, text
from syncws.errors import MessageTooBigError, ProtocolViolationError

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
