"""The URL of a proxy: what is taken, what is refused, and that no message shows a password."""

import pytest

from syncws._wire.proxy_url import Login, ProxyUrl, check_login, parse_proxy_url
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.hresult import HResult

GOOD = {
    "http://proxy.example:3128": ProxyUrl("http", "proxy.example", 3128),
    "http://proxy.example": ProxyUrl("http", "proxy.example", 80),
    "http://proxy.example:": ProxyUrl("http", "proxy.example", 80),
    "http://proxy.example:3128/": ProxyUrl("http", "proxy.example", 3128),
    "HTTPS://Proxy.Example": ProxyUrl("https", "proxy.example", 443),
    "socks4://10.0.0.1": ProxyUrl("socks4", "10.0.0.1", 1080),
    "socks4a://10.0.0.1:9050": ProxyUrl("socks4a", "10.0.0.1", 9050),
    "socks5://[::1]:9": ProxyUrl("socks5", "::1", 9),
    "socks://127.0.0.1:7890/": ProxyUrl("socks", "127.0.0.1", 7890),
    "socks5h://[fe80::1%25eth0]": ProxyUrl("socks5h", "fe80::1%eth0", 1080),
    "http://bücher.example": ProxyUrl("http", "xn--bcher-kva.example", 80),
    "http://name:word@proxy": ProxyUrl("http", "proxy", 80, Login("name", "word")),
    "http://name@proxy": ProxyUrl("http", "proxy", 80, Login("name", "")),
    "http://na%40me:w%3A%2Fo%20rd%C3%A9@proxy:1": ProxyUrl("http", "proxy", 1, Login("na@me", "w:/o rdé")),
    "http://name:w@rd@proxy": ProxyUrl("http", "proxy", 80, Login("name", "w@rd")),
    "socks5://na%3Ame:word@proxy": ProxyUrl("socks5", "proxy", 1080, Login("na:me", "word")),
}


@pytest.mark.parametrize("text", GOOD)
def test_a_good_url_is_taken_apart(text):
    assert parse_proxy_url(text) == GOOD[text]


BAD = {
    "": "no usable scheme",
    "proxy.example:3128": "no usable scheme",
    "//proxy.example": "no usable scheme",
    "ftp://proxy.example": "no usable scheme: allowed are http://, https://, socks4://",
    "ws://proxy.example": "no usable scheme",
    "http:proxy": "no usable scheme",
    "http://": "no host",
    "http://:3128": "no host",
    "http://name:secret@": "no host",
    "http://proxy:0": "allowed are 1 to 65535",
    "http://proxy:65536": "no number from 1 to 65535",
    "http://proxy:port": "no number from 1 to 65535",
    "http://proxy:-1": "no number from 1 to 65535",
    "http://me:secret@proxy:port": "no number from 1 to 65535",
    "http://::1:3128": "stands in brackets",
    "http://[::1": "cannot be read",
    "http://[::g]": "cannot be read",
    "http://pro%20xy": "cannot be read|percent sign",
    f"http://{'x' * 64}.example": "1 to 63 characters",
    "http://proxy/path": "after host and port",
    "http://proxy//": "after host and port",
    "http://proxy?query": "after host and port",
    "http://proxy#fragment": "after host and port",
    "http://proxy/@x": "before the @",
    "http://me:secret/@proxy": "before the @: in a user name or password write %2F, %3F or %23",
    "http://me:secret?@proxy": "before the @",
    "socks5://me:secret#@proxy": "before the @",
    "http://pro xy": "holds ' '",
    "http://proxy\r\nX: y": "holds '\\\\r'",
    "http://proxy\\x": "holds",
    "http://\ud800": "holds",
    "http://@proxy": "must have a user name",
    "http://:secret@proxy": "must have a user name",
    "http://na%3Ame:secret@proxy": "colon in the user name",
    "http://name:%FFsecret@proxy": "not percent-encoded UTF-8",
    "http://name:secret%0D%0AX@proxy": "control characters",
    f"socks5://name:{'secret' * 50}@proxy": "at most 255 bytes",
    f"socks5h://{'%C3%A9' * 128}:secret@proxy": "at most 255 bytes",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_url_is_refused_without_showing_the_password(text):
    with pytest.raises(InvalidArgumentError, match=BAD[text]) as caught:
        parse_proxy_url(text)
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert "proxy" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, b"http://proxy", ("http://proxy",)])
def test_what_is_no_str_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError, match="proxy must be a URL as str, not"):
        parse_proxy_url(value)


def test_the_message_names_whose_value_it_is():
    with pytest.raises(InvalidArgumentError, match=r"^the variable x 'ftp://\*\*\*@y' has no"):
        parse_proxy_url("ftp://name:secret@y", "the variable x")


@pytest.mark.parametrize(
    ("text", "shown", "server_name"),
    [
        ("http://name:secret@Proxy.Example.", "http://proxy.example.:80", "proxy.example"),
        ("https://[fe80::1%25eth0]:99", "https://[fe80::1]:99", "fe80::1"),
        ("socks5h://10.0.0.1", "socks5h://10.0.0.1:1080", "10.0.0.1"),
    ],
)
def test_what_is_shown_has_no_user_info(text, shown, server_name):
    proxy = parse_proxy_url(text)
    assert (proxy.shown, proxy.server_name) == (shown, server_name)
    assert "secret" not in repr(proxy)


def test_only_socks_is_socks():
    schemes = [text.partition(":")[0].lower() for text in GOOD]
    assert [parse_proxy_url(text).is_socks for text in GOOD] == [scheme.startswith("socks") for scheme in schemes]


def test_a_login_shows_no_password():
    assert repr(Login("name", "secret")) == "Login(user_name='name')"


def test_255_bytes_are_not_too_many():
    check_login(Login("n" * 255, "w" * 255), "socks5", "it")
    check_login(Login("n" * 256, "w" * 256), "http", "it")
