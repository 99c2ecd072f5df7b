"""An echo server that notes what it gets: one thread, any number of connections, with TLS or without.

May import this folder and the protocol of the websockets package, which does no I/O. One thread for all connections: so
no TLS engine is used by two threads, and a thousand idle connections cost little. As a process of its own
(`python -m compliance.echo_server`) it prints its port, and serves over ws until its standard input ends.
"""

import selectors
import socket
import ssl
import sys
import threading
from typing import Self

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from compliance.pipe import Pipe

__all__ = ["EchoServer"]

_LIMIT = 30.0


class _Peer:
    """One connection of the server."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        self.socket = connection
        self.protocol = ServerProtocol(max_size=None, extensions=[ServerPerMessageDeflateFactory()])
        self.pipe = Pipe(context)
        self.unsent = bytearray()
        self.messages: list[bytes] = []
        self.is_over = False

    def take(self, data: bytes, received: dict[str, list[bytes]]) -> None:
        """Take bytes of the socket, b"" for its end, and answer what they complete."""
        if data:
            plain = self.pipe.receive(data)
            if plain:
                self.protocol.receive_data(plain)
        else:
            self.protocol.receive_eof()
            self.is_over = True
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self.protocol.send_response(self.protocol.accept(event))
                # Known from now on under the path that the client asked for.
                received[event.path] = self.messages
            elif isinstance(event, Frame):
                self._echo(event)
        for output in self.protocol.data_to_send():
            # An empty one stands for the end of what is sent.
            self.is_over = self.is_over or not output
            self.pipe.send(output)
        self.unsent += self.pipe.take_output()

    def _echo(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY):
            return
        data = bytes(frame.data)
        self.messages.append(data)
        if self.protocol.state is not State.OPEN:
            # The Close frame came in the same piece; nothing may follow the answer to it.
            return
        if frame.opcode is Opcode.TEXT:
            self.protocol.send_text(data)
        else:
            self.protocol.send_binary(data)


class EchoServer:
    """Serves on a port of loopback; a context manager.

    Attributes:
        received: by the path of the request, the messages that came, in order.
        uri: without the path's slash.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._near, self._far = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="echo-server", daemon=True)
        self.received: dict[str, list[bytes]] = {}
        self.port: int = self._listener.getsockname()[1]
        self.uri = f"{'ws' if context is None else 'wss'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._far.close()
        self._thread.join(_LIMIT)

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._near, selectors.EVENT_READ)
        try:
            while self._serve_once():
                pass
        finally:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]
            self._selector.close()

    def _serve_once(self) -> bool:
        """Serve who is ready; return False when the server is to end."""
        for key, events in self._selector.select():
            if key.fileobj is self._near:
                return False
            if key.fileobj is self._listener:
                self._accept()
            else:
                self._serve(key.data, events)
        return True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ, _Peer(connection, self._context))

    def _serve(self, peer: _Peer, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                peer.take(peer.socket.recv(262144), self.received)
            self._push(peer)
        except BlockingIOError:
            return
        except OSError:
            # Also an error of TLS.
            self._drop(peer)

    def _push(self, peer: _Peer) -> None:
        if peer.unsent:
            try:
                sent = peer.socket.send(peer.unsent)
            except BlockingIOError:
                sent = 0
            del peer.unsent[:sent]
        if peer.is_over and not peer.unsent:
            self._drop(peer)
            return
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        if self._selector.get_key(peer.socket).events != interest:
            self._selector.modify(peer.socket, interest, peer)

    def _drop(self, peer: _Peer) -> None:
        self._selector.unregister(peer.socket)
        peer.socket.close()


def main() -> None:
    """Serve until standard input ends."""
    with EchoServer() as server:
        print(server.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
