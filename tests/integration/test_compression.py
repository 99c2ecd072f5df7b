"""permessage-deflate on both kinds of socket: what is agreed, bombs, answers that are none, forks and Ctrl-C."""

import json
import threading
import tracemalloc

import pytest
from support import LIMIT, echo, handshake, read_frame, running_server, scripted_server, server_frame, wait
from support.deflate import MESSAGES, ROWS, compressing
from support.floods import bomb
from support.message_websocket import assert_close_code, assert_hresult
from support.programs import assert_quiet, run
from support.scripts import BINARY, FIN, TEXT, close_frame, connected, read_until_close
from support.stream_websocket import connected_stream

import syncws
from syncws import (
    Deflate,
    HandshakeError,
    HResult,
    InvalidArgumentTypeError,
    MessageTooBigError,
    MessageWebSocketReceiveMode,
    ProtocolViolationError,
    SocketMessageType,
)

RSV1 = 0x40
MIB = 1 << 20
ANSWER = "Sec-WebSocket-Extensions: permessage-deflate"


def test_a_server_that_does_not_compress_is_a_plain_connection():
    with running_server(echo) as uri, syncws.connect(uri, compression=True) as socket:
        socket.send("x" * 1000)
        assert socket.receive() == "x" * 1000
        assert socket.information.compression is None
        assert socket.information.bytes_sent > 1000


def test_nothing_is_offered_by_default():
    offers = []

    def handler(connection):
        offers.append(connection.request.headers.get("Sec-WebSocket-Extensions"))
        echo(connection)

    with compressing()(handler) as uri:
        for compression in (None, False, True):
            with syncws.connect(uri, compression=compression) as socket:
                socket.send("x" * 1000)
                assert socket.receive() == "x" * 1000
                assert (socket.information.compression is not None) is bool(compression)
    assert offers == [None, None, "permessage-deflate; client_max_window_bits"]


def test_what_was_agreed_and_came_of_it_stands_in_information():
    with compressing()(echo) as uri, syncws.connect(uri, compression=True) as socket:
        socket.send("x" * 1000)
        socket.receive()
        statistics = socket.information.compression
        assert statistics.extension == "permessage-deflate"
        assert statistics.bytes_to_compress == statistics.bytes_inflated == 1000
        assert 0 < statistics.bytes_compressed < 50
        assert 0 < statistics.bytes_to_inflate < 50
        assert "sent 1000 as" in repr(socket.information)
    assert socket.information.compression == statistics


def test_one_message_may_go_plain():
    frames = []

    def script(connection):
        handshake(connection, ANSWER)
        frames.extend(read_frame(connection) for _ in range(3))
        read_until_close(connection)

    with connected(script, compression=True) as socket:
        socket.send("secret" * 100, compress=False)
        socket.send(b"x" * 100)
        socket.send(bytearray(100), compress=False)
    assert [first for first, _ in frames] == [FIN | TEXT, FIN | RSV1 | BINARY, FIN | BINARY]


@pytest.mark.parametrize("compress", [None, 0, "no"])
def test_compress_is_a_bool(compress):
    """A text that is meant as False must not compress a secret."""
    with compressing()(echo) as uri, syncws.connect(uri, compression=True) as socket:
        with pytest.raises(InvalidArgumentTypeError, match="compress must be a bool, not"):
            socket.send("secret" * 100, compress=compress)
        assert socket.information.compression.bytes_to_compress == socket.information.messages_sent == 0


def test_a_data_writer_s_messages_are_compressed_too():
    with compressing()(echo) as uri, syncws.connect(uri, compression=True) as socket:
        socket.control.message_type = SocketMessageType.UTF8
        with syncws.DataWriter(socket.output_stream) as writer:
            writer.write_string("hello " * 1000)
            writer.store()
            assert socket.receive() == "hello " * 1000
            assert socket.information.compression.bytes_to_compress == 6000
            writer.detach_stream()


def test_messages_are_compressed_over_tls_too(tls):
    with connected(echo, run=compressing(), tls=tls, compression=True) as socket:
        for message in MESSAGES:
            socket.send(message)
            assert socket.receive() == message


