"""TLS directly on a plain socket: OpenSSL reads and writes that itself, called from the compiled part.

A DirectTlsTransport follows the rules of Transport: one thread receives, one sends, and these may be two. It is made
from a TlsTransport whose handshake is over; where the compiled part, OpenSSL or the socket does not suit, that stays.

The plan. The OpenSSL connection that Python's ssl has made, and all it has checked, goes on being used, with a BIO of
ours in place of Python's two. As with TlsTransport no two threads may be in it. A small call keeps the GIL, which
no system call of it waits for; so no other thread is in it, and it takes no lock. A large one releases the GIL, under
the lock; a small one that comes meanwhile is told BUSY, and takes the lock too. Only the sending thread sends: what
receiving wants sent stays until it flushes, see `has_unsent`.
"""

import os
import re
import ssl
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from syncws._locks import locks
from syncws._net.meter import BandwidthMeter
from syncws._net.tls.transport import TlsTransport, check_answers, next_plaintext
from syncws._net.transport import MANY_BYTES, SMALL_BYTES, SocketTransport, direct_way
from syncws._waiting.at_fork import forked_error
from syncws._wire.accelerated import speedups

__all__ = ["DirectTlsTransport", "direct_form"]

# As in _wire/c/tls_calls.c: what calls may return in place of how much they moved.
_FAILED = -1
_BUSY = -2

# What stands between the words of OpenSSL's reasons, of which Python makes names.
_BETWEEN_WORDS = re.compile(r"\W+")

_Failure: TypeAlias = int | tuple[str | None, str | None] | None


class _Engine:
    """What has a compiled form only, `TlsEngine` of _wire/c/tls.c; here for readers and type checkers.

    Attributes:
        outbound: what counts the bytes that are sent.
        has_unsent, has_buffered, unsent_bytes, is_torn: see Transport.
    """

    __slots__ = ()

    outbound: BandwidthMeter
    has_unsent: bool
    has_buffered: bool
    unsent_bytes: int
    is_torn: bool
    # None, an errno, or OpenSSL's words for the library and the reason.
    _reading_failure: _Failure
    _sending_failure: _Failure

    if TYPE_CHECKING:

        def _attach(self, module: object, engine: object, socket: object, inbound: object, outbound: object, /) -> bool:
            """Take over an OpenSSL connection, if it is what it seems to be."""
            ...

        def _take_rest(self, received: bytes, unsent: bytes, /) -> None:
            """Take over ciphertext that has come, and that is still to be sent."""

        # Each returns how much it moved, _FAILED or _BUSY; all but the first need the lock.

        def _keep_small(self, kept: deque[Any], size: int, /) -> int: ...

        def _keep_much(self, kept: deque[Any], size: int, /) -> int: ...

        def _fill(self, room: memoryview, /) -> int: ...

        def _send(self, data: bytes | memoryview, /) -> int:
            """Send; needs the lock where it may let go of the GIL, for more than SMALL_BYTES."""
            ...

        def _flush(self) -> int: ...

        def _say_goodbye(self) -> None: ...

        def _forget(self) -> None:
            """Let go of the OpenSSL connection, and of what is to be sent."""


_HAS_ENGINE = hasattr(speedups, "TlsEngine") and sys.implementation.name == "cpython"

if not TYPE_CHECKING and _HAS_ENGINE:
    _Engine = speedups.TlsEngine


def direct_form(transport: TlsTransport) -> "DirectTlsTransport | TlsTransport":
    """Return what goes on with a connection whose handshake is over: the direct form where there can be one."""
    bottom, engine = transport.inner, transport.ssl_object
    if not _HAS_ENGINE or not isinstance(bottom, SocketTransport) or type(engine) is not ssl.SSLObject:
        return transport
    connected, outbound = direct_way(bottom)
    inside = engine._sslobj  # type: ignore[attr-defined]
    context = inside.context
    if connected is None or context._msg_callback is not None or context.keylog_filename is not None:
        # These two have Python run in the midst of OpenSSL.
        return transport
    direct = DirectTlsTransport(bottom, transport)
    if not direct._attach(sys.modules["_ssl"], inside, connected, bottom.inbound, outbound):
        return transport
    direct._take_rest(*transport.take_rest())
    return direct


