"""TlsTransport: TLS in memory, against a server's engine in the same thread."""

import contextlib
import itertools
import re
import ssl
import sys
from collections import deque

import pytest
from support.fakes import KeepsReceived, interrupt_at

from syncws._net.tls import transport as tls
from syncws._net.tls.failure import tls_error
from syncws._net.tls.transport import TlsTransport
from syncws._waiting.at_fork import loading
from syncws.errors import TlsError
from syncws.hresult import HResult


class Wire(KeepsReceived):
    """The transport below: whatever is sent feeds the server's engine, and what that makes is received."""

    has_buffered = False

    def __init__(self, context):
        self.to_server, self.from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = context.wrap_bio(self.to_server, self.from_server, server_side=True)
        self.chunk = 1 << 20
        self.takes = None
        self.has_unsent = False
        self.is_at_end = False
        self.garbage = b""
        self.is_up = False
        self.log = []

    def step(self):
        if not self.is_up:
            try:
                self.server.do_handshake()
                self.is_up = True
            except ssl.SSLError:
                pass

    def receive(self, size):
        self.step()
        if self.garbage:
            data, self.garbage = self.garbage, b""
            return data
        data = self.from_server.read(min(size, self.chunk))
        return data or (b"" if self.is_at_end else None)

    def receive_into(self, room):
        data = self.receive(len(room))
        if data is None:
            return None
        room[: len(data)] = data
        return room[: len(data)]

    def send(self, data):
        count = len(data) if self.takes is None else min(self.takes, len(data))
        if count:
            self.to_server.write(bytes(data[:count]))
        return count

    def flush(self):
        return True

    def end_output(self):
        self.log.append("end_output")

    def fileno(self):
        return 42

    def abort(self):
        self.log.append("abort")

    def close(self):
        self.log.append("close")


def no_wait(_):
    """Nothing has to be waited for in memory; a thousand times over is a hang."""
    no_wait.count += 1
    assert no_wait.count < 100000


no_wait.count = 0


def connected(server_tls, client_tls, **attributes):
    wire = Wire(server_tls)
    for name, value in attributes.items():
        setattr(wire, name, value)
    transport = TlsTransport(wire, client_tls, "localhost")
    transport.handshake(no_wait)
    wire.step()
    while transport.receive(100) is not None:
        pass
    return transport, wire


@pytest.fixture
def ends(server_tls, client_tls):
    return connected(server_tls, client_tls)


def test_what_is_sent_arrives(ends):
    assert ends[0].send(b"hello") == 5
    assert ends[1].server.read(100) == b"hello"


def test_what_the_server_sends_is_received(ends):
    ends[1].server.write(b"hello")
    assert ends[0].receive(100) == b"hello"
    assert ends[0].receive(100) is None


def test_records_split_at_every_byte_are_received(server_tls, client_tls):
    transport, wire = connected(server_tls, client_tls, chunk=1)
    wire.server.write(b"hello")
    wire.server.write(b"world")
    received = b""
    while len(received) < 10:
        received += transport.receive(100) or b""
    assert received == b"helloworld"


def test_a_part_of_a_record_is_nothing_yet(ends):
    ends[1].server.write(b"hello")
    record = ends[1].from_server.read()
    ends[1].garbage = record[:-1]
    assert ends[0].receive(100) is None
    assert not ends[0].has_buffered
    ends[1].garbage = record[-1:]
    assert ends[0].receive(100) == b"hello"


def test_a_receive_that_is_interrupted_anywhere_loses_nothing_or_says_so(server_tls, client_tls):
    torn = 0
    for number in itertools.count():
        transport, wire = connected(server_tls, client_tls, chunk=30)
        wire.server.write(b"hello")
        kept = deque()
        if not interrupt_at(number, transport.keep, kept, 100):
            break
        while not transport.is_torn and transport.keep(kept, 100):
            pass
        torn += transport.is_torn
        assert transport.is_torn or b"".join(kept) == b"hello"
    assert 0 < torn < number / 2


def test_what_is_left_of_a_record_is_told(ends):
    ends[1].server.write(b"hello")
    assert ends[0].receive(2) == b"he"
    assert ends[0].has_buffered
    assert ends[0].receive(100) == b"llo"
    assert not ends[0].has_buffered


def test_all_the_records_that_came_are_received_into_one_view(ends):
    for part in (b"one", b"two", b"three"):
        ends[1].server.write(part)
    room = memoryview(bytearray(9))
    assert ends[0].receive_into(room) == b"onetwothr"
    assert ends[0].has_buffered
    filled = ends[0].receive_into(room)
    assert filled == b"ee"
    assert filled.obj is room.obj
    assert ends[0].receive_into(room) is None


