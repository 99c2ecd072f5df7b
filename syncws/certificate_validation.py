"""What the handlers of server_custom_validation_requested receive, and how connect waits for their verdict.

May import enums, certificates, certificate_errors and events. Made on the connecting thread, which also calls the
handlers; deferrals may be completed on any thread.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from syncws.certificate_errors import severity_of
from syncws.certificates import Certificate
from syncws.enums import ChainValidationResult, SocketSslErrorSeverity
from syncws.events import Deferral

__all__ = ["WebSocketServerCustomValidationRequestedEventArgs"]


class WebSocketServerCustomValidationRequestedEventArgs:
    """A server's certificate that has passed the usual checks, for one more; cannot be made.

    Windows.Networking.Sockets.WebSocketServerCustomValidationRequestedEventArgs. The connection goes on unless a
    handler calls reject() or raises. The server waits meanwhile, and connect's deadline runs.
    """

    __slots__ = ("_certificates", "_errors", "_is_rejected", "_lock", "_on_change", "_open_deferrals")

    _certificates: tuple[Certificate, ...]
    _errors: tuple[ChainValidationResult, ...]
    _is_rejected: bool
    _lock: AbstractContextManager[object]
    _on_change: Callable[[], None]
    _open_deferrals: int

    def __new__(cls) -> "WebSocketServerCustomValidationRequestedEventArgs":
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError("WebSocketServerCustomValidationRequestedEventArgs cannot be made: handlers receive it")

    @classmethod
    def _create(
        cls,
        certificates: tuple[Certificate, ...],
        errors: tuple[ChainValidationResult, ...],
        on_change: Callable[[], None],
    ) -> "WebSocketServerCustomValidationRequestedEventArgs":
        args = object.__new__(cls)
        args._certificates = certificates
        args._errors = errors
        args._is_rejected = False
        args._lock = threading.RLock()
        args._on_change = on_change
        args._open_deferrals = 0
        return args

    @property
    def server_certificate(self) -> Certificate:
        """The server's certificate (….ServerCertificate)."""
        return self._certificates[0]

    @property
    def server_intermediate_certificates(self) -> Sequence[Certificate]:
        """What else the server sent (….ServerIntermediateCertificates)."""
        return self._certificates[1:]

    @property
    def server_certificate_errors(self) -> Sequence[ChainValidationResult]:
        """Errors of the certificate that control.ignorable_server_certificate_errors let pass; mostly none.

        Source: ….ServerCertificateErrors.
        """
        return self._errors

    @property
    def server_certificate_error_severity(self) -> SocketSslErrorSeverity:
        """NONE, or IGNORABLE when errors were let pass (….ServerCertificateErrorSeverity)."""
        return severity_of(self._errors)

    def reject(self) -> None:
        """Refuse the server: connect raises CertificateError with 0x800C000E. May be called again (….Reject)."""
        self._is_rejected = True

    def get_deferral(self) -> Deferral:
        """Return a Deferral: connect waits until it is completed, or its deadline has passed (….GetDeferral)."""
        with self._lock:
            self._open_deferrals += 1
        return Deferral(self._complete_one)

    def _complete_one(self) -> None:
        with self._lock:
            self._open_deferrals -= 1
        self._on_change()

    @property
    def _is_settled(self) -> bool:
        return self._open_deferrals == 0
