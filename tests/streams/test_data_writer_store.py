"""DataWriter over a stream: store, flush, detach, close, and two threads. What is written: test_data_writer.py."""

import contextlib
import sysconfig
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from support.stream_doubles import LIMIT, Sink, stream_over

from syncws._streams.data_writer import DataWriter
from syncws._streams.output_stream import OutputStream
from syncws._streams.writer_fields import IN_PYTHON
from syncws.enums import UnicodeEncoding
from syncws.errors import (
    ConnectionLostError,
    IllegalMethodCallError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    ObjectClosedError,
    OperationTimedOutError,
)
from syncws.hresult import HResult

NUMBERS = ["byte", "int16", "uint16", "int32", "uint32", "int64", "uint64", "single", "double"]


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def writer(sink):
    return DataWriter(sink.stream)


# Store and flush


@pytest.mark.parametrize("stream", [b"abc", object(), 0])
def test_a_writer_takes_only_an_output_stream(stream):
    with pytest.raises(InvalidArgumentTypeError, match=f"must be an OutputStream, not {type(stream).__name__}"):
        DataWriter(stream)


def test_a_writer_takes_a_subclass_of_output_stream(sink):
    class Own(OutputStream):
        pass

    writer = DataWriter(Own(sink.stream._sink))
    writer.write_byte(1)
    assert (writer.store(), sink.written) == (1, [b"\1"])


def test_nothing_leaves_before_store(writer, sink):
    writer.write_string("abc")
    assert sink.written == []


def test_store_gives_everything_in_one_write(writer, sink):
    writer.write_byte(1)
    writer.write_string("")
    writer.write_bytes(b"ab")
    writer.write_string("cd")
    assert writer.store() == 5
    assert sink.written == [b"\1abcd"]
    assert writer.unstored_buffer_length == 0


def test_store_of_one_part_does_not_copy(writer, sink):
    data = b"abc"
    writer.write_bytes(data)
    writer.store()
    assert sink.written[0] is data


def test_each_store_is_one_write_of_what_is_new(writer, sink):
    for text in ("a", "b"):
        writer.write_string(text)
        writer.store()
    assert sink.written == [b"a", b"b"]


@pytest.mark.parametrize("write", [lambda w: None, lambda w: w.write_string(""), lambda w: w.write_bytes(b"")])
def test_store_with_nothing_written_sends_nothing(writer, sink, write):
    write(writer)
    assert writer.store() == 0
    assert sink.written == []


def test_store_returns_what_the_stream_returns():
    writer = DataWriter(stream_over(lambda data, progress: 77))
    writer.write_byte(1)
    assert writer.store() == 77


ONE_PART_OR_TWO = pytest.mark.parametrize("parts", [["abc"], ["ab", "c"]], ids=["one part", "two parts"])


@ONE_PART_OR_TWO
@pytest.mark.parametrize("error", [ConnectionLostError("x"), OperationTimedOutError("x"), KeyboardInterrupt()])
def test_a_store_that_fails_keeps_the_bytes(writer, sink, error, parts):
    for part in parts:
        writer.write_string(part)
    sink.error = error
    with pytest.raises(type(error)):
        writer.store()
    assert writer.unstored_buffer_length == 3
    assert (writer.store(), sink.written) == (3, [b"abc"])


@ONE_PART_OR_TWO
def test_a_store_that_left_its_bytes_in_the_queue_drops_them(writer, sink, parts):
    for part in parts:
        writer.write_string(part)
    sink.error = OperationTimedOutError("slow", is_queued=True)
    with pytest.raises(OperationTimedOutError, match="slow"):
        writer.store()
    assert writer.unstored_buffer_length == 0
    assert (writer.store(), sink.written) == (0, [])


def test_ctrl_c_while_a_store_that_failed_is_noted_is_not_lost(sink):
    class Interrupted(DataWriter):
        def _forget_queued(self, error, count=1):
            assert type(error) is OperationTimedOutError
            raise KeyboardInterrupt

    sink.error = OperationTimedOutError("slow", is_queued=True)
    with Interrupted(sink.stream) as writer:
        writer.write_string("abc")
        with pytest.raises(KeyboardInterrupt):
            writer.store()
        # The turn was given back.
        sink.error = None
        assert writer.store() == 3


def test_flush_flushes_the_stream_and_does_not_store(writer, sink):
    sink.is_flushed = False
    writer.write_byte(1)
    assert writer.flush() is False
    assert (sink.flushes, sink.written) == (1, [])


WITHOUT_STREAM = [DataWriter.store, DataWriter.flush, DataWriter.detach_stream]


