"""StreamReceiver and StreamSession: the payload of all messages, one after the other, and how it ends."""

import pytest
from support import LIMIT, server_frame
from support.calls import Call
from support.scripts import BINARY, CLOSE, FIN, PING, PONG, TEXT

from syncws._connection.receiving import reader as module
from syncws._streams.operation import Operation
from syncws._wire.frames import close_payload
from syncws.errors import (
    ConnectionLostError,
    IllegalMethodCallError,
    ObjectClosedError,
    OperationTimedOutError,
    ProtocolViolationError,
)
from syncws.hresult import HResult

CLOSE_1000 = server_frame(CLOSE, close_payload(1000, "bye"))


def read(session, count=1 << 20):
    """Read once: the bytes that lie together."""
    operation = Operation()
    session.begin_read(operation)
    try:
        view = session.peek(count)
        data = bytes(view)
        session.inbox.advance(len(data))
    finally:
        operation.is_over = True
    return data


def read_to_end(session):
    pieces = []
    while piece := read(session):
        pieces.append(piece)
    return b"".join(pieces)


def test_the_payload_of_frames_and_messages_is_joined(stream_rigs):
    rig = stream_rigs(
        server_frame(BINARY, b"one") + server_frame(BINARY, b"two", fin=False),
        server_frame(0, b"three"),
        CLOSE_1000,
        b"",
    )
    rig.run()
    assert read_to_end(rig.session) == b"onetwothree"
    assert read(rig.session) == b""
    assert rig.owner.log == [(1000, "bye")]


def test_text_is_given_as_its_bytes(stream_rigs):
    frame = server_frame(TEXT, "grün".encode())
    rig = stream_rigs(frame[:5], frame[5:] + server_frame(BINARY, b"\xff"), CLOSE_1000, b"")
    rig.run()
    assert read_to_end(rig.session) == "grün".encode() + b"\xff"


def test_a_frame_that_comes_byte_by_byte_is_given_byte_by_byte(stream_rigs):
    rig = stream_rigs(*[bytes([byte]) for byte in server_frame(BINARY, b"pieces")], CLOSE_1000, b"")
    rig.run()
    assert read_to_end(rig.session) == b"pieces"


def test_one_read_of_many_small_messages_is_one_chunk(stream_rigs):
    rig = stream_rigs(server_frame(BINARY, b"ab") * 50, CLOSE_1000, b"")
    rig.run()
    assert read(rig.session) == b"ab" * 50


def test_empty_messages_give_nothing(stream_rigs):
    rig = stream_rigs(server_frame(BINARY) + server_frame(TEXT), server_frame(BINARY), server_frame(BINARY, b"x"), b"")
    rig.run()
    assert read(rig.session) == b"x"


def test_a_ping_between_is_answered(stream_rigs):
    rig = stream_rigs(
        server_frame(BINARY, b"a") + server_frame(PING, b"?") + server_frame(BINARY, b"b"), CLOSE_1000, b""
    )
    rig.run()
    assert rig.frames[0] == (FIN | PONG, b"?")
    assert read_to_end(rig.session) == b"ab"


def test_a_read_waits_for_bytes(stream_rigs):
    rig = stream_rigs()
    rig.start()
    taken = []
    call = Call(lambda session: taken.append(read(session)), rig.session)
    while rig.session.inbox._signal is None:
        pass
    rig.transport.feed(server_frame(BINARY, b"late"))
    assert call.end() is None
    assert taken == [b"late"]


def test_a_read_ends_when_its_time_is_over(stream_rigs):
    rig = stream_rigs(receive_timeout=0.01)
    rig.start()
    with pytest.raises(OperationTimedOutError):
        read(rig.session)


def test_a_read_on_the_reader_thread_is_refused(stream_rigs):
    rig = stream_rigs()
    errors = []
    real = rig.transport.receive

    def receive(size):
        with pytest.raises(IllegalMethodCallError) as caught:
            rig.session.begin_read(Operation())
        errors.append(caught.value.hresult)
        return real(size)

    rig.transport.receive = receive
    rig.transport.feed(b"")
    rig.run()
    assert errors == [HResult.E_ILLEGAL_METHOD_CALL]


def test_in_the_closed_handler_what_waits_can_be_read(stream_rigs):
    rig = stream_rigs(server_frame(BINARY, b"rest"), CLOSE_1000, b"")
    taken = []
    rig.owner.on_closed = lambda: taken.append(read_to_end(rig.session))
    rig.run()
    assert taken == [b"rest"]


# How it ends.


def test_what_came_before_a_loss_is_given_out_first(stream_rigs):
    rig = stream_rigs(server_frame(BINARY, b"good"), ConnectionResetError(104, "reset"))
    rig.run()
    assert read(rig.session) == b"good"
    for _ in range(2):
        with pytest.raises(ConnectionLostError) as caught:
            read(rig.session)
        assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET


