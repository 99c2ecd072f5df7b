"""Sending a message: as one frame, in chunks if it is large, or as many frames. The half of a session that sends.

Any number of threads may send; see outbox for their turns.
"""

from collections.abc import Callable

from syncws._connection.sending.open_message import OpenMessage
from syncws._connection.sending.outbox import Outbox
from syncws._wire.frames import CHUNK_BYTES, encode_frame
from syncws._wire.large import FragmentFrames, FrameChunks
from syncws.errors import OperationTimedOutError

__all__ = ["Sending"]


class Sending:
    """The base of Session that sends.

    Attributes:
        outbox (Outbox): where frames go.
    """

    def __init__(self, outbox: Outbox, send_timeout: float | None) -> None:
        """Make it; `send_timeout` in seconds without progress, None for ever."""
        self.outbox = outbox
        self._send_timeout = send_timeout

    def send_message(self, opcode: int, payload: bytes | memoryview) -> None:
        """Send one message as one frame.

        Raises: as Outbox.send.
        """
        if len(payload) <= CHUNK_BYTES:
            self.outbox.send(encode_frame(opcode, payload), None, self._send_timeout)
        else:
            self._send_large(FrameChunks(opcode, payload), None)

    def write(
        self, opcode: int, payload: bytes | memoryview, progress: Callable[[int], object] | None, *, may_split: bool
    ) -> int:
        """Send one message, in fragments if it is large and `may_split`; tell `progress`, and return, the bytes sent.

        Raises: as Outbox.send, and what `progress` raises.
        """
        size = len(payload)
        if may_split and size > CHUNK_BYTES:
            self.send_in_fragments(opcode, payload, progress)
            return size
        self.send_message(opcode, payload)
        if progress is not None:
            progress(size)
        return size

    def send_in_fragments(
        self, opcode: int, payload: bytes | memoryview, progress: Callable[[int], object] | None
    ) -> None:
        """Send one message in frames of CHUNK_BYTES, and call `progress` with the bytes sent after each of them.

        Nothing is held during the call, and pongs and the Close frame pass between the frames. An exception of
        `progress` leaves the message unfinished: after it only closing is possible.

        Raises: as Outbox.send.
        """
        frames = FragmentFrames(opcode, payload)
        message = OpenMessage(frames)
        try:
            while (frame := message.next_frame()) is not None:
                self._send_fragment_of(message, frame)
                if progress is not None:
                    progress(frames.position)
        finally:
            # Whatever ended it: nobody waits for this thread any more.
            message.let_go()
            frames.release()

    def _send_fragment_of(self, message: OpenMessage, frame: bytes) -> None:
        try:
            self.outbox.send(frame, None, self._send_timeout, message)
        except OperationTimedOutError as exc:
            self.outbox.leave(message, exc)
            raise

    def _send_large(self, chunks: FrameChunks, message: OpenMessage | None) -> None:
        try:
            self.outbox.send(next(chunks), chunks, self._send_timeout, message)
        finally:
            chunks.release()
