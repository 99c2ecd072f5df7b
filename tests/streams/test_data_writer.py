"""DataWriter into memory, and round trips through DataReader. Storing: test_data_writer_store.py."""

import math
import mmap
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stream_doubles import untimed

from syncws._streams.buffer import Buffer
from syncws._streams.data_reader import DataReader
from syncws._streams.data_writer import DataWriter
from syncws.enums import ByteOrder, UnicodeEncoding
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.hresult import HResult

TEXT = "grüße, 世界 🎉"


# Settings


def test_a_new_writer_is_utf8_big_endian_and_empty():
    writer = DataWriter()
    assert writer.unicode_encoding is UnicodeEncoding.UTF8
    assert writer.byte_order is ByteOrder.BIG_ENDIAN
    assert writer.unstored_buffer_length == 0


SETTINGS = [("unicode_encoding", 2, UnicodeEncoding.UTF16_B_E, 3), ("byte_order", 0, ByteOrder.LITTLE_ENDIAN, 2)]


@pytest.mark.parametrize(("name", "number", "value", "_wrong"), SETTINGS)
def test_a_setting_may_be_a_number_and_reads_as_the_enumeration(name, number, value, _wrong):
    writer = DataWriter()
    setattr(writer, name, number)
    assert getattr(writer, name) is value


@pytest.mark.parametrize(("name", "_number", "value", "wrong"), SETTINGS)
def test_a_setting_out_of_range_is_refused(name, _number, value, wrong):
    with pytest.raises(InvalidArgumentError, match=f"{name} must be of {type(value).__name__} .*, not {wrong}"):
        setattr(DataWriter(), name, wrong)


# Values

WRITES = [
    ("write_byte", 254, "FE"),
    ("write_boolean", True, "01"),
    ("write_boolean", False, "00"),
    ("write_int16", 14, "00 0E"),
    ("write_uint16", 65534, "FF FE"),
    ("write_int32", 1304, "00 00 05 18"),
    ("write_uint32", 2**32 - 1, "FF FF FF FF"),
    ("write_int64", -2, "FF FF FF FF FF FF FF FE"),
    ("write_uint64", 2**64 - 1, "FF FF FF FF FF FF FF FF"),
    ("write_single", 1, "3F 80 00 00"),
    ("write_double", 1.7976931348623157e308, "7F EF FF FF FF FF FF FF"),
    ("write_date_time", datetime(2020, 3, 14, 15, 26, 35, tzinfo=UTC), "01 D5 FA 14 F2 60 87 80"),
    ("write_time_span", timedelta(milliseconds=9_846_343), "00 00 00 16 EC E0 B5 70"),
]
GUID = uuid.UUID("661f4a60-4ada-463e-938a-ce91bfcf4ea3")
GUID_BYTES = "66 1F 4A 60 4A DA 46 3E A3 4E CF BF 91 CE 8A 93"


@pytest.mark.parametrize(("name", "value", "expected"), [*WRITES, ("write_guid", GUID, GUID_BYTES)])
def test_a_value_is_written_in_big_endian(name, value, expected):
    writer = DataWriter()
    assert getattr(writer, name)(value) is None
    assert writer.unstored_buffer_length == len(bytes.fromhex(expected))
    assert writer.detach_buffer() == bytes.fromhex(expected)


@pytest.mark.parametrize(("name", "value", "expected"), WRITES)
def test_a_value_is_written_in_little_endian(name, value, expected):
    writer = DataWriter()
    writer.byte_order = ByteOrder.LITTLE_ENDIAN
    getattr(writer, name)(value)
    assert writer.detach_buffer() == bytes.fromhex(expected)[::-1]


def test_a_guid_is_written_in_little_endian():
    writer = DataWriter()
    writer.byte_order = ByteOrder.LITTLE_ENDIAN
    writer.write_guid(uuid.UUID("fd488b77-be04-447b-8242-e592747dc3a8"))
    assert writer.detach_buffer() == bytes.fromhex("778B48FD04BE7B448242E592747DC3A8")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("write_byte", 256, "Byte must be from 0 to 255"),
        ("write_byte", -1, "Byte must be from 0 to 255"),
        ("write_int16", 32768, "Int16 must be from -32768 to 32767"),
        ("write_uint16", 65536, "UInt16 must be from 0 to 65535"),
        ("write_int32", 2**31, "Int32 must be from -2147483648 to 2147483647"),
        ("write_uint32", -1, "UInt32 must be from 0 to 4294967295"),
        ("write_int64", 2**63, "Int64 must be from -9223372036854775808 to 9223372036854775807"),
        ("write_uint64", 2**64, "UInt64 must be from 0 to 18446744073709551615"),
        ("write_single", 1e300, r"Single must be from -3.4028234663852886e\+38 to 3.4028234663852886e\+38"),
        ("write_double", 1 << 2000, "Double must be from"),
        ("write_time_span", timedelta.max, "TimeSpan in ticks of 100 ns must be from"),
    ],
)
def test_a_value_out_of_range_is_refused_and_nothing_written(name, value, allowed):
    writer = DataWriter()
    with pytest.raises(InvalidArgumentError, match=allowed) as caught:
        getattr(writer, name)(value)
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert writer.unstored_buffer_length == 0