def test_a_stream_is_compressed_both_ways():
    data = json.dumps(ROWS).encode() * 40
    with connected_stream(echo, run=compressing(), compression=True) as socket:
        writer = threading.Thread(target=lambda: socket.output_stream.as_file().write(data))
        writer.start()
        assert socket.input_stream.as_file().read(len(data)) == data
        writer.join(LIMIT)
        statistics = socket.information.compression
        assert statistics.bytes_to_compress == statistics.bytes_inflated == len(data)
        assert statistics.bytes_compressed < len(data) // 4


def test_pieces_of_a_message_come_inflated():
    with compressing()(echo) as uri:
        mode = MessageWebSocketReceiveMode.PARTIAL_MESSAGE
        with syncws.connect(uri, compression=True, receive_mode=mode) as socket:
            for message in ("é😀" * 200_000, b"\x00" * MIB, "", b"x"):
                socket.send(message)
                pieces = []
                while not pieces or not pieces[-1].is_message_complete:
                    pieces.append(socket.receive_args())
                assert all(len(piece.data) <= 65536 for piece in pieces)
                joined = b"".join(bytes(piece.data) for piece in pieces)
                assert joined == (message.encode() if isinstance(message, str) else message)


def test_a_storm_of_threads_over_one_context():
    count, threads = 60, 8
    arrived = []
    with compressing()(echo) as uri, syncws.connect(uri, compression=Deflate(minimum_size=0)) as socket:

        def send(number):
            for index in range(count):
                socket.send(f"{number} {index} " + "x" * (index * 997 % 3000), compress=index % 9 != 8)

        senders = [threading.Thread(target=send, args=(number,)) for number in range(threads)]
        for sender in senders:
            sender.start()
        arrived = [socket.receive() for _ in range(count * threads)]
        for sender in senders:
            sender.join(LIMIT)
    for number in range(threads):
        own = [text.split() for text in arrived if text.startswith(f"{number} ")]
        assert [int(words[1]) for words in own] == list(range(count))


# Answers that are none.


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("permessage-deflate; client_max_window_bits=16", "other than a number from 8 to 15"),
        ("permessage-deflate; server_max_window_bits=8; server_max_window_bits=8", "twice"),
        ("permessage-deflate; mode=fast", "unknown parameter mode"),
        ("permessage-bzip2", "permessage-bzip2, which was not offered"),
        ("permessage-deflate, permessage-deflate", "more than the one"),
    ],
)
def test_an_answer_that_the_offer_does_not_allow_fails_the_connect(answer, why):
    def script(connection):
        handshake(connection, f"Sec-WebSocket-Extensions: {answer}")

    with scripted_server(script) as uri, pytest.raises(HandshakeError, match=why) as raised:
        syncws.connect(uri, compression=True)
    assert_hresult(raised, HResult.E_PROTOCOL_EXTENSIONS_NOT_SUPPORTED)


def test_an_answer_without_an_offer_fails_the_connect():
    def script(connection):
        handshake(connection, ANSWER)

    with scripted_server(script) as uri, pytest.raises(HandshakeError, match="was not offered") as raised:
        syncws.connect(uri)
    assert_hresult(raised, HResult.E_PROTOCOL_EXTENSIONS_NOT_SUPPORTED)


# What comes damaged, and bombs.


def sending(*frames, noted, answer=ANSWER):
    """Return a script that sends frames and notes what the client answers."""

    def script(connection):
        handshake(connection, answer)
        connection.sendall(b"".join(frames))
        noted.append(read_frame(connection))
        connection.sendall(close_frame(1000))

    return script


@pytest.mark.parametrize(
    ("frame", "code", "error"),
    [
        (server_frame(BINARY, b"\x06", rsv=RSV1), 1007, ProtocolViolationError),
        (server_frame(BINARY, b"\xf2\x48\xcd", rsv=RSV1), 1007, ProtocolViolationError),
        (server_frame(BINARY, b"x", rsv=0x20), 1002, ProtocolViolationError),
        (server_frame(9, b"x", rsv=RSV1), 1002, ProtocolViolationError),
    ],
)
def test_a_violation_ends_the_connection_with_its_code(frame, code, error):
    frames = []
    with connected(sending(frame, noted=frames), compression=True) as socket:
        with pytest.raises(error):
            socket.receive()
        socket.close()
        assert socket.information.close_code == code
    assert_close_code(frames, code)


