"""Checks of arguments that several modules share.

May import errors and streams. Pure functions: any thread may call them.
"""

import enum
import math

from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.streams.arguments import shown_number

__all__ = ["Default", "check_number", "check_timeout"]


class Default(enum.Enum):
    """What stands for an argument that was not given."""

    TIMEOUT = "control.receive_timeout"

    def __repr__(self) -> str:
        return self.value


def check_timeout(value: object, what: str) -> float | None:
    """Check a time limit in seconds.

    Raises:
        InvalidArgumentTypeError: neither a number nor None (0x80070057).
        InvalidArgumentError: negative or not a number (0x80070057).
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgumentTypeError(f"{what} must be seconds as a number, or None, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        raise InvalidArgumentError(f"{what} must be seconds that fit a float, or None for ever") from None
    if math.isnan(seconds) or seconds < 0:
        raise InvalidArgumentError(f"{what} must be 0 or more seconds, or None for ever; got {value!r}")
    # Infinity is for ever as well.
    return None if math.isinf(seconds) else seconds


def check_number(value: object, what: str, lowest: int, highest: int) -> int:
    """Check a whole number.

    Raises:
        InvalidArgumentTypeError: it is no int (0x80070057).
        InvalidArgumentError: it is out of range (0x80070057).
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgumentTypeError(f"{what} must be an int, not {type(value).__name__}")
    if not lowest <= value <= highest:
        raise InvalidArgumentError(f"{what} must be from {lowest} to {highest}; got {shown_number(value)}")
    return value
