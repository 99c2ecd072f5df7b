"""Tests of large frames: received into memory of their own where the compiled part is there, and decoded once."""

import pytest
from support.wire import LIMIT, frame, pattern

from syncws._wire import frame_buffer
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
    buffers = [FrameBuffer() for _ in range(3)]
    memory = buffers[0]._memory
    for buffer in buffers:
        buffer.give_back()
    assert len(stock) == 2
    assert stock[0] is memory
    FrameBuffer()
    assert len(stock) == 1


def test_memory_of_text_that_was_refused_is_used_again(monkeypatch):
    stock = []
    monkeypatch.setattr(frame_buffer, "_stock", stock)
    events, _ = receive(frame(TEXT, b"x" * LARGE + b"\xff"))
    assert events[0].code == 1007
    assert len(stock) == 1


def test_a_part_of_the_room_is_counted_and_released():
    buffer = FrameBuffer()
    buffer.add(b"abc", 7)
    room = buffer.add(memoryview(bytearray(b"de")), 5)
    assert len(room) == 5
    room[:3] = b"fgh"
    part = room[:3]
    assert len(buffer.add(part, 2)) == 2
    with pytest.raises(ValueError, match="released"):
        part[0]
    buffer.add(b"ij", 0)
    assert buffer.content() == b"abcdefghij"
