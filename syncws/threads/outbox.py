"""Sending: who may write to the transport, and what goes out in which order.

May import errors and net. Every thread sends through it; the reader posts its pongs and Close frames and never waits.

The plan. There is no queue of messages. Whoever sends takes the writer role, a lock that is waited for with a deadline,
and pushes its own frame out; so memory is bounded by construction, each sender has its own time limit and gets its own
error. What may be left for others is small and fixed: the latest pong, one Close frame, and the rest of one frame whose
sender's time ran out in the middle of it. Those go first, at the next frame boundary, by whoever holds the role; when
nobody does, the reader pushes them as far as it can without waiting.

The rule for handing over: post first, then try for the role; release the role first, then look for what was posted.
Whichever comes first, one of the two sees the other.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator

from syncws.errors import (
    ConnectionLostError,
    HResultError,
    InvalidOperationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
)
from syncws.hresult import HResult
from syncws.net.connector import lost_connection
from syncws.net.deadline import Deadline
from syncws.net.readiness import WOKEN, WRITABLE, Readiness, Waker, make_readiness
from syncws.net.transport import Transport

__all__ = ["Outbox"]

# How long the reader lets a sender, which has been woken, leave before it goes on without it.
_LEAVE_SECONDS = 1.0
_NOTHING = memoryview(b"")


class Outbox:
    """The sending half of a connection."""

    __slots__ = (
        "_close_frame",
        "_has_posted_close",
        "_is_inside",
        "_is_uncertain",
        "_on_leftover",
        "_pong",
        "_readiness",
        "_rest",
        "_retire",
        "_role",
        "_shut_reason",
        "_transport",
        "_waker",
    )

    def __init__(self, transport: Transport, on_leftover: Callable[[], None]) -> None:
        """Make an outbox.

        Args:
            transport: where frames go.
            on_leftover: called when a sender gave up in the middle of a frame: the reader must push the rest.
        """
        self._transport = transport
        self._on_leftover = on_leftover
        self._role = threading.RLock()
        self._rest = _NOTHING
        # One place only: appending to a full one drops what was there, in one step.
        self._pong: deque[bytes] = deque(maxlen=1)
        self._close_frame: bytes | None = None
        self._has_posted_close = False
        self._shut_reason: HResultError | None = None
        self._is_inside = False
        self._is_uncertain = False
        self._retire: Callable[[], None] | None = None
        # Made when a send has to wait for the first time: most connections never need them.
        self._waker: Waker | None = None
        self._readiness: Readiness | None = None

    def send(self, frame: bytes, pieces: Iterator[bytes] | None, timeout: float | None) -> None:
        """Send one data frame, whole, before any other frame.

        Args:
            frame: the frame, or its first piece.
            pieces: the rest of it, None when there is none.
            timeout: seconds to wait for the role, and again for each piece; None for ever.

        Raises:
            OperationTimedOutError: the peer did not read in time (0x80072EE2); `is_queued` tells whether part of the
                frame had gone, in which case the rest will follow it.
            OperationCanceledError: closing began while this waited (0x80072EF1).
            ObjectClosedError: closing has begun (0x80000013).
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF).
        """
        deadline = None
        is_nested = False
        # The role is taken and given back inside `try`: it knows its owner, so whatever interrupts this thread, and
        # wherever, `finally` knows whether there is something to give back.
        try:
            if not self._role.acquire(False):
                deadline = Deadline(timeout)
                self._wait_for_role(deadline)
            if self._is_inside:
                is_nested = True
                self._role.release()
                raise InvalidOperationError("a signal handler cannot send while it interrupts a send")
            self._is_inside = self._is_uncertain = True
            if self._rest or self._pong or self._has_posted_close or self._transport.has_unsent:
                deadline = deadline or Deadline(timeout)
                self._drain(deadline)
            if self._has_posted_close or self._shut_reason is not None:
                raise self._closed_error()
            # The common case, a frame that goes at once, without a call too many.
            sent = self._transport.send(frame)
            if sent != len(frame) or pieces is not None or self._transport.has_unsent:
                self._rest = memoryview(frame)[sent:]
                self._send_rest(pieces, deadline or Deadline(timeout), timeout, has_begun=sent > 0)
            self._is_uncertain = False
        except HResultError:
            self._is_uncertain = self._is_uncertain and is_nested
            raise
        except OSError as exc:
            raise self._broken(exc) from exc
        except BaseException:
            self._give_up_if_uncertain()
            raise
        finally:
            try:
                # _leave_role, spelled out.
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
                or self._rest
                or self._close_frame is not None
                or self._retire is not None
                or self._transport.has_unsent
            ):
                self._after_release()

    def post_pong(self, frame: bytes) -> None:
        """Leave a Pong for the next frame boundary, in the place of one that has not gone yet (RFC 6455 5.5.3)."""
        self._pong.append(frame)
        self.flush_without_waiting()

    def post_close(self, frame: bytes) -> None:
        """Leave the Close frame for the next frame boundary; no data frame goes after it."""
        self._close_frame = frame
        self._has_posted_close = True
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
                self._is_inside = self._is_uncertain = True
                is_out = self._drain(None)
                self._is_uncertain = False
                if not is_out:
                    return False
            except OSError as exc:
                # The reason is kept for the next sender; the reader finds the end of the connection by itself.
                self._broken(exc)
                return True
            except BaseException:
                self._give_up_if_uncertain()
                raise
            finally:
                try:
                    self._leave_role(is_nested)
                except BaseException:
                    # An interruption of that: once more.
                    self._leave_role(is_nested)
                    raise
                if self._retire is not None:
                    self._after_release()
        return True

    @property
    def is_idle(self) -> bool:
        """True when nothing is left to push out."""
        return not self._has_work

    @property
    def _has_work(self) -> bool:
        return bool(self._rest) or bool(self._pong) or self._close_frame is not None or self._transport.has_unsent

    def shut(self, reason: HResultError) -> None:
        """End sending: whoever waits, and whoever comes, gets `reason`. The first reason stays. Never waits."""
        if self._shut_reason is None:
            self._shut_reason = reason
        waker = self._waker
        if waker is not None:
            waker.wake()

    def retire(self, close_transport: Callable[[], None]) -> None:
        """Close the transport as soon as no sender uses it; the reader calls it last, after shut().

        Senders leave at once, for shut() has woken them; a thread that the system does not run for a second closes
        the transport itself when it leaves.
        """
        self._retire = close_transport
        try:
            if self._role.acquire(timeout=_LEAVE_SECONDS):
                self._close_once()
        finally:
            self._leave_role(False)

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
            if self._waker is not None:
                self._waker.close()

    def _wait_for_role(self, deadline: Deadline) -> None:
        # A lock cannot be woken, but whoever holds the role can, and hands it on.
        remaining = deadline.remaining
        if not self._role.acquire(timeout=-1 if remaining is None else remaining):
            raise OperationTimedOutError("other senders held the connection for longer than control.send_timeout")

    def _closed_error(self) -> HResultError:
        reason = self._shut_reason
        if reason is None:
            return ObjectClosedError("the connection is closing: nothing can be sent any more")
        # A fresh one: an exception that is raised twice gathers the tracebacks of both.
        error = type(reason)(reason.message, hresult=reason.hresult)
        error.__cause__ = reason
        return error

    def _leave_role(self, is_nested: bool) -> None:
        """Give the role back if this thread has it, and did not have it before."""
        if is_nested:
            return
        while self._role._is_owned():  # type: ignore[attr-defined]
            self._is_inside = False
            self._role.release()

    def _give_up_if_uncertain(self) -> None:
        """After an interruption other than in a wait nobody knows what has gone: give the connection up."""
        if self._is_uncertain:
            self._transport.abort()
            self.shut(ConnectionLostError("sending was interrupted in the middle of a frame"))
            self._rest = _NOTHING
            self._is_uncertain = False

    def _broken(self, error: OSError) -> HResultError:
        """Note that the transport is gone; return the error for the sender."""
        self._is_uncertain = False
        self._rest = _NOTHING
        self._pong.clear()
        self._close_frame = None
        self.shut(lost_connection(error))
        return self._closed_error()

    def _send_some(self) -> bool:
        """Send from the front of what is left; return whether the transport took any."""
        sent = self._transport.send(self._rest)
        self._rest = self._rest[sent:]
        return sent > 0

    def _drain(self, deadline: Deadline | None) -> bool:
        """Push out what is left over, then pong, then Close; requires the role.

        Returns:
            False when there is no deadline to wait under and the transport takes no more.
        """
        while True:
            if self._rest:
                if self._send_some():
                    continue
            elif self._transport.flush():
                # A frame boundary.
                if self._pong:
                    self._rest = memoryview(self._pong.popleft())
                elif self._close_frame is not None:
                    self._rest, self._close_frame = memoryview(self._close_frame), None
                else:
                    return True
                continue
            if deadline is None:
                return False
            self._wait_writable(deadline)

    def _send_rest(
        self, pieces: Iterator[bytes] | None, deadline: Deadline, timeout: float | None, *, has_begun: bool
    ) -> None:
        """Send what is left of a data frame, waiting; requires the role."""
        unsent = len(self._rest)
        try:
            self._push_rest(deadline)
            has_begun = True
            if pieces is not None:
                for piece in pieces:
                    self._rest = memoryview(piece)
                    # Each piece has the whole time: a large message on a slow line is no stalled peer.
                    deadline = Deadline(timeout)
                    self._push_rest(deadline)
            while not self._transport.flush():
                self._wait_writable(deadline)
        except (OperationTimedOutError, OperationCanceledError) as exc:
            self._give_up(exc, pieces, has_begun=has_begun or len(self._rest) < unsent)
            raise
        except OSError:
            raise
        except BaseException as exc:
            # Only an interruption of a wait, when all is noted.
            if not self._is_uncertain:
                self._is_uncertain = True
                self._give_up(exc, pieces, has_begun=has_begun or len(self._rest) < unsent)
                self._is_uncertain = False
            raise

    def _push_rest(self, deadline: Deadline) -> None:
        while self._rest:
            if not self._send_some():
                self._wait_writable(deadline)

    def _give_up(self, error: BaseException, pieces: Iterator[bytes] | None, *, has_begun: bool) -> None:
        """Leave the rest of a frame that has begun to whoever sends next; forget one that has not."""
        if self._shut_reason is not None or not has_begun:
            self._rest = _NOTHING
            return
        self._rest = memoryview(b"".join([self._rest, *(pieces or ())]))
        if isinstance(error, OperationTimedOutError):
            error.is_queued = True

    def _wait_writable(self, deadline: Deadline) -> None:
        if self._readiness is None or self._waker is None:
            self._waker = Waker(threading.Lock())
            self._readiness = make_readiness(self._transport.fileno(), self._waker.fileno())
        # Asked after the waker stands: shut() sets the reason first and then looks for a waker.
        self._check_not_shut()
        # All that has gone is noted: whoever interrupts the wait interrupts nothing else.
        self._is_uncertain = False
        ready = self._readiness.wait(WRITABLE, deadline)
        self._is_uncertain = True
        if ready & WOKEN:
            self._waker.clear()
        self._check_not_shut()
        # Also when it is writable: TLS may want to read first, and would ask again and again.
        if deadline.is_expired:
            raise OperationTimedOutError("the peer read nothing for longer than control.send_timeout")

    def _check_not_shut(self) -> None:
        if self._shut_reason is None:
            return
        if isinstance(self._shut_reason, ConnectionLostError):
            raise self._closed_error()
        raise OperationCanceledError(
            f"sending was ended: {self._shut_reason.message}", hresult=HResult.WININET_E_OPERATION_CANCELLED
        )
