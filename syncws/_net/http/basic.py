"""HTTP's Basic authentication (RFC 7617): whether a server asks for it, and the answer.

Pure functions: any thread may call them.
"""

import base64
import re
from typing import Protocol

__all__ = ["asks_for_basic", "basic_authorization"]

# A challenge begins with its scheme, at the beginning or behind a comma that is in no quoted string (RFC 9110 11.6.1).
# One that has no end counts to the end of the header: each quote is looked at once, however many there are.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_BASIC = re.compile(r"(?:^|,)\s*basic(?:\s|,|$)", re.IGNORECASE)


class NameAndPassword(Protocol):
    """What is needed of a credential."""

    @property
    def user_name(self) -> str:
        """The user name, without a colon."""
        ...

    @property
    def password(self) -> str:
        """The password."""
        ...


def asks_for_basic(challenges: str) -> bool:
    """Tell whether a WWW-Authenticate or Proxy-Authenticate header, all its lines joined by commas, offers Basic."""
    return _BASIC.search(_QUOTED.sub('""', challenges)) is not None


def basic_authorization(credential: NameAndPassword) -> str:
    """Return the value of an Authorization or Proxy-Authorization header; user name and password go in UTF-8."""
    pair = f"{credential.user_name}:{credential.password}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"
