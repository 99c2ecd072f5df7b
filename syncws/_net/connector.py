"""Connecting: from a URI to a transport on which the opening handshake is done. Names, addresses, TCP, TLS, HTTP.

A Connect runs on the connecting thread, under one deadline; cancel() may be called on any thread.
"""

import datetime as dt
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from syncws._locks import locks
from syncws._net.address import Address
from syncws._net.dialer import Dialed, Dialer, set_options
from syncws._net.given_socket import address_of, take_over
from syncws._net.http.authentication import PROXY, SERVER, UNAUTHENTICATED, Authentication
from syncws._net.http.cookies import Cookies
from syncws._net.http.handshake import HandshakeResult, OpeningRequest, open_websocket
from syncws._net.http.redirects import is_redirect, redirected
from syncws._net.phases import Phases
from syncws._net.proxy.choice import choose_proxy
from syncws._net.proxy.tunnel import Route, dial_proxy, first_open, look_up_proxy, open_tunnel, plan_routes
from syncws._net.resolver import Answer, addresses_without_waiting, look_up
from syncws._net.transport import SocketTransport, Transport, is_tls_error
from syncws._waiting.at_fork import loading
from syncws._waiting.deadline import Deadline, now
from syncws._waiting.helper_threads import run_aside
from syncws._waiting.interpreter import check_threads_allowed
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.proxy_url import ProxyUrl
from syncws._wire.uri import WebSocketUri
from syncws.cancellation import CancellationToken
from syncws.certificates import Certificate
from syncws.compression import Deflate
from syncws.control import WebSocketControl
from syncws.credentials import PasswordCredential
from syncws.enums import ChainValidationResult, CloseCause
from syncws.errors import (
    CannotConnectError,
    ConnectAbortedError,
    ConnectAttempt,
    ConnectFailedError,
    ConnectionLostError,
    ConnectTimedOutError,
    HttpStatusError,
    OperationTimedOutError,
    ProxyError,
    RedirectError,
    TlsError,
    WebSocketError,
    fresh,
)
from syncws.hresult import HResult
from syncws.info import ConnectFacts

if TYPE_CHECKING:
    from syncws._net.tls.verification import CertificateReport

__all__ = ["Connect", "Opened", "Validation"]

Validation = Callable[["CertificateReport", Waiter, Callable[[], None]], None]
"""Shows a server's certificate to the application; raises when it refuses. The last argument ends the waiter's wait."""


class Opened(NamedTuple):
    """A connection that is up.

    Attributes:
        transport: the pipe for frames.
        socket_transport: the TCP part of it, for the counters.
        local_address: our IP address, "" where the socket has none.
        remote_address: the IP address that accepted, the proxy's if there is one; "" where the socket has none.
        result: what the handshake settled.
        proxy: what it goes through, as it may be shown; None when it goes straight.
        facts: for the information object.
    """

    transport: Transport
    socket_transport: SocketTransport
    local_address: str
    remote_address: str
    result: HandshakeResult
    proxy: str | None = None
    facts: ConnectFacts = ConnectFacts()


