"""Tests of large frames: received into memory of their own where the compiled part is there, and decoded once."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import LIMIT, frame, pattern, peak_bytes

from syncws._wire import frame_buffer
from syncws._wire.accelerated import accelerated, speedups
from syncws._wire.binary import BinaryAssembler
from syncws._wire.decoder import Decoder
from syncws._wire.frame_buffer import FrameBuffer
from syncws._wire.frames import BINARY, CONTINUATION, PING, TEXT
from syncws._wire.incoming import Ping

LARGE = 300_000
# Of binary messages Python's form has no room for anybody else: see there.
HAS_ROOM = BinaryAssembler.__module__ != "syncws._wire.binary"
# One, two, three and four bytes of UTF-8; a prime number of them, so that pieces end anywhere in a character.
TEXTS = {
    "ASCII": "plain text. ",
    "Latin-1": "Gr\u00fc\u00dfe, \u00e7a va ",
    "two bytes": "Za\u017c\u00f3\u0142\u0107 \u65e5\u672c\u8a9e",
    "four bytes": "\U0001f600 a\u00e9\u20ac\U0010ffff",
}


def long_text(kind):
    part = TEXTS[kind]
    return part * (LARGE // len(part.encode()))


def receive(data, sizes=(4096, 100_000, 1, 65_536), limit=1 << 24):
    """Decode as the reader does: into the decoder's room while it has some, `sizes` bytes at a time, in turn."""
    decoder = Decoder(limit)
    events = []
    into_room = turn = 0
    while data:
        size = sizes[turn % len(sizes)]
        turn += 1
        room = decoder.room
        if room is None:
            events += decoder.receive_data(data[:size])
        else:
            size = min(size, len(room))
            room[:size] = data[:size]
            into_room += size
            events += decoder.receive_data(room[:size])
        data = data[size:]
    return events, into_room


@pytest.mark.parametrize("sizes", [(4096, 100_000), (4096, 1 << 20), (5000, 1, 65_536)])
def test_a_large_binary_frame_is_received_into_its_own_memory(sizes):
    payload = pattern(LARGE)
    events, into_room = receive(frame(BINARY, payload), sizes)
    assert [(event.payload, event.text, event.length) for event in events] == [(payload, None, LARGE)]
    assert type(events[0].payload) is bytes
    assert into_room > LARGE // 2 if HAS_ROOM else not into_room


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("sizes", [(4096, 100_000), (4097, 1 << 20), (5003, 1, 65_537)])
def test_a_large_text_frame_is_received_into_its_own_memory_and_decoded(kind, sizes):
    expected = long_text(kind)
    events, into_room = receive(frame(TEXT, expected.encode()), sizes)
    assert [(event.text, event.length) for event in events] == [(expected, len(expected.encode()))]
    assert into_room > LARGE // 2


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("piece", [10_000, 1 << 20])
def test_bytes_in_an_object_of_their_own_are_taken_as_well(opcode, piece):
    content = long_text("two bytes").encode()
    data = frame(opcode, content) + frame(PING, b"next")
    decoder = Decoder(LIMIT * 1000)
    events = []
    for start in range(0, len(data), piece):
        events += decoder.receive_data(data[start : start + piece])
    message, ping = events
    assert (message.payload or message.text.encode()) == content
    assert isinstance(ping, Ping)
    assert decoder.room is None


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_large_fragments_and_small_ones_make_one_message(opcode):
    content = long_text("four bytes").encode()
    parts = (content[:10], content[10:150_001], content[150_001:150_002], content[150_002:])
    data = b"".join(
        frame(CONTINUATION if index else opcode, part, fin=index == 3) + frame(PING, b"")
        for index, part in enumerate(parts)
    )
    events, into_room = receive(data, (4096,))
    messages = [event for event in events if not isinstance(event, Ping)]
    assert [message.payload or message.text.encode() for message in messages] == [content]
    assert messages[0].length == len(content)
    assert len(events) == 5
    assert into_room > 100_000 if HAS_ROOM or opcode == TEXT else not into_room


@pytest.mark.parametrize("at", [0, 5000, 150_000, LARGE - 1])
def test_text_that_is_not_utf_8_is_refused_at_the_end_of_its_frame_at_the_latest(at):
    content = bytearray(b"x" * LARGE)
    content[at] = 0xFF
    events, _ = receive(frame(TEXT, bytes(content)))
    assert [event.code for event in events] == [1007]


@pytest.mark.parametrize("size", [4096, 100_000])
def test_text_that_ends_inside_a_character_is_refused(size):
    events, _ = receive(frame(TEXT, b"x" * LARGE + b"\xe2\x82"), (size,))
    assert [event.code for event in events] == [1007]


def test_a_dead_decoder_has_no_room():
    decoder = Decoder(1 << 24)
    decoder.receive_data(frame(BINARY, pattern(LARGE))[:5000])
    assert (decoder.room is not None) is HAS_ROOM
    decoder._die()
    assert decoder.room is None


def test_of_a_text_frame_of_over_a_mebibyte_the_last_one_is_gathered():
    content = "\u20ac" * 400_000
    events, into_room = receive(frame(TEXT, content.encode()))
    assert [event.text for event in events] == [content]
    assert 500_000 < into_room <= 1 << 20


def test_the_largest_text_frame_that_is_gathered_is_a_mebibyte():
    content = "x" * (1 << 20)
    events, into_room = receive(frame(TEXT, content.encode()))
    assert [event.text for event in events] == [content]
    assert into_room


