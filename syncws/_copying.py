"""Refusing to be copied or pickled: what stands for something outside, or is taken up once, is one.

A compiled base class refuses it anyway, with other words. Any thread may call this.
"""

__all__ = ["refuse_to_copy"]


def refuse_to_copy(self: object, protocol: object) -> str:
    """Refuse: what copy and pickle call, as a class's __reduce_ex__.

    Raises:
        TypeError: always.
    """
    raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")
