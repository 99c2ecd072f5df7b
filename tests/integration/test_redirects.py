"""Redirects: not followed unless asked, never from wss to ws, and nothing secret crosses an origin."""

import contextlib

import pytest
from support import LIMIT, acceptance, read_request, read_to_end, request_headers, scripted_server, settings_with
from support.certificates import make

from syncws import (
    Certificate,
    HResult,
    HttpStatusError,
    IllegalMethodCallError,
    InvalidArgumentError,
    MessageWebSocket,
    OperationTimedOutError,
    PasswordCredential,
    RedirectError,
    WebErrorStatus,
)
from syncws._net.http.redirects import is_redirect, redirected
from syncws._wire.uri import parse_uri

SECRETS = [
    ("Authorization", "Bearer secret"),
    ("Cookie", "id=secret"),
    ("X-Api-Key", "secret"),
    ("Host", "secret.test"),
]
HARMLESS = [("Origin", "http://app.test"), ("User-Agent", "app/1"), ("Accept-Language", "de")]


def answer(status, location):
    headers = {} if location is None else {"location": location}
    return HttpStatusError("moved", status_code=status, headers=headers)


class Server:
    """Answers each request with the next of `answers`: a status with a location, or None to accept it."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, connection):
        request = read_request(connection)
        self.requests.append(request)
        answer = self.answers.pop(0)
        if answer is None:
            connection.sendall(acceptance(request))
        else:
            lines = [f"HTTP/1.1 {answer[0]} Moved", f"Location: {answer[1]}", "Content-Length: 0"]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
        read_to_end(connection)

    @property
    def targets(self):
        return [request.split(b" ")[1].decode() for request in self.requests]

    def names_of(self, number):
        return set(request_headers(self.requests[number]))

    @contextlib.contextmanager
    def running(self, **options):
        with scripted_server(self, connections=len(self.answers), **options) as uri:
            yield uri


def connect(uri, *, max_redirects=5, headers=(), context=None, credential=None):
    socket = MessageWebSocket()
    socket.control.max_redirects = max_redirects
    socket.control.ssl_context = context
    socket.control.server_credential = credential
    for name, value in headers:
        socket.set_request_header(name, value)
    try:
        socket.connect(uri, timeout=LIMIT)
        socket.abort()
        assert socket.wait_closed(LIMIT)
    finally:
        socket.close()
    return socket


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed_by_default(status):
    server = Server((status, "/elsewhere"))
    with server.running() as uri, pytest.raises(HttpStatusError) as caught:
        connect(uri, max_redirects=MessageWebSocket().control.max_redirects)
    assert caught.value.status_code == status
    assert caught.value.location == "/elsewhere"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_when_it_may_be(status):
    server = Server((status, "/elsewhere?a=b#part"), None)
    with server.running() as uri:
        connect(uri)
    assert server.targets == ["/", "/elsewhere?a=b"]


@pytest.mark.parametrize("status", [300, 304, 305])
def test_other_statuses_lead_nowhere(status):
    server = Server((status, "/elsewhere"))
    with server.running() as uri, pytest.raises(HttpStatusError) as caught:
        connect(uri)
    assert caught.value.status_code == status


def test_a_redirect_without_a_location_is_its_status():
    assert not is_redirect(answer(302, None))


def test_too_many_redirects_are_an_error_that_tells_the_last_one():
    server = Server((302, "/1"), (302, "/2"), (302, "/3"))
    with server.running() as uri, pytest.raises(RedirectError, match="more than 2 times") as caught:
        connect(uri, max_redirects=2)
    assert caught.value.hresult == HResult.WININET_E_REDIRECT_FAILED
    assert caught.value.status is WebErrorStatus.REDIRECT_FAILED
    assert caught.value.location == "/3"
    assert isinstance(caught.value.__cause__, HttpStatusError)
    assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.1"] * 3


def test_an_error_behind_a_redirect_names_where_it_leads():
    server = Server((302, "/elsewhere?token=secret"), (404, "/none"))
    with server.running() as uri, pytest.raises(HttpStatusError) as caught:
        connect(uri)
    assert f"cannot connect to {uri}, redirected to {uri}elsewhere?" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_one_deadline_holds_for_all_of_it():
    server = Server((302, "/1"))

    def silent_at_last(connection):
        if server.answers:
            server(connection)
        else:
            read_to_end(connection)

    with scripted_server(silent_at_last, connections=2) as uri, MessageWebSocket() as socket:
        socket.control.max_redirects = 1
        with pytest.raises(OperationTimedOutError):
            socket.connect(uri, timeout=0.3)


def test_to_the_same_origin_everything_goes_along():
    server = Server((302, "/elsewhere"), None)
    with server.running() as uri:
        connect(uri, headers=SECRETS + HARMLESS)
    assert server.names_of(0) == server.names_of(1)


def test_to_another_origin_nothing_secret_goes_along():
    other = Server(None)
    with other.running() as there:
        server = Server((302, there))
        with server.running() as uri:
            connect(uri, headers=SECRETS + HARMLESS)
    assert server.names_of(0) >= {name.lower() for name, _ in SECRETS + HARMLESS}
    secret = {name.lower() for name, _ in SECRETS} - {"host"}
    assert other.names_of(0) == server.names_of(0) - secret
    assert b"secret" not in other.requests[0]


def test_a_credential_is_not_for_another_origin():
    other = Server((401, "/"))

    with other.running() as there:
        server = Server((302, there))
        with server.running() as uri, pytest.raises(HttpStatusError) as caught:
            connect(uri, credential=PasswordCredential("", "name", "secret"))
    assert caught.value.status_code == 401
    assert len(other.requests) == 1


def test_subprotocols_are_offered_to_another_origin_too():
    given = settings_with(supported_protocols=["chat", "token"])
    _, kept = redirected(answer(302, "wss://other/"), parse_uri("wss://host/"), given)
    assert list(kept.supported_protocols) == ["chat", "token"]


def test_a_client_certificate_is_not_for_another_origin():
    made = make("client")
    given = settings_with(client_certificate=Certificate.from_pem(made.pem, made.key_pem()))
    _, kept = redirected(answer(302, "/there"), parse_uri("wss://host/"), given)
    assert kept.client_certificate is given.client_certificate
    _, kept = redirected(answer(302, "wss://other/"), parse_uri("wss://host/"), given)
    assert kept.client_certificate is None


def test_from_wss_to_ws_leads_no_redirect(server_tls, client_tls):
    server = Server((302, "ws://localhost/"))
    with server.running(ssl_context=server_tls) as uri, pytest.raises(RedirectError) as caught:
        connect(uri, context=client_tls)
    assert caught.value.hresult == HResult.WININET_E_HTTPS_TO_HTTP_ON_REDIR
    assert caught.value.status is WebErrorStatus.HTTPS_TO_HTTP_ON_REDIRECTION


def test_from_ws_to_wss_it_may_lead(server_tls, client_tls):
    other = Server(None)
    with other.running(ssl_context=server_tls) as there:
        server = Server((302, there.replace("wss:", "https:")))
        with server.running() as uri:
            socket = connect(uri, context=client_tls)
    assert len(other.requests) == 1
    assert socket.information.server_certificate is not None


@pytest.mark.parametrize(
    ("base", "location", "target"),
    [
        ("ws://host/a/b?c", "d", "ws://host/a/d"),
        ("ws://host/a/b?c", "", "ws://host/a/b?c"),
        ("ws://host/a/b?c", "?d", "ws://host/a/b?d"),
        ("ws://host/a/b", "/d", "ws://host/d"),
        ("ws://host:81/a", "//other/d", "ws://other/d"),
        ("wss://host:444/a", "/d", "wss://host:444/d"),
        ("ws://host/", "http://other/", "ws://other/"),
        ("ws://host/", "HTTPS://other:8443/", "wss://other:8443/"),
        ("ws://[::1]:81/a", "b", "ws://[::1]:81/b"),
        ("ws://[fe80::1%25eth0]:81/a", "b", "ws://[fe80::1%25eth0]:81/b"),
        ("ws://host/", "wss://host/#part", "wss://host/"),
    ],
)
def test_a_location_is_read_from_where_it_stands(base, location, target):
    found, _ = redirected(answer(302, location), parse_uri(base), settings_with())
    assert found == parse_uri(target)


@pytest.mark.parametrize(
    "location",
    ["mailto:a@b", "ftp://host/", "ws://user:secret@host/", "ws://[::1/", "wss:///", "ws://host:0/", "ws://a b/"],
)
def test_a_location_that_is_no_web_socket_uri_is_refused(location):
    with pytest.raises(RedirectError, match="does not lead to a WebSocket URI") as caught:
        redirected(answer(302, location), parse_uri("ws://host/"), settings_with())
    assert caught.value.hresult == HResult.WININET_E_REDIRECT_FAILED
    assert caught.value.location == location
    assert "secret" not in str(caught.value)


def test_two_locations_are_shown_as_the_one_that_they_make():
    """RFC 9110 5.3: a recipient may join fields of one name, and so do proxies."""
    with pytest.raises(RedirectError, match="the server's redirect to /a, /b does not lead to a WebSocket URI"):
        redirected(answer(302, "/a, /b"), parse_uri("ws://host/"), settings_with())


@pytest.mark.parametrize(
    ("base", "location", "is_same"),
    [
        ("ws://host/", "ws://HOST:80/b", True),
        ("wss://host/", "https://host:443/", True),
        ("ws://host/", "wss://host/", False),
        ("ws://host/", "ws://host:81/", False),
        ("ws://host/", "ws://sub.host/", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(base, location, is_same):
    given = settings_with(request_headers=(("X", "y"),))
    _, kept = redirected(answer(302, location), parse_uri(base), given)
    assert (kept._request_headers == given._request_headers) is is_same


@pytest.mark.parametrize("value", [-1, 101])
def test_max_redirects_has_bounds(value):
    with pytest.raises(InvalidArgumentError, match="max_redirects must be from 0 to 100"):
        MessageWebSocket().control.max_redirects = value


def test_max_redirects_is_frozen_with_the_rest():
    server = Server(None)
    with server.running() as uri:
        socket = connect(uri)
    with pytest.raises(IllegalMethodCallError):
        socket.control.max_redirects = 1
