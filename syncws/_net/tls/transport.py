"""TLS as an SSLObject over two memory BIOs, under one lock, with the socket outside it.

A TlsTransport follows the rules of Transport: one thread receives, one sends, and these may be two.

The plan. An OpenSSL connection must not be used by two threads at once, and CPython's SSLSocket lets them: a reader
and a writer on one break connections. A lock around a blocking SSLSocket would stop the writer while the reader waits.
So the TLS engine never touches a socket here: each call on it is short, CPU only, and under the lock; ciphertext goes
in and out through the transport below, without the lock. Only the sending thread takes ciphertext out of the outgoing
BIO, so records reach the wire in the order in which they were made. What receiving wants sent (a KeyUpdate's answer)
stays there until the sending side flushes; `has_unsent` tells that there is some.
"""

# wrap_bio would import it for the first server's name, and a fork would not wait for that.
import encodings.idna  # noqa: F401
import errno
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from syncws._functions import nothing
from syncws._locks import locks
from syncws._net.transport import MANY_BYTES, SMALL_BYTES, Transport
from syncws._waiting.at_fork import loading
from syncws._waiting.readiness import READABLE, WRITABLE

__all__ = ["TlsTransport", "check_answers", "next_plaintext"]

# Ciphertext given to the engine at a time: the incoming BIO keeps memory for so much, for good.
_PIECE_BYTES = 65536
# Ciphertext taken in for a large message before whoever reads looks at the time, and at what is to be sent.
_TURN_BYTES = 262144
# What encrypting adds to large records is less than this part.
_OVERHEAD_PART = 64
# Plaintext encrypted at a time: four full records. All of it counts as sent once it is encrypted.
_PLAINTEXT_BYTES = 65536
# The header of a frame with just so much payload, which would be a write by itself.
_MOST_BEHIND = 14

# Pieces of ciphertext that receive() takes in for one piece of data, or none.
_FEEDS_AT_A_TIME = 16
# What receiving may want sent (answers to KeyUpdate, alerts) before the peer counts as hostile. More than one send()
# encrypts at a time, for that passes through here too.
_MAX_ANSWER_BYTES = 262144

# Memory for the ciphertext of one turn of any connection: fresh pages would cost more than the system call that fills
# them. Taken and given back by one step each.
_MAX_STOCK = 2
_stock: list[bytearray] = []


def check_answers(unsent: int) -> None:
    """Check how many bytes that receiving wants sent are still here, for a peer that does not read.

    Raises:
        ConnectionAbortedError: too many (errno.ECONNABORTED).
    """
    if unsent > _MAX_ANSWER_BYTES:
        raise ConnectionAbortedError(errno.ECONNABORTED, "the server makes TLS send answers and does not read them")


def next_plaintext(data: bytes | memoryview) -> bytes | memoryview:
    """Return what of `data` is to be encrypted next."""
    return data if len(data) <= _PLAINTEXT_BYTES + _MOST_BEHIND else data[:_PLAINTEXT_BYTES]


