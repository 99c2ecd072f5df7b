"""InputStream over a source, MemoryInputStream, and MemorySource. Interruptions: test_nothing_lost.py."""

import gc
import threading
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import join, wait
from support.stream_doubles import Gate, Pieces, splits, untimed

from syncws._streams.buffer import Buffer
from syncws._streams.byte_source import ENDINGS, MemorySource
from syncws._streams.input_stream import InputStream, MemoryInputStream
from syncws.enums import InputStreamOptions
from syncws.errors import (
    InvalidArgumentError,
    InvalidArgumentTypeError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
)
from syncws.hresult import HResult

NONE, PARTIAL, READ_AHEAD = InputStreamOptions.NONE, InputStreamOptions.PARTIAL, InputStreamOptions.READ_AHEAD


@pytest.fixture
def source():
    return Pieces(b"abcdef")


@pytest.fixture
def stream(source):
    return source.stream()


# Read


def test_read_fills_a_buffer_and_returns_it(stream):
    buffer = Buffer(8)
    assert stream.read(buffer, 4) is buffer
    assert (buffer, buffer.length) == (b"abcd", 4)


def test_read_starts_at_the_front_of_the_buffer_again(stream):
    buffer = Buffer(8)
    stream.read(buffer, 4)
    stream.read(buffer, 2)
    assert buffer == b"ef"


def test_read_asks_for_the_count_and_not_for_the_capacity(stream, source):
    stream.read(Buffer(100), 3)
    assert (source.asked, source.position) == ([3], 3)


def test_read_fills_another_writable_object(stream):
    target = bytearray(4)
    result = stream.read(target, 3)
    assert (result, result.capacity, target) == (b"abc", 4, b"abc\0")


def test_the_end_of_the_stream_is_no_bytes(stream):
    stream.read(Buffer(6), 6)
    buffer = Buffer(6)
    buffer.length = 6
    assert stream.read(buffer, 6).length == 0


def test_reading_nothing_does_not_touch_the_stream(stream, source):
    buffer = Buffer(4)
    buffer.length = 4
    assert stream.read(buffer, 0).length == 0
    assert (source.begins, source.asked) == (0, [])


@pytest.mark.parametrize("options", [NONE, READ_AHEAD])
def test_read_waits_for_all_bytes(options):
    source = Pieces(b"a", b"bc", b"def")
    assert source.stream().read(Buffer(9), 5, options) == b"abcde"
    assert source.asked == [5, 4, 2]


@pytest.mark.parametrize("options", [PARTIAL, PARTIAL | READ_AHEAD])
def test_a_partial_read_ends_with_the_first_bytes(options):
    stream = Pieces(b"a", b"bcdef").stream()
    assert [bytes(stream.read(Buffer(3), 3, options)) for _ in range(4)] == [b"a", b"bcd", b"ef", b""]


@untimed
@given(data=st.data())
def test_any_split_gives_the_content_with_any_options(data):
    content = data.draw(st.binary(max_size=200))
    options = InputStreamOptions(data.draw(st.integers(0, 3)))
    source = Pieces(*data.draw(splits(content)))
    stream = source.stream()
    read = b""
    while True:
        count = data.draw(st.integers(1, 60))
        first = len(source.pieces[0]) if source.pieces else 0
        got = bytes(stream.read(Buffer(count), count, options))
        whole = min(count, len(content) - len(read))
        assert len(got) == (min(count, first) if options & PARTIAL else whole)
        read += got
        if not got:
            break
    assert read == content
    assert source.begins == source.finishes


# Arguments


@pytest.mark.parametrize("target", [Buffer(4), bytearray(4)])
def test_a_count_over_the_capacity_is_refused(stream, source, target):
    with pytest.raises(InvalidArgumentError, match="count 5 is over the buffer's capacity of 4 bytes") as caught:
        stream.read(target, 5)
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert source.begins == 0


@pytest.mark.parametrize("count", [-1, 2**32])
def test_a_count_out_of_range_is_refused(stream, count):
    with pytest.raises(InvalidArgumentError, match="count must be from 0 to 4294967295"):
        stream.read(Buffer(4), count)


@pytest.mark.parametrize("count", [True, 1.0, None])
def test_a_count_that_is_no_int_is_refused(stream, count):
    with pytest.raises(InvalidArgumentTypeError, match="count must be an int"):
        stream.read(Buffer(4), count)


@pytest.mark.parametrize("target", [b"abcd", Buffer._over(b"abcd")])
def test_a_read_only_buffer_is_refused(stream, target):
    with pytest.raises(InvalidArgumentError, match="buffer must be writable"):
        stream.read(target, 4)


@pytest.mark.parametrize(("options", "error"), [(4, InvalidArgumentError), ("x", InvalidArgumentTypeError)])
@pytest.mark.parametrize("count", [0, 4])
def test_unknown_options_are_refused(stream, options, error, count):
    with pytest.raises(error, match="options must be"):
        stream.read(Buffer(4), count, options)


# Errors of the source


@pytest.mark.parametrize("error", ENDINGS)
def test_what_came_before_the_connection_was_lost_comes_first(error):
    source = Pieces(b"ab", b"c", error("gone"))
    stream = source.stream()
    assert stream.read(Buffer(4), 4) == b"abc"
    for _ in range(2):
        with pytest.raises(error, match="gone"):
            stream.read(Buffer(4), 4)
    assert (source.begins, source.finishes) == (3, 3)


