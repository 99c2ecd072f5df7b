"""Outbox: which bytes go out in which order, and what the reader pushes without waiting."""

import itertools
import threading
from collections import deque

import pytest
from support.doubles import Sender, run_together, stuck_sender
from support.fakes import PieceList

from syncws._connection.sending.open_message import MessageState, OpenMessage
from syncws._connection.sending.outbox import Outbox
from syncws._connection.sending.posted import ControlFrame
from syncws.errors import ConnectionLostError, InvalidOperationError, ObjectClosedError
from syncws.hresult import HResult


def test_a_frame_that_goes_at_once_costs_one_call(outbox, transport):
    outbox.send(b"frame")
    assert transport.sends == [b"frame"]


def test_a_partial_send_goes_on_where_it_stopped(outbox, transport):
    transport.takes.extend([2, 1])
    outbox.send(b"frame")
    assert transport.sends == [b"fr", b"a", b"me"]


def test_a_send_waits_until_the_transport_takes_more(outbox, transport):
    sender = stuck_sender(outbox, transport)
    transport.unblock()
    assert sender.end() is None
    assert transport.sent == b"0123456789"


def test_pieces_follow_the_first(outbox, transport):
    outbox.send(b"one", PieceList([b"two", b"three"]))
    assert transport.sent == b"onetwothree"


def test_pieces_that_go_partly_are_sent_whole(outbox, transport):
    transport.takes.extend([1, 2, 1, 2, 4])
    outbox.send(b"one", PieceList([b"two", b"three"]))
    assert transport.sent == b"onetwothree"


def test_a_send_returns_only_when_the_transport_keeps_nothing_back(outbox, transport):
    transport.on_send = lambda _: setattr(transport, "has_unsent", True)
    transport.flushes.extend([False, True, False])
    outbox.send(b"frame", PieceList([b"piece"]))
    assert not transport.flushes
    assert not transport.has_unsent


def test_what_the_transport_kept_back_after_a_whole_frame_is_flushed(outbox, transport):
    def keep_back(_):
        transport.has_unsent = True

    transport.on_send = keep_back
    outbox.send(b"frame")
    assert not transport.has_unsent


def test_two_senders_do_not_mix_their_frames(outbox, transport):
    first = stuck_sender(outbox, transport)
    second = Sender(outbox, b"second")
    transport.unblock()
    assert (first.end(), second.end()) == (None, None)
    assert transport.sent == b"0123456789second"


def test_a_pong_goes_at_once_when_nobody_sends(outbox, transport):
    outbox.post_pong(b"pong")
    assert transport.sent == b"pong"


def test_a_pong_goes_between_two_frames(outbox, transport, leftovers):
    sender = stuck_sender(outbox, transport)
    outbox.post_pong(b"pong")
    transport.unblock()
    assert sender.end() is None
    assert transport.sent == b"0123456789pong"
    assert leftovers.count == 0, "the reader is called though nothing is left for it"


def test_a_pong_waits_for_the_last_piece(outbox, transport):
    sender = stuck_sender(outbox, transport, pieces=PieceList([b"-piece-"]))
    outbox.post_pong(b"pong")
    transport.unblock()
    assert sender.end() is None
    assert transport.sent == b"0123456789-piece-pong"


