"""What several of the test_message_websocket files share: records of events, scripts of peers, and lists of cases."""

import contextlib
import socket as tcp
import threading

import pytest

from support.scripts import BINARY, CLOSE, FIN, TEXT, connected, read_until_close, round_trip
from support.servers import LIMIT, echo, handshake, running_server, server_frame, wait


class Record:
    """Handlers that note what the events bring, in order."""

    def __init__(self, socket):
        self.entries = []
        self.came = threading.Semaphore(0)
        self.is_closed = threading.Event()
        # In this order: all of it may have come already, and then the end comes right behind the last message.
        socket.add_closed(self.take_closed)
        socket.add_message_received(self.take_message)

    def take_message(self, sender, args):
        try:
            with args.get_data_reader() as reader:
                self.entries.append(reader.read_string(reader.unconsumed_buffer_length))
        except OSError as exc:
            self.entries.append(exc)
        self.came.release()

    def take_closed(self, sender, args):
        self.entries.append((args.code, args.reason))
        self.is_closed.set()

    def wait_messages(self, count):
        for _ in range(count):
            assert self.came.acquire(timeout=LIMIT), "the message did not come"


@contextlib.contextmanager
def recorded(script, prepare=None, **options):
    """Give a connected socket, and the record of all its events."""
    records = []

    def prepare_both(socket):
        records.append(Record(socket))
        if prepare is not None:
            prepare(socket)

    with connected(script, prepare_both, **options) as socket:
        yield socket, records[0]


@contextlib.contextmanager
def unheard_listener():
    """Give the URI of a listener, and see to it that nobody connected."""
    with tcp.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield f"ws://localhost:{listener.getsockname()[1]}/"
        with pytest.raises(BlockingIOError):
            listener.accept()


def assert_hresult(raised, hresult):
    assert raised.value.hresult == hresult


def assert_close_code(frames, code):
    """See to it that the frames are one Close with a code."""
    assert [(first, payload[:2]) for first, payload in frames] == [(FIN | CLOSE, code.to_bytes(2, "big"))]


def lost_script(go, rest, end):
    def script(connection):
        handshake(connection)
        wait(go)
        connection.sendall(rest)
        end(connection)

    return script


MID_FRAME = server_frame(BINARY, bytes(100))[:50]


def waiting_messages(frames, ready):
    """Return a script that sends frames, and sets `ready` when the client has them all in its queue."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(frames))
        round_trip(connection)
        ready.set()
        read_until_close(connection)

    return script


THREE = [server_frame(TEXT, text) for text in (b"one", b"two", b"three")]


class HandlerError(Exception):
    pass


USES = {
    "send text": lambda socket: socket.send("a"),
    "send bytes": lambda socket: socket.send(b"a"),
    "send a view": lambda socket: socket.send(memoryview(b"a")),
    "receive": lambda socket: socket.receive(0),
    "iterate": lambda socket: next(iter(socket)),
    "write": lambda socket: socket.output_stream.write(b"a"),
    "flush": lambda socket: socket.output_stream.flush(),
}


@pytest.fixture(name="wss")
def wss_fixture(server_tls):
    with running_server(echo, ssl_context=server_tls) as uri:
        yield uri
