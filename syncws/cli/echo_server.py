"""A WebSocket server on this machine that sends back what it gets: `websockets`, for the demo and the command `echo`.

The server runs on a thread of its own, each connection on one more; none is left when the block ends.
"""

import contextlib
import itertools
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from websockets.http11 import Request, Response
    from websockets.sync.server import Server, ServerConnection
    from websockets.typing import Subprotocol

__all__ = ["echo", "file_sender", "running_server"]

Handler = Callable[["ServerConnection"], None]

_GOING_AWAY = 1001
_REASON = "the server ends"
_CLOSING_SECONDS = 2.0
_PAUSE_SECONDS = 0.1
_FILE_PIECE_BYTES = 65536


def echo(connection: "ServerConnection") -> None:
    """Send every message back, text as text and binary as binary, each fragment as it comes: none is too large."""
    while True:
        fragments = connection.recv_streaming()
        first = next(fragments)
        second = next(fragments, None)
        if second is None:
            connection.send(first)
        else:
            connection.send(itertools.chain((first, second), fragments))


def file_sender(path: Path) -> Handler:
    """Return a handler that sends a file as one message in fragments, and closes."""

    def send(connection: "ServerConnection") -> None:
        with path.open("rb") as file:
            connection.send(iter(lambda: file.read(_FILE_PIECE_BYTES), b""))

    return send


class _Connections:
    """The open connections, which the end of the server closes."""

    def __init__(self, handler: Handler, closed: Callable[[int | None, str | None], None]) -> None:
        self._handler = handler
        self._closed = closed
        self._lock = threading.Lock()
        self._open: set[ServerConnection] = set()
        self._is_ending = False

    def handle(self, connection: "ServerConnection") -> None:
        from websockets.exceptions import ConnectionClosed

        with self._lock:
            is_late = self._is_ending
            if not is_late:
                self._open.add(connection)
        if is_late:
            connection.close(_GOING_AWAY, _REASON)
            return
        try:
            self._handler(connection)
            connection.close()
        except ConnectionClosed:
            # The client has closed, or is gone.
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            self._closed(connection.close_code, connection.close_reason)

    def end(self) -> None:
        """Close them all at once, and cut those that do not answer in time."""
        with self._lock:
            self._is_ending = True
            connections = list(self._open)
        closing = [
            threading.Thread(target=connection.close, args=(_GOING_AWAY, _REASON), daemon=True)
            for connection in connections
        ]
        for thread in closing:
            thread.start()
        end = time.monotonic() + _CLOSING_SECONDS
        for thread, connection in zip(closing, connections, strict=True):
            thread.join(max(end - time.monotonic(), 0))
            if thread.is_alive():
                with contextlib.suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)
                thread.join()


class _Listener:
    """The listening socket as the server sees it, which takes whatever accept() raises for the end of all.

    Here the socket's closing alone is. No descriptor may be left just now, and over TLS a client may be gone already.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        # Closing a socket ends no accept() that waits on another thread.
        listening.settimeout(_PAUSE_SECONDS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)

    def accept(self) -> tuple[socket.socket, object]:
        while True:
            try:
                return self._listening.accept()
            except OSError:
                if self._listening.fileno() < 0:
                    raise
                threading.Event().wait(_PAUSE_SECONDS)


@contextlib.contextmanager
def running_server(
    host: str,
    port: int,
    handler: Handler = echo,
    *,
    ssl_context: ssl.SSLContext | None = None,
    subprotocols: Sequence[str] = (),
    process_request: "Callable[[ServerConnection, Request], Response | None] | None" = None,
    closed: Callable[[int | None, str | None], None] = lambda code, reason: None,
) -> Iterator[int]:
    """Run a server for the length of the block; gives its port.

    Args:
        host: where it listens.
        port: the same; 0 for any that is free.
        handler: what it does with a connection, which is closed when it returns.
        ssl_context: for TLS.
        subprotocols: what it speaks; the first that the client offers is chosen, none when it offers no such one.
        process_request: looks at each opening handshake, and may answer it.
        closed: called with the code and the reason with which each connection has ended.

    Raises:
        ImportError: the extra `demo` is not installed.
        OSError: it cannot listen there.
    """
    # Here and not above: the command line must work without the extra.
    from websockets.sync.server import serve

    def select(_: "ServerConnection", offered: "Sequence[Subprotocol]") -> "Subprotocol | None":
        return next((name for name in offered if name in subprotocols), None)

    connections = _Connections(handler, closed)
    quiet = logging.getLogger("syncws.cli.server")
    quiet.setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        server = serve(
            connections.handle,
            sock=stack.enter_context(_listening(host, port)),
            ssl=ssl_context,
            select_subprotocol=select,
            process_request=process_request,
            # For a client that offers it.
            compression="deflate",
            max_size=None,
            # A client that is stopped in a debugger answers no pings.
            ping_interval=None,
            open_timeout=5,
            close_timeout=1,
            logger=quiet,
        )
        server.socket = _Listener(server.socket)  # type: ignore[assignment] # whose other methods it has too
        # Last of all, because leaving the server's own block uses the pipe once more.
        stack.callback(_close_shutdown_pipe, server)
        stack.enter_context(server)
        thread = threading.Thread(target=_serve, args=(server,), name="echo-server", daemon=True)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            connections.end()
            server.shutdown()
            thread.join()


def _listening(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address, family=family)


def _serve(server: "Server") -> None:
    try:
        server.serve_forever()
    except OSError:
        # shutdown() closes the listening socket first; where select() waits, as on Windows, it may be told of that.
        if server.socket.fileno() >= 0:
            raise


def _close_shutdown_pipe(server: object) -> None:
    """Close what the server of websockets before 17 leaves open."""
    for name in ("shutdown_watcher", "shutdown_notifier"):
        descriptor = getattr(server, name, None)
        if isinstance(descriptor, int):
            os.close(descriptor)
