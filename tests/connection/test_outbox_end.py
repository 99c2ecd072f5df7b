"""Outbox: how sending ends, by shut, by a broken transport, and by an interruption."""

import contextlib
import errno
import os
import threading

import pytest
from support import join, wait
from support.doubles import Sender, stuck_sender
from support.fakes import PieceList, ScriptedTransport, call_with_room, interrupt_at

from syncws._connection import closing
from syncws._connection.sending import frame_writer as frame_writer_module
from syncws._connection.sending import turns as module
from syncws._connection.sending.outbox import Outbox
from syncws.errors import (
    ConnectionClosedError,
    ConnectionLostError,
    InvalidOperationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    WebSocketError,
)
from syncws.hresult import HResult


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
    assert all(isinstance(other.end(), WebSocketError) for other in others)


def test_the_first_reason_of_shut_stays(outbox):
    outbox.shut(ConnectionLostError("first"))
    outbox.shut(ObjectClosedError("second"))
    with pytest.raises(ConnectionLostError, match="first"):
        outbox.send(b"frame")


def test_each_sender_gets_an_error_of_its_own(outbox):
    reason = ObjectClosedError("over")
    outbox.shut(reason)
    errors = []
    for _ in range(2):
        with pytest.raises(ObjectClosedError) as caught:
            outbox.send(b"frame")
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


def test_after_the_end_all_counts_as_gone_if_it_had(outbox, transport):
    outbox.send(b"frame")
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    assert outbox.wait_until_idle()


def test_retire_closes_the_transport_once(outbox, transport):
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    with pytest.raises(WebSocketError):
        outbox.send(b"frame")
    assert transport.closes == 1


def test_retire_waits_for_a_sender_that_leaves(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    sender.end()
    assert transport.closes == 1


@pytest.fixture
def held(transport, monkeypatch):
    """Two Events: one that is set inside a send, and one that lets it go on; retire waits for it only shortly."""
    monkeypatch.setattr(closing, "LEAVE_SECONDS", 0.01)
    inside, go_on = threading.Event(), threading.Event()

    def hold(_):
        inside.set()
        wait(go_on)

    transport.on_send = hold
    return inside, go_on


def test_the_last_sender_closes_the_transport_when_it_did_not_leave_in_time(outbox, transport, held):
    inside, go_on = held
    sender = Sender(outbox, b"frame")
    wait(inside)
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    assert transport.closes == 0
    go_on.set()
    sender.end()
    assert transport.closes == 1


def test_a_reader_that_flushes_closes_the_transport_when_it_is_the_last(outbox, transport, held):
    inside, go_on = held
    posting = threading.Thread(target=outbox.post_pong, args=(b"pong",))
    posting.start()
    wait(inside)
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    go_on.set()
    join(posting)
    assert transport.closes == 1


def test_of_two_senders_that_leave_late_one_closes_the_transport(outbox, transport, held):
    inside, go_on = held
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
        outbox.send(b"frame")
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET
    assert isinstance(caught.value.__cause__, BrokenPipeError | WebSocketError)


def test_an_error_in_the_middle_of_a_frame_is_a_lost_connection(outbox, transport):
    transport.takes.extend([2, OSError(5, "Input/output error")])
    with pytest.raises(ConnectionLostError, match="Input/output error"):
        outbox.send(b"frame", PieceList([b"piece"]))
    assert outbox.is_idle


def test_after_an_error_of_the_transport_nothing_goes_any_more(outbox, transport):
    transport.takes.append(ConnectionResetError(104, "reset"))
    with pytest.raises(ConnectionLostError):
        outbox.send(b"frame")
    with pytest.raises(ConnectionLostError):
        outbox.send(b"next")
    outbox.post_close(b"close")
    assert transport.sent == b""


def test_an_interruption_inside_a_send_gives_the_connection_up(outbox, transport):
    transport.takes.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame")
    assert transport.aborts == 1
    with pytest.raises(ConnectionLostError):
        outbox.send(b"next")
    assert transport.sent == b""


def test_an_interruption_inside_a_later_send_of_the_frame_gives_the_connection_up(outbox, transport):
    transport.takes.extend([2, KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame")
    assert transport.aborts == 1
    assert transport.sent == b"fr"


def test_an_interruption_inside_the_rest_of_a_small_frame_gives_the_connection_up(outbox, transport):
    # As send_at_once() leaves it, of which the system took a part.
    outbox._writer.begin(b"frame", 2, None)
    outbox.has_posted = True
    transport.takes.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        outbox._finish()
    assert transport.aborts == 1
    assert isinstance(outbox.given_up, ConnectionLostError)


def test_an_interruption_while_a_piece_is_made_gives_the_connection_up(outbox, transport):
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"one", PieceList([b"two", KeyboardInterrupt()]))
    assert transport.aborts == 1
    assert transport.sent == b"onetwo"


class Interrupted:
    """A Readiness whose wait is interrupted."""

    def __init__(self, *_):
        pass

    def wait(self, *_):
        raise KeyboardInterrupt


def test_an_interruption_of_a_wait_leaves_the_rest_of_the_frame_to_go_first(outbox, transport, monkeypatch):
    monkeypatch.setattr(frame_writer_module, "make_readiness", Interrupted)
    transport.takes.extend([2, 0])
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame", PieceList([b"-piece"]))
    assert transport.aborts == 0
    outbox.send(b"next")
    assert transport.sent == b"frame-piecenext"


def test_an_interruption_of_a_wait_before_the_frame_began_drops_it(outbox, transport, monkeypatch):
    monkeypatch.setattr(frame_writer_module, "make_readiness", Interrupted)
    transport.takes.extend([0, 0])
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame")
    outbox.send(b"next")
    assert transport.sent == b"next"


def test_an_interruption_of_a_wait_between_pieces_leaves_them_to_go_first(outbox, transport, monkeypatch):
    monkeypatch.setattr(frame_writer_module, "make_readiness", Interrupted)
    transport.takes.extend([3, 1, 0])
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"one", PieceList([b"two", b"three"]))
    outbox.send(b"next")
    assert transport.sent == b"onetwothreenext"


def test_an_interruption_of_the_last_flush_leaves_a_whole_frame(outbox, transport, monkeypatch):
    monkeypatch.setattr(frame_writer_module, "make_readiness", Interrupted)
    transport.has_unsent = True
    transport.flushes.extend([True, False])
    transport.on_send = lambda _: setattr(transport, "has_unsent", True)
    with pytest.raises(KeyboardInterrupt):
        outbox.send(b"frame")
    transport.on_send = None
    outbox.send(b"next")
    assert transport.sent == b"framenext"


@pytest.fixture
def failing_wait(outbox, transport, held, monkeypatch):
    """A function that begins to send and waits for another sender, in whose send it is; the wait raises an error."""
    inside, go_on = held

    def send(error):
        def fail(*_):
            raise error

        sender = Sender(outbox, b"frame")
        wait(inside)
        monkeypatch.setattr(module, "acquire_within", fail)
        with pytest.raises(type(error)):
            outbox.send(b"waits")
        return sender, go_on

    return send


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TimeoutError("of a signal handler"), ObjectClosedError("its")])
def test_whatever_ends_a_wait_for_another_sender_leaves_that_one_alone(error, failing_wait, outbox, transport):
    sender, go_on = failing_wait(error)
    go_on.set()
    assert sender.end() is None
    outbox.send(b"next")
    assert (transport.sent, transport.aborts) == (b"framenext", 0)


