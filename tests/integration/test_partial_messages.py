"""Tests of receive_mode PARTIAL_MESSAGE on real connections: the property, and the events of pieces."""

import threading

import pytest
from support import LIMIT, handshake, read_frame, scripted_server, server_frame, wait
from support.handlers import BINARY_TYPE, FULL, PARTIAL, UTF8_TYPE, Pieces, connected_for_pieces, sends_one_by_one
from support.scripts import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    read_until_close,
    sends,
    sends_and_ends,
    sends_and_notes_one,
)

from syncws import (
    ConnectionLostError,
    DataWriter,
    HResult,
    IllegalMethodCallError,
    MessageWebSocket,
    NoUnicodeTranslationError,
    PartialTextReader,
    ProtocolViolationError,
    SocketMessageType,
)

# The property; what it takes is tested in test_control.py.


def test_the_mode_cannot_be_set_after_connect():
    with connected_for_pieces(sends()) as socket:
        with pytest.raises(IllegalMethodCallError) as raised:
            socket.control.receive_mode = FULL
        assert socket.control.receive_mode is PARTIAL
    assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL


def test_the_mode_can_be_set_again_after_a_connect_that_failed():
    socket = MessageWebSocket()
    with scripted_server(lambda connection: None) as uri, pytest.raises(ConnectionLostError):
        socket.connect(uri)
    socket.control.receive_mode = PARTIAL
    assert socket.control.receive_mode is PARTIAL


# Events.


def test_half_a_frame_comes_at_once_and_the_other_half_when_it_is_there(tls):
    pieces = Pieces()
    frame = server_frame(BINARY, b"first half, second half")
    with connected_for_pieces(sends_one_by_one(pieces, frame[:12], frame[12:]), pieces, tls=tls):
        wait(pieces.are_complete)
    assert pieces.entries == [(b"first half", False, BINARY_TYPE), (b", second half", True, BINARY_TYPE)]


def test_a_big_frame_comes_in_pieces_of_what_has_arrived(tls):
    pieces = Pieces()
    payload = bytes(range(256)) * 400
    frame = server_frame(TEXT, payload.hex().encode())
    parts = []

    def script(connection):
        handshake(connection)
        connection.sendall(frame[:-1])
        while sum(len(entry[0]) for entry in parts) < len(frame) - 11:
            pieces.wait()
            parts.append(pieces.entries[len(parts)])
        connection.sendall(frame[-1:])
        pieces.wait()
        pieces.are_complete.set()
        read_until_close(connection)

    with connected_for_pieces(script, pieces, tls=tls):
        wait(pieces.are_complete)
    assert len(parts) >= 204800 // 65536
    assert {(is_complete, kind) for _, is_complete, kind in parts} == {(False, UTF8_TYPE)}
    assert pieces.entries == [*parts, (b"f", True, UTF8_TYPE)]
    assert b"".join(entry[0] for entry in pieces.entries) == frame[10:]


def test_every_frame_of_a_message_ends_a_piece_and_keeps_the_type():
    pieces = Pieces()
    frames = [
        server_frame(TEXT, b"one", fin=False),
        server_frame(CONTINUATION, b"two", fin=False),
        server_frame(CONTINUATION, b"three"),
        server_frame(BINARY, b"\xff"),
    ]
    with connected_for_pieces(sends(*frames), pieces):
        for _ in frames:
            pieces.wait()
    assert pieces.entries == [
        (b"one", False, UTF8_TYPE),
        (b"two", False, UTF8_TYPE),
        (b"three", True, UTF8_TYPE),
        (b"\xff", True, BINARY_TYPE),
    ]


@pytest.mark.parametrize(("opcode", "kind"), [(TEXT, UTF8_TYPE), (BINARY, BINARY_TYPE)])
def test_empty_messages_come_and_empty_fragments_only_at_the_end(opcode, kind):
    pieces = Pieces()
    frames = [
        server_frame(opcode),
        server_frame(opcode, fin=False),
        server_frame(CONTINUATION, b"a", fin=False),
        server_frame(CONTINUATION, fin=False),
        server_frame(CONTINUATION),
        server_frame(opcode, fin=False),
        server_frame(CONTINUATION),
    ]
    with connected_for_pieces(sends(*frames), pieces):
        for _ in range(4):
            pieces.wait()
    assert pieces.entries == [(b"", True, kind), (b"a", False, kind), (b"", True, kind), (b"", True, kind)]


def test_pings_between_and_behind_pieces_are_answered():
    frames = []

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"a", fin=False) + server_frame(PING, b"now"))
        frames.append(read_frame(connection))
        connection.sendall(server_frame(CONTINUATION, b"b"))
        read_until_close(connection)

    with connected_for_pieces(script) as socket:
        assert [socket.receive(LIMIT), socket.receive(LIMIT)] == [b"a", b"b"]
    assert frames == [(FIN | PONG, b"now")]


