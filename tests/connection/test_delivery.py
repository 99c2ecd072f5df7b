"""The reading role: when it passes to another thread, and that order and number of the messages do not suffer."""

import datetime as dt
import random
import sys
import threading
import time

import pytest
from support import LIMIT, join, server_frame, wait
from support.doubles import Rig
from support.scripts import BINARY, CLOSE, FIN, PING, PONG, TEXT

from syncws._connection.receiving import receivers
from syncws._connection.receiving.batch import SharedBatch
from syncws._connection.receiving.delivery import Relieved
from syncws._waiting.deadline import Deadline
from syncws._wire.frames import close_payload
from syncws.enums import CloseCause
from syncws.errors import ConnectionLostError

CLOSE_1000 = server_frame(CLOSE, close_payload(1000, "bye"))


class Blocking:
    """A handler that blocks in its first call until it is released."""

    def __init__(self, rig):
        self.rig = rig
        self.inside = threading.Event()
        self.release = threading.Event()
        self.exits = False

    def __call__(self, _, message):
        self.rig.owner.log.append(message.text)
        if not self.inside.is_set():
            self.inside.set()
            wait(self.release)
            if self.exits:
                sys.exit()


@pytest.fixture
def blocking(rigs, monitor):
    """Start a session whose handler blocks in the first message."""
    made = []

    def make(*incoming, **options):
        rig = rigs(*incoming, **options)
        handler = Blocking(rig)
        made.append(handler)
        rig.owner.message_received.add(handler)
        rig.start()
        wait(handler.inside)
        return rig, handler

    yield make
    for handler in made:
        handler.release.set()


def wait_finished(rig):
    limit = Deadline(LIMIT)
    while not rig.session.finished.wait(limit.remaining):
        assert not limit.is_expired


def end(rig):
    """Let the peer close, if the connection is not over yet, and wait for both threads."""
    rig.transport.feed_quietly(CLOSE_1000)
    rig.transport.feed_quietly(b"")
    wait_finished(rig)
    threads = [rig.session.reader_thread, rig.session.dispatcher_thread]
    for thread in threads:
        if thread is not None:
            join(thread)


def test_reading_passes_after_a_second_and_not_before(blocking, monitor):
    rig, handler = blocking(server_frame(TEXT, b"one"))
    monitor.pass_time(0.9)
    assert rig.session.dispatcher_thread is None
    monitor.pass_time(0.2)
    assert rig.session.dispatcher_thread is not None
    handler.release.set()
    end(rig)
    assert rig.owner.log == ["one", (1000, "bye")]


def test_a_handler_that_returns_in_time_keeps_the_reading(blocking, monitor):
    rig, handler = blocking(server_frame(TEXT, b"one"))
    monitor.pass_time(0.9)
    handler.release.set()
    while rig.session.delivery.ticket:
        pass
    monitor.pass_time(10.0)
    end(rig)
    assert rig.session.dispatcher_thread is None


def test_a_second_counts_for_all_messages_of_one_read_together(rigs, monitor):
    rig = rigs()
    count = []
    rig.owner.message_received.add(lambda *_: (count.append(1), monitor.pass_time(0.3)))
    rig.transport.feed(server_frame(TEXT, b"x") * 10)
    rig.start()
    end(rig)
    assert rig.session.dispatcher_thread is not None
    assert len(count) == 10


def test_a_busy_connection_with_quick_handlers_keeps_the_reading(rigs, monitor):
    rig = rigs()
    rig.owner.message_received.add(lambda *_: monitor.pass_time(0.4))
    seen = threading.Semaphore(0)
    rig.owner.message_received.add(lambda *_: seen.release())
    rig.start()
    for _ in range(20):
        rig.transport.feed(server_frame(TEXT, b"x"))
        assert seen.acquire(timeout=30)
        while rig.session.delivery.ticket:
            pass
    end(rig)
    assert rig.session.dispatcher_thread is None