class TlsTransport:
    """TLS over another transport; over a TlsTransport it is TLS inside TLS.

    Attributes:
        inner: see __init__.
        lock: guards the engine; never held across a call of `inner`.
        ssl_object (ssl.SSLObject): the engine; for others to look at certificates before data flows.
        has_unsent, has_buffered (bool): see Transport; noted under the lock, for they are asked for with each message.
    """

    __slots__ = (
        "__weakref__",
        "_ciphertext",
        "_ending",
        "_incoming",
        "_is_flowing",
        "_is_holding",
        "_is_reading",
        "_outgoing",
        "_unsent",
        "has_buffered",
        "has_unsent",
        "inner",
        "lock",
        "ssl_object",
    )

    most_bytes = MANY_BYTES

    def __init__(self, inner: Transport, context: ssl.SSLContext, server_name: str) -> None:
        """Make the client's side of a TLS connection; `handshake` must follow.

        Args:
            inner: what carries the ciphertext.
            context: the settings; verification is theirs.
            server_name: sent as SNI and compared with the certificate.
        """
        self.inner = inner
        self.lock = locks.RLock()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=False, server_hostname=server_name
        )
        # Ciphertext on its way from the transport below into the engine, one piece at most; b"" at its end.
        self._ciphertext: deque[bytes] = deque()
        # True while the engine gives out plaintext: what an interruption then loses cannot be had again.
        self._is_reading = False
        # Ciphertext taken from the outgoing BIO that the transport below has not taken yet.
        self._unsent = memoryview(b"")
        self.has_unsent = self.has_buffered = False
        # True when the engine may hold something: only then is it asked.
        self._is_holding = False
        # True when the last piece from below was as large as it could be: more of it has come, most likely.
        self._is_flowing = False
        # The end, or an error, that the engine has found; told when what came before it was given out.
        self._ending: ssl.SSLError | None = None

    def names(self) -> tuple[str | None, str | None]:
        """Return the names of the version and of the cipher suite; after the handshake."""
        cipher = self.ssl_object.cipher()
        return self.ssl_object.version(), None if cipher is None else cipher[0]

    def take_rest(self) -> tuple[bytes, bytes]:
        """Return ciphertext that has come, and that was not sent yet; for the object that goes on from here."""
        return b"".join(self._ciphertext) + self._incoming.read(), bytes(self._unsent) + self._outgoing.read()

    def handshake(
        self,
        wait: Callable[[int], int],
        check: Callable[[], object] = nothing,
        before_sending: Callable[[], object] = nothing,
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
        # A class of the application's own may wait in the call, and connects of other threads must not wait for that.
        guard: AbstractContextManager[object] = loading() if type(self.ssl_object) is ssl.SSLObject else nullcontext()
        while True:
            try:
                with guard, self.lock:
                    self.ssl_object.do_handshake()
                    self._note_rest(is_full=True)
            except ssl.SSLWantReadError:
                before_sending()
                self._flush_waiting(wait)
                # Also when there is always more to read.
                check()
                while not self._feed():
                    wait(READABLE)
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

    def _feed(self) -> bool:
        """In the handshake: move ciphertext from below into the engine; return whether there was any, or its end."""
        ciphertext = self.inner.receive(SMALL_BYTES)
        if ciphertext is None:
            return False
        with self.lock:
            if ciphertext:
                self._incoming.write(ciphertext)
            else:
                self._incoming.write_eof()
        return True

    @property
    def is_torn(self) -> bool:
        """See Transport.is_torn."""
        return self._is_reading or self.inner.is_torn

    @property
    def unsent_bytes(self) -> int:
        """See Transport.unsent_bytes."""
        with self.lock:
            return len(self._unsent) + self._outgoing.pending + self.inner.unsent_bytes

    def keep(self, kept: deque[Any], size: int) -> bool:
        """See Transport.keep. An end without TLS's own farewell is an end like any other: WebSocket has its own.

        Raises:
            ssl.SSLError: what came is not valid TLS.
        """
        ciphertext = self._ciphertext
        piece = SMALL_BYTES if size <= SMALL_BYTES else min(size, _PIECE_BYTES)
        for _ in range(_FEEDS_AT_A_TIME):
            # Asked before it is tried: an exception for each wait would be the dearest part of a small message.
            if not self._is_holding:
                if not (ciphertext or self.inner.keep(ciphertext, piece)):
                    self.has_buffered = self.inner.has_buffered
                    return False
                self._note_piece(len(ciphertext[0]), piece)
            data = b""
            if self._ending is None:
                with self.lock:
                    data = self._gather(size)
            if data:
                kept.append(data)
                self._is_reading = False
                return True
            self._is_reading = False
            if self._tells_end():
                kept.append(b"")
                return True
        # Records without data, one after the other: the caller must get to look at its deadline.
        return False

    def receive(self, size: int) -> bytes | None:
        """See Transport.receive."""
        kept: deque[bytes] = deque()
        return kept[0] if self.keep(kept, size) else None

    def receive_into(self, room: memoryview) -> memoryview | None:
        """See Transport.receive_into; takes all the records that have come, as far as there is room, up to a bound."""
        filled = 0
        if not (self._is_holding or self._ciphertext):
            filled = self._take_in(room)
        elif self._ending is None:
            with self.lock:
                filled = self._fill(room)
        self._is_reading = False
        return room[:filled] if filled or self._tells_end() else None

    def _take_in(self, room: memoryview) -> int:
        """As _fill with an engine that holds nothing: as much as may fill `room` is taken in by one call."""
        try:
            memory = _stock.pop()
        except IndexError:
            memory = bytearray(_TURN_BYTES)
        size = min(max(len(room) + len(room) // _OVERHEAD_PART, SMALL_BYTES), _TURN_BYTES)
        # What this brings is lost when an interruption comes before it was read.
        self._is_reading = True
        ciphertext = self.inner.receive_into(memoryview(memory)[:size])
        filled = 0
        if ciphertext is None:
            self.has_buffered = self.inner.has_buffered
        else:
            self._note_piece(len(ciphertext), size)
            for start in range(0, len(ciphertext), _PIECE_BYTES):
                with self.lock:
                    self._incoming.write(ciphertext[start : start + _PIECE_BYTES])
                    if filled < len(room) and self._ending is None:
                        filled += self._fill(room[filled:])
                    else:
                        self._is_holding = self.has_buffered = True
        if len(_stock) < _MAX_STOCK:
            _stock.append(memory)
        return filled

    def _note_piece(self, count: int, size: int) -> None:
        """Note that of `size` bytes of ciphertext that were asked for `count` came: at the end there are none."""
        self._is_flowing = count == size
        self._is_holding = True
        if not count:
            self._ending = ssl.SSLEOFError()

    def _tells_end(self) -> bool:
        """Tell whether nothing more will come; raise the error that the engine has found instead, if it has."""
        if self._ending is None:
            return False
        if isinstance(self._ending, ssl.SSLZeroReturnError | ssl.SSLEOFError):
            return True
        raise self._ending

    def _gather(self, size: int) -> bytes:
        """Read one record after the other, up to `size` bytes; b"" when there is none. Requires the lock."""
        pieces: list[bytes] = []
        left = size
        self._begin_reading()
        try:
            while data := self.ssl_object.read(left):
                pieces.append(data)
                left -= len(data)
                if not (left and self._incoming.pending):
                    break
            else:
                self._ending = ssl.SSLZeroReturnError()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            self._ending = exc
        self._note_rest(is_full=not left)
        return b"".join(pieces)

    def _fill(self, room: memoryview) -> int:
        """As _gather, into `room`; return how much."""
        # typeshed knows the form without a buffer alone.
        read: Callable[[int, memoryview], int] = self.ssl_object.read  # type: ignore[assignment]
        filled, size = 0, len(room)
        self._begin_reading()
        try:
            while count := read(size - filled, room[filled:]):
                filled += count
                if filled == size or not self._incoming.pending:
                    break
            else:
                self._ending = ssl.SSLZeroReturnError()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            self._ending = exc
        self._note_rest(is_full=filled == size)
        return filled

    def _begin_reading(self) -> None:
        """Give the engine what was taken in for it; requires the lock."""
        if self.has_unsent:
            check_answers(self._outgoing.pending)
        if self._ciphertext:
            # In C from one to the other, as in SocketTransport.keep.
            next(map(self._incoming.write, map(deque.popleft, (self._ciphertext,))))
        self._is_reading = True

    def _note_rest(self, *, is_full: bool) -> None:
        """Note what reading has left, which is nothing of a record that was read to its end. Requires the lock."""
        holds = bool(self._incoming.pending or self._ending or (is_full and self.ssl_object.pending()))
        self._is_holding = holds
        # Of TLS inside TLS the inner one may hold more: what it could not give out together, or its end.
        self.has_buffered = holds or self._is_flowing or self.inner.has_buffered
        if self._outgoing.pending or self.inner.has_unsent:
            self.has_unsent = True

    def send(self, data: bytes | memoryview) -> int:
        """See Transport.send; what was encrypted counts as taken, and flush() pushes the rest of it out."""
        if self._unsent and not self.flush():
            return 0
        with self.lock:
            try:
                taken = self.ssl_object.write(next_plaintext(data))
            except ssl.SSLWantReadError:
                # TLS 1.2 renegotiation: the peer's next bytes must come first.
                taken = 0
            # With whatever receiving wants sent, in the order in which it was made.
            ciphertext = self._outgoing.read()
            self.has_unsent = False
        sent = self.inner.send(ciphertext)
        if sent < len(ciphertext):
            self._unsent = memoryview(ciphertext)[sent:]
            self.flush()
        elif self.inner.has_unsent:
            self.has_unsent = True
        return taken

    def flush(self) -> bool:
        """See Transport.flush."""
        while True:
            if not self._unsent:
                with self.lock:
                    self._unsent = memoryview(self._outgoing.read())
                    self.has_unsent = False
                if not self._unsent:
                    is_out = self.inner.flush()
                    break
            sent = self.inner.send(self._unsent)
            if not sent:
                is_out = False
                break
            self._unsent = self._unsent[sent:]
        if not is_out:
            self.has_unsent = True
        return is_out

    def end_output(self) -> None:
        """Send TLS's farewell (close_notify), then what the transport below has for one."""
        try:
            with self.lock:
                self.ssl_object.unwrap()
        except (ssl.SSLError, ValueError):
            pass  # The peer's farewell is not waited for.
        try:
            self.flush()
        except OSError:
            pass
        self.inner.end_output()

    def fileno(self) -> int:
        """See Transport.fileno."""
        return self.inner.fileno()

    def abort(self) -> None:
        """See Transport.abort."""
        self.inner.abort()

    def close(self) -> None:
        """See Transport.close."""
        self.inner.close()

    def let_go_in_child(self) -> None:
        """See Transport.let_go_in_child; the engine is not used again, for its next record would be the parent's."""
        self.lock = locks.RLock()
        self.inner.let_go_in_child()
