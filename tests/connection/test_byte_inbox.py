"""ByteInbox: bytes that come out in the order in which they went in, however they are put in and taken."""

import random
import threading
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import join
from support.calls import Call
from support.doubles import CallCount
from support.fakes import interrupt_at

from syncws._connection.receiving.byte_inbox import ByteInbox
from syncws._streams.operation import Operation
from syncws._waiting.deadline import FOREVER, Deadline
from syncws.errors import (
    InvalidOperationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    WebSocketError,
)
from syncws.hresult import HResult

BYTES = random.Random(1).randbytes(1 << 20)


@pytest.fixture
def inbox(rooms):
    return ByteInbox(10, rooms)


def begin(inbox, deadline):
    operation = Operation()
    try:
        inbox.begin(operation, deadline)
    except WebSocketError:
        operation.is_over = True
        raise
    return operation


def take(inbox, count):
    """Take up to `count` bytes that lie together."""
    taken = bytes(inbox.peek(count))
    inbox.advance(len(taken))
    return taken


def take_all(inbox):
    taken = []
    while inbox.size:
        taken.append(take(inbox, 1 << 20))
    return b"".join(taken)


def waiting_peek(inbox):
    """A thread that waits for bytes; also what it is given."""
    shown = []

    def read():
        operation = begin(inbox, FOREVER)
        try:
            shown.append(bytes(inbox.peek(100)))
        finally:
            operation.is_over = True

    call = Call(read)
    while inbox._signal is None:
        pass
    return call, shown


SIZES = st.one_of(st.integers(1, 40), st.integers(16380, 16390), st.just(40000))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), SIZES),
        st.tuples(st.just("take"), SIZES),
        st.tuples(st.just("peek"), SIZES),
        st.tuples(st.just("put_back"), SIZES),
    ),
    max_size=25,
)


KINDS = st.sampled_from([bytes, memoryview])


@settings(deadline=None)
@given(STEPS, KINDS)
def test_bytes_come_out_in_order_and_none_twice(steps, kind):
    inbox = ByteInbox(30000, lambda: None)
    begin(inbox, Deadline(0.0))
    end = 0
    for step, size in steps:
        position = inbox.position
        if step == "put":
            inbox.put(kind(BYTES)[end : end + size])
            end += size
        elif step == "put_back":
            size = min(size, position)
            inbox.put_back(BYTES[position - size : position])
            assert inbox.position == position - size
        elif position == end:
            with pytest.raises(OperationTimedOutError):
                inbox.peek(size)
        else:
            shown = inbox.peek(size)
            assert 1 <= len(shown) <= size
            assert shown == BYTES[position : position + len(shown)]
            if step == "take":
                inbox.advance(len(shown))
                assert inbox.position == position + len(shown)
            del shown
        assert inbox.size == end - inbox.position
    position = inbox.position
    assert take_all(inbox) == BYTES[position:end]
    assert inbox.size == 0


@settings(deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=20), st.integers(500, 40000))
def test_full_and_told_of_room_at_half(sizes, count):
    rooms = CallCount()
    inbox = ByteInbox(20000, rooms)
    begin(inbox, Deadline(0.0))
    end = 0
    for size in sizes:
        inbox.put(BYTES[end : end + size])
        end += size
    is_full = inbox.is_full
    assert is_full is (end >= 20000)
    while inbox.size:
        inbox.advance(len(inbox.peek(count)))
        assert inbox.is_full is (is_full and inbox.size > 10000)
    assert rooms.count == (1 if is_full else 0)


def test_it_is_full_at_its_capacity_and_not_before(inbox, rooms):
    inbox.put(b"123456789")
    assert not inbox.is_full
    inbox.put(b"0")
    assert inbox.is_full
    assert rooms.count == 0


def test_room_is_told_once_when_half_is_free(inbox, rooms):
    inbox.put(b"1234567890")
    begin(inbox, FOREVER)
    take(inbox, 4)
    assert (rooms.count, inbox.is_full) == (0, True)
    take(inbox, 1)
    assert (rooms.count, inbox.is_full) == (1, False)
    take(inbox, 5)
    assert rooms.count == 1


def test_small_puts_do_not_cost_an_object_each():
    inbox = ByteInbox(1 << 20, lambda: None)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20_000):
            inbox.put(b"x")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10 * 20_000
    begin(inbox, FOREVER)
    assert take_all(inbox) == b"x" * 20_000


