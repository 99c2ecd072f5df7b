"""What every control object does with its settings: they are set, frozen, copied, and handed to a connection.

Any thread may read and set, unless the control is frozen.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from syncws._arguments.other_names import ARGUMENTS_AMONG_SETTINGS, NEEDLESS, OF_MESSAGES, SETTINGS, nearest
from syncws._arguments.setting import ListSetting, Setting
from syncws._arguments.showing import as_html, shown_value
from syncws._errors.bare import raising_bare
from syncws.errors import IllegalMethodCallError, InvalidArgumentTypeError

__all__ = ["Settable"]


class Settable:
    """The base of a control class; see syncws.control, which has the settings. Not for use by itself."""

    # Of the class and its bases, theirs first; and under which names an object keeps those that are lists.
    _settings: ClassVar[Mapping[str, Setting[Any]]] = {}
    _list_keys: ClassVar[Sequence[str]] = ()

    _is_frozen = False
    # Of a snapshot: what set_request_header said, and what _net/tls/context.py made, by client certificate.
    _request_headers: Sequence[tuple[str, str]] = ()
    _made_plans: dict[Any, Any]

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Setting)}
        cls._settings = {**cls._settings, **own}
        cls._list_keys = [setting._key for setting in cls._settings.values() if isinstance(setting, ListSetting)]

    def __new__(cls) -> Self:
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{cls.__name__} cannot be made: use {cls.__name__.removesuffix('Control')}.control")

    def __reduce_ex__(self, protocol: object) -> str:
        """Refuse to be pickled or copied: copy_from() hands the settings on, and passwords stay in the process.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied: use copy_from()")

    if not TYPE_CHECKING:
        # Type checkers would let every name pass.
        @raising_bare
        def __setattr__(self, name: str, value: object) -> None:
            if not name.startswith("_") and not hasattr(getattr(type(self), name, None), "__set__"):
                raise AttributeError(self._unknown(name))
            object.__setattr__(self, name, value)

    def copy_from(self, other: "Settable", /) -> None:
        """Take over every setting of another control; of the other class's, those that both have (beyond WinRT).

        What was not set there goes back to its default here. Request headers are not settings.

        Raises:
            InvalidArgumentTypeError: `other` is not a control (0x80070057).
            IllegalMethodCallError: connect was called (0x8000000E).
        """
        if not isinstance(other, Settable):
            raise InvalidArgumentTypeError(f"settings are copied from a control, not from {type(other).__name__}")
        self._check_settable()
        for name, setting in self._settings.items():
            if name in other._settings:
                setting.copy(other, self)

    def _update(self, values: Mapping[str, object]) -> None:
        if not values:
            return
        for name in values.keys() - self._settings.keys():
            raise TypeError(self._unknown(name))
        accepted = {name: self._settings[name].accept(self, value) for name, value in values.items()}
        for name, value in accepted.items():
            self._settings[name].store(self, value)

    def _unknown(self, name: str) -> str:
        if name in NEEDLESS:
            told = f"; {NEEDLESS[name]}"
        else:
            ours = {setting: setting for setting in self._settings}
            told = nearest(name, (*ours, *ARGUMENTS_AMONG_SETTINGS, *SETTINGS), {**SETTINGS, **OF_MESSAGES, **ours})
        return f"{type(self).__name__} has no setting {name}{told}"

    @classmethod
    def _create(cls) -> Self:
        return object.__new__(cls)

    def _check_settable(self) -> None:
        if self._is_frozen:
            raise IllegalMethodCallError("control cannot be changed after connect was called")

    def _freeze(self) -> None:
        vars(self)["_is_frozen"] = True

    def _thaw(self) -> None:
        self._is_frozen = False

    def _snapshot(self, request_headers: Sequence[tuple[str, str]] = ()) -> Self:
        """Return what a connection works with: a copy of the settings that never changes."""
        copy = object.__new__(type(self))
        # As a whole, and past __setattr__: this is done for each connect, for settings of which most were never set.
        values = vars(copy)
        values.update(vars(self), _request_headers=request_headers, _made_plans={}, _is_frozen=True)
        for key in self._list_keys:
            if key in values:
                values[key] = tuple(values[key])
        return copy

    def _replaced(self, **changes: object) -> Self:
        """Return a snapshot like this one with other values, which are not checked: of settings, or request_headers."""
        copy = self._create()
        vars(copy).update(vars(self), **{f"_{name}": value for name, value in changes.items()})
        return copy

    def _shown(self) -> dict[str, str]:
        """Return every setting as people may see it."""
        return {name: shown_value(setting.show(getattr(self, name))) for name, setting in self._settings.items()}

    def _repr_html_(self) -> str:
        return as_html(f"{type(self).__name__}, {self._standing}", self._shown())

    def __repr__(self) -> str:
        defaults = type(self)._create()._shown()
        changed = [f" {name}={text}" for name, text in self._shown().items() if text != defaults[name]]
        return f"<{type(self).__name__} {self._standing}{''.join(changed)}>"

    @property
    def _standing(self) -> str:
        return "frozen" if self._is_frozen else "settable"
