"""Attempts: gives connected sockets, one after the other, and waits in between.

`next_socket` runs on one thread at a time, the program's own or a ReconnectingWebSocket's; `stop` and `ring` may be
called on any thread, and wake it.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from syncws._arguments.checks import check_header_pairs, check_integer, check_timeout
from syncws._arguments.keywords import add_subprotocols
from syncws._connection.closing import HURRIED_SECONDS
from syncws._functions import why_refused
from syncws._net.given_socket import check_path
from syncws._reconnecting.backoff import Backoff, retry_after
from syncws._waiting.deadline import Deadline, now
from syncws._waiting.locks import Bell
from syncws._wire.headers import check_request_header
from syncws._wire.uri import parse_uri
from syncws.cancellation import CancellationToken, check_token
from syncws.control import MessageWebSocketSettings
from syncws.enums import CloseCause
from syncws.errors import (
    InvalidArgumentTypeError,
    InvalidOperationError,
    OperationCanceledError,
    OperationTimedOutError,
    WebSocketError,
)
from syncws.message_websocket import MessageWebSocket
from syncws.uri import Uri, uri_text

__all__ = ["Attempts", "Headers", "Plan", "how_it_ended", "is_worth_another", "make_plan"]

_logger = logging.getLogger("syncws.reconnecting")

Headers = Mapping[str, str] | Iterable[tuple[str, str]] | None

_MOST_ATTEMPTS = 1 << 62
# What the program itself did is no reason to stop; a forked child makes a new connection.
_OWN_CAUSES = (CloseCause.LOCAL, CloseCause.ABORTED, CloseCause.FORKED)


class Plan(NamedTuple):
    """What to connect to, how, and when to try again; checked."""

    uri: str | Uri | Callable[[], str | Uri]
    headers: list[tuple[str, str]] | Callable[[], Headers]
    timeout: float | None
    token: CancellationToken | None
    backoff: Backoff
    policy: Callable[[Exception], object]
    max_attempts: int
    on_connecting: Callable[[MessageWebSocket], object] | None
    on_connected: Callable[[MessageWebSocket], object] | None
    unix_path: str | None
    # Its control has the settings; it is never connected.
    model: MessageWebSocket


def is_worth_another(error: Exception) -> bool:
    """Tell whether to connect again after `error`: the policy when none is given.

    True if `error.is_transient`; of errors without that, only a time limit that has passed counts, as in an
    on_connected that waits for an answer.

    Source: beyond WinRT.
    """
    return bool(getattr(error, "is_transient", isinstance(error, OperationTimedOutError)))


def make_plan(
    *,
    uri: str | Uri | Callable[[], str | Uri],
    headers: Headers | Callable[[], Headers],
    subprotocols: Iterable[str] | None,
    timeout: float | None,
    cancellation_token: CancellationToken | None,
    backoff: Backoff | None,
    policy: Callable[[Exception], object] | None,
    max_attempts: int | None,
    on_connecting: Callable[[MessageWebSocket], object] | None,
    on_connected: Callable[[MessageWebSocket], object] | None,
    unix_path: str | os.PathLike[str] | None,
    settings: MessageWebSocketSettings,
) -> Plan:
    """Check everything, before any I/O; see syncws.reconnecting() for the arguments and the errors."""
    if not callable(uri):
        parse_uri(uri_text(uri))
    elif (why := why_refused(uri)) is not None:
        raise InvalidArgumentTypeError(f"uri {why}")
    if not callable(headers):
        headers = check_header_pairs(headers)
        for name, value in headers:
            check_request_header(name, value)
    elif (why := why_refused(headers, may_yield=True)) is not None:
        raise InvalidArgumentTypeError(f"headers {why}")
    if backoff is not None and not isinstance(backoff, Backoff):
        raise InvalidArgumentTypeError(f"backoff must be a Backoff or None, not {type(backoff).__name__}")
    for name, function in (("policy", policy), ("on_connecting", on_connecting), ("on_connected", on_connected)):
        if function is not None and (why := why_refused(function, " or None")) is not None:
            raise InvalidArgumentTypeError(f"{name} {why}")
    add_subprotocols(settings, subprotocols)
    model = MessageWebSocket()
    model.control.update(**settings)
    if max_attempts is None:
        max_attempts = _MOST_ATTEMPTS
    return Plan(
        uri=uri,
        headers=headers,
        timeout=check_timeout(timeout, "timeout"),
        token=check_token(cancellation_token),
        backoff=backoff or Backoff(),
        policy=policy or is_worth_another,
        max_attempts=check_integer(max_attempts, "max_attempts", 1, _MOST_ATTEMPTS),
        on_connecting=on_connecting,
        on_connected=on_connected,
        unix_path=None if unix_path is None else check_path(unix_path, "unix_path"),
        model=model,
    )


class Attempts:
    """One connection after the other, as a plan says.

    Attributes:
        is_stopped (bool): True once stop() was called, or no more connection will come.
        socket: the latest one, which may be connecting, connected or over; None before the first.
        attempt (int): the number of the latest connect, counted since the last connection that held.
    """

    __slots__ = ("_bell", "_opened_at", "_plan", "_prepare", "_user", "attempt", "is_stopped", "socket")

    def __init__(self, plan: Plan, prepare: Callable[[MessageWebSocket], object] | None = None) -> None:
        """Make it; `prepare` is called with each new socket before it connects."""
        self._plan = plan
        self._prepare = prepare
        self._bell = Bell()
        # The thread that is in next_socket(), if there is one.
        self._user: dict[None, int] = {}
        # When the latest connection was opened; None when its end has been counted, or there was none.
        self._opened_at: float | None = None
        self.is_stopped = False
        self.socket: MessageWebSocket | None = None
        self.attempt = 0

    def stop(self) -> None:
        """Let no more connection come and end the waits of this object, at once; a connection that is open stays.

        On any thread, and in the garbage collector.
        """
        self.is_stopped = True
        self._bell.ring()
        socket = self.socket
        if socket is not None and not socket.is_open:
            socket._end()

    def ring(self) -> None:
        """Have the waiting thread look; any thread."""
        self._bell.ring()

    def next_socket(
        self, on_wait: Callable[[int, float, Exception], object] = lambda attempt, delay, error: None
    ) -> MessageWebSocket | None:
        """Return the next socket, connected; None when stop() was called.

        The one before is closed first, if it is not.

        Args:
            on_wait: called before each wait, with the number of the attempt to come, the delay and why.

        Raises:
            InvalidOperationError: another thread is in here (0x800710DD).
            OperationCanceledError: the token is cancelled (0x800704C7).
            Exception: what was final by the policy, or the last error when there were as many attempts as may be.
        """
        own = threading.get_ident()
        # One step, and it knows its owner: what an interruption leaves here is this thread's own.
        if self._user.setdefault(None, own) != own:
            raise InvalidOperationError("another thread is waiting for the next connection: one at a time")
        error: Exception | None = None
        try:
            error = self._end_previous()
            while True:
                if error is not None:
                    self._check_worth_another(error)
                    self._wait(error, on_wait)
                if self.is_stopped:
                    return None
                self._check_token()
                try:
                    return self._connect()
                except Exception as exc:  # noqa: BLE001 - the policy's to judge, on_connected's and uri's too
                    if self.is_stopped:
                        return None
                    self._check_token()
                    error = exc
        finally:
            self._user.pop(None, None)
            # An error that is raised holds this frame, which must not hold the error.
            del error

    def wait_while_open(self, is_over: Callable[[], bool], next_look: Callable[[], Deadline]) -> None:
        """Wait until `is_over` says so, stop() is called or the token cancelled.

        Whoever makes it true rings, or `next_look` returns when to look again.
        """
        while not (is_over() or self.is_stopped or self._is_canceled):
            self._ring_or(next_look())

    def _end_previous(self) -> Exception | None:
        """Close the socket before; return why another is needed, None for the first."""
        socket, opened_at = self.socket, self._opened_at
        if socket is None or opened_at is None:
            return None
        if now() - opened_at >= self._plan.backoff.held_after:
            self.attempt = 0
        self._close(socket)
        self._opened_at = None
        return how_it_ended(socket)

    def _close(self, socket: MessageWebSocket) -> None:
        """Close a socket, or cut it when the token is cancelled meanwhile."""
        token = self._plan.token
        if token is None:
            socket.close()
            return

        def cut() -> None:
            # It is told of a cancel_after() too, which has cancelled nothing yet.
            if self._is_canceled:
                socket.abort()

        token._add_listener(self, cut)
        try:
            seconds = HURRIED_SECONDS if self._is_canceled else self._plan.model.control.close_timeout
            socket._close(None, "", token._limit(Deadline(seconds)).remaining)
        finally:
            token._remove_listener(self)

    def _check_worth_another(self, error: Exception) -> None:
        """Raise `error` when there is to be no other attempt."""
        if self.is_stopped or self._is_canceled:
            return
        is_own = isinstance(error, WebSocketError) and getattr(error, "close_cause", None) in _OWN_CAUSES
        try:
            goes_on = self.attempt < self._plan.max_attempts and (is_own or self._plan.policy(error))
        except Exception:
            # Who asks for a socket again would have the server asked again, without a pause.
            self.is_stopped = True
            raise
        if not goes_on:
            self.is_stopped = True
            _logger.info("no further attempt after %d: %s", self.attempt, error)
            raise error

    def _wait(self, error: Exception, on_wait: Callable[[int, float, Exception], object]) -> None:
        if self.is_stopped:
            return
        attempt = self.attempt + 1
        delay = self._plan.backoff.delay(attempt) + retry_after(error)
        _logger.info("attempt %d in %.1f s, after: %s", attempt, delay, error)
        on_wait(attempt, delay, error)
        deadline = Deadline(delay)
        while not (self.is_stopped or self._is_canceled or deadline.is_expired):
            self._ring_or(deadline)

    def _ring_or(self, deadline: Deadline) -> None:
        """Wait for a ring, the token or the deadline, whichever comes first, and possibly less."""
        token = self._plan.token
        if token is None:
            self._bell.wait(deadline.remaining)
            return
        token._add_listener(self, self._bell.ring)
        try:
            if not self._is_canceled:
                self._bell.wait(token._limit(deadline).remaining)
        finally:
            token._remove_listener(self)

    @property
    def _is_canceled(self) -> bool:
        token = self._plan.token
        return token is not None and token.is_cancellation_requested

    def _check_token(self) -> None:
        if self._is_canceled:
            self.is_stopped = True
            raise OperationCanceledError("connecting was canceled by the cancellation_token")

    def _connect(self) -> MessageWebSocket | None:
        plan = self._plan
        self.attempt += 1
        uri = plan.uri() if callable(plan.uri) else plan.uri
        headers = check_header_pairs(plan.headers()) if callable(plan.headers) else plan.headers
        made = MessageWebSocket()
        made.control.copy_from(plan.model.control)
        for name, value in headers:
            made.set_request_header(name, value)
        if self._prepare is not None:
            self._prepare(made)
        if plan.on_connecting is not None:
            plan.on_connecting(made)
        self.socket = made
        if self.is_stopped:
            # It may have been called just before, and found another socket or none.
            return None
        is_ready = False
        try:
            made._connect(uri, plan.timeout, plan.token, plan.unix_path)
            if plan.on_connected is not None:
                plan.on_connected(made)
            is_ready = not self.is_stopped
        finally:
            if not is_ready:
                made._close(None, "", HURRIED_SECONDS)
        self._opened_at = now()
        return made if is_ready else None


def how_it_ended(socket: MessageWebSocket) -> WebSocketError:
    """Return the error that says why the connection of a socket is over."""
    session = socket._session
    assert session is not None
    return session.end_error()
