"""Tests of ReconnectingWebSocket: its events and their order, sending, waiting, and how it ends."""

import gc
import logging
import os
import sys
import threading
import traceback
import warnings
import weakref
from functools import partial

import pytest
from support import LIMIT, reset, server_frame, wait
from support.calls import Call
from support.programs import assert_quiet, run
from support.reconnecting import QUICK, answers, closes, one_after_the_other, sends, stays
from support.scripts import TEXT, read_until_close, round_trip, uri_of_nobody

from syncws import (
    CancellationTokenSource,
    CannotConnectError,
    CloseCause,
    ConnectionLostError,
    ConnectionOverError,
    HttpStatusError,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    OperationCanceledError,
    ReconnectingWebSocket,
)
from syncws._waiting.deadline import Deadline


class Log:
    """Handlers that note what comes, and let a test wait for it."""

    def __init__(self, socket):
        self.entries = []
        self.seconds = threading.Condition()
        socket.connected += lambda _, args: self.note("connected", args.attempt)
        socket.disconnected += lambda _, args: self.note("disconnected", args.error.close_cause.name)
        socket.reconnecting += lambda _, args: self.note("reconnecting", args.attempt)
        socket.message_received += lambda _, args: self.note("message", args.text)

    def note(self, *entry):
        with self.seconds:
            self.entries.append(entry)
            self.seconds.notify_all()

    def wait_for(self, *entry):
        with self.seconds:
            assert self.seconds.wait_for(lambda: entry in self.entries, LIMIT), self.entries


def test_events_come_in_the_order_that_is_promised():
    scripts = [sends("a", "b", then=closes), answers("503 Busy"), sends("c", then=stays)]
    with one_after_the_other(*scripts) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK)
        log = Log(socket)
        with socket:
            log.wait_for("message", "c")
    assert log.entries == [
        ("connected", 1),
        ("message", "a"),
        ("message", "b"),
        ("disconnected", "PEER"),
        ("reconnecting", 2),
        ("reconnecting", 3),
        ("connected", 3),
        ("message", "c"),
        ("disconnected", "LOCAL"),
    ]


def test_handlers_are_told_the_delay_and_the_error():
    with one_after_the_other(answers("503 Busy", "Retry-After: 7")) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK)
        seen = []
        told = threading.Event()
        socket.reconnecting += lambda sender, args: (seen.append((sender, *args)), told.set())
        with socket:
            wait(told)
    sender, attempt, delay, error = seen[0]
    assert (sender, attempt, error.status_code) == (socket, 2, 503)
    assert 7 <= delay <= 7.01


def test_what_came_before_the_first_handler_waits_for_it_and_comes_once():
    came = []
    both = threading.Event()
    with (
        one_after_the_other(sends("a", "b", then=stays)) as uri,
        ReconnectingWebSocket(uri, backoff=QUICK) as socket,
    ):
        assert socket.wait_connected()
        socket.message_received += lambda sender, args: (came.append((sender, args.text)), len(came) > 1 and both.set())
        wait(both)
        assert came == [(socket, "a"), (socket, "b")]


def test_what_comes_while_there_is_no_handler_any_more_waits_for_the_next():
    received, is_removed, is_quiet, is_complete = [], *(threading.Event() for _ in range(3))

    def goes_on(connection):
        wait(is_removed)
        connection.sendall(server_frame(TEXT, b"3"))
        round_trip(connection)
        is_quiet.set()
        stays(connection)

    def first(sender, args):
        received.append(args.text)
        sender.message_received -= first
        is_removed.set()

    def second(sender, args):
        received.append(args.text)
        if args.text == "3":
            is_complete.set()

    with one_after_the_other(sends("1", "2", then=goes_on)) as uri:
        socket = ReconnectingWebSocket(uri)
        socket.message_received += first
        with socket:
            wait(is_quiet)
            assert received == ["1"]
            socket.message_received += second
            wait(is_complete)
    assert received == ["1", "2", "3"]


