"""Outbox: which bytes go out in which order, whoever sends and whatever goes wrong."""

import itertools
import threading

import pytest
from fakes import FakeClock, PieceList, ScriptedTransport, interrupt_at
from support import LIMIT, join, wait

from syncws.errors import (
    ConnectionLostError,
    HResultError,
    InvalidOperationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
)
from syncws.hresult import HResult
from syncws.net import deadline as deadline_module
from syncws.threads import outbox as module
from syncws.threads.outbox import Outbox

SHORT = 0.02


@pytest.fixture
def transport():
    made = ScriptedTransport()
    yield made
    made.release()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told to move."""
    fake = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", fake)
    return fake


class Leftovers:
    """Stands for the reader, which is told of what a sender left."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1


@pytest.fixture
def leftovers():
    return Leftovers()


@pytest.fixture
def outbox(transport, leftovers):
    made = Outbox(transport, leftovers)
    yield made
    made.shut(ObjectClosedError("the test is over"))
    made.retire(transport.close)


class Sender(threading.Thread):
    """A thread with one send in it."""

    def __init__(self, outbox, frame, pieces=None, timeout=LIMIT):
        super().__init__(name=f"sender-{frame[:8]!r}")
        self.error = None
        self._call = (outbox, frame, pieces, timeout)
        self.start()

    def run(self):
        outbox, *arguments = self._call
        try:
            outbox.send(*arguments)
        except BaseException as exc:  # noqa: BLE001 - looked at by the test
            self.error = exc

    def end(self):
        join(self)
        return self.error


def stuck_sender(outbox, transport, frame=b"0123456789", first=4, pieces=None, timeout=LIMIT):
    """A sender that waits with `first` bytes of its frame sent."""
    transport.block()
    transport.takes.append(first)
    transport.refused.clear()
    sender = Sender(outbox, frame, pieces, timeout)
    wait(transport.refused)
    while outbox._waker is None:
        pass
    return sender


# The order of frames.


def test_a_frame_that_goes_at_once_costs_one_call(outbox, transport):
    outbox.send(b"frame", None, None)
    assert transport.sends == [b"frame"]


def test_a_partial_send_goes_on_where_it_stopped(outbox, transport):
    transport.takes.extend([2, 1])
    outbox.send(b"frame", None, None)
    assert transport.sends == [b"fr", b"a", b"me"]


def test_a_send_waits_until_the_transport_takes_more(outbox, transport):
    sender = stuck_sender(outbox, transport)
    transport.unblock()
    assert sender.end() is None
    assert transport.sent == b"0123456789"


def test_pieces_follow_the_first(outbox, transport):
    outbox.send(b"one", PieceList([b"two", b"three"]), None)
    assert transport.sent == b"onetwothree"


def test_pieces_that_go_partly_are_sent_whole(outbox, transport):
    transport.takes.extend([1, 2, 1, 2, 4])
    outbox.send(b"one", PieceList([b"two", b"three"]), LIMIT)
    assert transport.sent == b"onetwothree"


def test_a_send_returns_only_when_the_transport_keeps_nothing_back(outbox, transport):
    transport.has_unsent = True
    transport.flushes.extend([True, False, True])
    outbox.send(b"frame", PieceList([b"piece"]), LIMIT)
    assert not transport.flushes


def test_what_the_transport_kept_back_after_a_whole_frame_is_flushed(outbox, transport):
    def keep_back(_):
        transport.has_unsent = True

    transport.on_send = keep_back
    outbox.send(b"frame", None, LIMIT)
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


