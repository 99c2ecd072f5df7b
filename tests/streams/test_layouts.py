"""Bytes of numbers, GUIDs, dates and time spans."""

import struct
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stream_doubles import untimed

from syncws._streams import layouts
from syncws.enums import ByteOrder
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

LITTLE, BIG = ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN
ORDERS = st.sampled_from(ByteOrder)
INTEGERS = [
    (layouts.BYTE, 0, 255, 1),
    (layouts.INT16, -(2**15), 2**15 - 1, 2),
    (layouts.UINT16, 0, 2**16 - 1, 2),
    (layouts.INT32, -(2**31), 2**31 - 1, 4),
    (layouts.UINT32, 0, 2**32 - 1, 4),
    (layouts.INT64, -(2**63), 2**63 - 1, 8),
    (layouts.UINT64, 0, 2**64 - 1, 8),
]


def ticks_of(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def ticks(count: int) -> bytes:
    return count.to_bytes(8, "big", signed=True)


@pytest.mark.parametrize(("layout", "minimum", "maximum", "size"), INTEGERS)
def test_integer_types_have_their_range_and_size(layout, minimum, maximum, size):
    assert (layout.minimum, layout.maximum, layout.size) == (minimum, maximum, size)


@pytest.mark.parametrize(("layout", "minimum", "maximum", "size"), INTEGERS)
@pytest.mark.parametrize("order", ByteOrder)
def test_the_ends_of_the_range_are_packed(layout, minimum, maximum, size, order):
    name = "big" if order == BIG else "little"
    for value in (minimum, maximum):
        assert layouts.pack_integer(value, layout, order) == value.to_bytes(size, name, signed=minimum < 0)


@pytest.mark.parametrize(("layout", "minimum", "maximum", "size"), INTEGERS)
@pytest.mark.parametrize("is_over", [False, True])
def test_integers_out_of_range_are_refused_with_value_and_range(layout, minimum, maximum, size, is_over):
    value = maximum + 1 if is_over else minimum - 1
    with pytest.raises(InvalidArgumentError, match=f"{layout.name} must be from {minimum} to {maximum}, got {value} "):
        layouts.pack_integer(value, layout, BIG)


def test_a_huge_integer_is_named_by_its_size():
    with pytest.raises(InvalidArgumentError, match="got an integer of 40001 bits"):
        layouts.pack_integer(1 << 40000, layouts.INT32, BIG)


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_what_is_no_int_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError, match=f"Int32 must be an int, not {type(value).__name__}"):
        layouts.pack_integer(value, layouts.INT32, BIG)


@pytest.mark.parametrize(
    ("value", "layout", "order", "expected"),
    [
        (14, layouts.INT16, BIG, "00 0E"),
        (1304, layouts.INT32, BIG, "00 00 05 18"),
        (1304, layouts.INT32, LITTLE, "18 05 00 00"),
    ],
)
def test_integers_have_their_known_bytes(value, layout, order, expected):
    assert layouts.pack_integer(value, layout, order) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("value", "layout", "order", "expected"),
    [
        (1.7976931348623157e308, layouts.DOUBLE, BIG, "7F EF FF FF FF FF FF FF"),
        (1.0, layouts.SINGLE, BIG, "3F 80 00 00"),
        (1, layouts.SINGLE, LITTLE, "00 00 80 3F"),
        (-2, layouts.DOUBLE, BIG, "C0 00 00 00 00 00 00 00"),
        (float("inf"), layouts.SINGLE, BIG, "7F 80 00 00"),
        (float("-inf"), layouts.DOUBLE, BIG, "FF F0 00 00 00 00 00 00"),
        (3.4028234663852886e38, layouts.SINGLE, BIG, "7F 7F FF FF"),
    ],
)
def test_floats_have_their_known_bytes(value, layout, order, expected):
    assert layouts.pack_float(value, layout, order) == bytes.fromhex(expected)


