"""The settings of keep-alive and of WinRT's one-way heartbeat, a part of both control objects.

May import errors and checks. Properties may be read and set on any thread; connect() freezes them.
"""

import datetime as dt

from syncws._arguments.checks import check_timeout
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["KeepAliveControl"]

# A heartbeat that is faster than this helps nobody.
_SHORTEST_PONG_INTERVAL = dt.timedelta(milliseconds=100)


class KeepAliveControl:
    """The base of WebSocketControl that holds these settings. Not for use by itself."""

    __slots__ = (
        "_actual_unsolicited_pong_interval",
        "_desired_unsolicited_pong_interval",
        "_keep_alive_interval",
        "_keep_alive_timeout",
    )

    _keep_alive_interval: float | None
    _keep_alive_timeout: float | None
    _desired_unsolicited_pong_interval: dt.timedelta
    _actual_unsolicited_pong_interval: dt.timedelta

    def _set_defaults(self) -> None:
        self._keep_alive_interval = 20.0
        self._keep_alive_timeout = 20.0
        self._desired_unsolicited_pong_interval = dt.timedelta()
        self._actual_unsolicited_pong_interval = dt.timedelta()

    def _check_settable(self) -> None:
        raise NotImplementedError

    def _set_frozen(self, is_frozen: bool) -> None:
        if not is_frozen:
            self._actual_unsolicited_pong_interval = dt.timedelta()

    def _set_connected(self) -> None:
        """Note that the settings are in use now."""
        self._actual_unsolicited_pong_interval = self._pong_interval

    @property
    def _pong_interval(self) -> dt.timedelta:
        desired = self._desired_unsolicited_pong_interval
        return max(desired, _SHORTEST_PONG_INTERVAL) if desired else desired

    @property
    def keep_alive_interval(self) -> float | None:
        """Seconds without a byte from the server after which it is pinged; default 20, 0 or None never (beyond WinRT).

        Time during which this side does not read, because control.inbox_size_in_bytes is full, does not count.

        Raises:
            InvalidArgumentError: negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._keep_alive_interval

    @keep_alive_interval.setter
    def keep_alive_interval(self, value: float | None) -> None:
        self._check_settable()
        self._keep_alive_interval = check_timeout(value, "keep_alive_interval")

    @property
    def keep_alive_timeout(self) -> float | None:
        """Seconds that the server has to send something after that ping; default 20, None for ever (beyond WinRT).

        Any byte will do, a pong is not insisted on. When nothing comes the connection is failed: receiving raises
        ConnectionLostError, and closed is raised with 1011 and the reason.

        Raises:
            InvalidArgumentError: 0, negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._keep_alive_timeout

    @keep_alive_timeout.setter
    def keep_alive_timeout(self, value: float | None) -> None:
        self._check_settable()
        checked = check_timeout(value, "keep_alive_timeout")
        if checked == 0:
            raise InvalidArgumentError("keep_alive_timeout must be above 0; keep_alive_interval 0 turns keep-alive off")
        self._keep_alive_timeout = checked

    @property
    def desired_unsolicited_pong_interval(self) -> dt.timedelta:
        """Time between Pong frames that nobody asked for, a one-way heartbeat; default timedelta(0), none.

        Raises:
            InvalidArgumentTypeError: no timedelta (0x80070057).
            InvalidArgumentError: negative (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).

        Source: ….DesiredUnsolicitedPongInterval, RFC 6455 5.5.3.
        """
        return self._desired_unsolicited_pong_interval

    @desired_unsolicited_pong_interval.setter
    def desired_unsolicited_pong_interval(self, value: dt.timedelta) -> None:
        self._check_settable()
        if not isinstance(value, dt.timedelta):
            kind = type(value).__name__
            raise InvalidArgumentTypeError(f"desired_unsolicited_pong_interval must be a timedelta, not {kind}")
        if value < dt.timedelta():
            raise InvalidArgumentError(f"desired_unsolicited_pong_interval must not be negative; got {value!r}")
        self._desired_unsolicited_pong_interval = value

    @property
    def actual_unsolicited_pong_interval(self) -> dt.timedelta:
        """The interval in use since connect: the desired one, but at least 100 ms; timedelta(0) before and for none.

        Source: ….ActualUnsolicitedPongInterval.
        """
        return self._actual_unsolicited_pong_interval