def test_a_send_is_given_up_when_it_is_interrupted_also_after_another_one_waited_for_it_in_vain(
    failing_wait, outbox, transport
):
    hold = transport.on_send

    def hold_and_fail(data):
        hold(data)
        raise KeyboardInterrupt

    transport.on_send = hold_and_fail
    sender, go_on = failing_wait(OperationTimedOutError("too long"))
    go_on.set()
    assert isinstance(sender.end(), KeyboardInterrupt)
    assert transport.aborts == 1


def test_an_error_that_a_signal_handler_raises_while_a_send_waits_is_not_the_connections(
    outbox, transport, monkeypatch
):
    class Failing(Interrupted):
        def wait(self, *_):
            raise TimeoutError("alarm")

    monkeypatch.setattr(frame_writer_module, "make_readiness", Failing)
    transport.takes.extend([2, 0])
    with pytest.raises(TimeoutError, match="alarm"):
        outbox.send(b"frame")
    outbox.send(b"next")
    assert (transport.sent, transport.aborts) == (b"framenext", 0)


def test_the_role_is_free_after_every_kind_of_failure(outbox, transport):
    for failure in (OSError(5, "broken"), KeyboardInterrupt()):
        transport.takes.clear()
        transport.takes.append(failure)
        with pytest.raises(BaseException):  # noqa: B017, PT011 - which one is not what is tested
            outbox.send(b"frame")
        assert outbox._role.acquire(False)
        outbox._role.release()


def test_a_stray_wake_up_does_not_end_a_wait(outbox, transport):
    sender = stuck_sender(outbox, transport)
    outbox._writer._waker.wake()
    transport.unblock()
    assert sender.end() is None


# A waker that was interrupted while it was made is closed by the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def check_no_frame_is_torn(outbox, transport, whole, told):
    """Send once more, then end: a frame goes on to its end before the next one, or nothing goes any more."""
    transport.takes.clear()
    try:
        outbox.send(b"<next>")
        assert bytes(transport.sent) in (whole + b"<next>", b"<next>"), told
    except ConnectionLostError:
        assert transport.aborts
    assert outbox._role.acquire(False)
    outbox._role.release()
    outbox.shut(ObjectClosedError("over"))
    outbox.retire(transport.close)
    transport.release()


