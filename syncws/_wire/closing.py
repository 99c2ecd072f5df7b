"""Closing (RFC 6455 5.5.1, 7): the state of the closing handshake, its frames, and which codes and reasons are allowed.

The caller's lock makes it one thread at a time.
"""

import enum

from syncws._numbers import as_integer, shown_number
from syncws._wire.frames import CLOSE, MAX_REASON_BYTES, NO_STATUS, close_payload, encode_frame, is_sendable_close_code
from syncws._wire.incoming import CloseFrame, Violation
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["CloseHandshake", "CloseState", "check_close"]

_ABNORMAL = 1006


class CloseState(enum.Enum):
    """How far the closing handshake has come: OPEN, from there one of the others, and finally CLOSED or FAILED."""

    OPEN = enum.auto()
    # Ours has gone first, the peer's is to come.
    CLOSE_SENT = enum.auto()
    # The peer's has come.
    CLOSED = enum.auto()
    # The connection was failed, by a Close frame of ours where none had gone.
    FAILED = enum.auto()


class CloseHandshake:
    """Which Close frames have gone by, and so what the connection closed with.

    Attributes:
        state (CloseState): how far it has come.
        close_code (int): for the Closed event: the peer's code; 1005 for an empty Close frame; after a violation
            the code that was sent; 1006 as long as no Close frame has come (RFC 6455 7.1.5).
        close_reason (str): the reason that goes with it.
    """

    # In the class until something happens: most connections are dropped.
    state = CloseState.OPEN
    close_code = _ABNORMAL
    close_reason = ""

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
        """Fail the connection for a reason of our own (RFC 6455 7.1.7), an ASCII one, which may be too long.

        Returns:
            The Close frame that names it; None, and nothing is changed, when closing has begun already.
        """
        if self.state is not CloseState.OPEN:
            return None
        self.state = CloseState.FAILED
        self.close_code = code
        self.close_reason = reason
        return encode_frame(CLOSE, close_payload(code, reason[:MAX_REASON_BYTES]))

    def receive_violation(self, violation: Violation) -> bytes | None:
        """Fail the connection (RFC 6455 7.1.7).

        Returns:
            The Close frame that names the violation's code; None when ours has gone already.
        """
        frame = self.fail(violation.code, violation.error.message)
        self.state = CloseState.FAILED
        return frame


def check_close(code: int | None, reason: str | None) -> tuple[int | None, str]:
    """Check the arguments of close().

    Returns:
        The code to send, None for an empty Close frame, and the reason.

    Raises:
        InvalidArgumentTypeError: code is not an int or reason not a str (0x80070057).
        InvalidArgumentError: a code outside the list, a reason without a code, with a lone surrogate, or of more than
            123 bytes (0x80070057).
    """
    if reason is None:
        reason = ""
    if not isinstance(reason, str):
        raise InvalidArgumentTypeError(f"reason must be str, not {type(reason).__name__}")
    given = code
    code = None if given is None else as_integer(given)
    if code is None and given is not None:
        raise InvalidArgumentTypeError(f"code must be an int, not {type(given).__name__}")
    if code is None or code == NO_STATUS:
        if reason:
            raise InvalidArgumentError(f"a reason needs a close code other than {code}; got {reason!r}")
        return None, ""
    if not is_sendable_close_code(code):
        raise InvalidArgumentError(
            f"close code {shown_number(code)} must not be sent: "
            f"allowed are 1000 to 1003, 1005, 1007 to 1010 and 3000 to 4999"
        )
    try:
        length = len(reason.encode("utf-8"))
    except UnicodeEncodeError as exc:
        raise InvalidArgumentError(f"the reason holds a lone surrogate at {exc.start}") from exc
    if length > MAX_REASON_BYTES:
        raise InvalidArgumentError(f"the reason has {length} bytes of UTF-8: at most {MAX_REASON_BYTES} are allowed")
    return int(code), reason
