"""InputFile, the file view of an InputStream, and what the standard library reads from it."""

import array
import csv
import gzip
import io
import json
import pickle
import shutil
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stream_doubles import Pieces, Watched, splits, untimed

from syncws._streams.buffer import Buffer
from syncws._streams.byte_source import ENDINGS
from syncws._streams.files import InputFile
from syncws._streams.input_stream import InputStream, MemoryInputStream
from syncws.errors import ObjectClosedError, OperationCanceledError, OperationTimedOutError


def file_of(*pieces):
    return Pieces(*pieces).stream().as_file()


def in_pieces(content, size=7):
    """A file over small pieces, so that nothing lies together that belongs together."""
    return file_of(*(content[start : start + size] for start in range(0, len(content), size)))


USES = {
    "read": lambda file, size: file.read(size),
    "read1": lambda file, size: file.read1(size),
    "readline": lambda file, size: file.readline(size),
    "readinto": lambda file, size: file.readinto(bytearray(size)),
    "readinto1": lambda file, size: file.readinto1(bytearray(size)),
}
any_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


def test_it_is_a_buffered_file_for_reading_only():
    file = file_of(b"abc")
    assert isinstance(file, io.BufferedIOBase)
    assert isinstance(file, InputFile)
    assert (file.readable(), file.writable(), file.seekable(), file.closed) == (True, False, False, False)


@pytest.mark.parametrize(
    "use",
    [
        lambda f: f.write(b"a"),
        lambda f: f.seek(0),
        lambda f: f.tell(),
        lambda f: f.truncate(),
        lambda f: f.fileno(),
        lambda f: f.detach(),
    ],
)
def test_what_it_cannot_do_is_an_unsupported_operation(use):
    with pytest.raises(io.UnsupportedOperation):
        use(file_of(b"abc"))


# Reading


@pytest.mark.parametrize(
    ("size", "expected"), [(0, b""), (1, b"a"), (4, b"abcd"), (9, b"abcdef"), (-1, b"abcdef"), (None, b"abcdef")]
)
def test_read_waits_for_all_bytes_or_the_end(size, expected):
    file = file_of(b"ab", b"c", b"def")
    assert file.read(size) == expected
    assert file.read() == b"abcdef"[len(expected) :]


@pytest.mark.parametrize(("size", "expected"), [(0, b""), (1, b"a"), (9, b"ab"), (-1, b"ab")])
def test_read1_gives_what_is_there(size, expected):
    file = file_of(b"ab", b"cdef")
    assert file.read1(size) == expected
    assert file.read() == b"abcdef"[len(expected) :]


def test_read1_without_a_size_gives_what_is_there():
    file = file_of(b"ab", b"cdef")
    assert [file.read1(), file.read1(), file.read1()] == [b"ab", b"cdef", b""]


def test_readinto_fills_the_buffer_and_readinto1_takes_what_is_there():
    file = file_of(b"ab", b"cd", b"ef")
    target = bytearray(5)
    assert [file.readinto(memoryview(target)[:3]), target] == [3, b"abc\0\0"]
    assert [file.readinto1(target), target] == [1, b"dbc\0\0"]
    assert [file.readinto(target), target] == [2, b"efc\0\0"]
    assert [file.readinto(target), file.readinto1(target)] == [0, 0]


def test_readinto_fills_the_bytes_of_wider_items():
    target = array.array("H", [0, 0])
    assert file_of(b"\1\1", b"\2\2\3").readinto(target) == 4
    assert target.tobytes() == b"\1\1\2\2"


@pytest.mark.parametrize("target", [bytearray(), array.array("H")])
@pytest.mark.parametrize("name", ["readinto", "readinto1"])
def test_readinto_of_an_empty_buffer_reads_nothing(name, target):
    source = Pieces(b"abc")
    assert getattr(source.stream().as_file(), name)(target) == 0
    assert source.begins == 0


@pytest.mark.parametrize("name", ["readinto", "readinto1"])
def test_readinto_takes_a_buffer(name):
    buffer = Buffer(3)
    buffer.length = 3
    assert getattr(file_of(b"abcd"), name)(buffer) == 3
    assert buffer == b"abc"


@pytest.mark.parametrize("target", [b"abc", "abc", None])
@pytest.mark.parametrize("name", ["readinto", "readinto1"])
def test_readinto_of_what_cannot_be_written_is_refused_and_takes_nothing(name, target):
    source = Pieces(b"abcd")
    with pytest.raises((TypeError, ValueError)):
        getattr(source.stream().as_file(), name)(target)
    assert (source.position, source.begins) == (0, source.finishes)


