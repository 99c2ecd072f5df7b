"""Tests of wire.piece_decoder: what the pieces are, and that joined they are the messages that wire.decoder gives."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import (
    BINARY,
    CLOSE,
    CONT,
    LIMIT,
    PING,
    TEXT,
    close,
    cuts_at,
    describe,
    every_cut,
    feed,
    frame,
    join_pieces,
    peak_bytes,
    places,
    single_cuts,
    streams,
)
from support.wire_vectors import ALL_VECTORS, BAD_TEXT, BAD_TEXTS, PROTOCOL_ERROR, TOO_BIG

from syncws._wire import frame_decoder
from syncws._wire.incoming import MessagePiece
from syncws._wire.piece_decoder import PieceDecoder
from syncws.enums import SocketMessageType

MEBIBYTE = 1 << 20
READ_BYTES = 65536


def shape(event):
    """Return what a piece is, in a form that can be compared; of another event its description."""
    if not isinstance(event, MessagePiece):
        return describe(event)
    assert (type(event.payload), event.length, event.error) == (bytes, len(event.payload), None)
    if event.message_type is SocketMessageType.BINARY:
        assert event.text is None
        return ("binary", event.payload, event.is_last)
    assert event.message_type is SocketMessageType.UTF8
    return ("text", event.payload, event.text, event.is_last)


def shapes(*reads, limit=LIMIT):
    """Return what comes of each read."""
    decoder = PieceDecoder(limit)
    return [[shape(event) for event in decoder.receive_data(data)] for data in reads]


def joined(data, cuts, limit):
    return join_pieces(feed(PieceDecoder(limit), data, cuts))


# The vectors of wire.decoder: joined, the pieces are its messages; the violations are the same.


@pytest.mark.parametrize(("limit", "data", "expected"), ALL_VECTORS.values(), ids=ALL_VECTORS)
def test_pieces_of_bytes_fed_whole_join_to_these_messages(limit, data, expected):
    assert joined(data, (), limit) == expected


@pytest.mark.slow
def test_pieces_of_bytes_fed_one_by_one_join_to_the_same_messages():
    for name, (limit, data, expected) in ALL_VECTORS.items():
        assert joined(data, every_cut(data), limit) == expected, name


def test_pieces_of_bytes_cut_once_join_to_the_same_messages():
    for name, (limit, data, expected) in ALL_VECTORS.items():
        for cut in single_cuts(data):
            assert joined(data, (cut,), limit) == expected, (name, cut)


@settings(deadline=None, max_examples=100, database=None)
@given(st.sampled_from(sorted(ALL_VECTORS)), places)
def test_pieces_of_bytes_cut_anywhere_join_to_these_messages(name, where):
    limit, data, expected = ALL_VECTORS[name]
    assert joined(data, cuts_at(where, data), limit) == expected


@settings(deadline=None, max_examples=100, database=None)
@given(streams(), places)
def test_any_stream_of_messages_comes_out_in_pieces_as_it_went_in(stream, where):
    data, expected = stream
    assert joined(data, cuts_at(where, data), LIMIT) == expected


@pytest.mark.slow
@settings(deadline=None, max_examples=50, database=None)
@given(streams())
def test_any_stream_of_messages_fed_byte_by_byte_comes_out_as_it_went_in(stream):
    data, expected = stream
    assert joined(data, range(len(data)), LIMIT) == expected


@settings(deadline=None, max_examples=100, database=None)
@given(streams(), places)
def test_each_message_has_exactly_one_last_piece_which_comes_last(stream, where):
    data, expected = stream
    pieces = [event for event in feed(PieceDecoder(), data, cuts_at(where, data)) if isinstance(event, MessagePiece)]
    assert [piece.is_last for piece in pieces].count(True) == sum(event[0] in ("text", "binary") for event in expected)
    assert pieces[-1].is_last


# Where a piece ends.


def test_a_whole_message_in_one_read_is_one_last_piece():
    assert shapes(frame(TEXT, b"Hello") + frame(BINARY, b"\xff")) == [
        [("text", b"Hello", "Hello", True), ("binary", b"\xff", True)]
    ]


def test_a_piece_ends_where_a_read_ends_also_inside_a_frame():
    data = frame(BINARY, b"a" * 70000)
    assert shapes(data[:30010], data[30010:60010], data[60010:]) == [
        [("binary", b"a" * 30000, False)],
        [("binary", b"a" * 30000, False)],
        [("binary", b"a" * 10000, True)],
    ]


def test_a_piece_ends_where_a_frame_ends():
    data = frame(TEXT, b"Hel", fin=False) + frame(CONT, b"l", fin=False) + frame(CONT, b"o")
    assert shapes(data) == [[("text", b"Hel", "Hel", False), ("text", b"l", "l", False), ("text", b"o", "o", True)]]


def test_a_frame_that_is_over_but_not_final_does_not_end_the_message():
    first, last = frame(BINARY, b"abc", fin=False), frame(CONT, b"de")
    assert shapes(first, last[:3], last[3:]) == [
        [("binary", b"abc", False)],
        [("binary", b"d", False)],
        [("binary", b"e", True)],
    ]


def test_control_frames_come_between_the_pieces_where_they_came():
    data = frame(TEXT, b"a", fin=False) + frame(PING, b"1") + frame(CONT, b"b", fin=False) + frame(PING) + frame(CONT)
    assert shapes(data) == [
        [
            ("text", b"a", "a", False),
            ("ping", b"1"),
            ("text", b"b", "b", False),
            ("ping", b""),
            ("text", b"", "", True),
        ]
    ]


@pytest.mark.parametrize("header", ["02", "0205", "827e", "827e0100", "817f000000000001", "817f0000000000010000"])
def test_a_header_alone_gives_no_piece(header):
    assert shapes(bytes.fromhex(header), b"") == [[], []]


def test_an_empty_final_frame_gives_an_empty_last_piece():
    assert shapes(frame(BINARY, b"abc", fin=False), frame(CONT)) == [
        [("binary", b"abc", False)],
        [("binary", b"", True)],
    ]
    assert shapes(frame(TEXT, b"abc", fin=False), frame(CONT)) == [
        [("text", b"abc", "abc", False)],
        [("text", b"", "", True)],
    ]


def test_an_empty_frame_that_is_not_final_gives_no_piece():
    data = frame(BINARY, fin=False), frame(CONT, fin=False), frame(CONT, b"x", fin=False), frame(CONT, fin=False)
    assert shapes(*data, frame(CONT, b"y")) == [[], [], [("binary", b"x", False)], [], [("binary", b"y", True)]]


def test_an_empty_message_is_one_empty_last_piece():
    assert shapes(frame(TEXT), frame(BINARY)) == [[("text", b"", "", True)], [("binary", b"", True)]]
    assert shapes(frame(TEXT, fin=False), frame(CONT)) == [[], [("text", b"", "", True)]]


def test_an_empty_message_may_follow_one_that_is_not():
    data = frame(TEXT, b"a", fin=False) + frame(CONT, b"b") + frame(BINARY) + frame(TEXT, fin=False) + frame(CONT)
    assert shapes(data) == [
        [("text", b"a", "a", False), ("text", b"b", "b", True), ("binary", b"", True), ("text", b"", "", True)]
    ]


def test_what_a_piece_holds_does_not_change_with_the_next_read():
    decoder = PieceDecoder()
    data = frame(BINARY, b"abcdef")
    (first,) = decoder.receive_data(data[:5])
    (second,) = decoder.receive_data(data[5:])
    assert (shape(first), shape(second)) == (("binary", b"abc", False), ("binary", b"def", True))


def test_a_large_payload_is_not_copied_where_a_view_will_do():
    data = frame(BINARY, b"a" * 140000) + frame(BINARY, b"b" * 200, fin=False) + frame(CONT, b"c" * 100)
    large, small, last = PieceDecoder(copied_bytes=200).receive_data(memoryview(data))
    assert (type(large.payload), large.payload.obj, large.payload) == (memoryview, data, b"a" * 140000)
    assert [(type(piece.payload), piece.payload) for piece in (small, last)] == [
        (bytes, b"b" * 200),
        (bytes, b"c" * 100),
    ]


def test_pieces_are_of_the_class_asked_for_and_its_constructor_is_not_called():
    class Arguments(MessagePiece):
        __slots__ = ()

        def __init__(self):
            raise AssertionError("the constructor was called")

    data = frame(TEXT, b"x", fin=False) + frame(CONT)
    events = feed(PieceDecoder(LIMIT, Arguments), data)
    assert [type(event) for event in events] == [Arguments, Arguments]
    assert [type(event) for event in feed(PieceDecoder(LIMIT), data)] == [MessagePiece, MessagePiece]


# Text.


def test_a_character_cut_by_frames_is_in_the_text_of_the_piece_that_ends_it():
    data = frame(TEXT, b"a\xe2", fin=False) + frame(CONT, b"\x82", fin=False) + frame(CONT, b"\xacb\xc3", fin=False)
    assert shapes(data + frame(CONT, b"\xa9")) == [
        [
            ("text", b"a\xe2", "a", False),
            ("text", b"\x82", "", False),
            ("text", b"\xacb\xc3", "€b", False),
            ("text", b"\xa9", "é", True),
        ]
    ]


def test_a_character_cut_by_reads_is_in_the_text_of_the_piece_that_ends_it():
    data = frame(TEXT, "😀!".encode())
    assert shapes(data[:3], data[3:4], data[4:5], data[5:]) == [
        [("text", b"\xf0", "", False)],
        [("text", b"\x9f", "", False)],
        [("text", b"\x98", "", False)],
        [("text", b"\x80!", "😀!", True)],
    ]


def test_a_control_frame_inside_a_character_leaves_it_alone():
    data = frame(TEXT, b"\xe2", fin=False) + frame(PING, b"\x82") + frame(CONT, b"\x82\xac")
    assert shapes(data) == [[("text", b"\xe2", "", False), ("ping", b"\x82"), ("text", b"\x82\xac", "€", True)]]


def test_a_binary_message_may_be_no_text_at_all():
    assert shapes(frame(BINARY, b"\xff\xe2", fin=False), frame(CONT, b"\xc0")) == [
        [("binary", b"\xff\xe2", False)],
        [("binary", b"\xc0", True)],
    ]


@pytest.mark.parametrize(
    ("good", "text", "bad"),
    [
        (b"a", "a", b"\xff"),
        (b"\xed", "", b"\xa0"),
        (b"\xe0", "", b"\x80"),
        (b"\xf4", "", b"\x90"),
        (b"a\xe2\x82", "a", b"b"),
        (b"\xe2\x82", "", b"\xe2"),
    ],
)
@pytest.mark.parametrize("start", [b"\x81\x64", b"\x01\x64", b"\x81\x7e\x10\x00"])
def test_bad_text_fails_with_the_piece_that_brings_it(start, good, text, bad):
    assert shapes(start + good, bad + b"and more") == [[("text", good, text, False)], [BAD_TEXT]]


def test_pieces_before_bad_text_are_given_out_though_they_come_in_the_same_read():
    data = frame(TEXT, b"ok", fin=False) + frame(CONT, b"\xed\xa0", fin=False) + frame(CONT, b"late")
    assert shapes(data) == [[("text", b"ok", "ok", False), BAD_TEXT]]


@pytest.mark.parametrize(("name", "bad"), BAD_TEXTS.items(), ids=BAD_TEXTS)
def test_no_piece_holds_bad_text(name, bad):
    if name.startswith("ends inside"):
        assert shapes(frame(TEXT, bad)) == [[BAD_TEXT]]
    else:
        assert shapes(frame(TEXT, bad, fin=False)) == [[BAD_TEXT]]


@pytest.mark.parametrize("last", [frame(CONT), frame(CONT, b"\x82")])
def test_a_text_that_ends_inside_a_character_fails_with_its_last_frame(last):
    assert shapes(frame(TEXT, b"a\xe2", fin=False), last) == [[("text", b"a\xe2", "a", False)], [BAD_TEXT]]


def test_the_unfinished_character_of_one_message_is_not_part_of_the_next():
    first = frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"\xa9")
    assert shapes(first + frame(TEXT, b"b") + frame(BINARY, b"\xa9") + frame(TEXT, b"\xa9")) == [
        [
            ("text", b"\xc3", "", False),
            ("text", b"\xa9", "é", True),
            ("text", b"b", "b", True),
            ("binary", b"\xa9", True),
            BAD_TEXT,
        ]
    ]


# Limits.


@pytest.mark.parametrize("header", ["820b", "027e007e", "827f 0000000100000000"])
def test_a_message_over_the_limit_is_refused_before_any_piece_of_it(header):
    data = bytes.fromhex(header)
    assert shapes(data[:-1], data[-1:] + b"x" * 20, limit=10) == [[], [TOO_BIG]]


def test_the_limit_is_for_the_message_and_not_for_its_pieces():
    fragments = frame(BINARY, b"12345", fin=False) + frame(CONT, b"6789", fin=False)
    pieces = [("binary", b"12345", False), ("binary", b"6789", False)]
    assert shapes(fragments, frame(CONT, b"0"), limit=10) == [pieces, [("binary", b"0", True)]]
    assert shapes(fragments, frame(CONT, b"01"), limit=10) == [pieces, [TOO_BIG]]


def test_each_message_counts_for_itself():
    data = frame(BINARY, b"x" * 10)
    assert shapes(data[:5], data[5:], data, limit=10) == [
        [("binary", b"xxx", False)],
        [("binary", b"x" * 7, True)],
        [("binary", b"x" * 10, True)],
    ]


def test_without_a_limit_the_largest_frame_may_begin():
    (event,) = PieceDecoder().receive_data(bytes.fromhex("827f 7fffffffffffffff") + b"some")
    assert shape(event) == ("binary", b"some", False)


def test_only_empty_frames_count_as_fragments(monkeypatch):
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", 3)
    empty = frame(CONT, fin=False)
    data = frame(TEXT, fin=False) + empty + frame(CONT, b"x", fin=False) * 9
    # The count begins again with each message.
    expected = [("text", b"x", "x", False)] * 9 + [("text", b"", "", True)]
    assert shapes(data + frame(CONT), data + frame(CONT), data + frame(CONT)) == [expected] * 3


@pytest.mark.parametrize("header", ["0000", "8000"])
def test_an_empty_frame_too_many_is_refused(monkeypatch, header):
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", 3)
    data = frame(TEXT, fin=False) + frame(CONT, fin=False) + frame(CONT, b"x", fin=False) + frame(CONT, fin=False)
    assert shapes(data, bytes.fromhex(header)) == [[("text", b"x", "x", False)], [TOO_BIG]]


def test_control_frames_are_no_fragments(monkeypatch):
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", 1)
    data = frame(TEXT, fin=False) + frame(PING) * 5 + frame(CONT, b"b")
    assert shapes(data) == [[("ping", b"")] * 5 + [("text", b"b", "b", True)]]


# After the end.


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (frame(CLOSE), ("close", 1005, "", b"")),
        (frame(BINARY, b"a", fin=False) + close(1000), ("close", 1000, "", struct.pack("!H", 1000))),
        (frame(0x3), PROTOCOL_ERROR),
        (frame(TEXT, b"a", fin=False) + frame(TEXT), PROTOCOL_ERROR),
        (frame(TEXT, b"\xff"), BAD_TEXT),
        (frame(BINARY, b"x" * 2000), TOO_BIG),
    ],
)
def test_nothing_comes_after_a_close_frame_or_a_violation(data, last):
    decoder = PieceDecoder(1000)
    assert not decoder.is_dead
    events = decoder.receive_data(data + frame(TEXT, b"late") + frame(PING))
    assert shape(events[-1]) == last
    assert decoder.is_dead
    assert decoder.receive_data(frame(CONT, b"late")) == []
    assert decoder.receive_data(frame(CLOSE)) == []


# Memory.


@pytest.mark.parametrize(
    ("opcode", "unit"), [(BINARY, b"\xff"), (TEXT, b"a"), (TEXT, "€".encode())], ids=["binary", "ASCII", "euro"]
)
def test_the_payload_of_a_large_frame_is_not_gathered(opcode, unit):
    size = 16 * MEBIBYTE // len(unit) * len(unit)
    # Reads that cut characters, made once, so that only the decoder's own memory is counted.
    cycle = (unit * (3 * READ_BYTES // len(unit)))[: 3 * READ_BYTES]
    reads = [cycle[start : start + READ_BYTES] for start in range(0, len(cycle), READ_BYTES)]
    decoder = PieceDecoder()
    counted = []

    def receive_all():
        decoder.receive_data(bytes((0x80 | opcode, 127)) + struct.pack("!Q", size))
        for number in range(16 * MEBIBYTE // READ_BYTES - 1):
            (event,) = decoder.receive_data(reads[number % 3])
            counted.append(event.length)

    assert peak_bytes(receive_all) < MEBIBYTE
    assert not decoder.is_dead
    assert sum(counted) == 16 * MEBIBYTE - READ_BYTES


def test_the_payload_of_many_frames_is_not_gathered():
    decoder = PieceDecoder()
    decoder.receive_data(frame(TEXT, b"x", fin=False))
    following = frame(CONT, b"y" * READ_BYTES, fin=False)

    def receive_all():
        for _ in range(100):
            (event,) = decoder.receive_data(following)
            assert event.length == READ_BYTES

    assert peak_bytes(receive_all) < MEBIBYTE
