"""The reader thread: waits for bytes and decodes them; what becomes of them is for message_reader and stream_reader.

Everything here runs on one connection's reader thread, a daemon named `syncws-reader-N`. When a handler is slow its
thread becomes the dispatcher, and a new one takes over the reading: see receiving.delivery.

The reader never waits to send; what it posts and cannot push out, it pushes when poll says so.
"""

import contextlib
import logging
from collections.abc import Callable
from typing import TypeVar

from syncws._connection import closing
from syncws._connection.keep_alive import Silence
from syncws._connection.notices import tell
from syncws._connection.receiving.delivery import Relieved
from syncws._connection.receiving.dispatcher import dispatch, start_another_reader
from syncws._connection.session import Session
from syncws._connection.tracing import traced
from syncws._net.transport import lost_connection
from syncws._waiting.deadline import FOREVER, Deadline
from syncws._waiting.readiness import READABLE, WOKEN, WRITABLE, make_readiness
from syncws._wire.closing import pong_frame
from syncws._wire.frame_decoder import FrameDecoder, Incoming
from syncws._wire.incoming import CloseFrame, Ping, Pong, Violation
from syncws.errors import WebSocketError
from syncws.event_args import WebSocketPingReceivedEventArgs, WebSocketPongReceivedEventArgs

__all__ = ["Reader", "run_reader"]

SessionT = TypeVar("SessionT", bound=Session)

_logger = logging.getLogger("syncws.reader")

_READ_BYTES = 65536
# A connection of small messages reads this much at a time. Python makes room for all that is asked for, and gives back
# what did not come: of 64 KiB for a small message that leaves the C library's heap in holes, and it grows for long.
_SMALL_READ_BYTES = 4096
# Reads that fill less than that, in a row, before the next one asks for no more.
_SMALL_READS = 16


def run_reader(session: SessionT, make_reader: Callable[[SessionT], "Reader"]) -> None:
    """Read until the connection is over, then finish the session."""
    if not session.claim():
        # The connect that started this thread was interrupted, and has given everything back.
        return
    try:
        is_over, interruption = _read(session, lambda: make_reader(session).run())
        while not is_over:
            role = dispatch(session, interruption)
            if role is None:
                return
            is_over, interruption = _read(session, role.run)
    finally:
        session.finish()


def _read(session: Session, run: Callable[[], None]) -> tuple[bool, BaseException | None]:
    """Read to the end of the connection, and give everything back.

    Returns:
        False when another thread has taken over the reading, and with it the rest; and what a handler has raised that
        is to end this thread, if it has.
    """
    try:
        run()
    except Relieved as relieved:
        return False, relieved.interruption
    except Exception as exc:  # a defect of ours: the connection ends all the same
        if session.loss is None:
            session.loss = WebSocketError(f"the reader failed: {exc}")
        with contextlib.suppress(Exception):
            _logger.exception("reader %d failed", session.number)
    except BaseException:  # a handler has ended its thread: the connection ends with it
        session.give_up()
        session.end()
        raise
    session.end()
    return True, None


