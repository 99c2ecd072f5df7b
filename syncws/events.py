"""Events: handlers that are added by a method or by `+=`, and called in the order in which they were added.

Adding and removing is allowed on any thread at any time; a call that is under way goes on with the handlers that it
found. Which thread calls the handlers is the owner's business (for a connection, its reader).
"""

import itertools
import logging
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

from syncws._functions import takes, why_refused
from syncws._locks import locks
from syncws._numbers import as_integer
from syncws.errors import IllegalMethodCallError, InvalidArgumentTypeError

__all__ = ["Deferral", "Event", "EventMember", "EventRegistrationToken", "Handler", "events_of", "log_handler_failure"]

SenderT = TypeVar("SenderT")
ArgsT = TypeVar("ArgsT")
Handler = Callable[[SenderT, ArgsT], Any]

_logger = logging.getLogger("syncws")
_token_numbers = itertools.count(1)


class EventRegistrationToken(int):
    """What adding a handler returns, and removing it takes (Windows.Foundation.EventRegistrationToken).

    An int that is never 0. Only adding a handler makes one.
    """

    def __new__(cls, *_: object) -> Self:
        """Refuse: tokens come from add_… methods.

        Raises:
            TypeError: always.
        """
        raise TypeError("an EventRegistrationToken comes from adding a handler; it cannot be made")

    @property
    def value(self) -> int:
        """The number itself (the struct's only field; PyWinRT keeps the name but prefers the int)."""
        return int(self)

    def __repr__(self) -> str:
        return f"EventRegistrationToken({int(self)})"


def _next_token() -> EventRegistrationToken:
    return int.__new__(EventRegistrationToken, next(_token_numbers))


class Event(Generic[SenderT, ArgsT]):
    """One event of one object.

    `add` and `remove` are what the owner's methods `add_…` and `remove_…` call; `+=` takes the handler itself, `-=` the
    handler or its token. A handler that is added twice is called twice; `-=` removes its latest registration.
    What a lambda gets pyright works out for `add`, not for `+=`.

    Source: beyond WinRT, which has the methods `add_…` and `remove_…` alone.
    """

    __slots__ = ("_lock", "_on_add", "_registrations", "handlers", "name")

    def __init__(self, name: str, on_add: Callable[[], object] | None = None) -> None:
        """Make an event without handlers; `on_add` is called behind each adding, and must not hold the owner."""
        self.name: str = name
        self._on_add = on_add
        self._lock = locks.RLock()
        # Replaced, never changed, so that a thread that calls the handlers sees one state of it.
        self._registrations: tuple[tuple[EventRegistrationToken, Handler[SenderT, ArgsT]], ...] = ()
        self.handlers: tuple[Handler[SenderT, ArgsT], ...] = ()

    def add(self, handler: Handler[SenderT, ArgsT]) -> EventRegistrationToken:
        """Add a handler, called as handler(sender, args).

        Raises:
            InvalidArgumentTypeError: it is not callable, cannot take two arguments, or is an async function or a
                generator, which would not run (0x80070057).
        """
        why = why_refused(handler)
        if why is None and not takes(handler, 2):
            # Otherwise each call would fail, and the log alone say so: of messages nothing would be left.
            why = f"must take two arguments, the socket and the event's args; {handler!r} does not"
        if why is not None:
            raise InvalidArgumentTypeError(f"a handler of {self.name} {why}")
        token = _next_token()
        with self._lock:
            self._set((*self._registrations, (token, handler)))
        if self._on_add is not None:
            self._on_add()
        return token

    def remove(self, token: int) -> None:
        """Remove the handler that `token` was given for; an unknown token does nothing, as in WinRT.

        Raises:
            InvalidArgumentTypeError: it is not an int; `-=` is for removing a handler itself (0x80070057).
        """
        if (number := as_integer(token)) is None:
            raise InvalidArgumentTypeError(
                f"removing from {self.name} takes the token that adding gave, not {type(token).__name__}"
            )
        with self._lock:
            self._set(tuple(entry for entry in self._registrations if entry[0] != number))

    def __iadd__(self, handler: Handler[SenderT, ArgsT]) -> Self:
        self.add(handler)
        return self

    def __isub__(self, handler: Handler[SenderT, ArgsT] | EventRegistrationToken) -> Self:
        if isinstance(handler, EventRegistrationToken):
            self.remove(handler)
            return self
        with self._lock:
            self._remove_latest(handler)
        return self

    def _remove_latest(self, handler: Handler[SenderT, ArgsT]) -> None:
        for index in range(len(self._registrations) - 1, -1, -1):
            if self._registrations[index][1] == handler:
                self._set(self._registrations[:index] + self._registrations[index + 1 :])
                return

    def _let_go_in_child(self) -> None:
        """In a forked child: another thread may have held the lock when it forked."""
        self._lock = locks.RLock()

    def _set(self, registrations: tuple[tuple[EventRegistrationToken, Handler[SenderT, ArgsT]], ...]) -> None:
        handlers = tuple(handler for _, handler in registrations)
        # No call in between: an interruption would leave a handler that is called and that nobody can remove.
        self._registrations, self.handlers = registrations, handlers

    def __call__(self, sender: SenderT, args: ArgsT) -> int:
        """Call the handlers; see call."""
        return self.call(self.handlers, sender, args)

    def call(self, handlers: tuple[Handler[SenderT, ArgsT], ...], sender: SenderT, args: ArgsT) -> int:
        """Call handlers that `self.handlers` once gave, one after the other.

        A handler's exception is logged at ERROR with its traceback on the logger `syncws`, and the next handler still
        runs; what is not an Exception (KeyboardInterrupt, SystemExit) is raised.

        Returns:
            How many handlers raised.
        """
        failures = 0
        for handler in handlers:
            try:
                handler(sender, args)
            except Exception:  # noqa: BLE001 - whatever it is, it is the application's and it is shown
                failures += 1
                log_handler_failure(self.name, handler)
        return failures

    def __bool__(self) -> bool:
        """Refuse: an event is not a state.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"the event {self.name} is neither true nor false: the socket's is_open or state tells whether it is "
            "connected, and handlers whether the event has any"
        )

    def __repr__(self) -> str:
        return f"<Event {self.name} with {len(self.handlers)} handler(s)>"


class _UnusedEvent(Event[SenderT, ArgsT]):
    """Stands in all objects of a class for an event that nobody has asked for: it never has handlers."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.handlers = ()


