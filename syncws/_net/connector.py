"""From a URI to a connected transport on which the opening handshake is done: names, addresses, TCP, TLS, HTTP.

May import errors, hresult, control, wire and the rest of net. Runs on the connecting thread under one deadline; what
must have threads (the name lookup's helper) or locks is handed in.
"""

import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from syncws._net.address import Address
from syncws._net.dialer import Dialed, Dialer
from syncws._net.http.basic import asks_for_basic, basic_authorization
from syncws._net.http.handshake import HandshakeResult, open_websocket
from syncws._net.http.redirects import is_redirect, redirected
from syncws._net.proxy.choice import choose_proxy
from syncws._net.proxy.tunnel import Route, dial_proxy, first_open, look_up_proxy, open_tunnel, plan_routes
from syncws._net.resolver import Answer, addresses_without_waiting, look_up
from syncws._net.tls.server import CertificateTools, start_tls
from syncws._net.tls.transport import tls_error
from syncws._net.transport import SocketTransport, Transport
from syncws._waiting.deadline import now
from syncws._waiting.foreign import is_from_signal_handler
from syncws._waiting.waiter import Waiter
from syncws._wire.uri import WebSocketUri
from syncws.control import WebSocketControl
from syncws.errors import (
    CannotConnectError,
    ConnectAttempt,
    ConnectionLostError,
    HttpStatusError,
    RedirectError,
    WebSocketError,
    fresh,
)
from syncws.hresult import HResult

__all__ = ["Opened", "Tools", "lost_connection", "open_connection"]


class Tools(CertificateTools, Protocol):
    """What the connector may not make or do itself, because it has to do with threads or with the application."""

    def run_aside(self, functions: Sequence[Callable[[], Answer]], waiter: Waiter) -> list[Answer]:
        """Run each on a helper thread; return what comes in time, or raise what ends `waiter`'s wait."""


@dataclass(frozen=True)
class Opened:
    """A connection that is up.

    Attributes:
        transport: the pipe for frames.
        socket_transport: the TCP part of it, for the counters.
        local_address: our IP address.
        remote_address: the IP address that accepted, the proxy's if there is one.
        result: what the handshake settled.
        proxy: what it goes through, as it may be shown; None when it goes straight.
    """

    transport: Transport
    socket_transport: SocketTransport
    local_address: str
    remote_address: str
    result: HandshakeResult
    proxy: str | None = None


def open_connection(uri: WebSocketUri, settings: WebSocketControl, waiter: Waiter, tools: Tools) -> Opened:
    """Connect and do the handshakes; leaves no descriptor behind when it raises.

    Raises:
        HostNameNotResolvedError, CannotConnectError, ProxyError, TlsError, CertificateError, HandshakeError,
        HttpStatusError, RedirectError, ConnectionLostError, OperationTimedOutError, OperationCanceledError: see
        syncws.errors.
        InvalidArgumentError, WebSocketError: see choose_proxy; before any I/O.
    """
    attempts: list[ConnectAttempt] = []
    redirects_left = settings.max_redirects
    try:
        while True:
            try:
                return _open_by_some_route(uri, settings, waiter, tools, attempts)
            except HttpStatusError as exc:
                if not settings.max_redirects or not is_redirect(exc):
                    raise
                if not redirects_left:
                    message = f"the server redirects more than {settings.max_redirects} times"
                    raise RedirectError(message, location=exc.location) from exc
                uri, settings = redirected(exc, uri, settings)
            redirects_left -= 1
    except WebSocketError as exc:
        exc.attempts = tuple(attempts)
        raise


def _open_by_some_route(
    uri: WebSocketUri, settings: WebSocketControl, waiter: Waiter, tools: Tools, attempts: list[ConnectAttempt]
) -> Opened:
    """Connect and do the handshakes, straight or through the proxy that is chosen for this URI."""
    proxy = choose_proxy(uri, settings)
    limit = settings.max_connect_addresses

    def look_up(host: str) -> list[Address]:
        return _resolve(host, settings.resolver, waiter, tools)

    addresses = (look_up(uri.host) if proxy is None else look_up_proxy(proxy, look_up))[:limit]

    def open_by(route: Route | None) -> Opened:
        return _open_authorized(addresses, uri, route, settings, waiter, tools, attempts)

    if proxy is None:
        return open_by(None)
    return first_open(plan_routes(proxy, uri, limit, look_up), open_by)


