"""Both decoders on compressed messages: what they give out, what they refuse, and how much at a time (RFC 7692)."""

import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.floods import bomb
from support.wire import (
    BINARY,
    CLOSE,
    CONT,
    LIMIT,
    PING,
    PONG,
    TEXT,
    binary,
    close,
    cuts_at,
    describe,
    every_cut,
    feed,
    frame,
    join_pieces,
    places,
    text,
)

from syncws._wire.decoder import Decoder
from syncws._wire.deflate import Inflater
from syncws._wire.extension import WHOLE, Agreement
from syncws._wire.piece_decoder import PieceDecoder
from syncws.errors import MessageTooBigError, ProtocolViolationError

RSV1 = 0x40
HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
MIB = 1 << 20
NO_TAKEOVER = Agreement(server_context_takeover=False)
PROTOCOL_ERROR = ("violation", 1002, ProtocolViolationError)
BAD_DATA = ("violation", 1007, ProtocolViolationError)
TOO_BIG = ("violation", 1009, MessageTooBigError)
# What one call gives out by inflating, and a piece beyond it.
MOST_AT_ONCE = 262144 + 65536


def decoders(limit=LIMIT, agreement=WHOLE):
    made = Decoder(limit), PieceDecoder(limit)
    for decoder in made:
        decoder.inflater = Inflater(agreement)
    return made


def decode(data, cuts=(), limit=LIMIT, agreement=WHOLE):
    """Feed `data` to both decoders; return what came of it, which is the same."""
    whole, pieces = decoders(limit, agreement)
    told = [describe(event) for event in feed(whole, data, cuts)]
    in_pieces = join_pieces(feed(pieces, data, cuts))
    # What came of a message before it went wrong is given out in pieces, and text is checked earlier.
    assert in_pieces == told
    return told


class Peer:
    """A server that compresses, by zlib alone."""

    def __init__(self, agreement=WHOLE):
        self.bits = max(9, agreement.server_max_window_bits)
        self.has_takeover = agreement.server_context_takeover
        self.engine = self.make()

    def make(self):
        return zlib.compressobj(6, zlib.DEFLATED, -self.bits)

    def compress(self, data):
        if not self.has_takeover:
            self.engine = self.make()
        compressed = self.engine.compress(data) + self.engine.flush(zlib.Z_SYNC_FLUSH)
        return compressed[:-4] or b"\x00"

    def frames(self, opcode, data, sizes=(), between=b""):
        """Return a compressed message in frames, cut at `sizes`."""
        compressed = self.compress(data)
        cuts = sorted({min(size, len(compressed)) for size in sizes})
        parts = [compressed[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(compressed)], strict=True)]
        frames = [
            frame(
                CONT if index else opcode,
                part,
                fin=index == len(parts) - 1,
                first_bits=0 if index else RSV1,
            )
            for index, part in enumerate(parts)
        ]
        return between.join(frames)


# What is given out.


@pytest.mark.parametrize("agreement", [WHOLE, NO_TAKEOVER])
def test_compressed_and_plain_messages_come_in_order_however_the_bytes_are_split(agreement):
    peer = Peer(agreement)
    data = (
        peer.frames(TEXT, "héllo 😀".encode() * 9)
        + frame(TEXT, b"plain")
        + peer.frames(BINARY, b"hello " * 9, (1, 3, 5), frame(PING, b"between"))
        + peer.frames(TEXT, b"")
        + frame(BINARY, b"", fin=False)
        + frame(CONT, b"plain")
        + peer.frames(TEXT, "héllo 😀".encode() * 9, (7,))
        + close(1000, b"bye")
    )
    expected = [
        text("héllo 😀" * 9),
        text("plain"),
        *[("ping", b"between")] * 3,
        binary(b"hello " * 9),
        text(""),
        binary(b"plain"),
        text("héllo 😀" * 9),
        ("close", 1000, "bye", b"\x03\xe8bye"),
    ]
    for cuts in [(), every_cut(data), *[(cut,) for cut in range(len(data))]]:
        assert decode(data, cuts, agreement=agreement) == expected


