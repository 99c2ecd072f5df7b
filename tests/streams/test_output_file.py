"""OutputFile, the file view of an OutputStream, and what the standard library writes into it."""

import array
import io
import json
import tarfile
import zipfile

import pytest
from support.stream_doubles import Sink

from syncws._streams.buffer import Buffer
from syncws._streams.files import OutputFile
from syncws.errors import ConnectionLostError, InvalidArgumentTypeError, ObjectClosedError


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def file(sink):
    return sink.stream.as_file()


def test_it_is_a_raw_file_for_writing_only(file):
    assert isinstance(file, io.RawIOBase)
    assert isinstance(file, OutputFile)
    assert (file.readable(), file.writable(), file.seekable(), file.closed) == (False, True, False, False)


@pytest.mark.parametrize("name", ["seek", "tell", "truncate", "fileno", "read", "readline"])
def test_what_it_cannot_do_is_an_unsupported_operation(file, name):
    arguments = (0,) if name == "seek" else (1,) if name == "read" else ()
    with pytest.raises(io.UnsupportedOperation):
        getattr(file, name)(*arguments)


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"abc", b"abc"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abc"), b"abc"),
        (array.array("H", [0x0202]), b"\2\2"),
        (Buffer._over(b"abc"), b"abc"),
    ],
)
def test_a_write_is_one_message_of_all_its_bytes(file, sink, data, content):
    assert file.write(data) == len(content)
    assert (sink.written, sink.told) == ([content], [None])


@pytest.mark.parametrize("data", [b"", bytearray(), array.array("H"), Buffer(3)])
def test_an_empty_write_is_no_message(file, sink, data):
    assert file.write(data) == 0
    assert sink.written == []


@pytest.mark.parametrize("data", ["text", None, 5])
def test_what_is_no_buffer_is_refused(file, sink, data):
    with pytest.raises(InvalidArgumentTypeError, match="buffer must be"):
        file.write(data)
    assert sink.written == []


def test_writelines_writes_one_message_for_each(file, sink):
    file.writelines([b"a\n", b"", b"b\n"])
    assert sink.written == [b"a\n", b"b\n"]


def test_an_error_of_the_connection_is_passed_on(file, sink):
    sink.error = ConnectionLostError("gone")
    with pytest.raises(ConnectionLostError, match="gone"):
        file.write(b"abc")


# Close


def test_closing_the_file_does_not_close_the_stream(file, sink):
    with file as entered:
        assert entered is file
    assert (file.closed, sink.closes, sink.stream.write(b"abc")) == (True, 0, 3)


@pytest.mark.parametrize("data", [b"abc", b""])
def test_a_write_after_close_is_a_value_error(file, sink, data):
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        file.write(data)
    assert sink.written == []


def test_a_write_after_the_stream_was_closed_is_refused(file, sink):
    sink.stream.close()
    with pytest.raises(ObjectClosedError, match="output stream was closed"):
        file.write(b"abc")
    assert sink.written == []


def test_a_file_of_a_closed_stream_refuses_to_write(sink):
    sink.stream.close()
    with pytest.raises(ObjectClosedError, match="output stream was closed"):
        sink.stream.as_file().write(b"abc")


# What the standard library writes


def test_a_buffered_writer_gathers_small_writes(file, sink):
    with io.BufferedWriter(file, 100) as buffered:
        for _ in range(150):
            buffered.write(b"x")
        assert len(sink.written) == 1
    assert (b"".join(sink.written), len(sink.written), sink.closes) == (b"x" * 150, 2, 0)


def test_a_text_file_encodes(file, sink):
    with io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", newline="\n") as text:
        print("zażółć", file=text)
        json.dump({"a": 1}, text)
    assert b"".join(sink.written) == 'zażółć\n{"a": 1}'.encode()


def test_a_tar_archive_can_be_written_and_read_back(file, sink):
    content = bytes(range(256)) * 100
    with tarfile.open(fileobj=file, mode="w|") as archive:
        member = tarfile.TarInfo("a.bin")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with tarfile.open(fileobj=io.BytesIO(b"".join(sink.written))) as archive:
        assert archive.getnames() == ["a.bin"]
        assert archive.extractfile("a.bin").read() == content


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_archive_can_be_written_and_read_back(file, sink, method):
    content = bytes(range(256)) * 100
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.bin", content)
        archive.writestr("b.txt", "text")
    with zipfile.ZipFile(io.BytesIO(b"".join(sink.written))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.bin": content, "b.txt": b"text"}
