"""Tests of masking.mask_into, in both forms: the masked data stands behind the head, and nothing else is written.

And of make_room, which makes what it writes into.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import naive_mask, pattern

from syncws._wire.accelerated import accelerated
from syncws._wire.masking import make_room, mask_into, mask_into_in_python

FORMS = {"python": mask_into_in_python, "chosen": mask_into}
both = pytest.mark.parametrize("into", FORMS.values(), ids=FORMS)

KEY = bytes.fromhex("37fa213d")


@both
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("length", [0, 1, 3, 4, 8, 125, 4097, 70_001])
@pytest.mark.parametrize("head", [b"", b"\x82", bytearray(b"0123456789abcd"), memoryview(b"head")])
def test_the_masked_data_stands_behind_the_head(into, head, length, kind):
    data = pattern(length)
    room = bytearray(b"?" * (len(head) + length + 5))
    assert into(room, kind(data), KEY, head) == len(head) + length
    assert room == bytes(head) + naive_mask(data, KEY) + b"?????"


@both
@settings(deadline=None, max_examples=50, database=None)
@given(st.binary(max_size=70), st.binary(min_size=4, max_size=4), st.binary(max_size=14), st.integers(0, 3))
def test_any_data_any_mask_and_any_head(into, data, mask, head, spare):
    room = bytearray(len(head) + len(data) + spare)
    end = into(room, memoryview(data), mask, head)
    assert bytes(room[:end]) == head + naive_mask(data, mask)
    assert bytes(room[end:]) == bytes(spare)


@both
@pytest.mark.parametrize(("size", "head"), [(9, b""), (10, b"x"), (0, b"x"), (3, b"head")])
def test_what_does_not_fit_is_refused_and_nothing_is_written(into, size, head):
    room = bytearray(b"?" * size)
    with pytest.raises(ValueError, match="room is too small"):
        into(room, b"0123456789", KEY, head)
    assert room == b"?" * size


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (bytearray(4), b"x", KEY),
        (b"1234", b"x", KEY, b""),
        (bytearray(4), "x", KEY, b""),
        (bytearray(4), b"x", b"abc", b""),
        (bytearray(4), b"x", KEY, "x"),
        (bytearray(4), b"x", KEY, b"", b""),
    ],
)
def test_the_compiled_form_refuses_what_it_cannot_mask(arguments):
    compiled = pytest.importorskip("syncws._wire._speedups", reason="built without a compiler")
    with pytest.raises((TypeError, ValueError, BufferError)):
        compiled.mask_into(*arguments)


@pytest.mark.parametrize("size", [0, 1, 4096, 524288])
def test_a_room_has_the_size_that_was_asked_for(size):
    room = make_room(size)
    assert (type(room), len(room)) == (bytearray, size)
    assert mask_into(room, bytes(size), KEY, b"") == size
    assert room == naive_mask(bytes(size), KEY)


@pytest.mark.skipif(not accelerated, reason="Python's form is bytearray itself")
@pytest.mark.parametrize(("size", "error"), [(-1, ValueError), ("1", TypeError), (1 << 80, OverflowError)])
def test_a_room_that_cannot_be_made_is_refused(size, error):
    with pytest.raises(error):
        make_room(size)
