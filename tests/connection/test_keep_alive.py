"""Keep-alive on a clock that is turned by hand: when it pings, when it gives up, and what it takes for life."""

import datetime as dt
import threading
import types

import pytest
from support import LIMIT, join, server_frame, wait
from support.doubles import Sender
from support.keep_alive import CLOSE_1000, arrive, end, wait_frames
from support.scripts import BINARY, CLOSE, FIN, PING, PONG, TEXT

from syncws._connection import keep_alive as keep_alive_module
from syncws._connection.keep_alive import KeepAlive, Silence
from syncws._connection.monitor import Monitor
from syncws._net.meter import BandwidthMeter
from syncws._waiting.deadline import Deadline, now
from syncws._wire.frames import close_payload, encode_frame
from syncws.errors import ConnectionLostError

REASON = "keep-alive: nothing came for 20 s, nor in the 10 s after a ping"


def answer(rig):
    """Answer the latest ping, and wait until that has been seen."""
    (own,) = rig.session.pings._sent
    arrive(rig, server_frame(PONG, own.payload))
    while rig.session.pings._sent:
        pass


def wait_finished(session):
    while not session.finished.wait(LIMIT):
        pass


def test_a_quiet_peer_is_pinged_after_the_interval_and_not_before(kept, monitor):
    rig = kept()
    monitor.pass_time(19.9)
    assert not rig.session.pings._sent
    monitor.pass_time(0.1)
    ((first, _),) = wait_frames(rig, 1)
    assert first == FIN | PING
    end(rig)


@pytest.mark.parametrize("interval", [None, 0.0])
def test_no_ping_is_sent_when_it_is_off(kept, monitor, interval):
    rig = kept(keep_alive_interval=interval)
    monitor.pass_time(100_000)
    end(rig)
    assert [first for first, _ in rig.frames] == [FIN | CLOSE]


def test_any_byte_puts_the_ping_off(kept, monitor):
    rig = kept()
    for _ in range(10):
        monitor.pass_time(15)
        rig.meters.inbound.add(1)
    monitor.pass_time(19)
    end(rig)
    assert [first for first, _ in rig.frames] == [FIN | CLOSE]


def test_a_quiet_peer_that_answers_is_kept(kept, monitor):
    rig = kept()
    for count in range(1, 6):
        monitor.pass_time(20)
        wait_frames(rig, count)
        monitor.pass_time(0.25)
        answer(rig)
        assert rig.session.pings.round_trip_time == 0.25
    end(rig)
    assert [first for first, _ in rig.frames] == [FIN | PING] * 5 + [FIN | CLOSE]
    assert rig.owner.log == [(1000, "bye")]


def test_a_peer_that_answers_nothing_is_given_up_with_1011_and_the_reason(kept, monitor):
    rig = kept()
    monitor.pass_time(20)
    wait_frames(rig, 1)
    monitor.pass_time(9.9)
    assert rig.session.closing.is_open
    monitor.pass_time(0.1)
    rig.end()
    assert rig.frames[-1] == (FIN | CLOSE, close_payload(1011, REASON))
    loss, closed = rig.owner.log
    assert isinstance(loss, ConnectionLostError)
    assert loss.message == REASON
    assert closed == (1011, REASON)


def test_whoever_receives_or_sends_is_told_the_reason(kept, monitor):
    rig = kept()
    monitor.pass_time(20)
    monitor.pass_time(10)
    rig.end()
    with pytest.raises(ConnectionLostError, match="keep-alive: nothing came for 20 s"):
        rig.session.receive(Deadline(0.0))
    with pytest.raises(ConnectionLostError, match="keep-alive: nothing came for 20 s"):
        rig.session.send_message(TEXT, b"late")
    with pytest.raises(ConnectionLostError, match="keep-alive: nothing came for 20 s"):
        rig.session.ping(None, Deadline(LIMIT))


