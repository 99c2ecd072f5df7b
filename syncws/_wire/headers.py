"""What may stand in the opening handshake's request: header names and values, subprotocols (RFC 9110 5, RFC 6455 4.1).

Pure functions over strings: any thread may call them.
"""

import re
from collections.abc import Iterable

from syncws._wire.shown import shown_text
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["TOKEN", "check_request_header", "check_subprotocols", "is_token"]

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""A token (RFC 9110 5.6.2), as a regular expression."""
_TOKEN = re.compile(TOKEN)

# They belong to the handshake; a second value would contradict it. Value: what to use instead.
_OWN_HEADERS = {
    "sec-websocket-extensions": "control.compression offers the one there is",
    "sec-websocket-protocol": "use subprotocols= of syncws.connect(), or control.supported_protocols",
    "sec-websocket-key": "the handshake makes it",
    "sec-websocket-version": "the handshake makes it",
    "sec-websocket-accept": "only servers send it",
    "upgrade": "the handshake makes it",
    "connection": "the handshake makes it",
    "content-length": "the request has no body",
    "transfer-encoding": "the request has no body",
    "te": "the request has no body",
    "trailer": "the request has no body",
}


def is_token(text: str) -> bool:
    """Tell whether `text` is a token (RFC 9110 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def check_request_header(name: str, value: str) -> None:
    """Check a header that an application adds to the opening handshake.

    Raises:
        InvalidArgumentTypeError: name or value is not a str (0x80070057).
        InvalidArgumentError: the name is not a token or belongs to the handshake, or the value holds control or
            non-Latin-1 characters (0x80070057).
    """
    if not isinstance(name, str):
        raise InvalidArgumentTypeError(f"header name must be str, not {type(name).__name__}")
    if not is_token(name):
        # Not shown behind a colon: who writes "Authorization: Bearer …" has put the value there.
        before, colon, _ = name.partition(":")
        start = shown_text(before + colon, 40)
        raise InvalidArgumentError(
            f"header name {start!r} is not a token: one or more ASCII letters, digits or !#$%&'*+-.^_`|~; the value is "
            "a separate argument"
        )
    if not isinstance(value, str):
        raise InvalidArgumentTypeError(f"value of header {name!r} must be str, not {type(value).__name__}")
    instead = _OWN_HEADERS.get(name.lower())
    if instead is not None:
        raise InvalidArgumentError(f"header {name!r} belongs to the opening handshake: {instead}")
    if name.lower() == "host" and not value.strip():
        raise InvalidArgumentError("value of header 'Host' must not be empty: leave the header out for the URI's host")
    if name.lower() == "host" and not value.isascii():
        raise InvalidArgumentError(f"value of header {name!r} must be ASCII: host names are sent in their IDNA form")
    for character in value:
        if (character < " " and character != "\t") or "\x7f" <= character < "\xa0" or character > "\xff":
            # The value may be a secret, so only the character is shown.
            raise InvalidArgumentError(
                f"value of header {name!r} holds {character!r}: only tab and the printable characters of Latin-1 are "
                "allowed"
            )


def check_subprotocols(protocols: Iterable[object]) -> list[str]:
    """Check a whole list of subprotocols (RFC 6455 4.1).

    No message shows one: it may be a bearer token.

    Raises:
        InvalidArgumentTypeError: it is not a sequence, or has an entry that is not a str (0x80070057).
        InvalidArgumentError: an entry that is not a token, or is there already (0x80070057).
    """
    if isinstance(protocols, str) or not isinstance(protocols, Iterable):
        given = type(protocols).__name__
        raise InvalidArgumentTypeError(f'subprotocols must be a sequence of str, as in ["chat"], not {given}')
    checked: list[str] = []
    for number, protocol in enumerate(protocols, 1):
        if not isinstance(protocol, str):
            raise InvalidArgumentTypeError(f"a subprotocol must be str, not {type(protocol).__name__}")
        if not is_token(protocol):
            raise InvalidArgumentError(
                f"subprotocol number {number} is not a token: one or more ASCII letters, digits or !#$%&'*+-.^_`|~"
            )
        if protocol in checked:
            raise InvalidArgumentError(
                f"subprotocol number {number} is in the list already: each may be there only once"
            )
        checked.append(protocol)
    return checked
