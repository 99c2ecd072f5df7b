"""The session: one open connection, shared by the reader and by every thread that uses the socket object.

Each method says who may call it. What is particular to messages and to a stream stands in message_session and
stream_session.

The session holds the application's object, and through it the handlers, only weakly: the reader keeps the session
alive, and an object that the program has dropped must not be kept alive by its own reader.
"""

import itertools
import threading
import weakref
from collections.abc import Callable, Sequence

from syncws._connection import at_exit, closing
from syncws._connection.closing import ABORT_REASONS, Closing
from syncws._connection.keep_alive import KeepAlive, Silence, UnsolicitedPongs, timers_of
from syncws._connection.monitor import the_monitor
from syncws._connection.owner import Owner
from syncws._connection.pings import Pings
from syncws._connection.receiving.delivery import Delivery
from syncws._connection.receiving.inbox import Inbox
from syncws._connection.receiving.session_role import SessionRole
from syncws._connection.sending.messages import Sending
from syncws._connection.telling import Telling
from syncws._connection.tracing import make_outbox
from syncws._net.opening import Opened, Reached
from syncws._net.transport import Transport
from syncws._waiting.at_fork import forked_error, watch
from syncws._waiting.deadline import Deadline, now
from syncws._waiting.locks import Latch
from syncws._waiting.readiness import Waker
from syncws._wire.closing import CloseState
from syncws._wire.incoming import CloseFrame, Violation
from syncws._wire.tally import Tally
from syncws.control import WebSocketControl
from syncws.enums import CloseCause
from syncws.errors import (
    ConnectionClosedError,
    ConnectionLostError,
    ConnectionOverError,
    IllegalMethodCallError,
    WebSocketError,
    fresh,
)

__all__ = ["Session"]

# As in message_websocket: asking an enumeration for a member takes long.
_LOST, _ABORTED = CloseCause.CONNECTION_LOST, CloseCause.ABORTED
_OPEN = CloseState.OPEN

_numbers = itertools.count(1)


def _nobody() -> None:
    """Stand for the weak reference to the application's object in a forked child."""