@pytest.mark.parametrize("member", WITHOUT_STREAM)
def test_a_writer_without_a_stream_has_nothing_to_store_to(member):
    writer = DataWriter()
    writer.write_byte(1)
    with pytest.raises(IllegalMethodCallError, match="has no stream") as caught:
        member(writer)
    assert caught.value.hresult == HResult.E_ILLEGAL_METHOD_CALL
    assert writer.detach_buffer() == b"\1"


@pytest.mark.parametrize("member", WITHOUT_STREAM)
def test_a_detached_writer_has_nothing_to_store_to(writer, member):
    writer.detach_stream()
    with pytest.raises(IllegalMethodCallError, match="has no stream"):
        member(writer)


# Detach and close


def test_a_detached_stream_stays_open(sink):
    with DataWriter(sink.stream) as writer:
        writer.write_string("a")
        writer.store()
        assert writer.detach_stream() is sink.stream
    with DataWriter(sink.stream) as writer:
        writer.write_string("b")
        writer.store()
        writer.detach_stream()
    assert (sink.written, sink.closes) == ([b"a", b"b"], 0)


def test_a_stream_that_was_not_detached_is_closed_with_the_writer(sink):
    with DataWriter(sink.stream) as writer:
        writer.write_string("lost")
    assert (sink.written, sink.closes) == ([], 1)
    with DataWriter(sink.stream) as second:
        second.write_string("x")
        with pytest.raises(ObjectClosedError) as caught:
            second.store()
    assert caught.value.hresult == HResult.RO_E_CLOSED


def test_what_was_not_stored_stays_after_detach_stream(writer):
    writer.write_string("abc")
    writer.detach_stream()
    assert writer.detach_buffer() == b"abc"


def test_close_may_be_repeated_and_closes_the_stream_once(writer, sink):
    writer.close()
    writer.close()
    assert sink.closes == 1


ANY_MEMBER = [
    *(("write_" + kind, (1,)) for kind in NUMBERS),
    ("write_boolean", (True,)),
    ("write_guid", (uuid.UUID(int=1),)),
    ("write_date_time", (datetime(2020, 1, 1, tzinfo=UTC),)),
    ("write_time_span", (timedelta(1),)),
    ("write_bytes", (b"abc",)),
    ("write_buffer", (b"abc",)),
    ("write_buffer", (b"abc", 1, 1)),
    ("write_string", ("abc",)),
    ("store", ()),
    ("detach_buffer", ()),
    ("detach_stream", ()),
]


@pytest.mark.parametrize(("name", "arguments"), [*ANY_MEMBER, ("measure_string", ("abc",)), ("flush", ())])
@pytest.mark.parametrize("has_stream", [False, True])
@pytest.mark.parametrize("leave", [DataWriter.close, lambda writer: writer.__exit__(None, None, None)])
def test_a_closed_writer_refuses(sink, name, arguments, has_stream, leave):
    writer = DataWriter(sink.stream if has_stream else None)
    leave(writer)
    with pytest.raises(ObjectClosedError, match="DataWriter was closed") as caught:
        getattr(writer, name)(*arguments)
    assert caught.value.hresult == HResult.RO_E_CLOSED
    assert sink.written == []


@pytest.mark.parametrize("leave", [DataWriter.close, lambda writer: writer.__exit__(None, None, None)])
@pytest.mark.parametrize("has_stream", [False, True])
def test_a_closed_writer_has_nothing_unstored(sink, has_stream, leave):
    writer = DataWriter(sink.stream if has_stream else None)
    writer.write_byte(1)
    leave(writer)
    assert writer.unstored_buffer_length == 0


# Two threads


class Gate:
    """A stream whose write stands still until it is let go or closed."""

    def __init__(self):
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.written = []
        self.stream = stream_over(self.write, close=self.let_go.set)

    def write(self, data, progress):
        self.entered.set()
        assert self.let_go.wait(LIMIT)
        self.written.append(data)
        return len(data)


class Storing:
    """A store of b"abc" that runs in another thread while the block runs."""

    def __init__(self, writer, gate):
        self.writer, self.gate = writer, gate
        self.result = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        self.result = self.writer.store()

    def __enter__(self):
        self.writer.write_string("abc")
        self.thread.start()
        assert self.gate.entered.wait(LIMIT)
        return self

    def __exit__(self, *_):
        self.gate.let_go.set()
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()


@pytest.mark.parametrize(("name", "arguments"), ANY_MEMBER)
def test_a_second_operation_during_a_store_is_refused(name, arguments):
    gate = Gate()
    writer = DataWriter(gate.stream)
    with Storing(writer, gate) as storing, pytest.raises(InvalidOperationError, match="another operation") as caught:
        getattr(writer, name)(*arguments)
    assert caught.value.hresult == HResult.ERROR_INVALID_OPERATION
    assert (storing.result, gate.written, writer.unstored_buffer_length) == (3, [b"abc"], 0)