def test_a_pong_goes_between_two_frames(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.post_pong(b"pong")
    transport.unblock()
    assert sender.end() is None
    assert transport.sent == b"0123456789pong"


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


def test_posted_frames_go_before_the_next_data_frame(outbox, transport):
    transport.block()
    outbox.post_pong(b"pong")
    transport.unblock()
    outbox.send(b"data", None, LIMIT)
    assert transport.sent == b"pongdata"


def test_a_pong_that_goes_partly_is_finished_before_the_next_frame(outbox, transport):
    transport.block()
    transport.takes.append(1)
    outbox.post_pong(b"pong")
    transport.unblock()
    outbox.send(b"data", None, LIMIT)
    assert transport.sent == b"pongdata"


def test_no_data_goes_after_the_close_frame(outbox, transport):
    outbox.post_close(b"close")
    with pytest.raises(ObjectClosedError) as caught:
        outbox.send(b"data", None, LIMIT)
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
        outbox.send(b"data", None, LIMIT)
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
    outbox.send(b"data", None, LIMIT)
    assert leftovers.count == 1
    transport.unblock()
    assert outbox.flush_without_waiting() is True
    assert transport.sent == b"datapong"


# Time limits.


def test_a_sender_waits_for_the_role_no_longer_than_its_time(outbox, transport):
    first = stuck_sender(outbox, transport)
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"second", None, SHORT)
    assert caught.value.is_queued is False
    transport.unblock()
    assert first.end() is None
    assert transport.sent == b"0123456789"


def test_a_sender_without_a_limit_waits_for_the_role(outbox, transport):
    first = stuck_sender(outbox, transport)
    second = Sender(outbox, b"second", timeout=None)
    transport.unblock()
    assert (first.end(), second.end()) == (None, None)


def test_a_frame_of_which_nothing_went_in_time_never_goes(outbox, transport, leftovers):
    transport.block()
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"late", None, SHORT)
    assert caught.value.is_queued is False
    transport.unblock()
    outbox.send(b"next", None, LIMIT)
    assert transport.sent == b"next"


def test_pieces_of_which_nothing_went_in_time_never_go(outbox, transport):
    transport.block()
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"late", PieceList([b"pieces"]), SHORT)
    assert caught.value.is_queued is False
    transport.unblock()
    assert outbox.is_idle


def test_a_frame_that_had_begun_is_queued_and_goes_before_the_next(outbox, transport):
    transport.block()
    transport.takes.append(2)
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"frame", None, SHORT)
    assert caught.value.is_queued is True
    transport.unblock()
    outbox.send(b"next", None, LIMIT)
    assert transport.sent == b"framenext"


def test_a_frame_that_began_while_it_waited_is_queued(outbox, transport, clock):
    sender = stuck_sender(outbox, transport, b"frame", first=0)

    def be_full_again(_):
        transport.block()
        clock.advance(2 * LIMIT)

    transport.on_send = be_full_again
    transport.takes.append(2)
    transport.unblock()
    error = sender.end()
    assert isinstance(error, OperationTimedOutError)
    assert error.is_queued is True
    transport.on_send = None
    transport.unblock()
    assert outbox.flush_without_waiting()
    assert transport.sent == b"frame"


def test_a_transport_that_is_writable_but_takes_nothing_holds_a_send_no_longer_than_its_time(outbox, transport):
    # As TLS 1.2 does while the server has begun a renegotiation that it does not go on with.
    transport.takes.extend([0] * 1000)
    transport.takes.append(AssertionError("the send went on although its time was over"))
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame", None, 0.0)


def test_pieces_that_had_not_been_made_are_queued_too(outbox, transport):
    transport.block()
    transport.takes.append(3)
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"one", PieceList([b"two", b"three"]), SHORT)
    assert caught.value.is_queued is True
    transport.unblock()
    outbox.send(b"next", None, LIMIT)
    assert transport.sent == b"onetwothreenext"


def test_the_queued_rest_does_not_see_what_the_caller_changes_afterwards(outbox, transport):
    from syncws.wire.frames import BINARY, PIECE_BYTES
    from syncws.wire.large import FramePieces

    payload = bytearray(b"a" * (PIECE_BYTES * 3))
    pieces = FramePieces(BINARY, memoryview(payload))
    transport.block()
    transport.takes.append(10)
    with pytest.raises(OperationTimedOutError):
        outbox.send(next(pieces), pieces, SHORT)
    payload[:] = b"b" * len(payload)
    transport.unblock()
    assert outbox.flush_without_waiting()
    sent = bytes(transport.sent)
    mask, masked = sent[10:14], sent[14:]
    assert bytes(byte ^ key for byte, key in zip(masked, itertools.cycle(mask), strict=False)) == b"a" * len(payload)


