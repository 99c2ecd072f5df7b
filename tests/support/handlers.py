"""Handlers and servers that note what comes, and what goes with each of them."""

import contextlib
import hashlib
import re
import threading

from websockets.exceptions import ConnectionClosed

from support.scripts import connected, on_message, read_until_close
from support.servers import (
    LIMIT,
    acceptance,
    handshake,
    read_request,
    read_to_end,
    request_headers,
    scripted_server,
    wait,
)
from syncws import MessageWebSocketReceiveMode, SocketMessageType, WebSocketError

UTF8_TYPE, BINARY_TYPE = SocketMessageType.UTF8, SocketMessageType.BINARY
FULL, PARTIAL = MessageWebSocketReceiveMode.FULL_MESSAGE, MessageWebSocketReceiveMode.PARTIAL_MESSAGE


# Slow handlers.


class Slow:
    """A handler that notes messages, in order, and blocks in some of them until it is released.

    Attributes:
        texts: what has come.
        inside: set when it blocks.
        release: set to let it go on.
        has_left: true when it has gone on, also because nobody released it in time.
        threads: the names of the threads that have called it, as they were then.
    """

    def __init__(self, *blocking):
        self.blocking = blocking or ("one",)
        self.texts = []
        self.threads = []
        self.inside = threading.Event()
        self.release = threading.Event()
        self.has_left = False

    def __call__(self, sender, args):
        text = text_of(args)
        self.texts.append(text)
        self.threads.append(threading.current_thread().name)
        if text in self.blocking:
            self.inside.set()
            try:
                wait(self.release)
            finally:
                self.has_left = True


def text_of(args):
    """Return a message's text; its error when it stands for one."""
    try:
        with args.get_data_reader() as reader:
            return reader.read_string(reader.unconsumed_buffer_length)
    except OSError as exc:
        return exc


