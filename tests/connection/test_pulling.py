"""A caller that reads itself: what an interruption at any place leaves for the next, and who reads when."""

import gc
import itertools
import select
import signal
import threading
import weakref

import pytest
from support import LIMIT, server_frame, wait
from support.calls import Call
from support.doubles import StreamRig
from support.fakes import FakeClock, ScriptedTransport, interrupt_at
from support.scripts import BINARY, CLOSE, FIN, PING, PONG, TEXT

from syncws._connection.keep_alive import Silence
from syncws._connection.receiving import session_role
from syncws._connection.receiving.inbox import BUSY, LATE, LOOK
from syncws._connection.receiving.reading_role import Hold
from syncws._connection.receiving.session_role import SessionRole
from syncws._streams.operation import Operation
from syncws._waiting import deadline as deadline_module
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._wire.frames import close_payload
from syncws._wire.incoming import Message
from syncws.enums import CloseCause
from syncws.errors import ConnectionLostError, OperationTimedOutError

# A monitor that nobody runs: on a busy machine the real one starts a reader meanwhile, which then has the role.
unwatched = pytest.mark.usefixtures("monitor")

CLOSE_1000 = server_frame(CLOSE, close_payload(1000, "bye"))
TWO_AND_A_PING = server_frame(TEXT, b"one") + server_frame(PING, b"?") + server_frame(TEXT, b"two")


def begin(rig):
    """Let the connection be read; nobody does."""
    rig.session.start()
    return rig


def pull(rig, seconds=LIMIT):
    return rig.session.inbox.puller.pull(Operation(), Deadline(seconds))


def taken(rig):
    inbox = rig.session.inbox
    messages = iter(inbox.take_now, None)
    return [message.text or message.payload for message in messages]


def every_place(rigs, use, *incoming):
    """Give a rig for each place in which `use` of it was interrupted."""
    for number in itertools.count():
        rig = begin(rigs(*incoming))
        if not interrupt_at(number, use, rig):
            assert number > 30
            return
        assert rig.session.role.holders == {}, "the role is taken for ever"
        yield rig
        # There may be more places than descriptors.
        rig.release()


# What an interruption leaves.


@unwatched
def test_a_read_that_is_interrupted_anywhere_loses_and_repeats_nothing(rigs):
    for rig in every_place(rigs, pull, TWO_AND_A_PING):
        while not rig.session.inbox.has_messages:
            assert pull(rig) == LOOK
        # The pong is part of it, as far as an interruption in the middle of it has not ended the connection.
        pull(rig, 0.0)
        assert taken(rig) == ["one", "two"]
        assert rig.session.outbox.is_broken or {first for first, _ in rig.frames} == {FIN | PONG}


@unwatched
def test_what_an_interrupted_read_has_left_the_reader_thread_finishes(rigs):
    for rig in every_place(rigs, pull, TWO_AND_A_PING):
        rig.transport.feed_quietly(b"")
        rig.session.role._start()
        assert rig.session.finished.wait_until(Deadline(LIMIT))
        assert taken(rig) == ["one", "two"]


@unwatched
def test_a_read_that_is_interrupted_twice_loses_and_repeats_nothing(rigs):
    for rig in every_place(rigs, pull, TWO_AND_A_PING):
        interrupt_at(12, pull, rig, 0.0)
        while not rig.session.inbox.has_messages:
            assert pull(rig) == LOOK
        assert taken(rig) == ["one", "two"]


@unwatched
def test_in_the_middle_of_a_message_an_interruption_loses_nothing_or_says_so(rigs):
    frames = b"\x01\x01a", server_frame(0, b"b") + server_frame(TEXT, b"next")
    cut = 0

    def pull_twice(rig):
        while not rig.session.inbox.has_messages:
            pull(rig)

    for rig in every_place(rigs, pull_twice, *frames):
        while not rig.session.inbox.has_messages and pull(rig) == LOOK:
            pass
        if rig.session.loss is None:
            assert taken(rig) == ["ab", "next"]
        else:
            cut += 1
            assert isinstance(rig.session.loss, ConnectionLostError)
            assert "interrupted in the middle of a message" in str(rig.session.loss)
            assert taken(rig) == []
            assert rig.transport.aborts
    assert cut


