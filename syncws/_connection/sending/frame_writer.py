"""Pushing frames into the transport: what is under way, what was posted, what others have left.

May import errors, net, wire and the rest of this room. The base of the outbox, which says who holds the writer role;
unless it says otherwise, what stands here requires that role.
"""

import threading
from collections import deque

from syncws._connection.sending.open_message import Hold, OpenMessage
from syncws._net.transport import Transport
from syncws._waiting.at_exit import stay_quiet
from syncws._waiting.deadline import Deadline, now
from syncws._waiting.readiness import SLICE_SECONDS, WOKEN, WRITABLE, Readiness, Waker, make_readiness
from syncws._wire.large import FramePieces
from syncws.errors import (
    ConnectionLostError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    WebSocketError,
    fresh,
)
from syncws.hresult import HResult

__all__ = ["MAX_KEPT_BYTES", "ControlFrame", "FrameWriter", "Patience"]

_NOTHING = memoryview(b"")
MAX_KEPT_BYTES = 1 << 20
"""What is kept of a buffer that may change, when its sender gives up in the middle of it."""


class Patience:
    """How long the peer may take nothing; begins anew whenever it takes something."""

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


class ControlFrame:
    """A Ping, or a Pong that nobody asked for, on its way.

    Attributes:
        frame (bytes): the frame.
        sent (float | None): when it began to go, on the clock of net.deadline; None while it waits for its turn.
    """

    __slots__ = ("frame", "sent")

    def __init__(self, frame: bytes) -> None:
        """Make one that waits."""
        self.frame = frame
        self.sent: float | None = None


