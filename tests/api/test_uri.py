"""Tests of Uri: what connect() takes beside str."""

import pytest
from support import echo, running_server

import syncws
from syncws import InvalidArgumentError, InvalidArgumentTypeError, MessageWebSocket, Uri

WHOLE = Uri("WSS://Example.COM:443/a/b.txt?x=1&y")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("raw_uri", "WSS://Example.COM:443/a/b.txt?x=1&y"),
        ("absolute_uri", "wss://example.com/a/b.txt?x=1&y"),
        ("absolute_canonical_uri", "wss://example.com/a/b.txt?x=1&y"),
        ("display_uri", "wss://example.com/a/b.txt?x=1&y"),
        ("scheme_name", "wss"),
        ("host", "example.com"),
        ("port", 443),
        ("path", "/a/b.txt"),
        ("query", "?x=1&y"),
        ("extension", ".txt"),
    ],
)
def test_the_members_tell_the_parts(member, value):
    assert getattr(WHOLE, member) == value


@pytest.mark.parametrize(
    ("text", "absolute"),
    [
        ("ws://h", "ws://h/"),
        ("ws://h:80/", "ws://h/"),
        ("ws://h:443/", "ws://h:443/"),
        ("ws://h:8080/ä", "ws://h:8080/%C3%A4"),
        ("ws://[::1]:80/", "ws://[::1]/"),
        ("ws://[fe80::80]/", "ws://[fe80::80]/"),
    ],
)
def test_the_absolute_uri_can_be_connected_to_and_names_the_same(text, absolute):
    assert Uri(text).absolute_uri == str(Uri(text)) == Uri(text).to_string() == absolute
    assert Uri(absolute) == Uri(text)


def test_what_is_missing_is_empty():
    assert (Uri("ws://h").path, Uri("ws://h").query, Uri("ws://h").extension) == ("/", "", "")
    assert Uri("ws://h/a.b/feed").extension == ""


@pytest.mark.parametrize(
    ("relative", "whole"),
    [("c", "ws://h/a/c"), ("/c?x", "ws://h/c?x"), ("../c", "ws://h/c"), ("ws://other/", "ws://other/")],
)
def test_a_relative_uri_is_joined(relative, whole):
    assert Uri("ws://h/a/b", relative) == Uri("ws://h/a/b").combine_uri(relative) == Uri(whole)


def test_equal_uris_are_equal_and_hash_alike():
    assert Uri("ws://H/").equals(Uri("ws://h"))
    assert len({Uri("ws://H/"), Uri("ws://h"), Uri("wss://h")}) == 2
    assert Uri("ws://h/") != "ws://h/"


def test_its_repr_keeps_the_query_to_itself():
    assert "secret" not in repr(Uri("ws://h/?token=secret"))


@pytest.mark.parametrize("text", ["", "http://h/", "ws://h/#x", "ws://u:p@h/", "h", "ws://h:0/"])
def test_what_connect_would_refuse_is_refused(text):
    with pytest.raises(InvalidArgumentError):
        Uri(text)


@pytest.mark.parametrize("arguments", [(None,), (b"ws://h",), ("ws://h", 5)])
def test_what_is_no_text_is_a_type_error(arguments):
    with pytest.raises(InvalidArgumentTypeError):
        Uri(*arguments)


def test_connect_takes_a_uri_object():
    with running_server(echo) as text:
        with MessageWebSocket() as socket:
            socket.connect(Uri(text))
            assert socket.uri == text
        with syncws.connect(Uri(text)) as socket:
            socket.send("Hello")
            assert socket.receive() == "Hello"


@pytest.mark.parametrize("uri", [None, 5, b"ws://h/"])
def test_connect_takes_nothing_else(uri):
    with pytest.raises(InvalidArgumentTypeError, match="str or Uri"):
        MessageWebSocket().connect(uri)
