"""WebSocket URIs (RFC 6455 3), read by urllib3's parser under stricter rules.

Pure functions over strings: any thread may call them.
"""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from syncws._wire.shown import shown_text, shown_url
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = [
    "WEBSOCKET_SCHEMES",
    "WebSocketUri",
    "bracketed",
    "check_characters",
    "parse_plain_uri",
    "parse_uri",
    "read_http_url",
    "server_name_of",
]

WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}
"""By the scheme of HTTP: that of the WebSocket (RFC 6455 3)."""

_SHOWN_PATH = 80
# By whether it is secure (RFC 6455 3).
_DEFAULT_PORTS = {False: 80, True: 443}
# A host in lower case, a port, and a path and query of which nothing has to be encoded or resolved.
_PLAIN = re.compile(
    r"(?:http|ws)s?://([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*)(?::([1-9][0-9]{0,4}))?"
    r"((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?)(\?[A-Za-z0-9._~=&-]*)?"
)
# urllib3 normalises paths and hosts for these schemes only.
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# The last part of a name is never a number; what ends in one is an IPv4 address in the eyes of some resolvers.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
# What RFC 3986 3.2.2 has for a name, percent signs apart; urllib3 lets by whatever ends none.
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=-]")
_BARE_IPV6 = "more than one colon: an IPv6 address stands in brackets, as in [::1]:8080 or [fe80::1%25eth0]:8080"


class WebSocketUri(NamedTuple):
    """A checked URI.

    Attributes:
        is_secure: True for wss.
        host: name or address to connect to: a name in lower case and IDNA-encoded, with its dot at the end if there
            is one; IPv6 without brackets, the zone id included and percent-decoded.
        port: the port, the scheme's default filled in.
        resource: path and query for the request line, percent-encoded, never empty.
    """

    is_secure: bool
    host: str
    port: int
    resource: str

    def __repr__(self) -> str:
        # Its query may hold a secret.
        return f"<WebSocketUri {self.shown}>"

    @property
    def scheme(self) -> str:
        """`ws` or `wss`."""
        return "wss" if self.is_secure else "ws"

    @property
    def host_header(self) -> str:
        """Value of the Host header: IPv6 in brackets, no zone id (RFC 6874 4), no default port (RFC 6455 4.1)."""
        host = bracketed(self.host) if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.is_secure] else f"{host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port as a URI has them, for making another one from this: zone id and port included."""
        address, percent, zone = self.host.partition("%")
        from urllib.parse import quote

        host = f"{address}%25{quote(zone, safe='')}" if percent else address
        return f"[{host}]:{self.port}" if ":" in address else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URI for a text that people read: without the query, where secrets like to be, and of a sane length."""
        path, question_mark, _ = self.resource.partition("?")
        return f"{self.scheme}://{self.host_header}{shown_text(path, _SHOWN_PATH)}{'?…' if question_mark else ''}"

    @property
    def server_name(self) -> str:
        """Name or address that the server's certificate must be for: no zone id, no dot at the end."""
        return server_name_of(self.host)


def parse_uri(text: str) -> WebSocketUri:
    """Check and take apart an absolute ws or wss URI.

    Raises:
        InvalidArgumentTypeError: it is not a str (0x80070057).
        InvalidArgumentError: it is not absolute, has another scheme, a fragment, user info, no host, a bad one, a
            port outside 1 to 65535, or white space, control characters, lone surrogates or a backslash in it
            (0x80070057).
    """
    if not isinstance(text, str):
        raise InvalidArgumentTypeError(f"uri must be str, not {type(text).__name__}")
    return parse_plain_uri(text) or _made_of(*_read_any(text))


def parse_plain_uri(text: str) -> WebSocketUri | None:
    """Return what parse_uri() does for a URI that takes no import to read; None for others."""
    found = _read_plain(text) if text.startswith("ws") else None
    return None if found is None else _made_of(text.startswith("wss"), found)


