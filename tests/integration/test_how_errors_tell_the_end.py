"""Tests of what errors say about the end of a connection: the same as `information` says, wherever they come from."""

import contextlib
import sys
import threading

import pytest
from support import LIMIT, read_to_end, running_server, scripted_server, wait
from support.calls import Call
from support.scripts import BINARY, TEXT, close_frame, connected, sends
from support.servers import handshake, read_frame, reset, server_frame

import syncws
from syncws import (
    CloseCause,
    ConnectionClosedError,
    ConnectionLostError,
    ConnectionOverError,
    DataWriter,
    MessageWebSocket,
    ObjectClosedError,
    State,
    StreamWebSocket,
)
from syncws._connection import closing
from syncws._connection.receiving.byte_inbox import ByteInbox
from syncws._connection.receiving.session_role import SessionRole


def send_for_ever(socket, size=1_000_000):
    send = socket.output_stream.write if isinstance(socket, StreamWebSocket) else socket.send
    while True:
        send(bytes(size))


def store(socket, data):
    writer = DataWriter(socket.output_stream)
    writer.write_bytes(data)
    writer.store()


def test_sending_on_what_the_server_is_closing_tells_its_code_at_once():
    # In the handler of the last message the Close frame may have come, and the end of TCP not yet.
    with running_server(lambda connection: connection.close(1012, "restart")) as uri, syncws.connect(uri) as socket:
        with pytest.raises(ConnectionClosedError):
            socket.receive()
        with pytest.raises(ConnectionOverError) as raised:
            socket.send("x")
        error = raised.value
        assert (error.close_cause, error.close_code, error.close_reason) == (CloseCause.PEER, 1012, "restart")
        assert error.is_transient


@pytest.mark.parametrize("frames", [b"", b"\xf1\x00"], ids=["silence", "violation"])
def test_a_send_after_a_failure_says_that_the_connection_is_lost_while_its_close_waits_for_an_end_too(frames):
    may_end = threading.Event()

    def serve(connection):
        handshake(connection)
        connection.sendall(frames)
        wait(may_end)

    with scripted_server(serve) as uri:
        socket = syncws.connect(uri, keep_alive_interval=0.05, keep_alive_timeout=0.05)
        with pytest.raises(ConnectionOverError):
            socket.receive(LIMIT)
        with pytest.raises(ConnectionLostError):
            socket.send("too late")
        may_end.set()
        socket.close()


def test_the_error_that_a_message_handler_gets_tells_how_the_connection_ended():
    errors, codes = [], []
    is_over = threading.Event()

    def on_message(socket, args):
        try:
            args.get_data_reader()
        except ConnectionOverError as exc:
            errors.append(exc)
            codes.append(socket.information.close_code)
            is_over.set()

    def cut(connection):
        connection.socket.shutdown(2)

    with running_server(cut) as uri:
        socket = syncws.MessageWebSocket()
        socket.message_received += on_message
        socket.connect(uri)
        wait(is_over)
        assert isinstance(errors[0], ConnectionLostError)
        assert errors[0].close_cause is CloseCause.CONNECTION_LOST is socket.information.close_cause
        assert errors[0].close_code == codes[0] == 1006
        socket.close()


def test_a_send_that_is_under_way_when_the_server_closes_tells_its_code():
    go_on = threading.Event()

    def close_and_read_nothing(connection):
        connection.send("now")
        wait(go_on)
        connection.close(1012, "restart")

    with running_server(close_and_read_nothing) as uri, syncws.connect(uri) as socket:
        socket.receive()
        go_on.set()
        with pytest.raises(ConnectionOverError) as raised:
            send_for_ever(socket)
        assert (raised.value.close_cause, raised.value.close_code) == (CloseCause.PEER, 1012)
        assert raised.value.is_transient


def resets_after(*frames):
    def serve(connection):
        handshake(connection)
        connection.recv(1)
        connection.sendall(b"".join(frames))
        reset(connection)

    return serve


def send_until_it_fails(socket, size):
    with pytest.raises(ConnectionOverError) as raised:
        send_for_ever(socket, size)
    return raised.value


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a reset may take away what came before it")
@pytest.mark.parametrize("size", [100, 5_000_000])
@pytest.mark.parametrize("kind", [syncws.MessageWebSocket, StreamWebSocket])
def test_a_send_that_finds_the_connection_reset_tells_what_the_server_closed_it_with(monkeypatch, kind, size):
    monkeypatch.setattr(closing, "LOSS_SECONDS", LIMIT)
    with connected(resets_after(close_frame(1008, "quota")), socket_class=kind) as socket:
        for error in (send_until_it_fails(socket, size), send_until_it_fails(socket, size)):
            assert (error.close_cause, error.close_code, error.close_reason) == (CloseCause.PEER, 1008, "quota")
            assert not isinstance(error, ConnectionLostError)
            assert not error.is_transient


