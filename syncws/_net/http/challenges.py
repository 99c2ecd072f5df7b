"""What a server or a proxy asks for in a 401 or 407: its challenges, read (RFC 9110 11.6.1).

Pure functions over strings: any thread may call them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from syncws._wire.headers import TOKEN

__all__ = ["Challenge", "parse_challenges", "quoted"]

# A quoted string that has no end counts to the end of the header: each character is looked at once, however many quotes
# there are.
_QUOTED = r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)'
_PART = re.compile(rf'(?:{_QUOTED}|[^",])+', re.DOTALL)
# The scheme is followed by a parameter, by a token of its own (token68), or by nothing.
_SCHEME = re.compile(rf"(?P<scheme>{TOKEN})(?:[ \t]+(?![ \t=])|\Z)")
_PARAMETER = re.compile(rf"(?P<name>{TOKEN})[ \t]*=[ \t]*(?P<value>{_QUOTED}|{TOKEN})[ \t]*\Z", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Challenge(NamedTuple):
    """One way to authenticate.

    Attributes:
        scheme: in lower case: basic, digest, negotiate, ….
        parameters: names in lower case, values without their quotes; of several of one name the first.
    """

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Read a WWW-Authenticate or Proxy-Authenticate header, lines joined by commas; leave out what is none."""
    challenges: list[tuple[str, dict[str, str]]] = []
    for part in _parts(header):
        scheme = _SCHEME.match(part)
        if scheme is not None:
            challenges.append((scheme["scheme"].lower(), {}))
            part = part[scheme.end() :]
        parameter = _PARAMETER.match(part)
        if parameter is not None and challenges:
            challenges[-1][1].setdefault(parameter["name"].lower(), _unquoted(parameter["value"]))
    return [Challenge(scheme, parameters) for scheme, parameters in challenges]


def _parts(header: str) -> Iterator[str]:
    """Give what stands between the commas that are in no quoted string."""
    for part in _PART.finditer(header):
        stripped = part[0].strip(" \t")
        if stripped:
            yield stripped


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    end = -1 if value.endswith('"') else None
    return _ESCAPED.sub(r"\1", value[1:end])


def quoted(text: str) -> str:
    """Return a text as a quoted string (RFC 9110 5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
