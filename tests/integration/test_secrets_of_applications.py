"""Secrets that an application or a server hands over are in no log, no text of an error, no traceback and no pickle.

Each scenario plants SECRET and returns what it made; what it raises is searched with all its causes and contexts.
"""

import base64
import contextlib
import copy
import logging
import pathlib
import pickle
import socket
import traceback

import pytest
from support import LIMIT, echo, read_request, read_to_end, running_server, scripted_server
from support.certificates import make
from support.proxies import TUNNEL, closed_port, scripted_proxy, socks5

import syncws

SECRET = "pl4nted-s3cret"
SPELLINGS = [SECRET] + [
    base64.b64encode(text.encode()).decode().rstrip("=")[:-2] for text in (f"name:{SECRET}", f"url:{SECRET}")
]
LIBRARY = str(pathlib.Path(syncws.__file__).parent)
QUERY = f"?access_token={SECRET}"
HEADERS = {"Authorization": f"Bearer {SECRET}", "Cookie": f"id={SECRET}", "X-Api-Key": SECRET}
CREDENTIAL = syncws.PasswordCredential("", "name", SECRET)


def chain_of(error):
    """Return an error with all that stands behind it: causes, contexts and what became of each address."""
    found, left = [], [error]
    while left:
        each = left.pop()
        if each is not None and not any(each is other for other in found):
            found.append(each)
            left += [each.__cause__, each.__context__]
            left += [attempt.error for attempt in getattr(each, "attempts", ())]
    return found


def texts_of(error):
    """Yield what an error shows, and what an error reporter makes of the library's own frames."""
    for each in chain_of(error):
        yield "str", str(each)
        yield "repr", repr(each)
        yield "args", repr(each.args)
        told = traceback.TracebackException.from_exception(each, capture_locals=True)
        for frame in told.stack:
            if frame.filename.startswith(LIBRARY):
                yield f"{frame.filename}:{frame.lineno}", repr(frame.locals)


def found_in(texts):
    return [(where, text) for where, text in texts if any(spelling in text for spelling in SPELLINGS)]


def search(scenario, caplog, *, holds_answer=False):
    """Run a scenario and search all that it leaves; return what it raised."""
    caplog.set_level(logging.DEBUG, "syncws")
    error, made = None, ()
    try:
        made = scenario() or ()
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is searched
        error = exc
    texts = [("log", caplog.text), *(("repr", repr(each)) for each in made)]
    if error is not None:
        texts += texts_of(error)
        if not holds_answer:
            # Whatever an object holds is in its pickle in plain text.
            texts += [("pickle", pickle.dumps(error, 0).decode("latin-1"))]
    assert found_in(texts) == []
    return error


# Refused before any I/O.

BAD_URIS = {
    "http": f"http://localhost/{QUERY}",
    "user info": f"ws://name:{SECRET}@localhost/",
    "user info with marks": f"ws://name:a?b#{SECRET}@localhost/",
    "user info with an at sign": f"ws://name:a@{SECRET}@localhost/",
    "user info in another scheme": f"http://name:{SECRET}@localhost/",
    "fragment": f"ws://localhost/#{SECRET}",
    "query and fragment": f"ws://localhost/{QUERY}#x",
    "white space": f"ws://local host/{QUERY}",
    "control character": f"ws://localhost/{QUERY}\n",
    "backslash": f"ws://name:{SECRET}\\@localhost/",
    "port": f"ws://localhost:99999/{QUERY}",
    "port 0": f"ws://localhost:0/{QUERY}",
    "no port": f"ws://localhost:x/{QUERY}",
    "relative": f"/path{QUERY}",
    "no scheme": f"localhost/{QUERY}",
    "no host": f"ws:///{QUERY}",
    "no address": f"ws://[::g]/{QUERY}",
    "old address": f"ws://127.1/{QUERY}",
    "percent sign": f"ws://%6cocalhost/{QUERY}",
    "long label": f"ws://{'a' * 64}/{QUERY}",
    "no name": f"ws://\u2603.example/{QUERY}",
    "bytes": f"ws://localhost/{QUERY}".encode(),
}


