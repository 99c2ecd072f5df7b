"""The servers that the demo talks to: `websockets` on free loopback ports, plain and with TLS.

Each server runs on a thread of its own; what a connection was closed with goes to the demo through a queue.
"""

import contextlib
import http
import queue
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncws.cli.echo_server import running_server

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

    def closed(code: int | None, reason: str | None) -> None:
        closings.put((code, reason))

    with (
        running_server("127.0.0.1", 0, process_request=_route, closed=closed) as plain_port,
        running_server(
            "127.0.0.1", 0, ssl_context=server_context, process_request=_route, closed=closed
        ) as secure_port,
    ):
        yield DemoServers(f"ws://127.0.0.1:{plain_port}/", f"wss://localhost:{secure_port}/", client_context, closings)


def _route(connection: "ServerConnection", request: "Request") -> "Response | None":
    if request.path == "/missing":
        return connection.respond(http.HTTPStatus.NOT_FOUND, "There is no WebSocket here.\n")
    return None


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
