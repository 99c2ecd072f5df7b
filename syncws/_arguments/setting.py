"""Settings as descriptors: a setting is defined once, as one assignment in the body of its control class.

Any thread may read and set one, as far as the control allows.
"""

import datetime as dt
import enum
import textwrap
from collections.abc import Callable, Iterable, MutableSequence
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from syncws._arguments.checked_list import CheckedList
from syncws._errors.bare import raising_bare
from syncws.errors import InvalidArgumentTypeError

__all__ = ["Control", "ListSetting", "Setting"]

T = TypeVar("T")
EntryT = TypeVar("EntryT")


class Control(Protocol):
    """What a setting needs of the object that it belongs to."""

    def _check_settable(self) -> None:
        """Raise when it is too late for a change."""


class Setting(Generic[T]):
    """A typed property of a control: its default, its check and its docstring.

    The control keeps the value as `_<name>`, and its class the default under the same name: where the time of a read
    matters, read that.
    """

    def __init__(
        self,
        default: T,
        check: Callable[[object, str], T],
        doc: str,
        *,
        is_settable_after_connect: bool = False,
        show: Callable[[Any], object] = lambda value: value,
    ) -> None:
        """Describe a setting.

        Args:
            default: the value until one is set.
            check: takes a value and the setting's name; returns the value to keep, or raises. What its docstring says
                under "Raises:", which comes last there, goes into the setting's docstring.
            doc: what the setting means. Default and errors are added.
            is_settable_after_connect: True leaves it out of the freezing at connect.
            show: returns what people may see of a value, without secrets.
        """
        self.check = check
        self.show = show
        self.is_settable_after_connect = is_settable_after_connect
        self.name: str = ""
        self._key = ""
        self._default = default
        self._default_of: Callable[[Any], T] | None = None
        self.__doc__ = _whole_doc(doc, default, check, is_settable_after_connect)

    @classmethod
    def depending(cls, default_of: Callable[[Any], T], check: Callable[[object, str], T], doc: str) -> "Setting[T]":
        """Describe a setting whose default depends on the control; `doc` says what it is."""
        setting: Setting[Any] = Setting(None, check, doc)
        setting._default_of = default_of
        return setting

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self._key = f"_{name}"
        # None where it depends on the control.
        setattr(owner, self._key, self._default)

    @overload
    def __get__(self, control: None, owner: type) -> Self: ...

    @overload
    def __get__(self, control: Control, owner: type) -> T: ...

    def __get__(self, control: Control | None, owner: type) -> Self | T:
        if control is None:
            return self
        value: T = getattr(control, self._key)
        return self._default_of(control) if value is None and self._default_of is not None else value

    @raising_bare
    def __set__(self, control: Control, value: T) -> None:
        self.store(control, self.accept(control, value))

    def accept(self, control: Control, value: object) -> T:
        """Return the value as it is to be kept; raise when it is bad, or too late for it."""
        if not self.is_settable_after_connect:
            control._check_settable()
        return self.check(value, self.name)

    def store(self, control: Control, value: T) -> None:
        """Keep a value that accept() returned."""
        vars(control)[self._key] = value

    def copy(self, source: Control, target: Control) -> None:
        """Give `target` what `source` was given; where that is nothing, `target` gets its own default back."""
        if self._key in vars(source):
            vars(target)[self._key] = vars(source)[self._key]
        else:
            vars(target).pop(self._key, None)


class ListSetting(Setting[MutableSequence[EntryT]], Generic[EntryT]):
    """A setting that is a list, empty at first: it is edited in place, `+=` included, and never assigned."""

    def __init__(
        self,
        check_all: Callable[[Iterable[object]], list[EntryT]],
        doc: str,
        *,
        show: Callable[[Iterable[EntryT]], object] = list,
    ) -> None:
        """Describe a list.

        Args:
            check_all: takes an iterable; returns the entries to keep, or raises. Its docstring is like that of a check.
            doc: what the list means.
            show: returns what people may see of it, without secrets.
        """
        # The default is what a snapshot has where nobody has asked for the list.
        super().__init__((), self._check, doc, show=show)  # type: ignore[arg-type]
        self.check_all = check_all
        self.__doc__ = _whole_doc(doc, None, check_all, False)

    @overload
    def __get__(self, control: None, owner: type) -> Self: ...

    @overload
    def __get__(self, control: Control, owner: type) -> MutableSequence[EntryT]: ...

    def __get__(self, control: Control | None, owner: type) -> Self | MutableSequence[EntryT]:
        if control is None:
            return self
        if self._key not in vars(control):
            # One step, so that all threads get the same list.
            vars(control).setdefault(self._key, CheckedList(control._check_settable, self.check_all))
        kept: MutableSequence[EntryT] = vars(control)[self._key]
        return kept

    @raising_bare
    def __set__(self, control: Control, value: MutableSequence[EntryT]) -> None:
        # `control.supported_protocols += [...]` gets the list, extends it, and sets it again.
        if value is not self.__get__(control, type(control)):
            raise InvalidArgumentTypeError(
                f"{self.name} cannot be assigned: edit the sequence, as by control.{self.name}.extend(...)"
            )

    def store(self, control: Control, value: Iterable[EntryT]) -> None:
        """Put a list that accept() returned in the place of all entries."""
        self.__get__(control, type(control))[:] = value

    def copy(self, source: Control, target: Control) -> None:
        """Give `target` the entries of `source`."""
        self.store(target, list(self.__get__(source, type(source))))

    def _check(self, value: Any, _: str) -> MutableSequence[EntryT]:
        return self.check_all(value)


def _whole_doc(doc: str, default: object, check: Callable[..., object], is_settable_after_connect: bool) -> str:
    """Add the default, unless the text must say what it is, and the errors."""
    text = _dedented(doc)
    if default is not None:
        text += f"\n\nDefault: {_shown(default)}."
    _, _, errors = _dedented(check.__doc__ or "").partition("Raises:\n")
    if not is_settable_after_connect:
        errors = f"{errors}\n    IllegalMethodCallError: set after connect (0x8000000E)."
    return f"{text}\n\nRaises:\n{errors.lstrip(chr(10))}"


def _dedented(doc: str) -> str:
    # Not inspect.cleandoc: importing inspect takes longer than all of this room.
    first, _, rest = doc.partition("\n")
    return f"{first.lstrip()}\n{textwrap.dedent(rest)}".strip()


def _shown(value: object) -> str:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, dt.timedelta):
        return f"timedelta({value.total_seconds():g})"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    return repr(value)
