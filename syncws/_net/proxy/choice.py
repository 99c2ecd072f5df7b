"""Which proxy a connection goes through: control.proxy, or the environment and its no_proxy.

Runs on the connecting thread, before any I/O.
"""

import ipaddress
import os
import re
import sys

from syncws._wire.proxy_url import Login, ProxyUrl, check_login, parse_proxy_url
from syncws._wire.uri import WebSocketUri, read_http_url
from syncws.control import WebSocketControl
from syncws.errors import InvalidArgumentError, WebSocketError

__all__ = ["choose_proxy", "is_exempt"]

# Which variables are looked at, the first that is set decides; in capitals too, as all programs take them.
_VARIABLES = {True: ("wss_proxy", "https_proxy", "all_proxy"), False: ("ws_proxy", "http_proxy", "all_proxy")}
_PORT = re.compile(r"[0-9]{1,5}")


def choose_proxy(uri: WebSocketUri, settings: WebSocketControl) -> ProxyUrl | None:
    """Return the proxy for a connection to `uri`, with the credentials to present to it; None for a direct connection.

    Raises:
        InvalidArgumentError: a variable of the environment holds no such URL, or cannot be read as a list of
            exceptions; the proxy's protocol cannot carry the credential, or the server's address (0x80070057).
        WebSocketError: a SOCKS proxy, and the extra for it is not installed (0x80004005).
    """
    proxy = _from_environment(uri) if settings.proxy is None else _from_control(settings.proxy)
    if proxy is None:
        return None
    if proxy.scheme == "socks4" and ":" in uri.host:
        raise InvalidArgumentError(f"the proxy {proxy.shown} reaches no IPv6 address: socks4a:// and socks5:// do")
    if proxy.is_socks and not _has_socksio():
        raise WebSocketError(f"the proxy {proxy.shown} needs an extra: pip install syncws[socks]")
    credential = settings.proxy_credential
    if credential is None:
        return proxy
    login = Login(credential.user_name, credential.password)
    check_login(login, proxy.scheme, f"proxy_credential for {proxy.shown}")
    return ProxyUrl(proxy.scheme, proxy.host, proxy.port, login)


def _has_socksio() -> bool:
    from importlib.util import find_spec

    return find_spec("socksio") is not None


def _from_control(text: str) -> ProxyUrl | None:
    return parse_proxy_url(text) if text else None


def _from_environment(uri: WebSocketUri) -> ProxyUrl | None:
    if not _has_variables():
        return None
    # The standard library knows how the variables are spelt, and not to trust HTTP_PROXY in a CGI program.
    # Imported here, because that takes milliseconds.
    from urllib.request import getproxies_environment

    found = getproxies_environment()
    for variable in _VARIABLES[uri.is_secure]:
        text = found.get(variable.removesuffix("_proxy"), "").strip()
        if not text:
            continue
        if is_exempt(uri.host, uri.port, found.get("no", ""), f"the environment variable {_spelt('no_proxy')}"):
            return None
        # The custom of the environment, and of no_proxy's entries: a bare host:port is an HTTP proxy.
        url = text if "://" in text else f"http://{text}"
        return parse_proxy_url(url, f"the environment variable {_spelt(variable)}")
    return None


def _has_variables() -> bool:
    """Tell whether some name could be one of a proxy. Most environments have none, and reading them whole is dear."""
    if sys.platform == "win32":
        return True
    return any(name[-6:].lower() == b"_proxy" for name in os.environb)


def _spelt(variable: str) -> str:
    """Return the name under which a variable is in the environment; lower case is asked first."""
    names = [variable, *(name for name in os.environ if name.lower() == variable)]
    return next((name for name in names if name in os.environ), variable)


def is_exempt(host: str, port: int, no_proxy: str, what: str = "no_proxy") -> bool:
    """Tell whether a list of exceptions holds a host.

    Args:
        host: a name or an IP address; names are not looked up to compare their addresses.
        port: where to.
        no_proxy: entries between commas or white space: `*` for all hosts; a name, for itself and for what ends in
            whole labels with it, with or without a dot (or `*.`) before it; an IP address; a range of addresses such
            as 10.0.0.0/8 or fd00::/8. Behind each may stand :port, IPv6 then in brackets.
        what: where the list comes from, for the message.

    Raises:
        InvalidArgumentError: an entry has a port or a range that cannot be read (0x80070057).
    """
    name = host.partition("%")[0].lower().rstrip(".")
    entries = [entry for entry in re.split(r"[\s,]+", no_proxy.lower()) if entry]
    # A list: a bad entry is told whatever stands before it.
    return any([_matches(entry, name, port, what) for entry in entries])  # noqa: C419


def _matches(entry: str, name: str, port: int, what: str) -> bool:
    exempt, exempt_port = _split_port(entry, what)
    return _is_named(exempt, name, what) and exempt_port in (None, port)


def _is_named(exempt: str, name: str, what: str) -> bool:
    if exempt == "*":
        return True
    address = _address(name)
    if "/" in exempt:
        try:
            network = ipaddress.ip_network(exempt, strict=False)
        except ValueError:
            raise InvalidArgumentError(f"{what} has the entry {exempt!r}, which is no range of IP addresses") from None
        return address is not None and address in network
    if address is not None:
        return _address(exempt) == address
    label = exempt.removeprefix("*").removeprefix(".").rstrip(".")
    if not label.isascii():
        # As the URI's own name: IDNA-encoded.
        label = read_http_url(f"http://{label}", f"{what}, its entry {exempt!r},")[0]
    return bool(label) and (name == label or name.endswith(f".{label}"))


def _split_port(entry: str, what: str) -> tuple[str, int | None]:
    """Take the port off an entry; IPv6 with a port is in brackets, without one it need not be."""
    if entry.startswith("["):
        host, bracket, rest = entry[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidArgumentError(f"{what} has the entry {entry!r}, which is no IPv6 address in brackets")
        has_port, text = bool(rest), rest[1:]
    elif entry.count(":") == 1:
        host, _, text = entry.partition(":")
        has_port = True
    else:
        return entry.partition("%")[0], None
    if not has_port:
        return host.partition("%")[0], None
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise InvalidArgumentError(f"{what} has the entry {entry!r}, whose port is none: allowed are 1 to 65535")
    return host.partition("%")[0], int(text)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; an IPv4-mapped one as the IPv4 address that is connected to (RFC 4291 2.5.5.2)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
