"""Tests of receiving with MessageWebSocket by pull (receive and iteration), and of max_message_size."""

import inspect
import threading
from collections import deque

import pytest
from support import LIMIT, handshake, read_frame, server_frame, wait
from support.calls import Call
from support.message_websocket import (
    MID_FRAME,
    THREE,
    USES,
    Record,
    assert_close_code,
    assert_hresult,
    recorded,
    waiting_messages,
)
from support.scripts import (
    BINARY,
    CONTINUATION,
    TEXT,
    close_frame,
    connected,
    noting,
    read_until_close,
    sends,
    sends_and_closes,
    sends_and_ends,
    sends_and_notes_one,
)

from syncws import (
    ConnectionLostError,
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidOperationError,
    MessageTooBigError,
    MessageWebSocket,
    ObjectClosedError,
    OperationTimedOutError,
)
from syncws._connection.receiving.at_hand import AtHand

# max_message_size.


def test_a_message_over_the_limit_is_refused_with_1009_and_its_reader_raises():
    frames = []
    script = sends_and_notes_one(frames, server_frame(BINARY, bytes(10)), server_frame(BINARY, bytes(11)))
    with recorded(script, max_message_size=10) as (socket, record):
        assert socket.wait_closed(LIMIT)
    good, error, (code, _) = record.entries
    assert good == "\0" * 10
    assert isinstance(error, MessageTooBigError)
    assert error.hresult == HResult.WSAEMSGSIZE
    assert_close_code(frames, 1009)
    assert code == 1009


def test_the_limit_counts_all_fragments_of_a_message():
    fragments = [server_frame(TEXT, b"123456", fin=False), server_frame(CONTINUATION, b"78901")]
    script = sends_and_notes_one([], *fragments)
    with connected(script, max_message_size=10) as socket, pytest.raises(MessageTooBigError):
        socket.receive(LIMIT)


def test_a_limit_of_0_lets_only_empty_messages_pass():
    script = sends_and_notes_one([], server_frame(TEXT), server_frame(BINARY), server_frame(TEXT, b"a"))
    with recorded(script, max_message_size=0) as (socket, record):
        assert socket.wait_closed(LIMIT)
    assert record.entries[:2] == ["", ""]
    assert isinstance(record.entries[2], MessageTooBigError)
    assert record.entries[3][0] == 1009


# Receiving by pull.


def test_receive_gives_text_as_str_and_binary_as_bytes():
    frames = [server_frame(TEXT, "ü".encode()), server_frame(BINARY, b"\xff"), server_frame(BINARY, bytes(300))]
    with connected(sends(*frames)) as socket:
        messages = [socket.receive(), socket.receive(), socket.receive()]
    assert messages == ["ü", b"\xff", bytes(300)]
    assert [type(message) for message in messages] == [str, bytes, bytes]


def test_receive_gives_empty_messages_too():
    with connected(sends(server_frame(TEXT), server_frame(BINARY))) as socket:
        assert socket.receive() == ""
        assert socket.receive() == b""


def test_a_receive_that_times_out_loses_nothing():
    go = threading.Event()
    with connected(sends(server_frame(TEXT, b"late"), after=go)) as socket:
        for timeout in (0, 0.01, 0):
            with pytest.raises(OperationTimedOutError) as raised:
                socket.receive(timeout=timeout)
            assert_hresult(raised, HResult.WININET_E_TIMEOUT)
        go.set()
        assert socket.receive() == "late"


def test_receive_waits_as_long_as_the_control_says_when_it_is_not_told():
    with connected(noting([]), receive_timeout=0) as socket, pytest.raises(OperationTimedOutError):
        socket.receive()


def test_the_signature_of_receive_tells_where_its_time_limit_comes_from():
    assert "= control.receive_timeout" in str(inspect.signature(MessageWebSocket.receive))


def test_receive_with_no_time_gives_what_is_there_already():
    ready = threading.Event()
    with connected(waiting_messages(THREE, ready)) as socket:
        wait(ready)
        assert [socket.receive(timeout=0) for _ in range(3)] == ["one", "two", "three"]


