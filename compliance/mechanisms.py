"""Takes out one mechanism of the library after the other, and sees that the test that is named for it fails.

    python -m compliance.mechanisms [--only WORDS] [--jobs N]

A mechanism is named by a function of the library. Its test runs in a process of its own, in which another function
stands in the place of that one (compliance/without.py). Before that all the tests must pass. Exit code 1 when a test
passed all the same, or its failing is no proof. The suite checks that each function and each test exists
(tests/programs/test_mechanisms.py).
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from compliance import replacements

__all__ = ["MECHANISMS", "NO_FIT", "ROOT", "VARIABLE", "Mechanism"]

ROOT = pathlib.Path(__file__).parent.parent
VARIABLE = "SYNCWS_WITHOUT"
"""The environment variable that names the mechanism to be taken out."""

NO_FIT = 70
"""The exit code of a process whose replacement does not fit the library any more: that a test fails so says nothing."""

_FAILS = "fails without it"

# A test that hangs without its mechanism fails as well.
_TEST_SECONDS = 60


@dataclass(frozen=True)
class Mechanism:
    """One mechanism, and the test that needs it.

    Attributes:
        name: what the library promises by it.
        function: "module:name" or "module:Class.name", of a function or a property, where the library looks it up.
        replacement: what is called in its place: with the present function, and then with that one's arguments.
        test: the test's node id, below tests/; of one with parameters all are run.
    """

    name: str
    function: str
    replacement: Callable[..., Any]
    test: str


_RECEIVING = "syncws._connection.receiving."
_SLOW = "integration/test_slow_handlers.py::"
_ALIVE = "connection/test_keep_alive.py::"
_PINGS = "integration/test_keep_alive.py::"
_CLOSING = "integration/test_closing_in_time.py::"
_CAUSES = "integration/test_close_causes.py::"
_EXIT = "integration/test_interpreter_exit.py::"
_DROPPED = "integration/test_dropped_objects.py::"
_FORK = "integration/test_fork.py::"
_MEMORY = "integration/test_memory_bounds.py::"
_DECODED = "wire/test_decoders_deflate.py::"
_COMPRESSING = "connection/test_compressing.py::"
_AT_ONCE = "connection/test_at_once.py::"
_QUICK = "connection/test_quick_taking.py::"
_REDIRECTS = "integration/test_redirects.py::"

MECHANISMS = (
    # Slow handlers.
    Mechanism(
        "after a second in a handler another thread reads",
        _RECEIVING + "delivery:Delivery._relieve",
        replacements.nothing,
        _SLOW + "test_a_ping_is_answered_while_a_handler_blocks",
    ),
    Mechanism(
        "a close is noticed while a handler is slow",
        _RECEIVING + "reader:Reader.hand_over",
        replacements.no,
        _SLOW + "test_a_close_is_noticed_while_a_handler_blocks_and_told_after_it",
    ),
    Mechanism(
        "memory stays within the inbox's bound while a handler is slow",
        _RECEIVING + "inbox:Inbox._note_full",
        replacements.nothing,
        _SLOW + "test_memory_is_bounded_while_a_handler_blocks_and_no_message_is_lost",
    ),
    Mechanism(
        "a handler that never returns does not hold up close()",
        "syncws._connection.session:Session.wait_finished",
        replacements.wait_for_ever,
        _SLOW + "test_a_handler_that_does_not_return_does_not_hold_up",
    ),
    # Keep-alive.
    Mechanism(
        "a quiet server is pinged",
        "syncws._connection.pings:Pings.post_own",
        replacements.nothing,
        _ALIVE + "test_a_quiet_peer_is_pinged_after_the_interval_and_not_before",
    ),
    Mechanism(
        "a server that answers nothing is given up",
        "syncws._connection.session:Session.take_silence",
        replacements.no,
        _PINGS + "test_a_silent_peer_is_given_up_soon_and_the_reason_is_told",
    ),
    Mechanism(
        "any byte counts as life",
        "syncws._connection.keep_alive:KeepAlive._act",
        replacements.bytes_are_no_life,
        _ALIVE + "test_a_peer_that_trickles_bytes_and_never_a_pong_is_alive",
    ),
    Mechanism(
        "a long message that the server is still taking is not its silence",
        "syncws._connection.keep_alive:KeepAlive._unanswered_since",
        replacements.since_the_ping,
        _ALIVE + "test_a_peer_that_takes_a_long_frame_is_alive_as_long_as_it_takes_something",
    ),
    Mechanism(
        "a pause of our own is not the server's silence",
        "syncws._connection.session:Session.is_reading",
        lambda *_: True,
        _ALIVE + "test_while_the_inbox_is_full_silence_does_not_count",
    ),
    Mechanism(
        "what lies in the socket after this process has slept is life",
        _RECEIVING + "reader:Reader._is_silent",
        replacements.believe_at_once,
        _ALIVE + "test_what_lies_in_the_socket_when_this_process_wakes_up_is_life",
    ),
    Mechanism(
        "ping() returns the seconds to its pong",
        "syncws._connection.pings:Pings.take_pong",
        replacements.nothing,
        _PINGS + "test_a_ping_returns_the_round_trip_in_seconds",
    ),
    Mechanism(
        "unsolicited pongs are sent",
        "syncws._connection.keep_alive:UnsolicitedPongs._act",
        replacements.nothing,
        _PINGS + "test_unsolicited_pongs_are_sent",
    ),
    Mechanism(
        "all connections have one monitor",
        "syncws._connection.session:the_monitor",
        replacements.a_monitor_each,
        _PINGS + "test_all_connections_have_one_monitor_which_ends_with_the_last",
    ),
    # Closing.
    Mechanism(
        "close() ends in time in every state",
        "syncws._connection.session:Session.abort",
        replacements.nothing,
        _CLOSING + "test_closing_is_bounded",
    ),
    Mechanism(
        "a with block that an exception leaves closes quickly",
        "syncws.iwebsocket:IWebSocket.__exit__",
        replacements.close_in_peace,
        _CLOSING + "test_a_with_block_that_an_exception_leaves_takes_half_a_second",
    ),
    Mechanism(
        "the cause of the end is told",
        "syncws._connection.session:Session._cause_unless_lost",
        replacements.nothing,
        _CAUSES + "test_the_cause_is_told_by_information_and_by_the_errors",
    ),
    # The end of the program.
    Mechanism(
        "open connections get their Close frame when the program ends",
        "syncws._connection.session:Session.begin_exit",
        replacements.nothing,
        _EXIT + "test_the_server_gets_1001_when_a_program_ends_by",
    ),
    Mechanism(
        "servers that do not answer hold up the end no longer than a second altogether",
        "syncws._connection.at_exit:_wait",
        replacements.one_after_the_other,
        _EXIT + "test_servers_that_do_not_answer_cost_a_second_altogether_and_not_each",
    ),
    Mechanism(
        "no traceback of a daemon thread that sends when the program ends",
        "syncws._connection.sending.frame_writer:stay_quiet",
        replacements.nothing,
        _EXIT + "test_the_server_gets_1001_when_a_program_ends_by",
    ),
    # Dropped objects.
    Mechanism(
        "a socket that its handlers refer to is closed when it is dropped",
        "syncws._connection.session:Session.__init__",
        replacements.hold_the_owner,
        _DROPPED + "test_a_socket_whose_handler_refers_to_it_is_closed_when_it_is_dropped",
    ),
    Mechanism(
        "five runs of a notebook cell leave one connection and two threads",
        "syncws._connection.session:Session.abandon",
        replacements.nothing,
        _DROPPED + "test_five_runs_of_a_notebook_cell_leave_one_connection_and_its_threads",
    ),
    Mechanism(
        "a dropped socket is told of by a ResourceWarning",
        "syncws._connection.dropping:close_dropped",
        replacements.without_a_word,
        _DROPPED + "test_a_socket_whose_handler_refers_to_it_is_closed_when_it_is_dropped",
    ),
    # Fork.
    Mechanism(
        "in a forked child every connection is over at once",
        "syncws._connection.session:Session.let_go_in_child",
        replacements.nothing,
        _FORK + "test_every_use_in_the_child_is_refused_and_says_why",
    ),
    Mechanism(
        "the child closes the descriptor only",
        "syncws._net.transport:SocketTransport.let_go_in_child",
        replacements.shut_down_first,
        _FORK + "test_the_parents_connection_goes_on_whatever_the_child_does",
    ),
    Mechanism(
        "locks that others held at the fork do not hang the child",
        _RECEIVING + "inbox:Inbox.let_go_in_child",
        replacements.keep_the_lock,
        _FORK + "test_locks_that_other_threads_held_at_the_fork_do_not_hang_the_child",
    ),
    Mechanism(
        "the child has a monitor of its own",
        "syncws._connection.monitor:Monitor.let_go_in_child",
        replacements.nothing,
        _FORK + "test_the_child_keeps_its_own_connections_alive_although_the_parent_s_monitor_does_not_run_there",
    ),
    # Ctrl-C.
    Mechanism(
        "Ctrl-C ends a wait also when it comes just before it",
        "syncws._waiting.locks:acquire_within",
        replacements.in_one_wait,
        "waiting/test_waiting.py::test_the_main_thread_waits_in_slices",
    ),
    # Hostile servers.
    Mechanism(
        "of the pongs for a server that does not read only the latest is kept",
        "syncws._connection.sending.posted:Posted.__init__",
        replacements.keep_all_pongs,
        _MEMORY + "test_of_pings_that_cannot_be_answered_only_the_latest_is_answered_when_that_is_possible",
    ),
    Mechanism(
        "endless fragments, also empty ones, are ended",
        "syncws._wire.decoder:check_fragments",
        replacements.nothing,
        _MEMORY + "test_endless_empty_fragments_take_no_memory_and_are_ended",
    ),
    Mechanism(
        "a length over the limit is refused before its payload comes",
        "syncws._wire.frame_decoder:FrameDecoder._begin_frame",
        replacements.any_length,
        _MEMORY + "test_a_length_over_the_limit_is_refused_before_the_payload_comes",
    ),
    Mechanism(
        "messages that nobody takes stop the reading, however small they are",
        _RECEIVING + "message_inbox:MessageInbox.__init__",
        replacements.any_number,
        _MEMORY + "test_messages_that_are_not_taken_stop_the_reading",
    ),
    Mechanism(
        "a send to a server that never reads ends in time",
        "syncws._connection.sending.frame_writer:Patience.deadline",
        replacements.no_deadline,
        _MEMORY + "test_a_server_that_sends_and_never_reads_holds_neither_receive_nor_send_nor_close",
    ),
    Mechanism(
        "headers without end are refused",
        "syncws._net.http.head:HeadReader._read_raw",
        replacements.endless_head,
        "integration/test_endless_answers.py::test_an_answer_without_an_end_is_refused_and_takes_no_memory",
    ),
    Mechanism(
        "a server must set no bits that nobody has negotiated, and mask nothing",
        "syncws._wire.frame_decoder:FrameDecoder._check_first_bytes",
        replacements.nothing,
        "wire/test_decoder.py",
    ),
    # The short ways of small messages.
    Mechanism(
        "who has the writer role has noted that before the look at what must go first",
        "syncws._connection.sending.outbox:Outbox.send",
        replacements.look_before_noting,
        _AT_ONCE + "test_a_sender_that_has_the_role_is_seen_before_it_looks_what_must_go_first",
    ),
    Mechanism(
        "the rest of a small frame goes although its sender was interrupted",
        "syncws._connection.sending.outbox:Outbox._tell_of_leftover",
        replacements.nothing,
        _AT_ONCE + "test_an_interruption_while_it_is_counted_leaves_the_rest_to_others",
    ),
    Mechanism(
        "nothing is taken past a descriptor that was given out",
        _RECEIVING + "message_inbox:MessageInbox.fileno",
        replacements.keep_at_hand,
        _QUICK + "test_what_needs_a_look_is_not_at_hand",
    ),
    Mechanism(
        "nothing is taken past the thread that reads",
        _RECEIVING + "message_inbox:MessageInbox.stop_pulling",
        replacements.keep_at_hand,
        _QUICK + "test_what_needs_a_look_is_not_at_hand",
    ),
    Mechanism(
        "nothing is taken past the counts",
        _RECEIVING + "message_inbox:MessageInbox._count",
        replacements.keep_at_hand,
        _QUICK + "test_what_needs_a_look_is_not_at_hand",
    ),
    # Compression.
    Mechanism(
        "what is inflated takes no more memory than the limit, whatever the ratio",
        "syncws._wire.deflate:Inflater.read",
        replacements.inflate_all_at_once,
        _DECODED + "test_a_bomb_ends_with_1009_within_the_limit",
    ),
    Mechanism(
        "one read gives out only so much of what it is inflated to",
        "syncws._wire.frame_decoder:FrameDecoder._inflate",
        replacements.give_all_out_at_once,
        _DECODED + "test_pieces_of_a_bomb_take_no_memory_at_all",
    ),
    Mechanism(
        "RSV1 stands on the first frame of a message, and nowhere else",
        "syncws._wire.frame_decoder:FrameDecoder._check_reserved_bits",
        replacements.nothing,
        _DECODED + "test_reserved_bits_in_any_other_place_are_a_violation",
    ),
    Mechanism(
        "a compressed message that ends within a block is refused",
        "syncws._wire.deflate:Inflater._ends_well",
        lambda *_: True,
        "wire/test_deflate.py::test_a_message_that_ends_in_the_middle_of_a_block_is_refused_wherever_it_is_cut",
    ),
    Mechanism(
        "messages are compressed in the order in which they go",
        "syncws._connection.sending.messages:Sending._send_compressed",
        replacements.compress_before_the_turn,
        _COMPRESSING + "test_a_storm_of_threads_keeps_the_context_in_order",
    ),
    Mechanism(
        "a message that never had its turn leaves the shared context alone",
        "syncws._connection.sending.messages:Sending._send_compressed",
        replacements.compress_before_the_turn,
        _COMPRESSING + "test_a_message_that_never_had_its_turn_leaves_the_context_alone",
    ),
    Mechanism(
        "what was compressed goes, also when its sender gives up before the first byte",
        "syncws._connection.sending.frame_writer:FrameWriter.begin",
        replacements.may_be_left_out,
        _COMPRESSING + "test_what_was_compressed_and_did_not_go_in_time_goes_before_the_next",
    ),
    Mechanism(
        "a context that was torn in the compressor is used no more",
        "syncws._connection.sending.outbox:Outbox._cut",
        replacements.nothing,
        _COMPRESSING + "test_an_interruption_while_a_message_is_compressed_cuts_the_connection",
    ),
    Mechanism(
        "an answer about compression that the offer does not allow fails the connect",
        "syncws._net.http.handshake:_agreed_compression",
        replacements.agree_to_all,
        "integration/test_compression.py::test_an_answer_that_the_offer_does_not_allow_fails_the_connect",
    ),
    # Secrets.
    Mechanism(
        "no redirect leads from wss to ws",
        "syncws._net.connector:redirected",
        replacements.to_anywhere,
        _REDIRECTS + "test_from_wss_to_ws_leads_no_redirect",
    ),
    Mechanism(
        "nothing secret goes along to another origin",
        "syncws._net.http.redirects:_for_strangers",
        replacements.with_everything,
        _REDIRECTS + "test_to_another_origin_nothing_secret_goes_along",
    ),
    Mechanism(
        "a request header cannot bring another one with it",
        "syncws.iwebsocket:check_request_header",
        replacements.nothing,
        "integration/test_message_websocket_request.py",
    ),
    # Handlers.
    Mechanism(
        "a handler that raises does not end the connection",
        "syncws.events:Event.call",
        replacements.without_a_guard,
        # Of another event: a message's handlers are called where they are delivered, under a guard of the same kind.
        "integration/test_opened_pings_and_pongs.py::"
        "test_a_failing_handler_of_opened_is_counted_and_an_interrupted_connect_leaves_nothing",
    ),
)


def _run(tests: Iterable[str], without: str | None) -> int:
    """Run tests in a process that lacks a mechanism; return pytest's exit code, or 1 when they hang."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", f"--timeout={_TEST_SECONDS}", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment["PYTHONPATH"] = str(ROOT)
    if without is not None:
        environment[VARIABLE] = without
    try:
        done = subprocess.run(
            [*command, "-p", "compliance.without", *(f"tests/{test}" for test in tests)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            check=False,
            timeout=10 * _TEST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return 1
    return 1 if b"Timeout" in done.stdout + done.stderr else done.returncode


def _run_without(mechanism: Mechanism) -> tuple[str, float]:
    """Run the mechanism's test without it; return what that shows, and the seconds that it took."""
    began = time.monotonic()
    code = _run([mechanism.test], mechanism.name)
    # Anything but these two is no proof: none was found, or the mechanism could not be taken out.
    verdict = {0: "PASSES WITHOUT IT", 1: _FAILS}.get(code, f"NO PROOF ({code})")
    return verdict, time.monotonic() - began


def main() -> int:
    """Take out what is asked for, and show a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="those whose name has these words")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    options = parser.parse_args()
    chosen = [mechanism for mechanism in MECHANISMS if options.only in mechanism.name]
    if _run(sorted({mechanism.test for mechanism in chosen}), None) != 0:
        print("the tests do not pass with all mechanisms in their places: nothing can be shown", flush=True)
        return 1
    missed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for mechanism, (verdict, seconds) in zip(chosen, pool.map(_run_without, chosen), strict=True):
            missed += verdict != _FAILS
            print(f"{verdict:<19}{seconds:5.1f} s  {mechanism.name}", flush=True)
            print(f"{'':<28}{mechanism.test}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
