"""What the tests of StreamWebSocket share: a connected socket, a peer that goes step by step, short ways to read."""

import functools
import threading

import pytest

from support.scripts import connected, read_until_close, round_trip
from support.servers import LIMIT, handshake, wait
from syncws import DataReader, InputStreamOptions, StreamWebSocket
from syncws._connection.receiving.byte_inbox import ByteInbox
from syncws._connection.receiving.pulling import Puller

PARTIAL = InputStreamOptions.PARTIAL


def read(socket, count, options=InputStreamOptions.NONE):
    """Read from the socket's input stream; return the bytes."""
    target = bytearray(count)
    return bytes(target[: socket.input_stream.read(target, count, options).length])


def load(socket, count):
    """Load into a DataReader that gives the stream back; return the bytes that came."""
    with DataReader(socket.input_stream) as reader:
        try:
            reader.load(count)
        finally:
            reader.detach_stream()
        return reader.read_bytes(reader.unconsumed_buffer_length)


class Steps:
    """A script that sends each of `parts` when it is told to, and notes when the client has dealt with it."""

    def __init__(self, *parts):
        self.parts = parts
        self.go = [threading.Event() for _ in parts]
        self.arrived = [threading.Event() for _ in parts]

    def __call__(self, connection):
        handshake(connection)
        for part, go, arrived in zip(self.parts, self.go, self.arrived, strict=True):
            wait(go)
            connection.sendall(part)
            round_trip(connection)
            arrived.set()
        read_until_close(connection)

    def step(self, number):
        self.go[number].set()
        wait(self.arrived[number])


connected_stream = functools.partial(connected, socket_class=StreamWebSocket)


@pytest.fixture
def waiting(monkeypatch):
    """An Event that is set whenever a read begins to wait: for the socket, or for another thread that reads."""
    event = threading.Event()
    for kind in (ByteInbox, Puller):

        def note_and_wait(waiting, *arguments, do_wait=kind._wait):
            event.set()
            return do_wait(waiting, *arguments)

        monkeypatch.setattr(kind, "_wait", note_and_wait)
    return event


def wait_closed(socket):
    assert socket.wait_closed(LIMIT)


def assert_hresult(raised, number):
    assert raised.value.hresult & 0xFFFF_FFFF == number
