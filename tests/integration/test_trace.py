"""The debug log of frames, and enable_trace(): lines in the order of the wire, nothing when it is off."""

import io
import itertools
import logging
import random
import re
import sys
import threading

import pytest
from support import LIMIT, echo, handshake, join, read_to_end, running_server, server_frame
from support.scripts import BINARY, CLOSE, CONTINUATION, PING, TEXT, connected, read_until_close

import syncws
from syncws import InvalidArgumentTypeError, StreamWebSocket
from syncws._connection.sending.outbox import Outbox
from syncws._connection.tracing import traced
from syncws._wire.decoder import Decoder
from syncws._wire.deflate import Deflater

PASSED = "s3cret"


@pytest.fixture
def frames(caplog):
    """The lines of the frames' log, which is on."""
    caplog.set_level(logging.DEBUG, "syncws.frames")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "syncws.frames"]


@pytest.fixture
def restored():
    """Leave the logger as it was."""
    logger = logging.getLogger("syncws")
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_each_frame_has_a_line(frames, tls):
    with running_server(echo, ssl_context=tls[0]) as uri, syncws.connect(uri, ssl_context=tls[1]) as socket:
        socket.send("hello")
        assert socket.receive(LIMIT) == "hello"
        socket.send(b"\0\1\2")
        assert socket.receive(LIMIT) == b"\0\1\2"
        socket.ping(b"there?", LIMIT)
        socket.close(1000, "bye")
    assert frames() == [
        "> TEXT 'hello' [5 bytes]",
        "< TEXT 'hello' [5 bytes]",
        "> BINARY 00 01 02 [3 bytes]",
        "< BINARY 00 01 02 [3 bytes]",
        "> PING 'there?' [6 bytes]",
        "< PONG 'there?' [6 bytes]",
        "> CLOSE 1000 (OK) 'bye'",
        "< CLOSE 1000 (OK) 'bye'",
    ]


def test_frames_behind_the_handshake_s_answer_have_lines_too(frames):
    def script(connection):
        behind = server_frame(TEXT, b"a", fin=False) + server_frame(PING, b"p") + server_frame(CONTINUATION, b"b")
        handshake(connection, behind=behind + server_frame(CLOSE, b"\x03\xe8"))
        read_to_end(connection)

    with connected(script) as socket:
        assert list(socket) == ["ab"]
    assert frames()[:4] == [
        "< TEXT 'a' [1 byte, continued]",
        "< PING 'p' [1 byte]",
        "< TEXT 'b' [1 byte, continuation]",
        "< CLOSE 1000 (OK)",
    ]
    assert "> CLOSE 1000 (OK)" in frames()