def test_a_stream_is_kept_alive_too(stream_rigs, monitor, short_linger):
    rig = stream_rigs(keep_alive_interval=20.0, keep_alive_timeout=10.0)
    rig.start()
    monitor.pass_time(20)
    monitor.pass_time(10)
    rig.end()
    assert rig.owner.log == [(1011, REASON)]


def test_a_peer_that_trickles_bytes_and_never_a_pong_is_alive(kept, monitor):
    rig = kept(server_frame(BINARY, bytes(1000))[:4])
    for count in range(1, 101):
        monitor.pass_time(20)
        wait_frames(rig, count)
        monitor.pass_time(9)
        arrive(rig, b"\0")
    end(rig)
    assert rig.session.closing.is_open
    assert [first for first, _ in rig.frames] == [FIN | PING] * 100


def test_with_no_time_limit_the_peer_is_pinged_at_each_interval_and_never_given_up(kept, monitor):
    rig = kept(keep_alive_timeout=None)
    for count in range(1, 6):
        monitor.pass_time(20)
        wait_frames(rig, count)
    end(rig)
    assert [first for first, _ in rig.frames] == [FIN | PING] * 5 + [FIN | CLOSE]
    assert len(rig.session.pings._sent) == 1


def test_pings_that_do_not_go_take_one_place(kept, monitor):
    rig = kept(keep_alive_timeout=None)
    rig.transport.block()
    monitor.pass_time(1000)
    assert len(rig.session.outbox._posted._controls) <= 1
    assert len(rig.session.pings._sent) == 1


def test_a_ping_that_is_stuck_behind_a_peer_that_does_not_read_is_no_proof_of_life(kept, monitor):
    # Neither does the end wait for the Close frame to go, for as long as control.close_timeout.
    rig = kept(close_timeout=LIMIT * 10)
    rig.transport.block()
    monitor.pass_time(20)
    # From the moment when it is tried its time counts.
    wait(rig.transport.refused)
    monitor.pass_time(10)
    rig.end()
    assert rig.owner.log[-1] == (1011, REASON)


@pytest.fixture
def silences(monkeypatch):
    """What keep-alive has told the reader, which may take its time to act on it."""
    made = []

    def note(*arguments):
        made.append(Silence(*arguments))
        return made[-1]

    monkeypatch.setattr(keep_alive_module, "Silence", note)
    return made


@pytest.fixture
def sending(kept, monitor):
    """A peer that is quiet while a long frame of ours is on its way, and the ping behind it."""
    rig = kept()
    rig.transport.block()
    sender = Sender(rig.session.outbox, encode_frame(BINARY, bytes(1000)), None)
    wait(rig.transport.refused)
    monitor.pass_time(20)
    assert rig.session.pings.own_sent is None
    yield rig
    # The end of the connection has let it go.
    sender.join(LIMIT)
    assert not sender.is_alive()


def test_a_peer_that_takes_a_long_frame_is_alive_as_long_as_it_takes_something(sending, monitor, silences):
    for _ in range(100):
        sending.meters.outbound.add(1)
        monitor.pass_time(10)
    assert silences == []
    monitor.pass_time(10)
    sending.end()
    assert sending.owner.log[-1] == (1011, REASON)


def test_the_time_for_the_answer_begins_when_the_ping_has_gone(sending, monitor, silences):
    monitor.pass_time(5)
    sending.transport.unblock()
    wait_frames(sending, 2)
    assert sending.frames[1][0] == FIN | PING
    # What else goes out is no sign of life: it need not have arrived.
    sending.meters.outbound.add(1000)
    monitor.pass_time(9.9)
    assert silences == []
    sending.meters.outbound.add(1000)
    monitor.pass_time(0.1)
    sending.end()
    assert sending.owner.log[-1] == (1011, REASON)


def full(rig):
    arrive(rig, server_frame(BINARY, b"123"))
    while not rig.session.is_paused:
        pass


