"""control.cookies: sent and filled by http.cookiejar's rules, by redirects and refusals too, and shared by nobody."""

import collections
import http.cookiejar
import http.cookies
import types
import urllib.error
import urllib.request

import pytest
from support import LIMIT, read_request, request_headers, scripted_server
from support.handlers import ACCEPTED, Answers

import syncws
from syncws import (
    HttpStatusError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    PasswordCredential,
)
from syncws._net.http.cookies import Cookies
from syncws._wire.uri import parse_uri


def connect(uri, **settings):
    syncws.connect(uri, timeout=LIMIT, proxy="", **settings).abort()


def values_in(jar):
    return {cookie.name: cookie.value for cookie in jar}


def jar_with(*lines, uri="ws://host.test/"):
    """Return a jar that a server at `uri` has filled."""
    jar = http.cookiejar.CookieJar()
    Cookies(jar, parse_uri(uri)).keep(parse_uri(uri), lines)
    return jar


def sent(given, uri, first=None):
    """Return what goes to `uri` in a connect that began there or at `first`."""
    target = parse_uri(uri)
    return Cookies(given, parse_uri(first or uri)).header_for(target, has_own=False)


# Sent.


def test_a_mapping_is_sent():
    server = Answers(ACCEPTED)
    with server.running() as uri:
        connect(uri, cookies={"session": "1234", "theme": '"da,r" k', "$Path": ""})
    assert server.headers("cookie") == ['session=1234; theme="da,r" k; $Path=']


def test_of_a_mapping_around_a_jar_the_jar_is_used():
    """As httpx.Cookies: as a mapping it has the cookies of every host."""
    cookies = collections.UserDict(other="secret")
    cookies.jar = jar_with("other=secret")
    server = Answers([*ACCEPTED, "Set-Cookie: own=1"])
    with server.running() as uri:
        connect(uri, cookies=cookies)
    assert server.headers("cookie") == [None]
    assert values_in(cookies.jar) == {"other": "secret", "own": "1"}


@pytest.mark.parametrize("cookies", [None, {}])
def test_without_cookies_there_is_no_header(cookies):
    server = Answers(ACCEPTED)
    with server.running() as uri:
        connect(uri, cookies=cookies)
    assert server.headers("cookie") == [None]


def test_a_header_of_one_s_own_goes_first_and_the_jar_stays_as_it_is():
    server = Answers(ACCEPTED)
    jar = http.cookiejar.CookieJar()
    with server.running() as uri:
        Cookies(jar, parse_uri(uri)).keep(parse_uri(uri), ["a=b"])
        connect(uri, cookies=jar, headers={"Cookie": "own=1"})
    assert server.headers("cookie") == ["own=1"]
    assert values_in(jar) == {"a": "b"}


@pytest.mark.parametrize(
    ("line", "uri", "is_sent"),
    [
        ("a=b", "ws://host.test/any", True),
        ("a=b", "wss://host.test/", True),
        ("a=b", "ws://other.test/", False),
        ("a=b", "ws://host.test:8080/", True),
        ("a=b; Domain=host.test", "ws://sub.host.test/", True),
        ("a=b; Domain=other.test", "ws://other.test/", False),
        ("a=b; Path=/chat", "ws://host.test/chat/room?x", True),
        ("a=b; Path=/chat", "ws://host.test/other", False),
        ("a=b; Secure", "wss://host.test/", True),
        ("a=b; Secure", "ws://host.test/", False),
        ("a=b; Max-Age=0", "ws://host.test/", False),
    ],
)
def test_a_jar_is_sent_by_domain_path_and_secure(line, uri, is_sent):
    assert sent(jar_with(line), uri) == ("a=b" if is_sent else None)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "xn--strae-oqa.test"])
def test_every_kind_of_host_gets_its_cookies_back(host):
    uri = f"ws://{host}:81/"
    assert sent(jar_with("a=b", uri=uri), uri) == "a=b"
    assert sent(types.MappingProxyType({"a": "b"}), uri) == "a=b"


@pytest.mark.parametrize("host", ["host.test", "localhost", "127.0.0.1", "[::1]"])
def test_to_a_jar_that_refuses_third_parties_the_first_host_is_none_on_any_port(host):
    jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(strict_ns_unverifiable=True))
    first = f"ws://{host}:8080/"
    Cookies(jar, parse_uri(first)).keep(parse_uri(first), ["name=value"])
    assert sent(jar, f"ws://{host}:8080/there", first) == "name=value"
    assert sent(jar, first, "ws://other.test:8080/") is None


