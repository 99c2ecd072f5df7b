"""Servers that mean no good, or are broken: each ends in the documented error, in bounded time, and leaves nothing."""

import gc
import threading
import time

import pytest
from support import (
    LIMIT,
    handshake,
    read_exactly,
    read_frame,
    read_request,
    read_to_end,
    reset,
    scripted_server,
    server_frame,
    wait,
)
from support.calls import Call
from support.scripts import asked_in_vain, only_reads, sends_and_ends

import syncws
from syncws._connection import closing
from syncws._wire import frame_decoder
from syncws._wire.frames import close_payload
from syncws.errors import (
    ConnectionLostError,
    HandshakeError,
    MessageTooBigError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    ProtocolViolationError,
    TlsError,
)
from syncws.hresult import HResult

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SHORT = 0.1
BIG = bytes(16 * 1024 * 1024)
GOODBYE = server_frame(CLOSE, close_payload(1000, ""))


@pytest.fixture(params=["ws", "wss"])
def serve(request, server_tls):
    """scripted_server over ws and over wss."""

    def make(script):
        return scripted_server(script, ssl_context=server_tls if request.param == "wss" else None)

    return make


@pytest.fixture
def sockets(client_tls):
    """Makes sockets that note how they were closed, and closes what is left of them."""
    made = []

    def make(uri, *, timeout=LIMIT, **control):
        socket = syncws.MessageWebSocket()
        made.append(socket)
        socket.log = []
        socket.add_closed(lambda _, args: socket.log.append(args.code))
        socket.control.ssl_context = client_tls
        for name, value in control.items():
            setattr(socket.control, name, value)
        socket.connect(uri, timeout=timeout)
        return socket

    yield make
    for socket in made:
        socket.abort()


def ends_soon(function, *arguments):
    """Call something that must end well before LIMIT."""
    start = time.monotonic()
    function(*arguments)
    assert time.monotonic() - start < LIMIT / 2


def test_a_server_that_never_answers_the_close(serve, sockets):
    with serve(only_reads) as uri:
        socket = sockets(uri, close_timeout=SHORT)
        ends_soon(socket.close)
        assert socket.wait_closed(LIMIT)
        assert socket.log == [1006]


def test_a_server_that_never_reads_holds_a_send_no_longer_than_its_time(serve, sockets):
    left = threading.Event()
    with serve(sends_and_ends(after=left)) as uri:
        socket = sockets(uri, send_timeout=SHORT, close_timeout=SHORT)
        with pytest.raises(OperationTimedOutError, match="or it waits until its own messages are received") as caught:
            socket.send(BIG)
        assert caught.value.hresult == HResult.WININET_E_TIMEOUT
        assert caught.value.is_queued
        ends_soon(socket.close)
        assert socket.wait_closed(LIMIT)
        assert socket.log == [1006]
        left.set()


def test_a_server_that_never_reads_does_not_hold_a_close_of_another_thread(serve, sockets):
    left = threading.Event()
    with serve(sends_and_ends(after=left)) as uri:
        socket = sockets(uri, send_timeout=None, close_timeout=SHORT)
        sender = Call(socket.send, BIG)
        while socket._session.outbox._writer._waker is None:
            pass  # Until the sender has to wait.
        ends_soon(socket.close)
        assert isinstance(sender.end(), OperationCanceledError | ConnectionLostError)
        assert socket.log == [1006]
        left.set()


