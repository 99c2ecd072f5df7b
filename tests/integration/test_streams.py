"""StreamWebSocket end to end: Python's file tools over an echo server; any way of sending against any of reading."""

import io
import json
import random
import shutil
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import LIMIT, echo, handshake, read_frame, running_server, server_frame
from support.calls import Call
from support.scripts import BINARY, CLOSE, CONTINUATION, FIN, PING, close_frame
from support.stream_websocket import connected_stream

from syncws import DataReader, InputStreamOptions, OperationTimedOutError

CONTENT = random.Random(6455).randbytes(200_000).replace(b"\0", b"\n")


def return_all(connection):
    """Take messages up to an empty one, send them all back in one, and close."""
    parts = []
    while part := connection.recv():
        parts.append(part)
    connection.send(b"".join(parts))


@pytest.fixture
def socket(tls):
    with connected_stream(return_all, run=running_server, tls=tls) as socket:
        yield socket


def test_copyfileobj_in_both_directions(socket):
    shutil.copyfileobj(io.BytesIO(CONTENT), socket.output_stream.as_file(), 30_000)
    socket.output_stream.write(b"")
    target = io.BytesIO()
    shutil.copyfileobj(socket.input_stream.as_file(), target, 7_000)
    is_same = target.getvalue() == CONTENT
    assert is_same


def test_lines_of_json_come_back_as_they_were_written(socket):
    records = [{"number": number, "text": "ü" * number} for number in range(200)]
    with io.TextIOWrapper(io.BufferedWriter(socket.output_stream.as_file()), encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    socket.output_stream.write(b"")
    assert [json.loads(line) for line in socket.input_stream.as_file()] == records


def test_a_tar_archive_is_written_and_read_as_a_stream(socket):
    with io.BufferedWriter(socket.output_stream.as_file()) as file, tarfile.open(fileobj=file, mode="w|") as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"file{number}")
            member.size = 50_000
            archive.addfile(member, io.BytesIO(CONTENT[number : number + 50_000]))
    socket.output_stream.write(b"")
    with tarfile.open(fileobj=socket.input_stream.as_file(), mode="r|") as archive:
        found = [(member.name, archive.extractfile(member).read()) for member in archive]
    is_same = found == [(f"file{number}", CONTENT[number : number + 50_000]) for number in range(3)]
    assert is_same


def test_a_zip_archive_is_written_as_a_stream(socket):
    with zipfile.ZipFile(socket.output_stream.as_file(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("content", CONTENT)
        archive.writestr("empty", b"")
    socket.output_stream.write(b"")
    with zipfile.ZipFile(io.BytesIO(socket.input_stream.as_file().read())) as archive:
        assert archive.namelist() == ["content", "empty"]
        assert archive.testzip() is None
        is_same = archive.read("content") == CONTENT
    assert is_same


def test_sending_and_receiving_at_once_with_more_than_all_buffers_hold():
    block = CONTENT[:131_072]
    with connected_stream(echo, run=running_server) as socket:
        sender = Call(lambda: [socket.output_stream.write(block) for _ in range(128)])
        file = socket.input_stream.as_file()
        same = [file.read(len(block)) == block for _ in range(128)]
        assert sender.result() == [len(block)] * 128
    assert same == [True] * 128


# Any way of sending against any way of reading.


def frames_of(source):
    """Cut the content into messages and fragments as `source` decides; with pings and empty messages in between."""
    position, is_open = 0, False
    while position < len(CONTENT) or is_open:
        size = source.choice([0, 1, 125, 126, 4000, 65535, 65536, 90_000])
        is_last = source.random() < 0.5
        yield server_frame(CONTINUATION if is_open else BINARY, CONTENT[position : position + size], fin=is_last)
        position += size
        is_open = not is_last
        if source.random() < 0.1:
            yield server_frame(PING, b"ping")


def sending(source):
    def script(connection):
        handshake(connection)
        data = b"".join(frames_of(source)) + close_frame(1000)
        while data:
            size = source.choice([1, 7, 1000, 65536, 200_000])
            connection.sendall(data[:size])
            data = data[size:]
        # The pongs, then the answer to the Close.
        while read_frame(connection)[0] != FIN | CLOSE:
            pass

    return script


def read_some(socket, source):
    """Read in one of the ways there are; return the bytes."""
    count = source.choice([1, 2, 300, 5000, 65536, 150_000])
    options = InputStreamOptions(source.randrange(4))
    file = socket.input_stream.as_file()
    way = source.choice(["read", "load", "file", "file1", "line"])
    if way == "read":
        target = bytearray(count)
        return bytes(target[: socket.input_stream.read(target, count, options).length])
    if way == "load":
        reader = DataReader(socket.input_stream)
        reader.input_stream_options = options
        try:
            reader.load(count)
        except OperationTimedOutError:
            if not reader.unconsumed_buffer_length:
                raise
        finally:
            reader.detach_stream()
        return reader.read_bytes(reader.unconsumed_buffer_length)
    return {"file": file.read, "file1": file.read1, "line": file.readline}[way](count)


@settings(max_examples=30, deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.integers(),
    st.sampled_from([0, 0.0005, LIMIT, None]),
    st.sampled_from([1, 5000, 1 << 20]),
)
def test_whatever_is_sent_in_whatever_way_is_read_in_whatever_way(reading, seed, timeout, capacity):
    gathered = bytearray()
    script = sending(random.Random(seed))
    with connected_stream(script, receive_timeout=timeout, inbox_size_in_bytes=capacity) as socket:
        source = random.Random(reading.getrandbits(64))
        while True:
            try:
                data = read_some(socket, source)
            except OperationTimedOutError:
                continue
            if not data:
                break
            gathered += data
    is_same = gathered == CONTENT
    assert is_same, len(gathered)
