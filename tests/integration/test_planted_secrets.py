"""Secrets that are planted in every place that may hold one: none comes out in a log, an error, a repr or a pickle."""

import contextlib
import copy
import logging
import pathlib
import pickle
import traceback

import pytest
from support import LIMIT, read_request, read_to_end, scripted_server
from support.proxies import scripted_proxy
from support.scripts import only_reads

import syncws
from syncws import MessageWebSocket, PasswordCredential, StreamWebSocket, WebSocketError

SECRET = "hunter2"
LIBRARY = str(pathlib.Path(syncws.__file__).parent)


def answering(answer):
    def script(connection):
        read_request(connection)
        connection.sendall(answer)
        with contextlib.suppress(OSError):
            read_to_end(connection)

    return script


def silent(connection):
    read_to_end(connection)


def redirecting(location):
    return answering(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")


NOT_FOUND = answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
BASIC = answering(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
COOKIE = answering(f"HTTP/1.1 404 No\r\nSet-Cookie: session={SECRET}\r\nContent-Length: 0\r\n\r\n".encode())
GARBAGE = answering(b"nonsense\r\n\r\n")
CHOOSES = answering(
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\nSec-WebSocket-Protocol: other\r\n\r\n"
)
SERVERS = {
    "404": NOT_FOUND,
    "401": BASIC,
    "a cookie": COOKIE,
    "garbage": GARBAGE,
    "another subprotocol": CHOOSES,
    "silence": silent,
    "success": only_reads,
    "a redirect": redirecting(f"ws://localhost:1/?token={SECRET}".encode()),
    "a redirect with user info": redirecting(f"ws://me:{SECRET}@localhost/".encode()),
    "a redirect elsewhere": redirecting(f"ftp://localhost/?{SECRET}".encode()),
}
CREDENTIAL = PasswordCredential("", "me", SECRET)
GIVEN = {
    "a query": lambda uri: (f"{uri}?token={SECRET}", {}),
    "a header": lambda uri: (uri, {"headers": {"X-Api-Key": SECRET}}),
    "Authorization": lambda uri: (uri, {"headers": {"Authorization": f"Bearer {SECRET}"}}),
    "a cookie": lambda uri: (uri, {"headers": {"Cookie": f"id={SECRET}"}}),
    "a subprotocol": lambda uri: (uri, {"subprotocols": [f"bearer.{SECRET}"]}),
    "a credential": lambda uri: (uri, {"server_credential": CREDENTIAL}),
}
# Refused before any I/O.
REFUSED = {
    "user info": lambda: syncws.connect(f"ws://me:{SECRET}@localhost/"),
    "user info and a bad port": lambda: syncws.connect(f"ws://me:{SECRET}@localhost:99999/"),
    "a query and a fragment": lambda: syncws.connect(f"ws://localhost/?{SECRET}#x"),
    "a query and a space": lambda: syncws.connect(f"ws://localhost/?{SECRET} x"),
    "a query and another scheme": lambda: syncws.connect(f"http://localhost/?{SECRET}"),
    "a name that holds the value": lambda: MessageWebSocket().set_request_header(
        f"Authorization: Bearer {SECRET}", "x"
    ),
    "a value with a line feed": lambda: MessageWebSocket().set_request_header("X-Key", f"{SECRET}\n"),
    "headers as lines": lambda: syncws.connect("ws://localhost/", headers=[f"X-Key: {SECRET}"]),
    "headers as text": lambda: syncws.connect("ws://localhost/", headers=f"X-Key: {SECRET}"),
    "a subprotocol with a space": lambda: syncws.connect("ws://localhost/", subprotocols=[f"bearer {SECRET}"]),
    "a subprotocol twice": lambda: syncws.connect("ws://localhost/", subprotocols=[SECRET, SECRET]),
    "a proxy's path": lambda: syncws.connect("ws://localhost/", proxy=f"http://me:{SECRET}@localhost/path"),
    "a proxy's port": lambda: syncws.connect("ws://localhost/", proxy=f"http://me:{SECRET}@localhost:0"),
    "a proxy's scheme": lambda: syncws.connect("ws://localhost/", proxy=f"ftp://me:{SECRET}@localhost"),
    "a proxy's user info": lambda: syncws.connect("ws://localhost/", proxy=f"http://me:{SECRET}%ff@localhost"),
    "a proxy's colon": lambda: syncws.connect("ws://localhost/", proxy=f"http://m%3Ae:{SECRET}@localhost"),
    "a password with a control": lambda: PasswordCredential("", "me", f"{SECRET}\n"),
}


@pytest.fixture
def logged(caplog):
    for name in ("syncws", *(name for name in logging.root.manager.loggerDict if name.startswith("syncws."))):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def texts_of(error):
    """Yield all that an error tells: of itself and its chain, with the locals of the library's frames."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield from (str(error), repr(error), repr(error.args))
        for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack:
            if frame.filename.startswith(LIBRARY):
                yield repr(frame.locals)
        error = error.__cause__ or error.__context__


def assert_clean(logged, *texts):
    for text in (*texts, *(record.getMessage() for record in logged.records)):
        assert SECRET not in text


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("given", GIVEN)
def test_nothing_of_what_was_given_comes_out(given, server, logged):
    with scripted_server(SERVERS[server], connections=3) as base, MessageWebSocket() as socket:
        uri, options = GIVEN[given](base)
        headers = options.pop("headers", {})
        socket.control.supported_protocols.extend(options.pop("subprotocols", ()))
        socket.control.update(max_redirects=1, connect_timeout=0.2, **options)
        for name, value in headers.items():
            socket.set_request_header(name, value)
        texts = []
        try:
            socket.connect(uri, timeout=LIMIT)
        except WebSocketError as error:
            texts = list(texts_of(error))
            texts += [repr(attempt) for attempt in error.attempts]
        texts += [repr(part) for part in (socket, socket.control, socket.information, CREDENTIAL)]
        socket.abort()
    assert_clean(logged, *texts)


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_does_not_show_what_it_refuses(what, logged):
    with pytest.raises(WebSocketError) as raised:
        REFUSED[what]()
    assert_clean(logged, *texts_of(raised.value))


@pytest.mark.parametrize("scheme", ["http", "socks5h", "socks4a"])
@pytest.mark.parametrize("proxy_credential", [CREDENTIAL, None])
def test_nothing_of_a_proxy_s_login_comes_out(scheme, proxy_credential, logged):
    with scripted_proxy(NOT_FOUND if scheme == "http" else silent, scheme=scheme) as proxy:
        url = proxy if proxy_credential else proxy.replace("//", f"//me:{SECRET}@")
        with pytest.raises(WebSocketError) as raised:
            syncws.connect("ws://name.test/", proxy=url, proxy_credential=proxy_credential, timeout=0.3)
    assert_clean(logged, *texts_of(raised.value))


@pytest.mark.parametrize("held", [CREDENTIAL, MessageWebSocket().control, StreamWebSocket().control])
@pytest.mark.parametrize("give_away", [pickle.dumps, copy.copy, copy.deepcopy])
def test_what_holds_a_secret_cannot_be_pickled(held, give_away):
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        give_away(held)