class Reader:
    """The reading role of a session. One thread at a time has it."""

    __slots__ = (
        "_decode",
        "_decoder",
        "_is_at_end",
        "_large_reads",
        "_may_have_more",
        "_readiness",
        "_session",
    )

    def __init__(self, session: Session, decoder: FrameDecoder) -> None:
        """Make a reader; `run` does the rest."""
        self._session = session
        self._decoder = decoder
        decoder.tally = session.received
        self._decode = traced(session.outbox, decoder.receive_data)
        self._readiness = make_readiness(session.transport.fileno(), session.waker.fileno())
        # True when a receive may give data although poll has not been asked: then that call is spared.
        self._may_have_more = session.transport.has_buffered
        self._is_at_end = False
        # How many of the next reads are large; another full one begins the count anew.
        self._large_reads = 0

    # What becomes of the messages.

    def _process(self, events: list[Incoming]) -> None:
        """Deliver messages and answer control frames, in order."""
        raise NotImplementedError

    def _deliver_waiting(self) -> None:
        """Deliver what has waited, where that is possible now."""

    def _finish_batch(self) -> None:
        """Handle the events that another thread's last read has left."""

    def hand_over(self) -> bool:
        """Let a new thread go on reading; return whether it was started. The monitor calls it, holding the ticket."""
        session = self._session
        return start_another_reader(session, lambda: _read(session, self.run))

    def run(self) -> None:
        """Read, decode and deliver until the peer or we are done.

        Raises:
            Relieved: another thread goes on with that.
        """
        session = self._session
        self._finish_batch()
        data: bytes | memoryview = session.remainder
        session.remainder = b""
        if data:
            self._process(self._decode(data))
        while not self._decoder.is_dead and not session.is_aborted:
            following = self._next_data()
            if following is None:
                break
            self._process(self._decode(following))
        if self._decoder.is_dead or session.is_failed:
            self._linger()
        # A first handler may have come in the meantime.
        self._deliver_waiting()

    def _next_data(self) -> bytes | memoryview | None:
        """Wait for bytes; b"" when the decoder holds more, None when there will be none, for whatever reason."""
        session = self._session
        inbox = session.inbox
        while not self._is_at_end:
            if session.is_abandoned:
                session.begin_abandoned_close()
            # Asked each time, not only when nothing comes: a peer may go on sending for ever.
            if session.closing.deadline is not None and session.closing.deadline.is_expired:
                session.abort()
            if session.is_aborted:
                return None
            if inbox.has_messages:
                self._deliver_waiting()
            is_paused = inbox.is_full and not session.closing.is_discarding
            if is_paused is not session.is_paused:
                session.note_pause(is_paused)
            if session.silence is not None and self._is_silent(session.silence):
                return None
            if self._decoder.has_more and not is_paused:
                if session.outbox.has_posted:
                    session.outbox.flush_without_waiting()
                return b""
            if self._may_have_more and not is_paused:
                data = self._receive()
                if data:
                    return data
                continue
            self._wait(0 if is_paused else READABLE, session.closing.deadline or FOREVER)
        return None

    def _wait(self, interest: int, deadline: Deadline) -> None:
        """Wait for the transport, a wake-up or the deadline."""
        session = self._session
        if (session.outbox.has_posted or session.transport.has_unsent) and not session.outbox.flush_without_waiting():
            interest |= WRITABLE
        ready = self._readiness.wait(interest, deadline)
        if ready & WOKEN:
            session.waker.clear()
        if ready & READABLE & interest:
            self._may_have_more = True

    def _is_silent(self, silence: Silence) -> bool:
        """Fail the connection if the peer is gone; return whether it is."""
        session = self._session
        session.silence = None
        # This process may have slept, and the answer lie in the socket.
        self._wait(READABLE, Deadline(0.0))
        if session.is_paused or self._may_have_more or session.inbound.total_bytes != silence.received_bytes:
            return False
        return session.take_silence(silence.reason, closing.LINGER_SECONDS)

    def _receive(self) -> bytes | memoryview:
        """Take what the transport has; notes the end of the stream."""
        session = self._session
        transport = session.transport
        if session.outbox.has_posted or transport.has_unsent:
            # Also under a server that never pauses, for which nothing ever waits.
            session.outbox.flush_without_waiting()
        room = self._decoder.room
        size = len(room) if room is not None else _READ_BYTES if self._large_reads else _SMALL_READ_BYTES
        data: bytes | memoryview | None
        try:
            data = transport.receive(size) if room is None else transport.receive_into(room)
        except OSError as exc:
            # After the Close frames, or a violation, the peer may end TCP as it likes.
            if not self._decoder.is_dead and not session.closing.is_discarding:
                session.loss = lost_connection(exc)
            data = b""
        if data is None:
            # TLS inside TLS may have stopped in the middle of what the inner one holds.
            self._may_have_more = transport.has_buffered
            return b""
        self._is_at_end = not data
        # A full read has left more behind, most likely; so has TLS when it holds another record.
        self._may_have_more = len(data) == size or transport.has_buffered
        if len(data) >= _SMALL_READ_BYTES:
            self._large_reads = _SMALL_READS
        elif self._large_reads:
            self._large_reads -= 1
        return data

    def _answer(self, event: Incoming) -> None:
        session = self._session
        if isinstance(event, Ping):
            session.outbox.post_pong(pong_frame(event.payload))
            self._tell_of(event, None)
            return
        if isinstance(event, Pong):
            self._tell_of(event, session.pings.take_pong(event.payload))
            return
        if isinstance(event, CloseFrame):
            session.take_close(event)
        elif isinstance(event, Violation):
            session.take_violation(event)
        else:
            return
        # Nothing more will come: whoever reads need not wait for the end of TCP.
        session.end_input()

    def _tell_of(self, frame: Ping | Pong, round_trip_time: float | None) -> None:
        """Raise ping_received or pong_received, where there are handlers."""
        session = self._session
        owner = session.owner()
        if owner is None:
            return
        if isinstance(frame, Ping):
            if owner._ping_received.handlers:
                tell(session, owner._ping_received, WebSocketPingReceivedEventArgs(frame.payload))
        elif owner._pong_received.handlers:
            tell(session, owner._pong_received, WebSocketPongReceivedEventArgs(frame.payload, round_trip_time))

    def _linger(self) -> None:
        """Push out our Close frame and let the peer end TCP; what it still sends is thrown away (RFC 6455 7.1.1)."""
        session = self._session
        soon = Deadline(closing.LINGER_SECONDS)
        latest = session.closing.deadline or soon
        while not self._is_at_end and not session.is_aborted and not latest.is_expired:
            self._deliver_waiting()
            is_idle = session.outbox.is_idle
            if is_idle and soon.is_expired:
                return
            if self._may_have_more:
                self._receive()
            else:
                # Not idle may be a moment old: who sends tells nobody here that all is out.
                self._wait(READABLE, soon if is_idle or not soon.is_expired else latest)