class Connect:
    """One connect operation.

    Attributes:
        waker (Waker): ends its waits; the connection that comes of it goes on with it.
        certificates (tuple[Certificate, ...]): what the server has shown, its own first; also one that was refused.
        certificate_errors (tuple[ChainValidationResult, ...]): what was wrong with it.
        attempts (list[ConnectAttempt]): the addresses that failed.
        is_canceled (bool): True once cancel() was called.
    """

    is_canceled = False
    certificates: tuple[Certificate, ...] = ()
    certificate_errors: tuple[ChainValidationResult, ...] = ()
    _cookies: Cookies
    # The one that control.proxy_credential is for.
    _proxy: str | None = None
    _dialer: Dialer | None = None
    _transport: SocketTransport | None = None

    def __init__(
        self,
        uri: WebSocketUri,
        settings: WebSocketControl,
        deadline: Deadline,
        token: CancellationToken | None = None,
        *,
        over: socket.socket | str | None = None,
        validate: Validation | None = None,
    ) -> None:
        """Prepare to connect; run() does it, and close() must follow unless a session has taken over.

        Args:
            uri: where to.
            settings: what control said.
            deadline: bounds all of it.
            token: cancels it, besides cancel().
            over: a connected socket to use, which belongs to this object from run() on, or the path of a Unix socket;
                None to find the addresses of the URI's host.
            validate: shows the server's certificate to the application.

        Raises:
            CannotConnectError: the system gives no descriptors, or the interpreter allows no threads (0x80072EFD).
        """
        check_threads_allowed()
        self._uri = uri
        self._settings = settings
        self._token = token
        self._over = over
        self._validate = validate
        self._authentication = UNAUTHENTICATED
        if settings._server_credential is not None:
            self._authentication = Authentication(SERVER, _server_credential(settings))
        self._proxy_authentications: dict[ProxyUrl, Authentication] = {}
        self.attempts: list[ConnectAttempt] = []
        self._phases = Phases()
        try:
            self.waker = Waker(locks.RLock())
        except OSError as exc:
            raise CannotConnectError(f"the system gives no descriptors for the connection: {exc}") from exc
        limit = None if token is None else token._limit
        self._waiter = Waiter(self.waker, self._is_over, deadline, limit=limit)

    # Any thread.

    def cancel(self) -> None:
        """Have run() raise OperationCanceledError."""
        self.is_canceled = True
        self.waker.wake()

    def _is_over(self) -> bool:
        return self.is_canceled or (self._token is not None and self._token.is_cancellation_requested)

    # The connecting thread.

    def close(self) -> None:
        """Give everything back."""
        if self._transport is not None:
            self._transport.close()
        self.waker.close()

    def let_go_in_child(self) -> None:
        """In a forked child: whoever goes on connecting there is told that the connection is the parent's."""
        self.is_canceled = True
        self.waker.let_go_in_child()
        if self._dialer is not None:
            self._dialer.close()
        if self._transport is not None:
            self._transport.let_go_in_child()

    def run(self) -> Opened:
        """Connect and do the handshakes.

        Raises:
            HostNameNotResolvedError, CannotConnectError, ProxyError, TlsError, CertificateError, HandshakeError,
            HttpStatusError, RedirectError, ConnectionLostError, OperationTimedOutError, OperationCanceledError: see
            syncws.errors.
            InvalidArgumentError, WebSocketError: see choose_proxy and make_plan; before any I/O.
        """
        if self._token is not None:
            self._token._add_listener(self, self.waker.wake)
        try:
            if self._uri.is_secure:
                # Made now and kept: settings that TLS cannot use are an error before anything is sent.
                _tls().make_plan(self._settings)
            self._take_cookies()
            return self._open_following_redirects()
        except WebSocketError as exc:
            raise self._told(exc) from exc.__cause__
        finally:
            # It leads to the socket object, which must not be held by what its information shows.
            self._validate = None
            # It leads back here: both would stay until the next garbage collection, with the socket that they hold.
            del self._waiter
            if self._token is not None:
                self._token._remove_listener(self)

    def _take_cookies(self) -> None:
        self._cookies = Cookies(self._settings._cookies, self._uri)
        if self._cookies.jar is not None:
            # As above: what cannot be sent is told before anything is.
            self._cookies.header_for(self._uri, has_own=False)

    def _told(self, error: WebSocketError) -> WebSocketError:
        """Return what is raised for an error: one that connect() met says of which URI, and what became of each try."""
        told = error
        if isinstance(error, OperationTimedOutError):
            told = ConnectTimedOutError(error.message)
        elif type(error) is ConnectionLostError and error.close_cause is not CloseCause.FORKED:
            told = ConnectAbortedError(error.message, hresult=error.hresult)
        if isinstance(told, ConnectFailedError):
            told._reword(f"cannot connect to {self._uri.shown}: {told.message}")
        told.attempts = tuple(self.attempts)
        return told

    def _open_following_redirects(self) -> Opened:
        uri, settings = self._uri, self._settings
        # A socket that was given leads to one server only.
        allowed = settings._max_redirects if self._over is None else 0
        followed = 0
        while True:
            try:
                return self._open(uri, settings)
            except HttpStatusError as exc:
                if not allowed or not is_redirect(exc):
                    raise
                if followed == allowed:
                    raise RedirectError(
                        f"the server redirects more than {allowed} times", location=exc.location
                    ) from exc
                target, allowed_there = redirected(exc, uri, settings)
                if allowed_there is not settings:
                    # Another origin: what answered here is none of its business.
                    self._authentication = UNAUTHENTICATED
                uri, settings = target, allowed_there
                followed += 1

    def _open(self, uri: WebSocketUri, settings: WebSocketControl) -> Opened:
        """Connect to one URI: over what was given, straight, or through the proxy that is chosen for it."""
        if isinstance(self._over, socket.socket):
            return self._open_over(self._over, uri, settings)
        if self._over is not None:
            return self._open_authorized(None, [Address(socket.AF_UNIX, self._over)], uri, settings)
        proxy = choose_proxy(uri, settings)
        if uri is self._uri:
            self._proxy = proxy and proxy.shown
        elif proxy is not None and proxy.shown != self._proxy:
            # A redirect leads through another proxy, for which the credential was not meant.
            proxy = choose_proxy(uri, settings._replaced(proxy_credential=None))
        limit = settings._max_connect_addresses
        if proxy is None:
            return self._open_authorized(None, self._look_up(uri.host)[:limit], uri, settings)
        addresses = look_up_proxy(proxy, self._look_up)[:limit]
        routes = plan_routes(proxy, uri, limit, self._look_up)
        return first_open(routes, lambda route: self._open_authorized(route, addresses, uri, settings))

    def _look_up(self, host: str) -> list[Address]:
        self._waiter.phase = f"looking up {host}"
        self._waiter.check()
        began = now()
        try:
            return addresses_without_waiting(host) or look_up(
                host, self._waiter.deadline, self._settings.resolver, self._ask_aside
            )
        finally:
            # Also when that fails: of several lookups another may do.
            self._phases.add("lookup", began)

    def _ask_aside(self, functions: Sequence[Callable[[], Answer]]) -> list[Answer]:
        return run_aside(functions, self._waiter, self.waker, lambda answer: bool(answer.addresses))

    def _open_authorized(
        self, route: Route | None, addresses: list[Address], uri: WebSocketUri, settings: WebSocketControl
    ) -> Opened:
        """Connect; once more as long as the server or the proxy asks for a credential that has not been refused.

        That is on a new connection to the same address, within the same time.
        """
        while True:
            try:
                return self._open_at_some_address(route, addresses, uri, settings)
            except HttpStatusError as exc:
                asking = self._authentication if route is None or not exc.is_from_proxy else self._answering(route)
                if not asking.has_answer:
                    raise
            addresses = [address for address in addresses if address.text == self.attempts[-1].address]

    def _answering(self, route: Route) -> Authentication:
        """Return what answers a proxy's challenges."""
        return self._proxy_authentications.setdefault(route.proxy, Authentication(PROXY, route.proxy.login))

    def _open_at_some_address(
        self, route: Route | None, addresses: list[Address], uri: WebSocketUri, settings: WebSocketControl
    ) -> Opened:
        """Try addresses until one has answered, and be it with a refusal; one that says nothing is no answer."""
        port = uri.port if route is None else route.proxy.port
        dialer = self._dialer = Dialer(addresses, port, settings, self._waiter)
        silence: WebSocketError | None = None
        try:
            while True:
                try:
                    dialed = dialer.dial() if route is None else dial_proxy(dialer, route.proxy)
                except WebSocketError:
                    if silence is None or self._is_at_end:
                        raise
                    # An address that accepted says more than those behind it that did not.
                    raise silence from silence.__cause__
                try:
                    return self._open_on(dialed, route, uri, settings)
                except WebSocketError as exc:
                    # A copy: an error that held itself would wait for the garbage collector.
                    dialer.fail(dialed, fresh(exc))
                    if self._is_at_end or not dialer.has_more or not _is_silence(exc):
                        raise
                    silence = exc
        finally:
            self.attempts += dialer.attempts
            self._dialer = silence = None

    @property
    def _is_at_end(self) -> bool:
        """True when the operation is over, whatever addresses there still are."""
        return self._is_over() or self._waiter.deadline.is_expired

    def _open_over(self, given: socket.socket, uri: WebSocketUri, settings: WebSocketControl) -> Opened:
        """Connect over a socket of the application's."""
        connected = take_over(given)
        try:
            address = address_of(connected)
            set_options(connected, settings, is_ip=address.is_ip)
        except OSError as exc:
            connected.close()
            raise CannotConnectError(exc.strerror or str(exc)) from exc
        deadline = self._waiter.deadline.earlier(settings._connect_timeout)
        dialed = Dialed(connected, address, now(), deadline)
        try:
            return self._open_on(dialed, None, uri, settings)
        except WebSocketError as exc:
            self.attempts.append(ConnectAttempt(dialed.address.text, fresh(exc), now() - dialed.started))
            raise

    def _open_on(self, dialed: Dialed, route: Route | None, uri: WebSocketUri, settings: WebSocketControl) -> Opened:
        """Do what the proxy asks for, TLS and the WebSocket handshake on a connected socket, within its own time."""
        self._phases.begin_connection(now() - dialed.started)
        tls: tuple[str | None, str | None] = (None, None)
        local = dialed.socket.getsockname()
        bottom = self._transport = SocketTransport(dialed.socket, self.make_lock())
        waiter = self._waiter.for_descriptor(bottom.fileno(), dialed.deadline)
        transport: Transport = bottom
        try:
            if route is not None:
                began = now()
                transport = open_tunnel(
                    route, transport, waiter, settings.proxy_ssl_context, self.make_lock, self._answering(route)
                )
                self._phases.add("proxy", began)
            if uri.is_secure:
                began = now()
                secure = _tls().start_tls(transport, uri, settings, waiter, self)
                self._phases.add("tls", began)
                transport, tls = secure, secure.names()
            waiter.phase = "waiting for the server's answer to the WebSocket handshake"
            compression = settings._compression._wanted if isinstance(settings._compression, Deflate) else None
            request = OpeningRequest(
                uri,
                _request_headers(settings),
                settings._supported_protocols,
                self._cookies,
                self._authentication,
                compression,
            )
            began = now()
            result = open_websocket(transport, waiter, request)
            self._phases.add("handshake", began)
        except ConnectionLostError as exc:
            hint = "" if uri.is_secure else "; a server that wants TLS does so: is it wss://?"
            raise ConnectAbortedError(f"{exc.message} ({waiter.phase}){hint}", hresult=exc.hresult) from exc.__cause__
        except WebSocketError:
            raise
        except OSError as exc:
            # First, because the imports below want descriptors.
            if exc.errno in (errno.EMFILE, errno.ENFILE):
                raise CannotConnectError(f"the system gives no descriptor: {exc.strerror}") from exc
            if is_tls_error(exc):
                from syncws._net.tls.transport import tls_error

                raise tls_error(exc, uri.server_name) from exc
            raise
        remote = dialed.address.text if dialed.address.is_ip else ""
        shown = None if route is None else route.proxy.shown
        facts = ConnectFacts(dt.datetime.now(dt.UTC), self._phases.times(), *tls)
        return Opened(transport, bottom, local[0] if isinstance(local, tuple) else "", remote, result, shown, facts)

    # What start_tls asks for.

    def make_lock(self) -> AbstractContextManager[object]:
        """Return a new lock."""
        return locks.RLock()

    def note_certificates(self, report: "CertificateReport") -> None:
        """Keep what the server showed, for the information object."""
        self.certificates = tuple(map(Certificate, report.chain))
        self.certificate_errors = report.errors

    def validate_server(self, report: "CertificateReport", waiter: Waiter) -> None:
        """Let the application look at the server's certificate; raises when it refuses."""
        if self._validate is not None:
            self._validate(report, waiter, self.waker.wake)


