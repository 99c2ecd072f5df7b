"""Tests of wire.uri: which URIs are taken, what becomes of them, and what an error may show."""

import re
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncws._wire import uri as module
from syncws._wire.uri import WebSocketUri, parse_uri
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.hresult import HResult

# uri: is_secure, host, port, resource, Host header, name for the certificate
GOOD = {
    "ws://example.org": (False, "example.org", 80, "/", "example.org", "example.org"),
    "wss://example.org": (True, "example.org", 443, "/", "example.org", "example.org"),
    "ws://example.org/": (False, "example.org", 80, "/", "example.org", "example.org"),
    "ws://example.org:80/": (False, "example.org", 80, "/", "example.org", "example.org"),
    "wss://example.org:443/": (True, "example.org", 443, "/", "example.org", "example.org"),
    "ws://example.org:443/": (False, "example.org", 443, "/", "example.org:443", "example.org"),
    "wss://example.org:80/": (True, "example.org", 80, "/", "example.org:80", "example.org"),
    "ws://example.org:/": (False, "example.org", 80, "/", "example.org", "example.org"),
    "ws://example.org:1/": (False, "example.org", 1, "/", "example.org:1", "example.org"),
    "ws://example.org:65535/": (False, "example.org", 65535, "/", "example.org:65535", "example.org"),
    "WS://EXAMPLE.ORG/A": (False, "example.org", 80, "/A", "example.org", "example.org"),
    "wSs://Example.org": (True, "example.org", 443, "/", "example.org", "example.org"),
    "ws://localhost:8080/chat": (False, "localhost", 8080, "/chat", "localhost:8080", "localhost"),
    "ws://a_b/": (False, "a_b", 80, "/", "a_b", "a_b"),
    "ws://127.0.0.1:9000/": (False, "127.0.0.1", 9000, "/", "127.0.0.1:9000", "127.0.0.1"),
    "ws://[::1]/": (False, "::1", 80, "/", "[::1]", "::1"),
    "wss://[2001:DB8::1]:8443/x": (True, "2001:db8::1", 8443, "/x", "[2001:db8::1]:8443", "2001:db8::1"),
    "ws://[::ffff:192.0.2.1]/": (False, "::ffff:192.0.2.1", 80, "/", "[::ffff:192.0.2.1]", "::ffff:192.0.2.1"),
    "ws://[fe80::1%25eth0]/": (False, "fe80::1%eth0", 80, "/", "[fe80::1]", "fe80::1"),
    "ws://[fe80::1%eth0]:81/": (False, "fe80::1%eth0", 81, "/", "[fe80::1]:81", "fe80::1"),
    "ws://[fe80::1%25br%2Dlan%30]/": (False, "fe80::1%br-lan0", 80, "/", "[fe80::1]", "fe80::1"),
    "ws://[fe80::1%br%2dlan]/": (False, "fe80::1%br-lan", 80, "/", "[fe80::1]", "fe80::1"),
    "ws://[fe80::1%25B%C3%BCro]/": (False, "fe80::1%Büro", 80, "/", "[fe80::1]", "fe80::1"),
    "ws://[fe80::1%253]/": (False, "fe80::1%3", 80, "/", "[fe80::1]", "fe80::1"),
    # Without a name behind it, %25 is no encoded percent sign: the bare form, interface 25.
    "ws://[fe80::1%25]/": (False, "fe80::1%25", 80, "/", "[fe80::1]", "fe80::1"),
    "ws://[fe80::1%2525]/": (False, "fe80::1%25", 80, "/", "[fe80::1]", "fe80::1"),
    "wss://example.org./": (True, "example.org.", 443, "/", "example.org.", "example.org"),
    "ws://127.0.0.1./": (False, "127.0.0.1", 80, "/", "127.0.0.1", "127.0.0.1"),
    "ws://0.0.0.0/": (False, "0.0.0.0", 80, "/", "0.0.0.0", "0.0.0.0"),
    "ws://1.example/": (False, "1.example", 80, "/", "1.example", "1.example"),
    "ws://0xg/": (False, "0xg", 80, "/", "0xg", "0xg"),
}

