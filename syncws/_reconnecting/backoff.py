"""Backoff: how long is waited before the next connect, and what a server's Retry-After adds.

Plain values; any thread may use them.
"""

import datetime as dt
import math
import os

from syncws._numbers import as_float
from syncws.errors import HttpStatusError, InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["LONGEST_RETRY_AFTER_SECONDS", "Backoff", "retry_after"]

LONGEST_RETRY_AFTER_SECONDS = 3600.0
"""A Retry-After that is longer counts as this: a typing error of a server's must not keep a service away for years."""


class Backoff:
    """How long to wait before connecting again: exponential, with full jitter (beyond WinRT).

    The wait before an attempt is any time from 0 to a limit, all equally likely, so that the clients of a server that
    was restarted do not all come at once. The limit is `initial` for the first attempt, `factor` times as
    much for each further one, and never over `maximum`. It starts over after a connection that lasted for `held_after`.

    Attributes:
        initial (float): limit in seconds for the first attempt.
        maximum (float): the largest limit, in seconds.
        factor (float): how many times as large each further limit is.
        held_after (float): seconds after which a connection counts as one that lasted.
    """

    __slots__ = ("factor", "held_after", "initial", "maximum")

    def __init__(
        self, initial: float = 1.0, maximum: float = 60.0, factor: float = 2.0, *, held_after: float = 10.0
    ) -> None:
        """Make it.

        Args:
            initial: seconds, more than 0; default 1.
            maximum: seconds, not less than `initial`; default 60.
            factor: 1 or more; default 2.
            held_after: seconds for which a connection must be open to count as one that lasted; 0 for every
                connection; default 10.

        Raises:
            InvalidArgumentTypeError: one is not a number (0x80070057).
            InvalidArgumentError: one is out of range (0x80070057).
        """
        self.initial: float = _number(initial, "initial")
        self.maximum: float = _number(maximum, "maximum")
        self.factor: float = _number(factor, "factor")
        self.held_after: float = _number(held_after, "held_after")
        if self.initial <= 0:
            raise InvalidArgumentError(
                f"initial must be more than 0 seconds, got {initial!r}: without a pause a server that is down would "
                "be asked without end"
            )
        if self.maximum < self.initial:
            raise InvalidArgumentError(f"maximum must be at least initial ({initial!r} seconds), got {maximum!r}")
        if self.factor < 1:
            raise InvalidArgumentError(f"factor must be 1 or more, got {factor!r}")
        if self.held_after < 0:
            raise InvalidArgumentError(f"held_after must be 0 or more seconds, got {held_after!r}")

    def longest(self, attempt: int) -> float:
        """Return the longest wait in seconds before the attempt of that number, 1 for the first."""
        try:
            return min(self.maximum, self.initial * self.factor ** (attempt - 1))
        except OverflowError:
            return self.maximum

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait before the attempt of that number: at random, from 0 to longest(attempt)."""
        # Not from the module random, which a program may have seeded alike on all its machines.
        return self.longest(attempt) * int.from_bytes(os.urandom(4), "big") / 0xFFFF_FFFF

    def __repr__(self) -> str:
        return (
            f"Backoff(initial={self.initial:g}, maximum={self.maximum:g}, factor={self.factor:g}, "
            f"held_after={self.held_after:g})"
        )


def _number(value: object, what: str) -> float:
    # Not check_timeout, which would offer None.
    try:
        given = as_float(value)
        if given is None:
            raise InvalidArgumentTypeError(f"{what} must be a number, not {type(value).__name__}")
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidArgumentError(f"{what} must be a number that is not infinite, got {number!r}")
    return number


def retry_after(error: BaseException) -> float:
    """Return the seconds for which the server that answered with `error` wants to be left alone; 0 when it says none.

    A date counts from the answer's own Date, so that the clocks need not agree, otherwise from ours (RFC 9110 10.2.3).
    """
    if not isinstance(error, HttpStatusError):
        return 0.0
    value = error.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        # Only the first of endless digits count: with these the number is far over the limit.
        return min(float(value[:20]), LONGEST_RETRY_AFTER_SECONDS)
    until = _date(value)
    if until is None:
        return 0.0
    since = _date(error.headers.get("date", "")) or dt.datetime.now(dt.UTC)
    return min(max(0.0, math.ceil((until - since).total_seconds())), LONGEST_RETRY_AFTER_SECONDS)


def _date(text: str) -> dt.datetime | None:
    """Read an HTTP date; None when it is not one."""
    # Not loaded before a server names a date.
    import email.utils

    try:
        date = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=dt.UTC) if date.tzinfo is None else date
