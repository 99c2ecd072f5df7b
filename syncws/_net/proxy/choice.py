"""Which proxy a connection goes through: control.proxy, the environment and its no_proxy, or the system's settings.

Runs on the connecting thread, before any I/O.
"""

import functools
import ipaddress
import logging
import os
import re
import sys
from collections.abc import Iterable

from syncws._waiting.at_fork import loading
from syncws._wire.proxy_url import Login, ProxyUrl, check_login, parse_proxy_url
from syncws._wire.shown import shown_text
from syncws._wire.uri import WebSocketUri, bracketed, read_http_url
from syncws.control import WebSocketControl
from syncws.errors import InvalidArgumentError, WebSocketError

__all__ = ["choose_proxy", "is_exempt"]

# Which variables are looked at, the first that is set decides; in capitals too, as all programs take them.
_VARIABLES = {True: ("wss_proxy", "https_proxy", "all_proxy"), False: ("ws_proxy", "http_proxy", "all_proxy")}
_PORT = re.compile(r"[0-9]{1,5}")
# 127/8, as macOS and BSD shorten 127.0.0.0/8.
_SHORT_RANGE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}/[0-9]{1,2}")
# Systems with proxy settings other than the environment's, which the standard library reads.
_HAS_SYSTEM_SETTINGS = sys.platform in ("win32", "darwin")

_logger = logging.getLogger("syncws.connect")


def choose_proxy(uri: WebSocketUri, settings: WebSocketControl) -> ProxyUrl | None:
    """Return the proxy for a connection to `uri`, with the credentials to present to it; None for a direct connection.

    Raises:
        InvalidArgumentError: a variable of the environment or the system's settings hold no such URL; the proxy's
            protocol cannot carry the credential, or the server's address (0x80070057).
        WebSocketError: a SOCKS proxy, and the extra for it is not installed (0x80004005).
    """
    if settings._proxy is None and not (_HAS_SYSTEM_SETTINGS or _has_variables()):
        return None
    # It may import what reads URLs and the system's settings; it does not wait.
    with loading():
        return _choose_proxy(uri, settings)


def _choose_proxy(uri: WebSocketUri, settings: WebSocketControl) -> ProxyUrl | None:
    proxy = _from_environment(uri) if settings._proxy is None else _from_control(settings._proxy)
    if proxy is None:
        return None
    if proxy.takes_only_ipv4 and ":" in uri.host:
        raise InvalidArgumentError(
            f"the proxy {proxy.shown_with_origin} cannot reach an IPv6 address: socks4a:// and socks5:// can"
        )
    if proxy.is_socks and not _has_socksio():
        raise WebSocketError(f'the proxy {proxy.shown_with_origin} needs an extra: pip install "syncws[socks]"')
    credential = settings.proxy_credential
    if credential is None:
        return proxy
    login = Login(credential.user_name, credential.password)
    check_login(login, proxy.scheme, f"proxy_credential for {proxy.shown}")
    return proxy._replace(login=login)


def _has_socksio() -> bool:
    from importlib.util import find_spec

    return find_spec("socksio") is not None


def _from_control(text: str) -> ProxyUrl | None:
    return parse_proxy_url(text) if text else None


def _from_environment(uri: WebSocketUri) -> ProxyUrl | None:
    # The standard library knows how the variables are spelt, and not to trust HTTP_PROXY in a CGI program.
    # Imported here, because that takes milliseconds.
    from urllib.request import getproxies_environment

    found = getproxies_environment()
    if not found:
        return _from_system(uri) if _HAS_SYSTEM_SETTINGS else None
    for variable in _VARIABLES[uri.is_secure]:
        text = found.get(variable.removesuffix("_proxy"), "").strip()
        if not text:
            continue
        if is_exempt(uri.host, uri.port, found.get("no", ""), f"the environment variable {_spelt('no_proxy')}"):
            return None
        # The custom of the environment, and of no_proxy's entries: a bare host:port is an HTTP proxy.
        url = text if "://" in text else f"http://{text}"
        return _parse(url, f"the environment variable {_spelt(variable)}")
    return None


