"""The reading role: every order of steps of those who may have it, and what each of them is for."""

import contextlib
import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support import server_frame
from support.doubles import HandMonitor, frames_of
from support.fakes import FakeClock
from support.schedules import Stage
from support.scripts import FIN, PING, PONG, TEXT

from syncws._connection import session as session_module
from syncws._connection.receiving.reading_role import Hold
from syncws._waiting import deadline as deadline_module
from syncws._waiting.deadline import Deadline
from syncws.errors import IllegalMethodCallError, OperationTimedOutError


class Readers(RuleBasedStateMachine):
    """A connection on which one thread receives, handlers come and go, others ping, and the monitor looks."""

    def __init__(self):
        super().__init__()
        self.patches = pytest.MonkeyPatch()
        clock = FakeClock()
        self.patches.setattr(deadline_module, "clock", clock)
        self.monitor = HandMonitor(clock)
        self.patches.setattr(session_module, "the_monitor", lambda: self.monitor)
        self.clock = clock
        self.stage = Stage(self.patches, clock)
        self.session = self.stage.session
        self.owner = self.stage.rig.owner
        self.transport = self.stage.rig.transport
        self.transport.on_send = self.answer
        self.sent = self.pinged = 0
        self.received, self.handled = [], []
        self.receiver = self.pinger = self.adder = None

    # The server.

    def answer(self, data):
        for first, payload in frames_of(data):
            if first == FIN | PING:
                self.transport.incoming.append(server_frame(PONG, payload))

    @rule(count=st.integers(1, 3))
    def send(self, count):
        frames = [server_frame(TEXT, b"%d" % number) for number in range(self.sent, self.sent + count)]
        self.sent += count
        self.transport.incoming.append(b"".join(frames))

    @rule()
    def send_a_ping(self):
        self.transport.incoming.append(server_frame(PING, b"%d" % self.pinged))
        self.pinged += 1

    # The program.

    @rule(seconds=st.sampled_from([None, None, 0.0, 0.3]), takes_turns=st.booleans())
    def receive(self, seconds, takes_turns):
        if self.receiver is not None and not self.receiver.is_done:
            return

        def refuse_with_handlers():
            if self.owner.message_received.handlers:
                raise IllegalMethodCallError("there are handlers")

        def act():
            event = self.owner.message_received if takes_turns else None
            self.received.append(int(self.session.receive(Deadline(seconds), refuse_with_handlers, event).text))

        self.receiver = self.stage.act(act)

    @rule()
    def ping(self):
        if self.pinger is None or self.pinger.is_done:
            self.pinger = self.stage.act(lambda: self.session.ping(None, Deadline(None)))

    @rule()
    def change_handlers(self):
        event = self.owner.message_received
        if self.adder is not None and not self.adder.is_done:
            return
        if event.handlers:
            event -= event.handlers[0]
            return

        def act():
            event.add(lambda _, message: self.handled.append(int(message.text)))
            self.session.role.call()
            self.session.inbox.wake()

        self.adder = self.stage.act(act)

    # Time.

    @rule()
    def look(self):
        self.clock.advance(0.4)
        self.stage.act(lambda: self.session.role.look(bool(self.transport.incoming)))

    @rule()
    def be_idle(self):
        self.clock.advance(1.1)

    @rule(turns=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), min_size=1, max_size=6))
    def go_on(self, turns):
        for turn, steps in turns:
            ready = self.stage.ready
            if ready:
                actor = ready[turn % len(ready)]
                for _ in range(steps):
                    if actor.is_ready:
                        actor.step()

    @rule()
    def run_out(self):
        self.stage.run_out()

    @rule()
    def start_a_thread(self):
        # As somebody does who needed one just now.
        self.stage.act(self.session.role._start)

    @rule()
    def call_in_vain(self):
        # As a cancellation does, or whoever needed somebody to read and no longer does.
        self.stage.act(self.session.role.call)

    # What must hold.

    @invariant()
    def nothing_failed(self):
        for actor in self.stage.actors:
            if actor.error is not None and not isinstance(actor.error, IllegalMethodCallError | OperationTimedOutError):
                raise actor.error

    def settle(self):
        self.stage.run_out()
        receives = self.receiver is not None and not self.receiver.is_done
        if receives or self.owner.message_received.handlers:
            assert not self.transport.incoming, "somebody waits for what lies there"
        if receives:
            assert not self.session.inbox.has_messages
        assert self.pinger is None or self.pinger.is_done, "who waits for a pong has no reader"
        # Without anybody who receives the monitor sees to it, within a second.
        for _ in range(2):
            self.clock.advance(0.4)
            self.stage.act(lambda: self.session.role.look(bool(self.transport.incoming)))
            self.stage.run_out()
        assert not self.transport.incoming, "nobody reads"

    def teardown(self):
        try:
            self.settle()
            self.nothing_failed()
            inbox = self.session.inbox
            waiting = []
            while (message := inbox.take_now()) is not None:
                waiting.append(int(message.text))
            assert sorted(self.received + self.handled + waiting) == list(range(self.sent))
            assert self.received == sorted(self.received)
            assert self.handled == sorted(self.handled)
            pongs = [payload for first, payload in frames_of(self.transport.sent) if first == FIN | PONG]
            assert pongs == [b"%d" % number for number in range(self.pinged)]
            self.end()
        finally:
            self.stage.close()
            self.patches.undo()

    def end(self):
        self.stage.act(self.session.abort)
        for _ in range(4):
            self.stage.run_out()
            self.clock.advance(0.4)
            self.stage.act(lambda: self.session.role.look(bool(self.transport.incoming)))
        self.stage.run_out()
        assert self.session.finished.is_set()
        assert all(actor.is_done for actor in self.stage.actors if actor.ident is not None)