@pytest.mark.parametrize("there", ["ws://sub.host.test/", "ws://other.test/"])
def test_a_mapping_is_for_the_first_host_alone(there):
    given = types.MappingProxyType({"a": "b"})
    assert sent(given, there, first="ws://host.test/") is None
    assert sent(given, "wss://host.test/path", first="ws://host.test/") == "a=b"


def test_what_a_server_sets_without_domain_is_not_for_its_subdomains():
    cookies = Cookies(None, parse_uri("ws://host.test/"))
    cookies.keep(parse_uri("ws://host.test/"), ["a=b", "c=d; Domain=host.test"])
    assert cookies.header_for(parse_uri("ws://sub.host.test/"), has_own=False) == "c=d"


def ask_by_urllib(uri, jar):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
    try:
        opener.open(uri.replace("ws:", "http:"), timeout=LIMIT)
    except urllib.error.HTTPError as error:
        error.close()
        raise


def ask_by_syncws(uri, jar):
    connect(uri, cookies=jar)


@pytest.mark.parametrize("value", ["Grüße €".encode(), "Grüße".encode("latin-1")])
@pytest.mark.parametrize("ask", [ask_by_urllib, ask_by_syncws])
def test_bytes_beyond_ascii_go_back_as_they_came(value, ask):
    jar, requests = http.cookiejar.CookieJar(), []

    def refuse(connection):
        requests.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nSet-Cookie: a=" + value + b"\r\n\r\n")

    with scripted_server(refuse, connections=2) as uri:
        for function in (ask, ask_by_syncws):
            with pytest.raises(OSError, match="404"):
                function(uri, jar)
    assert request_headers(requests[1])["cookie"].encode("latin-1") == b"a=" + value


def test_a_value_of_the_programs_is_sent_in_utf_8():
    jar = jar_with("a=b")
    next(iter(jar)).value = "Grüße €"
    assert sent(jar, "ws://host.test/").encode("latin-1").decode() == "a=Grüße €"
    for value in "Grüße €", "Grüße":
        given = types.MappingProxyType({"a": value})
        assert sent(given, "ws://host.test/").encode("latin-1").decode() == f"a={value}"


def test_a_value_of_the_programs_leaves_a_servers_as_it_came():
    jar = jar_with("a=b", "s=caf\xc3\xa9")
    next(cookie for cookie in jar if cookie.name == "a").value = "€"
    assert sent(jar, "ws://host.test/").encode("latin-1").decode() in ("a=€; s=café", "s=café; a=€")


def test_a_tab_goes_back_as_it_came():
    server = Answers(("302 Found", "Location: /", "Set-Cookie: a=b\tc"), ACCEPTED)
    with server.running() as uri:
        connect(uri, max_redirects=1)
    assert server.headers("cookie") == [None, "a=b\tc"]


# Filled.