@pytest.mark.parametrize("uri", BAD_URIS.values(), ids=BAD_URIS)
@pytest.mark.parametrize("connect", [syncws.connect, syncws.StreamWebSocket().connect], ids=["function", "method"])
def test_a_uri_that_is_refused(uri, connect, caplog):
    assert isinstance(search(lambda: connect(uri), caplog), syncws.InvalidArgumentError)


URI = f"ws://localhost/{QUERY}"
BAD_ARGUMENTS = {
    "value in the name": {"headers": {f"Authorization: Bearer {SECRET}": ""}},
    "value in the name, long": {"headers": {f"Authorization: Bearer {'x' * 50}{SECRET}": ""}},
    "line feed in the value": {"headers": {"Authorization": f"Bearer {SECRET}\n"}},
    "beyond Latin-1": {"headers": {"X-Api-Key": f"{SECRET}\u20ac"}},
    "value in bytes": {"headers": {"X-Api-Key": SECRET.encode()}},
    "host": {"headers": {"Host": f"\xe9{SECRET}"}},
    "header of the handshake": {"headers": {"Sec-WebSocket-Protocol": SECRET}},
    "headers are lines": {"headers": [f"X-Api-Key: {SECRET}"]},
    "headers are text": {"headers": f"X-Api-Key: {SECRET}"},
    "cookie besides a bad one": {"headers": {"Cookie": SECRET, "": ""}},
    "no token": {"subprotocols": [f"bearer {SECRET}"]},
    "twice": {"subprotocols": [SECRET, SECRET]},
    "not a list": {"subprotocols": SECRET},
    "besides a bad one": {"subprotocols": [SECRET, 1]},
    "under both names": {"subprotocols": [SECRET], "supported_protocols": [SECRET]},
    "unknown setting": {"headers": HEADERS, "pasword": SECRET},
    "unknown argument of both": {"subprotocols": [SECRET], "connect_timeout": "x"},
    "credential": {"server_credential": SECRET},
    "timeout": {"timeout": -1, "headers": HEADERS, "server_credential": CREDENTIAL},
    "token": {"cancellation_token": 1, "headers": HEADERS},
    "socket": {"socket": 1, "headers": HEADERS},
    "proxy's port": {"proxy": f"http://name:{SECRET}@localhost:0"},
    "proxy's scheme": {"proxy": f"ftp://name:{SECRET}@localhost"},
    "proxy's path": {"proxy": f"http://name:{SECRET}@localhost/path"},
    "proxy's query": {"proxy": f"http://localhost/{QUERY}"},
    "proxy's white space": {"proxy": f"http://name:{SECRET} @localhost"},
    "proxy's user info is no text": {"proxy": f"http://name:{SECRET}%ff@localhost"},
    "proxy's user info has controls": {"proxy": f"http://name:{SECRET}%0a@localhost"},
    "proxy without user name": {"proxy": f"http://:{SECRET}@localhost"},
    "proxy's password is long": {"proxy": f"socks5://name:{SECRET * 20}@localhost"},
    "proxy without a scheme": {"proxy": f"name:{SECRET}@localhost"},
    "proxy in bytes": {"proxy": f"http://name:{SECRET}@localhost".encode()},
    "proxy_credential is long": {
        "proxy": "socks5://localhost",
        "proxy_credential": syncws.PasswordCredential("", "name", SECRET * 20),
    },
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_an_argument_that_is_refused(arguments, caplog):
    error = search(lambda: syncws.connect(URI, **arguments), caplog)
    assert isinstance(error, syncws.InvalidArgumentError | TypeError)


@pytest.mark.parametrize(
    "value", [f"http://name:{SECRET}@localhost:0", f"ftp://name:{SECRET}@x", f"name:{SECRET}@localhost:99999"]
)
def test_a_proxy_of_the_environment_that_is_refused(value, caplog, monkeypatch):
    monkeypatch.setenv("http_proxy", value)
    assert isinstance(search(lambda: syncws.connect(URI), caplog), syncws.InvalidArgumentError)


def protocols():
    return syncws.MessageWebSocket().control.supported_protocols


BAD_STEPS = {
    "credential, colon": lambda: syncws.PasswordCredential("", f"a:{SECRET}", SECRET),
    "credential, controls": lambda: syncws.PasswordCredential("", "name", f"{SECRET}\n"),
    "credential, no name": lambda: syncws.PasswordCredential("x", "", SECRET),
    "credential, bytes": lambda: syncws.PasswordCredential("", "name", SECRET.encode()),
    "credential's password": lambda: setattr(syncws.PasswordCredential(), "password", f"{SECRET}\0"),
    "credential's user name": lambda: setattr(syncws.PasswordCredential(), "user_name", f"{SECRET}:"),
    "header": lambda: syncws.MessageWebSocket().set_request_header("X-Api-Key", f"{SECRET}\n"),
    "append": lambda: protocols().append(f"bearer {SECRET}"),
    "extend": lambda: protocols().extend([SECRET, f"bearer {SECRET}"]),
    "slice": lambda: protocols().__setitem__(slice(None), [SECRET, SECRET]),
    "assigned": lambda: setattr(syncws.MessageWebSocket().control, "supported_protocols", [SECRET]),
    "setting": lambda: setattr(syncws.MessageWebSocket().control, "proxy", f"x://name:{SECRET}@y"),
    "unknown setting": lambda: setattr(syncws.MessageWebSocket().control, "proxi", f"http://name:{SECRET}@y"),
    "update": lambda: syncws.StreamWebSocket().control.update(proxy=f"x://name:{SECRET}@y"),
    "no such file": lambda: syncws.Certificate.from_pem("/nowhere/at/all", None, SECRET),
    "PEM as a path": lambda: syncws.Certificate.from_pem(f"-----BEGIN PRIVATE KEY-----\n{SECRET}"),
    "no PEM": lambda: syncws.Certificate.from_pem(SECRET.encode(), None, SECRET),
    "no PKCS #12": lambda: syncws.Certificate.from_pkcs12(SECRET.encode(), SECRET),
    "password with a surrogate": lambda: syncws.Certificate.from_pem(b"", b"", f"{SECRET}\ud800"),
    "password of another type": lambda: syncws.Certificate.from_pem(b"", b"", [SECRET]),
    "pickled credential": lambda: pickle.dumps(CREDENTIAL),
    "copied credential": lambda: copy.copy(CREDENTIAL),
    "pickled control": lambda: pickle.dumps(with_secrets().control),
    "copied control": lambda: copy.deepcopy(with_secrets().control),
    "pickled socket": lambda: pickle.dumps(with_secrets()),
}


def with_secrets():
    """Return a socket that is full of them."""
    socket = syncws.MessageWebSocket()
    socket.control.server_credential = socket.control.proxy_credential = CREDENTIAL
    socket.control.supported_protocols.append(SECRET)
    for name, value in HEADERS.items():
        socket.set_request_header(name, value)
    return socket


@pytest.mark.parametrize("step", BAD_STEPS.values(), ids=BAD_STEPS)
def test_a_step_that_is_refused(step, caplog):
    assert search(step, caplog) is not None


@pytest.mark.parametrize("form", ["PEM", "PKCS #12"])
def test_a_wrong_password_of_a_client_key(form, caplog):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    made = make()
    encryption = serialization.BestAvailableEncryption(b"another")
    if form == "PEM":
        data = made.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        ) + made.certificate.public_bytes(serialization.Encoding.PEM)
        load = syncws.Certificate.from_pem
    else:
        data = pkcs12.serialize_key_and_certificates(b"name", made.key, made.certificate, None, encryption)
        load = syncws.Certificate.from_pkcs12
    assert "wrong" in str(search(lambda: load(data, password=SECRET), caplog))


