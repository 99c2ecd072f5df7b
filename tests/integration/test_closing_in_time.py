"""Closing is bounded, whatever state the connection is in."""

import contextlib
import ssl
import threading
import time

import pytest
from support import (
    LIMIT,
    handshake,
    read_request,
    read_to_end,
    scripted_server,
    server_frame,
    wait,
)
from support.calls import Call
from support.scripts import BINARY, CLOSE, TEXT, connected, only_reads, sends_and_notes_one

from syncws import (
    CloseCause,
    MessageWebSocket,
    OperationCanceledError,
    StreamWebSocket,
    WebSocketError,
)
from syncws._waiting.locks import Latch

SHORT = 0.05
BIG = bytes(1 << 24)


class State:
    """A peer, and what the client does, so that the connection is in the state in which it is to be closed."""

    socket_class = MessageWebSocket

    def __init__(self):
        self.left = threading.Event()
        self.calls = []

    def script(self, connection):
        handshake(connection)
        wait(self.left)

    def prepare(self, socket):
        pass

    def begin(self, socket):
        pass

    def end(self):
        self.left.set()
        for call in self.calls:
            with contextlib.suppress(WebSocketError):
                call.result()


class SilentPeer(State):
    def script(self, connection):
        only_reads(connection)


class PeerThatDoesNotRead(State):
    pass


class StuckSend(State):
    def prepare(self, socket):
        socket.control.send_timeout = None

    def begin(self, socket):
        self.calls.append(Call(socket.send, BIG))
        while socket._session.outbox._writer._waker is None:
            pass


class StuckFragments(StuckSend):
    socket_class = StreamWebSocket

    def begin(self, socket):
        self.calls.append(Call(socket.output_stream.write, BIG))
        while socket._session.outbox._writer._waker is None:
            pass


class SenderBehindAStuckOne(StuckSend):
    def begin(self, socket):
        super().begin(socket)
        self.calls.append(Call(socket.send, b"behind"))
        while len(socket._session.outbox._waiting) < 1:
            pass


class OpenFragment(State):
    def begin(self, socket):
        socket.send_nonfinal_frame(b"not finished")


class RunningHandler(State):
    def __init__(self):
        super().__init__()
        self.inside = threading.Event()

    def script(self, connection):
        handshake(connection, behind=server_frame(TEXT, b"hello"))
        wait(self.left)

    def prepare(self, socket):
        socket.add_message_received(lambda *_: (self.inside.set(), wait(self.left)))

    def begin(self, socket):
        wait(self.inside)


class FullInbox(State):
    def script(self, connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, bytes(100)) * 10)
        wait(self.left)

    def prepare(self, socket):
        socket.control.inbox_size_in_bytes = 100

    def begin(self, socket):
        while not socket._session.inbox.is_full:
            pass


class FullInboxOfAStream(FullInbox):
    socket_class = StreamWebSocket


class Receiver(State):
    def begin(self, socket):
        self.calls.append(Call(socket.receive, None))
        while not socket._session.inbox.is_being_taken:
            pass


class Reader(State):
    socket_class = StreamWebSocket

    def begin(self, socket):
        self.calls.append(Call(socket.input_stream.read, bytearray(1), 1))
        while not socket._session.inbox.is_being_taken:
            pass


class HalfAFrame(State):
    def script(self, connection):
        handshake(connection, behind=server_frame(BINARY, bytes(1000))[:500])
        wait(self.left)


class EndlessSender(State):
    def script(self, connection):
        handshake(connection)
        while not self.left.is_set():
            connection.sendall(server_frame(BINARY, bytes(60000)))


class OtherCloser(SilentPeer):
    def begin(self, socket):
        self.calls.append(Call(socket.close, 1000, "first"))
        while socket.information.close_cause is CloseCause.NONE:
            pass


STATES = [
    SilentPeer,
    PeerThatDoesNotRead,
    StuckSend,
    StuckFragments,
    SenderBehindAStuckOne,
    OpenFragment,
    RunningHandler,
    FullInbox,
    FullInboxOfAStream,
    Receiver,
    Reader,
    HalfAFrame,
    EndlessSender,
    OtherCloser,
]


class ProgramError(Exception):
    pass


def leave_by_an_exception(socket):
    # Whatever control.close_timeout says.
    with contextlib.suppress(ProgramError), socket:
        raise ProgramError


