"""TCP: from several addresses to one connected socket, in turn or, with happy eyeballs, overlapping (RFC 8305).

May import errors, hresult, settings and the rest of net. Runs on the connecting thread; one wait serves all addresses
that are being tried.
"""

import errno
import logging
import os
import selectors
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from syncws._net.address import Address
from syncws._waiting.at_fork import watch
from syncws._waiting.deadline import FOREVER, Deadline, now
from syncws._waiting.readiness import SLICE_SECONDS
from syncws._waiting.waiter import Waiter
from syncws.errors import (
    CannotConnectError,
    ConnectAttempt,
    OperationCanceledError,
    OperationTimedOutError,
    WebSocketError,
)
from syncws.hresult import HResult
from syncws.settings import Settings

__all__ = ["Dialed", "Dialer"]

_logger = logging.getLogger("syncws.connect")

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_PENDING = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR)


# Not epoll, which would cost a descriptor.
class _Selector(getattr(selectors, "PollSelector", selectors.SelectSelector)):  # type: ignore[misc]
    """A selector whose waits may end early, so that Ctrl-C reaches them."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait; see selectors."""
        longest = SLICE_SECONDS if timeout is None else min(timeout, SLICE_SECONDS)
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(longest)
        return ready


@dataclass(frozen=True)
class Dialed:
    """A socket that is connected, or that is to be.

    Attributes:
        socket: non-blocking.
        address: where to.
        started: when that began, by net.deadline's clock.
        deadline: when the address's time is over, TLS and the handshake included.
    """

    socket: socket.socket
    address: Address
    started: float
    deadline: Deadline


class Dialer:
    """Tries the addresses of one connect.

    Attributes:
        attempts (list[ConnectAttempt]): those that failed, in the order in which they did.
    """

    def __init__(self, addresses: Sequence[Address], port: int, settings: Settings, waiter: Waiter) -> None:
        """Make a dialer for `addresses` in the order in which they are to be tried."""
        self._waiting = deque(addresses)
        self._port = port
        self._settings = settings
        self._waiter = waiter
        self._pending: list[Dialed] = []
        self._selector = _Selector()
        self._next_start = FOREVER
        self.attempts: list[ConnectAttempt] = []
        watch(self)

    def let_go_in_child(self) -> None:
        """See net.inherited."""
        for dialed in self._pending:
            dialed.socket.close()

    def dial(self, host: str) -> Dialed:
        """Return the first connection; leaves no other descriptor behind.

        Raises:
            CannotConnectError: no address accepts (0x80072EFD), or none can be reached (0x80072F84).
            OperationTimedOutError: the time was over, of the operation or of each address (0x80072EE2).
            OperationCanceledError: see Waiter.check (0x800704C7).
        """
        try:
            self._selector.register(self._waiter.wakings, selectors.EVENT_READ)
            while True:
                dialed = self._start_next() if self._is_start_due else self._wait()
                if dialed is not None:
                    self._pending.remove(dialed)
                    return dialed
                if not self._pending and not self._waiting:
                    raise self._error(host)
        except (OperationTimedOutError, OperationCanceledError) as exc:
            for dialed in tuple(self._pending):
                self._fail(dialed, type(exc)(exc.message))
            raise
        finally:
            self._selector.close()
            for dialed in self._pending:
                dialed.socket.close()

    @property
    def _is_start_due(self) -> bool:
        return bool(self._waiting) and (not self._pending or self._next_start.is_expired)

    def _start_next(self) -> Dialed | None:
        """Begin with the next address; return it when it is connected at once."""
        address = self._waiting.popleft()
        self._waiter.phase = f"connecting to {address.text} port {self._port}"
        self._waiter.check()
        delay = self._settings.happy_eyeballs_delay
        self._next_start = FOREVER if delay is None else Deadline(delay)
        # In this order: an attempt that runs out of time has taken no less than it had.
        started = now()
        limit = self._waiter.deadline.earlier(self._settings.connect_timeout)
        try:
            connecting = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as exc:
            self._note(address, exc, 0.0)
            return None
        dialed = Dialed(connecting, address, started, limit)
        self._pending.append(dialed)
        try:
            self._set_options(connecting)
            error = connecting.connect_ex(address.at_port(self._port))
        except OSError as exc:
            self._fail(dialed, exc)
            return None
        if not error:
            return dialed
        if error in _PENDING:
            self._selector.register(connecting, selectors.EVENT_WRITE, dialed)
        else:
            self._fail(dialed, OSError(error, os.strerror(error)), is_registered=False)
        return None

    def _set_options(self, connecting: socket.socket) -> None:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self._settings.no_delay)
        if self._settings.outbound_buffer_size_in_bytes is not None:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._settings.outbound_buffer_size_in_bytes)

    def _wait(self) -> Dialed | None:
        """Wait until an address answers, its time is over, or the next one's turn comes."""
        until = self._next_start if self._waiting else FOREVER
        for dialed in self._pending:
            until = until.sooner(dialed.deadline)
        for key, _ in self._waiter.wait_with(self._selector.select, until):
            if key.data is None:
                continue
            error = key.data.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error:
                return key.data  # type: ignore[no-any-return]
            self._fail(key.data, OSError(error, os.strerror(error)))
        for dialed in tuple(self._pending):
            if dialed.deadline.is_expired:
                self._fail(dialed, OperationTimedOutError(f"no answer within {now() - dialed.started:.3g} s"))
        return None

    def _fail(self, dialed: Dialed, error: OSError, *, is_registered: bool = True) -> None:
        self._pending.remove(dialed)
        if is_registered and dialed.socket in self._selector.get_map():
            self._selector.unregister(dialed.socket)
        dialed.socket.close()
        self._note(dialed.address, error, now() - dialed.started)

    def _note(self, address: Address, error: OSError, seconds: float) -> None:
        # The delay is for an address that may still answer; after one that failed the next begins at once.
        self._next_start = Deadline(0.0)
        attempt = ConnectAttempt(address.text, error, seconds)
        self.attempts.append(attempt)
        _logger.info("%s port %d: %s after %.3f s", address.text, self._port, error.strerror or error, seconds)

    def _error(self, host: str) -> WebSocketError:
        """Return the one error for all the addresses; it names each and what became of it."""
        errors = [attempt.error for attempt in self.attempts]
        reasons = "; ".join(
            f"{attempt.address}: {attempt.error.strerror or attempt.error}" for attempt in self.attempts
        )
        message = f"cannot connect to {host} port {self._port} ({reasons})"
        error: WebSocketError
        if all(isinstance(failure, OperationTimedOutError) for failure in errors):
            error = OperationTimedOutError(message)
        elif all(failure.errno in _UNREACHABLE for failure in errors):
            error = CannotConnectError(message, hresult=HResult.WININET_E_SERVER_UNREACHABLE)
        else:
            error = CannotConnectError(message)
        error.__cause__ = errors[-1]
        return error
