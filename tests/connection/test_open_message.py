"""OpenMessage: its frames, and how those who wait for its end are woken."""

import threading

from support import join
from support.calls import Call
from support.doubles import frames_of

from syncws._connection.sending.open_message import MessageState, OpenMessage
from syncws._wire.frames import BINARY, FRAGMENT_BYTES
from syncws._wire.large import FragmentFrames


def never():
    return False


def test_a_message_of_frames_is_its_threads():
    message = OpenMessage(FragmentFrames(BINARY, bytes(FRAGMENT_BYTES + 1)))
    assert message.state is MessageState.BUSY
    assert message.owner == threading.get_ident()
    assert message.remaining == FRAGMENT_BYTES + 1


def test_a_message_of_the_applications_is_nobodys():
    message = OpenMessage()
    assert message.state is MessageState.APPLICATION
    assert message.owner is None
    assert message.remaining == 0
    assert message.next_frame() is None


def test_a_frame_is_given_again_until_it_has_begun():
    message = OpenMessage(FragmentFrames(BINARY, bytes(FRAGMENT_BYTES) + b"x"))
    first = message.next_frame()
    assert message.next_frame() is first
    assert (message.is_last, message.remaining) == (False, 1)
    message.frame = None
    last = message.next_frame()
    assert (message.is_last, message.remaining) == (True, 0)
    assert frames_of(first + last) == [(BINARY, bytes(FRAGMENT_BYTES)), (0x80, b"x")]
    message.frame = None
    assert message.next_frame() is None


def test_a_wake_lets_all_who_wait_look_again():
    message = OpenMessage()
    calls = [Call(message.wait, never, None) for _ in range(3)]
    while len(message._waiting) < 3:
        pass
    message.wake()
    assert [call.end() for call in calls] == [None] * 3
    assert not message._waiting


def test_a_change_before_the_wait_is_seen_without_a_wake():
    message = OpenMessage()
    message.wake()
    message.wait(lambda: True, None)
    assert not message._waiting


def test_a_wake_between_the_look_and_the_wait_is_not_lost():
    message = OpenMessage()

    def look():
        message.wake()
        return False

    message.wait(look, None)
    assert not message._waiting


def test_a_wait_ends_with_its_time_and_leaves_nothing_behind():
    message = OpenMessage()
    message.wait(never, 0.01)
    assert not message._waiting


def test_a_wake_when_nobody_waits_does_nothing():
    message = OpenMessage()
    message.wake()
    message.wake()
    assert not message._waiting


def test_two_threads_may_wake_at_once():
    message = OpenMessage()

    def look():
        message.wake()
        message.wake()
        return False

    message.wait(look, None)
    assert not message._waiting


def test_no_wake_is_lost_among_many_threads():
    message = OpenMessage()
    state = {"round": 0}
    lock = threading.Lock()

    def turn(own):
        for number in range(own, 200, 2):
            while state["round"] < number:
                message.wait(lambda number=number: state["round"] >= number, None)
            with lock:
                state["round"] += 1
            message.wake()

    threads = [threading.Thread(target=turn, args=(own,), daemon=True) for own in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    assert state["round"] == 200


def test_a_message_that_its_sender_lets_go_is_broken_and_its_waiters_look_again():
    message = OpenMessage(FragmentFrames(BINARY, b"x"))
    call = Call(message.wait, never, None)
    while not message._waiting:
        pass
    message.let_go()
    assert call.end() is None
    assert message.state is MessageState.BROKEN


def test_a_message_that_was_left_stays_left_when_its_sender_lets_it_go():
    message = OpenMessage(FragmentFrames(BINARY, b"x"))
    message.state = MessageState.LEFT
    message.let_go()
    assert message.state is MessageState.LEFT
