"""Tests of InMemoryRandomAccessStream, the documentation's example of DataReader and DataWriter first."""

import pytest

from syncws import (
    Buffer,
    ByteOrder,
    DataReader,
    DataWriter,
    IBuffer,
    IInputStream,
    InMemoryRandomAccessStream,
    InvalidArgumentError,
    IOutputStream,
    ObjectClosedError,
    StreamWebSocket,
    UnicodeEncoding,
)
from syncws._streams import memory_stream

TEXTS = ["Hello", "World", "1 2 3 4 5", "Très bien!", "Goodbye"]


@pytest.fixture
def stream():
    with InMemoryRandomAccessStream() as stream:
        yield stream


def filled(content):
    stream = InMemoryRandomAccessStream()
    stream.write(content)
    return stream


def test_the_documentation_s_example_runs():
    with InMemoryRandomAccessStream() as stream:
        with DataWriter(stream) as writer:
            writer.unicode_encoding = UnicodeEncoding.UTF8
            writer.byte_order = ByteOrder.LITTLE_ENDIAN
            for text in TEXTS:
                writer.write_uint32(writer.measure_string(text))
                writer.write_string(text)
            writer.store()
            writer.flush()
            writer.detach_stream()
        texts = []
        with stream.get_input_stream_at(0) as input_stream, DataReader(input_stream) as reader:
            reader.unicode_encoding = UnicodeEncoding.UTF8
            reader.byte_order = ByteOrder.LITTLE_ENDIAN
            reader.load(stream.size)
            while reader.unconsumed_buffer_length > 0:
                texts.append(reader.read_string(reader.read_uint32()))
            reader.detach_stream()
    assert texts == TEXTS


def test_reads_and_writes_go_on_from_one_position(stream):
    assert stream.write(b"abcdef") == 6
    assert (stream.position, stream.size) == (6, 6)
    stream.seek(2)
    assert bytes(stream.read(Buffer(2), 2)) == b"cd"
    stream.write(b"XYZ")
    stream.seek(0)
    assert bytes(stream.read(Buffer(99), 99)) == b"abcdXYZ"
    assert stream.read(Buffer(1), 1).length == 0


def test_streams_at_a_position_share_the_bytes_and_nothing_else(stream):
    stream.write(b"abcdef")
    stream.get_output_stream_at(1).write(b"--")
    assert bytes(stream.get_input_stream_at(0).read(Buffer(9), 9)) == b"a--def"
    assert stream.get_input_stream_at(4).as_file().read() == b"ef"
    clone = stream.clone_stream()
    assert (clone.position, clone.size, stream.position) == (0, 6, 6)
    stream.close()
    assert bytes(clone.read(Buffer(3), 3)) == b"a--"


def test_a_write_behind_the_end_leaves_zeros(stream):
    stream.seek(3)
    stream.write(b"x")
    assert stream.get_input_stream_at(0).as_file().read() == b"\0\0\0x"


@pytest.mark.parametrize(("size", "content"), [(2, b"ab"), (6, b"abcd\0\0"), (4, b"abcd")])
def test_the_size_can_be_set(size, content):
    stream = filled(b"abcd")
    stream.size = size
    assert stream.get_input_stream_at(0).as_file().read() == content


@pytest.mark.parametrize("owner", [DataWriter, DataReader])
def test_an_owner_that_is_not_detached_closes_it(stream, owner):
    with owner(stream):
        pass
    assert (stream.can_read, stream.can_write) == (False, False)
    for call in (
        lambda: stream.write(b"x"),
        lambda: stream.read(Buffer(1), 1),
        lambda: stream.size,
        stream.clone_stream,
    ):
        with pytest.raises(ObjectClosedError):
            call()
    assert repr(stream) == "<InMemoryRandomAccessStream closed>"


@pytest.mark.parametrize("position", [-1, 1 << 63])
def test_a_position_out_of_range_is_refused(stream, position):
    for call in (stream.seek, stream.get_input_stream_at, stream.get_output_stream_at):
        with pytest.raises(InvalidArgumentError):
            call(position)


def test_the_interfaces_are_types_for_isinstance(stream):
    socket = StreamWebSocket()
    assert isinstance(socket.input_stream, IInputStream)
    assert isinstance(socket.output_stream, IOutputStream)
    assert isinstance(Buffer(1), IBuffer)
    assert isinstance(stream, IInputStream)
    assert isinstance(stream, IOutputStream)
    assert not isinstance(socket.output_stream, IInputStream)


def test_progress_of_a_write_is_told_once_it_is_done(stream):
    told = []
    assert stream.write(b"abc", progress=told.append) == 3
    assert told == [3]


def test_writing_nothing_behind_the_end_does_not_make_the_stream_longer(stream):
    stream.seek(5)
    assert stream.write(b"") == 0
    assert (stream.size, stream.position) == (0, 5)


def test_what_a_failed_read_had_taken_can_be_read_again():
    cursor = memory_stream._Cursor(bytearray(b"abc"), 0)
    cursor.advance(2)
    cursor.put_back(b"ab")
    assert bytes(cursor.peek(3)) == b"abc"


def test_a_closed_stream_says_so_when_shown():
    stream = filled(b"abc")
    assert repr(stream) == "<InMemoryRandomAccessStream position=3 size=3>"
    stream.close()
    assert repr(stream) == "<InMemoryRandomAccessStream closed>"


def test_a_closed_stream_holds_no_bytes_and_takes_them_from_no_other():
    stream = filled(b"abc")
    other = stream.clone_stream()
    stream.close()
    assert len(stream._cursor.content) == 0
    assert other.size == 3
