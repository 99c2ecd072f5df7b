"""Masking of payloads (RFC 6455 5.3).

Pure functions over bytes: any thread may call them.

Python has no vector XOR. Its fastest plain form for little is an XOR of long integers; for much, a table for each of
the mask's four bytes, through which every fourth byte of the payload goes.
"""

from typing import Final

from syncws._wire.accelerated import speedups

__all__ = ["apply_mask", "apply_mask_in_python"]

Buffer = bytes | bytearray | memoryview

_LITTLE: Final = "little"
# Up to here as integers; the four tables take as long to make as to mask some thousand bytes.
_MOST_AS_INTEGER = 4096
_from_bytes = int.from_bytes
# The table that leaves each byte as it is, and 1 in each of its places.
_SAME: Final = _from_bytes(bytes(range(256)), _LITTLE)
_ONES: Final = _from_bytes(b"\1" * 256, _LITTLE)


def apply_mask_in_python(data: Buffer, mask: bytes, head: Buffer = b"", /) -> bytes:
    """XOR `data` with the 4-byte `mask`, repeated (RFC 6455 5.3), and return it behind `head`.

    Masking twice with the same mask gives the data back. `data` of another form than bytes is a flat buffer of bytes.
    """
    length = len(data)
    if length <= _MOST_AS_INTEGER:
        key = _from_bytes((mask * ((length >> 2) + 1))[:length], _LITTLE)
        few = (_from_bytes(data, _LITTLE) ^ key).to_bytes(length, _LITTLE)
        return b"".join((head, few)) if head else few
    plain = bytes(data)
    begin = len(head)
    masked = bytearray(begin + length)
    masked[:begin] = head
    for lane, byte in enumerate(mask):
        table = (_SAME ^ byte * _ONES).to_bytes(256, _LITTLE)
        masked[begin + lane :: 4] = plain[lane::4].translate(table)
    return bytes(masked)


apply_mask = apply_mask_in_python if speedups is None else speedups.apply_mask
