"""The list behind control.supported_protocols.

May import errors and wire. It may be read and edited on any thread, as far as the control object allows.
"""

from collections.abc import Callable, Iterable, MutableSequence
from typing import overload

from syncws.wire.headers import check_subprotocol, check_subprotocols

__all__ = ["SubprotocolList"]


class SubprotocolList(MutableSequence[str]):
    """The list of supported_protocols: checks what goes in, and is frozen with the rest."""

    def __init__(self, check_settable: Callable[[], None]) -> None:
        self._check_settable = check_settable
        self._entries: list[str] = []

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._entries[index]

    @overload
    def __setitem__(self, index: int, value: str) -> None: ...

    @overload
    def __setitem__(self, index: slice, value: Iterable[str]) -> None: ...

    def __setitem__(self, index: int | slice, value: str | Iterable[str]) -> None:
        self._check_settable()
        changed: list[object] = list(self._entries)
        if isinstance(index, slice):
            changed[index] = check_subprotocols(value)
        else:
            changed[index] = value
        self._entries = check_subprotocols(changed)

    def __delitem__(self, index: int | slice) -> None:
        self._check_settable()
        del self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def extend(self, values: Iterable[str]) -> None:
        """Put several subprotocols at the end, all or none; errors as supported_protocols."""
        self._check_settable()
        self._entries = check_subprotocols([*self._entries, *check_subprotocols(values)])

    def reverse(self) -> None:
        """Turn the order round; errors as supported_protocols."""
        self._check_settable()
        self._entries.reverse()

    def insert(self, index: int, value: str) -> None:
        """Put a subprotocol in; errors as supported_protocols."""
        self._check_settable()
        self._entries.insert(index, check_subprotocol(value, self._entries))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, list | tuple | SubprotocolList) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._entries)
