"""Masking of payloads (RFC 6455 5.3).

Pure functions over bytes: any thread may call them.

Python has no vector XOR; its fastest plain form XORs long integers. A large payload goes in pieces that stay in the
processor's first caches: as one integer it is three times slower.
"""

from typing import Final

from syncws._wire.accelerated import speedups

__all__ = ["apply_mask", "apply_mask_in_python"]

Buffer = bytes | bytearray | memoryview

_LITTLE: Final = "little"
# A multiple of 4, so that every piece starts at the mask's first byte.
_PIECE_BYTES = 16384
_from_bytes = int.from_bytes


def apply_mask_in_python(data: Buffer, mask: bytes, head: Buffer = b"", /) -> bytes:
    """XOR `data` with the 4-byte `mask`, repeated (RFC 6455 5.3), and return it behind `head`.

    Masking twice with the same mask gives the data back. `data` of another form than bytes is a flat buffer of bytes.
    """
    if head:
        return b"".join((head, apply_mask_in_python(data, mask)))
    length = len(data)
    if length <= _PIECE_BYTES:
        key = _from_bytes((mask * ((length >> 2) + 1))[:length], _LITTLE)
        return (_from_bytes(data, _LITTLE) ^ key).to_bytes(length, _LITTLE)
    return b"".join(_masked_pieces(memoryview(data), mask))


def _masked_pieces(data: memoryview, mask: bytes) -> list[bytes]:
    key = _from_bytes(mask * (_PIECE_BYTES >> 2), _LITTLE)
    whole = len(data) - len(data) % _PIECE_BYTES
    pieces = [
        (_from_bytes(data[start : start + _PIECE_BYTES], _LITTLE) ^ key).to_bytes(_PIECE_BYTES, _LITTLE)
        for start in range(0, whole, _PIECE_BYTES)
    ]
    pieces.append(apply_mask_in_python(data[whole:], mask))
    return pieces


apply_mask = apply_mask_in_python if speedups is None else speedups.apply_mask
