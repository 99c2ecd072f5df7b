"""Opening one connection: what is done on a connected socket. The proxy's part, TLS, the WebSocket handshake.

Runs on the connecting thread; which socket that is, and what follows when it fails, is the connector's.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from syncws._net.dialer import Dialed
from syncws._net.http.authentication import PROXY, UNAUTHENTICATED, Authentication
from syncws._net.http.cookies import Cookies
from syncws._net.http.handshake import HandshakeResult, OpeningRequest, open_websocket
from syncws._net.phases import Phases
from syncws._net.proxy.tunnel import Route, open_tunnel
from syncws._net.transport import SocketTransport, Transport, is_shortage, is_tls_error
from syncws._waiting.at_fork import loading
from syncws._waiting.deadline import now
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.proxy_url import ProxyUrl
from syncws._wire.uri import WebSocketUri
from syncws.certificates import Certificate
from syncws.compression import Deflate
from syncws.control import WebSocketControl
from syncws.enums import ChainValidationResult
from syncws.errors import CannotConnectError, ConnectAbortedError, ConnectionLostError, WebSocketError
from syncws.info import ConnectFacts

if TYPE_CHECKING:
    from syncws._net.tls.verification import CertificateReport

__all__ = ["Opened", "Opening", "Prepare", "Prepared", "Reached", "Validation", "tls", "without_descriptors"]

Validation = Callable[["CertificateReport", Waiter, Callable[[], None]], None]
"""Shows a server's certificate to the application; raises when it refuses. The last argument ends the waiter's wait."""


class Reached(NamedTuple):
    """A server that is asked for the handshake, and has not answered yet.

    Attributes:
        transport: the pipe for frames.
        socket_transport: the TCP part of it, for the counters.
        local_address: our IP address, "" where the socket has none.
        remote_address: the IP address that accepted, the proxy's if there is one; "" where the socket has none.
        proxy: what it goes through, as it may be shown; None when there is none.
    """

    transport: Transport
    socket_transport: SocketTransport
    local_address: str
    remote_address: str
    proxy: str | None = None


class Prepared(Protocol):
    """What is made for a connection while the server's answer is on its way."""

    def discard(self) -> None:
        """Give back what it has, because the server refused; the transport is not its own yet."""


Prepare = Callable[[Reached, Waker], Prepared]
"""Makes it; the waker is for the waits of the connection."""


class Opened(NamedTuple):
    """A connection that is up.

    Attributes:
        reached: what it leads to.
        result: what the handshake settled.
        facts: for the information object.
        prepared: what was made for it, None when nothing.
    """

    reached: Reached
    result: HandshakeResult
    facts: ConnectFacts = ConnectFacts()
    prepared: Any = None


