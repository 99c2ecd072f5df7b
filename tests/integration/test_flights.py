"""How often the server must speak before a connect and an echo are over: no more often than to a bare socket.

That is what a long link shows as its round trips, told without a clock: the server says nothing as long as anything of
the client's may come without it, so a client that waits for more would wait for ever.
"""

import os
import socket as tcp
import ssl
import struct
import sys
import threading

import pytest
from support import LIMIT, handshake, read_frame, read_to_end, scripted_server, server_frame, wait
from support.tls_engine import ServerTls

import syncws
from syncws import DataWriter, MessageWebSocket
from syncws._wire.uri import parse_uri

TEXT = 1
# Of the structure that TCP_INFO gives: where the numbers of segments stand that went again, and that came with data.
_SENT_AGAIN, _DATA_SEGMENTS_IN = 100, 152

# What a connect takes: the answer to the request; in TLS 1.3 the server's flight before it (RFC 8446 2), in TLS 1.2 two
# of them (RFC 5246 7.3).
FLIGHTS = {"plain": 1, "TLS 1.2": 3, "TLS 1.3": 2}
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


def number_of(connection, place):
    return struct.unpack_from("I", connection.getsockopt(tcp.IPPROTO_TCP, tcp.TCP_INFO, 256), place)[0]


def is_sent_twice(connection):
    """Tell whether the system has sent a segment again, as it does to probe for a loss when a busy peer is slow."""
    if sys.platform != "linux":
        return False
    with tcp.socket(fileno=os.dup(connection.fileno())) as same:
        return number_of(same, _SENT_AGAIN) > 0


class CountedConnection:
    """A server's connection that counts.

    Attributes:
        flights: how often it was spoken on.
        segments: how many with data had come when it was spoken on last; None where the system does not tell.
    """

    def __init__(self, connection):
        self._connection = connection
        self.flights = 0
        self.segments = None

    def recv(self, size):
        return self._connection.recv(size)

    def sendall(self, data):
        self.flights += 1
        if sys.platform == "linux":
            self.segments = number_of(self._connection, _DATA_SEGMENTS_IN)
        self._connection.sendall(data)


class Server:
    """A script that answers the opening handshake and one message.

    Attributes:
        flights: how often it has spoken for the connect, and for the echo.
        segments: how many with data had come when it answered the connect, and when it answered the message.
        rest: what has come behind the echo.
    """

    def __init__(self, context):
        self._context = context
        self.flights, self.segments = [], []
        self.rest = None

    def __call__(self, connection):
        counted = CountedConnection(connection)
        stream = counted if self._context is None else ServerTls(counted, self._context)
        handshake(stream)
        self.segments.append(counted.segments)
        self.flights.append(counted.flights)
        _, message = read_frame(stream)
        stream.sendall(server_frame(TEXT, message))
        self.segments.append(counted.segments)
        self.flights.append(counted.flights - self.flights[0])
        self.rest = read_to_end(connection)


# The clients. Each connects, sends one message and takes its answer, and returns whether a segment went twice.


def by_pull(uri, context):
    socket = syncws.connect(uri, ssl_context=context)
    socket.send("hello")
    assert socket.receive(LIMIT) == "hello"
    is_twice = is_sent_twice(socket._session.transport)
    socket.abort()
    return is_twice


def by_events(uri, context):
    has_come = threading.Event()
    socket = MessageWebSocket()
    socket.control.ssl_context = context
    socket.message_received += lambda _, args: has_come.set() if args.text == "hello" else None
    socket.connect(uri)
    with DataWriter(socket.output_stream) as writer:
        writer.write_string("hello")
        writer.store()
        writer.detach_stream()
    wait(has_come)
    is_twice = is_sent_twice(socket._session.transport)
    socket.abort()
    return is_twice


def by_bare_socket(uri, context):
    with tcp.create_connection(("127.0.0.1", parse_uri(uri).port), LIMIT) as connection:
        stream = connection if context is None else context.wrap_socket(connection, server_hostname="localhost")
        with stream:
            stream.sendall(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
            assert stream.recv(65536).endswith(b"\r\n\r\n")
            stream.sendall(b"\x81\x85\0\0\0\0hello")
            assert stream.recv(65536) == server_frame(TEXT, b"hello")
            return is_sent_twice(stream)


@pytest.fixture(params=FLIGHTS)
def contexts(request, authority, client_tls):
    """The name of what is spoken, and the contexts of server and client for it."""
    if request.param == "plain":
        return request.param, None, None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = VERSIONS[request.param]
    # A ticket would be sent unasked; whoever waits for one must not get it.
    context.num_tickets = 0
    authority.issue_cert("localhost").configure_cert(context)
    return request.param, context, client_tls


@pytest.fixture(params=[by_pull, by_events, by_bare_socket])
def name_and_server(request, contexts):
    """What is spoken, and the script that one of the clients has gone through."""
    name, server_context, client_context = contexts
    is_twice = True
    while is_twice:
        server = Server(server_context)
        with scripted_server(server) as uri:
            is_twice = request.param(uri if server_context is None else uri.replace("ws:", "wss:"), client_context)
    return name, server


def test_connect_and_echo_take_no_flight_that_a_bare_socket_does_not_need(name_and_server):
    name, server = name_and_server
    assert server.flights == [FLIGHTS[name], 1]
    # Nothing was asked or told that nobody needed.
    assert server.rest == b""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the segments of a connection")
def test_a_request_and_a_message_go_in_one_segment_each(name_and_server):
    name, server = name_and_server
    for_connect, for_all = server.segments
    # With TLS what its handshake needs goes before the request: ClientHello, and what ends it.
    assert for_connect == (1 if name == "plain" else 3)
    assert for_all - for_connect == 1
