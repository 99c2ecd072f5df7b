"""Tests of wire.decoder: every vector is fed whole, byte by byte and in pieces, with the same events coming out."""

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
    peak_bytes,
    places,
    single_cuts,
    streams,
    text,
)
from support.wire_vectors import ALL_VECTORS, BAD_TEXT, PROTOCOL_ERROR, TOO_BIG

from syncws._wire import decoder as decoder_module
from syncws._wire import frame_decoder
from syncws._wire.decoder import Decoder
from syncws._wire.deflate import Inflater
from syncws._wire.incoming import Message, Violation
from syncws._wire.scanning import SCANNED_BYTES
from syncws.enums import SocketMessageType
from syncws.errors import MessageTooBigError

# An unfinished header (14 bytes in the longest form) or an unfinished control frame (125 bytes of payload).
MOST_LEFT_OVER = 14 + 125


def decode(data, cuts=(), max_message_size=LIMIT):
    """Feed `data`, cut at the indexes `cuts`; return the descriptions of all events."""
    return [describe(event) for event in feed(Decoder(max_message_size), data, cuts)]


@pytest.mark.parametrize(("limit", "data", "expected"), ALL_VECTORS.values(), ids=ALL_VECTORS)
def test_bytes_fed_whole_give_these_events(limit, data, expected):
    assert decode(data, (), limit) == expected


def test_bytes_fed_one_by_one_give_the_same_events():
    for name, (limit, data, expected) in ALL_VECTORS.items():
        assert decode(data, every_cut(data), limit) == expected, name


def test_bytes_cut_once_give_the_same_events():
    for name, (limit, data, expected) in ALL_VECTORS.items():
        for cut in single_cuts(data):
            assert decode(data, (cut,), limit) == expected, (name, cut)


@settings(deadline=None, max_examples=80, database=None)
@given(st.sampled_from(sorted(ALL_VECTORS)), places)
def test_bytes_cut_anywhere_give_these_events(name, where):
    limit, data, expected = ALL_VECTORS[name]
    assert decode(data, cuts_at(where, data), limit) == expected


@settings(deadline=None, max_examples=80, database=None)
@given(streams(), places)
def test_any_stream_of_messages_comes_out_as_it_went_in(stream, where):
    data, expected = stream
    assert decode(data, cuts_at(where, data)) == expected


# Close codes.


def test_a_close_frame_may_carry_exactly_the_codes_of_the_rfc_and_the_registry():
    # RFC 6455 7.4.1 without 1004, 1005, 1006 and 1015; 1012 to 1014 from the IANA registry; 7.4.2 for the ranges.
    allowed = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, *range(3000, 5000)}
    for code in [*range(5001), 32768, 65535]:
        expected = ("close", code, "", struct.pack("!H", code)) if code in allowed else PROTOCOL_ERROR
        assert decode(close(code)) == [expected]


# A read that is one message.


@pytest.mark.parametrize("payload", [b"", b"a", "é".encode(), bytes(125)], ids=len)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_one_small_message_is_told_by_a_look(opcode, payload):
    data = frame(opcode, payload)
    found = Decoder(LIMIT).only_message(data)
    assert found.length == len(payload)
    assert [describe(found)] == decode(data)


@pytest.mark.parametrize("size", [126, 65535, 65536, 262144])
def test_a_larger_one_is_told_as_far_as_a_scan_takes_it(size):
    found = Decoder(LIMIT).only_message(frame(BINARY, bytes(size)))
    assert (found is not None) == (size <= SCANNED_BYTES)
    assert found is None or (found.payload, found.text, found.length) == (bytes(size), None, size)


def test_what_a_look_tells_is_what_decoding_gives_whatever_comes():
    small = frame(TEXT, b"abc")
    for data in (
        small + small,
        small[:-1],
        small + b"\x81",
        b"\x81",
        b"",
        frame(PING, b"abc"),
        frame(TEXT, b"\xff" * 3),
    ):
        assert Decoder(LIMIT).only_message(data) is None, data
    for size in (5, 300):
        data = frame(BINARY, bytes(size))
        assert Decoder(size - 1).only_message(data) is None
        assert Decoder(LIMIT).only_message(data + data) is None
        assert Decoder(LIMIT).only_message(data[:-1]) is None
    for name, (limit, data, expected) in ALL_VECTORS.items():
        found = Decoder(limit).only_message(data)
        assert found is None or [describe(found)] == expected, name