@pytest.mark.parametrize("timeout", [-1, "5", True, float("nan")])
def test_receive_refuses_a_bad_timeout(timeout):
    with connected(noting([])) as socket, pytest.raises(InvalidArgumentError, match="timeout must be") as raised:
        socket.receive(timeout)
    assert_hresult(raised, HResult.E_INVALIDARG)


def test_receive_and_iteration_are_refused_when_there_are_handlers():
    with connected(noting([])) as socket:
        token = socket.add_message_received(lambda sender, args: None)
        for use in (USES["receive"], USES["iterate"]):
            with pytest.raises(IllegalMethodCallError, match="message_received handlers") as raised:
                use(socket)
            assert_hresult(raised, HResult.E_ILLEGAL_METHOD_CALL)
        socket.remove_message_received(token)
        with pytest.raises(OperationTimedOutError):
            socket.receive(timeout=0)


def test_a_second_thread_that_receives_is_refused():
    refused = threading.Event()

    def receive(socket):
        try:
            return socket.receive(timeout=LIMIT)
        except InvalidOperationError:
            refused.set()
            raise

    with connected(sends(server_frame(TEXT, b"for the other"), after=refused)) as socket:
        calls = [Call(receive, socket) for _ in range(2)]
        for call in calls:
            wait(call.done)
    assert sorted(str(call.value) for call in calls) == ["None", "for the other"]
    (error,) = [call.error for call in calls if call.error is not None]
    assert error.hresult == HResult.ERROR_INVALID_OPERATION


def test_messages_can_be_received_after_the_peers_close():
    with connected(sends_and_closes(*THREE, code=1001, reason="bye")) as socket:
        assert socket.wait_closed(LIMIT)
        assert [socket.receive() for _ in range(3)] == ["one", "two", "three"]
        with pytest.raises(ObjectClosedError, match="code 1001 bye") as raised:
            socket.receive()
    assert_hresult(raised, HResult.RO_E_CLOSED)


def test_messages_can_be_received_after_the_connection_was_lost():
    with connected(sends_and_ends(*THREE, MID_FRAME)) as socket:
        assert socket.wait_closed(LIMIT)
        assert [socket.receive() for _ in range(3)] == ["one", "two", "three"]
        for _ in range(2):
            with pytest.raises(ConnectionLostError):
                socket.receive()


def test_iteration_ends_when_the_peer_closes():
    with connected(sends_and_closes(*THREE)) as socket:
        assert list(socket) == ["one", "two", "three"]
        assert list(socket) == []


def test_iteration_raises_when_the_connection_is_lost():
    messages = []
    with connected(sends_and_ends(*THREE, MID_FRAME)) as socket, pytest.raises(ConnectionLostError):
        messages.extend(socket)
    assert messages == ["one", "two", "three"]


def test_iteration_ends_when_another_thread_closes():
    asked = threading.Event()

    def script(connection):
        handshake(connection)
        asked.set()
        read_until_close(connection)

    with connected(script) as socket:
        iterating = Call(lambda: next(iter(socket), "ended"))
        wait(asked)
        socket.close()
        try:
            assert iterating.result() == "ended"
        except ObjectClosedError:
            # close() was faster than the thread.
            pass


def test_a_full_inbox_stops_reading_and_goes_on_when_there_is_room():
    frames = [server_frame(BINARY, bytes([number]) * 1000) for number in range(100)]
    with connected(sends_and_closes(*frames), inbox_size_in_bytes=2000) as socket:
        assert [message[0] for message in socket] == list(range(100))


def test_a_first_handler_empties_a_full_inbox():
    frames = [server_frame(BINARY, bytes(1000))] * 100
    ready = threading.Event()

    def script(connection):
        handshake(connection, behind=frames[0])
        ready.set()
        connection.sendall(b"".join(frames[1:]) + close_frame(1000))
        read_frame(connection)

    with connected(script, inbox_size_in_bytes=1) as socket:
        wait(ready)
        record = Record(socket)
        assert socket.wait_closed(LIMIT)
    assert len(record.entries) == 101


class Emptied(deque):
    """Looks as if it had something."""

    def __len__(self):
        return 1


def test_what_another_thread_has_taken_from_hand_is_waited_for_again():
    with connected(sends(server_frame(TEXT, b"hello"))) as socket:
        vars(socket)["_at_hand"] = AtHand(Emptied())
        assert socket.receive(LIMIT) == "hello"
