"""A message in fragments whose sender's time runs out in the middle: what is kept, and who goes on with it."""

import sys
import threading

import pytest
from support import LIMIT, wait
from support.calls import Call
from support.doubles import messages_of, run_together
from support.scripts import BINARY, CLOSE, FIN, PONG, TEXT

from syncws._connection.sending.frame_writer import MAX_KEPT_BYTES
from syncws._connection.sending.posted import Posted
from syncws._wire.frames import FRAGMENT_BYTES, encode_frame
from syncws.errors import IllegalMethodCallError, ObjectClosedError, OperationTimedOutError

PAYLOAD = bytes(range(256)) * (FRAGMENT_BYTES // 256) * 2 + b"the end"
NEXT = (FIN | TEXT, b"next")
SENT_CLOSE = (FIN | CLOSE, b"\x03\xe8")
# Each with its header and mask.
WHOLE_FRAGMENT = FRAGMENT_BYTES + 10 + 4
WHOLE = len(PAYLOAD) + 2 * 14 + 6


def leave(rig, payload=PAYLOAD, takes=(WHOLE_FRAGMENT, 10)):
    """Send until the transport has taken `takes`, and time out there; return the error."""
    rig.transport.takes.extend(takes)
    rig.transport.is_blocked = True
    with pytest.raises(OperationTimedOutError) as caught:
        rig.session.send_in_fragments(BINARY, payload, lambda _: None)
    rig.transport.is_blocked = False
    return caught.value


WHERE = pytest.mark.parametrize(
    "takes",
    [(10,), (WHOLE_FRAGMENT,), (WHOLE_FRAGMENT, 10)],
    ids=["in the first", "before the second", "in the second"],
)


@WHERE
def test_the_next_sender_goes_on_with_it(rigs, waits, takes):
    rig = rigs(send_timeout=5.0)
    assert leave(rig, takes=takes).is_queued is True
    rig.session.send_message(TEXT, b"next")
    assert messages_of(rig.frames) == [(BINARY, PAYLOAD), (TEXT, b"next")]
    assert rig.session.outbox.is_idle


def test_the_next_sender_goes_on_with_the_last_fragment(rigs, waits):
    rig = rigs(send_timeout=5.0)
    assert leave(rig, takes=(WHOLE_FRAGMENT, WHOLE_FRAGMENT)).is_queued is True
    rig.session.send_message(TEXT, b"next")
    assert messages_of(rig.frames) == [(BINARY, PAYLOAD), (TEXT, b"next")]


@WHERE
def test_the_reader_goes_on_with_it(rigs, waits, takes):
    rig = rigs(send_timeout=5.0)
    assert leave(rig, takes=takes).is_queued is True
    assert not rig.session.outbox.is_idle
    assert rig.session.outbox.flush_without_waiting() is True
    assert messages_of(rig.frames) == [(BINARY, PAYLOAD)]
    assert rig.session.outbox.is_idle


@WHERE
def test_all_bytes_of_it_are_pending(rigs, waits, takes):
    rig = rigs(send_timeout=5.0)
    leave(rig, takes=takes)
    # The headers of frames that have not been made are not counted.
    unmade = rig.session.outbox._open.remaining
    headers = {len(PAYLOAD) - FRAGMENT_BYTES: 14 + 6, 7: 6, 0: 0}[unmade]
    assert rig.session.outbox.pending_bytes == WHOLE - len(rig.transport.sent) - headers


def test_the_rest_of_the_last_fragment_is_queued(rigs, waits):
    rig = rigs(send_timeout=5.0)
    assert leave(rig, takes=(WHOLE_FRAGMENT, WHOLE_FRAGMENT, 1)).is_queued is True
    rig.session.send_message(TEXT, b"next")
    assert messages_of(rig.frames) == [(BINARY, PAYLOAD), (TEXT, b"next")]


def test_a_message_that_had_not_begun_is_not_queued(rigs, waits):
    rig = rigs(send_timeout=5.0)
    assert leave(rig, takes=()).is_queued is False
    rig.session.send_message(TEXT, b"next")
    assert rig.frames == [NEXT]


def test_a_running_reader_is_told_and_finishes_it(rigs):
    rig = rigs(send_timeout=0.02)
    rig.start()
    rig.transport.block()
    rig.transport.takes.extend([WHOLE_FRAGMENT, 10])
    whole = threading.Event()
    rig.transport.on_send = lambda _: len(rig.transport.sent) == WHOLE and whole.set()
    with pytest.raises(OperationTimedOutError) as caught:
        rig.session.send_in_fragments(BINARY, PAYLOAD, lambda _: None)
    assert caught.value.is_queued is True
    rig.transport.unblock()
    assert whole.wait(LIMIT)
    assert messages_of(rig.frames) == [(BINARY, PAYLOAD)]


def test_who_waits_for_its_end_goes_on_with_it(rigs, waits):
    rig = rigs(send_timeout=2 * LIMIT)
    others = []

    def let_another_wait():
        # The other one begins later, so that its own time is not over with the first one's.
        waits.clock.advance(LIMIT)
        others.append(Call(rig.session.send_message, TEXT, b"next"))
        while not rig.session.outbox._waiting:
            pass
        waits.clock.advance(LIMIT)
        rig.transport.is_blocked = False

    waits.actions.append(let_another_wait)
    rig.transport.takes.extend([WHOLE_FRAGMENT, 0, 0])
    with pytest.raises(OperationTimedOutError) as caught:
        rig.session.send_in_fragments(BINARY, PAYLOAD, lambda _: None)
    assert caught.value.is_queued is True
    assert others[0].end() is None
    assert messages_of(rig.frames) == [(BINARY, PAYLOAD), (TEXT, b"next")]


def test_a_small_buffer_is_copied_so_that_its_owner_may_change_it(rigs, waits):
    rig = rigs(send_timeout=5.0)
    payload = bytearray(PAYLOAD)
    assert leave(rig, payload).is_queued is True
    payload[:] = b"changed"
    rig.session.send_message(TEXT, b"next")
    assert messages_of(rig.frames) == [(BINARY, PAYLOAD), (TEXT, b"next")]


@pytest.mark.parametrize(("more", "is_queued"), [(0, True), (1, False)], ids=["all that may be kept", "a byte more"])
def test_a_large_buffer_that_may_change_is_not_kept(rigs, waits, more, is_queued):
    rig = rigs(send_timeout=5.0)
    payload = bytearray(2 * FRAGMENT_BYTES + MAX_KEPT_BYTES + more)
    assert leave(rig, payload).is_queued is is_queued
    payload.clear()
    if is_queued:
        rig.session.send_message(TEXT, b"next")
        return
    with pytest.raises(IllegalMethodCallError):
        rig.session.send_message(TEXT, b"next")
    # The fragment that had begun is finished all the same: behind it pongs and the Close frame can go.
    rig.session.outbox.post_pong(encode_frame(PONG, b"pong"))
    rig.session.outbox.post_close(encode_frame(CLOSE, b"\x03\xe8"))
    assert [first for first, _ in rig.frames] == [BINARY, 0, FIN | PONG, FIN | CLOSE]


@WHERE
def test_the_close_frame_waits_for_the_rest_and_pongs_do_not(rigs, waits, takes):
    rig = rigs(send_timeout=5.0)
    leave(rig, takes=takes)
    rig.transport.takes.append(0)
    # Nobody has had the time to go on with it.
    pending = rig.session.outbox.pending_bytes
    rig.session.outbox.post_close(encode_frame(CLOSE, b"\x03\xe8"))
    assert rig.session.outbox.pending_bytes >= pending, "bytes that are still to go are not counted"
    rig.session.outbox.post_pong(encode_frame(PONG, b"pong"))
    frames = [frame for frame in rig.frames if frame[0] != FIN | PONG]
    assert len(frames) == len(rig.frames) - 1
    assert rig.frames[-1] != (FIN | PONG, b"pong")
    assert messages_of(frames[:-1]) == [(BINARY, PAYLOAD)]
    assert frames[-1] == SENT_CLOSE
    assert rig.session.outbox.is_idle
    assert rig.session.outbox.pending_bytes == 0
    with pytest.raises(ObjectClosedError):
        rig.session.send_message(TEXT, b"next")


@WHERE
def test_who_sends_after_closing_has_begun_does_not_wait_for_the_rest(rigs, waits, takes):
    rig = rigs(send_timeout=5.0)
    leave(rig, takes=takes)
    rig.transport.is_blocked = True
    rig.session.outbox.post_close(encode_frame(CLOSE, b"\x03\xe8"))
    with pytest.raises(ObjectClosedError):
        rig.session.send_message(TEXT, b"next")
    rig.transport.is_blocked = False
    assert rig.session.outbox.flush_without_waiting() is True
    assert messages_of(rig.frames[:-1]) == [(BINARY, PAYLOAD)]
    assert rig.frames[-1] == SENT_CLOSE


def test_the_close_frame_waits_for_the_rest_though_another_thread_pushes_while_it_is_posted(rigs, waits, monkeypatch):
    rig = rigs(send_timeout=5.0)
    leave(rig)
    outbox = rig.session.outbox
    close_frame, take = Posted.close_frame, Posted.take
    has_looked, is_posted, pushers = threading.Event(), threading.Event(), []

    def post(posted, frame):
        if frame is not None:
            pushers.append(Call(outbox.flush_without_waiting))
            wait(has_looked)
        close_frame.__set__(posted, frame)
        is_posted.set()

    def look_and_take(posted, **options):
        has_looked.set()
        wait(is_posted)
        return take(posted, **options)

    monkeypatch.setattr(Posted, "close_frame", property(close_frame.__get__, post))
    monkeypatch.setattr(Posted, "take", look_and_take)
    outbox.post_close(encode_frame(CLOSE, b"\x03\xe8"))
    assert pushers[0].end() is None
    assert messages_of(rig.frames[:-1]) == [(BINARY, PAYLOAD)]
    assert rig.frames[-1] == SENT_CLOSE


def test_what_the_close_frame_has_overtaken_is_not_queued(rigs, waits):
    rig = rigs(send_timeout=5.0)

    def close_and_take_all():
        rig.session.outbox.post_close(encode_frame(CLOSE, b"\x03\xe8"))
        waits.clock.advance(LIMIT)
        rig.transport.is_blocked = False

    waits.actions.append(close_and_take_all)
    assert leave(rig).is_queued is False
    assert rig.frames[-1] == SENT_CLOSE
    assert rig.session.outbox.is_idle
    assert rig.session.outbox.pending_bytes == 0


def test_an_interruption_of_a_wait_in_the_middle_stops_the_message(rigs, waits):
    def interrupt():
        raise KeyboardInterrupt

    rig = rigs(send_timeout=5.0)
    waits.actions.append(interrupt)
    rig.transport.takes.extend([WHOLE_FRAGMENT, 10, 0])
    with pytest.raises(KeyboardInterrupt):
        rig.session.send_in_fragments(BINARY, PAYLOAD, lambda _: None)
    assert rig.transport.aborts == 0
    with pytest.raises(IllegalMethodCallError):
        rig.session.send_message(TEXT, b"next")
    assert [first for first, _ in rig.frames] == [BINARY, 0]


@pytest.fixture
def fast_switches():
    """Let threads change often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("fast_switches")
def test_many_threads_never_mix_their_messages(rigs):
    # Frames, fragments and pongs over a transport that takes them in parts of all sizes.
    rig = rigs(send_timeout=LIMIT)
    real_send = rig.transport.send
    counts = [100, 70_000, 0, 7, 40_000]
    calls = []

    def send(data):
        calls.append(1)
        count = counts[len(calls) % len(counts)]
        return real_send(data[:count]) if count else 0

    rig.transport.send = send
    outbox = rig.session.outbox

    def small(letter):
        for _ in range(25):
            rig.session.send_message(TEXT, letter * 50)

    def large(letter):
        for _ in range(5):
            rig.session.send_in_fragments(
                BINARY, letter * (FRAGMENT_BYTES * 2 + 9), lambda _: outbox.post_pong(encode_frame(PONG, b"pong"))
            )

    threads = [threading.Thread(target=small, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    threads += [threading.Thread(target=large, args=(letter,)) for letter in (b"X", b"Y")]
    run_together(outbox, threads)
    assert outbox.pending_bytes == 0
    messages = [(TEXT, letter * 50) for letter in (b"a", b"b", b"c", b"d")] * 25
    messages += [(BINARY, letter * (FRAGMENT_BYTES * 2 + 9)) for letter in (b"X", b"Y")] * 5
    assert sorted(messages_of(rig.frames)) == sorted(messages)
    assert (FIN | PONG, b"pong") in rig.frames
