"""Memory stays within the limits whatever a server sends, and nobody is held up by one that does not read.

Memory is what tracemalloc sees at its peak, and what the containers hold: neither depends on the machine. The server's
thread is in the same process, so its bytes are made before the measurement begins.
"""

import contextlib
import threading

import pytest
from support import LIMIT, handshake, read_frame, read_to_end, server_frame, wait
from support.calls import Call
from support.floods import MIB, Cuttable, peak_below
from support.handlers import be_impatient
from support.message_websocket import Record
from support.scripts import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, connected, on_message, read_until_close

from syncws import (
    MessageTooBigError,
    MessageWebSocket,
    MessageWebSocketReceiveMode,
    OperationTimedOutError,
    ProtocolViolationError,
    StreamWebSocket,
    WebSocketError,
)
from syncws._connection.receiving.message_inbox import MAX_WAITING_MESSAGES
from syncws._wire import frame_decoder

pytestmark = pytest.mark.slow

PARTIAL = MessageWebSocketReceiveMode.PARTIAL_MESSAGE
NO_LIMIT = 0xFFFFFFFF
READ_BYTES = 65536
SHORT = 0.1


def sends_then_reads(data, answers, *, begun=None):
    """Return a script that sends, when the Event `begun` has come, and notes frames up to the client's Close."""

    def script(connection):
        handshake(connection)
        if begun is not None:
            wait(begun)
        connection.sendall(data)
        while not answers or answers[-1][0] != FIN | CLOSE:
            answers.append(read_frame(connection))

    return script


class Receiving:
    """Someone who waits for what comes."""

    socket_class = MessageWebSocket
    receive_mode = None

    @property
    def settings(self):
        return {} if self.receive_mode is None else {"receive_mode": self.receive_mode}

    def prepare(self, socket):
        pass

    def first(self, socket, count):
        """Return the next message, or the next `count` bytes."""
        return socket.receive(LIMIT)

    def outcome(self, socket):
        """Wait for the end of the connection; return its error."""
        try:
            while socket.receive(LIMIT) is not None:
                pass
        except WebSocketError as exc:
            return exc


class ReceivingPieces(Receiving):
    receive_mode = PARTIAL


class Handling(Receiving):
    def prepare(self, socket):
        self.record = Record(socket)

    def outcome(self, socket):
        wait(self.record.is_closed)
        return next(entry for entry in self.record.entries if isinstance(entry, WebSocketError))


class HandlingPieces(Handling):
    receive_mode = PARTIAL


class Reading(Receiving):
    socket_class = StreamWebSocket

    def first(self, socket, count):
        target = bytearray(count)
        return bytes(target[: socket.input_stream.read(target, count).length])

    def outcome(self, socket):
        target = bytearray(65536)
        try:
            while socket.input_stream.read(target, len(target)).length:
                pass
        except WebSocketError as exc:
            return exc


EVERYBODY = {
    "receive": Receiving,
    "receive pieces": ReceivingPieces,
    "handler": Handling,
    "handler of pieces": HandlingPieces,
    "stream": Reading,
}
everybody = pytest.mark.parametrize("make_user", EVERYBODY.values(), ids=EVERYBODY.keys())


def end_of(user, data, tls, limit, **settings):
    """Send data to a user; return the error that ends the connection and the code that the server is told."""
    answers = []
    begun = threading.Event()
    script = sends_then_reads(data, answers, begun=begun)
    settings = {"socket_class": user.socket_class, **user.settings, **settings}
    with connected(script, user.prepare, tls=tls, **settings) as socket, peak_below(limit):
        begun.set()
        error = user.outcome(socket)
        assert socket.wait_closed(LIMIT)
    assert answers[-1][0] == FIN | CLOSE
    return error, int.from_bytes(answers[-1][1][:2], "big")


# Fragments.


