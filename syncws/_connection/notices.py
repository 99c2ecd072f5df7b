"""What handlers get other than messages: a server's certificate, that the connection is open, pings and pongs.

`ask_about_server` and `raise_opened` run on the connecting thread, `tell` on the one that reads,
`tell_waiting` on the dispatcher.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncws._waiting.waiter import Waiter
from syncws.certificates import Certificate
from syncws.errors import CertificateError
from syncws.event_args import WebSocketServerCustomValidationRequestedEventArgs
from syncws.events import Event
from syncws.hresult import HResult

if TYPE_CHECKING:
    from syncws._connection.session import Session
    from syncws._net.tls.verification import CertificateReport

__all__ = ["MAX_WAITING_NOTICES", "Notices", "ask_about_server", "raise_opened", "tell", "tell_waiting"]

MAX_WAITING_NOTICES = 1024
"""Pings and pongs that wait behind a slow handler. Of a server that sends more the oldest are dropped."""

Notices = deque[tuple[Event[Any, Any], object]]


def ask_about_server(
    sender: object,
    event: Event[Any, WebSocketServerCustomValidationRequestedEventArgs],
    report: "CertificateReport",
    waiter: Waiter,
    on_change: Callable[[], None],
) -> None:
    """Show a server's certificate to the handlers of `event` and wait for the verdict, on the connecting thread.

    Raises:
        CertificateError: one of them refused it, or raised (0x800C000E).
        OperationTimedOutError, OperationCanceledError: as the waiter says.
    """
    if not event.handlers:
        return
    waiter.phase = "custom validation of the server's certificate"
    certificates = tuple(Certificate(der) for der in report.chain)
    args = WebSocketServerCustomValidationRequestedEventArgs._create(certificates, report.errors, on_change)
    failures = event(sender, args)
    while not args._is_settled:
        waiter.wait(0)
    what = "a handler of server_custom_validation_requested"
    if args._is_rejected:
        why = f"{what} refused the server's certificate"
    elif failures:
        why = f"{what} raised, and so refused the server's certificate: the traceback is on the logger syncws"
    else:
        # One may have closed the socket, or used up the time: then this server gets no request either.
        waiter.check()
        return
    raise CertificateError(why, hresult=HResult.INET_E_SECURITY_PROBLEM)


def raise_opened(session: "Session", event: Event[Any, Any], owner: object, args: object) -> None:
    """Call the handlers of opened, before anything is read.

    They find themselves inside a handler: what would wait for the reader, which is not there yet, only begins.
    """
    if event.handlers:
        session.reader_thread = threading.current_thread()
        try:
            session.handler_failures += event(owner, args)
        finally:
            session.reader_thread = None


def tell(session: "Session", event: Event[Any, Any], args: object) -> None:
    """Call the handlers of a ping or pong; if another thread is calling handlers now, leave it to that one."""
    owner = session.owner()
    if owner is None or session.closing.is_discarding:
        return
    if session.dispatcher_thread is not None or not session.is_on_reader:
        # The dispatcher calls the handlers. Or a caller reads, and a reader thread is still to be started for a handler
        # that was added just now.
        session.delivery.notices.append((event, args))
        session.delivery.bell.ring()
        session.role.require()
        return
    session.handler_failures += event(owner, args)


def tell_waiting(session: "Session") -> None:
    """Call the handlers for what was left to the dispatcher."""
    while session.delivery.notices:
        event, args = session.delivery.notices.popleft()
        owner = session.owner()
        if owner is not None and not session.closing.is_discarding:
            session.handler_failures += event(owner, args)
