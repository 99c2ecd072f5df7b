"""What compresses and inflates: zlib, or zlib-ng where the extra `fast` has brought it.

Both have the same interface, levels and windows. Measured with JSON at level 6 and 12 bits (python-zlib-ng 1.1): 100 kB
take zlib 1,143 us and 22,481 bytes, zlib-ng 713 us and 20,927; 1 kB 17 and 11 us; 200 B the same time and three bytes
more. Inflating 100 kB takes 213 and 135 us. python-isal is eight times as fast and was not taken: its levels are others
(0 to 3), at 15 bits it makes 11 % more bytes, and its inflater cannot be copied.

Imported by the connecting thread.
"""

import functools
import importlib
import zlib
from typing import Any

__all__ = ["best_engine"]


@functools.cache
def best_engine() -> Any:
    """Return the module, which is used as zlib is."""
    try:
        return importlib.import_module("zlib_ng.zlib_ng")
    except ImportError:
        return zlib
