"""The server's side of a connection as bytes in and bytes out, with TLS or without, and frames as a server makes them.

Pure but for the certificates, which trustme makes. A TLS engine here belongs to one thread.
"""

import base64
import hashlib
import re
import ssl

import trustme

__all__ = ["Pipe", "answer_of", "contexts", "raw_frame", "server_frame"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's and a client's TLS context of a throw-away authority, for localhost and 127.0.0.1."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class Pipe:
    """What lies between the plain bytes and the socket: a TLS engine over memory, or nothing."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        """Make the server's side; `context` None for ws."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None
        self._is_ready = True
        if context is not None:
            self._is_ready = False
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the socket; return the plain bytes that they complete. Raises SSLError."""
        if self._tls is None:
            return data
        self._incoming.write(data)
        plain = bytearray()
        try:
            if not self._is_ready:
                self._tls.do_handshake()
                self._is_ready = True
            while piece := self._tls.read(65536):
                plain += piece
        except ssl.SSLWantReadError:
            pass
        return bytes(plain)

    def send(self, data: bytes) -> None:
        """Take plain bytes; `take_output` gives what is to be sent."""
        if self._tls is None:
            self._outgoing.write(data)
        elif data:
            self._tls.write(data)

    def take_output(self) -> bytes:
        """Return what goes to the socket."""
        return self._outgoing.read()


def answer_of(request: bytes, line: bytes = b"") -> bytes:
    """Return the answer to an opening handshake's request (RFC 6455 4.2.2), with one more header line."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + accept + b"\r\n" + line + b"\r\n"


def server_frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Return an unmasked frame."""
    return raw_frame((0x80 if fin else 0) | opcode, payload)


def raw_frame(first: int, payload: bytes) -> bytes:
    """Return an unmasked frame by its first byte."""
    length = len(payload)
    if length < 126:
        return bytes([first, length]) + payload
    if length < 65536:
        return bytes([first, 126]) + length.to_bytes(2, "big") + payload
    return bytes([first, 127]) + length.to_bytes(8, "big") + payload