@pytest.fixture
def stages(monkeypatch, clock, monitor):
    """Make a stage anew; the one before is over then."""
    made = []

    def make():
        for stage in made:
            stage.close()
        made[:] = [Stage(monkeypatch, clock)]
        return made[0]

    yield make
    for stage in made:
        stage.close()


def at_all_places(attempt):
    """Have `attempt(i, j)` take i steps into one function and j into another, until neither can be gone into so far.

    It returns whether each of them still was in the middle of its function.
    """
    for i in itertools.count():
        is_within = False
        for j in itertools.count():
            is_inside_one, is_inside_other = attempt(i, j)
            is_within = is_within or is_inside_one
            if not is_inside_other:
                break
        if not is_within:
            break
    assert i > 20


@pytest.mark.slow
def test_a_thread_that_gives_way_anywhere_in_a_callers_attempt_lets_it_read(stages):
    def attempt(i, j):
        stage = stages()
        stage.session.role._start()
        (thread,) = stage.actors
        stage.run_out()
        caller = stage.act(lambda: stage.session.receive(Deadline(None)))
        is_within = caller.go_into("want", i)
        is_inside = thread.go_into("give_way", j)
        while caller.is_ready:
            caller.step()
        stage.run_out()
        stage.rig.transport.incoming.append(server_frame(TEXT, b"one"))
        stage.run_out()
        assert caller.is_done, f"after {i} steps of the caller and {j} of the thread"
        return is_within, is_inside

    at_all_places(attempt)


@pytest.mark.slow
def test_a_call_in_vain_anywhere_in_a_callers_attempt_lets_it_read(stages):
    def attempt(i, j):
        stage = stages()
        stage.session.role._start()
        (thread,) = stage.actors
        stage.run_out()
        caller = stage.act(lambda: stage.session.receive(Deadline(None)))
        is_within = caller.go_into("want", i)
        while thread.is_ready:
            thread.step()
        other = stage.act(stage.session.role.call)
        is_inside = other.go_into("call", j)
        while caller.is_ready:
            caller.step()
        stage.run_out()
        stage.rig.transport.incoming.append(server_frame(TEXT, b"one"))
        stage.run_out()
        assert caller.is_done, f"after {i} steps of the caller and {j} of the call"
        return is_within, is_inside

    at_all_places(attempt)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["caller", "other"])
def test_whoever_needs_a_reader_anywhere_in_the_end_of_a_pull_gets_one(stages, first):
    def attempt(i, j):
        stage = stages()
        caller = stage.act(lambda: stage.session.receive(Deadline(None)))
        while caller.is_ready:
            caller.step()
        stage.rig.transport.incoming.append(server_frame(TEXT, b"one"))
        other = stage.act(lambda: stage.session.wait_closed(Deadline(None)))
        is_inside = False
        if first == "other":
            is_inside = other.go_into("call", j)
        is_within = caller.go_into("_give_out", i)
        if first == "caller":
            is_inside = other.go_into("call", j)
        stage.run_out()
        assert caller.is_done
        role = stage.session.role
        assert isinstance(role.holders.get(None), Hold), f"after {i} steps of the caller and {j} of the other"
        return is_within, is_inside

    at_all_places(attempt)


def test_a_thread_that_is_told_of_the_end_leaves_another_threads_receive_alone(stages):
    for steps in itertools.count():
        stage = stages()
        inbox = stage.session.inbox

        def take_and_be_told(inbox=inbox):
            with contextlib.suppress(OperationTimedOutError):
                inbox.take(Deadline(0.0))
            inbox.note_told()

        told = stage.act(take_and_be_told)
        is_within = told.go_into("note_told", steps)
        receiver = stage.act(lambda inbox=inbox: inbox.take(Deadline(None)))
        while receiver.is_ready:
            receiver.step()
        stage.run_out()
        assert inbox.is_being_taken, f"after {steps} steps of the thread that is told"
        if not is_within:
            break
    assert steps > 2


@pytest.mark.slow
def test_no_wake_up_is_lost_and_nothing_is_read_twice():
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Readers,
        settings=settings(max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=checks),
    )
