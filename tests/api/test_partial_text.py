"""Tests of PartialTextReader: characters that begin in one piece of a message and end in a later one."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import server_frame

from syncws import (
    ConnectionLostError,
    HResult,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    NoUnicodeTranslationError,
    PartialTextReader,
    UnicodeEncoding,
)
from syncws._wire.decoder import Decoder
from syncws._wire.frame_decoder import NO_LIMIT
from syncws._wire.incoming import Message
from syncws._wire.piece_decoder import PieceDecoder
from syncws.event_args import MessagePieceEventArgs, MessageWebSocketMessageReceivedEventArgs

CONTINUATION, TEXT, BINARY = 0, 1, 2

ENCODINGS = [
    (UnicodeEncoding.UTF8, "utf-8"),
    (UnicodeEncoding.UTF16_L_E, "utf-16-le"),
    (UnicodeEncoding.UTF16_B_E, "utf-16-be"),
]

# Without the half surrogates, which no encoding has.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


def pieces_of(*parts, opcode=BINARY):
    """Return the args of one message that comes in a frame for each part."""
    decoder = PieceDecoder(NO_LIMIT, MessagePieceEventArgs)
    events = []
    for number, part in enumerate(parts):
        frame = server_frame(CONTINUATION if number else opcode, part, fin=number == len(parts) - 1)
        events += decoder.receive_data(frame)
    assert all(type(event) is MessagePieceEventArgs for event in events)
    return events


def cut(data, places):
    """Return the parts of `data` between the places."""
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(borders)]


def whole_message(opcode, payload):
    (event,) = Decoder(NO_LIMIT, MessageWebSocketMessageReceivedEventArgs).receive_data(server_frame(opcode, payload))
    return event


def lost_connection():
    message = Message()
    message._payload, message._text, message._length = b"", None, 0
    message._error = ConnectionLostError("gone")
    return MessageWebSocketMessageReceivedEventArgs._over(message)


def test_utf8_is_read_when_nothing_else_is_said():
    assert PartialTextReader().read(*pieces_of("Grüße".encode())) == "Grüße"


def test_each_piece_gives_what_it_completes():
    texts = PartialTextReader()
    data = "aü€😀".encode()
    given = [texts.read(args) for args in pieces_of(*(data[place : place + 1] for place in range(len(data))))]
    assert given == ["a", "", "ü", "", "", "€", "", "", "", "😀"]


def test_text_messages_are_read_across_pieces_too():
    texts = PartialTextReader()
    assert [texts.read(args) for args in pieces_of(b"Gr\xc3", b"\xbc", b"\xc3\x9fe", opcode=TEXT)] == ["Gr", "ü", "ße"]


@pytest.mark.parametrize(("encoding", "codec"), ENCODINGS[1:])
def test_utf16_is_put_together_from_odd_pieces_and_halves_of_surrogate_pairs(encoding, codec):
    texts = PartialTextReader(encoding)
    data = "a😀b".encode(codec)
    assert [texts.read(args) for args in pieces_of(data[:1], data[1:3], data[3:4], data[4:7], data[7:])] == [
        "",
        "a",
        "",
        "😀",
        "b",
    ]


@settings(deadline=None)
@given(st.sampled_from(ENCODINGS), st.lists(st.tuples(TEXTS, st.lists(st.integers(0, 1000), max_size=5)), max_size=3))
def test_the_texts_of_all_pieces_joined_are_the_messages(encoding, messages):
    unicode_encoding, codec = encoding
    texts = PartialTextReader(unicode_encoding)
    for text, places in messages:
        assert "".join(map(texts.read, pieces_of(*cut(text.encode(codec), places)))) == text


def test_an_empty_message_is_an_empty_text():
    assert PartialTextReader().read(*pieces_of(b"")) == ""


def test_an_empty_last_piece_is_an_empty_text():
    texts = PartialTextReader()
    assert [texts.read(args) for args in pieces_of(b"a", b"")] == ["a", ""]


@pytest.mark.parametrize(("opcode", "payload"), [(TEXT, "ü".encode()), (BINARY, "ü".encode()), (TEXT, b"")])
def test_whole_messages_are_read_too(opcode, payload):
    assert PartialTextReader().read(whole_message(opcode, payload)) == payload.decode()


def test_the_encoding_may_be_given_by_its_number():
    assert PartialTextReader(2).read(*pieces_of(b"\x00a")) == "a"


@pytest.mark.parametrize("encoding", [3, -1])
def test_an_encoding_that_does_not_exist_is_refused(encoding):
    with pytest.raises(InvalidArgumentError) as raised:
        PartialTextReader(encoding)
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("encoding", ["utf-8", None, True, 1.0])
def test_what_is_no_encoding_is_refused(encoding):
    with pytest.raises(InvalidArgumentTypeError) as raised:
        PartialTextReader(encoding)
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize(
    ("encoding", "payload", "message"),
    [
        (UnicodeEncoding.UTF8, b"a\xff", "the message is not utf-8 text: invalid start byte"),
        (UnicodeEncoding.UTF8, b"a\xe2\x82", "the message is not utf-8 text: unexpected end of data"),
        (UnicodeEncoding.UTF16_L_E, b"a", "the message is not utf-16-le text: truncated data"),
        (UnicodeEncoding.UTF16_L_E, b"\x3d\xd8", "the message is not utf-16-le text: unexpected end of data"),
        (UnicodeEncoding.UTF16_B_E, b"\xde\x00\x00a", "the message is not utf-16-be text: illegal encoding"),
    ],
)
def test_a_message_that_is_no_text_is_refused_and_the_next_one_is_read(encoding, payload, message):
    texts = PartialTextReader(encoding)
    with pytest.raises(NoUnicodeTranslationError) as raised:
        texts.read(*pieces_of(payload))
    assert (raised.value.hresult, raised.value.message) == (HResult.ERROR_NO_UNICODE_TRANSLATION, message)
    codec = dict(ENCODINGS)[encoding]
    assert texts.read(*pieces_of("next".encode(codec))) == "next"


def test_a_character_that_the_next_piece_does_not_go_on_with_is_refused():
    texts = PartialTextReader()
    first, second = pieces_of(b"a\xc3", b"b")
    assert texts.read(first) == "a"
    with pytest.raises(NoUnicodeTranslationError):
        texts.read(second)
    assert texts.read(*pieces_of(b"b")) == "b"


def test_a_message_that_ends_inside_a_character_is_refused_at_its_empty_end():
    texts = PartialTextReader()
    first, second = pieces_of(b"a\xc3", b"")
    assert texts.read(first) == "a"
    with pytest.raises(NoUnicodeTranslationError):
        texts.read(second)


def test_an_error_in_the_middle_of_a_message_lets_the_rest_of_it_be_read():
    texts = PartialTextReader()
    first, second = pieces_of(b"\xff", b"rest")
    with pytest.raises(NoUnicodeTranslationError):
        texts.read(first)
    assert texts.read(second) == "rest"


def test_the_event_of_a_failure_raises_it():
    with pytest.raises(ConnectionLostError, match="gone") as raised:
        PartialTextReader().read(lost_connection())
    assert raised.value.hresult == HResult.WININET_E_CONNECTION_ABORTED


def test_reset_forgets_an_unfinished_character():
    texts = PartialTextReader()
    assert texts.read(pieces_of(b"a\xc3", b"\xbc")[0]) == "a"
    texts.reset()
    assert texts.read(*pieces_of(b"b")) == "b"


def test_reset_of_a_reader_that_was_not_used_changes_nothing():
    texts = PartialTextReader()
    texts.reset()
    assert texts.read(*pieces_of(b"\xc3\xbc")) == "ü"


def test_two_readers_know_nothing_of_each_other():
    one, other = PartialTextReader(), PartialTextReader()
    first, second = pieces_of(b"\xc3", b"\xbc")
    assert one.read(first) == ""
    with pytest.raises(NoUnicodeTranslationError):
        other.read(second)
    assert one.read(second) == "ü"