# socket.socketpair() of Python's own, as on Windows, loses what it has made when it is interrupted.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("pieces", [None, [b"-piece1", b"-piece2"]], ids=["one piece", "pieces"])
@pytest.mark.parametrize("takes", [(), (2,), (2, 0, 1, 0)], ids=["at once", "in parts", "with waits"])
def test_an_interruption_anywhere_tears_no_frame_and_keeps_no_role(pieces, takes):
    whole = b"frame" + b"".join(pieces or ())
    number = 0
    was_interrupted = True
    while was_interrupted:
        transport = ScriptedTransport()
        outbox = Outbox(transport, lambda: None)
        transport.takes.extend(takes)
        was_interrupted = interrupt_at(number, outbox.send, b"frame", PieceList(pieces) if pieces else None)
        check_no_frame_is_torn(outbox, transport, whole, f"torn at place {number}")
        number += 1
    assert number > 5


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize(
    "takes",
    [
        pytest.param((), id="at once"),
        pytest.param((2,), id="in parts"),
        pytest.param(
            (2, 0, 1, 0),
            id="with waits",
            marks=pytest.mark.skipif(
                not hasattr(os, "eventfd"), reason="socket.socketpair() itself loses descriptors when the stack is full"
            ),
        ),
    ],
)
def test_a_send_with_a_full_stack_tears_no_frame_and_keeps_no_role(takes):
    # There may be no room for what deals with an interrupted send either: then the next one does.
    def descend(levels):
        if levels:
            descend(levels - 1)

    room, was_full = 0, True
    while was_full:
        room += 1
        transport = ScriptedTransport()
        # As TLS does, which goes deeper yet once it has taken something.
        transport.on_send = lambda _: descend(8)
        outbox = Outbox(transport, lambda: None)
        transport.takes.extend(takes)
        try:
            call_with_room(room, outbox.send, b"frame", PieceList([b"-piece1", b"-piece2"]))
            was_full = False
        except RecursionError:
            pass
        check_no_frame_is_torn(outbox, transport, b"frame-piece1-piece2", f"torn with room for {room}")
    assert room > 3


def test_a_send_in_a_signal_handler_does_not_go_into_the_middle_of_a_message(outbox, transport):
    errors = []

    def handler(_):
        transport.on_send = None
        try:
            outbox.send(b"<handler>")
        except InvalidOperationError as exc:
            errors.append(exc)
        outbox.post_pong(b"<pong>")

    transport.on_send = handler
    outbox.send(b"frame", PieceList([b"-more"]))
    assert bytes(transport.sent) == b"frame-more<pong>"
    assert len(errors) == 1


@pytest.mark.parametrize(
    "error", [ConnectionResetError(errno.ECONNRESET, "reset"), BrokenPipeError(errno.EPIPE, "broken")]
)
@pytest.mark.parametrize("send", [lambda outbox: outbox.send(b"x"), lambda outbox: outbox.post_pong(b"x")])
def test_a_connection_that_breaks_while_sending_can_still_be_read(outbox, transport, error, send):
    transport.takes.append(error)
    with contextlib.suppress(ConnectionLostError):
        send(outbox)
    assert outbox.is_broken
    # What a dead connection has brought is still to be read.
    assert transport.aborts == 0


@pytest.mark.parametrize(
    ("error", "is_ours"),
    [(OSError(errno.ENOBUFS, "no buffers"), True), (ConnectionResetError(errno.ECONNRESET, "reset"), False)],
)
@pytest.mark.parametrize("is_at_once", [False, True])
def test_the_reader_is_told_of_a_cut_by_this_side_alone(outbox, transport, leftovers, error, is_ours, is_at_once):
    # Of the peer's the system tells it.
    if is_at_once:
        assert isinstance(outbox._break_off(error), ConnectionLostError)
    else:
        transport.takes.append(error)
        with pytest.raises(ConnectionLostError):
            outbox.send(b"x")
    assert leftovers.count == is_ours
    # By which it looks, however it is woken.
    assert outbox.has_posted


def test_what_is_posted_to_a_transport_that_broke_after_the_end_raises_nothing(outbox, transport):
    # The reader has ended sending, and the peer reset what was on its way: close() must not be told of that.
    transport.on_send = lambda _: outbox.shut(ObjectClosedError("closed"))
    transport.takes.extend([1, BrokenPipeError(errno.EPIPE, "broken")])
    outbox.post_close(b"close", ConnectionClosedError("the connection is closing"))
    assert outbox.is_idle


def test_in_a_forked_child_nothing_is_given_to_the_transport(outbox, transport):
    outbox.let_go_in_child(ConnectionLostError("it is the parent's"))
    with pytest.raises(ConnectionLostError, match="it is the parent's"):
        outbox.send(b"x")
    outbox.post_pong(b"pong")
    assert transport.sends == []
