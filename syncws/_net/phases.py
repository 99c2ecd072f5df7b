"""How long each phase of a connect takes.

The connecting thread measures; what comes of it is for the information object.
"""

import contextlib
from collections.abc import Iterator

from syncws._waiting.deadline import now
from syncws.info import ConnectTimes

__all__ = ["Phases"]


class Phases:
    """The seconds of one connect, by phase: names are added up, the rest is of the connection made last."""

    def __init__(self) -> None:
        self._began = now()
        self._seconds: dict[str, float] = {}

    def begin_connection(self, tcp: float) -> None:
        """Begin with a socket that took `tcp` seconds to connect; forget what an earlier one took."""
        self._seconds = {name: seconds for name, seconds in self._seconds.items() if name == "lookup"} | {"tcp": tcp}

    @contextlib.contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Add the time of the block to a phase, the name of a field of ConnectTimes."""
        began = now()
        try:
            yield
        finally:
            self._seconds[phase] = self._seconds.get(phase, 0.0) + now() - began

    def times(self) -> ConnectTimes:
        """Return what was measured; the connect ends now."""
        return ConnectTimes(**self._seconds, total=now() - self._began)