# uri: the target of the request line
RESOURCES = {
    "ws://h": "/",
    "ws://h?": "/?",
    "ws://h?a=b": "/?a=b",
    "ws://h/?a=b&c=d": "/?a=b&c=d",
    "ws://h/a/b": "/a/b",
    "ws://h/a/b/": "/a/b/",
    "ws://h//a": "//a",
    "ws://h/a?b?c/d": "/a?b?c/d",
    "ws://h/a@b:c": "/a@b:c",
    "ws://h?a@b": "/?a@b",
    "ws://h/a%20b?c%2Fd": "/a%20b?c%2Fd",
    "ws://h/a%2fb": "/a%2Fb",
    "ws://h/ü€😀": "/%C3%BC%E2%82%AC%F0%9F%98%80",
    "ws://h/?ü": "/?%C3%BC",
    'ws://h/"<>^`{|}': "/%22%3C%3E%5E%60%7B%7C%7D",
    "ws://h/100%": "/100%25",
    "ws://h/%20%/%zz%2f%4": "/%20%25/%25zz%2F%254",
    "ws://h?a=%20&b=100%": "/?a=%20&b=100%25",
    "ws://h/a/./b/../c": "/a/c",
}

# uri: a word of the message that tells why it is refused
BAD = {
    "": "not absolute",
    "/": "not absolute",
    "//example.org/": "not absolute",
    "example.org": "not absolute",
    "example.org:80/chat": "not absolute",
    "ws": "not absolute",
    "ws:": "not absolute",
    "ws:/example.org": "not absolute",
    "ws:example.org": "not absolute",
    "://example.org": "scheme",
    "http://example.org": "scheme",
    "https://example.org": "write wss:// for https://",
    "ws+unix:///run/socket:/path": "has a scheme other than ws and wss: a Unix socket's path goes to unix_connect()",
    "wsx://example.org": r"a scheme other than ws and wss \[HRESULT",
    "file:///etc/passwd": "scheme",
    "ws://example.org#": "fragment",
    "ws://example.org/#part": r"#\*\*\*' has a fragment",
    "ws://example.org/?a#b": "its path or query is written %23",
    "ws://#": "fragment",
    "ws://user:secret@example.org/": "user info",
    "ws://user@example.org/": "user info",
    "ws://@example.org/": "user info",
    "ws://:@example.org/": "user info",
    "ws://user@": "user info",
    "ws://": "no host",
    "ws:///": "no host",
    "ws:///chat": "no host",
    "ws://:80/": "no host",
    "ws://?a": "no host",
    "ws://h:0/": "port 0",
    "ws://h:00/": "port 0",
    "ws://h:65536/": "no number from 1 to 65535",
    "ws://h:99999/": "no number from 1 to 65535",
    "ws://h:100000/": "no number from 1 to 65535",
    "ws://h:-1/": "no number from 1 to 65535",
    "ws://h:+80/": "no number from 1 to 65535",
    "ws://h:8a/": "no number from 1 to 65535",
    "ws://h:http/": "no number from 1 to 65535",
    "ws://h:٣/": "no number from 1 to 65535",
    "ws://[::1]:99999/": "no number from 1 to 65535",
    "ws://h:80:80/": "stands in brackets",
    "ws://::1/": "stands in brackets",
    "ws://fe80::1%eth0/": r"stands in brackets, as in .*\[fe80::1%25eth0\]",
    "ws://fe80::1%25eth0:80/": "stands in brackets",
    "ws://[::1/": "host or port",
    "ws://[]/": "host or port",
    "ws://[::1]x/": "host or port",
    "ws://[1.2.3.4]/": "host or port",
    "ws://[v1.a]/": "host or port",
    "ws://[fe80::1%25]eth0/": "host or port",
    "ws://[fe80::1%]/": "host or port",
    "ws://[fe80::1%25eth%2F0]/": "not an IPv6 address",
    "ws://[fe80::1%25eth%25]/": "not an IPv6 address",
    "ws://[fe80::1%25eth%FF]/": "not an IPv6 address",
    "ws://[fe80::1%25eth%200]/": "cannot be the name of an interface",
    "ws://[fe80::1%25eth%C2%A00]/": "cannot be the name of an interface",
    "ws://[fe80::1%25eth%000]/": "host or port|zone id",
    "ws://a%00b/": "host",
}


