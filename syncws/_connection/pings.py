"""Pings that wait for their pongs, and the round trip (RFC 6455 5.5.2, 5.5.3).

Any number of threads may ping; pongs are brought by the reader.
"""

import contextlib
import itertools
import os
from collections import deque
from collections.abc import Callable

from syncws._connection.sending.outbox import Outbox
from syncws._connection.sending.posted import ControlFrame
from syncws._locks import locks
from syncws._streams.buffer import as_bytes_view
from syncws._waiting.deadline import Deadline, now
from syncws._waiting.locks import Bell, nothing_else
from syncws._wire.frames import MAX_CONTROL_PAYLOAD, PING, encode_frame
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError, OperationTimedOutError, WebSocketError, fresh

__all__ = ["Pings", "check_ping_payload"]


class _Ping(ControlFrame):
    """One Ping, and who waits for its Pong.

    Attributes:
        bell: has the thread that waits look.
        seconds: the round trip, None until the pong has come.
    """

    __slots__ = ("bell", "payload", "seconds")

    def __init__(self, payload: bytes) -> None:
        super().__init__(encode_frame(PING, payload))
        self.payload = payload
        self.seconds: float | None = None
        self.bell = Bell()


class Pings:
    """The pings of one connection.

    Attributes:
        round_trip_time (float | None): seconds that the latest one took; None before the first.
    """

    __slots__ = (
        "_end_reason",
        "_lock",
        "_numbers",
        "_outbox",
        "_own",
        "_salt",
        "_sent",
        "_wake_reader",
        "round_trip_time",
    )

    def __init__(self, outbox: Outbox, wake_reader: Callable[[], None]) -> None:
        """Make it; the connection's reader sends what is posted to `outbox`."""
        self._outbox = outbox
        self._wake_reader = wake_reader
        # Keeps the order here and in the outbox the same: a pong answers its ping and those before it.
        self._lock = locks.RLock()
        self._sent: deque[_Ping] = deque()
        # Keep-alive's, for which nobody waits.
        self._own: _Ping | None = None
        self._end_reason: WebSocketError | None = None
        # Made for the first ping.
        self._salt = b""
        self._numbers = itertools.count(1)
        self.round_trip_time: float | None = None

    def ping(
        self,
        payload: bytes | None,
        deadline: Deadline,
        meanwhile: Callable[[Deadline], Deadline] = nothing_else,
    ) -> float:
        """Send a Ping and wait for its Pong; return the seconds in between.

        A Ping that has to wait for the end of a frame does not count that time.

        Args:
            payload: at most 125 bytes; None for bytes that no other ping of this connection has.
            deadline: bounds the wait.
            meanwhile: see Latch.wait_until.

        Raises:
            OperationTimedOutError: no pong came in time (0x80072EE2).
            WebSocketError: what end() was given.
        """
        # Asked before it is posted: behind our Close frame no ping may go.
        self._check_not_ended()
        ping = _Ping(self._unique() if payload is None else payload)
        try:
            self._post(ping)
            # Not sent on this thread: an interruption in the middle of a frame would end the connection.
            self._wake_reader()
            return self._await_pong(ping, deadline, meanwhile)
        finally:
            self._forget(ping)

    def _await_pong(self, ping: _Ping, deadline: Deadline, meanwhile: Callable[[Deadline], Deadline]) -> float:
        while ping.seconds is None:
            self._check_not_ended()
            if deadline.is_expired:
                raise OperationTimedOutError("no pong came in time")
            ping.bell.wait(meanwhile(deadline).remaining)
        return ping.seconds

    def post_own(self) -> None:
        """Leave keep-alive's Ping, in the place of the one before."""
        if self._own is not None:
            self._forget(self._own)
        self._own = _Ping(self._unique())
        self._post(self._own)
        self._wake_reader()

    @property
    def own_sent(self) -> float | None:
        """When keep-alive's latest Ping went; None while it waits behind a frame."""
        return None if self._own is None else self._own.sent

    def take_pong(self, payload: bytes) -> float | None:
        """Take a Pong: it answers the latest ping with that payload, and all before it. The reader calls it.

        Returns:
            The round trip in seconds of that ping; None when it answers none.

        Two pings with the same payload cannot be told apart, and a peer may answer only the second: so both have their
        answer.
        """
        time = now()
        with self._lock:
            # In the order in which they went; what has not gone yet no pong can answer.
            pings = [(ping, ping.sent) for ping in self._sent if ping.sent is not None]
            last = max((index for index, (ping, _) in enumerate(pings) if ping.payload == payload), default=None)
            if last is None:
                return None
            for ping, sent in pings[: last + 1]:
                self.round_trip_time = ping.seconds = time - sent
                self._sent.remove(ping)
                ping.bell.ring()
            return pings[last][0].seconds

    def end(self, reason: WebSocketError) -> None:
        """End all waits for pongs, now and later, with `reason`; the first reason stays."""
        if self._end_reason is None:
            self._end_reason = reason
        for ping in self._sent.copy():
            ping.bell.ring()

    def let_go_in_child(self, error: WebSocketError) -> None:
        """In a forked child: whoever waits for a pong gets `error`, and another thread may have held the lock."""
        self._lock = locks.RLock()
        self.end(error)

    def _check_not_ended(self) -> None:
        if self._end_reason is not None:
            raise fresh(self._end_reason)

    def _unique(self) -> bytes:
        if not self._salt:
            self._salt = os.urandom(4)
        return self._salt + next(self._numbers).to_bytes(4, "big")

    def _post(self, ping: _Ping) -> None:
        with self._lock:
            self._sent.append(ping)
            self._outbox.post_control(ping)

    def _forget(self, ping: _Ping) -> None:
        self._outbox.withdraw_control(ping)
        with self._lock, contextlib.suppress(ValueError):
            self._sent.remove(ping)


def check_ping_payload(payload: object) -> bytes | None:
    """Check the payload of a Ping; None stands for bytes of our own.

    Raises:
        InvalidArgumentTypeError: no bytes, bytearray or memoryview (0x80070057).
        InvalidArgumentError: more than 125 bytes, or a memoryview that was released (0x80070057).
    """
    if payload is None:
        return None
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise InvalidArgumentTypeError(f"the payload of a ping must be bytes or None, not {type(payload).__name__}")
    # Released at once: an exception that holds this frame must not keep the caller's bytearray from growing.
    with as_bytes_view(payload, "the payload of a ping") as view:
        if len(view) > MAX_CONTROL_PAYLOAD:
            raise InvalidArgumentError(
                f"the payload of a ping has {len(view)} bytes: at most {MAX_CONTROL_PAYLOAD} are allowed"
            )
        return bytes(view)
