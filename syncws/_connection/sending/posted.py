"""What threads that may not send leave for the next frame boundary: a pong, pings, the Close frame.

Any thread posts, without a lock; whoever holds the writer role takes.
"""

import contextlib
from collections import deque

from syncws._waiting.deadline import now
from syncws._wire.tally import Tally

__all__ = ["ControlFrame", "Posted"]


class ControlFrame:
    """A Ping, or a Pong that nobody asked for, on its way.

    Attributes:
        frame (bytes): the frame.
        sent (float | None): when it began to go, on the clock of _waiting.deadline; None while it waits for its turn.
    """

    __slots__ = ("frame", "sent")

    def __init__(self, frame: bytes) -> None:
        """Make one that waits."""
        self.frame = frame
        self.sent: float | None = None


class Posted:
    """The control frames that wait, in the order in which they go.

    Attributes:
        close_frame (bytes | None): the Close frame, until it is taken.
        is_closing (bool): True once there was a Close frame: no new message begins after that.
        has_closed (bool): True once that was taken: no data frame goes after it.
    """

    __slots__ = ("_controls", "_pong", "_tally", "close_frame", "has_closed", "is_closing")

    def __init__(self, tally: Tally) -> None:
        """Make it empty; `tally` counts what is taken."""
        self._tally = tally
        # One place only: appending to a full one drops what was there, in one step.
        self._pong: deque[bytes] = deque(maxlen=1)
        # Pings of our own, and pongs that nobody asked for: at most one for each thread that pings, and the monitor's.
        self._controls: deque[ControlFrame] = deque()
        self.close_frame: bytes | None = None
        self.is_closing = self.has_closed = False

    def __bool__(self) -> bool:
        """Tell whether something waits."""
        return bool(self._pong) or bool(self._controls) or self.close_frame is not None

    def post_pong(self, frame: bytes) -> None:
        """Leave a Pong, in the place of one that has not gone yet (RFC 6455 5.5.3)."""
        self._pong.append(frame)

    def post_control(self, control: ControlFrame) -> None:
        """Leave a Ping, or a Pong that nobody asked for."""
        self._controls.append(control)

    def withdraw(self, control: ControlFrame) -> None:
        """Take a control frame back, if it has not gone yet."""
        with contextlib.suppress(ValueError):
            self._controls.remove(control)

    def post_close(self, frame: bytes) -> None:
        """Leave the Close frame."""
        # Set first: whoever takes the frame asks for this then.
        self.is_closing = True
        self.close_frame = frame

    def take(self, *, may_close: bool) -> bytes | None:
        """Take the next frame, None when there is none; the Close frame if `may_close`. Requires the writer role."""
        frame = self._next(may_close)
        if frame is not None:
            self._tally.controls += 1
        return frame

    def _next(self, may_close: bool) -> bytes | None:
        if self._pong:
            return self._pong.popleft()
        # One may be withdrawn at any moment.
        with contextlib.suppress(IndexError):
            control = self._controls.popleft()
            control.sent = now()
            return control.frame
        if not may_close or self.close_frame is None:
            return None
        # By a flag of its own: while post_close() is between its two steps, the frame looks as if it had been taken.
        self.has_closed = True
        frame, self.close_frame = self.close_frame, None
        return frame

    def forget(self) -> None:
        """Drop what waits: in a forked child it is the parent's."""
        self._pong.clear()
        self._controls.clear()
        self.close_frame = None
        self.is_closing = self.has_closed = False
