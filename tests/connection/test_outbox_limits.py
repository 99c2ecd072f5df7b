"""Outbox: how long a send may take, and what becomes of a frame that took longer."""

import errno

import pytest
from support import LIMIT, wait
from support.calls import Call
from support.doubles import Sender, frames_of, stuck_sender
from support.fakes import PieceList

from syncws._connection.sending import frame_writer as frame_writer_module
from syncws._connection.sending.frame_writer import MAX_KEPT_BYTES, Patience
from syncws._connection.sending.outbox import Outbox
from syncws._wire.frames import BINARY
from syncws._wire.large import PIECE_BYTES, FramePieces
from syncws.errors import ConnectionLostError, ObjectClosedError, OperationTimedOutError
from syncws.hresult import HResult

SHORT = 0.02


def test_a_sender_waits_for_the_role_no_longer_than_its_time(outbox, transport):
    first = stuck_sender(outbox, transport)
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"second")
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
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"late")
    assert caught.value.is_queued is False
    transport.unblock()
    outbox.send(b"next")
    assert transport.sent == b"next"


def test_pieces_of_which_nothing_went_in_time_never_go(outbox, transport):
    transport.block()
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"late", PieceList([b"pieces"]))
    assert caught.value.is_queued is False
    transport.unblock()
    assert outbox.is_idle


def test_a_frame_that_had_begun_is_queued_and_goes_before_the_next(outbox, transport):
    transport.block()
    transport.takes.append(2)
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"frame")
    assert caught.value.is_queued is True
    transport.unblock()
    outbox.send(b"next")
    assert transport.sent == b"framenext"
    assert outbox.tally.messages == 2


def test_what_was_left_is_waited_for_no_longer_than_its_time(outbox, transport, waits):
    transport.takes.extend([2, 0, 0, 0])
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame")
    assert outbox.wait_until_idle() is False
    transport.takes.clear()
    assert outbox.wait_until_idle() is True
    assert transport.sent == b"frame"


def test_what_the_end_has_dropped_never_counts_as_gone(outbox, transport, waits):
    transport.takes.extend([2, 0, 0])
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame")
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    assert outbox.wait_until_idle() is False


def test_what_a_send_is_in_the_midst_of_is_not_waited_for_by_a_signal_handler_on_its_thread(outbox, transport, waits):
    transport.takes.extend([2, 0])
    answers = []
    waits.actions.append(lambda: answers.append(outbox.wait_until_idle()))
    outbox.send(b"frame")
    assert answers == [False]
    assert transport.sent == b"frame"


def test_nothing_is_waited_for_once_the_connection_is_lost(outbox, transport):
    transport.takes.extend([2, ConnectionResetError(errno.ECONNRESET, "reset")])
    with pytest.raises(ConnectionLostError):
        outbox.send(b"frame")
    assert outbox.wait_until_idle() is False


def test_a_frame_that_began_while_it_waited_is_queued(outbox, transport, waits):
    transport.takes.extend([0, 2, 0, 0])
    waits.actions.append(lambda: None)
    outbox.send_timeout = 5.0
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"frame")
    assert caught.value.is_queued is True
    assert outbox.flush_without_waiting()
    assert transport.sent == b"frame"


def test_a_transport_that_is_writable_but_takes_nothing_holds_a_send_no_longer_than_its_time(outbox, transport):
    # As TLS 1.2 does while the server has begun a renegotiation that it does not go on with.
    transport.takes.extend([0] * 1000)
    transport.takes.append(AssertionError("the send went on although its time was over"))
    outbox.send_timeout = 0.0
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame")


def test_pieces_that_had_not_been_made_are_queued_too(outbox, transport):
    transport.block()
    transport.takes.append(3)
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"one", PieceList([b"two", b"three"]))
    assert caught.value.is_queued is True
    transport.unblock()
    outbox.send(b"next")
    assert transport.sent == b"onetwothreenext"