def test_memory_is_used_again_and_no_more_than_two_of_it_is_kept(monkeypatch):
    stock = []
    monkeypatch.setattr(frame_buffer, "_stock", stock)
    buffers = [FrameBuffer(10, is_ascii=False) for _ in range(3)]
    memory = buffers[0]._memory
    for buffer in buffers:
        buffer.give_back()
    assert len(stock) == 2
    assert stock[0] is memory
    FrameBuffer(10, is_ascii=False)
    assert len(stock) == 1


def test_memory_of_text_that_was_refused_is_used_again(monkeypatch):
    stock = []
    monkeypatch.setattr(frame_buffer, "_stock", stock)
    events, _ = receive(frame(TEXT, "\u20ac".encode() * (LARGE // 3) + b"\xff"))
    assert events[0].code == 1007
    assert len(stock) == 1


@pytest.mark.parametrize("is_ascii", [False, True])
def test_a_part_of_the_room_is_counted_and_released(is_ascii):
    buffer = FrameBuffer(10, is_ascii=is_ascii)
    buffer.add(b"abc")
    buffer.add(memoryview(bytearray(b"de")))
    room = buffer.room(5)
    assert len(room) == 5
    room[:3] = b"fgh"
    part = room[:3]
    buffer.add(part)
    with pytest.raises(ValueError, match="released"):
        part[0]
    assert len(buffer.room(2)) == 2
    buffer.add(b"ij")
    assert buffer.content() == b"abcdefghij"


# Text that is ASCII, whose memory is the text's own where it is compiled.


@pytest.mark.parametrize("at", [0, 1023, 1024, 4095, 4096, 150_000, LARGE - 1])
@pytest.mark.parametrize("kind", ["Latin-1", "four bytes"])
def test_text_that_is_ascii_but_for_one_place_is_decoded(kind, at):
    odd = TEXTS[kind][-1] if kind == "four bytes" else "\xe9"
    expected = "x" * at + odd + "y" * (LARGE - 1 - at)
    events, into_room = receive(frame(TEXT, expected.encode()))
    assert [event.text for event in events] == [expected]
    assert into_room


def test_ascii_behind_the_first_byte_of_a_character_is_refused():
    data = frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"x" * LARGE)
    events, _ = receive(data)
    assert [event.code for event in events] == [1007]


def test_an_ascii_frame_between_others_keeps_its_place():
    parts = ["\u20ac" * 10, "a" * LARGE, "small", "\u20ac" * 40_000, "b" * LARGE]
    data = b"".join(
        frame(CONTINUATION if index else TEXT, part.encode(), fin=index == len(parts) - 1)
        for index, part in enumerate(parts)
    )
    events, _ = receive(data, (4096, 100_000))
    assert [event.text for event in events] == ["".join(parts)]


BAD = [b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, LARGE), st.sampled_from(["\x80", "\xe9", "\u20ac", "\U0001f600"])), max_size=3),
    st.none()
    | st.tuples(st.integers(0, LARGE), st.sampled_from([b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80"])),
    st.integers(1, 5000),
    st.lists(st.integers(2000, 1 << 17), min_size=1, max_size=4),
)
def test_a_large_text_is_what_python_makes_of_it_however_it_comes(odd, bad, first, sizes):
    characters = ["x"] * LARGE
    for at, character in odd:
        characters[at % LARGE] = character
    content = "".join(characters).encode()
    if bad is not None:
        at = min(bad[0], len(content))
        content = content[:at] + bad[1] + content[at:]
    try:
        expected = [content.decode()]
    except UnicodeDecodeError:
        expected = [1007]
    events, _ = receive(frame(TEXT, content), [first, *sizes])
    assert [getattr(event, "text", None) or event.code for event in events] == expected


@pytest.mark.parametrize("claimed", [1 << 20, 1 << 30])
def test_a_header_alone_takes_no_memory(claimed):
    head = b"\x81\x7f" + claimed.to_bytes(8, "big")

    def begin():
        decoder = Decoder(1 << 31)
        assert not decoder.receive_data(head + b"x" * 1000)
        assert decoder.room is None

    assert peak_bytes(begin) < 1 << 18


compiled = pytest.mark.skipif(not accelerated, reason="in plain Python there is none")


@compiled
def test_memory_that_is_ascii_becomes_the_text_and_nothing_else_does():
    memory = speedups.TextMemory(4)
    with memoryview(memory) as view:
        assert (view.nbytes, view.readonly) == (4, False)
        view[:] = b"abcd"
        assert memory.check(2)
        assert memory.take() is None
        assert memory.check(4)
        # Somebody could still write.
        assert memory.take() is None
    text = memory.take()
    assert (text, hash(text)) == ("abcd", hash("ab" + "cd"))
    assert memory.take() is None
    with pytest.raises(BufferError, match="taken"):
        memoryview(memory)
    with pytest.raises(ValueError, match="nothing"):
        memory.check(4)


@compiled
def test_memory_that_is_not_ascii_stays_memory():
    memory = speedups.TextMemory(4)
    with memoryview(memory) as view:
        view[:] = b"ab\xffd"
        assert memory.check(2)
        assert not memory.check(4)
    assert memory.take() is None
    assert bytes(memory) == b"ab\xffd"


@compiled
@pytest.mark.parametrize("arguments", [(), (0,), (-1,), ("1",), (1, 2), (sys.maxsize,)])
def test_memory_has_a_size(arguments):
    with pytest.raises((TypeError, MemoryError)):
        speedups.TextMemory(*arguments)
    with pytest.raises(TypeError):
        speedups.TextMemory(size=1)


@compiled
@pytest.mark.parametrize("stop", [-1, 1, 5, "2", 1 << 100])
def test_what_is_not_there_cannot_be_checked(stop):
    memory = speedups.TextMemory(4)
    with memoryview(memory) as view:
        view[:] = b"abcd"
    assert memory.check(2)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        memory.check(stop)
