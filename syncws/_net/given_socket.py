"""A connected socket that the application brings: what it must be, and how it changes hands.

May import errors and this room's address. Runs on the connecting thread.
"""

import socket

from syncws._net.address import Address
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["address_of", "check_connected_socket", "take_over"]


def check_connected_socket(value: object) -> socket.socket | None:
    """Check what connect() was given as its socket.

    Raises:
        InvalidArgumentTypeError: neither a socket.socket nor None, or one with TLS of its own (0x80070057).
        InvalidArgumentError: it is no stream socket, or not connected, or closed (0x80070057).
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


def take_over(given: socket.socket) -> socket.socket:
    """Return the same connection as a socket of ours; the application's object has nothing left to close."""
    return socket.socket(fileno=given.detach())


def address_of(connected: socket.socket) -> Address:
    """Return whom a socket is connected to; what has neither an IP address nor a path is shown by its family."""
    peer = connected.getpeername()
    if connected.family in (socket.AF_INET, socket.AF_INET6):
        return Address(connected.family, str(peer[0]))
    return Address(connected.family, str(peer or connected.family.name))