@pytest.mark.parametrize(("layout", "code"), [(layouts.SINGLE, ">f"), (layouts.DOUBLE, ">d")])
def test_not_a_number_is_allowed(layout, code):
    (value,) = struct.unpack(code, layouts.pack_float(float("nan"), layout, BIG))
    assert value != value


@pytest.mark.parametrize(
    ("value", "layout", "message"),
    [
        (1e39, layouts.SINGLE, r"Single must be from -3.4028234663852886e\+38 to 3.4028234663852886e\+38, got 1e\+39"),
        (-1e39, layouts.SINGLE, r"got -1e\+39"),
        (10**39, layouts.SINGLE, "got 1" + "0" * 39),
        (1 << 1024, layouts.DOUBLE, "Double must be from .* got an integer of 1025 bits"),
    ],
)
def test_finite_numbers_out_of_range_are_refused(value, layout, message):
    with pytest.raises(InvalidArgumentError, match=message):
        layouts.pack_float(value, layout, BIG)


@pytest.mark.parametrize("value", [True, "1", None, 1j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError, match="Double must be a float or an int"):
        layouts.pack_float(value, layouts.DOUBLE, BIG)


GUIDS = [
    ("fd488b77-be04-447b-8242-e592747dc3a8", LITTLE, "77 8B 48 FD 04 BE 7B 44 82 42 E5 92 74 7D C3 A8"),
    ("661f4a60-4ada-463e-938a-ce91bfcf4ea3", BIG, "66 1F 4A 60 4A DA 46 3E A3 4E CF BF 91 CE 8A 93"),
]


@pytest.mark.parametrize(("text", "order", "expected"), GUIDS)
def test_known_guids_are_packed(text, order, expected):
    assert layouts.pack_guid(uuid.UUID(text), order) == bytes.fromhex(expected)


@pytest.mark.parametrize(("text", "order", "data"), GUIDS)
def test_known_guids_are_unpacked(text, order, data):
    assert layouts.unpack_guid(bytes.fromhex(data), order) == uuid.UUID(text)


@pytest.mark.parametrize("value", ["661f4a60-4ada-463e-938a-ce91bfcf4ea3", b"x" * 16, None])
def test_what_is_no_uuid_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError, match=r"Guid must be a uuid\.UUID"):
        layouts.pack_guid(value, BIG)


DATES = [
    (datetime(2020, 3, 14, 15, 26, 35, tzinfo=UTC), LITTLE, "80 87 60 F2 14 FA D5 01"),
    (datetime(1, 1, 1, tzinfo=UTC), LITTLE, "00 00 89 DD E8 31 FE F8"),
    (datetime(1601, 1, 1, tzinfo=UTC), BIG, "00 00 00 00 00 00 00 00"),
    (datetime(1601, 1, 1, 0, 0, 0, 1, tzinfo=UTC), BIG, "00 00 00 00 00 00 00 0A"),
]


@pytest.mark.parametrize(("value", "order", "expected"), DATES)
def test_known_dates_are_packed(value, order, expected):
    assert layouts.pack_date_time(value, order) == bytes.fromhex(expected)


@pytest.mark.parametrize(("value", "order", "data"), DATES)
def test_known_dates_are_unpacked(value, order, data):
    result = layouts.unpack_date_time(bytes.fromhex(data), order)
    assert (result, result.tzinfo) == (value, UTC)


def test_a_date_with_another_zone_is_turned_into_utc():
    value = datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert layouts.unpack_date_time(layouts.pack_date_time(value, BIG), BIG) == datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def five_hours_west(monkeypatch):
    if not hasattr(time, "tzset"):
        pytest.skip("the local zone cannot be set here")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("five_hours_west")
def test_a_date_without_a_zone_is_local_time():
    data = layouts.pack_date_time(datetime(2020, 1, 1), BIG)
    assert layouts.unpack_date_time(data, BIG) == datetime(2020, 1, 1, 5, tzinfo=UTC)


