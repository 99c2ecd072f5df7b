"""A message sent in fragments by one call: the order of frames, who may pass, and what becomes of it when it stops."""

import itertools
import threading

import pytest
from support import wait
from support.calls import Call
from support.fakes import interrupt_at
from support.scripts import BINARY, CLOSE, FIN, PONG, TEXT

from syncws._connection.sending.open_message import OpenMessage
from syncws._connection.sending.outbox import Outbox
from syncws._wire.frames import FRAGMENT_BYTES, encode_frame
from syncws._wire.large import FragmentFrames
from syncws.errors import (
    ConnectionClosedError,
    ConnectionLostError,
    IllegalMethodCallError,
    InvalidOperationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
)
from syncws.hresult import HResult

PAYLOAD = bytes(range(256)) * (FRAGMENT_BYTES // 256) * 2 + b"the end"
FRAMES = [(BINARY, PAYLOAD[:FRAGMENT_BYTES]), (0, PAYLOAD[FRAGMENT_BYTES:-7]), (FIN, b"the end")]
NEXT = (FIN | TEXT, b"next")
POSTED_PONG = encode_frame(PONG, b"pong")
POSTED_CLOSE = encode_frame(CLOSE, b"\x03\xe8")
SENT_PONG = (FIN | PONG, b"pong")
SENT_CLOSE = (FIN | CLOSE, b"\x03\xe8")


def nothing(_):
    pass


def send(rig, payload=PAYLOAD, progress=nothing):
    rig.session.send_in_fragments(BINARY, payload, progress)


def at(position, action):
    """A progress callback that does something when so many bytes have gone."""
    return lambda count: action() if count == position else None


class Pause:
    """A progress callback that stops at the first fragment."""

    def __init__(self):
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, _):
        self.reached.set()
        wait(self.go_on)


def test_a_message_that_ends_while_another_thread_begins_to_wait_for_it_lets_that_one_send(rigs, monkeypatch):
    rig = rigs()
    pause = Pause()
    large = Call(send, rig, progress=pause)
    wait(pause.reached)
    begin_to_wait = Outbox._wait_for_turn

    def end_before(outbox, current, size, deadline):
        pause.go_on.set()
        assert large.end() is None
        begin_to_wait(outbox, current, size, deadline)

    monkeypatch.setattr(Outbox, "_wait_for_turn", end_before)
    rig.session.send_message(TEXT, b"next")
    assert rig.frames == [*FRAMES, NEXT]


@pytest.fixture
def paused(rigs):
    """A session with a message that stands after its first fragment; also the call, and what lets it go on."""
    pauses = []

    def make(**settings):
        rig = rigs(**settings)
        pause = Pause()
        pauses.append((pause, Call(send, rig, progress=pause)))
        wait(pause.reached)
        return rig, pauses[-1][1], pause.go_on

    yield make
    for pause, call in pauses:
        pause.go_on.set()
        call.end()


def waiting_sender(rig):
    """A thread that waits until the message is over."""
    call = Call(rig.session.send_message, TEXT, b"next")
    while not rig.session.outbox._open._waiting:
        pass
    return call


def test_whoever_waits_for_a_message_goes_on_wherever_its_send_is_interrupted(rigs):
    for number in itertools.count():
        rig = rigs()
        waiting = []

        def wait_for_the_end(_, rig=rig, waiting=waiting):
            if not waiting:
                waiting.append(waiting_sender(rig))

        is_interrupted = interrupt_at(number, send, rig, PAYLOAD, wait_for_the_end)
        assert not any(isinstance(call.end(), OperationTimedOutError) for call in waiting), f"in place {number}"
        if not is_interrupted:
            break
    assert number > 100


# As it should be.


def test_the_frames_go_in_order_and_progress_is_told_after_each(rigs):
    rig = rigs()
    told = []
    send(rig, progress=lambda count: told.append((count, len(rig.frames))))
    assert rig.frames == FRAMES
    assert told == [(65536, 1), (131072, 2), (131079, 3)]


@pytest.mark.parametrize("size", [1, FRAGMENT_BYTES], ids=["small", "as large as a fragment"])
def test_a_payload_of_one_fragment_is_an_ordinary_frame(rigs, size):
    rig = rigs()
    told = []
    send(rig, bytes(size), told.append)
    assert rig.frames == [(FIN | BINARY, bytes(size))]
    assert told == [size]


def test_ordinary_sends_go_again_after_the_message(rigs):
    rig = rigs()
    send(rig)
    rig.session.send_message(TEXT, b"next")
    send(rig)
    assert rig.frames == [*FRAMES, NEXT, *FRAMES]