@cache
def _tls() -> ModuleType:
    """Return _net.tls.server."""
    # Here and not above, as all of _net.tls in this module: a plain connect needs none of it.
    with loading():
        from syncws._net.tls import server
    return server


def _is_silence(error: WebSocketError) -> bool:
    """True when whoever accepted has hung up or said nothing in time: another address may do better."""
    if isinstance(error, ProxyError):
        return not error.is_about_server and error.hresult == HResult.WININET_E_PROXY_SERVER_UNREACHABLE
    if isinstance(error, TlsError) and error.__cause__ is not None:
        import ssl

        return isinstance(error.__cause__, ssl.SSLEOFError)
    return isinstance(error, ConnectionLostError | OperationTimedOutError)


def _request_headers(settings: WebSocketControl) -> tuple[tuple[str, str], ...]:
    """Return the application's request headers, and the User-Agent unless there is one among them."""
    headers, user_agent = settings._request_headers, settings._user_agent
    if user_agent is None or (headers and any(name.lower() == "user-agent" for name, _ in headers)):
        return headers
    return (("User-Agent", user_agent), *headers)


def _server_credential(settings: WebSocketControl) -> PasswordCredential | None:
    """Return what answers the server; nothing does beside a header of the application's own."""
    credential = settings._server_credential
    if credential is not None and any(name.lower() == "authorization" for name, _ in settings._request_headers):
        return None
    return credential
