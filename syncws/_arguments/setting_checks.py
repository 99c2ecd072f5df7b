"""The checks of settings: each takes a value and the setting's name, and returns the value to keep or raises.

Pure functions: any thread may call them. The section "Raises" of a docstring comes last, because it becomes a part of
the docstrings of the settings.
"""

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from syncws._arguments.checks import check_integer, check_timeout
from syncws._functions import why_refused
from syncws._numbers import as_number_of, shown_number
from syncws._texts import plain_text
from syncws._wire.headers import check_request_header, is_token
from syncws._wire.proxy_url import parse_proxy_url
from syncws._wire.shown import HIDDEN, shown_protocol
from syncws.certificates import Certificate
from syncws.compression import Deflate
from syncws.credentials import PasswordCredential
from syncws.enums import MessageWebSocketReceiveMode, SocketMessageType
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

if TYPE_CHECKING:
    import ssl
    from http.cookiejar import CookieJar

__all__ = [
    "as_compression",
    "as_message_type",
    "as_receive_mode",
    "check_authorities",
    "check_client_certificate",
    "check_cookies",
    "check_credential",
    "check_interval",
    "check_keep_alive_timeout",
    "check_proxy",
    "check_resolver",
    "check_ssl_context",
    "check_user_agent",
    "number_from",
    "shown_cookies",
    "shown_subprotocols",
]

MemberT = TypeVar("MemberT", bound=IntEnum)


def as_compression(value: object, what: str) -> Deflate | bool | None:
    """Return a Deflate, or None for no compression; True stands for a Deflate of defaults, False for None.

    Raises:
        InvalidArgumentTypeError: neither a Deflate, nor a bool, nor None (0x80070057).
    """
    if isinstance(value, bool):
        # Never kept as it is; the annotation is the setting's, to which True may be assigned.
        return Deflate() if value else None
    if value is not None and not isinstance(value, Deflate):
        raise InvalidArgumentTypeError(f"{what} must be a Deflate, True or None, not {type(value).__name__}")
    return value


def as_message_type(value: object, what: str) -> SocketMessageType:
    """Return a SocketMessageType or its number as a SocketMessageType.

    Raises:
        InvalidArgumentTypeError: neither a SocketMessageType nor the number of one (0x80070057).
    """
    return _own_member(value, SocketMessageType, what)


def as_receive_mode(value: object, what: str) -> MessageWebSocketReceiveMode:
    """Return a MessageWebSocketReceiveMode or its number as a MessageWebSocketReceiveMode.

    Raises:
        InvalidArgumentTypeError: neither a MessageWebSocketReceiveMode nor the number of one (0x80070057).
    """
    return _own_member(value, MessageWebSocketReceiveMode, what)


def _own_member(value: object, kind: type[MemberT], what: str) -> MemberT:
    """Return a member of `kind`, or the one of a plain number: a setting takes no member of another enumeration."""
    # Most values; searching an enumeration takes several times as long as all the rest of setting one.
    if isinstance(value, kind):
        return value
    number = as_number_of(kind, value)
    if number not in list(kind):
        shown = type(value).__name__ if number is None else shown_number(number)
        raise InvalidArgumentTypeError(f"{what} must be a {kind.__name__} ({', '.join(kind.__members__)}), not {shown}")
    return kind(number)


def number_from(lowest: int, highest: int, instead_of_none: str = "") -> Callable[[object, str], int]:
    """Return the check of a setting that is a whole number; `instead_of_none` says what to set where None is meant."""

    def check(value: object, what: str) -> int:
        if value is None and instead_of_none:
            raise InvalidArgumentTypeError(f"{what} must be an int, not NoneType; {instead_of_none}")
        return check_integer(value, what, lowest, highest)

    check.__doc__ = f"""Check a whole number.

Raises:
    InvalidArgumentTypeError: no int (0x80070057).
    InvalidArgumentError: not from {lowest:,} to {_shown_bound(highest)} (0x80070057)."""
    return check


