"""TLS with the server: the handshake, the check of its certificate, and the application's own look at it.

Runs on the connecting thread, within the waiter's deadline.
"""

import ssl
from typing import Protocol

from syncws._net.tls.chain_judge import sent_chain
from syncws._net.tls.context import make_plan
from syncws._net.tls.direct import DirectTlsTransport, direct_form
from syncws._net.tls.transport import TlsTransport
from syncws._net.tls.verification import CertificateReport, certificate_error, examine, not_forgiven, refused_at_once
from syncws._net.transport import Transport
from syncws._waiting.waiter import Waiter
from syncws._wire.uri import WebSocketUri
from syncws.control import WebSocketControl
from syncws.enums import ChainValidationResult

__all__ = ["CertificateTools", "start_tls"]


class CertificateTools(Protocol):
    """What has to do with the application, and is not for TLS to do."""

    def note_certificates(self, report: CertificateReport) -> None:
        """Keep what the server showed for the information object; also when it is then refused."""

    def validate_server(self, report: CertificateReport, waiter: Waiter) -> None:
        """Let the application look at the server's certificate; raises when it refuses."""


def start_tls(
    inner: Transport, uri: WebSocketUri, settings: WebSocketControl, waiter: Waiter, tools: CertificateTools
) -> DirectTlsTransport | TlsTransport:
    """Return TLS over `inner`, with a server whose certificate has passed.

    Raises:
        CertificateError: it has not (0x80072F05, …06, …0D, …17, …19, …89, …8A), or the application refused it
            (0x800C000E).
        ssl.SSLError, OSError: what else went wrong in TLS, or below it.
        OperationTimedOutError, OperationCanceledError: as the waiter says.
    """
    name = uri.server_name
    waiter.phase = f"TLS handshake with {name}"
    plan = make_plan(settings)
    transport = TlsTransport(inner, plan.handshake, name)
    report: CertificateReport | None = None

    def check_certificate() -> None:
        nonlocal report
        if plan.rules is None or report is not None:
            return
        chain = sent_chain(transport.ssl_object)
        if chain:
            report = _checked_report(chain, plan.rules, uri, settings, tools)

    try:
        # Our answer to the server's certificate holds our own: it must not leave before the verdict.
        transport.handshake(waiter.wait, waiter.check, check_certificate)
    except ssl.SSLCertVerificationError as exc:
        report = _report_of_failure(exc, transport, plan.handshake, uri)
        tools.note_certificates(report)
        raise certificate_error(report, report.errors, name) from exc
    if report is None:
        report = _checked_report(sent_chain(transport.ssl_object), plan.rules, uri, settings, tools)
    tools.validate_server(report, waiter)
    return direct_form(transport)


def _report_of_failure(
    error: ssl.SSLCertVerificationError, transport: TlsTransport, context: ssl.SSLContext, uri: WebSocketUri
) -> CertificateReport:
    """Return all that is wrong, where OpenSSL has ended the handshake at the first thing."""
    chain = sent_chain(transport.ssl_object)
    report = examine(context, chain, uri.server_name) if chain else CertificateReport()
    # Nothing is found where there is no chain, OTHER_ERRORS alone where the context has no TLS 1.2: it said more here.
    is_examined = any(found is not ChainValidationResult.OTHER_ERRORS for found in report.errors)
    return report if is_examined else refused_at_once(error, chain)


def _checked_report(
    chain: tuple[bytes, ...],
    rules: ssl.SSLContext | None,
    uri: WebSocketUri,
    settings: WebSocketControl,
    tools: CertificateTools,
) -> CertificateReport:
    """Check the certificate by the rules, if there are any: else the handshake has done so, or nothing is checked."""
    report = CertificateReport(chain) if rules is None else examine(rules, chain, uri.server_name)
    tools.note_certificates(report)
    if report.errors:
        left = not_forgiven(report.errors, settings._ignorable_server_certificate_errors)
        if left:
            raise certificate_error(report, left, uri.server_name)
    return report
