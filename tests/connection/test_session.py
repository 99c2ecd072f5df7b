"""The session: closing, aborting, losing, and what each thread is told of it."""

import threading

import pytest
from support import LIMIT, handshake, join, read_to_end, scripted_server, server_frame, wait
from support.calls import Call
from support.scripts import BINARY, CLOSE, EMPTY_CLOSE, FIN, PING, PONG, TEXT

import syncws
from syncws._connection import closing
from syncws._connection.link import read_statistics
from syncws._connection.receiving.session_role import SessionRole
from syncws._streams.operation import Operation
from syncws._waiting.deadline import FOREVER, Deadline
from syncws._wire.frames import FRAGMENT_BYTES, close_payload
from syncws._wire.large import PIECE_BYTES
from syncws.enums import CloseCause
from syncws.errors import (
    CannotConnectError,
    ConnectionLostError,
    IllegalMethodCallError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
)
from syncws.hresult import HResult


def answer_close(rig, code=1000):
    """Let the peer answer our Close frame as soon as it has gone."""
    rig.transport.on_send = lambda _: (
        rig.transport.feed(server_frame(CLOSE, close_payload(code, ""))),
        rig.transport.feed(b""),
    )


def test_the_reader_is_a_daemon_with_the_sessions_number(rigs):
    rig = rigs()
    rig.start()
    assert rig.session.reader_thread.daemon
    assert rig.session.reader_thread.name == f"syncws-reader-{rig.session.number}"


def test_a_small_message_is_one_send(rigs):
    rig = rigs()
    rig.session.send_message(TEXT, b"hello")
    assert len(rig.transport.sends) == 1


def test_a_large_message_goes_in_pieces(rigs):
    rig = rigs()
    rig.session.send_message(BINARY, b"\0" * (PIECE_BYTES * 2 + 1))
    assert len(rig.transport.sends) == 3


def test_a_message_as_large_as_a_piece_is_one_send(rigs):
    rig = rigs()
    rig.session.send_message(BINARY, bytearray(FRAGMENT_BYTES))
    assert len(rig.transport.sends) == 1


def test_close_ends_with_the_peers_answer(rigs):
    rig = rigs()
    rig.start()
    answer_close(rig)
    rig.session.close(1000, "done", LIMIT)
    assert rig.session.finished.is_set()
    assert rig.owner.log == [(1000, "")]
    assert not rig.session.reader_thread.is_alive()


def test_close_twice_sends_one_close_frame(rigs):
    rig = rigs()
    rig.start()
    answer_close(rig)
    rig.session.close(1000, "", LIMIT)
    rig.session.close(1001, "", LIMIT)
    assert len(rig.transport.sends) == 1


def test_close_that_the_peer_does_not_answer_ends_in_1006(rigs):
    rig = rigs()
    rig.start()
    rig.session.close(1000, "", 0.01)
    rig.end()
    assert rig.owner.log == [(1006, "")]


def test_close_on_the_reader_does_not_wait(rigs):
    rig = rigs(server_frame(TEXT, b"x"))
    returned = []

    def handler(*_):
        rig.session.close(1000, "", None)
        returned.append(True)
        answer_close(rig)
        rig.transport.on_send(b"")

    rig.owner.message_received.add(handler)
    rig.run()
    assert returned == [True]


def test_a_second_close_may_wait_for_a_shorter_time(rigs):
    rig = rigs()
    rig.start()
    first = threading.Thread(target=rig.session.close, args=(1000, "", LIMIT))
    first.start()
    while not rig.transport.sends:
        pass
    rig.session.close(None, "", 0.01)
    join(first)
    assert rig.owner.log == [(1006, "")]


def test_close_does_not_wait_for_a_handler_that_blocks(rigs):
    rig = rigs(server_frame(TEXT, b"x"))
    inside, go_on = threading.Event(), threading.Event()

    def handler(*_):
        inside.set()
        wait(go_on)

    rig.owner.message_received.add(handler)
    rig.start()
    wait(inside)
    rig.session.close(1000, "", 0.01)
    assert rig.session.reader_thread.is_alive()
    go_on.set()
    rig.end()
    assert rig.owner.log == [(1006, "")]


def test_abort_cuts_the_connection(rigs):
    rig = rigs()
    rig.start()
    rig.session.abort()
    rig.end()
    assert rig.transport.aborts >= 1
    assert rig.transport.ends_of_output == 0
    assert rig.owner.log == [(1006, "")]


def test_abort_wakes_a_sender_that_is_stuck(rigs):
    rig = rigs(send_timeout=None)
    rig.start()
    rig.transport.block()
    sender = Call(rig.session.send_message, TEXT, b"x")
    wait(rig.transport.refused)
    rig.session.abort()
    assert isinstance(sender.end(), OperationCanceledError | ConnectionLostError)


def test_abort_wakes_who_receives(rigs):
    rig = rigs()
    rig.start()
    receiver = Call(rig.session.receive, FOREVER)
    rig.session.abort()
    assert receiver.result() is None