def test_a_buffer_can_be_resized_after_readinto():
    target = bytearray(3)
    file_of(b"abc").readinto(target)
    target.append(0)
    assert target == b"abc\0"


def test_a_buffer_can_be_resized_while_the_error_of_its_readinto_is_handled():
    target = bytearray(3)
    try:
        file_of(b"a", OperationTimedOutError("x")).readinto(target)
    except OperationTimedOutError:
        target.append(0)  # refused with BufferError while somebody looks into it
    assert len(target) == 4


@pytest.mark.parametrize(
    ("size", "lines"),
    [
        (-1, [b"one\n", b"\n", b"two\n", b"end", b""]),
        (None, [b"one\n", b"\n", b"two\n", b"end", b""]),
        (3, [b"one", b"\n", b"\n", b"two", b"\n", b"end", b""]),
        (4, [b"one\n", b"\n", b"two\n", b"end", b""]),
    ],
)
def test_readline_ends_with_a_newline_the_size_or_the_end(size, lines):
    file = file_of(b"one\n\ntw", b"o", b"\ne", b"nd")
    assert [file.readline(size) for _ in lines] == lines


def test_readline_of_no_bytes_does_not_wait():
    source = Pieces(b"abc")
    assert (source.stream().as_file().readline(0), source.begins) == (b"", 0)


@untimed
@given(data=st.data())
def test_lines_are_those_of_the_content_whatever_the_split(data):
    content = data.draw(st.lists(st.sampled_from([b"\n", b"a", b"bc" * 200]), max_size=20).map(b"".join))
    file = file_of(*data.draw(splits(content)))
    expected = io.BytesIO(content)
    while True:
        size = data.draw(st.sampled_from([-1, 1, 5, 300]))
        line = file.readline(size)
        assert line == expected.readline(size)
        if not line:
            break


def test_iterating_gives_lines_and_readlines_those_up_to_a_hint():
    assert list(file_of(b"a\nb", b"\n\nc")) == [b"a\n", b"b\n", b"\n", b"c"]
    assert file_of(b"a\nb", b"\n\nc").readlines(3) == [b"a\n", b"b\n"]


def test_short_lines_in_one_chunk_take_linear_time():
    content = b"line %d\n" * 10_000
    source = Watched(content)
    file = InputStream(source).as_file()
    assert sum(1 for _ in file) == 10_000
    assert source.shown <= 256 * 10_001
    assert (source.begins, source.finishes, source.rest) == (10_001, 10_001, b"")


def test_a_long_line_takes_linear_time():
    source = Watched(b"x" * 3_000_000 + b"\ny")
    line = InputStream(source).as_file().readline()
    assert (len(line), source.rest) == (3_000_001, b"y")
    # Twice as far each time, up to 1 MiB.
    assert (source.shown, source.peeks) == (3_000_002, 14)


def test_it_keeps_nothing_back_from_the_stream():
    source = Pieces(b"one\ntwo\nthree")
    stream = source.stream()
    file = stream.as_file()
    assert (file.readline(), file.read1(1), source.position) == (b"one\n", b"t", 5)
    assert stream.read(Buffer(9), 9) == b"wo\nthree"


# Errors


@any_use
@pytest.mark.parametrize("error", ENDINGS)
def test_the_loss_of_the_connection_is_raised_for_good(use, error):
    source = Pieces(error("gone"))
    file = source.stream().as_file()
    for _ in range(2):
        with pytest.raises(error, match="gone"):
            use(file, 4)
    assert (source.begins, source.finishes) == (2, 2)


@pytest.mark.parametrize("error", ENDINGS)
@pytest.mark.parametrize("read", [lambda f: f.read(), lambda f: f.read(9), lambda f: f.readline(), lambda f: f.read(4)])
def test_what_came_before_the_connection_was_lost_comes_first(read, error):
    source = Pieces(b"ab", b"c", error("gone"))
    file = source.stream().as_file()
    assert read(file) == b"abc"
    with pytest.raises(error, match="gone"):
        read(file)
    assert (source.begins, source.finishes) == (2, 2)


ONCE = [OperationTimedOutError("x"), OperationCanceledError("x"), KeyboardInterrupt()]


