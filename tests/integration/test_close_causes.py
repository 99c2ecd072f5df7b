"""Why a connection is over: information tells everybody, and so do the errors."""

import threading

import pytest
from support import (
    LIMIT,
    drop,
    handshake,
    reset,
    scripted_server,
    server_frame,
    wait,
)
from support.scripts import (
    BINARY,
    CLOSE,
    FIN,
    TEXT,
    close_frame,
    connected,
    noting,
    only_reads,
    sends,
    sends_and_ends,
    sends_and_notes_one,
)

from syncws import (
    CloseCause,
    ConnectionLostError,
    MessageTooBigError,
    MessageWebSocket,
    ObjectClosedError,
    ProtocolViolationError,
    StreamWebSocket,
)
from syncws._waiting.deadline import Deadline


def lose(connection):
    handshake(connection)
    connection.sendall(server_frame(BINARY, bytes(100))[:50])


CAUSES = {
    "the server's Close": (
        sends_and_notes_one([], close_frame(4000, "enough")),
        None,
        CloseCause.PEER,
        (4000, "enough"),
        "the server closed it, code 4000 enough",
        ObjectClosedError,
    ),
    "an empty Close of the server's": (
        sends_and_notes_one([], close_frame()),
        None,
        CloseCause.PEER,
        (1005, ""),
        "the server closed it, code 1005",
        ObjectClosedError,
    ),
    "close": (
        sends(),
        lambda socket: socket.close(1000, "done"),
        CloseCause.LOCAL,
        (1000, "done"),
        "close.. was called, code 1000 done",
        ObjectClosedError,
    ),
    "abort": (
        only_reads,
        lambda socket: socket.abort(),
        CloseCause.ABORTED,
        (1006, ""),
        "abort.. was called, code 1006",
        ObjectClosedError,
    ),
    "the end of TCP": (
        sends_and_ends(),
        None,
        CloseCause.CONNECTION_LOST,
        (1006, ""),
        "ended the connection without a Close frame",
        ConnectionLostError,
    ),
    "the end of TCP in a frame": (
        lose,
        None,
        CloseCause.CONNECTION_LOST,
        (1006, ""),
        "ended the connection without a Close frame",
        ConnectionLostError,
    ),
    "a violation": (
        sends_and_notes_one([], server_frame(3)),
        None,
        CloseCause.PROTOCOL_ERROR,
        1002,
        "opcode",
        ProtocolViolationError,
    ),
    "a message that is too big": (
        sends_and_notes_one([], server_frame(TEXT, bytes(101))),
        None,
        CloseCause.MESSAGE_TOO_BIG,
        1009,
        "101 bytes",
        MessageTooBigError,
    ),
}


@pytest.mark.parametrize(("script", "end", "cause", "closed", "text", "error"), CAUSES.values(), ids=[*CAUSES.keys()])
def test_the_cause_is_told_by_information_and_by_the_errors(script, end, cause, closed, text, error, tls):
    told = []

    def prepare(socket):
        socket.control.max_message_size = 100
        socket.add_closed(lambda sender, args: told.append((sender.information.close_cause, args.code)))

    with connected(script, prepare, tls=tls) as socket:
        information = socket.information
        if end is not None:
            assert (information.close_cause, information.close_code, information.close_reason) == (0, None, "")
            end(socket)
        assert socket.wait_closed(LIMIT)
        code = closed if isinstance(closed, int) else closed[0]
        assert information.close_cause is cause
        assert information.close_code == code
        if isinstance(closed, tuple):
            assert information.close_reason == closed[1]
        assert told == [(cause, code)]
        for _ in range(2):
            with pytest.raises(error, match=text):
                socket.receive(LIMIT)
        with pytest.raises((ObjectClosedError, ConnectionLostError), match=text):
            socket.send("late")


def test_a_reset_is_a_lost_connection(tls):
    go = threading.Event()

    def script(connection):
        handshake(connection)
        wait(go)
        reset(connection)

    with connected(script, tls=tls) as socket:
        go.set()
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_cause is CloseCause.CONNECTION_LOST


def test_a_stream_s_reads_and_writes_name_the_cause(tls):
    with connected(sends(), socket_class=StreamWebSocket, tls=tls) as socket:
        socket.close(3000, "through")
        for use in (
            lambda: socket.input_stream.read(bytearray(1), 1),
            lambda: socket.output_stream.write(b"a"),
            lambda: socket.input_stream.as_file().read(1),
        ):
            with pytest.raises(ObjectClosedError, match=r"close\(\) was called, code 3000 through"):
                use()


def test_the_first_cause_counts(tls):
    # The server answers, or not; what began it stays.
    with connected(only_reads, tls=tls, close_timeout=0.2) as socket:
        socket.close()
        assert socket.information.close_cause is CloseCause.LOCAL
        socket.abort()
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_cause is CloseCause.LOCAL
        assert socket.information.close_code == 1006


def test_a_cause_that_was_noted_by_others_stays():
    with connected(only_reads) as socket:
        socket._session.closing.note(CloseCause.KEEP_ALIVE)
        socket.abort()
        assert socket.wait_closed(LIMIT)
        assert socket.information.close_cause is CloseCause.KEEP_ALIVE
        with pytest.raises(ObjectClosedError, match="keep-alive"):
            socket.receive(LIMIT)


def test_a_send_while_closing_names_the_cause():
    closing = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(close_frame(1001, "going away"))
        wait(closing)

    with connected(script) as socket:
        while socket.information.close_cause is CloseCause.NONE:
            pass
        with pytest.raises(ObjectClosedError, match="the server closed it, code 1001 going away"):
            send_for_ever(socket)
        closing.set()


def send_for_ever(socket):
    # The cause is noted a moment before nothing can be sent any more.
    while True:
        socket.send("late")


def test_the_cause_of_a_dropped_socket_is_seen_on_its_information():
    frames = []
    with scripted_server(noting(frames)) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        information, session = holder[0].information, holder[0]._session
        with pytest.warns(ResourceWarning):
            drop(holder)
        assert session.wait_closed(Deadline(LIMIT))
        assert information.close_cause is CloseCause.DROPPED
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_a_socket_that_was_never_connected_has_no_cause():
    socket = MessageWebSocket()
    socket.close()
    assert socket.information.close_cause is CloseCause.NONE
    with pytest.raises(ObjectClosedError, match="the socket was closed: make a new one"):
        socket.send("a")