def test_a_quiet_connection_is_looked_at_no_more(rigs, monitor):
    rig = rigs(server_frame(TEXT, b"one"))
    rig.owner.note_messages()
    rig.start()
    delivery = rig.session.delivery
    # The ticket is taken back when the rest is done.
    while not delivery.is_watched or delivery.ticket:
        pass
    assert monitor.run_due() is not None
    monitor.pass_time(1.0)
    assert monitor.run_due() is None
    assert not delivery.is_watched
    # And once more.
    rig.transport.feed(server_frame(TEXT, b"two"))
    while not delivery.is_watched or delivery.ticket:
        pass
    assert monitor.run_due() is not None
    end(rig)


def test_a_delivery_that_begins_while_the_watch_goes_to_rest_is_watched(rigs, monitor):
    rig = rigs()
    delivery = rig.session.delivery
    delivery.begin(rig)
    delivery.end()

    class Growing:
        """A count that is the same at the first look, which asks whether it differs, and another at the second."""

        def __ne__(self, _):
            return False

        def __eq__(self, _):
            return False

        __hash__ = None

    delivery.count = Growing()
    assert delivery.run() is not None
    assert delivery.is_watched


def test_a_ticket_that_is_taken_back_at_the_last_moment_is_looked_for_again(rigs, monitor):
    rig = rigs()
    delivery = rig.session.delivery
    assert delivery._relieve() is not None
    assert rig.session.dispatcher_thread is None


@pytest.mark.parametrize("is_slow", [False, True])
def test_system_exit_in_a_handler_that_was_added_late_ends_the_connection(rigs, monitor, monkeypatch, is_slow):
    ends = []
    monkeypatch.setattr(threading, "excepthook", lambda args: ends.append(args.exc_type))
    rig = rigs(server_frame(TEXT, b"one"))
    rig.start()
    while not rig.session.inbox.has_messages:
        pass

    def exits(*_):
        if is_slow:
            monitor.pass_time(1.0)
        sys.exit()

    rig.owner.message_received.add(exits)
    rig.waker.wake()
    wait_finished(rig)
    end(rig)
    assert (rig.session.dispatcher_thread is not None) == is_slow
    # Handlers are not called any more, and the server is not blamed.
    assert rig.owner.log == [(1006, "")]
    assert rig.session.close_cause is CloseCause.HANDLER
    assert ends == [SystemExit]


def test_without_handlers_nothing_is_watched(rigs, monitor):
    rig = rigs(server_frame(TEXT, b"one"))
    rig.start()
    while not rig.session.inbox.has_messages:
        pass
    # The reader thread has the role, so the monitor need not look who reads.
    monitor.pass_time(1)
    assert monitor.run_due() is None
    end(rig)


def test_a_stream_is_not_watched(stream_rigs, monitor):
    rig = stream_rigs(server_frame(BINARY, b"one"))
    rig.start()
    while not rig.session.inbox.size:
        pass
    monitor.pass_time(1)
    assert monitor.run_due() is None
    end(rig)


def test_the_rest_of_the_read_goes_to_the_inbox_in_order_and_pings_are_answered(blocking, monitor):
    events = [server_frame(TEXT, b"one"), server_frame(PING, b"p"), server_frame(TEXT, b"two"), CLOSE_1000]
    rig, handler = blocking(b"".join(events))
    monitor.pass_time(1.0)
    rig.transport.feed(b"")
    join(rig.session.reader_thread)
    assert rig.frames == [(FIN | PONG, b"p"), (FIN | CLOSE, close_payload(1000, "bye"))]
    assert rig.owner.log == ["one"]
    assert not rig.session.finished.is_set()
    handler.release.set()
    join(rig.session.dispatcher_thread)
    assert rig.owner.log == ["one", "two", (1000, "bye")]


def test_a_late_handler_that_is_slow_passes_the_reading_on(rigs, monitor):
    rig = rigs(server_frame(TEXT, b"one"), server_frame(TEXT, b"two"))
    rig.start()
    while len(rig.session.inbox._messages) < 2:
        pass
    handler = Blocking(rig)
    rig.owner.message_received.add(handler)
    rig.waker.wake()
    wait(handler.inside)
    monitor.pass_time(1.0)
    rig.transport.feed(server_frame(TEXT, b"three"))
    handler.release.set()
    end(rig)
    assert rig.session.dispatcher_thread is not None
    assert rig.owner.log == ["one", "two", "three", (1000, "bye")]


