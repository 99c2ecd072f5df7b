"""A connected socket that the application brings, or the path of a Unix socket: what they must be, and how one changes
hands.

Runs on the connecting thread.
"""

import os
import socket
import sys

from syncws._net.address import IP_FAMILIES, Address
from syncws._texts import plain_text
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["address_of", "check_connected_socket", "check_path", "take_over"]

# What sockaddr_un has room for, with the NUL that ends a path and does not end an abstract name.
_PATH_ROOM = 108 if sys.platform in ("linux", "win32") else 104


def check_connected_socket(value: object) -> socket.socket | None:
    """Check what connect() was given as its socket.

    Raises:
        InvalidArgumentTypeError: neither a socket.socket nor None, or one with TLS of its own (0x80070057).
        InvalidArgumentError: it is not a stream socket, or not connected, or closed (0x80070057).
    """
    if value is None:
        return None
    if not isinstance(value, socket.socket):
        raise InvalidArgumentTypeError(f"socket must be a connected socket.socket or None, not {type(value).__name__}")
    if hasattr(value, "do_handshake"):
        raise InvalidArgumentTypeError("socket must be a plain socket.socket: for a wss URI connect() does TLS on it")
    if value.type != socket.SOCK_STREAM:
        raise InvalidArgumentError(f"socket must be a stream socket, not {value.type!r}")
    try:
        value.getpeername()
    except OSError as exc:
        raise InvalidArgumentError(f"socket must be connected: {exc.strerror or exc}") from None
    return value


def check_path(value: object, name: str = "path") -> str:
    """Check the path of a Unix socket, an argument of this name.

    Raises:
        InvalidArgumentTypeError: neither a str nor an os.PathLike of one (0x80070057).
        InvalidArgumentError: it is empty, holds a NUL character, cannot be encoded or is too long, or this system has
            no Unix sockets (0x80070057).
    """
    if not isinstance(value, str | os.PathLike):
        raise InvalidArgumentTypeError(f"{name} must be a str or os.PathLike, not {type(value).__name__}")
    path = os.fspath(value)
    if not isinstance(path, str) or not path:
        raise InvalidArgumentError(f"{name} must be the path of a Unix socket as text; got {path!r}")
    # One in front makes an abstract name on Linux; at any other the system would take the path to end.
    if "\0" in path and not path.startswith("\0"):
        raise InvalidArgumentError(f"{name} must be a path without a NUL character; got {path!r}")
    try:
        length = len(os.fsencode(path))
    except UnicodeEncodeError as exc:
        raise InvalidArgumentError(f"{name} must be a path that {exc.encoding} can encode; got {path!r}") from None
    most = _PATH_ROOM - (not path.startswith("\0"))
    if length > most:
        raise InvalidArgumentError(
            f"{name} must be a path of at most {most} bytes, for which this system has room; got {length}: a relative "
            f"path or a symbolic link may be shorter"
        )
    if not hasattr(socket, "AF_UNIX"):
        raise InvalidArgumentError("this system has no Unix sockets: connect over TCP instead")
    return plain_text(path)


def take_over(given: socket.socket) -> socket.socket:
    """Return the same connection as a socket of ours; the application's object has nothing left to close."""
    return socket.socket(fileno=given.detach())


def address_of(connected: socket.socket) -> Address:
    """Return what a socket is connected to; where that has neither an IP address nor a path, its family is shown."""
    peer = connected.getpeername()
    if connected.family in IP_FAMILIES:
        return Address(connected.family, str(peer[0]))
    return Address(connected.family, str(peer or connected.family.name))
