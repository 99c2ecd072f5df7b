"""From a URI to a connected transport on which the opening handshake is done: names, addresses, TCP, TLS, HTTP.

May import errors, hresult, settings, wire and the rest of net. Runs on the connecting thread under one deadline; what
must have threads (the name lookup's helper) or locks is handed in.
"""

import errno
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from syncws.errors import (
    CannotConnectError,
    ConnectionLostError,
    HostNameNotResolvedError,
    HResultError,
    OperationTimedOutError,
)
from syncws.hresult import HResult
from syncws.net.deadline import Deadline
from syncws.net.handshake import HandshakeResult, open_websocket
from syncws.net.readiness import WRITABLE
from syncws.net.resolver import Address, addresses_without_waiting, look_up
from syncws.net.tls import TlsTransport, default_context, tls_error
from syncws.net.transport import SocketTransport, Transport
from syncws.net.waiter import Waiter
from syncws.settings import Settings
from syncws.wire.uri import WebSocketUri

__all__ = ["Opened", "Tools", "lost_connection", "open_connection"]

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Tools(Protocol):
    """What the connector may not make itself, because it has to do with threads."""

    def make_lock(self) -> AbstractContextManager[object]:
        """Return a new lock."""

    def run_aside(self, function: Callable[[], list[Address]], waiter: Waiter) -> list[Address]:
        """Run `function` on a helper thread and wait for its result, or for what ends `waiter`'s wait."""

    def validate_server(self, tls: ssl.SSLObject, waiter: Waiter) -> None:
        """Let the application look at the server's certificate; raises when it refuses."""


@dataclass(frozen=True)
class Opened:
    """A connection that is up.

    Attributes:
        transport: the pipe for frames.
        socket_transport: the TCP part of it, for the counters.
        local_address: our IP address.
        result: what the handshake settled.
    """

    transport: Transport
    socket_transport: SocketTransport
    local_address: str
    result: HandshakeResult


def open_connection(uri: WebSocketUri, settings: Settings, waiter: Waiter, tools: Tools) -> Opened:
    """Connect and do the handshakes; leaves no descriptor behind when it raises.

    Raises:
        HostNameNotResolvedError, CannotConnectError, TlsError, CertificateError, HandshakeError, HttpStatusError,
        ConnectionLostError, OperationTimedOutError, OperationCanceledError: see syncws.errors.
    """
    addresses = _resolve(uri.host, waiter, tools)[: settings.max_connect_addresses]
    connected, address_waiter = _connect_to_one(addresses, uri, settings, waiter)
    with _closing_on_error(connected):
        local_address = str(connected.getsockname()[0])
        socket_transport = SocketTransport(connected, tools.make_lock())
        waiting = address_waiter.for_descriptor(connected.fileno(), address_waiter.deadline)
        transport: Transport = socket_transport
        try:
            if uri.is_secure:
                transport = _start_tls(socket_transport, uri, settings, waiting, tools)
            waiting.phase = "waiting for the server's answer to the WebSocket handshake"
            result = open_websocket(transport, waiting, uri, settings.request_headers, settings.supported_protocols)
        except HResultError:
            raise
        except ssl.SSLError as exc:
            raise tls_error(exc, uri.server_name) from exc
        except OSError as exc:
            raise lost_connection(exc) from exc
        return Opened(transport, socket_transport, local_address, result)


def lost_connection(error: OSError) -> ConnectionLostError:
    """Return the error for a connection that the system says is gone."""
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return ConnectionLostError("the server reset the connection", hresult=HResult.WININET_E_CONNECTION_RESET)
    return ConnectionLostError(f"the connection broke: {error.strerror or error}")


class _closing_on_error:  # noqa: N801 - reads as a statement
    """Closes a socket when the block raises."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected

    def __enter__(self) -> None:
        pass

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        if exc_type is not None:
            self._connected.close()


def _resolve(host: str, waiter: Waiter, tools: Tools) -> list[Address]:
    waiter.phase = f"looking up {host}"
    waiter.check()
    addresses = addresses_without_waiting(host)
    if not addresses:
        addresses = tools.run_aside(lambda: look_up(host, waiter.deadline), waiter)
    if not addresses:
        raise HostNameNotResolvedError(f"the name {host!r} has no address")
    return addresses


def _connect_to_one(
    addresses: list[Address], uri: WebSocketUri, settings: Settings, waiter: Waiter
) -> tuple[socket.socket, Waiter]:
    """Try the addresses in order; return the first socket that connects and the waiter with its address's deadline."""
    failures: list[OSError] = []
    for address in addresses:
        deadline = waiter.deadline.earlier(settings.connect_timeout)
        waiter.phase = f"connecting to {address.text} port {uri.port}"
        try:
            connected = _connect_tcp(address, uri.port, settings, waiter, deadline)
        except OSError as exc:
            # The operation's own end, by deadline or cancellation, is not this address's failure.
            waiter.check()
            failures.append(exc)
        else:
            return connected, waiter.for_descriptor(connected.fileno(), deadline)
    raise _no_address_error(addresses, failures, uri)


def _connect_tcp(address: Address, port: int, settings: Settings, waiter: Waiter, deadline: Deadline) -> socket.socket:
    """Make a TCP connection to one address.

    Raises:
        OSError: the system's reason.
        OperationTimedOutError, OperationCanceledError: as the waiter says.
    """
    connecting = socket.socket(address.family, socket.SOCK_STREAM)
    with _closing_on_error(connecting):
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, settings.no_delay)
        if settings.outbound_buffer_size_in_bytes is not None:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.outbound_buffer_size_in_bytes)
        error = connecting.connect_ex((address.text, port))
        if error in (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR):
            waiting = waiter.for_descriptor(connecting.fileno(), deadline)
            while not waiting.wait(WRITABLE) & WRITABLE:
                pass  # Only a stray wake-up.
            error = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    return connecting


def _no_address_error(addresses: list[Address], failures: list[OSError], uri: WebSocketUri) -> HResultError:
    """Return the one error for all the addresses; it names each and what became of it."""
    reasons = "; ".join(
        f"{address.text}: {error.strerror or error}" for address, error in zip(addresses, failures, strict=True)
    )
    message = f"cannot connect to {uri.host} port {uri.port} ({reasons})"
    error: HResultError
    if all(isinstance(failure, OperationTimedOutError) for failure in failures):
        error = OperationTimedOutError(message)
    elif all(failure.errno in _UNREACHABLE for failure in failures):
        error = CannotConnectError(message, hresult=HResult.WININET_E_SERVER_UNREACHABLE)
    else:
        error = CannotConnectError(message)
    error.__cause__ = failures[-1]
    return error


def _start_tls(
    inner: SocketTransport, uri: WebSocketUri, settings: Settings, waiter: Waiter, tools: Tools
) -> TlsTransport:
    waiter.phase = f"TLS handshake with {uri.server_name}"
    context = settings.ssl_context if settings.ssl_context is not None else default_context()
    transport = TlsTransport(inner, context, uri.server_name, tools.make_lock())
    transport.handshake(waiter.wait, waiter.check)
    tools.validate_server(transport.ssl_object, waiter)
    return transport
