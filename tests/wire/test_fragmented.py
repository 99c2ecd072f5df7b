"""Messages of several frames that are whole in one read, and what is left of them to the next."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import describe, frame

from syncws._wire.accelerated import speedups
from syncws._wire.decoder import Decoder
from syncws._wire.frames import BINARY, CONTINUATION, PING, TEXT
from syncws._wire.incoming import Message, Ping, Violation
from syncws._wire.scanning import scan_fragmented_in_python

LIMIT = 1 << 20
FORMS = [scan_fragmented_in_python] + ([] if speedups is None else [speedups.scan_fragmented])


def fragmented(opcode, *payloads):
    first, *others, last = payloads
    frames = [frame(opcode, first, fin=False), *(frame(CONTINUATION, payload, fin=False) for payload in others)]
    return b"".join([*frames, frame(CONTINUATION, last)])


def scanned(scan, data, limit=LIMIT, position=0):
    events = []
    return *scan(data, position, limit, Message, events), [describe(event) for event in events]


WHOLE = fragmented(TEXT, b"a\xe2", b"", b"\x82\xac") + fragmented(BINARY, b"x" * 126, b"y" * 70_000)
FOUND = [("text", "a€", 4), ("binary", b"x" * 126 + b"y" * 70_000, 70_126)]

# What comes behind them, and whether it is the beginning of such a message with nothing wrong in it.
BEHIND = {
    "nothing": (b"", False),
    "half a header": (b"\x01", True),
    "half a long header": (b"\x01\x7e\x01", True),
    "half a payload": (b"\x01\x05abc", True),
    "a frame, and half a header": (b"\x01\x01a\x00", True),
    "a frame, and half of the last": (b"\x02\x01a\x80\x7f\x00\x00", True),
    "a message of one frame": (frame(TEXT, b"one"), False),
    "a frame that continues nothing": (frame(CONTINUATION, b"x"), False),
    "a ping in between": (frame(TEXT, b"a", fin=False) + frame(PING) + frame(CONTINUATION, b"b"), False),
    "a message in between": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), False),
    "reserved bits": (frame(TEXT, b"a", fin=False, first_bits=0x10) + frame(CONTINUATION, b"b"), False),
    "reserved bits later": (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", first_bits=0x40), False),
    "a masked frame": (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", mask=b"mask"), False),
    "a longer form than is needed": (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", form=16), False),
    "the longest form for no need": (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b" * 126, form=64), False),
    "the highest bit of a length": (b"\x01\x01a\x80\x7f\x80" + bytes(7), False),
    "too much in one frame": (frame(BINARY, b"z" * (LIMIT + 1), fin=False), False),
    "too much by its header": (b"\x02\x01a\x80\x7f" + (LIMIT).to_bytes(8, "big"), False),
    "no UTF-8": (fragmented(TEXT, b"good", b"\xff"), False),
    "half a character": (fragmented(TEXT, b"good", b"\xc3"), False),
}


@pytest.mark.parametrize("scan", FORMS)
@pytest.mark.parametrize("name", BEHIND)
def test_whole_messages_are_found_up_to_the_first_that_is_not(scan, name):
    behind, is_begun = BEHIND[name]
    assert scanned(scan, WHOLE + behind) == (len(WHOLE), 5, is_begun, FOUND)
    assert scanned(scan, b"before" + WHOLE + behind, position=6) == (len(WHOLE) + 6, 5, is_begun, FOUND)


@pytest.mark.parametrize("scan", FORMS)
def test_the_limit_is_that_of_the_message(scan):
    data = fragmented(BINARY, b"x" * 3, b"y" * 4)
    assert scanned(scan, data, 7)[:2] == (len(data), 2)
    assert scanned(scan, data, 6) == (0, 0, False, [])


payloads = st.sampled_from([b"", b"a", "é".encode(), b"\xc3", b"\xa9", b"x" * 126])
good_frames = st.builds(frame, st.sampled_from([CONTINUATION, TEXT, BINARY]), payloads, fin=st.booleans())
streams = st.lists(good_frames | st.binary(max_size=3), max_size=10).map(b"".join)


@settings(deadline=None, max_examples=80, database=None)
@given(streams, st.sampled_from([0, 3, 126, LIMIT]))
def test_both_forms_find_the_same(data, limit):
    expected, *others = [scanned(scan, data, limit) for scan in FORMS]
    assert all(found == expected for found in others)


# What is left to the next read.

BEFORE = frame(BINARY, b"before" * 1000)


def test_the_beginning_of_a_message_is_left_to_be_decoded_whole():
    decoder = Decoder(LIMIT)
    data = BEFORE + fragmented(TEXT, b"a" * 1000, b"b" * 1000)
    assert len(decoder.receive_data(data[:-100])) == 1
    # As if nothing of it had come: an interruption has nothing to tear.
    assert decoder.checkpoint is not None
    (message,) = decoder.receive_data(data[-100:])
    assert message.text == "a" * 1000 + "b" * 1000
    assert (decoder.tally.messages, decoder.tally.frames) == (2, 3)


def test_a_ping_among_the_frames_of_a_message_is_told_at_once():
    decoder = Decoder(LIMIT)
    _, ping = decoder.receive_data(BEFORE + frame(TEXT, b"a" * 2000, fin=False) + frame(PING, b"?"))
    assert isinstance(ping, Ping)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(PING, fin=False), 1002),
        (frame(CONTINUATION, b"x", mask=b"mask"), 1002),
        (b"\x80\x7f" + LIMIT.to_bytes(8, "big"), 1009),
    ],
)
def test_what_is_wrong_in_a_later_frame_is_told_when_its_header_has_come(wrong, code):
    decoder = Decoder(LIMIT)
    *_, violation = decoder.receive_data(BEFORE + frame(TEXT, b"a" * 2000, fin=False) + wrong)
    assert isinstance(violation, Violation)
    assert violation.code == code


def test_no_more_is_left_than_was_taken():
    decoder = Decoder(LIMIT)
    decoder.receive_data(frame(TEXT, b"x" * 1000) + frame(TEXT, b"a" * 2000, fin=False))
    assert decoder.checkpoint is None


def test_more_than_is_taken_whole_is_not_left():
    decoder = Decoder(LIMIT)
    decoder.receive_data(frame(BINARY, b"x" * 400_000) + frame(BINARY, b"y" * 140_000, fin=False))
    assert decoder.checkpoint is None
