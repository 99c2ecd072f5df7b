"""URLs of proxies: which are allowed, and their parts; no message shows user info.

Pure functions over strings: any thread may call them.
"""

from typing import NamedTuple

from syncws._wire.shown import shown_url
from syncws._wire.uri import bracketed, check_characters, read_http_url, server_name_of
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["Login", "ProxyUrl", "Scheme", "check_login", "parse_proxy_url"]


class Scheme(NamedTuple):
    """What the scheme of a proxy's URL stands for.

    Attributes:
        protocol: what is spoken to the proxy: "http" (its CONNECT), "socks4" or "socks5".
        port: where, when the URL does not say.
        is_over_tls: whether that is encrypted.
        takes_names: whether the proxy looks up the server's name; if not, that is done here.
    """

    protocol: str
    port: int
    is_over_tls: bool = False
    takes_names: bool = True


_SCHEMES = {
    "http": Scheme("http", 80),
    "https": Scheme("http", 443, is_over_tls=True),
    "socks4": Scheme("socks4", 1080, takes_names=False),
    "socks4a": Scheme("socks4", 1080),
    "socks5": Scheme("socks5", 1080, takes_names=False),
    "socks5h": Scheme("socks5", 1080),
    # As desktops write it into all_proxy.
    "socks": Scheme("socks5", 1080),
}
*_FIRST, _LAST = (f"{scheme}://" for scheme in _SCHEMES)
_ALLOWED = f"allowed are {', '.join(_FIRST)} and {_LAST}, each with host or host:port"
# RFC 1929 2 has one byte for each length.
_MAX_SOCKS5_BYTES = 255


class Login(NamedTuple):
    """User name and password for a proxy."""

    user_name: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user_name={self.user_name!r})"


class ProxyUrl(NamedTuple):
    """A checked URL of a proxy.

    Attributes:
        scheme: one that is in the table above, in lower case; see `meaning`.
        host: name or address of the proxy: lower case, IDNA-encoded, IPv6 without brackets, zone id included.
        port: the port, the scheme's default filled in.
        login: the user info; None when there is none.
        origin: what it came from, when that is not the program: a variable of the environment, say.
    """

    scheme: str
    host: str
    port: int
    login: Login | None = None
    origin: str = ""

    def __repr__(self) -> str:
        return f"ProxyUrl({self.shown!r})"

    @property
    def meaning(self) -> Scheme:
        """What its scheme stands for."""
        return _SCHEMES[self.scheme]

    @property
    def is_socks(self) -> bool:
        """Whether SOCKS is spoken to it; else HTTP."""
        return self.meaning.protocol != "http"

    @property
    def takes_only_ipv4(self) -> bool:
        """Whether it must be told an IPv4 address of the server: plain SOCKS4 has no other, and no names."""
        return self.meaning.protocol == "socks4" and not self.meaning.takes_names

    @property
    def server_name(self) -> str:
        """Name or address that an https proxy's certificate must be for: no zone id, no dot at the end."""
        return server_name_of(self.host)

    @property
    def shown(self) -> str:
        """The URL for people: scheme, host and port, never user info."""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"

    @property
    def shown_with_origin(self) -> str:
        """The same, and where it came from: a user who has not set it may not know that there is one."""
        return f"{self.shown} (from {self.origin})" if self.origin else self.shown


def parse_proxy_url(text: str, what: str = "proxy") -> ProxyUrl:
    """Check and take apart the URL of a proxy.

    Args:
        text: the URL; after host and port only a slash may follow.
        what: whose value it is, for the messages.

    Raises:
        InvalidArgumentTypeError: it is not a str (0x80070057).
        InvalidArgumentError: another scheme, no host, a bad port, a path, query or fragment, user info that cannot be
            sent, or white space, control characters, lone surrogates or a backslash in it (0x80070057).
    """
    if not isinstance(text, str):
        given = type(text).__name__
        raise InvalidArgumentTypeError(
            f'{what} must be a URL as str, not {given}; "" is none, and None means the environment\'s; {_ALLOWED}'
        )
    # First, because no message may show a part of what cannot be told from a password.
    check_characters(text, what)
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    shown = f"{what} '{shown_url(text)}'"
    if not separator or scheme not in _SCHEMES:
        raise InvalidArgumentError(f"{shown} has no usable scheme: {_ALLOWED}")
    user_info, at_sign, address = rest.rpartition("@")
    address = address.removesuffix("/")
    if any(mark in user_info for mark in "/?#"):
        raise InvalidArgumentError(
            f"{shown} has a /, ? or # before the @: in a user name or password write %2F, %3F or %23"
        )
    if any(mark in address for mark in "/?#"):
        raise InvalidArgumentError(f"{shown} has something after host and port: {_ALLOWED}")
    host, port, _ = read_http_url(f"http://{address}", shown)
    login = _read_login(user_info, shown) if at_sign else None
    if login is not None:
        check_login(login, scheme, f"the user info of {shown}")
    return ProxyUrl(scheme, host, port or _SCHEMES[scheme].port, login)


def _read_login(user_info: str, shown: str) -> Login:
    # Here and not above: most programs have no proxy.
    from urllib.parse import unquote_to_bytes

    user_name, _, password = user_info.partition(":")
    parts = [unquote_to_bytes(part) for part in (user_name, password)]
    # Not by the error of decode(), which holds what it could not read.
    if any("\ufffd" in part.decode("utf-8", "replace") and b"\xef\xbf\xbd" not in part for part in parts):
        raise InvalidArgumentError(f"the user info of {shown} is not percent-encoded UTF-8")
    login = Login(*(part.decode("utf-8") for part in parts))
    if any(character < " " or character == "\x7f" for character in login.user_name + login.password):
        raise InvalidArgumentError(f"the user info of {shown} must not hold control characters")
    return login


def check_login(login: Login, scheme: str, what: str) -> None:
    """Check that a proxy's protocol can carry a user name and a password.

    Raises:
        InvalidArgumentError: no user name; over HTTP a colon in it (RFC 7617 2); over SOCKS5 one of the two longer
            than 255 bytes of UTF-8 (RFC 1929 2) (0x80070057).
    """
    if not login.user_name:
        raise InvalidArgumentError(f"{what} must have a user name")
    protocol = _SCHEMES[scheme].protocol
    if protocol == "http" and ":" in login.user_name:
        raise InvalidArgumentError(f"{what} must not have a colon in the user name (RFC 7617 2)")
    if protocol == "socks5":
        longest = max(len(login.user_name.encode()), len(login.password.encode()))
        if longest > _MAX_SOCKS5_BYTES:
            raise InvalidArgumentError(
                f"{what} must have at most {_MAX_SOCKS5_BYTES} bytes each of user name and password (RFC 1929 2)"
            )
