"""From a host name to addresses: literals, localhost, the hosts file, dnspython, and finally the system's resolver.

Runs on the connecting thread as far as it cannot wait; ask_name_servers and _ask_system, which can, on helper threads.
"""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from syncws._net.address import IP_FAMILIES, LOCALHOST, Address, interleaved, parse_address
from syncws._net.hosts_file import find_in_hosts_file
from syncws._waiting.at_fork import loading
from syncws._waiting.deadline import Deadline
from syncws._wire.shown import shown_text
from syncws.errors import CannotConnectError, HostNameNotResolvedError, OperationTimedOutError

__all__ = [
    "Answer",
    "addresses_without_waiting",
    "ask_name_servers",
    "look_up",
    "make_resolver",
]


class Answer(NamedTuple):
    """What one way of asking found, or why it found nothing."""

    addresses: Sequence[Address] = ()
    problem: str = ""
    is_timeout: bool = False


def addresses_without_waiting(host: str) -> list[Address]:
    """Return the addresses that need no name server: literals, localhost (RFC 6761), the hosts file; else none.

    Raises:
        HostNameNotResolvedError: the hosts file gives 0.0.0.0 or :: for the name, which is how names are blocked there
            (0x80072EE7).
    """
    literal = parse_address(host)
    if literal is not None:
        return [literal]
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return list(LOCALHOST)
    known = find_in_hosts_file(name)
    usable = [address for address in known if not address.is_unspecified]
    if known and not usable:
        raise HostNameNotResolvedError(f"the name {host!r} has no address: the hosts file blocks it ({known[0].text})")
    return interleaved(usable)


def look_up(
    host: str, deadline: Deadline, resolver: Any, run_aside: Callable[[Sequence[Callable[[], Answer]]], list[Answer]]
) -> list[Address]:
    """Ask name servers for A and AAAA records at the same time; then, if that gives nothing, the system.

    The system comes first for names under .local, which it may find by multicast (RFC 6762 3). For one under .onion
    nobody is asked: whoever is would know what the user keeps secret (RFC 7686 2).

    Args:
        host: the name.
        deadline: bounds the name servers, which leave half of it to the system behind them; the system's resolver
            cannot be bounded, but is not waited for any longer.
        resolver: a dns.resolver.Resolver that alone is asked; None for the system's name servers, and then the system.
        run_aside: runs functions that wait, each on a thread of its own, and returns what they return; when one has
            found addresses, possibly without those that take longer.

    Returns:
        Addresses, the families alternating (RFC 8305 4), so that dead ones of one cannot hide the other.

    Raises:
        HostNameNotResolvedError: nobody knows the name, it has no address, or the name servers failed (0x80072EE7).
        OperationTimedOutError: nobody answered in time (0x80072EE2).
        CannotConnectError: there are no more descriptors (0x80072EFD).
    """

    def ask_servers(until: Deadline) -> list[Answer]:
        return run_aside([partial(ask_name_servers, host, kind, until, resolver) for kind in ("AAAA", "A")])

    def ask_the_system() -> list[Answer]:
        return run_aside([partial(_ask_system, host)])

    name = host.lower().removesuffix(".")
    if resolver is not None:
        answers = ask_servers(deadline)
    elif name.endswith(".onion"):
        raise HostNameNotResolvedError(
            f"the name {host!r} is only known to Tor: set control.proxy to the SOCKS proxy of Tor, socks5h://localhost:9050"
        )
    elif name.endswith(".local"):
        answers = _first_with_addresses(ask_the_system, lambda: ask_servers(deadline))
    else:
        answers = _first_with_addresses(lambda: ask_servers(_half(deadline)), ask_the_system)
    found = interleaved([address for answer in answers for address in answer.addresses])
    if found:
        return found
    # Both families mostly have the same to say.
    problems = "; ".join(dict.fromkeys(answer.problem for answer in answers))
    message = f"the name {host!r} has no address: {problems}"
    if all(answer.is_timeout for answer in answers):
        raise OperationTimedOutError(message)
    raise HostNameNotResolvedError(message)


