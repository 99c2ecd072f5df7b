"""Bytes of numbers, GUIDs, dates and time spans, as DataReader and DataWriter have them in both byte orders.

Pure functions over bytes and tables built at import: any thread may run them. Dates and time spans are counted in ticks
of 100 ns, in exact integers.
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, SupportsFloat, SupportsIndex

from syncws._arguments.checks import check_integer
from syncws._numbers import as_float, shown_number
from syncws.enums import ByteOrder
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

if TYPE_CHECKING:
    import uuid

__all__ = [
    "BYTE",
    "DOUBLE",
    "INT16",
    "INT32",
    "INT64",
    "SINGLE",
    "UINT16",
    "UINT32",
    "UINT64",
    "FloatLayout",
    "IntegerLayout",
    "pack_date_time",
    "pack_float",
    "pack_guid",
    "pack_integer",
    "pack_time_span",
    "unpack_date_time",
    "unpack_guid",
    "unpack_time_span",
]

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_TICKS_PER_MICROSECOND = 10
_TICKS_PER_SECOND = 10_000_000
_SECONDS_PER_DAY = 86_400
_GREATEST_SINGLE = 3.4028234663852886e38
_GREATEST_DOUBLE = 1.7976931348623157e308


class IntegerLayout:
    """An integer type of WinRT.

    Attributes:
        name (str): its WinRT name.
        size (int): bytes it takes.
        minimum (int): its smallest value.
        maximum (int): its largest value.
        structs (tuple[struct.Struct, struct.Struct]): for ByteOrder.LITTLE_ENDIAN (0) and BIG_ENDIAN (1).
    """

    __slots__ = ("maximum", "minimum", "name", "size", "structs")

    def __init__(self, name: str, code: str) -> None:
        """Build the two structs for a code of the struct module; small letters are signed."""
        self.name = name
        self.structs = (struct.Struct("<" + code), struct.Struct(">" + code))
        self.size = self.structs[0].size
        bits = 8 * self.size
        self.minimum = -(1 << (bits - 1)) if code.islower() else 0
        self.maximum = self.minimum + (1 << bits) - 1


class FloatLayout:
    """A floating-point type of WinRT (IEEE 754).

    Attributes:
        name (str): its WinRT name.
        size (int): bytes it takes.
        maximum (float): its greatest finite value.
        structs (tuple[struct.Struct, struct.Struct]): for ByteOrder.LITTLE_ENDIAN (0) and BIG_ENDIAN (1).
    """

    __slots__ = ("maximum", "name", "size", "structs")

    def __init__(self, name: str, code: str, maximum: float) -> None:
        """Build the two structs for a code of the struct module."""
        self.name = name
        self.structs = (struct.Struct("<" + code), struct.Struct(">" + code))
        self.size = self.structs[0].size
        self.maximum = maximum


BYTE = IntegerLayout("Byte", "B")
INT16 = IntegerLayout("Int16", "h")
UINT16 = IntegerLayout("UInt16", "H")
INT32 = IntegerLayout("Int32", "i")
UINT32 = IntegerLayout("UInt32", "I")
INT64 = IntegerLayout("Int64", "q")
UINT64 = IntegerLayout("UInt64", "Q")
SINGLE = FloatLayout("Single", "f", _GREATEST_SINGLE)
DOUBLE = FloatLayout("Double", "d", _GREATEST_DOUBLE)


def pack_integer(value: SupportsIndex, layout: IntegerLayout, byte_order: ByteOrder) -> bytes:
    """Give the bytes of an integer.

    Args:
        value: an int from `layout.minimum` to `layout.maximum`.
        layout: the WinRT type.
        byte_order: the order of the bytes.

    Raises:
        InvalidArgumentTypeError: `value` is not an int, or is a bool (0x80070057).
        InvalidArgumentError: `value` is out of range (0x80070057).

    Source: DataWriter.WriteByte, WriteInt16, WriteUInt16 and so on.
    """
    if type(value) is not int or not layout.minimum <= value <= layout.maximum:
        value = check_integer(value, layout.name, layout.minimum, layout.maximum)
    return layout.structs[byte_order].pack(value)


def pack_float(value: SupportsFloat | SupportsIndex, layout: FloatLayout, byte_order: ByteOrder) -> bytes:
    """Give the bytes of a floating-point number.

    Args:
        value: a float or an int; infinities and not-a-number are allowed.
        layout: the WinRT type; the value is rounded to it.
        byte_order: the order of the bytes.

    Raises:
        InvalidArgumentTypeError: `value` is not a float or int, or is a bool (0x80070057).
        InvalidArgumentError: `value` is finite and too great for the type (0x80070057).

    Source: DataWriter.WriteSingle, WriteDouble.
    """
    try:
        number = value if type(value) is float else as_float(value)
        if number is None:
            raise InvalidArgumentTypeError(f"{layout.name} must be a float or an int, not {type(value).__name__}")
        return layout.structs[byte_order].pack(number)
    except (OverflowError, struct.error):
        shown = shown_number(value) if isinstance(value, int) else repr(value)
        # An int beyond a double is refused by struct.error, a double beyond a single by OverflowError.
        allowed = f"from {-layout.maximum!r} to {layout.maximum!r}"
        raise InvalidArgumentError(f"{layout.name} must be {allowed}, got {shown}") from None


def pack_guid(value: "uuid.UUID", byte_order: ByteOrder) -> bytes:
    """Give the 16 bytes of a GUID.

    Args:
        value: the GUID.
        byte_order: little-endian is `UUID.bytes_le`. Big-endian turns Data1, Data2, Data3 and, as if it were one
            64-bit number, Data4, so that it is not `UUID.bytes`.

    Raises:
        InvalidArgumentTypeError: `value` is not a uuid.UUID (0x80070057).

    Source: DataWriter.WriteGuid.
    """
    # Here and not above: few programs send GUIDs.
    import uuid

    if not isinstance(value, uuid.UUID):
        raise InvalidArgumentTypeError(f"Guid must be a uuid.UUID, not {type(value).__name__}")
    if byte_order == ByteOrder.LITTLE_ENDIAN:
        return value.bytes_le
    data = value.bytes
    return data[:8] + data[:7:-1]


def unpack_guid(data: bytes, byte_order: ByteOrder) -> "uuid.UUID":
    """Make a GUID from 16 bytes; the layout is that of `pack_guid` (DataReader.ReadGuid)."""
    import uuid

    if byte_order == ByteOrder.LITTLE_ENDIAN:
        return uuid.UUID(bytes_le=data)
    return uuid.UUID(bytes=data[:8] + data[:7:-1])


def _ticks(span: timedelta) -> int:
    seconds = span.days * _SECONDS_PER_DAY + span.seconds
    return seconds * _TICKS_PER_SECOND + span.microseconds * _TICKS_PER_MICROSECOND


def pack_date_time(value: datetime, byte_order: ByteOrder) -> bytes:
    """Give the 8 bytes of a date: a signed count of 100-ns ticks since 1601-01-01T00:00:00Z.

    Args:
        value: the moment; one without a time zone is local time.
        byte_order: the order of the bytes.

    Raises:
        InvalidArgumentTypeError: `value` is not a datetime (0x80070057).
        InvalidArgumentError: a local time that has no UTC time from year 1 to 9999 (0x80070057).

    Source: DataWriter.WriteDateTime; naive values as PyWinRT takes them.
    """
    if not isinstance(value, datetime):
        raise InvalidArgumentTypeError(f"DateTime must be a datetime.datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        try:
            value = value.astimezone(UTC)
        except (OverflowError, OSError, ValueError):
            raise InvalidArgumentError(f"DateTime {value} has no UTC time from year 1 to 9999") from None
    return INT64.structs[byte_order].pack(_ticks(value - _EPOCH))


def unpack_date_time(data: bytes, byte_order: ByteOrder) -> datetime:
    """Make a date from 8 bytes.

    Args:
        data: as `pack_date_time` gives them.
        byte_order: the order of the bytes.

    Returns:
        The moment in UTC, rounded down to whole microseconds: a datetime holds no 100-ns ticks.

    Raises:
        InvalidArgumentError: the moment is not in the years 1 to 9999, which is all a datetime holds (0x80070057).

    Source: DataReader.ReadDateTime.
    """
    (ticks,) = INT64.structs[byte_order].unpack(data)
    try:
        return _EPOCH + timedelta(microseconds=ticks // _TICKS_PER_MICROSECOND)
    except OverflowError:
        raise InvalidArgumentError(f"DateTime of {ticks} ticks is not in the years 1 to 9999") from None


def pack_time_span(value: timedelta, byte_order: ByteOrder) -> bytes:
    """Give the 8 bytes of a time span: a signed count of 100-ns ticks.

    Args:
        value: the span, within 2**63 ticks (about 29,227 years).
        byte_order: the order of the bytes.

    Raises:
        InvalidArgumentTypeError: `value` is not a timedelta (0x80070057).
        InvalidArgumentError: `value` is out of range (0x80070057).

    Source: DataWriter.WriteTimeSpan.
    """
    if not isinstance(value, timedelta):
        raise InvalidArgumentTypeError(f"TimeSpan must be a datetime.timedelta, not {type(value).__name__}")
    ticks = check_integer(_ticks(value), "TimeSpan in ticks of 100 ns", INT64.minimum, INT64.maximum)
    return INT64.structs[byte_order].pack(ticks)


def unpack_time_span(data: bytes, byte_order: ByteOrder) -> timedelta:
    """Make a time span from 8 bytes, rounded down to whole microseconds (DataReader.ReadTimeSpan)."""
    (ticks,) = INT64.structs[byte_order].unpack(data)
    return timedelta(microseconds=ticks // _TICKS_PER_MICROSECOND)
