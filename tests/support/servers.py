"""What tests share: the one long limit for waiting, servers on loopback, and scripted peers.

Every wait in a test is on an Event or a thread with LIMIT, which only a failing test ever uses up.
"""

import base64
import contextlib
import gc
import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.sync.server import Server, ServerConnection, serve, unix_serve

from syncws.control import MessageWebSocketControl, WebSocketControl

LIMIT = 30.0
"""Seconds after which a wait in a test has failed."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def wait(event: threading.Event) -> None:
    """Wait for an Event that must come."""
    assert event.wait(LIMIT), "the event did not come"


def settings_with(
    control_class: type[WebSocketControl] = MessageWebSocketControl,
    request_headers: tuple[tuple[str, str], ...] = (),
    **values: Any,
) -> Any:
    """Return what a connection would work with after these settings were made."""
    control = control_class._create()
    control._update(values)
    return control._snapshot(request_headers)


def wait_for_end(thread: threading.Thread, seconds: float = LIMIT) -> None:
    """Wait for the end of a thread, also of one that only begins, which Thread.join() refuses."""
    thread._started.wait(LIMIT)  # type: ignore[attr-defined]
    thread.join(seconds)


def join(thread: threading.Thread) -> None:
    """Wait for a thread that must end."""
    wait_for_end(thread)
    assert not thread.is_alive(), f"{thread.name} did not end"


@contextlib.contextmanager
def running_server(
    handler: Callable[[ServerConnection], None], *, ssl_context: ssl.SSLContext | None = None, **options: Any
) -> Iterator[str]:
    """Run a server of the `websockets` package on loopback; gives its URI."""
    options.setdefault("compression", None)
    options.setdefault("max_size", None)
    # A server of the library under test's peers must not ping by its own clock.
    options.setdefault("ping_interval", None)
    with _serving(serve(handler, "127.0.0.1", 0, ssl=ssl_context, **options)) as server:
        scheme = "ws" if ssl_context is None else "wss"
        yield f"{scheme}://localhost:{server.socket.getsockname()[1]}/"


@contextlib.contextmanager
def running_unix_server(
    path: Path, handler: Callable[[ServerConnection], None], *, ssl_context: ssl.SSLContext | None = None
) -> Iterator[None]:
    """Run a server of the `websockets` package on a Unix socket; its file is gone afterwards."""
    with _serving(unix_serve(handler, str(path), ssl=ssl_context)):
        yield
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def _serving(server: Server) -> Iterator[Server]:
    # How often it looks whether its handlers have ended, which they do at once: in thousands of tests it adds up.
    server.SHUTDOWN_POLLING_INTERVAL = 0.005
    with contextlib.ExitStack() as stack:
        # Last of all, because leaving the server's own block uses the pipe once more.
        stack.callback(_close_shutdown_pipe, server)
        stack.enter_context(server)
        thread = threading.Thread(target=_serve, args=(server,), name="test-server")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            join(thread)


def _serve(server: Server) -> None:
    try:
        server.serve_forever()
    except OSError:
        # shutdown() closes the listening socket first; where select() waits, as on Windows, it may be told of that.
        if server.socket.fileno() >= 0:
            raise


def _close_shutdown_pipe(server: Server) -> None:
    """Close the pipe that the server of websockets before 17 leaves open."""
    for name in ("shutdown_watcher", "shutdown_notifier"):
        descriptor = getattr(server, name, None)
        if isinstance(descriptor, int):
            os.close(descriptor)


def echo(connection: ServerConnection) -> None:
    """Handler of a server that sends every message back."""
    for message in connection:
        connection.send(message)


@contextlib.contextmanager
def scripted_server(
    script: Callable[[socket.socket], None],
    *,
    ssl_context: ssl.SSLContext | None = None,
    connections: int = 1,
    address: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[str]:
    """Run `script(connection)` for each of `connections` accepted sockets, one after the other; gives the ws URI.

    The URI is that of localhost, whatever `address` the server listens on. With `port` 0 the system chooses one.
    The connection is closed when the script returns. An exception in the script fails the test. OSErrors of a peer
    that the client has left already are not failures.
    """
    listener = _listening_on(address, port)
    failures: list[BaseException] = []

    def body() -> None:
        for _ in range(connections):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(LIMIT)
            try:
                if ssl_context is not None:
                    connection = ssl_context.wrap_socket(connection, server_side=True)
                script(connection)
            except OSError:
                pass
            except BaseException as exc:  # noqa: BLE001 - shown by the test's thread
                failures.append(exc)
            finally:
                connection.close()

    thread = threading.Thread(target=body, name="test-script")
    thread.start()
    scheme = "ws" if ssl_context is None else "wss"
    try:
        yield f"{scheme}://localhost:{listener.getsockname()[1]}/"
    finally:
        stop_listening(listener)
        join(thread)
        listener.close()
    if failures:
        raise failures[0]


def stop_listening(listener: socket.socket) -> None:
    """End an accept() that waits, and each later one."""
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Windows and macOS refuse that; there the close ends it, which on Linux it does not.
        listener.close()


@contextlib.contextmanager
def alone_listening(address: str, *others: str) -> Iterator[int]:
    """Give a port on which `address` listens and each of `others` refuses, whatever else runs on the machine."""
    while True:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server((address, 0)))
            port: int = listener.getsockname()[1]
            try:
                for other in others:
                    # Bound and not listening: nobody else gets it.
                    stack.enter_context(socket.socket()).bind((other, port))
            except OSError:
                continue
            yield port
            return


def _listening_on(address: str, port: int = 0) -> socket.socket:
    """Return a socket that listens on a port of an address, which may have a zone id; 0 is any port."""
    # Not by getaddrinfo, which tests replace.
    if ":" not in address:
        return socket.create_server((address, port))
    bare, _, zone = address.partition("%")
    return socket.create_server(
        (bare, port, 0, socket.if_nametoindex(zone) if zone else 0),
        family=socket.AF_INET6,
    )


def can_listen(address: str) -> bool:
    """Tell whether a server can listen on an address, which a machine without IPv6 may lack."""
    try:
        _listening_on(address).close()
    except OSError:
        return False
    return True


def read_request(connection: socket.socket) -> bytes:
    """Read the opening handshake's request, up to and with the empty line."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionResetError("the client left")
        request += piece
    return request


