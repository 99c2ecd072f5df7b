"""TLS as an SSLObject over two memory BIOs, under one lock, with the socket outside it.

A TlsTransport follows the rules of Transport: one thread receives, one sends, and these may be two.

The plan. An OpenSSL connection must not be used by two threads at once, and CPython's SSLSocket lets them: a reader
and a writer on one break connections. A lock around a blocking SSLSocket would stop the writer while the reader waits.
So the TLS engine never touches a socket here: each call on it is short, CPU only, and under the lock; ciphertext goes
in and out through the transport below, without the lock. Only the sending thread takes ciphertext out of the outgoing
BIO, so records reach the wire in the order in which they were made. What receiving wants sent (a KeyUpdate's answer)
stays there until the sending side flushes; `has_unsent` tells that there is some.
"""

import errno
import re
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from syncws._net.transport import Transport
from syncws._waiting.readiness import READABLE, WRITABLE
from syncws.errors import TlsError
from syncws.hresult import HResult

__all__ = ["TlsTransport", "tls_error"]

_CIPHERTEXT_BYTES = 4096
# Plaintext encrypted at a time: four full records, and what a chunk of a large frame has besides, its header. All of it
# counts as sent once it is encrypted.
_PLAINTEXT_BYTES = 65536 + 14

# Ciphertext taken in at a time for a large message.
_RECEIVE_BYTES = 65536

# Pieces of ciphertext that receive() takes in for one piece of data, or none.
_FEEDS_AT_A_TIME = 16
# What receiving may want sent (answers to KeyUpdate, alerts) before the peer counts as hostile. More than one send()
# encrypts at a time, for that passes through here too.
_MAX_ANSWER_BYTES = 262144

# How OpenSSL names what is no TLS at all, version 3 and before it.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")
# How OpenSSL names the alerts (RFC 8446 6.2) that it received, less its prefixes.
_ALERT = re.compile(r"_ALERT_(\w+)$")
_ALERTS_ABOUT_OUR_CERTIFICATE = {
    "access_denied",
    "bad_certificate",
    "certificate_expired",
    "certificate_revoked",
    "certificate_unknown",
    "no_certificate",
    "unknown_ca",
    "unsupported_certificate",
}

_Data = TypeVar("_Data", bytes, memoryview)


def tls_error(error: ssl.SSLError, server_name: str) -> TlsError:
    """Turn OpenSSL's error of a handshake into one of this library's."""
    if isinstance(error, ssl.SSLEOFError):
        hung_up = TlsError(f"{server_name} ended the connection during the TLS handshake")
        # As every server that hangs up: a later try may find it in a better state.
        hung_up._is_transient = True
        return hung_up
    reason = error.reason or error.strerror or "no reason given"
    alert = _ALERT.search(reason)
    if alert is not None:
        return _alert_error(alert[1].lower(), server_name)
    hint = "; the server speaks no TLS there: is it ws://?" if reason in _NO_TLS else ""
    return TlsError(f"TLS handshake with {server_name} failed: {reason}{hint}")


def _alert_error(alert: str, server_name: str) -> TlsError:
    """Return the error for what the server says is wrong; since TLS 1.3 it may say so after our side is done."""
    if alert == "certificate_required":
        message = f"{server_name} wants a client certificate (alert {alert}): set control.client_certificate"
        return TlsError(message, hresult=HResult.WININET_E_CLIENT_AUTH_CERT_NEEDED)
    about = ", about the client certificate" if alert in _ALERTS_ABOUT_OUR_CERTIFICATE else ""
    return TlsError(f"TLS handshake with {server_name} failed: it sent the alert {alert}{about}")