def test_each_piece_has_the_whole_time(outbox, transport, monkeypatch):
    made = []
    real = module.Deadline
    monkeypatch.setattr(module, "Deadline", lambda timeout: made.append(timeout) or real(timeout))
    outbox.send(b"one", PieceList([b"two", b"three"]), 7.0)
    assert made == [7.0, 7.0, 7.0]


def test_the_reader_is_told_of_a_rest_when_it_can_do_something_about_it(outbox, transport):
    # The reader may look at once, on its own thread. When the role is still held then, it leaves the rest to whoever
    # holds it; so it has to be told when the role is free.
    answers = []
    outbox._on_leftover = lambda: answers.append(outbox.flush_without_waiting())
    transport.block()
    transport.takes.append(2)
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame", None, SHORT)
    assert answers[-1] is False, "the reader was told that the sender sees to the rest, and the sender has gone"


def test_the_reader_is_told_of_an_older_rest_that_a_sender_could_not_push_out(outbox, transport, leftovers, clock):
    first = stuck_sender(outbox, transport, b"frame", first=2)
    clock.advance(2 * LIMIT)
    outbox._waker.wake()
    assert isinstance(first.end(), OperationTimedOutError)
    # A second sender takes the role to push the rest out. The reader, told of the rest, looks meanwhile.
    transport.refused.clear()
    second = Sender(outbox, b"second")
    wait(transport.refused)
    answer = outbox.flush_without_waiting()
    before = leftovers.count
    clock.advance(2 * LIMIT)
    outbox._waker.wake()
    assert isinstance(second.end(), OperationTimedOutError)
    assert answer is False or leftovers.count > before, "nobody pushes the rest of the first frame any more"


def test_a_send_that_times_out_behind_an_older_rest_is_not_queued(outbox, transport):
    transport.block()
    transport.takes.append(2)
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame", None, SHORT)
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"second", None, SHORT)
    assert caught.value.is_queued is False
    transport.unblock()
    assert outbox.flush_without_waiting()
    assert transport.sent == b"frame"


# The end.


def test_shut_wakes_a_sender_that_waits(outbox, transport):
    sender = stuck_sender(outbox, transport, timeout=None)
    outbox.shut(ObjectClosedError("over"))
    error = sender.end()
    assert isinstance(error, OperationCanceledError)
    assert error.hresult == HResult.WININET_E_OPERATION_CANCELLED


