"""Which authorities a connection without an ssl_context trusts: the contexts that are made here.

Runs on the connecting thread, before anything is sent.
"""

import os
import re
import ssl
import sys
from typing import Any

from urllib3.util import ssl_

from syncws._net.transport import is_shortage, is_tls_error
from syncws._waiting.at_fork import loading
from syncws._waiting.deadline import now
from syncws.errors import InvalidArgumentError, WebSocketError

__all__ = [
    "NO_HASHED_NAMES",
    "PROTOCOLS",
    "bare_context",
    "has_hashed_names",
    "is_replaced",
    "shared_context",
    "trusting_context",
    "why_not_loaded",
]

NO_HASHED_NAMES = "in which no file has a hashed name: run openssl rehash on it"
"""What is wrong with a folder in which OpenSSL finds nothing."""

PROTOCOLS = ("http/1.1",)
"""What a server is offered by ALPN (RFC 7301): the opening handshake is HTTP/1.1."""

# Of a certificate in a folder, by which OpenSSL finds it.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")
# How long a context is shared: for what Windows trusts there is no file that would show a change.
_SHARED_SECONDS = 300.0
_MOST_SHARED = 8
# By what was asked for and how the files were: until when, and the context. Of two threads that make one the latter's
# stays, which is as good.
_shared: dict[tuple[Any, ...], tuple[float, ssl.SSLContext]] = {}


def is_replaced() -> bool:
    """Tell whether contexts are made by a class that a program has put into ssl, and that checks in its own way.

    As truststore.inject_into_ssl() does. gevent's and eventlet's check as the standard library's own.
    """
    return ssl.SSLContext.wrap_bio.__module__ != "ssl"


def shared_context(ca_file: "os.PathLike[str] | str | None" = None, trusts_system: bool = True) -> ssl.SSLContext:
    """Return what trusting_context() would; other connections use it too, so it must not be changed.

    Reading the system's authorities takes longer than all the rest of a connect. What has changed on disk or in the
    environment is read again, and all of it after five minutes.

    Args, Raises: as trusting_context.
    """
    if os.environ.get("SSLKEYLOGFILE"):
        # That file may be another one by now.
        return trusting_context(ca_file, trusts_system)
    path = None if ca_file is None else os.fspath(ca_file)
    key = (ssl.SSLContext, path, trusts_system, *_look_at(path, trusts_system))
    until, context = _shared.get(key, (0.0, None))
    if context is None or now() >= until:
        context = trusting_context(ca_file, trusts_system)
        if len(_shared) >= _MOST_SHARED:
            _shared.clear()
        _shared[key] = now() + _SHARED_SECONDS, context
    return context


def _look_at(ca_file: str | None, trusts_system: bool) -> list[Any]:
    """Return where the authorities are read from, and what tells that they have changed."""
    paths: list[Any] = [] if ca_file is None else [ca_file]
    if trusts_system:
        system = ssl.get_default_verify_paths()
        paths += [path for path in (system.cafile, system.capath) if path is not None]
    seen: list[Any] = []
    for path in paths:
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            seen.append(path)
        else:
            seen.append((path, status.st_mtime_ns, status.st_size, status.st_ino))
    return seen


def trusting_context(ca_file: "os.PathLike[str] | str | None" = None, trusts_system: bool = True) -> ssl.SSLContext:
    """Return a new context that verifies certificate and host name; TLS 1.2 or later.

    SSL_CERT_FILE and SSL_CERT_DIR replace the system's authorities; SSLKEYLOGFILE names a file to which the session's
    secrets are added.

    Args:
        ca_file: authorities in PEM form, or a folder of them; None for none of your own.
        trusts_system: whether the system's authorities are trusted, too.

    Raises:
        InvalidArgumentError: `ca_file` has none, or nobody is trusted (0x80070057).
        WebSocketError: the file for secrets cannot be written (0x80004005).
        OSError: there is no descriptor left; see is_shortage.
    """
    if ca_file is None and not trusts_system:
        raise InvalidArgumentError(
            "control.ca_file must say whom to trust when control.trusts_system_authorities is False"
        )
    context = bare_context()
    if trusts_system:
        _load_system(context)
    if ca_file is not None:
        _load(context, os.fspath(ca_file))
    return context