def test_a_large_put_is_given_out_without_a_copy(inbox):
    large = bytes(16384)
    inbox.put(large)
    begin(inbox, FOREVER)
    assert inbox.peek(20000).obj is large


def test_what_comes_while_bytes_are_shown_goes_behind_them(inbox):
    inbox.put(b"one")
    begin(inbox, FOREVER)
    shown = inbox.peek(100)
    inbox.put(b"two")
    assert shown == b"one"
    del shown
    assert take_all(inbox) == b"onetwo"


# Waiting.


def test_peek_waits_for_bytes(inbox):
    call, shown = waiting_peek(inbox)
    inbox.put(b"here")
    assert call.end() is None
    assert shown == [b"here"]


def test_peek_ends_when_its_time_is_over_and_the_bytes_come_for_the_next(inbox):
    operation = begin(inbox, Deadline(0.01))
    with pytest.raises(OperationTimedOutError) as caught:
        inbox.peek(1)
    assert caught.value.hresult == HResult.WININET_E_TIMEOUT
    operation.is_over = True
    inbox.put(b"late")
    begin(inbox, Deadline(0.0))
    assert take(inbox, 100) == b"late"


def test_a_second_thread_is_refused_until_the_first_has_finished(inbox):
    operation = begin(inbox, FOREVER)
    error = Call(begin, inbox, FOREVER).end()
    assert isinstance(error, InvalidOperationError)
    assert error.hresult & 0xFFFFFFFF == 0x800710DD
    operation.is_over = True
    assert Call(begin, inbox, FOREVER).end() is None


# The end.


def test_a_wait_ends_empty_at_the_end(inbox):
    call, shown = waiting_peek(inbox)
    inbox.end(keep=True)
    assert call.end() is None
    assert shown == [b""]


def test_an_end_by_a_signal_handler_just_before_a_wait_is_not_waited_past(inbox, monkeypatch):
    make_signal = ByteInbox._make_signal

    def end_and_make(inbox):
        inbox.end(keep=True)
        return make_signal(inbox)

    monkeypatch.setattr(ByteInbox, "_make_signal", end_and_make)
    begin(inbox, Deadline(0.0))
    assert inbox.peek(1) == b""


def test_what_was_there_before_the_end_is_given_out_first(inbox):
    inbox.put(b"last")
    inbox.end(keep=True)
    inbox.put(b"too late")
    begin(inbox, FOREVER)
    assert inbox.is_ended
    assert [take(inbox, 100), take(inbox, 100), take(inbox, 100)] == [b"last", b"", b""]


@pytest.mark.parametrize("how", ["drop", "end"])
def test_a_wait_is_canceled_when_all_is_dropped(inbox, how):
    call, shown = waiting_peek(inbox)
    inbox.drop() if how == "drop" else inbox.end(keep=False)
    error = call.end()
    assert isinstance(error, OperationCanceledError)
    assert error.hresult == HResult.WININET_E_OPERATION_CANCELLED
    assert shown == []


@pytest.mark.parametrize("how", ["drop", "end"])
def test_nothing_can_be_read_after_all_was_dropped(inbox, how):
    inbox.put(b"one")
    inbox.drop() if how == "drop" else inbox.end(keep=False)
    inbox.put(b"two")
    assert inbox.size == 0
    for _ in range(2):
        with pytest.raises(ObjectClosedError) as caught:
            begin(inbox, FOREVER)
        assert caught.value.hresult == HResult.RO_E_CLOSED
    # Whoever comes is refused for that reason, not for another thread's sake.
    assert isinstance(Call(begin, inbox, FOREVER).end(), ObjectClosedError)


def test_drop_tells_of_room_in_a_full_inbox_which_is_never_full_again(inbox, rooms):
    inbox.put(b"1234567890")
    inbox.drop()
    assert (rooms.count, inbox.is_full) == (1, False)
    inbox.put(b"1234567890")
    assert not inbox.is_full


def test_bytes_that_were_shown_can_be_taken_although_all_was_dropped_meanwhile(inbox):
    inbox.put(b"shown")
    begin(inbox, FOREVER)
    shown = inbox.peek(100)
    inbox.drop()
    assert shown == b"shown"
    inbox.advance(5)
    assert (inbox.position, inbox.size) == (5, 0)
    with pytest.raises(OperationCanceledError):
        inbox.peek(1)