def test_a_send_that_finds_the_connection_reset_without_a_close_frame_says_that_it_is_lost(monkeypatch):
    monkeypatch.setattr(closing, "LOSS_SECONDS", LIMIT)
    with connected(resets_after()) as socket:
        error = send_until_it_fails(socket, 100)
        assert isinstance(error, ConnectionLostError)
        assert (error.close_cause, error.close_code) == (CloseCause.CONNECTION_LOST, 1006)


def test_a_send_in_a_handler_that_finds_the_connection_reset_waits_for_no_reader(monkeypatch):
    # It would be its own thread, until another takes over a second later.
    errors, waits = [], []
    has_failed = threading.Event()
    while_read = SessionRole.while_read
    monkeypatch.setattr(SessionRole, "while_read", lambda role, wait: waits.append(role) or while_read(role, wait))

    def prepare(socket):
        def on_message(socket, args):
            if not errors:
                errors.append(send_until_it_fails(socket, 100))
                has_failed.set()

        socket.message_received += on_message

    with connected(resets_after(server_frame(TEXT, b"x")), prepare) as socket:
        socket.send("x")
        wait(has_failed)
        assert not waits


@pytest.mark.parametrize("end", ["close", "abort"])
def test_what_this_side_has_ended_has_no_chance_later(end):
    with running_server(lambda connection: list(connection)) as uri, syncws.connect(uri) as socket:
        getattr(socket, end)()
        for use in (lambda: socket.send("x"), socket.receive, socket.ping):
            with pytest.raises(ConnectionClosedError) as raised:
                use()
            assert raised.value.close_cause is socket.information.close_cause
            assert not raised.value.is_transient


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_send_at_the_very_beginning_of_a_close_is_not_told_that_the_connection_is_open(monkeypatch, end):
    with running_server(lambda connection: list(connection)) as uri, syncws.connect(uri) as socket:
        session = socket._session
        begin = getattr(session, end)

        def send_first(*args):
            monkeypatch.undo()
            with pytest.raises(ConnectionClosedError, match=r"was closed: close\(\) or abort\(\) was called"):
                socket.send("x")
            begin(*args)

        monkeypatch.setattr(session, end, send_first)
        getattr(socket, end)()


ENDS = {"a Close": close_frame(1000), "a violation": b"\x83\x00", "half a frame": b"\x81"}


def ends_by(name, *before):
    """Return a script that ends its side of the connection so, and of TCP only where that is the end."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(before) + ENDS[name])
        if name == "half a frame":
            connection.shutdown(1)
        read_to_end(connection)

    return script


@pytest.mark.parametrize("end", ENDS)
def test_a_socket_is_not_open_once_a_call_has_told_of_the_end(end):
    # The server does not end TCP, so the connection itself goes on for a while.
    with connected(ends_by(end)) as socket:
        with pytest.raises(ConnectionOverError):
            socket.receive(LIMIT)
        assert (socket.state, socket.is_open) == (State.CLOSED, False)
    with connected(ends_by(end), socket_class=StreamWebSocket) as socket:
        with contextlib.suppress(ConnectionOverError):
            assert socket.input_stream.as_file().read(1) == b""
        assert (socket.state, socket.is_open) == (State.CLOSED, False)


@pytest.mark.parametrize("end", ENDS)
def test_a_socket_is_not_open_in_the_handlers_that_are_told_of_the_end(end):
    seen = []

    def prepare(socket):
        socket.message_received += lambda sender, args: seen.append((args.error is None, sender.is_open))
        socket.closed += lambda sender, args: seen.append(("closed", sender.is_open))

    with connected(ends_by(end, server_frame(TEXT, b"x")), prepare) as socket:
        assert socket.wait_closed(LIMIT)
    assert seen[0][0] is True
    assert seen[1:] == [(False, False)] * (end != "a Close") + [("closed", False)]


@pytest.mark.parametrize("end", ENDS)
def test_a_loop_that_asks_whether_a_socket_is_open_misses_no_message(end):
    before = [server_frame(BINARY, bytes([number])) for number in range(3)]
    came = []
    with connected(ends_by(end, *before)) as socket:
        with contextlib.suppress(ConnectionOverError):
            while socket.is_open:
                came.append(socket.receive(LIMIT))
        assert not socket.is_open
    assert came == [b"\0", b"\1", b"\2"]


@pytest.mark.parametrize("end", ENDS)
def test_a_loop_over_messages_misses_none_that_waits_when_the_connection_is_over(end):
    before = [server_frame(BINARY, bytes([number])) for number in range(3)]
    came = []
    with connected(ends_by(end, *before)) as socket:
        assert socket.wait_closed(LIMIT)
        assert not socket.is_open
        with contextlib.suppress(ConnectionOverError):
            for message in socket:
                came.append(message)
    assert came == [b"\0", b"\1", b"\2"]


def receives(socket):
    """Return a function that takes the next byte of a stream, or message of one byte."""
    return socket.receive if isinstance(socket, MessageWebSocket) else lambda: socket.input_stream.as_file().read(1)


@contextlib.contextmanager
def over_in_the_middle(end, socket_class):
    """Give a socket of whose four messages, or bytes, this thread has taken one when the connection is over."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(server_frame(BINARY, bytes([number])) for number in range(4)) + ENDS[end])
        if end != "half a frame":
            # The client's Close; then TCP ends.
            read_frame(connection)

    with connected(script, socket_class=socket_class) as socket:
        assert receives(socket)() == b"\0"
        # By another thread, which is told of the end.
        assert Call(socket.wait_closed, LIMIT).result()
        yield socket


@pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
@pytest.mark.parametrize("end", ENDS)
def test_a_slow_loop_that_asks_whether_a_socket_is_open_misses_nothing(end, socket_class):
    came = []
    with over_in_the_middle(end, socket_class) as socket:
        while socket.is_open and len(came) < 3:
            came.append(receives(socket)())
        assert not socket.is_open
    assert came == [b"\1", b"\2", b"\3"]


@pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
def test_a_slow_loop_on_another_thread_than_the_connecting_one_misses_nothing(socket_class):
    may_end = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(server_frame(BINARY, bytes([number])) for number in range(4)))
        wait(may_end)
        connection.sendall(ENDS["a Close"])
        read_frame(connection)

    def receive_all(socket):
        # The second is at hand then.
        came = [receives(socket)(), receives(socket)()]
        may_end.set()
        assert Call(socket.wait_closed, LIMIT).result()
        while socket.is_open and len(came) < 4:
            came.append(receives(socket)())
        return came

    with connected(script, socket_class=socket_class) as socket:
        assert Call(receive_all, socket).result() == [b"\0", b"\1", b"\2", b"\3"]


def test_only_the_thread_that_receives_finds_a_socket_open_that_is_over():
    with over_in_the_middle("a Close", MessageWebSocket) as socket:
        assert Call(lambda: (socket.state, socket.is_open)).result() == (State.CLOSED, False)
        assert (socket.state, socket.is_open) == (State.CONNECTED, True)


TOLD_BY = {
    "send": lambda socket: socket.send("x"),
    "store": lambda socket: store(socket, b"x"),
    "ping": lambda socket: socket.ping(),
    "wait_closed": lambda socket: socket.wait_closed(LIMIT),
    "close": lambda socket: socket.close(),
    "abort": lambda socket: socket.abort(),
}


@pytest.mark.parametrize("tell", TOLD_BY.values(), ids=TOLD_BY.keys())
@pytest.mark.parametrize("end", ["a Close", "half a frame"])
def test_a_thread_that_was_told_of_the_end_finds_the_socket_closed_though_messages_wait(end, tell):
    with over_in_the_middle(end, MessageWebSocket) as socket:
        with contextlib.suppress(ConnectionOverError):
            tell(socket)
        assert (socket.state, socket.is_open) == (State.CLOSED, False)
        assert [receives(socket)() for _ in range(3)] == [b"\1", b"\2", b"\3"]


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_read_that_begins_in_the_middle_of_a_close_is_told_of_the_socket_and_not_of_its_stream(monkeypatch, end):
    begin = ByteInbox.begin

    def begin_late(*args):
        Call(getattr(socket, end)).result()
        begin(*args)

    with connected(sends(), socket_class=StreamWebSocket) as socket:
        monkeypatch.setattr(ByteInbox, "begin", begin_late)
        with pytest.raises(ConnectionClosedError) as raised:
            socket.input_stream.as_file().read(1)
        assert raised.value.close_cause is socket.information.close_cause is not CloseCause.NONE


def test_a_read_that_begins_while_its_stream_is_closed_is_told_of_the_stream(monkeypatch):
    begin = ByteInbox.begin

    def begin_late(*args):
        Call(socket.input_stream.close).result()
        begin(*args)

    with connected(sends(), socket_class=StreamWebSocket) as socket:
        reader = syncws.DataReader(socket.input_stream)
        monkeypatch.setattr(ByteInbox, "begin", begin_late)
        with pytest.raises(ObjectClosedError) as raised:
            reader.load(1)
        assert not isinstance(raised.value, ConnectionOverError)
        reader.detach_stream()
