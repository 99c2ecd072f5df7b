"""Answers to the handshake and to a proxy's CONNECT, and TLS records, that never end: bounded in memory and time."""

import contextlib
import itertools
import ssl
import threading

import pytest
from support import LIMIT, handshake, read_request, scripted_server
from support.floods import MIB, Cuttable, peak_below
from support.proxies import answering, scripted_proxy
from support.tls_records import Records, noting_context

from syncws import ConnectionLostError, HandshakeError, HttpStatusError, MessageWebSocket, OperationTimedOutError
from syncws._net.http import head as http_head

SHORT = 0.1


def answers_for_ever(head, again):
    """Return a script that answers the request with bytes, and with others again and again."""

    def script(connection):
        read_request(connection)
        connection.sendall(head)
        while True:
            connection.sendall(again)

    return script


ENDLESS = {
    "status line": (b"HTTP/1.1 ", b"1" * 1000, HandshakeError, "over 65536 bytes"),
    "header names": (b"HTTP/1.1 101 Fine\r\n", b"x" * 1000, HandshakeError, "over 65536 bytes"),
    "header lines": (b"HTTP/1.1 101 Fine\r\n", b"X-A: 1\r\n" * 100, HandshakeError, "over 65536 bytes"),
    "equal header lines of nothing": (b"HTTP/1.1 101 Fine\r\n", b"a:\n" * 300, HandshakeError, "over 65536 bytes"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40, HandshakeError, "more than 16 interim answers"),
    "chunked body": (
        b"HTTP/1.1 503 Later\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"400\r\n" + b"x" * 1024 + b"\r\n",
        HttpStatusError,
        "503",
    ),
    "body of a length": (
        b"HTTP/1.1 503 Later\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"x" * 1000,
        HttpStatusError,
        "503",
    ),
}
ANSWER = ("head", "again", "error", "text")
# A proxy's head is read byte by byte, so one that is too long is enough.
OF_A_PROXY = {name: case for name, case in ENDLESS.items() if name == "header lines" or "over" not in case[3]}


@pytest.mark.parametrize(ANSWER, ENDLESS.values(), ids=ENDLESS.keys())
def test_an_answer_without_an_end_is_refused_and_takes_no_memory(tls, head, again, error, text):
    server_context, client_context = tls
    peer = Cuttable(answers_for_ever(head, again))
    with scripted_server(peer, ssl_context=server_context) as uri, peer:
        socket = MessageWebSocket()
        socket.control.ssl_context = client_context
        with peak_below(MIB), pytest.raises(error, match=text) as caught:
            socket.connect(uri, timeout=LIMIT)
    if error is HttpStatusError:
        assert len(caught.value.body) == http_head.MAX_BODY_BYTES


@pytest.mark.slow
@pytest.mark.parametrize(ANSWER, OF_A_PROXY.values(), ids=OF_A_PROXY.keys())
def test_a_proxys_answer_without_an_end_is_refused_and_takes_no_memory(head, again, error, text, monkeypatch):
    # Where each byte is a call, 65536 of them take seconds.
    monkeypatch.setattr(http_head, "MAX_HEAD_BYTES", 4096)
    peer = Cuttable(answers_for_ever(head, again))
    with scripted_proxy(peer) as proxy, peer:
        socket = MessageWebSocket()
        socket.control.proxy = proxy
        with peak_below(MIB), pytest.raises(error, match=text.replace("65536", "4096")) as caught:
            socket.connect("ws://server.test/", timeout=LIMIT)
    if error is HttpStatusError:
        assert len(caught.value.body) == http_head.MAX_BODY_BYTES