def test_many_messages_are_not_decoded_for_a_look(monkeypatch):
    monkeypatch.setattr(decoder_module, "scan", lambda *_: pytest.fail("it decoded"))
    for data in (frame(BINARY, bytes(64)), frame(BINARY, bytes(300))):
        assert Decoder(LIMIT).only_message(data * 100) is None


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


@pytest.mark.parametrize("make_inflater", [lambda: None, Inflater])
@pytest.mark.parametrize(("data", "is_http"), [(b"HTTP/1.1 504 Gateway Time-out\r\n", True), (b"\xf1\x00", False)])
def test_an_answer_of_http_instead_of_a_frame_is_called_so(make_inflater, data, is_http):
    decoder = Decoder(LIMIT)
    decoder.inflater = make_inflater()
    (violation,) = decoder.receive_data(data)
    assert violation.error.message.endswith("; it sent HTTP instead of a frame") is is_http


@pytest.mark.parametrize(
    ("opcode", "first_bits", "is_told"),
    [(TEXT, 0x40, True), (BINARY, 0x40, True), (PING, 0x40, False), (TEXT, 0x60, False)],
)
def test_a_server_that_compresses_unasked_is_told_as_one(opcode, first_bits, is_told):
    (violation,) = Decoder(LIMIT).receive_data(frame(opcode, b"x", first_bits=first_bits))
    assert violation.error.message.endswith(": control.compression offers it") is is_told


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


def test_a_reason_that_is_not_utf_8_is_told_with_its_code_as_far_as_it_can_be_read():
    # As of a server that cuts a reason to 123 bytes.
    (violation,) = Decoder(LIMIT).receive_data(close(1008, "the token of Zoë".encode()[:-1]))
    assert (
        violation.error.message == "the server sent a Close frame with the code 1008 and a reason that is not UTF-8: "
        "'the token of Zo\\ufffd'"
    )


# The limit on fragments.


@pytest.mark.parametrize("fragments", [1, 2, 3])
def test_a_message_may_have_as_many_fragments_as_the_limit_says(monkeypatch, fragments):
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", 3)
    data = frame(TEXT, fin=fragments == 1)
    data += b"".join(frame(CONT, b"x", fin=number == fragments) for number in range(2, fragments + 1))
    assert decode(data * 2) == [text("x" * (fragments - 1))] * 2


@pytest.mark.parametrize("last", ["0000", "8000", "0005"])
def test_a_fragment_too_many_is_refused_when_its_header_is_complete(monkeypatch, last):
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", 3)
    # What comes whole in one read is never of so many.
    decoder = Decoder(LIMIT)
    assert decoder.receive_data(frame(TEXT, fin=False) + frame(CONT, fin=False) * 2) == []
    (violation,) = decoder.receive_data(bytes.fromhex(last))
    assert isinstance(violation.error, MessageTooBigError)


def test_control_frames_are_no_fragments(monkeypatch):
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", 2)
    data = frame(TEXT, b"a", fin=False) + frame(PING) * 5 + frame(CONT, b"b")
    assert decode(data) == [("ping", b"")] * 5 + [text("ab")]


def test_endless_empty_fragments_are_ended_by_a_limit_of_a_million_or_so():
    assert frame_decoder.MAX_FRAGMENTS == 1 << 20


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


def test_a_short_text_message_has_its_text_and_keeps_no_bytes():
    message = single(frame(TEXT, "né".encode()))
    assert (message.text, message.payload) == ("né", None)
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


@pytest.mark.slow
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

        def add(self, piece, remaining):
            taken.append(len(piece))
            return super().add(piece, remaining)

    monkeypatch.setattr(decoder_module, "TextAssembler", Counting)
    data = frame(TEXT, b"x" * 5000, fin=False) + frame(CONT, b"y" * 5000)
    assert decode(data, range(1, len(data))) == [text("x" * 5000 + "y" * 5000)]
    assert sum(taken) == 10000


def test_a_header_alone_takes_no_memory_for_its_payload():
    decoder = Decoder(1 << 40)
    assert peak_bytes(lambda: decoder.receive_data(bytes.fromhex("827f 000000ff00000000") + b"some")) < 10_000


@pytest.mark.slow
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