class FrameWriter:
    """The state of sending, and the steps that need the writer role.

    Attributes:
        given_up (ConnectionLostError | None): set when this side ended the connection in the middle of a frame.
        is_quiet (bool): True when the program ends: who waits is not woken, and daemon threads do not raise.
    """

    __slots__ = (
        "_close_frame",
        "_controls",
        "_has_posted_close",
        "_is_uncertain",
        "_open",
        "_pieces",
        "_pong",
        "_readiness",
        "_rest",
        "_shut_reason",
        "_transport",
        "_waiting",
        "_waker",
        "_why_closing",
        "given_up",
        "is_quiet",
    )

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        # What is left of the piece being sent, and the pieces of the same frame that follow it.
        self._rest = _NOTHING
        self._pieces: FramePieces | None = None
        # Between two frames of a message: no other data frame may go.
        self._open: OpenMessage | None = None
        # Bytes that each waiting thread wants to send.
        self._waiting: dict[int, int] = {}
        # One place only: appending to a full one drops what was there, in one step.
        self._pong: deque[bytes] = deque(maxlen=1)
        # Pings of our own, and pongs that nobody asked for: at most one for each thread that pings, and the monitor's.
        self._controls: deque[ControlFrame] = deque()
        self._close_frame: bytes | None = None
        self._has_posted_close = False
        self._shut_reason: WebSocketError | None = None
        # True while nobody could say how much of a frame has gone, were this thread interrupted now.
        self._is_uncertain = False
        self.given_up: ConnectionLostError | None = None
        self.is_quiet = False
        self._why_closing = ""
        # Made when a send has to wait for the first time: most connections never need them.
        self._waker: Waker | None = None
        self._readiness: Readiness | None = None

    @property
    def _has_work(self) -> bool:
        return (
            bool(self._rest)
            or self._pieces is not None
            or bool(self._pong)
            or bool(self._controls)
            or self._close_frame is not None
            or self._has_left_frames
            or self._transport.has_unsent
        )

    @property
    def _has_left_frames(self) -> bool:
        """True when somebody must go on with a message; after the Close frame nobody may."""
        message = self._open
        return message is not None and message.hold is Hold.LEFT and not self._has_posted_close

    @property
    def pending_bytes(self) -> int:
        """Bytes that senders have given and the system has not taken yet. Any thread may ask; true a moment ago."""
        pieces, message = self._pieces, self._open
        return (
            len(self._rest)
            + (0 if pieces is None else pieces.remaining)
            + (0 if message is None or self._has_posted_close else message.remaining)
            + sum(tuple(self._waiting.values()))
            + self._transport.unsent_bytes
        )

    def shut(self, reason: WebSocketError) -> None:
        """End sending: whoever waits, and whoever comes, gets `reason`. The first reason stays. Never waits."""
        if self._shut_reason is None:
            self._shut_reason = reason
        waker = self._waker
        if waker is not None and not self.is_quiet:
            waker.wake()
        self._wake_turn()

    def _wake_turn(self) -> None:
        """Let those look again who wait for an open message to end; needs no role."""
        message = self._open
        if message is not None and not self.is_quiet:
            message.wake()

    def _send_some(self) -> bool:
        """Send from the front of what is left; return whether the transport took any."""
        sent = self._transport.send(self._rest)
        self._rest = self._rest[sent:]
        return sent > 0

    def _next_piece(self) -> bool:
        """Go on to the next piece of the frame that is being sent; return whether there is one."""
        piece = None if self._pieces is None else next(self._pieces, None)
        if piece is None:
            self._pieces = None
            return False
        self._rest = memoryview(piece)
        return True

    def _next_posted(self) -> bool:
        """At a frame boundary: go on to what others have left; return whether there is something."""
        message = self._open
        if self._pong:
            self._rest = memoryview(self._pong.popleft())
        elif self._controls and (frame := self._take_control()):
            self._rest = memoryview(frame)
        elif self._close_frame is not None:
            self._rest, self._close_frame = memoryview(self._close_frame), None
        elif message is not None and self._has_left_frames:
            self._rest = memoryview(message.next_frame() or b"")
            self._note_begun(message)
        else:
            return False
        return True

    def _take_control(self) -> bytes:
        try:
            control = self._controls.popleft()
        except IndexError:  # withdrawn just now
            return b""
        control.sent = now()
        return control.frame

    def _note_begun(self, message: OpenMessage) -> None:
        """Note that a frame of `message` cannot be taken back; requires the role."""
        message.frame = None
        message.has_begun = True
        if message.is_last:
            self._open = None
            message.wake()
        else:
            self._open = message

    def _drain(self, patience: Patience | None) -> bool:
        """Push out what is left over, then pong, pings, Close, then the rest of a message; requires the role.

        Returns:
            False when there is no patience to wait with and the transport takes no more.
        """
        while True:
            if self._rest or self._next_piece():
                is_moving = self._send_some()
            elif self._transport.flush():
                if not self._next_posted():
                    return True
                is_moving = True
            else:
                is_moving = False
            if not is_moving:
                if patience is None:
                    return False
                self._wait_writable(patience)
            elif patience is not None:
                patience.renew()

    def _send_rest(self, patience: Patience, message: OpenMessage | None, *, has_begun: bool) -> None:
        """Send what is left of a data frame, waiting; requires the role."""
        try:
            while self._rest or self._next_piece():
                if not self._send_some():
                    self._wait_writable(patience)
                    continue
                patience.renew()
                if message is not None and not has_begun:
                    self._note_begun(message)
                has_begun = True
            while not self._transport.flush():
                self._wait_writable(patience)
        except BaseException as exc:
            # Only the end or an interruption of a wait, when all is noted.
            if not self._is_uncertain:
                self._is_uncertain = True
                self._give_up(exc, has_begun=has_begun)
                self._is_uncertain = False
            raise

    def _give_up(self, error: BaseException, *, has_begun: bool) -> None:
        """Leave the rest of a frame that has begun to whoever sends next; forget one that has not."""
        if self._shut_reason is not None or not has_begun:
            self._forget_rest()
        elif self._pieces is not None and not self._pieces.detach(MAX_KEPT_BYTES):
            # Neither can the frame be finished nor taken back.
            self._cut("sending was given up in the middle of a frame")
        elif isinstance(error, OperationTimedOutError):
            error.is_queued = True

    def _cut(self, reason: str) -> None:
        """End the connection in the middle of a frame."""
        self.given_up = ConnectionLostError(reason)
        self._transport.abort()
        self.shut(self.given_up)
        self._forget_rest()

    def _forget_rest(self) -> None:
        self._rest = _NOTHING
        self._pieces = None

    def _closed_error(self) -> WebSocketError:
        if self.is_quiet:
            stay_quiet()
        reason = self._shut_reason
        if reason is None:
            return ObjectClosedError(f"nothing can be sent any more, {self._describe_closing()}")
        error = fresh(reason)
        error.__cause__ = reason
        return error

    def _wait_writable(self, patience: Patience) -> None:
        # All that has gone is noted: whatever ends the wait interrupts nothing else.
        self._is_uncertain = False
        # TLS may have pushed out a part of what it holds.
        patience.look_at(self._transport.unsent_bytes)
        if self._readiness is None:
            self._readiness = self._prepare_to_wait()
        # Asked after the waker stands: shut() sets the reason first and then looks for a waker.
        self._check_not_shut()
        ready = self._readiness.wait(WRITABLE, patience.deadline)
        if ready & WOKEN and self._waker is not None:
            self._waker.clear()
        self._check_not_shut()
        # Also when it is writable: TLS may want to read first, and would ask again and again.
        if patience.deadline.is_expired:
            raise OperationTimedOutError("the peer read nothing for longer than control.send_timeout")
        self._is_uncertain = True

    def _prepare_to_wait(self) -> Readiness:
        try:
            waker = Waker(threading.RLock())
        except OSError:
            # Descriptors are short, which is no reason to end a connection that is well. Each wait lasts a tenth of a
            # second at most, so that shut() is noticed also without.
            return make_readiness(self._transport.fileno(), -1, SLICE_SECONDS)
        self._waker = waker
        return make_readiness(self._transport.fileno(), waker.fileno(), SLICE_SECONDS)

    def _check_not_shut(self) -> None:
        if self._shut_reason is not None:
            raise self._canceled_error()

    def _canceled_error(self) -> WebSocketError:
        """Return the error of a send that was under way when sending ended."""
        if isinstance(self._shut_reason, ConnectionLostError) or self.is_quiet:
            return self._closed_error()
        reason = self._describe_closing() if self._shut_reason is None else self._shut_reason.message
        return OperationCanceledError(f"sending was ended: {reason}", hresult=HResult.WININET_E_OPERATION_CANCELLED)

    def _describe_closing(self) -> str:
        return f"the connection is closing: {self._why_closing}"
