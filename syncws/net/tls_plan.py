"""Which TLS settings a connection is made with, and by which ones the server's certificate is checked.

May import settings and this room's tls. Contexts are made on the connecting thread, for one connect each.
"""

import ssl
from dataclasses import dataclass

from syncws.net.tls import default_context
from syncws.settings import Settings

__all__ = ["TlsPlan", "make_plan"]


@dataclass(frozen=True)
class TlsPlan:
    """How the server's certificate comes to be checked.

    Attributes:
        handshake: the context of the handshake.
        rules: the context by whose rules the certificate is checked after the handshake and before anything is sent;
            None when the handshake itself does so, or nothing is to be checked.
    """

    handshake: ssl.SSLContext
    rules: ssl.SSLContext | None = None


def make_plan(settings: Settings) -> TlsPlan:
    """Return the contexts of a connect.

    With errors to let pass OpenSSL must not end the handshake at one. The application's own context is never changed
    for that, not even for a moment, because other connections may be made with it meanwhile.
    """
    own = settings.ssl_context
    if not settings.ignorable_server_certificate_errors:
        return TlsPlan(default_context() if own is None else own)
    if own is None:
        return TlsPlan(_lenient(default_context()), default_context())
    if own.verify_mode is ssl.CERT_NONE:
        return TlsPlan(own)
    return TlsPlan(_lenient(_like(own)), own)


def _lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _like(original: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context with the same versions, ciphers and options, without authorities and certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options = original.options
    context.minimum_version = original.minimum_version
    context.maximum_version = original.maximum_version
    # TLS 1.3's suites are not set by set_ciphers, and are the same for all contexts.
    names = ":".join(cipher["name"] for cipher in original.get_ciphers() if cipher["protocol"] != "TLSv1.3")
    context.set_ciphers(f"{names or 'DEFAULT'}:@SECLEVEL={original.security_level}")
    context.set_alpn_protocols(["http/1.1"])
    context.post_handshake_auth = original.post_handshake_auth
    if original.keylog_filename is not None:
        context.keylog_filename = original.keylog_filename
    return context
