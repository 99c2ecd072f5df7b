"""Refusing to be copied or pickled, for objects that stand for something outside or can be used up only once.

A compiled base class refuses it anyway, with other words. Any thread may call this.
"""

from typing import SupportsIndex

__all__ = ["NotCopied"]


class NotCopied:
    """The base of what can neither be copied nor pickled."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> str:
        """Refuse: what copy and pickle call.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")
