"""How long each phase of a connect takes.

The connecting thread measures; what comes of it is for the information object.
"""

from syncws._waiting import deadline
from syncws.info import ConnectTimes

__all__ = ["Phases"]


class _Measure:
    """Adds the time of a block to a phase. No generator, which would take longer than some of the blocks."""

    __slots__ = ("_began", "_phase", "_seconds")

    def __init__(self, seconds: dict[str, float], phase: str) -> None:
        self._seconds = seconds
        self._phase = phase

    def __enter__(self) -> None:
        self._began = deadline.clock()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + deadline.clock() - self._began


class Phases:
    """The seconds of one connect, by phase: names are added up, the rest is of the connection made last."""

    def __init__(self) -> None:
        self._began = deadline.clock()
        self._seconds: dict[str, float] = {}

    def begin_connection(self, tcp: float) -> None:
        """Begin with a socket that took `tcp` seconds to connect; forget what an earlier one took."""
        lookup = self._seconds.get("lookup")
        self._seconds = {"tcp": tcp} if lookup is None else {"lookup": lookup, "tcp": tcp}

    def measure(self, phase: str) -> "_Measure":
        """Return a context that adds its time to a phase, the name of a field of ConnectTimes."""
        return _Measure(self._seconds, phase)

    def times(self) -> ConnectTimes:
        """Return what was measured; the connect ends now."""
        return ConnectTimes(**self._seconds, total=deadline.clock() - self._began)