@unwatched
def test_after_an_interruption_that_lost_something_nothing_more_is_read(rigs):
    # The system still has bytes, which would be taken for the middle of what was lost.
    cut = 0

    def pull_the_first_part(rig):
        while len(rig.transport.incoming):
            pull(rig, 0.0)

    head = b"\x82\x7e" + (20000).to_bytes(2, "big")
    for rig in every_place(rigs, pull_the_first_part, head + bytes(4000), bytes(8000)):
        rig.transport.feed_quietly(bytes(8000) + server_frame(TEXT, b"next"))
        received, end = [], None
        while len(received) < 2 and end is None:
            try:
                message = rig.session.receive(Deadline(LIMIT))
            except ConnectionLostError as exc:
                end = str(exc)
            else:
                received.append(message.text or message.payload)
        if end is None:
            assert received == [bytes(20000), "next"]
        else:
            cut += 1
            assert "interrupted in the middle of a message" in end
            assert received == []
    assert cut


@pytest.mark.parametrize("raised", [KeyboardInterrupt, MemoryError])
def test_what_ended_the_read_that_lost_something_is_named(rigs, raised):
    # Received into the decoder's own memory.
    head = b"\x81\x7f" + (1 << 20).to_bytes(8, "big")
    rig = begin(rigs(head + bytes(4000), bytes(4000), raised()))
    with pytest.raises(raised):
        rig.session.receive(Deadline(LIMIT))
    with pytest.raises(ConnectionLostError, match=f"in the middle of a message, by {raised.__name__}"):
        rig.session.receive(Deadline(LIMIT))


