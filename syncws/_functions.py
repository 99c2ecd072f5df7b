"""Functions that are handed over to be called: what may be one, and the one that does nothing.

Pure functions: any thread may call them.
"""

import functools
from types import FunctionType, MethodType

__all__ = ["nothing", "why_refused"]

# Of a code object's flags: a generator, an async function, an async generator. As inspect names them, which takes long
# to import.
_RUNS_LATER = 0x20 | 0x80 | 0x200


def nothing() -> None:
    """Do nothing, where nothing is to be done."""


def why_refused(value: object, otherwise: str = "") -> str | None:
    """Return what `value` must be and is not, for a message; None when it can be called and then runs.

    `otherwise` names what else would do, such as " or None".

    Nobody awaits what is called here: of an async function nothing would ever run, and what it was to take be lost.
    """
    if not callable(value):
        return f"must be callable{otherwise}, not {type(value).__name__}"
    if _runs_later(value):
        return "must be a plain function: an async function or a generator does nothing when it is called"
    return None


def _runs_later(function: object) -> bool:
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
    return type(code) is FunctionType and bool(code.__code__.co_flags & _RUNS_LATER)
