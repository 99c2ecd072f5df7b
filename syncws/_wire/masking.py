"""Masking of payloads (RFC 6455 5.3).

Pure functions over bytes: any thread may call them.

Python has no vector XOR. Its fastest plain form is an XOR of long integers for small payloads; for large ones, a table
for each of the mask's four bytes, through which every fourth byte of the payload goes.
"""

from typing import Final

from syncws._wire.accelerated import speedups

__all__ = ["apply_mask", "make_room", "mask_into", "mask_into_in_python"]

_LITTLE: Final = "little"
# Up to here as integers; the four tables take as long to make as to mask some thousand bytes.
_MOST_AS_INTEGER = 4096
_from_bytes = int.from_bytes
# The table that leaves each byte as it is, and 1 in each of its places.
_SAME: Final = _from_bytes(bytes(range(256)), _LITTLE)
_ONES: Final = _from_bytes(b"\1" * 256, _LITTLE)


def mask_into_in_python(
    room: bytearray, data: bytes | bytearray | memoryview, mask: bytes, head: bytes | bytearray, /
) -> int:
    """XOR `data` with the 4-byte `mask`, repeated (RFC 6455 5.3), and put it into `room`, behind `head`.

    `data` of another form than bytes is a flat buffer of bytes.

    Returns:
        How many bytes of `room` that takes.

    Raises:
        ValueError: they do not fit.
    """
    begin = len(head)
    end = begin + len(data)
    if end > len(room):
        raise ValueError("the room is too small")
    room[:begin] = head
    plain = bytes(data)
    # Only lanes that hold something: a bytearray of which there are views refuses to put nothing in place of nothing.
    for lane, byte in enumerate(mask[: len(plain)]):
        table = (_SAME ^ byte * _ONES).to_bytes(256, _LITTLE)
        room[begin + lane : end : 4] = plain[lane::4].translate(table)
    return end


def apply_mask(data: bytes | bytearray | memoryview, mask: bytes, head: bytes | bytearray = b"", /) -> bytes:
    """Return `head`, and behind it `data` masked as mask_into() does it; for whole frames in plain Python.

    Masking twice with the same mask gives the data back.
    """
    length = len(data)
    if length <= _MOST_AS_INTEGER:
        key = _from_bytes((mask * ((length >> 2) + 1))[:length], _LITTLE)
        few = (_from_bytes(data, _LITTLE) ^ key).to_bytes(length, _LITTLE)
        return b"".join((head, few)) if head else few
    masked = bytearray(len(head) + length)
    mask_into_in_python(masked, data, mask, head)
    return bytes(masked)


mask_into = mask_into_in_python if speedups is None else speedups.mask_into
# Memory to mask into: Python's form writes zeros to all of it.
make_room = bytearray if speedups is None else speedups.make_room