def _made_of(is_secure: bool, found: tuple[str, int | None, str]) -> WebSocketUri:
    host, port, resource = found
    return WebSocketUri(is_secure, host, _DEFAULT_PORTS[is_secure] if port is None else port, resource)


def _read_any(text: str) -> tuple[bool, tuple[str, int | None, str]]:
    """Check a URI; return whether it is secure, and as read_http_url()."""
    if text != text.strip():
        raise InvalidArgumentError("uri begins or ends with white space: remove it with uri.strip()")
    shown = f"uri '{shown_url(text)}'"
    check_characters(text, "uri")
    scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    if not rest.startswith("//"):
        raise InvalidArgumentError(f"{shown} is not absolute: it must look like ws://host/path")
    if scheme not in ("ws", "wss"):
        instead = WEBSOCKET_SCHEMES.get(scheme)
        hint = f": write {instead}:// for {scheme}://" if instead else ""
        if scheme.endswith("+unix"):
            # As in Node's clients.
            hint = ": a Unix socket's path goes to unix_connect(), or to the command line's --unix"
        raise InvalidArgumentError(f"{shown} has a scheme other than ws and wss{hint}")
    if "#" in text:
        raise InvalidArgumentError(
            f"{shown} has a fragment: a WebSocket URI has none (RFC 6455 3); a # in its path or query is written %23"
        )
    if "@" in _authority(rest):
        raise InvalidArgumentError(
            f"{shown} holds user info: pass name and password in control.server_credential or an Authorization header"
        )
    return scheme == "wss", read_http_url(f"{_HTTP_SCHEMES[scheme]}:{rest}", shown)


def read_http_url(url: str, shown: str) -> tuple[str, int | None, str]:
    """Return host (IPv6 without brackets), port (None when it has none), path and query of an http or https URL.

    Raises:
        InvalidArgumentError: `shown` has no host, a bad one, or a port outside 1 to 65535 (0x80070057).
    """
    authority = _authority(url.partition(":")[2])
    bare = authority.rpartition("@")[2].partition("[")[0]
    if "%" in bare:
        # urllib3 would decode it, and lists of forbidden hosts would not see what is connected to.
        fault = _BARE_IPV6 if bare.count(":") > 1 else "a host that holds a percent sign: write the name itself"
        raise InvalidArgumentError(f"{shown} has {fault}")
    plain = _read_plain(url)
    if plain is not None:
        return plain
    host, port, resource = _read_with_urllib3(url, shown)
    if port is not None and not 1 <= port <= 65535:
        raise InvalidArgumentError(f"{shown} has the port {port}: allowed are 1 to 65535")
    return _bare_host(host, shown), port, resource


def _read_plain(url: str) -> tuple[str, int | None, str] | None:
    """Parse a URL that has nothing to refuse and that urllib3 would not change; None for others.

    Most are of this kind, and importing urllib3 takes longer than connecting.
    """
    plain = _PLAIN.fullmatch(url)
    if plain is None:
        return None
    host, digits, path, query = plain.groups()
    port = None if digits is None else int(digits)
    if len(host) > 253 or (port is not None and port > 65535):
        return None
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            host = _plain_ipv4(host)
        except ValueError:
            return None
    return host, port, (path or "/") + (query or "")


def _read_with_urllib3(url: str, shown: str) -> tuple[str, int | None, str]:
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    scheme, _, rest = url.partition(":")
    authority = _authority(rest)
    # A percent sign that encodes nothing makes urllib3 encode all others once more, which changes what they stand for
    # (RFC 3986 2.4).
    resource = _STRAY_PERCENT.sub("%25", rest[2 + len(authority) :])
    try:
        parsed = parse_url(f"{scheme}://{authority}{resource}")
    except LocationParseError:
        raise InvalidArgumentError(f"{shown} has {_unreadable_part(authority)}") from None
    if not parsed.host:
        raise InvalidArgumentError(f"{shown} has no host")
    return parsed.host, parsed.port, parsed.request_uri


def _authority(rest: str) -> str:
    return rest[2:].partition("/")[0].partition("?")[0]