def test_while_the_inbox_is_full_silence_does_not_count(kept, monitor):
    rig = kept(inbox_size_in_bytes=3)
    full(rig)
    monitor.pass_time(1000)
    assert not rig.session.pings._sent
    # Reading goes on: from now on it counts.
    assert rig.session.receive(Deadline(LIMIT)).payload == b"123"
    while rig.session.is_paused:
        pass
    monitor.pass_time(19.9)
    assert not rig.session.pings._sent
    monitor.pass_time(9)
    wait_frames(rig, 1)
    end(rig)
    assert rig.owner.log == [(1000, "bye")]


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_an_inbox_that_nobody_empties_is_told_of_once_with_the_ways_out(kept, monitor, caplog):
    rig = kept(inbox_size_in_bytes=3)
    full(rig)
    monitor.pass_time(20)
    assert warnings_of(caplog) == []
    monitor.pass_time(1000)
    (text,) = warnings_of(caplog)
    for way_out in ("receive()", "message_received", "control.discard_unclaimed_messages"):
        assert way_out in text
    rig.session.receive(Deadline(LIMIT))
    end(rig)


def test_an_inbox_from_which_somebody_takes_now_and_then_is_not_told_of(kept, monitor, caplog):
    rig = kept(inbox_size_in_bytes=20)
    arrive(rig, server_frame(BINARY, b"1") * 4 + server_frame(BINARY, bytes(20)))
    while not rig.session.is_paused:
        pass
    for _ in range(4):
        monitor.pass_time(20)
        rig.session.receive(Deadline(LIMIT))
    assert rig.session.is_paused
    assert warnings_of(caplog) == []
    rig.session.receive(Deadline(LIMIT))
    end(rig)


def test_an_inbox_that_was_emptied_and_is_as_full_again_is_not_told_of(kept, monitor, caplog):
    rig = kept(inbox_size_in_bytes=3)
    for _ in range(4):
        full(rig)
        monitor.pass_time(20)
        rig.session.receive(Deadline(LIMIT))
        while rig.session.is_paused:
            pass
        monitor.pass_time(0.1)
    assert warnings_of(caplog) == []
    end(rig)


def test_a_pause_after_the_ping_suspends_the_deadline(kept, monitor):
    rig = kept(inbox_size_in_bytes=3)
    monitor.pass_time(20)
    wait_frames(rig, 1)
    full(rig)
    monitor.pass_time(1000)
    assert rig.session.receive(Deadline(LIMIT)).payload == b"123"
    while rig.session.is_paused:
        pass
    assert rig.session.closing.is_open
    end(rig)
    assert rig.owner.log == [(1000, "bye")]


def test_a_pause_that_began_and_ended_after_the_ping_counts_as_life(kept, monitor):
    rig = kept()
    monitor.pass_time(20)
    wait_frames(rig, 1)
    monitor.pass_time(5)
    rig.session.note_pause(True)
    rig.session.note_pause(False)
    monitor.pass_time(6)
    end(rig)
    assert rig.owner.log == [(1000, "bye")]


def test_a_handler_that_runs_on_the_reader_is_not_the_peers_silence(kept, monitor):
    rig = kept()
    monitor.pass_time(20)
    wait_frames(rig, 1)
    rig.session.delivery.ticket.append(None)
    monitor.pass_time(100)
    assert rig.session.silence is None
    rig.session.delivery.ticket.pop()
    end(rig)


def test_what_lies_in_the_socket_when_this_process_wakes_up_is_life(rigs):
    # It has slept, and the monitor was the first to run.
    rig = rigs(server_frame(TEXT, b"here I am"))
    reader = rig.begun_reader()
    rig.session.silence = Silence(REASON, 0)
    assert reader._has_next()
    assert reader.undecoded.popleft() == server_frame(TEXT, b"here I am")
    assert (rig.session.silence, rig.session.closing.is_open) == (None, True)
    rig.session.silence = Silence(REASON, 0)
    assert not reader._has_next()
    assert not rig.session.closing.is_open


@pytest.mark.parametrize("sign", [lambda rig: rig.meters.inbound.add(1), lambda rig: rig.session.inbox._note_full()])
def test_a_silence_that_is_none_any_more_is_forgotten(kept, sign):
    rig = kept()
    sign(rig)
    rig.session.silence = Silence(REASON, 0)
    rig.waker.wake()
    while rig.session.silence is not None:
        pass
    rig.session.inbox.is_full = False
    rig.waker.wake()
    end(rig)
    assert rig.owner.log == [(1000, "bye")]


