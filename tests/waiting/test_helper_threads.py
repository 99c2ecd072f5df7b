"""run_aside: waiting for a helper thread, no longer than the deadline."""

import gc
import threading
import weakref

import pytest
from support import LIMIT, wait

from syncws._waiting import helper_threads
from syncws._waiting.deadline import Deadline
from syncws._waiting.helper_threads import run_aside
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws.errors import CannotConnectError, OperationCanceledError, OperationTimedOutError


def test_the_result_comes_back(waker):
    assert run_aside([lambda: 1, lambda: 2], Waiter(waker, lambda: False, Deadline(LIMIT)), waker) == [1, 2]


def test_it_runs_on_a_daemon_thread_of_its_own(waker):
    (thread,) = run_aside([threading.current_thread], Waiter(waker, lambda: False, Deadline(LIMIT)), waker)
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert thread.name == "syncws-lookup"


def test_an_exception_comes_back(waker):
    def fail():
        raise LookupError("nobody knows")

    with pytest.raises(LookupError, match="nobody knows"):
        run_aside([fail], Waiter(waker, lambda: False, Deadline(LIMIT)), waker)


def test_an_exception_that_has_come_back_is_not_kept_by_what_it_passed(waker):
    class OwnError(Exception):
        pass

    def fail():
        raise OwnError

    gc.disable()
    try:
        try:
            run_aside([fail], Waiter(waker, lambda: False, Deadline(LIMIT)), waker)
        except OwnError as error:
            gone = weakref.ref(error)
        assert gone() is None
    finally:
        gc.enable()


def test_the_deadline_does_not_wait_for_the_function(waker):
    go_on = threading.Event()
    with pytest.raises(OperationTimedOutError):
        run_aside([lambda: wait(go_on)], Waiter(waker, lambda: False, Deadline(0.01)), waker)
    go_on.set()


def test_a_cancellation_does_not_wait_for_the_function(waker):
    go_on = threading.Event()
    canceled = []

    def function():
        canceled.append(True)
        waker.wake()
        wait(go_on)

    with pytest.raises(OperationCanceledError):
        run_aside([function], Waiter(waker, lambda: bool(canceled), Deadline(LIMIT)), waker)
    go_on.set()


def test_a_stray_wake_up_does_not_end_the_wait(waker):
    def function():
        waker.wake()
        return 5

    assert run_aside([function], Waiter(waker, lambda: False, Deadline(LIMIT)), waker) == [5]


def test_a_result_that_comes_too_late_is_dropped_although_the_waker_is_closed():
    waker = Waker()
    go_on = threading.Event()
    with pytest.raises(OperationTimedOutError):
        run_aside([lambda: wait(go_on)], Waiter(waker, lambda: False, Deadline(0.0)), waker)
    waker.close()
    go_on.set()


def test_a_function_that_ends_its_thread_does_not_hang_the_caller(waker, monkeypatch):
    def function():
        raise SystemExit

    # Python says nothing of a SystemExit on a thread; pytest does.
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - which one is the library's choice
        run_aside([function], Waiter(waker, lambda: False, Deadline(0.5)), waker)
    assert not isinstance(caught.value, OperationTimedOutError)


def test_all_run_at_the_same_time(waker):
    meeting = threading.Barrier(3, timeout=LIMIT)
    results = run_aside([meeting.wait] * 3, Waiter(waker, lambda: False, Deadline(LIMIT)), waker)
    assert sorted(results) == [0, 1, 2]


def test_results_come_in_the_order_of_the_functions_whichever_ends_first(waker):
    has_second = threading.Event()

    def first():
        wait(has_second)
        return "first"

    def look(result):
        if result == "second":
            has_second.set()
        return False

    waiter = Waiter(waker, lambda: False, Deadline(LIMIT))
    assert run_aside([first, lambda: "second"], waiter, waker, look) == ["first", "second"]


@pytest.mark.parametrize("answers", [(True, False), (False, True)])
def test_when_one_result_is_enough_the_others_are_waited_for_only_a_moment(waker, answers):
    go_on = threading.Event()

    def late():
        wait(go_on)
        return False

    functions = [(lambda: True) if answer else late for answer in answers]
    results = run_aside(
        functions, Waiter(waker, lambda: False, Deadline(LIMIT)), waker, is_enough=lambda result: result
    )
    go_on.set()
    assert results == [True]


def test_a_moment_for_the_others_is_not_all_of_the_time_that_is_left(waker, monkeypatch):
    monkeypatch.setattr(helper_threads, "_GRACE_SECONDS", LIMIT)
    go_on = threading.Event()
    waiter = Waiter(waker, lambda: False, Deadline(1.0))
    assert run_aside([lambda: True, lambda: wait(go_on)], waiter, waker, is_enough=lambda result: result) == [True]
    assert not waiter.deadline.is_expired
    go_on.set()


def test_a_result_that_is_not_enough_leaves_all_of_the_time_to_the_others(waker):
    go_on = threading.Event()
    looks = []

    def late():
        wait(go_on)
        return True

    def is_enough(result):
        # Asked when the first result is there; the second comes only then.
        looks.append(result)
        go_on.set()
        return result

    waiter = Waiter(waker, lambda: False, Deadline(LIMIT))
    assert run_aside([lambda: False, late], waiter, waker, is_enough) == [False, True]
    assert looks[0] is False


def test_a_thread_that_cannot_be_had_is_an_error_of_the_connect(waker, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(CannotConnectError, match="cannot start a thread for the connection: can't start new thread"):
        run_aside([lambda: 5], Waiter(waker, lambda: False, Deadline(LIMIT)), waker)


class StartedByInterruption:
    """A thread whose start is interrupted in the wait of its Condition, as Python's may be."""

    def start(self):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")


def test_what_interrupts_the_start_of_a_thread_comes_out_as_it_is():
    with pytest.raises(KeyboardInterrupt):
        helper_threads.start(StartedByInterruption())


@pytest.mark.parametrize("raised", [KeyboardInterrupt, TimeoutError])
def test_so_does_what_interrupts_it_when_the_thread_runs_already(monkeypatch, raised):
    # What it is called from Python 3.13 on, and before.
    name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
    start = getattr(threading, name)

    def start_and_interrupt(*arguments, **options):
        start(*arguments, **options)
        wait(ran)
        # As a signal handler may in that moment.
        raise raised("in a signal handler")

    ran = threading.Event()
    thread = threading.Thread(target=ran.set, daemon=True)
    monkeypatch.setattr(threading, name, start_and_interrupt)
    with pytest.raises(raised, match="in a signal handler"):
        helper_threads.start(thread)
    monkeypatch.undo()
    thread.join(LIMIT)
