"""How long each phase of a connect takes.

The connecting thread measures; what comes of it is for the information object.
"""

from syncws._waiting import deadline
from syncws.info import ConnectTimes

__all__ = ["Phases"]


class Phases:
    """The seconds of one connect, by phase: names are added up, the rest is of the connection made last."""

    def __init__(self) -> None:
        self._began = deadline.clock()
        self._seconds: dict[str, float] = {}

    def begin_connection(self, tcp: float) -> None:
        """Begin with a socket that took `tcp` seconds to connect; forget what an earlier one took."""
        lookup = self._seconds.get("lookup")
        self._seconds = {"tcp": tcp} if lookup is None else {"lookup": lookup, "tcp": tcp}

    def add(self, phase: str, began: float) -> None:
        """Add the time since `began`, by deadline.clock, to a phase: the name of a field of ConnectTimes."""
        self._seconds[phase] = self._seconds.get(phase, 0.0) + deadline.clock() - began

    def times(self) -> ConnectTimes:
        """Return what was measured; the connect ends now."""
        return ConnectTimes(**self._seconds, total=deadline.clock() - self._began)
