"""TLS under full duplex: readers and writers at work at once from the first moment of many fresh connections."""

import contextlib
import socket as sockets
import ssl
import threading
from collections import Counter

import pytest
from support import LIMIT, echo, handshake, join, running_server, scripted_server

import syncws

CONNECTIONS = 400
WRITERS = 3
MESSAGES = 4
SHORT = 0.05


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_fresh_tls_1_3_connections_carry_everything_while_threads_read_and_write(server_tls, client_tls):
    assert client_tls.maximum_version in (ssl.TLSVersion.MAXIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3)
    with running_server(echo, ssl_context=server_tls) as uri:
        for number in range(CONNECTIONS):
            expected = Counter(f"{number} {writer} {index}" for writer in range(WRITERS) for index in range(MESSAGES))
            received = Counter()
            complete = threading.Event()
            failures = []
            socket = syncws.MessageWebSocket()
            socket.control.ssl_context = client_tls

            def handler(_, args, received=received, complete=complete, failures=failures):
                try:
                    reader = args.get_data_reader()
                    received[reader.read_string(reader.unconsumed_buffer_length)] += 1
                except Exception as exc:  # noqa: BLE001 - shown below
                    failures.append(exc)
                    complete.set()
                if received.total() >= WRITERS * MESSAGES:
                    complete.set()

            def write(writer, socket=socket, number=number, failures=failures):
                try:
                    for index in range(MESSAGES):
                        socket.send(f"{number} {writer} {index}")
                except Exception as exc:  # noqa: BLE001 - shown below
                    failures.append(exc)

            socket.add_message_received(handler)
            socket.connect(uri, timeout=LIMIT)
            writers = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
            for thread in writers:
                thread.start()
            for thread in writers:
                join(thread)
            assert complete.wait(LIMIT), f"connection {number}: {expected - received} did not come"
            socket.close()
            assert not failures, f"connection {number}: {failures}"
            assert received == expected, f"connection {number}"
            assert socket.wait_closed(LIMIT)


def test_a_large_message_goes_out_and_comes_back(server_tls, client_tls):
    message = bytes(range(256)) * 16384
    with running_server(echo, ssl_context=server_tls) as uri, syncws.connect(uri, ssl_context=client_tls) as socket:
        socket.send(message)
        assert socket.receive(LIMIT) == message


@pytest.mark.parametrize("has_handler", [False, True])
def test_a_frame_without_end_that_never_pauses_holds_neither_a_receive_nor_a_close(server_tls, client_tls, has_handler):
    connections = []

    def script(connection):
        connections.append(connection)
        handshake(connection)
        connection.sendall(b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))
        while True:
            connection.sendall(bytes(1 << 18))

    socket = syncws.MessageWebSocket()
    socket.control.ssl_context = client_tls
    socket.control.max_message_size = 0xFFFFFFFF
    socket.control.close_timeout = SHORT
    received = []
    with scripted_server(script, ssl_context=server_tls) as uri:
        if has_handler:
            socket.add_message_received(lambda _, args: received.append(args))
        socket.connect(uri, timeout=LIMIT)
        if not has_handler:
            with pytest.raises(syncws.OperationTimedOutError):
                socket.receive(SHORT)
        socket.close()
        assert socket.wait_closed(LIMIT)
        # Linux may let a server whose data nobody takes wait a minute before it learns that the client has left.
        with contextlib.suppress(OSError):
            sockets.socket.shutdown(connections[0], sockets.SHUT_RDWR)
    assert len(received) <= 1
