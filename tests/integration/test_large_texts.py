"""Large texts on real connections, whatever their alphabet, by each way of sending."""

import threading

import pytest
from support import echo, handshake, read_frame, running_server, server_frame, wait
from support.deflate import compressing
from support.scripts import CLOSE, FIN, TEXT, connected

from syncws import DataReader, DataWriter, OperationTimedOutError, SocketMessageType, StreamWebSocket

PIECE = 65536
UTF8 = SocketMessageType.UTF8
# Each with characters that lie across the edges of pieces.
TEXTS = {
    "ASCII": "word " * 60_000,
    "Latin": "gr\u00fc\u00dfe, " * 40_000,
    "two bytes": "\u0436\u0438\u0437\u043d\u044c " * 30_000,
    "three bytes": "\u65e5\u672c\u8a9e" * 40_000 + "x",
    "four bytes": "a\U0001f600\u0142" * 50_000,
}
texts = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def write(stream, text):
    with DataWriter(stream) as writer:
        assert writer.write_string(text) == len(text.encode())
        assert writer.store() == len(text.encode())
        writer.detach_stream()


@texts
@pytest.mark.parametrize("compression", [None, True])
def test_a_large_text_arrives_by_send_and_by_a_data_writer(text, compression, tls):
    run = compressing() if compression else running_server
    with connected(echo, run=run, tls=tls, compression=compression, message_type=UTF8) as socket:
        socket.send(text)
        assert socket.receive() == text
        write(socket.output_stream, text)
        assert socket.receive() == text
        socket.send(text, compress=False)
        assert socket.receive() == text


@texts
def test_a_large_text_is_bytes_where_the_messages_are_binary(text):
    with connected(echo, run=running_server) as socket:
        write(socket.output_stream, text)
        assert socket.receive() == text.encode()


@texts
def test_a_large_text_is_bytes_of_a_stream(text):
    with connected(echo, socket_class=StreamWebSocket, run=running_server) as socket:
        write(socket.output_stream, text)
        with DataReader(socket.input_stream) as reader:
            size = len(text.encode())
            assert reader.load(size) == size
            assert reader.read_string(size) == text


@pytest.mark.parametrize("by_writer", [False, True])
def test_a_large_text_that_had_to_wait_for_another_is_sent_again_from_its_beginning(by_writer):
    go, frames = threading.Event(), []

    def script(connection):
        handshake(connection)
        wait(go)
        while not frames or frames[-1][0] != FIN | CLOSE:
            frames.append(read_frame(connection))
        connection.sendall(server_frame(CLOSE, frames[-1][1]))

    # More than the buffers of two sockets hold.
    first, text = "\u0142" * (4 << 20), TEXTS["two bytes"]
    with connected(script, message_type=UTF8, send_timeout=0.2, outbound_buffer_size_in_bytes=PIECE) as socket:
        with pytest.raises(OperationTimedOutError) as raised:
            socket.send(first)
        assert raised.value.is_queued
        with DataWriter(socket.output_stream) as writer:
            writer.write_string(text)
            send = writer.store if by_writer else lambda: socket.send(text)
            with pytest.raises(OperationTimedOutError) as raised:
                send()
            assert not raised.value.is_queued
            go.set()
            while len(frames) < 2:
                try:
                    send()
                except OperationTimedOutError as error:
                    # Where the machine is busy the peer may pause in the middle: the rest goes along with the Close.
                    if error.is_queued:
                        break
                else:
                    break
            writer.detach_stream()
    assert [first_byte for first_byte, _ in frames[:-1]] == [FIN | TEXT] * 2
    assert frames[0][1].decode() == first
    assert frames[1][1].decode() == text
