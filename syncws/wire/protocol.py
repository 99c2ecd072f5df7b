"""The state of closing, and what answers a control frame (RFC 6455 5.5, 7.1).

May import errors and the rest of this room. Runs under the session's state lock.

    OPEN ──start_close──► CLOSE_SENT ──Close received──► CLOSED
      └───Close received, answered──────────────────────► CLOSED
      └───violation or our own reason, Close sent───────► FAILED
"""

import enum

from syncws.wire.events import CloseFrame, Violation
from syncws.wire.frames import CLOSE, PONG, close_payload, encode_frame

__all__ = ["CloseState", "Protocol", "pong_frame"]

_NO_CODE = 1005
_ABNORMAL = 1006


class CloseState(enum.Enum):
    """How far the closing handshake has come."""

    OPEN = enum.auto()
    CLOSE_SENT = enum.auto()
    CLOSED = enum.auto()
    FAILED = enum.auto()


def pong_frame(payload: bytes) -> bytes:
    """Return the Pong that answers a Ping with `payload` (RFC 6455 5.5.3)."""
    return encode_frame(PONG, payload)


class Protocol:
    """Which Close frames have gone by, and so what the connection closed with.

    Attributes:
        state (CloseState): see the module's drawing.
        close_code (int): for the Closed event: the peer's code; 1005 for an empty Close frame; after a violation
            the code that was sent; 1006 as long as no Close frame has come (RFC 6455 7.1.5).
        close_reason (str): the reason that goes with it.
    """

    __slots__ = ("close_code", "close_reason", "state")

    def __init__(self) -> None:
        self.state = CloseState.OPEN
        self.close_code = _ABNORMAL
        self.close_reason = ""

    @property
    def is_open(self) -> bool:
        """True until a Close frame was sent or received."""
        return self.state is CloseState.OPEN

    def start_close(self, code: int | None, reason: str) -> bytes | None:
        """Begin the closing handshake.

        Returns:
            The Close frame to send; None when closing has begun already, from either side.
        """
        payload = close_payload(code, reason)
        if self.state is not CloseState.OPEN:
            return None
        # Before the frame is made: a signal handler may close while this closes, and only one frame may come of it.
        self.state = CloseState.CLOSE_SENT
        return encode_frame(CLOSE, payload)

    def receive_close(self, frame: CloseFrame) -> bytes | None:
        """Take the peer's Close frame.

        Returns:
            The Close frame to answer with, which echoes the payload (RFC 6455 5.5.1); None when ours has gone
            already.
        """
        answer = None if self.state is not CloseState.OPEN else encode_frame(CLOSE, frame.payload)
        if self.state is not CloseState.FAILED:
            self.state = CloseState.CLOSED
            self.close_code = frame.code
            self.close_reason = frame.reason
        return answer

    def fail(self, code: int, reason: str) -> bytes | None:
        """Fail the connection for a reason of our own (RFC 6455 7.1.7), an ASCII one.

        Returns:
            The Close frame that names it; None, and nothing is changed, when closing has begun already.
        """
        if self.state is not CloseState.OPEN:
            return None
        self.state = CloseState.FAILED
        self.close_code = code
        self.close_reason = reason
        return encode_frame(CLOSE, close_payload(code, _shortened(reason)))

    def receive_violation(self, violation: Violation) -> bytes | None:
        """Fail the connection (RFC 6455 7.1.7).

        Returns:
            The Close frame that names the violation's code; None when ours has gone already.
        """
        frame = self.fail(violation.code, violation.error.message)
        self.state = CloseState.FAILED
        return frame


def _shortened(reason: str) -> str:
    """Cut a reason of ours, which is ASCII, to what a control frame holds."""
    return reason[:123]
