"""Addresses to connect to: IP addresses read from text and put in order, or the path of a Unix socket.

Nothing here waits or looks up a name, so any thread may call it.
"""

import errno
import ipaddress
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

__all__ = ["IP_FAMILIES", "LOCALHOST", "Address", "interleaved", "parse_address"]


IP_FAMILIES = (socket.AF_INET, socket.AF_INET6)
"""What Address.is_ip asks for; itself for where the time of a property counts."""


class Address(NamedTuple):
    """Where to connect to.

    Attributes:
        family (int): socket.AF_INET, AF_INET6 or AF_UNIX.
        text (str): the IP address, with the zone id if there is one; or the path.
    """

    family: int
    text: str

    @property
    def is_ip(self) -> bool:
        """False for the path of a Unix socket."""
        return self.family in IP_FAMILIES

    @property
    def is_unspecified(self) -> bool:
        """True for 0.0.0.0 and ::, which are no host's (RFC 1122 3.2.1.3, RFC 4291 2.5.2)."""
        return ipaddress.ip_address(self.text).is_unspecified

    @property
    def needs_zone(self) -> bool:
        """True for a link-local IPv6 address without a zone id, which most systems cannot find (RFC 4007 6)."""
        return self.family == socket.AF_INET6 and "%" not in self.text and ipaddress.ip_address(self.text).is_link_local

    def at_port(self, port: int) -> str | tuple[str, int] | tuple[str, int, int, int]:
        """Return what socket.connect takes, the zone id as a number; a path has no port.

        A zone id that is left in the text does not reach the kernel, and sends the text through the system's resolver,
        on this thread.

        Raises:
            OSError: this system has no such network interface (errno.ENODEV).
        """
        if self.family == socket.AF_INET:
            return self.text, port
        if not self.is_ip:
            return self.text
        bare, _, zone = self.text.partition("%")
        return bare, port, 0, _interface_index(zone) if zone else 0


LOCALHOST = (Address(socket.AF_INET, "127.0.0.1"), Address(socket.AF_INET6, "::1"))
"""What localhost stands for (RFC 6761), in the order in which they are tried."""


@lru_cache(maxsize=64)
def parse_address(text: str) -> Address | None:
    """Read an address; None when the text is not one.

    An IPv4-mapped IPv6 address becomes the IPv4 address that it stands for (RFC 4291 2.5.5.2): that one works without
    IPv6 too, and is then not tried twice.
    """
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return Address(socket.AF_INET6, str(parsed))
        parsed = parsed.ipv4_mapped
    return Address(socket.AF_INET, str(parsed))


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Let the families take turns, the first address's family first, so that dead ones of one cannot hide the other
    (RFC 8305 4); each address once."""
    unique = list(dict.fromkeys(addresses))
    first = [address for address in unique if address.family == unique[0].family]
    second = [address for address in unique if address.family != unique[0].family]
    turns: list[Address] = []
    for index in range(max(len(first), len(second))):
        turns += first[index : index + 1] + second[index : index + 1]
    return turns


def _interface_index(zone: str) -> int:
    """Return the number of the network interface that a zone id names or is the number of (RFC 4007 11.2)."""
    try:
        return socket.if_nametoindex(zone)
    except (OSError, ValueError):
        pass
    try:
        index = int(zone)
        socket.if_indextoname(index)
    except (OSError, ValueError, OverflowError):
        raise OSError(errno.ENODEV, f"this system has no network interface {zone!r}") from None
    return index
