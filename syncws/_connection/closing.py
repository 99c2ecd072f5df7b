"""How a connection ends: why, how far the closing handshake has come, and when it must be over.

Any thread calls it; nothing here sends or waits.
"""

from syncws._locks import locks
from syncws._waiting.deadline import Deadline
from syncws._wire.closing import CloseHandshake, CloseState
from syncws._wire.incoming import CloseFrame, Violation
from syncws.enums import CloseCause
from syncws.errors import CanceledByCloseError, ConnectionClosedError, MessageTooBigError

__all__ = [
    "ABANDON_SECONDS",
    "ABORT_REASONS",
    "ABORT_SECONDS",
    "ANSWER_SLICES",
    "ANSWER_SLICE_SECONDS",
    "CAUSES_IN_WORDS",
    "HANDLERS_SECONDS",
    "HURRIED_SECONDS",
    "LEAVE_SECONDS",
    "LINGER_SECONDS",
    "LOSS_SECONDS",
    "Closing",
    "time_on_exit",
]

# What an end waits for in addition to control.close_timeout.
# How long the peer has to end TCP, which is its part, once both Close frames have passed or it broke the protocol.
LINGER_SECONDS = 1.0
# How long the reader lets a sender, which has been woken, leave before it goes on without it.
LEAVE_SECONDS = 1.0
# A send that finds TCP gone waits this long for the reader, which may find that the server had said why.
LOSS_SECONDS = 0.5
# After its deadline a close() gives the reader this long to finish what abort() asked for.
ABORT_SECONDS = 0.2
# The peer broke the protocol: how long a program that receives and sends in turn has to answer what came before that.
# In slices, because nothing tells when it has.
ANSWER_SLICE_SECONDS = 0.01
ANSWER_SLICES = 100
# When the connection is over, a close() waits this long for handlers, which may never return.
HANDLERS_SECONDS = 1.0
# How long leaving a `with` block by an exception waits for the peer; with the abort after it that is half a second.
HURRIED_SECONDS = 0.3
# A dropped socket object's connection is closed with 1001; this is how long its server has to answer.
ABANDON_SECONDS = 1.0


def time_on_exit(timeout: float | None, exc_type: type[BaseException] | None) -> float | None:
    """Return how long the end of a `with` block may take to close: the news of an exception should not wait for it."""
    if exc_type is None:
        return timeout
    return HURRIED_SECONDS if timeout is None else min(timeout, HURRIED_SECONDS)


CAUSES_IN_WORDS = {
    # For a call that finds the socket closed: another thread has just begun that, and not yet noted how.
    CloseCause.NONE: "close() or abort() was called",
    CloseCause.PEER: "the server closed it",
    CloseCause.LOCAL: "close() was called",
    CloseCause.ABORTED: "abort() was called",
    CloseCause.DROPPED: "its socket object was dropped",
    CloseCause.CONNECTION_LOST: "it was lost",
    CloseCause.KEEP_ALIVE: "the server was silent for too long (keep-alive)",
    CloseCause.PROTOCOL_ERROR: "the server broke the protocol",
    CloseCause.MESSAGE_TOO_BIG: "a message was too big",
    CloseCause.FORKED: "it belongs to the parent process",
    CloseCause.HANDLER: "a handler raised something other than an Exception, which ended its thread",
}


ABORT_REASONS = (
    ConnectionClosedError("the connection was aborted: no pong will come"),
    CanceledByCloseError("the connection was aborted"),
)
"""Why waits end by an abort() of an open connection: those for a pong, and those of senders. Each gets a copy."""
for _reason in ABORT_REASONS:
    _reason.close_cause = CloseCause.ABORTED

_NONE = CloseCause.NONE
_SETTLED = (CloseState.CLOSED, CloseState.FAILED)


class Closing:
    """The state of a connection's end.

    Attributes:
        deadline (Deadline | None): when closing must be over; None as long as it has not begun.
        is_discarding (bool): True from a local close() or abort() on: handlers and inbox get nothing more. What the
            inbox holds stays if the peer had ended the connection before, see Inbox.end.
    """

    __slots__ = ("_handshake", "_lock", "_noted", "deadline", "is_discarding")

    def __init__(self) -> None:
        """Make the state of a connection that is open."""
        self._lock = locks.RLock()
        self._handshake = CloseHandshake()
        # Causes in the order in which they came, of which the first counts. A list, because appending is one step.
        self._noted: list[CloseCause] = []
        self.deadline: Deadline | None = None
        self.is_discarding = False

    def note(self, cause: CloseCause) -> bool:
        """Note why the connection ends, unless that is known already, and return whether it was not; takes no lock."""
        if self._noted:
            return False
        self._noted.append(cause)
        return True

    @property
    def cause(self) -> CloseCause:
        """What began the end of the connection; NONE while it is open."""
        return self._noted[0] if self._noted else _NONE

    @property
    def state(self) -> CloseState:
        """How far the closing handshake has come."""
        with self._lock:
            return self._handshake.state

    @property
    def is_open(self) -> bool:
        """True until a Close frame was sent or received."""
        return self._handshake.is_open

    @property
    def is_settled(self) -> bool:
        """True when the peer's Close frame, or what it did wrong, has settled code and reason."""
        return self._handshake.state in _SETTLED

    @property
    def code(self) -> int:
        """What the connection closed with, as Closed tells it."""
        return self._handshake.close_code

    @property
    def reason(self) -> str:
        """The reason that goes with the code."""
        return self._handshake.close_reason

    # Each returns the Close frame to send, None when there is none, and sets the deadline that is not set yet.

    def start(self, code: int | None, reason: str, deadline: Deadline | None, cause: CloseCause | None) -> bytes | None:
        """Close from this side; `cause` is noted when that begins the closing."""
        with self._lock:
            # First of all: the reader keeps to it even if this thread is interrupted at the next line.
            self._limit(deadline)
            self.is_discarding = True
            frame = self._handshake.start_close(code, reason)
            if frame is not None and cause is not None:
                self.note(cause)
            return frame

    def take_close(self, frame: CloseFrame, timeout: float | None) -> bytes | None:
        """Take the peer's Close frame."""
        with self._lock:
            self.note(CloseCause.PEER)
            self._limit(Deadline(timeout))
            return self._handshake.receive_close(frame)

    def take_violation(self, violation: Violation, timeout: float | None) -> bytes | None:
        """Fail the connection for what the peer did."""
        with self._lock:
            is_too_big = isinstance(violation.error, MessageTooBigError)
            self.note(CloseCause.MESSAGE_TOO_BIG if is_too_big else CloseCause.PROTOCOL_ERROR)
            self._limit(Deadline(timeout))
            return self._handshake.receive_violation(violation)

    def take_silence(self, reason: str, deadline: Deadline) -> bytes | None:
        """Fail the connection because nothing comes; None, and nothing is changed, when it is closing already."""
        with self._lock:
            frame = self._handshake.fail(1011, reason)
            if frame is not None:
                self.note(CloseCause.KEEP_ALIVE)
                self.deadline = deadline
            return frame

    def _limit(self, deadline: Deadline | None) -> None:
        if self.deadline is None:
            self.deadline = deadline

    def let_go_in_child(self) -> None:
        """In a forked child: another thread may have held the lock at that moment."""
        self._lock = locks.RLock()
        self.note(CloseCause.FORKED)
