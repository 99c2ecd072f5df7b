"""Frames as lines of the debug log: kinds, ends of payloads, what is escaped, in any split, masked or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import server_frame

from syncws._wire.frames import BINARY, CLOSE, CONTINUATION, FRAGMENT_BYTES, PING, PONG, TEXT, encode_frame
from syncws._wire.seen import FrameScanner


def lines_of(*pieces):
    scanner = FrameScanner()
    return [str(frame) for piece in pieces for frame in scanner.feed(piece)]


LINES = {
    (TEXT, b"hello"): "TEXT 'hello' [5 bytes]",
    (TEXT, b""): "TEXT [0 bytes]",
    (TEXT, b"x"): "TEXT 'x' [1 byte]",
    (BINARY, b"\0\1\2"): "BINARY 00 01 02 [3 bytes]",
    (BINARY, b""): "BINARY [0 bytes]",
    (BINARY, bytes(range(32))): f"BINARY {bytes(range(32)).hex(' ')} [32 bytes]",
    (BINARY, bytes(range(100))): "BINARY 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f … "
    "54 55 56 57 58 59 5a 5b 5c 5d 5e 5f 60 61 62 63 [100 bytes]",
    (TEXT, "Grüße € 😀".encode()): "TEXT 'Grüße € 😀' [16 bytes]",
    (TEXT, b"a\r\n\x1b[31m\x7f"): r"TEXT 'a\r\n\x1b[31m\x7f' [9 bytes]",
    (TEXT, "\u202egnp.exe\u2028".encode()): r"TEXT '\u202egnp.exe\u2028' [13 bytes]",
    (TEXT, b"a' [5 bytes]"): 'TEXT "a\' [5 bytes]" [12 bytes]',
    (TEXT, b"\xff\xfe"): r"TEXT '\\xff\\xfe' [2 bytes]",
    (TEXT, b"x" * 96): f"TEXT '{'x' * 96}' [96 bytes]",
    (TEXT, b"a" * 500 + b"b" * 500): f"TEXT '{'a' * 48}…{'b' * 24}' [1000 bytes]",
    (TEXT, ("é" * 500).encode()): f"TEXT '{'é' * 32}…{'é' * 24}' [1000 bytes]",
    (TEXT, ("é" * 500 + "x").encode()): f"TEXT '{'é' * 32}…{'é' * 23}x' [1001 bytes]",
    (PING, b""): "PING [0 bytes]",
    (PING, b"are you there"): "PING 'are you there' [13 bytes]",
    (PONG, b"\0\1\2\3"): "PONG 00 01 02 03 [4 bytes]",
    (CLOSE, b""): "CLOSE without a code",
    (CLOSE, b"\3"): "CLOSE 03 [1 byte]",
    (CLOSE, b"\x03\xe8"): "CLOSE 1000 (OK)",
    (CLOSE, b"\x03\xe9bye\n"): r"CLOSE 1001 (going away) 'bye\n'",
    (CLOSE, b"\x0b\xb8"): "CLOSE 3000 (registered)",
    (CLOSE, b"\x0f\xa0"): "CLOSE 4000 (private use)",
    (CLOSE, b"\0\1"): "CLOSE 1 (unknown)",
    (CLOSE, b"\x03\xe8" + b"r" * 123): f"CLOSE 1000 (OK) '{'r' * 48}…{'r' * 24}'",
}


@pytest.mark.parametrize(("opcode", "payload"), LINES)
def test_a_frame_is_a_line_masked_or_not(opcode, payload):
    expected = LINES[opcode, payload]
    assert lines_of(server_frame(opcode, payload)) == [expected]
    assert lines_of(encode_frame(opcode, payload)) == [expected]


def test_a_message_of_several_frames_keeps_its_kind():
    frames = [
        server_frame(TEXT, b"h\xc3", fin=False),
        server_frame(PING, b"p"),
        server_frame(CONTINUATION, b"\xa4llo", fin=False),
        server_frame(CONTINUATION),
        server_frame(BINARY, b"\1", fin=False),
        server_frame(CONTINUATION, b"\2"),
    ]
    assert lines_of(b"".join(frames)) == [
        # Half of a character is shown with neither frame.
        "TEXT 'h' [2 bytes, continued]",
        "PING 'p' [1 byte]",
        r"TEXT '\\xa4llo' [4 bytes, continued, continuation]",
        "TEXT [0 bytes, continuation]",
        "BINARY 01 [1 byte, continued]",
        "BINARY 02 [1 byte, continuation]",
    ]


def test_what_is_deflated_is_shown_in_bytes():
    frames = [
        server_frame(TEXT, b"\xca\x48\xcd", rsv=0x40, fin=False),
        server_frame(PING, b"p"),
        # Says nothing of it, and belongs to it.
        server_frame(CONTINUATION, b"\x68\x69"),
        server_frame(TEXT, b"hi"),
    ]
    assert lines_of(b"".join(frames)) == [
        "TEXT ca 48 cd [3 bytes, deflated, continued]",
        "PING 'p' [1 byte]",
        "TEXT 68 69 [2 bytes, deflated, continuation]",
        "TEXT 'hi' [2 bytes]",
    ]


def test_both_sizes_are_shown_where_they_are_known():
    (frame,) = FrameScanner().feed(server_frame(TEXT, b"\xca\x48\xcd", rsv=0x40))
    frame.plain_length = 5
    assert str(frame) == "TEXT ca 48 cd [3 bytes, deflated from 5]"


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 200_000])
def test_every_length_is_read_and_the_ends_are_kept(size):
    data = b"begin" + bytes(size - 8) + b"end"
    for frame in (server_frame(BINARY, data), encode_frame(BINARY, data)):
        for step in (1 << 20, FRAGMENT_BYTES, 1000):
            pieces = [frame[start : start + step] for start in range(0, len(frame), step)]
            (line,) = lines_of(*pieces)
            assert line.startswith("BINARY 62 65 67 69 6e 00")
            assert line.endswith(f"65 6e 64 [{size} bytes]")


@given(
    st.lists(
        st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG, CLOSE]), st.binary(max_size=125), st.booleans()),
        max_size=5,
    ),
    st.lists(st.integers(1, 20), min_size=1, max_size=20),
)
def test_any_split_gives_the_same_lines(frames, steps):
    data = b"".join((encode_frame if masked else server_frame)(opcode, payload) for opcode, payload, masked in frames)
    pieces, position, index = [], 0, 0
    while position < len(data):
        step = steps[index % len(steps)]
        pieces.append(memoryview(data)[position : position + step])
        position += step
        index += 1
    assert lines_of(*pieces) == lines_of(data)
    assert len(lines_of(data)) == len(frames)


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(data):
    for line in lines_of(data):
        assert line.isprintable()