@everybody
def test_endless_empty_fragments_take_no_memory_and_are_ended(monkeypatch, tls, make_user):
    count = 10_000
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", count)
    data = server_frame(TEXT, fin=False) + server_frame(CONTINUATION, fin=False) * count
    error, code = end_of(make_user(), data, tls, 400_000)
    assert isinstance(error, MessageTooBigError)
    assert code == 1009


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_endless_small_fragments_take_no_more_memory_than_their_bytes_and_are_ended(monkeypatch, tls, opcode):
    count = 30_000
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", count)
    data = server_frame(opcode, b"xy", fin=False) + server_frame(CONTINUATION, b"xy", fin=False) * count
    # An object for each fragment would take 43 bytes, that is more; a large read alone takes most of it.
    error, code = end_of(Receiving(), data, tls, MIB, max_message_size=NO_LIMIT)
    assert isinstance(error, MessageTooBigError)
    assert code == 1009


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_endless_fragments_are_ended_by_the_limit_of_a_message(tls, opcode):
    limit = 100_000
    data = server_frame(opcode, bytes(1000), fin=False) + server_frame(CONTINUATION, bytes(1000), fin=False) * 2000
    error, code = end_of(Receiving(), data, tls, limit + MIB, max_message_size=limit)
    assert isinstance(error, MessageTooBigError)
    assert code == 1009


# Messages that nobody takes.


@contextlib.contextmanager
def flooded(data, tls, paused, handler=None, **settings):
    """Give a socket whose server sends data as fast as it is taken; the measured part is up to the pause."""
    begun = threading.Event()

    def script(connection):
        handshake(connection)
        wait(begun)
        connection.sendall(data)
        read_to_end(connection)

    prepare = None if handler is None else on_message(handler)
    peer = Cuttable(script)
    with connected(peer, prepare, tls=tls, close_timeout=SHORT, **settings) as socket, peer:
        try:
            # Objects of what one read brings, 32768 empty messages at most, and the bound of the inbox.
            with peak_below(8 * MIB):
                begun.set()
                wait(paused)
            yield socket
        finally:
            socket.abort()


FLOODS = {
    "empty messages": server_frame(BINARY) * 2_000_000,
    "messages of a byte": server_frame(TEXT, b"x") * 1_000_000,
    "large messages": server_frame(BINARY, bytes(60_000)) * 300,
    "fragments of a byte": server_frame(BINARY, b"x", fin=False) + server_frame(0, b"x", fin=False) * 1_000_000,
}
CAPACITY = 20_000


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *[(MessageWebSocketReceiveMode.FULL_MESSAGE, kind) for kind in list(FLOODS)[:3]],
        *[(PARTIAL, kind) for kind in FLOODS],
    ],
)
@pytest.mark.parametrize("is_handled", [False, True], ids=["nobody", "a slow handler"])
def test_messages_that_are_not_taken_stop_the_reading(monkeypatch, tls, paused, mode, kind, is_handled):
    release = threading.Event()
    handler = (lambda *_: wait(release)) if is_handled else None
    be_impatient(monkeypatch)
    settings = {"receive_mode": mode, "inbox_size_in_bytes": CAPACITY}
    with flooded(FLOODS[kind], tls, paused, handler, **settings) as socket:
        try:
            assert len(socket._session.inbox._messages) < MAX_WAITING_MESSAGES + READ_BYTES // 2
            assert socket.information.bytes_buffered_in < CAPACITY + 2 * READ_BYTES
        finally:
            release.set()


@pytest.mark.parametrize("kind", ["messages of a byte", "fragments of a byte", "large messages"])
def test_bytes_of_a_stream_that_are_not_read_stop_the_reading(tls, paused, kind):
    with flooded(FLOODS[kind], tls, paused, socket_class=StreamWebSocket, inbox_size_in_bytes=CAPACITY) as socket:
        assert CAPACITY <= socket.information.bytes_buffered_in < CAPACITY + 2 * READ_BYTES
        assert len(socket._session.inbox._chunks) < 100


def test_empty_messages_on_a_stream_take_no_memory(tls):
    error, code = end_of(Reading(), server_frame(BINARY) * 10_000 + b"\xff\x00", tls, 2 * MIB)
    assert isinstance(error, ProtocolViolationError)
    assert code == 1002