def test_the_queued_rest_does_not_see_what_the_caller_changes_afterwards(outbox, transport):
    payload = bytearray(b"a" * (PIECE_BYTES * 2))
    pieces = FramePieces(BINARY, memoryview(payload))
    transport.block()
    transport.takes.append(10)
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError):
        outbox.send(next(pieces), pieces)
    payload[:] = b"b" * len(payload)
    transport.unblock()
    assert outbox.flush_without_waiting()
    assert frames_of(transport.sent) == [(0x82, b"a" * len(payload))]


def test_the_reader_is_told_of_a_rest_when_it_can_do_something_about_it(outbox, transport):
    # The reader may look at once, on its own thread. When the role is still held then, it leaves the rest to whoever
    # holds it; so it has to be told when the role is free.
    answers = []
    outbox._on_leftover = lambda: answers.append(outbox.flush_without_waiting())
    transport.block()
    transport.takes.append(2)
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame")
    assert answers[-1] is False, "the reader was told that the sender sees to the rest, and the sender has gone"


def test_the_reader_is_told_of_an_older_rest_that_a_sender_could_not_push_out(outbox, transport, leftovers, waits):
    transport.block()
    transport.takes.append(2)
    outbox.send_timeout = 5.0
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame")
    # A second sender takes the role to push the rest out. The reader, told of the rest, looks meanwhile.
    answers = []

    def look():
        answers.append(outbox.flush_without_waiting())

    waits.actions.append(lambda: Call(look).end())
    before = leftovers.count
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"second")
    assert answers == [True], "while the second sender has the role it sees to the rest"
    assert leftovers.count == before + 1, "nobody pushes the rest of the first frame any more"


def test_a_send_that_times_out_behind_an_older_rest_is_not_queued(outbox, transport):
    transport.block()
    transport.takes.append(2)
    outbox.send_timeout = SHORT
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame")
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"second")
    assert caught.value.is_queued is False
    transport.unblock()
    assert outbox.flush_without_waiting()
    assert transport.sent == b"frame"


# Patience: the time begins anew whenever the transport takes something.


def test_patience_ends_after_its_timeout_without_progress(clock):
    patience = Patience(10.0)
    assert patience.deadline.remaining == 10.0
    clock.advance(9.0)
    assert not patience.deadline.is_expired
    clock.advance(1.0)
    assert patience.deadline.is_expired


def test_patience_begins_anew_at_the_next_wait_after_progress(clock):
    patience = Patience(10.0)
    assert patience.deadline.remaining == 10.0
    clock.advance(9.0)
    patience.renew()
    clock.advance(100.0)
    assert patience.deadline.remaining == 10.0


def test_patience_takes_fewer_bytes_held_back_for_progress(clock):
    patience = Patience(10.0)
    patience.look_at(500)
    assert patience.deadline.remaining == 10.0
    clock.advance(4.0)
    patience.look_at(499)
    assert patience.deadline.remaining == 10.0


@pytest.mark.parametrize("unsent", [500, 501], ids=["as many", "more"])
def test_patience_does_not_take_other_bytes_held_back_for_progress(clock, unsent):
    patience = Patience(10.0)
    patience.look_at(500)
    assert patience.deadline.remaining == 10.0
    clock.advance(4.0)
    patience.look_at(unsent)
    assert patience.deadline.remaining == 6.0


def test_patience_without_a_timeout_never_ends(clock):
    patience = Patience(None)
    clock.advance(1e9)
    assert patience.deadline.remaining is None
    assert not patience.deadline.is_expired


def test_a_slow_peer_that_goes_on_taking_is_waited_for_however_long_it_takes(outbox, transport, waits, clock):
    transport.takes.extend([1, 0] * 9)
    waits.actions.extend([lambda: clock.advance(4.0)] * 9)
    outbox.send_timeout = 5.0
    outbox.send(b"0123456789")
    assert transport.sent == b"0123456789"
    assert waits.limits == [5.0] * 9


def test_before_each_wait_for_the_peer_somebody_is_asked_to_read(transport, leftovers, waits):
    asked = []
    outbox = Outbox(transport, leftovers, lambda: asked.append(len(waits.limits)))
    outbox.send_timeout = LIMIT
    transport.takes.extend([5, 0, 0, 0])
    waits.actions.extend([lambda: None] * 3)
    outbox.send(b"0123456789")
    # Asked first: what the server has said may be why it takes nothing.
    assert asked == [0, 1, 2]
    outbox.shut(ConnectionLostError("the test is over"))
    outbox.retire(transport.close)


