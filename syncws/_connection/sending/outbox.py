"""Sending: who may write to the transport, and what goes out in which order.

May import errors and net. Every thread sends through it; the reader posts its pongs and Close frames and never waits.

The plan. There is no queue of messages. Whoever sends takes the writer role, a lock that is waited for with a deadline,
and pushes its own frame out; so memory is bounded by construction, each sender has its own time limit and gets its own
error. What may be left for others is bounded: the latest pong, one Close frame, and the rest of one message whose
sender's time ran out in the middle of it. Those go first, at the next frame boundary, by whoever holds the role; when
nobody does, the reader pushes them as far as it can without waiting.

A message of several frames gives the role back between them, so that pongs and the Close frame can pass and no lock is
held while the application's code runs; that no other data frame comes in between is what OpenMessage is for.

The rule for handing over: post first, then try for the role; release the role first, then look for what was posted.
Whichever comes first, one of the two sees the other.
"""

import contextlib
import threading
from collections.abc import Callable

from syncws._connection.sending.frame_writer import MAX_KEPT_BYTES, ControlFrame, FrameWriter, Patience
from syncws._connection.sending.open_message import Hold, OpenMessage
from syncws._net.transport import Transport, lost_connection
from syncws._waiting.deadline import Deadline
from syncws._waiting.foreign import is_from_signal_handler
from syncws._waiting.locks import acquire_within
from syncws._wire.large import FramePieces
from syncws.errors import (
    ConnectionLostError,
    IllegalMethodCallError,
    InvalidOperationError,
    OperationTimedOutError,
    WebSocketError,
)

__all__ = ["Outbox"]

# How long the reader lets a sender, which has been woken, leave before it goes on without it.
_LEAVE_SECONDS = 1.0
_TORN = "sending was interrupted in the middle of a frame"


class _OutOfTurn(Exception):
    """Another message was opened at the last moment."""