def _shown_bound(number: int) -> str:
    return f"{number:,}" if number < 1 << 16 else f"0x{number:X}"


def check_keep_alive_timeout(value: object, what: str) -> float | None:
    """Check a time limit in seconds that must not be 0.

    Raises:
        InvalidArgumentTypeError: neither a number nor None (0x80070057).
        InvalidArgumentError: 0, negative or not a number (0x80070057).
    """
    seconds = check_timeout(value, what)
    if seconds == 0:
        raise InvalidArgumentError(f"{what} must be above 0; keep_alive_interval 0 turns keep-alive off")
    return seconds


def check_interval(value: object, what: str) -> dt.timedelta:
    """Check a timedelta that is a time to wait.

    Raises:
        InvalidArgumentTypeError: not a timedelta (0x80070057).
        InvalidArgumentError: negative (0x80070057).
    """
    if not isinstance(value, dt.timedelta):
        raise InvalidArgumentTypeError(f"{what} must be a timedelta, not {type(value).__name__}")
    if value < dt.timedelta():
        raise InvalidArgumentError(f"{what} must not be negative; got {value!r}")
    return value


def check_credential(value: object, what: str) -> PasswordCredential | None:
    """Check a credential.

    Raises:
        InvalidArgumentTypeError: neither a PasswordCredential nor None (0x80070057).
        InvalidArgumentError: the user name or the password is empty (0x80070057).
    """
    if value is None:
        return None
    if not isinstance(value, PasswordCredential):
        raise InvalidArgumentTypeError(
            f'{what} must be None or a PasswordCredential("", user_name, password), not {type(value).__name__}'
        )
    if not value.user_name or not value.password:
        raise InvalidArgumentError(f"{what} must have a user name and a password")
    return value


def check_proxy(value: Any, what: str) -> str | None:
    """Check the URL of a proxy.

    Raises:
        InvalidArgumentTypeError: neither str nor None (0x80070057).
        InvalidArgumentError: another scheme, no host, a bad port, something after the port, or user info that the
            proxy's protocol cannot carry (0x80070057).
    """
    if value is None:
        return None
    if value != "":
        parse_proxy_url(value, what)
    return plain_text(value)


def check_resolver(value: Any, what: str) -> Any:
    """Check a resolver.

    Raises:
        InvalidArgumentTypeError: neither None nor an object with a method `resolve`, which must not be async, like that
            of dns.asyncresolver (0x80070057).
    """
    if value is not None:
        resolve = getattr(value, "resolve", None)
        if not callable(resolve):
            raise InvalidArgumentTypeError(
                f"{what} must be a dns.resolver.Resolver or None, not {type(value).__name__}"
            )
        if (why := why_refused(resolve)) is not None:
            raise InvalidArgumentTypeError(f"the method resolve of {what} {why}")
    return value


def check_ssl_context(value: object, what: str) -> "ssl.SSLContext | None":
    """Check TLS settings.

    Raises:
        InvalidArgumentTypeError: neither an ssl.SSLContext nor None (0x80070057).
        InvalidArgumentError: one for a server, made with ssl.PROTOCOL_TLS_SERVER (0x80070057).
    """
    if value is None:
        return None
    # Here and not above: importing it takes milliseconds, and ws:// needs none of it.
    import ssl

    if not isinstance(value, ssl.SSLContext):
        raise InvalidArgumentTypeError(f"{what} must be an ssl.SSLContext or None, not {type(value).__name__}")
    if value.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise InvalidArgumentError(f"{what} is a server's: make it with ssl.create_default_context()")
    return value