def _parse(url: str, origin: str) -> ProxyUrl:
    return parse_proxy_url(url, origin)._replace(origin=origin)


def _from_system(uri: WebSocketUri) -> ProxyUrl | None:
    """Return what Windows or macOS is set to, when its list of exceptions does not hold the server."""
    from urllib.request import getproxies, proxy_bypass

    url = getproxies().get("https" if uri.is_secure else "http", "")
    if not url or proxy_bypass(bracketed(uri.host)):
        return None
    return _parse(url, "the system's proxy setting")


def _has_variables() -> bool:
    """Tell whether any name could be a proxy's. Most environments have none, and reading all of one is slow."""
    # Its own dict where it has one, as in all versions so far: to go through the mapping takes ten times as long.
    names: Iterable[bytes] = vars(os.environb).get("_data", os.environb)
    return b"_proxy" in b"\0".join(names).lower()


def _spelt(variable: str) -> str:
    """Return the name under which a variable is in the environment; lower case is asked first."""
    names = [variable, *(name for name in os.environ if name.lower() == variable)]
    return next((name for name in names if name in os.environ), variable)


def is_exempt(host: str, port: int, no_proxy: str, what: str = "no_proxy") -> bool:
    """Tell whether a list of exceptions holds a host.

    Args:
        host: a name or an IP address; names are not looked up to compare their addresses.
        port: where to.
        no_proxy: entries between commas, semicolons or white space: `*` for all hosts; a name, for itself and for
            what ends in whole labels with it, with or without a dot (or `*.`) before it; an IP address; a range of
            addresses such as 10.0.0.0/8, 10/8 or fd00::/8. Behind each may stand :port, or :* for any port, IPv6 then
            in brackets. What cannot be read, as other programs have it, matches nothing and is logged once.
        what: where the list comes from, for the log.
    """
    name = host.partition("%")[0].lower().rstrip(".")
    # A list: a bad entry is logged whatever is before it.
    return any([_matches(entry, name, port, what) for entry in re.split(r"[\s,;]+", no_proxy.lower())])  # noqa: C419


def _matches(entry: str, name: str, port: int, what: str) -> bool:
    try:
        exempt, exempt_port = _split_port(entry)
        return _is_named(exempt, name) and exempt_port in (None, port)
    except ValueError:
        _tell_once(what, entry)
        return False


# It remembers what was logged: a program that connects often would fill its log.
@functools.lru_cache(maxsize=256)
def _tell_once(what: str, entry: str) -> None:
    _logger.warning("%s has the entry %r, which cannot be read and exempts nothing", what, shown_text(entry))


def _is_named(exempt: str, name: str) -> bool:
    if exempt == "*":
        return True
    if "*" in exempt[1:]:
        raise ValueError("a star that is not at the beginning: 192.168.*, as for Java and on Windows")
    address = _address(name)
    if "/" in exempt:
        if _SHORT_RANGE.fullmatch(exempt):
            octets, _, length = exempt.partition("/")
            exempt = f"{octets}{'.0' * (3 - octets.count('.'))}/{length}"
        network = ipaddress.ip_network(exempt, strict=False)
        return address is not None and address in network
    if address is not None:
        return _address(exempt) == address
    label = exempt.removeprefix("*").removeprefix(".").rstrip(".")
    if not label.isascii():
        # As the URI's own name: IDNA-encoded.
        label = read_http_url(f"http://{label}", "no_proxy")[0]
    return name == label or name.endswith(f".{label}")


def _split_port(entry: str) -> tuple[str, int | None]:
    """Take the port off an entry; IPv6 with a port is in brackets, without one it need not be.

    Raises:
        ValueError: it cannot be read.
    """
    if entry.startswith("["):
        host, bracket, rest = entry[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("no IPv6 address in brackets")
        has_port, text = bool(rest), rest[1:]
    elif entry.count(":") == 1:
        host, _, text = entry.partition(":")
        has_port = True
    else:
        return entry.partition("%")[0], None
    if not has_port or text == "*":
        return host.partition("%")[0], None
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise ValueError("no port")
    return host.partition("%")[0], int(text)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; an IPv4-mapped one as the IPv4 address that is connected to (RFC 4291 2.5.5.2)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
