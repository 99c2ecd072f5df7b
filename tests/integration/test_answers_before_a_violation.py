"""What came before a violation in the same read can be answered before our Close frame, by receive() as by handlers."""

import contextlib
import threading

import pytest
from support import LIMIT, handshake, read_frame, scripted_server, server_frame, wait
from support.scripts import BINARY, TEXT

import syncws
from syncws._connection import closing

# A frame of an opcode that does not exist.
BAD = b"\x83\x00"
CLOSE = 0x88


def answers(uri):
    with contextlib.suppress(syncws.ProtocolViolationError), syncws.connect(uri, timeout=LIMIT) as socket:
        for message in socket:
            socket.send(message)


@pytest.mark.parametrize("count", [1, 3])
def test_whoever_receives_and_sends_in_turn_answers_what_came_before(count):
    frames = []

    def serve(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"hello") * count + BAD)
        frames.extend(read_frame(connection) for _ in range(count + 1))

    for _ in range(10):
        frames.clear()
        with scripted_server(serve) as uri:
            answers(uri)
        assert [payload for _, payload in frames[:-1]] == [b"hello"] * count
        assert frames[-1][1][:2] == b"\x03\xea"


def test_who_does_not_receive_again_does_not_hold_the_end_up():
    received = threading.Event()

    def serve(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"hello") + BAD)
        assert read_frame(connection)[1][:2] == b"\x03\xea"
        received.set()

    with scripted_server(serve) as uri, syncws.connect(uri, timeout=LIMIT) as socket:
        assert socket.receive(LIMIT) == b"hello"
        wait(received)
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_cause is syncws.CloseCause.PROTOCOL_ERROR


def test_behind_a_message_that_nobody_claims_the_violation_is_told_at_once(monkeypatch):
    monkeypatch.setattr(closing, "ANSWER_SLICES", 1 << 30)

    def serve(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"hello") + BAD)
        assert read_frame(connection)[1][:2] == b"\x03\xea"

    with scripted_server(serve) as uri, syncws.connect(uri, timeout=LIMIT, discard_unclaimed_messages=True) as socket:
        assert socket.wait_closed(LIMIT)
        assert socket.information.discarded_messages == 1