class TlsTransport:
    """TLS over another transport; over a TlsTransport it is TLS inside TLS."""

    __slots__ = (
        "__weakref__",
        "_ciphertext",
        "_ending",
        "_incoming",
        "_inner",
        "_is_reading",
        "_lock",
        "_outgoing",
        "_ssl",
        "_unsent",
    )

    def __init__(
        self,
        inner: Transport,
        context: ssl.SSLContext,
        server_name: str,
        lock: AbstractContextManager[object],
    ) -> None:
        """Make the client's side of a TLS connection; `handshake` must follow.

        Args:
            inner: what carries the ciphertext.
            context: the settings; verification is theirs.
            server_name: sent as SNI and compared with the certificate.
            lock: guards the engine; never held across a call of `inner`.
        """
        self._inner = inner
        self._lock = lock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=False, server_hostname=server_name)
        # Ciphertext on its way from the transport below into the engine, one piece at most.
        self._ciphertext: deque[bytes] = deque()
        # True while the engine gives out plaintext: what an interruption then loses cannot be had again.
        self._is_reading = False
        # Ciphertext taken from the outgoing BIO that the transport below has not taken yet.
        self._unsent = memoryview(b"")
        # The end, or an error, that was found behind data.
        self._ending: ssl.SSLError | None = None

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The engine, for looking at certificates before data flows."""
        return self._ssl

    def names(self) -> tuple[str | None, str | None]:
        """Return the names of the version and of the cipher suite; after the handshake."""
        cipher = self._ssl.cipher()
        return self._ssl.version(), None if cipher is None else cipher[0]

    def handshake(
        self,
        wait: Callable[[int], int],
        check: Callable[[], object] = bool,
        before_sending: Callable[[], object] = bool,
    ) -> None:
        """Do the TLS handshake.

        Args:
            wait: waits for READABLE or WRITABLE; raises when time is over.
            check: raises when time is over.
            before_sending: is called whenever there may be something to send; what it raises keeps that back.

        Raises:
            ssl.SSLError: OpenSSL's reason, certificate verification included.
            OSError: the transport's.
        """
        while True:
            try:
                with self._lock:
                    self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                before_sending()
                self._flush_waiting(wait)
                # Also when there is always more to read.
                check()
                self._receive_ciphertext_waiting(wait)
            except ssl.SSLError:
                before_sending()
                # The alert that tells the server why; it need not arrive.
                try:
                    self.flush()
                except OSError:
                    pass
                raise
            else:
                before_sending()
                self._flush_waiting(wait)
                return

    def _flush_waiting(self, wait: Callable[[int], int]) -> None:
        while not self.flush():
            wait(WRITABLE)

    def _receive_ciphertext_waiting(self, wait: Callable[[int], int]) -> None:
        while not self._feed(_CIPHERTEXT_BYTES):
            wait(READABLE)

    def _feed(self, size: int) -> bool:
        """Move ciphertext from below into the engine; return whether there was any, or its end."""
        ciphertext = self._ciphertext
        if not ciphertext and not self._inner.keep(ciphertext, size):
            return False
        with self._lock:
            if ciphertext[0]:
                # In C from one to the other, as in SocketTransport.keep.
                deque(map(self._incoming.write, map(deque[bytes].popleft, (ciphertext,))), 0)
            else:
                self._incoming.write_eof()
                ciphertext.clear()
        return True

    @property
    def is_torn(self) -> bool:
        """See Transport.is_torn."""
        return self._is_reading or self._inner.is_torn

    @property
    def has_unsent(self) -> bool:
        """See Transport.has_unsent."""
        with self._lock:
            return bool(self._unsent) or self._outgoing.pending > 0 or self._inner.has_unsent

    @property
    def unsent_bytes(self) -> int:
        """See Transport.unsent_bytes."""
        with self._lock:
            return len(self._unsent) + self._outgoing.pending + self._inner.unsent_bytes

    @property
    def has_buffered(self) -> bool:
        """See Transport.has_buffered."""
        with self._lock:
            # Of TLS inside TLS the inner one may hold several records, of which receive() took one.
            return bool(self._incoming.pending or self._ssl.pending() or self._ending or self._inner.has_buffered)

    def keep(self, kept: deque[Any], size: int) -> bool:
        """See Transport.keep. An end without TLS's own farewell is an end like any other: WebSocket has its own.

        Raises:
            ssl.SSLError: what came is no valid TLS.
        """
        data = self._read(size, lambda: self._ssl.read(size), b"")
        if data is None:
            return False
        kept.append(data)
        self._is_reading = False
        return True

    def receive(self, size: int) -> bytes | None:
        """See Transport.receive."""
        kept: deque[bytes] = deque()
        return kept[0] if self.keep(kept, size) else None

    def receive_into(self, room: memoryview) -> memoryview | None:
        """See Transport.receive_into; takes all the records that have come, as far as there is room."""
        data = self._read(min(len(room), _RECEIVE_BYTES), lambda: self._read_into(room), room[:0])
        self._is_reading = False
        return data

    def _read(self, size: int, read: Callable[[], _Data], end: _Data) -> _Data | None:
        """Feed the engine with `size` bytes at a time until `read` has data; None when nothing comes."""
        for _ in range(_FEEDS_AT_A_TIME):
            with self._lock:
                if self._outgoing.pending > _MAX_ANSWER_BYTES:
                    raise ConnectionAbortedError(errno.ECONNABORTED, "the server makes TLS answer and does not read")
                # Asked before it is tried: an exception for each wait would be the dearest part of a small message.
                if self._has_incoming:
                    try:
                        if self._ending is not None:
                            raise self._ending
                        self._is_reading = True
                        return read()
                    except ssl.SSLWantReadError:
                        self._is_reading = False
                    except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                        self._is_reading = False
                        return end
                    except OSError as exc:
                        # What a signal handler raises has no number.
                        self._is_reading = exc.errno is None
                        raise
            if not self._feed(max(size, _CIPHERTEXT_BYTES)):
                return None
        # Records without data, one after the other: the caller must get to look at its deadline.
        return None

    @property
    def _has_incoming(self) -> bool:
        """True when the engine has something to look at; requires the lock."""
        return bool(self._incoming.pending or self._incoming.eof or self._ssl.pending() or self._ending)

    def _read_into(self, room: memoryview) -> memoryview:
        """Read one record after the other; requires the lock, and raises as the engine when there is none at all."""
        # typeshed knows the form without a buffer alone.
        read = cast("Callable[[int, memoryview], int]", self._ssl.read)
        filled = count = read(len(room), room)
        try:
            while count and filled < len(room) and self._has_incoming:
                count = read(len(room) - filled, room[filled:])
                filled += count
            if filled and not count:
                self._ending = ssl.SSLZeroReturnError()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            # For the next read: first comes what came before it.
            self._ending = exc
        return room[:filled]

    def send(self, data: bytes | memoryview) -> int:
        """See Transport.send; what was encrypted counts as taken, and flush() pushes the rest of it out."""
        if self._unsent and not self.flush():
            return 0
        with self._lock:
            try:
                taken = self._ssl.write(data if len(data) <= _PLAINTEXT_BYTES else data[:_PLAINTEXT_BYTES])
            except ssl.SSLWantReadError:
                # TLS 1.2 renegotiation: the peer's next bytes must come first.
                taken = 0
            # With whatever receiving wants sent, in the order in which it was made.
            ciphertext = self._outgoing.read()
        sent = self._inner.send(ciphertext)
        if sent < len(ciphertext):
            self._unsent = memoryview(ciphertext)[sent:]
            self.flush()
        return taken

    def flush(self) -> bool:
        """See Transport.flush."""
        while True:
            if not self._unsent:
                with self._lock:
                    self._unsent = memoryview(self._outgoing.read())
                if not self._unsent:
                    return self._inner.flush()
            sent = self._inner.send(self._unsent)
            if not sent:
                return False
            self._unsent = self._unsent[sent:]

    def end_output(self) -> None:
        """Send TLS's farewell (close_notify), then what the transport below has for one."""
        try:
            with self._lock:
                self._ssl.unwrap()
        except (ssl.SSLError, ValueError):
            pass  # The peer's farewell is not waited for.
        try:
            self.flush()
        except OSError:
            pass
        self._inner.end_output()

    def fileno(self) -> int:
        """See Transport.fileno."""
        return self._inner.fileno()

    def abort(self) -> None:
        """See Transport.abort."""
        self._inner.abort()

    def close(self) -> None:
        """See Transport.close."""
        self._inner.close()

    def let_go_in_child(self) -> None:
        """See Transport.let_go_in_child; the engine is not used again, for its next record would be the parent's."""
        self._lock = type(self._lock)()
        self._inner.let_go_in_child()
