"""Deflate, how messages are compressed: the value of control.compression; and what that has achieved.

Plain values that never change: any thread may use them.
"""

from typing import Any, NamedTuple, Self

from syncws._errors.bare import raising_bare
from syncws._numbers import as_integer
from syncws._wire.extension import Agreement, answer_of
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["CompressionStatistics", "Deflate"]

# What a Deflate has, in the order in which it is shown: the smallest and the largest number of each; None for a flag.
_RANGES: dict[str, tuple[int, int] | None] = {
    "client_max_window_bits": (8, 15),
    "client_context_takeover": None,
    "server_max_window_bits": (8, 15),
    "server_context_takeover": None,
    "level": (0, 9),
    "memory_level": (1, 9),
    "minimum_size": (0, 0x7FFF_FFFF),
}


class Deflate:
    """Compression of messages by permessage-deflate (RFC 7692), for control.compression; it cannot be changed.

    It pays for text of some size on a line that is slow or charged by volume, and not for what is already compressed.
    It is off by default for two reasons. Where a secret and text chosen by an attacker go into the same messages, or
    with context takeover over the same connection, their sizes betray the secret, TLS or not (as in CRIME and BREACH);
    and it takes memory, some 300 KiB for a connection with the defaults.

    The names are those of .NET's WebSocketDeflateOptions, as far as that has them. A window is how far back a
    compressor looks for repetitions: 2**bits bytes, 32 KiB at most. Context takeover means that it also looks into
    earlier messages, which is what makes small messages small; without it nothing is kept between two messages.

    What a connection holds in memory from its first compressed message on (`benchmarks/idle.py --compression`
    measures it): a compressor takes 256 KiB at 15 bits and memory_level 8, half of it for the window, and an inflater
    about 40 KiB. Smaller windows and memory levels take less, and a direction without context takeover takes nothing
    between two messages.

    The server has the last word: information.compression tells what was agreed, and is None when the server does not
    compress.

    Attributes:
        client_max_window_bits (int): window of what is sent, 8 to 15.
        client_context_takeover (bool): whether what is sent refers to earlier messages.
        server_max_window_bits (int): the largest window that the server may use, 8 to 15. A server that cannot keep to
            less than 15 refuses compression.
        server_context_takeover (bool): whether the server may refer to earlier messages.
        level (int): zlib's level, 0 (none) to 9 (smallest and slowest).
        memory_level (int): zlib's memory level, 1 to 9: more is faster and compresses a little better. With a smaller
            window no more is used than suits it.
        minimum_size (int): bytes that a message must have to be compressed.

    Source: beyond WinRT, which does not compress.
    """

    __slots__ = tuple(_RANGES)

    client_max_window_bits: int
    client_context_takeover: bool
    server_max_window_bits: int
    server_context_takeover: bool
    level: int
    memory_level: int
    minimum_size: int

    @raising_bare
    def __init__(
        self,
        *,
        client_max_window_bits: int = 15,
        client_context_takeover: bool = True,
        server_max_window_bits: int = 15,
        server_context_takeover: bool = True,
        level: int = 6,
        memory_level: int = 8,
        minimum_size: int = 64,
    ) -> None:
        """Make one; see the attributes. By default zlib's whole window, contexts kept, level 6, from 64 bytes on.

        Raises:
            InvalidArgumentTypeError: a number is not an int, or a flag not a bool (0x80070057).
            InvalidArgumentError: a number is out of range (0x80070057).

        Source: System.Net.WebSockets.WebSocketDeflateOptions; level and what follows are beyond it.
        """
        given = locals()
        for name, allowed in _RANGES.items():
            value = given[name]
            object.__setattr__(self, name, _flag(value, name) if allowed is None else _number(value, name, *allowed))

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"a Deflate cannot be changed: make one with {name}={value!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Deflate cannot be changed")

    def __replace__(self, /, **changes: Any) -> Self:
        """Return a copy with some attributes changed, for copy.replace().

        Raises: as the constructor.
        """
        return type(self)(**{**self._values(), **changes})

    @property
    def _wanted(self) -> Agreement:
        return Agreement(
            self.client_max_window_bits,
            self.client_context_takeover,
            self.server_max_window_bits,
            self.server_context_takeover,
        )

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _RANGES}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Deflate) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(tuple(self._values().values()))

    def __reduce__(self) -> tuple[object, ...]:
        return _made_of, (self._values(),)

    def __repr__(self) -> str:
        return f"Deflate({', '.join(f'{name}={value!r}' for name, value in self._values().items())})"


def _made_of(values: dict[str, Any]) -> Deflate:
    return Deflate(**values)


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidArgumentTypeError(f"{name} must be True or False, not {value!r}")
    return value


def _number(value: object, name: str, lowest: int, highest: int) -> int:
    number = as_integer(value)
    if number is None:
        raise InvalidArgumentTypeError(f"{name} must be int, not {type(value).__name__}")
    if not lowest <= number <= highest:
        raise InvalidArgumentError(f"{name} must be from {lowest} to {highest:,}, not {number}")
    return number


class CompressionStatistics(NamedTuple):
    """What was agreed about compression, and what it has achieved so far (beyond WinRT, RFC 7692).

    Bytes are those of messages sent or received compressed, without frame headers; other messages do not count.

    Attributes:
        client_max_window_bits (int): window of what is sent, 8 to 15.
        client_context_takeover (bool): whether what is sent refers to earlier messages.
        server_max_window_bits (int): window of what comes, 8 to 15.
        server_context_takeover (bool): whether what comes refers to earlier messages.
        bytes_to_compress (int): bytes of messages before they were compressed.
        bytes_compressed (int): what was sent in their place.
        bytes_to_inflate (int): bytes of messages as they came.
        bytes_inflated (int): the bytes that these were inflated to.
    """

    client_max_window_bits: int
    client_context_takeover: bool
    server_max_window_bits: int
    server_context_takeover: bool
    bytes_to_compress: int = 0
    bytes_compressed: int = 0
    bytes_to_inflate: int = 0
    bytes_inflated: int = 0

    @property
    def extension(self) -> str:
        """The extension and its parameters as a server names them: "permessage-deflate; ..."."""
        return answer_of(Agreement(*self[:4]))

    def __repr__(self) -> str:
        return (
            f"<CompressionStatistics {self.extension!r} "
            f"sent {_ratio(self.bytes_to_compress, self.bytes_compressed)} "
            f"received {_ratio(self.bytes_inflated, self.bytes_to_inflate)}>"
        )


def _ratio(plain: int, compressed: int) -> str:
    """Return sizes and ratio as people read them: "1000 as 100 bytes (10.0:1)"."""
    return f"{plain} as {compressed} bytes" + (f" ({plain / compressed:.1f}:1)" if compressed else "")
