"""How many messages and frames went one way.

One thread at a time counts: whoever reads, or has the writer role. Any thread may look.
"""

from typing import TYPE_CHECKING

from syncws._wire.accelerated import speedups

__all__ = ["Tally"]


class TallyFields:
    """What each small message changes; a class of its own, because it has a compiled form."""

    __slots__ = ("whole",)

    whole: int


if not TYPE_CHECKING and speedups is not None:
    TallyFields = speedups.TallyFields


class Tally(TallyFields):
    """Counts so that a message of one frame, the common case, takes one step.

    Attributes:
        whole (int): messages of one frame.
        begun (int): data frames of all other messages, begun.
        ended (int): such messages, ended.
        controls (int): pings, pongs and Close frames.
    """

    __slots__ = ("begun", "controls", "ended")

    def __init__(self) -> None:
        self.whole = self.begun = self.ended = self.controls = 0

    @property
    def messages(self) -> int:
        """Messages that have ended."""
        return self.whole + self.ended

    @property
    def frames(self) -> int:
        """Frames of every kind."""
        return self.whole + self.begun + self.controls
