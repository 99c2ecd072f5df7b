"""Tests of receive_mode PARTIAL_MESSAGE on real connections: sizes, receiving by pull, and random cuts."""

import itertools
import threading
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import LIMIT, handshake, read_frame, server_frame, wait
from support.handlers import BINARY_TYPE, FULL, PARTIAL, UTF8_TYPE, Pieces, connected_for_pieces
from support.scripts import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    TEXT,
    read_until_close,
    sends,
    sends_and_closes,
    sends_and_ends,
    sends_and_notes_one,
)

from syncws import ConnectionLostError, HResult, MessageTooBigError, PartialTextReader

MAXIMUM = 0xFFFF_FFFF
# A header that says 5 GiB, and the first bytes.
VAST_BEGINNING = bytes([FIN | BINARY, 127]) + (5 << 30).to_bytes(8, "big") + b"begin"


# Size.


def test_without_a_limit_pieces_come_of_a_message_of_any_size():
    pieces = Pieces()
    with connected_for_pieces(sends_and_ends(VAST_BEGINNING), pieces) as socket:
        assert socket.wait_closed(LIMIT)
    assert pieces.entries[0] == (b"begin", False, BINARY_TYPE)
    assert type(pieces.entries[1]) is ConnectionLostError


def test_a_limit_that_was_set_counts_all_fragments_of_a_message():
    pieces, frames = Pieces(), []
    ten = [server_frame(BINARY, b"123456", fin=False), server_frame(CONTINUATION, b"7890")]
    eleven = [server_frame(BINARY, b"123456", fin=False), server_frame(CONTINUATION, b"78901")]
    with connected_for_pieces(sends_and_notes_one(frames, *ten, *eleven), pieces, limit=10) as socket:
        assert socket.wait_closed(LIMIT)
    assert [(first, payload[:2]) for first, payload in frames] == [(FIN | CLOSE, (1009).to_bytes(2, "big"))]
    assert pieces.entries[:3] == [
        (b"123456", False, BINARY_TYPE),
        (b"7890", True, BINARY_TYPE),
        (b"123456", False, BINARY_TYPE),
    ]
    (error,) = pieces.entries[3:]
    assert (type(error), error.hresult) == (MessageTooBigError, HResult.WSAEMSGSIZE)


@pytest.mark.parametrize(
    ("mode", "limit", "error"),
    [
        (FULL, MAXIMUM, ConnectionLostError),
        (FULL, MAXIMUM - 1, MessageTooBigError),
        (FULL, None, MessageTooBigError),
        (PARTIAL, MAXIMUM, ConnectionLostError),
        (PARTIAL, MAXIMUM - 1, MessageTooBigError),
    ],
)
def test_the_largest_number_means_no_limit(mode, limit, error):
    pieces = Pieces()
    with connected_for_pieces(sends_and_ends(VAST_BEGINNING), pieces, mode=mode, limit=limit) as socket:
        assert socket.wait_closed(LIMIT)
    assert type(pieces.entries[-1]) is error


def test_a_large_message_is_not_gathered():
    size, block = 32 << 20, bytes(1 << 20)
    lengths = [0]
    done = threading.Event()

    def handler(sender, args):
        lengths[0] += args.get_data_reader().unconsumed_buffer_length
        if args.is_message_complete:
            done.set()

    def script(connection):
        handshake(connection)
        connection.sendall(bytes([FIN | BINARY, 127]) + size.to_bytes(8, "big"))
        for _ in range(size // len(block)):
            connection.sendall(block)
        read_until_close(connection)

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with connected_for_pieces(script, handler):
            wait(done)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert lengths == [size]
    assert peak < 4 << 20


# By pull.


def test_receive_gives_text_as_far_as_it_is_complete_and_bytes_as_they_come():
    frames = [
        server_frame(TEXT, b"\xc3", fin=False),
        server_frame(CONTINUATION, b"\xbcb\xc3", fin=False),
        server_frame(CONTINUATION, b"\xa4"),
        server_frame(BINARY, b"\xc3", fin=False),
        server_frame(CONTINUATION, b""),
    ]
    with connected_for_pieces(sends(*frames)) as socket:
        assert [socket.receive(LIMIT) for _ in frames] == ["", "üb", "ä", b"\xc3", b""]


def test_iteration_gives_pieces_until_the_close():
    frames = [server_frame(TEXT, b"a\xc3", fin=False), server_frame(CONTINUATION, b"\xbc"), server_frame(TEXT)]
    with connected_for_pieces(sends_and_closes(*frames, code=None)) as socket:
        assert list(socket) == ["a", "ü", ""]


@pytest.mark.parametrize("mode", [FULL, PARTIAL])
def test_receive_args_tells_where_messages_end(mode):
    frames = [server_frame(TEXT, b"a", fin=False), server_frame(CONTINUATION, b"b"), server_frame(BINARY, b"c")]
    with connected_for_pieces(sends(*frames), mode=mode) as socket:
        received = []
        while len(received) < 2 or received[-1].message_type is UTF8_TYPE:
            received.append(socket.receive_args(LIMIT))
    given = [(args.get_data_stream().as_file().read(), args.is_message_complete) for args in received]
    assert given == ([(b"ab", True)] if mode is FULL else [(b"a", False), (b"b", True)]) + [(b"c", True)]


def test_a_handler_that_is_added_late_gets_the_pieces_from_before_first():
    pieces = Pieces()
    arrived = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"1", fin=False) + server_frame(PING))
        read_frame(connection)
        arrived.set()
        pieces.wait()
        connection.sendall(server_frame(CONTINUATION, b"2"))
        pieces.wait()
        pieces.are_complete.set()
        read_until_close(connection)

    with connected_for_pieces(script) as socket:
        wait(arrived)
        socket.add_message_received(pieces)
        wait(pieces.are_complete)
    assert pieces.entries == [(b"1", False, BINARY_TYPE), (b"2", True, BINARY_TYPE)]


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.one_of(st.binary(max_size=300), st.text(st.characters(codec="utf-8"), max_size=100)), max_size=4),
    st.lists(st.integers(0, 10_000), max_size=8),
    st.integers(1, 50),
)
def test_pieces_joined_are_the_messages_however_they_are_cut(messages, cuts, fragment):
    stream = b""
    for message in messages:
        data = message.encode() if isinstance(message, str) else message
        parts = [data[start : start + fragment] for start in range(0, len(data), fragment)] or [b""]
        for number, part in enumerate(parts):
            opcode = CONTINUATION if number else TEXT if isinstance(message, str) else BINARY
            stream += server_frame(opcode, part, fin=number == len(parts) - 1)
    borders = [0, *sorted(place % (len(stream) + 1) for place in cuts), len(stream)]

    def script(connection):
        handshake(connection)
        for start, stop in itertools.pairwise(borders):
            connection.sendall(stream[start:stop])
        read_until_close(connection)

    with connected_for_pieces(script) as socket:
        for message in messages:
            gathered = []
            while not gathered or not gathered[-1].is_message_complete:
                gathered.append(socket.receive_args(LIMIT))
            texts = PartialTextReader()
            if isinstance(message, str):
                assert "".join(texts.read(args) for args in gathered) == message
            else:
                assert b"".join(args.get_data_stream().as_file().read() for args in gathered) == message
