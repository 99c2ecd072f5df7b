"""Which proxy is chosen: control.proxy, the environment, and what no_proxy exempts from it."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest
from support import settings_with

from syncws._net.proxy import choice
from syncws._net.proxy.choice import _from_system as from_system
from syncws._net.proxy.choice import choose_proxy, is_exempt
from syncws._wire.proxy_url import Login
from syncws._wire.uri import parse_uri
from syncws.control import WebSocketControl
from syncws.credentials import PasswordCredential
from syncws.errors import InvalidArgumentError, WebSocketError
from syncws.hresult import HResult


def chosen(uri="ws://example.com/", **settings):
    proxy = choose_proxy(parse_uri(uri), settings_with(**settings))
    return None if proxy is None else proxy.shown


@pytest.fixture
def environment(monkeypatch):
    def put(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


# What decides.


def test_every_variable_is_documented():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "proxies.md").read_text(encoding="utf-8")
    for variable in ("wss_proxy", "https_proxy", "ws_proxy", "http_proxy", "all_proxy", "no_proxy"):
        assert variable in WebSocketControl.proxy.__doc__
        assert variable in page


def test_without_anything_it_goes_straight():
    assert chosen() is None
    assert chosen("wss://example.com/") is None


def test_control_decides_before_the_environment(environment):
    environment(all_proxy="http://environment:1", no_proxy="*")
    assert chosen(proxy="socks5://control:2") == "socks5://control:2"
    assert chosen(proxy="") is None


@pytest.mark.parametrize(
    ("uri", "order"),
    [
        ("wss://example.com/", ["wss_proxy", "https_proxy", "all_proxy"]),
        ("ws://example.com/", ["ws_proxy", "http_proxy", "all_proxy"]),
    ],
)
def test_the_first_variable_that_is_set_decides(environment, monkeypatch, uri, order):
    variables = ["wss_proxy", "https_proxy", "ws_proxy", "http_proxy", "all_proxy"]
    environment(**{name: f"http://{name.replace('_', '-')}:1" for name in variables})
    for name in order:
        assert chosen(uri) == f"http://{name.replace('_', '-')}:1"
        monkeypatch.delenv(name)
    assert chosen(uri) is None


def test_capitals_are_read_and_small_letters_go_first(environment):
    environment(ALL_PROXY="http://capitals:1")
    assert chosen() == "http://capitals:1"
    environment(all_proxy="http://small:1")
    assert chosen() == "http://small:1"
    environment(NO_PROXY="example.com")
    assert chosen() is None


def test_http_proxy_in_capitals_is_not_trusted_in_a_cgi_program(environment):
    environment(HTTP_PROXY="http://attacker:1")
    assert chosen() == "http://attacker:1"
    environment(REQUEST_METHOD="GET")
    assert chosen() is None


@pytest.mark.parametrize("value", ["proxy.example:3128", "  http://proxy.example:3128/ "])
def test_a_bare_host_and_port_in_the_environment_is_an_http_proxy(environment, value):
    environment(http_proxy=value)
    assert chosen() == "http://proxy.example:3128"


@pytest.mark.parametrize("uri", ["ws://localhost:9/", "ws://127.0.0.1:9/", "ws://[::1]:9/"])
def test_loopback_is_no_special_case(environment, uri):
    environment(http_proxy="http://proxy:1")
    assert chosen(uri) == "http://proxy:1"


def as_told(name):
    """Return a variable's name as messages have it: in lower case where case does not count."""
    return name.lower() if os.name == "nt" else name


@pytest.mark.parametrize("name", ["wss_proxy", "HTTPS_PROXY", "All_Proxy"])
@pytest.mark.parametrize("value", ["ftp://name:secret@proxy", "http://name:secret@proxy:0", "http://name:sec ret@x"])
def test_a_bad_variable_is_named_without_its_password(environment, name, value):
    environment(**{name: value})
    with pytest.raises(InvalidArgumentError, match=f"the environment variable {as_told(name)} ") as caught:
        chosen("wss://example.com/")
    assert "secret" not in str(caught.value)
    assert "sec ret" not in str(caught.value)


def test_a_bad_variable_that_is_not_looked_at_harms_nobody(environment):
    environment(https_proxy="ftp://x", no_proxy="example.com")
    assert chosen("ws://example.com/") is None
    assert chosen("wss://example.com/") is None


def test_a_bad_list_of_exceptions_is_named(environment, caplog):
    environment(http_proxy="http://proxy", NO_PROXY="example.com, 10.0.0.0/33")
    assert chosen("ws://other.test/") == "http://proxy:80"
    assert f"variable {as_told('NO_PROXY')} has the entry '10.0.0.0/33'" in caplog.text


# The credential.


def test_the_credential_goes_before_the_user_info():
    uri = parse_uri("ws://example.com/")
    settings = {"proxy": "http://url:word@proxy"}
    assert choose_proxy(uri, settings_with(**settings)).login == Login("url", "word")
    credential = PasswordCredential("", "name", "secret")
    assert choose_proxy(uri, settings_with(**settings, proxy_credential=credential)).login == Login("name", "secret")


