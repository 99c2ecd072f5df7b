"""Tests of wire.utf8: whatever the pieces, the text is that of the whole, and a bad byte fails where it comes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncws._wire.utf8 import TextAssembler

# One text with every length of character, at the edges of each length, and what a careless reader would change.
EDGE_TEXT = "\x00a\x7f\x80\u07ff\u0800\ud7ff\ue000\ufeff\uffff\U00010000\U0010ffff\r\n\n\re\u0301"

# What comes first is the beginning of some character; the byte after it cannot go on with it.
BAD_BYTES = {
    "continuation byte first": (b"", b"\x80"),
    "highest continuation byte first": (b"", b"\xbf"),
    "overlong two-byte form C0": (b"", b"\xc0"),
    "overlong two-byte form C1": (b"", b"\xc1"),
    "lead byte F5, over U+10FFFF": (b"", b"\xf5"),
    "lead byte F8, five-byte form": (b"", b"\xf8"),
    "lead byte FC, six-byte form": (b"", b"\xfc"),
    "FE": (b"", b"\xfe"),
    "FF": (b"", b"\xff"),
    "overlong three-byte form": (b"\xe0", b"\x9f"),
    "overlong four-byte form": (b"\xf0", b"\x8f"),
    "over U+10FFFF": (b"\xf4", b"\x90"),
    "two-byte character cut off by ASCII": (b"\xc3", b"("),
    "three-byte character cut off by ASCII": (b"\xe2\x82", b"("),
    "four-byte character cut off by ASCII": (b"\xf0\x9f\x98", b"("),
    "character cut off by a lead byte": (b"\xe2\x82", b"\xe2"),
    "character cut off by FF": (b"\xf0\x9f", b"\xff"),
    "second byte of a surrogate": (b"\xed", b"\xa0"),
}

UNFINISHED = [b"\xc3", b"\xe2", b"\xe2\x82", b"\xf0", b"\xf0\x9f", b"\xf0\x9f\x98", "é".encode() + b"\xc3"]


def assemble(*pieces):
    assembler = TextAssembler()
    for piece in pieces:
        assembler.add(piece)
    return assembler.finish()


def test_nothing_added_is_the_empty_text():
    assert assemble() == ""


def test_empty_pieces_add_nothing():
    assert assemble(b"", b"a\xc3", b"", b"\xa9", b"") == "aé"


def test_a_piece_may_be_a_memoryview():
    data = "grüße".encode()
    assert assemble(memoryview(data)[:3], memoryview(data)[3:]) == "grüße"


def test_a_piece_may_change_after_it_was_added():
    buffer = bytearray(b"a\xe2\x82")
    assembler = TextAssembler()
    assembler.add(memoryview(buffer))
    buffer[:] = b"zzz"
    assembler.add(b"\xac")
    assert assembler.finish() == "a€"


def test_all_text_is_kept_when_fed_whole():
    assert assemble(EDGE_TEXT.encode()) == EDGE_TEXT


def test_all_text_is_kept_when_fed_byte_by_byte():
    assert assemble(*(bytes([byte]) for byte in EDGE_TEXT.encode())) == EDGE_TEXT


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r", "\n\r", "\r\r\n", "\x0b\x0c\x1c\x85\u2028\u2029"])
def test_line_endings_are_kept_exactly(ending):
    text = f"a{ending}b{ending}"
    assert assemble(text.encode()) == text
    assert assemble(*(bytes([byte]) for byte in text.encode())) == text


def test_a_byte_order_mark_is_text_like_any_other():
    assert assemble(b"\xef\xbb", b"\xbfx") == "\ufeffx"


@pytest.mark.parametrize(("before", "bad"), BAD_BYTES.values(), ids=BAD_BYTES)
def test_a_bad_byte_fails_in_the_piece_that_brings_it(before, bad):
    assembler = TextAssembler()
    assembler.add(b"ok " + before)
    with pytest.raises(UnicodeDecodeError):
        assembler.add(bad)


@pytest.mark.parametrize(("before", "bad"), BAD_BYTES.values(), ids=BAD_BYTES)
def test_a_bad_byte_fails_in_the_middle_of_a_piece_too(before, bad):
    assembler = TextAssembler()
    with pytest.raises(UnicodeDecodeError):
        assembler.add(b"ok " + before + bad + b" and more")


# not see that no character begins so; it waits for a third byte.
@pytest.mark.parametrize("second", [b"\xa0", b"\xaf", b"\xb0", b"\xbf"])
def test_a_surrogate_fails_with_its_second_byte(second):
    assembler = TextAssembler()
    assembler.add(b"\xed")
    with pytest.raises(UnicodeDecodeError):
        assembler.add(second)


@pytest.mark.parametrize("code_point", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_a_surrogate_is_no_character(code_point):
    assembler = TextAssembler()
    with pytest.raises(UnicodeDecodeError):
        assembler.add(chr(code_point).encode("utf-8", "surrogatepass"))


def test_a_pair_of_surrogates_is_no_character_either():
    with pytest.raises(UnicodeDecodeError):
        assemble("\ud83d\ude00".encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("data", UNFINISHED)
def test_a_text_that_ends_inside_a_character_fails_at_the_end(data):
    assembler = TextAssembler()
    assembler.add(b"ok ")
    assembler.add(data)
    with pytest.raises(UnicodeDecodeError):
        assembler.finish()


def test_no_more_than_three_bytes_wait_for_the_next_piece():
    assembler = TextAssembler()
    most = 0
    for byte in EDGE_TEXT.encode() * 50:
        assembler.add(bytes([byte]))
        most = max(most, len(assembler.tail))
    assert most == 3


# Bytes that lie at the edges of what UTF-8 allows, so that good and bad sequences come often.
edge_bytes = st.lists(st.sampled_from(b"a\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xed\xef\xf0\xf4\xf5"), max_size=9)
edge_texts = st.lists(st.sampled_from(EDGE_TEXT), max_size=9).map("".join)


@settings(deadline=None, max_examples=100, database=None)
@given(edge_texts.map(str.encode) | edge_bytes.map(bytes), st.integers(0, 36))
def test_any_bytes_in_any_two_pieces_agree_with_the_codec(encoded, cut):
    try:
        expected = encoded.decode()
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            assemble(encoded[:cut], encoded[cut:])
    else:
        assert assemble(encoded[:cut], encoded[cut:]) == expected