# On loopback.


def answer(*lines):
    def script(connection):
        read_request(connection)
        connection.sendall("\r\n".join([*lines, "Connection: close", "Content-Length: 0", "", ""]).encode())
        read_to_end(connection)

    return script


def hang_up(connection):
    read_request(connection)


# Script, connections, settings, the error.
ANSWERS = {
    "403": (answer("HTTP/1.1 403 Forbidden"), 1, {}, syncws.HttpStatusError),
    "401": (
        answer("HTTP/1.1 401 Who", "WWW-Authenticate: Basic realm=x"),
        2,
        {"headers": {}, "server_credential": CREDENTIAL},
        syncws.HttpStatusError,
    ),
    "cookie": (answer("HTTP/1.1 500 No", f"Set-Cookie: id={SECRET}"), 1, {}, syncws.HttpStatusError),
    "redirect": (answer("HTTP/1.1 302 Go", f"Location: /x{QUERY}"), 1, {}, syncws.HttpStatusError),
    "redirects": (answer("HTTP/1.1 302 Go", f"Location: /x{QUERY}"), 2, {"max_redirects": 1}, syncws.RedirectError),
    "redirect to nowhere": (
        answer("HTTP/1.1 302 Go", f"Location: ftp://u:{SECRET}@x/{QUERY}"),
        1,
        {"max_redirects": 1},
        syncws.RedirectError,
    ),
    "redirect with user info": (
        answer("HTTP/1.1 302 Go", f"Location: ws://u:{SECRET}@localhost/{QUERY}"),
        1,
        {"max_redirects": 1},
        syncws.RedirectError,
    ),
    "redirect to no address": (
        answer("HTTP/1.1 302 Go", f"Location: ws://[::g/{QUERY}"),
        1,
        {"max_redirects": 1},
        syncws.RedirectError,
    ),
    "hung up": (hang_up, 1, {}, syncws.ConnectAbortedError),
    "no HTTP": (lambda connection: connection.sendall(b"SSH-2.0\r\n\r\n"), 1, {}, syncws.HandshakeError),
    "silence": (read_to_end, 1, {"timeout": 0.2}, syncws.ConnectTimedOutError),
}