def test_the_credential_is_for_the_environment_s_proxy_too(environment):
    environment(all_proxy="socks5://url:word@proxy")
    settings = settings_with(proxy_credential=PasswordCredential("", "name", "secret"))
    assert choose_proxy(parse_uri("ws://example.com/"), settings).login == Login("name", "secret")


def test_a_credential_that_the_protocol_cannot_carry_is_refused():
    credential = PasswordCredential("", "name", "secret" * 50)
    assert chosen(proxy="http://proxy", proxy_credential=credential) == "http://proxy:80"
    with pytest.raises(InvalidArgumentError, match="proxy_credential for socks5://proxy:1080 must have") as caught:
        chosen(proxy="socks5://proxy", proxy_credential=credential)
    assert "secret" not in str(caught.value)


def test_settings_do_not_show_the_proxy_s_password():
    settings = settings_with(proxy="http://name:secret@x", proxy_credential=PasswordCredential("", "n", "secret"))
    assert "secret" not in repr(settings)


# SOCKS.


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
def test_socks_without_its_extra_names_it(monkeypatch, scheme):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "socksio" else find_spec(name))
    with pytest.raises(WebSocketError, match=r'pip install "syncws\[socks\]"') as caught:
        chosen(proxy=f"{scheme}://name:secret@proxy")
    assert caught.value.hresult == HResult.E_FAIL
    assert "secret" not in str(caught.value)
    assert chosen(proxy="http://proxy") == "http://proxy:80"


def test_what_does_not_suit_a_proxy_of_the_environment_names_its_variable(monkeypatch, environment):
    environment(all_proxy="socks4://proxy")
    with pytest.raises(InvalidArgumentError, match=r"socks4://proxy:1080 \(from the environment variable all_proxy\)"):
        chosen("ws://[2001:db8::1]/")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "socksio" else find_spec(name))
    with pytest.raises(WebSocketError, match=r"\(from the environment variable all_proxy\) needs an extra"):
        chosen()


def test_without_a_socks_proxy_the_library_is_not_imported():
    program = "import sys, syncws; from syncws._net import connector; print('socksio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_socks4_to_an_ipv6_address_is_refused():
    with pytest.raises(InvalidArgumentError, match="socks4://proxy:1080 cannot reach an IPv6 address"):
        chosen("ws://[::1]/", proxy="socks4://proxy")
    assert chosen("ws://[::1]/", proxy="socks4a://proxy") == "socks4a://proxy:1080"


# no_proxy.

EXEMPT = [
    ("*", "anything.example"),
    ("other, *", "anything.example"),
    ("example.com", "example.com"),
    ("example.com", "a.example.com"),
    ("example.com", "a.b.example.com"),
    (".example.com", "example.com"),
    (".example.com", "a.example.com"),
    ("*.example.com", "a.example.com"),
    ("Example.COM", "a.example.com"),
    ("example.com.", "example.com"),
    ("example.com", "example.com."),
    ("localhost", "localhost"),
    ("  a.test ,example.com  ", "example.com"),
    ("a.test example.com", "example.com"),
    ("a.test,,example.com,", "example.com"),
    ("example.com:443", "example.com"),
    (".example.com:443", "a.example.com"),
    ("*:443", "a.example.com"),
    ("bücher.example", "a.xn--bcher-kva.example"),
    ("10.1.2.3", "10.1.2.3"),
    ("10.1.2.3:443", "10.1.2.3"),
    ("10.0.0.0/8", "10.1.2.3"),
    ("10.9.9.9/8", "10.1.2.3"),
    ("10.0.0.0/8:443", "10.1.2.3"),
    ("10.0.0.0/8", "::ffff:10.1.2.3"),
    ("::1", "::1"),
    ("0:0:0:0:0:0:0:1", "::1"),
    ("[::1]", "::1"),
    ("[::1]:443", "::1"),
    ("FD00::/8", "fd12::1"),
    ("[fd00::/8]:443", "fd12::1"),
    ("fe80::1", "fe80::1%eth0"),
    ("fe80::1%eth1", "fe80::1%eth0"),
    ("10.0.0.0/8;127.0.0.1", "127.0.0.1"),
    ("a.test; example.com;", "example.com"),
    ("127.0.0.1:*", "127.0.0.1"),
    ("[::1]:*", "::1"),
    ("*:*", "example.com"),
    ("127/8", "127.0.0.1"),
    ("169.254/16", "169.254.3.4"),
    ("192.168.7/24:443", "192.168.7.1"),
]
NOT_EXEMPT = [
    ("", "example.com"),
    (" , ", "example.com"),
    (".", "example.com"),
    ("*.", "example.com"),
    # The names of peers.md 5.2: a suffix counts by whole labels only.
    (".example.com", "evilexample.com"),
    ("example.com", "evilexample.com"),
    ("*.example.com", "evilexample.com"),
    ("example.com", "example.com.evil.test"),
    ("a.example.com", "example.com"),
    ("example.com:80", "example.com"),
    ("*:80", "example.com"),
    ("[::1]:80", "::1"),
    ("::1", "::2"),
    ("10.1.2.3", "10.1.2.30"),
    ("1.2.3", "10.1.2.3"),
    (".2.3", "10.1.2.3"),
    ("10.0.0.0/8", "11.0.0.1"),
    ("10.0.0.0/8", "10.example.com"),
    ("10.0.0.0/8", "::1"),
    ("fd00::/8", "fe00::1"),
    ("fd00::/8", "10.0.0.1"),
    ("localhost", "127.0.0.1"),
    ("127/8", "128.0.0.1"),
    ("192.168.7/24", "192.168.8.1"),
]


