"""Sending a message: as one frame, in pieces if it is large, or as many frames. The half of a session that sends.

Any number of threads may send; see outbox for their turns.

A message is compressed in its turn, because all of them share one context: the outbox is given what to compress and
how, and has it done when it has the writer role. What was compressed is sent, whatever happens to its sender.
"""

from collections.abc import Callable

from syncws._connection.compressing import Compression
from syncws._connection.sending.open_message import Encode, OpenMessage
from syncws._connection.sending.outbox import Outbox
from syncws._wire.deflate import Deflater
from syncws._wire.extension import Agreement
from syncws._wire.frames import FIN, FRAGMENT_BYTES, RSV1, encode_frame
from syncws._wire.large import CompressedFrames, FragmentFrames, FramePieces
from syncws.compression import Deflate
from syncws.control import WebSocketControl
from syncws.errors import OperationTimedOutError

__all__ = ["Sending"]

_COMPRESSED_BYTES = 262144
"""What is compressed in one turn: a larger message goes in fragments, so that pongs and the Close frame can pass."""


class Sending:
    """The base of Session that sends.

    Attributes:
        outbox (Outbox): where frames go.
        compression (Compression | None): what was agreed about compressing, None when nothing.
    """

    compression: Compression | None = None

    settings: WebSocketControl

    def __init__(self, outbox: Outbox, settings: WebSocketControl) -> None:
        """Make it; nothing is compressed."""
        self.outbox, self.settings = outbox, settings
        outbox.send_timeout = settings._send_timeout

    def agree(self, agreement: Agreement | None) -> None:
        """Note what the handshake has settled about compression, before anything is sent; None is nothing."""
        if agreement is not None:
            options = self.settings._compression
            assert isinstance(options, Deflate), "else nothing was offered"
            self.compression = Compression(agreement, options)
            # What may be compressed has its turn first.
            self.outbox.direct = None

    def send_message(self, opcode: int, payload: bytes | memoryview, compress: bool = True) -> None:
        """Send one message as one frame; compressed if that was agreed, it is large enough and `compress` is true.

        Raises: as Outbox.send.
        """
        outbox = self.outbox
        if outbox.direct is not None and outbox.send_at_once(payload, FIN | opcode):
            return
        if compress and self.compression is not None and len(payload) >= self.compression.deflater.minimum_size:
            self._send_compressed(opcode, payload, self.compression.deflater)
        elif len(payload) <= FRAGMENT_BYTES:
            outbox.send(encode_frame(opcode, payload))
        else:
            self._send_large(FramePieces(opcode, payload), None)

    def _send_compressed(self, opcode: int, payload: bytes | memoryview, deflater: Deflater) -> None:
        if len(payload) > _COMPRESSED_BYTES:
            self._send_frames(CompressedFrames(opcode, payload, deflater, _COMPRESSED_BYTES), None)
            return
        self.outbox.send(payload, encode=lambda plain: encode_frame(opcode | RSV1, deflater.compress(plain)))

    def write(self, opcode: int, payload: bytes | memoryview, progress: Callable[[int], object] | None) -> int:
        """Send one message, in fragments if it is large; give `progress`, and return, the bytes sent.

        Raises: as Outbox.send, and what `progress` raises.
        """
        size = len(payload)
        if size > FRAGMENT_BYTES:
            self.send_in_fragments(opcode, payload, progress)
            return size
        self.send_message(opcode, payload)
        if progress is not None:
            progress(size)
        return size

    def send_in_fragments(
        self, opcode: int, payload: bytes | memoryview, progress: Callable[[int], object] | None
    ) -> None:
        """Send one message in frames of FRAGMENT_BYTES, and call `progress` with the bytes sent after each of them.

        Nothing is held during the call, and pongs and the Close frame pass between the frames. An exception of
        `progress` leaves the message unfinished: after it only closing is possible.

        Raises: as Outbox.send.
        """
        compression = self.compression
        if compression is None or len(payload) < compression.deflater.minimum_size:
            self._send_frames(FragmentFrames(opcode, payload), progress)
        else:
            self._send_frames(CompressedFrames(opcode, payload, compression.deflater), progress)

    def _send_frames(self, frames: FragmentFrames, progress: Callable[[int], object] | None) -> None:
        message = OpenMessage(frames)
        try:
            self._send_each(message, frames, progress)
        finally:
            # Whatever ended it: nobody waits for this thread any more.
            message.let_go()
            frames.release()

    def _send_each(
        self, message: OpenMessage, frames: FragmentFrames, progress: Callable[[int], object] | None
    ) -> None:
        def make(_: object = None) -> bytes:
            frame = message.next_frame()
            assert frame is not None
            return frame

        while frames.remaining:
            if isinstance(frames, CompressedFrames):
                self._send_fragment_of(message, b"", make)
            else:
                self._send_fragment_of(message, make(), None)
            if progress is not None:
                progress(frames.position)

    def _send_fragment_of(self, message: OpenMessage, frame: bytes, make: Encode | None) -> None:
        try:
            self.outbox.send(frame, None, message, make)
        except OperationTimedOutError as exc:
            self.outbox.leave(message, exc)
            raise

    def _send_large(self, pieces: FramePieces, message: OpenMessage | None) -> None:
        try:
            self.outbox.send(next(pieces), pieces, message)
        finally:
            pieces.release()
