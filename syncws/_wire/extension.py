"""The offer of permessage-deflate in the opening handshake, and what the server's answer to it means (RFC 7692 7.1).

Pure functions: any thread may call them.
"""

import re
from typing import NamedTuple

from syncws._wire.headers import TOKEN
from syncws._wire.shown import shown_text

__all__ = ["WHOLE", "Agreement", "BadAnswerError", "answer_of", "offer_of", "read_answer"]

_EXTENSION = "permessage-deflate"

# RFC 6455 9.1: the value may stand in quotes, and must be a token without them and its backslashes.
_QUOTED = rf'"((?:\\?{TOKEN.removesuffix("+")})+)"'
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*({TOKEN})(?:[ \t]*=[ \t]*(?:({TOKEN})|{_QUOTED}))?")
_NAME = re.compile(rf"[ \t]*({TOKEN})")
# RFC 7692 7.1.2: decimal, without leading zeros.
_WINDOW_BITS = ("8", "9", "10", "11", "12", "13", "14", "15")


class BadAnswerError(Exception):
    """The server's answer is none that the offer allows; the text says why, to follow "it"."""


class Agreement(NamedTuple):
    """The four parameters (RFC 7692 7.1): those that the client wants, or those that both sides keep to."""

    client_max_window_bits: int = 15
    client_context_takeover: bool = True
    server_max_window_bits: int = 15
    server_context_takeover: bool = True


WHOLE = Agreement()
"""All of the window each way, and contexts that are kept."""


def offer_of(wanted: Agreement) -> str:
    """Return the value of Sec-WebSocket-Extensions that offers what is wanted."""
    # Always with it: else the server may not ask for a smaller window, and could only refuse (7.1.2.2).
    return answer_of(wanted) + ("; client_max_window_bits" if wanted.client_max_window_bits == 15 else "")


def answer_of(agreement: Agreement) -> str:
    """Return an agreement in the words of an answer, without what is the default."""
    parts = [_EXTENSION]
    if not agreement.server_context_takeover:
        parts.append("server_no_context_takeover")
    if not agreement.client_context_takeover:
        parts.append("client_no_context_takeover")
    if agreement.server_max_window_bits < 15:
        parts.append(f"server_max_window_bits={agreement.server_max_window_bits}")
    if agreement.client_max_window_bits < 15:
        parts.append(f"client_max_window_bits={agreement.client_max_window_bits}")
    return "; ".join(parts)


def read_answer(value: str, wanted: Agreement) -> Agreement:
    """Read the server's Sec-WebSocket-Extensions, which is not empty.

    Raises:
        BadAnswerError: it is malformed, or no answer to the offer that was made of what is `wanted`.
    """
    given = _parse(value)
    taken: dict[str, str | None] = {}
    for name, argument in given:
        if name in taken:
            raise BadAnswerError(f"gave the parameter {name} of {_EXTENSION} twice")
        taken[name] = argument
    client_bits, server_bits = wanted.client_max_window_bits, wanted.server_max_window_bits
    for name, argument in taken.items():
        if name in ("client_no_context_takeover", "server_no_context_takeover"):
            if argument is not None:
                raise BadAnswerError(f"gave the parameter {name} of {_EXTENSION} a value")
        elif name == "client_max_window_bits":
            # What was offered is a hint, and a promise of ours all the same (7.1.2.2): more is leave to do less.
            client_bits = min(client_bits, _bits(name, argument))
        elif name == "server_max_window_bits":
            server_bits = _bits(name, argument)
            if server_bits > wanted.server_max_window_bits:
                asked = wanted.server_max_window_bits
                raise BadAnswerError(f"chose {name}={server_bits}, where at most {asked} was offered")
        else:
            raise BadAnswerError(f"gave {_EXTENSION} the unknown parameter {shown_text(name, 40)}")
    # What was asked of the server is granted only if it says so (7.1.1.1, 7.1.2.1).
    if not wanted.server_context_takeover and "server_no_context_takeover" not in taken:
        raise BadAnswerError("accepted permessage-deflate without server_no_context_takeover, which was asked for")
    if wanted.server_max_window_bits < 15 and "server_max_window_bits" not in taken:
        raise BadAnswerError("accepted permessage-deflate without server_max_window_bits, which was asked for")
    return Agreement(
        client_bits,
        wanted.client_context_takeover and "client_no_context_takeover" not in taken,
        server_bits,
        "server_no_context_takeover" not in taken,
    )


def _parse(value: str) -> list[tuple[str, str | None]]:
    """Return the parameters of the one extension that `value` names."""
    # A list may have empty elements (RFC 9110 5.6.1).
    value = value.strip(" \t,")
    match = _NAME.match(value)
    if match is None:
        raise BadAnswerError(f"sent a malformed Sec-WebSocket-Extensions header: {shown_text(value, 80)}")
    if match[1] != _EXTENSION:
        raise BadAnswerError(f"turned on the extension {shown_text(match[1], 40)}, which was not offered")
    given: list[tuple[str, str | None]] = []
    position = match.end()
    while (parameter := _PARAMETER.match(value, position)) is not None:
        quoted = parameter[3]
        given.append((parameter[1], parameter[2] if quoted is None else quoted.replace("\\", "")))
        position = parameter.end()
    rest = value[position:].strip(" \t")
    if rest.startswith(","):
        raise BadAnswerError(f"turned on more than the one extension that was offered: {shown_text(value, 80)}")
    if rest:
        raise BadAnswerError(f"sent a malformed Sec-WebSocket-Extensions header: {shown_text(value, 80)}")
    return given


def _bits(name: str, argument: str | None) -> int:
    if argument not in _WINDOW_BITS:
        raise BadAnswerError(
            f"gave {name} something other than a number from 8 to 15: {shown_text(argument or '', 40)!r}"
        )
    return int(argument)
