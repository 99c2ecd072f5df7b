"""What the tests of reconnecting share: waits that only turn the clock."""

import types

import pytest

from syncws import CloseCause, ConnectionClosedError, MessageWebSocket
from syncws._reconnecting import attempts
from syncws._waiting.locks import Latch


class TurningBell:
    """Stands for a Bell: a wait is noted, and turns the clock by its time."""

    def __init__(self, clock, waits):
        self._clock = clock
        self._waits = waits
        self._is_rung = False

    def ring(self):
        self._is_rung = True

    def wait(self, timeout):
        if not self._is_rung:
            self._waits.append(round(timeout, 3))
            self._clock.advance(timeout)
        self._is_rung = False


@pytest.fixture
def waits(clock, monkeypatch):
    """The seconds of each wait between attempts, which passes at once on a clock that stands still otherwise."""
    noted = []
    monkeypatch.setattr(attempts, "Bell", lambda: TurningBell(clock, noted))
    # The longest that full jitter can give.
    monkeypatch.setattr(attempts.Backoff, "delay", attempts.Backoff.longest)
    return noted


class Script:
    """What each connect comes to, and how long its connection holds.

    Attributes:
        steps: for each connect, an exception to raise, or a number: the seconds until the connection is lost.
        connects: the URI and the headers of each.
    """

    def __init__(self, clock):
        self.clock = clock
        self.steps = []
        self.connects = []
        self.sockets = []

    def lose(self, socket):
        """Have the time pass for which the connection holds, and lose it."""
        self.clock.advance(socket.holds)
        socket.lost = True


class ScriptedSession:
    def __init__(self, socket):
        self._socket = socket
        self.finished = Latch()
        self.inbox = types.SimpleNamespace(is_exhausted=False)

    def end_error(self):
        error = ConnectionClosedError("the connection is over")
        error.close_cause = CloseCause.CONNECTION_LOST if self._socket.lost else CloseCause.LOCAL
        return error


@pytest.fixture
def script(clock, monkeypatch):
    """Have connects follow a script instead of going to a server."""
    made = Script(clock)

    class ScriptedSocket(MessageWebSocket):
        lost = False
        holds = 0
        is_closed = False

        def _connect(self, uri, *_):
            made.connects.append((uri, dict(self._request_headers.values())))
            step = made.steps.pop(0)
            if isinstance(step, BaseException):
                raise step
            self.holds = step
            made.sockets.append(self)
            self._session = ScriptedSession(self)

        def _close(self, *_):
            self.is_closed = True

    monkeypatch.setattr(attempts, "MessageWebSocket", ScriptedSocket)
    return made
