"""Scripts of peers for `scripted_server`, and a socket that is connected to one.

A script is called with the TCP connection. Those that return frames of the client return first bytes and payloads.
"""

import atexit
import contextlib
import socket

from support.servers import (
    handshake,
    read_frame,
    read_request,
    read_to_end,
    reset,
    scripted_server,
    server_frame,
    wait,
)
from syncws import MessageWebSocket

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
EMPTY_CLOSE = (FIN | CLOSE, b"")


# Parts of scripts.


def close_frame(code=None, reason=""):
    """Return a server's Close frame; empty when there is no code."""
    return server_frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason.encode())


def read_until_close(connection):
    """Read the client's frames up to its Close, and answer that; return them all."""
    frames = []
    while not frames or frames[-1][0] & 0x0F != CLOSE:
        frames.append(read_frame(connection))
    assert frames[-1][0] == FIN | CLOSE
    connection.sendall(server_frame(CLOSE, frames[-1][1]))
    return frames


def round_trip(connection):
    """Ping and wait for the pong, twice: after that the client has dealt with all that was sent before."""
    for _ in range(2):
        connection.sendall(server_frame(PING))
        assert read_frame(connection)[0] == FIN | PONG


# Scripts.


def noting(frames, *sent, after=None):
    """Return a script that sends, when the Event `after` has come, notes frames up to the Close, and answers that."""

    def script(connection):
        sends_and_ends(*sent, after=after)(connection)
        frames.extend(read_until_close(connection))

    return script


def asked_in_vain(is_asked):
    """Return a script that sets the Event `is_asked` when the request has come, and never answers."""

    def script(connection):
        read_request(connection)
        is_asked.set()
        read_to_end(connection)

    return script


def sends(*frames, after=None):
    """Return a script that sends frames, when the Event `after` has come, and waits for the client's Close."""
    return noting([], *frames, after=after)


def sends_and_notes_one(frames, *sent, after=None):
    """Return a script that sends, when the Event `after` has come, notes one frame of the client, and ends TCP."""

    def script(connection):
        sends_and_ends(*sent, after=after)(connection)
        frames.append(read_frame(connection))

    return script


def sends_and_closes(*frames, code=1000, reason="", after=None):
    """Return a script that sends frames and a Close, when the Event `after` has come, and takes the answer."""
    return sends_and_notes_one([], *frames, close_frame(code, reason), after=after)


def sends_and_ends(*frames, after=None):
    """Return a script that sends frames, when the Event `after` has come, and ends TCP."""

    def script(connection):
        handshake(connection)
        if after is not None:
            wait(after)
        connection.sendall(b"".join(frames))

    return script


def noting_request(requests, *lines):
    """Return a script that notes the request, answers it with further header lines, and waits for the Close."""

    def script(connection):
        requests.append(handshake(connection, *lines))
        read_until_close(connection)

    return script


def pings_in_between(frames, answered):
    """Return a script that pings after the client's first frame; notes all frames, and sets `answered` at the pong."""

    def script(connection):
        handshake(connection)
        frames.append(read_frame(connection))
        connection.sendall(server_frame(PING, b"there?"))
        frames.append(read_frame(connection))
        answered.set()
        frames.extend(read_until_close(connection))

    return script


def only_reads(connection):
    """Answer the handshake and read until the client ends the connection; answer no Close."""
    handshake(connection)
    read_to_end(connection)


def resets(connection):
    """Take the request and reset the connection."""
    read_request(connection)
    reset(connection)


# The client.


@contextlib.contextmanager
def connected(
    script, prepare=None, *, socket_class=MessageWebSocket, run=scripted_server, tls=(None, None), **settings
):
    """Give a socket that is connected to a server of its own.

    Args:
        script: what the server does with the connection; with `run=running_server` the handler of that.
        prepare: called with the socket before it connects.
        socket_class: the class of the socket.
        run: the server, as a context manager that gives its URI.
        tls: the contexts of server and client, as the fixture `tls` gives them.
        settings: properties of the socket's control.
    """
    server_context, client_context = tls
    with run(script, ssl_context=server_context) as uri, socket_class() as socket:
        socket.control.ssl_context = client_context
        for name, value in settings.items():
            setattr(socket.control, name, value)
        if prepare is not None:
            prepare(socket)
        socket.connect(uri)
        yield socket


# Bound and not listening: the port is refused, and no other program of the machine gets it.
_nobody = socket.socket()
_nobody.bind(("127.0.0.1", 0))
atexit.register(_nobody.close)


def uri_of_nobody():
    """Return the URI of a server that there is not."""
    return f"ws://127.0.0.1:{_nobody.getsockname()[1]}/"


def offering(*protocols):
    """Return a preparation that offers subprotocols."""
    return lambda socket: socket.control.supported_protocols.extend(protocols)


def on_message(*handlers):
    """Return a preparation that adds handlers of message_received."""
    return lambda socket: [socket.add_message_received(handler) for handler in handlers]


def on_closed(*handlers):
    """Return a preparation that adds handlers of closed."""
    return lambda socket: [socket.add_closed(handler) for handler in handlers]