def test_what_is_put_back_after_all_was_dropped_is_dropped_too(inbox):
    inbox.put(b"taken")
    begin(inbox, FOREVER)
    take(inbox, 5)
    inbox.drop()
    inbox.put_back(b"taken")
    assert inbox.size == 0
    with pytest.raises(OperationCanceledError):
        inbox.peek(1)


# Interruptions.


def peek_one(inbox):
    inbox.peek(7)


def advance_one(inbox):
    inbox.advance(7)


def put_back_some(inbox):
    inbox.put_back(BYTES[inbox.position - 2 : inbox.position])


@pytest.mark.parametrize("operation", [peek_one, advance_one, put_back_some])
@pytest.mark.parametrize(
    ("size", "kind"), [(9, bytes), (20000, bytes), (20000, memoryview)], ids=["small chunks", "large chunks", "views"]
)
def test_an_interruption_anywhere_loses_nothing(operation, size, kind):
    for line in range(60):
        inbox = ByteInbox(2 * size, lambda: None)
        inbox.put(kind(BYTES)[:size])
        reading = begin(inbox, FOREVER)
        take(inbox, 2)
        inbox.put(kind(BYTES)[size : 2 * size])
        if not interrupt_at(line, operation, inbox):
            break
        reading.is_over = True
        begin(inbox, FOREVER)
        position = inbox.position
        assert take_all(inbox) == BYTES[position : 2 * size], f"place {line}"
    assert line < 59


def test_bytes_pass_between_two_threads_in_order():
    inbox = ByteInbox(5000, lambda: None)
    chooser = random.Random(2)

    def put_all():
        position = 0
        while position < len(BYTES):
            size = chooser.choice([1, 7, 300, 16384, 20000])
            inbox.put(BYTES[position : position + size])
            position += size
        inbox.end(keep=True)

    reader_chooser = random.Random(3)
    putting = threading.Thread(target=put_all)
    begin(inbox, FOREVER)
    putting.start()
    taken = bytearray()
    while piece := take(inbox, reader_chooser.choice([1, 50, 20000, 100000])):
        taken += piece
    join(putting)
    assert taken == BYTES


def test_room_is_told_of_under_the_lock_so_that_it_cannot_be_filled_at_that_moment_unnoticed():
    held = []
    inbox = ByteInbox(4, lambda: held.append(inbox._lock._is_owned()))
    begin(inbox, FOREVER)
    inbox.put(b"abcd")
    inbox.advance(len(inbox.peek(4)))
    inbox.put(b"efgh")
    inbox.drop()
    assert held == [True, True]


def test_room_is_told_of_at_the_next_read_when_an_interruption_kept_the_reader_from_hearing_of_it():
    told = []

    def tell():
        told.append(inbox.is_full)
        if len(told) == 1:
            raise KeyboardInterrupt

    inbox = ByteInbox(4, tell)
    begin(inbox, Deadline(0.0))
    inbox.put(b"abcd")
    with pytest.raises(KeyboardInterrupt):
        inbox.advance(len(inbox.peek(4)))
    # Nothing is left whose taking would tell of room.
    with pytest.raises(OperationTimedOutError):
        inbox.peek(1)
    assert told == [False, False]


def test_room_that_is_made_just_before_the_inbox_is_full_is_told_of(monkeypatch, inbox, rooms):
    note_full = ByteInbox._note_full

    def note_full_late(inbox):
        inbox.advance(8)
        note_full(inbox)

    monkeypatch.setattr(ByteInbox, "_note_full", note_full_late)
    begin(inbox, FOREVER)
    inbox.put(b"12345678")
    assert inbox.peek(8) == b"12345678"
    inbox.put(b"90")
    assert (rooms.count, inbox.is_full) == (1, False)


# What lies at hand.


@pytest.fixture
def pulled(inbox):
    """An inbox of a program that reads the socket itself, with some bytes."""
    inbox.is_pulled = True
    inbox.put(b"abc\ndef")
    return inbox


def test_bytes_that_lie_there_are_taken_at_once(pulled):
    assert [pulled.take_at_hand(2), pulled.take_at_hand(10, b"\n"), pulled.take_at_hand(3)] == [b"ab", b"c\n", b"def"]
    assert pulled.position == 7
    assert pulled.size == 0


