"""The thread of a ReconnectingWebSocket: connects, watches the connection, reports to the object.

`run` is the thread; the rest may be called on any. It holds the application's object only weakly, so that a dropped one
can be closed.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from syncws._reconnecting.attempts import Attempts, Plan, how_it_ended
from syncws._waiting.deadline import Deadline
from syncws._waiting.locks import Bell, Latch
from syncws.errors import OperationCanceledError, WebSocketError, fresh
from syncws.event_args import MessageWebSocketMessageReceivedEventArgs
from syncws.message_websocket import MessageWebSocket

__all__ = ["Owner", "Worker"]

_logger = logging.getLogger("syncws.reconnecting")


class Owner(Protocol):
    """What the worker needs from the application's object: raising its events."""

    @property
    def _has_message_handlers(self) -> bool: ...

    def _raise_connected(self, socket: MessageWebSocket, attempt: int) -> None: ...

    def _raise_message(self, socket: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> bool: ...

    def _raise_disconnected(self, error: WebSocketError, socket: MessageWebSocket) -> None: ...

    def _raise_reconnecting(self, attempt: int, delay: float, error: Exception) -> None: ...


class Worker:
    """What goes on in a ReconnectingWebSocket.

    Attributes:
        attempts (Attempts): its connects.
        socket: the one that is connected, between connected and disconnected; None when there is none.
        farewell: code and reason with which a connection is closed when this ends.
        is_finished (bool): True when nothing more will come.
        error: why it gave up; None after close().
        thread: which runs this; None before it was started.
        starting (dict): one entry, the thread that start() has chosen: the first of several calls wins.
    """

    def __init__(self, plan: Plan, owner: Callable[[], Owner | None]) -> None:
        self.attempts = Attempts(plan, self._prepare)
        self.socket: MessageWebSocket | None = None
        self.farewell: tuple[int | None, str] = (None, "")
        self.is_finished = False
        self.error: BaseException | None = None
        self._error_frames: TracebackType | None = None
        self.thread: threading.Thread | None = None
        self.starting: dict[None, threading.Thread] = {}
        self._owner = owner
        # Set when the latest connection is over, its last handler of closed included.
        self._over = Latch()
        self._is_forwarding = False
        # A message for which no handler was left: the next one gets it first.
        self._held: MessageWebSocketMessageReceivedEventArgs | None = None
        # One for each thread that waits for a change.
        self._bells: set[Bell] = set()

    # Any thread.

    @property
    def is_own_thread(self) -> bool:
        """True in a handler: on the worker's thread, or on one of the connection's."""
        session = None if self.attempts.socket is None else self.attempts.socket._session
        return threading.current_thread() is self.thread or (session is not None and session.is_on_reader)

    def wait_until(self, is_reached: Callable[[], bool], deadline: Deadline) -> bool:
        """Wait until `is_reached`, or the worker is finished; return whether it is reached."""
        bell = Bell()
        self._bells.add(bell)
        try:
            return self._wait(bell, is_reached, deadline)
        finally:
            self._bells.discard(bell)

    def _wait(self, bell: Bell, is_reached: Callable[[], bool], deadline: Deadline) -> bool:
        while not (is_reached() or self.is_finished or deadline.is_expired):
            bell.wait(deadline.remaining)
        return is_reached()

    def fail_if_given_up(self) -> None:
        """Raise the error because of which it gave up, if it did."""
        error = self.error
        if isinstance(error, WebSocketError):
            raise fresh(error)
        if error is not None:
            # Without the frames of earlier callers, which it would gather.
            raise error.with_traceback(self._error_frames)

    def finish(self, error: BaseException | None) -> None:
        """Note that nothing more will come."""
        self.error = error
        self._error_frames = None if error is None else error.__traceback__
        self.is_finished = True
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        for bell in self._bells.copy():
            bell.ring()

    # The worker's thread.

    def run(self) -> None:
        """Connect and serve until stopped, or until it gives up."""
        error: BaseException | None = None
        # Here too: start() may not have gone on yet, and what the plan calls may look.
        self.thread = threading.current_thread()
        try:
            while (socket := self.attempts.next_socket(self._tell_of_wait)) is not None:
                self._serve(socket)
        except OperationCanceledError as exc:
            error = exc
        except BaseException as exc:
            error = exc
            # With the traceback, as for a handler; an error of the library's says it all, and SystemExit is meant so.
            is_plain = isinstance(exc, WebSocketError | SystemExit)
            _logger.error("a ReconnectingWebSocket gives up: %s", exc, exc_info=not is_plain)
        finally:
            # After SystemExit from a handler too.
            self.attempts.stop()
            try:
                self._end_connection()
            finally:
                self.finish(error)
                del error

    def _prepare(self, socket: MessageWebSocket) -> None:
        self._over = Latch()
        self._is_forwarding = False
        self._held = None
        # A late end of the previous connection rings too, but sets its own latch.
        socket.closed += partial(self._note_over, self._over)

    def _note_over(self, over: Latch, *_: Any) -> None:
        over.set()
        self.attempts.ring()

    def _serve(self, socket: MessageWebSocket) -> None:
        owner = self._owner()
        if owner is None:
            return
        self.socket = socket
        owner._raise_connected(socket, self.attempts.attempt)
        del owner
        self._tell_waiting()
        self.attempts.wait_while_open(self._look, self._next_look)
        if self._over.is_set():
            self._give_out_rest(socket)
        self._end_connection()

    def _look(self) -> bool:
        """Tell whether the connection is over; begin to forward its messages once there is a handler for them."""
        owner = self._owner()
        socket = self.socket
        if not self._is_forwarding and owner is not None and socket is not None and owner._has_message_handlers:
            # Only here, on one thread: two forwarders would deliver each message twice.
            self._is_forwarding = True
            self._give_out_held(socket)
            if self._is_forwarding:
                socket.message_received += self._forward
        return self._over.is_set()

    def _next_look(self) -> Deadline:
        """Return when to look again; where no thread can be started for the connection, read here until then."""
        session = None if self.socket is None else self.socket._session
        if session is None or not session.role.is_short_of_threads:
            return Deadline(None)
        return session.role.read_while_waiting(Deadline(None))

    def _give_out_held(self, socket: MessageWebSocket) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._forward(socket, held)

    def _forward(self, socket: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
        owner = self._owner()
        if owner is None or args.error is not None or owner._raise_message(socket, args):
            return
        # The last handler was removed. What follows waits in the inbox, behind this.
        socket.message_received -= self._forward
        self._held = args
        self._is_forwarding = False
        # A handler may have been added just before.
        self.attempts.ring()

    def _give_out_rest(self, socket: MessageWebSocket) -> None:
        """Deliver what came with the end of a connection that was over before its messages were forwarded."""
        self._give_out_held(socket)
        session = socket._session
        owner = self._owner()
        while session is not None and owner is not None and owner._has_message_handlers:
            message = session.inbox.take_now()
            if message is None:
                return
            assert isinstance(message, MessageWebSocketMessageReceivedEventArgs)
            owner._raise_message(socket, message)

    def _end_connection(self) -> None:
        """Close the connection if it is not over, and report that there is none."""
        socket = self.socket
        if socket is None:
            return
        self.socket = None
        socket.close(*self.farewell)
        owner = self._owner()
        if owner is not None:
            owner._raise_disconnected(how_it_ended(socket), socket)

    def _tell_of_wait(self, attempt: int, delay: float, error: Exception) -> None:
        owner = self._owner()
        if owner is not None:
            owner._raise_reconnecting(attempt, delay, error)
