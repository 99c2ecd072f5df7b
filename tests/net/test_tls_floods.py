"""TlsTransport against a server that sends records without data for ever: each receive ends, and memory is bounded."""

import ssl
import tracemalloc

import pytest
from support.fakes import KeepsReceived
from support.tls_records import Records, noting_context

from syncws._net.tls.transport import TlsTransport

FEEDS_AT_A_TIME = 16


class Flood(KeepsReceived):
    """The transport below: the handshake's bytes go to and from a server's engine, then records come for ever.

    Attributes:
        make: returns the next piece of what comes; None during the handshake.
        count: pieces that came of it.
        is_open: False when nothing is taken any more.
    """

    has_buffered = has_unsent = False
    unsent_bytes = 0

    def __init__(self, context):
        self.to_server, self.from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = context.wrap_bio(self.to_server, self.from_server, server_side=True)
        self.make = None
        self.count = 0
        self.is_open = True

    def receive(self, size):
        if self.make is not None:
            self.count += 1
            assert self.count < 100_000, "the receive does not end"
            return self.make()
        try:
            self.server.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.from_server.read() or None

    def receive_into(self, room):
        data = self.receive(len(room))
        room[: len(data)] = data
        return room[: len(data)]

    def send(self, data):
        if not self.is_open:
            return 0
        self.to_server.write(bytes(data))
        return len(data)

    def flush(self):
        return True


@pytest.fixture
def connect(authority, client_tls, tmp_path):
    """Makes a transport whose handshake is over, what is below it, and what encrypts for it."""

    def make():
        path = tmp_path / "secrets"
        flood = Flood(noting_context(authority, path))
        transport = TlsTransport(flood, client_tls, "localhost")
        transport.handshake(lambda _: 0)
        flood.receive(1)
        return transport, flood, Records.after_handshake(flood.server.cipher()[0], path)

    return make


def receive_until_it_fails(transport, room=None):
    while True:
        assert (transport.receive(100) if room is None else transport.receive_into(room)) is None
        transport.flush()


def test_records_that_are_made_by_hand_are_understood(connect):
    transport, flood, records = connect()
    pieces = iter([records.record(b"one"), records.key_update() + records.record(b"two"), records.ticket(1)])
    flood.make = lambda: next(pieces, None)
    assert [transport.receive(100) for _ in range(3)] == [b"one", b"two", None]
    # The answer to the key update goes with the next flush, and the server understands it and what follows.
    assert transport.send(b"three") == 5
    assert flood.server.read(100) == b"three"


@pytest.mark.parametrize("kind", ["tickets", "key updates"])
def test_a_receive_of_endless_records_without_data_ends_so_that_its_caller_can_look_at_the_time(connect, kind):
    transport, flood, records = connect()
    flood.make = (lambda: records.ticket(flood.count)) if kind == "tickets" else records.key_update
    for number in range(1, 4):
        assert transport.receive(100) is None
        assert flood.count == number * FEEDS_AT_A_TIME
    # Only what the last piece has brought is still to be looked at.
    assert transport._incoming.pending < 200


@pytest.mark.parametrize("kind", ["tickets", "key updates"])
def test_so_does_one_into_memory(connect, kind):
    transport, flood, records = connect()
    flood.make = (lambda: records.ticket(flood.count)) if kind == "tickets" else records.key_update
    room = memoryview(bytearray(1 << 20))
    for number in range(1, 4):
        assert transport.receive_into(room) is None
        assert flood.count == number


def test_answers_are_bounded_while_a_large_message_comes(connect):
    transport, flood, records = connect()
    flood.is_open = False
    updates = iter([b"".join(records.key_update() for _ in range(2000)) for _ in range(20)])
    flood.make = lambda: next(updates)
    with pytest.raises(ConnectionAbortedError, match="makes TLS send answers and does not read them"):
        receive_until_it_fails(transport, memoryview(bytearray(1 << 20)))
    assert transport.unsent_bytes < 1 << 20


def test_empty_records_without_end_are_an_error(connect):
    transport, flood, records = connect()
    flood.make = lambda: records.record(b"")
    with pytest.raises(ssl.SSLError):
        receive_until_it_fails(transport)
    assert flood.count < 100


def test_answers_to_key_updates_that_are_not_read_are_bounded_in_memory(connect):
    transport, flood, records = connect()
    flood.is_open = False
    updates = iter([b"".join(records.key_update() for _ in range(2000)) for _ in range(20)])
    flood.make = lambda: next(updates)
    tracemalloc.start()
    try:
        with pytest.raises(ConnectionAbortedError, match="makes TLS send answers and does not read them"):
            receive_until_it_fails(transport)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Once what the flush has taken, once the bound, and what one piece adds to that.
    assert transport.unsent_bytes < 1 << 20
    assert peak < 1 << 20


def test_answers_to_key_updates_that_are_read_do_not_count(connect):
    transport, flood, records = connect()
    updates = iter([b"".join(records.key_update() for _ in range(500)) for _ in range(30)])
    flood.make = lambda: next(updates, None)
    while flood.count < 30:
        assert transport.receive(100) is None
        assert transport.has_unsent
        assert transport.flush()
        assert not transport.has_unsent
