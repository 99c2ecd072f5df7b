"""Both forms of what has a compiled one, side by side: the same results, the same errors, whatever the input.

The other tests of these rooms run once more in plain Python in a pass of their own, see .ci/run.
"""

from codecs import utf_8_decode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import frame, naive_mask, pattern

from syncws._wire import frames
from syncws._wire.accelerated import speedups
from syncws._wire.binary import BinaryAssemblerInPython
from syncws._wire.frames import BINARY, CONTINUATION, PING, TEXT, masked_frame_in_python
from syncws._wire.incoming import Message
from syncws._wire.scanning import scan_in_python
from syncws._wire.utf8 import decode_utf8_in_python

PYTHON = {
    "masked_frame": masked_frame_in_python,
    "decode_utf8": decode_utf8_in_python,
    "scan": scan_in_python,
    "assembler": BinaryAssemblerInPython,
}
COMPILED = (
    {}
    if speedups is None
    else {
        "masked_frame": speedups.masked_frame,
        "decode_utf8": speedups.decode_utf8,
        "scan": speedups.scan,
        "assembler": speedups.BinaryAssembler,
    }
)
FORMS = [PYTHON] + [COMPILED] * bool(COMPILED)
NAMES = ["python", "compiled"][: len(FORMS)]

KEY = bytes.fromhex("37fa213d")


@pytest.fixture(params=FORMS, ids=NAMES)
def form(request):
    return request.param


# Frames.


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
@pytest.mark.parametrize("kind", [bytes, bytearray, lambda data: memoryview(bytearray(data))])
@pytest.mark.parametrize("first", [0x81, 0x02, 0x8A])
def test_a_masked_frame_is_header_key_and_masked_payload(form, length, kind, first):
    data = pattern(length)
    header = frames.frame_header(first, length)
    made = form["masked_frame"](first, kind(data), KEY)
    assert type(made) is bytes
    assert made == bytes(header) + KEY + naive_mask(data, KEY)


# UTF-8.

# Long enough for the compiled form to go its own way.
LONG = "Za\u017c\u00f3\u0142\u0107, \u65e5\u672c\u8a9e \U0001f600 plain ASCII of some length; Gr\u00fc\u00dfe " * 12


def outcome(function, data, is_last):
    """Return what it gives, or what it raises of a UnicodeDecodeError."""
    try:
        return function(data, is_last)
    except UnicodeDecodeError as error:
        return error.encoding, error.object, error.start, error.end, error.reason


def agrees(form, data):
    for is_last in (False, True):
        assert outcome(form["decode_utf8"], data, is_last) == outcome(
            lambda data, is_last: utf_8_decode(data, "strict", is_last), data, is_last
        )


@pytest.mark.parametrize(
    "kind", ["x", "\u00e9", "\u0142", "\u65e5", "\U0001f600", "x\u00ff", "x\u0100", "\uffff", "\U0010ffff"]
)
@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 1000, 4095, 4096, 5000])
def test_text_of_each_width_is_decoded(form, kind, length):
    text = (kind * length)[:length]
    decoded, used = form["decode_utf8"](text.encode(), True)
    assert decoded == text
    assert used == len(text.encode())
    # Of the narrowest form that holds it: else it would be another string for hash and ==.
    assert hash(decoded) == hash(text)
    assert decoded.__sizeof__() <= text.__sizeof__() + 200


def test_text_that_ends_anywhere_in_a_character_is_decoded_as_far_as_it_goes(form):
    data = LONG.encode()
    for end in range(len(data) - 120, len(data)):
        agrees(form, data[:end])


BAD_IN_HEX = """
    80 bfbf c080 c1bf c2 c278 dfff e08080 e09fbf e282 e28278 eda080 edbfbf eda0 efbf f0808080 f08fbfbf f09f98 f09f
    f4908080 f5808080 f888808080 fe ff f09f9878 c3a980 e228a1
"""
BAD = [bytes.fromhex(digits) for digits in BAD_IN_HEX.split()]


@pytest.mark.parametrize("bad", BAD, ids=bytes.hex)
@pytest.mark.parametrize("around", ["x" * 300, "\u00e9" * 300, "\u65e5" * 300, "\U0001f600" * 300])
def test_what_is_not_utf_8_is_the_same_error_wherever_it_stands(form, bad, around):
    good = around.encode()
    for data in (bad + good, good + bad, good + bad + good, good + b"xyz" + bad + b"end"):
        agrees(form, data)


# As long as what the compiled form looks at at once, and more.
OFFSETS = range(100)


