"""What may stand for a number: int and float, and what has __index__ or __float__, as numpy's numbers; no bool. And how
messages show one.

Pure functions: any thread may call them.
"""

import operator

__all__ = ["as_float", "as_integer", "as_number_of", "shown_number"]


def as_integer(value: object) -> int | None:
    """Return the int that `value` stands for; None when it is not a whole number, or is a bool."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    try:
        return operator.index(value)  # type: ignore[arg-type] # what it refuses is caught
    except TypeError:
        return None


def as_number_of(kind: type, value: object) -> int | None:
    """Return the int of a member of the enumeration `kind`, or of a plain number; None for whatever else.

    Members of other enumerations are a mistake, although they are numbers.
    """
    is_other = isinstance(value, int) and type(value) not in (kind, int)
    return None if is_other else as_integer(value)


def as_float(value: object) -> float | None:
    """Return the int or float that `value` stands for; None when it is not a number, or is a bool.

    Raises:
        OverflowError: it does not fit a float.
    """
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else value
    # Not by float() alone, which reads text. What has an __index__ as well is a whole number, or an array.
    if hasattr(type(value), "__float__") and not hasattr(type(value), "__index__"):
        # numpy's texts, times and bools have it too: 5 nanoseconds would be 5 seconds. Their kind tells them apart.
        is_real = getattr(getattr(value, "dtype", None), "kind", "f") == "f"
        return float(value) if is_real else None  # type: ignore[arg-type] # it has __float__
    return as_integer(value)


def shown_number(number: int) -> str:
    """Return a number as a message shows it."""
    if number.bit_length() > 256:
        # Python refuses to write out integers of thousands of digits.
        return f"an integer of {number.bit_length()} bits"
    return repr(number)