def _first_with_addresses(first: Callable[[], list[Answer]], second: Callable[[], list[Answer]]) -> list[Answer]:
    """Return what the first way found; if that is not an address, what both said."""
    answers = first()
    return answers if any(answer.addresses for answer in answers) else [*answers, *second()]


def _half(deadline: Deadline) -> Deadline:
    remaining = deadline.remaining
    return deadline if remaining is None else deadline.within(remaining / 2)


def ask_name_servers(host: str, kind: str, deadline: Deadline, resolver: Any) -> Answer:
    """Ask for the records of one kind, "A" or "AAAA"; waits. CNAMEs are followed, search domains tried."""
    # Here and not above: importing it takes a tenth of a second, and most programs connect without it.
    try:
        with loading():
            import dns.exception
            import dns.resolver
    except OSError as exc:
        raise CannotConnectError(f"the system has no file descriptor to look up names: {exc}") from exc

    asked = resolver
    if asked is None:
        try:
            asked = make_resolver()
        except (dns.exception.DNSException, OSError, ValueError) as exc:
            # dnspython says that it cannot open the file, but not why: that no descriptor is left, say.
            why = exc.__context__ or exc
            return Answer(problem=f"the system's name servers are not known: {str(why) or type(why).__name__}")
    remaining = deadline.remaining
    try:
        lifetime = asked.lifetime if remaining is None else min(asked.lifetime, remaining)
        texts = [str(record) for record in asked.resolve(host, kind, lifetime=lifetime, search=True)]
    except dns.resolver.NXDOMAIN:
        return Answer(problem="the name does not exist")
    except dns.resolver.NoAnswer:
        return _answer([])
    except dns.exception.Timeout as exc:
        # The text begins with the seconds that it took, which differ: both kinds shall say the same.
        said = str(exc).partition(": ")[2]
        problem = "the name servers did not answer in time"
        return Answer(problem=f"{problem} ({said})" if said else problem, is_timeout=True)
    except dns.exception.DNSException as exc:
        return Answer(problem=f"the name servers failed: {shown_text(str(exc)) or type(exc).__name__}")
    except Exception as exc:
        if resolver is None:
            raise
        # The application's own resolver: whatever it raises, connect() raises only what it documents.
        raise HostNameNotResolvedError(f"control.resolver raised {type(exc).__name__} for the name {host!r}") from exc
    return _answer(texts)


def make_resolver() -> Any:
    """Return a resolver with the system's settings."""
    import dns.resolver

    return dns.resolver.Resolver()


def _ask_system(host: str) -> Answer:
    """Ask the system's resolver; waits, and nothing can end that."""
    with loading():
        # What getaddrinfo would import, for the name.
        import encodings.idna  # noqa: F401
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        # Its name servers were silent, or failed for the moment.
        is_temporary = isinstance(exc, socket.gaierror) and exc.errno == socket.EAI_AGAIN
        return Answer(problem=f"the system's resolver says: {exc}", is_timeout=is_temporary)
    return _answer([_text(answer[4]) for answer in answers if answer[0] in IP_FAMILIES])


def _text(found: tuple[Any, ...]) -> str:
    """Return a socket address's IP address; its zone is a number next to it, which mDNS can use."""
    is_scoped = len(found) == 4 and found[3]
    return f"{found[0]}%{found[3]}" if is_scoped else str(found[0])


def _answer(texts: Sequence[str]) -> Answer:
    """Return the part of an answer that can be connected to.

    0.0.0.0 and :: cannot: name servers give them for names that they block, and some systems would take them for
    themselves.
    """
    parsed = [parse_address(text) for text in texts]
    usable = [address for address in parsed if address is not None and not address.is_unspecified]
    if usable:
        return Answer(usable)
    if texts:
        return Answer(problem=f"the answer {texts[0]} is not an address to connect to")
    return Answer(problem="the name exists but has no address of this kind")
