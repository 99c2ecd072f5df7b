"""InputStream over callables and MemoryInputStream."""

import gc
import weakref

import pytest

from syncws.enums import InputStreamOptions
from syncws.errors import ConnectionLostError, InvalidArgumentError, InvalidArgumentTypeError, ObjectClosedError
from syncws.hresult import HResult
from syncws.streams.buffer import Buffer
from syncws.streams.input_stream import InputStream, MemoryInputStream


class Source:
    """The callables of a stream, with a record of their calls."""

    def __init__(self, content=b""):
        self.content = content
        self.reads = []
        self.closes = 0

    def read_into(self, view, options):
        self.reads.append((len(view), options))
        count = min(len(view), len(self.content))
        view[:count] = self.content[:count]
        self.content = self.content[count:]
        return count

    def close(self):
        self.closes += 1


@pytest.fixture
def source():
    return Source(b"abcdef")


@pytest.fixture
def stream(source):
    return InputStream(source.read_into, source.close)


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
    assert source.reads == [(3, InputStreamOptions.NONE)]


def test_read_hands_the_options_on(stream, source):
    stream.read(Buffer(3), 3, InputStreamOptions.PARTIAL | InputStreamOptions.READ_AHEAD)
    assert source.reads == [(3, InputStreamOptions.PARTIAL | InputStreamOptions.READ_AHEAD)]


def test_read_fills_another_writable_object(stream):
    target = bytearray(4)
    result = stream.read(target, 3)
    assert (result, result.capacity, target) == (b"abc", 4, b"abc\0")


def test_the_end_of_the_stream_is_no_bytes(stream):
    stream.read(Buffer(6), 6)
    assert stream.read(Buffer(6), 6).length == 0


def test_reading_nothing_does_not_touch_the_stream(stream, source):
    buffer = Buffer(4)
    buffer.length = 4
    assert stream.read(buffer, 0).length == 0
    assert source.reads == []


@pytest.mark.parametrize("target", [Buffer(4), bytearray(4)])
def test_a_count_over_the_capacity_is_refused(stream, source, target):
    with pytest.raises(InvalidArgumentError, match="count 5 is over the buffer's capacity of 4 bytes") as caught:
        stream.read(target, 5)
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert source.reads == []


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
def test_unknown_options_are_refused(stream, options, error):
    with pytest.raises(error, match="options must be"):
        stream.read(Buffer(4), 4, options)


def test_an_error_of_the_connection_is_passed_on():
    def fail(view, options):
        raise ConnectionLostError("gone")

    with pytest.raises(ConnectionLostError, match="gone"):
        InputStream(fail, lambda: None).read(Buffer(4), 4)


def test_a_read_after_close_is_refused(stream, source):
    stream.close()
    with pytest.raises(ObjectClosedError, match="input stream was closed") as caught:
        stream.read(Buffer(4), 4)
    assert caught.value.hresult == HResult.RO_E_CLOSED
    assert source.reads == []


def test_close_may_be_repeated_and_closes_once(stream, source):
    stream.close()
    stream.close()
    assert source.closes == 1


def test_leaving_the_block_closes(stream, source):
    with stream as entered:
        assert entered is stream
        assert source.closes == 0
    assert source.closes == 1


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
    stream.close()
    content.append(0)  # refused with BufferError while somebody looks into it
    with pytest.raises(ObjectClosedError):
        stream.read(Buffer(1), 1)


def test_a_memory_stream_is_in_no_reference_cycle():
    class Tracked(MemoryInputStream):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        stream = Tracked(b"abc")
        reference = weakref.ref(stream)
        del stream
        assert reference() is None
    finally:
        gc.enable()