@pytest.mark.parametrize("options", [NONE, PARTIAL])
@pytest.mark.parametrize("error", [OperationTimedOutError("x"), OperationCanceledError("x"), KeyboardInterrupt()])
def test_a_read_that_fails_before_any_byte_takes_nothing(error, options):
    source = Pieces(error, b"abc")
    stream = source.stream()
    buffer = Buffer(3)
    with pytest.raises(type(error)):
        stream.read(buffer, 3, options)
    assert (buffer.length, source.position, source.finishes) == (0, 0, 1)
    assert stream.read(buffer, 3) == b"abc"


@pytest.mark.parametrize("error", [OperationTimedOutError("x"), OperationCanceledError("x"), KeyboardInterrupt()])
def test_a_read_that_fails_in_the_middle_puts_back_what_it_had(error):
    source = Pieces(b"ab", b"c", error, b"def")
    stream = source.stream()
    buffer = Buffer(5)
    with pytest.raises(type(error)):
        stream.read(buffer, 5)
    assert (buffer.length, source.position, source.pieces) == (0, 0, [b"abc", b"def"])
    assert stream.read(buffer, 4) == b"abcd"
    assert (source.begins, source.finishes) == (2, 2)


@pytest.mark.parametrize("read", [lambda s: s.read(Buffer(1), 1), lambda s: s.as_file().read(1)], ids=["read", "file"])
def test_an_operation_that_the_source_refuses_reads_nothing(read):
    class Refusing(Pieces):
        def begin(self, operation):
            raise OperationCanceledError("no")

    source = Refusing(b"abc")
    with pytest.raises(OperationCanceledError, match="no"):
        read(source.stream())
    assert (source.position, source.asked) == (0, [])


# Close


def test_a_read_after_close_is_refused(stream, source):
    stream.close()
    with pytest.raises(ObjectClosedError, match="by a DataReader that was not detached") as caught:
        stream.read(Buffer(4), 4)
    assert caught.value.hresult == HResult.RO_E_CLOSED
    assert source.begins == 0


def test_a_file_cannot_be_made_of_a_closed_stream(stream):
    stream.close()
    with pytest.raises(ObjectClosedError, match="input stream was closed"):
        stream.as_file()


def test_close_during_a_read_is_passed_on_to_the_source():
    gate = Gate()
    results = []
    thread = threading.Thread(target=lambda: results.append(bytes(gate.stream.read(Buffer(4), 4))))
    thread.start()
    wait(gate.entered)
    gate.stream.close()
    join(thread)
    assert results == [b"abcd"]


def test_close_may_be_repeated_and_closes_once(stream, source):
    stream.close()
    stream.close()
    assert source.closes == 1


def test_leaving_the_block_closes(stream, source):
    with stream as entered:
        assert entered is stream
        assert source.closes == 0
    assert source.closes == 1


# In memory


@pytest.mark.parametrize("content", [b"abcdef", bytearray(b"abcdef"), memoryview(b"abcdef"), Buffer._over(b"abcdef")])
def test_a_memory_stream_gives_its_content_and_then_the_end(content):
    with MemoryInputStream(content) as stream:
        pieces = [bytes(stream.read(Buffer(4), 4)) for _ in range(3)]
    assert pieces == [b"abcd", b"ef", b""]


def test_a_memory_stream_refuses_text():
    with pytest.raises(InvalidArgumentTypeError, match="content must be bytes, not str"):
        MemoryInputStream("text")


def test_a_closed_memory_stream_lets_its_content_go():
    content = bytearray(b"abc")
    stream = MemoryInputStream(content)
    stream.read(Buffer(2), 2)
    stream.close()
    content.append(0)  # refused with BufferError while somebody looks into it
    with pytest.raises(ObjectClosedError):
        stream.read(Buffer(1), 1)


def test_a_memory_source_shows_without_taking():
    source = MemorySource(memoryview(b"abcdef"))
    source.begin(source)
    assert [bytes(source.peek(4)), bytes(source.peek(2)), source.position] == [b"abcd", b"ab", 0]
    source.advance(3)
    assert (bytes(source.peek(9)), source.position) == (b"def", 3)
    source.put_back(b"bc")
    assert (bytes(source.peek(9)), source.position) == (b"bcdef", 1)


def test_a_closed_memory_source_is_at_its_end():
    source = MemorySource(memoryview(b"abc"))
    source.close()
    assert bytes(source.peek(3)) == b""


@pytest.mark.parametrize("use", [lambda stream: None, lambda stream: stream.as_file().read(1)], ids=["read", "file"])
def test_a_memory_stream_is_in_no_reference_cycle(use):
    gc.disable()
    try:
        stream = MemoryInputStream(b"abc")
        use(stream)
        reference = weakref.ref(stream)
        del stream
        assert reference() is None
    finally:
        gc.enable()


def test_a_read_lets_go_of_the_view_that_the_source_showed():
    views = []

    class Keeping(MemorySource):
        def peek(self, count):
            views.append(super().peek(count))
            return views[-1]

    InputStream(Keeping(memoryview(b"abc"))).read(Buffer(2), 2)
    with pytest.raises(ValueError, match="released"):
        views[0].tobytes()