def bracketed(host: str) -> str:
    """Return a host as it stands before a port: IPv6 in brackets, without zone id."""
    host = host.partition("%")[0]
    return f"[{host}]" if ":" in host else host


def server_name_of(host: str) -> str:
    """Return what a certificate must be for: no zone id, no dot at the end."""
    return host.partition("%")[0].removesuffix(".")


def check_characters(text: str, what: str) -> None:
    """Refuse what urllib3 would take or correct.

    Raises:
        InvalidArgumentError: white space, control characters, lone surrogates or a backslash (0x80070057).
    """
    for character in text:
        if character <= " " or "\x7f" <= character <= "\xa0" or character == "\\" or "\ud800" <= character <= "\udfff":
            raise InvalidArgumentError(
                f"{what} holds {character!r}: white space, control characters, lone surrogates and backslashes "
                "are not allowed; percent-encode them"
            )


def _unreadable_part(authority: str) -> str:
    """Return what cannot be read in an authority, as far as that can be told, and what is allowed."""
    # What may be a password is not looked at.
    name, colon, port = authority.rpartition("@")[2].rpartition(":")
    is_bare = "[" not in name
    if is_bare and ":" in name:
        return _BARE_IPV6
    is_number = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535
    if colon and not is_number and (is_bare or name.endswith("]")):
        return "a port that is no number from 1 to 65535"
    return f"a host or port that cannot be read{_idna_problem(authority)}"


def _idna_problem(authority: str) -> str:
    """Return which part of a name beyond ASCII is not allowed, and why; empty when that is not what is wrong."""
    if authority.isascii() or "@" in authority:
        return ""
    # Here and not above: few names need it.
    import idna

    labels = authority.partition(":")[0].split(".")
    for label in (label.lower() for label in labels if not label.isascii()):
        try:
            idna.encode(label, strict=True, std3_rules=True)
        except idna.IDNAError as exc:
            return f": {label!r} is not allowed in an international name (IDNA 2008): {exc}"
    return ""


def _bare_host(host: str, shown: str) -> str:
    """Check a host; of an IPv6 address take the brackets off and decode the zone id."""
    if host.startswith("["):
        return _ipv6_address(host, shown)
    strange = _NOT_IN_NAME.search(host)
    if strange is not None:
        raise InvalidArgumentError(
            f"{shown} has the host {host!r}, which holds {strange[0]!r}: the name of a host has none"
        )
    name = host.removesuffix(".")
    if len(name) > 253 or any(not 1 <= len(label) <= 63 for label in name.split(".")):
        raise InvalidArgumentError(
            f"{shown} has the host {host!r}: each part of a name has 1 to 63 characters, the whole at most 253"
        )
    return _ipv4_address(name, shown) if _NUMBER.fullmatch(name.rpartition(".")[2]) else host


def _ipv4_address(name: str, shown: str) -> str:
    """Check an IPv4 address. Old forms of it, as 0x7f.1 for 127.0.0.1, would get past lists of forbidden hosts."""
    try:
        return _plain_ipv4(name)
    except ValueError:
        raise InvalidArgumentError(
            f"{shown} has the host {name!r}, which ends in a number and is not an IPv4 address: that is four "
            "decimal numbers of 0 to 255 without leading zeros"
        ) from None


@lru_cache(maxsize=64)
def _plain_ipv4(name: str) -> str:
    return str(ipaddress.IPv4Address(name))


def _ipv6_address(host: str, shown: str) -> str:
    address, percent, zone = host[1:-1].partition("%")
    # Here and not above: few addresses need it.
    from urllib.parse import unquote

    try:
        address += percent + unquote(zone, errors="strict")
        ipaddress.IPv6Address(address)
    except ValueError as exc:
        raise InvalidArgumentError(f"{shown} has the host {host!r}, which is not an IPv6 address") from exc
    if not address.isprintable() or " " in address:
        raise InvalidArgumentError(f"{shown} has the host {host!r}, whose zone id cannot be the name of an interface")
    return address
