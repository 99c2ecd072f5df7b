"""From a host name to addresses: literals, localhost, the hosts file, dnspython, and at last the system's resolver.

May import errors and net.deadline; the only home of dnspython. Runs on the connecting thread as far as it cannot
wait; ask_name_servers and ask_system, which can, on helper threads of threads.background.
"""

import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from syncws.errors import HostNameNotResolvedError, OperationTimedOutError
from syncws.net.deadline import Deadline

__all__ = [
    "Address",
    "Answer",
    "addresses_without_waiting",
    "ask_name_servers",
    "ask_system",
    "hosts_file",
    "look_up",
    "make_resolver",
]

_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Address:
    """An IP address to connect to: socket.AF_INET or AF_INET6, and the text, with the zone id if there is one."""

    family: int
    text: str


@dataclass(frozen=True)
class Answer:
    """What one way of asking found, or why it found nothing."""

    addresses: list[Address] = field(default_factory=list)
    problem: str = ""
    is_timeout: bool = False


def addresses_without_waiting(host: str) -> list[Address]:
    """Return the addresses that need no name server: literals, localhost (RFC 6761), the hosts file; else none."""
    literal = _literal(host)
    if literal is not None:
        return [literal]
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return [Address(_family(text), text) for text in _LOOPBACK]
    return _in_hosts_file(name)


def look_up(
    host: str, deadline: Deadline, resolver: Any, run_aside: Callable[[Sequence[Callable[[], Answer]]], list[Answer]]
) -> list[Address]:
    """Ask name servers for A and AAAA records at the same time; then, if that gives nothing, the system.

    Args:
        host: the name.
        deadline: bounds the name servers; the system's resolver cannot be bounded, but is not waited for any longer.
        resolver: a dns.resolver.Resolver that alone is asked; None for the system's name servers, and then the system.
        run_aside: runs functions that wait, each on a thread of its own, and returns what they return; when one has
            found addresses, possibly without those that take longer.

    Returns:
        Addresses, the families alternating (RFC 8305 4), so that dead ones of one cannot hide the other.

    Raises:
        HostNameNotResolvedError: nobody knows the name, it has no address, or the name servers failed (0x80072EE7).
        OperationTimedOutError: the name servers did not answer in time (0x80072EE2).
    """
    answers = run_aside([partial(ask_name_servers, host, kind, deadline, resolver) for kind in ("AAAA", "A")])
    if resolver is None and not any(answer.addresses for answer in answers):
        answers = [*answers, *run_aside([partial(ask_system, host)])]
    found = _interleaved([address for answer in answers for address in answer.addresses])
    if found:
        return found
    # Both families mostly have the same to say.
    problems = "; ".join(dict.fromkeys(answer.problem for answer in answers))
    message = f"the name {host!r} has no address: {problems}"
    if all(answer.is_timeout for answer in answers):
        raise OperationTimedOutError(message)
    raise HostNameNotResolvedError(message)


def ask_name_servers(host: str, kind: str, deadline: Deadline, resolver: Any) -> Answer:
    """Ask for the records of one kind, "A" or "AAAA"; waits. CNAMEs are followed, search domains tried."""
    # Here and not above: importing it takes a tenth of a second, and most programs connect without it.
    import dns.exception
    import dns.resolver

    family = socket.AF_INET if kind == "A" else socket.AF_INET6
    try:
        asked = make_resolver() if resolver is None else resolver
        remaining = deadline.remaining
        lifetime = asked.lifetime if remaining is None else min(asked.lifetime, remaining)
        records = asked.resolve(host, kind, lifetime=lifetime, search=True)
        return Answer([Address(family, str(record)) for record in records])
    except dns.resolver.NXDOMAIN:
        return Answer(problem="the name does not exist")
    except dns.resolver.NoAnswer:
        return Answer(problem="the name exists, and has no address of this kind")
    except dns.exception.Timeout as exc:
        return Answer(problem=f"the name servers did not answer in time ({exc})", is_timeout=True)
    except dns.exception.DNSException as exc:
        return Answer(problem=f"the name servers failed: {str(exc) or type(exc).__name__}")


def make_resolver() -> Any:
    """Return a resolver with the system's settings."""
    import dns.resolver

    return dns.resolver.Resolver()


def ask_system(host: str) -> Answer:
    """Ask the system's resolver; waits, and nothing can end that."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        return Answer(problem=f"the system's resolver says: {exc}")
    # The flow label and scope that getaddrinfo adds come back from the text.
    return Answer([Address(answer[0], str(answer[4][0])) for answer in answers])


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


def _interleaved(found: list[Address]) -> list[Address]:
    """Let the families take turns, the first answer's family first; each address once."""
    unique = list(dict.fromkeys(found))
    if not unique:
        return []
    first = [address for address in unique if address.family == unique[0].family]
    second = [address for address in unique if address.family != unique[0].family]
    turns: list[Address] = []
    for index in range(max(len(first), len(second))):
        turns += first[index : index + 1] + second[index : index + 1]
    return turns
