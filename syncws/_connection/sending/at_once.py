"""Sending a small frame by one call, which is the common case: the part of an outbox that has a compiled form.

Whoever sends may call it. In plain Python there is nothing shorter than Outbox.send(), so nothing is sent in this way.
"""

from typing import TYPE_CHECKING

from syncws._connection.sending.frame_writer import FrameWriter
from syncws._net.meter import BandwidthMeter
from syncws._wire.accelerated import speedups
from syncws._wire.tally import Tally

__all__ = ["AtOnce"]


class AtOnce:
    """The base of Outbox.

    Attributes:
        direct (object): what small frames go to past the transport, see transport.direct_way; None where there is
            nothing, and in plain Python.
    """

    __slots__ = ("_meter", "_owner", "_writer", "direct", "has_posted", "tally")

    direct: object
    tally: Tally
    has_posted: bool
    _meter: BandwidthMeter | None
    _owner: int
    _writer: FrameWriter

    def send_at_once(self, payload: object, first: int = 0, /) -> bool:
        """Send one whole message as one frame if nobody is in the midst of sending, and nothing must go before it.

        In C that is one step: from the checks to the system's answer no other thread runs, and no signal handler. So it
        takes no lock.

        Args:
            payload: what is sent: str as text, bytes as binary, and whatever is not small and one of these not at all.
            first: the frame's first byte, for bytes or another buffer; 0 (the default) for what the payload's type
                says.

        Returns:
            False when it is to be sent by send(): then nothing was sent.

        Raises: as Outbox.send.
        """
        return False


if not TYPE_CHECKING and speedups is not None:
    AtOnce = speedups.AtOnce