def _open_authorized(
    addresses: list[Address],
    uri: WebSocketUri,
    route: Route | None,
    settings: WebSocketControl,
    waiter: Waiter,
    tools: Tools,
    attempts: list[ConnectAttempt],
) -> Opened:
    """Connect and do the handshakes; once more with the credential when the server asks for it."""
    try:
        return _open_once(addresses, uri, route, settings, waiter, tools, attempts)
    except HttpStatusError as exc:
        authorized = _with_credential(settings, exc)
        if authorized is None:
            raise
    # On a new connection to the same address, within the same time.
    same = [address for address in addresses if address.text == attempts[-1].address]
    return _open_once(same, uri, route, authorized, waiter, tools, attempts)


def _open_once(
    addresses: list[Address],
    uri: WebSocketUri,
    route: Route | None,
    settings: WebSocketControl,
    waiter: Waiter,
    tools: Tools,
    attempts: list[ConnectAttempt],
) -> Opened:
    """Connect to the first address that accepts and do the handshakes; adds what failed to `attempts`."""
    dialer = Dialer(addresses, uri.port if route is None else route.proxy.port, settings, waiter)
    dialed: Dialed | None = None
    try:
        dialed = dialer.dial(uri.host) if route is None else dial_proxy(dialer, route.proxy)
        with _closing_on_error(dialed.socket):
            return _open_on(dialed, uri, route, settings, waiter, tools)
    except WebSocketError as exc:
        if dialed is not None:
            # A copy: an error that held itself would wait for the garbage collector.
            failure = ConnectAttempt(dialed.address.text, fresh(exc), now() - dialed.started)
            dialer.attempts.append(failure)
        raise
    finally:
        attempts += dialer.attempts


def _with_credential(settings: WebSocketControl, refusal: HttpStatusError) -> WebSocketControl | None:
    """Return settings that answer a refusal with the credential; None when there is nothing to answer."""
    credential = settings.server_credential
    if credential is None or refusal.status_code != 401 or refusal.is_from_proxy:
        return None
    has_own = any(name.lower() == "authorization" for name, _ in settings._request_headers)
    if has_own or not asks_for_basic(refusal.headers.get("www-authenticate", "")):
        return None
    header = ("Authorization", basic_authorization(credential))
    return settings._replaced(request_headers=(*settings._request_headers, header))


def _open_on(
    dialed: Dialed, uri: WebSocketUri, route: Route | None, settings: WebSocketControl, waiter: Waiter, tools: Tools
) -> Opened:
    """Do what the proxy asks for, TLS and the WebSocket handshake on a connected socket, within its address's time."""
    connected = dialed.socket
    local_address = str(connected.getsockname()[0])
    socket_transport = SocketTransport(connected, tools.make_lock())
    waiting = waiter.for_descriptor(connected.fileno(), dialed.deadline)
    transport: Transport = socket_transport
    try:
        if route is not None:
            transport = open_tunnel(route, transport, waiting, settings.ssl_context, tools.make_lock)
        if uri.is_secure:
            transport = start_tls(transport, uri, settings, waiting, tools)
        waiting.phase = "waiting for the server's answer to the WebSocket handshake"
        result = open_websocket(transport, waiting, uri, settings._request_headers, settings.supported_protocols)
    except WebSocketError:
        raise
    except OSError as exc:
        if is_from_signal_handler(exc):
            raise
        if isinstance(exc, ssl.SSLError):
            raise tls_error(exc, uri.server_name) from exc
        if exc.errno in (errno.EMFILE, errno.ENFILE):
            raise CannotConnectError(f"the system gives no descriptor: {exc.strerror}") from exc
        raise lost_connection(exc) from exc
    shown = None if route is None else route.proxy.shown
    return Opened(transport, socket_transport, local_address, dialed.address.text, result, shown)


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
