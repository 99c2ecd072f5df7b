"""DirectTlsTransport: OpenSSL on a real socket, against a server's engine in the same thread; beside TlsTransport."""

import contextlib
import ctypes
import errno
import itertools
import random
import re
import select
import signal
import socket
import ssl
import struct
import sys
import threading
import types
from collections import deque

import pytest
from support import LIMIT, join
from support.tls_line import connected_pair, needs_direct
from support.tls_records import Records, noting_context

from syncws._net.tls import direct, transport
from syncws._net.tls.direct import direct_form
from syncws._net.tls.transport import TlsTransport
from syncws._wire.accelerated import speedups
from syncws.errors import ConnectionLostError
from syncws.hresult import HResult

# What is received in one turn, and what may come with it by the last system call.
TURN_BYTES = 262144 + 65536

FORMS = [pytest.param(True, id="direct", marks=needs_direct), pytest.param(False, id="over Python's ssl")]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(params=FORMS)
def either(request, make_line):
    """A line in each of the forms."""
    return make_line(is_direct=request.param)


def version_context(authority, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    authority.issue_cert("localhost").configure_cert(context)
    return context


# What goes through it.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("is_direct", FORMS)
def test_bytes_of_every_size_go_both_ways(make_line, authority, version, is_direct):
    line = make_line(version_context(authority, version), is_direct=is_direct)
    for size in (1, 64, 4095, 4096, 4097, 16384, 16385, 65550, 300000):
        data = random.Random(size).randbytes(size)
        sender = threading.Thread(target=line.say, args=(data,))
        sender.start()
        assert line.receive(size, 65536 if size > 16384 else 4096) == data
        join(sender)
        sender = threading.Thread(target=line.say, args=(data,))
        sender.start()
        assert line.receive_into(size) == data
        join(sender)
        rest = memoryview(data)
        heard = b""
        while rest:
            taken = line.transport.send(rest)
            heard += line.hear(taken)
            rest = rest[taken:]
        assert heard == data
    assert line.transport.receive(4096) is None
    assert not line.transport.has_buffered
    assert not line.transport.has_unsent


def test_the_names_are_told(either):
    assert either.transport.names() == (either.server.version(), either.server.cipher()[0])
    assert either.transport.ssl_object.getpeercert(binary_form=True)
    assert either.transport.fileno() == either.near.fileno()


def test_what_is_left_of_a_record_is_told(either):
    either.say(b"hello")
    either.wait_readable()
    assert either.transport.receive(2) == b"he"
    assert either.transport.has_buffered
    assert either.transport.receive(100) == b"llo"
    assert not either.transport.has_buffered
    assert either.transport.receive(100) is None


def test_small_records_that_came_together_are_received_at_once(either):
    either.say(b"one", b"two", b"three")
    either.wait_readable()
    assert either.transport.receive(7) == b"onetwot"
    assert either.transport.has_buffered
    room = memoryview(bytearray(100))
    assert either.transport.receive_into(room) == b"hree"
    assert not either.transport.has_buffered


@pytest.mark.parametrize("into", [False, True])
def test_a_record_that_comes_byte_by_byte_is_received_when_it_is_whole(either, into):
    record = either.made(b"hello")

    def receive():
        return either.transport.receive_into(memoryview(bytearray(50))) if into else either.transport.receive(50)

    for number in range(len(record)):
        either.far.sendall(record[number : number + 1])
        assert select.select([either.near], [], [], LIMIT)[0]
        received = receive()
        assert (received == b"hello") == (number == len(record) - 1)
        assert received is None or number == len(record) - 1
        assert not either.transport.has_buffered


def test_what_moves_is_counted_in_bytes_of_the_wire(either):
    inbound, outbound = either.bottom.inbound.total_bytes, either.bottom.outbound.total_bytes
    records = either.made(b"x" * 100000)
    sender = threading.Thread(target=either.far.sendall, args=(records,))
    sender.start()
    either.receive(100000, 65536)
    join(sender)
    assert either.bottom.inbound.total_bytes - inbound == len(records)
    assert either.transport.send(b"hello") == 5
    assert either.bottom.outbound.total_bytes - outbound == len(either.far.recv(1000))


# The change from Python's ssl.


@needs_direct
def test_what_python_had_taken_in_and_had_not_sent_is_not_lost(make_line):
    line = make_line(is_direct=False)
    records = line.made(b"early", b"bird")
    line.far.sendall(records[:-7])
    line.wait_readable()
    assert line.transport._feed()
    line.transport.ssl_object.write(b"first")
    line.go_direct()
    assert line.transport.has_unsent
    assert line.transport.unsent_bytes > 5
    assert line.transport.has_buffered
    assert line.transport.receive(100) == b"early"
    assert line.transport.receive(100) is None
    line.far.sendall(records[-7:])
    line.wait_readable()
    assert line.transport.receive(100) == b"bird"
    assert line.transport.send(b"second") == 6
    assert line.hear(11) == b"firstsecond"


@needs_direct
def test_a_record_of_which_the_engine_has_a_part_is_not_lost(make_line):
    line = make_line(is_direct=False)
    records = line.made(b"x" * 16000, b"y" * 16000)
    line.far.sendall(records[:20000])
    assert line.receive(16000) == b"x" * 16000
    assert line.transport.receive(4096) is None
    line.go_direct()
    line.far.sendall(records[20000:])
    assert line.receive(16000) == b"y" * 16000


class OwnObject(ssl.SSLObject):
    """What a program may put in the place of ssl's own."""


def own_context(authority, **attributes):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


class OwnSocket(socket.socket):
    """A socket that may do something of its own."""


@pytest.mark.parametrize("kind", ["object", "messages", "keys", "socket", "module"])
def test_what_has_python_in_between_stays_as_it_was(make_line, authority, tmp_path, monkeypatch, kind):
    context = own_context(authority)
    if kind == "object":
        context.sslobject_class = OwnObject
    elif kind == "messages":
        context._msg_callback = lambda *_: None
    elif kind == "keys":
        context.keylog_filename = str(tmp_path / "keys")
    line = make_line(client_context=context, is_direct=False)
    if kind == "socket":
        line.near = OwnSocket(fileno=line.near.detach())
        line.bottom.__init__(line.near)
    elif kind == "module":
        monkeypatch.setitem(sys.modules, "_ssl", types.ModuleType("_ssl"))
    assert direct_form(line.transport) is line.transport
    line.say(b"hello")
    assert line.receive(5) == b"hello"
    assert line.transport.send(b"back") == 4
    assert line.hear(4) == b"back"


def test_without_the_compiled_part_python_s_ssl_stays(make_line, monkeypatch):
    line = make_line(is_direct=False)
    monkeypatch.setattr(direct, "_HAS_ENGINE", False)
    assert direct_form(line.transport) is line.transport


@needs_direct
def test_tls_inside_tls_stays_over_python_s_ssl(make_line, client_tls):
    line = make_line()
    upper = TlsTransport(line.transport, client_tls, "localhost")
    assert direct_form(upper) is upper


@needs_direct
def test_an_engine_takes_nothing_that_is_not_what_it_seems(make_line, client_tls):
    line = make_line(is_direct=False)
    module, inside = sys.modules["_ssl"], line.transport.ssl_object._sslobj
    new = client_tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")._sslobj
    near, far = connected_pair()
    on_socket = client_tls.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
    meters = line.bottom.inbound, line.bottom.outbound

    class Copy(types.ModuleType):
        """Has all of the module but its OpenSSL."""

        OPENSSL_VERSION = "OpenSSL 0.0.0"

    with on_socket, far:
        refused = [
            (module, object(), line.near, *meters),
            (module, line.transport.ssl_object, line.near, *meters),
            # Its handshake is not over, and may never be.
            (module, new, line.near, *meters),
            (module, on_socket._sslobj, line.near, *meters),
            (module, inside, line.near, object(), meters[1]),
            (module, inside, line.near, meters[0], object()),
            (None, inside, line.near, *meters),
        ]
        for arguments in refused:
            assert not speedups.TlsEngine()._attach(*arguments)
    engine = speedups.TlsEngine()
    with pytest.raises(TypeError):
        engine._attach(module, inside)
    with pytest.raises(TypeError):
        engine._keep_small(deque())
    # Without a connection it says so, as after close().
    assert engine._keep_small(deque(), 10) == engine._fill(bytearray(10)) == engine._send(b"x") == -1
    assert engine._reading_failure == errno.EBADF
    line.say(b"still")
    assert line.receive(5) == b"still"


# Ends, and what is no TLS.


@pytest.mark.parametrize("farewell", ["close_notify", "FIN", "truncated"])
@pytest.mark.parametrize("into", [False, True])
def test_an_end_is_told_after_what_came_before_it(either, farewell, into):
    last = either.made(b"last")
    behind = either.made(b"lost")[:-1] if farewell == "truncated" else b""
    if farewell == "close_notify":
        with pytest.raises(ssl.SSLWantReadError):
            either.server.unwrap()
        behind = either._outgoing.read()
    either.far.sendall(last + behind)
    either.far.shutdown(socket.SHUT_WR)
    room = memoryview(bytearray(100))
    either.wait_readable()
    assert (either.transport.receive_into(room) if into else either.transport.receive(100)) == b"last"
    for _ in range(2):
        while (received := either.transport.receive_into(room) if into else either.transport.receive(100)) is None:
            either.wait_readable()
        assert received == b""


@pytest.mark.parametrize("is_direct", FORMS)
def test_a_reset_is_told_each_time_after_what_came_before_it(make_line, is_direct):
    line = make_line(is_direct=is_direct)
    line.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.far.close()
    assert select.select([line.near], [], [], LIMIT)[0]
    with pytest.raises(ConnectionLostError) as caught:
        line.transport.receive(100)
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET
    if is_direct:
        with pytest.raises(ConnectionLostError):
            line.transport.receive_into(memoryview(bytearray(10)))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["garbage", "changed", "no record"])