class DirectTlsTransport(_Engine):
    """TLS on a plain socket.

    Attributes:
        has_unsent, has_buffered, unsent_bytes, is_torn: see Transport; they are the engine's.
        ssl_object (ssl.SSLObject): for looking at certificates; nothing goes through it any more.
    """

    __slots__ = ("__weakref__", "_bottom", "_is_inherited", "_lock", "_names", "ssl_object")

    most_bytes = MANY_BYTES if speedups is None else speedups.MUCH_BYTES

    def __init__(self, bottom: SocketTransport, before: TlsTransport) -> None:
        """Make it; see direct_form().

        Args:
            bottom: whose socket it is, which is closed and shut down there.
            before: what did the handshake, and whose lock keeps two large calls apart.
        """
        self._bottom = bottom
        self._lock = before.lock
        self.ssl_object = before.ssl_object
        self._names = before.names()
        self._is_inherited = False

    def names(self) -> tuple[str | None, str | None]:
        """Return the names of the version and of the cipher suite."""
        return self._names

    def keep(self, kept: deque[Any], size: int) -> bool:
        """See Transport.keep. An end without TLS's own farewell is an end like any other, as of a TlsTransport.

        Raises:
            ssl.SSLError: what came is not valid TLS.
        """
        if self.has_unsent:
            check_answers(self.unsent_bytes)
        count = self._keep_small(kept, size) if size <= SMALL_BYTES else _BUSY
        if count == _BUSY:
            with self._lock:
                count = self._keep_much(kept, size)
        if count == _FAILED:
            self._check_end()
            kept.append(b"")
        return count > 0 or count == _FAILED

    def receive(self, size: int) -> bytes | None:
        """See Transport.receive."""
        kept: deque[bytes] = deque()
        return kept[0] if self.keep(kept, size) else None

    def receive_into(self, room: memoryview) -> memoryview | None:
        """See Transport.receive_into; takes all the records that have come, as far as there is room, up to a bound."""
        if self.has_unsent:
            check_answers(self.unsent_bytes)
        with self._lock:
            count = self._fill(room)
        if count == _FAILED:
            self._check_end()
            return room[:0]
        return room[:count] if count > 0 else None

    def _check_end(self) -> None:
        """Raise what has ended reading, unless that was the peer."""
        if self._reading_failure is not None:
            raise self._error(self._reading_failure)

    def _error(self, failure: _Failure) -> OSError:
        """Return what to raise for what an engine's call has met."""
        if self._is_inherited:
            return forked_error()
        if isinstance(failure, int):
            return self._bottom.lost(OSError(failure, os.strerror(failure)))
        if failure is None:
            return ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)")
        library, words = failure[0] or "unknown", failure[1] or "unknown error"
        # As Python's ssl names them.
        name = library.partition(" ")[0]
        # Newer OpenSSLs have other words for it; Python keeps the name.
        reason = _BETWEEN_WORDS.sub("_", words.replace("ssl/tls alert", "sslv3 alert")).upper()
        error = ssl.SSLError(ssl.SSL_ERROR_SSL, f"[{name}: {reason}] {words}")
        error.library, error.reason = name, reason
        return error

    def send(self, data: bytes | memoryview) -> int:
        """See Transport.send; what was encrypted counts as taken, and flush() pushes the rest of it out."""
        size = len(data)
        taken = self._send(data) if size <= SMALL_BYTES else _BUSY
        if taken == _BUSY:
            with self._lock:
                taken = self._send(next_plaintext(data))
        if taken == _FAILED:
            raise self._error(self._sending_failure)
        return max(taken, 0)

    def flush(self) -> bool:
        """See Transport.flush."""
        with self._lock:
            result = self._flush()
        if result == _FAILED:
            raise self._error(self._sending_failure)
        return result > 0

    def end_output(self) -> None:
        """Send TLS's farewell (close_notify), then a FIN."""
        with self._lock:
            self._say_goodbye()
        try:
            self.flush()
        except OSError:
            pass  # The peer was faster.
        self._bottom.end_output()

    def fileno(self) -> int:
        """See Transport.fileno."""
        return self._bottom.fileno()

    def abort(self) -> None:
        """See Transport.abort."""
        self._bottom.abort()

    def close(self) -> None:
        """See Transport.close."""
        with self._lock:
            self._forget()
        self._bottom.close()

    def let_go_in_child(self) -> None:
        """See Transport.let_go_in_child; the engine is not used again, for its next record would be the parent's."""
        self._is_inherited = True
        self._lock = locks.RLock()
        self._forget()
        self._bottom.let_go_in_child()