def test_the_end_is_told_after_what_came_into_a_view(ends):
    ends[1].server.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        ends[1].server.unwrap()
    room = memoryview(bytearray(100))
    assert ends[0].receive_into(room) == b"last"
    assert ends[0].receive_into(room) == b""
    assert ends[0].receive(100) == b""


def test_garbage_behind_a_record_is_an_error_of_the_next_receive_into(ends):
    ends[1].server.write(b"last")
    ends[1].garbage = ends[1].from_server.read() + b"\x17\x03\x03\x00\x20" + b"x" * 32
    room = memoryview(bytearray(100))
    assert ends[0].receive_into(room) == b"last"
    with pytest.raises(ssl.SSLError):
        ends[0].receive_into(room)


def test_small_records_that_came_together_are_received_at_once(ends):
    for part in (b"one", b"two", b"three"):
        ends[1].server.write(part)
    assert ends[0].receive(7) == b"onetwot"
    assert ends[0].has_buffered
    assert ends[0].receive(100) == b"hree"
    assert not ends[0].has_buffered


def test_a_small_record_costs_few_calls_and_takes_the_lock_once(server_tls, client_tls):
    calls = []

    class Lock:
        def __enter__(self):
            calls.append("lock")

        def __exit__(self, *_):
            pass

    def note(frame, event, _):
        if event == "call" and frame.f_globals["__name__"] not in (__name__, "support.fakes"):
            calls.append(frame.f_code.co_name)

    wire = Wire(server_tls)
    transport = TlsTransport(wire, client_tls, "localhost")
    transport.lock = Lock()
    transport.handshake(no_wait)
    assert transport.receive(100) is None
    wire.server.write(b"hello")
    kept = deque()
    calls.clear()
    sys.setprofile(note)
    try:
        transport.keep(kept, 100)
        is_held, is_unsent = transport.has_buffered, transport.has_unsent
    finally:
        sys.setprofile(None)
    assert (kept.pop(), is_held, is_unsent) == (b"hello", False, False)
    assert calls.count("lock") == 1
    # keep() itself, and what it takes from wire to plaintext: ssl's own read() is one of them.
    assert len(calls) - 1 <= 6


@pytest.mark.parametrize("behind", ["close_notify", "garbage"])
def test_what_came_before_an_end_is_received_first(ends, behind):
    transport, wire = ends
    wire.server.write(b"one")
    wire.server.write(b"two")
    if behind == "garbage":
        wire.garbage = wire.from_server.read() + b"\x17\x03\x03\x00\x20" + b"x" * 32
    else:
        with pytest.raises(ssl.SSLWantReadError):
            wire.server.unwrap()
    assert transport.receive(100) == b"onetwo"
    assert transport.has_buffered
    for _ in range(2):
        if behind == "close_notify":
            assert transport.receive(100) == b""
        else:
            with pytest.raises(ssl.SSLError):
                transport.receive(100)


def receive_into_whole(transport, size):
    """Receive `size` bytes into one memory; return them and the sizes of what each call brought."""
    memory = memoryview(bytearray(size))
    filled, sizes = 0, []
    while filled < size:
        part = transport.receive_into(memory[filled:])
        if part is not None:
            sizes.append(len(part))
            filled += len(part)
    return bytes(memory), sizes


@pytest.mark.parametrize("chunk", [1000, 16406, 65536, 1 << 20])
@pytest.mark.parametrize("record", [700, 16384])
def test_a_large_message_is_received_in_few_and_bounded_steps(ends, chunk, record):
    transport, wire = ends
    wire.chunk = chunk
    data = b"".join(number.to_bytes(4, "big") for number in range(1 << 18))
    for start in range(0, len(data), record):
        wire.server.write(data[start : start + record])
    received, sizes = receive_into_whole(transport, len(data))
    assert received == data
    assert max(sizes) <= 262144
    if chunk == 1 << 20:
        assert len(sizes) <= 6
    assert transport.receive_into(memoryview(bytearray(1))) is None
    assert not transport.has_buffered


