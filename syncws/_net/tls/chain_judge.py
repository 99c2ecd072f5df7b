"""OpenSSL's own verdict over a chain of certificates, without a connection.

Pure functions over memory: any thread may call them.

The plan. OpenSSL checks a server's certificates in the middle of a handshake, ends at the first error, and Python has
no other way to have a chain checked. But in TLS 1.2 a server's first messages are in the clear, and the certificates
are checked before anything that only the owner of their key could have sent. So a client's engine in memory is given a
ServerHello and a Certificate message made here, with any chain; it checks the chain by the rules of its context, to
the letter those of a real handshake, and then either says what is wrong or waits for the next message, which never
comes. That the server owns the key is for the real handshake to find out.
"""

import ssl
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["PASSED", "UNJUDGED", "Verdict", "judge", "sent_chain", "server_flight"]

PASSED = 0
UNJUDGED = -1
"""The context lets no verdict come about: it does not take TLS 1.2, or none of its usual cipher suites."""

_RECORD_BYTES = 16384
_SERVER_HELLO, _CERTIFICATE = 2, 11
# renegotiation_info, empty (RFC 5746): OpenSSL does not talk to a server without it.
_EXTENSIONS = b"\xff\x01\x00\x01\x00"


@dataclass(frozen=True)
class Verdict:
    """What OpenSSL says of a chain.

    Attributes:
        code: PASSED, UNJUDGED, or the X509_V_ERR_… number of the first error.
        message: OpenSSL's words for it, "" when there are none.
        built: the chain as OpenSSL built it, in DER form, the server's own certificate first; as far as it came.
    """

    code: int
    message: str
    built: tuple[bytes, ...]


def judge(context: ssl.SSLContext, chain: Sequence[bytes], server_name: str) -> Verdict:
    """Have a chain checked as `context` would check it in a handshake with `server_name`.

    Args:
        context: a client's; only read.
        chain: certificates in DER form, the server's own first.
        server_name: what the certificate must be for, if the context checks that.
    """
    verdict = Verdict(UNJUDGED, "", ())
    # The suite must fit the kind of the server's key, or OpenSSL stops behind its verdict.
    for suite in _cipher_suites(context):
        verdict = _judge_with(context, chain, server_name, suite)
        if verdict.code != UNJUDGED:
            break
    return verdict


def _cipher_suites(context: ssl.SSLContext) -> Iterable[int]:
    """Return a TLS 1.2 cipher suite for each kind of key that the context takes."""
    suites: dict[str, int] = {}
    for cipher in context.get_ciphers():
        if cipher["protocol"] != "TLSv1.3" and cipher["auth"] in ("auth-ecdsa", "auth-rsa"):
            suites.setdefault(cipher["auth"], cipher["id"] & 0xFFFF)
    return suites.values()


def _judge_with(context: ssl.SSLContext, chain: Sequence[bytes], server_name: str, suite: int) -> Verdict:
    incoming = ssl.MemoryBIO()
    engine = context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=False, server_hostname=server_name)
    try:
        engine.do_handshake()
    except ssl.SSLWantReadError:
        pass
    incoming.write(server_flight(chain, suite))
    try:
        engine.do_handshake()
    except ssl.SSLWantReadError:
        built = _built_chain(engine)
        # It waits for the message behind the chain, which it has therefore let pass.
        return Verdict(PASSED if built else UNJUDGED, "", built)
    except ssl.SSLCertVerificationError as exc:
        return Verdict(exc.verify_code, exc.verify_message, _built_chain(engine))
    except ssl.SSLError as exc:
        return Verdict(UNJUDGED, exc.reason or "", ())
    return Verdict(UNJUDGED, "", ())


def server_flight(chain: Sequence[bytes], suite: int) -> bytes:
    """Return ServerHello and Certificate (RFC 5246 7.4.1.3, 7.4.2) in records."""
    hello = b"\x03\x03" + bytes(32) + b"\x00" + suite.to_bytes(2, "big") + b"\x00" + _sized(_EXTENSIONS, 2)
    certificates = _sized(b"".join(_sized(certificate, 3) for certificate in chain), 3)
    messages = _message(_SERVER_HELLO, hello) + _message(_CERTIFICATE, certificates)
    pieces = (messages[start : start + _RECORD_BYTES] for start in range(0, len(messages), _RECORD_BYTES))
    return b"".join(b"\x16\x03\x03" + _sized(piece, 2) for piece in pieces)


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + _sized(body, 3)


def _sized(data: bytes, length_bytes: int) -> bytes:
    return len(data).to_bytes(length_bytes, "big") + data


def sent_chain(engine: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return the certificates that the server sent, in DER form, its own first; even after they were refused.

    Empty when none has come, or OpenSSL (before 3.0) keeps none that it has refused.
    """
    if sys.version_info >= (3, 13):
        return tuple(bytes(certificate) for certificate in engine.get_unverified_chain())
    return _in_der_form(engine._sslobj.get_unverified_chain())  # type: ignore[attr-defined]


def _built_chain(engine: ssl.SSLObject) -> tuple[bytes, ...]:
    if sys.version_info >= (3, 13):
        return tuple(bytes(certificate) for certificate in engine.get_verified_chain())
    return _in_der_form(engine._sslobj.get_verified_chain())  # type: ignore[attr-defined]


def _in_der_form(certificates: Iterable[Any] | None) -> tuple[bytes, ...]:
    # The same calls, which had no public names before 3.13; 2 is the number of DER.
    return tuple(certificate.public_bytes(2) for certificate in certificates or ())
