"""The server's side of permessage-deflate, by zlib alone: what is sent is compressed, what comes inflated.

Pure. It takes over its context, with the whole of zlib's window.
"""

import zlib

__all__ = ["EXTENSION_LINE", "Compressor", "is_offered"]

EXTENSION_LINE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
_TAIL = b"\x00\x00\xff\xff"
_RSV1, _FIN, _CONTROL = 0x40, 0x80, 0x08


def is_offered(request: bytes) -> bool:
    """Tell whether the request of an opening handshake offers it."""
    return b"permessage-deflate" in request


class Compressor:
    """One connection's two contexts."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        self._inflate = zlib.decompressobj(-15)

    def compress(self, first: int, payload: bytes) -> tuple[int, bytes]:
        """Return a frame's first byte and payload as they go; a control frame stays as it is."""
        if first & _CONTROL:
            return first, payload
        compressed = self._deflate.compress(payload) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        if first & _FIN:
            # Nothing comes of an empty frame.
            compressed = compressed[:-4] or b"\x00"
        return (first | _RSV1 if first & 0x0F else first), compressed

    def inflate(self, first: int, payload: bytes) -> bytes:
        """Return the payload of a message of one frame as the client meant it."""
        return self._inflate.decompress(payload + _TAIL) if first & _RSV1 else payload
