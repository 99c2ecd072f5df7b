"""Connecting: from a URI to a transport on which the opening handshake is done. Names, addresses, TCP, TLS, HTTP.

A Connect runs on the connecting thread, under one deadline; cancel() may be called on any thread.
"""

import socket
from collections.abc import Callable, Sequence

from syncws._net.address import Address
from syncws._net.dialer import Dialed, Dialer, set_options
from syncws._net.given_socket import address_of, take_over
from syncws._net.http.authentication import SERVER, UNAUTHENTICATED, Authentication
from syncws._net.http.cookies import Cookies
from syncws._net.http.redirects import is_redirect, redirected
from syncws._net.opening import Opened, Opening, Prepare, Validation, tls, without_descriptors
from syncws._net.proxy.choice import choose_proxy
from syncws._net.proxy.tunnel import Route, dial_proxy, first_open, look_up_proxy, plan_routes
from syncws._net.resolver import Answer, addresses_without_waiting, look_up
from syncws._net.transport import is_shortage
from syncws._waiting.at_fork import forked_error
from syncws._waiting.deadline import Deadline, now
from syncws._waiting.helper_threads import run_aside
from syncws._waiting.interpreter import check_threads_allowed
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.uri import WebSocketUri
from syncws.cancellation import CancellationToken
from syncws.control import WebSocketControl
from syncws.credentials import PasswordCredential
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

__all__ = ["Connect"]


class Connect(Opening):
    """One connect operation.

    Attributes:
        attempts (list[ConnectAttempt]): the addresses that failed.
        is_canceled (bool): True once cancel() was called.
    """

    is_canceled = False
    _is_inherited = False
    # The one that control.proxy_credential is for.
    _proxy: str | None = None
    _dialer: Dialer | None = None
    # The latest one that was followed.
    _redirected_to: WebSocketUri | None = None

    def __init__(
        self,
        uri: WebSocketUri,
        settings: WebSocketControl,
        deadline: Deadline,
        token: CancellationToken | None = None,
        *,
        over: socket.socket | str | None = None,
        validate: Validation | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        """Prepare to connect; run() does it, and close() must follow unless a session has taken over.

        Args:
            uri: where to.
            settings: what control said.
            deadline: bounds all of it.
            token: cancels it, as cancel() does.
            over: a connected socket to use, which belongs to this object from run() on, or the path of a Unix socket;
                None to find the addresses of the URI's host.
            validate: shows the server's certificate to the application.
            prepare: makes what it can of a connection while the server answers.

        Raises:
            CannotConnectError: there are no more descriptors, or the interpreter allows no threads (0x80072EFD).
        """
        check_threads_allowed()
        super().__init__(validate, prepare)
        self._uri = uri
        self._settings = settings
        self._token = token
        self._over = over
        if settings._server_credential is not None:
            self._authentication = Authentication(SERVER, _server_credential(settings))
        self.attempts: list[ConnectAttempt] = []
        try:
            self.waker = Waker()
        except OSError as exc:
            raise CannotConnectError(f"the system has no file descriptors for the connection: {exc}") from exc
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
        """In a forked child: a connect that goes on there raises that the connection is the parent's."""
        self.is_canceled = self._is_inherited = True
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
                tls().make_plan(self._settings)
            self._take_cookies()
            return self._open_following_redirects()
        except WebSocketError as exc:
            raise self._as_raised(exc) from exc.__cause__
        except OSError as exc:
            # TLS settings and modules are read from files before there is a connection.
            if is_shortage(exc):
                raise self._as_raised(without_descriptors(exc)) from exc
            raise
        finally:
            # They lead to the socket object, which must not be held by what its information shows.
            self._validate = self._prepare = None
            # It leads back here: both would stay until the next garbage collection, with the socket that they hold.
            del self._waiter
            if self._token is not None:
                self._token._remove_listener(self)

    def _take_cookies(self) -> None:
        self._cookies = Cookies(self._settings._cookies, self._uri)
        if self._cookies.jar is not None:
            # As above: what cannot be sent is reported before anything is sent.
            self._cookies.header_for(self._uri, has_own=False)

    def _as_raised(self, error: WebSocketError) -> WebSocketError:
        """Return what is raised for an error: one from connect() says for which URI, and what happened to each try."""
        raised = error
        if self._is_inherited:
            # Whatever came of it, that is the reason.
            raised = forked_error()
        elif isinstance(error, OperationTimedOutError):
            raised = ConnectTimedOutError(error.message)
        elif type(error) is ConnectionLostError:
            raised = ConnectAbortedError(error.message, hresult=error.hresult)
        if isinstance(raised, ConnectFailedError):
            led = "" if self._redirected_to is None else f", redirected to {self._redirected_to.shown}"
            raised._reword(f"cannot connect to {self._uri.shown}{led}{self._unsaid_port(raised)}: {raised.message}")
        raised.attempts = tuple(self.attempts)
        return raised

    def _unsaid_port(self, told: ConnectFailedError) -> str:
        """Return the port that nobody answered on, where the URI has none: it may have been forgotten."""
        uri = self._redirected_to or self._uri
        is_meant = type(told) is CannotConnectError and self._over is None
        return f" (port {uri.port})" if is_meant and not uri.host_header.endswith(f":{uri.port}") else ""

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
                self._redirected_to = uri
                followed += 1

    def _open(self, uri: WebSocketUri, settings: WebSocketControl) -> Opened:
        """Connect to one URI: over the given socket, directly, or through the proxy that is chosen for it."""
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
        began = now()
        try:
            addresses = addresses_without_waiting(host)
            if not addresses:
                self._waiter.phase = f"looking up {host}"
                self._waiter.check()
                addresses = look_up(host, self._waiter.deadline, self._settings.resolver, self._ask_aside)
            return addresses
        finally:
            # Even when that fails: of several lookups another may succeed.
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

    def _open_at_some_address(
        self, route: Route | None, addresses: list[Address], uri: WebSocketUri, settings: WebSocketControl
    ) -> Opened:
        """Try addresses until one has answered, even if by a refusal; silence is not an answer."""
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
                    # An address that accepted says more than those after it that did not.
                    raise silence from silence.__cause__
                try:
                    return self._open_on(dialed, route, uri, settings)
                except WebSocketError as exc:
                    if dialer.refuse_own_end(dialed):
                        continue
                    # A copy: what is raised has its attempts, and an error among its own would wait for the collector.
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
        deadline = self._waiter.deadline.within(settings._connect_timeout)
        dialed = Dialed(connected, address, now(), deadline)
        try:
            return self._open_on(dialed, None, uri, settings)
        except WebSocketError as exc:
            self.attempts.append(ConnectAttempt(dialed.address.text, fresh(exc), now() - dialed.started))
            raise


def _is_silence(error: WebSocketError) -> bool:
    """True when the one that accepted hung up or said nothing in time: another address may do better."""
    if isinstance(error, ProxyError):
        return not error.is_about_server and error.hresult == HResult.WININET_E_PROXY_SERVER_UNREACHABLE
    if isinstance(error, TlsError) and error.__cause__ is not None:
        import ssl

        return isinstance(error.__cause__, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return isinstance(error, ConnectionLostError | OperationTimedOutError)


def _server_credential(settings: WebSocketControl) -> PasswordCredential | None:
    """Return what answers the server; nothing does if the application set a header of its own."""
    credential = settings._server_credential
    if credential is not None and any(name.lower() == "authorization" for name, _ in settings._request_headers):
        return None
    return credential