@pytest.mark.parametrize(("script", "connections", "settings", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_a_connect_that_fails(script, connections, settings, expected, caplog):
    with scripted_server(script, connections=connections) as uri:
        arguments = {"headers": HEADERS, "subprotocols": [SECRET], "timeout": LIMIT, **settings}
        # An error of an answer carries the answer, as data.
        is_data = issubclass(expected, syncws.HttpStatusError | syncws.RedirectError)
        error = search(lambda: syncws.connect(uri + QUERY, **arguments), caplog, holds_answer=is_data)
    assert type(error) is expected
    assert "access_token" not in caplog.text
    assert caplog.records


@pytest.mark.parametrize("proxy", ["http", "socks5h"])
def test_a_proxy_that_refuses_the_login(proxy, caplog):
    script = answer("HTTP/1.1 407 Who") if proxy == "http" else socks5([], method=2, verdict=b"\x01\x01")
    with scripted_proxy(script, scheme=proxy, connections=2) as url:
        with_login = url.replace("//", f"//url:{SECRET}@")
        errors = [
            search(lambda: syncws.connect(URI, proxy=with_login, headers=HEADERS, timeout=LIMIT), caplog),
            search(lambda: syncws.connect(URI, proxy=url, proxy_credential=CREDENTIAL, timeout=LIMIT), caplog),
        ]
    assert [error.status for error in errors] == [syncws.WebErrorStatus.PROXY_AUTHENTICATION_REQUIRED] * 2


@pytest.mark.parametrize("proxy", ["http", "https", "socks5", "socks4a"])
def test_a_proxy_that_nobody_has_started(proxy, caplog):
    url = f"{proxy}://url:{SECRET}@127.0.0.1:{closed_port()}"
    error = search(lambda: syncws.connect(URI, proxy=url, headers=HEADERS, timeout=LIMIT), caplog)
    assert isinstance(error, syncws.ProxyError)


def test_a_tunnel_behind_which_nobody_answers(caplog):
    def script(connection):
        read_request(connection)
        connection.sendall(TUNNEL)
        read_request(connection)

    with scripted_proxy(script) as url:
        proxy = url.replace("//", f"//url:{SECRET}@")
        error = search(lambda: syncws.connect(URI, proxy=proxy, headers=HEADERS, timeout=LIMIT), caplog)
    assert isinstance(error, syncws.ConnectAbortedError)


def test_a_server_that_speaks_no_tls(caplog):
    with scripted_server(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")) as uri:
        secure = uri.replace("ws://", "wss://") + QUERY
        error = search(lambda: syncws.connect(secure, headers=HEADERS, timeout=LIMIT), caplog)
    assert isinstance(error, syncws.TlsError)


def test_a_certificate_that_nobody_trusts(caplog, server_tls):
    with scripted_server(read_to_end, ssl_context=server_tls) as uri:
        error = search(lambda: syncws.connect(uri + QUERY, headers=HEADERS, timeout=LIMIT), caplog)
    assert isinstance(error, syncws.CertificateError)


def test_a_server_that_is_not_there(caplog):
    uri = f"ws://127.0.0.1:{closed_port()}/{QUERY}"
    assert isinstance(search(lambda: syncws.connect(uri, headers=HEADERS), caplog), syncws.CannotConnectError)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")
def test_a_unix_socket_that_is_not_there(caplog, tmp_path):
    scenario = lambda: syncws.unix_connect(tmp_path / "none", URI, headers=HEADERS)  # noqa: E731
    assert isinstance(search(scenario, caplog), syncws.CannotConnectError)


def test_a_resolver_that_misbehaves(caplog):
    class Resolver:
        def resolve(self, *_, **__):
            raise KeyError("no")

    def scenario():
        syncws.connect(f"ws://name.invalid/{QUERY}", headers=HEADERS, resolver=Resolver(), timeout=LIMIT)

    assert isinstance(search(scenario, caplog), syncws.HostNameNotResolvedError)


def test_a_connection_that_works_and_ends(caplog):
    """The subprotocol that was agreed on is the value of information.protocol, and stands in no text."""
    with running_server(echo, subprotocols=[SECRET]) as uri, contextlib.ExitStack() as stack:

        def scenario():
            socket = stack.enter_context(syncws.connect(uri + QUERY, headers=HEADERS, subprotocols=[SECRET]))
            socket.send("hello")
            assert socket.receive(timeout=LIMIT) == "hello"
            made = (socket, socket.control, socket.information, socket._session, CREDENTIAL)
            socket.close()
            return made

        assert search(scenario, caplog) is None
    assert caplog.records


def test_frames_of_the_application_stay_in_the_traceback():
    class Headers(dict):
        def items(self):
            raise TypeError("the application's own")

    with pytest.raises(TypeError) as caught:
        syncws.connect(URI, headers=Headers())
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "items" in names
    assert "check_header_pairs" not in names


def test_what_the_application_is_busy_with_keeps_its_frames():
    fault = ZeroDivisionError()

    class Headers(dict):
        def items(self):
            raise fault

    with pytest.raises(ZeroDivisionError):
        syncws.connect(URI, headers=Headers())
    before = traceback.extract_tb(fault.__traceback__)
    assert "check_header_pairs" in [frame.name for frame in before]
    try:
        raise fault
    except ZeroDivisionError:
        before = traceback.extract_tb(fault.__traceback__)
        with pytest.raises(syncws.InvalidArgumentError) as caught:
            syncws.connect("ws://")
    assert caught.value.__context__ is fault
    assert list(traceback.extract_tb(fault.__traceback__)) == list(before)