def test_a_connection_that_is_lost_meanwhile_ends_with_the_loss(blocking, monitor):
    rig, handler = blocking(server_frame(TEXT, b"one"))
    monitor.pass_time(1.0)
    rig.transport.feed(b"")
    join(rig.session.reader_thread)
    assert rig.transport.closes == 1
    assert isinstance(rig.session.loss, ConnectionLostError)
    assert rig.owner.log == ["one"]
    handler.release.set()
    join(rig.session.dispatcher_thread)
    assert isinstance(rig.owner.log[1], ConnectionLostError)
    assert rig.owner.log[2:] == [(1006, "")]


def test_a_defect_of_the_new_reader_ends_the_connection(blocking, monitor, caplog):
    rig, handler = blocking(server_frame(TEXT, b"one"))
    monitor.pass_time(1.0)
    rig.transport.feed(RuntimeError("a defect"))
    handler.release.set()
    join(rig.session.reader_thread)
    join(rig.session.dispatcher_thread)
    assert "a defect" in caplog.text
    assert rig.owner.log[-1] == (1006, "")


def test_without_a_thread_to_be_had_the_first_goes_on_reading(blocking, monitor, monkeypatch, caplog):
    rig, handler = blocking(server_frame(TEXT, b"one") + server_frame(TEXT, b"two"))
    reader = rig.session.reader_thread
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        monitor.pass_time(1.0)
    handler.release.set()
    end(rig)
    assert "can't start new thread" in caplog.text
    assert (rig.session.reader_thread, rig.session.dispatcher_thread) == (reader, None)
    assert reader.name == f"syncws-reader-{rig.session.number}"
    assert rig.owner.log == ["one", "two", (1000, "bye")]


