"""Through a proxy: from a TCP connection to the proxy to a pipe that leads to the server.

Runs on the connecting thread, within the connect's deadlines; a proxy learns nothing about the server but its host and
port.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from syncws._net.address import Address
from syncws._net.dialer import Dialed, Dialer
from syncws._net.http.asking import ask
from syncws._net.http.authentication import Authentication
from syncws._net.http.head import Head
from syncws._net.proxy.socks import ask_socks
from syncws._net.transport import Transport, is_tls_error
from syncws._waiting.at_fork import loading
from syncws._waiting.waiter import Waiter
from syncws._wire.proxy_url import ProxyUrl
from syncws._wire.shown import shown_text
from syncws._wire.uri import WebSocketUri, bracketed
from syncws.errors import (
    CannotConnectError,
    ConnectionLostError,
    HandshakeError,
    HostNameNotResolvedError,
    HttpStatusError,
    OperationTimedOutError,
    ProxyError,
    TlsError,
    WebSocketError,
)

if TYPE_CHECKING:
    import ssl

__all__ = ["Route", "dial_proxy", "first_open", "look_up_proxy", "open_tunnel", "plan_routes"]

OpenedT = TypeVar("OpenedT")


class Route(NamedTuple):
    """A way to the server.

    Attributes:
        proxy: what the connection goes through.
        host: what the proxy is to connect to: the server's name, or an address of it; no zone id.
        port: the server's.
    """

    proxy: ProxyUrl
    host: str
    port: int


def look_up_proxy(proxy: ProxyUrl, look_up: Callable[[str], list[Address]]) -> list[Address]:
    """Return the addresses of a proxy.

    Raises:
        ProxyError: it has none (0x80072F85).
    """
    try:
        return look_up(proxy.host)
    except HostNameNotResolvedError as exc:
        raise ProxyError(f"the proxy {proxy.shown_with_origin} cannot be reached: {exc.message}") from exc


def plan_routes(proxy: ProxyUrl, uri: WebSocketUri, limit: int, look_up: Callable[[str], list[Address]]) -> list[Route]:
    """Return the ways to a server through a proxy, best first: one, or one for each address if it takes no names.

    Raises:
        HostNameNotResolvedError: a name that must be looked up here has no address that will do (0x80072EE7).
    """
    hosts = [uri.host]
    if not proxy.meaning.takes_names:
        hosts = [address.text for address in look_up(uri.host)]
        if proxy.takes_only_ipv4:
            hosts = [text for text in hosts if ":" not in text]
        if not hosts:
            raise HostNameNotResolvedError(
                f"the name {uri.host!r} has no IPv4 address, and the proxy {proxy.shown_with_origin} takes no other"
            )
    return [Route(proxy, host.partition("%")[0], uri.port) for host in hosts[:limit]]


def first_open(routes: Sequence[Route], open_one: Callable[[Route], OpenedT]) -> OpenedT:
    """Open the routes in turn, until one is open; the next only after a proxy that could not reach an address."""
    for route in routes[:-1]:
        try:
            return open_one(route)
        except ProxyError as exc:
            if not exc.is_about_server:
                raise
    return open_one(routes[-1])


def dial_proxy(dialer: Dialer, proxy: ProxyUrl) -> Dialed:
    """Connect to a proxy by TCP.

    Raises:
        ProxyError: no address accepts (0x80072F85).
        OperationTimedOutError: none answers in time.
        OperationCanceledError: as Dialer.dial.
    """
    try:
        return dialer.dial()
    except (CannotConnectError, OperationTimedOutError) as exc:
        kind = ProxyError if isinstance(exc, CannotConnectError) else OperationTimedOutError
        raise kind(f"the proxy {proxy.shown_with_origin} cannot be reached: {exc.message}") from exc.__cause__


def open_tunnel(
    route: Route,
    transport: Transport,
    waiter: Waiter,
    context: "ssl.SSLContext | None",
    authentication: Authentication,
) -> Transport:
    """Have a connected proxy connect to the server; return the pipe, which begins with the server's bytes.

    Args:
        route: the proxy and the server.
        transport: the TCP connection to the proxy; the caller closes it when this raises.
        waiter: holds the deadline and the cancellation.
        context: TLS settings for an https proxy; None for the default.
        authentication: answers an HTTP proxy's 407.

    Raises:
        HttpStatusError: an HTTP proxy's answer other than 2xx (0x80190000 + status).
        ProxyError: it hung up, or refuses; see syncws.errors.
        TlsError, CertificateError: TLS with an https proxy failed.
        HandshakeError: its answer is one that its protocol does not allow (0x80072F78).
        OperationTimedOutError, OperationCanceledError: as the waiter says.
    """
    proxy = route.proxy
    try:
        if proxy.meaning.is_over_tls:
            waiter.phase = f"TLS handshake with the proxy {proxy.shown_with_origin}"
            transport = _tls_over(transport, proxy, waiter, context)
        waiter.phase = f"waiting for the proxy's answer, {proxy.shown_with_origin}"
        if proxy.is_socks:
            ask_socks(transport, waiter, proxy, route.host, route.port)
        else:
            _ask_http(transport, waiter, _Question(route, authentication))
    except ConnectionLostError as exc:
        raise ProxyError(f"the connection to the proxy {proxy.shown_with_origin} broke: {exc.message}") from exc
    except WebSocketError:
        raise
    except OSError as exc:
        if is_tls_error(exc):
            raise _tls_failure(exc, f"the proxy {proxy.shown_with_origin}") from exc
        raise
    return transport


# Only the functions below know of _net.tls, and import it themselves: most connects do not need it.


def _tls_over(transport: Transport, proxy: ProxyUrl, waiter: Waiter, context: "ssl.SSLContext | None") -> Transport:
    with loading():
        from syncws._net.tls.transport import TlsTransport
        from syncws._net.tls.trust import shared_context

    over_tls = TlsTransport(transport, shared_context() if context is None else context, proxy.server_name)
    over_tls.handshake(waiter.wait, waiter.check)
    return over_tls


def _tls_failure(error: "ssl.SSLError", peer: str) -> TlsError:
    import ssl

    with loading():
        from syncws._net.tls.failure import tls_error
        from syncws._net.tls.verification import certificate_error, refused_at_once

    if isinstance(error, ssl.SSLCertVerificationError):
        report = refused_at_once(error)
        return certificate_error(report, report.errors, peer, is_proxy=True)
    return tls_error(error, peer, "http")


class _Question:
    """A tunnel that is asked for by CONNECT (RFC 9110 9.3.6), as asking.ask() wants it."""

    is_exact = True

    def __init__(self, route: Route, authentication: Authentication) -> None:
        self.proxy = route.proxy
        self.port = route.port
        self.authentication = authentication
        self._target = f"{bracketed(route.host)}:{route.port}"

    def head(self) -> bytes:
        lines = [f"CONNECT {self._target} HTTP/1.1", f"Host: {self._target}"]
        authorization = self.authentication.header("CONNECT", self._target)
        if authorization is not None:
            lines.append(": ".join(authorization))
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def meanwhile(self) -> None:
        """Do nothing: see Question.meanwhile."""

    def is_granted(self, head: Head) -> bool:
        return 200 <= head.status_code < 300

    def refusal(self, why: str) -> HandshakeError:
        return HandshakeError(
            f"the answer of the proxy {self.proxy.shown_with_origin} to CONNECT is not valid HTTP: {why}"
        )

    def silence(self, failure: ConnectionLostError | None) -> WebSocketError:
        return ProxyError(f"the proxy {self.proxy.shown_with_origin} ended the connection before it answered")

    def cut(self, hresult: int) -> WebSocketError:
        return ProxyError(f"the proxy {self.proxy.shown_with_origin} ended the connection in the middle of its answer")


def _advice_for(head: Head, port: int) -> str:
    """Return what to do about an answer that is not 2xx; begins with a colon or is empty."""
    # So that nobody sends mail through it, squid, Apache and others allow few ports by default.
    if head.status_code == 403 and port != 443:
        return f": many proxies lead to port 443 alone, and this is {port}"
    # Of these 501 is for a method that is not known (RFC 9110 15.6.2).
    return (
        ": a web server that is not a proxy answers like this; is it one?"
        if head.status_code in (400, 404, 405, 501)
        else ""
    )


def _ask_http(transport: Transport, waiter: Waiter, question: _Question) -> None:
    """Ask for a tunnel, and read the head of the answer, which has no body."""
    head, is_granted, body = ask(transport, waiter, question)
    if not is_granted:
        proxy = question.proxy.shown_with_origin
        raise HttpStatusError(
            f"the proxy {proxy} answered {head.status_code} {shown_text(head.reason)}".rstrip()
            + (question.authentication.advice(head) or _advice_for(head, question.port)),
            status_code=head.status_code,
            headers=head.headers,
            body=body,
            is_from_proxy=True,
        )