def parts(uri):
    return (uri.is_secure, uri.host, uri.port, uri.resource, uri.host_header, uri.server_name)


@pytest.mark.parametrize(("text", "expected"), GOOD.items())
def test_a_good_uri_is_taken_apart(text, expected):
    assert parts(parse_uri(text)) == expected


@pytest.mark.parametrize(("text", "scheme"), [("ws://h", "ws"), ("WS://h", "ws"), ("wss://h", "wss")])
def test_the_scheme_is_given_in_lower_case(text, scheme):
    assert parse_uri(text).scheme == scheme


@pytest.mark.parametrize(("text", "resource"), RESOURCES.items())
def test_path_and_query_become_the_request_target(text, resource):
    assert parse_uri(text).resource == resource


@pytest.mark.parametrize(("text", "why"), BAD.items())
def test_a_bad_uri_is_refused_and_told_why(text, why):
    with pytest.raises(InvalidArgumentError, match=why) as raised:
        parse_uri(text)
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("template", ["{}ws://h/", "ws://h{}/", "ws://h/a{}b", "ws://h/?a{}", "w{}s://h/"])
def test_a_character_that_must_be_encoded_is_refused_anywhere(template):
    for code in (*range(0x21), ord("\\"), *range(0x7F, 0xA1), 0xD800, 0xDBFF, 0xDC00, 0xDFFF):
        text = template.format(chr(code))
        if text != text.strip():
            with pytest.raises(InvalidArgumentError, match="uri begins or ends with white space"):
                parse_uri(text)
            continue
        with pytest.raises(InvalidArgumentError, match="uri holds") as raised:
            parse_uri(text)
        assert repr(chr(code)) in raised.value.message


@pytest.mark.parametrize("value", [None, b"ws://h/", 1, ["ws://h/"]])
def test_a_uri_must_be_str(value):
    with pytest.raises(InvalidArgumentTypeError, match=type(value).__name__) as raised:
        parse_uri(value)
    assert raised.value.hresult == HResult.E_INVALIDARG


def test_a_uri_cannot_be_changed():
    uri = parse_uri("ws://h/")
    with pytest.raises(AttributeError):
        uri.port = 81


def test_equal_uris_are_equal_values():
    assert parse_uri("WS://H:80") == parse_uri("ws://h/") == WebSocketUri(False, "h", 80, "/")


def test_a_uri_is_shown_without_its_query():
    assert (
        repr(parse_uri("ws://h/chat?token=secret")) == f"<WebSocketUri {parse_uri('ws://h/chat?token=secret').shown}>"
    )
    assert "secret" not in repr(parse_uri("ws://h/chat?token=secret"))


# Names beyond ASCII.

ENCODED = {
    "bücher.example": "xn--bcher-kva.example",
    "BÜCHER.Example": "xn--bcher-kva.example",
    "bücher.example.": "xn--bcher-kva.example.",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    "XN--Bcher-KVA.example": "xn--bcher-kva.example",
    "straße.example": "xn--strae-oqa.example",
    "例え.テスト": "xn--r8jz45g.xn--zckzah",
    "a_b.bücher": "a_b.xn--bcher-kva",
    # The name servers know best whether there is such a name.
    "xn--zzzzzz999.example": "xn--zzzzzz999.example",
}


@pytest.mark.parametrize(("host", "encoded"), ENCODED.items())
def test_a_name_beyond_ascii_is_encoded_once(host, encoded):
    uri = parse_uri(f"wss://{host}:8443/ü")
    assert parts(uri)[1:] == (encoded, 8443, "/%C3%BC", f"{encoded}:8443", encoded.removesuffix("."))


