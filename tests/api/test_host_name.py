"""Tests of syncws.host_name."""

import pytest

from syncws import HostName, HostNameType, HResult, InvalidArgumentError, InvalidArgumentTypeError


@pytest.mark.parametrize(
    ("text", "kind", "canonical"),
    [
        ("example.org", HostNameType.DOMAIN_NAME, "example.org"),
        ("Example.ORG", HostNameType.DOMAIN_NAME, "example.org"),
        ("localhost", HostNameType.DOMAIN_NAME, "localhost"),
        ("127.0.0.1", HostNameType.IPV4, "127.0.0.1"),
        ("1.2.3", HostNameType.DOMAIN_NAME, "1.2.3"),
        ("::1", HostNameType.IPV6, "::1"),
        ("[::1]", HostNameType.IPV6, "::1"),
        ("2001:DB8:0:0:0:0:0:1", HostNameType.IPV6, "2001:db8::1"),
        ("fe80::1%eth0", HostNameType.IPV6, "fe80::1%eth0"),
    ],
)
def test_a_host_name_knows_what_it_is_and_its_canonical_form(text, kind, canonical):
    host = HostName(text)
    assert host.type is kind
    assert host.canonical_name == canonical
    assert host.display_name == canonical
    assert host.to_string() == canonical
    assert str(host) == canonical
    assert host.raw_name == text


def test_ip_information_is_none():
    assert HostName("127.0.0.1").ip_information is None


@pytest.mark.parametrize("value", [None, 1, b"localhost", ["localhost"]])
def test_what_is_no_str_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError, match="host name must be str") as raised:
        HostName(value)
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("text", ["", " ", "a b", "a\tb", "a\r\nb", "a\x00b", "a\x7fb", " a", "a "])
def test_an_empty_name_white_space_and_controls_are_refused(text):
    with pytest.raises(InvalidArgumentError, match="is not a host name") as raised:
        HostName(text)
    assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("text", ["a\x85b", "a\xa0b", "a\u2003b", "a\u3000b"])
def test_white_space_and_controls_beyond_ascii_are_refused_too(text):
    with pytest.raises(InvalidArgumentError, match="is not a host name"):
        HostName(text)


def test_host_names_with_one_canonical_name_are_equal():
    assert HostName("LOCALHOST") == HostName("localhost")
    assert hash(HostName("LOCALHOST")) == hash(HostName("localhost"))
    assert HostName("[::1]").is_equal(HostName("0:0:0:0:0:0:0:1"))


def test_other_host_names_are_not_equal():
    assert HostName("a") != HostName("b")
    assert not HostName("a").is_equal(HostName("b"))


def test_a_host_name_is_not_equal_to_its_text():
    assert HostName("a") != "a"


@pytest.mark.parametrize(("first", "second", "sign"), [("a", "b", -1), ("b", "A", 1), ("A", "a", 0)])
def test_compare_sorts_by_canonical_name(first, second, sign):
    assert HostName.compare(first, second) == sign
    assert HostName.compare(HostName(first), HostName(second)) == sign


def test_compare_refuses_what_is_no_host_name():
    with pytest.raises(InvalidArgumentTypeError):
        HostName.compare("a", None)


def test_repr_shows_the_text_as_it_was_given():
    assert repr(HostName("LocalHost")) == "HostName('LocalHost')"
