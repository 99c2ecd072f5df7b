"""ReconnectingWebSocket: a MessageWebSocket that connects again when its connection is over, with events.

It has a daemon thread of its own, `syncws-reconnecting-N`, which connects, waits, and raises its events; the handlers
of message_received run on the reader of each connection, like those of a MessageWebSocket. Any thread may call its
methods.
"""

import itertools
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self, Unpack

from syncws._arguments.checks import check_timeout
from syncws._arguments.other_names import (
    ATTRIBUTES,
    RECONNECTING_ARGUMENTS,
    RECONNECTING_EVENTS,
    RECONNECTING_KEYWORDS,
    check_attribute,
)
from syncws._buffers import ReadableBuffer
from syncws._connection.closing import time_on_exit
from syncws._copying import NotCopied
from syncws._errors.bare import raising_bare
from syncws._reconnecting.attempts import Headers, make_plan
from syncws._reconnecting.backoff import Backoff
from syncws._reconnecting.event_args import ConnectedEventArgs, DisconnectedEventArgs, ReconnectingEventArgs
from syncws._reconnecting.worker import Worker
from syncws._waiting.at_fork import forked_error, watch
from syncws._waiting.deadline import Deadline
from syncws._waiting.helper_threads import start_thread
from syncws._wire.closing import check_close
from syncws.cancellation import CancellationToken
from syncws.control import MessageWebSocketControl, MessageWebSocketSettings
from syncws.errors import (
    CannotConnectError,
    ConnectionClosedError,
    ConnectionLostError,
    IllegalMethodCallError,
    ObjectClosedError,
    WebSocketError,
)
from syncws.event_args import MessageWebSocketMessageReceivedEventArgs
from syncws.events import Event, EventMember, events_of
from syncws.message_websocket import MessageWebSocket
from syncws.uri import Uri

__all__ = ["ReconnectingWebSocket"]

_numbers = itertools.count(1)


