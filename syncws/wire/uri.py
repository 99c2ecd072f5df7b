"""WebSocket URIs (RFC 6455 3), read by urllib3's parser under stricter rules.

May import errors and urllib3. Pure functions over strings: any thread may call them.
"""

import importlib.util
import ipaddress
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["WebSocketUri", "bracketed", "check_characters", "parse_uri", "read_http_url", "shown_without_password"]

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
# urllib3 normalises paths and hosts for these schemes only.
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


@dataclass(frozen=True)
class WebSocketUri:
    """A checked URI.

    Attributes:
        is_secure: True for wss.
        host: name or address to connect to: lower case, IDNA-encoded, IPv6 without brackets, zone id included.
        port: the port, the scheme's default filled in.
        resource: path and query for the request line, percent-encoded, never empty.
    """

    is_secure: bool
    host: str
    port: int
    resource: str

    @property
    def scheme(self) -> str:
        """`ws` or `wss`."""
        return "wss" if self.is_secure else "ws"

    @property
    def host_header(self) -> str:
        """Value of the Host header: IPv6 in brackets, no zone id (RFC 6874 4), no default port (RFC 6455 4.1)."""
        host = bracketed(self.host)
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port as a URI has them, for making another one from this: zone id and port included."""
        host = self.host.replace("%", "%25")
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def server_name(self) -> str:
        """Name or address that the server's certificate must be for: no zone id, no dot at the end."""
        return self.host.partition("%")[0].removesuffix(".")


def parse_uri(text: str) -> WebSocketUri:
    """Check and take apart an absolute ws or wss URI.

    Raises:
        InvalidArgumentTypeError: it is no str (0x80070057).
        InvalidArgumentError: it is not absolute, has another scheme, a fragment, user info, no host, a port outside
            1 to 65535, or white space, control characters, lone surrogates or a backslash in it (0x80070057).
    """
    if not isinstance(text, str):
        raise InvalidArgumentTypeError(f"uri must be str, not {type(text).__name__}")
    shown = f"uri {shown_without_password(text)!r}"
    check_characters(text, "uri")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or not rest.startswith("//"):
        raise InvalidArgumentError(f"{shown} is not absolute: it must look like ws://host/path")
    if scheme not in _DEFAULT_PORTS:
        raise InvalidArgumentError(f"{shown} has another scheme than ws and wss")
    if "#" in text:
        raise InvalidArgumentError(f"{shown} has a fragment: a WebSocket URI has none (RFC 6455 3)")
    if "@" in _authority(rest):
        raise InvalidArgumentError(
            f"{shown} holds user info: credentials do not belong there, set an Authorization header"
        )
    parsed, host = read_http_url(f"{_HTTP_SCHEMES[scheme]}:{rest}", shown)
    port = _DEFAULT_PORTS[scheme] if parsed.port is None else parsed.port
    return WebSocketUri(scheme == "wss", host, port, parsed.request_uri)


def read_http_url(url: str, shown: str) -> tuple[Url, str]:
    """Let urllib3 read an http or https URL; return what it found, and the host without brackets.

    Raises:
        InvalidArgumentError: `shown` has no host, a bad one, or a port outside 1 to 65535 (0x80070057).
    """
    try:
        parsed = parse_url(url)
    except LocationParseError:
        needs_idna = not url.isascii() and importlib.util.find_spec("idna") is None
        hint = " (host names beyond ASCII need the package idna)" if needs_idna else ""
        raise InvalidArgumentError(f"{shown} has a host or port that cannot be read{hint}") from None
    if not parsed.host:
        raise InvalidArgumentError(f"{shown} has no host")
    if parsed.port is not None and not 1 <= parsed.port <= 65535:
        raise InvalidArgumentError(f"{shown} has the port {parsed.port}: allowed are 1 to 65535")
    return parsed, _bare_host(parsed.host, shown)


def _authority(rest: str) -> str:
    return rest[2:].partition("/")[0].partition("?")[0]


def bracketed(host: str) -> str:
    """Return a host as it stands before a port: IPv6 in brackets, without zone id."""
    host = host.partition("%")[0]
    return f"[{host}]" if ":" in host else host


def shown_without_password(text: str) -> str:
    """Return a URI for a message, without anything that may be a password: what stands before its last @."""
    before, at_sign, after = text.rpartition("@")
    if not at_sign:
        return text
    scheme, separator, _ = before.partition("://")
    return f"{scheme}{separator}***@{after}" if separator and scheme.isalpha() else f"***@{after}"


def check_characters(text: str, what: str) -> None:
    """Refuse what urllib3 would take or correct.

    Raises:
        InvalidArgumentError: white space, control characters, lone surrogates or a backslash (0x80070057).
    """
    for character in text:
        if character <= " " or "\x7f" <= character <= "\xa0" or character == "\\" or "\ud800" <= character <= "\udfff":
            raise InvalidArgumentError(
                f"{what} holds {character!r}: white space, control characters, lone surrogates and backslashes "
                "are not allowed, percent-encode them"
            )


def _bare_host(host: str, shown: str) -> str:
    """Take the brackets off an IPv6 literal and check it."""
    if not host.startswith("["):
        if "%" in host:
            # Only IPv6 has zone ids; in a name an escape would make us connect to one host and verify another.
            raise InvalidArgumentError(f"{shown} has the host {host!r}, which holds a percent sign")
        name = host.removesuffix(".")
        if len(name) > 253 or any(not 1 <= len(label) <= 63 for label in name.split(".")):
            raise InvalidArgumentError(
                f"{shown} has the host {host!r}: each part of a name has 1 to 63 characters, all 253"
            )
        return host
    address = host[1:-1]
    try:
        ipaddress.IPv6Address(address)
    except ValueError as exc:
        raise InvalidArgumentError(f"{shown} has the host {host!r}, which is no IPv6 address") from exc
    return address
