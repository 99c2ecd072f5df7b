"""DataReader: typed values, bytes and text out of what is loaded. Loading itself: test_data_reader_load.py."""

import math
import mmap
import struct
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stream_doubles import loaded, over, over_text, untimed

from syncws._streams.buffer import Buffer
from syncws._streams.data_reader import DataReader, MessageReader
from syncws.enums import ByteOrder, InputStreamOptions, UnicodeEncoding
from syncws.errors import (
    InvalidArgumentError,
    InvalidArgumentTypeError,
    NoUnicodeTranslationError,
    OutOfBoundsError,
)
from syncws.hresult import HResult

NONE, PARTIAL, READ_AHEAD = InputStreamOptions.NONE, InputStreamOptions.PARTIAL, InputStreamOptions.READ_AHEAD
TEXT = "grüße, 世界 🎉"

KINDS = pytest.mark.parametrize("make", [over, DataReader.from_buffer, loaded, lambda b: over(bytearray(b))])


# Settings


@KINDS
def test_a_new_reader_is_utf8_big_endian_and_empty(make):
    reader = make(b"")
    assert reader.input_stream_options is NONE
    assert reader.unicode_encoding is UnicodeEncoding.UTF8
    assert reader.byte_order is ByteOrder.BIG_ENDIAN
    assert reader.unconsumed_buffer_length == 0


SETTINGS = [
    ("input_stream_options", 3, PARTIAL | READ_AHEAD, 4),
    ("unicode_encoding", 2, UnicodeEncoding.UTF16_B_E, 3),
    ("byte_order", 0, ByteOrder.LITTLE_ENDIAN, 2),
]


def members(value):
    """Return, as a pattern, how a message names those of the value's enumeration."""
    return rf"{type(value).__name__} \({', '.join(type(value).__members__)}\)"


@pytest.mark.parametrize(("name", "number", "value", "_wrong"), SETTINGS)
def test_a_setting_may_be_a_number_and_reads_as_the_enumeration(name, number, value, _wrong):
    reader = over(b"")
    setattr(reader, name, number)
    assert getattr(reader, name) == value
    assert type(getattr(reader, name)) is type(value)


@pytest.mark.parametrize(("name", "_number", "value", "wrong"), SETTINGS)
def test_a_setting_out_of_range_is_refused(name, _number, value, wrong):
    reader = over(b"")
    before = getattr(reader, name)
    for bad in (wrong, -1):
        with pytest.raises(InvalidArgumentError, match=f"{name} must be of {members(value)}, not {bad}"):
            setattr(reader, name, bad)
    assert getattr(reader, name) is before


@pytest.mark.parametrize(("name", "_number", "value", "_wrong"), SETTINGS)
@pytest.mark.parametrize("bad", ["1", None, True])
def test_a_setting_that_is_no_int_is_refused(name, _number, value, _wrong, bad):
    with pytest.raises(InvalidArgumentTypeError, match=f"{name} must be of {members(value)}, not {type(bad).__name__}"):
        setattr(over(b""), name, bad)


# Values

READS = [
    ("read_byte", b"\xfe", 254),
    ("read_boolean", b"\x02", True),
    ("read_boolean", b"\x00", False),
    ("read_int16", b"\xff\xfe", -2),
    ("read_uint16", b"\xff\xfe", 65534),
    ("read_int32", b"\x00\x00\x05\x18", 1304),
    ("read_uint32", b"\xff\xff\xff\xff", 2**32 - 1),
    ("read_int64", b"\xff" * 8, -1),
    ("read_uint64", b"\xff" * 8, 2**64 - 1),
    ("read_single", b"\x3f\x80\x00\x00", 1.0),
    ("read_double", bytes.fromhex("7FEFFFFFFFFFFFFF"), 1.7976931348623157e308),
    ("read_date_time", bytes.fromhex("01D5FA14F2608780"), datetime(2020, 3, 14, 15, 26, 35, tzinfo=UTC)),
    ("read_time_span", bytes.fromhex("00000016ECE0B570"), timedelta(milliseconds=9_846_343)),
]
GUID_BYTES = bytes.fromhex("661F4A604ADA463EA34ECFBF91CE8A93")
GUID = uuid.UUID("661f4a60-4ada-463e-938a-ce91bfcf4ea3")


@KINDS
@pytest.mark.parametrize(("name", "data", "value"), [*READS, ("read_guid", GUID_BYTES, GUID)])
def test_a_value_is_read_in_big_endian(make, name, data, value):
    reader = make(data + b"!")
    result = getattr(reader, name)()
    assert (result, type(result), reader.unconsumed_buffer_length) == (value, type(value), 1)


