"""A message that the application sends frame by frame: its type, its text, its turns, and what a timeout leaves."""

import pytest
from support.calls import Call
from support.doubles import messages_of
from support.scripts import BINARY, CLOSE, CONTINUATION, FIN, PONG, TEXT

from syncws._wire.frames import FRAGMENT_BYTES, encode_frame
from syncws.errors import (
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidOperationError,
    ObjectClosedError,
    OperationTimedOutError,
)
from syncws.hresult import HResult

EURO = "€".encode()


def begin(rig, opcode, payload):
    rig.session.send_fragment(opcode, payload, is_final=False)


def finish(rig, opcode, payload):
    rig.session.send_fragment(opcode, payload, is_final=True)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_the_first_frame_has_the_type_and_the_last_has_fin(rigs, opcode):
    rig = rigs()
    begin(rig, opcode, b"one")
    begin(rig, opcode, b"two")
    finish(rig, opcode, b"three")
    assert rig.frames == [(opcode, b"one"), (CONTINUATION, b"two"), (FIN, b"three")]


@pytest.mark.parametrize(("first", "later"), [(TEXT, BINARY), (BINARY, TEXT)])
def test_the_type_is_that_of_the_first_frame(rigs, first, later):
    rig = rigs()
    begin(rig, first, b"one")
    finish(rig, later, b"two")
    assert messages_of(rig.frames) == [(first, b"onetwo")]


def test_binary_goes_on_as_binary_although_later_frames_say_text(rigs):
    rig = rigs()
    begin(rig, BINARY, b"\xff")
    finish(rig, TEXT, b"\xff")
    assert messages_of(rig.frames) == [(BINARY, b"\xff\xff")]


def test_text_is_checked_as_text_although_later_frames_say_binary(rigs):
    rig = rigs()
    begin(rig, TEXT, b"one")
    with pytest.raises(InvalidArgumentError):
        finish(rig, BINARY, b"\xff")
    assert rig.frames == [(TEXT, b"one")]


def test_a_final_frame_alone_is_an_ordinary_message(rigs):
    rig = rigs()
    finish(rig, TEXT, b"alone")
    finish(rig, BINARY, b"again")
    assert rig.frames == [(FIN | TEXT, b"alone"), (FIN | BINARY, b"again")]


def test_frames_may_be_empty(rigs):
    rig = rigs()
    begin(rig, BINARY, b"")
    begin(rig, BINARY, b"")
    finish(rig, BINARY, b"")
    assert rig.frames == [(BINARY, b""), (CONTINUATION, b""), (FIN, b"")]


def test_frames_may_be_larger_than_a_piece(rigs):
    rig = rigs()
    large = bytes(range(256)) * 700
    begin(rig, BINARY, large)
    finish(rig, BINARY, bytearray(large))
    assert rig.frames == [(BINARY, large), (FIN, large)]
    rig.session.send_message(TEXT, b"next")
    assert rig.frames[2:] == [(FIN | TEXT, b"next")]


def test_after_the_final_frame_ordinary_sends_and_other_messages_go_again(rigs):
    rig = rigs()
    begin(rig, TEXT, b"one")
    finish(rig, TEXT, b"two")
    rig.session.send_message(BINARY, b"next")
    begin(rig, BINARY, b"three")
    finish(rig, BINARY, b"four")
    assert messages_of(rig.frames) == [(TEXT, b"onetwo"), (BINARY, b"next"), (BINARY, b"threefour")]


# Others meanwhile.


def test_other_data_is_refused_meanwhile_from_any_thread(rigs):
    rig = rigs()
    begin(rig, TEXT, b"one")
    calls = [
        Call(rig.session.send_message, TEXT, b"other"),
        Call(rig.session.send_message, BINARY, bytes(FRAGMENT_BYTES * 2)),
        Call(rig.session.send_in_fragments, BINARY, bytes(FRAGMENT_BYTES * 2), lambda _: None),
    ]
    assert [call.end().hresult for call in calls] == [HResult.E_ILLEGAL_METHOD_CALL] * 3
    with pytest.raises(IllegalMethodCallError):
        rig.session.send_message(TEXT, b"other")
    finish(rig, TEXT, b"two")
    assert messages_of(rig.frames) == [(TEXT, b"onetwo")]