def test_the_role_is_free_during_progress(rigs):
    rig = rigs()
    frees = []

    def look(_):
        frees.append(rig.session.outbox._role.acquire(False))
        rig.session.outbox._role.release()

    send(rig, progress=lambda count: Call(look, count).end())
    assert frees == [True] * 3


def test_a_pong_goes_between_the_fragments(rigs):
    rig = rigs()
    send(rig, progress=at(FRAGMENT_BYTES, lambda: Call(rig.session.outbox.post_pong, POSTED_PONG).end()))
    assert rig.frames == [FRAMES[0], SENT_PONG, *FRAMES[1:]]


def test_a_pong_that_is_posted_while_a_fragment_goes_follows_that_fragment(rigs):
    rig = rigs()

    def post(_):
        rig.transport.on_send = None
        rig.session.outbox.post_pong(POSTED_PONG)

    rig.transport.on_send = post
    send(rig)
    assert rig.frames == [FRAMES[0], SENT_PONG, *FRAMES[1:]]


def test_the_close_frame_goes_between_the_fragments_and_ends_the_message(rigs):
    rig = rigs()
    with pytest.raises(OperationCanceledError):
        send(rig, progress=at(FRAGMENT_BYTES, lambda: Call(rig.session.outbox.post_close, POSTED_CLOSE).end()))
    assert rig.frames == [FRAMES[0], SENT_CLOSE]
    with pytest.raises(ObjectClosedError):
        rig.session.send_message(TEXT, b"next")


def test_pending_bytes_count_the_fragments_that_follow(rigs):
    rig = rigs()
    pending = []
    send(rig, progress=lambda _: pending.append(rig.session.outbox.pending_bytes))
    assert pending == [FRAGMENT_BYTES + 7, 7, 0]


# Others that want to send meanwhile.


def test_another_sender_waits_until_the_message_is_over(paused):
    rig, message, go_on = paused()
    other = waiting_sender(rig)
    assert rig.session.outbox.pending_bytes == FRAGMENT_BYTES + 7 + 10
    go_on.set()
    assert (message.end(), other.end()) == (None, None)
    assert rig.frames == [*FRAMES, NEXT]
    assert rig.session.outbox.pending_bytes == 0


def test_two_messages_in_fragments_do_not_mix(paused):
    rig, message, go_on = paused()
    other = Call(send, rig)
    while not rig.session.outbox._waiting:
        pass
    go_on.set()
    assert (message.end(), other.end()) == (None, None)
    assert rig.frames == [*FRAMES, *FRAMES]


def test_another_sender_waits_no_longer_than_its_time(paused):
    rig, message, go_on = paused(send_timeout=0.02)
    with pytest.raises(OperationTimedOutError) as caught:
        rig.session.send_message(TEXT, b"next")
    assert caught.value.is_queued is False
    go_on.set()
    assert message.end() is None
    assert rig.frames == FRAMES


class TurnTaker:
    """Stands for the role of an outbox in which another message begins just before it is taken."""

    def __init__(self, outbox):
        self._outbox = outbox
        self._role = outbox._role
        self.begin()

    def begin(self):
        message = OpenMessage(FragmentFrames(BINARY, PAYLOAD))
        message.owner = -1
        self._outbox._open = message
        self._outbox.has_posted = True

    def acquire(self, *arguments, **options):
        self.begin()
        return self._role.acquire(*arguments, **options)

    def __getattr__(self, name):
        return getattr(self._role, name)


def test_another_sender_waits_no_longer_than_its_time_for_one_message_after_the_other(rigs, clock, monkeypatch):
    rig = rigs(send_timeout=5.0)
    outbox = rig.session.outbox
    limits = []

    def end_message(_, __, timeout):
        limits.append(timeout)
        clock.advance(4.0)
        outbox._open = None
        assert len(limits) < 5, "each message that begins gives the waiting sender its whole time again"

    monkeypatch.setattr(OpenMessage, "wait", end_message)
    outbox._role = TurnTaker(outbox)
    with pytest.raises(OperationTimedOutError):
        rig.session.send_message(TEXT, b"next")
    assert limits == [5.0, 1.0]


