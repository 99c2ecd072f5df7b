"""Tests of a MessageWebSocket that is dropped, and of what has no test file of its own: pings, repr, settings."""

import gc
import threading

import pytest
from support import LIMIT, drop, handshake, read_frame, scripted_server, server_frame, wait
from support.message_websocket import THREE
from support.scripts import (
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    close_frame,
    connected,
    noting,
    read_until_close,
    round_trip,
    sends_and_closes,
)

from syncws import MessageWebSocket

# A socket object that is dropped.


def test_a_dropped_socket_warns_and_says_1001():
    frames = []
    with scripted_server(noting(frames)) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        with pytest.warns(ResourceWarning, match=r"a MessageWebSocket connected to ws://localhost:\d+ was dropped"):
            drop(holder)
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_a_dropped_socket_whose_handlers_refer_to_it_warns_and_says_1001():
    frames = []

    def make(uri):
        socket = MessageWebSocket()
        socket.message_received += lambda sender, args: socket.send("never")
        socket.closed += lambda sender, args: socket.close()
        socket.connect(uri)
        return socket

    with scripted_server(noting(frames)) as uri:
        holder = [make(uri)]
        with pytest.warns(ResourceWarning, match="was dropped without close"):
            drop(holder)
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_a_socket_that_is_dropped_after_messages_have_come_warns_and_says_1001():
    frames = []
    ready, ended = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(THREE))
        round_trip(connection)
        ready.set()
        frames.extend(read_until_close(connection))
        ended.set()

    with scripted_server(script) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        wait(ready)
        # The reader may be at the last message still, and is then the one that drops the socket.
        with pytest.warns(ResourceWarning):  # noqa: PT031 - the warning comes during the wait
            drop(holder)
            wait(ended)
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_a_closed_socket_that_is_dropped_does_not_warn():
    with connected(noting([])) as socket:
        socket.close()
    del socket
    gc.collect()


def test_a_socket_whose_peer_has_closed_may_be_dropped():
    with scripted_server(sends_and_closes()) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        assert holder[0].wait_closed(LIMIT)
        drop(holder)


def test_a_socket_that_never_connected_may_be_dropped():
    holder = [MessageWebSocket()]
    drop(holder)


def test_the_output_stream_keeps_the_socket_alive():
    frames = []
    with scripted_server(noting(frames)) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        streams = [holder[0].output_stream]
        drop(holder)
        streams[0].write(b"alive")
        with pytest.warns(ResourceWarning):
            drop(streams)
    assert frames == [(FIN | BINARY, b"alive"), (FIN | CLOSE, b"\x03\xe9")]


# The rest.


def test_a_socket_that_is_connected_answers_pings():
    pongs = []
    answered = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(PING, b"are you there"))
        pongs.append(read_frame(connection))
        answered.set()
        read_until_close(connection)

    with connected(script):
        wait(answered)
    assert pongs == [(FIN | PONG, b"are you there")]


def test_frames_that_come_with_the_handshakes_answer_are_not_lost():
    def script(connection):
        handshake(connection, behind=b"".join(THREE) + close_frame(1000))
        read_frame(connection)

    with connected(script) as socket:
        assert list(socket) == ["one", "two", "three"]


def test_repr_tells_how_far_the_socket_has_come():
    with scripted_server(noting([])) as uri, MessageWebSocket() as socket:
        assert repr(socket) == "<MessageWebSocket NEW>"
        socket.connect(uri)
        assert repr(socket) == f"<MessageWebSocket CONNECTED uri={uri} received=0 sent=0>"
        socket.close()
        assert repr(socket) == f"<MessageWebSocket CLOSED uri={uri} received=0 sent=0 ended=LOCAL code=1005>"


def test_control_and_information_are_there_before_connect_and_stay_the_same():
    with scripted_server(noting([])) as uri, MessageWebSocket() as socket:
        before = socket.control, socket.information
        socket.connect(uri)
        assert (socket.control, socket.information) == before
        assert socket.information.local_address.canonical_name == "127.0.0.1"