def test_only_the_latest_pong_goes(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.post_pong(b"old")
    outbox.post_pong(b"new")
    transport.unblock()
    assert sender.end() is None
    assert transport.sent == b"0123456789new"


def test_a_pong_goes_before_the_close_frame(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.post_close(b"close")
    outbox.post_pong(b"pong")
    transport.unblock()
    assert sender.end() is None
    assert transport.sent == b"0123456789pongclose"


def test_a_ping_goes_between_two_frames_after_the_pong_and_before_the_close_frame(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.post_close(b"close")
    outbox.post_control(ControlFrame(b"ping"))
    outbox.post_pong(b"pong")
    transport.unblock()
    sender.end()
    assert transport.sent == b"0123456789pongpingclose"


def test_a_ping_goes_before_the_next_data_frame(outbox, transport):
    outbox.post_control(ControlFrame(b"ping"))
    outbox.send(b"frame")
    assert transport.sent == b"pingframe"


def test_all_pings_go_in_their_order(outbox, transport):
    for frame in (b"one", b"two", b"three"):
        outbox.post_control(ControlFrame(frame))
    assert outbox.flush_without_waiting()
    assert transport.sends == [b"one", b"two", b"three"]


def test_a_ping_that_is_withdrawn_does_not_go(outbox, transport):
    one = ControlFrame(b"one")
    outbox.post_control(one)
    outbox.post_control(ControlFrame(b"two"))
    outbox.withdraw_control(one)
    outbox.withdraw_control(one)
    assert outbox.flush_without_waiting()
    assert transport.sent == b"two"


def test_a_ping_that_is_withdrawn_at_the_last_moment_does_not_go(outbox, transport):
    class Vanishing(deque):
        """Says twice that there is something, and then has nothing."""

        looks = 0

        def __bool__(self):
            self.clear()
            self.looks += 1
            return self.looks <= 2

    outbox._posted._controls = Vanishing([ControlFrame(b"ping")])
    outbox.post_close(b"close")
    assert transport.sent == b"close"
    outbox._posted._controls = deque()


def test_posted_frames_go_before_the_next_data_frame(outbox, transport):
    transport.block()
    outbox.post_pong(b"pong")
    transport.unblock()
    outbox.send(b"data")
    assert transport.sent == b"pongdata"


def test_a_pong_that_goes_partly_is_finished_before_the_next_frame(outbox, transport):
    transport.block()
    transport.takes.append(1)
    outbox.post_pong(b"pong")
    transport.unblock()
    outbox.send(b"data")
    assert transport.sent == b"pongdata"


def test_no_data_goes_after_the_close_frame(outbox, transport):
    outbox.post_close(b"close")
    with pytest.raises(ObjectClosedError) as caught:
        outbox.send(b"data")
    assert caught.value.hresult == HResult.RO_E_CLOSED
    assert transport.sent == b"close"


def test_a_sender_that_waited_for_the_role_finds_the_close_frame_gone_first(outbox, transport):
    first = stuck_sender(outbox, transport)
    outbox.post_close(b"close")
    second = Sender(outbox, b"second")
    transport.unblock()
    assert first.end() is None
    assert isinstance(second.end(), ObjectClosedError)
    assert transport.sent == b"0123456789close"


# The reader's side.


def test_flush_without_waiting_says_that_the_transport_must_be_writable(outbox, transport):
    transport.block()
    outbox.post_pong(b"pong")
    assert outbox.flush_without_waiting() is False
    assert not outbox.is_idle


def test_flush_without_waiting_finishes_when_the_transport_is_writable(outbox, transport):
    transport.block()
    outbox.post_pong(b"pong")
    transport.unblock()
    assert outbox.flush_without_waiting() is True
    assert outbox.is_idle
    assert transport.sent == b"pong"


def test_flush_without_waiting_leaves_the_work_to_who_has_the_role(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.post_pong(b"pong")
    assert outbox.flush_without_waiting() is True
    transport.unblock()
    assert sender.end() is None


def test_flush_without_waiting_pushes_out_what_receiving_left_in_the_transport(outbox, transport):
    transport.has_unsent = True
    assert outbox.flush_without_waiting() is True
    assert not transport.has_unsent


def test_flush_without_waiting_sends_nothing_after_shut(outbox, transport):
    outbox.shut(ObjectClosedError("over"))
    outbox.post_pong(b"pong")
    assert outbox.flush_without_waiting() is True
    assert transport.sent == b""


def test_flush_without_waiting_ends_with_a_broken_transport_and_keeps_the_reason(outbox, transport):
    transport.takes.append(ConnectionResetError(104, "reset"))
    outbox.post_pong(b"pong")
    assert outbox.is_idle
    with pytest.raises(ConnectionLostError) as caught:
        outbox.send(b"data")
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET


def test_an_interruption_while_a_pong_is_sent_gives_the_connection_up(outbox, transport):
    transport.takes.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        outbox.post_pong(b"pong")
    assert transport.aborts == 1


def test_a_pong_that_the_sender_could_not_push_out_is_left_to_the_reader(outbox, transport, leftovers):
    posted = []

    def post(_):
        if not posted:
            posted.append(True)
            transport.block()
            outbox.post_pong(b"pong")

    transport.on_send = post
    outbox.send(b"data")
    assert leftovers.count == 1
    transport.unblock()
    assert outbox.flush_without_waiting() is True
    assert transport.sent == b"datapong"


# In a signal handler.


class InterruptedRole:
    """The writer role's lock; a signal handler runs just when it was first taken, before that is noted."""

    def __init__(self, handler):
        self.lock = threading.RLock()
        self.handlers = [handler]
        self.release = self.lock.release
        self._is_owned = self.lock._is_owned

    def acquire(self, *arguments, **options):
        taken = self.lock.acquire(*arguments, **options)
        if taken and self.handlers:
            self.handlers.pop()()
        return taken


@pytest.mark.parametrize("state", [MessageState.APPLICATION, MessageState.BUSY])
def test_a_send_in_a_signal_handler_gives_away_no_role_but_its_own(outbox, transport, state):
    """It finds that its frame must wait, and ends; the send that it has interrupted goes on with the role."""
    message = OpenMessage()
    outbox.send(b"begin", None, message)
    message.state = state

    def handle():
        with pytest.raises(InvalidOperationError):
            outbox.send(b"late")

    outbox._role = InterruptedRole(handle)
    owned = []
    transport.on_send = lambda _: owned.append(outbox._role._is_owned())
    message.is_last = True
    outbox.send(b"end", None, message)
    assert owned == [True]
    assert not outbox._role._is_owned()
    assert transport.sent == b"beginend"


# Many threads.


def test_many_threads_send_whole_frames_among_pongs(transport):
    outbox = Outbox(transport, lambda: None)
    pattern = itertools.cycle([1, 3, 0, 7, 2])
    real_send = transport.send

    def send(data):
        count = next(pattern)
        return real_send(data[:count]) if count else 0

    transport.send = send

    def body(letter):
        for _ in range(20):
            outbox.send(letter * 5, PieceList([letter * 5]))
            outbox.post_pong(b"<p>")

    threads = [threading.Thread(target=body, args=(letter,)) for letter in (b"a", b"b", b"c")]
    run_together(outbox, threads)
    data = bytes(transport.sent).replace(b"<p>", b"")
    frames = [data[index : index + 10] for index in range(0, len(data), 10)]
    assert sorted(frames) == sorted([b"a" * 10, b"b" * 10, b"c" * 10] * 20)
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