def test_an_end_without_a_close_frame_is_a_loss(stream_rigs):
    rig = stream_rigs(server_frame(BINARY, b"good"), b"")
    rig.run()
    assert read(rig.session) == b"good"
    with pytest.raises(ConnectionLostError):
        read(rig.session)
    assert rig.owner.log == [(1006, "")]


def test_what_came_before_a_violation_is_given_out_first(stream_rigs):
    rig = stream_rigs(server_frame(BINARY, b"good") + b"\xff\xff", b"")
    rig.run()
    assert read(rig.session) == b"good"
    with pytest.raises(ProtocolViolationError):
        read(rig.session)
    assert rig.frames[-1][1][:2] == (1002).to_bytes(2, "big")


def test_text_that_is_not_utf_8_is_a_violation_and_not_given_out(stream_rigs):
    rig = stream_rigs(server_frame(TEXT, b"good", fin=False), server_frame(0, b"\xff"), b"")
    rig.run()
    assert read(rig.session) == b"good"
    with pytest.raises(ProtocolViolationError):
        read(rig.session)
    assert rig.frames[-1][1][:2] == (1007).to_bytes(2, "big")


def test_what_came_before_a_close_frame_is_given_out_although_it_came_with_it(stream_rigs):
    rig = stream_rigs(server_frame(BINARY, b"good") + CLOSE_1000, b"")
    rig.run()
    assert read_to_end(rig.session) == b"good"


def test_a_waiting_read_ends_with_the_loss(stream_rigs):
    rig = stream_rigs()
    rig.start()
    call = Call(read, rig.session)
    while rig.session.inbox._signal is None:
        pass
    rig.transport.feed(b"")
    assert isinstance(call.end(), ConnectionLostError)


# Room.


def test_reading_stops_while_the_inbox_is_full_and_goes_on_below_half(stream_rigs):
    rig = stream_rigs(inbox_size_in_bytes=8)
    rig.start()
    rig.transport.feed(server_frame(BINARY, b"12345678"))
    while not rig.session.inbox.is_full:
        pass
    rig.transport.feed(server_frame(BINARY, b"more"))
    rig.waker.wake()
    assert read(rig.session, 3) == b"123"
    assert len(rig.transport.incoming) == 1
    assert rig.session.inbox.is_full
    assert read(rig.session, 1) == b"4"
    assert read(rig.session, 4) == b"5678"
    assert read(rig.session) == b"more"


def test_reading_stops_also_when_there_is_more_at_hand(stream_rigs, monkeypatch):
    frame = server_frame(BINARY, b"12345678")
    monkeypatch.setattr(module, "SMALL_BYTES", len(frame))
    monkeypatch.setattr(module, "MANY_BYTES", len(frame))
    rig = stream_rigs(frame * 3, inbox_size_in_bytes=8)
    rig.start()
    assert [read(rig.session) for _ in range(3)] == [b"12345678"] * 3


def test_an_input_stream_that_was_closed_lets_the_reading_go_on_and_drops_what_comes(stream_rigs):
    rig = stream_rigs(server_frame(BINARY, b"12345678"), inbox_size_in_bytes=8)
    rig.start()
    while not rig.session.inbox.is_full:
        pass
    rig.session.inbox.drop()
    for piece in (server_frame(BINARY, b"12345678"), CLOSE_1000, b""):
        rig.transport.feed(piece)
    rig.end()
    assert rig.session.inbox.size == 0
    assert rig.owner.log == [(1000, "bye")]


def test_what_comes_after_a_local_close_is_dropped(stream_rigs):
    rig = stream_rigs(server_frame(BINARY, b"before"), inbox_size_in_bytes=6)
    rig.start()
    while not rig.session.inbox.is_full:
        pass
    closing = Call(rig.session.close, 1000, "", LIMIT)
    while not rig.transport.sends:
        pass
    for piece in (server_frame(BINARY, b"after"), CLOSE_1000, b""):
        rig.transport.feed(piece)
    assert closing.end() is None
    assert rig.session.inbox.size == 0
    with pytest.raises(ObjectClosedError):
        rig.session.begin_read(Operation())
    assert rig.owner.log == [(1000, "bye")]


def test_with_the_default_inbox_as_much_is_read_at_a_time_as_the_transport_has_at_most(stream_rigs):
    rig = stream_rigs(*[server_frame(BINARY, bytes(5000))] * 3, CLOSE_1000, b"")
    rig.transport.most_bytes = 1 << 19
    rig.run()
    assert max(rig.transport.sizes) == 1 << 19
