"""A WebSocket server on bare sockets, for benchmarks: it costs as little as Python can, and the same for each client.

Run as a process of its own: `python benchmarks/raw_server.py` prints its port, and where trustme is installed the port
of the same with TLS and the file of the authority that issued its certificate. The request's path says what a
connection does, so that nothing has to be decoded:

    /trip?wire=W&size=S&text=T     for each W bytes that come, send one message of S bytes
    /flood?count=N&size=S&text=T   send N messages of S bytes, after one message has come
    /sink?wire=W&count=N           read N times W bytes, then send one message of 2 bytes
    /drop                          end the connection when the client does
"""

import base64
import contextlib
import hashlib
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 1 << 18


def payload(size: int, kind: str) -> bytes:
    """Return the message's bytes: `ascii`, `text` (not ASCII) or `binary`; `pieces` is ASCII that comes in frames."""
    if kind == "binary":
        return bytes(range(256)) * (size // 256) + bytes(size % 256)
    if kind in ("ascii", "pieces"):
        return b"x" * size
    pattern = "Zażółć gęślą jaźń, 日本語テキスト. ".encode()
    whole = pattern * (size // len(pattern))
    return whole + b"." * (size - len(whole))


def frame(size: int, kind: str) -> bytes:
    """Return one unmasked message with that payload: of one frame, or `pieces` of four."""
    data = payload(size, kind)
    if kind != "pieces":
        return _header(0x82 if kind == "binary" else 0x81, size) + data
    parts = [data[start : start + size // 4] for start in range(0, size, size // 4)]
    return b"".join(
        _header(first, len(part)) + part for first, part in zip((0x01, 0x00, 0x00, 0x80), parts, strict=True)
    )


def _header(first: int, size: int) -> bytes:
    if size < 126:
        return bytes([first, size])
    if size < 65536:
        return bytes([first, 126]) + size.to_bytes(2, "big")
    return bytes([first, 127]) + size.to_bytes(8, "big")


def wire_size(size: int) -> int:
    """Return what a client's frame with that payload takes on the wire."""
    return size + (6 if size < 126 else 8 if size < 65536 else 14)


def _read(connection: socket.socket, buffer: memoryview, count: int) -> bool:
    while count:
        got = connection.recv_into(buffer[: min(count, len(buffer))])
        if not got:
            return False
        count -= got
    return True


def _serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        piece = connection.recv(4096)
        if not piece:
            return
        request += piece
    lines = request.decode("latin-1").split("\r\n")
    key = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("sec-websocket-key:"))
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
    connection.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    target = urlsplit(lines[0].split(" ")[1])
    options = {name: values[0] for name, values in parse_qs(target.query).items()}
    buffer = memoryview(bytearray(_CHUNK))
    number = int(options.get("count", 1))
    wire = int(options.get("wire", 0))
    answer = frame(int(options.get("size", 2)), options.get("kind", "ascii"))
    if target.path == "/trip":
        while _read(connection, buffer, wire):
            connection.sendall(answer)
        return
    if target.path == "/flood":
        connection.recv(1)
        batch = max(1, _CHUNK // len(answer))
        whole = answer * batch
        for _ in range(number // batch):
            connection.sendall(whole)
        connection.sendall(answer * (number % batch))
    elif target.path == "/sink":
        _read(connection, buffer, wire * number)
        connection.sendall(answer)
    while connection.recv_into(buffer):
        pass


def _handle(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        stack.enter_context(connection)
        if context is not None:
            connection = stack.enter_context(context.wrap_socket(connection, server_side=True))
        _serve(connection)


def _accept(listener: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(connection,), daemon=True).start()


def _listen(context: ssl.SSLContext | None) -> int:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    arguments = (listener, lambda connection: _handle(connection, context))
    threading.Thread(target=_accept, args=arguments, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def _make_tls(folder: str) -> tuple[ssl.SSLContext, str] | None:
    """Return a server's context and its authority's file; None without trustme."""
    try:
        import trustme
    except ImportError:
        return None
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    path = Path(folder, "authority.pem")
    authority.cert_pem.write_to_path(str(path))
    return context, str(path)


def main() -> None:
    """Serve until standard input ends, so that the server cannot outlive who started it."""
    with tempfile.TemporaryDirectory() as folder:
        said = str(_listen(None))
        tls = _make_tls(folder)
        if tls is not None:
            said += f" {_listen(tls[0])} {tls[1]}"
        print(said, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
