"""Tests of wire.utf8's TextDecoder and check_text: in any pieces they say what str(whole, "utf-8") says, at once."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import cuts_at, peak_bytes, places

from syncws._wire import utf8
from syncws._wire.utf8 import NotUtf8Error, TextDecoder, check_text

MEBIBYTE = 1 << 20
BLOCK = utf8._CHECKED_BYTES

BAD_SEQUENCES = {
    "FF": b"\xff",
    "continuation byte alone": b"\x80",
    "overlong": b"\xc0\xaf",
    "two-byte character cut off": b"\xc3(",
    "three-byte character cut off": b"\xe2\x82(",
    "four-byte character cut off": b"\xf0\x9f\x98(",
    "character cut off by another": b"\xe2\x82\xe2\x82\xac",
    "surrogate": b"\xed\xa0\x80",
    "over U+10FFFF": b"\xf4\x90\x80\x80",
}
UNFINISHED = [b"\xc3", b"\xe2", b"\xe2\x82", b"\xed\x9f", b"\xf0", b"\xf0\x9f", b"\xf0\x9f\x98"]

# Bytes at the edges of what UTF-8 allows, so that good and bad sequences come often.
edge_bytes = st.lists(
    st.sampled_from(b"a\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xed\xef\xf0\xf4\xf5"), max_size=9
).map(bytes)
characters = st.lists(st.sampled_from("a\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"), max_size=9)
texts = characters.map("".join).map(str.encode)
any_bytes = texts | edge_bytes | st.builds(bytes.__add__, texts, edge_bytes) | st.binary(max_size=20)


def codec_error(data):
    """Return where and why the codec refuses the bytes, None when it takes them."""
    try:
        str(data, "utf-8")
    except UnicodeDecodeError as exc:
        return exc.start, exc.end, exc.reason
    return None


def begins_text(data):
    """Tell whether the bytes, and some that may follow them, are UTF-8."""
    endings = (b"", *(bytes((byte,)) + rest for byte in (0x80, 0x90, 0xA0) for rest in (b"", b"\x80", b"\x80\x80")))
    return any(codec_error(data + ending) is None for ending in endings)


def checked(data, tail=b"", *, is_last=True):
    """Return what check_text says: the tail, or where and why it refuses the bytes."""
    try:
        return check_text(data, tail, is_last=is_last)
    except NotUtf8Error as exc:
        return exc.start, exc.end, exc.reason


def split(data, cuts):
    edges = [0, *sorted(cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


# TextDecoder.


def test_a_decoder_gives_the_character_that_was_begun_and_the_text_behind_it():
    decoder = TextDecoder()
    assert decoder.decode(b"a\xe2\x82") == ("", "a")
    assert decoder.tail == b"\xe2\x82"
    head, text = decoder.decode(b"\xacbcd")
    assert head.startswith("€")
    assert head + text == "€bcd"
    assert decoder.tail == b""


def test_a_character_that_is_still_unfinished_gives_no_text():
    decoder = TextDecoder()
    seen = [(decoder.decode(bytes((byte,))), decoder.tail) for byte in "😀".encode()]
    nothing = ("", "")
    assert seen == [(nothing, b"\xf0"), (nothing, b"\xf0\x9f"), (nothing, b"\xf0\x9f\x98"), (("😀", ""), b"")]


@pytest.mark.parametrize("tail", [b"", *UNFINISHED])
def test_an_empty_piece_changes_nothing(tail):
    decoder = TextDecoder(tail)
    assert decoder.decode(b"") == ("", "")
    assert decoder.tail == tail


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 5])
def test_another_decoder_goes_on_with_the_tail(cut):
    data = "a😀".encode()
    first = TextDecoder()
    begun = "".join(first.decode(data[:cut]))
    second = TextDecoder(first.tail)
    assert begun + "".join(second.decode(data[cut:])) == "a😀"
    second.check_end()


def test_a_character_may_be_begun_behind_the_one_that_is_finished():
    decoder = TextDecoder(b"\xc3")
    head, text = decoder.decode(b"\xa9\xf0\x9f")
    assert (head + text, decoder.tail) == ("é", b"\xf0\x9f")


@pytest.mark.parametrize("data", [b"\xa9\xed\xa0", b"\xa9a\xed\xa0"])
def test_a_surrogate_behind_a_finished_character_fails_with_its_second_byte(data):
    with pytest.raises(UnicodeDecodeError):
        TextDecoder(b"\xc3").decode(data)


@pytest.mark.parametrize("data", UNFINISHED)
def test_a_text_must_not_end_inside_a_character(data):
    decoder = TextDecoder()
    decoder.decode(b"ok" + data)
    with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
        decoder.check_end()


@settings(deadline=None, max_examples=80, database=None)
@given(any_bytes, places)
def test_a_decoder_fails_with_the_first_piece_that_no_text_can_go_on_from(data, where):
    decoder, taken, text = TextDecoder(), b"", ""
    for piece in split(data, cuts_at(where, data)):
        taken += piece
        if not begins_text(taken):
            with pytest.raises(UnicodeDecodeError):
                decoder.decode(piece)
            return
        text += "".join(decoder.decode(memoryview(piece)))
        assert text.encode() + decoder.tail == taken
        assert len(decoder.tail) <= 3


# check_text on one piece.


@settings(deadline=None, max_examples=80, database=None)
@given(any_bytes)
def test_a_whole_text_is_checked_as_the_codec_does(data):
    assert checked(data) == (codec_error(data) or b"")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_text_may_lie_in_any_flat_buffer_of_bytes(kind):
    assert checked(kind("grüße €".encode())) == b""
    assert checked(kind(b"ok\xff")) == (2, 3, "invalid start byte")
    assert checked(kind(b"ok\xe2\x82"), is_last=False) == b"\xe2\x82"


def test_a_part_is_the_last_unless_told_otherwise():
    with pytest.raises(NotUtf8Error):
        check_text(b"\xc3")
    assert check_text(b"\xc3", is_last=False) == b"\xc3"


def test_a_checked_buffer_may_change_its_size_afterwards():
    buffer = bytearray(b"ok")
    assert check_text(buffer) == b""
    buffer.clear()


def test_a_refused_buffer_may_change_its_size_while_the_error_is_kept():
    buffer = bytearray(b"ok\xff")
    with pytest.raises(NotUtf8Error) as raised:
        check_text(buffer)
    buffer.clear()
    assert raised.value.start == 2


# check_text on parts.


@settings(deadline=None, max_examples=80, database=None)
@given(any_bytes, places)
def test_a_text_in_parts_fails_where_the_whole_does(data, where):
    parts = split(data, cuts_at(where, data))
    tail, taken = b"", 0
    for number, part in enumerate(parts, 1):
        is_last = number == len(parts)
        result = checked(part, tail, is_last=is_last)
        so_far = data[: taken + len(part)]
        if codec_error(so_far) is None:
            assert result == b""
        elif begins_text(so_far) and not is_last:
            # The unfinished character and nothing else.
            assert result == so_far[codec_error(so_far)[0] :]
        else:
            start, end, reason = codec_error(so_far)
            assert result == (start - taken, end - taken, reason)
            return
        tail, taken = result, taken + len(part)


@pytest.mark.parametrize(
    ("tail", "data", "expected"),
    [
        (b"\xc3", b"\xa9", b""),
        (b"\xf0\x9f", b"\x98\x80", b""),
        (b"", b"", b""),
        (b"\xc3", b"(", (-1, 0, "invalid continuation byte")),
        (b"\xe2\x82", b"a", (-2, 0, "invalid continuation byte")),
        (b"\xf0\x9f\x98", b"\xff", (-3, 0, "invalid continuation byte")),
        (b"\xed", b"\xa0", (-1, 0, "invalid continuation byte")),
        (b"\xc3", b"\xa9\xff", (1, 2, "invalid start byte")),
        (b"\xc3", b"", (-1, 0, "unexpected end of data")),
        (b"\xf0\x9f", b"\x98", (-2, 1, "unexpected end of data")),
        (b"\xe2\x82", b"\xac\xc3", (1, 2, "unexpected end of data")),
    ],
)
def test_an_error_before_the_beginning_of_the_data_is_in_the_tail(tail, data, expected):
    assert checked(data, tail) == expected


@pytest.mark.parametrize(("tail", "data"), [(b"\xc3", b""), (b"\xf0\x9f", b"\x98"), (b"", b"a\xe2\x82")])
def test_an_unfinished_character_is_handed_on_when_more_is_to_come(tail, data):
    assert checked(data, tail, is_last=False) == (tail + data).removeprefix(b"a")


def test_an_error_says_where_and_why():
    with pytest.raises(NotUtf8Error) as raised:
        check_text(b"\xa9\xff", b"\xc3")
    assert (raised.value.start, raised.value.end) == (1, 2)
    assert str(raised.value) == "byte 1 is not UTF-8: invalid start byte"


# Large data, which is checked in blocks.


def test_a_block_is_64_kib():
    assert BLOCK == 65536


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("bad", BAD_SEQUENCES.values(), ids=BAD_SEQUENCES)
def test_an_error_on_any_side_of_a_border_between_blocks_is_where_it_is(bad, block):
    for offset in range(-5, 4):
        start = block * BLOCK + offset
        data = b"a" * start + bad + b"b" * 10
        expected = codec_error(data)
        assert expected[0] == start
        assert checked(data) == expected, offset
        assert checked(data, is_last=False) == expected, offset


@pytest.mark.parametrize("tail", UNFINISHED)
def test_an_error_behind_a_tail_counts_from_the_beginning_of_the_data(tail):
    rest = b"\x90" * ({0xC3: 2, 0xE2: 3, 0xED: 3, 0xF0: 4}[tail[0]] - len(tail))
    for offset in range(-5, 4):
        start = BLOCK + offset
        data = rest.ljust(start, b"a") + b"\xe2\x82("
        assert checked(data, tail) == (start, start + 2, "invalid continuation byte"), offset


@pytest.mark.parametrize("unfinished", UNFINISHED)
def test_a_text_that_ends_inside_a_character_near_a_border_ends_there(unfinished):
    for offset in range(-5, 4):
        start = BLOCK + offset
        data = b"a" * start + unfinished
        assert checked(data) == (start, start + len(unfinished), "unexpected end of data"), offset
        assert checked(data, is_last=False) == unfinished, offset


@pytest.mark.parametrize("character", ["é", "€", "\ud7ff", "😀"])
def test_a_character_across_a_border_is_fine(character):
    for offset in range(-5, 2):
        assert checked(b"a" * (BLOCK + offset) + character.encode() * 3) == b"", offset


@pytest.mark.parametrize("data", [bytes(16 * MEBIBYTE), "€".encode() * (5 * MEBIBYTE)], ids=["ASCII", "euro"])
def test_no_text_of_the_whole_is_made(data):
    def check():
        assert check_text(data) == b""

    assert peak_bytes(check) < MEBIBYTE
