"""Much that was received by one read, as a view of memory that is used again: where the compiled part is there."""

import os
import random
import socket
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import describe, feed, frame, pattern

from syncws._wire.accelerated import speedups
from syncws._wire.decoder import Decoder
from syncws._wire.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT
from syncws._wire.incoming import Violation

pytestmark = pytest.mark.skipif(speedups is None or os.name == "nt", reason="in plain Python, and on Windows")

LIMIT = 1 << 24
SCANNED = 262144


def view_of(data):
    """Return the bytes as a large read gives them: a view, or bytes where they are few."""
    near, far = socket.socketpair()
    with near, far:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        far.setblocking(False)
        kept = deque()
        assert far.send(data) == len(data)
        assert speedups.receive_much(near, kept, speedups.MUCH_BYTES) == len(data)
    return kept.pop()


def views_of(data, cuts):
    """Return the decoder's events, for data that comes in pieces of these sizes in turn."""
    decoder = Decoder(LIMIT)
    events, turn = [], 0
    while data:
        size = min(cuts[turn % len(cuts)], speedups.MUCH_BYTES)
        turn += 1
        room = decoder.room
        if room is None:
            events += decoder.receive_data(view_of(data[:size]))
        else:
            size = min(size, len(room))
            room[:size] = data[:size]
            events += decoder.receive_data(room[:size])
        data = data[size:]
    return events


def told(events):
    return [(event.code, event.error.message) if isinstance(event, Violation) else describe(event) for event in events]


@pytest.mark.parametrize("size", [1, 4096, 4097, 65_536])
def test_a_large_read_gives_what_came(size):
    piece = view_of(pattern(size))
    assert piece == pattern(size)
    assert type(piece) is (bytes if size <= 4096 else memoryview)


def test_what_was_left_is_put_before_a_view_without_a_copy_of_that():
    data = pattern(50_000)
    view = view_of(data)
    for left in (b"left", b"", b"x" * SCANNED):
        # Again and again, as after an interruption.
        joined = speedups.join(left, view)
        assert joined == left + data
        assert joined.obj is view.obj
        assert view == data


@pytest.mark.parametrize("data", [b"data", memoryview(b"data"), memoryview(bytearray(b"data"))])
def test_what_was_left_is_put_before_anything_else_too(data):
    assert speedups.join(b"left ", data) == b"left data"


def test_where_there_is_no_place_before_a_view_both_are_copied():
    data = pattern(50_000)
    view = view_of(data)
    left = b"y" * (SCANNED + 100)
    assert speedups.join(left, view) == left + data
    # Nor before the middle of one, where it does not end with it.
    assert speedups.join(b"left", view[:100]) == b"left" + data[:100]
    assert view == data


def test_join_refuses_what_it_does_not_take():
    for arguments in ((), (b"",), ("", b""), (bytearray(), b"")):
        with pytest.raises(TypeError):
            speedups.join(*arguments)
    with pytest.raises(TypeError):
        speedups.join(b"", "text")
    with pytest.raises(TypeError):
        type(view_of(pattern(5000)).obj)()


STREAMS = {
    "messages of one size": [frame(BINARY, pattern(size)) for size in [16_384] * 40],
    "text": [
        frame(TEXT, ("Za\u017c\u00f3\u0142\u0107 \u20ac \U0001f600 " * count).encode()) for count in range(1, 900, 30)
    ],
    "around the largest that is scanned": [
        frame(opcode, b"x" * (SCANNED + more)) for more in (-1, 0, 1, 2) for opcode in (TEXT, BINARY)
    ],
    "with control frames and fragments": [
        part
        for number in range(30)
        for part in (
            frame(TEXT, b"a" * (number * 1500), fin=False),
            frame(PING, b"ping"),
            frame(CONTINUATION, b"b" * 3000),
            frame(BINARY, pattern(number * 700)),
        )
    ],
    "with a Close frame": [frame(TEXT, b"c" * 20_000)] * 5
    + [frame(CLOSE, b"\x03\xe8bye"), frame(TEXT, b"late" * 2000)],
    "with text that is not UTF-8": [frame(TEXT, b"c" * 20_000)] * 5 + [frame(TEXT, b"c" * 20_000 + b"\xff" + b"c" * 9)],
    "with a masked frame": [frame(BINARY, b"c" * 20_000)] * 5 + [frame(BINARY, b"c" * 20_000, mask=b"mask")],
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("cuts", [(200_000,), (65_536,), (30_000, 5000), (100_001, 4096, 7)])
def test_what_comes_as_views_is_decoded_as_bytes_are(name, cuts):
    data = b"".join(STREAMS[name])
    assert told(views_of(data, cuts)) == told(feed(Decoder(LIMIT), data, (1000,)))


@settings(deadline=None, max_examples=40, database=None)
@given(st.integers(0, 1 << 32))
def test_any_messages_in_any_split_are_decoded_as_bytes_are(seed):
    some = random.Random(seed)
    data = b"".join(
        frame(some.choice([TEXT, BINARY]), b"m" * int(2 ** some.uniform(0, 17.5)), fin=True)
        for _ in range(some.randrange(1, 20))
    )
    cuts = [int(2 ** some.uniform(0, 17.6)) for _ in range(5)]
    cuts = [max(cut, 1000) for cut in cuts]
    assert told(views_of(data, cuts)) == told(feed(Decoder(LIMIT), data, (50_000,)))


def test_the_beginning_of_a_message_is_left_to_be_decoded_whole():
    decoder = Decoder(LIMIT)
    data = frame(TEXT, b"first" * 2000) + frame(TEXT, b"second" * 1000)
    assert len(decoder.receive_data(view_of(data[:-100]))) == 1
    # As if nothing of it had come: an interruption has nothing to tear.
    assert decoder.checkpoint is not None
    (second,) = decoder.receive_data(data[-100:])
    assert second.text == "second" * 1000


@pytest.mark.parametrize("taken", [0, 1])
def test_a_message_that_comes_little_by_little_is_not_copied_again_and_again(taken):
    message = frame(BINARY, pattern(100_000))
    before = frame(BINARY, b"before") * taken
    decoder = Decoder(LIMIT)
    data = before + message
    events = decoder.receive_data(data[:5000])
    # No more had been taken than is left: so it has begun.
    assert decoder.checkpoint is None
    for start in range(5000, len(data), 1000):
        room = decoder.room
        piece = data[start : start + 1000]
        if room is not None:
            room[: len(piece)] = piece
            piece = room[: len(piece)]
        events += decoder.receive_data(piece)
    assert events[-1].payload == pattern(100_000)


def test_bad_text_that_comes_little_by_little_is_told_at_once():
    decoder = Decoder(LIMIT)
    decoder.receive_data(frame(TEXT, b"good" * 1000))
    (violation,) = decoder.receive_data(frame(TEXT, b"\xff" + b"bad" * 1000)[:2000])
    assert violation.code == 1007


def test_a_message_over_the_limit_is_refused_when_its_header_has_come():
    decoder = Decoder(10_000)
    data = frame(BINARY, b"x" * 10_000) + frame(BINARY, b"x" * 10_001)
    message, violation = decoder.receive_data(view_of(data[:-5000]))
    assert message.length == 10_000
    assert violation.code == 1009