def test_a_wake_up_that_comes_while_a_sign_of_life_is_looked_for_is_not_lost(rigs):
    rig = rigs()
    reader = rig.session.role.reader
    readiness = reader.readiness

    def wait_or_make_room(interest, deadline):
        if deadline.is_expired:
            # It only looks.
            rig.session.inbox.is_full = False
            rig.waker.wake()
        return readiness.wait(interest, deadline)

    reader.readiness = types.SimpleNamespace(wait=wait_or_make_room)
    rig.session.inbox._note_full()
    rig.session.silence = Silence(REASON, 0)
    rig.start()
    end(rig)
    assert rig.owner.log == [(1000, "bye")]


def test_after_closing_has_begun_it_keeps_quiet(kept, monitor):
    rig = kept()
    rig.session.begin_abandoned_close()
    monitor.pass_time(1000)
    assert not rig.session.pings._sent
    end(rig)


def test_a_silence_that_is_noticed_when_closing_has_begun_changes_nothing(kept):
    rig = kept()
    rig.session.begin_abandoned_close()
    assert not rig.session.take_silence("too late")
    end(rig)
    assert rig.owner.log == [(1000, "bye")]


def test_a_session_that_is_no_more_is_left_alone(rigs, monitor):
    rig = rigs(keep_alive_interval=20.0, desired_unsolicited_pong_interval=dt.timedelta(seconds=5))
    rig.session.start_timers()
    timers = rig.session._timers
    assert len(timers) == 2
    for timer in timers:
        timer._session = lambda: None
        assert timer.run() is None


class Quiet:
    """Stands for a session whose peer says nothing."""

    closing = types.SimpleNamespace(is_open=True)
    is_reading = True
    resumed_at = 0.0
    silence = None

    def __init__(self):
        self.inbound = BandwidthMeter()
        self.outbound = BandwidthMeter()
        self.pings = self
        self.pinged = threading.Event()

    def post_own(self):
        self.pinged.set()


def test_a_thousand_sessions_have_one_monitor():
    monitor = Monitor()
    sessions = [Quiet() for _ in range(1000)]
    timers = [KeepAlive(session, monitor, 0.01, None) for session in sessions]
    for timer in timers:
        timer.start(now())
    for session in sessions:
        wait(session.pinged)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "syncws-monitor"]
    for timer in timers:
        timer.close()
    join(thread)


def test_a_connection_that_ends_while_its_timers_start_leaves_none(rigs, monitor, short_linger):
    rig = rigs(CLOSE_1000, b"", keep_alive_interval=20.0)
    rig.owner.note_messages()
    session = rig.session
    start_timers = session.start_timers
    session.start_timers = lambda: (wait_finished(session), start_timers())
    rig.start()
    assert not monitor.has_timers


@pytest.mark.parametrize(
    ("settings", "at_first"),
    [
        ({"keep_alive_interval": 20.0}, 0),
        ({"keep_alive_interval": 0.5}, 1),
        ({"keep_alive_interval": None, "desired_unsolicited_pong_interval": dt.timedelta(seconds=5)}, 1),
    ],
)
def test_timers_of_long_intervals_are_made_at_the_monitors_first_look(rigs, monitor, settings, at_first):
    rig = rigs(**settings)
    rig.session.start()
    assert len(rig.session._timers) == at_first
    monitor.pass_time(0.05)
    assert len(rig.session._timers) == 1
    rig.session.abort()
    monitor.pass_time(1.0)
    assert not monitor.has_timers


def test_what_is_over_before_the_monitor_looks_gets_no_timer(rigs, monitor):
    rig = rigs(keep_alive_interval=20.0)
    rig.session.start()
    rig.session.abort()
    monitor.pass_time(1.0)
    assert not rig.session._timers
