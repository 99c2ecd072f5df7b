"""Messages of every size class byte for byte, over ws and wss, and frames that arrive cut at random places."""

import random
import threading

import pytest
from support import (
    LIMIT,
    echo,
    handshake,
    read_frame,
    running_server,
    scripted_server,
    server_frame,
)

import syncws
from syncws import DataWriter, MessageWebSocket, SocketMessageType

MIB = 1024 * 1024
# The ends of the three forms that a frame's length has, and beyond what any buffer holds.
SIZES = [0, 125, 126, 65535, 65536, MIB, pytest.param(32 * MIB, marks=pytest.mark.slow)]
# One to four bytes of UTF-8 each, ten together.
CHARACTERS = "aé€😀"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def text_of(size):
    """Return text of `size` bytes of UTF-8."""
    text = CHARACTERS * (size // 10) + "x" * (size % 10)
    assert len(text.encode()) == size
    return text


def bytes_of(size):
    return random.Random(size).randbytes(size)


@pytest.fixture
def plain():
    with running_server(echo) as uri:
        yield uri, None


@pytest.fixture
def secure(server_tls, client_tls):
    with running_server(echo, ssl_context=server_tls) as uri:
        yield uri, client_tls


@pytest.fixture(params=["plain", "secure"], ids=["ws", "wss"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [text_of, bytes_of], ids=["text", "binary"])
def test_an_echo_comes_back_byte_for_byte(server, make, size):
    uri, ssl_context = server
    message = make(size)
    with syncws.connect(uri, ssl_context=ssl_context) as socket:
        socket.send(message)
        echoed = socket.receive(timeout=LIMIT)
    assert type(echoed) is type(message)
    # Not in the assert itself, which would compare 32 MiB character by character when it fails.
    is_same = echoed == message
    assert is_same


@pytest.mark.parametrize("size", [1, 125, 126, 65535, 65536, MIB])
def test_an_echo_through_writer_and_reader_comes_back_byte_for_byte(server, size):
    uri, ssl_context = server
    text, data = text_of(size), bytes_of(size)
    echoed = []
    came = threading.Semaphore(0)

    def received(sender, args):
        with args.get_data_reader() as reader:
            length = reader.unconsumed_buffer_length
            if args.message_type is SocketMessageType.UTF8:
                echoed.append(reader.read_string(length))
            else:
                echoed.append(reader.read_bytes(length))
        came.release()

    with MessageWebSocket() as socket:
        socket.control.ssl_context = ssl_context
        socket.add_message_received(received)
        socket.connect(uri)
        with DataWriter(socket.output_stream) as writer:
            socket.control.message_type = SocketMessageType.UTF8
            writer.write_string(text)
            assert writer.store() == size
            socket.control.message_type = SocketMessageType.BINARY
            writer.write_bytes(data)
            assert writer.store() == size
            writer.detach_stream()
        for _ in range(2):
            assert came.acquire(timeout=LIMIT)
    is_same = echoed == [text, data]
    assert is_same


def test_messages_that_are_sent_one_behind_the_other_come_back_in_order(server):
    uri, ssl_context = server
    messages = [text_of(size) if size % 2 else bytes_of(size) for size in range(0, 3000, 37)]
    with syncws.connect(uri, ssl_context=ssl_context) as socket:
        for message in messages:
            socket.send(message)
        assert [socket.receive(timeout=LIMIT) for _ in messages] == messages


# Cut at random places.


def fragments_of(message, dice):
    """Return a message's frames: cut anywhere, inside characters too, with control frames in between."""
    payload = message.encode() if isinstance(message, str) else message
    cuts = sorted(dice.randint(0, len(payload)) for _ in range(dice.choice([0, 0, 1, 3, 8])))
    starts, ends = [0, *cuts], [*cuts, len(payload)]
    frames = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        opcode = 0 if index else TEXT if isinstance(message, str) else BINARY
        frames.append(server_frame(opcode, payload[start:end], fin=index == len(cuts)))
        if dice.random() < 0.4:
            frames.append(server_frame(dice.choice([PING, PONG]), dice.randbytes(dice.randint(0, 125))))
    return b"".join(frames)


def make_messages(dice):
    sizes = [0, 1, 125, 126, 127, 65535, 65536, *(dice.randint(0, 5000) for _ in range(40))]
    dice.shuffle(sizes)
    return [dice.choice([text_of, bytes_of])(size) for size in sizes]


def packets_of(stream, dice):
    """Return the stream in pieces, most of them small, some of a single byte."""
    packets = []
    position = 0
    while position < len(stream):
        size = dice.choice([1, 1, 2, 3, dice.randint(1, 200), dice.randint(1, 20_000)])
        packets.append(stream[position : position + size])
        position += size
    return packets


def cutting_script(messages, dice, last_pongs):
    """Return a script that sends messages cut at random, and a last Ping and Close; notes the last Pong."""
    stream = b"".join(fragments_of(message, dice) for message in messages)
    stream += server_frame(PING, b"the last") + server_frame(CLOSE, b"\x03\xe8end")

    def script(connection):
        handshake(connection)
        pongs = [b""]
        for packet in packets_of(stream, dice):
            connection.sendall(packet)
        while True:
            first, payload = read_frame(connection)
            if first == 0x80 | CLOSE:
                break
            assert first == 0x80 | PONG
            pongs.append(payload)
        last_pongs.append(pongs[-1])

    return script


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("seed", range(5))
def test_frames_cut_at_random_places_come_whole_through_events_and_readers(seed, tls, request):
    dice = random.Random(seed)
    messages = make_messages(dice)
    received, closed, pongs = [], [], []

    def take(sender, args):
        with args.get_data_reader() as reader:
            is_text = args.message_type is SocketMessageType.UTF8
            read = reader.read_string if is_text else reader.read_bytes
            received.append(read(reader.unconsumed_buffer_length))

    server_context = request.getfixturevalue("server_tls") if tls else None
    with (
        scripted_server(cutting_script(messages, dice, pongs), ssl_context=server_context) as uri,
        MessageWebSocket() as socket,
    ):
        if tls:
            socket.control.ssl_context = request.getfixturevalue("client_tls")
        socket.add_message_received(take)
        socket.add_closed(lambda sender, args: closed.append((args.code, args.reason)))
        socket.connect(uri)
        assert socket.wait_closed(LIMIT)
    is_same = received == messages
    assert is_same
    assert closed == [(1000, "end")]
    assert pongs == [b"the last"]
    assert socket.information.handler_failures == 0


@pytest.mark.parametrize("seed", range(5, 8))
def test_frames_cut_at_random_places_come_whole_through_iteration(seed):
    dice = random.Random(seed)
    messages = make_messages(dice)
    with scripted_server(cutting_script(messages, dice, [])) as uri, syncws.connect(uri) as socket:
        is_same = list(socket) == messages
    assert is_same


def test_a_stream_that_comes_byte_by_byte_comes_whole():
    dice = random.Random(99)
    messages = [text_of(size) if size % 2 else bytes_of(size) for size in (0, 5, 126, 200, 301)]
    stream = b"".join(fragments_of(message, dice) for message in messages) + server_frame(CLOSE)

    def script(connection):
        handshake(connection)
        for position in range(len(stream)):
            connection.sendall(stream[position : position + 1])
        while read_frame(connection)[0] != 0x80 | CLOSE:
            pass

    with scripted_server(script) as uri, syncws.connect(uri) as socket:
        assert list(socket) == messages