def test_messages_of_a_connection_that_is_over_when_connected_returns_come_too():
    with one_after_the_other(sends("a", "b", then=closes), sends("c", then=stays)) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK)
        ends = []
        socket.connected += lambda *_: ends or ends.append(socket.socket.wait_closed(LIMIT))
        log = Log(socket)
        with socket:
            log.wait_for("message", "c")
    assert ends == [True]
    messages = [text for what, text in log.entries if what == "message"]
    assert messages == ["a", "b", "c"]


def test_a_connected_handler_may_send_and_send_needs_a_connection():
    frames = []
    with one_after_the_other(sends(then=lambda connection: frames.extend(read_until_close(connection)))) as uri:
        socket = ReconnectingWebSocket(uri)
        with pytest.raises(IllegalMethodCallError, match="start"):
            socket.send("too early")
        with pytest.raises(IllegalMethodCallError, match="call start first"):
            socket.send_json(["too early"])
        socket.connected += lambda sender, args: sender.send("first")
        with socket:
            socket.wait_connected()
            socket.send(b"second")
            socket.send_json({"third": 3})
    assert [payload for _, payload in frames[:3]] == [b"first", b"second", b'{"third":3}']
    with pytest.raises(ConnectionOverError) as caught:
        socket.send("too late")
    assert not caught.value.is_transient


def test_send_says_that_there_is_no_connection_at_the_moment():
    with ReconnectingWebSocket(uri_of_nobody()) as socket:
        waits = threading.Event()
        socket.reconnecting += lambda sender, args: waits.set()
        wait(waits)
        with pytest.raises(ConnectionLostError, match="wait_connected") as caught:
            socket.send("x")
        assert caught.value.is_transient
        assert not socket.wait_connected(0.01)
        assert (socket.socket, socket.is_connected) == (None, False)
        assert repr(socket).startswith("<ReconnectingWebSocket connecting")


def send_for_ever(socket):
    while True:
        socket.send(bytes(100_000))


def test_after_a_send_that_found_the_loss_a_wait_is_for_the_next_connection():
    handled, go_on = threading.Event(), threading.Event()
    with one_after_the_other(sends(*["a" * 1000] * 100, then=reset), sends(then=stays)) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK, inbox_size_in_bytes=1000)
        socket.message_received += lambda *_: (handled.set(), go_on.wait(LIMIT))
        with socket:
            wait(handled)
            try:
                with pytest.raises(ConnectionLostError):
                    send_for_ever(socket)
                # What waits behind the handler keeps the connection's own socket open.
                assert socket.socket.is_open
                assert not socket.is_connected
                assert not socket.wait_connected(0.01)
            finally:
                go_on.set()
            assert socket.wait_connected(LIMIT)
            socket.send("x")


def test_the_connection_is_there_to_be_asked():
    with one_after_the_other(sends(then=stays)) as uri:
        socket = ReconnectingWebSocket(uri)
        assert repr(socket) == "<ReconnectingWebSocket not started>"
        with socket:
            socket.wait_connected()
            assert socket.socket.information.response_headers
            assert repr(socket) == "<ReconnectingWebSocket connected>"
    assert repr(socket) == "<ReconnectingWebSocket closed>"


def test_it_gives_up_for_what_is_final_and_says_so(caplog):
    with one_after_the_other(answers("401 Who")) as uri, ReconnectingWebSocket(uri) as socket:
        for wait_for in (socket.wait_closed, socket.wait_connected, socket.wait_closed):
            with pytest.raises(HttpStatusError, match="401"):
                wait_for()
        with pytest.raises(ConnectionOverError, match=r"given up: .*401 Who"):
            socket.send("x")
    with pytest.raises(ConnectionOverError, match=r"given up: .*401 Who"):
        socket.send("x")
    assert [record.levelno for record in caplog.records if "gives up" in record.message] == [logging.ERROR]
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("what", ["uri", "policy"])
def test_an_error_of_the_program_s_is_logged_with_the_line_that_raised_it(caplog, what):
    def find_token(*_):
        raise KeyError("a token")

    arguments = {"uri": uri_of_nobody()} | {what: find_token}
    with ReconnectingWebSocket(**arguments) as socket:
        with pytest.raises(KeyError):
            socket.wait_closed(LIMIT)
        with pytest.raises(ConnectionOverError, match=r"given up: KeyError\('a token'\)"):
            socket.send("x")
    assert "in find_token" in caplog.text
    assert "KeyError: 'a token'" in caplog.text


