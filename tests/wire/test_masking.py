"""Tests of wire.masking against a byte-by-byte XOR."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import naive_mask

from syncws._wire.masking import apply_mask

KEY = bytes.fromhex("37fa213d")

# Around nothing, a mask's length, the small frame's most, and what Python masks as one integer.
LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 124, 125, 126, 4095, 4096, 4097, 4098, 4099, 4100, 32768, 40001]


def pattern(length):
    return bytes((index * 7 + index // 251) & 0xFF for index in range(length))


def test_the_rfc_example_is_masked_as_printed():
    assert apply_mask(b"Hello", KEY) == bytes.fromhex("7f9f4d5158")


@pytest.mark.parametrize("length", LENGTHS)
def test_every_byte_is_combined_with_the_mask_byte_at_its_index_modulo_four(length):
    data = pattern(length)
    assert apply_mask(data, KEY) == naive_mask(data, KEY)


@pytest.mark.parametrize("length", LENGTHS)
def test_masking_twice_gives_the_data_back(length):
    data = pattern(length)
    assert apply_mask(apply_mask(data, KEY), KEY) == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("length", [0, 5, 20000])
def test_any_flat_buffer_of_bytes_is_masked_into_bytes(kind, length):
    data = pattern(length)
    masked = apply_mask(kind(data), KEY)
    assert type(masked) is bytes
    assert masked == naive_mask(data, KEY)


def test_a_slice_of_a_memoryview_is_masked_from_the_slice_start():
    data = pattern(50000)
    assert apply_mask(memoryview(data)[3:40003], KEY) == naive_mask(data[3:40003], KEY)


def test_the_data_itself_is_left_as_it_was():
    data = bytearray(pattern(20000))
    apply_mask(data, KEY)
    assert data == pattern(20000)


def test_a_mask_of_zeros_changes_nothing():
    assert apply_mask(pattern(20000), bytes(4)) == pattern(20000)


def test_leading_and_trailing_zero_bytes_keep_their_places():
    assert apply_mask(bytes(9), KEY) == (KEY * 3)[:9]


@settings(deadline=None, max_examples=50, database=None)
@given(st.binary(max_size=70), st.binary(min_size=4, max_size=4))
def test_any_data_and_any_mask_agree_with_the_naive_form(data, mask):
    assert apply_mask(data, mask) == naive_mask(data, mask)


@pytest.mark.parametrize("length", [0, 5, 125, 20000])
@pytest.mark.parametrize("head", [b"", b"\x82", bytearray(b"0123456789"), memoryview(b"head")])
def test_masked_data_is_put_behind_a_head(head, length):
    data = pattern(length)
    masked = apply_mask(data, KEY, head)
    assert type(masked) is bytes
    assert masked == bytes(head) + naive_mask(data, KEY)
