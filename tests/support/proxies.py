"""Proxies for the tests: real ones in processes of their own, and scripts for `scripted_server` that play one."""

import contextlib
import pathlib
import socket
import subprocess
import sys
import threading

from support.servers import LIMIT, handshake, join, read_exactly, read_request, read_to_end, scripted_server
from syncws import MessageWebSocket

TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
# Nobody looks this name up: a proxy that is told it does.
URI = "ws://server.invalid:8080/chat"

PROGRAM = pathlib.Path(__file__).with_name("proxy_program.py")


@contextlib.contextmanager
def real_proxy(kind, *arguments):
    """Run a real proxy, see proxy_program.py; gives its host and port."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), kind, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Libraries of the proxies may have warnings of their own; theirs are not ours.
        stderr=subprocess.DEVNULL,
        text=True,
    )
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    try:
        port = process.stdout.readline().strip()
        assert port, f"the {kind} proxy did not start"
        yield f"127.0.0.1:{port}"
    finally:
        process.stdin.close()
        try:
            process.wait(LIMIT)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            watchdog.cancel()
            join(watchdog)


def connect(proxy, uri=URI, *, make=MessageWebSocket, headers=(), timeout=LIMIT, **settings):
    """Connect through a proxy and cut the connection; return the socket."""
    socket = make()
    socket.control.proxy = proxy
    for name, value in settings.items():
        setattr(socket.control, name, value)
    for name, value in headers:
        socket.set_request_header(name, value)
    socket.connect(uri, timeout=timeout)
    socket.abort()
    assert socket.wait_closed(LIMIT)
    return socket


@contextlib.contextmanager
def scripted_proxy(script, *, scheme="http", connections=1, **options):
    """Run a script as a proxy; gives the proxy's URL."""
    with scripted_server(script, connections=connections, **options) as uri:
        yield f"{scheme}://127.0.0.1:{uri.rpartition(':')[2].rstrip('/')}"


def answering(*pieces):
    """Return a script that reads a CONNECT and answers it with bytes."""

    def script(connection):
        read_request(connection)
        for piece in pieces:
            connection.sendall(piece)
        read_to_end(connection)

    return script


ASKING = b'HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 2\r\n\r\nno'


def playing_both(heads, answer=b"HTTP/1.1 200 Connection established\r\n\r\n", *, asking=False):
    """Return a script that is proxy and server in one; notes the head of CONNECT and that of the handshake.

    When it is `asking`, the first CONNECT must have no login, and is answered by a 407.
    """

    def script(connection):
        if asking:
            assert b"authorization" not in read_request(connection).lower()
            connection.sendall(ASKING)
        heads.append(read_request(connection))
        connection.sendall(answer)
        heads.append(handshake(connection))
        read_to_end(connection)

    return script


def socks4(requests, reply=b"\x00\x5a\x00\x00\x00\x00\x00\x00"):
    """Return a script that is a SOCKS4 proxy, which answers `reply`, and if that is a grant the server."""

    def script(connection):
        request = read_exactly(connection, 8)
        request += read_through_nul(connection)
        if request[4:7] == b"\0\0\0" and request[7]:
            request += read_through_nul(connection)
        requests.append(request)
        connection.sendall(reply)
        if reply[:2] == b"\x00\x5a":
            handshake(connection)
        read_to_end(connection)

    return script


def read_through_nul(connection):
    data = b""
    while not data.endswith(b"\0"):
        data += read_exactly(connection, 1)
    return data


def socks5(requests, *, method=0, verdict=b"\x01\x00", reply=b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"):
    """Return a script that is a SOCKS5 proxy; notes methods, login and request, and is the server after a success."""

    def script(connection):
        version, count = read_exactly(connection, 2)
        requests.append(read_exactly(connection, count))
        connection.sendall(bytes([version, method]))
        if method == 2:
            login = read_exactly(connection, 2)
            login += read_exactly(connection, login[1] + 1)
            requests.append(login + read_exactly(connection, login[-1]))
            connection.sendall(verdict)
        head = read_exactly(connection, 5)
        size = {1: 4, 3: head[4] + 1, 4: 16}[head[3]]
        requests.append(head + read_exactly(connection, size - 1 + 2))
        connection.sendall(reply)
        if reply[1] == 0:
            handshake(connection)
        read_to_end(connection)

    return script


def closed_port():
    """Return a port of loopback on which nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
