"""Checks of arguments: numbers, time limits, enumerations. Each raises before any I/O, and says what is allowed.

Pure functions: any thread may call them.
"""

import enum
import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

from syncws._numbers import as_float, as_integer, shown_number
from syncws.enums import ByteOrder, InputStreamOptions, UnicodeEncoding
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = [
    "Default",
    "MAX_UINT32",
    "as_byte_order",
    "as_input_stream_options",
    "as_unicode_encoding",
    "check_bool",
    "check_count",
    "check_header_pairs",
    "check_integer",
    "check_timeout",
]

MemberT = TypeVar("MemberT", bound=enum.IntEnum | enum.IntFlag)

MAX_UINT32 = 0xFFFF_FFFF
"""The largest capacity, length or count, and size of a message: WinRT's are UInt32."""


def check_bool(value: object, what: str) -> bool:
    """Check a bool.

    Raises:
        InvalidArgumentTypeError: it is not a bool (0x80070057).
    """
    if not isinstance(value, bool):
        kind = type(value)
        # With its module: numpy's is called bool too.
        name = f"{kind.__module__}.{kind.__name__}".removeprefix("builtins.")
        raise InvalidArgumentTypeError(f"{what} must be a bool, not {name}")
    return value


def check_integer(value: object, what: str, minimum: int, maximum: int) -> int:
    """Return `value` when it is an int or has __index__, and is not a bool, from `minimum` to `maximum`.

    Args:
        value: what the caller gave.
        what: name of the argument, for the message.
        minimum: the smallest int allowed.
        maximum: the largest int allowed.

    Raises:
        InvalidArgumentTypeError: it is not an int, or is a bool (0x80070057).
        InvalidArgumentError: it is out of range (0x80070057).

    Source: beyond WinRT, whose integers have a width of their own.
    """
    number = as_integer(value)
    if number is None:
        raise InvalidArgumentTypeError(f"{what} must be an int, not {type(value).__name__}")
    if not minimum <= number <= maximum:
        raise InvalidArgumentError(f"{what} must be from {minimum} to {maximum}, got {shown_number(number)}")
    return number


def check_count(value: object, what: str) -> int:
    """Return `value` when it is an int from 0 to MAX_UINT32.

    Args:
        value: what the caller gave.
        what: name of the argument, for the message.

    Raises:
        InvalidArgumentTypeError: it is not an int, or is a bool (0x80070057).
        InvalidArgumentError: it is negative or over 4,294,967,295 (0x80070057).

    Source: the UInt32 arguments of WinRT.
    """
    if type(value) is int and 0 <= value <= MAX_UINT32:
        return value
    return check_integer(value, what, 0, MAX_UINT32)


def as_byte_order(value: object) -> ByteOrder:
    """Return `value`, a ByteOrder or its number, as a ByteOrder.

    Raises:
        InvalidArgumentTypeError: it is not an int, or is a bool (0x80070057).
        InvalidArgumentError: no ByteOrder has that number (0x80070057).

    Source: DataReader.ByteOrder, DataWriter.ByteOrder.
    """
    return _member_by_number(ByteOrder, value, 1, "byte_order")


def as_unicode_encoding(value: object) -> UnicodeEncoding:
    """Return `value`, a UnicodeEncoding or its number, as a UnicodeEncoding.

    Raises:
        InvalidArgumentTypeError: it is not an int, or is a bool (0x80070057).
        InvalidArgumentError: no UnicodeEncoding has that number (0x80070057).

    Source: DataReader.UnicodeEncoding, DataWriter.UnicodeEncoding.
    """
    return _member_by_number(UnicodeEncoding, value, 2, "unicode_encoding")


def as_input_stream_options(value: object, what: str) -> InputStreamOptions:
    """Return `value`, flags of InputStreamOptions or their number, as InputStreamOptions; `what` is for the message.

    Raises:
        InvalidArgumentTypeError: it is not an int, or is a bool (0x80070057).
        InvalidArgumentError: it has a bit that is not a flag (0x80070057).

    Source: DataReader.InputStreamOptions, IInputStream.ReadAsync.
    """
    return _member_by_number(InputStreamOptions, value, 3, what)


def _member_by_number(kind: type[MemberT], value: object, highest: int, what: str) -> MemberT:
    """Return the member, or the flags, of a number from 0 to `highest`, whatever type the number has."""
    if type(value) is kind and 0 <= value <= highest:
        return value
    number = as_integer(value)
    if number is None or not 0 <= number <= highest:
        refused = InvalidArgumentTypeError if number is None else InvalidArgumentError
        shown = type(value).__name__ if number is None else shown_number(number)
        raise refused(f"{what} must be of {kind.__name__} ({', '.join(kind.__members__)}), not {shown}")
    return kind(number)


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
    try:
        number = as_float(value)
        if number is None:
            raise InvalidArgumentTypeError(f"{what} must be seconds as a number, or None, not {type(value).__name__}")
        seconds = float(number)
    except OverflowError:
        raise InvalidArgumentError(f"{what} must be seconds that fit a float, or None for ever") from None
    if math.isnan(seconds) or seconds < 0:
        raise InvalidArgumentError(f"{what} must be 0 or more seconds, or None for ever; got {value!r}")
    # Infinity means for ever too.
    return None if math.isinf(seconds) else seconds


def check_header_pairs(headers: object) -> list[tuple[str, str]]:
    """Return request headers as pairs of name and value; what these may be is checked elsewhere.

    Raises:
        InvalidArgumentTypeError: neither a mapping nor an iterable of pairs, nor None (0x80070057).
    """
    if headers is None or (isinstance(headers, tuple) and not headers):
        return []
    if isinstance(headers, Mapping):
        return list(headers.items())
    pairs = list(headers) if isinstance(headers, Iterable) and not isinstance(headers, str) else None
    if pairs is None or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        # The values may be secrets, so none is shown.
        raise InvalidArgumentTypeError('headers must be a mapping, pairs as in [("X-Name", "value")], or None')
    return [(name, value) for name, value in pairs]
