"""Servers that have a script for each connection, for the tests of reconnecting."""

from support.scripts import TEXT, close_frame, read_until_close
from support.servers import handshake, read_frame, read_request, scripted_server, server_frame
from syncws import Backoff

QUICK = Backoff(0.001, 0.01, held_after=30)


def one_after_the_other(*scripts):
    """Give the URI of a server that has a script for each connection."""
    waiting = iter(scripts)
    return scripted_server(lambda connection: next(waiting)(connection), connections=len(scripts))


def answers(status, *lines):
    """Return a script that refuses the handshake."""

    def script(connection):
        read_request(connection)
        text = "\r\n".join([f"HTTP/1.1 {status}", *lines, "Content-Length: 0", "", ""])
        connection.sendall(text.encode())

    return script


def sends(*texts, then=lambda connection: None):
    """Return a script that sends texts, and ends TCP when `then` has returned."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(server_frame(TEXT, text.encode()) for text in texts))
        then(connection)

    return script


def closes(connection, code=1012):
    """Close as a server that is restarted does."""
    connection.sendall(close_frame(code, "restart"))
    read_frame(connection)


def stays(connection):
    """Wait for the client's Close."""
    read_until_close(connection)