def check_authorities(value: Any, what: str) -> str | os.PathLike[str] | None:
    """Check where certificates of authorities are.

    Raises:
        InvalidArgumentTypeError: neither a str, nor an os.PathLike of one, nor None (0x80070057).
        InvalidArgumentError: it is empty (0x80070057).
    """
    if value is None:
        return None
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise InvalidArgumentTypeError(
            f"{what} must be a path as str or os.PathLike, or None, not {type(path).__name__}"
        )
    if not path:
        raise InvalidArgumentError(f"{what} must not be empty: None stands for the system's authorities alone")
    return value  # type: ignore[no-any-return]


def check_client_certificate(value: object, what: str) -> Certificate | None:
    """Check a client certificate.

    Raises:
        InvalidArgumentTypeError: neither a Certificate nor None (0x80070057).
        InvalidArgumentError: the certificate has no private key (0x80070057).
    """
    if value is None:
        return None
    if not isinstance(value, Certificate):
        raise InvalidArgumentTypeError(
            f"{what} must be a Certificate or None, not {type(value).__name__}: Certificate.from_pem(path) reads one"
        )
    if not value.has_private_key:
        raise InvalidArgumentError(f"{what} must have a private key: make it with Certificate.from_pem or from_pkcs12")
    return value


def check_cookies(value: Any, what: str) -> "CookieJar | Mapping[str, str] | None":
    """Check cookies; a mapping is copied, so that nothing can change it afterwards.

    Raises:
        InvalidArgumentTypeError: neither a mapping of str to str, nor an http.cookiejar.CookieJar, nor None
            (0x80070057).
        InvalidArgumentError: a name is not a token, or a value holds a semicolon, control characters or lone surrogates
            (0x80070057).
    """
    if value is None:
        return None
    # The second: httpx.Cookies is a mapping of every host's cookies, and only the jar in it knows whose each is.
    for jar in (value, getattr(value, "jar", None)):
        # By its methods, and first: the class takes long to import, and the jar of requests is a mapping too.
        if hasattr(jar, "add_cookie_header") and hasattr(jar, "extract_cookies"):
            return jar
    if not isinstance(value, Mapping):
        hint = "; to send text as it is, set a Cookie header" if isinstance(value, str) else ""
        raise InvalidArgumentTypeError(
            f"{what} must be a mapping of names to values, an http.cookiejar.CookieJar or None, not "
            f"{type(value).__name__}{hint}"
        )
    # No message shows a value: most are secrets.
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise InvalidArgumentTypeError(
                f"{what} must have names and values of str, not {type(name).__name__} and {type(text).__name__}"
            )
        if not is_token(name):
            raise InvalidArgumentError(
                f"{what} has a name that is not a token: ASCII letters, digits or !#$%&'*+-.^_`|~"
            )
        if any(character in ";\x7f" or character < " " or "\ud800" <= character <= "\udfff" for character in text):
            raise InvalidArgumentError(
                f"{what} has a value for {name!r} with a semicolon, a control character or a lone surrogate in it"
            )
    return MappingProxyType({plain_text(name): plain_text(text) for name, text in value.items()})


def shown_cookies(value: Any) -> str:
    """Return the names of a mapping's cookies, or of what class a jar is: the values may be secrets."""
    if isinstance(value, MappingProxyType):
        return f"{{{', '.join(f'{name}: {HIDDEN}' for name in value)}}}"
    return "None" if value is None else f"<{type(value).__name__}>"


def shown_subprotocols(protocols: Iterable[str]) -> str:
    """Return those that are known to be names: others may be bearer tokens."""
    return f"[{', '.join(map(shown_protocol, protocols))}]"


def check_user_agent(value: object, what: str) -> str | None:
    """Check the value of the header User-Agent.

    Raises:
        InvalidArgumentTypeError: neither a str nor None (0x80070057).
        InvalidArgumentError: empty, or with control or non-Latin-1 characters (0x80070057).
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidArgumentTypeError(f"{what} must be a str or None, not {type(value).__name__}")
    if not value.strip():
        raise InvalidArgumentError(f"{what} must not be empty: None sends none")
    check_request_header("User-Agent", value)
    return plain_text(value)
