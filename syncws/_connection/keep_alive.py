"""Keep-alive: notices that the peer is gone although TCP says nothing, and keeps quiet connections known on the way.

The timers run on the monitor's thread, and wait for nothing: frames are left in the outbox, and the reader, which is
woken, sends them.
"""

import logging
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncws._connection.monitor import Monitor, Timer
from syncws._connection.sending.posted import ControlFrame
from syncws._waiting.deadline import now
from syncws._wire.frames import PONG, encode_frame

if TYPE_CHECKING:
    from syncws._connection.session import Session
    from syncws.control import WebSocketControl

__all__ = ["KeepAlive", "Silence", "UnsolicitedPongs", "may_begin_later", "timers_of"]


_logger = logging.getLogger("syncws.reader")

# With an interval from here on it makes no difference that the monitor looks first after a twentieth of a second.
_LONG_INTERVAL_SECONDS = 1.0


class Silence:
    """A report that the peer seems to be gone; the reader checks it before it acts.

    Attributes:
        reason (str): what was waited for, with the figures.
        received_bytes (int): what had come until then.
    """

    __slots__ = ("reason", "received_bytes")

    def __init__(self, reason: str, received_bytes: int) -> None:
        self.reason = reason
        self.received_bytes = received_bytes


class _SessionTimer(Timer):
    """A timer of one session that runs until closing begins; holds the session weakly."""

    __slots__ = ("_interval", "_session")

    def __init__(self, session: "Session", monitor: Monitor, interval: float) -> None:
        """Make it; `interval` in seconds."""
        super().__init__(monitor)
        self._session: Callable[[], Session | None] = weakref.ref(session)
        self._interval = interval

    def start(self, began: float) -> None:
        """Begin; the first time is an interval after `began`, by the clock of _waiting.deadline."""
        self.set(began + self._interval - now())

    def run(self) -> float | None:
        """See Timer.run."""
        session = self._session()
        return None if session is None or not session.closing.is_open else self._act(session)

    def _act(self, session: "Session") -> float:
        """Do what is due; return in how many seconds again."""
        raise NotImplementedError


class KeepAlive(_SessionTimer):
    """Pings a quiet peer, and reports one that then sends nothing either.

    Any byte is a sign of life. Time during which this side does not read is nobody's silence. Nor is the time that a
    long frame of our own takes, as long as the peer takes it: the ping waits for its end, and the answer with it.
    """

    __slots__ = ("_asked_at", "_asked_bytes", "_full_bytes", "_full_since", "_has_warned", "_sent_bytes", "_timeout")

    def __init__(self, session: "Session", monitor: Monitor, interval: float, timeout: float | None) -> None:
        """Make it; `interval` and `timeout` in seconds, the latter None for ever."""
        super().__init__(session, monitor, interval)
        self._timeout = timeout
        # Since when the ping is without an answer, and what had come until then.
        self._asked_at: float | None = None
        self._asked_bytes = 0
        # What had gone out at the last look, while that ping waited for its turn.
        self._sent_bytes = 0
        # What waited in a full inbox at the first look that found so much, and when that was.
        self._full_bytes = 0
        self._full_since = 0.0
        self._has_warned = False

    def _act(self, session: "Session") -> float:
        if not session.is_reading:
            self._asked_at = None
            if session.is_paused and not self._has_warned:
                self._look_at_full_inbox(session)
            return self._interval
        time = now()
        meter = session.inbound
        if self._asked_at is not None:
            if meter.total_bytes != self._asked_bytes or session.resumed_at > self._asked_at:
                self._asked_at = None
            elif self._timeout is not None:
                return self._await_answer(session, time, self._timeout)
        quiet = time - max(meter.last_time, session.resumed_at)
        if quiet < self._interval:
            return self._interval - quiet
        if self._asked_at is None:
            self._asked_at, self._asked_bytes = time, meter.total_bytes
        self._sent_bytes = session.outbound.total_bytes
        session.pings.post_own()
        # If the answer comes at once the next ping is due in an interval.
        return self._interval if self._timeout is None else min(self._interval, self._timeout)

    def _look_at_full_inbox(self, session: "Session") -> None:
        """Say once that the inbox has been full for an interval, and that nobody takes."""
        time = now()
        size = session.inbox.size
        if size != self._full_bytes or session.resumed_at > self._full_since:
            self._full_bytes, self._full_since = size, time
        elif time - self._full_since >= self._interval and session.is_unclaimed:
            self._has_warned = True
            _logger.warning(
                "connection %d: %d bytes of messages wait and nobody takes them: reading has stopped, pings are not "
                "answered and a close is not noticed. Call receive(), add a message_received handler, or set "
                "control.discard_unclaimed_messages before connect",
                session.number,
                size,
            )

    def _await_answer(self, session: "Session", time: float, timeout: float) -> float:
        limit = self._unanswered_since(session, time) + timeout
        if time < limit:
            return min(limit - time, self._interval)
        reason = f"keep-alive: nothing came for {self._interval:g} s, nor in the {timeout:g} s after a ping"
        session.silence = Silence(reason, self._asked_bytes)
        session.role.call()
        # If the reader finds that the peer lives after all, this goes on.
        self._asked_at = None
        return self._interval

    def _unanswered_since(self, session: "Session", time: float) -> float:
        since = time if self._asked_at is None else self._asked_at
        sent = session.pings.own_sent
        if sent is not None:
            since = max(since, sent)
        elif session.outbound.total_bytes != self._sent_bytes:
            # The ping waits behind a frame of which the peer takes more and more. Only then does that count: while the
            # ping need not wait, what goes may have gone no further than the system's memory.
            self._sent_bytes = session.outbound.total_bytes
            since = time
        self._asked_at = since
        return since


class UnsolicitedPongs(_SessionTimer):
    """Sends a Pong now and then, which nobody answers (RFC 6455 5.5.3): WinRT's one-way heartbeat."""

    __slots__ = ("_pong",)

    def __init__(self, session: "Session", monitor: Monitor, interval: float) -> None:
        """Make it; `interval` in seconds."""
        super().__init__(session, monitor, interval)
        self._pong = ControlFrame(b"")

    def _act(self, session: "Session") -> float:
        # In the place of one that has not gone yet: a peer that does not read is not to fill the memory.
        session.outbox.withdraw_control(self._pong)
        self._pong = ControlFrame(encode_frame(PONG, b""))
        session.outbox.post_control(self._pong)
        session.role.call()
        return self._interval


def may_begin_later(settings: "WebSocketControl") -> bool:
    """Tell whether a session's timers may be made at the monitor's first look: for most connections that is never."""
    interval = settings._keep_alive_interval
    return not settings._desired_unsolicited_pong_interval and (not interval or interval >= _LONG_INTERVAL_SECONDS)


def timers_of(session: "Session", monitor: Monitor) -> list[KeepAlive | UnsolicitedPongs]:
    """Return the timers that a session's settings ask for; they are not started."""
    settings = session.settings
    timers: list[KeepAlive | UnsolicitedPongs] = []
    if settings._keep_alive_interval:
        timers.append(KeepAlive(session, monitor, settings._keep_alive_interval, settings._keep_alive_timeout))
    if settings._pong_interval:
        timers.append(UnsolicitedPongs(session, monitor, settings._pong_interval.total_seconds()))
    return timers