@pytest.mark.parametrize("bad", BAD, ids=bytes.hex)
@pytest.mark.parametrize("before", ["x", "\u00e9", "\u65e5", "x\u0142"])
def test_what_is_not_utf_8_is_the_same_error_at_each_place_of_a_span(form, bad, before):
    for offset in OFFSETS:
        agrees(form, b"x" * (offset % 3) + (before * offset).encode()[:offset] + bad + LONG.encode())


@pytest.mark.parametrize(
    "text", ["x\u0142\u00f3x", "\u0436\u0436 ", "\u65e5\u672cx", "a\U0001f600\u0142", "\u00e9x\u00e8"]
)
def test_long_text_is_decoded_from_each_place_of_a_span(form, text):
    for offset in OFFSETS:
        whole = "x" * offset + text * 100
        assert form["decode_utf8"](whole.encode(), True) == (whole, len(whole.encode()))


@pytest.mark.parametrize("number", [1, 16, 64, 80, 300, 5000])
@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u65e5", "\U0001f600"])
def test_following_bytes_without_a_lead_byte_find_no_room(form, letter, number):
    good = (letter * 400).encode()
    for data in (b"\xbf" * number + good, good + b"\x80" * number, good + b"\x80" * number + good):
        agrees(form, data)


@pytest.mark.parametrize("end", [b"", "\u00e9".encode(), "\u65e5".encode(), b"\xc3", b"\xff"])
@pytest.mark.parametrize("length", [4095, 4096, 4097, 8192, 20_000])
def test_text_that_is_ascii_for_long_may_end_otherwise(form, length, end):
    agrees(form, b"x" * length + end)
    agrees(form, b"x" * length + end + b"x" * 5000)


@settings(deadline=None, max_examples=80, database=None)
@given(
    st.lists(
        st.sampled_from([*BAD, b"a", "\u00e9".encode(), "\u65e5".encode(), "\U0001f600".encode(), b"word " * 9]),
        max_size=90,
    )
)
def test_any_mixture_is_decoded_or_refused_as_by_the_standard_library(parts):
    for form in FORMS:
        agrees(form, b"x" * 256 + b"".join(parts))


# Scanning.

PIECES = st.one_of(
    st.builds(
        frame,
        st.sampled_from([TEXT, BINARY]),
        st.sampled_from([b"", b"text", "\u00e9".encode(), b"x" * 125, b"y" * 126, b"z" * 1000, b"\xff"]),
    ),
    st.builds(frame, st.sampled_from([TEXT, CONTINUATION, PING]), st.just(b"x"), fin=st.booleans()),
    st.binary(max_size=4),
)


def scanned(scan, data, limit):
    events = []
    position, failure = 0, None
    try:
        position = scan(data, 0, limit, Message, events)
    except UnicodeDecodeError as error:
        failure = error.reason
    return position, failure, [(event.text, event.payload, event.length, event.error) for event in events]


@settings(deadline=None, max_examples=80, database=None)
@given(st.lists(PIECES, max_size=8).map(b"".join), st.sampled_from([0, 4, 125, 126, 65535]))
def test_a_scan_finds_the_same_messages_in_both_forms(data, limit):
    expected = scanned(scan_in_python, data, limit)
    assert all(length <= limit for _, _, length, _ in expected[2])
    if COMPILED:
        assert scanned(COMPILED["scan"], data, limit) == expected


@pytest.mark.parametrize("length", [126, 1000, 65535])
def test_a_message_of_the_second_form_of_length_is_given_out_by_both(form, length):
    from syncws._wire import decoder

    data = frame(BINARY, pattern(length)) * 3
    events = []
    position = form["scan"](data, 0, 65535, Message, events)
    given = decoder.Decoder(1 << 20)
    assert [event.payload for event in given.receive_data(data)] == [pattern(length)] * 3
    assert position == len(data)
    assert len(events) == 3


@pytest.mark.parametrize("header", ["827e0005", "817e007d", "827f0000000000000005", "c205", "8285"])
def test_a_frame_that_breaks_a_rule_is_left_to_the_decoder(form, header):
    data = frame(BINARY, b"first") + bytes.fromhex(header) + bytes(200)
    events = []
    assert form["scan"](data, 0, 65535, Message, events) == 7
    assert len(events) == 1


# Gathering.


@settings(deadline=None, max_examples=100, database=None)
@given(st.lists(st.integers(0, 40_000), max_size=12), st.integers(0, 200_000))
def test_pieces_of_any_size_are_put_together(sizes, remaining):
    for form in FORMS:
        assembler = form["assembler"]()
        pieces = [pattern(size) for size in sizes]
        for piece in pieces:
            assembler.add(piece, remaining)
        assert assembler.finish() == b"".join(pieces)


def test_an_assembler_without_pieces_gives_empty_bytes(form):
    assert form["assembler"]().finish() == b""
