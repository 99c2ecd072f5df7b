"""Methods that a plain call need not enter, because something compiled does the same.

Whoever calls them runs it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from syncws._wire.accelerated import speedups

__all__ = ["short_way"]

_MethodT = TypeVar("_MethodT", bound=Callable[..., Any])


def short_way(name: str, text_kind: object = None) -> Callable[[_MethodT], _MethodT]:
    """Return a decorator for a method that has a short way by the attribute `name` of its object.

    That is an AtHand or a LatestStream, which has what the method returns when it is called without arguments, and
    an AtHand also when it is called with a time limit, by position or as `timeout`; or an AtOnce, which sends the
    one argument that it is called with. Where that is not possible, or the attribute is none of these, the method
    is called. In plain Python it is called always, for then nothing is saved.

    With a `text_kind` the method is one of a ByteSink's: the message is of the type that the control says, which is
    text where it is `text_kind`, and the call returns the number of bytes.
    """

    def decorate(method: _MethodT) -> _MethodT:
        return method if speedups is None else speedups.ShortWay(method, name, text_kind)

    return decorate
