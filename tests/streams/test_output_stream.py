"""OutputStream over callables."""

import array

import pytest

from syncws.errors import ConnectionLostError, InvalidArgumentTypeError, ObjectClosedError
from syncws.hresult import HResult
from syncws.streams.buffer import Buffer
from syncws.streams.output_stream import OutputStream


class Sink:
    """The callables of a stream, with a record of their calls."""

    def __init__(self):
        self.written = []
        self.flushes = 0
        self.closes = 0
        self.is_flushed = True

    def write(self, data):
        self.written.append(data)
        return len(data)

    def flush(self):
        self.flushes += 1
        return self.is_flushed

    def close(self):
        self.closes += 1


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def stream(sink):
    return OutputStream(sink.write, sink.flush, sink.close)


def test_bytes_are_passed_on_as_they_are(stream, sink):
    data = b"abc"
    assert stream.write(data) == 3
    assert sink.written[0] is data


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abc"), b"abc"),
        (array.array("H", [0x0202]), b"\2\2"),
        (Buffer._over(b"abc"), b"abc"),
    ],
)
def test_other_buffers_are_passed_on_as_flat_views(stream, sink, data, content):
    assert stream.write(data) == len(content)
    assert sink.written[0].format == "B"
    assert sink.written[0].tobytes() == content


@pytest.mark.parametrize("data", [b"", bytearray()])
def test_an_empty_buffer_is_passed_on_too(stream, sink, data):
    assert stream.write(data) == 0
    assert len(sink.written) == 1


@pytest.mark.parametrize("data", ["text", None, 5])
def test_what_is_no_buffer_is_refused(stream, sink, data):
    with pytest.raises(InvalidArgumentTypeError, match="buffer must be"):
        stream.write(data)
    assert sink.written == []


def test_an_error_of_the_connection_is_passed_on():
    def fail(data):
        raise ConnectionLostError("gone")

    with pytest.raises(ConnectionLostError, match="gone"):
        OutputStream(fail, lambda: True, lambda: None).write(b"abc")


@pytest.mark.parametrize("is_flushed", [True, False])
def test_flush_gives_what_the_connection_says(stream, sink, is_flushed):
    sink.is_flushed = is_flushed
    assert stream.flush() is is_flushed


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), b""])
def test_a_write_after_close_is_refused(stream, sink, data):
    stream.close()
    with pytest.raises(ObjectClosedError, match="output stream was closed") as caught:
        stream.write(data)
    assert caught.value.hresult == HResult.RO_E_CLOSED
    assert sink.written == []


def test_a_flush_after_close_is_refused(stream, sink):
    stream.close()
    with pytest.raises(ObjectClosedError, match="output stream was closed"):
        stream.flush()
    assert sink.flushes == 0


def test_close_may_be_repeated_and_closes_once(stream, sink):
    stream.close()
    stream.close()
    assert sink.closes == 1


def test_leaving_the_block_closes(stream, sink):
    with stream as entered:
        assert entered is stream
        assert sink.closes == 0
    assert sink.closes == 1