def test_a_wait_in_which_nothing_was_taken_shortens_the_next(outbox, transport, waits, clock):
    transport.takes.extend([0] * 4)
    waits.actions.extend([lambda: clock.advance(2.0)] * 2)
    outbox.send_timeout = 5.0
    with pytest.raises(OperationTimedOutError):
        outbox.send(b"frame")
    assert waits.limits == [5.0, 3.0, 1.0]


def test_what_goes_of_others_frames_renews_the_time_too(outbox, transport, waits, clock):
    transport.block()
    outbox.post_pong(b"pong")
    transport.takes.extend([0, 2, 0])
    transport.is_blocked = False
    waits.actions.extend([lambda: clock.advance(4.0)] * 2)
    outbox.send_timeout = 5.0
    outbox.send(b"data")
    assert transport.sent == b"pongdata"
    assert waits.limits == [5.0, 5.0]


def test_tls_that_pushes_out_what_it_holds_renews_the_time(outbox, transport, waits, clock):
    def push_some():
        transport.unsent_bytes -= 100
        clock.advance(4.0)

    transport.has_unsent = True
    transport.unsent_bytes = 300
    transport.flushes.extend([False] * 4)
    waits.actions.extend([push_some] * 3)
    outbox.send_timeout = 5.0
    outbox.send(b"data")
    assert transport.sent == b"data"
    assert waits.limits == [5.0] * 3


def test_tls_that_pushes_out_nothing_ends_the_send(outbox, transport, waits, clock):
    transport.has_unsent = True
    transport.unsent_bytes = 300
    transport.flushes.extend([False] * 3)
    waits.actions.extend([lambda: clock.advance(4.0)] * 2)
    outbox.send_timeout = 5.0
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"data")
    assert caught.value.is_queued is False
    assert waits.limits == [5.0, 1.0]
    assert transport.sent == b""


# A large frame that is given up in the middle.


@pytest.fixture
def give_up(outbox, transport, waits):
    """Give a large frame up when its first piece has gone; return the error."""

    def send(pieces):
        transport.takes.extend([3, 0])
        transport.is_blocked = True
        outbox.send_timeout = 5.0
        with pytest.raises(OperationTimedOutError) as caught:
            outbox.send(b"one", pieces)
        transport.is_blocked = False
        return caught.value

    return send


def test_a_rest_that_can_be_kept_goes_before_the_next_frame(outbox, transport, give_up):
    pieces = PieceList([b"two", b"three"])
    assert give_up(pieces).is_queued is True
    assert pieces.limits == [MAX_KEPT_BYTES]
    assert outbox.pending_bytes == 8
    outbox.send(b"next")
    assert transport.sent == b"onetwothreenext"
    assert outbox.given_up is None


def test_a_rest_that_can_be_kept_goes_by_the_reader(outbox, transport, give_up, leftovers):
    # The reader was told, for nothing more could be sent then.
    assert give_up(PieceList([b"two", b"three"])).is_queued is True
    assert leftovers.count == 1
    assert outbox.flush_without_waiting() is True
    assert transport.sent == b"onetwothree"
    assert outbox.is_idle


def test_a_rest_that_cannot_be_kept_ends_the_connection(outbox, transport, give_up):
    error = give_up(PieceList([b"two", b"three"], can_detach=False))
    assert error.is_queued is False
    assert error.hresult == HResult.WININET_E_TIMEOUT
    assert transport.aborts == 1
    assert isinstance(outbox.given_up, ConnectionLostError)
    assert outbox.pending_bytes == 0
    for _ in range(2):
        with pytest.raises(ConnectionLostError, match="given up in the middle of a frame"):
            outbox.send(b"next")
    assert transport.sent == b"one"


def test_a_rest_that_cannot_be_kept_is_no_matter_when_nothing_has_gone(outbox, transport, waits):
    transport.is_blocked = True
    outbox.send_timeout = 5.0
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(b"one", PieceList([b"two"], can_detach=False))
    transport.is_blocked = False
    assert caught.value.is_queued is False
    assert transport.aborts == 0
    outbox.send(b"next")
    assert transport.sent == b"next"