def test_a_code_of_the_programs_goes_into_the_close_frame():
    frames = []
    with one_after_the_other(sends(then=lambda connection: frames.extend(read_until_close(connection)))) as uri:
        socket = ReconnectingWebSocket(uri)
        socket.start()
        socket.wait_connected()
        with pytest.raises(InvalidArgumentError):
            socket.close(1)
        socket.close(4000, "enough")
        assert socket.wait_closed()
        assert not socket.wait_connected()
    assert frames[-1][1] == b"\x0f\xa0enough"


def test_its_own_thread_reads_where_no_other_can_be_started(monkeypatch):
    class NoThread(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    with one_after_the_other(sends("1", "2", then=closes)) as uri:
        socket = ReconnectingWebSocket(uri, on_connecting=lambda _: monkeypatch.setattr(threading, "Thread", NoThread))
        log = Log(socket)
        with socket:
            log.wait_for("disconnected", "PEER")
    assert log.entries[:4] == [("connected", 1), ("message", "1"), ("message", "2"), ("disconnected", "PEER")]


@pytest.mark.parametrize("event", ["connected", "disconnected", "reconnecting", "message_received"])
def test_close_in_a_handler_begins_and_waiting_there_is_refused(event):
    refusals = []

    def handler(sender, args):
        for wait_for in (sender.wait_closed, sender.wait_connected):
            try:
                wait_for()
            except IllegalMethodCallError as error:
                refusals.append(error)
        sender.close()

    with one_after_the_other(sends("a", then=closes)) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK)
        socket.message_received += lambda sender, args: None
        getattr(socket, event).add(handler)
        with socket:
            assert socket.wait_closed(LIMIT)
    assert len(refusals) == 2


def test_a_handler_that_raises_ends_nothing(caplog):
    with one_after_the_other(sends(then=closes), sends("a", then=stays)) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK)
        came = threading.Event()
        for event in (socket.connected, socket.disconnected, socket.reconnecting):
            event.add(lambda sender, args: 1 / 0)
        socket.message_received += lambda sender, args: came.set()
        with socket:
            wait(came)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_is_over_for_who_waits_though_each_handler_ends_the_thread(caplog):
    def leave(*_):
        sys.exit("enough")

    with one_after_the_other(sends(then=stays)) as uri:
        socket = ReconnectingWebSocket(uri)
        socket.connected += leave
        socket.disconnected += leave
        socket.start()
        with pytest.raises(SystemExit):
            socket.wait_closed(LIMIT)
    assert "Traceback" not in caplog.text


def test_handlers_that_raise_are_counted_at_their_connection():
    with one_after_the_other(sends("a", "b", then=closes), sends("c", then=stays)) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK)
        sockets, came = [], threading.Event()

        def fail_to_connect(sender, args):
            sockets.append(args.socket)
            raise ValueError

        def fail_at_a_message(sender, args):
            raise KeyError

        socket.connected += fail_to_connect
        socket.message_received += fail_at_a_message
        socket.disconnected += lambda sender, args: 1 / 0
        socket.message_received += lambda sender, args: args.text == "c" and came.set()
        with socket:
            wait(came)
        assert socket.wait_closed(LIMIT)
    assert [one.information.handler_failures for one in sockets] == [4, 3]


def test_failures_of_receiving_are_for_disconnected_alone():
    texts, causes = [], []
    came = threading.Event()
    with one_after_the_other(sends("a", then=reset), sends("b", then=stays)) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK)
        socket.disconnected += lambda sender, args: causes.append(args.error.close_cause)
        socket.message_received += lambda sender, args: (texts.append(args.text), args.text == "b" and came.set())
        with socket:
            wait(came)
    assert None not in texts
    assert causes == [CloseCause.CONNECTION_LOST, CloseCause.LOCAL]


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("is_in_handler", [True, False])
def test_a_connection_that_the_program_gives_up_is_followed_by_the_next(is_in_handler, how):
    def give_up(sender, args):
        if args.text == "a":
            getattr(sender.socket, how)()

    with one_after_the_other(sends("a", then=stays), sends("b", then=stays)) as uri:
        socket = ReconnectingWebSocket(uri, backoff=QUICK)
        log = Log(socket)
        if is_in_handler:
            socket.message_received += give_up
        with socket:
            log.wait_for("message", "a")
            if not is_in_handler:
                getattr(socket.socket, how)()
            log.wait_for("message", "b")
    assert ("disconnected", "ABORTED" if how == "abort" else "LOCAL") in log.entries


