"""The events that both socket classes have: closed and server_custom_validation_requested.

May import errors, events, the args classes and net. Handlers of closed run on the connection's reader thread, those of
server_custom_validation_requested on the connecting thread; adding and removing may be done on any thread.
"""

from collections.abc import Callable
from typing import Any

from syncws.certificate_validation import WebSocketServerCustomValidationRequestedEventArgs
from syncws.certificates import Certificate
from syncws.closed_event_args import WebSocketClosedEventArgs
from syncws.errors import CertificateError, InvalidArgumentTypeError
from syncws.events import Event, EventRegistrationToken, Handler
from syncws.hresult import HResult
from syncws.net.verification import CertificateReport
from syncws.net.waiter import Waiter

__all__ = ["WebSocketEvents"]

ClosedHandler = Handler[Any, WebSocketClosedEventArgs]
ValidationHandler = Handler[Any, WebSocketServerCustomValidationRequestedEventArgs]


class WebSocketEvents:
    """The base of WebSocketBase that holds the events. Not for use by itself."""

    def __init__(self) -> None:
        self._closed: Event[Any, WebSocketClosedEventArgs] = Event("closed")
        self._validation: Event[Any, WebSocketServerCustomValidationRequestedEventArgs] = Event(
            "server_custom_validation_requested"
        )

    @property
    def _events(self) -> tuple[Event[Any, Any], ...]:
        """All events of the object."""
        return (self._closed, self._validation)

    @property
    def closed(self) -> Event[Any, WebSocketClosedEventArgs]:
        """Raised once, last, when the connection is over, however it ended (….Closed).

        Unlike in WinRT it is raised too when the connection was lost: with code 1006.
        """
        return self._closed

    @closed.setter
    def closed(self, value: Event[Any, WebSocketClosedEventArgs]) -> None:
        self._check_same_event(value, self._closed)

    @property
    def server_custom_validation_requested(
        self,
    ) -> Event[Any, WebSocketServerCustomValidationRequestedEventArgs]:
        """Raised during a wss connect, after the server's certificate has passed (….ServerCustomValidationRequested).

        Handlers run on the connecting thread and may reject the server; one that raises rejects it.
        """
        return self._validation

    @server_custom_validation_requested.setter
    def server_custom_validation_requested(
        self, value: Event[Any, WebSocketServerCustomValidationRequestedEventArgs]
    ) -> None:
        self._check_same_event(value, self._validation)

    @staticmethod
    def _check_same_event(value: object, event: object) -> None:
        # `socket.closed += handler` gets the event, adds, and sets it again.
        if value is not event:
            raise InvalidArgumentTypeError("an event cannot be assigned: use += and -=, or its add_… and remove_…")

    def add_closed(self, handler: ClosedHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args); return the token that removes it (….add_Closed).

        Raises:
            InvalidArgumentTypeError: it is not callable (0x80070057).
        """
        return self._closed.add(handler)

    def remove_closed(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (….remove_Closed)."""
        self._closed.remove(token)

    def add_server_custom_validation_requested(self, handler: ValidationHandler, /) -> EventRegistrationToken:
        """Add a handler(socket, args); return the token that removes it (….add_ServerCustomValidationRequested).

        Raises:
            InvalidArgumentTypeError: it is not callable (0x80070057).
        """
        return self._validation.add(handler)

    def remove_server_custom_validation_requested(self, token: EventRegistrationToken, /) -> None:
        """Remove a handler; a token that is not known does nothing (….remove_ServerCustomValidationRequested)."""
        self._validation.remove(token)

    # What the session and the connector call.

    def _raise_closed(self, code: int, reason: str) -> int:
        """Raise closed; for the session."""
        return self._closed(self, WebSocketClosedEventArgs._create(code, reason))

    def _validate_server(self, report: CertificateReport, waiter: Waiter, on_change: Callable[[], None]) -> None:
        """Raise server_custom_validation_requested and wait for the verdict."""
        if not self._validation.handlers:
            return
        waiter.phase = "custom validation of the server's certificate"
        certificates = tuple(Certificate(der) for der in report.chain)
        args = WebSocketServerCustomValidationRequestedEventArgs._create(certificates, report.errors, on_change)
        failures = self._validation(self, args)
        while not args._is_settled:
            waiter.wait(0)
        if failures or args._is_rejected:
            raise CertificateError(
                "a handler of server_custom_validation_requested refused the server's certificate",
                hresult=HResult.INET_E_SECURITY_PROBLEM,
            )