def test_another_sender_is_refused_when_closing_begins(paused):
    rig, message, go_on = paused(send_timeout=None)
    other = waiting_sender(rig)
    rig.session.outbox.post_close(POSTED_CLOSE, ConnectionClosedError("the connection is closing: no sign of life"))
    error = other.end()
    assert isinstance(error, ObjectClosedError)
    assert error.hresult == HResult.RO_E_CLOSED
    go_on.set()
    broken_off = message.end()
    assert isinstance(broken_off, OperationCanceledError)
    for told in (error, broken_off):
        assert told.message.endswith(": no sign of life")
    assert rig.frames == [FRAMES[0], SENT_CLOSE]


def test_another_sender_is_woken_by_shut_and_not_by_its_timeout(paused):
    rig, message, go_on = paused(send_timeout=None)
    other = waiting_sender(rig)
    rig.session.outbox.shut(ConnectionLostError("reset", hresult=HResult.WININET_E_CONNECTION_RESET))
    error = other.end()
    assert isinstance(error, ConnectionLostError)
    assert error.hresult == HResult.WININET_E_CONNECTION_RESET
    go_on.set()
    assert isinstance(message.end(), ConnectionLostError)


def test_another_sender_is_woken_by_an_abort(paused):
    rig, message, go_on = paused(send_timeout=None)
    other = waiting_sender(rig)
    rig.session.abort()
    assert isinstance(other.end(), OperationCanceledError)
    go_on.set()
    assert isinstance(message.end(), OperationCanceledError | ConnectionLostError)


def test_another_sender_is_refused_when_the_message_stops_for_good(paused):
    rig, _, _ = paused()
    other = waiting_sender(rig)
    rig.session.outbox._open.let_go()
    assert isinstance(other.end(), IllegalMethodCallError)


def test_a_send_from_the_progress_callback_is_refused_and_nothing_is_lost(rigs):
    rig = rigs()
    errors = []

    def send_too():
        with pytest.raises(InvalidOperationError) as caught:
            rig.session.send_message(TEXT, b"next")
        errors.append(caught.value.hresult & 0xFFFFFFFF)

    send(rig, progress=at(FRAGMENT_BYTES, send_too))
    assert errors == [0x800710DD]
    assert rig.frames == FRAMES


def test_another_message_from_the_progress_callback_is_refused(rigs):
    rig = rigs()
    with pytest.raises(InvalidOperationError):
        send(rig, progress=at(FRAGMENT_BYTES, lambda: send(rig)))


# Progress that raises.


def test_progress_that_raises_stops_the_message_and_data_for_good(rigs):
    rig = rigs()
    with pytest.raises(ZeroDivisionError):
        send(rig, progress=at(FRAGMENT_BYTES, lambda: 1 / 0))
    for _ in range(2):
        with pytest.raises(IllegalMethodCallError) as caught:
            rig.session.send_message(TEXT, b"next")
        assert caught.value.hresult == HResult.E_ILLEGAL_METHOD_CALL
    assert rig.frames == FRAMES[:1]


def test_after_progress_that_raised_pongs_and_close_still_go(rigs):
    rig = rigs()
    with pytest.raises(ZeroDivisionError):
        send(rig, progress=at(FRAGMENT_BYTES, lambda: 1 / 0))
    rig.session.outbox.post_pong(POSTED_PONG)
    rig.session.outbox.post_close(POSTED_CLOSE)
    assert rig.frames == [FRAMES[0], SENT_PONG, SENT_CLOSE]
    with pytest.raises(ObjectClosedError):
        rig.session.send_message(TEXT, b"next")


def test_progress_that_raises_after_the_last_fragment_breaks_nothing(rigs):
    rig = rigs()
    with pytest.raises(ZeroDivisionError):
        send(rig, progress=at(len(PAYLOAD), lambda: 1 / 0))
    rig.session.send_message(TEXT, b"next")
    assert rig.frames == [*FRAMES, NEXT]


def test_progress_that_raises_a_timeout_of_its_own_stops_the_message_too(rigs):
    rig = rigs()
    own = OperationTimedOutError("another socket's")

    def fail():
        raise own

    with pytest.raises(OperationTimedOutError) as caught:
        send(rig, progress=at(FRAGMENT_BYTES, fail))
    assert caught.value is own
    assert own.is_queued is False, "an error of the application's own was taken for the send's"
    assert rig.frames == FRAMES[:1]


def test_a_message_that_stopped_has_no_bytes_pending(rigs):
    rig = rigs()
    with pytest.raises(ZeroDivisionError):
        send(rig, progress=at(FRAGMENT_BYTES, lambda: 1 / 0))
    assert rig.session.outbox.pending_bytes == 0, "bytes that will never be sent are counted for ever"