@pytest.mark.parametrize("name", [*dict.fromkeys(name for name, _, _ in WRITES), "write_guid", "write_string"])
@pytest.mark.parametrize("value", [None, b"1", []])
def test_a_value_of_a_wrong_type_is_refused_and_nothing_written(name, value):
    writer = DataWriter()
    with pytest.raises(InvalidArgumentTypeError, match=f"not {type(value).__name__}"):
        getattr(writer, name)(value)
    assert writer.unstored_buffer_length == 0


@pytest.mark.parametrize("name", [name for name, value, _ in WRITES if isinstance(value, int | float) and value != 0])
def test_a_bool_is_no_number_and_a_number_no_bool(name):
    with pytest.raises(InvalidArgumentTypeError):
        getattr(DataWriter(), name)(1 if name == "write_boolean" else True)


def test_a_bool_of_another_library_is_refused_by_its_full_name():
    theirs = type("bool", (), {"__module__": "numpy"})
    with pytest.raises(InvalidArgumentTypeError, match=r"Boolean must be a bool, not numpy\.bool"):
        DataWriter().write_boolean(theirs())


# Bytes, buffers, text


@pytest.mark.parametrize("name", ["write_bytes", "write_buffer"])
@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc"), Buffer._over(b"abc")])
def test_all_bytes_of_a_buffer_are_written(name, data):
    writer = DataWriter()
    assert getattr(writer, name)(data) is None
    assert writer.detach_buffer() == b"abc"


@pytest.mark.parametrize("name", ["write_bytes", "write_buffer"])
def test_a_buffer_is_written_as_it_is_now(name):
    writer, data = DataWriter(), bytearray(b"abc")
    getattr(writer, name)(data)
    data[0] = 0
    assert writer.detach_buffer() == b"abc"


@pytest.mark.parametrize("name", ["write_bytes", "write_buffer"])
@pytest.mark.parametrize("data", ["abc", None, 3])
def test_what_is_no_buffer_is_refused(name, data):
    with pytest.raises(InvalidArgumentTypeError, match="value must be"):
        getattr(DataWriter(), name)(data)


@pytest.mark.parametrize(("start", "count", "expected"), [(0, 4, b"abcd"), (1, 2, b"bc"), (4, 0, b""), (0, 0, b"")])
@pytest.mark.parametrize("make", [bytes, bytearray, Buffer._over])
def test_a_part_of_a_buffer_is_written(make, start, count, expected):
    writer = DataWriter()
    writer.write_buffer(make(b"abcd"), start, count)
    assert writer.detach_buffer() == expected


@pytest.mark.parametrize(("start", "count"), [(0, 5), (4, 1), (5, 0)])
def test_a_part_beyond_the_buffer_is_refused(start, count):
    writer = DataWriter()
    with pytest.raises(InvalidArgumentError, match=f"start {start} and count {count} go beyond the 4 bytes"):
        writer.write_buffer(b"abcd", start, count)
    assert writer.unstored_buffer_length == 0


def test_memory_of_which_a_part_is_refused_can_be_unmapped_while_the_error_is_there():
    with pytest.raises(InvalidArgumentError, match="go beyond the 4 bytes"), mmap.mmap(-1, 4) as mapped:
        DataWriter().write_buffer(mapped, 2, 3)


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, -1)])
def test_a_negative_part_is_refused(start, count):
    with pytest.raises(InvalidArgumentError, match="must be from 0"):
        DataWriter().write_buffer(b"abcd", start, count)


@pytest.mark.parametrize(("start", "count"), [(1, None), (None, 1), (True, 1), (0, 1.0)])
def test_a_part_needs_two_ints(start, count):
    with pytest.raises(InvalidArgumentTypeError, match="must be an int"):
        DataWriter().write_buffer(b"abcd", start, count)


