"""The TLS settings with which a connection is made, and those by which the server's certificate is checked.

Runs on the connecting thread, before anything is sent. A proxy never gets what make_plan() returns: a client
certificate is for the server.
"""

import inspect
import secrets
import ssl
import tempfile
from pathlib import Path
from typing import NamedTuple

from syncws._net.tls.trust import PROTOCOLS, bare_context, is_replaced, shared_context, trusting_context
from syncws._net.transport import is_shortage
from syncws.certificates import Certificate
from syncws.control import WebSocketControl
from syncws.errors import InvalidArgumentError, WebSocketError

__all__ = ["TlsPlan", "make_plan"]


class TlsPlan(NamedTuple):
    """How the server's certificate comes to be checked.

    Attributes:
        handshake: the context of the handshake.
        rules: the context by whose rules the certificate is checked as soon as it is there, before anything is sent
            that the server could use; None when the handshake itself does so, or nothing is to be checked.
    """

    handshake: ssl.SSLContext
    rules: ssl.SSLContext | None = None


def make_plan(settings: WebSocketControl) -> TlsPlan:
    """Return the contexts of a connect to a server.

    They are kept with the settings, because those for a client certificate take their time.

    Raises:
        InvalidArgumentError: OpenSSL does not take the client certificate, or ca_file; or an ssl_context that no other
            can stand for, because it makes its connections its own way, or verifies and has no TLS 1.2, by which alone
            it can be asked about a certificate outside a handshake; or all contexts are of a class that does not keep
            to the settings (0x80070057).
        WebSocketError: there is no place for a temporary file, or for SSLKEYLOGFILE's (0x80004005).
        OSError: there is no descriptor left; see is_shortage.
    """
    plan: TlsPlan | None = settings._made_plans.get(settings.client_certificate)
    if plan is None:
        plan = _new_plan(settings)
        settings._made_plans[settings.client_certificate] = plan
    return plan


def _new_plan(settings: WebSocketControl) -> TlsPlan:
    """Make the contexts.

    The application's own context is never changed, not even for a moment, because other connections may be made with
    it meanwhile: the handshake is then done with a context like it, which has the client certificate and does not end
    at an error, and the server is checked by the application's in the middle of it.
    """
    own, certificate = settings.ssl_context, settings.client_certificate
    lets_pass = bool(settings._ignorable_server_certificate_errors)
    if own is not None and (settings.ca_file is not None or not settings.trusts_system_authorities):
        raise InvalidArgumentError(
            "control.ca_file and trusts_system_authorities cannot be used together with an ssl_context, which has "
            "authorities of its own: add more with its load_verify_locations()"
        )
    if is_replaced():
        _check_kept(settings)
    if own is not None and (lets_pass or certificate is not None):
        _check_replaceable(own)
    if own is None and lets_pass:
        plan = TlsPlan(_lenient(bare_context()), shared_context(settings.ca_file, settings.trusts_system_authorities))
    elif own is None:
        # A client certificate is put into a context of its own.
        make = shared_context if certificate is None else trusting_context
        plan = TlsPlan(make(settings.ca_file, settings.trusts_system_authorities))
    elif certificate is None and not lets_pass:
        plan = TlsPlan(own)
    elif own.verify_mode is ssl.CERT_NONE:
        plan = TlsPlan(own if certificate is None else _lenient(_like(own)))
    else:
        plan = TlsPlan(_lenient(_like(own)), _checked_rules(own))
    if certificate is not None:
        _load_client_certificate(plan.handshake, certificate)
    return plan


def _check_kept(settings: WebSocketControl) -> None:
    """Refuse what contexts would not keep to that check in their own way, as truststore's do.

    They trust the system whatever they are told, and may check no earlier than at the end of the handshake: so the
    judge cannot ask them, and the client certificate would have left before the verdict.
    """
    for name, is_used in (
        ("trusts_system_authorities", not settings.trusts_system_authorities),
        ("ignorable_server_certificate_errors", bool(settings._ignorable_server_certificate_errors)),
        ("client_certificate", settings.client_certificate is not None),
    ):
        if is_used:
            raise InvalidArgumentError(
                f"control.{name} cannot be used while ssl.SSLContext is {ssl.SSLContext.__module__}'s, which checks in "
                "its own way, as after truststore.inject_into_ssl(): take that back, or set everything up in an "
                "ssl_context"
            )


def _checked_rules(own: ssl.SSLContext) -> ssl.SSLContext:
    if not _has_tls_1_2(own):
        raise InvalidArgumentError(
            "an ssl_context without TLS 1.2 cannot be used together with client_certificate or "
            "ignorable_server_certificate_errors: have its minimum_version, maximum_version and options allow it, or "
            "set everything up in the context"
        )
    return own


def _has_tls_1_2(context: ssl.SSLContext) -> bool:
    lowest, highest, version = context.minimum_version, context.maximum_version, ssl.TLSVersion
    begins_low_enough = lowest <= version.TLSv1_2 and lowest is not version.MAXIMUM_SUPPORTED
    ends_high_enough = highest >= version.TLSv1_2 or highest is version.MAXIMUM_SUPPORTED
    return begins_low_enough and ends_high_enough and not context.options & ssl.OP_NO_TLSv1_2


def _lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _like(original: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context with the same versions, ciphers and options, without authorities and certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # A server that began to renegotiate could show another certificate than the one that was checked.
    context.options = original.options | ssl.OP_NO_RENEGOTIATION
    context.minimum_version = original.minimum_version
    context.maximum_version = original.maximum_version
    # TLS 1.3's suites are not set by set_ciphers, and are the same for all contexts.
    names = ":".join(cipher["name"] for cipher in original.get_ciphers() if cipher["protocol"] != "TLSv1.3")
    context.set_ciphers(f"{names or 'DEFAULT'}:@SECLEVEL={original.security_level}")
    context.set_alpn_protocols(PROTOCOLS)
    context.post_handshake_auth = original.post_handshake_auth
    if original.keylog_filename is not None:
        context.keylog_filename = original.keylog_filename
    return context


def _check_replaceable(original: ssl.SSLContext) -> None:
    """Refuse a context with code of the application, perhaps a check of its own, that no other context would run."""
    makes_its_own = original.sslobject_class is not ssl.SSLObject or any(
        inspect.getattr_static(original, name) is not inspect.getattr_static(ssl.SSLContext, name)
        for name in ("wrap_bio", "_wrap_bio", "_encode_hostname")
    )
    if makes_its_own:
        raise InvalidArgumentError(
            "an ssl_context with its own sslobject_class or wrap_bio cannot be used together with client_certificate "
            "or ignorable_server_certificate_errors: set everything up in the context"
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
        if exc.errno is None or is_shortage(exc):
            # Without a number it is a signal handler's, which came in that moment.
            raise
        message = f"control.client_certificate needs a temporary file, which cannot be made: {exc.strerror or exc}"
        raise WebSocketError(message) from exc
