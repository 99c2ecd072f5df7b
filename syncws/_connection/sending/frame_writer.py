"""Pushing one frame after the other into the transport, waiting where the peer does not read.

Unless it says otherwise, what stands here requires the writer role, which the outbox gives out.
"""

from collections.abc import Callable

from syncws._connection.at_exit import stay_quiet
from syncws._errors.bare import without_frames
from syncws._functions import nothing
from syncws._net.transport import Transport, lost_connection
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import SLICE_SECONDS, WOKEN, WRITABLE, Readiness, Waker, make_readiness
from syncws._wire.large import FramePieces
from syncws._wire.tally import Tally
from syncws.errors import (
    CanceledByCloseError,
    ConnectionClosedError,
    ConnectionLostError,
    ConnectionOverError,
    OperationTimedOutError,
    WebSocketError,
    fresh,
)

__all__ = ["MAX_KEPT_BYTES", "FrameWriter", "Patience"]

_NOTHING = memoryview(b"")
# Never raised itself: each sender gets a copy.
_CLOSING = ConnectionClosedError("the connection is closing")
MAX_KEPT_BYTES = 1 << 20
"""What is kept of a buffer that may change, when its sender gives up in the middle of it."""


class Patience:
    """The time limit of a peer that takes nothing; it starts again with every byte the peer takes."""

    __slots__ = ("_deadline", "_timeout", "_unsent")

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._deadline: Deadline | None = None
        self._unsent = 0

    @property
    def deadline(self) -> Deadline:
        """The deadline of a wait that is to begin."""
        if self._deadline is None:
            self._deadline = Deadline(self._timeout)
        return self._deadline

    def renew(self) -> None:
        """Note that the peer has taken something."""
        self._deadline = None

    def look_at(self, unsent: int) -> None:
        """Note how many bytes the transport holds back."""
        if unsent < self._unsent:
            self.renew()
        self._unsent = unsent