payloads = st.lists(st.sampled_from([b"", b"{'a': 1}", b"\x00" * 20_000, bytes(range(256))]), max_size=4).map(b"".join)
messages = st.tuples(payloads, st.booleans(), st.lists(st.integers(0, 400), max_size=3))
agreements = st.builds(Agreement, server_max_window_bits=st.sampled_from(range(8, 16)), server_context_takeover=...)


@settings(deadline=None, max_examples=40)
@given(agreements, st.lists(messages, max_size=5), places)
def test_any_messages_come_out_as_they_were_however_they_are_cut(agreement, sent, where):
    peer = Peer(agreement)
    data = b"".join(
        peer.frames(BINARY, payload, sizes, frame(PONG)) if is_compressed else frame(BINARY, payload)
        for payload, is_compressed, sizes in sent
    )
    told = [event for event in decode(data, cuts_at(data, where), agreement=agreement) if event[0] != "pong"]
    assert told == [binary(payload) for payload, _, _ in sent]


def test_a_message_of_no_bytes_is_empty():
    assert decode(frame(TEXT, first_bits=RSV1) + frame(TEXT, HELLO, first_bits=RSV1)) == [text(""), text("Hello")]


def test_empty_fragments_are_allowed_before_and_behind_the_data():
    data = frame(TEXT, fin=False, first_bits=RSV1) + frame(CONT, HELLO, fin=False) + frame(CONT)
    for cuts in [(), every_cut(data)]:
        assert decode(data, cuts) == [text("Hello")]


def test_a_piece_says_that_it_is_the_last():
    _, decoder = decoders()
    events = feed(decoder, frame(TEXT, HELLO, first_bits=RSV1))
    assert [(event.text, event.is_last) for event in events] == [("Hello", True)]


# What is refused.


@pytest.mark.parametrize(
    "data",
    [
        frame(CONT, HELLO, first_bits=RSV1),
        frame(TEXT, HELLO[:3], fin=False, first_bits=RSV1) + frame(CONT, HELLO[3:], first_bits=RSV1),
        frame(TEXT, b"a", fin=False) + frame(CONT, HELLO, first_bits=RSV1),
        *[frame(opcode, first_bits=RSV1) for opcode in (CLOSE, PING, PONG, 3, 0xB)],
        *[frame(TEXT, HELLO, first_bits=bits) for bits in (0x20, 0x10, 0x60, 0x50, 0x70)],
    ],
)
def test_reserved_bits_in_any_other_place_are_a_violation(data):
    assert decode(data)[-1] == PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_rsv1_is_a_violation_where_compression_was_not_agreed(opcode):
    assert [describe(event) for event in feed(Decoder(LIMIT), frame(opcode, HELLO, first_bits=RSV1))] == [
        PROTOCOL_ERROR
    ]


@pytest.mark.parametrize(
    "payload",
    [b"\x06", b"\xff" * 20, b"\xf2\x00\x11\x00\x00", HELLO[:4], HELLO[:-1], HELLO + b"\x07"],
    ids=["reserved type", "garbage", "too far back", "cut", "cut by one", "trailing"],
)
def test_data_that_cannot_be_inflated_is_1007(payload):
    data = frame(BINARY, payload, first_bits=RSV1) + frame(TEXT, b"late")
    for cuts in [(), every_cut(data)]:
        assert [event for event in decode(data, cuts) if event[0] == "violation"] == [BAD_DATA]


def test_compressed_text_must_be_utf8():
    data = Peer().frames(TEXT, b"ok \xe2\x82")
    whole, pieces = decoders()
    assert describe(feed(whole, data)[-1]) == describe(feed(pieces, data)[-1]) == BAD_DATA


# How much at a time.