# Pings and pongs.

# More than the system takes of one that the peer does not read.
STUCK = bytes(16 * MIB)
STUCK_SOON = {"send_timeout": SHORT, "close_timeout": SHORT}


def numbered(number):
    return b"%0125d" % number


@contextlib.contextmanager
def go_on_after(event):
    """Set an Event after the block, whatever becomes of that."""
    try:
        yield
    finally:
        event.set()


def get_stuck(socket):
    """Have a send of the client's time out in the middle of a frame: then no other can go."""
    send = socket.output_stream.write if isinstance(socket, StreamWebSocket) else socket.send
    with pytest.raises(OperationTimedOutError) as caught:
        send(STUCK)
    assert caught.value.is_queued


@pytest.mark.parametrize("make_user", [Receiving, ReceivingPieces, Reading])
def test_of_pings_that_cannot_be_answered_only_the_latest_is_answered_when_that_is_possible(tls, make_user):
    user = make_user()
    count = 5_000
    pings = b"".join(server_frame(PING, numbered(number)) for number in range(count)) + server_frame(BINARY, b"last")
    begun, go_on, is_answered = threading.Event(), threading.Event(), threading.Event()
    pongs = []

    def script(connection):
        handshake(connection)
        wait(begun)
        connection.sendall(pings)
        wait(go_on)
        frames = iter(lambda: read_frame(connection), None)
        pongs.append(next(payload for first, payload in frames if first == FIN | PONG))
        is_answered.set()
        pongs.extend(payload for first, payload in read_until_close(connection) if first == FIN | PONG)

    with connected(script, socket_class=user.socket_class, tls=tls, **user.settings, **STUCK_SOON) as socket:
        get_stuck(socket)
        pending = socket.information.bytes_pending_out
        # What one read brings is an object for each ping.
        with go_on_after(go_on), peak_below(2 * MIB):
            begun.set()
            assert user.first(socket, 4) == b"last"
            assert len(socket._session.outbox._posted._pong) == 1
            assert socket.information.bytes_pending_out <= pending
        wait(is_answered)
        socket.close()
    assert pongs == [numbered(count - 1)]


def test_pings_of_ours_that_the_server_never_reads_or_answers_leave_nothing_behind(tls):
    left = threading.Event()

    def script(connection):
        handshake(connection)
        wait(left)

    def ping_on_and_on(socket):
        for _ in range(200):
            with pytest.raises(OperationTimedOutError):
                socket.ping(timeout=0)

    with connected(script, tls=tls, **STUCK_SOON) as socket:
        get_stuck(socket)
        calls = [Call(ping_on_and_on, socket) for _ in range(8)]
        for call in calls:
            call.result()
        session = socket._session
        assert not session.pings._sent
        assert not session.outbox._posted._controls
        left.set()


def test_pongs_that_nobody_asked_for_take_no_memory_and_answer_no_ping(tls):
    pongs = b"".join(server_frame(PONG, numbered(number)) for number in range(20_000)) + server_frame(TEXT, b"flooded")
    begun, go_on = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection)
        wait(begun)
        opcode, payload = read_frame(connection)
        assert opcode == FIN | PING
        connection.sendall(pongs)
        wait(go_on)
        connection.sendall(server_frame(PONG, payload))
        read_until_close(connection)

    with connected(script, tls=tls) as socket:
        call = Call(socket.ping, timeout=LIMIT)
        with go_on_after(go_on), peak_below(2 * MIB):
            begun.set()
            assert socket.receive(LIMIT) == "flooded"
            assert len(socket._session.pings._sent) == 1
        assert call.result() > 0
        assert not socket._session.pings._sent


# Servers that do not read.


def sends_for_ever_and_never_reads(connection):
    handshake(connection)
    data = (server_frame(BINARY, bytes(1000)) + server_frame(PING, b"there?")) * 50
    while True:
        connection.sendall(data)


