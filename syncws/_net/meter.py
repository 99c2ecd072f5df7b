"""How much moves through a connection, and how fast: the figures behind Information.bandwidth_statistics.

Each meter is fed by one thread at a time (the receiver, or the sender), except that small frames are sent without a
lock: then another sender may come between the look at the clock and the counting. Other threads only read plain
numbers.

WinRT's figures are TCP's own estimates. Here the same kind of estimate is made from the bytes that really passed:
samples of at least 100 ms during which bytes moved, smoothed as TCP smooths round trips (RFC 6298: 1/8 for the mean,
1/4 for the deviation). Silence of over a second starts a new sample, so that an idle connection keeps its estimate.
"""

from typing import TYPE_CHECKING

from syncws._waiting import deadline
from syncws._wire.accelerated import speedups

__all__ = ["BandwidthMeter"]

_SAMPLE_SECONDS = 0.1
_IDLE_SECONDS = 1.0
# An estimate has peaked when a new sample does not raise it by more than this part.
_RISE = 1.05


class MeterFields:
    """What is touched each time that bytes move; a class of its own, because it has a compiled form.

    Attributes: as BandwidthMeter's; and the bytes of the sample under way, and when it is full.
    """

    __slots__ = ("_sample_bytes", "_sample_end", "last_time", "total_bytes")

    total_bytes: int
    last_time: float
    _sample_bytes: int
    _sample_end: float

    def add(self, count: int, /) -> None:
        """Count bytes that have just moved."""
        # `now` spelled out: this is on the path of every message.
        time = deadline.clock()
        if time < self._sample_end:
            # The common case: neither is the sample full nor can there have been a second of silence in it.
            self.total_bytes += count
            self._sample_bytes += count
            self.last_time = time
        else:
            self._add_rarely(count, time)

    def _add_rarely(self, count: int, time: float) -> None:
        raise NotImplementedError


if not TYPE_CHECKING and speedups is not None:
    speedups.use_clock(deadline)
    MeterFields = speedups.MeterFields


class BandwidthMeter(MeterFields):
    """Counts the bytes of one direction.

    Attributes:
        total_bytes (int): bytes so far.
        last_time (float): when the latest of them moved, by deadline.clock; before that when it was made.
    """

    __slots__ = ("_bits_per_second", "_has_sample", "_instability", "_peaked", "_sample_start")

    def __init__(self) -> None:
        self.total_bytes = self._sample_bytes = 0
        self.last_time = self._sample_start = time = deadline.clock()
        self._sample_end = time + _SAMPLE_SECONDS
        self._has_sample = False
        self._bits_per_second = 0.0
        self._instability = 0.0
        self._peaked = False

    def _begin_sample(self, count: int) -> None:
        self._sample_start = self.last_time
        self._sample_end = self.last_time + _SAMPLE_SECONDS
        self._sample_bytes = count

    def _add_rarely(self, count: int, time: float) -> None:
        """Count bytes that moved when the sample was full, or after a silence."""
        self.total_bytes += count
        if time <= self._sample_start:
            # Another sender was here since this one looked at the clock, and has begun the next sample.
            self._sample_bytes += count
            return
        silence = time - self.last_time
        self.last_time = time
        if silence > _IDLE_SECONDS:
            self._begin_sample(count)
            return
        self._sample_bytes += count
        self._take_sample(self._sample_bytes * 8 / (time - self._sample_start))
        self._begin_sample(0)

    def _take_sample(self, sample: float) -> None:
        if not self._has_sample:
            self._has_sample = True
            self._bits_per_second = sample
            self._instability = sample / 2
            return
        self._peaked = sample <= self._bits_per_second * _RISE
        difference = sample - self._bits_per_second
        self._instability += (abs(difference) - self._instability) / 4
        self._bits_per_second += difference / 8

    def read(self) -> tuple[int, int, bool]:
        """Return bits per second, their instability in bits per second, and whether the estimate has peaked.

        Before the first full sample the estimate is what has moved so far over the time that it took.
        """
        if self._has_sample or not self.total_bytes:
            return int(self._bits_per_second), int(self._instability), self._peaked
        elapsed = max(self.last_time - self._sample_start, 0.001)
        return max(1, int(self._sample_bytes * 8 / elapsed)), 0, False
