"""The servers that the demo talks to: `websockets` on free loopback ports, plain and with TLS.

Each server runs on a thread of its own; what a connection was closed with goes to the demo through a queue.
"""

import contextlib
import http
import logging
import os
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection

__all__ = ["DemoServers", "free_port", "running_servers"]


@dataclass(frozen=True)
class DemoServers:
    """Where the demo's servers are.

    Attributes:
        plain: ws URI of the server without TLS.
        secure: wss URI of the one with TLS.
        client_context: TLS settings that trust its certificate.
        closings: for each connection that ended, the code and reason that the server saw.
    """

    plain: str
    secure: str
    client_context: ssl.SSLContext
    closings: "queue.Queue[tuple[int | None, str | None]]" = field(default_factory=queue.Queue)


@contextlib.contextmanager
def running_servers() -> Iterator[DemoServers]:
    """Run both servers for the length of the block.

    Raises:
        ImportError: the extra `demo` is not installed.
    """
    # Here and not above: the command line must work without the extra.
    import trustme

    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    closings: queue.Queue[tuple[int | None, str | None]] = queue.Queue()
    with _running(closings, None) as plain_port, _running(closings, server_context) as secure_port:
        yield DemoServers(f"ws://127.0.0.1:{plain_port}/", f"wss://localhost:{secure_port}/", client_context, closings)


@contextlib.contextmanager
def _running(
    closings: "queue.Queue[tuple[int | None, str | None]]", server_context: ssl.SSLContext | None
) -> Iterator[int]:
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.server import serve

    def echo(connection: "ServerConnection") -> None:
        try:
            for message in connection:
                connection.send(message)
        except ConnectionClosedError:
            pass  # Closed with a code other than 1000 and 1001.
        finally:
            closings.put((connection.close_code, connection.close_reason))

    def route(connection: "ServerConnection", request: "Request") -> "Response | None":
        if request.path == "/missing":
            return connection.respond(http.HTTPStatus.NOT_FOUND, "There is no WebSocket here.\n")
        return None

    quiet = logging.getLogger("syncws.demo.server")
    quiet.setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        server = serve(
            echo,
            "127.0.0.1",
            0,
            ssl=server_context,
            process_request=route,
            compression=None,
            max_size=None,
            logger=quiet,
        )
        # Last of all, because leaving the server's own block uses the pipe once more.
        stack.callback(_close_shutdown_pipe, server)
        stack.enter_context(server)
        thread = threading.Thread(target=server.serve_forever, name="demo-server", daemon=True)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


def _close_shutdown_pipe(server: object) -> None:
    """Close what the server of websockets before 17 leaves open."""
    for name in ("shutdown_watcher", "shutdown_notifier"):
        descriptor = getattr(server, name, None)
        if isinstance(descriptor, int):
            os.close(descriptor)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