NOT_ALLOWED = {
    "☃.example": r"U\+2603 at position 1 of '☃'",
    "a.😀.example": r"U\+1F600 at position 1 of '😀'",
    "a_b.büc_her": r"U\+005F at position 4 of 'büc_her'",
    "a。b": r"U\+3002",
    "\uff11\uff12\uff17.0.0.1": r"U\+FF11",
    "bu\u0308cher.example": "Normalization Form C",
    "bücher_x.example": r"U\+005F",
    "-ü.example": "hyphen",
    "ü" * 60 + ".example": "too long",
    "\u0660" * 100_000: "too long",
}


@pytest.mark.parametrize(("host", "why"), NOT_ALLOWED.items(), ids=range(len(NOT_ALLOWED)))
def test_a_name_that_idna_does_not_allow_is_refused_and_told_why(host, why):
    with pytest.raises(InvalidArgumentError, match=rf"IDNA 2008.*{why}") as raised:
        parse_uri(f"ws://{host}/")
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize(
    "text", ["ws://h:8a/", "ws://h:8a/ü", "ws://bücher:99999/", "ws://[ü]/", "ws://[ü:/", "ws://ü.a[b/"]
)
def test_an_error_that_is_not_idna_s_says_so(text):
    with pytest.raises(InvalidArgumentError, match=r"no number from 1|host or port that cannot be read") as raised:
        parse_uri(text)
    assert ("IDNA" in raised.value.message) == ("[ü" in text)


# What looks like an address.


@pytest.mark.parametrize(
    "host",
    ["2130706433", "127.1", "0x7f.1", "0X7F000001", "0177.0.0.1", "127.0.0.256", "1.2.3.4.5", "a.1", "1.2.3", "0x"],
)
def test_what_some_resolvers_take_for_an_ipv4_address_is_refused(host):
    with pytest.raises(InvalidArgumentError, match=f"(?i){host!r}, which ends in a number and is not an IPv4 address"):
        parse_uri(f"ws://{host}/")


# "good.example%25evil.example" and "h%2Fa", but Host header and certificate name are "good.example" and "h".
@pytest.mark.parametrize("text", ["wss://good.example%25evil.example/", "wss://h%2Fa/", "wss://h%40a/"])
def test_a_percent_sign_in_a_name_does_not_change_whose_certificate_is_checked(text):
    try:
        uri = parse_uri(text)
    except InvalidArgumentError:
        return
    assert uri.server_name == uri.host
    assert uri.host_header == uri.host


# Slips and templates: looked up, they would only be names that do not exist yet, which is worth another try.
@pytest.mark.parametrize("host", ["{host}", "<host>", 'h"', "h^", "h|h", "`h`", "h.{domain}", "h>."])
def test_a_name_with_a_character_that_no_uri_has_is_refused(host):
    with pytest.raises(InvalidArgumentError, match=re.escape(f"has the host {host!r}, which holds")) as raised:
        parse_uri(f"ws://{host}:8080/")
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("host", ["a_b", "-a", "a.", *(f"a{mark}b" for mark in "~!$&'()*+,;=")])
def test_a_name_may_hold_whatever_a_uri_may(host):
    assert parse_uri(f"ws://{host}/").host_header == host


# The lengths of names (RFC 1035 2.3.4).


@pytest.mark.parametrize(
    "host",
    ["a..b", ".", "a" * 64, f"b.{'a' * 64}.c", ".".join(["a" * 63] * 4)],
    ids=["empty part", "dot", "long part", "long part between", "255 characters"],
)
def test_a_name_that_no_name_server_can_hold_is_refused(host):
    with pytest.raises(InvalidArgumentError, match="each part of a name has 1 to 63 characters, the whole at most 253"):
        parse_uri(f"ws://{host}/")


@pytest.mark.parametrize("dot", ["", "."])
def test_a_name_may_have_253_characters_and_a_dot_behind_them(dot):
    host = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    assert len(host) == 253
    assert parse_uri(f"ws://{host}{dot}/").server_name == host


def test_a_name_of_254_characters_without_a_dot_behind_them_is_refused():
    host = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 62])
    assert len(host) == 254
    with pytest.raises(InvalidArgumentError, match="the whole at most 253"):
        parse_uri(f"ws://{host}/")


# What an error may show.