class Opening:
    """The base of Connect.

    Attributes:
        waker (Waker): ends its waits; the connection that comes of it goes on with it.
        certificates (tuple[Certificate, ...]): what the server has shown, its own first; even one that was refused.
        certificate_errors (tuple[ChainValidationResult, ...]): what was wrong with it.
    """

    waker: Waker
    certificates: tuple[Certificate, ...] = ()
    certificate_errors: tuple[ChainValidationResult, ...] = ()
    _cookies: Cookies
    _waiter: Waiter
    _authentication = UNAUTHENTICATED
    _transport: SocketTransport | None = None
    _prepared: Prepared | None = None

    def __init__(self, validate: Validation | None, prepare: Prepare | None) -> None:
        """Note what the application looks at certificates with, and what is called when the request is out."""
        self._validate = validate
        self._prepare = prepare
        self._proxy_authentications: dict[ProxyUrl, Authentication] = {}
        self._phases = Phases()

    def _open_on(self, dialed: Dialed, route: Route | None, uri: WebSocketUri, settings: WebSocketControl) -> Opened:
        """Do all that follows on a connected socket, within its own time."""
        self._phases.begin_connection(now() - dialed.started)
        bottom = self._transport = SocketTransport(dialed.socket)
        waiter = self._waiter.for_descriptor(bottom.fileno(), dialed.deadline)
        is_open = False
        try:
            opened = self._shake_hands(dialed, bottom, waiter, route, uri, settings)
            is_open = True
        except ConnectAbortedError:
            # It had begun to answer: that is not TLS.
            raise
        except ConnectionLostError as exc:
            hint = "" if uri.is_secure else "; a server that wants TLS may do this: should it be wss://?"
            raise ConnectAbortedError(f"{exc.message} ({waiter.phase}){hint}", hresult=exc.hresult) from exc.__cause__
        except WebSocketError:
            raise
        except OSError as exc:
            # First, because the imports below want descriptors.
            if is_shortage(exc):
                raise without_descriptors(exc) from exc
            if is_tls_error(exc):
                with loading():
                    from syncws._net.tls.failure import tls_error
                raise tls_error(exc, uri.server_name) from exc
            raise
        finally:
            prepared = self._prepared
            self._prepared = None
            if prepared is not None and not is_open:
                prepared.discard()
        return opened

    def _shake_hands(
        self,
        dialed: Dialed,
        bottom: SocketTransport,
        waiter: Waiter,
        route: Route | None,
        uri: WebSocketUri,
        settings: WebSocketControl,
    ) -> Opened:
        """Do what the proxy asks for, TLS and the WebSocket handshake."""
        transport: Transport = bottom
        names: tuple[str | None, str | None] = (None, None)
        local = dialed.socket.getsockname()
        if route is not None:
            began = now()
            transport = open_tunnel(route, transport, waiter, settings.proxy_ssl_context, self._answering(route))
            self._phases.add("proxy", began)
        if uri.is_secure:
            began = now()
            secure = tls().start_tls(transport, uri, settings, waiter, self)
            self._phases.add("tls", began)
            transport, names = secure, secure.names()
        waiter.phase = "waiting for the server's answer to the WebSocket handshake"
        reached = Reached(
            transport,
            bottom,
            local[0] if isinstance(local, tuple) else "",
            dialed.address.text if dialed.address.is_ip else "",
            None if route is None else route.proxy.shown,
        )
        began = now()
        result = open_websocket(transport, waiter, self._request(uri, settings, reached))
        self._phases.add("handshake", began)
        facts = ConnectFacts(dt.datetime.now(dt.UTC), self._phases.times(), *names)
        return Opened(reached, result, facts, self._prepared)

    def _request(self, uri: WebSocketUri, settings: WebSocketControl, reached: Reached) -> OpeningRequest:
        compression = settings._compression._wanted if isinstance(settings._compression, Deflate) else None
        return OpeningRequest(
            uri,
            _request_headers(settings),
            settings._supported_protocols,
            self._cookies,
            self._authentication,
            compression,
            partial(self._get_ready, reached),
        )

    def _get_ready(self, reached: Reached) -> None:
        """Have made what needs no answer, while that is on its way; a second request on the connection finds it."""
        if self._prepare is not None and self._prepared is None:
            self._prepared = self._prepare(reached, self.waker)

    def _answering(self, route: Route) -> Authentication:
        """Return what answers a proxy's challenges."""
        return self._proxy_authentications.setdefault(route.proxy, Authentication(PROXY, route.proxy.login))

    # What start_tls asks for.

    def note_certificates(self, report: "CertificateReport") -> None:
        """Keep what the server showed, for the information object."""
        self.certificates = tuple(map(Certificate, report.chain))
        self.certificate_errors = report.errors

    def validate_server(self, report: "CertificateReport", waiter: Waiter) -> None:
        """Let the application look at the server's certificate; raises when it refuses."""
        if self._validate is not None:
            self._validate(report, waiter, self.waker.wake)


def without_descriptors(error: OSError) -> CannotConnectError:
    """Return what is raised for a shortage of descriptors, which is not the server's fault."""
    return CannotConnectError(f"the system has no file descriptor left: {error.strerror}")


@cache
def tls() -> ModuleType:
    """Return _net.tls.server."""
    # Here and not above, as all of _net.tls: a plain connect needs none of it.
    with loading():
        from syncws._net.tls import server
    return server


def _request_headers(settings: WebSocketControl) -> Sequence[tuple[str, str]]:
    """Return the application's request headers, and the User-Agent unless there is one among them."""
    headers, user_agent = settings._request_headers, settings._user_agent
    if user_agent is None or (headers and any(name.lower() == "user-agent" for name, _ in headers)):
        return headers
    return (("User-Agent", user_agent), *headers)
