"""Functions that are handed over to be called: what may be one, and the one that does nothing.

Pure functions: any thread may call them.
"""

import functools
from types import FunctionType, MethodType

__all__ = ["nothing", "takes", "why_refused"]

# Of a code object's flags: *args; a generator; an async function or an async generator. As inspect names them, which
# takes long to import.
_TAKES_MORE, _YIELDS, _IS_ASYNC = 0x04, 0x20, 0x80 | 0x200


def nothing() -> None:
    """Do nothing, where nothing is to be done."""


def why_refused(value: object, otherwise: str = "", *, may_yield: bool = False) -> str | None:
    """Return what `value` must be and is not, for a message; None when it can be called and then runs.

    `otherwise` names what else would do, such as " or None"; `may_yield` lets a generator pass, whose caller takes what
    it yields.

    Nobody awaits what is called here: of an async function nothing would ever run, and what it was to take be lost.
    """
    if not callable(value):
        return f"must be callable{otherwise}, not {type(value).__name__}"
    if _has_flag(value, _IS_ASYNC if may_yield else _YIELDS | _IS_ASYNC):
        later = "an async function" if may_yield else "an async function or a generator"
        return f"must be a plain function: {later} does nothing when it is called"
    return None


def takes(function: object, count: int) -> bool:
    """Tell whether a function or method can be called with so many arguments; True for whatever else can be called."""
    if type(function) is MethodType:
        function, count = function.__func__, count + 1
    if type(function) is not FunctionType:
        return True
    code = function.__code__
    least = code.co_argcount - len(function.__defaults__ or ())
    return least <= count and (count <= code.co_argcount or bool(code.co_flags & _TAKES_MORE))


def _has_flag(function: object, flags: int) -> bool:
    while True:
        # By type(), for isinstance() asks proxies and mocks, which may raise or make things up.
        kind = type(function)
        if issubclass(kind, functools.partial):
            function = function.func  # type: ignore[attr-defined] # that is what it is
        elif kind is MethodType:
            function = function.__func__  # type: ignore[attr-defined]
        else:
            break
    code = function if kind is FunctionType else kind.__call__
    return type(code) is FunctionType and bool(code.__code__.co_flags & flags)
