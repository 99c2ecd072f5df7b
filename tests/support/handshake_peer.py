"""A server that answers an opening handshake, in a scripted transport."""

from support.fakes import ScriptedTransport
from support.servers import LIMIT, accept_key
from syncws._net.http.authentication import SERVER, Authentication
from syncws._net.http.cookies import Cookies
from syncws._net.http.handshake import OpeningRequest, open_websocket
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.uri import parse_uri

URI = "ws://example.org/chat"


class Peer:
    """A server in the transport: answers a request as soon as it is whole."""

    def __init__(self):
        self.transport = ScriptedTransport()
        self.transport.on_send = self._look
        self.waker = Waker()
        self.answer = lambda accept: [good(accept)]
        self.is_canceled = False
        self.timeout = LIMIT

    def _look(self, _):
        if self.transport.sent.endswith(b"\r\n\r\n"):
            for piece in self.answer(accept_key(bytes(self.transport.sent))):
                self.transport.feed(piece)

    def open(self, uri=URI, headers=(), subprotocols=()):
        waiter = Waiter(self.waker, lambda: self.is_canceled, Deadline(self.timeout), self.transport.fileno())
        target = parse_uri(uri)
        request = OpeningRequest(target, headers, subprotocols, Cookies(None, target), Authentication(SERVER, None))
        return open_websocket(self.transport, waiter, request)

    @property
    def request(self):
        return bytes(self.transport.sent)

    def release(self):
        self.transport.release()
        self.waker.close()


def good(accept, *extra, status="HTTP/1.1 101 Switching Protocols", without=(), end="\r\n"):
    lines = {
        "status": status,
        "upgrade": "Upgrade: websocket",
        "connection": "Connection: Upgrade",
        "accept": f"Sec-WebSocket-Accept: {accept}",
    }
    kept = [line for name, line in lines.items() if name not in without]
    return end.join([*kept, *extra, "", ""]).encode("latin-1")