def test_redirects_refusals_and_the_answer_fill_the_jar():
    server = Answers(
        ("302 Found", "Location: /login", "Set-Cookie: redirect=1", "Set-Cookie: date=2; Expires=Wed, 01 Jan 2098"),
        ("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"', "Set-Cookie: refusal=3"),
        (*ACCEPTED, "Set-Cookie: answer=4"),
    )
    jar = http.cookiejar.CookieJar()
    with server.running() as uri:
        connect(uri, cookies=jar, max_redirects=1, server_credential=PasswordCredential("", "a", "b"))
    assert values_in(jar) == {"redirect": "1", "date": "2", "refusal": "3", "answer": "4"}
    assert server.headers("cookie") == [None, "redirect=1; date=2", "redirect=1; date=2; refusal=3"]


def test_a_refusal_that_is_raised_fills_the_jar():
    server = Answers(("403 Forbidden", "Set-Cookie: a=b"))
    jar = http.cookiejar.CookieJar()
    with server.running() as uri, pytest.raises(HttpStatusError):
        connect(uri, cookies=jar)
    assert values_in(jar) == {"a": "b"}


def test_the_next_socket_sends_what_the_jar_got():
    server = Answers((*ACCEPTED, "Set-Cookie: a=b"), ACCEPTED)
    jar = http.cookiejar.CookieJar()
    with server.running() as uri:
        connect(uri, cookies=jar)
        connect(uri, cookies=jar)
    assert server.headers("cookie") == [None, "a=b"]


@pytest.mark.parametrize("cookies", [None, {"own": "1"}])
def test_without_a_jar_cookies_last_for_one_connect(cookies):
    server = Answers(("302 Found", "Location: /", "Set-Cookie: a=b"), ACCEPTED, ACCEPTED)
    with server.running() as uri:
        connect(uri, cookies=cookies, max_redirects=1)
        connect(uri, cookies=cookies)
    own = ["own=1"] if cookies else []
    expected = [own, [*own, "a=b"], own]
    assert server.headers("cookie") == ["; ".join(pairs) if pairs else None for pairs in expected]


def test_another_host_s_cookies_are_not_for_the_first_one():
    other = Answers(("302 Found", "Set-Cookie: other=1"))
    first = Answers(("302 Found", "Set-Cookie: first=1"), ACCEPTED)
    with other.running() as there, first.running() as uri:
        # Other names for one address: cookies do not tell ports apart.
        there = there.replace("localhost", "127.0.0.1")
        first.answers[0] += (f"Location: {there}",)
        other.answers[0] += (f"Location: {uri}",)
        connect(uri, max_redirects=2, cookies={"own": "1"})
    assert other.headers("cookie") == [None]
    assert first.headers("cookie") == ["own=1", "own=1; first=1"]


def test_a_damaged_set_cookie_does_not_stop_the_connect():
    server = Answers((*ACCEPTED, "Set-Cookie: ;;=;\t;", "Set-Cookie: a=b; Expires=never"))
    jar = http.cookiejar.CookieJar()
    with server.running() as uri:
        connect(uri, cookies=jar)
    assert values_in(jar) == {"a": "b"}


# The setting.


def test_a_mapping_is_copied_and_a_jar_is_not():
    control = MessageWebSocket().control
    given = {"a": "b"}
    control.cookies = given
    given["a"] = "c"
    assert control.cookies == {"a": "b"}
    with pytest.raises(TypeError):
        control.cookies["a"] = "c"
    control.cookies = jar = http.cookiejar.CookieJar()
    assert control.cookies is jar


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("a=b", InvalidArgumentTypeError, "must be a mapping .* to send text as it is, set a Cookie header"),
        ([("a", "b")], InvalidArgumentTypeError, "must be a mapping"),
        ({"a": 1}, InvalidArgumentTypeError, "names and values of str"),
        ({b"a": "b"}, InvalidArgumentTypeError, "names and values of str"),
        (http.cookies.SimpleCookie("a=b"), InvalidArgumentTypeError, "names and values of str, not str and Morsel"),
        ({"a b": "secret"}, InvalidArgumentError, "a name that is not a token"),
        ({"": "secret"}, InvalidArgumentError, "a name that is not a token"),
        ({"a": "secret; c=d"}, InvalidArgumentError, "a value for 'a' with a semicolon"),
        ({"a": "secret\r\nX: y"}, InvalidArgumentError, "a control character"),
        ({"a": "secret\x7f"}, InvalidArgumentError, "a control character"),
        ({"a": "secret\ud800"}, InvalidArgumentError, "a lone surrogate"),
    ],
)
def test_what_are_no_cookies_is_refused(value, error, text):
    control = MessageWebSocket().control
    with pytest.raises(error, match=text) as caught:
        control.cookies = value
    assert "secret" not in str(caught.value)
    assert control.cookies is None


@pytest.mark.parametrize("value", ["secret\r\nX-Evil: 1", "secret\ud800"])
def test_a_jar_with_what_no_header_may_hold_is_refused_before_any_io(value):
    jar = jar_with("a=b", uri="ws://localhost/")
    next(iter(jar)).value = value
    server = Answers(ACCEPTED)
    with (
        server.running() as uri,
        pytest.raises(InvalidArgumentError, match="has a cookie for ws://") as caught,
    ):
        connect(uri, cookies=jar)
    assert "secret" not in str(caught.value)
    assert server.connections == 0


def test_the_debug_log_shows_no_cookie(caplog):
    server = Answers(("302 Found", "Location: /", "Set-Cookie: theirs=secret"), ACCEPTED)
    with caplog.at_level("DEBUG"), server.running() as uri:
        connect(uri, cookies={"ours": "secret"}, max_redirects=1)
    assert b"secret" in server.requests[0]
    assert request_headers(server.requests[1])["cookie"] == "ours=secret; theirs=secret"
    assert "secret" not in caplog.text