class FrameWriter:
    """The frame under way, and how sending ends.

    Attributes:
        transport (Transport): where bytes go.
        tally (Tally): what has gone.
        has_begun (bool): True when bytes of the frame under way have gone, so that it cannot be taken back.
        has_dropped (bool): True when the end has dropped the rest of a frame, or frames that were left to others.
        is_torn (bool): True while an interruption would leave the number of bytes sent unknown.
        shut_reason (WebSocketError | None): why nothing can be sent any more; None while something can.
        closing_reason (WebSocketError): why closing began, for the senders that it keeps out.
        is_quiet (bool): True when the program ends: waiting senders are not woken, and daemon threads do not raise.
    """

    __slots__ = (
        "_on_wait",
        "_pieces",
        "_readiness",
        "_rest",
        "_waker",
        "closing_reason",
        "has_begun",
        "has_dropped",
        "is_quiet",
        "is_torn",
        "shut_reason",
        "tally",
        "transport",
    )

    def __init__(self, transport: Transport, on_wait: Callable[[], object] = nothing) -> None:
        """Make one with no frame under way; `on_wait` is called before each wait for the peer."""
        self.transport = transport
        self.tally = Tally()
        self._on_wait = on_wait
        # What is left of the piece being sent, and the pieces of the same frame that follow it.
        self._rest = _NOTHING
        self._pieces: FramePieces | None = None
        self.has_begun = self.has_dropped = False
        self.is_torn = False
        self.shut_reason: WebSocketError | None = None
        self.closing_reason: WebSocketError = _CLOSING
        self.is_quiet = False
        # Made when a send has to wait for the first time: most connections never need them.
        self._waker: Waker | None = None
        self._readiness: Readiness | None = None

    @property
    def has_rest(self) -> bool:
        """True when a frame is under way, or the transport holds something back. Any thread may ask."""
        return bool(self._rest) or self._pieces is not None or self.transport.has_unsent

    @property
    def pending_bytes(self) -> int:
        """Bytes that the system has not taken yet. Any thread may ask."""
        pieces = self._pieces
        return len(self._rest) + (0 if pieces is None else pieces.remaining) + self.transport.unsent_bytes

    # One frame.

    def begin(
        self, frame: bytes | memoryview, sent: int, pieces: FramePieces | None, *, must_follow: bool = False
    ) -> None:
        """Take over a frame of which `sent` bytes have gone, and the pieces that follow it.

        With `must_follow` it cannot be taken back, even when nothing of it was sent.
        """
        self._rest = memoryview(frame)[sent:]
        self._pieces = pieces
        self.has_begun = must_follow or sent > 0

    def push(self, patience: Patience | None) -> bool:
        """Send what is left of the frame under way, waiting as long as `patience` lasts.

        Returns:
            False when there is no patience to wait with and the transport takes no more.

        Raises:
            ConnectionLostError: the transport is gone.
            OperationTimedOutError, OperationCanceledError, ObjectClosedError: the end of a wait.
        """
        while not self._is_out():
            if self._send_some():
                if patience is not None:
                    patience.renew()
            elif patience is None:
                return False
            else:
                self._wait_writable(patience)
        return True

    def _is_out(self) -> bool:
        """Go on to the next piece if there is one; tell whether all has gone."""
        while not self._rest and self._pieces is not None:
            piece = next(self._pieces, None)
            if piece is None:
                self._pieces = None
            else:
                self._rest = memoryview(piece)
        return not self._rest and not self.transport.has_unsent

    def _send_some(self) -> bool:
        """Send from the front of what is left; return whether the transport took any."""
        try:
            sent = self.transport.send(self._rest) if self._rest else int(self.transport.flush())
        except OSError as exc:
            raise self.note_broken(exc) from exc
        if self._rest and sent:
            self.has_begun = True
            self._rest = self._rest[sent:]
        return sent > 0

    def detach(self) -> bool:
        """Make what is left independent of the sender's buffer; return whether that is possible."""
        return self._pieces is None or self._pieces.detach(MAX_KEPT_BYTES)

    def forget(self) -> None:
        """Drop what is left."""
        if self.shut_reason is not None and (self._rest or self._pieces is not None or self.transport.has_unsent):
            self.has_dropped = True
        self._rest = _NOTHING
        self._pieces = None

    # Waiting.

    def _wait_writable(self, patience: Patience) -> None:
        # All that has gone is noted: whatever ends the wait tears nothing.
        self.is_torn = False
        # TLS may have pushed out a part of what it holds.
        patience.look_at(self.transport.unsent_bytes)
        if self._readiness is None:
            self._readiness = self._prepare_to_wait()
        # Asked after the waker stands: shut() sets the reason first and then looks for a waker.
        self._check_not_shut()
        self._on_wait()
        ready = self._readiness.wait(WRITABLE, patience.deadline)
        if ready & WOKEN and self._waker is not None:
            self._waker.clear()
        self._check_not_shut()
        # Also when it is writable: TLS may want to read first, and would ask again and again.
        if patience.deadline.is_expired:
            raise OperationTimedOutError(
                "the peer read nothing for longer than control.send_timeout: the network is down, it is stuck, or it "
                "waits until its own messages are received"
            )
        self.is_torn = True

    def _prepare_to_wait(self) -> Readiness:
        try:
            waker = Waker()
        except OSError:
            # To be short of descriptors is no reason to end a healthy connection. Each wait lasts a tenth of a
            # second at most, so that shut() is noticed without a waker too.
            return make_readiness(self.transport.fileno(), -1, SLICE_SECONDS)
        self._waker = waker
        return make_readiness(self.transport.fileno(), waker.fileno(), SLICE_SECONDS)

    # The end of sending.

    def shut(self, reason: WebSocketError) -> None:
        """End sending: whoever waits, and whoever comes, gets `reason`. The first reason stays. Any thread."""
        if self.shut_reason is None:
            self.shut_reason = reason
        waker = self._waker
        if waker is not None and not self.is_quiet:
            waker.wake()

    def note_broken(self, error: OSError) -> WebSocketError:
        """Note that the transport is gone, and drop what is left; return the error for the sender."""
        self.is_torn = False
        self.forget()
        return self.note_lost(error)

    def note_lost(self, error: OSError) -> WebSocketError:
        """Note that the transport is gone; return the error for the sender. Any thread."""
        if not isinstance(error, ConnectionError):
            # The system has not ended the connection by itself (no buffers, say): ended here, the reader notices.
            self.transport.abort()
        self.shut(without_frames(lost_connection(error)))
        return self.closed_error()

    def close_waker(self) -> None:
        """Give back what waits were made with; nobody waits any more."""
        if self._waker is not None:
            self._waker.close()

    def let_go_in_child(self, error: WebSocketError) -> None:
        """In a forked child: whoever sends gets `error`, and what was under way is the parent's."""
        self.shut_reason = error
        self.is_torn = False
        self.forget()
        if self._waker is not None:
            self._waker.let_go_in_child()

    def _check_not_shut(self) -> None:
        if self.shut_reason is not None:
            raise self.canceled_error()

    def closed_error(self) -> WebSocketError:
        """Return the error of a send that comes when sending has ended."""
        if self.is_quiet:
            stay_quiet()
        reason = self.shut_reason
        if reason is None:
            error = fresh(self.closing_reason)
            error._reword(f"nothing more can be sent, {error.message}")
            return error
        error = fresh(reason)
        error.__cause__ = reason
        return error

    def canceled_error(self) -> WebSocketError:
        """Return the error of a send that was under way when sending ended."""
        if isinstance(self.shut_reason, ConnectionLostError) or self.is_quiet:
            return self.closed_error()
        reason = self.shut_reason or self.closing_reason
        error = CanceledByCloseError(f"sending was ended: {reason.message}")
        if isinstance(reason, ConnectionOverError):
            error.close_cause, error.close_code = reason.close_cause, reason.close_code
            error.close_reason = reason.close_reason
        return error
