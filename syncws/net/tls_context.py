"""Which ssl.SSLContext a connection to a server uses: the application's, or one of ours with the client certificate.

May import certificates, errors and settings; urllib3's other home (the context's defaults). Runs on the connecting
thread, before anything is sent. A proxy gets default_context(), never what make_context() returns: a client
certificate is for the server.
"""

import secrets
import ssl
import tempfile
from pathlib import Path

from urllib3.util.ssl_ import create_urllib3_context

from syncws.certificates import Certificate
from syncws.errors import HResultError, InvalidArgumentError
from syncws.settings import Settings

__all__ = ["default_context", "make_context"]


def default_context() -> ssl.SSLContext:
    """Return a context that verifies certificate and host name against the system's authorities.

    TLS 1.2 or later. SSL_CERT_FILE and SSL_CERT_DIR replace the system's authorities; SSLKEYLOGFILE names a file to
    which the session's secrets are added.

    Raises:
        HResultError: that file cannot be written (0x80004005).
    """
    try:
        context = create_urllib3_context()
    except OSError as exc:
        raise HResultError(
            f"no TLS settings can be made, perhaps for the file that SSLKEYLOGFILE names: {exc}"
        ) from exc
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    # A server that began to renegotiate could make sending wait for receiving.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


def make_context(settings: Settings) -> ssl.SSLContext:
    """Return the context for the server: control.ssl_context, or ours with control.client_certificate.

    Ours takes tens of milliseconds to make, so it is kept with the settings: a connect makes one.

    Raises:
        InvalidArgumentError: both are set, or OpenSSL does not take the certificate (0x80070057).
        HResultError: there is no place for a temporary file, or for SSLKEYLOGFILE's (0x80004005).
    """
    _refuse_certificate_beside_context(settings)
    if settings.ssl_context is not None:
        return settings.ssl_context
    certificate = settings.client_certificate
    context = settings.made_contexts.get(certificate)
    if context is None:
        context = default_context()
        if certificate is not None:
            _load_client_certificate(context, certificate)
        settings.made_contexts[certificate] = context
    return context


def _refuse_certificate_beside_context(settings: Settings) -> None:
    # A certificate that is loaded into the application's context would be shown to its other servers as well.
    if settings.client_certificate is not None and settings.ssl_context is not None:
        raise InvalidArgumentError(
            "control.client_certificate and control.ssl_context cannot both be set: "
            "load the certificate into your context with load_cert_chain()"
        )


def _load_client_certificate(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Hand OpenSSL certificate and key, which it takes from a file only; the key is encrypted there."""
    password = secrets.token_hex(32).encode("ascii")
    chain = [certificate, *certificate.intermediate_certificates]
    pem = [ssl.DER_cert_to_PEM_cert(one.get_certificate_blob()).encode("ascii") for one in chain]
    pem.append(certificate._encrypted_key(password))
    try:
        # A folder that only this user can open; it goes with what is in it, also when an interruption comes between.
        with tempfile.TemporaryDirectory(prefix="syncws-") as folder:
            path = Path(folder, "client.pem")
            path.touch(mode=0o600)
            path.write_bytes(b"".join(pem))
            context.load_cert_chain(path, password=password)
    except ssl.SSLError as exc:
        reason = exc.reason or exc.strerror or "no reason given"
        raise InvalidArgumentError(f"control.client_certificate cannot be used: OpenSSL says {reason}") from exc
    except OSError as exc:
        message = f"control.client_certificate needs a temporary file, which cannot be had: {exc.strerror or exc}"
        raise HResultError(message) from exc