def test_the_rest_of_a_frame_goes_when_a_slow_server_reads_again(sockets):
    # The sender's time ran out in mid-frame: the rest must follow although nobody sends again.
    go_on = threading.Event()
    whole = threading.Event()

    def script(connection):
        handshake(connection)
        wait(go_on)
        _, payload = read_frame(connection)
        if len(payload) == len(BIG) // 4:
            whole.set()
        read_to_end(connection)

    with scripted_server(script) as uri:
        socket = sockets(uri, send_timeout=SHORT)
        with pytest.raises(OperationTimedOutError) as caught:
            socket.send(BIG[: len(BIG) // 4])
        assert caught.value.is_queued
        go_on.set()
        wait(whole)
        socket.abort()


def test_a_reset_in_mid_frame(sockets):
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"x" * 100)[:50])
        read_frame(connection)
        reset(connection)

    with scripted_server(script) as uri:
        socket = sockets(uri)
        socket.send("now")
        with pytest.raises(ConnectionLostError) as caught:
            socket.receive(LIMIT)
        assert caught.value.hresult in (HResult.WININET_E_CONNECTION_RESET, HResult.WININET_E_CONNECTION_ABORTED)
        assert socket.wait_closed(LIMIT)
        assert socket.log == [1006]


def test_an_end_in_mid_frame(serve, sockets):
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"x" * 100)[:50])

    with serve(script) as uri:
        socket = sockets(uri)
        with pytest.raises(ConnectionLostError):
            socket.receive(LIMIT)
        assert socket.wait_closed(LIMIT)
        assert socket.log == [1006]


def drip(connection, endless):
    """Send a byte at a time, for as long as the client is there."""
    never = threading.Event()
    while not never.wait(0.02):
        connection.sendall(endless)


def test_an_answer_that_drips_ends_with_the_deadline(serve, sockets):
    def script(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 101 ")
        drip(connection, b"x")

    with serve(script) as uri:
        with pytest.raises(OperationTimedOutError) as caught:
            sockets(uri, timeout=1)
        assert caught.value.hresult == HResult.WININET_E_TIMEOUT


def test_an_answer_that_never_comes_ends_with_the_deadline(serve, sockets):
    with serve(read_to_end) as uri, pytest.raises(OperationTimedOutError):
        sockets(uri, timeout=0.5)


def test_an_answer_that_never_comes_ends_with_connect_timeout(sockets):
    with scripted_server(read_to_end) as uri, pytest.raises(OperationTimedOutError):
        sockets(uri, connect_timeout=SHORT)


def test_a_tls_handshake_that_never_goes_on_ends_with_the_deadline(sockets):
    with scripted_server(read_to_end) as uri, pytest.raises(OperationTimedOutError):
        sockets(uri.replace("ws:", "wss:"), timeout=SHORT)


def test_a_server_that_speaks_no_tls(sockets):
    def script(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with scripted_server(script) as uri, pytest.raises(TlsError) as caught:
        sockets(uri.replace("ws:", "wss:"))
    assert caught.value.hresult == HResult.WININET_E_SECURITY_CHANNEL_ERROR


def test_a_cancellation_of_a_connect_that_hangs(serve, sockets, client_tls):
    asked = threading.Event()
    with serve(asked_in_vain(asked)) as uri:
        socket = syncws.MessageWebSocket()
        socket.control.ssl_context = client_tls
        connecting = Call(socket.connect, uri)
        wait(asked)
        socket.close()
        error = connecting.end()
        assert isinstance(error, OperationCanceledError)
        assert error.hresult == HResult.ERROR_CANCELLED


def test_headers_without_end_fail_the_connect(serve, sockets):
    def script(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
        while True:
            connection.sendall(b"X-A: 1\r\n" * 1000)

    with serve(script) as uri, pytest.raises(HandshakeError):
        sockets(uri)


def test_a_tls_record_that_stops_in_the_middle_does_not_hold_a_close(sockets, server_tls):
    left = threading.Event()
    stopped = threading.Event()

    def script(connection):
        # The TLS engine is driven here by hand, so that part of a record can be held back.
        import ssl

        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server_tls.wrap_bio(incoming, outgoing, server_side=True)

        def step(function, *arguments):
            while True:
                try:
                    return function(*arguments)
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))

        class Plain:
            def recv(self, size):
                return step(tls.read, size)

            def sendall(self, data):
                tls.write(data)
                connection.sendall(outgoing.read())

        step(tls.do_handshake)
        connection.sendall(outgoing.read())
        handshake(Plain())
        tls.write(server_frame(BINARY, b"x" * 4000))
        connection.sendall(outgoing.read()[:100])
        stopped.set()
        wait(left)

    with scripted_server(script) as uri:
        socket = sockets(uri.replace("ws:", "wss:"), close_timeout=SHORT)
        wait(stopped)
        ends_soon(socket.close)
        assert socket.wait_closed(LIMIT)
        assert socket.log == [1006]
        left.set()


def test_a_flood_of_pings_is_answered_and_messages_still_come(serve, sockets):
    def script(connection):
        handshake(connection)
        for number in range(5000):
            connection.sendall(server_frame(PING, b"%d" % number))
        connection.sendall(server_frame(TEXT, b"after the flood"))
        while read_frame(connection)[0] != 0x80 | CLOSE:
            pass
        connection.sendall(GOODBYE)

    with serve(script) as uri:
        socket = sockets(uri)
        assert socket.receive(LIMIT) == "after the flood"
        socket.close()
        assert socket.log == [1000]


def test_a_flood_of_pings_by_a_server_that_never_reads_does_not_hold_a_close(serve, sockets):
    def script(connection):
        handshake(connection)
        while True:
            connection.sendall(server_frame(PING, b"x" * 125) * 100)

    with serve(script) as uri:
        socket = sockets(uri, close_timeout=SHORT)
        ends_soon(socket.close)
        assert socket.wait_closed(LIMIT)
        assert socket.log == [1006]


def test_data_after_the_close_frame_is_ignored(serve, sockets):
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"last") + GOODBYE + server_frame(TEXT, b"too late") + b"\xff" * 100)
        read_frame(connection)

    with serve(script) as uri:
        socket = sockets(uri)
        assert socket.receive(LIMIT) == "last"
        with pytest.raises(ObjectClosedError):
            socket.receive(LIMIT)
        assert socket.wait_closed(LIMIT)
        assert socket.log == [1000]


