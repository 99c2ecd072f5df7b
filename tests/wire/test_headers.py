"""Tests of wire.headers: what may stand in the opening handshake's request."""

import string

import pytest

from syncws._wire.headers import check_request_header, check_subprotocols, is_token
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.hresult import HResult

# RFC 9110 5.6.2.
TOKEN_CHARACTERS = set("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)

# Diverted, or part of the handshake; and what would give the request a body or another form.
REFUSED = [
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Accept",
    "Upgrade",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "TE",
    "Trailer",
]

BAD_TOKENS = ["", " ", "a b", " a", "a ", "a:", "a\r\n", "a\n", "a\0", "a,b", "a/b", "(a)", '"a"', "a;b", "é", "\u0130"]


def test_exactly_the_characters_of_the_rfc_make_a_token():
    assert {chr(code) for code in range(0x250) if is_token(chr(code))} == TOKEN_CHARACTERS


def test_a_token_may_be_long_and_mixed():
    assert is_token("X-My_Header.v2~" * 20)


@pytest.mark.parametrize("text", BAD_TOKENS)
def test_other_text_is_no_token(text):
    assert not is_token(text)


# Headers.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "example.org"),
        ("Cookie", "a=b; c=d"),
        ("Authorization", "Bearer abc=="),
        ("User-Agent", "agent/1.0 (what; ever)"),
        ("Origin", "https://example.org"),
        ("X-Empty", ""),
        ("X-Tab", "a\tb"),
        ("X-Latin-1", "caf\u00e9 \u00a0\u00ff"),
        ("x", "".join(map(chr, range(0x20, 0x7F)))),
        ("Upgrade-Insecure-Requests", "1"),
    ],
)
def test_a_header_of_the_application_is_taken(name, value):
    assert check_request_header(name, value) is None


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_a_header_of_the_handshake_is_refused_in_any_case(name, change):
    with pytest.raises(InvalidArgumentError, match="belongs to the opening handshake") as raised:
        check_request_header(change(name), "x")
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize(
    ("name", "instead"),
    [("Sec-WebSocket-Protocol", "supported_protocols"), ("Sec-WebSocket-Extensions", "compression")],
)
def test_the_refusal_of_a_header_names_the_right_property(name, instead):
    with pytest.raises(InvalidArgumentError, match=rf"control\.{instead}"):
        check_request_header(name, "chat")


def test_the_refusal_of_a_subprotocol_as_a_header_names_the_keyword_of_connect():
    with pytest.raises(InvalidArgumentError, match=r"subprotocols= of syncws\.connect\(\)"):
        check_request_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_name_that_is_no_token_is_refused(name):
    with pytest.raises(InvalidArgumentError, match="is not a token") as raised:
        check_request_header(name, "x")
    assert raised.value.hresult == HResult.E_INVALIDARG


def test_of_a_name_with_a_colon_the_colon_is_shown_and_not_what_follows():
    with pytest.raises(InvalidArgumentError, match="header name 'Authorization:' is not a token") as raised:
        check_request_header("Authorization: hunter2", "x")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("place", ["{}x", "x{}x", "x{}"])
def test_a_value_with_control_or_other_characters_is_refused(place):
    for code in (*range(0x09), *range(0x0A, 0x20), 0x7F, 0x100, 0x2028, 0xD800, 0x1F600):
        with pytest.raises(InvalidArgumentError, match="value of header") as raised:
            check_request_header("X-Test", place.format(chr(code)))
        assert raised.value.hresult == HResult.E_INVALIDARG


# allows "the printable characters of Latin-1", but U+0080 to U+009F, the C1 control characters, are taken.
@pytest.mark.parametrize("code", [0x80, 0x85, 0x9F])
def test_a_value_with_a_c1_control_character_is_refused(code):
    with pytest.raises(InvalidArgumentError):
        check_request_header("X-Test", f"a{chr(code)}b")


def test_a_refused_value_is_not_shown_because_it_may_be_secret():
    with pytest.raises(InvalidArgumentError) as raised:
        check_request_header("Authorization", "hunter2\n")
    assert "hunter2" not in str(raised.value)
    assert repr("\n") in str(raised.value)


@pytest.mark.parametrize(("name", "value"), [(b"X", "x"), ("X", b"x"), (None, "x"), ("X", None), ("X", 1)])
def test_name_and_value_must_be_str(name, value):
    with pytest.raises(InvalidArgumentTypeError, match="must be str") as raised:
        check_request_header(name, value)
    assert raised.value.hresult == HResult.E_INVALIDARG


def test_a_value_that_is_no_str_is_told_by_its_header():
    with pytest.raises(InvalidArgumentTypeError, match="value of header 'Authorization' must be str, not NoneType"):
        check_request_header("Authorization", None)


# Subprotocols.


@pytest.mark.parametrize("protocol", ["chat", "v1.chat.example", "Chat", "soap~1!"])
def test_a_subprotocol_that_is_a_token_is_given_back(protocol):
    assert check_subprotocols([protocol]) == [protocol]


@pytest.mark.parametrize("protocol", BAD_TOKENS)
def test_a_subprotocol_that_is_no_token_is_refused(protocol):
    with pytest.raises(InvalidArgumentError, match="is not a token") as raised:
        check_subprotocols([protocol])
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("protocol", [None, b"chat", 1, ["chat"]])
def test_a_subprotocol_must_be_str(protocol):
    with pytest.raises(InvalidArgumentTypeError, match=type(protocol).__name__):
        check_subprotocols([protocol])


def test_a_subprotocol_that_is_there_already_is_refused():
    with pytest.raises(InvalidArgumentError, match="number 3 is in the list already"):
        check_subprotocols(["other", "chat", "chat"])


def test_subprotocols_that_differ_in_case_are_two():
    assert check_subprotocols(["chat", "Chat"]) == ["chat", "Chat"]


def test_a_list_of_subprotocols_is_given_back_in_its_order():
    assert check_subprotocols(iter(("b", "a", "c"))) == ["b", "a", "c"]


def test_no_subprotocols_are_an_empty_list():
    assert check_subprotocols(()) == []


@pytest.mark.parametrize("protocols", ["chat", None, 7])
def test_only_a_sequence_is_a_list_of_subprotocols(protocols):
    with pytest.raises(InvalidArgumentTypeError, match="sequence of str"):
        check_subprotocols(protocols)


def test_a_host_header_beyond_ascii_is_refused():
    with pytest.raises(InvalidArgumentError, match="must be ASCII"):
        check_request_header("Host", "b\xfccher.example")
