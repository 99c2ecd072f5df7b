"""From several addresses to a connected socket, in turn or, with happy eyeballs, overlapping (RFC 8305).

Runs on the connecting thread; one wait serves all addresses that are being tried.
"""

import errno
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from syncws._arguments.socket_options import LocalAddress, shown_option
from syncws._errors.bare import without_frames
from syncws._net.address import IP_FAMILIES, LOCALHOST, Address, parse_address
from syncws._waiting.deadline import FOREVER, Deadline, now
from syncws._waiting.waiter import Waiter
from syncws.control import WebSocketControl
from syncws.errors import (
    CannotConnectError,
    ConnectAttempt,
    OperationCanceledError,
    OperationTimedOutError,
    WebSocketError,
)
from syncws.hresult import HResult

__all__ = ["Dialed", "Dialer", "set_options"]

_logger = logging.getLogger("syncws.connect")

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_PENDING = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK, errno.EINTR)
# Linux says on a second call how far the first has come. A server nearby has accepted by then: that saves a wait, and
# asking for the result.
_SAYS_AGAIN = sys.platform == "linux"
# The least that an address gets of the time that is left: with less there is no point in trying (as in Go's dialer).
_SHORTEST_SHARE_SECONDS = 2.0


class Dialed(NamedTuple):
    """A socket that is connected, or that is to be.

    Attributes:
        socket: non-blocking.
        address: where to.
        started: when that began, by deadline.clock.
        deadline: when the address's time is over, TLS and the handshake included.
    """

    socket: socket.socket
    address: Address
    started: float
    deadline: Deadline


class Dialer:
    """The addresses of one way to the server, tried until one of them has answered.

    A connection that dial() has returned may still turn out to be useless, because nobody answers on it: then fail()
    notes that, and dial() goes on with the next address.

    Attributes:
        attempts (list[ConnectAttempt]): those that failed, in the order in which they did.
    """

    def __init__(self, addresses: Sequence[Address], port: int, settings: WebSocketControl, waiter: Waiter) -> None:
        """Make a dialer for `addresses` in the order in which they are to be tried."""
        self._waiting = deque(addresses)
        # Two addresses of one machine: once one accepts, the server listens there, and the other needs no time.
        self._is_one_machine = tuple(addresses) == LOCALHOST
        self._port = port
        self._settings = settings
        self._waiter = waiter
        self._pending: list[Dialed] = []
        self._next_start = FOREVER
        self.attempts: list[ConnectAttempt] = []

    @property
    def has_more(self) -> bool:
        """True while there is an address that has not failed."""
        return bool(self._waiting)

    def close(self) -> None:
        """Close the sockets of the addresses that are being tried; in a forked child, where nobody waits for them."""
        for dialed in self._pending:
            dialed.socket.close()

    def dial(self) -> Dialed:
        """Return the next connection; leaves no other descriptor behind.

        Raises:
            CannotConnectError: no address accepts (0x80072EFD), or none can be reached (0x80072F84).
            OperationTimedOutError: the time ran out, for the operation or for each address (0x80072EE2).
            OperationCanceledError: see Waiter.check (0x800704C7).
        """
        try:
            dialed = self._first_connected()
        except (OperationTimedOutError, OperationCanceledError) as exc:
            for pending in tuple(self._pending):
                self.fail(pending, type(exc)(exc.message))
            raise
        finally:
            # Those that lost the race have not failed: if the winner turns out to be of no use they come next.
            for loser in reversed(self._pending):
                loser.socket.close()
                self._waiting.appendleft(loser.address)
            self._pending.clear()
        if not self._waiting:
            return dialed
        if self._is_one_machine:
            timeout = self._settings._connect_timeout
            left = None if timeout is None else timeout - (now() - dialed.started)
            return dialed._replace(deadline=self._waiter.deadline.within(left))
        # Of those tried at the same time only this one goes on: from now on it takes turns with the others.
        return dialed._replace(deadline=dialed.deadline.sooner(self._share(1 + len(self._waiting))))

    def _first_connected(self) -> Dialed:
        while self._pending or self._waiting:
            if self._waiting and (not self._pending or self._next_start.is_expired):
                dialed = self._start_next()
            else:
                dialed = self._wait()
            if dialed is not None:
                self._pending.remove(dialed)
                return dialed
        raise self._error()

    def _start_next(self) -> Dialed | None:
        """Begin with the next address; return it when it is connected at once."""
        delay = self._settings._happy_eyeballs_delay
        # Those tried at the same time use up none of each other's time as long as none has accepted.
        limit = self._share(len(self._waiting) if delay is None else 1)
        address = self._waiting.popleft()
        is_ip = address.family in IP_FAMILIES
        self._waiter.phase = f"connecting to {self._shown(address)}"
        self._waiter.check()
        self._next_start = FOREVER if delay is None else Deadline(delay)
        # In this order: an attempt that runs out of time has taken no less than it had.
        started = now()
        try:
            connecting = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as exc:
            self._note(address, exc, 0.0)
            return None
        dialed = Dialed(connecting, address, started, limit)
        self._pending.append(dialed)
        try:
            set_options(connecting, self._settings, is_ip=is_ip)
            if is_ip and self._settings._local_address is not None:
                _bind(connecting, address, self._settings._local_address)
            target = address.at_port(self._port)
            error = _connect(connecting, target)
            if error == errno.EINPROGRESS and is_ip and _SAYS_AGAIN:
                error = connecting.connect_ex(target)
        except OSError as exc:
            self.fail(dialed, exc)
            return None
        if error in (0, errno.EISCONN):
            return dialed
        # A Unix socket is connected at once, or its server's queue is full; it never tells when there is room again.
        if error not in _PENDING or not is_ip:
            self.fail(dialed, _system_error(error, dialed.address))
        return None

    def _share(self, count: int) -> Deadline:
        """Return by when one of `count` addresses must have answered, TLS and the handshake included.

        Addresses that are tried in turn share the time that is left, so that one of them that is silent does not use
        up what the others need.
        """
        whole = self._waiter.deadline
        limit = whole.within(self._settings._connect_timeout)
        if count == 1 or (remaining := whole.remaining) is None:
            return limit
        return limit.within(max(remaining / count, _SHORTEST_SHARE_SECONDS))

    def _wait(self) -> Dialed | None:
        """Wait until an address answers, its time is over, or the next one's turn comes."""
        until = self._next_start if self._waiting else FOREVER
        for dialed in self._pending:
            until = until.sooner(dialed.deadline)
        pending = {dialed.socket.fileno(): dialed for dialed in self._pending}
        for descriptor in self._waiter.wait_for_any(pending, until):
            answered = pending.get(descriptor)
            if answered is None:
                continue
            error = answered.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error:
                return answered
            self.fail(answered, _system_error(error, answered.address))
        for dialed in tuple(self._pending):
            if dialed.deadline.is_expired:
                self.fail(dialed, OperationTimedOutError(f"no answer within {now() - dialed.started:.3g} s"))
        return None

    def fail(self, dialed: Dialed, error: OSError) -> None:
        """Note that an address is of no use, and close its socket."""
        if dialed in self._pending:
            self._pending.remove(dialed)
        dialed.socket.close()
        self._note(dialed.address, error, now() - dialed.started)

    def refuse_own_end(self, dialed: Dialed) -> bool:
        """Tell whether a socket was connected to itself, and note that as the refusal which it is.

        Where nobody listens on a port of this machine, the system may choose that very port for our end of the
        connection: the two are then the same (simultaneous open, RFC 9293 3.5). On Linux that befalls whoever tries
        again and again, as the ports that it gives out go by.
        """
        try:
            is_own: bool = dialed.socket.getsockname() == dialed.socket.getpeername()
        except OSError:
            # The peer has left.
            return False
        if is_own:
            self.fail(dialed, _system_error(errno.ECONNREFUSED, dialed.address))
        return is_own

    def _note(self, address: Address, error: OSError, seconds: float) -> None:
        # The delay is for an address that may still answer; after one that failed the next begins at once.
        self._next_start = Deadline(0.0)
        attempt = ConnectAttempt(address.text, without_frames(error), seconds)
        self.attempts.append(attempt)
        _logger.info("%s: %s after %.3f s", self._shown(address), error.strerror or error, seconds)

    def _shown(self, address: Address) -> str:
        return f"{address.text} port {self._port}" if address.family in IP_FAMILIES else address.text

    def _error(self) -> WebSocketError:
        """Return the one error for all the addresses; it names each and what happened to it."""
        errors = [attempt.error for attempt in self.attempts]
        message = "; ".join(
            f"{attempt.address}: {attempt.error.strerror or attempt.error}" for attempt in self.attempts
        )
        error: WebSocketError
        if all(isinstance(failure, OperationTimedOutError) for failure in errors):
            error = OperationTimedOutError(message)
        elif all(failure.errno in _UNREACHABLE for failure in errors):
            error = CannotConnectError(message, hresult=HResult.WININET_E_SERVER_UNREACHABLE)
        else:
            error = CannotConnectError(message)
        error.__cause__ = errors[-1]
        return error