def be_impatient(monkeypatch):
    """Have every handler count as slow that is still running when the monitor looks, which it does all the time."""
    monkeypatch.setattr("syncws._connection.receiving.delivery._PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("syncws._connection.receiving.delivery._LOOK_SECONDS", 0.0)


# Pieces of messages.


class Pieces:
    """A handler that notes what each event brings: bytes, whether it is the last, and the type; or the error."""

    def __init__(self):
        self.entries = []
        self.came = threading.Semaphore(0)
        # Set when the script has seen all it waits for.
        self.are_complete = threading.Event()

    def __call__(self, sender, args):
        try:
            with args.get_data_reader() as reader:
                data = reader.read_bytes(reader.unconsumed_buffer_length)
            self.entries.append((data, args.is_message_complete, args.message_type))
        except OSError as exc:
            self.entries.append(exc)
        self.came.release()

    def wait(self):
        assert self.came.acquire(timeout=LIMIT), "the piece did not come"


def sends_one_by_one(pieces, *parts):
    """Return a script that sends a part only when the one before it has come to the handler."""

    def script(connection):
        handshake(connection)
        for part in parts:
            connection.sendall(part)
            pieces.wait()
        pieces.are_complete.set()
        read_until_close(connection)

    return script


def connected_for_pieces(script, *handlers, mode=PARTIAL, limit=None, tls=(None, None)):
    """Give a socket that is connected to a scripted server and receives pieces."""
    settings = {} if limit is None else {"max_message_size": limit}
    return connected(script, on_message(*handlers), tls=tls, receive_mode=mode, **settings)


# The user's requirements.


class Server:
    """Handler of a server that notes what comes and how it ends, and sends everything back."""

    def __init__(self):
        self.messages = []
        self.closes = []
        self.ended = threading.Event()

    def __call__(self, connection):
        try:
            while True:
                message = connection.recv()
                self.messages.append(message)
                connection.send(message)
        except ConnectionClosed as exc:
            self.closes.append((exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else None)
        finally:
            self.ended.set()


def innermost(error):
    """Return the innermost exception, which is what the document asks the HRESULT of."""
    while isinstance(error.__cause__, WebSocketError):
        error = error.__cause__
    return error


# Answers to opening handshakes.


class Answers:
    """A script that answers each request with the next of some heads; any number of requests on each connection.

    Attributes:
        requests: the heads of the requests.
        connections: how many connections there were.
    """

    def __init__(self, *answers):
        """Take the answers, each a status with its reason, and further lines; a 101 is completed, others get no body.

        An answer may be a callable too, which is given the request's head and returns those lines.
        """
        self.answers = list(answers)
        self.requests = []
        self.connections = 0

    def __call__(self, connection):
        self.connections += 1
        while True:
            request = read_request(connection)
            self.requests.append(request)
            answer = self.answers.pop(0)
            status, *lines = answer(request) if callable(answer) else answer
            if status.startswith("101"):
                connection.sendall(acceptance(request, *lines))
                continue
            if not any(line.lower().startswith("content-length:") for line in lines):
                lines.append("Content-Length: 0")
            connection.sendall("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode())

    def headers(self, name):
        """Return the value of a header in each request, None where there is none."""
        return [request_headers(request).get(name) for request in self.requests]

    @contextlib.contextmanager
    def running(self, **options):
        """Run it; gives the URI."""
        with scripted_server(self, connections=len(self.answers), **options) as uri:
            yield uri


ACCEPTED = ("101 Switching Protocols",)


# Credentials.


class CredentialServer:
    """A script that asks for a credential and takes one; notes the Authorization header of each request.

    A refusal in HTTP/1.0 ends the connection, one in HTTP/1.1 does not.
    """

    def __init__(self, challenge='Basic realm="cave"', accepted="QWxhZGRpbjpvcGVuIHNlc2FtZQ==", *, refusing="HTTP/1.1"):
        self.refusing = refusing
        self.challenge = challenge
        self.accepted = accepted
        self.seen = []
        self.connections = 0

    def __call__(self, connection):
        self.connections += 1
        while True:
            request = read_request(connection)
            self.seen.append(request_headers(request).get("authorization"))
            if self.seen[-1] == f"Basic {self.accepted}":
                connection.sendall(acceptance(request))
            else:
                lines = [f"{self.refusing} 401 Unauthorized", f"WWW-Authenticate: {self.challenge}"]
                connection.sendall("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
            if self.refusing == "HTTP/1.0":
                read_to_end(connection)
                return


class DigestGate:
    """Checks Digest as a server or proxy of RFC 7616 does, by SHA-256; made for Answers.

    Attributes:
        nonce: the one that is good now.
        counts: the nonce counts of the requests that passed, by nonce.
    """

    def __init__(self, name="Mufasa", password="Circle of Life", *, granted=("101 Switching Protocols",), proxy=False):
        self.name, self.password = name, password
        self.granted = granted
        self.status, self.asks, self.answers = "401 Unauthorized", "WWW-Authenticate", "authorization"
        if proxy:
            self.status, self.asks, self.answers = "407 Who", "Proxy-Authenticate", "proxy-authorization"
        self.nonce = "first"
        self.counts = {}

    def __call__(self, request):
        """Return the lines of the answer."""
        method, target, _ = request.split(b"\r\n")[0].decode().split(" ")
        value = request_headers(request).get(self.answers, "")
        if not value:
            return self.asking()
        fields = {name: text.strip('"') for name, text in re.findall(r'(\w+)=("[^"]*"|[^,]*)', value)}
        if fields["nonce"] != self.nonce:
            return self.asking(", stale=true")
        assert fields["uri"] == target
        count = int(fields["nc"], 16)
        assert count == self.counts.get(self.nonce, 0) + 1, "a request came twice, or one is missing"
        secret = self.hashed(self.name, "cave", self.password)
        expected = self.hashed(
            secret, self.nonce, fields["nc"], fields["cnonce"], fields["qop"], self.hashed(method, target)
        )
        if fields["response"] != expected or fields["username"] != self.name:
            return self.asking()
        self.counts[self.nonce] = count
        return self.granted

    def asking(self, more=""):
        challenge = f'Digest realm="cave", qop="auth,auth-int", algorithm=SHA-256, nonce="{self.nonce}"{more}'
        return self.status, f"{self.asks}: {challenge}", f'{self.asks}: Basic realm="cave"'

    @staticmethod
    def hashed(*parts):
        return hashlib.sha256(":".join(parts).encode()).hexdigest()
