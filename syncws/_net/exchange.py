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
    unsent = memoryview(data)
    while unsent:
        sent = transport.send(unsent)
        unsent = unsent[sent:]
        if not sent:
            waiter.wait(WRITABLE)
    while not transport.flush():
        waiter.wait(WRITABLE)


def receive_some(transport: Transport, waiter: Waiter, size: int) -> bytes:
    """Return the next bytes, at most `size`; b"" at the end of the stream.

    Raises: as send_all.
    """
    while True:
        # Not only when it has to wait: a peer may send for ever and say nothing.
        waiter.check()
        piece = transport.receive(size)
        if piece is not None:
            return piece
        # TLS may have answered what it received, and the peer wait for that.
        is_out = _flush(transport)
        if not transport.has_buffered:
            waiter.wait(READABLE if is_out else READABLE | WRITABLE)


def _flush(transport: Transport) -> bool:
    try:
        return transport.flush()
    except ConnectionLostError:
        # It hung up, perhaps behind an answer that is still to be read.
        return True


def receive_exactly(transport: Transport, waiter: Waiter, size: int) -> bytes:
    """Return `size` bytes, fewer only at the end of the stream; leaves what comes behind them where it is.

    Raises: as send_all.
    """
    received = b""
    while len(received) < size:
        piece = receive_some(transport, waiter, size - len(received))
        if not piece:
            break
        received += piece
    return received