def _load_system(context: ssl.SSLContext) -> None:
    with loading():
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    file = ssl.get_default_verify_paths().cafile
    # A class of a program's may not tell, because it asks the system at each handshake.
    if file is not None and not is_replaced() and not context.cert_store_stats()["x509"]:
        # OpenSSL does not say what kept it from reading the file. Where it is a shortage, a context without
        # authorities must not be shared.
        try:
            context.load_verify_locations(cafile=file)
        except ssl.SSLError:
            pass
        except OSError as exc:
            if is_shortage(exc):
                raise


def _load(context: ssl.SSLContext, path: str) -> None:
    try:
        if not os.path.isdir(path):
            context.load_verify_locations(cafile=path)
        elif has_hashed_names(path):
            context.load_verify_locations(capath=path)
        else:
            raise InvalidArgumentError(f"control.ca_file is the folder {path!r}, {NO_HASHED_NAMES}")
    except ssl.SSLError as exc:
        raise InvalidArgumentError(f"control.ca_file {path!r} has {why_not_loaded(exc)}") from exc
    except InvalidArgumentError:
        raise
    except (OSError, ValueError) as exc:
        if isinstance(exc, OSError) and (exc.errno is None or is_shortage(exc)):
            # Without a number it is a signal handler's, which came in that moment.
            raise
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise InvalidArgumentError(f"control.ca_file {path!r} cannot be read: {why}") from exc


def has_hashed_names(folder: str) -> bool:
    """Tell whether OpenSSL can find an authority in a folder."""
    return any(_HASHED_NAME.fullmatch(name) for name in os.listdir(folder))


def why_not_loaded(fault: ssl.SSLError) -> str:
    """Return what a file of authorities has, for which OpenSSL refuses it."""
    if fault.reason == "NO_CERTIFICATE_OR_CRL_FOUND":
        return "no certificate in PEM form"
    return "something in PEM form that cannot be read: one that is cut off, or a BEGIN that is not on a line of its own"


def bare_context() -> ssl.SSLContext:
    """Return a new context that trusts nobody: authorities are what takes time.

    Raises:
        WebSocketError: see trusting_context (0x80004005).
    """
    try:
        with loading():
            context = _context_of_urllib3()
    except OSError as exc:
        if is_shortage(exc):
            raise
        # OpenSSL's file of settings may leave it without ciphers; what cannot be opened is the other file.
        culprit = "OpenSSL's settings (OPENSSL_CONF)" if is_tls_error(exc) else "the file that SSLKEYLOGFILE names"
        raise WebSocketError(f"the TLS settings cannot be made, perhaps because of {culprit}: {exc}") from exc
    # urllib3 2 does these three too; 1.26 leaves the host name to code of its own, and the version to the system.
    context.check_hostname = True
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A server that began to renegotiate could make sending wait for receiving.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(PROTOCOLS)
    return context


def _context_of_urllib3() -> ssl.SSLContext:
    # The class that they hold, which is no name of theirs to import.
    theirs: Any = vars(ssl_)["SSLContext"]
    if theirs is not ssl.SSLContext and issubclass(ssl.SSLContext, theirs):
        # gevent or eventlet came after urllib3, which still has the class of before: that recurses without end, because
        # it looks for itself in ssl. So what urllib3 sets is set here.
        options = ssl.OP_NO_TICKET
        flags = ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT if sys.version_info >= (3, 13) else 0
    else:
        context: Any = ssl_.create_urllib3_context()
        if isinstance(context, ssl.SSLContext):
            return context
        # One of pyOpenSSL, which urllib3.contrib.pyopenssl has put there, is for sockets alone.
        options, flags = context.options, getattr(context, "verify_flags", 0)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.options |= options
    made.verify_flags |= flags
    made.post_handshake_auth = True
    if path := os.environ.get("SSLKEYLOGFILE"):
        made.keylog_filename = path
    return made
