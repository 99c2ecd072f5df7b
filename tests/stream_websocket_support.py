"""What the tests of StreamWebSocket share: calls on threads of their own, scripted peers, and short ways to read."""

import contextlib
import threading

import pytest
from support import LIMIT, handshake, join, read_frame, scripted_server, server_frame, wait

from syncws import InputStreamOptions, StreamWebSocket
from syncws.threads.byte_inbox import ByteInbox

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PARTIAL = InputStreamOptions.PARTIAL


class Call:
    """A call on a thread of its own."""

    def __init__(self, function, *arguments):
        self.error = self.value = None

        def body():
            try:
                self.value = function(*arguments)
            except Exception as exc:  # noqa: BLE001 - handed to the test
                self.error = exc

        self.thread = threading.Thread(target=body, name="test-call")
        self.thread.start()

    def result(self):
        join(self.thread)
        if self.error is not None:
            raise self.error
        return self.value


def read(socket, count, options=InputStreamOptions.NONE):
    """Read from the socket's input stream; return the bytes."""
    target = bytearray(count)
    return bytes(target[: socket.input_stream.read(target, count, options).length])


def close_frame(code=1000, reason=""):
    return server_frame(CLOSE, code.to_bytes(2, "big") + reason.encode())


def read_until_close(connection):
    """Read the client's frames up to its Close, and answer that; return them all."""
    frames = []
    while not frames or frames[-1][0] & 0x0F != CLOSE:
        frames.append(read_frame(connection))
    connection.sendall(server_frame(CLOSE, frames[-1][1]))
    return frames


def round_trip(connection):
    """Ping and wait for the pong, twice: after that the client has dealt with all that was sent before."""
    for _ in range(2):
        connection.sendall(server_frame(PING))
        assert read_frame(connection)[0] == 0x80 | PONG


def sends(*frames):
    """Return a script that sends frames, then waits for the client's Close."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(frames))
        read_until_close(connection)

    return script


def sends_and_closes(*frames, code=1000, reason=""):
    """Return a script that sends frames and a Close, and takes the answer."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(frames) + close_frame(code, reason))
        read_frame(connection)

    return script


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


@contextlib.contextmanager
def connected(script, prepare=None, **settings):
    """Give a socket that is connected to a scripted server."""
    with scripted_server(script) as uri, StreamWebSocket() as socket:
        for name, value in settings.items():
            setattr(socket.control, name, value)
        if prepare is not None:
            prepare(socket)
        socket.connect(uri)
        yield socket


@pytest.fixture
def waiting(monkeypatch):
    """An Event that is set whenever a read begins to wait."""
    event = threading.Event()
    wait_for_change = ByteInbox._wait

    def note_and_wait(inbox, *arguments):
        event.set()
        wait_for_change(inbox, *arguments)

    monkeypatch.setattr(ByteInbox, "_wait", note_and_wait)
    return event


def wait_closed(socket):
    assert socket.wait_closed(LIMIT)


def assert_hresult(raised, number):
    assert raised.value.hresult & 0xFFFF_FFFF == number
