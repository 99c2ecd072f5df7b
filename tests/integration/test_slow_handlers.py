"""A handler that takes its time, on real connections: pings, closing, keep-alive, memory and order do not suffer."""

import threading

import pytest
from support import LIMIT, drop, handshake, join, read_frame, read_to_end, scripted_server, server_frame, wait
from support.handlers import Slow, be_impatient, text_of
from support.scripts import (
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    TEXT,
    close_frame,
    connected,
    noting,
    on_closed,
    on_message,
    read_until_close,
)

from syncws import ConnectionLostError, IllegalMethodCallError, MessageWebSocket, MessageWebSocketReceiveMode

READ_BYTES = 65536
ONE, TWO, THREE = (server_frame(TEXT, text) for text in (b"one", b"two", b"three"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    be_impatient(monkeypatch)


@pytest.fixture
def slow():
    handler = Slow()
    yield handler
    handler.release.set()


def sends_while_inside(slow, first, frames, then):
    """Return a script that sends `first`, and `frames` when the handler blocks, and goes on with `then(connection)`."""

    def script(connection):
        handshake(connection, behind=first)
        wait(slow.inside)
        connection.sendall(b"".join(frames))
        then(connection)

    return script


def wait_promoted(socket):
    """Wait until the handler's thread is the dispatcher, and another has begun to read."""
    session = socket._session
    while (
        session.dispatcher_thread is None
        or session.reader_thread is session.dispatcher_thread
        or session.reader_thread.ident is None
    ):
        pass


def test_a_ping_is_answered_while_a_handler_blocks(slow, tls):
    frames = []
    answered = threading.Event()

    def then(connection):
        frames.append(read_frame(connection))
        answered.set()
        read_until_close(connection)

    with connected(
        sends_while_inside(slow, ONE, [server_frame(PING, b"there?")], then), on_message(slow), tls=tls
    ) as socket:
        wait(answered)
        assert not slow.release.is_set()
        slow.release.set()
        socket.close()
    assert frames == [(FIN | PONG, b"there?")]


def test_a_close_is_noticed_while_a_handler_blocks_and_told_after_it(slow, tls):
    frames = []
    noticed = threading.Event()

    def then(connection):
        frames.append(read_frame(connection))
        noticed.set()

    closed = on_closed(lambda _, args: slow.texts.append((args.code, args.reason)))

    def prepare(socket):
        on_message(slow)(socket)
        closed(socket)

    script = sends_while_inside(slow, ONE, [TWO, close_frame(1000, "bye")], then)
    with connected(script, prepare, tls=tls) as socket:
        wait(noticed)
        assert slow.texts == ["one"]
        assert not socket.wait_closed(0)
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert slow.texts == ["one", "two", (1000, "bye")]
    assert frames[0][0] == FIN | CLOSE


def test_senders_are_told_of_the_end_while_a_handler_blocks(slow):
    script = sends_while_inside(slow, ONE, [], lambda connection: connection.close())
    with connected(script, on_message(slow)) as socket:
        wait(slow.inside)
        while not socket._session.is_over:
            pass
        with pytest.raises(ConnectionLostError):
            socket.send("a")
        assert not slow.release.is_set()
        slow.release.set()


def test_keep_alive_works_while_a_handler_blocks(slow, tls):
    frames = []
    given_up = threading.Event()

    def then(connection):
        frames.extend([read_frame(connection), read_frame(connection)])
        given_up.set()

    script = sends_while_inside(slow, ONE, [], then)
    settings = {"keep_alive_interval": 0.05, "keep_alive_timeout": 0.05}
    with connected(script, on_message(slow), tls=tls, **settings):
        wait(given_up)
        assert not slow.release.is_set()
        slow.release.set()
    assert [(first, payload[:2]) for first, payload in frames][1] == (FIN | CLOSE, (1011).to_bytes(2, "big"))
    assert frames[0][0] == FIN | PING


def test_memory_is_bounded_while_a_handler_blocks_and_no_message_is_lost(slow, paused):
    capacity, count, size = 200_000, 500, 10_000
    numbers = []

    def handler(sender, args):
        with args.get_data_reader() as reader:
            numbers.append(int.from_bytes(reader.read_bytes(2), "big"))
        if len(numbers) == 1:
            slow.inside.set()
            wait(slow.release)

    frames = [server_frame(BINARY, number.to_bytes(2, "big") * (size // 2)) for number in range(count)]
    script = noting([], *frames, close_frame(1000))
    with connected(script, on_message(handler), inbox_size_in_bytes=capacity) as socket:
        wait(paused)
        buffered = socket.information.bytes_buffered_in
        assert capacity <= buffered < capacity + READ_BYTES + size
        assert numbers == [0]
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert numbers == list(range(count))


def test_the_rest_of_a_packet_is_dealt_with_when_the_handler_of_its_first_message_blocks(slow, tls):
    frames = []
    answered = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(ONE + server_frame(PING, b"middle") + TWO + THREE)
        frames.append(read_frame(connection))
        answered.set()
        connection.sendall(close_frame(1000))
        read_frame(connection)

    with connected(script, on_message(slow), tls=tls) as socket:
        wait(answered)
        assert slow.texts == ["one"]
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert frames == [(FIN | PONG, b"middle")]
    assert slow.texts == ["one", "two", "three"]


def test_a_close_in_the_same_packet_is_noticed(slow):
    noticed = threading.Event()

    def script(connection):
        handshake(connection, behind=ONE + TWO + close_frame(1000))
        assert read_frame(connection)[0] == FIN | CLOSE
        noticed.set()

    with connected(script, on_message(slow)) as socket:
        wait(noticed)
        assert slow.texts == ["one"]
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert slow.texts == ["one", "two"]


def test_pieces_keep_their_order(slow):
    slow.blocking = ("on",)
    frames = [server_frame(TEXT, b"on", fin=False), server_frame(0, b"e", fin=False), server_frame(0, b"!"), TWO]
    script = sends_while_inside(slow, frames[0], [*frames[1:], close_frame(1000)], read_frame)
    mode = MessageWebSocketReceiveMode.PARTIAL_MESSAGE
    with connected(script, on_message(slow), receive_mode=mode) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert slow.texts == ["on", "e", "!", "two"]


def test_both_threads_can_be_told_by_their_names(slow):
    script = sends_while_inside(slow, ONE, [TWO, THREE, close_frame(1000)], read_frame)
    with connected(script, on_message(slow)) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        session = socket._session
        number = session.number
        assert session.reader_thread.name == f"syncws-reader-{number}"
        assert session.dispatcher_thread.name == f"syncws-dispatcher-{number}"
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert slow.threads == [f"syncws-reader-{number}", *[f"syncws-dispatcher-{number}"] * 2]


def test_it_happens_once_however_many_handlers_are_slow():
    slow = Slow("one", "two", "three")
    script = sends_while_inside(slow, ONE, [TWO, THREE, close_frame(1000)], read_frame)
    with connected(script, on_message(slow)) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        threads = (socket._session.reader_thread, socket._session.dispatcher_thread)
        slow.release.set()
        assert socket.wait_closed(LIMIT)
        assert (socket._session.reader_thread, socket._session.dispatcher_thread) == threads
    assert slow.texts == ["one", "two", "three"]


def test_when_the_slow_handler_was_removed_the_rest_is_for_receive_and_then_for_new_handlers(slow):
    go_on = threading.Event()

    def then(connection):
        wait(go_on)
        connection.sendall(server_frame(TEXT, b"four") + close_frame(1000))
        read_frame(connection)

    script = sends_while_inside(slow, ONE, [TWO, THREE], then)
    with connected(script, on_message(slow)) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        socket.message_received -= slow
        # Also while the handler blocks.
        assert socket.receive(LIMIT) == "two"
        slow.release.set()
        assert socket.receive(LIMIT) == "three"
        late = []
        came = threading.Event()
        socket.message_received += lambda _, args: (late.append(text_of(args)), came.set())
        go_on.set()
        wait(came)
        assert socket.wait_closed(LIMIT)
    assert slow.texts == ["one"]
    assert late == ["four"]


def test_a_handler_that_is_added_gets_what_waits(slow):
    script = sends_while_inside(slow, ONE, [TWO, THREE, close_frame(1000)], read_frame)
    with connected(script, on_message(slow)) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        socket.message_received -= slow
        while not socket._session.is_over:
            pass
        late = []
        socket.message_received += lambda _, args: late.append(text_of(args))
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert late == ["two", "three"]


def test_a_slow_handler_may_close_and_may_not_wait(slow):
    refusals = []

    def handler(sender, args):
        slow(sender, args)
        for wait_inside in (sender.wait_closed, sender.receive, sender.ping):
            with pytest.raises(IllegalMethodCallError):
                wait_inside()
            refusals.append(1)
        sender.close(1000, "done")
        refusals.append(sender)

    frames = []

    def then(connection):
        frames.extend(read_until_close(connection))

    with connected(sends_while_inside(slow, ONE, [TWO], then), on_message(handler)) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        slow.release.set()
        assert socket.wait_closed(LIMIT)
        assert refusals == [1, 1, 1, socket]
    # After close nothing more is delivered.
    assert slow.texts == ["one"]
    assert frames[-1] == (FIN | CLOSE, (1000).to_bytes(2, "big") + b"done")


def test_the_loss_is_told_after_all_messages_and_before_closed(slow):
    script = sends_while_inside(slow, ONE, [TWO], lambda connection: connection.close())

    def prepare(socket):
        on_message(slow)(socket)
        on_closed(lambda _, args: slow.texts.append(args.code))(socket)

    with connected(script, prepare) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert slow.texts[:2] == ["one", "two"]
    assert isinstance(slow.texts[2], ConnectionLostError)
    assert slow.texts[3:] == [1006]


def test_failures_of_handlers_are_counted_on_both_threads(slow, caplog):
    def fails(sender, args):
        slow(sender, args)
        raise ValueError

    script = sends_while_inside(slow, ONE, [TWO, THREE, close_frame(1000)], read_frame)
    with connected(script, on_message(fails)) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert socket.information.handler_failures == 3


@pytest.mark.parametrize("at", [1, 2])
def test_system_exit_in_a_slow_handler_ends_the_connection_and_is_not_swallowed(slow, at, monkeypatch):
    closed = []
    ends = []
    monkeypatch.setattr(threading, "excepthook", lambda args: ends.append(args.exc_type))

    def exits(sender, args):
        slow(sender, args)
        if len(slow.texts) == at:
            raise SystemExit

    def prepare(socket):
        on_message(exits)(socket)
        on_closed(lambda _, args: closed.append(args.code))(socket)

    with connected(sends_while_inside(slow, ONE, [TWO, THREE], read_to_end), prepare) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        slow.release.set()
        assert socket.wait_closed(LIMIT)
    assert closed == [1006]
    assert ends == [SystemExit]


ENDS = {
    "close": lambda socket: socket.close(),
    "abort": lambda socket: socket.abort(),
    "leaving the block by an exception": lambda socket: socket.__exit__(ValueError, None, None),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_handler_that_does_not_return_does_not_hold_up(end, slow, tls):
    ended = threading.Event()

    def then(connection):
        read_to_end(connection)
        ended.set()

    with connected(sends_while_inside(slow, ONE, [], then), on_message(slow), tls=tls, close_timeout=0.1) as socket:
        wait(slow.inside)
        wait_promoted(socket)
        end(socket)
        wait(ended)
        assert not slow.has_left
        slow.release.set()
        assert socket.wait_closed(LIMIT)


def test_a_socket_that_is_dropped_while_its_handler_is_slow_is_closed_when_that_returns(slow):
    frames = []
    ended = threading.Event()

    def then(connection):
        frames.extend(read_until_close(connection))
        ended.set()

    with scripted_server(sends_while_inside(slow, ONE, [TWO], then)) as uri:
        holder = [MessageWebSocket()]
        holder[0].message_received += slow
        holder[0].connect(uri)
        wait(slow.inside)
        wait_promoted(holder[0])
        threads = (holder[0]._session.reader_thread, holder[0]._session.dispatcher_thread)
        with pytest.warns(ResourceWarning):  # noqa: PT031 - the warning comes during the wait
            drop(holder)
            slow.release.set()
            wait(ended)
        for thread in threads:
            join(thread)
    assert frames == [(FIN | CLOSE, (1001).to_bytes(2, "big"))]