def test_receive_ends_when_its_time_is_over(rigs):
    rig = rigs()
    rig.start()
    with pytest.raises(OperationTimedOutError):
        rig.session.receive(Deadline(0.01))


def test_receive_raises_how_the_connection_was_lost(rigs):
    rig = rigs(ConnectionResetError(104, "reset"))
    rig.run()
    with pytest.raises(ConnectionLostError) as caught:
        rig.session.receive(FOREVER)
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET


def test_receive_gives_what_came_before_the_loss_first(rigs):
    rig = rigs(server_frame(TEXT, b"last"), b"")
    rig.run()
    assert rig.session.receive(FOREVER).text == "last"
    with pytest.raises(ConnectionLostError):
        rig.session.receive(FOREVER)


def test_receive_in_a_handler_is_refused(rigs):
    rig = rigs(server_frame(TEXT, b"x"), b"")
    errors = []

    def handler(*_):
        try:
            rig.session.receive(FOREVER)
        except IllegalMethodCallError as exc:
            errors.append(exc.hresult)

    rig.owner.message_received.add(handler)
    rig.run()
    assert errors == [HResult.E_ILLEGAL_METHOD_CALL]


def test_wait_closed_tells_whether_it_is_over(rigs):
    rig = rigs()
    rig.start()
    assert rig.session.wait_closed(Deadline(0.01)) is False
    rig.transport.feed(b"")
    assert rig.session.wait_closed(Deadline(LIMIT)) is True


def test_wait_closed_in_a_handler_is_refused(rigs):
    rig = rigs(b"")
    errors = []

    def on_closed():
        try:
            rig.session.wait_closed(FOREVER)
        except IllegalMethodCallError as exc:
            errors.append(exc.hresult)

    rig.owner.on_closed = on_closed
    rig.run()
    assert errors == [HResult.E_ILLEGAL_METHOD_CALL]


def test_wait_closed_of_a_session_that_never_had_a_reader_returns_when_it_is_finished(rigs):
    rig = rigs()
    rig.session.finish()
    assert rig.session.wait_closed(FOREVER) is True


def test_who_waits_for_the_end_waits_for_a_reader_thread_that_came_too_late_as_well(rigs):
    rig = rigs(server_frame(CLOSE), b"")
    rig.run()
    go_on = threading.Event()
    late = rig.session.role.starting = Call(wait, go_on)
    # Nobody lets it go before somebody waits for it.
    late.join, join_thread = lambda seconds: (go_on.set(), join_thread(seconds)), late.join
    assert rig.session.wait_closed(FOREVER) is True
    was_waited_for = not late.is_alive()
    go_on.set()
    join_thread(LIMIT)
    assert was_waited_for


def read_here(session, *, is_busy):
    operation = session.role.holders[None] = Operation()
    operation.is_busy = is_busy


@pytest.mark.parametrize(
    ("prepare", "waits"),
    [
        (lambda session: None, True),
        # A signal handler, in which a reader thread can take over, and one in which none can.
        (lambda session: read_here(session, is_busy=False), True),
        (lambda session: read_here(session, is_busy=True), False),
        (lambda session: setattr(session, "is_exiting", True), False),
        (lambda session: setattr(session, "is_paused", True), False),
        (lambda session: setattr(session, "dispatcher_thread", threading.current_thread()), False),
    ],
    ids=["parked", "between two reads", "in a read", "the program ends", "full inbox", "slow handler"],
)
def test_a_send_that_found_tcp_gone_waits_for_the_reader_only_where_one_can_come(rigs, monkeypatch, prepare, waits):
    rig = rigs()
    begun = []
    monkeypatch.setattr(SessionRole, "while_read", lambda role, wait: begun.append(role))
    prepare(rig.session)
    error = ConnectionLostError("gone")
    assert rig.session.error_of_end(error) is error
    assert bool(begun) is waits


def test_sending_after_the_peers_close_is_refused(rigs):
    rig = rigs(server_frame(CLOSE, b""), b"")
    rig.run()
    with pytest.raises(ObjectClosedError):
        rig.session.send_message(TEXT, b"x")


def test_sending_after_a_lost_connection_tells_that(rigs):
    rig = rigs(ConnectionResetError(104, "reset"))
    rig.run()
    with pytest.raises(ConnectionLostError) as caught:
        rig.session.send_message(TEXT, b"x")
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET


@pytest.mark.parametrize(
    ("error", "hresult"),
    [
        (ConnectionResetError(104, "reset"), HResult.WININET_E_CONNECTION_RESET),
        # The peer had ended the connection before that.
        (BrokenPipeError(32, "broken"), HResult.WININET_E_CONNECTION_ABORTED),
    ],
)
def test_a_reset_that_only_a_send_was_told_of_is_how_the_connection_was_lost(rigs, monkeypatch, error, hresult):
    monkeypatch.setattr(closing, "LOSS_SECONDS", 0.0)
    rig = rigs()
    rig.transport.takes.append(error)
    with pytest.raises(ConnectionLostError):
        rig.session.send_message(TEXT, b"x")
    rig.transport.feed(b"")
    rig.run()
    assert rig.session.loss.hresult == hresult