ENDS = {
    "close": lambda socket: socket.close(1000, "over"),
    "close on another thread": lambda socket: Call(socket.close).result(),
    "five closes at once": lambda socket: [call.result() for call in [Call(socket.close) for _ in range(5)]],
    "abort": lambda socket: socket.abort(),
    "an exception in a with block": leave_by_an_exception,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("state", STATES)
def test_closing_is_bounded(state, end, tls):
    state = state()
    with connected(
        state.script,
        state.prepare,
        socket_class=state.socket_class,
        tls=tls,
        close_timeout=LIMIT * 4 if end is leave_by_an_exception else SHORT,
    ) as socket:
        try:
            state.begin(socket)
            start = time.monotonic()
            end(socket)
            # Far from the ten seconds of the default, and from the tests' own limit.
            assert time.monotonic() - start < LIMIT / 6
        finally:
            state.end()
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_cause in (CloseCause.LOCAL, CloseCause.ABORTED)


@pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
def test_a_close_that_waits_for_nothing_sends_its_frame_all_the_same(socket_class, tls):
    frames = []
    with connected(sends_and_notes_one(frames), socket_class=socket_class, tls=tls, close_timeout=0) as socket:
        socket.close(1000, "bye")
    assert frames == [(0x80 | CLOSE, (1000).to_bytes(2, "big") + b"bye")]


def test_half_a_tls_record_does_not_hold_a_close(server_tls, client_tls):
    left, stopped = threading.Event(), threading.Event()

    def script(connection):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        engine = server_tls.wrap_bio(incoming, outgoing, server_side=True)
        peer = ByHand(connection, engine, incoming, outgoing)
        peer.do(engine.do_handshake)
        connection.sendall(outgoing.read())
        handshake(peer)
        engine.write(server_frame(BINARY, bytes(4000)))
        connection.sendall(outgoing.read()[:100])
        stopped.set()
        wait(left)

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        socket.control.ssl_context = client_tls
        socket.control.close_timeout = SHORT
        socket.connect(uri.replace("ws:", "wss:"))
        wait(stopped)
        start = time.monotonic()
        socket.close()
        assert time.monotonic() - start < LIMIT / 6
        left.set()


class ByHand:
    """A server's TLS whose records the test sends itself."""

    def __init__(self, connection, engine, incoming, outgoing):
        self.connection, self.engine, self.incoming, self.outgoing = connection, engine, incoming, outgoing

    def do(self, function, *arguments):
        while True:
            try:
                return function(*arguments)
            except ssl.SSLWantReadError:
                self.connection.sendall(self.outgoing.read())
                self.incoming.write(self.connection.recv(65536))

    def recv(self, size):
        return self.do(self.engine.read, size)

    def sendall(self, data):
        self.engine.write(data)
        self.connection.sendall(self.outgoing.read())


def test_a_with_block_that_an_exception_leaves_takes_half_a_second(monkeypatch):
    # By the library's own clock: what it waits for the peer, and for its reader after that.
    waits = []
    with connected(only_reads) as socket:
        wait_until = Latch.wait_until

        def note(latch, deadline, meanwhile):
            waits.append(deadline.remaining)
            return wait_until(latch, deadline, meanwhile) if len(waits) > 1 else False

        monkeypatch.setattr(Latch, "wait_until", note)
        socket.__exit__(ProgramError, None, None)
        monkeypatch.undo()
        assert len(waits) == 2
        assert sum(waits) <= 0.5


@pytest.mark.parametrize("end", ["close", "abort"])
def test_closing_ends_a_connect_in_every_phase(end, tls):
    for answer in (read_to_end, lambda connection: (read_request(connection), read_to_end(connection))):
        asked = threading.Event()

        def script(connection, answer=answer, asked=asked):
            asked.set()
            answer(connection)

        with scripted_server(script, ssl_context=tls[0]) as uri:
            socket = MessageWebSocket()
            socket.control.ssl_context = tls[1]
            connecting = Call(socket.connect, uri)
            wait(asked)
            start = time.monotonic()
            getattr(socket, end)()
            with pytest.raises(OperationCanceledError):
                connecting.result()
            assert time.monotonic() - start < LIMIT / 6
            assert socket.information.close_cause is CloseCause.NONE