def test_its_token_closes_it():
    source = CancellationTokenSource()
    with (
        one_after_the_other(sends(then=stays)) as uri,
        ReconnectingWebSocket(uri, cancellation_token=source.token) as socket,
    ):
        log = Log(socket)
        socket.wait_connected()
        call = Call(socket.wait_closed)
        source.cancel()
        with pytest.raises(OperationCanceledError):
            call.result()
        log.wait_for("disconnected", "LOCAL")


def dropped(holder):
    """Drop the socket that the list holds; return what was warned of until its thread has ended."""
    thread = holder[0]._reconnecting_worker.thread
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        holder.clear()
        give_up = Deadline(LIMIT)
        while thread.is_alive() and not give_up.is_expired:
            # Again, in case its thread has just been looking at it.
            gc.collect()
            thread.join(0.01)
    assert not thread.is_alive()
    return [str(warning.message) for warning in caught]


def test_an_event_that_is_assigned_names_only_what_is_there():
    socket = ReconnectingWebSocket("ws://localhost:1/")
    with pytest.raises(InvalidArgumentTypeError) as caught:
        socket.connected = print
    assert caught.value.message == "the event connected cannot be assigned: use += and -="


def test_one_that_is_dropped_is_closed_with_a_warning():
    frames = []
    with one_after_the_other(sends(then=lambda connection: frames.extend(read_until_close(connection)))) as uri:
        holder = [ReconnectingWebSocket(uri)]
        # A handler that refers to it, as methods of programs' classes do.
        holder[0].message_received += partial(print, holder[0])
        holder[0].start()
        holder[0].wait_connected()
        assert dropped(holder) == ["a ReconnectingWebSocket was dropped without close()"]
    assert frames[-1][1] == (1001).to_bytes(2, "big")


def test_one_that_is_dropped_in_a_wait_ends_too():
    holder = [ReconnectingWebSocket(uri_of_nobody())]
    waits = threading.Event()
    holder[0].reconnecting += lambda sender, args: waits.set()
    holder[0].start()
    wait(waits)
    assert dropped(holder) == ["a ReconnectingWebSocket was dropped without close()"]


def test_one_that_has_given_up_is_dropped_in_silence():
    holder = [ReconnectingWebSocket(uri_of_nobody(), max_attempts=1)]
    holder[0].start()
    with pytest.raises(CannotConnectError):
        holder[0].wait_closed()
    assert dropped(holder) == []


def test_one_that_has_given_up_for_an_error_of_the_program_s_is_dropped(caplog):
    # pytest keeps the records, and so the error.
    caplog.set_level(logging.CRITICAL, "syncws.reconnecting")

    def find_uri():
        raise KeyError("a token")

    def program():
        socket = ReconnectingWebSocket(find_uri)
        frames = []
        with socket:
            for _ in range(3):
                try:
                    socket.wait_closed(LIMIT)
                except KeyError as error:
                    frames.append(len(list(traceback.walk_tb(error.__traceback__))))
        assert frames == frames[:1] * 3
        return weakref.ref(socket)

    gone = program()
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_in_a_forked_child_it_has_ended():
    with one_after_the_other(sends(then=stays)) as uri:
        done = run(
            """
            warnings.simplefilter("ignore", DeprecationWarning)
            with ReconnectingWebSocket(uri) as socket:
                socket.wait_connected()
                pid = os.fork()
                if not pid:
                    signal.alarm(20)
                    for call in (socket.wait_closed, socket.wait_connected, lambda: socket.send("x")):
                        try:
                            call()
                        except ConnectionLostError as error:
                            assert "parent process" in str(error), error
                        else:
                            os._exit(1)
                    socket.close()
                    os._exit(0)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
                socket.send("still here")
            """,
            uri,
        )
    assert_quiet(done)