@pytest.mark.parametrize("size", [70_000, 1 << 20])
def test_a_large_frame_has_one_line_with_both_ends(frames, size):
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        socket.send(b"a" * (size // 2) + b"b" * (size // 2))
        socket.receive(LIMIT)
    assert len(frames()) == 4
    for line in frames()[:2]:
        assert re.fullmatch(rf"[<>] BINARY (61 ){{16}}… 62( 62){{15}} \[{size} bytes\]", line)


def test_a_stream_s_fragments_have_a_line_each(frames):
    with running_server(echo) as uri, StreamWebSocket() as socket:
        socket.connect(uri)
        socket.output_stream.write(bytes(150_000))
    assert [line.rpartition("[")[2] for line in frames() if line.startswith("> BINARY")] == [
        "65536 bytes, continued]",
        "65536 bytes, continued, continuation]",
        "18928 bytes, continuation]",
    ]


# With compression.

ANSWER = "Sec-WebSocket-Extensions: permessage-deflate"


def notes_of(lines):
    """Return direction, kind and what stands in brackets."""
    return [re.sub(r"^([<>] [A-Z]+) .*\[(.*)\]$", r"\1 \2", line) for line in lines]


def test_a_compressed_frame_is_shown_with_both_sizes(frames):
    with running_server(echo, compression="deflate") as uri, syncws.connect(uri, compression=True) as socket:
        for message in ("hello " * 100, "plain", "hello " * 200, b"x" * 64):
            socket.send(message)
            assert socket.receive(LIMIT) == message
        sizes = socket.information.compression
    lines = notes_of(frames())[:-2]
    found = [
        re.fullmatch(r"([<>]) (TEXT|BINARY) (\d+) bytes(?:, deflated from (\d+))?", line).groups() for line in lines
    ]
    there = [(kind, plain) for direction, kind, _, plain in found if direction == ">"]
    assert there == [("TEXT", "600"), ("TEXT", None), ("TEXT", "1200"), ("BINARY", "64")]
    back = [(kind, plain) for direction, kind, _, plain in found if direction == "<"]
    # The server compresses all.
    assert back == [("TEXT", "600"), ("TEXT", "5"), ("TEXT", "1200"), ("BINARY", "64")]
    sent = [int(size) for direction, _, size, plain in found if direction == ">" and plain]
    assert sum(sent) == sizes.bytes_compressed
    assert sum(int(size) for direction, _, size, _ in found if direction == "<") == sizes.bytes_to_inflate


def test_each_fragment_that_goes_is_shown_with_both_sizes(frames):
    with (
        running_server(echo, compression="deflate", max_size=None) as uri,
        syncws.connect(uri, compression=True) as socket,
    ):
        data = random.Random(1).randbytes(300_000)
        socket.send(data)
        assert socket.receive(LIMIT) == data
    first, second = (line for line in notes_of(frames()) if line.startswith("> BINARY"))
    assert re.fullmatch(r"> BINARY \d+ bytes, deflated from 262144, continued", first)
    assert re.fullmatch(r"> BINARY \d+ bytes, deflated from 37856, continuation", second)


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_each_fragment_that_comes_is_shown_with_both_sizes(frames, step):
    deflater = Deflater()
    parts = [deflater.compress(b"a" * 500 + bytes([65 + index]) * 300, is_last=False) for index in range(3)]
    end = deflater.compress(b"", is_first=False)
    data = b"".join(
        [
            server_frame(TEXT, b"", rsv=0x40, fin=False),
            server_frame(CONTINUATION, b"".join(parts) + end[:-3], fin=False),
            server_frame(PING, b"p"),
            server_frame(CONTINUATION, b"", fin=False),
            server_frame(CONTINUATION, end[-3:]),
            server_frame(TEXT, deflater.compress(b"b" * 2000), rsv=0x40),
            server_frame(TEXT, b"plain"),
        ]
    )

    def script(connection):
        handshake(connection, ANSWER)
        for start in range(0, len(data), step):
            connection.sendall(data[start : start + step])
        read_until_close(connection)

    with connected(script, compression=True) as socket:
        assert [len(socket.receive(LIMIT)) for _ in range(3)] == [2400, 2000, 5]
    found = [line for line in notes_of(frames()) if line.startswith("<")]
    plain = [int(count) for line in found for count in re.findall("deflated from ([0-9]+)", line)]
    assert (plain[0], plain[2], sum(plain[:4]), plain[4:]) == (0, 0, 2400, [2000])
    assert found[2] == "< PING 1 byte"
    assert found[6] == "< TEXT 5 bytes"


def test_a_frame_that_takes_several_turns_has_its_line_when_it_is_inflated(frames):
    deflater = Deflater()
    large, small = server_frame(BINARY, deflater.compress(bytes(4 << 20)), rsv=0x40), server_frame(PING, b"p")

    def script(connection):
        handshake(connection, ANSWER, behind=large + small)
        read_until_close(connection)

    with connected(script, compression=True) as socket:
        assert len(socket.receive(LIMIT)) == 4 << 20
    first, second = [line for line in notes_of(frames()) if line.startswith("<")][:2]
    assert re.fullmatch(r"< BINARY \d+ bytes, deflated from 4194304", first)
    assert second == "< PING 1 byte"


@pytest.mark.parametrize(
    "payload", [b"\x06", Deflater().compress(bytes(4 << 20))], ids=["no deflate", "over the limit"]
)
def test_a_frame_that_is_not_inflated_has_its_line_without_that_size(frames, payload):
    def script(connection):
        handshake(connection, ANSWER, behind=server_frame(BINARY, payload, rsv=0x40))
        read_until_close(connection)

    with connected(script, compression=True, max_message_size=1 << 20) as socket, pytest.raises(syncws.WebSocketError):
        socket.receive(LIMIT)
    line = next(line for line in notes_of(frames()) if line.startswith("<"))
    assert re.fullmatch(r"< BINARY \d+ bytes?, deflated", line)


def test_a_sender_that_gives_up_has_its_line_when_the_frame_is_out(frames):
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        socket.send_nonfinal_frame(b"half")
        assert frames() == ["> BINARY 68 61 6c 66 [4 bytes, continued]"]


def test_lines_are_written_while_nobody_holds_the_connection(frames, caplog):
    """A handler of the log may send on the very connection."""
    answered = []

    class Sending(logging.Handler):
        def emit(self, record):
            if record.getMessage() == "> TEXT 'first' [5 bytes]":
                socket.send("second")
                answered.append(record)

    handler = Sending()
    logger = logging.getLogger("syncws.frames")
    logger.addHandler(handler)
    try:
        with running_server(echo) as uri, syncws.connect(uri) as socket:
            socket.send("first")
            assert [socket.receive(LIMIT), socket.receive(LIMIT)] == ["first", "second"]
    finally:
        logger.removeHandler(handler)
    assert answered


def test_when_it_is_off_nothing_stands_in_the_way():
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        outbox = socket._session.outbox
        assert type(outbox) is Outbox
        decoder = Decoder(1)
        assert traced(outbox, decoder, None) == decoder.receive_data


def test_when_it_is_turned_off_later_nothing_is_made_of_a_frame(caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, "syncws.frames")
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        caplog.set_level(logging.INFO, "syncws.frames")
        monkeypatch.setattr("syncws._wire.seen.SeenFrame.__str__", None)
        socket.send("x")
        assert socket.receive(LIMIT) == "x"


# enable_trace.


def test_a_script_sees_handshake_and_frames_without_secrets(restored):
    file = io.StringIO()
    handler = syncws.enable_trace(file)
    assert handler in restored.handlers
    with running_server(echo) as uri, syncws.connect(f"{uri}?token={PASSED}", cookies={"id": PASSED}) as socket:
        socket.send("hello\x1b[2J")
        socket.receive(LIMIT)
    lines = file.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d\d\d ", line) for line in lines)
    texts = [line[13:] for line in lines]
    assert "> GET /?*** HTTP/1.1" in texts
    assert "> Cookie: ***" in texts
    assert r"> TEXT 'hello\x1b[2J' [9 bytes]" in texts
    assert texts[-1] == "< CLOSE without a code"
    assert PASSED not in file.getvalue()


def test_it_writes_to_standard_error_and_once(restored, monkeypatch):
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    syncws.enable_trace()
    monkeypatch.setattr(sys, "stderr", second)
    handler = syncws.enable_trace()
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        socket.send("hello")
    assert first.getvalue() == ""
    assert second.getvalue().count("> TEXT 'hello' [5 bytes]") == 1
    restored.removeHandler(handler)
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        socket.send("hello")
    assert second.getvalue().count("> TEXT 'hello' [5 bytes]") == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_a_file_takes_what_its_encoding_lacks(restored, capfd, encoding):
    file = io.TextIOWrapper(io.BytesIO(), encoding)
    syncws.enable_trace(file)
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        socket.send("é \u4f60 \U0001f648")
        socket.receive(LIMIT)
    file.seek(0)
    written = file.read()
    shown = "é \u4f60 \U0001f648".encode(encoding, "backslashreplace").decode(encoding)
    assert f"> TEXT '{shown}' [11 bytes]" in written
    assert f"< TEXT '{shown}' [11 bytes]" in written
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("file", ["trace.log", 2, print])
def test_what_is_no_file_is_refused(restored, file):
    with pytest.raises(InvalidArgumentTypeError, match="file must be an open text file"):
        syncws.enable_trace(file)
    assert not [handler for handler in restored.handlers if handler.get_name() == "syncws.enable_trace"]


def test_a_file_that_fails_does_no_harm_to_the_connection(restored):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    raised = logging.raiseExceptions
    logging.raiseExceptions = False
    try:
        syncws.enable_trace(Full())
        with running_server(echo) as uri, syncws.connect(uri) as socket:
            socket.send("hello")
            assert socket.receive(LIMIT) == "hello"
    finally:
        logging.raiseExceptions = raised


def test_threads_that_send_at_once_lose_no_line_and_no_answer_comes_first(frames):
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        names = [[f"{thread} {number}" for number in range(50)] for thread in "abc"]
        threads = [threading.Thread(target=lambda texts=texts: list(map(socket.send, texts))) for texts in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            join(thread)
        for _ in range(150):
            socket.receive(LIMIT)
    lines = frames()
    for text in itertools.chain(*names):
        there, back = (lines.index(f"{direction} TEXT {text!r} [{len(text)} bytes]") for direction in "><")
        assert there < back
    assert len(lines) == 302


def test_what_the_reader_answers_has_its_line(frames):
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(PING, b"you?") + server_frame(TEXT, b"x"))
        read_until_close(connection)

    with connected(script) as socket:
        assert socket.receive(LIMIT) == "x"
    assert "> PONG 'you?' [4 bytes]" in frames()
