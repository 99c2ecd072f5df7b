"""Tests of _wire/closing.py: what close(code, reason) takes, and what goes into the Close frame."""

import enum

import pytest

from syncws._wire.closing import CloseHandshake, check_close
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.hresult import HResult

ALLOWED = {1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, *range(3000, 5000)}


def test_exactly_the_codes_of_winrt_are_taken():
    for code in (*range(-1, 5001), 65535, 65536, 1 << 40):
        if code in ALLOWED:
            assert check_close(code, "") == (None if code == 1005 else code, "")
        else:
            with pytest.raises(InvalidArgumentError, match=f"close code {code} ") as raised:
                check_close(code, "")
            assert raised.value.hresult == HResult.E_INVALIDARG


def test_a_code_of_more_digits_than_python_writes_is_refused_as_any_other():
    with pytest.raises(InvalidArgumentError, match="close code an integer of 19932 bits must not be sent"):
        check_close(10**6000, "")


@pytest.mark.parametrize("code", [None, 1005])
@pytest.mark.parametrize("reason", [None, ""])
def test_no_code_and_1005_stand_for_an_empty_close_frame(code, reason):
    assert check_close(code, reason) == (None, "")


@pytest.mark.parametrize("code", [None, 1005])
def test_an_empty_close_frame_cannot_have_a_reason(code):
    with pytest.raises(InvalidArgumentError, match="a reason needs a close code"):
        check_close(code, "bye")


def test_a_reason_of_none_is_the_empty_reason():
    assert check_close(1000, None) == (1000, "")


@pytest.mark.parametrize("reason", ["x" * 123, "é" * 61 + "x", "€" * 41, "😀" * 30 + "abc"])
def test_a_reason_may_have_123_bytes(reason):
    assert len(reason.encode()) == 123
    assert check_close(1000, reason) == (1000, reason)


@pytest.mark.parametrize("reason", ["x" * 124, "é" * 62, "€" * 41 + "x", "😀" * 31])
def test_a_reason_of_more_than_123_bytes_is_refused(reason):
    assert len(reason.encode()) == 124
    with pytest.raises(InvalidArgumentError, match="124 bytes"):
        check_close(1000, reason)


@pytest.mark.parametrize("reason", ["ab\ud800", "ab\ud83d\ude00"])
def test_a_reason_with_a_lone_surrogate_is_refused(reason):
    with pytest.raises(InvalidArgumentError, match="lone surrogate at 2"):
        check_close(1000, reason)


@pytest.mark.parametrize("code", ["1000", 1000.0, True, False, b"\x03\xe8"])
def test_a_code_must_be_an_int(code):
    with pytest.raises(InvalidArgumentTypeError, match=f"not {type(code).__name__}"):
        check_close(code, "")


@pytest.mark.parametrize("reason", [b"bye", 1, ["bye"]])
@pytest.mark.parametrize("code", [None, 1000])
def test_a_reason_must_be_str(code, reason):
    with pytest.raises(InvalidArgumentTypeError, match=f"not {type(reason).__name__}"):
        check_close(code, reason)


def test_a_member_of_an_enumeration_becomes_a_plain_int():
    code, _reason = check_close(enum.IntEnum("Code", {"GOING": 1001}).GOING, "")
    assert (type(code), code) == (int, 1001)


@pytest.mark.parametrize(("code", "reason"), [(None, None), (1005, ""), (1000, "€" * 41), (4999, "bye")])
def test_what_is_taken_makes_a_close_frame(code, reason):
    frame = CloseHandshake().start_close(*check_close(code, reason))
    payload_bytes = 0 if code in (None, 1005) else 2 + len(reason.encode())
    assert len(frame) == 2 + 4 + payload_bytes
