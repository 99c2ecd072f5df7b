"""DataReader over a stream: load, detach, close, and two threads. What is read: test_data_reader.py."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_doubles import Gate, Loading, Pieces, loaded, over, over_text, untimed

from syncws.enums import InputStreamOptions
from syncws.errors import (
    ConnectionLostError,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    ObjectClosedError,
)
from syncws.hresult import HResult
from syncws.streams import reader_core
from syncws.streams.buffer import Buffer
from syncws.streams.data_reader import DataReader
from syncws.streams.input_stream import InputStream, MemoryInputStream

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
    assert pieces.asked == []


@pytest.mark.parametrize("count", [-1, 2**32])
def test_load_refuses_a_count_out_of_range(count):
    with pytest.raises(InvalidArgumentError, match="count must be from 0 to 4294967295"):
        Pieces().reader().load(count)


@pytest.mark.parametrize("count", [True, 1.5, None])
def test_load_refuses_a_count_that_is_no_int(count):
    with pytest.raises(InvalidArgumentTypeError, match="count must be an int"):
        Pieces().reader().load(count)


def test_load_takes_memory_in_small_steps_whatever_the_count():
    pieces = Pieces(b"abc")
    assert pieces.reader().load(2**32 - 1) == 3
    assert set(pieces.asked) == {256 * 1024}


def test_load_of_more_than_a_step():
    content = bytes(range(256)) * 3000
    reader = DataReader(MemoryInputStream(content))
    assert reader.load(len(content) + 1) == len(content)
    assert reader.read_bytes(len(content)) == content


def test_a_load_that_fails_keeps_what_had_arrived():
    reader = Pieces(b"ab", ConnectionLostError("gone"), b"cd").reader()
    with pytest.raises(ConnectionLostError, match="gone"):
        reader.load(4)
    assert reader.read_bytes(2) == b"ab"
    assert reader.load(2) == 2


def test_many_loads_move_the_unread_bytes_seldom(monkeypatch):
    moved = []

    class Watched(bytearray):
        def __delitem__(self, key):
            moved.append(len(self) - key.stop)
            super().__delitem__(key)

    reader = DataReader(MemoryInputStream(bytes(20_000)))
    reader._data = Watched()
    reader.load(10_000)
    for _ in range(10_000):
        reader.load(1)
        reader.read_byte()
    assert sum(moved) <= 20_000


def test_a_stream_may_give_another_buffer_than_the_one_it_got():
    class Other(InputStream):
        def read(self, buffer, count, options=NONE, /):
            return Buffer._over(b"abc")

    reader = DataReader(Other(lambda view, options: 0, lambda: None))
    reader.input_stream_options = PARTIAL
    assert (reader.load(3), reader.read_bytes(3)) == (3, b"abc")


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


def test_a_load_from_inside_the_stream_is_refused():
    results = []

    def read_into(view, options):
        with pytest.raises(InvalidOperationError):
            reader.load(1)
        results.append("refused")
        return 0

    reader = DataReader(InputStream(read_into, lambda: None))
    assert (reader.load(1), results) == (0, ["refused"])


# Any split


@untimed
@given(data=st.data())
def test_the_bytes_come_out_as_they_went_in_whatever_the_split(data):
    content = data.draw(st.binary(max_size=200))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    edges = [0, *cuts, len(content)]
    pieces = [content[a:b] for a, b in itertools.pairwise(edges) if a < b]
    reader = Pieces(*pieces).reader(InputStreamOptions(data.draw(st.integers(0, 3))))
    chunk = data.draw(st.integers(1, 64))
    taken = b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader_core, "_CHUNK_SIZE", chunk)
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
