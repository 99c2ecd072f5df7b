"""Tests of wire.frames; what it encodes is read back by the frame parser and the server protocol of `websockets`."""

import pytest
from support.wire import count_masks, parse, pattern
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from syncws._wire import frames
from syncws._wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    close_payload,
    encode_frame,
    frame_header,
    is_sendable_close_code,
    is_valid_received_close_code,
)
from syncws._wire.large import FramePieces

RFC_KEY = bytes.fromhex("37fa213d")
LENGTHS = [0, 1, 3, 4, 5, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537]


@pytest.fixture
def masks(monkeypatch):
    return count_masks(monkeypatch, frames)


@pytest.fixture
def rfc_mask(monkeypatch):
    """Give the key of the examples in RFC 6455 5.7."""
    monkeypatch.setattr(frames, "new_key", lambda: RFC_KEY)


def serve(*frames_sent):
    """Return the frames that a server of `websockets` receives."""
    server = ServerProtocol(state=State.OPEN, max_size=None)
    for data in frames_sent:
        server.receive_data(data)
    assert server.parser_exc is None
    return server.events_received()


# The examples of RFC 6455 5.7 that a client sends.


@pytest.mark.usefixtures("rfc_mask")
def test_the_masked_text_example_has_the_printed_bytes():
    assert encode_frame(TEXT, b"Hello") == bytes.fromhex("8185 37fa213d 7f9f4d5158")


@pytest.mark.usefixtures("rfc_mask")
def test_the_masked_pong_example_has_the_printed_bytes():
    assert encode_frame(PONG, b"Hello") == bytes.fromhex("8a85 37fa213d 7f9f4d5158")


# Headers.


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, "8280"),
        (1, "8281"),
        (125, "82fd"),
        (126, "82fe 007e"),
        (127, "82fe 007f"),
        (255, "82fe 00ff"),
        (256, "82fe 0100"),
        (65535, "82fe ffff"),
        (65536, "82ff 0000000000010000"),
        (65537, "82ff 0000000000010001"),
        ((1 << 63) - 1, "82ff 7fffffffffffffff"),
    ],
)
def test_a_header_has_the_mask_bit_and_the_shortest_form_of_the_length(length, header):
    assert frame_header(FIN | BINARY, length) == bytes.fromhex(header)


@pytest.mark.parametrize(
    ("opcode", "is_final", "first"),
    [
        (CONTINUATION, True, 0x80),
        (TEXT, True, 0x81),
        (BINARY, True, 0x82),
        (CLOSE, True, 0x88),
        (PING, True, 0x89),
        (PONG, True, 0x8A),
        (CONTINUATION, False, 0x00),
        (TEXT, False, 0x01),
        (BINARY, False, 0x02),
    ],
)
@pytest.mark.parametrize("length", [5, 126, 65536])
def test_the_first_byte_holds_the_fin_bit_and_the_opcode(opcode, is_final, first, length):
    assert encode_frame(opcode, pattern(length), is_final=is_final)[0] == first
    assert next(FramePieces(opcode, pattern(length), is_final=is_final))[0] == first


# Whole frames.


@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_is_read_back_by_another_implementation(length):
    payload = pattern(length)
    assert parse(encode_frame(BINARY, payload)) == Frame(Opcode.BINARY, payload)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("length", [0, 100, 200])
def test_a_payload_may_be_any_flat_buffer_of_bytes(kind, length):
    data = encode_frame(BINARY, kind(pattern(length)))
    assert type(data) is bytes
    assert parse(data).data == pattern(length)


@pytest.mark.parametrize("length", [3, 300])
def test_a_frame_that_is_not_final_is_read_back_as_such(length):
    payload = pattern(length)
    assert parse(encode_frame(CONTINUATION, payload, is_final=False)) == Frame(Opcode.CONT, payload, fin=False)


def test_a_server_takes_a_fragmented_message_with_a_ping_between():
    received = serve(
        encode_frame(TEXT, b"Hel", is_final=False),
        encode_frame(PING, b"still there?"),
        encode_frame(CONTINUATION, b"lo"),
    )
    assert received == [
        Frame(Opcode.TEXT, b"Hel", fin=False),
        Frame(Opcode.PING, b"still there?"),
        Frame(Opcode.CONT, b"lo"),
    ]


def test_a_server_reads_code_and_reason_of_a_close_frame():
    (received,) = serve(encode_frame(CLOSE, close_payload(4321, "tschüß")))
    assert received.opcode is Opcode.CLOSE
    assert Close.parse(received.data) == Close(4321, "tschüß")


# Masks.


@pytest.mark.parametrize("length", [0, 5, 125, 126, 65536])
def test_each_frame_asks_the_system_for_a_fresh_four_byte_mask(masks, length):
    header_bytes = len(frame_header(FIN | BINARY, length))
    for number in (1, 2, 3):
        data = encode_frame(BINARY, bytes(length))
        assert data[header_bytes : header_bytes + 4] == number.to_bytes(4, "big")
    assert masks == [4, 4, 4]


def test_masks_come_from_the_system_when_nobody_stands_in():
    seen = {encode_frame(BINARY, b"")[2:] for _ in range(8)}
    assert len(seen) > 1


# Close frames and codes.


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (None, "", b""),
        (1000, "", b"\x03\xe8"),
        (1000, "bye", b"\x03\xe8bye"),
        (4999, "é", b"\x13\x87\xc3\xa9"),
    ],
)
def test_a_close_payload_is_the_code_and_the_reason_in_utf8(code, reason, payload):
    assert close_payload(code, reason) == payload


def test_the_longest_reason_fills_a_control_frame():
    assert frames.MAX_REASON_BYTES == 123
    assert len(close_payload(1000, "x" * frames.MAX_REASON_BYTES)) == frames.MAX_CONTROL_PAYLOAD == 125


def test_a_peer_may_send_exactly_the_codes_of_the_rfc_and_the_registry():
    # RFC 6455 7.4.1 without 1004, 1005, 1006 and 1015; 1012 to 1014 from the IANA registry; 7.4.2 for the ranges.
    allowed = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, *range(3000, 5000)}
    assert {code for code in range(65536) if is_valid_received_close_code(code)} == allowed


def test_close_may_send_exactly_the_codes_of_winrt_without_1005():
    # What Windows takes; 1005 is the caller's word for an empty Close frame.
    allowed = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, *range(3000, 4000), *range(4000, 5000)}
    assert {code for code in range(-1, 65537) if is_sendable_close_code(code)} == allowed


@pytest.mark.parametrize(
    ("name", "number"),
    [("CONTINUATION", 0x0), ("TEXT", 0x1), ("BINARY", 0x2), ("CLOSE", 0x8), ("PING", 0x9), ("PONG", 0xA)],
)
def test_opcodes_have_the_numbers_of_the_rfc(name, number):
    assert getattr(frames, name) == number