def test_when_a_thread_can_be_had_again_the_reading_passes_on_after_all(blocking, monitor, monkeypatch):
    rig, handler = blocking(server_frame(TEXT, b"one") + server_frame(TEXT, b"two"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        monitor.pass_time(1.0)
    assert rig.session.dispatcher_thread is None
    monitor.pass_time(0.9)
    assert rig.session.dispatcher_thread is None
    monitor.pass_time(0.1)
    assert rig.session.dispatcher_thread is not None
    rig.transport.feed(server_frame(PING, b"p"))
    while not rig.frames:
        pass
    handler.release.set()
    end(rig)
    assert rig.owner.log == ["one", "two", (1000, "bye")]


@pytest.mark.parametrize("exits", [False, True])
def test_without_a_thread_to_be_had_a_thread_that_found_no_ticket_takes_it_up_again(
    blocking, monitor, monkeypatch, exits
):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    rig, handler = blocking(server_frame(TEXT, b"one") + server_frame(TEXT, b"two"))
    handler.exits = exits
    relieved = threading.Event()
    real = Relieved.__init__
    monkeypatch.setattr(Relieved, "__init__", lambda *arguments: (relieved.set(), real(*arguments))[1])

    def refuse_late(_):
        handler.release.set()
        wait(relieved)
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_late)
        monitor.pass_time(1.0)
    end(rig)
    assert rig.owner.log == (["one", (1006, "")] if exits else ["one", "two", (1000, "bye")])


def refuse(_):
    raise RuntimeError("can't start new thread")


def test_a_session_that_is_over_leaves_no_timer(blocking, monitor):
    pongs = dt.timedelta(seconds=5)
    rig, handler = blocking(
        server_frame(TEXT, b"one"), keep_alive_interval=20.0, desired_unsolicited_pong_interval=pongs
    )
    assert monitor.has_timers
    handler.release.set()
    end(rig)
    assert not monitor.has_timers


# At random.


def test_a_thread_that_was_relieved_takes_nothing_of_a_later_read(rigs):
    rig = rigs()
    reader, delivery = rig.begun_reader(), rig.session.delivery
    rig.session.reader_thread = threading.current_thread()
    received = []
    later = iter(reader.decode(server_frame(TEXT, b"three")))

    def relieve(*_):
        """Do what the monitor and the next reader do, until that one is in the midst of its first read."""
        delivery.ticket.pop()
        rig.session.dispatcher_thread = threading.current_thread()
        reader._finish_batch()
        reader._batch = later

    rig.owner._message_received_event.add(lambda _, message: received.append(message.text))
    rig.owner._ping_received_event.add(relieve)
    frames = server_frame(TEXT, b"one") + server_frame(PING, b"") + server_frame(TEXT, b"two")
    with pytest.raises(Relieved):
        reader._process(reader.decode(frames))
    assert received == ["one"]
    while rig.session.deliver_one():
        pass
    assert received == ["one", "two"]
    rig.session.reader_thread = rig.session.dispatcher_thread = None


class Game:
    """One run: messages in reads of random sizes, handlers that take a random time, a monitor at a random moment."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        # In some of them the first message is slow for certain, however the threads take turns.
        self.is_slow = seed % 40 == 0
        self.passed_on = threading.Event()
        self.count = self.random.randrange(1, 40)
        self.received = []
        self.over = threading.Event()
        self.rig = Rig()
        self.rig.owner.message_received.add(self.handle)
        self.pauses = [self.random.choice((0, 0, 50, 400, 3000)) for _ in range(self.count)]

    def handle(self, _, message):
        if self.is_slow and not self.received:
            wait(self.passed_on)
        for _ in range(self.pauses[len(self.received)]):
            pass
        self.received.append(int(message.text))

    def feed(self):
        frames = []
        for number in range(self.count):
            frames.append(server_frame(TEXT, b"%d" % number))
            if self.random.random() < 0.2:
                frames.append(server_frame(PING, b"%d" % number))
        frames.append(CLOSE_1000)
        while frames:
            size = self.random.randrange(1, 12)
            self.rig.transport.feed(b"".join(frames[:size]))
            del frames[:size]
        self.rig.transport.feed(b"")

    def take_over(self, moment):
        """Do what the monitor does, without its patience, after `moment` looks at the ticket."""
        delivery = self.rig.session.delivery
        while not self.over.is_set():
            # Without a GIL it would take a processor from those that it waits for.
            time.sleep(0)  # noqa: TID251 - it only lets others go first
            if delivery.ticket and (moment := moment - 1) < 0:
                delivery._relieve()
                if self.rig.session.dispatcher_thread is not None:
                    self.passed_on.set()
                    return

    def run(self):
        monitor = threading.Thread(target=self.take_over, args=(0 if self.is_slow else self.random.randrange(40),))
        monitor.start()
        self.rig.start()
        self.feed()
        wait_finished(self.rig)
        self.over.set()
        join(monitor)
        for thread in (self.rig.session.reader_thread, self.rig.session.dispatcher_thread):
            if thread is not None:
                join(thread)
        self.rig.release()


@pytest.mark.slow
def test_order_and_number_hold_whenever_reading_passes_on(monitor):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    passed_on = 0
    try:
        for seed in range(400):
            game = Game(seed)
            game.run()
            assert game.received == list(range(game.count)), seed
            assert game.rig.owner.log == [(1000, "bye")], seed
            passed_on += game.rig.session.dispatcher_thread is not None
    finally:
        sys.setswitchinterval(interval)
    # In how many more of them is the machine's business.
    assert passed_on >= 10


def test_order_and_number_hold_with_the_batch_that_is_used_without_a_gil(monitor, monkeypatch):
    monkeypatch.setattr(receivers, "make_batch", SharedBatch)
    monkeypatch.setattr(receivers, "take_rest", SharedBatch.take_rest)
    for seed in range(0, 400, 10):
        game = Game(seed)
        game.run()
        assert game.received == list(range(game.count)), seed
        assert game.rig.owner.log == [(1000, "bye")], seed
