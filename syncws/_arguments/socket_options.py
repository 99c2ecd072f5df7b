"""The checks of settings for the socket beneath a connection: its own address, and its options.

Pure functions: any thread may call them. Their docstrings are like those in setting_checks.py.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from syncws._arguments.checks import check_integer
from syncws._numbers import as_integer
from syncws._texts import plain_text
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = [
    "LocalAddress",
    "SocketOption",
    "SocketTriple",
    "check_local_address",
    "check_socket_options",
    "shown_option",
]

LocalAddress = str | tuple[str, int]
SocketTriple = tuple[int, int, int | bytes]
SocketOption = SocketTriple | tuple[str, int | bytes]

# By the beginning of an option's name, the longest first.
_LEVELS = {"IPV6_": "IPPROTO_IPV6", "IP_": "IPPROTO_IP", "TCP_": "IPPROTO_TCP", "SO_": "SOL_SOCKET"}
_C_INT = (-(1 << 31), (1 << 31) - 1)


def check_local_address(value: Any, what: str) -> LocalAddress | None:
    """Check an address of this machine.

    Raises:
        InvalidArgumentTypeError: neither a str, nor a pair of str and int, nor None (0x80070057).
        InvalidArgumentError: not an IP address, or a port that is not from 0 to 65,535 (0x80070057).
    """
    if value is None:
        return None
    text, port = value if isinstance(value, tuple) and len(value) == 2 else (value, 0)
    if not isinstance(text, str):
        raise InvalidArgumentTypeError(
            f"{what} must be an IP address as str, a pair of one and a port, or None, not {type(value).__name__}"
        )
    text = plain_text(text)
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise InvalidArgumentError(
            f"{what} must be an IP address of this machine, not {text!r}: names are not looked up"
        ) from None
    port = check_integer(port, f"the port of {what}", 0, 65535)
    return (text, port) if isinstance(value, tuple) else text


def check_socket_options(options: Iterable[object]) -> list[SocketOption]:
    """Check a whole list of socket options; an entry by name is kept as the triple that it stands for.

    Raises:
        InvalidArgumentTypeError: it is not a sequence, or has an entry that is neither a triple of level, option and
            value nor a pair of name and value; a value that is neither int nor bytes (0x80070057).
        InvalidArgumentError: a name that this system or Python does not have, or a number beyond 32 bits (0x80070057).
    """
    if isinstance(options, str | bytes) or not isinstance(options, Iterable):
        raise InvalidArgumentTypeError(f"socket_options must be a sequence of tuples, not {type(options).__name__}")
    return [_checked(option) for option in options]


def _checked(option: Any) -> SocketOption:
    if isinstance(option, tuple) and len(option) == 2 and isinstance(option[0], str):
        option = (*_by_name(option[0]), option[1])
    if not isinstance(option, tuple) or len(option) != 3:
        raise InvalidArgumentTypeError(
            f"a socket option must be (level, option, value), as setsockopt takes them, or (name, value) as in "
            f"('SO_KEEPALIVE', 1); got {option!r}"
        )
    level = check_integer(option[0], "a socket option's level", *_C_INT)
    number = check_integer(option[1], "a socket option's number", *_C_INT)
    value = int(option[2]) if isinstance(option[2], bool) else option[2]
    if isinstance(value, bytes):
        return level, number, value
    if as_integer(value) is None:
        raise InvalidArgumentTypeError(f"a socket option's value must be an int or bytes, not {type(value).__name__}")
    return level, number, check_integer(value, "a socket option's value", *_C_INT)


def _by_name(name: str) -> tuple[int, int]:
    level = next((level for start, level in _LEVELS.items() if name.startswith(start)), None)
    number = getattr(socket, name, None)
    if level is None or not isinstance(number, int):
        raise InvalidArgumentError(
            f"there is no socket option {name!r} on this system: names are those of the module socket that begin with "
            f"{', '.join(sorted(_LEVELS))}"
        )
    return getattr(socket, level), number


def shown_option(level: int, number: int) -> str:
    """Return an option's name for people, or its numbers."""
    for start, level_name in _LEVELS.items():
        if getattr(socket, level_name, None) == level:
            names = [name for name in dir(socket) if name.startswith(start) and getattr(socket, name) == number]
            if names:
                return names[0]
    return f"({level}, {number})"