class Outbox(FrameWriter):
    """The sending half of a connection."""

    __slots__ = ("_is_inside", "_on_leftover", "_retire", "_role")

    def __init__(self, transport: Transport, on_leftover: Callable[[], None]) -> None:
        """Make an outbox.

        Args:
            transport: where frames go.
            on_leftover: called when a sender gave up in the middle of a frame: the reader must push the rest.
        """
        super().__init__(transport)
        self._on_leftover = on_leftover
        self._role = threading.RLock()
        self._is_inside = False
        self._retire: Callable[[], None] | None = None

    def send(
        self, frame: bytes, pieces: FramePieces | None, timeout: float | None, message: OpenMessage | None = None
    ) -> None:
        """Send one data frame, whole, before any other frame.

        Args:
            frame: the frame, or its first piece.
            pieces: the rest of it, None when there is none.
            timeout: seconds to wait for other senders, and again for a peer that takes nothing; None for ever.
            message: the message of several frames that it belongs to, None when it is one by itself.

        Raises:
            OperationTimedOutError: the peer did not read in time (0x80072EE2); `is_queued` tells whether part of the
                frame had gone, in which case the rest will follow it.
            OperationCanceledError: closing began while this waited (0x80072EF1).
            ObjectClosedError: closing has begun (0x80000013).
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF).
            IllegalMethodCallError: another message is open, and waits for the application (0x8000000E).
            InvalidOperationError: this thread is in the middle of another send (0x800710DD).
        """
        deadline = None
        while True:
            if self._open is not message and self._open is not None:
                deadline = deadline or Deadline(timeout)
                self._wait_for_turn(_size(frame, pieces, message), message, deadline)
            try:
                self._send(frame, pieces, timeout, message, deadline)
            except _OutOfTurn:
                continue
            return

    def _send(
        self,
        frame: bytes,
        pieces: FramePieces | None,
        timeout: float | None,
        message: OpenMessage | None,
        deadline: Deadline | None,
    ) -> None:
        patience = None
        is_nested = False
        # The role is taken and given back inside `try`: it knows its owner, so whatever interrupts this thread, and
        # wherever, `finally` knows whether there is something to give back.
        try:
            if not self._role.acquire(False):
                self._wait_for_role(_size(frame, pieces, message), deadline or Deadline(timeout))
            if self._is_inside:
                is_nested = True
                self._role.release()
                raise InvalidOperationError("a signal handler cannot send while it interrupts a send")
            if self._is_uncertain:
                self._cut(_TORN)
            self._is_inside = self._is_uncertain = True
            if (
                self._rest
                or self._pong
                or self._controls
                or self._has_posted_close
                or self._open is not message
                or self._transport.has_unsent
            ):
                patience = Patience(timeout)
                self._drain(patience)
            if self._has_posted_close or self._shut_reason is not None:
                self._is_uncertain = False
                is_under_way = message is not None and message.frames is not None and message.has_begun
                raise self._canceled_error() if is_under_way else self._closed_error()
            if self._open is not None and self._open is not message:
                self._is_uncertain = False
                raise _OutOfTurn
            # The common case, a frame that goes at once, without a call too many.
            sent = self._transport.send(frame)
            if message is not None and sent:
                self._note_begun(message)
            if sent != len(frame) or pieces is not None or self._transport.has_unsent:
                self._rest = memoryview(frame)[sent:]
                self._pieces = pieces
                self._send_rest(patience or Patience(timeout), message, has_begun=sent > 0)
            self._is_uncertain = False
        except WebSocketError as exc:
            if isinstance(exc, ConnectionLostError) and self._is_uncertain and self._has_role:
                raise self._broken(exc) from exc
            # What is raised here is raised when all is noted; a signal handler's may come in the middle of a frame.
            if not is_nested:
                self._give_up_if_uncertain()
            raise
        except OSError as exc:
            if self._is_foreign(exc):
                self._give_up_if_uncertain()
                raise
            raise self._broken(exc) from exc
        except BaseException:
            self._give_up_if_uncertain()
            raise
        finally:
            try:
                # _leave_role, spelled out: where the stack is at its end nothing of Python can be called.
                if not is_nested and self._role._is_owned():  # type: ignore[attr-defined]
                    self._is_inside = False
                    self._role.release()
            except BaseException:
                # An interruption of that: once more.
                self._leave_role(is_nested)
                raise
            # _has_work, spelled out: this is the path of every message.
            if (
                self._pong
                or self._controls
                or self._rest
                or self._close_frame is not None
                or self._retire is not None
                or self._open is not None
                or self._transport.has_unsent
            ):
                self._after_release()

    def leave(self, message: OpenMessage, error: BaseException | None) -> None:
        """Say that the sender of an open message gives up, between two of its frames; only the sender calls it.

        After a time-out what remains is kept, where that is possible; otherwise the message will never be finished.

        Args:
            message: the message.
            error: what send() raised; None when it is the application that gives up.
        """
        if self._open is not message:
            return
        is_kept = False
        if isinstance(error, OperationTimedOutError):
            is_kept = message.frames is not None and message.frames.detach(MAX_KEPT_BYTES)
            # Part of a message that will never be whole is as good as nothing.
            error.is_queued = is_kept
        message.hold = Hold.LEFT if is_kept else Hold.BROKEN
        message.wake()
        if not self.flush_without_waiting():
            self._on_leftover()

    def post_pong(self, frame: bytes) -> None:
        """Leave a Pong for the next frame boundary, in the place of one that has not gone yet (RFC 6455 5.5.3)."""
        self._pong.append(frame)
        self.flush_without_waiting()

    def post_control(self, control: ControlFrame) -> None:
        """Leave a Ping, or a Pong that nobody asked for, for the next boundary; whoever posts wakes the reader."""
        self._controls.append(control)

    def withdraw_control(self, control: ControlFrame) -> None:
        """Take back what post_control() was given, if it has not gone yet."""
        with contextlib.suppress(ValueError):
            self._controls.remove(control)

    def post_close(self, frame: bytes, why: str = "") -> None:
        """Leave the Close frame for the next frame boundary; no data frame goes after it, `why` tells senders."""
        self._why_closing = why
        self._close_frame = frame
        self._has_posted_close = True
        self._wake_turn()
        self.flush_without_waiting()

    def flush_without_waiting(self) -> bool:
        """Push out what was posted or left over.

        Returns:
            False when there is more, and it needs the transport to be writable: the reader sees to it. True when
            all is out, or whoever holds the role will do it.
        """
        while self._has_work:
            is_nested = False
            try:
                if not self._role.acquire(False):
                    return True
                if self._is_inside:
                    # In a signal handler that interrupted this thread's own send, which will look.
                    is_nested = True
                    self._role.release()
                    return True
                if self._shut_reason is not None:
                    return True
                if self._is_uncertain:
                    self._cut(_TORN)
                self._is_inside = self._is_uncertain = True
                is_out = self._drain(None)
                self._is_uncertain = False
                if not is_out:
                    return False
            except OSError as exc:
                if self._is_foreign(exc):
                    self._give_up_if_uncertain()
                    raise
                # The reason is kept for the next sender.
                self._broken(exc)
                return True
            except BaseException:
                self._give_up_if_uncertain()
                raise
            finally:
                try:
                    # _leave_role, spelled out: where the stack is at its end nothing of Python can be called.
                    if not is_nested and self._role._is_owned():  # type: ignore[attr-defined]
                        self._is_inside = False
                        self._role.release()
                except BaseException:
                    # An interruption of that: once more.
                    self._leave_role(is_nested)
                    raise
                if self._retire is not None:
                    self._after_release()
        return True

    @property
    def is_interrupted_here(self) -> bool:
        """True in a signal handler that interrupted this thread's own send: only its return lets that go on."""
        return self._is_inside and self._has_role

    @property
    def is_broken(self) -> bool:
        """True when sending has found out that the connection is lost, or has cut it."""
        return isinstance(self._shut_reason, ConnectionLostError)

    @property
    def is_idle(self) -> bool:
        """True when nothing is left to push out."""
        return not self._has_work

    def retire(self, close_transport: Callable[[], None]) -> None:
        """Close the transport as soon as no sender uses it; the reader calls it last, after shut().

        Senders leave at once, for shut() has woken them; a thread that the system does not run for a second closes
        the transport itself when it leaves. So does one that was not woken because the program ends, if it ever does.
        """
        self._retire = close_transport
        try:
            if self._role.acquire(timeout=0 if self.is_quiet else _LEAVE_SECONDS):
                self._close_once()
        finally:
            self._leave_role(False)

    def _let_go_in_child(self, error: WebSocketError) -> None:
        """See net.inherited: whoever sends gets `error`."""
        message = self._open
        self._shut_reason = error
        self._role = threading.RLock()
        self._is_inside = self._is_uncertain = False
        self._open = self._retire = self._close_frame = None
        self._has_posted_close = False
        self._pong.clear()
        self._waiting = {}
        self._forget_rest()
        if message is not None:
            message.wake()

    def _after_release(self) -> None:
        """Look for what was posted while the role was held, and for whether this was the last sender."""
        if self._retire is not None:
            try:
                if self._role.acquire(False):
                    self._close_once()
            finally:
                self._leave_role(False)
        elif not self.flush_without_waiting():
            self._on_leftover()

    def _close_once(self) -> None:
        """Close the transport; requires the role."""
        close_transport, self._retire = self._retire, None
        if close_transport is not None:
            close_transport()
            # Buffers of the application's are not held for as long as it holds the socket.
            self._forget_rest()
            self._open = None
            if self._waker is not None:
                self._waker.close()

    def _wait_for_turn(self, size: int, message: OpenMessage | None, deadline: Deadline) -> None:
        """Wait until no other message is open, or is one that whoever sends next goes on with."""
        own = threading.get_ident()
        while True:
            current = self._open
            if current is None or current is message or current.hold is Hold.LEFT:
                return
            if self._has_posted_close or self._shut_reason is not None:
                raise self._closed_error()
            if current.hold is Hold.APPLICATION:
                raise IllegalMethodCallError("a message that send_nonfinal_frame began must be finished first")
            if current.hold is Hold.BROKEN:
                raise IllegalMethodCallError("a message was given up in the middle of it: only closing is left")
            if current.owner == own:
                raise InvalidOperationError("a write cannot send from its own progress callback")
            if deadline.is_expired:
                raise OperationTimedOutError("another sender's message took longer than control.send_timeout")
            self._waiting[own] = size
            try:
                current.wait(lambda: self._is_passed(current), deadline.remaining)  # noqa: B023 - called at once
            finally:
                self._waiting.pop(own, None)

    def _is_passed(self, message: OpenMessage) -> bool:
        is_over = self._has_posted_close or self._shut_reason is not None
        return is_over or self._open is not message or message.hold is not Hold.BUSY

    def _wait_for_role(self, size: int, deadline: Deadline) -> None:
        # A lock cannot be woken, but whoever holds the role can, and hands it on.
        own = threading.get_ident()
        role = self._role
        try:
            self._waiting[own] = size
            # In a child that a signal handler has forked there is another role, and nobody who gives up this one.
            if not acquire_within(role, deadline.remaining, lambda: self._role is not role):
                if self._role is not role:
                    raise self._closed_error()
                raise OperationTimedOutError("other senders held the connection for longer than control.send_timeout")
        finally:
            self._waiting.pop(own, None)

    @property
    def _has_role(self) -> bool:
        return self._role._is_owned()  # type: ignore[attr-defined, no-any-return]

    def _leave_role(self, is_nested: bool) -> None:
        """Give the role back if this thread has it, and did not have it before."""
        if is_nested:
            return
        while self._has_role:
            self._is_inside = False
            self._role.release()

    def _give_up_if_uncertain(self) -> None:
        """After an interruption other than in a wait nobody knows what has gone: give the connection up."""
        # Without the role this thread was only about to send; what is uncertain then is another's.
        if self._is_uncertain and self._has_role:
            self._cut(_TORN)
            self._is_uncertain = False

    def _is_foreign(self, error: OSError) -> bool:
        """True when an OSError is not the transport's: a signal handler's TimeoutError, say."""
        return not (self._is_uncertain and self._has_role) or is_from_signal_handler(error)

    def _broken(self, error: OSError) -> WebSocketError:
        """Note that the transport is gone; return the error for the sender."""
        self._is_uncertain = False
        if not isinstance(error, ConnectionError):
            # The system has not ended the connection by itself: the reader would go on, and nobody be told.
            self._transport.abort()
        self._forget_rest()
        self._pong.clear()
        self._controls.clear()
        self._close_frame = None
        self.shut(lost_connection(error))
        return self._closed_error()


def _size(frame: bytes, pieces: FramePieces | None, message: OpenMessage | None) -> int:
    """Return how many bytes wait with this frame."""
    return len(frame) + (0 if pieces is None else pieces.remaining) + (0 if message is None else message.unbegun)