def test_a_server_that_sends_and_never_reads_holds_neither_receive_nor_send_nor_close(tls):
    peer = Cuttable(sends_for_ever_and_never_reads)
    with connected(peer, tls=tls, **STUCK_SOON) as socket, peer:
        call = Call(socket.send, STUCK)
        received = 0
        while not call.done.is_set():
            received += len(socket.receive(LIMIT))
        with pytest.raises(OperationTimedOutError):
            call.result()
        # Reading goes on although nothing can be sent any more.
        assert received + len(socket.receive(LIMIT)) >= 2000
        socket.close()
        assert socket.wait_closed(LIMIT)


def test_a_server_that_sends_and_never_reads_does_not_hold_a_handler_that_answers(tls):
    failures = []
    has_failed = threading.Event()

    def echo(sender, args):
        try:
            sender.send(STUCK)
        except WebSocketError as exc:
            failures.append(exc)
            has_failed.set()

    peer = Cuttable(sends_for_ever_and_never_reads)
    with connected(peer, on_message(echo), tls=tls, **STUCK_SOON) as socket, peer:
        wait(has_failed)
        assert isinstance(failures[0], OperationTimedOutError)
        assert socket.information.bytes_pending_out < 17 * MIB
        socket.close()
        assert socket.wait_closed(LIMIT)


# Lengths.

TOO_LONG = {
    "2^63": ((1 << 63), ProtocolViolationError, 1002),
    "2^64 - 1": ((1 << 64) - 1, ProtocolViolationError, 1002),
    "2^63 - 1": ((1 << 63) - 1, MessageTooBigError, 1009),
    "one more than the limit": (100_001, MessageTooBigError, 1009),
}


def header(opcode, length, *, fin=True):
    return bytes([(0x80 if fin else 0) | opcode, 127]) + length.to_bytes(8, "big")


@pytest.mark.parametrize("is_second", [False, True], ids=["first frame", "second frame"])
@pytest.mark.parametrize("user", [Receiving, HandlingPieces])
@pytest.mark.parametrize(("length", "expected", "code"), TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_length_over_the_limit_is_refused_before_the_payload_comes(tls, user, length, expected, code, is_second):
    # The second frame is too long only together with the first.
    data = header(BINARY, length)
    if is_second:
        data = server_frame(BINARY, b"x", fin=False) + header(CONTINUATION, length - 1 if code == 1009 else length)
    error, told = end_of(user(), data, tls, MIB, max_message_size=100_000)
    assert type(error) is expected
    assert told == code


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1])
def test_a_stream_refuses_a_length_with_its_highest_bit_set(tls, length):
    error, told = end_of(Reading(), header(BINARY, length), tls, MIB)
    assert type(error) is ProtocolViolationError
    assert told == 1002


HUGE = {
    "whole": (MessageWebSocket, {"max_message_size": NO_LIMIT}, NO_LIMIT),
    "pieces": (MessageWebSocket, {"receive_mode": PARTIAL}, (1 << 63) - 1),
    "stream": (StreamWebSocket, {}, (1 << 63) - 1),
}


@pytest.mark.parametrize(("socket_class", "settings", "length"), HUGE.values(), ids=HUGE.keys())
def test_a_huge_frame_that_drips_takes_no_more_memory_than_has_come(tls, socket_class, settings, length):
    drops = 3000
    begun = threading.Event()

    def script(connection):
        handshake(connection)
        wait(begun)
        connection.sendall(header(BINARY, length))
        for _ in range(drops):
            connection.sendall(b"x")
        read_to_end(connection)

    with connected(script, socket_class=socket_class, tls=tls, close_timeout=SHORT, **settings) as socket:
        meter = socket._session.inbound
        before = meter.total_bytes
        with peak_below(MIB):
            begun.set()
            while meter.total_bytes < before + drops:
                pass  # Until nearly all has come; inside a frame the server cannot ask.
        if socket_class is StreamWebSocket:
            target = bytearray(drops)
            assert socket.input_stream.read(target, drops).length == drops
        elif "receive_mode" in settings:
            received = 0
            while received < drops:
                received += len(socket.receive(LIMIT))
        socket.abort()