def test_what_is_no_tls_is_the_same_error_in_both_forms(make_line, authority, version, kind):
    if not direct._HAS_ENGINE:
        pytest.skip("there is one form")
    told = []
    for is_direct in (True, False):
        line = make_line(version_context(authority, version), is_direct=is_direct)
        if kind == "garbage":
            bad = b"\x17\x03\x03\x00\x20" + b"x" * 32
        elif kind == "changed":
            bad = bytearray(line.made(b"second"))
            bad[-1] ^= 1
        else:
            bad = b"HTTP/1.1 200 OK\r\n\r\n"
        line.far.sendall((line.made(b"first") if kind != "changed" else b"") + bytes(bad))
        if kind != "changed":
            line.wait_readable()
            assert line.transport.receive(5) == b"first"
        for _ in range(2):
            line.wait_readable()
            with pytest.raises(ssl.SSLError) as caught:
                line.transport.receive(100)
        error = caught.value
        # The text tells the line of Python's source.
        text = re.sub(r" \(_ssl\.c:\d+\)$", "", error.args[1])
        told.append((type(error), error.errno, error.library, error.reason, text))
    assert told[0] == told[1]


@pytest.mark.parametrize("is_direct", FORMS)
def test_an_alert_is_told_by_its_name(make_line, is_direct, authority):
    """The server refuses what the client sends, and says why before it goes."""
    line = make_line(version_context(authority, ssl.TLSVersion.TLSv1_3), is_direct=is_direct)
    line.far.setblocking(True)
    line._incoming.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    with pytest.raises(ssl.SSLError):
        line.server.read(1)
    line.far.sendall(line._outgoing.read())
    line.wait_readable()
    with pytest.raises(ssl.SSLError) as caught:
        line.transport.receive(100)
    assert caught.value.reason == "SSLV3_ALERT_BAD_RECORD_MAC"


