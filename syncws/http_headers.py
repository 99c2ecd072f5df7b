"""The headers of an HTTP answer, as the information object and HttpStatusError show them.

Immutable: any thread may read.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, cast, overload

__all__ = ["HttpHeaders"]

OtherT = TypeVar("OtherT")


class HttpHeaders(Mapping[str, str]):
    """The headers of an HTTP answer, read-only (beyond WinRT).

    A mapping from names, whose case does not matter, to values. `headers["set-cookie"]` joins the values of a header
    that came several times by ", "; `get_all` keeps them apart. It yields each name once, in lower case, in the order
    in which they came.
    """

    __slots__ = ("_values",)

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = (), /) -> None:
        """Take a mapping, or pairs of name and value, in which a name may occur several times."""
        collected: dict[str, list[str]] = {}
        # A list first, as a connect gives: asking whether it is a Mapping takes longer than all the rest.
        if not isinstance(fields, list) and isinstance(fields, Mapping):
            fields = cast("Mapping[str, str]", fields).items()
        for name, value in fields:
            key = name.lower()
            if key in collected:
                collected[key].append(value)
            else:
                collected[key] = [value]
        self._values = collected

    @overload
    def get_all(self, name: str) -> list[str] | None: ...

    @overload
    def get_all(self, name: str, failobj: OtherT) -> list[str] | OtherT: ...

    def get_all(self, name: str, failobj: object = None) -> object:
        """Return every value of a header, in the order in which they came; `failobj` when there is none.

        As email.message.Message.get_all. For Set-Cookie it is the only way to tell the values apart, because a value
        may itself hold a comma (RFC 9110 5.3).
        """
        values = self._values.get(name.lower())
        return failobj if values is None else list(values)

    def __getitem__(self, name: str) -> str:
        # Anything but a str is simply not there, as in any mapping.
        return ", ".join(self._values[name.lower() if isinstance(name, str) else name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, HttpHeaders):
            return self._values == other._values
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[object, ...]:
        # The first pickle protocols know nothing of slots.
        return HttpHeaders, ([(name, value) for name, values in self._values.items() for value in values],)

    def __repr__(self) -> str:
        # Names alone: a value may be a secret.
        return f"<{type(self).__name__} {', '.join(self._values) or 'empty'}>"
