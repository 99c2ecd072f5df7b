"""Reading: waits for bytes and decodes them; what becomes of them is for receivers.py.

What reads runs on the thread that has the reading role (reading_role.py): most of it on the connection's reader thread,
a daemon named `syncws-reader-N`; what a caller does that reads itself stands in pulling.py. Handlers are
called, and the connection is ended, by the reader thread alone. When a handler is slow its thread becomes the
dispatcher, and a new one takes over the reading: see receiving.delivery.

The reader never waits to send; what it posts and cannot push out, it pushes when poll says so.
"""

import contextlib
import logging
import threading
from collections import deque
from typing import Any

from syncws._connection import closing
from syncws._connection.keep_alive import Silence
from syncws._connection.notices import tell_waiting
from syncws._connection.receiving.answers import answer
from syncws._connection.receiving.delivery import Relieved
from syncws._connection.receiving.dispatcher import dispatch, start_another_reader
from syncws._connection.receiving.reading_role import Hold
from syncws._connection.receiving.stand_in import GivesWay
from syncws._connection.session import Session
from syncws._connection.tracing import traced
from syncws._errors.bare import without_frames
from syncws._net.transport import MANY_BYTES, SMALL_BYTES, Transport, lost_connection
from syncws._waiting.deadline import FOREVER, Deadline
from syncws._waiting.readiness import READABLE, WOKEN, WRITABLE, make_readiness
from syncws._wire.frame_decoder import FrameDecoder
from syncws._wire.incoming import Incoming, Ping, Pong, Violation
from syncws.errors import ConnectionLostError, WebSocketError

__all__ = ["Reader"]

_logger = logging.getLogger("syncws.reader")

# Small messages are read by SMALL_BYTES at a time. Python makes room for all that is asked for, and gives back what did
# not come: of 64 KiB for a small message that leaves the C library's heap in holes, and it grows for long. After so
# many reads in a row that fill less than that, the next one asks for no more.
_SMALL_READS = 16
# A large read that brings at most this many frames is followed by one of the largest size.
_FEW_FRAMES = 256
# The inbox must have room for this many reads of the largest size.
_MOST_READS_WAITING = 2
# A reader thread that was started for something that came, and that nobody needs, ends after this much silence.
_IDLE_SECONDS = 1.0