def is_kept_after_a_byte(outbox, transport, payload):
    """Send a payload of which the transport takes one byte in time; return what the error says of the rest."""
    pieces = FramePieces(BINARY, payload)
    transport.takes.extend([1, 0])
    transport.is_blocked = True
    outbox.send_timeout = 5.0
    with pytest.raises(OperationTimedOutError) as caught:
        outbox.send(next(pieces), pieces)
    pieces.release()
    transport.is_blocked = False
    return caught.value.is_queued


@pytest.mark.parametrize(
    ("size", "is_kept"),
    [(MAX_KEPT_BYTES + PIECE_BYTES, True), (MAX_KEPT_BYTES + PIECE_BYTES + 1, False)],
    ids=["all that may be kept", "a byte more"],
)
def test_a_buffer_that_may_change_is_kept_up_to_a_limit(outbox, transport, waits, size, is_kept):
    payload = bytearray(size)
    assert is_kept_after_a_byte(outbox, transport, payload) is is_kept
    assert transport.aborts == (0 if is_kept else 1)
    # Whoever sent may change its buffer, also its size.
    payload.clear()
    if is_kept:
        assert outbox.flush_without_waiting() is True
        assert frames_of(transport.sent) == [(0x82, bytes(size))]


def test_bytes_are_kept_whatever_their_size(outbox, transport, waits):
    payload = bytes(4 * MAX_KEPT_BYTES)
    assert is_kept_after_a_byte(outbox, transport, payload) is True
    assert outbox.flush_without_waiting() is True
    assert frames_of(transport.sent) == [(0x82, payload)]


# Bytes that wait.


def test_pending_bytes_count_what_is_left_of_a_frame_and_its_pieces(outbox, transport, waits):
    seen = []
    transport.takes.extend([2, 0])
    waits.actions.append(lambda: seen.append(outbox.pending_bytes))
    outbox.send_timeout = 5.0
    outbox.send(b"frame", PieceList([b"12345", b"67"]))
    assert seen == [3 + 5 + 2]
    assert outbox.pending_bytes == 0


def test_pending_bytes_count_what_the_transport_holds_back(outbox, transport):
    transport.unsent_bytes = 77
    assert outbox.pending_bytes == 77


def test_pending_bytes_count_what_waits_for_the_role(outbox, transport):
    first = stuck_sender(outbox, transport, b"0123456789", first=4)
    others = [Sender(outbox, b"xyz"), Sender(outbox, b"abcde")]
    while len(outbox._waiting) < 2:
        pass
    assert outbox.pending_bytes == 6 + 3 + 5
    transport.unblock()
    assert [sender.end() for sender in (first, *others)] == [None] * 3
    assert outbox.pending_bytes == 0


def test_pending_bytes_count_all_of_a_large_frame_that_waits_for_the_role(outbox, transport):
    first = stuck_sender(outbox, transport, b"0123456789", first=4)
    large = Sender(outbox, b"one", PieceList([b"two", b"three"]))
    while not outbox._waiting:
        pass
    pending = outbox.pending_bytes
    transport.unblock()
    assert [sender.end() for sender in (first, large)] == [None, None]
    assert pending == 6 + 11, "only the first piece of a large frame is counted as long as it waits"


@pytest.fixture
def no_descriptors(monkeypatch):
    def refuse():
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(frame_writer_module, "Waker", refuse)


@pytest.mark.usefixtures("no_descriptors")
def test_a_send_that_has_to_wait_needs_no_descriptors(outbox, transport):
    transport.block()
    sender = Sender(outbox, b"0123456789")
    wait(transport.refused)
    transport.unblock()
    assert sender.end() is None
    assert transport.sent == b"0123456789"


@pytest.mark.usefixtures("no_descriptors")
def test_a_send_that_waits_without_descriptors_is_told_of_the_end(outbox, transport):
    transport.block()
    sender = Sender(outbox, b"0123456789", timeout=None)
    wait(transport.refused)
    outbox.shut(ConnectionLostError("lost"))
    assert type(sender.end()) is ConnectionLostError
