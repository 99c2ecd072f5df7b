"""What may reach a session without holding the socket object: the information object, and the end of a dropped socket.

May import certificates, host_name, info, net and threads. Any thread; close_dropped is called by the garbage collector.
"""

import warnings
from dataclasses import replace

from syncws._connection.session import Session
from syncws._net.tls.verification import CertificateReport
from syncws.certificates import Certificate
from syncws.host_name import HostName
from syncws.info import Snapshot

__all__ = ["SessionLink", "close_dropped"]


class SessionLink:
    """Leads from the information object to the session, without holding the socket."""

    __slots__ = ("certificate_errors", "certificates", "session")

    def __init__(self) -> None:
        self.session: Session | None = None
        self.note(CertificateReport())

    def note(self, report: CertificateReport) -> None:
        """Keep what the server showed."""
        self.certificates = tuple(Certificate(der) for der in report.chain)
        self.certificate_errors = report.errors

    def take_snapshot(self) -> Snapshot:
        """Return what the information object shows now."""
        session = self.session
        shown = Snapshot(
            server_certificate=self.certificates[0] if self.certificates else None,
            server_intermediate_certificates=self.certificates[1:],
            server_certificate_errors=self.certificate_errors,
        )
        if session is None:
            return shown
        statistics, received, sent = session.read_statistics()
        return replace(
            shown,
            local_address=HostName(session.local_address),
            remote_address=HostName(session.remote_address),
            proxy=session.proxy,
            protocol=session.subprotocol,
            bandwidth_statistics=statistics,
            bytes_received=received,
            bytes_sent=sent,
            bytes_buffered_in=session.inbox.size,
            close_cause=session.close_cause,
            close_code=session.close_code if session.is_close_known else None,
            close_reason=session.close_reason if session.is_close_known else "",
            bytes_pending_out=0 if session.finished.is_set() else session.outbox.pending_bytes,
            handler_failures=session.handler_failures,
            round_trip_time=session.pings.round_trip_time,
        )


def close_dropped(session: Session, what: str) -> None:
    """Close the connection of a socket object that nobody holds any more."""
    if session.finished.is_set():
        return
    try:
        # Not for one whose close() was interrupted, or has not come to its end.
        if not session.is_discarding:
            warnings.warn(f"{what} was dropped without close()", ResourceWarning, stacklevel=2)
    finally:
        session.abandon()