class Reader:
    """Reads for a session. One thread at a time does, the one that has the reading role.

    Attributes:
        session (Session): for which it reads.
        readiness (Readiness): waits for the session's socket and waker.
        undecoded (deque): what was received and is not decoded yet, one piece at most; at first what came behind the
            handshake.
        decoder (FrameDecoder): what makes messages and control frames of it.
        decode (Callable): its receive_data(), with the trace's logging around it where that is on; set by begin().
        may_have_more (bool): True when a receive may give data although poll has not been asked: then that call is
            spared.
        is_at_end (bool): True when nothing more is received: TCP has ended, was lost, or was given up.
        until (Deadline | None): when the turn of a thread that reads in place of a reader thread is over; see
            stand_in.py.
    """

    __slots__ = (
        "_is_lasting",
        "_large_reads",
        "_last_event",
        "_lingers_until",
        "_takes_much",
        "_told_frames",
        "decode",
        "decoder",
        "is_at_end",
        "may_have_more",
        "readiness",
        "session",
        "undecoded",
        "until",
    )

    def __init__(self, session: Session, decoder: FrameDecoder) -> None:
        """Make a reader for a connection that is being made; begin() follows when it is."""
        self.session = session
        self.decoder = decoder
        session.received = decoder.tally
        descriptor, waker = session.transport.fileno(), session.waker.fileno()
        self.readiness = make_readiness(descriptor, waker)
        self.may_have_more = False
        self.is_at_end = False
        # How many of the next reads are large; another full one starts the count again.
        self._large_reads = 0
        # The decoder's count of frames before the latest large one.
        self._told_frames = 0
        # True when reads of more than MANY_BYTES are of use, and small beside what may wait.
        self._takes_much = False
        self.undecoded: deque[bytes | memoryview] = deque()
        # The Close frame or violation at the end: it is for the reader thread, when the rest is done.
        self._last_event: Incoming | None = None
        # True when this thread stays although nothing comes: there were handlers when it began.
        self._is_lasting = False
        self.until: Deadline | None = None
        # How long the peer has to end TCP, once it is waited for that: by as many turns as there are.
        self._lingers_until: Deadline | None = None

    def begin(self) -> None:
        """Take over what the handshake has settled and left; nobody reads yet."""
        session, decoder = self.session, self.decoder
        if session.compression is not None:
            decoder.inflater = session.compression.inflater
        self.decode = traced(session.outbox, decoder, session.compression)
        if session.remainder:
            self.undecoded.append(session.remainder)
        transport = session.transport
        self.may_have_more = transport.has_buffered
        is_roomy = session.inbox.capacity >= _MOST_READS_WAITING * transport.most_bytes
        self._takes_much = is_roomy and decoder.inflater is None

    # What becomes of the messages.

    def _process(self, events: list[Incoming]) -> None:
        """On the reader thread: deliver messages and answer control frames, in order."""
        raise NotImplementedError

    def separate(self, events: list[Incoming]) -> tuple[Any, list[Ping | Pong]]:
        """On a caller's thread: return what put() takes, and pings and pongs; an end is left for the reader thread."""
        raise NotImplementedError

    def put(self, content: Any) -> bool:
        """Put content into the inbox, all of it or what is left after an interruption; return whether there was any."""
        raise NotImplementedError

    def _deliver_waiting(self) -> None:
        """Deliver what has waited, where that is possible now."""

    def _finish_batch(self) -> None:
        """Handle the events that another thread's last read has left."""
        last, self._last_event = self._last_event, None
        if last is not None:
            if isinstance(last, Violation):
                self._let_receiver_answer()
            # A Close frame ends the inbox.
            answer(self.session, last)

    def _let_receiver_answer(self) -> None:
        """Wait a moment, before a violation is answered, for whoever received what came with it."""

    def hand_over(self) -> bool:
        """Let a new thread go on reading; return whether it was started. The monitor calls it, holding the ticket."""
        # A thread of the application's cannot stay to call the handlers of later messages.
        return self.until is None and start_another_reader(self.session, self._read)

    # What the role asks, any thread.

    @property
    def is_ended(self) -> bool:
        """True when nothing more will come: what is left to do is the reader thread's."""
        return self.is_at_end or self.decoder.is_dead

    @property
    def has_leftover(self) -> bool:
        """True when what was received is not all dealt with, or TLS may hold more; asked by the holder of the role."""
        return bool(self.undecoded) or self.may_have_more or self.decoder.has_more

    # The reader thread.

    def serve(self) -> None:
        """Take the role, read until the connection is over, then finish the session; or give way."""
        session = self.session
        hold = Hold()
        # Before the attempt: whoever needs a reader after it starts another thread.
        session.role.starting = None
        if not session.role.take(hold):
            # A caller reads, and looks when it is done; or the connect was interrupted, and has given everything back.
            return
        session.inbox.stop_pulling()
        session.reader_thread = threading.current_thread()
        gives_way = False
        try:
            self.read_to_end()
        except GivesWay:
            gives_way = True
        finally:
            if gives_way:
                session.role.give_way(hold)
            else:
                session.finish()

    def read_to_end(self) -> None:
        """Read to the end of the connection; when a handler was slow be the dispatcher until then."""
        is_over, interruption = self._read()
        while not is_over:
            other = dispatch(self.session, interruption)
            if other is None:
                return
            is_over, interruption = other._read()

    def _read(self) -> tuple[bool, BaseException | None]:
        """Read to the end of the connection, and give everything back.

        Returns:
            False when another thread has taken over the reading, and with it the rest; and what a handler has raised
            that is to end this thread, if it has.
        """
        session = self.session
        try:
            self.run()
        except Relieved as relieved:
            return False, relieved.interruption
        except GivesWay:
            raise
        except Exception as exc:  # a defect of ours, or no memory: the connection ends all the same
            if self._is_callers:
                # It may be a signal handler's.
                raise
            if session.loss is None:
                session.loss = ConnectionLostError(f"the reader failed: {exc!r}")
            with contextlib.suppress(Exception):
                _logger.exception("reader %d failed", session.number)
        except BaseException:
            if not self._is_callers:
                # A handler has ended its thread: the connection ends with it.
                session.give_up()
                session.end()
            raise
        session.end()
        return True, None

    @property
    def _is_callers(self) -> bool:
        """True on a caller's thread, which may be interrupted: then others go on."""
        return self.until is not None and not self.session.is_exiting

    def cut(self) -> None:
        """End the stream here: after an interruption what the system holds may not fit what came before."""
        # Set first: from here on nothing more is read.
        self.is_at_end = True
        self.session.cut()
        self.undecoded.clear()

    def run(self) -> None:
        """Read, decode and deliver until the peer or we are done.

        Raises:
            Relieved: another thread goes on with that.
        """
        session = self.session
        self._is_lasting = session.keeps_reader
        puller = session.inbox.puller
        if puller is not None:
            puller.finish()
        self._finish_batch()
        if session.dispatcher_thread is None:
            tell_waiting(session)
        if self.undecoded:
            self._process(self.decode(self.undecoded.popleft()))
        while not self.decoder.is_dead and not session.is_aborted and self._has_next():
            # Held by nobody from the decoding on: the memory is the next read's, of whichever connection.
            self._process(self.decode(self.undecoded.popleft()))
            if self.until is not None:
                # Asked here too: a peer may never pause.
                self._check_time()
        if session.closing.is_settled:
            self._linger()
        # A first handler may have come in the meantime.
        self._deliver_waiting()

    def _has_next(self) -> bool:
        """Wait for bytes, which are in `undecoded` then; return False when there will be none, for whatever reason.

        Where the decoder holds more they are b"".

        Raises:
            GivesWay: this thread is not needed any more.
        """
        session = self.session
        inbox = session.inbox
        role = session.role
        while not self.is_at_end:
            if session.is_abandoned:
                session.begin_abandoned_close()
            # Asked each time, not only when nothing comes: a peer may go on sending for ever.
            if session.closing.deadline is not None and session.closing.deadline.is_expired:
                session.abort()
            if session.is_aborted:
                return False
            if inbox.has_messages:
                self._deliver_waiting()
            if role.is_wanted and not role.is_needed:
                raise GivesWay
            is_paused = inbox.is_full and not session.closing.is_discarding
            if is_paused is not session.is_paused:
                session.note_pause(is_paused)
            if session.silence is not None:
                if self._is_silent(session.silence):
                    return False
                # That has looked into the socket, and may have taken a wake-up for what is asked above.
                continue
            if self.decoder.has_more and not is_paused:
                if session.outbox.has_posted:
                    session.outbox.flush_without_waiting()
                self.undecoded.append(b"")
                return True
            if self.may_have_more and not is_paused:
                if self._receive():
                    return True
                self._check_time()
                continue
            if self._is_lasting or is_paused:
                ready = self._wait(0 if is_paused else READABLE, session.closing.deadline or FOREVER)
            else:
                ready = self._wait(READABLE, session.closing.deadline or Deadline(_IDLE_SECONDS))
                if not ready and not role.is_needed:
                    raise GivesWay
            # Whoever changes anything of what is asked above wakes this thread.
            if ready == READABLE and self.fetch():
                return True
        return False

    def _check_time(self) -> None:
        if self.until is not None and self.until.is_expired:
            raise GivesWay

    def _wait(self, interest: int, deadline: Deadline) -> int:
        """Wait for the transport, a wake-up or the deadline; return what is ready."""
        session = self.session
        if self.until is not None:
            self._check_time()
            deadline = deadline.sooner(self.until)
        if session.outbox.has_posted and interest & READABLE and session.outbox.has_cut:
            # Not every system tells a select of a shutdown by its own side: Windows' may wait for ever.
            self.may_have_more = True
            return 0
        if (session.outbox.has_posted or session.transport.has_unsent) and not session.outbox.flush_without_waiting():
            interest |= WRITABLE
        ready = self.readiness.wait(interest, deadline)
        if ready & WOKEN:
            session.waker.clear()
        if ready & READABLE & interest:
            self.may_have_more = True
        return ready

    def _is_silent(self, silence: Silence) -> bool:
        """Fail the connection if the peer is gone; return whether it is."""
        session = self.session
        # This process may have slept, and the answer lie in the socket.
        self._wait(READABLE, Deadline(0.0))
        # Only now: a thread whose time is over has left the wait, and leaves this to the next.
        session.silence = None
        if session.is_paused or self.may_have_more or session.inbound.total_bytes != silence.received_bytes:
            return False
        return session.take_silence(silence.reason)

    def _linger(self) -> None:
        """Push out our Close frame and let the peer end TCP; what it still sends is thrown away (RFC 6455 7.1.1)."""
        session = self.session
        soon = self._lingers_until = self._lingers_until or Deadline(closing.LINGER_SECONDS)
        latest = session.closing.deadline or soon
        while not self.is_at_end and not session.is_aborted and not latest.is_expired:
            self._deliver_waiting()
            is_idle = session.outbox.is_idle
            if is_idle and soon.is_expired:
                return
            if self.may_have_more:
                self._receive()
                self.undecoded.clear()
                self._check_time()
            else:
                # Not idle may be a moment old: who sends tells nobody here that all is out.
                self._wait(READABLE, soon if is_idle or not soon.is_expired else latest)

    # What comes.

    def _receive(self) -> bool:
        """As fetch(), after what is to be sent."""
        session = self.session
        if session.outbox.has_posted or session.transport.has_unsent:
            # Also under a server that never pauses, for which nothing ever waits.
            session.outbox.flush_without_waiting()
        return self.fetch()

    def fetch(self) -> bool:
        """Put what the transport has into `undecoded`; return whether there was any. Notes the end of the stream."""
        if self.is_at_end:
            # Where an interruption has cut the connection the system may hold what does not fit to what came before.
            self.may_have_more = False
            return False
        session = self.session
        transport = session.transport
        undecoded = self.undecoded
        room = self.decoder.room
        size = len(room) if room is not None else self._large_size() if self._large_reads else SMALL_BYTES
        try:
            if not (transport.keep(undecoded, size) if room is None else _fill(transport, room, undecoded)):
                # TLS inside TLS may have stopped in the middle of what the inner one holds.
                self.may_have_more = transport.has_buffered
                return False
        except OSError as exc:
            if exc.errno is None and not isinstance(exc, WebSocketError):
                # A signal handler's, which came in that moment: what the system says has a number.
                raise
            # After the Close frames, or a violation, the peer may end TCP as it likes.
            if not self.decoder.is_dead and not session.closing.is_discarding:
                # A reset may be the peer's answer to a frame of ours that was cut.
                session.loss = session.outbox.given_up or without_frames(lost_connection(exc))
            self.is_at_end = True
            self.may_have_more = False
            return False
        count = len(undecoded[0])
        # A full read has left more behind, most likely; so has TLS when it holds another record.
        self.may_have_more = count == size or transport.has_buffered
        if not count:
            self.is_at_end = True
            undecoded.clear()
            return False
        if room is not None:
            if size > transport.most_bytes // 2:
                # Of the next frame, as large, the beginning is enough: the rest is put where it belongs.
                self._large_reads = 0
        elif count >= SMALL_BYTES:
            self._large_reads = _SMALL_READS
        elif self._large_reads:
            self._large_reads -= 1
        return True

    def _large_size(self) -> int:
        """Return how much to ask for, when much has come.

        Less for small frames: all that one read brings is delivered before anything else is checked.
        """
        tally = self.decoder.tally
        count = tally.whole + tally.begun + tally.controls
        frames, self._told_frames = count - self._told_frames, count
        return MANY_BYTES if frames > _FEW_FRAMES or not self._takes_much else self.session.transport.most_bytes


def _fill(transport: Transport, room: memoryview, undecoded: deque[bytes | memoryview]) -> bool:
    """As Transport.keep, into the decoder's own buffer: an interruption may lose what came."""
    data = transport.receive_into(room)
    if data is None:
        return False
    undecoded.append(data)
    return True
