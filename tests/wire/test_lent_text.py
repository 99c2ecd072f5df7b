"""Tests of utf8_of: a large text that is ASCII lends its memory to its sender, and only the time can tell."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import parse_all, peak_bytes

from syncws import DataWriter
from syncws._wire.accelerated import accelerated, speedups
from syncws._wire.deflate import Deflater
from syncws._wire.frames import FRAGMENT_BYTES, TEXT
from syncws._wire.large import FragmentFrames, FramePieces
from syncws._wire.utf8 import utf8_of

MEBIBYTE = 1 << 20
compiled = pytest.mark.skipif(not accelerated, reason="in plain Python nothing is lent")


class OwnText(str):
    """Text of a class that a program may have."""


def payload_of(pieces):
    return b"".join(frame.data for frame in parse_all(b"".join(map(bytes, pieces))))


@pytest.mark.parametrize(
    "length", [0, 1, FRAGMENT_BYTES - 1, FRAGMENT_BYTES, FRAGMENT_BYTES + 1, 3 * FRAGMENT_BYTES + 5]
)
@pytest.mark.parametrize("end", ["", "\x00", "\x7f", "\x80", "\xff", "\u20ac", "\U0001f600"])
@pytest.mark.parametrize("kind", [str, OwnText])
def test_it_is_the_text_in_utf_8(length, end, kind):
    text = "ab\n" * (length // 3) + "x" * (length % 3) + end
    assert bytes(utf8_of(kind(text))) == text.encode()


@pytest.mark.parametrize("at", [0, 1, FRAGMENT_BYTES, 2 * FRAGMENT_BYTES - 1])
def test_a_lone_surrogate_is_refused_and_told_where(at):
    text = "x" * at + "\ud800" + "y" * (2 * FRAGMENT_BYTES - 1 - at)
    with pytest.raises(UnicodeEncodeError) as caught:
        utf8_of(text)
    assert caught.value.start == at


@settings(max_examples=25, deadline=None)
@given(
    st.integers(FRAGMENT_BYTES - 2, 20 * FRAGMENT_BYTES),
    st.lists(st.tuples(st.integers(0, 4 * FRAGMENT_BYTES), st.characters(exclude_categories=["Cs"])), max_size=4),
    st.integers(0, 4),
    st.booleans(),
)
def test_its_frames_are_those_of_the_bytes_wherever_its_sender_gives_up(length, places, taken, is_whole):
    characters = ["x"] * length
    for at, character in places:
        characters[at % length] = character
    text = "".join(characters)
    pieces = (FramePieces if is_whole else FragmentFrames)(TEXT, utf8_of(text))
    sent = [bytes(piece) for piece in itertools.islice(pieces, taken)]
    assert pieces.detach(0)
    pieces.release()
    assert payload_of([*sent, *map(bytes, pieces)]) == text.encode()


def test_it_is_compressed_as_bytes_are():
    text = "compress me " * 30_000
    assert Deflater().compress(utf8_of(text)) == Deflater().compress(text.encode())


@compiled
def test_a_large_text_that_is_ascii_is_sent_without_a_copy():
    text = "x" * (4 * MEBIBYTE)

    def send():
        for _ in FramePieces(TEXT, utf8_of(text)):
            pass

    assert peak_bytes(send) < MEBIBYTE


@compiled
def test_a_data_writer_lends_a_large_text_that_is_ascii():
    text = "x" * (4 * MEBIBYTE)

    def write():
        writer = DataWriter()
        assert writer.measure_string(text) == writer.write_string(text) == len(text)
        writer.close()

    assert peak_bytes(write) < MEBIBYTE


@pytest.mark.parametrize("letter", ["x", "\xe9", "\u65e5"])
def test_what_was_written_is_the_text_in_utf_8(letter):
    text = letter * (FRAGMENT_BYTES + 1)
    writer = DataWriter()
    writer.write_string(text)
    assert bytes(writer.detach_buffer()) == text.encode()
    writer.write_string(text)
    writer.write_byte(1)
    assert bytes(writer.detach_buffer()) == text.encode() + b"\x01"


@compiled
def test_what_is_lent_stays_as_it_was_when_its_owner_goes_on_with_the_text():
    text = "".join(["x"] * MEBIBYTE)
    lent = utf8_of(text)
    assert lent.readonly
    # Of a str that nobody else has CPython would make the memory larger, or move it.
    text += "y" * MEBIBYTE
    del text
    assert lent == b"x" * MEBIBYTE


@compiled
@pytest.mark.parametrize("arguments", [(), (b"bytes",), (1,), ("\xe9",), (OwnText("own"),), ("a", "b")])
def test_only_ascii_is_lent(arguments):
    with pytest.raises(TypeError):
        speedups.AsciiText(*arguments)
    with pytest.raises(TypeError):
        speedups.AsciiText("a", name=1)
