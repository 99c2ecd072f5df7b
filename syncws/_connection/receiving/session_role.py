"""The reading role of one session: when it needs a reader, and the thread that is started then.

Any thread may call what stands here, unless it says otherwise.
"""

import logging
import threading
from typing import TYPE_CHECKING

from syncws._connection.keep_alive import may_begin_later
from syncws._connection.receiving.pulling import Puller
from syncws._connection.receiving.reading_role import ENDED, Hold, ReadingRole
from syncws._connection.receiving.stand_in import stand_in
from syncws._streams.operation import Operation
from syncws._waiting.deadline import Deadline
from syncws._waiting.helper_threads import start, start_thread
from syncws._waiting.readiness import SLICE_SECONDS

if TYPE_CHECKING:
    from syncws._connection.monitor import Monitor
    from syncws._connection.receiving.reader import Reader
    from syncws._connection.session import Session

__all__ = ["SessionRole"]

_logger = logging.getLogger("syncws.reader")

# How long a thread reads at a time for a connection that can have no reader thread.
_STEP_SECONDS = 0.01
# How often a thread that waits for a reader looks whether there is one.
_LOOK_SECONDS = 0.5
# The same where no thread can be started, and another call is reading.
_TURN_SECONDS = 0.01


class SessionRole(ReadingRole):
    """Who reads for a session; holds it until the connection is over.

    Attributes:
        reader (Reader | None): what reads, to the end of the connection; set by the connecting thread, before begin().
        starting (Thread | None): a thread that was started and has not tried to take the token yet.
        is_short_of_threads (bool): True when the last one that was wanted could not be started.
    """

    __slots__ = ("_monitor", "_session", "_starts_timers", "is_short_of_threads", "reader", "starting")

    def __init__(self, session: "Session", monitor: "Monitor") -> None:
        """Make a role that the connect has."""
        super().__init__()
        self._session: Session | None = session
        self._monitor = monitor
        self.is_short_of_threads = self._starts_timers = False
        self.reader: Reader | None = None
        self.starting: threading.Thread | None = None

    def begin(self) -> bool:
        """Let the connection be read; the connecting thread calls it once.

        Where messages go to handlers the reader thread is started at once, else when there is something for it.

        Returns:
            True when the monitor starts the session's timers, at its first look.

        Raises:
            CannotConnectError: no thread can be started (0x80072EFD).
        """
        reader = self.reader
        assert reader is not None
        reader.begin()
        session = reader.session
        session.inbox.puller = Puller(reader)
        self.descriptor = session.transport.fileno()
        self.is_drained = not reader.has_leftover
        del self.holders[None]
        if session.keeps_reader:
            start_thread(self._make_thread(reader))
            return False
        session.inbox.is_pulled = True
        starts_timers = self._starts_timers = may_begin_later(session.settings)
        self._monitor.rounds.add(self)
        if self.is_asked or session.inbox.is_waited_for:
            # A handler of opened has brought what needs a reader, or a thread that receives.
            self.settle()
        return starts_timers

    def look(self, is_readable: bool) -> int:
        """See ReadingRole.look."""
        session = self._session
        if self._starts_timers and session is not None:
            self._starts_timers = False
            session.start_timers()
        return super().look(is_readable)

    def claim(self) -> bool:
        """See ReadingRole.claim."""
        is_claimed = super().claim()
        if is_claimed:
            self.close()
        return is_claimed

    @property
    def needs_thread(self) -> bool:
        """True when there is what only the reader thread does: handlers, and the end of the connection."""
        session = self._session
        return session is not None and (
            session.keeps_reader
            or session.closing.deadline is not None
            or session.closing.is_discarding
            or session.is_aborted
            or session.is_abandoned
            or session.silence is not None
            or session.dispatcher_thread is not None
            or (self.reader is not None and self.reader.is_ended)
        )

    @property
    def is_needed(self) -> bool:
        """See ReadingRole.is_needed."""
        session = self._session
        return session is not None and (bool(self.waiters) or not session.outbox.is_idle or self.needs_thread)

    @property
    def _has_room(self) -> bool:
        session = self._session
        return session is not None and not session.inbox.is_full

    def _wake(self) -> None:
        session = self._session
        if session is not None:
            session.waker.wake()

    def _tell_caller(self) -> None:
        session = self._session
        if session is not None:
            session.inbox.wake()

    def _make_thread(self, reader: "Reader") -> threading.Thread:
        return threading.Thread(target=reader.serve, name=f"syncws-reader-{reader.session.number}", daemon=True)

    def _start(self) -> None:
        reader, starting = self.reader, self.starting
        if reader is None or (starting is not None and starting.is_alive()):
            return
        thread = self.starting = self._make_thread(reader)
        was_short = self.is_short_of_threads
        try:
            start(thread)
        except RuntimeError as exc:
            self.is_short_of_threads = True
            self.starting = None
            # Told once, though it is tried again and again; while the interpreter ends there is nobody left to tell.
            if not was_short and threading.main_thread().is_alive():
                _logger.warning("no thread to read for connection %d: %s", reader.session.number, exc)
        else:
            self.is_short_of_threads = False

    def give_way(self, hold: Hold) -> None:
        """Let a caller read instead of the reader thread, whose last act it is."""
        session = self._session
        assert session is not None
        self.is_wanted = False
        if session.is_paused:
            # The caller has emptied the inbox, and keep-alive is to count again.
            session.note_pause(False)
        session.inbox.is_pulled = True
        self.is_drained = self.reader is not None and not self.reader.has_leftover
        self.forget_looks()
        self._monitor.rounds.add(self)
        self.give_back(hold)
        session.inbox.wake()

    def finish_or_call(self, session: "Session") -> None:
        """Do the rest of an abort: at once, where nobody reads and no handler is to be told, without waiting."""
        owner = session.owner()
        is_told = owner is not None and owner._closed_event.handlers
        hold = Hold()
        try:
            if not (session.is_exiting or session.outbox.is_interrupted_here or is_told) and self.take(hold):
                session.end(may_wait=False)
                session.finish()
        finally:
            if not session.finished.is_set():
                # Not here, or interrupted: the reader thread does it.
                if self.is_held_by(hold):
                    del self.holders[None]
                self.call()

    def read_to_end(self, deadline: Deadline) -> None:
        """Do the rest of a close() on its own thread, where nobody reads and no handler is to be told.

        To start a thread costs more than all of that.
        """
        session, reader = self._session, self.reader
        owner = None if session is None else session.owner()
        if session is None or reader is None or session.keeps_reader or session.is_exiting:
            return
        if session.dispatcher_thread is not None or (owner is not None and owner._closed_event.handlers):
            return
        while not (session.is_over or deadline.is_expired) and stand_in(reader, SLICE_SECONDS):
            pass

    def read_without_thread(self) -> bool:
        """Do a little of the reader thread's work on the thread that waits, where no other could be started.

        Returns:
            False when there is nothing of the kind to do, or another does it.
        """
        reader = self.reader
        return reader is not None and self.is_short_of_threads and self.needs_thread and stand_in(reader, _STEP_SECONDS)

    def read_while_waiting(self, deadline: Deadline) -> Deadline:
        """Read on the thread that waits for what only a reader brings, where no other could be started.

        Returns:
            Until when to wait before this is called again; at once when something was read.
        """
        session = self._session
        puller = None if session is None else session.inbox.puller
        if session is None or puller is None or not self.is_short_of_threads:
            return deadline.within(_LOOK_SECONDS)
        if self.read_without_thread():
            return Deadline(0.0)
        if self.holders or session.inbox.is_full:
            return deadline.within(_TURN_SECONDS)
        # As a receive would: an interruption loses nothing.
        puller.pull(Operation(), deadline)
        session.inbox.wake()
        return Deadline(0.0)

    def read_at_exit(self) -> None:
        """Go on with the closing handshake if no thread does: none can be started any more. Waits for a moment only."""
        if self.reader is not None:
            stand_in(self.reader, _STEP_SECONDS)

    def close(self) -> None:
        """Start no thread any more, and hold nothing of the connection."""
        self._monitor.rounds.remove(self)
        self._forget()

    def let_go_in_child(self) -> None:
        """In a forked child: nobody reads any more, and a thread that is started now does not begin."""
        self.holders = {None: ENDED}
        self._forget()

    def _forget(self) -> None:
        self.is_closed = True
        session = self._session
        self._session = self.reader = None
        if session is not None:
            session.inbox.puller = None