@pytest.mark.parametrize("has_handlers", [False, True])
def test_a_bomb_ends_with_1009_within_the_limit(has_handlers):
    data = server_frame(BINARY, bomb(1024 * MIB), rsv=RSV1)
    frames, arrived, is_closed = [], [], threading.Event()

    def prepare(socket):
        if has_handlers:
            socket.add_message_received(lambda _, args: arrived.append(args.error))
        socket.add_closed(lambda *_: is_closed.set())

    tracemalloc.start()
    try:
        with connected(
            sending(data, noted=frames), prepare, compression=True, max_message_size=4 * MIB, close_timeout=LIMIT
        ) as socket:
            if not has_handlers:
                with pytest.raises(MessageTooBigError):
                    socket.receive()
            wait(is_closed)
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [type(error) for error in arrived] == [MessageTooBigError] * has_handlers
    assert_close_code(frames, 1009)
    # The script's own copies of the frame are part of it.
    assert peak < 2 * 4 * MIB + 3 * len(data) + MIB


def test_a_stream_takes_a_bomb_in_as_it_is_read():
    size = 256 * MIB
    frame = server_frame(BINARY, bomb(size), rsv=RSV1)

    def script(connection):
        handshake(connection, ANSWER)
        connection.sendall(frame)
        read_until_close(connection)

    with connected_stream(script, compression=True) as socket:
        stream = socket.input_stream.as_file()
        count = 0
        most = 0
        while count < size:
            count += len(stream.read(MIB))
            most = max(most, socket.information.bytes_buffered_in)
        assert count == size
        assert most <= socket.control.inbox_size_in_bytes + 262144 + 65536


def test_a_ping_is_answered_in_the_middle_of_what_is_inflated():
    # Its place is behind the first of two messages, and the second alone takes a while.
    answered = threading.Event()
    zeros = bomb(64 * MIB)

    def script(connection):
        handshake(connection, ANSWER)
        connection.sendall(server_frame(BINARY, zeros, rsv=RSV1) + server_frame(9, b"there?"))
        assert read_frame(connection) == (FIN | 10, b"there?")
        answered.set()
        read_until_close(connection)

    with connected(script, compression=True) as socket:
        assert len(socket.receive()) == 64 * MIB
        wait(answered)


# Forks and Ctrl-C.


def test_ctrl_c_in_the_middle_of_a_large_message_leaves_no_torn_context():
    # It lands anywhere: in the compressor, in a wait for the peer. Either all goes on, or the connection was cut.
    script = """
import random
with syncws.connect(uri, compression=True, send_timeout=30) as socket:
    data = random.Random(1).randbytes(3_000_000) + b"x" * 3_000_000
    interrupted = 0
    for delay in range(12):
        timer = threading.Timer(0.02 + delay / 100, press_ctrl_c)
        timer.start()
        try:
            try:
                while True:
                    socket.send(data)
            except KeyboardInterrupt:
                interrupted += 1
            timer.join()
            socket.send(b"end %d" % delay)
        except (ConnectionOverError, IllegalMethodCallError) as exc:
            print("ended", type(exc).__name__)
            break
    assert interrupted
"""
    messages, errors = [], []

    def handler(connection):
        try:
            for message in connection:
                messages.append(len(message))
        except Exception as exc:  # noqa: BLE001 - shown by the test
            errors.append(exc)

    with compressing()(handler) as uri:
        done = run(script, uri)
    assert done.returncode == 0, done.stderr
    assert {size for size in messages if size > 100} <= {6_000_000}
    assert all("1007" not in str(error) and "1002" not in str(error) for error in errors)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
def test_a_fork_in_the_middle_of_a_message_leaves_the_parent_s_context_alone():
    script = """
warnings.simplefilter("ignore", DeprecationWarning)
with syncws.connect(uri, compression=True) as socket:
    texts = [f"{number} of many " * 400 for number in range(200)]
    sender = threading.Thread(target=lambda: [socket.send(text) for text in texts])
    sender.start()
    for _ in range(10):
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            try:
                socket.send("from the child" * 100)
            except ConnectionLostError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert [socket.receive() for _ in texts] == texts
    sender.join()
"""
    with compressing()(echo) as uri:
        assert_quiet(run(script, uri))