def test_shut_for_a_lost_connection_gives_the_waiting_sender_that_reason(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.shut(ConnectionLostError("reset", hresult=HResult.WININET_E_CONNECTION_RESET))
    error = sender.end()
    assert isinstance(error, ConnectionLostError)
    assert error.hresult == HResult.WININET_E_CONNECTION_RESET


def test_shut_wakes_the_senders_that_wait_for_the_role(outbox, transport):
    first = stuck_sender(outbox, transport, timeout=None)
    others = [Sender(outbox, b"other", timeout=None) for _ in range(3)]
    outbox.shut(ObjectClosedError("over"))
    assert isinstance(first.end(), OperationCanceledError)
    assert all(isinstance(other.end(), HResultError) for other in others)


def test_the_first_reason_of_shut_stays(outbox):
    outbox.shut(ConnectionLostError("first"))
    outbox.shut(ObjectClosedError("second"))
    with pytest.raises(ConnectionLostError, match="first"):
        outbox.send(b"frame", None, LIMIT)


def test_each_sender_gets_an_error_of_its_own(outbox):
    reason = ObjectClosedError("over")
    outbox.shut(reason)
    errors = []
    for _ in range(2):
        with pytest.raises(ObjectClosedError) as caught:
            outbox.send(b"frame", None, LIMIT)
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert errors[0].__cause__ is reason


def test_nothing_of_a_frame_goes_after_shut(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.shut(ObjectClosedError("over"))
    sender.end()
    transport.unblock()
    assert outbox.flush_without_waiting()
    assert transport.sent == b"0123"


def test_retire_closes_the_transport_at_once_when_nobody_sends(outbox, transport):
    outbox.retire(transport.close)
    assert transport.closes == 1


def test_retire_closes_the_transport_once(outbox, transport):
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    with pytest.raises(HResultError):
        outbox.send(b"frame", None, LIMIT)
    assert transport.closes == 1


def test_retire_waits_for_a_sender_that_leaves(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    sender.end()
    assert transport.closes == 1


def test_the_last_sender_closes_the_transport_when_it_did_not_leave_in_time(outbox, transport, monkeypatch):
    monkeypatch.setattr(module, "_LEAVE_SECONDS", 0.01)
    inside, go_on = threading.Event(), threading.Event()

    def hold(_):
        inside.set()
        wait(go_on)

    transport.on_send = hold
    sender = Sender(outbox, b"frame")
    wait(inside)
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    assert transport.closes == 0
    go_on.set()
    sender.end()
    assert transport.closes == 1


def test_a_reader_that_flushes_closes_the_transport_when_it_is_the_last(outbox, transport, monkeypatch):
    monkeypatch.setattr(module, "_LEAVE_SECONDS", 0.01)
    inside, go_on = threading.Event(), threading.Event()

    def hold(_):
        inside.set()
        wait(go_on)

    transport.on_send = hold
    posting = threading.Thread(target=outbox.post_pong, args=(b"pong",))
    posting.start()
    wait(inside)
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    go_on.set()
    join(posting)
    assert transport.closes == 1


def test_of_two_senders_that_leave_late_one_closes_the_transport(outbox, transport, monkeypatch):
    monkeypatch.setattr(module, "_LEAVE_SECONDS", 0.01)
    inside, go_on = threading.Event(), threading.Event()

    def hold(_):
        inside.set()
        wait(go_on)

    transport.on_send = hold
    first = Sender(outbox, b"frame")
    wait(inside)
    second = Sender(outbox, b"second")
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    go_on.set()
    first.end()
    second.end()
    assert transport.closes == 1


# What breaks.


def test_an_error_of_the_transport_is_a_lost_connection(outbox, transport):
    transport.takes.append(BrokenPipeError(32, "Broken pipe"))
    with pytest.raises(ConnectionLostError) as caught:
        outbox.send(b"frame", None, LIMIT)
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET
    assert isinstance(caught.value.__cause__, BrokenPipeError | HResultError)


def test_an_error_in_the_middle_of_a_frame_is_a_lost_connection(outbox, transport):
    transport.takes.extend([2, OSError(5, "Input/output error")])
    with pytest.raises(ConnectionLostError, match="Input/output error"):
        outbox.send(b"frame", PieceList([b"piece"]), LIMIT)
    assert outbox.is_idle


def test_after_an_error_of_the_transport_nothing_goes_any_more(outbox, transport):
    transport.takes.append(ConnectionResetError(104, "reset"))
    with pytest.raises(ConnectionLostError):
        outbox.send(b"frame", None, LIMIT)
    with pytest.raises(ConnectionLostError):
        outbox.send(b"next", None, LIMIT)
    outbox.post_close(b"close")
    assert transport.sent == b""


def test_an_interruption_inside_a_send_gives_the_connection_up(outbox, transport):
    transport.takes.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame", None, LIMIT)
    assert transport.aborts == 1
    with pytest.raises(ConnectionLostError):
        outbox.send(b"next", None, LIMIT)
    assert transport.sent == b""


def test_an_interruption_inside_a_later_send_of_the_frame_gives_the_connection_up(outbox, transport):
    transport.takes.extend([2, KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame", None, LIMIT)
    assert transport.aborts == 1
    assert transport.sent == b"fr"


def test_an_interruption_while_a_piece_is_made_gives_the_connection_up(outbox, transport):
    def pieces():
        yield b"two"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"one", PieceList(pieces()), LIMIT)
    assert transport.aborts == 1
    assert transport.sent == b"onetwo"


class Interrupted:
    """A Readiness whose wait is interrupted."""

    def __init__(self, *_):
        pass

    def wait(self, *_):
        raise KeyboardInterrupt


def test_an_interruption_of_a_wait_leaves_the_rest_of_the_frame_to_go_first(outbox, transport, monkeypatch):
    monkeypatch.setattr(module, "make_readiness", Interrupted)
    transport.takes.extend([2, 0])
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame", PieceList([b"-piece"]), LIMIT)
    assert transport.aborts == 0
    outbox.send(b"next", None, LIMIT)
    assert transport.sent == b"frame-piecenext"


def test_an_interruption_of_a_wait_before_the_frame_began_drops_it(outbox, transport, monkeypatch):
    monkeypatch.setattr(module, "make_readiness", Interrupted)
    transport.takes.extend([0, 0])
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame", None, LIMIT)
    outbox.send(b"next", None, LIMIT)
    assert transport.sent == b"next"


def test_an_interruption_of_a_wait_between_pieces_leaves_them_to_go_first(outbox, transport, monkeypatch):
    monkeypatch.setattr(module, "make_readiness", Interrupted)
    transport.takes.extend([3, 1, 0])
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"one", PieceList([b"two", b"three"]), LIMIT)
    outbox.send(b"next", None, LIMIT)
    assert transport.sent == b"onetwothreenext"


def test_an_interruption_of_the_last_flush_leaves_a_whole_frame(outbox, transport, monkeypatch):
    monkeypatch.setattr(module, "make_readiness", Interrupted)
    transport.has_unsent = True
    transport.flushes.extend([True, False])
    transport.on_send = lambda _: setattr(transport, "has_unsent", True)
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame", None, LIMIT)
    transport.on_send = None
    outbox.send(b"next", None, LIMIT)
    assert transport.sent == b"framenext"


def test_the_role_is_free_after_every_kind_of_failure(outbox, transport):
    for failure in (OSError(5, "broken"), KeyboardInterrupt()):
        transport.takes.clear()
        transport.takes.append(failure)
        with pytest.raises(BaseException):  # noqa: B017, PT011 - which one is not what is tested
            outbox.send(b"frame", None, LIMIT)
        assert outbox._role.acquire(False)
        outbox._role.release()


def test_a_stray_wake_up_does_not_end_a_wait(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox._waker.wake()
    transport.unblock()
    assert sender.end() is None


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
            outbox.send(letter * 5, PieceList([letter * 5]), LIMIT)
            outbox.post_pong(b"<p>")

    threads = [threading.Thread(target=body, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    while not outbox.flush_without_waiting():
        pass
    assert outbox.is_idle
    data = bytes(transport.sent).replace(b"<p>", b"")
    frames = [data[index : index + 10] for index in range(0, len(data), 10)]
    assert sorted(frames) == sorted([b"a" * 10, b"b" * 10, b"c" * 10] * 20)
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)


# A waker that was interrupted while it was made is closed by the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("pieces", [None, [b"-piece1", b"-piece2"]], ids=["one piece", "pieces"])
@pytest.mark.parametrize("takes", [(), (2,), (2, 0, 1, 0)], ids=["at once", "in parts", "with waits"])
def test_an_interruption_at_any_line_tears_no_frame_and_keeps_no_role(pieces, takes):
    # Either the frame goes on to its end before the next one, or nothing goes any more.
    whole = b"frame" + b"".join(pieces or ())
    number = 0
    was_interrupted = True
    while was_interrupted:
        transport = ScriptedTransport()
        outbox = Outbox(transport, lambda: None)
        transport.takes.extend(takes)
        was_interrupted = interrupt_at(number, outbox.send, b"frame", iter(pieces) if pieces else None, LIMIT)
        transport.takes.clear()
        try:
            outbox.send(b"<next>", None, 0.5)
            assert bytes(transport.sent) in (whole + b"<next>", b"<next>"), f"torn at line {number}"
        except ConnectionLostError:
            assert transport.aborts
        assert outbox._role.acquire(False)
        outbox._role.release()
        outbox.shut(ObjectClosedError("over"))
        outbox.retire(transport.close)
        transport.release()
        number += 1
    assert number > 10


def test_a_send_in_a_signal_handler_does_not_go_into_the_middle_of_a_message(outbox, transport):
    errors = []

    def handler(_):
        transport.on_send = None
        try:
            outbox.send(b"<handler>", None, LIMIT)
        except InvalidOperationError as exc:
            errors.append(exc)
        outbox.post_pong(b"<pong>")

    transport.on_send = handler
    outbox.send(b"frame", PieceList([b"-more"]), LIMIT)
    assert bytes(transport.sent) == b"frame-more<pong>"
    assert len(errors) == 1