def test_an_answer_that_comes_byte_by_byte_is_searched_once_and_not_from_its_beginning(monkeypatch):
    searched = []
    find_end = http_head._end_of_head

    def noting(buffer, start):
        searched.append((start, len(buffer)))
        return find_end(buffer, start)

    monkeypatch.setattr(http_head, "_end_of_head", noting)
    # That of a proxy is read byte by byte, however it comes.
    answer = b"HTTP/1.1 404 Not here\r\nX-Long: " + b"x" * 1000 + b"\r\nContent-Length: 0\r\n\r\n"
    with scripted_proxy(answering(answer)) as proxy:
        socket = MessageWebSocket()
        socket.control.proxy = proxy
        with pytest.raises(HttpStatusError):
            socket.connect("ws://server.test/", timeout=LIMIT)
    assert len(searched) == len(answer)
    # From three bytes before what has just come.
    assert all(start == max(0, before - 3) for (_, before), (start, _) in itertools.pairwise(searched))


# TLS records that are no data.


class TlsPeer:
    """A script that does the TLS handshake, and the WebSocket one if it `is_friendly`, then sends records for ever.

    Attributes:
        kind: the name of the method of Records that makes them.
        context: a noting context.
        path: where it notes.
    """

    def __init__(self, kind, context, path, *, is_friendly):
        self.kind = kind
        self.path = path
        self.is_friendly = is_friendly
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.begin = threading.Event()

    def _step(self, function, *arguments):
        while True:
            try:
                return function(*arguments)
            except ssl.SSLWantReadError:
                self.connection.sendall(self.outgoing.read())
                piece = self.connection.recv(65536)
                if not piece:
                    raise ConnectionResetError("the client left") from None
                self.incoming.write(piece)

    def recv(self, size):
        return self._step(self.tls.read, size)

    def sendall(self, data):
        self.connection.sendall(self.records.record(data))

    def __call__(self, connection):
        self.connection = connection
        self._step(self.tls.do_handshake)
        connection.sendall(self.outgoing.read())
        self.records = Records.after_handshake(self.tls.cipher()[0], self.path)
        if self.is_friendly:
            handshake(self)
        else:
            read_request(self)
        number = 0
        while True:
            batch = []
            for _ in range(100):
                number += 1
                batch.append(self._make(number))
            connection.sendall(b"".join(batch))

    def _make(self, number):
        if self.kind == "tickets":
            return self.records.ticket(number)
        return self.records.key_update() if self.kind == "key updates" else self.records.record(b"")


@pytest.fixture
def tls_peer(authority, tmp_path):
    """Makes a TlsPeer of a kind."""

    def make(kind, *, is_friendly):
        path = tmp_path / "secrets"
        return TlsPeer(kind, noting_context(authority, path), path, is_friendly=is_friendly)

    return make


@contextlib.contextmanager
def secure_uri(script):
    peer = Cuttable(script)
    with scripted_server(peer) as uri, peer:
        yield uri.replace("ws:", "wss:")


def test_session_tickets_in_place_of_an_answer_end_with_the_deadline(tls_peer, client_tls):
    with secure_uri(tls_peer("tickets", is_friendly=False)) as uri:
        socket = MessageWebSocket()
        socket.control.ssl_context = client_tls
        with peak_below(MIB), pytest.raises(OperationTimedOutError):
            socket.connect(uri, timeout=SHORT)


@pytest.mark.parametrize("kind", ["tickets", "key updates"])
def test_records_without_data_do_not_hold_a_close(tls_peer, client_tls, kind):
    with secure_uri(tls_peer(kind, is_friendly=True)) as uri, MessageWebSocket() as socket:
        socket.control.ssl_context = client_tls
        socket.control.close_timeout = SHORT
        socket.connect(uri, timeout=LIMIT)
        # Lost, when so many answers wait that the server cannot be in earnest.
        with peak_below(4 * MIB), pytest.raises((OperationTimedOutError, ConnectionLostError)):
            socket.receive(SHORT)
        socket.close()
        assert socket.wait_closed(LIMIT)


def test_empty_records_without_end_end_the_connection(tls_peer, client_tls):
    with secure_uri(tls_peer("empty records", is_friendly=True)) as uri, MessageWebSocket() as socket:
        socket.control.ssl_context = client_tls
        socket.control.close_timeout = SHORT
        socket.connect(uri, timeout=LIMIT)
        with peak_below(4 * MIB), pytest.raises(ConnectionLostError):
            socket.receive(LIMIT)
        assert socket.wait_closed(LIMIT)