def test_text_that_ends_inside_a_character_cannot_be_read_as_a_string_but_as_bytes():
    frames = [server_frame(TEXT, b"Gr\xc3", fin=False), server_frame(CONTINUATION, b"\xbc")]
    with connected_for_pieces(sends(*frames)) as socket:
        first = socket.receive_args(LIMIT)
        with first.get_data_reader() as reader:
            with pytest.raises(NoUnicodeTranslationError) as raised:
                reader.read_string(3)
            assert raised.value.hresult == HResult.ERROR_NO_UNICODE_TRANSLATION
            assert reader.unconsumed_buffer_length == 3
            assert reader.read_string(2) == "Gr"
            assert reader.read_bytes(1) == b"\xc3"
        second = socket.receive_args(LIMIT)
        with second.get_data_reader() as reader, pytest.raises(NoUnicodeTranslationError):
            reader.read_string(1)
        assert [args.get_data_stream().as_file().read() for args in (first, second, first)] == [
            b"Gr\xc3",
            b"\xbc",
            b"Gr\xc3",
        ]


def test_a_text_reader_decodes_across_events():
    texts = PartialTextReader()
    given = []
    done = threading.Event()

    def handler(sender, args):
        given.append((texts.read(args), args.is_message_complete))
        if args.is_message_complete:
            done.set()

    frames = [server_frame(TEXT, b"\xe2", fin=False), server_frame(CONTINUATION, b"\x82", fin=False)]
    with connected_for_pieces(sends(*frames, server_frame(CONTINUATION, b"\xac!")), handler):
        wait(done)
    assert given == [("", False), ("", False), ("€!", True)]


def test_the_event_of_a_lost_connection_raises_and_is_the_last():
    args_of_events = []
    with connected_for_pieces(
        sends_and_ends(server_frame(TEXT, b"half", fin=False)), lambda _, args: args_of_events.append(args)
    ) as socket:
        assert socket.wait_closed(LIMIT)
    piece, failure = args_of_events
    assert (piece.is_message_complete, failure.is_message_complete) == (False, True)
    for read in (failure.get_data_reader, failure.get_data_stream, lambda: PartialTextReader().read(failure)):
        with pytest.raises(ConnectionLostError) as raised:
            read()
        assert raised.value.hresult == HResult.WININET_E_CONNECTION_ABORTED


@pytest.mark.parametrize("bad", [server_frame(CONTINUATION, b"\xff"), server_frame(CONTINUATION, b"x\xc3")])
def test_text_that_is_not_utf8_is_not_given_out_and_ends_the_connection_with_1007(bad):
    pieces, frames = Pieces(), []
    script = sends_and_notes_one(frames, server_frame(TEXT, b"good", fin=False), bad)
    with connected_for_pieces(script, pieces) as socket:
        assert socket.wait_closed(LIMIT)
    assert [(first, payload[:2]) for first, payload in frames] == [(FIN | CLOSE, (1007).to_bytes(2, "big"))]
    piece, error = pieces.entries
    assert piece == (b"good", False, UTF8_TYPE)
    assert (type(error), error.close_code) == (ProtocolViolationError, 1007)


def test_a_text_that_ends_inside_a_character_in_an_empty_frame_ends_the_connection_too():
    pieces, frames = Pieces(), []
    script = sends_and_notes_one(frames, server_frame(TEXT, b"\xc3", fin=False), server_frame(CONTINUATION))
    with connected_for_pieces(script, pieces) as socket:
        assert socket.wait_closed(LIMIT)
    assert [(first, payload[:2]) for first, payload in frames] == [(FIN | CLOSE, (1007).to_bytes(2, "big"))]
    assert pieces.entries[0] == (b"\xc3", False, UTF8_TYPE)
    assert type(pieces.entries[1]) is ProtocolViolationError


# Scenario 4 of Microsoft's sample.


def answer_fragments(connection):
    """Answer each fragment by one, as partialMessages.ashx does; at the client's Close that."""
    handshake(connection)
    while True:
        first, payload = read_frame(connection)
        if first & 0x0F == CLOSE:
            connection.sendall(server_frame(CLOSE, payload))
            return
        answer = b'You said: "' + payload + b'"\r\n'
        connection.sendall(server_frame(first & 0x0F, answer, fin=first >= FIN))


def test_the_samples_fragments_are_answered_piece_by_piece(tls):
    shown = []
    pieces = Pieces()

    def handler(sender, args):
        with args.get_data_reader() as reader:
            text = reader.read_string(reader.unconsumed_buffer_length)
        shown.append(f"{'Complete' if args.is_message_complete else 'Partial'} {args.message_type.name} {text}")
        pieces.came.release()

    with connected_for_pieces(answer_fragments, handler, tls=tls) as socket:
        socket.control.message_type = SocketMessageType.UTF8
        for text, send in [("Hello ", socket.send_nonfinal_frame), ("World", socket.send_final_frame)]:
            writer = DataWriter()
            writer.write_string(text)
            assert send(writer.detach_buffer()) == len(text)
            pieces.wait()
        socket.close(1000, "Closed due to user request.")
    assert shown == ['Partial UTF8 You said: "Hello "\r\n', 'Complete UTF8 You said: "World"\r\n']