@pytest.mark.usefixtures("five_hours_west")
def test_a_date_whose_zone_knows_no_offset_is_local_time():
    class Unknown(tzinfo):
        def utcoffset(self, moment):
            return None

    data = layouts.pack_date_time(datetime(2020, 1, 1, tzinfo=Unknown()), BIG)
    assert layouts.unpack_date_time(data, BIG) == datetime(2020, 1, 1, 5, tzinfo=UTC)


@pytest.mark.usefixtures("five_hours_west")
def test_a_local_time_beyond_year_9999_in_utc_is_refused():
    with pytest.raises(InvalidArgumentError, match="has no UTC time from year 1 to 9999"):
        layouts.pack_date_time(datetime.max, BIG)


@pytest.mark.parametrize("count", [-(2**63), 2**63 - 1])
def test_dates_that_no_datetime_holds_are_refused(count):
    with pytest.raises(InvalidArgumentError, match=f"DateTime of {count} ticks is not in the years 1 to 9999"):
        layouts.unpack_date_time(ticks(count), BIG)


@pytest.mark.parametrize("value", ["2020-01-01", 0, None, datetime(2020, 1, 1).date()])
def test_what_is_no_datetime_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError, match=r"DateTime must be a datetime\.datetime"):
        layouts.pack_date_time(value, BIG)


@pytest.mark.parametrize(("count", "microseconds"), [(9, 0), (10, 1), (19, 1), (-1, -1), (-10, -1), (-11, -2)])
def test_odd_ticks_are_rounded_down(count, microseconds):
    expected = timedelta(microseconds=microseconds)
    assert layouts.unpack_time_span(ticks(count), BIG) == expected
    assert layouts.unpack_date_time(ticks(count), BIG) - datetime(1601, 1, 1, tzinfo=UTC) == expected


SPANS = [
    (timedelta(milliseconds=9_846_343), BIG, "00 00 00 16 EC E0 B5 70"),
    (timedelta(days=19), LITTLE, "00 40 D9 25 EE 0E 00 00"),
    (timedelta(microseconds=-1), BIG, "FF FF FF FF FF FF FF F6"),
]


@pytest.mark.parametrize(("value", "order", "expected"), SPANS)
def test_known_spans_are_packed(value, order, expected):
    assert layouts.pack_time_span(value, order) == bytes.fromhex(expected)


@pytest.mark.parametrize(("value", "order", "data"), SPANS)
def test_known_spans_are_unpacked(value, order, data):
    assert layouts.unpack_time_span(bytes.fromhex(data), order) == value


def test_the_longest_span_is_exact():
    longest = timedelta(microseconds=(2**63 - 1) // 10)
    assert ticks_of(layouts.pack_time_span(longest, BIG)) == (2**63 - 1) // 10 * 10


@pytest.mark.parametrize("value", [timedelta.max, timedelta.min, timedelta(microseconds=(2**63 - 1) // 10 + 1)])
def test_spans_out_of_range_are_refused(value):
    with pytest.raises(InvalidArgumentError, match="TimeSpan in ticks of 100 ns must be from -9223372036854775808"):
        layouts.pack_time_span(value, BIG)


@pytest.mark.parametrize("value", [5, 1.5, None])
def test_what_is_no_timedelta_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError, match=r"TimeSpan must be a datetime\.timedelta"):
        layouts.pack_time_span(value, BIG)


@untimed
@given(value=st.uuids(), order=ORDERS)
def test_guids_come_back(value, order):
    assert layouts.unpack_guid(layouts.pack_guid(value, order), order) == value


@untimed
@given(value=st.datetimes(timezones=st.just(UTC)), order=ORDERS)
def test_dates_come_back(value, order):
    assert layouts.unpack_date_time(layouts.pack_date_time(value, order), order) == value


@untimed
@given(
    value=st.timedeltas(timedelta(microseconds=-(2**63) // 10 + 1), timedelta(microseconds=(2**63 - 1) // 10)),
    order=ORDERS,
)
def test_spans_come_back(value, order):
    assert layouts.unpack_time_span(layouts.pack_time_span(value, order), order) == value
