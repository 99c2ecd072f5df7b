"""Frames: opcodes, the header's three length forms, the Close frame's payload (RFC 6455 5.2, 5.5, 7.4).

Pure functions over bytes: any thread may call them.
"""

from syncws._wire.accelerated import speedups
from syncws._wire.mask_keys import new_key
from syncws._wire.masking import apply_mask

__all__ = [
    "BINARY",
    "CLOSE",
    "CLOSE_CODES",
    "CONTINUATION",
    "FIN",
    "FRAGMENT_BYTES",
    "MAX_CONTROL_PAYLOAD",
    "MAX_REASON_BYTES",
    "NO_STATUS",
    "PING",
    "PONG",
    "RSV1",
    "TEXT",
    "close_payload",
    "encode_frame",
    "frame_header",
    "is_sendable_close_code",
    "is_valid_received_close_code",
]

# RFC 6455 5.2.
CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

FIN = 0x80
"""Added to the opcode: the frame is the last of its message (RFC 6455 5.2)."""

RSV1 = 0x40
"""Added to TEXT or BINARY: the message is compressed (RFC 7692 6)."""

MAX_CONTROL_PAYLOAD = 125
"""Bytes that a control frame may carry (RFC 6455 5.5)."""

MAX_REASON_BYTES = MAX_CONTROL_PAYLOAD - 2
"""UTF-8 bytes that a close reason may have: a control frame less the code."""

NO_STATUS = 1005
"""Stands for the code of a Close frame that has none (RFC 6455 7.4.1)."""

FRAGMENT_BYTES = 65536
"""Payload bytes of a fragment, and up to which a frame is made as a whole."""

_MASKED = 0x80
_from_bytes = int.from_bytes

# By the first byte and the length; made for those first bytes that this side sends.
_SMALL_HEADERS = {
    first: [bytes((first, _MASKED | length)) for length in range(126)]
    for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, RSV1 | TEXT, RSV1 | BINARY)
    for first in (opcode, FIN | opcode)
}

CLOSE_CODES = {
    1000: "OK",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "extension expected",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
}
"""The codes of the protocol that a Close frame may have, with their names (RFC 6455 7.4.1 and the IANA registry)."""

# What WinRT's Close(code, reason) takes, 1005 apart: without the codes that only servers send.
_SENDABLE_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010})


def frame_header(first: int, length: int) -> bytearray:
    """Return the header of a masked frame without its mask: 2, 4 or 10 bytes, the length in its shortest form."""
    if length < 126:
        return bytearray((first, _MASKED | length))
    if length < 65536:
        return bytearray((first, _MASKED | 126, length >> 8, length & 0xFF))
    return bytearray((first, _MASKED | 127)) + length.to_bytes(8, "big")


def masked_frame_in_python(first: int, payload: bytes | bytearray | memoryview, mask: bytes, /) -> bytes:
    """Return the masked frame that begins with the byte `first`."""
    length = len(payload)
    if length < 126:
        # The path of small messages: as apply_mask() does it, without the call.
        key = _from_bytes((mask * 32)[:length])
        return _SMALL_HEADERS[first][length] + mask + (_from_bytes(payload) ^ key).to_bytes(length)
    return apply_mask(payload, mask, frame_header(first, length) + mask)


masked_frame = masked_frame_in_python if speedups is None else speedups.masked_frame


def encode_frame(opcode: int, payload: bytes | bytearray | memoryview, *, is_final: bool = True) -> bytes:
    """Return one masked frame, whole; the mask is fresh from the system's random source (RFC 6455 5.3).

    Meant for payloads of at most FRAGMENT_BYTES; large.py spares larger ones the copy.
    """
    return masked_frame(opcode | FIN if is_final else opcode, payload, new_key())


def close_payload(code: int | None, reason: str) -> bytes:
    """Return the payload of a Close frame; None gives the empty one (RFC 6455 5.5.1)."""
    return b"" if code is None else code.to_bytes(2, "big") + reason.encode("utf-8")


def is_sendable_close_code(code: int) -> bool:
    """Tell whether close(code, reason) may send `code`: WinRT's list without 1005, 3000 to 3999, 4000 to 4999."""
    return code in _SENDABLE_CLOSE_CODES or 3000 <= code <= 4999


def is_valid_received_close_code(code: int) -> bool:
    """Tell whether a peer may send `code`: RFC 6455 7.4 and the IANA registry of close codes."""
    return code in CLOSE_CODES or 3000 <= code <= 4999
