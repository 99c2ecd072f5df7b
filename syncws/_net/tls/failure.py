"""How an OpenSSL error in a handshake is reported here; what is wrong with a certificate is in verification.py.

A pure function: any thread may call it.
"""

import re
import ssl

from syncws._net.address import parse_address
from syncws.errors import TlsError
from syncws.hresult import HResult

__all__ = ["tls_error"]

# How OpenSSL names what is no TLS at all, version 3 and before it.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")
# How OpenSSL names the alerts (RFC 8446 6.2) that it received, less its prefixes; those of extensions have no ALERT. Of
# those that Python's list lacks there are only the words: "[SSL] tlsv1 alert unknown psk identity (_ssl.c:1006)".
_ALERT = re.compile(r"(?:\[SSL\] )?(?:\w+[_ ]ALERT|TLSV1)[_ ](\w+(?: \w+)*)", re.IGNORECASE)
_ALERTS_ABOUT_OUR_CERTIFICATE = {
    "access_denied",
    "bad_certificate",
    "certificate_expired",
    "certificate_revoked",
    "certificate_unknown",
    "no_certificate",
    "unknown_ca",
    "unsupported_certificate",
}
# What the names of others do not tell. The first is TLS 1.2's for a missing client certificate.
_MEANINGS = {
    "handshake_failure": "it has no cipher in common with this side, or wants a client certificate",
    "internal_error": "something is wrong on its side",
    "no_application_protocol": "it does not speak HTTP/1.1, by which a WebSocket is opened",
    "protocol_version": "it speaks no version of TLS that this side allows",
    "unrecognized_name": "it serves no host of this name",
}
# By which servers refuse a client that names none of their hosts.
_ALERTS_ABOUT_THE_NAME = {"handshake_failure", "internal_error", "unrecognized_name"}


def tls_error(error: ssl.SSLError, server_name: str, plain_scheme: str = "ws") -> TlsError:
    """Turn OpenSSL's error of a handshake into one of this library's.

    Args:
        error: OpenSSL's.
        server_name: who was spoken to, for the message; a proxy is called one.
        plain_scheme: of the URI of one without TLS, which the message asks after.
    """
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        # Up to Python 3.11.3 the two are not told apart.
        hung_up = TlsError(
            f"{server_name} ended the connection during the TLS handshake, as one without TLS may: "
            f"should it be {plain_scheme}://?"
        )
        # As every server that hangs up: a later try may find it in a better state.
        hung_up._is_transient = True
        return hung_up
    # One that Python code raises, an application's check say, has no reason, and may have its text alone.
    reason = getattr(error, "reason", None) or error.strerror or " ".join(map(str, error.args)) or "no reason given"
    alert = _ALERT.match(reason)
    if alert is not None:
        return _alert_error(alert[1].lower().replace(" ", "_"), server_name)
    hint = f"; it does not speak TLS: should it be {plain_scheme}://?" if reason in _NO_TLS else ""
    return TlsError(f"TLS handshake with {server_name} failed: {reason}{hint}")


def _alert_error(alert: str, server_name: str) -> TlsError:
    """Return the error for what the server says is wrong; since TLS 1.3 it may say so after our side is done."""
    if alert == "certificate_required":
        message = f"{server_name} wants a client certificate (alert {alert}): set control.client_certificate"
        return TlsError(message, hresult=HResult.WININET_E_CLIENT_AUTH_CERT_NEEDED)
    about = f": {_MEANINGS[alert]}" if alert in _MEANINGS else ""
    if alert in _ALERTS_ABOUT_OUR_CERTIFICATE:
        about = ", about the client certificate"
    if alert in _ALERTS_ABOUT_THE_NAME and parse_address(server_name) is not None:
        about += ", or it wants a name (SNI), which an IP address is not"
    error = TlsError(f"TLS handshake with {server_name} failed: it sent the alert {alert}{about}")
    # Unrelated to the peer, as RFC 8446 6.2 has it: what 500 is in HTTP.
    error._is_transient = alert == "internal_error"
    return error