def test_what_comes_behind_a_full_room_is_told(ends):
    """Four records that are one piece of ciphertext to the byte, and one that came with them."""
    transport, wire = ends
    sizes = [16384, 16384, 16384, 16296]
    for size in sizes:
        wire.server.write(b"x" * size)
    assert wire.from_server.pending == 65536
    wire.server.write(b"behind")
    room = memoryview(bytearray(sum(sizes)))
    assert len(transport.receive_into(room)) == len(room)
    assert not wire.from_server.pending
    assert transport.has_buffered
    assert transport.receive(100) == b"behind"
    assert not transport.has_buffered


def test_a_large_receive_that_is_interrupted_anywhere_loses_nothing_or_says_so(server_tls, client_tls):
    torn = 0
    for number in itertools.count():
        transport, wire = connected(server_tls, client_tls)
        wire.server.write(b"x" * 10000)
        wire.server.write(b"y" * 10000)
        room = memoryview(bytearray(20000))
        if not interrupt_at(number, transport.receive_into, room):
            break
        torn += transport.is_torn
        if not transport.is_torn and bytes(room).count(b"x") == 0:
            assert transport.receive_into(room) == b"x" * 10000 + b"y" * 10000
    assert torn


def test_the_end_without_close_notify_is_an_end_of_receive_into_too(ends):
    ends[1].is_at_end = True
    for _ in range(2):
        assert ends[0].receive_into(memoryview(bytearray(100))) == b""


def test_close_notify_is_the_end(ends):
    with pytest.raises(ssl.SSLWantReadError):
        ends[1].server.unwrap()
    assert ends[0].receive(100) == b""


def test_the_end_without_close_notify_is_an_end_too(ends):
    ends[1].is_at_end = True
    assert ends[0].receive(100) == b""
    assert ends[0].receive(100) == b""


def test_garbage_is_an_error(ends):
    ends[1].garbage = b"\x17\x03\x03\x00\x20" + b"x" * 32
    with pytest.raises(ssl.SSLError):
        ends[0].receive(100)


def test_ciphertext_that_does_not_go_is_kept_and_flushed_later(ends):
    ends[1].takes = 0
    assert ends[0].send(b"hello") == 5
    assert ends[0].has_unsent
    assert not ends[0].flush()
    assert ends[0].send(b"more") == 0
    ends[1].takes = 1
    assert ends[0].flush()
    assert not ends[0].has_unsent
    assert ends[1].server.read(100) == b"hello"


def test_what_the_transport_below_holds_back_is_told(ends):
    transport, wire = ends
    wire.has_unsent = True
    assert transport.send(b"hello") == 5
    assert transport.has_unsent
    wire.flush = lambda: False
    assert not transport.flush()
    assert transport.has_unsent
    wire.flush = lambda: True
    assert transport.flush()
    assert not transport.has_unsent


def test_what_receiving_makes_the_transport_below_hold_back_is_told(ends):
    ends[1].server.write(b"hello")
    ends[1].has_unsent = True
    assert ends[0].receive(100) == b"hello"
    assert ends[0].has_unsent


def test_memory_for_large_messages_is_kept_for_the_next_but_not_without_end(ends, monkeypatch):
    monkeypatch.setattr(tls, "_stock", [])
    room = memoryview(bytearray(100))
    for _ in range(3):
        ends[1].server.write(b"hello")
        assert ends[0].receive_into(room) == b"hello"
        assert len(tls._stock) == 1
    monkeypatch.setattr(tls, "_stock", [bytearray(1 << 18)])
    monkeypatch.setattr(tls, "_MAX_STOCK", 0)
    ends[1].server.write(b"hello")
    assert ends[0].receive_into(room) == b"hello"
    assert not tls._stock


def test_a_large_send_is_taken_in_parts(ends):
    assert ends[0].send(b"x" * 200000) == 65536
    assert ends[0].send(b"x" * (65536 + 14)) == 65536 + 14, "a small rest would be a write by itself"
    assert ends[0].send(memoryview(b"x" * 10)) == 10


def test_a_write_that_needs_the_peer_first_takes_nothing(ends):
    class Engine:
        def write(self, _):
            raise ssl.SSLWantReadError

    ends[0].ssl_object = Engine()
    assert ends[0].send(b"hello") == 0


def test_a_handshake_whose_bytes_go_one_by_one(server_tls, client_tls):
    transport, wire = connected(server_tls, client_tls, chunk=1, takes=1)
    wire.takes = None
    assert transport.send(b"x") == 1


def test_a_handshake_waits_while_nothing_goes(server_tls, client_tls):
    wire = Wire(server_tls)
    wire.takes = 0
    waits = []

    def wait(interest):
        waits.append(interest)
        wire.takes = None

    TlsTransport(wire, client_tls, "localhost").handshake(wait)
    assert waits[0] == 2