def _connect(connecting: socket.socket, target: Any) -> int:
    """Call connect; return the system's number, 0 when it is connected."""
    # Not connect_ex: a test suite that lets no connection out, or watches them, replaces connect alone.
    try:
        connecting.connect(target)
    except OSError as exc:
        if exc.errno is None:
            raise
        return exc.errno
    return 0


def _system_error(number: int, address: Address) -> OSError:
    # C's library on Windows has no words for Winsock's numbers; there the module socket has a table of them.
    words: dict[int, str] = getattr(socket, "errorTab", {})
    text = words.get(number) or os.strerror(number)
    if number == errno.EINVAL and address.needs_zone:
        text += ": such an address needs its network interface, as in ws://[fe80::1%25eth0]/"
    return OSError(number, text)


def set_options(connected: socket.socket, settings: WebSocketControl, *, is_ip: bool) -> None:
    """Give a socket the options of a connection: it does not block, and has what control says; `is_ip` for TCP.

    Raises:
        OSError: the system refuses one; its text says which.
    """
    connected.setblocking(False)
    if is_ip:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, settings._no_delay)
    if settings._outbound_buffer_size_in_bytes:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings._outbound_buffer_size_in_bytes)
    # The check has made triples of all of them.
    for level, option, value in settings._socket_options:
        try:
            connected.setsockopt(level, option, value)
        except OSError as exc:
            what = f"control.socket_options: {shown_option(level, option)} cannot be set"
            raise OSError(exc.errno, f"{what}: {exc.strerror}") from exc


def _bind(connecting: socket.socket, remote: Address, given: LocalAddress) -> None:
    """Give a socket the address of this machine that control says."""
    text, port = (given, 0) if isinstance(given, str) else given
    local = parse_address(text)
    assert local is not None, "control has checked it"
    if local.family != remote.family:
        raise OSError(errno.EAFNOSUPPORT, f"control.local_address {text} is of the other address family")
    try:
        connecting.bind(local.at_port(port))
    except OSError as exc:
        raise OSError(exc.errno, f"control.local_address {text} port {port} cannot be used: {exc.strerror}") from exc