def test_a_server_that_floods_after_its_close_frame_is_left(serve, sockets, monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", SHORT)

    def script(connection):
        handshake(connection)
        connection.sendall(GOODBYE)
        while True:
            connection.sendall(server_frame(BINARY, bytes(60000)))

    with serve(script) as uri:
        socket = sockets(uri)
        assert socket.wait_closed(LIMIT / 2)
        assert socket.log == [1000]


def test_a_server_that_closes_and_keeps_tcp_open_is_left(serve, sockets, monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", SHORT)

    def script(connection):
        handshake(connection)
        connection.sendall(GOODBYE)
        read_to_end(connection)

    with serve(script) as uri:
        socket = sockets(uri)
        assert socket.wait_closed(LIMIT / 2)
        assert socket.log == [1000]


VIOLATIONS = {
    "a length of 2^63": (b"\x82\x7f" + (1 << 63).to_bytes(8, "big"), ProtocolViolationError, 1002),
    "a length of 2^63 - 1": (b"\x82\x7f" + ((1 << 63) - 1).to_bytes(8, "big"), MessageTooBigError, 1009),
    "reserved bits": (server_frame(TEXT, b"x", rsv=0x40), ProtocolViolationError, 1002),
    "text that is no UTF-8": (server_frame(TEXT, b"\xff"), ProtocolViolationError, 1007),
    "a masked frame": (b"\x81\x81\0\0\0\0x", ProtocolViolationError, 1002),
    "endless empty fragments": (
        server_frame(TEXT, fin=False) + server_frame(0, fin=False) * 50,
        MessageTooBigError,
        1009,
    ),
}


@pytest.mark.parametrize(("data", "error", "code"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_a_violation_is_answered_with_its_code_and_raised(serve, sockets, monkeypatch, data, error, code):
    monkeypatch.setattr(frame_decoder, "MAX_FRAGMENTS", 10)
    answers = []

    def script(connection):
        handshake(connection)
        connection.sendall(data)
        answers.append(read_frame(connection))

    with serve(script) as uri:
        socket = sockets(uri)
        with pytest.raises(error):
            socket.receive(LIMIT)
        assert socket.wait_closed(LIMIT)
        assert socket.log == [code]
    assert answers[0][0] == 0x80 | CLOSE
    assert answers[0][1][:2] == code.to_bytes(2, "big")


def test_messages_after_our_close_are_not_delivered(serve, sockets):
    def script(connection):
        handshake(connection)
        read_frame(connection)
        connection.sendall(server_frame(TEXT, b"too late") * 10 + GOODBYE)

    with serve(script) as uri:
        socket = sockets(uri)
        messages = []
        socket.add_message_received(lambda *_: messages.append(1))
        socket.close()
        assert messages == []
        assert socket.log == [1000]


def test_a_handler_that_blocks_does_not_hold_a_close_of_another_thread(serve, sockets):
    inside, go_on = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"block"))
        read_to_end(connection)

    def handler(*_):
        inside.set()
        wait(go_on)

    with serve(script) as uri:
        socket = sockets(uri, close_timeout=SHORT)
        socket.add_message_received(handler)
        wait(inside)
        ends_soon(socket.close)
        assert socket.log == []
        go_on.set()
        assert socket.wait_closed(LIMIT)
        assert socket.log == [1006]


@pytest.mark.parametrize("size", [10, 60000], ids=["small messages", "large messages"])
def test_a_server_that_goes_on_sending_does_not_hold_a_close_that_a_handler_began(serve, sockets, size):
    def script(connection):
        handshake(connection)
        frame = server_frame(BINARY, bytes(size)) * max(1, 6000 // size)
        while True:
            connection.sendall(frame)

    with serve(script) as uri:
        socket = sockets(uri, close_timeout=SHORT)
        socket.add_message_received(lambda sender, _: sender.close())
        ended = socket.wait_closed(LIMIT / 6)
        socket.abort()
        assert ended, "the connection outlived control.close_timeout"
        assert socket.log == [1006]


def test_a_server_that_goes_on_sending_does_not_keep_a_dropped_socket_alive(sockets):
    ended = threading.Event()

    def script(connection):
        try:
            handshake(connection)
            while True:
                connection.sendall(server_frame(BINARY, bytes(6000)))
        finally:
            ended.set()

    with scripted_server(script) as uri:
        socket = syncws.connect(uri)
        socket.add_message_received(lambda *_: None)
        session = socket._session
        try:
            with pytest.warns(ResourceWarning):  # noqa: PT031 - the reader, which calls the handler, may drop it last
                del socket
                gc.collect()
                is_left = ended.wait(LIMIT / 6)
        finally:
            session.abort()
        assert is_left, "the connection of a dropped socket was never closed"


def test_a_full_inbox_does_not_hold_a_close(serve, sockets):
    sent = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, bytes(100)) * 10)
        sent.set()
        while read_frame(connection)[0] != 0x80 | CLOSE:
            pass
        connection.sendall(GOODBYE)

    with serve(script) as uri:
        socket = sockets(uri, inbox_size_in_bytes=100)
        wait(sent)
        socket.close()
        assert socket.log == [1000]


def test_frames_behind_the_answer_and_byte_by_byte_come_whole(serve, sockets):
    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"behind") + b"\x81")
        for byte in server_frame(TEXT, b"dripping")[1:]:
            connection.sendall(bytes([byte]))
        assert read_exactly(connection, 1)
        read_to_end(connection)

    with serve(script) as uri:
        socket = sockets(uri, close_timeout=SHORT)
        assert [socket.receive(LIMIT), socket.receive(LIMIT)] == ["behind", "dripping"]
        socket.close()