def test_a_cut_by_a_sender_that_was_interrupted_is_how_the_connection_was_lost(rigs):
    rig = rigs()
    rig.transport.takes.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        rig.session.send_message(TEXT, b"x")
    rig.transport.feed_quietly(b"")
    rig.run()
    assert "interrupted in the middle of a frame" in rig.session.loss.message


def test_a_violation_after_a_local_close_is_no_loss(rigs):
    rig = rigs()
    rig.start()
    rig.transport.on_send = lambda _: (rig.transport.feed(b"\xff\xff"), rig.transport.feed(b""))
    rig.session.close(1000, "", LIMIT)
    assert rig.session.loss is None
    assert rig.owner.log == [(1006, "")]


def test_an_empty_close_frame_is_1005(rigs):
    rig = rigs(server_frame(CLOSE, b""), b"")
    rig.run()
    assert (rig.session.closing.code, rig.session.closing.reason) == (1005, "")


def test_a_dropped_owner_is_told_nothing(rigs):
    rig = rigs(server_frame(PING, b"a"), server_frame(PONG, b"b"), server_frame(CLOSE, b""), b"")
    log = rig.owner.log
    rig.owner = None
    rig.run()
    assert log == []
    assert rig.frames == [(FIN | PONG, b"a"), EMPTY_CLOSE]


def test_abandon_after_close_has_begun_changes_nothing(rigs):
    rig = rigs()
    rig.start()
    closing = threading.Thread(target=rig.session.close, args=(1000, "", LIMIT))
    closing.start()
    while not rig.transport.sends:
        pass
    rig.session.abandon()
    rig.transport.feed(server_frame(CLOSE, close_payload(1000, "")))
    rig.transport.feed(b"")
    join(closing)
    assert len(rig.transport.sends) == 1


def test_the_owner_is_held_only_weakly(rigs):
    rig = rigs()
    rig.owner = None
    assert rig.session.owner() is None


def test_statistics_count_both_directions(rigs):
    rig = rigs()
    statistics = read_statistics(rig.session)
    assert (statistics.outbound_bits_per_second, statistics.inbound_bits_per_second) == (0, 0)


def test_a_closed_handler_that_ends_the_thread_does_not_keep_the_session_from_finishing(rigs, monkeypatch):
    rig = rigs(b"")

    def leave():
        raise SystemExit

    rig.owner.on_closed = leave
    # Python says nothing of a SystemExit on a thread; pytest does.
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    rig.run()
    assert rig.session.wait_closed(Deadline(0.5)), "wait_closed() and close() wait for ever"


def test_a_connect_whose_reader_cannot_be_started_leaves_nothing_behind(monkeypatch):
    ended = threading.Event()

    def script(connection):
        handshake(connection)
        read_to_end(connection)
        ended.set()

    class NoThread(threading.Thread):
        def start(self):
            if self.name.startswith("syncws-reader"):
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(threading, "Thread", NoThread)
    with scripted_server(script) as uri:
        socket = syncws.MessageWebSocket()
        # Without handlers no thread is needed so early.
        socket.message_received += print
        with pytest.raises(
            CannotConnectError, match="cannot start a thread for the connection: can't start new thread"
        ) as caught:
            socket.connect(uri)
        assert ended.wait(LIMIT), "the descriptor stays open"
        # Until here its traceback holds what the connect had made, so nobody but the connect has closed it.
        del caught
        socket.close()


def test_a_loss_that_a_sender_finds_is_the_cause_at_once(rigs):
    rig = rigs()
    assert rig.session.close_cause is CloseCause.NONE
    rig.session.outbox.shut(ConnectionLostError("the connection broke"))
    assert rig.session.close_cause is CloseCause.CONNECTION_LOST


def close_before_the_end(rig):
    closing = Call(rig.session.close, 1000, "", LIMIT)
    while not rig.session.closing.is_discarding:
        pass
    rig.transport.feed_quietly(b"")
    closing.result()


def test_every_cause_of_an_end_can_be_told():
    assert closing.CAUSES_IN_WORDS.keys() == set(CloseCause)


@pytest.mark.parametrize("is_asked", [False, True])
@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (lambda rig: rig.transport.feed(server_frame(CLOSE, close_payload(4000, "bye"))), CloseCause.PEER),
        (lambda rig: rig.transport.feed(server_frame(3)), CloseCause.PROTOCOL_ERROR),
        (lambda rig: None, CloseCause.CONNECTION_LOST),
        (lambda rig: rig.session.abort(), CloseCause.CONNECTION_LOST),
        (close_before_the_end, CloseCause.CONNECTION_LOST),
    ],
    ids=["Close frame", "violation", "end", "abort", "close"],
)
def test_asking_for_the_cause_when_a_sender_has_found_the_loss_does_not_change_it(rigs, end, cause, is_asked):
    rig = rigs()
    rig.start()
    rig.session.outbox.shut(ConnectionLostError("the connection broke"))
    if is_asked:
        assert rig.session.close_cause is CloseCause.CONNECTION_LOST
    end(rig)
    rig.transport.feed_quietly(b"")
    rig.end()
    assert rig.session.close_cause is cause
