"""Asking and answering on a transport while a connection is being made: send all, receive some, each with a deadline.

Runs on the connecting thread.
"""

from syncws._net.transport import Transport
from syncws._waiting.readiness import READABLE, WRITABLE
from syncws._waiting.waiter import Waiter
from syncws.errors import ConnectionLostError

__all__ = ["receive_exactly", "receive_some", "send_all"]


def send_all(transport: Transport, waiter: Waiter, data: bytes) -> None:
    """Send all of `data`.

    Raises:
        OSError: the transport's.
        OperationTimedOutError, OperationCanceledError: as the waiter says.
    """
    unsent: bytes | memoryview = data
    while unsent:
        sent = transport.send(unsent)
        if sent == len(unsent):
            break
        unsent = memoryview(unsent)[sent:]
        if not sent:
            waiter.wait(WRITABLE)
    while not transport.flush():
        waiter.wait(WRITABLE)


def receive_some(transport: Transport, waiter: Waiter, size: int) -> bytes:
    """Return the next bytes, at most `size`; b"" at the end of the stream.

    Raises: as send_all.
    """
    while True:
        if transport.has_buffered:
            # Also when there is nothing to wait for: a peer may send for ever and say nothing.
            waiter.check()
        else:
            # First: what was asked a moment ago takes a while to be answered. And TLS may have something to say to what
            # it received, for which the peer waits.
            waiter.wait(READABLE if _flush(transport) else READABLE | WRITABLE)
        piece = transport.receive(size)
        if piece is not None:
            return piece


def _flush(transport: Transport) -> bool:
    try:
        return transport.flush()
    except ConnectionLostError:
        # It hung up, perhaps after an answer that is still to be read.
        return True


def receive_exactly(transport: Transport, waiter: Waiter, size: int) -> bytes:
    """Return `size` bytes, fewer only at the end of the stream; leaves what comes after them where it is.

    Raises: as send_all.
    """
    received = b""
    while len(received) < size:
        piece = receive_some(transport, waiter, size - len(received))
        if not piece:
            break
        received += piece
    return received
