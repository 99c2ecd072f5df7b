"""The byte pipe under a connection: a non-blocking socket (TLS over it is tls/).

Of a transport one thread at a time receives and one at a time sends, and these may be two different threads; abort()
may be called by any.
"""

import _socket
import errno
import os
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from syncws._locks import locks
from syncws._net.meter import BandwidthMeter
from syncws._waiting.at_fork import forked_error
from syncws._wire.accelerated import speedups
from syncws.errors import ConnectionLostError
from syncws.hresult import HResult

if TYPE_CHECKING:
    import ssl
    from typing import TypeGuard

__all__ = [
    "MANY_BYTES",
    "SMALL_BYTES",
    "SocketTransport",
    "Transport",
    "direct_way",
    "is_shortage",
    "is_tls_error",
    "lost_connection",
]

SMALL_BYTES = 4096
"""The most that is received, or sent over TLS, by one call in C; as in _wire/c/speedups.h."""
MANY_BYTES = 65536
"""See Transport.keep."""

# For SO_LINGER: closing resets the connection. Elsewhere than on Windows.
_RESET = struct.pack("ii", 1, 0)

# What the compiled receives return where there was no memory for what they had received.
_LOST = -2

# A program may have given SIGPIPE its default action, as command-line tools do: a send to a peer that has left would
# end it. Windows has no such signal.
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)

_receive_much: Any = None if speedups is None or speedups.MUCH_BYTES == MANY_BYTES else speedups.receive_much
# What is received at a time, of much, where that makes bytes. Of larger ones the C library would give the memory back
# each time, and the page faults of the next cost more than a read.
_MOST_BYTES = 262144

# What tls/direct.py is over; asked for here because no module of TLS is loaded for a plain connection.
_ENGINE = getattr(speedups, "TlsEngine", None)


class Transport(Protocol):
    """What the outbox, the reader and the handshake need of a pipe. Nothing here waits."""

    @property
    def has_unsent(self) -> bool:
        """True while bytes that send() has taken are still to be pushed out by flush()."""
        ...

    @property
    def has_buffered(self) -> bool:
        """True when receive() may have something although the socket is not readable."""
        ...

    @property
    def most_bytes(self) -> int:
        """How much is best received at a time, at most; of more than MANY_BYTES may come a view: see keep()."""
        ...

    @property
    def unsent_bytes(self) -> int:
        """Bytes that flush() has still to push out. Any thread may ask."""
        ...

    @property
    def is_torn(self) -> bool:
        """True when an interruption, or want of memory, has lost some of what came."""
        ...

    def keep(self, kept: deque[Any], size: int) -> bool:
        """Put up to `size` bytes into `kept`, b"" at the end of the stream; False when there is nothing now.

        That is one step, which an interruption does not split; where one does all the same, `is_torn` tells. Of a size
        over MANY_BYTES, up to `most_bytes`, it may be a view of memory that is used again when nobody holds it.

        Raises:
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF); so do send and flush.
            ssl.SSLError: what came is not valid TLS.
        """
        ...

    def receive(self, size: int) -> bytes | None:
        """Return up to `size` bytes; b"" at the end of the stream; None when there is nothing now. Raises: as keep."""
        ...

    def receive_into(self, room: memoryview) -> memoryview | None:
        """Fill `room` from its front as far as there is something; return the filled part, else as receive().

        An interruption may lose what came.
        """
        ...

    def send(self, data: bytes | memoryview) -> int:
        """Take bytes from the front of `data`; return how many, 0 when nothing goes now."""
        ...

    def flush(self) -> bool:
        """Push out what send() or receive() left behind; return whether all of it is out."""
        ...

    def end_output(self) -> None:
        """Tell the peer, as far as that goes without waiting, that no more will come."""

    def fileno(self) -> int:
        """Return the socket's descriptor, for waiting."""
        ...

    def abort(self) -> None:
        """Cut the connection now; a thread that waits for it finds out. Any thread may call it, even after close()."""

    def close(self) -> None:
        """Give the descriptor back; nobody may be using it any more."""

    def let_go_in_child(self) -> None:
        """In a forked child: close the descriptor without a word to the peer, make new locks, carry nothing."""


