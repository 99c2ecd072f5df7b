"""What net.connector needs and may not make itself: locks, helper threads, and the way to the application.

May import net and threads. Runs on the connecting thread.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from syncws._net.resolver import Answer
from syncws._net.tls.verification import CertificateReport
from syncws._waiting.helper_threads import run_aside
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter

__all__ = ["ConnectTools"]

Validation = Callable[[CertificateReport, Waiter, Callable[[], None]], None]


class ConnectTools:
    """See net.connector.Tools."""

    def __init__(self, waker: Waker, note: Callable[[CertificateReport], None], validate: Validation) -> None:
        """Make the tools of one connect; `note` keeps the server's certificates, `validate` shows them to handlers."""
        self._waker = waker
        self._note = note
        self._validate = validate

    def make_lock(self) -> AbstractContextManager[object]:
        """Return a new lock."""
        return threading.RLock()

    def run_aside(self, functions: Sequence[Callable[[], Answer]], waiter: Waiter) -> list[Answer]:
        """Run the parts of a name lookup on helper threads."""
        return run_aside(functions, waiter, self._waker, lambda answer: bool(answer.addresses))

    def note_certificates(self, report: CertificateReport) -> None:
        """Keep what the server showed, for the information object."""
        self._note(report)

    def validate_server(self, report: CertificateReport, waiter: Waiter) -> None:
        """Let the application look at the server's certificate."""
        self._validate(report, waiter, self._waker.wake)