def test_a_send_in_the_moment_in_which_an_interrupted_read_cuts_the_connection_is_told_of_that(rigs):
    head = b"\x81\x7f" + (1 << 20).to_bytes(8, "big")
    rig = begin(rigs(head + bytes(4000), bytes(4000), KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        rig.session.receive(Deadline(LIMIT))
    abort, errors = rig.transport.abort, []

    def abort_and_send():
        abort()
        errors.append(Call(rig.session.send_message, TEXT, b"x").end())

    rig.transport.abort = abort_and_send
    with pytest.raises(ConnectionLostError, match="in the middle of a message, by KeyboardInterrupt"):
        rig.session.receive(Deadline(LIMIT))
    assert isinstance(errors[0], ConnectionLostError)
    assert "in the middle of a message, by KeyboardInterrupt" in str(errors[0])
    assert errors[0].close_cause is CloseCause.CONNECTION_LOST


@pytest.mark.slow
@unwatched
def test_a_second_interruption_lets_nothing_be_read_behind_what_the_first_has_cut(rigs):
    # That one ends the connection; the next comes while the thread that shall do the rest is asked for.
    def pull_the_first_part(rig):
        while len(rig.transport.incoming):
            pull(rig, 0.0)

    def cut_rig():
        head = b"\x82\x7e" + (20000).to_bytes(2, "big") + bytes(4000)
        for rig in every_place(rigs, pull_the_first_part, head, bytes(15500)):
            puller = rig.session.inbox.puller
            if puller.is_torn and puller._reader.undecoded and puller._resume_from is None:
                # More than the message wants, by one read.
                rig.transport.feed_quietly(bytes(1000) + server_frame(TEXT, b"next"))
                return rig
        raise AssertionError("no interruption came in the middle of the message")

    for number in itertools.count():
        rig = cut_rig()
        if not interrupt_at(number, pull, rig, 0.0):
            break
        with pytest.raises(ConnectionLostError, match="interrupted in the middle of a message"):
            rig.session.receive(Deadline(LIMIT))
    assert number > 20


@unwatched
def test_of_a_stream_an_interruption_loses_and_repeats_no_byte(stream_rigs):
    frames = server_frame(BINARY, b"abc") + server_frame(PING, b"?") + server_frame(BINARY, bytes(20000))

    def read(rig):
        while rig.session.inbox.size < 3:
            pull(rig)

    for rig in every_place(stream_rigs, read, frames, server_frame(BINARY, b"xyz")):
        inbox = rig.session.inbox
        while inbox.size < 20006 and rig.session.loss is None:
            pull(rig, 0.0)
        if rig.session.loss is None:
            inbox.begin(Operation(), Deadline(LIMIT))
            data = b""
            while len(data) < 20006:
                piece = bytes(inbox.peek(1 << 20))
                inbox.advance(len(piece))
                data += piece
            assert data == b"abc" + bytes(20000) + b"xyz"


def test_what_a_signal_handler_raises_in_the_moment_of_the_system_call_is_no_loss(rigs):
    rig = begin(rigs(TimeoutError("the alarm"), server_frame(TEXT, b"one")))
    with pytest.raises(TimeoutError, match="the alarm"):
        pull(rig)
    assert pull(rig) == LOOK
    assert taken(rig) == ["one"]


# Who reads.


def test_who_has_found_nothing_in_time_is_late_and_an_expired_deadline_still_looks(rigs):
    rig = begin(rigs())
    assert pull(rig, 0.0) == LATE
    rig.transport.feed(server_frame(TEXT, b"one"))
    assert pull(rig, 0.0) == LOOK
    assert rig.session.receive(Deadline(0.0)).text == "one"
    with pytest.raises(OperationTimedOutError):
        rig.session.receive(Deadline(0.0))


def test_while_another_has_the_role_a_caller_is_busy_and_asks_for_it(rigs):
    rig = begin(rigs(server_frame(TEXT, b"one")))
    hold = Hold()
    assert rig.session.role.take(hold)
    assert pull(rig, 0.0) == BUSY
    assert rig.session.role.is_wanted
    rig.session.role.give_back(hold)
    assert pull(rig) == LOOK


def test_a_ping_whose_handler_comes_in_the_middle_of_a_callers_read_is_told_by_a_reader_thread(rigs):
    rig = begin(rigs())
    names, called = [], threading.Event()

    def note(*_):
        names.append(threading.current_thread().name[:13])
        called.set()

    def receive():
        rig.owner.ping_received.add(note)
        return server_frame(PING, b"?")

    rig.transport.feed(receive)
    pull(rig)
    wait(called)
    assert names == ["syncws-reader"]


def test_what_ends_the_connection_is_left_for_the_reader_thread(rigs):
    rig = begin(rigs(server_frame(TEXT, b"one") + CLOSE_1000, b""))
    rig.owner.on_closed = lambda: rig.owner.log.append(threading.current_thread().name)
    rig.owner.closed.add(print)
    assert rig.session.receive(Deadline(LIMIT)).text == "one"
    assert rig.session.receive(Deadline(LIMIT)) is None
    assert rig.session.wait_closed(Deadline(LIMIT))
    assert rig.owner.log == [(1000, "bye"), f"syncws-reader-{rig.session.number}"]


def test_a_loss_is_told_to_the_caller_that_read(rigs):
    rig = begin(rigs(ConnectionResetError(104, "Connection reset by peer")))
    with pytest.raises(ConnectionLostError, match="reset"):
        rig.session.receive(Deadline(LIMIT))


def test_a_signal_handler_that_waits_for_the_end_gets_it_although_it_interrupted_the_read(rigs):
    rig = begin(rigs())
    ends = []

    def handle(*_):
        rig.session.closing.is_discarding = True
        rig.transport.feed(b"")
        ends.append(rig.session.wait_closed(Deadline(LIMIT)))

    former = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert rig.session.receive(Deadline(LIMIT)) is None
    finally:
        signal.signal(signal.SIGALRM, former)
    assert ends == [True]


@pytest.mark.parametrize("act", ["take it away", "and read"])
def test_a_wait_whose_role_a_signal_handler_took_away_sees_what_comes_to_the_inbox(rigs, act):
    rig = begin(rigs())
    role = rig.session.role

    def handle(*_):
        role.call()
        hold = Hold()
        assert role.take(hold)
        if act == "and read":
            # As a reader thread does that sees the bytes first.
            message = Message()
            message._text, message._payload, message._length, message._error = "one", None, 3, None
            rig.session.inbox.put([message])
        else:
            rig.session.inbox.end(keep=True)
        role.give_back(hold)

    former = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        message = rig.session.receive(Deadline(LIMIT))
    finally:
        signal.signal(signal.SIGALRM, former)
    assert message is None if act == "take it away" else message.text == "one"


def test_a_wake_up_that_a_signal_handler_meant_for_whoever_reads_now_is_passed_on(rigs, monkeypatch):
    rig = begin(rigs())
    clear = Waker.clear

    def clear_and_be_interrupted(waker):
        clear(waker)
        rig.session.role.holders.clear()

    monkeypatch.setattr(Waker, "clear", clear_and_be_interrupted)
    rig.waker.wake()
    pull(rig, 0.0)
    assert select.select([rig.waker], [], [], 0)[0]


def test_what_tls_may_hold_when_nobody_pulls_any_more_is_for_a_reader_thread(rigs, monkeypatch):
    started = []
    monkeypatch.setattr(SessionRole, "_start", lambda role: started.append(role))
    rig = begin(rigs(server_frame(TEXT, b"one")))
    rig.transport.has_buffered = True
    assert pull(rig) == LOOK
    role = rig.session.role
    # There is nothing of it in the socket.
    role.look(False)
    role.look(False)
    assert started == [role]


# How long.


class EndlessTransport(ScriptedTransport):
    """Gives the same bytes for ever; `on_receive` is called with how often it has."""

    on_receive = staticmethod(bool)
    count = 0
    endless = b""

    def receive(self, size):
        self.count += 1
        assert self.count < 1000, "a wait goes on for ever"
        self.on_receive(self.count)
        return self.endless


FLOODS = pytest.mark.parametrize("flood", [server_frame(PING, b"?"), b"\x00\x00" * 4], ids=["pings", "empty fragments"])


def flooded(rigs, flood):
    rig = begin(rigs())
    transport = rig.transport
    transport.feed(b"\x01\x00" if flood[0] == 0 else server_frame(PING, b"?"))
    pull(rig, 0.0)
    send_for_ever(rig, flood)
    return rig


def send_for_ever(rig, flood):
    rig.transport.__class__ = EndlessTransport
    rig.transport.endless = flood
    rig.session.role.reader.may_have_more = True
    rig.transport.has_buffered = True


@FLOODS
def test_a_time_limit_ends_a_wait_under_a_peer_that_never_pauses(rigs, flood):
    rig = flooded(rigs, flood)
    with pytest.raises(OperationTimedOutError):
        rig.session.receive(Deadline(0.0))


@FLOODS
def test_reads_that_take_long_are_few_before_a_time_limit_is_looked_at(rigs, flood, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    rig = flooded(rigs, flood)
    rig.transport.on_receive = lambda _: clock.advance(0.1)
    with pytest.raises(OperationTimedOutError):
        rig.session.receive(Deadline(0.25))
    assert rig.transport.count <= 4


@pytest.mark.parametrize(("limit", "reads"), [(0.0, 1), (0.25, 4)])
def test_a_read_of_a_stream_that_never_pauses_ends_with_its_time(stream_rigs, limit, reads, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    rig = begin(stream_rigs(receive_timeout=limit))
    send_for_ever(rig, server_frame(BINARY, b"x"))
    rig.transport.on_receive = lambda _: clock.advance(0.1)
    inbox = rig.session.inbox
    rig.session.begin_read(Operation())
    with pytest.raises(OperationTimedOutError):
        take_for_ever(inbox)
    # The last one when the time was over: what had come by then is given out.
    assert inbox.position == rig.transport.count == reads


def take_for_ever(inbox):
    while True:
        inbox.advance(len(inbox.peek(100)))


@FLOODS
def test_a_wake_up_is_looked_at_under_a_peer_that_never_pauses(rigs, flood):
    rig = flooded(rigs, flood)
    rig.transport.on_receive = lambda count: canceled.append(count) if count > 30 else None
    canceled = []

    def check():
        if canceled:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rig.session.receive(Deadline(LIMIT), check)
    assert len(canceled) < 30


def test_a_wake_up_that_comes_with_bytes_that_are_no_message_is_looked_at(rigs):
    rig = begin(rigs(b"\x81\x7e"))
    rig.session.waker.wake()
    assert pull(rig) == LOOK


# The rest.


def test_a_thread_that_nobody_needs_ends_after_a_moment(rigs, monkeypatch):
    from syncws._connection.receiving import reader as module

    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.01)
    rig = begin(rigs(server_frame(TEXT, b"one")))
    rig.session.role._start()
    while not rig.session.inbox.has_messages or rig.session.role.holders:
        pass
    assert rig.session.receive(Deadline(0.0)).text == "one"


def test_a_reader_that_gives_way_while_it_pauses_leaves_no_pause_behind(rigs):
    # Or keep-alive would take all the reading that follows for a pause, and never notice that the server is gone.
    rig = begin(rigs(server_frame(BINARY, b"123"), inbox_size_in_bytes=3))
    role = rig.session.role
    role._start()
    while not rig.session.is_paused:
        pass
    role.want()
    while role.holders:
        pass
    assert rig.session.receive(Deadline(LIMIT)).payload == b"123"
    assert rig.session.is_reading


def test_a_session_that_is_over_is_held_by_nothing(rigs):
    rig = begin(rigs(server_frame(TEXT, b"one")))
    pull(rig)
    rig.session.abort()
    assert rig.session.finished.is_set()
    gc.collect()
    gc.disable()
    try:
        kept = weakref.ref(rig.session)
        rig.session = None
        assert kept() is None
    finally:
        gc.enable()
        rig.session = begin(StreamRig()).session


@pytest.fixture
def _no_thread(monkeypatch):
    class NoThread(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "Thread", NoThread)


@pytest.mark.usefixtures("_no_thread")
def test_without_a_thread_to_be_had_a_caller_gives_up_a_peer_that_is_silent(rigs):
    rig = begin(rigs())
    rig.session.silence = Silence("nothing came", 0)
    rig.session.role.call()
    with pytest.raises(ConnectionLostError, match="nothing came"):
        rig.session.receive(Deadline(LIMIT))
    rig.session.close(None, "", LIMIT)


@pytest.mark.usefixtures("_no_thread")
def test_without_a_thread_to_be_had_a_silence_waits_for_whoever_has_the_time_to_look_at_it(rigs, monkeypatch):
    rig = begin(rigs())
    rig.session.silence = Silence("nothing came", 0)
    rig.session.role.call()
    with monkeypatch.context() as patch:
        patch.setattr(session_role, "_STEP_SECONDS", 0.0)
        assert rig.session.role.read_without_thread()
    with pytest.raises(ConnectionLostError, match="nothing came"):
        rig.session.receive(Deadline(LIMIT))
    rig.session.close(None, "", LIMIT)


@pytest.mark.usefixtures("_no_thread")
@pytest.mark.parametrize("is_woken", [True, False])
def test_without_a_thread_to_be_had_close_does_the_rest_itself(rigs, is_woken):
    rig = begin(rigs(CLOSE_1000, b""))
    if is_woken:
        rig.session.waker.wake()
    rig.session.close(1000, "", LIMIT)
    assert rig.session.finished.is_set()
    assert rig.owner.log == [(1000, "bye")]
    assert rig.transport.closes


def test_a_reader_that_is_started_when_the_role_is_taken_does_nothing(rigs):
    rig = begin(rigs(server_frame(TEXT, b"one")))
    hold = Hold()
    rig.session.role.take(hold)
    thread = rig.session.role._make_thread(rig.session.role.reader)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert not rig.session.inbox.has_messages
    rig.session.role.give_back(hold)


def test_each_of_two_that_wait_for_the_end_has_a_reader(rigs):
    rig = begin(rigs())
    ended = threading.Event()
    threads = [
        threading.Thread(target=lambda: rig.session.wait_closed(Deadline(LIMIT)) and ended.set()) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    rig.transport.feed(CLOSE_1000)
    rig.transport.feed(b"")
    wait(ended)
    for thread in threads:
        thread.join(LIMIT)
