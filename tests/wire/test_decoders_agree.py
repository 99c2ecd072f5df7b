"""Both decoders on the same bytes: the messages, control frames and violations are the same, whatever the bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import (
    BINARY,
    CLOSE,
    CONT,
    LIMIT,
    PING,
    PONG,
    TEXT,
    close,
    cuts_at,
    describe,
    every_cut,
    feed,
    frame,
    join_pieces,
    places,
)

from syncws._wire.decoder import Decoder
from syncws._wire.incoming import Violation
from syncws._wire.piece_decoder import PieceDecoder

# Bytes at the edges of what UTF-8 allows, so that good and bad sequences come often.
edge_bytes = st.lists(st.sampled_from(b"aa\x80\x82\x9f\xa0\xac\xc2\xe2\xed\xf0\xf4\xff"), max_size=6).map(bytes)
characters = st.lists(st.sampled_from("aé€😀"), max_size=4).map("".join).map(str.encode)
cut_characters = st.sampled_from(
    [b"\xc3", b"\xa9", b"\xe2", b"\x82\xac", b"\xe2\x82", b"\xac", b"\xf0\x9f", b"\x98\x80"]
)
payloads = characters | cut_characters | edge_bytes | st.sampled_from([b"", b"x" * 125, b"x" * 126, b"\x03\xe8bye"])

# Mostly frames that are allowed somewhere, so that a stream often goes on for a while.
good_frames = st.builds(
    frame, st.sampled_from([CONT, CONT, CONT, TEXT, TEXT, BINARY]), payloads, fin=st.sampled_from([True, False, False])
)
control_frames = st.builds(frame, st.sampled_from([PING, PONG]), edge_bytes)
bad_frames = st.one_of(
    st.builds(frame, st.integers(0, 15), payloads, fin=st.booleans()),
    st.builds(frame, st.sampled_from([CONT, TEXT, PING]), payloads, first_bits=st.sampled_from([0x10, 0x20, 0x40])),
    st.builds(frame, st.sampled_from([CONT, TEXT, CLOSE]), payloads, mask=st.just(b"mask")),
    st.builds(frame, st.sampled_from([CONT, BINARY, PING]), edge_bytes, form=st.sampled_from([16, 64])),
    st.builds(frame, st.just(CLOSE), edge_bytes | st.sampled_from([b"\x03\xe8", b"\x03\xe8ok\xe2", b"\x03\xed"])),
)
frame_streams = st.lists(good_frames | good_frames | control_frames | bad_frames, max_size=8).map(b"".join)
message_streams = st.builds(
    lambda opcode, first, others, last: (
        frame(opcode, first, fin=False)
        + b"".join(frame(CONT, payload, fin=False) for payload in others)
        + frame(CONT, last)
    ),
    st.sampled_from([TEXT, BINARY]),
    payloads,
    st.lists(payloads, max_size=4),
    payloads,
)
limits = st.sampled_from([LIMIT, LIMIT, 0, 5, 130])


def told(events):
    """Return what a violation at the end tells the peer and the application."""
    return [(event.code, event.error.message) for event in events if isinstance(event, Violation)]


def check_agreement(data, limit, cuts, other_cuts):
    whole = feed(Decoder(limit), data, cuts)
    pieces = feed(PieceDecoder(limit), data, other_cuts)
    assert join_pieces(pieces) == [describe(event) for event in whole]
    assert told(pieces) == told(whole)


@settings(deadline=None, max_examples=120, database=None)
@given(frame_streams, limits, places, places)
def test_both_decoders_agree_on_any_stream_of_frames(data, limit, where, elsewhere):
    check_agreement(data, limit, cuts_at(where, data), cuts_at(elsewhere, data))


@settings(deadline=None, max_examples=80, database=None)
@given(st.lists(message_streams, min_size=1, max_size=3).map(b"".join), limits, places)
def test_both_decoders_agree_on_any_messages_that_may_be_bad_text(data, limit, where):
    check_agreement(data, limit, (), cuts_at(where, data))


@settings(deadline=None, max_examples=80, database=None)
@given(frame_streams | message_streams, limits)
def test_both_decoders_agree_when_one_is_fed_byte_by_byte(data, limit):
    check_agreement(data, limit, (), range(len(data)))
    check_agreement(data, limit, range(len(data)), ())


@settings(deadline=None, max_examples=80, database=None)
@given(frame_streams, st.floats(0, 0.999), st.integers(0, 255), places)
def test_both_decoders_agree_when_one_byte_of_a_stream_is_another(data, place, value, where):
    changed = bytearray(data)
    if changed:
        changed[int(place * len(changed))] = value
    check_agreement(bytes(changed), LIMIT, (), cuts_at(where, data))


@settings(deadline=None, max_examples=120, database=None)
@given(st.binary(max_size=60), places, places)
def test_both_decoders_agree_on_any_bytes(data, where, elsewhere):
    check_agreement(data, LIMIT, cuts_at(where, data), cuts_at(elsewhere, data))


@settings(deadline=None, max_examples=80, database=None)
@given(frame_streams | message_streams, limits)
def test_both_decoders_fail_at_the_same_byte(data, limit):
    decoder, piece_decoder = Decoder(limit), PieceDecoder(limit)
    for index in range(len(data)):
        whole = decoder.receive_data(data[index : index + 1])
        pieces = piece_decoder.receive_data(data[index : index + 1])
        assert told(pieces) == told(whole), index
        assert piece_decoder.is_dead == decoder.is_dead, index


@pytest.mark.parametrize("data", [frame(TEXT, b"a"), frame(PING), frame(TEXT, b"a", fin=False), b"\x81", b"\x88"])
@pytest.mark.parametrize("kind", [Decoder, PieceDecoder])
def test_a_decoder_lives_on_after_what_is_neither_a_close_frame_nor_a_violation(kind, data):
    decoder = kind(LIMIT)
    decoder.receive_data(data)
    assert not decoder.is_dead


@pytest.mark.parametrize("cuts", [False, True])
@pytest.mark.parametrize("kind", [Decoder, PieceDecoder])
def test_messages_and_frames_of_every_kind_are_counted(kind, cuts):
    decoder = kind(LIMIT)
    fragmented = [frame(BINARY, b"two", fin=False), frame(PING, b"in between"), frame(CONT, b"frames")]
    data = b"".join([frame(TEXT, b"one"), *fragmented, frame(PONG), close(1000)])
    feed(decoder, data, every_cut(data) if cuts else ())
    assert (decoder.tally.messages, decoder.tally.frames) == (2, 6)
