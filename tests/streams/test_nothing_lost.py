"""Whatever ends a read, a load or a line, at whatever place: no byte is lost and none is given out twice."""

import contextlib
import os
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import interrupt_at
from support.stream_doubles import Pieces, Watched, splits, untimed

from syncws._streams.buffer import Buffer
from syncws._streams.data_reader import DataReader
from syncws._streams.input_stream import InputStream
from syncws.enums import InputStreamOptions
from syncws.errors import (
    ConnectionLostError,
    InvalidOperationError,
    OperationCanceledError,
    OperationTimedOutError,
    WebSocketError,
)

NONE, PARTIAL = InputStreamOptions.NONE, InputStreamOptions.PARTIAL
FAILURES = (OperationTimedOutError, OperationCanceledError)


# Errors between the pieces


class User:
    """Uses a stream in all ways, and keeps what it was given."""

    def __init__(self, source):
        self.stream = source.stream()
        self.file = self.stream.as_file()
        self.reader = DataReader(self.stream)
        self.given = b""

    def read(self, size, options):
        self.given += bytes(self.stream.read(Buffer(size), size, options))

    def load(self, size, options):
        self.reader.input_stream_options = options
        try:
            self.reader.load(size)
        finally:
            # What a load had got when it failed is loaded.
            self.given += self.reader.read_bytes(self.reader.unconsumed_buffer_length)

    def file_read(self, size, options):
        self.given += self.file.read(size)

    def file_read_all(self, size, options):
        self.given += self.file.read()

    def file_read1(self, size, options):
        self.given += self.file.read1(size)

    def file_readline(self, size, options):
        line = self.file.readline(-1 if options else size)
        assert b"\n" not in line[:-1]
        self.given += line

    def file_readinto(self, size, options):
        target = bytearray(size)
        read = self.file.readinto1 if options & PARTIAL else self.file.readinto
        self.given += target[: read(target)]


WAYS = [name for name in vars(User) if not name.startswith("__")]


@st.composite
def interrupted_pieces(draw, content):
    """Pieces of the content with errors between them."""
    pieces = []
    for piece in draw(splits(content)):
        pieces += [error("now") for error in draw(st.lists(st.sampled_from(FAILURES), max_size=2))]
        pieces.append(piece)
    return pieces


contents = st.lists(st.sampled_from([b"\n", b"a", b"bc", bytes(range(40))]), max_size=12).map(b"".join)


@pytest.mark.slow
@untimed
@given(data=st.data(), content=contents, is_lost=st.booleans())
def test_errors_between_the_pieces_lose_and_repeat_nothing_in_any_mixture_of_uses(data, content, is_lost):
    pieces = data.draw(interrupted_pieces(content))
    source = Pieces(*pieces, *([ConnectionLostError("gone")] if is_lost else []))
    user = User(source)
    failures = sum(isinstance(piece, FAILURES) for piece in pieces)
    failed = 0
    while len(user.given) < len(content):
        way = getattr(user, data.draw(st.sampled_from(WAYS)))
        before = user.given
        try:
            way(data.draw(st.integers(1, 50)), InputStreamOptions(data.draw(st.integers(0, 3))))
            assert len(user.given) > len(before)
        except FAILURES:
            failed += 1
            assert way == user.load or user.given == before
        assert source.position == len(user.given)
        assert content.startswith(user.given)
        assert source.begins == source.finishes
    assert failed == failures
    if is_lost:
        with pytest.raises(ConnectionLostError, match="gone"):
            user.read(1, NONE)
    else:
        user.read(1, NONE)
    assert user.given == content


# KeyboardInterrupt anywhere in a load

CONTENT = b"0123456789\nabcdefghij\nABCDEFGHIJ\n"
SOURCES = {
    "memory": lambda: Watched(CONTENT),
    "pieces": lambda: Pieces(*(CONTENT[start : start + 4] for start in range(0, len(CONTENT), 4))),
}
any_source = pytest.mark.parametrize("make_source", SOURCES.values(), ids=SOURCES)


READS = {
    "read": lambda stream: stream.read(Buffer(10), 10),
    "read-partial": lambda stream: stream.read(Buffer(10), 10, PARTIAL),
    "file-read": lambda stream: stream.as_file().read(10),
    "file-read-all": lambda stream: stream.as_file().read(),
    "file-read1": lambda stream: stream.as_file().read1(10),
    "file-readline": lambda stream: stream.as_file().readline(),
}


