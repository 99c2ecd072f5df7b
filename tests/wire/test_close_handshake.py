"""Tests of _wire/closing.py: which Close frame goes out in which state, and what the connection closed with."""

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from syncws._wire.closing import CloseHandshake, CloseState
from syncws._wire.incoming import CloseFrame, Violation
from syncws.errors import MessageTooBigError, ProtocolViolationError


def unmasked(data):
    """Return opcode and payload of the one frame that a server of `websockets` receives."""
    server = ServerProtocol(state=State.OPEN)
    server.receive_data(data)
    assert server.parser_exc is None
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    return frame.opcode, bytes(frame.data)


def violation(message="the server broke a rule", code=1002):
    return Violation(code, ProtocolViolationError(message, close_code=code))


def close_frame(code=1001, reason="going"):
    return CloseFrame(code, reason, code.to_bytes(2, "big") + reason.encode())


EMPTY = CloseFrame(1005, "", b"")


def in_state(name):
    """Return a handshake that was brought to the state `name`."""
    handshake = CloseHandshake()
    if name == "CLOSE_SENT":
        handshake.start_close(1000, "mine")
    elif name == "CLOSED":
        handshake.receive_close(close_frame(4000, "theirs"))
    elif name == "FAILED":
        handshake.receive_violation(violation("broken", 1007))
    assert handshake.state is CloseState[name]
    return handshake


# Open.


def test_a_new_connection_is_open_and_would_end_abnormally():
    handshake = CloseHandshake()
    assert handshake.is_open
    assert handshake.state is CloseState.OPEN
    assert (handshake.close_code, handshake.close_reason) == (1006, "")


@pytest.mark.parametrize("state", ["CLOSE_SENT", "CLOSED", "FAILED"])
def test_a_connection_is_not_open_once_closing_began(state):
    assert not in_state(state).is_open


# We begin to close.


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [(None, "", b""), (1000, "", b"\x03\xe8"), (3000, "tschüß", b"\x0b\xb8tsch\xc3\xbc\xc3\x9f")],
)
def test_starting_to_close_gives_a_close_frame(code, reason, payload):
    handshake = CloseHandshake()
    assert unmasked(handshake.start_close(code, reason)) == (Opcode.CLOSE, payload)
    assert handshake.state is CloseState.CLOSE_SENT


def test_the_longest_reason_makes_a_close_frame_that_a_server_takes():
    _opcode, payload = unmasked(CloseHandshake().start_close(1000, "r" * 123))
    assert Close.parse(payload) == Close(1000, "r" * 123)


def test_starting_to_close_does_not_decide_what_the_connection_closed_with():
    handshake = in_state("CLOSE_SENT")
    assert (handshake.close_code, handshake.close_reason) == (1006, "")


@pytest.mark.parametrize("state", ["CLOSE_SENT", "CLOSED", "FAILED"])
def test_starting_to_close_again_gives_nothing_and_changes_nothing(state):
    handshake = in_state(state)
    before = (handshake.state, handshake.close_code, handshake.close_reason)
    assert handshake.start_close(1000, "again") is None
    assert (handshake.state, handshake.close_code, handshake.close_reason) == before


# cannot be encoded leaves CLOSE_SENT behind although no frame exists, and no later start_close() makes one.
@pytest.mark.parametrize(("code", "reason"), [(70000, ""), (-1, ""), (1000, "\ud800")])
def test_a_close_that_cannot_be_encoded_leaves_the_connection_open(code, reason):
    handshake = CloseHandshake()
    with pytest.raises((OverflowError, UnicodeEncodeError)):
        handshake.start_close(code, reason)
    assert handshake.is_open


# The peer's Close frame.


@pytest.mark.parametrize("frame", [EMPTY, close_frame(1000, ""), close_frame(4999, "tschüß")])
def test_a_close_frame_is_echoed_with_its_payload(frame):
    assert unmasked(CloseHandshake().receive_close(frame)) == (Opcode.CLOSE, frame.payload)


@pytest.mark.parametrize("state", ["OPEN", "CLOSE_SENT"])
@pytest.mark.parametrize("frame", [EMPTY, close_frame(1001, "going")])
def test_the_connection_closed_with_what_the_peer_sent(state, frame):
    handshake = in_state(state)
    handshake.receive_close(frame)
    assert handshake.state is CloseState.CLOSED
    assert (handshake.close_code, handshake.close_reason) == (frame.code, frame.reason)


@pytest.mark.parametrize("state", ["CLOSE_SENT", "CLOSED", "FAILED"])
def test_a_close_frame_is_not_answered_when_closing_began_before(state):
    assert in_state(state).receive_close(close_frame()) is None


def test_a_close_frame_after_a_violation_does_not_hide_it():
    handshake = in_state("FAILED")
    handshake.receive_close(close_frame())
    assert handshake.state is CloseState.FAILED
    assert (handshake.close_code, handshake.close_reason) == (1007, "broken")


# Violations.


def test_a_violation_is_answered_with_its_code_and_message():
    answer = CloseHandshake().receive_violation(violation("the server sent a masked frame", 1002))
    opcode, payload = unmasked(answer)
    assert opcode is Opcode.CLOSE
    assert Close.parse(payload) == Close(1002, "the server sent a masked frame")


@pytest.mark.parametrize("length", [122, 123, 124, 300])
def test_a_long_message_is_cut_to_what_a_control_frame_holds(length):
    message = "".join(chr(97 + index % 26) for index in range(length))
    _opcode, payload = unmasked(CloseHandshake().receive_violation(violation(message)))
    assert Close.parse(payload) == Close(1002, message[:123])


def test_a_violation_after_our_close_fails_the_connection_without_a_code_from_the_peer():
    handshake = in_state("CLOSE_SENT")
    handshake.receive_violation(violation())
    assert handshake.state is CloseState.FAILED
    assert (handshake.close_code, handshake.close_reason) == (1006, "")


def test_a_violation_fails_the_connection_with_its_code_and_whole_message():
    handshake = in_state("OPEN")
    handshake.receive_violation(Violation(1009, MessageTooBigError("m" * 200)))
    assert handshake.state is CloseState.FAILED
    assert (handshake.close_code, handshake.close_reason) == (1009, "m" * 200)


@pytest.mark.parametrize("state", ["CLOSE_SENT", "CLOSED", "FAILED"])
def test_a_violation_is_not_answered_when_closing_began_before(state):
    assert in_state(state).receive_violation(violation()) is None


# A reason of our own.


def test_failing_for_a_reason_of_our_own_sends_and_notes_it():
    handshake = CloseHandshake()
    assert unmasked(handshake.fail(1011, "keep-alive")) == (Opcode.CLOSE, Close(1011, "keep-alive").serialize())
    assert handshake.state is CloseState.FAILED
    assert (handshake.close_code, handshake.close_reason) == (1011, "keep-alive")


def test_a_long_reason_is_cut_on_the_wire_only():
    handshake = CloseHandshake()
    _, payload = unmasked(handshake.fail(1011, "x" * 200))
    assert payload == Close(1011, "x" * 123).serialize()
    assert handshake.close_reason == "x" * 200


@pytest.mark.parametrize("name", ["CLOSE_SENT", "CLOSED", "FAILED"])
def test_failing_when_closing_has_begun_changes_nothing(name):
    handshake = in_state(name)
    before = (handshake.state, handshake.close_code, handshake.close_reason)
    assert handshake.fail(1011, "too late") is None
    assert (handshake.state, handshake.close_code, handshake.close_reason) == before
