"""Sending all and receiving some under a waiter: what does not go at once, ends, and what a TLS layer holds."""

import pytest
from support import LIMIT
from support.fakes import ScriptedTransport

from syncws._net.exchange import receive_exactly, receive_some, send_all
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws.errors import ConnectionLostError, OperationTimedOutError


@pytest.fixture
def transport():
    transport = ScriptedTransport()
    yield transport
    transport.release()


@pytest.fixture
def waiter(transport):
    waker = Waker()
    yield Waiter(waker, lambda: False, Deadline(LIMIT), transport.fileno())
    waker.close()


def test_what_goes_in_parts_goes_whole(transport, waiter):
    transport.takes.extend([2, 0, 1])
    transport.flushes.extend([False, True])
    send_all(transport, waiter, b"hello")
    assert bytes(transport.sent) == b"hello"
    assert not transport.flushes


def test_exactly_so_many_bytes_are_taken(transport, waiter):
    for piece in (b"he", None, b"llo world"):
        transport.feed(piece)
    assert receive_exactly(transport, waiter, 5) == b"hello"
    assert transport.incoming[0] == b" world"


def test_fewer_bytes_are_returned_at_the_end_only(transport, waiter):
    transport.feed(b"he")
    transport.feed(b"")
    assert receive_exactly(transport, waiter, 5) == b"he"


def test_what_tls_answers_is_sent_while_the_peer_is_waited_for(transport, waiter):
    transport.flushes.extend([False, True])
    transport.feed(None)
    transport.feed(b"hello")
    assert receive_some(transport, waiter, 5) == b"hello"
    assert not transport.flushes


def test_a_peer_that_cannot_be_answered_is_still_read(transport, waiter):
    transport.flushes.append(ConnectionLostError("it is gone"))
    transport.feed(None)
    transport.feed(b"hello")
    assert receive_some(transport, waiter, 5) == b"hello"


def test_what_a_tls_layer_holds_is_not_waited_for(transport, waiter):
    class Holding(ScriptedTransport):
        """Gives nothing at first although it has something, and its descriptor never gets readable."""

        has_held = False

        def receive(self, size):
            if not self.has_held:
                self.has_held = self.has_buffered = True
                return None
            return b"held"

    holding = Holding()
    # The waiter's descriptor is the other transport's, which nobody feeds: a wait would not end.
    assert receive_some(holding, waiter, 10) == b"held"
    holding.release()


def test_a_peer_that_sends_without_end_does_not_outlive_the_deadline(transport, clock):
    class Endless(ScriptedTransport):
        """Has something to decrypt for ever, and nothing to give."""

        def receive(self, size):
            clock.advance(1)

    endless = Endless()
    endless.has_buffered = True
    waker = Waker()
    with pytest.raises(OperationTimedOutError):
        receive_some(endless, Waiter(waker, lambda: False, Deadline(5), endless.fileno()), 10)
    waker.close()
    endless.release()
