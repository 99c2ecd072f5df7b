"""From a URI to a connected transport on which the opening handshake is done: names, addresses, TCP, TLS, HTTP.

May import errors, hresult, settings, wire and the rest of net. Runs on the connecting thread under one deadline; what
must have threads (the name lookup's helper) or locks is handed in.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from syncws.errors import ConnectAttempt, ConnectionLostError, HResultError, HttpStatusError, fresh
from syncws.hresult import HResult
from syncws.net.address import Address
from syncws.net.basic import asks_for_basic, basic_authorization
from syncws.net.deadline import now
from syncws.net.dialer import Dialed, Dialer
from syncws.net.handshake import HandshakeResult, open_websocket
from syncws.net.resolver import Answer, addresses_without_waiting, look_up
from syncws.net.tls import TlsTransport, certificate_chain, default_context, tls_error
from syncws.net.transport import SocketTransport, Transport
from syncws.net.waiter import Waiter
from syncws.settings import Settings
from syncws.wire.uri import WebSocketUri

__all__ = ["Opened", "Tools", "lost_connection", "open_connection"]


class Tools(Protocol):
    """What the connector may not make itself, because it has to do with threads."""

    def make_lock(self) -> AbstractContextManager[object]:
        """Return a new lock."""

    def run_aside(self, functions: Sequence[Callable[[], Answer]], waiter: Waiter) -> list[Answer]:
        """Run each on a helper thread; return what comes in time, or raise what ends `waiter`'s wait."""

    def validate_server(self, tls: ssl.SSLObject, waiter: Waiter) -> None:
        """Let the application look at the server's certificate; raises when it refuses."""


@dataclass(frozen=True)
class Opened:
    """A connection that is up.

    Attributes:
        transport: the pipe for frames.
        socket_transport: the TCP part of it, for the counters.
        local_address: our IP address.
        remote_address: the IP address that accepted.
        result: what the handshake settled.
        certificates: what the server sent over TLS, in DER form, its own first.
    """

    transport: Transport
    socket_transport: SocketTransport
    local_address: str
    remote_address: str
    result: HandshakeResult
    certificates: tuple[bytes, ...] = ()


def open_connection(uri: WebSocketUri, settings: Settings, waiter: Waiter, tools: Tools) -> Opened:
    """Connect and do the handshakes; leaves no descriptor behind when it raises.

    Raises:
        HostNameNotResolvedError, CannotConnectError, TlsError, CertificateError, HandshakeError, HttpStatusError,
        ConnectionLostError, OperationTimedOutError, OperationCanceledError: see syncws.errors.
    """
    addresses = _resolve(uri.host, settings.resolver, waiter, tools)[: settings.max_connect_addresses]
    attempts: list[ConnectAttempt] = []
    try:
        try:
            return _open_once(addresses, uri, settings, waiter, tools, attempts)
        except HttpStatusError as exc:
            authorized = _with_credential(settings, exc)
            if authorized is None:
                raise
        # The server asks who we are: once more, on a new connection to the same address, within the same time.
        same = [address for address in addresses if address.text == attempts[-1].address]
        return _open_once(same, uri, authorized, waiter, tools, attempts)
    except HResultError as exc:
        exc.attempts = tuple(attempts)
        raise


def _open_once(
    addresses: list[Address],
    uri: WebSocketUri,
    settings: Settings,
    waiter: Waiter,
    tools: Tools,
    attempts: list[ConnectAttempt],
) -> Opened:
    """Connect to the first address that accepts and do the handshakes; adds what failed to `attempts`."""
    dialer = Dialer(addresses, uri.port, settings, waiter)
    dialed: Dialed | None = None
    try:
        dialed = dialer.dial(uri.host)
        with _closing_on_error(dialed.socket):
            return _open_on(dialed, uri, settings, waiter, tools)
    except HResultError as exc:
        if dialed is not None:
            # A copy: an error that held itself would wait for the garbage collector.
            failure = ConnectAttempt(dialed.address.text, fresh(exc), now() - dialed.started)
            dialer.attempts.append(failure)
        raise
    finally:
        attempts += dialer.attempts


def _with_credential(settings: Settings, refusal: HttpStatusError) -> Settings | None:
    """Return settings that answer a refusal with the credential; None when there is nothing to answer."""
    credential = settings.server_credential
    if credential is None or refusal.status_code != 401:
        return None
    has_own = any(name.lower() == "authorization" for name, _ in settings.request_headers)
    if has_own or not asks_for_basic(refusal.headers.get("www-authenticate", "")):
        return None
    header = ("Authorization", basic_authorization(credential))
    return replace(settings, request_headers=(*settings.request_headers, header))


def _open_on(dialed: Dialed, uri: WebSocketUri, settings: Settings, waiter: Waiter, tools: Tools) -> Opened:
    """Do TLS and the WebSocket handshake on a connected socket, within its address's time."""
    connected = dialed.socket
    local_address = str(connected.getsockname()[0])
    socket_transport = SocketTransport(connected, tools.make_lock())
    waiting = waiter.for_descriptor(connected.fileno(), dialed.deadline)
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
    chain = certificate_chain(transport.ssl_object) if isinstance(transport, TlsTransport) else ()
    return Opened(transport, socket_transport, local_address, dialed.address.text, result, tuple(chain))


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


def _resolve(host: str, resolver: Any, waiter: Waiter, tools: Tools) -> list[Address]:
    waiter.phase = f"looking up {host}"
    waiter.check()
    addresses = addresses_without_waiting(host)
    if not addresses:
        addresses = look_up(host, waiter.deadline, resolver, lambda functions: tools.run_aside(functions, waiter))
    return addresses


def _start_tls(
    inner: SocketTransport, uri: WebSocketUri, settings: Settings, waiter: Waiter, tools: Tools
) -> TlsTransport:
    waiter.phase = f"TLS handshake with {uri.server_name}"
    context = settings.ssl_context if settings.ssl_context is not None else default_context()
    transport = TlsTransport(inner, context, uri.server_name, tools.make_lock())
    transport.handshake(waiter.wait, waiter.check)
    tools.validate_server(transport.ssl_object, waiter)
    return transport