@pytest.mark.parametrize(("name", "data", "value"), READS)
def test_a_value_is_read_in_little_endian(name, data, value):
    reader = over(data[::-1])
    reader.byte_order = ByteOrder.LITTLE_ENDIAN
    assert getattr(reader, name)() == value


def test_a_guid_is_read_in_little_endian():
    reader = over(bytes.fromhex("778B48FD04BE7B448242E592747DC3A8"))
    reader.byte_order = ByteOrder.LITTLE_ENDIAN
    assert reader.read_guid() == uuid.UUID("fd488b77-be04-447b-8242-e592747dc3a8")


@KINDS
@pytest.mark.parametrize(("name", "data", "value"), [*READS, ("read_guid", GUID_BYTES, GUID)])
def test_a_value_beyond_what_is_loaded_is_refused_and_nothing_consumed(make, name, data, value):
    reader = make(data[:-1])
    message = f"{len(data)} bytes are needed, {len(data) - 1} are loaded"
    with pytest.raises(OutOfBoundsError, match=message) as caught:
        getattr(reader, name)()
    assert caught.value.hresult == HResult.E_BOUNDS
    assert reader.read_bytes(len(data) - 1) == data[:-1]


def test_a_date_that_no_datetime_holds_is_refused_and_not_consumed():
    reader = over(b"\x7f" + b"\xff" * 7)
    with pytest.raises(InvalidArgumentError, match="not in the years 1 to 9999"):
        reader.read_date_time()
    assert reader.read_int64() == 2**63 - 1


def test_values_follow_each_other():
    reader = over(b"\x01\x00\x02\x00\x00\x00\x03ab")
    values = (reader.read_byte(), reader.read_int16(), reader.read_int32(), reader.read_string(2))
    assert values == (1, 2, 3, "ab")
    assert reader.unconsumed_buffer_length == 0


@untimed
@given(value=st.floats(width=32))
def test_a_single_is_read_exactly(value):
    result = over(struct.pack(">f", value)).read_single()
    assert result == value or (math.isnan(result) and math.isnan(value))


# Bytes and buffers


@KINDS
def test_read_bytes_of_a_number_returns_bytes(make):
    reader = make(b"abcdef")
    pieces = [reader.read_bytes(2), reader.read_bytes(0), reader.read_bytes(4)]
    assert pieces == [b"ab", b"", b"cdef"]
    assert all(type(piece) is bytes for piece in pieces)


def test_read_bytes_of_a_whole_message_does_not_copy():
    payload = b"abcdef"
    assert over(payload).read_bytes(6) is payload


def test_bytes_that_there_is_no_memory_for_are_not_consumed():
    class Large(bytes):
        def __getitem__(self, item):
            raise MemoryError

    reader = over(Large(b"abcdef"))
    with pytest.raises(MemoryError):
        reader.read_bytes(4)
    assert reader.unconsumed_buffer_length == 6
    reader._data = b"abcdef"
    assert reader.read_bytes(6) == b"abcdef"


@KINDS
@pytest.mark.parametrize("target", [bytearray(3), memoryview(bytearray(3)), Buffer._over(bytearray(3))])
def test_read_bytes_fills_a_writable_buffer(make, target):
    reader = make(b"xabcd")
    reader.read_byte()
    assert reader.read_bytes(target) is None
    assert bytes(target) == b"abc"
    assert reader.unconsumed_buffer_length == 1


def test_read_bytes_fills_only_the_bytes_in_use_of_a_buffer():
    buffer = Buffer(8)
    buffer.length = 2
    over(b"abcd").read_bytes(buffer)
    assert buffer == b"ab"


@KINDS
def test_read_bytes_into_a_buffer_longer_than_what_is_loaded_is_refused(make):
    reader, target = make(b"abc"), bytearray(4)
    with pytest.raises(OutOfBoundsError):
        reader.read_bytes(target)
    assert (target, reader.read_bytes(3)) == (bytearray(4), b"abc")


@KINDS
@pytest.mark.parametrize("member", ["read_bytes", "read_buffer", "read_string"])
def test_more_bytes_than_are_loaded_are_refused_and_nothing_consumed(make, member):
    reader = make(b"abc")
    with pytest.raises(OutOfBoundsError):
        getattr(reader, member)(4)
    assert reader.read_bytes(3) == b"abc"