def test_another_thread_may_send_the_next_frame(rigs):
    rig = rigs()
    begin(rig, TEXT, b"one")
    assert Call(finish, rig, TEXT, b"two").end() is None
    assert messages_of(rig.frames) == [(TEXT, b"onetwo")]


def test_a_second_thread_at_the_same_time_is_refused(rigs):
    rig = rigs()
    errors = []

    def send_too(_):
        rig.transport.on_send = None
        errors.append(Call(finish, rig, TEXT, b"other").end())

    rig.transport.on_send = send_too
    begin(rig, TEXT, b"one")
    finish(rig, TEXT, b"two")
    assert isinstance(errors[0], InvalidOperationError)
    assert messages_of(rig.frames) == [(TEXT, b"onetwo")]


def test_a_pong_goes_between_the_frames(rigs):
    rig = rigs()
    begin(rig, TEXT, b"one")
    rig.session.outbox.post_pong(encode_frame(PONG, b"pong"))
    finish(rig, TEXT, b"two")
    assert rig.frames == [(TEXT, b"one"), (FIN | PONG, b"pong"), (FIN, b"two")]


def test_the_close_frame_goes_between_the_frames_and_none_follows(rigs):
    rig = rigs()
    begin(rig, TEXT, b"one")
    rig.session.outbox.post_close(encode_frame(CLOSE, b"\x03\xe8"))
    with pytest.raises(ObjectClosedError):
        finish(rig, TEXT, b"two")
    with pytest.raises(ObjectClosedError):
        rig.session.send_message(TEXT, b"other")
    assert rig.frames == [(TEXT, b"one"), (FIN | CLOSE, b"\x03\xe8")]


def test_it_waits_for_a_message_in_fragments_to_end(rigs):
    rig = rigs()
    calls = []

    def begin_meanwhile(count):
        if count == FRAGMENT_BYTES:
            calls.append(Call(begin, rig, TEXT, b"one"))
            while not rig.session.outbox._open._waiting:
                pass

    rig.session.send_in_fragments(BINARY, bytes(FRAGMENT_BYTES + 1), begin_meanwhile)
    assert calls[0].end() is None
    finish(rig, TEXT, b"two")
    assert messages_of(rig.frames) == [(BINARY, bytes(FRAGMENT_BYTES + 1)), (TEXT, b"onetwo")]


# Text.


@pytest.mark.parametrize("cut", [1, 2])
def test_text_may_be_cut_inside_a_character(rigs, cut):
    rig = rigs()
    begin(rig, TEXT, EURO[:cut])
    begin(rig, TEXT, b"")
    finish(rig, TEXT, EURO[cut:])
    assert messages_of(rig.frames) == [(TEXT, EURO)]


def test_text_that_is_not_utf_8_is_refused_before_it_is_sent_and_the_message_goes_on(rigs):
    rig = rigs()
    begin(rig, TEXT, EURO[:1])
    for bad in (b"a", b"\xff", EURO[1:] + b"\xff"):
        with pytest.raises(InvalidArgumentError) as caught:
            begin(rig, TEXT, bad)
        assert caught.value.hresult == HResult.E_INVALIDARG
    finish(rig, TEXT, EURO[1:])
    assert messages_of(rig.frames) == [(TEXT, EURO)]


def test_the_error_says_which_byte_is_wrong(rigs):
    rig = rigs()
    begin(rig, TEXT, EURO[:2])
    with pytest.raises(InvalidArgumentError, match="the character it begins in is not"):
        begin(rig, TEXT, b"a")
    with pytest.raises(InvalidArgumentError, match="byte 3 of this one is not"):
        begin(rig, TEXT, EURO[2:] + b"ab\xff")