def _is_plain(connected: object) -> "TypeGuard[socket.socket]":
    """Tell whether it is the plain class, not a subclass or gevent's with methods of its own; never on Windows."""
    return os.name == "posix" and type(connected) is socket.socket and _calls_of(type(connected)) == _PLAIN


def _calls_of(kind: type[_socket.socket]) -> tuple[object, ...]:
    # eventlet's sockets have no fileno in their class.
    return kind.send, kind.recv, getattr(kind, "fileno", None)


_PLAIN = _calls_of(_socket.socket)


def direct_way(transport: Transport) -> "tuple[object, BandwidthMeter] | tuple[None, None]":
    """Return what small frames go to in the compiled part, and what is to count them; else two None.

    That is a socket where a transport only sends on it, and an engine of TLS.
    """
    if isinstance(transport, SocketTransport) and transport._is_plain:
        return transport._socket, transport.outbound
    engine: Any = transport
    if _ENGINE is not None and isinstance(engine, _ENGINE):
        return engine, engine.outbound
    return None, None


def is_shortage(error: OSError) -> bool:
    """Tell whether there was no descriptor left, in this process or the system; a later try may find one."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


def is_tls_error(error: OSError) -> "TypeGuard[ssl.SSLError]":
    """Tell whether it is an ssl.SSLError: what came is not valid TLS, or the handshake failed."""
    # Here and not above: importing it takes milliseconds, and a plain connection that does not fail needs none of it.
    import ssl

    return isinstance(error, ssl.SSLError)


def lost_connection(error: OSError) -> ConnectionLostError:
    """Return the error for a connection that the system, or TLS, says is gone; that is its cause."""
    if isinstance(error, ConnectionLostError):
        return error
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        lost = ConnectionLostError("the peer reset the connection", hresult=HResult.WININET_E_CONNECTION_RESET)
    else:
        # Without the line of CPython's source that its ssl appends.
        words = str(error.strerror or error).partition(" (_ssl.c:")[0]
        lost = ConnectionLostError(f"the connection broke: {words}")
    lost.__cause__ = error
    return lost


class _InheritedSocket:
    """Stands for the socket in a forked child: refuses to carry anything."""

    def recv(self, _: object) -> bytes:
        """Refuse."""
        raise forked_error()

    def recv_into(self, _: object) -> int:
        """Refuse."""
        raise forked_error()

    def send(self, *_: object) -> int:
        """Refuse."""
        raise forked_error()

    def shutdown(self, _: object) -> None:
        """Do nothing; see socket.socket.shutdown."""

    def setsockopt(self, *_: object) -> None:
        """Do nothing; see socket.socket.setsockopt."""

    def close(self) -> None:
        """Do nothing: the descriptor was closed."""


class SocketTransport:
    """A TCP socket.

    Attributes:
        inbound, outbound (BandwidthMeter): bytes really moved.
    """

    __slots__ = (
        "__weakref__",
        "_descriptor",
        "_is_closed",
        "_is_plain",
        "_lock",
        "_receive_much",
        "_receive_small",
        "_received_before_abort",
        "_socket",
        "inbound",
        "is_torn",
        "most_bytes",
        "outbound",
    )

    has_unsent = False
    unsent_bytes = 0
    has_buffered = False

    def __init__(self, connected: socket.socket) -> None:
        """Take over a connected, non-blocking socket."""
        self._socket: socket.socket | _InheritedSocket = connected
        self._descriptor = connected.fileno()
        # Keeps abort() and close() apart, so that a descriptor which another part of the program was given in the
        # meantime is never touched. Never held for longer than one system call that cannot wait.
        self._lock = locks.RLock()
        self._is_closed = False
        self._received_before_abort: int | None = None
        self.is_torn = False
        # One call for a small read, where that is there; as for the rest it does what keep() does without it.
        self._is_plain = _is_plain(connected)
        self._receive_small = speedups.receive_small if speedups is not None and self._is_plain else None
        self._receive_much = _receive_much if self._is_plain else None
        self.most_bytes = _MOST_BYTES if speedups is None or self._receive_much is None else speedups.MUCH_BYTES
        self.inbound = BandwidthMeter()
        self.outbound = BandwidthMeter()

    def keep(self, kept: deque[Any], size: int) -> bool:
        """See Transport.keep."""
        receive_small = self._receive_small
        try:
            # In C from the socket to `kept`, each way: no signal handler can come in between.
            if receive_small is not None and size <= SMALL_BYTES:
                count = receive_small(self._socket, kept, size)
            elif self._receive_much is not None and size > MANY_BYTES:
                count = self._receive_much(self._socket, kept, size)
            else:
                kept.extend(map(self._socket.recv, (size,)))
                count = len(kept[-1])
        except BlockingIOError:
            return False
        except OSError as exc:
            raise self.lost(exc)  # noqa: B904 - it has its cause
        if count < 0:
            if count == _LOST:
                self.is_torn = True
                raise MemoryError
            return False
        self.inbound.add(count)
        return True

    def receive(self, size: int) -> bytes | None:
        """See Transport.receive."""
        kept: deque[bytes] = deque()
        return kept[0] if self.keep(kept, size) else None

    def receive_into(self, room: memoryview) -> memoryview | None:
        """See Transport.receive_into."""
        try:
            count = self._socket.recv_into(room)
        except BlockingIOError:
            return None
        except OSError as exc:
            raise self.lost(exc)  # noqa: B904 - it has its cause
        self.inbound.add(count)
        return room[:count]

    def send(self, data: bytes | memoryview) -> int:
        """See Transport.send."""
        try:
            sent = self._socket.send(data, _NO_SIGNAL)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise self.lost(exc)  # noqa: B904 - it has its cause
        self.outbound.add(sent)
        return sent

    def lost(self, error: OSError) -> OSError:
        """Return what to raise for an error of a socket call."""
        if error.errno is None:
            # A signal handler's, which came in that moment: what the system says has a number.
            return error
        if not isinstance(error, ConnectionError):
            # The system (short of memory, say) has not ended the connection: but what has gone is not known any more.
            self.abort()
        return lost_connection(error)

    def flush(self) -> bool:
        """See Transport.flush; a socket keeps nothing back."""
        return True

    def end_output(self) -> None:
        """Send a FIN."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The peer was faster.

    def fileno(self) -> int:
        """See Transport.fileno."""
        return self._descriptor

    def abort(self) -> None:
        """Shut the socket down in both directions."""
        with self._lock:
            if not self._is_closed:
                if self._received_before_abort is None:
                    self._received_before_abort = self.inbound.total_bytes
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # Not connected any more.

    def close(self) -> None:
        """See Transport.close."""
        with self._lock:
            if not self._is_closed and self._received_before_abort not in (None, self.inbound.total_bytes):
                self._reset_at_close()
            self._is_closed = True
            self._socket.close()

    def _reset_at_close(self) -> None:
        """Have the close that follows tell the peer that nobody reads any more, as it does where something is unread.

        Somebody has read since abort(), and Linux does not tell a peer that there is room again after that: it would
        wait to send for a minute.
        """
        if os.name == "posix":
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                pass  # The peer was faster.

    def let_go_in_child(self) -> None:
        """See _waiting.at_fork: the descriptor only; a shutdown() would be one of the parent's connection."""
        self._lock = locks.RLock()
        self._received_before_abort = None
        self.close()
        self._receive_small = self._receive_much = None
        self._socket = _InheritedSocket()