class Session(Sending, Telling):
    """State of one connection; the base of the sessions of messages and of a stream.

    Attributes:
        number (int): of the connection, from 1 up; the names of its threads have it.
        transport (Transport): what carries its frames.
        local_address, remote_address (str): the IP addresses, "" where the socket has none.
        proxy (str | None): what it goes through, as it may be shown; None when there is none.
        subprotocol (str): the one that the server chose, "" when none.
        response_headers (HttpHeaders): of the server's answer.
        facts (ConnectFacts): what else the connect has found out.
        owner (Callable): returns the application's object, None once that was dropped.
        role (SessionRole): who reads.
        waker (Waker): wakes whoever waits for the socket.
        inbox (Inbox): what has come and nobody has taken.
        remainder (bytes): what came behind the handshake, which the reader takes over.
        pings (Pings): those that wait for their pongs.
        delivery (Delivery): the watch over handlers, which hands the reading to another thread when one is slow.
        closing (Closing): how far the end has got.
        inbound, outbound (BandwidthMeter): the bytes that moved on the socket itself, those of TLS among them.
        is_aborted (bool): True when TCP was cut from this side, or is to be: whoever reads stops.
        is_abandoned (bool): True when the application's object was dropped: whoever reads closes.
        is_paused (bool): True while the reader stops because the inbox is full.
        resumed_at (float): when this side last began to read again.
        silence (Silence | None): what keep-alive has noticed, for the reader to look at.
        received (Tally): what the reader's decoder counts, once there is one.
        reader_thread (Thread | None): the thread that reads, or was the last to.
        dispatcher_thread (Thread | None): one whose handler was slow: it calls them, and reads no more.
        over (Latch): set when everything was given back, which handlers cannot put off.
        finished (Latch): set when the handlers of closed have returned, too.
        handler_failures (int): how many times a handler has raised.
        discarded_messages (int): those that nobody claimed, where they are dropped.
        began, ended (float): when the connection did, by the clock of _waiting.deadline; `ended` None until then.
    """

    # Here and not in __init__, for most of it never changes.
    is_aborted = is_abandoned = False
    is_paused, resumed_at = False, 0.0
    silence: Silence | None = None
    received = Tally()
    reader_thread: threading.Thread | None = None
    dispatcher_thread: threading.Thread | None = None
    ended: float | None = None
    handler_failures = discarded_messages = 0
    _timers: Sequence[KeepAlive | UnsolicitedPongs] = ()
    # True when end() has come to its end.
    _is_given_back = False
    # True when abort() has ended all waits: nobody is left to be given a reason for the end.
    _has_told_all = False

    def __init__(self, reached: Reached, settings: WebSocketControl, waker: Waker, owner: Owner, inbox: Inbox) -> None:
        """Prepare for a connection that is being made; its reader will wait with `waker`.

        open() or discard() follows, which the connecting thread calls like this.
        """
        self._monitor = the_monitor()
        self.role = SessionRole(self, self._monitor)
        # Weakly, and by a function, for its method would hold this object. Whoever sends holds it too.
        this: Session = weakref.proxy(self)
        outbox = make_outbox(
            reached.transport, self.role.call, self.role.require, lambda error: this.error_of_end(error)
        )
        super().__init__(outbox, settings)
        self.local_address, self.remote_address = reached.local_address, reached.remote_address
        self.proxy = reached.proxy
        self.transport: Transport = reached.transport
        self.owner: Callable[[], Owner | None] = weakref.ref(owner)
        self.waker, self.inbox = waker, inbox
        self.finished = Latch()
        self.closing = Closing()
        self.outbound, self.inbound = reached.socket_transport.outbound, reached.socket_transport.inbound
        self.pings, self.delivery = Pings(self.outbox, self.role.call), Delivery(self._monitor)
        self.over = Latch()

    def open(self, opened: Opened) -> None:
        """Take over a connection on which the handshake is done."""
        result = opened.result
        self.agree(result.agreement)
        self.number, self.remainder = next(_numbers), result.remainder
        self.subprotocol, self.response_headers = result.subprotocol, result.headers
        self.facts, self.began = opened.facts, now()
        watch(self, type(self).let_go_in_child)
        at_exit.add(self)

    def discard(self) -> None:
        """See Prepared.discard."""
        self.role.claim()

    def start(self) -> None:
        """Let the connection be read, by what role.reader says.

        Raises:
            CannotConnectError: no thread can be started (0x80072EFD).
        """
        if not self.role.begin():
            self.start_timers()

    @property
    def keeps_reader(self) -> bool:
        """True when there is to be a reader thread, whatever comes and whoever pulls."""
        owner = self.owner()
        return self.inbox.has_descriptor or (
            owner is not None and bool(owner._ping_received_event.handlers or owner._pong_received_event.handlers)
        )

    def start_timers(self) -> None:
        """Begin keep-alive, and the pongs that nobody asks for."""
        self._timers = timers_of(self, self._monitor)
        for timer in self._timers:
            timer.start(self.began)
        if self.is_over:
            # It ended just now, and whoever ended it may not have seen these timers.
            self._close_timers()

    def _close_timers(self) -> None:
        self.delivery.close()
        for timer in self._timers:
            timer.close()

    def look_again(self) -> None:
        """Have whoever reads, or waits for what is read, look at what has changed. Any thread."""
        self.role.call()
        self.inbox.wake()

    @property
    def is_on_reader(self) -> bool:
        """True when the calling thread is the reader or the dispatcher, which must not wait for themselves."""
        return threading.current_thread() in (self.reader_thread, self.dispatcher_thread)

    @property
    def is_reading(self) -> bool:
        """False while the reader does not look at what comes: handlers run on it, or the inbox is full."""
        return not self.is_paused and not self.delivery.ticket

    def _cause_unless_lost(self, cause: CloseCause) -> CloseCause | None:
        """Return the `cause` of an end that this side begins; None where it is lost, and the reader notes how."""
        return None if self.outbox.is_broken else cause

    # Receiving and pinging: the program's threads.

    def ping(self, payload: bytes | None, deadline: Deadline) -> float:
        """Send a Ping and wait for its Pong; see Pings.ping.

        Raises:
            IllegalMethodCallError: called in a handler (0x8000000E).
            OperationTimedOutError, ObjectClosedError, ConnectionLostError: as Pings.ping.
        """
        if self.is_on_reader:
            raise IllegalMethodCallError("ping cannot wait inside a handler: it would wait for its own thread")
        self._check_program_goes_on()
        try:
            return self.role.while_read(lambda: self.pings.ping(payload, deadline, self.role.read_while_waiting))
        except ConnectionOverError:
            self.inbox.note_told()
            raise

    def error_of_end(self, error: WebSocketError) -> WebSocketError:
        """Return what a send raises that found the connection over, or closing.

        If TCP is gone the server may have said why before it left. Only the reader finds that, so this waits for it a
        moment, where that can be.
        """
        self.inbox.note_told()
        if not isinstance(error, ConnectionLostError):
            return error
        if not (self.is_over or self.is_exiting or self.is_paused or self.is_on_reader or self.role.is_held_here):
            soon = Deadline(closing.LOSS_SECONDS).within(self.outbox.send_timeout)
            self.role.while_read(lambda: self.over.wait_until(soon, self.role.read_while_waiting))
        if not self.is_over:
            return error
        return self.with_end(error) if self.closing.cause is _LOST else self._reason_for_senders(self.closing.state)

    # Closing: any thread, several at once.

    def close(self, code: int | None, reason: str, timeout: float | None) -> None:
        """Do the closing handshake within `timeout` seconds.

        Only begin it on the reader thread, and in a signal handler that interrupted this thread's own send.
        """
        deadline = Deadline(timeout)
        # Each would wait for its own thread: for the handler's return, or for what it is sending or taking in.
        may_wait = not (self.is_on_reader or self.outbox.is_interrupted_here or self.role.is_held_here)
        try:
            self._post_close(self.closing.start(code, reason, deadline, self._cause_unless_lost(CloseCause.LOCAL)))
            self._end_waits(self.with_end(ConnectionClosedError("the socket was closed: no pong will come")))
            deadline = deadline.sooner(self.closing.deadline or deadline)
            if may_wait:
                self.role.read_to_end(deadline)
        finally:
            self.role.call()
        if not may_wait:
            return
        if not self.over.wait_until(deadline, self.role.read_while_waiting):
            self.abort()
            deadline = Deadline(closing.ABORT_SECONDS)
        self.wait_finished(deadline.within(closing.HANDLERS_SECONDS))

    def _post_close(self, frame: bytes | None, reason: WebSocketError | None = None) -> None:
        if frame is not None:
            self.outbox.post_close(frame, reason or self.closed_error("the connection is closing"))

    def abort(self) -> None:
        """Cut the connection. Takes no lock that a stuck thread can hold, and never waits."""
        # A loss is noted at once here: the reader looks no further.
        cause = _LOST if self.outbox.is_broken else _ABORTED
        is_first = self.closing.note(cause)
        self.closing.is_discarding = True
        self.is_aborted = True
        reasons: Sequence[WebSocketError] = ABORT_REASONS
        if not is_first or cause is not _ABORTED:
            reasons = [self.with_end(fresh(reason)) for reason in reasons]
        for_pings, for_senders = reasons
        self._end_waits(for_pings)
        self.outbox.shut(for_senders)
        self._has_told_all = True
        self.transport.abort()
        self.role.finish_or_call(self)

    def _end_waits(self, reason: WebSocketError) -> None:
        """End all waits for messages and, with `reason`, for pongs."""
        if not self.is_exiting:
            self.inbox.end(keep=not self.closing.is_discarding)
            self.pings.end(reason)

    def abandon(self) -> None:
        """Say that the application's object was dropped; the reader closes.

        The garbage collector may call it on any thread, in the middle of anything, even while that thread holds one of
        this session's locks: so it takes none but the waker's, which may be taken twice.
        """
        self.is_abandoned = True
        self.waker.wake()
        # No thread is started here; if one reads it has been woken.
        the_monitor().call_soon(self.role.call)

    def begin_abandoned_close(self) -> None:
        """Close with 1001 for an object that was dropped; the reader calls it. A second at most."""
        deadline = Deadline(closing.ABANDON_SECONDS)
        self._post_close(self.closing.start(1001, "", deadline, self._cause_unless_lost(CloseCause.DROPPED)))

    def wait_closed(self, deadline: Deadline) -> bool:
        """Wait until the connection is over and the Closed handlers have returned; return whether it is.

        Raises:
            IllegalMethodCallError: called on the reader thread, that is in a handler (0x8000000E).
        """
        if self.is_on_reader and not self.finished.is_set():
            raise IllegalMethodCallError("wait_closed cannot wait inside a handler: it would wait for its own thread")
        is_over = self.role.while_read(lambda: self.wait_finished(deadline))
        if is_over:
            self.inbox.note_told()
        return is_over

    def wait_finished(self, deadline: Deadline) -> bool:
        """Wait as wait_closed(), without asking where; outside of handlers the connection's threads are gone then."""
        if not self.finished.wait_until(deadline, self.role.read_while_waiting):
            return False
        if not self.is_on_reader:
            for thread in (self.dispatcher_thread, self.reader_thread, self.role.starting):
                # To set `finished` was its last act but one; a moment later the thread is gone.
                if thread is not None and thread.is_alive():
                    thread.join(deadline.remaining)
            self._monitor.wait_ended(deadline)
        return True

    # The end of the program, and a fork: see at_exit.py and _waiting.at_fork.

    def begin_exit(self) -> None:
        """Send the Close frame without waiting, and tell nobody of anything any more; the main thread calls it."""
        self.is_exiting = self.role.is_closed = True
        self.inbox.stop_pulling()
        self.outbox.fall_silent()
        self.closing.is_discarding = True
        try:
            frame = self.closing.start(1001, "", None, self._cause_unless_lost(CloseCause.LOCAL))
            if frame is not None:
                self.outbox.post_close(frame, ConnectionClosedError("the connection is closing: the program ends"))
        finally:
            self.waker.wake()

    def _check_program_goes_on(self) -> None:
        """Raise for a receive that would wait while the program ends; a daemon thread need not hear of it."""
        if self.is_exiting:
            at_exit.stay_quiet()
            raise ConnectionClosedError("the connection is closed: the program ends")

    def let_go_in_child(self) -> None:
        """In a forked child: the connection is over here, and only those who use it find out."""
        error = forked_error()
        self.transport.let_go_in_child()
        self.waker.let_go_in_child()
        self.closing.let_go_in_child()
        self.role.let_go_in_child()
        self.outbox.let_go_in_child(error)
        self.inbox.let_go_in_child()
        self.pings.let_go_in_child(error)
        if not self.finished.is_set():
            self.loss = error
        self.is_aborted = True
        self.ended = self.ended or now()
        # The fork may have been in a slow handler: the reader that its thread would wait for is not here.
        self.over, self.finished = Latch(), Latch()
        self.is_over = self._is_given_back = True
        self.over.set()
        self.owner = _nobody
        self.reader_thread = self.dispatcher_thread = None
        self.finished.set()

    # The reader's side.

    def take_close(self, frame: CloseFrame) -> None:
        """Answer the peer's Close frame."""
        self._end_input(self.closing.take_close(frame, self.settings.close_timeout))

    def take_violation(self, violation: Violation) -> None:
        """Fail the connection for what the peer did."""
        frame = self.closing.take_violation(violation, self.settings.close_timeout)
        if not self.closing.is_discarding:
            self.loss = violation.error
        self._end_input(frame)

    def take_silence(self, reason: str) -> bool:
        """Fail the connection because nothing comes; return False when it is closing already.

        It is over as soon as where the peer is only to end TCP: whoever is gone answers no Close frame.
        """
        deadline = Deadline(closing.LINGER_SECONDS).within(self.settings.close_timeout)
        frame = self.closing.take_silence(reason, deadline)
        if frame is None:
            return False
        if not self.closing.is_discarding:
            self.loss = ConnectionLostError(reason)
        self._end_input(frame)
        return True

    def _end_input(self, frame: bytes | None) -> None:
        """Post our Close frame, and say that nothing more will come; the end of TCP may be some time away."""
        reason = self._reason_for_senders(self.closing.state)
        # A failure is told alike now and once it is over.
        self._post_close(frame, None if self.loss is None else reason)
        self._end_waits(reason)

    def cut(self) -> None:
        """Cut the connection for what this side has lost of it; end() follows."""
        self.closing.note(_LOST)
        # First, for a send would take the cut for the peer's doing.
        self.outbox.shut(self._reason_for_senders(self.closing.state))
        self.transport.abort()

    def note_pause(self, is_paused: bool) -> None:
        """Note that the reader stops, or goes on: meanwhile it could hear nothing."""
        self.is_paused = is_paused
        self.resumed_at = now()

    @property
    def is_unclaimed(self) -> bool:
        """True when messages may come and neither a handler nor a receive takes them."""
        return False

    def deliver_one(self) -> bool:
        """Deliver one waiting message; return whether there was one."""
        return False

    def deliver_all(self) -> None:
        """Deliver what waits, as long as there are handlers."""
        while self.deliver_one():
            pass

    def give_up(self) -> None:
        """Note that the handlers' thread ends, because a handler raised something that is not an Exception."""
        self.closing.note(CloseCause.HANDLER)
        self.closing.is_discarding = True

    def end(self, *, may_wait: bool = True) -> None:
        """Give everything back; the reader's last act, whatever ended it. Does nothing when that is done.

        An interruption, which only the main thread knows, leaves it to be called again.

        Args:
            may_wait: False when senders, which have been woken, are not to be waited for.
        """
        if self._is_given_back:
            return
        # After an abort nobody is told any more, so the state, which takes a lock, need not be asked for.
        state = _OPEN if self._has_told_all else self.closing.state
        if self.loss is None and not self.closing.is_discarding and state in (_OPEN, CloseState.CLOSE_SENT):
            self.loss = self.outbox.loss or ConnectionLostError("the server ended the connection without a Close frame")
        self.closing.note(_LOST)
        is_done = False
        try:
            reason = None if self._has_told_all else self._reason_for_senders(state)
            if reason is not None:
                self.outbox.shut(reason)
            self.outbox.retire(self._close_transport, may_wait=may_wait)
            if reason is not None:
                self._end_waits(reason)
            is_done = True
        finally:
            if is_done or threading.current_thread() is not threading.main_thread():
                # Nobody waits with it any more, and a handler that never returns would keep its descriptors.
                self.waker.close()
                self.ended = now()
                self.is_over = True
                self._close_timers()
                self.delivery.bell.ring()
                self.over.set()
                self._is_given_back = True

    def finish(self) -> None:
        """Raise Closed; the last act of the thread that calls the handlers."""
        self.end()
        try:
            if not self.is_exiting:
                self._raise_last_events()
        finally:
            # Also when a handler ends the thread by SystemExit.
            self.finished.set()
            self.role.close()

    def _close_transport(self) -> None:
        if not self.is_aborted and self.outbox.is_idle:
            self.transport.end_output()
        self.transport.close()
        if self.compression is not None:
            self.compression.deflater.forget()

    def _raise_last_events(self) -> None:
        """Tell the application's object, if it is still there, that the connection is over."""
        owner = self.owner()
        if owner is not None:
            self.handler_failures += owner._raise_closed(self.closing)