def test_a_first_frame_that_is_not_utf_8_begins_no_message(rigs):
    rig = rigs()
    with pytest.raises(InvalidArgumentError):
        begin(rig, TEXT, b"\xff")
    rig.session.send_message(TEXT, b"other")
    assert rig.frames == [(FIN | TEXT, b"other")]


def test_a_final_frame_that_ends_inside_a_character_is_refused_and_may_be_made_good(rigs):
    rig = rigs()
    begin(rig, TEXT, b"one")
    with pytest.raises(InvalidArgumentError):
        finish(rig, TEXT, EURO[:2])
    finish(rig, TEXT, EURO)
    assert messages_of(rig.frames) == [(TEXT, b"one" + EURO)]


def test_a_final_frame_that_leaves_the_character_before_it_unfinished_is_refused(rigs):
    rig = rigs()
    begin(rig, TEXT, EURO[:2])
    with pytest.raises(InvalidArgumentError):
        finish(rig, TEXT, b"")
    finish(rig, TEXT, EURO[2:])
    assert messages_of(rig.frames) == [(TEXT, EURO)]


# A frame whose time runs out.


def time_out(rig, call, taken):
    rig.transport.takes.extend([taken] if taken else [])
    rig.transport.is_blocked = True
    with pytest.raises(OperationTimedOutError) as caught:
        call()
    rig.transport.is_blocked = False
    return caught.value


def test_a_first_frame_that_had_not_begun_begins_no_message(rigs, waits):
    rig = rigs(send_timeout=5.0)
    assert time_out(rig, lambda: begin(rig, TEXT, b"one"), 0).is_queued is False
    rig.session.send_message(TEXT, b"other")
    assert rig.frames == [(FIN | TEXT, b"other")]


@pytest.mark.parametrize("is_final", [False, True])
def test_a_frame_that_had_not_begun_can_be_sent_again(rigs, waits, is_final):
    rig = rigs(send_timeout=5.0)
    begin(rig, TEXT, EURO[:1])
    error = time_out(rig, lambda: rig.session.send_fragment(TEXT, EURO[1:], is_final=is_final), 0)
    assert error.is_queued is False
    begin(rig, TEXT, EURO[1:])
    finish(rig, TEXT, b"end")
    assert rig.frames == [(TEXT, EURO[:1]), (CONTINUATION, EURO[1:]), (FIN, b"end")]


def test_a_frame_that_had_begun_counts_as_sent(rigs, waits):
    rig = rigs(send_timeout=5.0)
    begin(rig, TEXT, b"one")
    assert time_out(rig, lambda: begin(rig, TEXT, EURO[:2]), 3).is_queued is True
    finish(rig, TEXT, EURO[2:])
    assert rig.frames == [(TEXT, b"one"), (CONTINUATION, EURO[:2]), (FIN, EURO[2:])]


def test_a_first_frame_that_had_begun_begins_the_message(rigs, waits):
    rig = rigs(send_timeout=5.0)
    assert time_out(rig, lambda: begin(rig, BINARY, b"one"), 3).is_queued is True
    with pytest.raises(IllegalMethodCallError):
        rig.session.send_message(TEXT, b"other")
    finish(rig, BINARY, b"two")
    assert messages_of(rig.frames) == [(BINARY, b"onetwo")]


def test_a_final_frame_that_had_begun_ends_the_message(rigs, waits):
    rig = rigs(send_timeout=5.0)
    begin(rig, BINARY, b"one")
    assert time_out(rig, lambda: finish(rig, BINARY, b"two"), 3).is_queued is True
    rig.session.send_message(TEXT, b"other")
    assert messages_of(rig.frames) == [(BINARY, b"onetwo"), (TEXT, b"other")]


def test_a_large_frame_that_had_begun_counts_as_sent(rigs, waits):
    rig = rigs(send_timeout=5.0)
    large = bytearray(b"x" * (3 * FRAGMENT_BYTES))
    assert time_out(rig, lambda: begin(rig, BINARY, large), 100).is_queued is True
    large.clear()
    finish(rig, BINARY, b"end")
    assert messages_of(rig.frames) == [(BINARY, b"x" * (3 * FRAGMENT_BYTES) + b"end")]