@pytest.mark.parametrize(("no_proxy", "host"), EXEMPT)
def test_an_entry_of_no_proxy_exempts_its_hosts(no_proxy, host):
    assert is_exempt(host, 443, no_proxy)


@pytest.mark.parametrize(("no_proxy", "host"), NOT_EXEMPT)
def test_an_entry_of_no_proxy_exempts_no_other_host(no_proxy, host):
    assert not is_exempt(host, 443, no_proxy)


UNREADABLE = [
    "10.0.0.0/33",
    "example.com/8",
    "fd00::/129",
    "300/8",
    "1.2.3.4.5/8",
    "/var/run/docker.sock",
    "/",
    "example.com:port",
    "example.com:",
    "example.com:0",
    "example.com:65536",
    "example.com:**",
    "http://example.com",
    "10.0.0.0/8:x",
    "[::1",
    "[::1]x",
    f"{'ü' * 64}.example",
    "10.0.0.*",
    "10.*:80",
    "web*.test",
    "*.*",
]


@pytest.fixture
def warnings_told(caplog):
    choice._tell_once.cache_clear()
    return lambda: [record.getMessage() for record in caplog.records if record.name == "syncws.connect"]


@pytest.mark.parametrize("entry", UNREADABLE)
def test_an_exception_that_cannot_be_read_holds_for_nobody_and_is_logged_once(entry, warnings_told, environment):
    environment(all_proxy="http://proxy:1", no_proxy=f"host.test,{entry}")
    assert chosen("ws://example.com/") == "http://proxy:1"
    assert chosen("ws://host.test/") is None
    assert chosen("ws://10.0.0.1/") == "http://proxy:1"
    (told,) = warnings_told()
    assert "the environment variable no_proxy" in told
    assert entry[:20] in told


def test_what_can_be_read_is_not_logged(warnings_told):
    for no_proxy, host in EXEMPT + NOT_EXEMPT:
        is_exempt(host, 443, no_proxy)
    assert warnings_told() == []


# The settings of Windows and macOS.


@pytest.fixture
def system(monkeypatch):
    """Stand for a system with settings of its own, and the standard library's way to them."""

    def put(proxies, exempt=()):
        monkeypatch.setattr(choice, "_HAS_SYSTEM_SETTINGS", True)
        monkeypatch.setattr(choice, "_from_system", from_system)
        monkeypatch.setattr(urllib.request, "getproxies", lambda: dict(proxies))
        monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host: host in exempt)

    return put


def test_the_systems_proxy_is_taken_where_the_environment_says_nothing(system, environment):
    system({"http": "http://plain:1", "https": "http://secure:2", "socks": "http://other:3"})
    assert (chosen("ws://example.com/"), chosen("wss://example.com/")) == ("http://plain:1", "http://secure:2")
    assert chosen("wss://example.com/", proxy="") is None
    environment(https_proxy="http://environment:1")
    assert chosen("ws://example.com/") is None
    assert chosen("wss://example.com/") == "http://environment:1"


def test_the_systems_exceptions_go_straight(system):
    system({"http": "http://plain:1"}, exempt=["intranet", "[::1]"])
    assert chosen("ws://intranet/") is None
    assert chosen("ws://[::1]:8080/") is None
    assert chosen("ws://example.com/") == "http://plain:1"
    assert chosen("wss://example.com/") is None


def test_a_system_without_proxy_goes_straight(system):
    system({})
    assert chosen() is None


def test_a_system_proxy_that_is_no_url_is_told(system):
    system({"http": "ftp://proxy:1"})
    with pytest.raises(InvalidArgumentError, match="the system's proxy setting"):
        chosen()


def test_evilexample_com_goes_through_the_proxy_that_example_com_is_exempt_from(environment):
    environment(http_proxy="http://proxy:1", no_proxy=".example.com")
    assert chosen("ws://evilexample.com/") == "http://proxy:1"
    assert chosen("ws://a.example.com/") is None
    assert chosen("ws://example.com/") is None


def test_a_port_of_the_exceptions_is_compared_with_the_uri_s(environment):
    environment(all_proxy="http://proxy:1", no_proxy="example.com:443")
    assert chosen("wss://example.com/") is None
    assert chosen("ws://example.com/") == "http://proxy:1"