def test_an_end_in_the_handshake_is_told(server_tls, client_tls):
    wire = Wire(server_tls)
    wire.receive = lambda _: b""
    with pytest.raises(ssl.SSLError) as caught:
        TlsTransport(wire, client_tls, "localhost").handshake(no_wait)
    error = tls_error(caught.value, "localhost")
    assert type(error) is TlsError
    assert "ended the connection" in str(error)


def test_a_farewell_in_the_handshake_is_an_end_too(server_tls, client_tls):
    wire = Wire(server_tls)
    wire.garbage = b"\x15\x03\x03\x00\x02\x01\x00"
    with pytest.raises(ssl.SSLError) as caught:
        TlsTransport(wire, client_tls, "localhost").handshake(no_wait)
    error = tls_error(caught.value, "localhost")
    assert "localhost ended the connection during the TLS handshake" in error.message
    assert error.is_transient


def test_garbage_in_the_handshake_is_told_although_the_alert_does_not_go(server_tls, client_tls):
    wire = Wire(server_tls)
    wire.garbage = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    transport = TlsTransport(wire, client_tls, "localhost")
    answers = iter([True])

    def flush(_):
        if next(answers, False):
            return True
        raise BrokenPipeError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TlsTransport, "flush", flush)
        with pytest.raises(ssl.SSLError) as caught:
            transport.handshake(no_wait)
    assert tls_error(caught.value, "localhost").hresult == HResult.WININET_E_SECURITY_CHANNEL_ERROR


def test_end_output_says_good_bye(ends):
    ends[0].end_output()
    assert ends[1].server.read(1) == b""
    assert ends[1].log == ["end_output"]


def test_end_output_on_a_broken_transport_does_nothing_worse(ends):
    def broken(_):
        raise BrokenPipeError

    ends[1].send = broken
    ends[0].end_output()
    ends[0].end_output()
    assert ends[1].log == ["end_output", "end_output"]


def test_the_rest_is_the_business_of_the_transport_below(ends):
    assert ends[0].fileno() == 42
    ends[0].abort()
    ends[0].close()
    assert ends[1].log == ["abort", "close"]


def test_tls_goes_inside_tls(server_tls, client_tls):
    outer, wire = connected(server_tls, client_tls)
    inner_wire = Wire(server_tls)

    class Tunnel(KeepsReceived):
        """Carries the inner connection's bytes over the outer one, and both servers' answers back."""

        has_unsent = has_buffered = False

        def send(self, data):
            taken = outer.send(data)
            inner_wire.to_server.write(wire.server.read(1 << 20))
            return taken

        def receive(self, size):
            inner_wire.step()
            answer = inner_wire.from_server.read()
            if answer:
                wire.server.write(answer)
            return outer.receive(size)

        def flush(self):
            return outer.flush()

    inner = TlsTransport(Tunnel(), client_tls, "localhost")
    inner.handshake(no_wait)
    inner.send(b"hello")
    inner_wire.step()
    assert inner_wire.server.read(100) == b"hello"
    inner_wire.server.write(b"back")
    while (data := inner.receive(100)) is None:
        pass
    assert data == b"back"