def request_headers(request: bytes) -> dict[str, str]:
    """Return the request's headers, names in lower case."""
    lines = request.decode("latin-1").split("\r\n")[1:-2]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def accept_key(request: bytes) -> str:
    """Return the Sec-WebSocket-Accept for a request."""
    key = request_headers(request)["sec-websocket-key"].encode("ascii")
    return base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode("ascii")


def acceptance(request: bytes, *extra: str) -> bytes:
    """Return the answer that completes an opening handshake as RFC 6455 4.2.2 has it; `extra` header lines."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Accept: {accept_key(request)}", *extra, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def handshake(connection: socket.socket, *extra: str, behind: bytes = b"") -> bytes:
    """Complete the opening handshake with `extra` header lines, and `behind` in the same packet; return the request."""
    request = read_request(connection)
    connection.sendall(acceptance(request, *extra) + behind)
    return request


def server_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return an unmasked frame, as servers send them."""
    first = (0x80 if fin else 0) | rsv | opcode
    length = len(payload)
    if length < 126:
        return bytes([first, length]) + payload
    if length < 65536:
        return bytes([first, 126]) + length.to_bytes(2, "big") + payload
    return bytes([first, 127]) + length.to_bytes(8, "big") + payload


def read_frame(connection: socket.socket) -> tuple[int, bytes]:
    """Read one frame of the client; return its first byte and its payload, unmasked."""
    first, second = read_exactly(connection, 2)
    assert second & 0x80, "a client's frame must be masked"
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(read_exactly(connection, 2), "big")
    elif length == 127:
        length = int.from_bytes(read_exactly(connection, 8), "big")
    mask = read_exactly(connection, 4)
    payload = read_exactly(connection, length)
    key = int.from_bytes((mask * (length // 4 + 1))[:length], "little")
    return first, (int.from_bytes(payload, "little") ^ key).to_bytes(length, "little")


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """Read `count` bytes."""
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionResetError("the client left")
        data += piece
    return bytes(data)


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the client ends the connection."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except (ConnectionResetError, BrokenPipeError):
        # OpenSSL answers a bare end by an alert, which fails once our side is shut; from some Python on that is told.
        pass
    return b"".join(pieces)


def reset(connection: socket.socket) -> None:
    """End a connection by RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def drop(holder: list[Any]) -> None:
    """Drop the only reference to a socket, which is the list's entry, and let the collector look for it."""
    holder.clear()
    gc.collect()


@contextlib.contextmanager
def black_hole(address: str = "0.0.0.0") -> Iterator[int]:
    """Give a port at which an address of ours, or all of loopback, does not answer, because its backlog is full."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind((address, 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(20):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1" if address == "0.0.0.0" else address, port))
        yield port