@pytest.mark.parametrize("is_direct", FORMS)
def test_what_is_sent_after_the_farewell_is_refused(make_line, is_direct):
    line = make_line(is_direct=is_direct)
    line.transport.end_output()
    with pytest.raises(ssl.SSLError):
        line.transport.send(b"hello")
    line.say(b"hello")
    assert line.receive(5) == b"hello"
    assert line.far.recv(1000)
    with pytest.raises(ssl.SSLWantReadError):
        line.server.read(1)


def test_end_output_says_good_bye(either):
    either.transport.end_output()
    with contextlib.suppress(ssl.SSLWantReadError):
        while True:
            either._incoming.write(either.far.recv(1000))
            assert either.server.read(1) == b""
            break
    assert either.far.recv(1) == b""


def test_after_a_reset_end_output_does_nothing_worse(line):
    line.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.far.close()
    assert select.select([line.near], [], [], LIMIT)[0]
    line.transport.end_output()
    line.transport.end_output()


# What does not go, and what must be answered.


@pytest.mark.parametrize("size", [1000, 65536])
def test_what_the_system_does_not_take_goes_later_in_order(line, size):
    line.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = bytearray()
    for number in itertools.count():
        taken = line.transport.send(number.to_bytes(4, "big") * (size // 4))
        assert taken in (0, size)
        if not taken:
            break
        sent += number.to_bytes(4, "big") * (size // 4)
    assert line.transport.has_unsent
    assert 0 < line.transport.unsent_bytes < size + 1000
    assert not line.transport.flush()
    assert line.transport.send(b"more") == 0
    assert line.hear(len(sent)) == sent
    assert line.transport.flush()
    assert not line.transport.has_unsent
    assert line.transport.unsent_bytes == 0
    assert line.transport.send(b"more") == 4
    assert line.hear(4) == b"more"


@needs_direct
def test_a_write_to_a_reset_connection_is_an_error_and_no_signal(line):
    signals = []
    before = signal.signal(signal.SIGPIPE, lambda *_: signals.append(1))
    try:
        line.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.far.close()
        assert select.select([line.near], [], [], LIMIT)[0]
        # It takes the error of the reset: what is sent then is written to a broken pipe.
        with pytest.raises(ConnectionLostError):
            line.transport.receive(1)
        with pytest.raises(ConnectionLostError):
            line.transport.send(b"hello")
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert not signals


@pytest.fixture
def records_line(make_line, authority, tmp_path):
    """Makes a line whose server's records are made by hand, and what makes them."""

    def make(**options):
        path = tmp_path / "secrets"
        line = make_line(noting_context(authority, path), **options)
        return line, Records.after_handshake(line.server.cipher()[0], path)

    return make


@pytest.mark.parametrize("is_direct", FORMS)
def test_key_updates_are_answered_by_whoever_sends(records_line, is_direct):
    line, records = records_line(is_direct=is_direct)
    for number in range(5):
        line.far.sendall(records.key_update() + records.record(b"%d" % number))
        assert line.receive(1) == b"%d" % number
        assert line.transport.send(b"answer") == 6
        assert line.hear(6) == b"answer"


def begin_renegotiation(engine):
    """Have a server's engine ask for a new handshake, for which Python has no method."""
    library = ctypes.CDLL(sys.modules["_ssl"].__file__)
    library.SSL_renegotiate.argtypes = [ctypes.c_void_p]
    pointer = ctypes.c_void_p.from_address(id(engine._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p))
    assert library.SSL_renegotiate(pointer) == 1
    engine.do_handshake()


@needs_direct
@pytest.mark.parametrize("is_direct", FORMS)
@pytest.mark.parametrize("first", ["server", "client"])
def test_tls_1_2_may_renegotiate(make_line, authority, is_direct, first):
    line = make_line(version_context(authority, ssl.TLSVersion.TLSv1_2), is_direct=is_direct)
    for number in range(3):
        begin_renegotiation(line.server)
        # What the server says before the client has answered is still under the old keys.
        line.say(b"old %d" % number)
        line.wait_readable()
        assert line.transport.receive(100) == b"old %d" % number
        assert not line.transport.has_buffered
        if first == "client":
            assert line.transport.send(b"not now") == 0
        while True:
            assert line.transport.flush()
            with contextlib.suppress(ssl.SSLWantReadError):
                line._incoming.write(line.far.recv(65536))
                assert line.server.read(100) == b"new %d" % number
                break
            if answer := line._outgoing.read():
                line.far.sendall(answer)
                line.wait_readable()
                assert line.transport.receive(100) is None
                line.transport.send(b"new %d" % number)
        line.say(b"done")
        assert line.receive(4) == b"done"


@pytest.mark.parametrize("into", [False, True])
@needs_direct
def test_endless_tickets_do_not_keep_a_receive(records_line, into):
    line, records = records_line()
    tickets = b"".join(records.ticket(number) for number in range(8000))
    rest = memoryview(tickets + records.record(b"end"))
    # As much as the system holds, before any of it is received.
    line.near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    line.far.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while rest:
            rest = rest[line.far.send(rest) :]
    line.far.setblocking(True)
    sender = threading.Thread(target=line.far.sendall, args=(rest,))
    sender.start()
    receives = 0
    room = memoryview(bytearray(1 << 20))
    while True:
        line.wait_readable()
        before = line.bottom.inbound.total_bytes
        received = line.transport.receive_into(room) if into else line.transport.receive(65536)
        assert line.bottom.inbound.total_bytes - before <= TURN_BYTES
        receives += 1
        if received is not None:
            break
    join(sender)
    assert received == b"end"
    assert receives >= len(tickets) // TURN_BYTES


@pytest.mark.parametrize("into", [False, True])
@pytest.mark.parametrize("data", [b"", b"data"])
@needs_direct
def test_answers_that_nobody_takes_are_bounded(records_line, monkeypatch, data, into):
    line, records = records_line()
    line.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    while line.transport.send(bytes(4096)):
        pass
    monkeypatch.setattr(transport, "_MAX_ANSWER_BYTES", line.transport.unsent_bytes + 100)
    room = memoryview(bytearray(4 * 10))
    line.far.sendall(b"".join(records.key_update() + (records.record(data) if data else b"") for _ in range(10)))
    line.wait_readable()
    received = line.transport.receive_into(room) if into else line.transport.receive(100)
    assert bytes(received or b"") == data * 10
    with pytest.raises(ConnectionAbortedError, match="makes TLS send answers and does not read them"):
        line.transport.receive_into(room) if into else line.transport.receive(100)


@needs_direct
def test_empty_records_without_end_are_an_error(records_line):
    line, records = records_line()
    line.far.sendall(b"".join(records.record(b"") for _ in range(50)))
    line.wait_readable()
    with pytest.raises(ssl.SSLError):
        line.transport.receive(100)