def test_what_comes_after_all_was_taken_at_once_is_given_out(pulled):
    assert pulled.take_at_hand(7) == b"abc\ndef"
    begin(pulled, Deadline(0.0))
    with pytest.raises(OperationTimedOutError):
        pulled.peek(1)
    pulled.put(b"ghi")
    assert take_all(pulled) == b"ghi"


@pytest.mark.parametrize("arguments", [(8,), (10, b"x"), (3, b"\n"), (0,)], ids=["count", "stop", "too far", "none"])
def test_what_does_not_lie_there_is_not_taken_at_once(pulled, arguments):
    assert pulled.take_at_hand(*arguments) is None
    assert take_all(pulled) == b"abc\ndef"


def test_a_short_line_of_a_view_is_taken_at_once_and_a_long_one_is_not(rooms):
    inbox = ByteInbox(40000, rooms)
    inbox.is_pulled = True
    short, long = b"x" * 1000 + b"\n", b"y" * 10000 + b"\n"
    inbox.put(memoryview(short + long + short * 9))
    assert inbox.take_at_hand(40000, b"\n") == short
    assert inbox.take_at_hand(40000, b"\n") is None
    assert inbox.take_at_hand(len(long)) == long
    assert inbox.take_at_hand(40000, b"\n") == short


def let_a_thread_read(inbox):
    inbox.stop_pulling()


def let_another_take(inbox):
    inbox.begin(Operation(), FOREVER)


def fill(inbox):
    inbox.put(b"123")


@pytest.mark.parametrize("happen", [let_a_thread_read, let_another_take, ByteInbox.fileno, fill, ByteInbox.drop])
def test_nothing_is_taken_at_once_when_somebody_is_to_be_told_or_refused(pulled, happen):
    happen(pulled)
    assert pulled.take_at_hand(2) is None
    assert pulled.position == 0
    if pulled.has_descriptor:
        pulled._descriptor._waker.close()


def test_another_read_is_refused_while_bytes_are_taken_at_once(pulled):
    refused = []

    def read(_):
        refused.append(pulled.take_at_hand(1))
        with pytest.raises(InvalidOperationError):
            begin(pulled, FOREVER)

    assert pulled.take_at_hand(2, put=read) == b"ab"
    assert refused == [None]
    begin(pulled, FOREVER)


@pytest.mark.parametrize("happen", [fill, ByteInbox.drop])
def test_what_is_full_or_dropped_in_the_midst_is_not_taken_at_once(pulled, happen):
    assert pulled.take_at_hand(2, put=lambda _: happen(pulled)) is None
    assert pulled.position == 0
    assert not pulled.is_being_taken


@pytest.mark.parametrize("size", [9, 20000], ids=["small chunk", "large chunk"])
def test_an_interruption_takes_all_at_once_or_nothing(size):
    for place in range(30):
        inbox = ByteInbox(2 * size, lambda: None)
        inbox.is_pulled = True
        inbox.put(BYTES[:size])
        put = []
        if not interrupt_at(place, inbox.take_at_hand, 5, b"", put.append):
            break
        assert inbox.position == 0, f"place {place}"
        assert put in ([], [BYTES[:5]])
        begin(inbox, FOREVER)
    assert 3 < place < 29
    assert inbox.position == 5


@given(
    st.lists(
        st.one_of(st.integers(1, 40_000), st.tuples(st.integers(1, 40_000), st.sampled_from([b"", b"\n", None]))),
        max_size=60,
    ),
    KINDS,
)
def test_what_is_taken_at_once_and_what_is_not_come_in_order(steps, kind):
    inbox = ByteInbox(1 << 22, lambda: None)
    inbox.is_pulled = True
    expected, got = bytearray(), bytearray()
    for step in steps:
        if isinstance(step, int):
            start = len(expected) % (1 << 19)
            data = BYTES[start : start + step]
            expected += data
            inbox.put(kind(data))
            continue
        count, stop = step
        data = None if stop is None else inbox.take_at_hand(count, stop)
        if data is None:
            reading = begin(inbox, Deadline(0.0))
            try:
                data = take(inbox, count)
            except OperationTimedOutError:
                data = b""
            reading.is_over = True
        elif stop:
            assert data.endswith(b"\n")
            assert data.count(b"\n") == 1
        else:
            assert len(data) == count
        got += data
    begin(inbox, FOREVER)
    assert got + take_all(inbox) == expected
    assert inbox.position == len(expected)