class EventMember(Generic[SenderT, ArgsT]):
    """The attribute through which an object shows one of its events, which is made when first asked for.

    `+=` and `-=` work on it, because they set the very event that they got; assigning anything else is an error. The
    event itself is in the object, under a name that no subclass uses for something else (a flag `_closed`); until it is
    made, the class's event without handlers stands for it.
    """

    def __init__(self, doc: str) -> None:
        """Make the attribute; `doc` is its docstring."""
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self._slot = f"_{name}_event"
        setattr(owner, self._slot, _UnusedEvent(name))

    @overload
    def __get__(self, instance: None, owner: type) -> "EventMember[SenderT, ArgsT]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> Event[SenderT, ArgsT]: ...

    def __get__(self, instance: object, owner: type) -> "EventMember[SenderT, ArgsT] | Event[SenderT, ArgsT]":
        if instance is None:
            return self
        event: Event[SenderT, ArgsT] | None = vars(instance).get(self._slot)
        # One step, so that all threads get the same event.
        return vars(instance).setdefault(self._slot, self._make(instance)) if event is None else event

    def _make(self, _: object, /) -> Event[SenderT, ArgsT]:
        return Event(self._name)

    def __set__(self, instance: object, value: Event[SenderT, ArgsT]) -> None:
        if value is not getattr(instance, self._slot):
            name = self._name
            methods = f", or add_{name} and remove_{name}" if hasattr(instance, f"add_{name}") else ""
            raise InvalidArgumentTypeError(f"the event {name} cannot be assigned: use += and -={methods}")


def events_of(owner: object) -> list[Event[Any, Any]]:
    """Return the events of an object that somebody has asked for."""
    return [value for value in list(vars(owner).values()) if isinstance(value, Event)]


def log_handler_failure(name: str, handler: object) -> None:
    """Log the exception being handled as the failure of a handler of the event `name`."""
    _logger.exception("a handler of %s raised: %r", name, handler)


class Deferral:
    """Puts off the completion of an event past its handler's return (Windows.Foundation.Deferral).

    A context manager that completes on exit. Any thread may complete it.
    """

    __slots__ = ("_handler", "_lock")

    def __init__(self, handler: Callable[[], Any]) -> None:
        """Make a deferral.

        Args:
            handler: called once, without arguments, on the thread that completes.

        Raises:
            InvalidArgumentTypeError: it is not callable, or would not run, as for Event.add (0x80070057).
        """
        if (why := why_refused(handler)) is not None:
            raise InvalidArgumentTypeError(f"a deferral's handler {why}")
        self._handler: Callable[[], Any] | None = handler
        self._lock = locks.RLock()

    def complete(self) -> None:
        """Complete: the event that was put off goes on.

        Raises:
            IllegalMethodCallError: completed already (0x8000000E).

        Source: Deferral.Complete.
        """
        if not self._complete_once():
            raise IllegalMethodCallError("the deferral was completed already")

    def close(self) -> None:
        """Complete, if it is not completed yet; may be called again. Source: Deferral.Close."""
        self._complete_once()

    def _complete_once(self) -> bool:
        with self._lock:
            handler, self._handler = self._handler, None
        if handler is None:
            return False
        handler()
        return True

    def __repr__(self) -> str:
        return f"<Deferral {'open' if self._handler else 'completed'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
