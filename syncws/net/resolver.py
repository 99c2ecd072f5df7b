"""From a host name to addresses: literals, localhost, the hosts file, dnspython, and at last the system's resolver.

May import errors and net.deadline; the only home of dnspython. Runs on the connecting thread as far as it cannot
wait, and on a helper thread of threads.background where it can.
"""

import ipaddress
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncws.errors import HostNameNotResolvedError
from syncws.net.deadline import Deadline

__all__ = ["Address", "addresses_without_waiting", "hosts_file", "look_up"]

_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Address:
    """An IP address to connect to: socket.AF_INET or AF_INET6, and the text, with the zone id if there is one."""

    family: int
    text: str


def addresses_without_waiting(host: str) -> list[Address]:
    """Return the addresses that need no name server: literals, localhost (RFC 6761), the hosts file; else none."""
    literal = _literal(host)
    if literal is not None:
        return [literal]
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return [Address(_family(text), text) for text in _LOOPBACK]
    return _in_hosts_file(name)


def look_up(host: str, deadline: Deadline, resolver_factory: Callable[[], Any] | None = None) -> list[Address]:
    """Ask name servers for A and AAAA records; then, if that gives nothing, the system. Waits: run it on a helper.

    Args:
        host: the name.
        deadline: bounds the name servers; the system's resolver cannot be bounded, which is why a helper runs this.
        resolver_factory: makes the dns.resolver.Resolver; the system's settings when None.

    Returns:
        Addresses, the families alternating (RFC 8305 4), so that dead ones of one cannot hide the other.

    Raises:
        HostNameNotResolvedError: nobody knows the name (0x80072EE7).
    """
    found, reason = _ask_name_servers(host, deadline, resolver_factory)
    if not found:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            message = f"the name {host!r} has no address: {reason}; the system's resolver says: {exc}"
            raise HostNameNotResolvedError(message) from exc
        # The flow label and scope that getaddrinfo adds come back from the text.
        found = [Address(answer[0], str(answer[4][0])) for answer in answers]
    return _interleaved(found)


def _literal(host: str) -> Address | None:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return Address(socket.AF_INET if version == 4 else socket.AF_INET6, host)


def _family(text: str) -> int:
    return socket.AF_INET6 if ":" in text else socket.AF_INET


def hosts_file() -> Path:
    """Return where this system keeps its hosts file."""
    if os.name == "nt":
        return Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "drivers", "etc", "hosts")
    return Path("/etc/hosts")


def _in_hosts_file(name: str) -> list[Address]:
    try:
        lines = hosts_file().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.partition("#")[0].split()
        if name in (field.lower().rstrip(".") for field in fields[1:]):
            literal = _literal(fields[0])
            if literal is not None:
                found.append(literal)
    return found


def _ask_name_servers(
    host: str, deadline: Deadline, resolver_factory: Callable[[], Any] | None
) -> tuple[list[Address], str]:
    """Return the addresses that dnspython finds, and why there are none."""
    # Here and not above: importing it takes a tenth of a second, and most programs connect without it.
    import dns.exception
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver() if resolver_factory is None else resolver_factory()
        remaining = deadline.remaining
        lifetime = resolver.lifetime if remaining is None else min(resolver.lifetime, remaining)
        answers = resolver.resolve_name(host, lifetime=lifetime)
        return [Address(family, text) for text, family in answers.addresses_and_families()], ""
    except dns.exception.DNSException as exc:
        return [], str(exc) or type(exc).__name__


def _interleaved(found: list[Address]) -> list[Address]:
    """Let the families take turns, the first answer's family first; each address once."""
    unique = list(dict.fromkeys(found))
    first = [address for address in unique if address.family == unique[0].family]
    second = [address for address in unique if address.family != unique[0].family]
    turns: list[Address] = []
    for index in range(max(len(first), len(second))):
        turns += first[index : index + 1] + second[index : index + 1]
    return turns
