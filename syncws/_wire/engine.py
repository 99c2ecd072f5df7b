"""What compresses and inflates: zlib, and zlib-ng where the extra `fast` has brought it.

Both have the same interface, levels and windows, and each reads what the other has written. zlib-ng inflates all. It
compresses where it is faster and, with windows of 12 bits, makes JSON no larger than zlib does at the same level. That
depends on the size: of small messages zlib makes less. A context is kept in one library, so its first message decides.

Measured at level 6 and 12 bits, which servers of `websockets` ask for (python-zlib-ng 1.1, zlib 1.2.13; microseconds of
processor time and bytes for a message; takeover on, and off):

    JSON      zlib, on         zlib-ng, on      zlib, off        zlib-ng, off
    200 B     6.4     58.9     5.4     62.1     9.1     110.6    10.0    111.2
    1 kB      18.8   244.1     14.3   231.7     19.5    298.8    16.5    295.5
    100 kB    1169   22481     733    20927     1149    22570    724     20994

Level 1 of zlib-ng makes 20 to 50 % more of 1 kB and 100 kB of JSON, level 9 1 % more with windows of 15 bits. From 2
to 8, with any window, it makes of JSON between 10 % less and 1 % more, of lines of a log between 7 % less and 3 %
more, of prose and sources between 2 % less and 1 % more, and of packed floating-point numbers 5 to 11 % more.
Inflating 100 kB takes 213 us and 135.

python-isal is eight times as fast and was not taken: its levels are others (0 to 3), at 15 bits it makes 11 % more
bytes, and its inflater cannot be copied.

Imported by the connecting thread.
"""

import functools
import importlib
import zlib
from typing import Any

__all__ = ["best_engine", "compressing_engine"]

# Of the first message of a context.
_PAYING_BYTES = 1000
_PAYING_LEVELS = range(2, 9)


@functools.cache
def best_engine() -> Any:
    """Return the module that inflates, which is used as zlib is."""
    try:
        return importlib.import_module("zlib_ng.zlib_ng")
    except ImportError:
        return zlib


def compressing_engine(level: int, size: int) -> Any:
    """Return the module for a context at this level, the first message of which has `size` bytes."""
    return best_engine() if size >= _PAYING_BYTES and level in _PAYING_LEVELS else zlib
