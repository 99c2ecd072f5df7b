"""HostName: a name or address of a host (Windows.Networking.HostName).

A plain value that never changes: any thread may use it.
"""

import ipaddress

from syncws._texts import plain_text
from syncws.enums import HostNameType
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["HostName"]


class HostName:
    """A host name or IP address, in the forms that WinRT distinguishes.

    Equal host names have equal canonical names; `str()` gives the canonical name.
    """

    __slots__ = ("_canonical_name", "_raw_name", "_type")

    def __init__(self, host_name: str, /) -> None:
        """Take a host name or an IP literal; IPv6 with or without brackets.

        Raises:
            InvalidArgumentTypeError: it is not a str (0x80070057).
            InvalidArgumentError: it is empty, or holds white space or control characters (0x80070057).
        """
        if not isinstance(host_name, str):
            raise InvalidArgumentTypeError(f"a host name must be str, not {type(host_name).__name__}")
        host_name = plain_text(host_name)
        if not host_name or any(character.isspace() or not character.isprintable() for character in host_name):
            raise InvalidArgumentError(
                f"{host_name!r} is not a host name: it is empty, or holds white space or control characters"
            )
        self._raw_name = host_name
        bare = host_name[1:-1] if host_name.startswith("[") and host_name.endswith("]") else host_name
        try:
            address = ipaddress.ip_address(bare)
        except ValueError:
            self._type = HostNameType.DOMAIN_NAME
            self._canonical_name = host_name.lower()
        else:
            self._type = HostNameType.IPV4 if address.version == 4 else HostNameType.IPV6
            self._canonical_name = str(address)

    @property
    def canonical_name(self) -> str:
        """The normalised form (HostName.CanonicalName)."""
        return self._canonical_name

    @property
    def display_name(self) -> str:
        """The form to show (HostName.DisplayName)."""
        return self._canonical_name

    @property
    def raw_name(self) -> str:
        """The text as it was given (HostName.RawName)."""
        return self._raw_name

    @property
    def type(self) -> HostNameType:
        """What it is (HostName.Type)."""
        return self._type

    @property
    def ip_information(self) -> None:
        """Always None: Windows fills it only for its own list of adapters (HostName.IPInformation)."""
        return None

    def is_equal(self, host_name: "HostName", /) -> bool:
        """Compare canonical names (HostName.IsEqual)."""
        return self == host_name

    def to_string(self) -> str:
        """Return the canonical name (HostName.ToString)."""
        return self._canonical_name

    @staticmethod
    def compare(value1: "str | HostName", value2: "str | HostName", /) -> int:
        """Return less than, equal to or more than 0, as the canonical names sort (HostName.Compare).

        Raises: as HostName(), for a str.
        """
        first, second = (
            value.canonical_name if isinstance(value, HostName) else HostName(value).canonical_name
            for value in (value1, value2)
        )
        return (first > second) - (first < second)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostName) and self._canonical_name == other._canonical_name

    def __hash__(self) -> int:
        return hash(self._canonical_name)

    def __str__(self) -> str:
        return self._canonical_name

    def __repr__(self) -> str:
        return f"HostName({self._raw_name!r})"