def test_close_during_a_store_ends_it():
    gate = Gate()
    writer = DataWriter(gate.stream)
    with Storing(writer, gate) as storing:
        writer.close()
        assert gate.let_go.is_set()
    assert (storing.result, writer.unstored_buffer_length) == (3, 0)


@pytest.mark.parametrize(("name", "arguments"), ANY_MEMBER)
def test_an_operation_from_inside_the_stream_is_refused(name, arguments):
    refused = []

    def write(data, progress):
        with pytest.raises(InvalidOperationError):
            getattr(writer, name)(*arguments)
        refused.append(name)
        return len(data)

    writer = DataWriter(stream_over(write))
    writer.write_byte(1)
    assert (writer.store(), refused) == (1, [name])


def test_a_part_that_came_in_during_a_store_is_not_lost(sink):
    def write(data, progress):
        writer._parts.append(b"late")  # as a thread would that had passed the check just before
        return sink.write(data, progress)

    writer = DataWriter(stream_over(write))
    writer.write_string("abc")
    writer.store()
    assert writer.unstored_buffer_length == 4
    assert writer.detach_buffer() == b"late"


def test_a_part_that_another_thread_adds_while_parts_are_put_together_is_stored_once(sink):
    """It had looked whether it may before store() began."""

    class Growing(list):
        def __len__(self):
            return self.then_grow(super().__len__())

        def copy(self):
            return self.then_grow(super().copy())

        def then_grow(self, result):
            if super().__len__() == 2:
                self.append(b"late")
            return result

    writer = DataWriter(sink.stream)
    writer._parts = Growing((b"a", b"b"))
    writer.store()
    writer.store()
    assert sink.written == [b"ab", b"late"]


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="needs threads that run at the same time")
def test_of_threads_that_store_at_the_same_time_one_has_the_turn(sink):
    writer = DataWriter(sink.stream)
    assert writer._turn == [None]
    is_over = threading.Event()
    failures = []

    def store_in_python():
        # What is not for the compiled part: nothing to store, as a rule.
        while not is_over.is_set():
            try:
                IN_PYTHON.store(writer)
            except InvalidOperationError:
                pass
            except IndexError as exc:
                failures.append(exc)

    others = [threading.Thread(target=store_in_python) for _ in range(2)]
    for thread in others:
        thread.start()
    try:
        for _ in range(200_000):
            with contextlib.suppress(InvalidOperationError):
                writer.write_bytes(b"x")
                writer.store()
    finally:
        is_over.set()
        for thread in others:
            thread.join(LIMIT)
    assert (failures, writer._turn) == ([], [None])


# Text that is known to be UTF-8


@pytest.fixture
def told():
    """What a stream was given: each write with whether the writer vouched for its being UTF-8."""
    return []


@pytest.fixture
def telling(told):
    def write(data, progress):
        told.append((bytes(data), "unknown"))
        return len(data)

    def write_text(data):
        told.append((data, "text"))
        return len(data)

    return DataWriter(stream_over(write, write_text=write_text))


def test_one_string_in_utf_8_is_vouched_for(told, telling):
    telling.write_string("zażółć")
    telling.store()
    assert told == [("zażółć".encode(), "text")]


def test_a_string_in_utf_16_is_not_vouched_for(told, telling):
    telling.unicode_encoding = UnicodeEncoding.UTF16_L_E
    telling.write_string("ab")
    telling.store()
    assert told == [("ab".encode("utf-16-le"), "unknown")]


def test_bytes_are_not_vouched_for(told, telling):
    telling.write_bytes(b"\xff\xfe")
    telling.store()
    assert told == [(b"\xff\xfe", "unknown")]


def test_a_string_among_bytes_is_not_vouched_for(told, telling):
    telling.write_string("a")
    telling.write_bytes(b"\xff")
    telling.store()
    telling.write_bytes(b"\xff")
    telling.store()
    assert told == [(b"a\xff", "unknown"), (b"\xff", "unknown")]


def test_a_closed_stream_takes_no_text_either(sink, writer):
    writer.write_string("a")
    sink.stream.close()
    with pytest.raises(ObjectClosedError):
        writer.store()
    assert sink.written == []


def test_a_writer_shows_what_becomes_of_its_bytes(writer):
    writer.write_string("ab")
    assert repr(writer) == "<DataWriter over a stream unstored=2>"
    writer.detach_stream()
    assert repr(writer) == "<DataWriter in memory unstored=2>"
    writer.close()
    assert repr(writer) == "<DataWriter closed unstored=0>"
