"""A client's TLS on a real socket against a server's engine in the same thread, in both of the client's forms."""

import contextlib
import select
import socket
import ssl

import pytest

from support.servers import LIMIT
from syncws._net.tls import direct
from syncws._net.tls.direct import DirectTlsTransport, direct_form
from syncws._net.tls.transport import TlsTransport
from syncws._net.transport import SocketTransport

needs_direct = pytest.mark.skipif(not direct._HAS_ENGINE, reason="only the compiled part calls OpenSSL")


def connected_pair():
    """Return two ends of a TCP connection on loopback: one that does not block, and one that waits up to LIMIT."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    near.setblocking(False)
    far.settimeout(LIMIT)
    return near, far


class Line:
    """A connection whose handshake is over, and the other end of it.

    Attributes:
        transport: the client's: a DirectTlsTransport, or with `is_direct` False a TlsTransport.
        bottom: the SocketTransport below it.
        far: the server's socket.
        server: the server's engine, an SSLObject.
    """

    def __init__(self, server_context, client_context, *, is_direct=True):
        self.near, self.far = connected_pair()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server_context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_up = False
        self.bottom = SocketTransport(self.near)
        self.transport = TlsTransport(self.bottom, client_context, "localhost")
        self.transport.handshake(self._step)
        while not self._is_up:
            self._step(0)
        if self.server.version() == "TLSv1.3" and server_context.num_tickets:
            # Not before they are there: they came as one piece.
            self.wait_readable()
            assert self.transport.receive(1) is None
        if is_direct:
            self.go_direct()

    def go_direct(self):
        """Change to the direct form, which must be possible."""
        self.transport = direct_form(self.transport)
        assert type(self.transport) is DirectTlsTransport

    def _step(self, _):
        """Go on with the handshake on the server's side: say what there is to say, else listen."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.server.do_handshake()
            self._is_up = True
        if answer := self._outgoing.read():
            self.far.sendall(answer)
        elif not self._is_up:
            self._incoming.write(self.far.recv(65536))
        return 0

    def made(self, *pieces):
        """Return the ciphertext of one record or more for each piece, which is not sent."""
        for piece in pieces:
            self.server.write(piece)
        return self._outgoing.read()

    def say(self, *pieces):
        """Send pieces to the client."""
        self.far.sendall(self.made(*pieces))

    def hear(self, count, size=65536):
        """Return `count` bytes that the client has sent, and flush what it could not."""
        heard = b""
        while len(heard) < count:
            try:
                heard += self.server.read(count - len(heard))
            except ssl.SSLWantReadError:
                self._listen(size)
        return heard

    def _listen(self, size):
        while True:
            senders = [self.near] if self.transport.has_unsent else []
            readable, writable, _ = select.select([self.far], senders, [], LIMIT)
            assert readable or writable, "nothing has come"
            if writable:
                self.transport.flush()
            if readable:
                self._incoming.write(self.far.recv(size))
                return

    def wait_readable(self):
        """Wait until the client has something to receive."""
        if not self.transport.has_buffered:
            assert select.select([self.near], [], [], LIMIT)[0], "nothing has come"

    def receive(self, count, size=4096):
        """Return `count` bytes received in pieces of up to `size`, less at the end."""
        received = b""
        while len(received) < count:
            self.wait_readable()
            piece = self.transport.receive(min(size, count - len(received)))
            if piece == b"":
                break
            received += piece or b""
        return received

    def receive_into(self, count):
        """Return `count` bytes received into one memory."""
        room, filled = memoryview(bytearray(count)), 0
        while filled < count:
            self.wait_readable()
            part = self.transport.receive_into(room[filled:])
            filled += 0 if part is None else len(part)
        return bytes(room)

    def close(self):
        """Give everything back."""
        self.transport.close()
        self.far.close()
