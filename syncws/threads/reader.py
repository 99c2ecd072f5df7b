"""The reader thread: waits for bytes and decodes them; what becomes of them is for message_reader and stream_reader.

May import errors, wire, net and the rest of this room. Everything here runs on one connection's reader thread, which
is a daemon named `syncws-reader-N`; the functions that can be called elsewhere are in threads.session.

The reader never waits to send; what it posts and cannot push out, it pushes when poll says so.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from syncws.errors import HResultError
from syncws.net.connector import lost_connection
from syncws.net.deadline import FOREVER, Deadline
from syncws.net.readiness import READABLE, WOKEN, WRITABLE, make_readiness
from syncws.threads.session import Session
from syncws.wire.events import CloseFrame, Ping, Violation
from syncws.wire.frame_decoder import Event, FrameDecoder
from syncws.wire.protocol import pong_frame

__all__ = ["Reader", "run_reader"]

SessionT = TypeVar("SessionT", bound=Session)

_logger = logging.getLogger("syncws.reader")

_READ_BYTES = 65536
# Both Close frames have gone by, or the peer broke the protocol: how long it has to end TCP, which is its part.
_LINGER_SECONDS = 1.0
# A receive has before it what a handler that was added meanwhile is to get: how soon to look whether it is over.
_LOOK_AGAIN_SECONDS = 0.05


def run_reader(session: SessionT, make_reader: Callable[[SessionT], "Reader"]) -> None:
    """Read until the connection is over, then finish the session."""
    if not session.claim():
        # The connect that started this thread was interrupted, and has given everything back.
        return
    try:
        make_reader(session).run()
    except Exception as exc:  # a defect of ours: the connection ends all the same
        _logger.exception("reader %d failed", session.number)
        if session.loss is None:
            session.loss = HResultError(f"the reader failed: {exc}")
    finally:
        session.finish()


class Reader:
    """The reading role of a session."""

    __slots__ = ("_decoder", "_is_at_end", "_may_have_more", "_readiness", "_session")

    def __init__(self, session: Session, decoder: FrameDecoder) -> None:
        """Make a reader; `run` does the rest."""
        self._session = session
        self._decoder = decoder
        self._readiness = make_readiness(session.transport.fileno(), session.waker.fileno())
        # True when a receive may give data although poll has not been asked: then that call is spared.
        self._may_have_more = session.transport.has_buffered
        self._is_at_end = False

    # What becomes of the messages.

    def _process(self, events: list[Event]) -> None:
        """Deliver messages and answer control frames, in order."""
        raise NotImplementedError

    def _deliver_waiting(self) -> None:
        """Give on what has waited, if it can be given on now."""

    def run(self) -> None:
        """Read, decode and deliver until the peer or we are done."""
        session = self._session
        data = session.remainder
        session.remainder = b""
        if data:
            self._process(self._decoder.receive_data(data))
        while not self._decoder.is_dead and not session.is_aborted:
            data = self._next_data()
            if not data:
                break
            self._process(self._decoder.receive_data(data))
        if self._decoder.is_dead:
            self._linger()
        # A first handler may have come in the meantime.
        self._deliver_waiting()

    def _next_data(self) -> bytes:
        """Wait for bytes; b"" when there will be none, for whatever reason."""
        session = self._session
        inbox = session.inbox
        while not self._is_at_end:
            if session.is_abandoned:
                session.begin_abandoned_close()
            # Asked each time, not only when nothing comes: a peer may go on sending for ever.
            if session.close_deadline is not None and session.close_deadline.is_expired:
                session.abort()
            if session.is_aborted:
                return b""
            self._deliver_waiting()
            is_paused = inbox.is_full and not session.is_discarding
            if self._may_have_more and not is_paused:
                data = self._receive()
                if data:
                    return data
                continue
            self._wait(0 if is_paused else READABLE, session.close_deadline or FOREVER)
        return b""

    def _wait(self, interest: int, deadline: Deadline) -> None:
        """Wait for the transport, a wake-up or the deadline."""
        session = self._session
        if not session.outbox.flush_without_waiting():
            interest |= WRITABLE
        if session.inbox.is_denied:
            deadline = deadline.earlier(_LOOK_AGAIN_SECONDS)
        ready = self._readiness.wait(interest, deadline)
        if ready & WOKEN:
            session.waker.clear()
        if ready & READABLE & interest:
            self._may_have_more = True

    def _receive(self) -> bytes:
        """Take what the transport has; notes the end of the stream."""
        session = self._session
        transport = session.transport
        try:
            data = transport.receive(_READ_BYTES)
        except OSError as exc:
            # After the Close frames, or a violation, the peer may end TCP as it likes.
            if not self._decoder.is_dead and not session.is_discarding:
                session.loss = lost_connection(exc)
            data = b""
        if data is None:
            self._may_have_more = False
            return b""
        self._is_at_end = not data
        # A full read has left more behind, most likely; so has TLS when it holds another record.
        self._may_have_more = len(data) == _READ_BYTES or transport.has_buffered
        return data

    def _answer(self, event: Event) -> None:
        session = self._session
        if isinstance(event, Ping):
            session.outbox.post_pong(pong_frame(event.payload))
            return
        if isinstance(event, CloseFrame):
            session.take_close(event)
        elif isinstance(event, Violation):
            session.take_violation(event)
        else:
            return
        # Nothing more will come: whoever reads need not wait for the end of TCP.
        session.end_inbox()

    def _linger(self) -> None:
        """Push out our Close frame and let the peer end TCP; what it still sends is thrown away (RFC 6455 7.1.1)."""
        session = self._session
        soon = Deadline(_LINGER_SECONDS)
        latest = session.close_deadline or soon
        while not self._is_at_end and not session.is_aborted and not latest.is_expired:
            self._deliver_waiting()
            is_idle = session.outbox.is_idle
            if is_idle and soon.is_expired:
                return
            if self._may_have_more:
                self._receive()
            else:
                self._wait(READABLE, soon if is_idle else latest)