class ReconnectingWebSocket(NotCopied):
    """A MessageWebSocket that connects again when its connection is over; event-driven, and a context manager.

    Example::

        socket = syncws.ReconnectingWebSocket("wss://example.com/ticker")
        socket.connected += lambda sender, args: sender.send("subscribe")
        socket.message_received += lambda sender, args: print(args.text)
        with socket:
            socket.wait_closed()

    Handlers stay across all connections. The order is guaranteed: connected, then the messages of that connection, then
    disconnected, then reconnecting once for each wait, and so on from the beginning. connected, disconnected and
    reconnecting are raised on this object's thread, messages on the connection's reader; no two handlers run at the
    same time, and a handler that does not return holds up the next connection.

    Each message that arrives is delivered once. A send() that returned has handed its message to the system; if the
    connection breaks after that, it may be lost, and disconnected says so. Nothing is kept to be sent later.

    It gives up when the policy calls an error final, or after max_attempts; then wait_closed() and wait_connected()
    raise that error, and it is logged at ERROR. An object that is dropped without close() is closed, with a
    ResourceWarning.

    Source: beyond WinRT.
    """

    _connected_event: Event["ReconnectingWebSocket", ConnectedEventArgs]
    _disconnected_event: Event["ReconnectingWebSocket", DisconnectedEventArgs]
    _reconnecting_event: Event["ReconnectingWebSocket", ReconnectingEventArgs]
    _message_received_event: Event["ReconnectingWebSocket", MessageWebSocketMessageReceivedEventArgs]

    @raising_bare
    def __init__(
        self,
        uri: str | Uri | Callable[[], str | Uri],
        *,
        headers: Headers | Callable[[], Headers] = (),
        subprotocols: Iterable[str] | None = None,
        timeout: float | None = None,
        cancellation_token: CancellationToken | None = None,
        backoff: Backoff | None = None,
        policy: Callable[[Exception], object] | None = None,
        max_attempts: int | None = None,
        on_connecting: Callable[[MessageWebSocket], object] | None = None,
        on_connected: Callable[[MessageWebSocket], object] | None = None,
        unix_path: str | os.PathLike[str] | None = None,
        **settings: Unpack[MessageWebSocketSettings],
    ) -> None:
        """Make it; nothing is connected before start().

        Args, Raises: as for reconnecting(). The cancellation token closes this object; uri, headers, policy,
        on_connecting and on_connected are called on its thread.

        Source: beyond WinRT.
        """
        for name in settings.keys() & RECONNECTING_KEYWORDS.keys():
            raise TypeError(
                f"ReconnectingWebSocket has no argument {name}; did you mean {RECONNECTING_KEYWORDS[name]}?"
            )
        plan = make_plan(
            uri=uri,
            headers=headers,
            subprotocols=subprotocols,
            timeout=timeout,
            cancellation_token=cancellation_token,
            backoff=backoff,
            policy=policy,
            max_attempts=max_attempts,
            on_connecting=on_connecting,
            on_connected=on_connected,
            unix_path=unix_path,
            settings=settings,
        )
        self._close_timeout = plan.model.control.close_timeout
        self._reconnecting_worker = Worker(plan, weakref.ref(self))
        self._message_received_event = Event("message_received", self._reconnecting_worker.attempts.ring)
        self._finalizer: weakref.finalize[..., Any] | None = None
        watch(self, ReconnectingWebSocket._let_go_in_child)

    connected: EventMember["ReconnectingWebSocket", ConnectedEventArgs] = EventMember(
        """Raised when there is a connection, after on_connected and before its first message."""
    )

    disconnected: EventMember["ReconnectingWebSocket", DisconnectedEventArgs] = EventMember(
        """Raised once for each connected, when that connection is over and its last message was handled."""
    )

    reconnecting: EventMember["ReconnectingWebSocket", ReconnectingEventArgs] = EventMember(
        """Raised before each wait for another attempt, even after a first connect that failed."""
    )

    message_received: EventMember["ReconnectingWebSocket", MessageWebSocketMessageReceivedEventArgs] = EventMember(
        """Raised for each message, of every connection; a handler is called as handler(this object, args).

        Unlike a MessageWebSocket's it does not stand for failures: disconnected reports them. What comes while there is
        no handler waits for the next one, as long as the connection lasts.
        """
    )

    if not TYPE_CHECKING:
        # Type checkers know the attributes, and would take this as permission to set any.
        def __setattr__(self, name: str, value: object) -> None:
            """Refuse a misspelt event, another client's event or a keyword; a subclass may have its own."""
            if not name.startswith("_"):
                check_attribute(self, name, _names_elsewhere)
            object.__setattr__(self, name, value)

    # Beginning and ending.

    @raising_bare
    def start(self) -> None:
        """Begin to connect, on this object's own thread, and return at once. Ctrl-C during it closes the object.

        Raises:
            IllegalMethodCallError: it was started before (0x8000000E).
            ObjectClosedError: it was closed (0x80000013).
            CannotConnectError: no thread can be started (0x80072EFD).
        """
        worker = self._reconnecting_worker
        if worker.is_finished or worker.attempts.is_stopped:
            raise ObjectClosedError("the ReconnectingWebSocket was closed: make a new one")
        thread = threading.Thread(target=worker.run, name=f"syncws-reconnecting-{next(_numbers)}", daemon=True)
        is_begun = False
        try:
            # One step, so that of two threads that call this one is refused.
            if worker.starting.setdefault(None, thread) is not thread:
                raise IllegalMethodCallError("start was called already")
            start_thread(thread)
            worker.thread = thread
            # Weakly: after the worker's end its error may lead back to this object.
            self._finalizer = weakref.finalize(self, _close_dropped, weakref.ref(worker))
            # At interpreter exit it goes with the process.
            self._finalizer.atexit = False
            is_begun = True
        except CannotConnectError:
            worker.starting.clear()
            raise
        finally:
            if not is_begun and worker.starting.get(None) is thread:
                # Interrupted: the thread may run, and nobody would end it.
                worker.attempts.stop()
                worker.finish(None)

    @raising_bare
    def close(self, code: int | None = None, reason: str = "") -> None:
        """End it: a wait or connect at once, a connection by a closing handshake within control.close_timeout.

        On any thread, several times; in a handler it begins closing but does not wait.

        Args:
            code, reason: for the Close frame, as for MessageWebSocket.close.

        Raises:
            InvalidArgumentError, InvalidArgumentTypeError: as MessageWebSocket.close (0x80070057).
        """
        checked, text = check_close(code, reason)
        self._close(checked, text, self._close_timeout)

    def _close(self, code: int | None, reason: str, timeout: float | None) -> None:
        deadline = Deadline(timeout)
        worker = self._reconnecting_worker
        worker.farewell = (code, reason)
        worker.attempts.stop()
        socket = worker.attempts.socket
        if socket is not None:
            # Here too: the worker may be inside on_connected, which waits for an answer.
            socket._close(code, reason, timeout)
        if worker.thread is None:
            worker.finish(None)
        elif not worker.is_own_thread:
            worker.wait_until(lambda: worker.is_finished, deadline)
            worker.thread.join(deadline.remaining)

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Wait until it is closed or has given up; return True then, and False when the time ran out.

        Args:
            timeout: seconds; None (the default) for ever.

        Raises:
            InvalidArgumentError: a bad timeout (0x80070057).
            IllegalMethodCallError: not started, or called in a handler (0x8000000E).
            OperationCanceledError: its cancellation token is cancelled (0x800704C7).
            Exception: the error because of which it gave up; see policy and max_attempts.
        """
        deadline = Deadline(check_timeout(timeout, "timeout"))
        worker = self._waitable("wait_closed")
        is_closed = worker.wait_until(lambda: worker.is_finished, deadline)
        worker.fail_if_given_up()
        return is_closed

    def wait_connected(self, timeout: float | None = None) -> bool:
        """Wait until there is a connection; return True then, and False when the time ran out or it was closed.

        Args:
            timeout: seconds; None (the default) for ever.

        Raises: as wait_closed.
        """
        deadline = Deadline(check_timeout(timeout, "timeout"))
        worker = self._waitable("wait_connected")
        is_connected = worker.wait_until(lambda: self.is_connected, deadline)
        worker.fail_if_given_up()
        return is_connected

    def _waitable(self, what: str) -> Worker:
        worker = self._reconnecting_worker
        if worker.thread is None and not worker.is_finished:
            raise IllegalMethodCallError(f"{what} waits for what start() begins: call that first")
        if worker.is_own_thread and not worker.is_finished:
            raise IllegalMethodCallError(f"{what} cannot wait inside a handler: it would wait for its own thread")
        return worker

    # The connection.

    def send(self, message: "str | ReadableBuffer", /) -> None:
        """Send one message over the current connection: str as text, any buffer as binary.

        Raises:
            IllegalMethodCallError: not started (0x8000000E).
            ConnectionOverError: there is no connection at the moment, or it breaks; nothing is kept to be sent later
                (0x80072EFE; after close 0x80000013). wait_connected() waits for the next one.

        As for the rest: as MessageWebSocket.send.
        """
        self._current_socket().send(message)

    def send_json(self, value: Any, /) -> None:
        """Send a value as JSON, in one text message.

        Raises: as send and MessageWebSocket.send_json.
        """
        self._current_socket().send_json(value)

    def _current_socket(self) -> MessageWebSocket:
        worker = self._reconnecting_worker
        socket = worker.socket
        if socket is not None:
            return socket
        if (error := worker.error) is not None:
            why = error.message if isinstance(error, WebSocketError) else repr(error)
            raise ConnectionClosedError(f"the ReconnectingWebSocket has given up: {why}") from error
        if worker.is_finished or worker.attempts.is_stopped:
            raise ConnectionClosedError("the ReconnectingWebSocket was closed")
        if worker.thread is None:
            raise IllegalMethodCallError("there is no connection yet: call start first")
        raise ConnectionLostError("there is no connection at the moment: wait_connected() waits for the next one")

    @property
    def socket(self) -> MessageWebSocket | None:
        """The socket of the current connection, for its information or ping(); None while there is none."""
        return self._reconnecting_worker.socket

    @property
    def is_connected(self) -> bool:
        """True while there is a connection, as far as is known: a next call may still find it lost."""
        socket = self._reconnecting_worker.socket
        if socket is None or not socket.is_open:
            return False
        session = socket._session
        # What waits for a handler keeps the socket open; a program that sends again and again would never come to wait.
        return session is not None and not session.outbox.is_broken

    # What the worker calls.

    @property
    def _has_message_handlers(self) -> bool:
        return bool(self._message_received_event.handlers)

    def _raise_connected(self, socket: MessageWebSocket, attempt: int) -> None:
        _count(socket, self._connected_event(self, ConnectedEventArgs(socket, attempt)))

    def _raise_message(self, socket: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> bool:
        """Call the handlers; return whether there were any."""
        handlers = self._message_received_event.handlers
        _count(socket, self._message_received_event.call(handlers, self, args))
        return bool(handlers)

    def _raise_disconnected(self, error: WebSocketError, socket: MessageWebSocket) -> None:
        _count(socket, self._disconnected_event(self, DisconnectedEventArgs(error, socket)))

    def _raise_reconnecting(self, attempt: int, delay: float, error: Exception) -> None:
        self._reconnecting_event(self, ReconnectingEventArgs(attempt, delay, error))

    def _let_go_in_child(self) -> None:
        """In a forked child: the thread is not here; see _waiting.at_fork."""
        for event in events_of(self):
            event._let_go_in_child()
        worker = self._reconnecting_worker
        if worker.thread is not None and not worker.is_finished:
            worker.attempts.is_stopped = True
            worker.finish(forked_error())

    def __enter__(self) -> Self:
        """Start it, if it was not; add handlers before."""
        if self._reconnecting_worker.thread is None:
            self.start()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        """Close; quickly when the block is left by an exception."""
        self._close(None, "", time_on_exit(self._close_timeout, exc_type))

    def __repr__(self) -> str:
        worker = self._reconnecting_worker
        if worker.is_finished or worker.attempts.is_stopped:
            state = "closed"
        elif worker.thread is None:
            state = "not started"
        else:
            state = "connected" if self.is_connected else f"connecting attempt={worker.attempts.attempt}"
        return f"<ReconnectingWebSocket {state}>"


def _names_elsewhere() -> dict[str, str]:
    names = (*MessageWebSocketControl._settings, *RECONNECTING_ARGUMENTS)
    keywords = {name: f"{name}= of ReconnectingWebSocket()" for name in names}
    return {**RECONNECTING_EVENTS, "keep_running": ATTRIBUTES["keep_running"], **keywords}


def _count(socket: MessageWebSocket, failures: int) -> None:
    """Add what its handlers here raised to the failures of a connection."""
    session = socket._session
    if failures and session is not None:
        session.handler_failures += failures


def _close_dropped(still_there: Callable[[], Worker | None]) -> None:
    """Close what an object that was dropped has left; the garbage collector calls it."""
    worker = still_there()
    if worker is None or worker.is_finished or worker.attempts.is_stopped:
        return
    try:
        warnings.warn("a ReconnectingWebSocket was dropped without close()", ResourceWarning, stacklevel=2)
    finally:
        worker.farewell = (1001, "")
        worker.attempts.stop()