def test_the_limit_is_for_what_is_inflated():
    for size, expected in [(1000, [binary(bytes(1000))]), (1001, [TOO_BIG])]:
        data = Peer().frames(BINARY, bytes(size))
        whole, _ = decoders(1000)
        assert [describe(event) for event in feed(whole, data)] == expected
    # More on the wire than the limit: blocks that hold nothing.
    padded = b"\x00\x00\x00\xff\xff" * 500 + HELLO
    assert decode(frame(TEXT, padded, first_bits=RSV1), limit=5) == [text("Hello")]
    assert decode(frame(TEXT, b"\x00", first_bits=RSV1), limit=0) == [text("")]
    assert decode(frame(TEXT, HELLO, first_bits=RSV1), limit=0) == [TOO_BIG]


def test_the_limit_of_plain_messages_stays_with_the_header():
    assert decode(frame(BINARY, bytes(1001))[:4], limit=1000) == [TOO_BIG]


@pytest.fixture(scope="module")
def gibibyte():
    data = frame(BINARY, bomb(1024 * MIB), first_bits=RSV1)
    assert len(data) < 1.1 * MIB
    return data


@pytest.mark.parametrize("limit", [1, MIB, 16 * MIB])
def test_a_bomb_ends_with_1009_within_the_limit(gibibyte, limit):
    whole, pieces = decoders(limit)
    for decoder in (whole, pieces):
        count = 0
        tracemalloc.start()
        try:
            for start in range(0, len(gibibyte), 65536):
                last = decoder.receive_data(gibibyte[start : start + 65536])[-1:]
                while decoder.has_more:
                    last = decoder.receive_data(b"")[-1:]
                    count += 1
                if decoder.is_dead:
                    break
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert [describe(event) for event in last] == [TOO_BIG]
        # A list that grows and what it is joined to: twice the limit, whatever the ratio.
        assert peak < 2 * limit + 1.5 * MIB
        assert count <= limit // 262144 + 1


def test_pieces_of_a_bomb_take_no_memory_at_all(gibibyte):
    _, decoder = decoders(1 << 62)
    total = 0
    tracemalloc.start()
    try:
        for start in range(0, 131072, 65536):
            events = decoder.receive_data(gibibyte[start : start + 65536])
            while True:
                count = sum(event.length for event in events)
                assert count <= MOST_AT_ONCE
                total += count
                if not decoder.has_more:
                    break
                events = decoder.receive_data(b"")
        assert total > 100 * MIB
        assert tracemalloc.get_traced_memory()[1] < 1.5 * MIB
    finally:
        tracemalloc.stop()


def test_what_comes_behind_a_large_message_waits_for_its_turn():
    peer = Peer()
    data = peer.frames(BINARY, bytes(MIB)) + frame(PING, b"p") + peer.frames(BINARY, bytes(MIB)) + close(1000)
    for decoder in decoders(2 * MIB):
        calls = [decoder.receive_data(data)]
        while decoder.has_more:
            calls.append(decoder.receive_data(b""))
        assert len(calls) == 2 * MIB // 262144 + 1
        told = join_pieces([event for events in calls for event in events])
        assert told == [binary(bytes(MIB)), ("ping", b"p"), binary(bytes(MIB)), ("close", 1000, "", b"\x03\xe8")]
        assert decoder.is_dead


def test_many_messages_of_one_read_are_given_out_in_portions():
    peer = Peer()
    data = b"".join(peer.frames(BINARY, bytes(100_000)) for _ in range(20))
    whole, _ = decoders()
    counts = [sum(event.length for event in whole.receive_data(data))]
    while whole.has_more:
        counts.append(sum(event.length for event in whole.receive_data(b"")))
    assert sum(counts) == 2_000_000
    assert max(counts) <= MOST_AT_ONCE + 100_000


def test_a_violation_ends_what_was_held_back():
    for decoder in decoders():
        events = feed(decoder, Peer().frames(BINARY, bytes(MIB + 1)))
        assert describe(events[-1]) == TOO_BIG
        assert (decoder.has_more, decoder.is_dead) == (False, True)
        assert decoder.receive_data(frame(TEXT, b"late")) == []
