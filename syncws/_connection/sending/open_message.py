"""A message of several frames that has begun and is not over.

It belongs to the outbox, which changes it under the writer role; waiting senders are the exception.
"""

import contextlib
import enum
import threading
from collections import deque
from collections.abc import Callable

from syncws._waiting.locks import acquire_within
from syncws._wire.large import FragmentFrames, FramePieces
from syncws.errors import IllegalMethodCallError, InvalidOperationError

__all__ = ["Encode", "MessageState", "OpenMessage", "bytes_of"]

Encode = Callable[[bytes | memoryview], bytes]
"""Makes a frame of what it is given, when its turn has come."""


class MessageState(enum.Enum):
    """What the next frame of an open message waits for."""

    BUSY = enum.auto()
    """Its sender, which is at it."""

    APPLICATION = enum.auto()
    """The application's next send_nonfinal_frame or send_final_frame."""

    LEFT = enum.auto()
    """Whoever sends next, or the reader: its sender has given up, and what remains is kept."""

    BROKEN = enum.auto()
    """Nothing: it will never be finished, so no other data can be sent."""

    OVER = enum.auto()
    """Nothing: its last frame has begun to go."""


class OpenMessage:
    """A message of several frames. While it is open no other data frame may be sent (RFC 6455 5.4).

    Attributes:
        state (MessageState): what the next frame waits for.
        owner (int | None): the thread that is sending it in one call.
        is_last (bool): True when the frame that is being sent ends the message.
        frame (bytes | None): a frame that was taken from `frames` and not sent.
        has_begun (bool): set by the outbox when a frame has begun to go and so cannot be taken back.
    """

    __slots__ = ("_waiting", "frame", "frames", "has_begun", "is_last", "owner", "state")

    def __init__(self, frames: FragmentFrames | None = None) -> None:
        """Make a message of all of `frames`, sent by this thread, or of frames that the application sends."""
        self.frames = frames
        self.state = MessageState.APPLICATION if frames is None else MessageState.BUSY
        self.owner = None if frames is None else threading.get_ident()
        self.is_last = False
        self.has_begun = False
        self.frame: bytes | None = None
        self._waiting: deque[threading.Lock] = deque()

    @property
    def remaining(self) -> int:
        """Payload bytes that are still to be sent, as far as they are known. Any thread may ask."""
        return 0 if self.frames is None or self.state is MessageState.BROKEN else self.frames.remaining

    @property
    def unbegun(self) -> int:
        """Payload bytes of a message of which nothing has gone yet; 0 once a frame has begun."""
        return 0 if self.has_begun else self.remaining

    def next_frame(self) -> bytes | None:
        """Take the next frame that its sender has; None at the end."""
        if self.frame is None and self.frames is not None:
            self.frame = next(self.frames, None)
            self.is_last = not self.frames.remaining
        return self.frame

    def check_ends(self) -> None:
        """Raise if the end of the message cannot come.

        Raises:
            IllegalMethodCallError: it waits for the application, or will never be finished (0x8000000E).
            InvalidOperationError: this thread is sending it (0x800710DD).
        """
        if self.state is MessageState.APPLICATION:
            raise IllegalMethodCallError("a message that send_nonfinal_frame began must be finished first")
        if self.state is MessageState.BROKEN:
            raise IllegalMethodCallError("a message was given up part-way: the connection can only be closed now")
        if self.owner == threading.get_ident():
            raise InvalidOperationError("a write cannot send from its own progress callback")

    def let_go(self) -> None:
        """Give the message up for its sender."""
        if self.state is MessageState.BUSY:
            self.state = MessageState.BROKEN
            self.wake()

    def wait(self, is_over: Callable[[], bool], timeout: float | None) -> None:
        """Wait for a wake(), at most `timeout` seconds; not at all when `is_over` says so already."""
        signal = threading.Lock()
        signal.acquire()
        self._waiting.append(signal)
        try:
            # Asked after the signal stands: whoever changes something wakes after that.
            if not is_over():
                acquire_within(signal, timeout)
        finally:
            self._waiting.remove(signal)

    def wake(self) -> None:
        """Wake all who wait for the end of the message. Any thread may call it, any number of times."""
        # They take themselves out: what an interruption has left here the next wake finds.
        for signal in self._waiting.copy():
            with contextlib.suppress(RuntimeError):  # it was woken already
                signal.release()


def bytes_of(frame: bytes | memoryview, pieces: FramePieces | None, message: OpenMessage | None) -> int:
    """Return how many bytes wait with a frame: its own, those of its pieces, and those of its message."""
    return len(frame) + (0 if pieces is None else pieces.remaining) + (0 if message is None else message.unbegun)
