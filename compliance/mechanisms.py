"""Takes out one mechanism of the library after the other, and sees that the test that is named for it fails.

    python -m compliance.mechanisms [--only WORDS]

A mechanism is a line or two of the source. Each is taken out in a copy of the project, and its test run there, in a
process of its own. Exit code 1 when a test passed all the same. The suite checks that each mechanism is still where
this says, and that the test exists (tests/programs/test_mechanisms.py).
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

__all__ = ["MECHANISMS", "ROOT", "Mechanism"]

ROOT = pathlib.Path(__file__).parent.parent
# A test that hangs without its mechanism fails as well.
_TEST_SECONDS = 60
_COPIED = ("syncws", "tests", "compliance", "pyproject.toml", "setup.cfg", "setup.py")


@dataclass(frozen=True)
class Mechanism:
    """One mechanism, and the test that needs it.

    Attributes:
        name: what the library promises by it.
        module: where it is, below syncws/.
        present: the text that is it; there once.
        without: what stands there when it is taken out.
        test: the test's node id, below tests/; of one with parameters all are run.
    """

    name: str
    module: str
    present: str
    without: str
    test: str


_SLOW = "integration/test_slow_handlers.py::"
_ALIVE = "connection/test_keep_alive.py::"
_CLOSING = "integration/test_closing_in_time.py::"
_EXIT = "integration/test_interpreter_exit.py::"
_DROPPED = "integration/test_dropped_objects.py::"
_FORK = "integration/test_fork.py::"
_CTRL_C = "integration/test_ctrl_c.py::"
_MEMORY = "integration/test_memory_bounds.py::"
_RULES = "integration/test_concurrency_rules.py::"

MECHANISMS = (
    # Slow handlers.
    Mechanism(
        "after a second in a handler another thread reads",
        "_connection/receiving/delivery.py",
        "        elif time - self._since >= _PATIENCE_SECONDS:\n",
        "        elif False:\n",
        _SLOW + "test_a_ping_is_answered_while_a_handler_blocks",
    ),
    Mechanism(
        "a close is noticed while a handler is slow",
        "_connection/receiving/delivery.py",
        "            is_handed_over = role.hand_over()\n",
        "            pass\n",
        _SLOW + "test_a_close_is_noticed_while_a_handler_blocks_and_told_after_it",
    ),
    Mechanism(
        "memory stays within the inbox's bound while a handler is slow",
        "_connection/receiving/reader.py",
        "            is_paused = inbox.is_full and not session.is_discarding\n",
        "            is_paused = False\n",
        _SLOW + "test_memory_is_bounded_while_a_handler_blocks_and_no_message_is_lost",
    ),
    Mechanism(
        "order holds when the reading passes on",
        "_connection/receiving/message_reader.py",
        "            and not (self._is_handed_over or session.is_discarding or session.inbox.has_messages)\n",
        "            and not (session.is_discarding)\n",
        "connection/test_delivery.py::test_order_and_number_hold_whenever_reading_passes_on",
    ),
    Mechanism(
        "a handler that never returns does not hold up close()",
        "_connection/session.py",
        "        if not self._wait_finished(deadline.earlier(timeout)):\n",
        "        if not self._wait_finished(Deadline(None)):\n",
        _SLOW + "test_a_handler_that_does_not_return_does_not_hold_up",
    ),
    # Keep-alive.
    Mechanism(
        "a quiet server is pinged",
        "_connection/keep_alive.py",
        "        session.pings.post_own()\n",
        "",
        _ALIVE + "test_a_quiet_peer_is_pinged_after_the_interval_and_not_before",
    ),
    Mechanism(
        "a server that answers nothing is given up",
        "_connection/receiving/reader.py",
        "            if session.silence is not None and self._is_silent(session.silence):\n",
        "            if False:\n",
        "integration/test_keep_alive.py::test_a_silent_peer_is_given_up_soon_and_the_reason_is_told",
    ),
    Mechanism(
        "any byte counts as life",
        "_connection/keep_alive.py",
        "            if meter.total_bytes != self._asked_bytes or session.resumed_at > self._asked_at:\n",
        "            if session.resumed_at > self._asked_at:\n",
        _ALIVE + "test_a_peer_that_trickles_bytes_and_never_a_pong_is_alive",
    ),
    Mechanism(
        "a long message that the server is still taking is not its silence",
        "_connection/keep_alive.py",
        "        elif session.outbound.total_bytes != self._sent_bytes:\n",
        "        elif False:\n",
        _ALIVE + "test_a_peer_that_takes_a_long_frame_is_alive_as_long_as_it_takes_something",
    ),
    Mechanism(
        "a pause of our own is not the server's silence",
        "_connection/keep_alive.py",
        "        if not session.is_reading:\n            self._asked_at = None\n            return self._interval\n",
        "",
        _ALIVE + "test_while_the_inbox_is_full_silence_does_not_count",
    ),
    Mechanism(
        "what lies in the socket after this process has slept is life",
        "_connection/receiving/reader.py",
        "        if session.is_paused or self._may_have_more or session.inbound.total_bytes",
        "        if session.inbound.total_bytes",
        _ALIVE + "test_what_lies_in_the_socket_when_this_process_wakes_up_is_life",
    ),
    Mechanism(
        "ping() returns the seconds to its pong",
        "_connection/receiving/reader.py",
        "            session.pings.take_pong(event.payload)\n",
        "",
        "integration/test_keep_alive.py::test_a_ping_returns_the_round_trip_in_seconds",
    ),
    Mechanism(
        "unsolicited pongs are sent",
        "_connection/keep_alive.py",
        "        session.outbox.post_control(self._pong)\n",
        "",
        "integration/test_keep_alive.py::test_unsolicited_pongs_are_sent",
    ),
    Mechanism(
        "all connections have one monitor",
        "_connection/monitor.py",
        '    """Return the monitor of this process."""\n    return _monitor\n',
        '    """Return the monitor of this process."""\n    return Monitor()\n',
        "integration/test_keep_alive.py::test_all_connections_have_one_monitor_which_ends_with_the_last",
    ),
    # Closing.
    Mechanism(
        "close() ends in time in every state",
        "_connection/session.py",
        "            self.abort()\n            self._wait_finished(Deadline(_ABORT_SECONDS))\n",
        "            self._wait_finished(Deadline(None))\n",
        _CLOSING + "test_closing_is_bounded",
    ),
    Mechanism(
        "a with block that an exception leaves closes quickly",
        "iwebsocket.py",
        "        if exc_type is not None:\n",
        "        if False:\n",
        _CLOSING + "test_a_with_block_that_an_exception_leaves_takes_half_a_second",
    ),
    Mechanism(
        "close() and abort() end a connect",
        "iwebsocket.py",
        "                self._is_canceled = True\n                if self._waker is not None:\n",
        "                if self._waker is not None:\n",
        _CLOSING + "test_closing_ends_a_connect_in_every_phase",
    ),
    Mechanism(
        "the cause of the end is told",
        "_connection/causes.py",
        "            self._noted.append(cause)\n",
        "            pass\n",
        _CLOSING + "test_the_cause_is_told_by_information_and_by_the_errors",
    ),
    Mechanism(
        "the first cause counts",
        "_connection/causes.py",
        "        if not self._noted:\n            self._noted.append(cause)\n",
        "        self._noted.insert(0, cause)\n",
        _CLOSING + "test_the_first_cause_counts",
    ),
    # The end of the program.
    Mechanism(
        "open connections get their Close frame when the program ends",
        "_waiting/at_exit.py",
        "atexit.register(close_all)\n",
        "",
        _EXIT + "test_the_server_gets_1001_when_a_program_ends_by",
    ),
    Mechanism(
        "servers that do not answer hold up the end no longer than a second altogether",
        "_waiting/at_exit.py",
        "    _wait(sessions, Deadline(_CLOSE_SECONDS))\n",
        "    for session in sessions:\n        _wait([session], Deadline(_CLOSE_SECONDS))\n",
        _EXIT + "test_servers_that_do_not_answer_cost_a_second_altogether_and_not_each",
    ),
    Mechanism(
        "no traceback of a daemon thread that sends when the program ends",
        "_connection/sending/frame_writer.py",
        "            stay_quiet()\n",
        "            pass\n",
        _EXIT + "test_the_server_gets_1001_when_a_program_ends_by",
    ),
    # Dropped objects.
    Mechanism(
        "a socket that its handlers refer to is closed when it is dropped",
        "_connection/session.py",
        "        self.owner: Callable[[], Owner | None] = weakref.ref(owner)\n",
        "        self.owner: Callable[[], Owner | None] = lambda: owner\n",
        _DROPPED + "test_a_socket_whose_handler_refers_to_it_is_closed_when_it_is_dropped",
    ),
    Mechanism(
        "five runs of a notebook cell leave one connection and two threads",
        "_connection/link.py",
        "        session.abandon()\n",
        "        pass\n",
        _DROPPED + "test_five_runs_of_a_notebook_cell_leave_one_connection_and_two_threads",
    ),
    Mechanism(
        "a dropped socket is told of by a ResourceWarning",
        "_connection/link.py",
        "        if not session.is_discarding:\n",
        "        if False:\n",
        _DROPPED + "test_a_socket_whose_handler_refers_to_it_is_closed_when_it_is_dropped",
    ),
    # Fork.
    Mechanism(
        "in a forked child every connection is over at once",
        "_waiting/at_fork.py",
        "    os.register_at_fork(after_in_child=_let_go)\n",
        "    pass\n",
        _FORK + "test_every_use_in_the_child_is_refused_and_says_why",
    ),
    Mechanism(
        "the child closes the descriptor only",
        "_net/transport.py",
        "        self._lock = type(self._lock)()\n        self.close()\n",
        "        self._lock = type(self._lock)()\n        self.abort()\n        self.close()\n",
        _FORK + "test_the_parents_connection_goes_on_whatever_the_child_does",
    ),
    Mechanism(
        "locks that others held at the fork do not hang the child",
        "_connection/receiving/inbox.py",
        "        self._lock = threading.RLock()\n        self._claimed = _nobody\n        self._is_ended = True\n",
        "        self._claimed = _nobody\n        self._is_ended = True\n",
        _FORK + "test_locks_that_other_threads_held_at_the_fork_do_not_hang_the_child",
    ),
    Mechanism(
        "the child has a monitor of its own",
        "_connection/monitor.py",
        "        watch(self)\n",
        "",
        _FORK + "test_the_child_makes_connections_of_its_own",
    ),
    # Ctrl-C.
    Mechanism(
        "Ctrl-C leaves in the inbox what was not given out",
        "message_websocket.py",
        "            if taking is not None:\n                taking.undo()\n            raise\n\n    def receive_args",
        "            if taking is not None:\n                taking.place.message = None\n            raise\n\n"
        "    def receive_args",
        _CTRL_C + "test_an_interruption_at_any_line_of_a_receive_loses_no_message",
    ),
    Mechanism(
        "Ctrl-C leaves in the stream what a read did not give out",
        "_streams/reading.py",
        "                source.put_back(self._last_piece(position - start))\n",
        "                pass\n",
        _CTRL_C + "test_no_signal_loses_a_byte_of_a_stream_or_gives_it_twice",
    ),
    Mechanism(
        "Ctrl-C ends a wait also when it comes just before it",
        "_waiting/locks.py",
        "    if threading.current_thread() is threading.main_thread():\n",
        "    if False:\n",
        "waiting/test_waiting.py::test_the_main_thread_waits_in_slices",
    ),
    # Concurrency rules.
    Mechanism(
        "messages of several senders never interleave",
        "_connection/sending/outbox.py",
        "            if not self._role.acquire(False):\n                self._wait_for_role(",
        "            if False:\n                self._wait_for_role(",
        _RULES + "test_messages_of_any_number_of_senders_never_interleave",
    ),
    Mechanism(
        "one reader at a time",
        "_connection/receiving/inbox.py",
        "            if self._has_taker:\n",
        "            if False:\n",
        _RULES + "test_a_second_thread_that_receives_is_refused_and_takes_nothing",
    ),
    # Hostile peers.
    Mechanism(
        "of the pongs for a server that does not read only the latest is kept",
        "_connection/sending/frame_writer.py",
        "deque(maxlen=1)",
        "deque()",
        _MEMORY + "test_of_pings_that_cannot_be_answered_only_the_latest_is_answered_when_that_is_possible",
    ),
    Mechanism(
        "endless fragments, also empty ones, are ended",
        "_wire/decoder.py",
        "        check_fragments(self._fragments, MAX_FRAGMENTS)\n",
        "",
        _MEMORY + "test_endless_empty_fragments_take_no_memory_and_are_ended",
    ),
    Mechanism(
        "a length over the limit is refused before its payload comes",
        "_wire/frame_decoder.py",
        "        if self._message_length + length > self._max_message_size:\n",
        "        if False:\n",
        _MEMORY + "test_a_length_over_the_limit_is_refused_before_the_payload_comes",
    ),
    Mechanism(
        "messages that nobody takes stop the reading, however small they are",
        "_connection/receiving/message_inbox.py",
        "            if self._waiting_weight >= self._capacity or len(self._places) >= self._max_count:\n",
        "            if self._waiting_weight >= self._capacity:\n",
        _MEMORY + "test_messages_that_are_not_taken_stop_the_reading",
    ),
    Mechanism(
        "a send to a server that never reads ends in time",
        "_connection/sending/frame_writer.py",
        "            self._deadline = Deadline(self._timeout)\n",
        "            self._deadline = Deadline(None)\n",
        _MEMORY + "test_a_server_that_sends_and_never_reads_holds_neither_receive_nor_send_nor_close",
    ),
    Mechanism(
        "headers without end are refused",
        "_net/http/head.py",
        "            if len(buffer) > MAX_HEAD_BYTES:\n",
        "            if False:\n",
        "integration/test_endless_answers.py::test_an_answer_without_an_end_is_refused_and_takes_no_memory",
    ),
)


def _take_out(mechanism: Mechanism, project: pathlib.Path) -> None:
    path = project / "syncws" / mechanism.module
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(mechanism.present, mechanism.without), encoding="utf-8")


def _fails_without(mechanism: Mechanism) -> bool:
    """Run the mechanism's test in a copy of the project that lacks it; return whether the test failed, as it should."""
    with tempfile.TemporaryDirectory() as folder:
        project = pathlib.Path(folder)
        for name in _COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, project / name)
        _take_out(mechanism, project)
        command = [sys.executable, "-m", "pytest", "-x", "-q", f"--timeout={_TEST_SECONDS}", "-p", "no:cacheprovider"]
        # The copy goes before the project that is installed.
        environment = os.environ | {"PYTHONPATH": str(project)}
        try:
            done = subprocess.run(
                [*command, f"tests/{mechanism.test}"],
                cwd=project,
                env=environment,
                capture_output=True,
                check=False,
                timeout=4 * _TEST_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return True
    # 1: tests failed. Anything else is no proof: none was found, or the copy is broken.
    return done.returncode == 1 or b"Timeout" in done.stdout + done.stderr


def main() -> int:
    """Take out what is asked for, and show a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="those whose name has these words")
    options = parser.parse_args()
    missed = 0
    for mechanism in MECHANISMS:
        if options.only in mechanism.name:
            is_needed = _fails_without(mechanism)
            missed += not is_needed
            print(f"{'fails without it' if is_needed else 'PASSES WITHOUT IT':<19}{mechanism.name}", flush=True)
            print(f"{'':<19}{mechanism.test}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