def rest_of(source):
    return source.rest if isinstance(source, Watched) else b"".join(source.pieces)


def interruptions(make, use):
    """Call use(make()) again and again, interrupted one place later each time.

    Gives what was made, the result or None when it was interrupted, and the place of the interruption.
    """
    for number in range(1000):
        made, results, places = make(), [], []

        def run(made=made, results=results, places=places):
            try:
                results.append(use(made))
            except KeyboardInterrupt as error:
                frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "streams" in frame.filename]
                places.append(f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno} {frames[-1].line}")
                raise

        was_interrupted = interrupt_at(number, run)
        yield made, (results[0] if results else None), "".join(places)
        if not was_interrupted:
            assert number > 5
            return
    pytest.fail("it never came to an end")


def reader_over(source, options=NONE):
    """A reader that has two bytes unread, and as many behind it."""
    reader = DataReader(InputStream(source))
    reader.load(4)
    assert reader.read_bytes(2) == CONTENT[:2]
    reader.input_stream_options = options
    return reader


@any_source
@pytest.mark.parametrize("options", [NONE, PARTIAL])
def test_a_load_that_is_interrupted_anywhere_loads_exactly_what_it_took(make_source, options):
    def make():
        source = make_source()
        return source, reader_over(source, options)

    wrong = []
    for (source, reader), _, place in interruptions(make, lambda made: made[1].load(10)):
        start, unread = reader._position, reader.unconsumed_buffer_length
        if reader._data[start : start + unread] + rest_of(source) != CONTENT[2:]:
            wrong.append(place)
    assert wrong == []


@any_source
def test_after_a_load_that_was_interrupted_anywhere_the_next_goes_on(make_source):
    wrong = []
    for reader, _, place in interruptions(lambda: reader_over(make_source()), lambda reader: reader.load(10)):
        try:
            reader.load(len(CONTENT))
        except InvalidOperationError:
            wrong.append(place)
    assert wrong == []


@any_source
@pytest.mark.parametrize("use", READS.values(), ids=READS)
def test_a_read_that_is_interrupted_anywhere_takes_nothing(make_source, use):
    def make():
        source = make_source()
        return source, InputStream(source)

    wrong = []
    for (source, _), result, place in interruptions(make, lambda made: use(made[1])):
        if bytes(result or b"") + rest_of(source) != CONTENT:
            wrong.append(place)
    assert wrong == []


def load_and_read(reader, count):
    reader.load(count)
    return reader.read_bytes(reader.unconsumed_buffer_length)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConnectionLostError("in a signal handler")], ids=repr)
@pytest.mark.parametrize("way", ["read", "readline", "load"])
def test_what_was_seen_and_not_taken_comes_once(way, error):
    class Failing(Pieces):
        def advance(self, count):
            if self.position == 2 and self.finishes == 0:
                raise error
            super().advance(count)

    stream = Failing(b"ab", b"cd", b"ef").stream()
    reader, file = DataReader(stream), stream.as_file()
    uses = {"read": file.read, "readline": file.readline, "load": lambda count: load_and_read(reader, count)}
    given = b""
    with contextlib.suppress(KeyboardInterrupt):
        # Behind some bytes, what tells how they ended comes with the next read.
        given = uses[way](6)
    assert given + uses[way](9) == b"abcdef"


# begin() and finish()

ALL_USES = {
    **READS,
    "readinto": lambda stream: stream.as_file().readinto(bytearray(10)),
    "load": lambda stream: DataReader(stream).load(10),
}
ENDS = [None, OperationTimedOutError("x"), OperationCanceledError("x"), ConnectionLostError("x"), KeyboardInterrupt()]


@pytest.mark.parametrize("use", ALL_USES.values(), ids=ALL_USES)
@pytest.mark.parametrize("end", ENDS, ids=repr)
@pytest.mark.parametrize("first", [[], [b"ab"]], ids=["at-once", "later"])
def test_each_operation_that_began_is_finished_once(use, end, first):
    source = Pieces(*first, *([] if end is None else [end]))
    with contextlib.suppress(WebSocketError, KeyboardInterrupt):
        use(source.stream())
    assert (source.begins, source.finishes) == (1, 1)
