"""TLS as an SSLObject over two memory BIOs, under one lock, with the socket outside it.

May import errors, hresult, net.inherited and net.transport; the only other home of urllib3 (the context's defaults). A
TlsTransport follows the rules of Transport: one thread receives, one sends, and these may be two.

The plan. An OpenSSL connection must not be used by two threads at once, and CPython's SSLSocket lets them: a reader
and a writer on one break connections. A lock around a blocking SSLSocket would stop the writer while the reader waits.
So the TLS engine never touches a socket here: each call on it is short, CPU only, and under the lock; ciphertext goes
in and out through the transport below, without the lock. Only the sending thread takes ciphertext out of the outgoing
BIO, so records reach the wire in the order in which they were made. What receiving wants sent (a KeyUpdate's answer)
stays there until the sending side flushes; `has_unsent` tells that there is some.
"""

import errno
import ssl
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from urllib3.util.ssl_ import create_urllib3_context

from syncws.errors import CertificateError, ConnectFailedError, TlsError
from syncws.hresult import HResult
from syncws.net.inherited import watch
from syncws.net.readiness import READABLE, WRITABLE
from syncws.net.transport import Transport

__all__ = ["TlsTransport", "certificate_chain", "default_context", "tls_error"]

_CIPHERTEXT_BYTES = 65536
# Plaintext encrypted at a time: four records; all of it counts as sent once it is encrypted.
_PLAINTEXT_BYTES = 65536

# Pieces of ciphertext that receive() takes in for one piece of data, or none.
_FEEDS_AT_A_TIME = 16
# What receiving may want sent (answers to KeyUpdate, alerts) before the peer counts as hostile. More than one send()
# encrypts at a time, for that passes through here too.
_MAX_ANSWER_BYTES = 262144

# OpenSSL's X509_V_ERR_… numbers (x509_vfy.h).
_HRESULT_OF_VERIFY_CODE = {
    2: HResult.WININET_E_INVALID_CA,  # issuer not found
    9: HResult.WININET_E_SEC_CERT_DATE_INVALID,  # not yet valid
    10: HResult.WININET_E_SEC_CERT_DATE_INVALID,  # expired
    18: HResult.WININET_E_INVALID_CA,  # self-signed
    19: HResult.WININET_E_INVALID_CA,  # self-signed in the chain
    20: HResult.WININET_E_INVALID_CA,  # issuer not in the store
    21: HResult.WININET_E_INVALID_CA,  # nothing to verify the first one with
    23: HResult.WININET_E_SEC_CERT_REVOKED,
    62: HResult.WININET_E_SEC_CERT_CN_INVALID,  # host name
    64: HResult.WININET_E_SEC_CERT_CN_INVALID,  # IP address
}


def default_context() -> ssl.SSLContext:
    """Return a context that verifies certificate and host name against the system's authorities.

    TLS 1.2 or later. SSL_CERT_FILE and SSL_CERT_DIR replace the system's authorities, SSLKEYLOGFILE is honoured.
    """
    context = create_urllib3_context()
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    # A server that began to renegotiate could make sending wait for receiving.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


def tls_error(error: ssl.SSLError, server_name: str) -> ConnectFailedError:
    """Turn OpenSSL's error of a handshake into one of this library's, with the HRESULT for its reason."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hresult = _HRESULT_OF_VERIFY_CODE.get(error.verify_code, HResult.WININET_E_SEC_INVALID_CERT)
        message = f"the certificate of {server_name} did not pass: {error.verify_message}"
        return CertificateError(message, hresult=hresult)
    if isinstance(error, ssl.SSLEOFError):
        return TlsError(f"{server_name} ended the connection during the TLS handshake")
    reason = error.reason or error.strerror or "no reason given"
    return TlsError(f"TLS handshake with {server_name} failed: {reason}")


def certificate_chain(tls: ssl.SSLObject) -> list[bytes]:
    """Return the certificates that the server sent, in DER form, its own first."""
    own = tls.getpeercert(binary_form=True)
    assert own is not None
    if sys.version_info >= (3, 13):
        chain = [bytes(certificate) for certificate in tls.get_unverified_chain()]
    else:
        # The same call, which had no public name before 3.13; 2 is the number of DER.
        chain = [certificate.public_bytes(2) for certificate in tls._sslobj.get_unverified_chain() or ()]  # type: ignore[attr-defined]
    return [own, *(certificate for certificate in chain if certificate != own)]


class TlsTransport:
    """TLS over another transport; over a TlsTransport it is TLS inside TLS."""

    __slots__ = ("__weakref__", "_incoming", "_inner", "_lock", "_outgoing", "_ssl", "_unsent")

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
        # Ciphertext taken from the outgoing BIO that the transport below has not taken yet.
        self._unsent = memoryview(b"")
        watch(self)

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The engine, for looking at certificates before data flows."""
        return self._ssl

    def handshake(self, wait: Callable[[int], int], check: Callable[[], object] = bool) -> None:
        """Do the TLS handshake; `wait` waits for READABLE or WRITABLE; it and `check` raise when time is over.

        Raises:
            ssl.SSLError: OpenSSL's reason, certificate verification included.
            OSError: the transport's.
        """
        while True:
            try:
                with self._lock:
                    self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                self._flush_waiting(wait)
                # Also when there is always more to read.
                check()
                self._receive_ciphertext_waiting(wait)
            except ssl.SSLError:
                # The alert that tells the server why; it need not arrive.
                try:
                    self.flush()
                except OSError:
                    pass
                raise
            else:
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
        ciphertext = self._inner.receive(size)
        if ciphertext is None:
            return False
        with self._lock:
            if ciphertext:
                self._incoming.write(ciphertext)
            else:
                self._incoming.write_eof()
        return True

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
            return bool(self._incoming.pending or self._ssl.pending())

    def receive(self, size: int) -> bytes | None:
        """See Transport.receive. An end without TLS's own farewell is an end like any other: WebSocket has its own.

        Raises:
            ssl.SSLError: what came is no valid TLS.
        """
        for _ in range(_FEEDS_AT_A_TIME):
            with self._lock:
                if self._outgoing.pending > _MAX_ANSWER_BYTES:
                    raise ConnectionAbortedError(errno.ECONNABORTED, "the server makes TLS answer and does not read")
                # Asked before it is tried: an exception for each wait would be the dearest part of a small message.
                if self._incoming.pending or self._incoming.eof or self._ssl.pending():
                    try:
                        return self._ssl.read(size)
                    except ssl.SSLWantReadError:
                        pass
                    except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                        return b""
            if not self._feed(max(size, _CIPHERTEXT_BYTES)):
                return None
        # Records without data, one after the other: the caller must get to look at its deadline.
        return None

    def send(self, data: bytes | memoryview) -> int:
        """See Transport.send; what was encrypted counts as taken, and flush() pushes the rest of it out."""
        if not self.flush():
            return 0
        with self._lock:
            try:
                taken = self._ssl.write(data if len(data) <= _PLAINTEXT_BYTES else data[:_PLAINTEXT_BYTES])
            except ssl.SSLWantReadError:
                # TLS 1.2 renegotiation: the peer's next bytes must come first.
                taken = 0
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

    def _let_go_in_child(self) -> None:
        """See net.inherited; the engine is never used again, for its next record would be one of the parent's."""
        self._lock = type(self._lock)()