@pytest.mark.parametrize(
    "text",
    [
        "ws://user:hunter2@example.org/",
        "ws://user:hunter2@example.org",
        "http://user:hunter2@example.org/",
        "ws://user:hunter2@example.org/#fragment",
        "ws://user:hunter2@example.org:8a/",
        "ws://user:hunter2?x@example.org/",
        "ws://user:hunter2#x@example.org/",
        "ws://user:hun@ter2@example.org/",
        "ws://user:hunter2ü_?x@example.org/",
        "ws://user:hunter2@exämple_.org/",
        "ws://user:hunter2@",
    ],
)
def test_the_message_does_not_show_a_password(text):
    with pytest.raises(InvalidArgumentError) as raised:
        parse_uri(text)
    assert "hunter2" not in str(raised.value)
    assert "ter2" not in str(raised.value)


def test_the_message_shows_the_rest_of_a_uri_with_a_password():
    with pytest.raises(InvalidArgumentError, match=r"'ws://\*\*\*@example\.org/chat\?\*\*\*'"):
        parse_uri("ws://user:hunter2@example.org/chat?a=b")


@pytest.mark.parametrize(
    "text",
    [
        "user:hunter2@example.org/",
        "ws:user:hunter2@example.org/",
        "ws:/user:hunter2@example.org/",
        "ws://user:pass/hunter2@example.org/",
    ],
)
def test_the_message_does_not_show_a_password_of_a_uri_with_a_slip_in_it(text):
    with pytest.raises(InvalidArgumentError) as raised:
        parse_uri(text)
    assert "hunter2" not in str(raised.value)


# which shows the whole URI in every traceback and log.
def test_the_traceback_does_not_show_a_password():
    with pytest.raises(InvalidArgumentError) as raised:
        parse_uri("ws://user:hunter2@example.org:99999/")
    # Without the lines of source, in which this test itself would show it.
    shown = [line for line in traceback.format_exception(raised.value) if not line.startswith("  File")]
    assert "hunter2" not in "".join(shown)


# Most URIs are taken apart without urllib3.

plain_hosts = st.sampled_from(
    ["h", "a-b.example", "localhost", "127.0.0.1", "xn--nxasmq6b", "1.2", "0x7f.1", "-a", "a..b"]
)
plain_ports = st.sampled_from(["", ":", ":0", ":1", ":080", ":9000", ":65535", ":65536", ":99999"])
plain_texts = st.lists(st.sampled_from([*"/.aZ0-_~?=&", "..", "/.", "%41", "+"]), max_size=6).map("".join)


@settings(deadline=None, max_examples=80, database=None)
@given(plain_hosts, plain_ports, st.sampled_from(["", "/", "?"]), plain_texts)
def test_a_uri_becomes_the_same_with_urllib3_and_without(host, port, mark, text):
    def outcome():
        try:
            return parse_uri(f"ws://{host}{port}{mark}{text if mark else ''}")
        except InvalidArgumentError as exc:
            return str(exc)

    with pytest.MonkeyPatch.context() as patch:
        quickly = outcome()
        patch.setattr(module, "_read_plain", lambda url: None)
        assert outcome() == quickly


@pytest.mark.parametrize("text", ["ws://example.org", "wss://127.0.0.1:9000/chat/room-1.json?user=a&token=b_c"])
def test_a_plain_uri_needs_no_urllib3(monkeypatch, text):
    monkeypatch.delattr(module, "_read_with_urllib3")
    assert parse_uri(text)


# Anything at all.

pieces = st.sampled_from(
    [*"ws:/@[]%#?.&=-019afé☃ß\u3002\u0301;'\"<>^`{}()*+$😀", "ws://", "wss://h", "[::1]", "%25", ".."]
)


@settings(deadline=None, max_examples=100, database=None)
@given(st.lists(pieces, max_size=10).map("".join))
def test_any_text_is_either_refused_as_an_argument_or_safe_to_put_on_the_wire(rest):
    try:
        uri = parse_uri(f"ws://{rest}")
    except InvalidArgumentError:
        return
    assert uri.resource.startswith("/")
    for text in (uri.resource, uri.host, uri.host_header, uri.server_name):
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text
    assert 1 <= uri.port <= 65535
