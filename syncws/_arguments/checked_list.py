"""The lists behind properties of the control objects: they check what goes in, and are frozen with the rest.

They may be read and edited on any thread, as long as the control object allows it.
"""

from collections.abc import Callable, Iterable, MutableSequence
from typing import TypeVar, overload
from weakref import WeakMethod

from syncws._errors.bare import raising_bare

__all__ = ["CheckedList"]

EntryT = TypeVar("EntryT")


class CheckedList(MutableSequence[EntryT]):
    """A list whose every state has passed a check; an edit that does not pass changes nothing."""

    def __init__(
        self, check_settable: Callable[[], None], check_all: Callable[[Iterable[object]], list[EntryT]]
    ) -> None:
        """Make an empty list.

        Args:
            check_settable: a method that is called before each edit, as long as its object is there; raises when it is
                too late.
            check_all: returns the entries as they are to be kept, or raises.
        """
        # Its object holds the list: both would stay until the next garbage collection, with the passwords in there.
        self._settable = WeakMethod(check_settable)
        self._check_all = check_all
        self._entries: list[EntryT] = []

    def _check_settable(self) -> None:
        check = self._settable()
        if check is not None:
            check()

    @overload
    def __getitem__(self, index: int) -> EntryT: ...

    @overload
    def __getitem__(self, index: slice) -> list[EntryT]: ...

    def __getitem__(self, index: int | slice) -> EntryT | list[EntryT]:
        return self._entries[index]

    @overload
    def __setitem__(self, index: int, value: EntryT) -> None: ...

    @overload
    def __setitem__(self, index: slice, value: Iterable[EntryT]) -> None: ...

    @raising_bare
    def __setitem__(self, index: int | slice, value: EntryT | Iterable[EntryT]) -> None:
        self._check_settable()
        changed: list[object] = list(self._entries)
        if isinstance(index, slice):
            changed[index] = self._check_all(value)  # type: ignore[arg-type]
        else:
            changed[index] = value
        self._entries = self._check_all(changed)

    def __delitem__(self, index: int | slice) -> None:
        self._check_settable()
        del self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    @raising_bare
    def extend(self, values: Iterable[EntryT]) -> None:
        """Put several entries at the end, all or none; errors as the property says."""
        self._check_settable()
        self._entries = self._check_all([*self._entries, *self._check_all(values)])

    def reverse(self) -> None:
        """Turn the order round; errors as the property says."""
        self._check_settable()
        self._entries.reverse()

    @raising_bare
    def insert(self, index: int, value: EntryT) -> None:
        """Put an entry in; errors as the property says."""
        self._check_settable()
        changed: list[object] = list(self._entries)
        changed.insert(index, value)
        self._entries = self._check_all(changed)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, list | tuple | CheckedList) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._entries)