@any_use
@pytest.mark.parametrize("error", ONCE)
def test_a_use_that_fails_at_once_takes_nothing(use, error):
    source = Pieces(error, b"abc")
    file = source.stream().as_file()
    with pytest.raises(type(error)):
        use(file, 3)
    assert (source.position, source.finishes, file.read()) == (0, 1, b"abc")


@pytest.mark.parametrize("name", ["read", "readline", "readinto"])
@pytest.mark.parametrize("error", ONCE)
def test_a_use_that_fails_in_the_middle_puts_back_what_it_had(name, error):
    source = Pieces(b"ab", b"c", error, b"d")
    file = source.stream().as_file()
    with pytest.raises(type(error)):
        USES[name](file, 4)
    assert (source.position, b"".join(source.pieces)) == (0, b"abcd")
    assert file.read() == b"abcd"
    assert (source.begins, source.finishes) == (2, 2)


# Close


@any_use
@pytest.mark.parametrize("size", [0, 3])
def test_a_use_after_close_is_a_value_error(use, size):
    source = Pieces(b"abc")
    file = source.stream().as_file()
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        use(file, size)
    assert (file.closed, source.begins) == (True, 0)


def test_closing_the_file_does_not_close_the_stream():
    source = Pieces(b"abc")
    stream = source.stream()
    with stream.as_file() as file:
        assert file.read(1) == b"a"
    assert (file.closed, source.closes) == (True, 0)
    assert stream.as_file().read() == b"bc"


@any_use
def test_a_use_after_the_stream_was_closed_is_refused(use):
    stream = MemoryInputStream(b"abc")
    file = stream.as_file()
    stream.close()
    with pytest.raises(ObjectClosedError, match="input stream was closed"):
        use(file, 3)


# What the standard library reads


def test_a_text_file_decodes():
    with io.TextIOWrapper(in_pieces("zażółć\r\ngęślą".encode(), 1), encoding="utf-8") as text:
        assert text.readlines() == ["zażółć\n", "gęślą"]


def test_a_text_file_gives_a_line_before_the_next_has_come():
    source = Pieces(b"one\n", OperationTimedOutError("x"), b"two\n")
    with io.TextIOWrapper(source.stream().as_file(), encoding="utf-8") as text:
        assert text.readline() == "one\n"
        with pytest.raises(OperationTimedOutError):
            text.readline()
        assert text.read() == "two\n"


def test_a_buffered_reader_can_peek():
    with io.BufferedReader(in_pieces(b"abcdefghij", 3)) as buffered:
        assert (buffered.peek(1)[:1], buffered.read(4), buffered.read()) == (b"a", b"abcd", b"efghij")


def test_lines_of_json_can_be_read():
    rows = [{"a": number} for number in range(20)]
    assert [json.loads(line) for line in in_pieces(b"".join(json.dumps(row).encode() + b"\n" for row in rows))] == rows


def test_json_can_be_loaded():
    assert json.load(in_pieces(b'{"a": [1, 2, 3]}')) == {"a": [1, 2, 3]}


def test_rows_of_csv_can_be_read():
    with io.TextIOWrapper(in_pieces(b'a,b\r\n1,"x\r\ny"\r\n'), encoding="utf-8", newline="") as text:
        assert list(csv.reader(text)) == [["a", "b"], ["1", "x\r\ny"]]


def test_a_file_can_be_copied():
    content = bytes(range(256)) * 500
    target = io.BytesIO()
    shutil.copyfileobj(in_pieces(content, 999), target, 1000)
    assert target.getvalue() == content


def test_pickles_can_be_loaded_one_after_the_other():
    values = [{"a": [1, 2.5, "x"]}, b"y" * 100_000, list(range(1000))]
    file = in_pieces(b"".join(map(pickle.dumps, values)) + b"rest", 1000)
    assert [pickle.load(file) for _ in values] == values
    assert file.read() == b"rest"


def test_a_gzip_file_can_be_read():
    content = b"0123456789" * 1000
    with gzip.GzipFile(fileobj=in_pieces(gzip.compress(content) + gzip.compress(b"more"))) as file:
        assert file.read() == content + b"more"


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_archive_can_be_read(mode):
    packed = io.BytesIO()
    contents = {"a.bin": bytes(range(256)) * 50, "b.txt": b"text"}
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with tarfile.open(fileobj=in_pieces(packed.getvalue(), 100), mode="r|" + mode[2:]) as archive:
        assert {member.name: archive.extractfile(member).read() for member in archive} == contents