@pytest.mark.parametrize("member", ["read_bytes", "read_buffer", "read_string"])
@pytest.mark.parametrize("count", [-1, 2**32])
def test_a_count_out_of_range_is_refused(member, count):
    with pytest.raises(InvalidArgumentError, match="must be from 0 to 4294967295"):
        getattr(over(b"abc"), member)(count)


@pytest.mark.parametrize("member", ["read_bytes", "read_buffer", "read_string"])
@pytest.mark.parametrize("count", [True, 1.5, None, "1"])
def test_a_count_of_a_wrong_type_is_refused(member, count):
    reader = over(b"abc")
    with pytest.raises(InvalidArgumentTypeError):
        getattr(reader, member)(count)
    assert reader.unconsumed_buffer_length == 3


def test_read_bytes_into_a_read_only_buffer_is_refused():
    reader = over(b"abc")
    with pytest.raises(InvalidArgumentError, match="value must be writable"):
        reader.read_bytes(b"xyz")
    assert reader.unconsumed_buffer_length == 3


@pytest.mark.parametrize(
    ("access", "error"), [(mmap.ACCESS_WRITE, OutOfBoundsError), (mmap.ACCESS_READ, InvalidArgumentError)]
)
def test_memory_that_is_not_filled_can_be_unmapped_while_the_error_is_there(tmp_path, access, error):
    path = tmp_path / "file"
    path.write_bytes(bytes(4))
    with (
        path.open("r+b") as file,
        pytest.raises(error),
        mmap.mmap(file.fileno(), 0, access=access) as mapped,
    ):
        over(b"abc").read_bytes(mapped)


@pytest.mark.parametrize(
    "read",
    [lambda reader: reader.read_uint64(), lambda reader: reader.read_bytes(5), lambda reader: reader.read_string(5)],
)
def test_memory_that_was_read_can_be_unmapped_while_an_error_is_there(read):
    with pytest.raises(OutOfBoundsError), mmap.mmap(-1, 4) as mapped, DataReader.from_buffer(mapped) as reader:
        read(reader)


def test_a_buffer_that_was_detached_outlives_a_reader_over_memory():
    reader = DataReader.from_buffer(bytearray(b"abcd"))
    reader.read_byte()
    buffer = reader.detach_buffer()
    reader.close()
    assert buffer == b"bcd"


@KINDS
def test_read_buffer_gives_a_full_buffer(make):
    reader = make(b"abcd")
    reader.read_byte()
    buffer = reader.read_buffer(2)
    assert (buffer, buffer.length, buffer.capacity) == (b"bc", 2, 2)
    assert reader.unconsumed_buffer_length == 1


def test_read_buffer_of_a_message_shares_its_bytes_read_only():
    payload = b"abcd"
    view = over(payload).read_buffer(2).view()
    assert view.obj is payload
    assert view.readonly


def test_read_buffer_over_mutable_memory_is_a_copy():
    memory = bytearray(b"abcd")
    buffer = DataReader.from_buffer(memory).read_buffer(4)
    memory[0] = 0
    assert buffer == b"abcd"


# Text


def test_the_text_of_a_whole_message_is_not_decoded_again():
    reader = over_text(TEXT)
    assert reader.read_string(reader.unconsumed_buffer_length) is TEXT
    assert reader.unconsumed_buffer_length == 0


def test_text_is_read_only_once():
    reader = over_text("abc")
    reader.read_string(3)
    assert reader.read_string(0) == ""
    with pytest.raises(OutOfBoundsError):
        reader.read_string(3)


def test_an_empty_text_message_reads_as_empty_text():
    assert over_text("").read_string(0) == ""


def test_part_of_a_text_message_is_decoded_from_its_bytes():
    reader = over_text("aé!")
    assert [reader.read_string(1), reader.read_string(2), reader.read_string(1)] == ["a", "é", "!"]


@pytest.mark.parametrize("payload", [None, TEXT.encode()])
def test_a_text_message_can_be_read_as_bytes(payload):
    length = len(TEXT.encode())
    assert MessageReader(payload, TEXT, length).read_bytes(length) == TEXT.encode()


def test_what_was_taken_from_a_text_message_is_not_text_any_more():
    reader = over_text("abc")
    assert reader.read_byte() == ord("a")
    assert reader.read_string(2) == "bc"


def test_the_rest_of_a_text_message_after_bytes_is_not_its_whole_text():
    reader = MessageReader(b"abc", "abc", 3)
    reader.read_bytes(1)
    with pytest.raises(OutOfBoundsError):
        reader.read_string(3)
    assert reader.read_string(2) == "bc"


