"""Tests of DataWriter and DataReader that are dropped while they own a stream: WinRT closes the stream."""

import gc
import warnings

import pytest
from support.stream_doubles import Pieces, Sink

from syncws import DataReader, DataWriter, ObjectClosedError
from syncws._streams.data_reader import MessageReader
from syncws._streams.input_stream import InputStream, MemoryInputStream


class Connection(Sink):
    """A sink whose stream was open until it is closed, as a connection's is."""

    def close(self):
        super().close()
        return True


class Arriving(Pieces):
    """A source from which more may come until it is closed."""

    def close(self):
        super().close()
        return True


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()


def dropped(text, *, stored=True):
    """Drop a writer that has written `text`; return the sink and the warnings."""
    sink = Connection()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        writer = DataWriter(sink.stream)
        writer.write_string(text)
        if stored:
            writer.store()
        del writer
        gc.collect()
    # Each names the line that has dropped the writer.
    assert {entry.filename for entry in caught} <= {__file__}
    return sink, [(entry.category, str(entry.message)) for entry in caught]


def test_a_dropped_writer_closes_its_stream_with_a_warning():
    sink, [(category, text)] = dropped("abc")
    assert (category, sink.closes, sink.written) == (ResourceWarning, 1, [b"abc"])
    assert "detach_stream()" in text
    assert "not stored" not in text
    with pytest.raises(ObjectClosedError):
        sink.stream.write(b"x")


def test_the_warning_names_the_bytes_that_were_not_stored():
    sink, [(_, text)] = dropped("abc", stored=False)
    assert "with 3 bytes not stored" in text
    assert sink.written == []


def test_a_dropped_reader_closes_its_stream_with_a_warning():
    source = Arriving(b"abc")
    stream = InputStream(source)
    with pytest.warns(ResourceWarning, match="a DataReader was dropped") as caught:
        DataReader(stream).load(1)
    assert [entry.filename for entry in caught] == [__file__]
    assert source.closes == 1
    with pytest.raises(ObjectClosedError):
        stream.read(bytearray(1), 1)


@pytest.mark.parametrize("end", ["detach_stream", "close"])
def test_a_writer_that_is_detached_or_closed_is_dropped_quietly(end, quiet):
    sink = Connection()
    writer = DataWriter(sink.stream)
    getattr(writer, end)()
    del writer
    gc.collect()
    assert sink.closes == (end == "close")


@pytest.mark.parametrize("end", ["detach_stream", "close"])
def test_a_reader_that_is_detached_or_closed_is_dropped_quietly(end, quiet):
    source = Arriving(b"abc")
    reader = DataReader(InputStream(source))
    getattr(reader, end)()
    del reader
    gc.collect()
    assert source.closes == (end == "close")


def test_an_owner_of_what_needs_no_closing_is_dropped_quietly(quiet):
    DataWriter()
    DataWriter(Sink().stream)
    DataReader(MemoryInputStream(b"abc"))
    DataReader.from_buffer(b"abc")


def test_a_reader_over_a_message_has_no_finalizer():
    assert not hasattr(MessageReader, "__del__")


@pytest.mark.parametrize("make", [DataWriter, DataReader])
def test_an_owner_that_was_refused_its_stream_is_dropped_quietly(make, quiet):
    with pytest.raises(TypeError):
        make("no stream")


def test_each_of_many_writers_that_are_dropped_one_after_the_other_is_noticed():
    # The memory of one is the next one's: nothing of it may stay, not even that its end was seen.
    for round_ in range(50):
        sink = Connection()
        with pytest.warns(ResourceWarning, match="with 3 bytes not stored"):
            DataWriter(sink.stream).write_string("abc")
        assert sink.closes == 1, round_
        with DataWriter(sink.stream) as writer:
            assert (writer.unstored_buffer_length, writer._text, writer._parts) == (0, None, [])
            writer.detach_stream()
        del writer


def test_a_writer_in_a_cycle_closes_its_stream():
    sink = Connection()
    holder = [DataWriter(sink.stream)]
    holder.append(holder)
    del holder
    with pytest.warns(ResourceWarning, match="a DataWriter was dropped"):
        gc.collect()
    assert sink.closes == 1


class Kept:
    """Brings a writer back when it is to be dropped."""

    def __init__(self, writer, into):
        self.writer, self.into = writer, into

    def __del__(self):
        self.into.append(self.writer)


def test_a_writer_that_the_collector_has_ended_and_somebody_brought_back_does_not_end_the_next_one_early():
    sink, back = Connection(), []
    kept = Kept(DataWriter(sink.stream), back)
    kept.cycle = kept
    del kept
    with pytest.warns(ResourceWarning, match="a DataWriter was dropped"):
        gc.collect()
    assert len(back) == 1
    back.clear()
    for _ in range(20):
        with pytest.warns(ResourceWarning, match="a DataWriter was dropped"):
            DataWriter(Connection().stream)


def test_making_a_writer_once_more_begins_it_anew():
    first, second = Connection(), Connection()
    writer = DataWriter(first.stream)
    writer.write_string("abc")
    writer.__init__(second.stream)
    assert writer.unstored_buffer_length == 0
    writer.write_string("de")
    writer.store()
    writer.detach_stream()
    assert (first.written, second.written) == ([], [b"de"])