@pytest.fixture
def upper_ends(ends, server_tls, client_tls):
    """Return TLS over the TLS of `ends`, and its wire; what the server writes into that is for a test to pass on."""
    lower, wire = ends
    upper_wire = Wire(server_tls)

    def relay():
        upper_wire.to_server.write(wire.server.read(1 << 20))
        upper_wire.step()
        if ciphertext := upper_wire.from_server.read():
            wire.server.write(ciphertext)

    upper = TlsTransport(lower, client_tls, "localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        upper.handshake(lambda _: relay())
    relay()
    while upper.receive(100) is not None:
        pass
    return upper, upper_wire


def test_records_that_the_tls_below_has_taken_in_are_told(ends, upper_ends):
    """Each record of the upper TLS in one of the lower, all of them come at once: the socket tells of none any more."""
    upper, upper_wire = upper_ends
    for word in (b"one", b"two", b"three"):
        upper_wire.server.write(word)
        ends[1].server.write(upper_wire.from_server.read())
    received = [upper.receive(4)]
    while upper.has_buffered:
        received.append(upper.receive(4))
    assert b"".join(received) == b"onetwothree"


def test_an_end_that_the_tls_below_has_taken_in_is_told(ends, upper_ends):
    """It comes together with data, and TCP stays open: the socket tells of nothing any more."""
    upper, upper_wire = upper_ends
    upper_wire.server.write(b"last")
    ends[1].server.write(upper_wire.from_server.read())
    with contextlib.suppress(ssl.SSLWantReadError):
        ends[1].server.unwrap()
    assert upper.receive(100) == b"last"
    assert upper.has_buffered
    assert upper.receive(100) == b""


def alerted(number):
    """Have OpenSSL read a fatal alert, of which Python may have no name, and raise it."""
    incoming = ssl.MemoryBIO()
    engine = ssl.create_default_context().wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        engine.do_handshake()
    incoming.write(bytes([0x15, 3, 3, 0, 2, 2, number]))
    engine.do_handshake()


@pytest.mark.parametrize("error", [ssl.SSLError(1, "text"), ssl.SSLError()])
def test_an_error_without_a_reason_has_a_message_all_the_same(error):
    error.reason = None
    assert "TLS handshake with localhost failed" in str(tls_error(error, "localhost"))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("SSLV3_ALERT_BAD_CERTIFICATE", "alert bad_certificate, about the client certificate"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", "alert certificate_revoked, about the client certificate"),
        ("TLSV1_ALERT_ACCESS_DENIED", "alert access_denied, about the client certificate"),
        ("TLSV1_ALERT_DECODE_ERROR", "alert decode_error"),
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "alert handshake_failure: it has no cipher in common with this side, or wants a client certificate",
        ),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "alert protocol_version: it speaks no version of TLS that this side allows"),
        ("TLSV1_UNRECOGNIZED_NAME", "alert unrecognized_name: it serves no host of this name"),
        ("TLSV1_UNSUPPORTED_EXTENSION", "alert unsupported_extension"),
        ("TLSV13_ALERT_MISSING_EXTENSION", "alert missing_extension"),
    ],
)
def test_an_alert_is_told_by_its_name(reason, words):
    alert = ssl.SSLError(1, "alert")
    alert.reason = reason
    error = tls_error(alert, "localhost")
    assert type(error) is TlsError
    assert error.hresult == HResult.WININET_E_SECURITY_CHANNEL_ERROR
    assert error.message.endswith(words)
    assert not error.is_transient


def test_nobody_waits_for_a_handshake_in_an_object_of_the_applications(server_tls, authority):
    held = []

    class OwnObject(ssl.SSLObject):
        def do_handshake(self):
            held.append(loading()._is_owned())
            super().do_handshake()

    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.sslobject_class = OwnObject
    connected(server_tls, context)
    assert set(held) == {False}


@pytest.mark.parametrize("alert", [80, 40, 112])
@pytest.mark.parametrize(
    ("server", "is_told"),
    [("127.0.0.1", True), ("::1", True), ("localhost", False), ("the proxy https://127.0.0.1:443", False)],
)
def test_a_server_that_may_have_missed_a_name_is_told_as_such(alert, server, is_told):
    with pytest.raises(ssl.SSLError) as caught:
        alerted(alert)
    message = tls_error(caught.value, server).message
    assert message.endswith(", or it wants a name (SNI), which an IP address is not") == is_told


def test_another_alert_of_a_server_by_its_address_is_not_about_a_name():
    with pytest.raises(ssl.SSLError) as caught:
        alerted(70)
    assert "SNI" not in tls_error(caught.value, "127.0.0.1").message


def test_an_alert_that_takes_the_blame_may_not_come_again():
    alert = ssl.SSLError(1, "alert")
    alert.reason = "TLSV1_ALERT_INTERNAL_ERROR"
    error = tls_error(alert, "localhost")
    assert error.message.endswith("alert internal_error: something is wrong on its side")
    assert error.is_transient


@pytest.mark.skipif(sys.platform == "win32", reason="of each OpenSSL may say there: unknown error")
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (120, "alert no_application_protocol: it does not speak HTTP/1.1, by which a WebSocket is opened"),
        (115, "alert unknown_psk_identity"),
        (86, "alert inappropriate_fallback"),
        (255, "unknown error (_ssl.c)"),
    ],
)
def test_an_alert_is_told_by_its_name_even_if_python_has_none_for_it(number, words):
    with pytest.raises(ssl.SSLError) as caught:
        alerted(number)
    message = tls_error(caught.value, "localhost").message
    # Less the line of Python's source, and the number of an unknown error that Python 3.14 and later add.
    assert re.sub(r"(?<=_ssl\.c):\d+| \(0x[0-9a-f]+\)", "", message).endswith(words)
