"""A stock of mask keys (RFC 6455 5.3), so that not every small frame asks the system for four bytes.

Any thread may take a key, and each key is taken once. A forked child begins with an empty stock: two processes that
used the same keys would betray each other's.
"""

import os
import struct
import sys

from syncws._wire.accelerated import speedups

__all__ = ["new_key"]

_STOCK_BYTES = 4096
_split = struct.Struct("4s" * (_STOCK_BYTES // 4)).unpack
_stock: list[bytes] = []


def new_key() -> bytes:
    """Return a key of 4 bytes from the system's random source that nobody else gets."""
    while True:
        stock = _stock
        try:
            # One step, so that no two threads get the same.
            return stock.pop()
        except IndexError:
            # Into the list that was there before the system was asked: a child that a signal handler forks in between
            # has another one.
            stock.extend(_split(os.urandom(_STOCK_BYTES)))


def _begin_anew() -> None:
    global _stock
    _stock = []
    _lend_stock()


def _lend_stock() -> None:
    if speedups is not None:
        speedups.use_keys(sys.modules[__name__])


_lend_stock()
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows forks nothing
    os.register_at_fork(after_in_child=_begin_anew)