ENCODED = [
    (UnicodeEncoding.UTF8, "utf-8"),
    (UnicodeEncoding.UTF16_L_E, "utf-16-le"),
    (UnicodeEncoding.UTF16_B_E, "utf-16-be"),
]


@pytest.mark.parametrize(("encoding", "codec"), ENCODED)
@pytest.mark.parametrize("text", ["", "abc", TEXT, "\ufeffa"])
def test_text_is_written_in_the_encoding_and_nothing_besides(encoding, codec, text):
    writer = DataWriter()
    writer.unicode_encoding = encoding
    size = writer.write_string(text)
    assert (size, writer.unstored_buffer_length) == (len(text.encode(codec)), size)
    assert writer.detach_buffer() == text.encode(codec)


@pytest.mark.parametrize(("encoding", "codec"), ENCODED)
def test_measure_string_counts_bytes_and_writes_nothing(encoding, codec):
    writer = DataWriter()
    writer.unicode_encoding = encoding
    assert writer.measure_string(TEXT) == len(TEXT.encode(codec))
    assert writer.unstored_buffer_length == 0


@pytest.mark.parametrize(("encoding", "codec"), ENCODED)
@pytest.mark.parametrize("name", ["write_string", "measure_string"])
def test_a_lone_surrogate_is_refused(name, encoding, codec):
    writer = DataWriter()
    writer.unicode_encoding = encoding
    with pytest.raises(InvalidArgumentError, match="cannot be encoded: surrogates not allowed at index 1"):
        getattr(writer, name)("a\ud800b")
    assert writer.unstored_buffer_length == 0


@pytest.mark.parametrize("text", [b"abc", None, 5])
def test_measure_string_takes_only_text(text):
    with pytest.raises(InvalidArgumentTypeError, match="value must be a str"):
        DataWriter().measure_string(text)


def test_detach_buffer_empties_the_writer():
    writer = DataWriter()
    writer.write_byte(1)
    writer.write_int16(2)
    assert writer.detach_buffer() == b"\1\0\2"
    assert writer.unstored_buffer_length == 0
    assert writer.detach_buffer() == b""


def test_a_detached_buffer_outlives_the_writer():
    with DataWriter() as writer:
        writer.write_string("abc")
        buffer = writer.detach_buffer()
    assert buffer == b"abc"


def test_detach_buffer_of_one_part_does_not_copy():
    writer, data = DataWriter(), b"abc"
    writer.write_bytes(data)
    assert writer.detach_buffer().view().obj is data


# Round trips

VALUES = {
    "byte": st.integers(0, 255),
    "boolean": st.booleans(),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "single": st.floats(width=32),
    "double": st.floats(),
    "guid": st.uuids(),
    "date_time": st.datetimes(timezones=st.just(UTC)),
    "time_span": st.timedeltas(timedelta(days=-10_000_000), timedelta(days=10_000_000)),
}


def same(left, right):
    both_nan = isinstance(left, float) and math.isnan(left) and math.isnan(right)
    return both_nan or (left == right and type(left) is type(right))


@pytest.mark.parametrize("kind", VALUES)
@untimed
@given(order=st.sampled_from(ByteOrder), data=st.data())
def test_a_value_comes_back(kind, order, data):
    writer = DataWriter()
    writer.byte_order = order
    values = data.draw(st.lists(VALUES[kind], min_size=1, max_size=5))
    for value in values:
        getattr(writer, "write_" + kind)(value)
    reader = DataReader.from_buffer(writer.detach_buffer())
    reader.byte_order = order
    for value in values:
        assert same(getattr(reader, "read_" + kind)(), value)
    assert reader.unconsumed_buffer_length == 0


@pytest.mark.parametrize(("encoding", "codec"), ENCODED)
@untimed
@given(texts=st.lists(st.text(st.characters(exclude_categories=("Cs",))), max_size=5))
def test_text_comes_back(encoding, codec, texts):
    unit = 1 if encoding == UnicodeEncoding.UTF8 else 2
    writer = DataWriter()
    writer.unicode_encoding = encoding
    sizes = [writer.write_string(text) for text in texts]
    reader = DataReader.from_buffer(writer.detach_buffer())
    reader.unicode_encoding = encoding
    assert [reader.read_string(size // unit) for size in sizes] == texts


@untimed
@given(pieces=st.lists(st.binary(max_size=20)))
def test_bytes_come_back(pieces):
    writer = DataWriter()
    for piece in pieces:
        writer.write_bytes(piece)
    reader = DataReader.from_buffer(writer.detach_buffer())
    assert [reader.read_bytes(len(piece)) for piece in pieces] == pieces
