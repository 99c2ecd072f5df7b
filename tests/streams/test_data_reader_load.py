"""DataReader over a stream: load, detach, close, and two threads. What is read: test_data_reader.py."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import Call
from support.stream_doubles import Gate, Loading, Pieces, loaded, over, over_text, splits, untimed

from syncws._streams.byte_source import ENDINGS
from syncws._streams.data_reader import DataReader
from syncws._streams.input_stream import InputStream, MemoryInputStream
from syncws.enums import InputStreamOptions
from syncws.errors import (
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    OutOfBoundsError,
)
from syncws.hresult import HResult

NONE, PARTIAL, READ_AHEAD = InputStreamOptions.NONE, InputStreamOptions.PARTIAL, InputStreamOptions.READ_AHEAD

# Load


def test_read_buffer_of_loaded_bytes_does_not_hinder_the_next_load():
    reader = Pieces(b"ab", b"cd").reader()
    reader.load(2)
    buffer = reader.read_buffer(2)
    reader.load(2)
    assert (buffer, reader.read_bytes(2)) == (b"ab", b"cd")


def test_a_detached_buffer_of_a_stream_is_writable_and_does_not_hinder_the_next_load():
    reader = Pieces(b"ab", b"cd").reader()
    reader.load(2)
    buffer = reader.detach_buffer()
    assert reader.load(2) == 2
    buffer.view()[0] = ord("X")
    assert (buffer, reader.read_bytes(2)) == (b"Xb", b"cd")


@pytest.mark.parametrize("stream", [None, b"abc", object()])
def test_a_reader_takes_only_an_input_stream(stream):
    with pytest.raises(InvalidArgumentTypeError, match=f"must be an InputStream, not {type(stream).__name__}"):
        DataReader(stream)


@pytest.mark.parametrize("options", [NONE, READ_AHEAD])
def test_load_waits_for_all_bytes(options):
    reader = Pieces(b"a", b"bc", b"def").reader(options)
    assert reader.load(5) == 5
    assert reader.read_bytes(reader.unconsumed_buffer_length) == b"abcde"


@pytest.mark.parametrize("options", [NONE, READ_AHEAD])
def test_load_gives_less_at_the_end_of_the_stream(options):
    reader = Pieces(b"a", b"bc").reader(options)
    assert [reader.load(5), reader.load(5)] == [3, 0]


@pytest.mark.parametrize("options", [PARTIAL, PARTIAL | READ_AHEAD])
def test_a_partial_load_ends_with_the_first_bytes(options):
    reader = Pieces(b"a", b"bcdef").reader(options)
    assert [reader.load(3), reader.load(3), reader.load(9), reader.load(9)] == [1, 3, 2, 0]
    assert reader.read_bytes(6) == b"abcdef"


def test_load_adds_to_what_is_unread():
    reader = Pieces(b"abcdef").reader()
    reader.load(3)
    reader.read_byte()
    reader.load(3)
    assert reader.unconsumed_buffer_length == 5
    assert reader.read_bytes(5) == b"bcdef"


def test_load_of_nothing_does_not_touch_the_stream():
    pieces = Pieces(b"abc")
    assert pieces.reader().load(0) == 0
    assert (pieces.asked, pieces.begins) == ([], 0)


@pytest.mark.parametrize("count", [-1, 2**32])
def test_load_refuses_a_count_out_of_range(count):
    with pytest.raises(InvalidArgumentError, match="count must be from 0 to 4294967295"):
        Pieces().reader().load(count)


@pytest.mark.parametrize("count", [True, 1.5, None])
def test_load_refuses_a_count_that_is_no_int(count):
    with pytest.raises(InvalidArgumentTypeError, match="count must be an int"):
        Pieces().reader().load(count)


def test_load_asks_for_what_is_missing():
    pieces = Pieces(b"a", b"bc", b"defg")
    assert pieces.reader().load(5) == 5
    assert pieces.asked == [5, 4, 2]


def test_load_takes_memory_only_for_what_comes():
    pieces = Pieces(b"abc")
    assert pieces.reader().load(2**32 - 1) == 3
    assert pieces.asked == [2**32 - 1, 2**32 - 4]


def test_load_of_a_large_content():
    content = bytes(range(256)) * 3000
    reader = DataReader(MemoryInputStream(content))
    assert reader.load(len(content) + 1) == len(content)
    assert reader.read_bytes(len(content)) == content


@pytest.mark.parametrize("error", ENDINGS)
def test_what_came_before_the_connection_was_lost_is_loaded_first(error):
    pieces = Pieces(b"ab", b"c", error("gone"))
    reader = pieces.reader()
    assert (reader.load(4), reader.unconsumed_buffer_length) == (3, 3)
    for _ in range(2):
        with pytest.raises(error, match="gone"):
            reader.load(4)
    assert reader.read_bytes(3) == b"abc"
    assert (pieces.begins, pieces.finishes) == (3, 3)


@pytest.mark.parametrize("error", [OperationTimedOutError("x"), OperationCanceledError("x"), KeyboardInterrupt()])
def test_a_load_that_fails_keeps_what_had_arrived_and_the_next_goes_on(error):
    pieces = Pieces(b"ab", b"c", error, b"def")
    reader = pieces.reader()
    with pytest.raises(type(error)):
        reader.load(5)
    assert reader.unconsumed_buffer_length == 3
    assert (reader.load(2), reader.read_bytes(5), pieces.pieces) == (2, b"abcde", [b"f"])
    assert (pieces.begins, pieces.finishes) == (2, 2)


def test_a_read_before_the_load_is_told_what_is_missing():
    with pytest.raises(OutOfBoundsError, match=r"4 bytes are needed, 0 are loaded: load\(\) brings more"):
        DataReader(MemoryInputStream(b"abcd")).read_uint32()


def test_a_read_beyond_a_message_is_not_told_to_load():
    with pytest.raises(OutOfBoundsError) as caught:
        DataReader.from_buffer(b"abc").read_uint32()
    assert caught.value.message == "4 bytes are needed, 3 are loaded"


def test_a_load_of_a_closed_stream_is_refused():
    stream = MemoryInputStream(b"abc")
    reader = DataReader(stream)
    stream.close()
    with pytest.raises(ObjectClosedError, match="input stream was closed"):
        reader.load(1)


def test_many_loads_move_the_unread_bytes_seldom():
    moved = []

    # To move the front away is to take a slice or to delete one.
    class Counting(bytearray):
        def __delitem__(self, key):
            moved.append(len(self) - key.indices(len(self))[1])
            super().__delitem__(key)

        def __getitem__(self, key):
            part = Counting(super().__getitem__(key))
            moved.append(len(part))
            return part

    reader = DataReader(MemoryInputStream(bytes(25_000)))
    reader._data = Counting()
    reader.load(10_000)
    for _ in range(15_000):
        reader.load(1)
        reader.read_byte()
    assert sum(moved) == 10_000


@pytest.mark.parametrize("make", [over, DataReader.from_buffer])
@pytest.mark.parametrize("member", [lambda reader: reader.load(1), lambda reader: reader.detach_stream()])
def test_a_reader_without_a_stream_has_nothing_to_load_or_detach(make, member):
    with pytest.raises(IllegalMethodCallError, match="has no stream") as caught:
        member(make(b"abc"))
    assert caught.value.hresult == HResult.E_ILLEGAL_METHOD_CALL


# Detach stream, close


def test_a_detached_stream_stays_open():
    pieces = Pieces(b"abcd")
    stream = InputStream(pieces)
    with DataReader(stream) as reader:
        assert reader.detach_stream() is stream
    assert pieces.closes == 0


def test_what_was_loaded_can_be_read_after_detach_stream():
    reader = Pieces(b"abcd").reader()
    reader.load(4)
    reader.detach_stream()
    assert reader.read_bytes(4) == b"abcd"


@pytest.mark.parametrize("member", [lambda reader: reader.load(1), lambda reader: reader.detach_stream()])
def test_a_detached_reader_has_nothing_to_load_or_detach(member):
    reader = Pieces(b"abcd").reader()
    reader.detach_stream()
    with pytest.raises(IllegalMethodCallError, match="has no stream"):
        member(reader)


def test_closing_the_reader_closes_its_stream_once():
    pieces = Pieces(b"abcd")
    with pieces.reader() as reader:
        assert pieces.closes == 0
    reader.close()
    assert pieces.closes == 1


KINDS_OF_VALUES = ["byte", "boolean", "int16", "uint16", "int32", "uint32", "int64", "uint64", "single", "double"]
KINDS_OF_VALUES += ["guid", "date_time", "time_span"]
CLOSED_MEMBERS = [
    *(("read_" + kind, ()) for kind in KINDS_OF_VALUES),
    ("read_bytes", (0,)),
    ("read_bytes", (bytearray(1),)),
    ("read_buffer", (0,)),
    ("read_string", (0,)),
    ("load", (1,)),
    ("detach_buffer", ()),
    ("detach_stream", ()),
]


@pytest.mark.parametrize(("name", "arguments"), CLOSED_MEMBERS)
@pytest.mark.parametrize("make", [over, over_text, loaded], ids=["message", "text", "stream"])
@pytest.mark.parametrize("leave", [DataReader.close, lambda reader: reader.__exit__(None, None, None)])
def test_a_closed_reader_refuses(make, name, arguments, leave):
    reader = make("x" * 32 if make is over_text else b"x" * 32)
    leave(reader)
    with pytest.raises(ObjectClosedError, match="DataReader was closed") as caught:
        getattr(reader, name)(*arguments)
    assert caught.value.hresult == HResult.RO_E_CLOSED


@pytest.mark.parametrize("make", [over, DataReader.from_buffer, loaded])
def test_a_closed_reader_has_nothing_unread(make):
    reader = make(b"abc")
    reader.close()
    assert reader.unconsumed_buffer_length == 0


def test_close_may_be_repeated_without_a_stream():
    reader = over(b"abc")
    reader.close()
    reader.close()
    with reader as entered:
        assert entered is reader


# Two threads

DURING_LOAD = [
    lambda reader: reader.load(1),
    lambda reader: reader.read_byte(),
    lambda reader: reader.read_bytes(0),
    lambda reader: reader.read_string(0),
    lambda reader: reader.read_buffer(0),
    lambda reader: reader.detach_buffer(),
    lambda reader: reader.detach_stream(),
]


@pytest.mark.parametrize("member", DURING_LOAD)
def test_a_second_operation_during_a_load_is_refused(member):
    gate = Gate()
    reader = DataReader(gate.stream)
    with Loading(reader, gate) as loading, pytest.raises(InvalidOperationError, match="another operation") as caught:
        member(reader)
    assert caught.value.hresult == HResult.ERROR_INVALID_OPERATION
    assert (loading.result, reader.read_bytes(4)) == (4, b"abcd")


@pytest.mark.parametrize("content", [b"abcd", b""])
def test_close_during_a_load_ends_it(content):
    gate = Gate(content)
    reader = DataReader(gate.stream)
    with Loading(reader, gate) as loading:
        reader.close()
    if content:
        assert isinstance(loading.result, ObjectClosedError)
    else:
        assert loading.result == 0
    assert reader.unconsumed_buffer_length == 0


def test_what_a_load_has_taken_when_the_reader_is_closed_is_not_unread():
    source = Pieces(b"ab", b"cd")
    reader = source.reader()
    advance = source.advance
    source.advance = lambda count: (advance(count), reader.close())
    with contextlib.suppress(ObjectClosedError):
        reader.load(4)
    assert source.pieces != [b"ab", b"cd"]
    assert reader.unconsumed_buffer_length == 0


@pytest.mark.parametrize("member", DURING_LOAD)
def test_another_thread_may_use_a_reader_when_a_call_has_returned(member):
    reader = Pieces(b"abcd").reader()
    reader.load(2)
    Call(member, reader).result()
    count = reader.unconsumed_buffer_length
    assert len(reader.read_bytes(count)) == count


def test_a_reader_shows_where_its_bytes_come_from():
    reader = Pieces(b"abcd").reader()
    reader.load(2)
    assert repr(reader) == "<DataReader over a stream unconsumed=2>"
    reader.detach_stream()
    assert repr(reader) == "<DataReader in memory unconsumed=2>"
    reader.close()
    assert repr(reader) == "<DataReader closed unconsumed=0>"


# Any split


@untimed
@given(data=st.data())
def test_the_bytes_come_out_as_they_went_in_whatever_the_split(data):
    content = data.draw(st.binary(max_size=200))
    reader = Pieces(*data.draw(splits(content))).reader(InputStreamOptions(data.draw(st.integers(0, 3))))
    taken = b""
    while True:
        count = data.draw(st.integers(1, 50))
        got = reader.load(count)
        assert got <= count
        if not reader.input_stream_options & PARTIAL:
            assert got == min(count, len(content) - len(taken) - (reader.unconsumed_buffer_length - got))
        if got == 0:
            break
        taken += reader.read_bytes(data.draw(st.integers(0, reader.unconsumed_buffer_length)))
    assert taken + reader.read_bytes(reader.unconsumed_buffer_length) == content
