"""A context that checks a chain as another one does, but without the checks that have already failed.

Pure functions: any thread may call them; for a wrong usage a temporary file is written and read.

The plan. The server's own certificate is made the trusted one, whatever is above it (X509_V_FLAG_PARTIAL_CHAIN), and
that alone: OpenSSL then builds the chain from what it is shown, as before, and checks each certificate in it, each
signature and the name. So no trusted certificate of the application's has to be known here. Its revocation lists
cannot be: revocation is left out.
"""

import datetime as dt
import ssl
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from syncws.enums import ChainValidationResult

__all__ = ["has_readable_times", "relaxed_context"]

# X509_V_FLAG_NO_CHECK_TIME, for which Python has no name.
_NO_CHECK_TIME = 0x200000

# X509_CERT_AUX behind a certificate: it is trusted as a TLS server's (serverAuth) whatever usage it names itself.
_TRUSTED_AS_SERVER = bytes.fromhex("300c 300a 0608 2b06010505070301")

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_TIME_FORMATS = {_UTC_TIME: (13, "%y%m%d%H%M%SZ"), _GENERALIZED_TIME: (15, "%Y%m%d%H%M%SZ")}


def relaxed_context(original: ssl.SSLContext, own: bytes, relaxed: Collection[ChainValidationResult]) -> ssl.SSLContext:
    """Return a context like the original that trusts one certificate and looks at no revocation.

    Args:
        original: a client's; only read.
        own: the server's own certificate in DER form, the trusted one.
        relaxed: EXPIRED, INVALID_NAME and WRONG_USAGE leave out that check, the last one for `own` alone; others do
            nothing.

    Raises:
        OSError: the certificate cannot be loaded, or there is no place for a temporary file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = original.check_hostname and ChainValidationResult.INVALID_NAME not in relaxed
    flags = (original.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_CRL_CHECK_CHAIN
    if ChainValidationResult.EXPIRED in relaxed:
        flags |= _NO_CHECK_TIME
    context.verify_flags = ssl.VerifyFlags(flags)
    context.hostname_checks_common_name = original.hostname_checks_common_name
    # Which keys and hashes are too weak.
    context.set_ciphers(f"DEFAULT:@SECLEVEL={original.security_level}")
    if ChainValidationResult.WRONG_USAGE in relaxed:
        _trust_as_server(context, own)
    else:
        context.load_verify_locations(cadata=own)
    return context


def _trust_as_server(context: ssl.SSLContext, own: bytes) -> None:
    """Have a certificate trusted for any usage, which OpenSSL takes from a file only."""
    text = ssl.DER_cert_to_PEM_cert(own + _TRUSTED_AS_SERVER)
    for word in ("-----BEGIN ", "-----END "):
        text = text.replace(word, f"{word}TRUSTED ")
    with tempfile.TemporaryDirectory(prefix="syncws-") as folder:
        path = Path(folder, "server.pem")
        path.write_text(text, "ascii")
        context.load_verify_locations(path)


def has_readable_times(certificate: bytes) -> bool:
    """Tell whether both times of validity are well-formed (RFC 5280 4.1.2.5).

    OpenSSL has errors of their own for those that are not, which leaving out the time would leave out too.
    """
    try:
        ((_, whole),) = list(_elements(certificate))
        _, content = next(_elements(whole))
        tags_and_contents = list(_elements(content))
        # After the version, if there is one: serial number, signature algorithm, issuer, validity.
        validity = tags_and_contents[3 + (tags_and_contents[0][0] == _VERSION)]
        times = list(_elements(validity[1]))
        return validity[0] == _SEQUENCE and len(times) == 2 and all(_is_time(*time) for time in times)
    except (ValueError, IndexError, StopIteration):
        return False


def _is_time(tag: int, content: bytes) -> bool:
    length, form = _TIME_FORMATS.get(tag, (0, ""))
    text = content.decode("ascii")
    dt.datetime.strptime(text, form)
    return len(text) == length and text[:-1].isdigit()


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tags and contents of DER's elements, one behind the other (X.690 8.1)."""
    while data:
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            raise ValueError("the element ends too early")
        yield tag, data[start : start + length]
        data = data[start + length :]
