"""OutputStream over a sink, and the one that a socket gives out. Its file view: test_output_file.py."""

import array
import gc
import mmap
import weakref

import pytest
from support.stream_doubles import Sink, stream_over

from syncws._streams.buffer import Buffer
from syncws._streams.output_stream import LatestStream, OutputStream
from syncws.errors import ConnectionLostError, InvalidArgumentTypeError, ObjectClosedError
from syncws.hresult import HResult


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def stream(sink):
    return sink.stream


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
def test_other_buffers_are_passed_on_as_flat_views(data, content):
    given = []

    def write(view, progress):
        given.append((type(view), view.format, view.ndim, view.tobytes()))
        return len(view)

    assert stream_over(write).write(data) == len(content)
    assert given == [(memoryview, "B", 1, content)]


@pytest.mark.parametrize("data", [b"", bytearray()])
def test_an_empty_buffer_is_passed_on_too(stream, sink, data):
    assert stream.write(data) == 0
    assert sink.written == [b""]


@pytest.mark.parametrize("data", ["text", None, 5])
def test_what_is_no_buffer_is_refused(stream, sink, data):
    with pytest.raises(InvalidArgumentTypeError, match="buffer must be"):
        stream.write(data)
    assert sink.written == []


def test_an_error_of_the_connection_is_passed_on(stream, sink):
    sink.error = ConnectionLostError("gone")
    with pytest.raises(ConnectionLostError, match="gone"):
        stream.write(b"abc")


# Progress


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc")])
def test_progress_is_passed_on(stream, sink, data):
    progress = [].append
    assert (stream.write(data, progress), stream.write(data), stream.write(data, None)) == (3, 3, 3)
    assert sink.told == [progress, None, None]


@pytest.mark.parametrize("progress", [5, "text", b"", 0, False])
@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), "text"])
def test_progress_that_cannot_be_called_is_refused(stream, sink, data, progress):
    with pytest.raises(InvalidArgumentTypeError, match="progress must be callable or None, not ") as caught:
        stream.write(data, progress)
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert sink.written == []


# The view that a write hands on


def test_a_bytearray_can_be_resized_after_a_write(stream):
    data = bytearray(b"abc")
    stream.write(data)
    data.append(0)
    assert data == b"abc\0"


@pytest.mark.parametrize("error", [ConnectionLostError("gone"), KeyboardInterrupt()])
@pytest.mark.parametrize("as_file", [False, True])
def test_a_bytearray_can_be_resized_while_the_error_of_its_write_is_handled(stream, sink, error, as_file):
    data = bytearray(b"abc")
    sink.error = error
    target = stream.as_file() if as_file else stream
    try:
        target.write(data)
    except type(error):
        data.append(0)  # refused with BufferError while somebody looks into it
    assert data == b"abc\0"


@pytest.mark.parametrize("as_file", [False, True])
def test_a_mapped_file_can_be_closed_while_the_error_of_its_write_is_handled(stream, sink, as_file):
    mapped = mmap.mmap(-1, 4096)
    sink.error = ConnectionLostError("gone")
    target = stream.as_file() if as_file else stream
    try:
        target.write(mapped)
    except ConnectionLostError:
        mapped.close()  # refused with BufferError while somebody looks into it
    assert mapped.closed


def test_a_view_of_the_caller_is_not_released(stream):
    data = memoryview(b"abc")
    stream.write(data)
    assert data.tobytes() == b"abc"


# Flush and close


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


# The stream that is given out, in both forms.


class Owner:
    """Stands for a socket."""

    def _close_output(self):
        return False


def test_one_stream_is_given_out_as_long_as_somebody_holds_it():
    sink, latest = Owner(), LatestStream()
    first = latest.get(sink)
    assert type(first) is OutputStream
    assert latest.get(sink) is first
    assert first._sink is sink
    number = weakref.ref(first)
    del first
    assert number() is None
    second = latest.get(sink)
    assert second is latest.get(sink)


def test_the_stream_holds_the_sink_and_the_latest_one_neither():
    sink, latest = Owner(), LatestStream()
    seen = weakref.ref(sink)
    stream = latest.get(sink)
    del sink
    assert seen() is not None
    del stream
    assert seen() is None


def test_a_stream_in_a_cycle_is_collected():
    sink = Owner()
    sink.stream = OutputStream(sink)
    seen = weakref.ref(sink)
    del sink
    gc.collect()
    assert seen() is None


def test_a_stream_that_is_made_once_more_is_over_the_other_sink():
    one, other = Owner(), Owner()
    stream = OutputStream(one)
    stream.__init__(other)
    assert stream._sink is other


@pytest.mark.parametrize(("arguments", "names"), [((), {}), ((1, 2), {}), ((), {"sink": 1})])
def test_a_stream_is_over_one_sink(arguments, names):
    with pytest.raises(TypeError):
        OutputStream(*arguments, **names)
    if not names:
        with pytest.raises(TypeError):
            LatestStream().get(*arguments)