def test_a_text_message_is_read_in_the_encoding_that_is_set():
    reader = over_text("ab")
    reader.unicode_encoding = UnicodeEncoding.UTF16_B_E
    assert reader.read_string(1) == "\u6162"


def test_a_text_message_whose_length_counts_as_utf16_units_is_out_of_bounds():
    reader = over_text("ab")
    reader.unicode_encoding = UnicodeEncoding.UTF16_L_E
    with pytest.raises(OutOfBoundsError, match="4 bytes are needed, 2 are loaded"):
        reader.read_string(2)


ENCODED = [
    (UnicodeEncoding.UTF8, "utf-8", 1),
    (UnicodeEncoding.UTF16_L_E, "utf-16-le", 2),
    (UnicodeEncoding.UTF16_B_E, "utf-16-be", 2),
]


@KINDS
@pytest.mark.parametrize(("encoding", "codec", "unit"), ENCODED)
def test_read_string_counts_code_units(make, encoding, codec, unit):
    data = TEXT.encode(codec)
    reader = make(data + b"!")
    reader.unicode_encoding = encoding
    assert reader.read_string(len(data) // unit) == TEXT
    assert reader.unconsumed_buffer_length == 1


@pytest.mark.parametrize(("encoding", "codec", "unit"), ENCODED)
def test_a_byte_order_mark_is_kept(encoding, codec, unit):
    data = "\ufeffa".encode(codec)
    reader = over(data)
    reader.unicode_encoding = encoding
    assert reader.read_string(len(data) // unit) == "\ufeffa"


@KINDS
@pytest.mark.parametrize(
    ("encoding", "data", "count"),
    [
        (UnicodeEncoding.UTF8, b"a\xff", 2),
        (UnicodeEncoding.UTF8, "é".encode()[:1], 1),
        (UnicodeEncoding.UTF8, b"\xed\xa0\x80", 3),
        (UnicodeEncoding.UTF8, b"\xc0\x80", 2),
        (UnicodeEncoding.UTF16_L_E, b"\x00\xd8", 1),
        (UnicodeEncoding.UTF16_L_E, b"\x00\xdc\x61\x00", 2),
        (UnicodeEncoding.UTF16_B_E, b"\xd8\x00\x00\x61", 2),
    ],
)
def test_undecodable_text_is_refused_and_not_consumed(make, encoding, data, count):
    reader = make(data)
    reader.unicode_encoding = encoding
    with pytest.raises(NoUnicodeTranslationError, match=r"not utf-.* text: .* at byte \d") as caught:
        reader.read_string(count)
    assert caught.value.hresult == HResult.ERROR_NO_UNICODE_TRANSLATION
    assert reader.read_bytes(len(data)) == data


# From buffer, detach buffer


def test_from_buffer_takes_the_bytes_in_use_of_a_buffer():
    buffer = Buffer(8)
    buffer.length = 2
    assert DataReader.from_buffer(buffer).unconsumed_buffer_length == 2


def test_from_buffer_does_not_copy():
    memory = bytearray(b"abc")
    reader = DataReader.from_buffer(memory)
    memory[0] = ord("X")
    assert reader.read_string(3) == "Xbc"


@pytest.mark.parametrize("buffer", [None, "text", 5])
def test_from_buffer_refuses_what_is_no_buffer(buffer):
    with pytest.raises(InvalidArgumentTypeError, match="buffer must be"):
        DataReader.from_buffer(buffer)


@KINDS
def test_detach_buffer_gives_the_unread_part_and_empties_the_reader(make):
    reader = make(b"abcd")
    reader.read_byte()
    assert reader.detach_buffer() == b"bcd"
    assert reader.unconsumed_buffer_length == 0
    assert reader.detach_buffer() == b""


@KINDS
def test_a_detached_buffer_outlives_the_reader(make):
    with make(b"abcd") as reader:
        buffer = reader.detach_buffer()
    assert buffer == b"abcd"


def test_detach_buffer_of_a_text_message_gives_its_bytes():
    reader = over_text(TEXT)
    assert reader.detach_buffer() == TEXT.encode()
    assert reader.read_string(0) == ""


@pytest.mark.parametrize("payload", [b"abc", bytearray(b"abc")])
def test_a_message_cannot_be_changed_through_a_detached_buffer(payload):
    assert over(payload).detach_buffer().view().readonly
