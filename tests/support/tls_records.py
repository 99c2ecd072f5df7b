"""A TLS 1.3 server that makes its records itself, so that they may be such as no library sends (RFC 8446 4, 5, 7).

OpenSSL does the handshake, and reads. What is written after it is encrypted here, under the secret that OpenSSL notes
for whoever wants to look into its traffic.
"""

import ssl

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

DATA, HANDSHAKE = 23, 22
KEY_UPDATE_REQUESTED = b"\x18\x00\x00\x01\x01"
"""The handshake message that changes our key, and asks the client to change its own (RFC 8446 4.6.3)."""

_CIPHERS = {
    "TLS_AES_128_GCM_SHA256": (hashes.SHA256, 16, AESGCM),
    "TLS_AES_256_GCM_SHA384": (hashes.SHA384, 32, AESGCM),
    "TLS_CHACHA20_POLY1305_SHA256": (hashes.SHA256, 32, ChaCha20Poly1305),
}


def noting_context(authority, path):
    """Return a server's context that notes its secrets in a file, and sends nothing of its own after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.keylog_filename = str(path)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def session_ticket(number):
    """Return a NewSessionTicket message (RFC 8446 4.6.1)."""
    ticket = number.to_bytes(4, "big") * 8
    body = (7200).to_bytes(4, "big") + bytes(4) + b"\x08" + number.to_bytes(8, "big")
    body += len(ticket).to_bytes(2, "big") + ticket + b"\x00\x00"
    return b"\x04" + len(body).to_bytes(3, "big") + body


class Records:
    """Encrypts for a client whose handshake is over."""

    def __init__(self, cipher, secret):
        """Make it for a cipher suite's name and the server's first traffic secret."""
        self._hash, self._key_size, self._make_cipher = _CIPHERS[cipher]
        self._change_secret(secret)

    @classmethod
    def after_handshake(cls, cipher, path):
        """Make it with what a noting context has noted of the latest handshake."""
        lines = [line.split() for line in path.read_text().splitlines()]
        secret = next(line[2] for line in reversed(lines) if line and line[0] == "SERVER_TRAFFIC_SECRET_0")
        return cls(cipher, bytes.fromhex(secret))

    def _expand(self, label, size):
        """HKDF-Expand-Label with an empty context (RFC 8446 7.1)."""
        full = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes([len(full)]) + full + b"\x00"
        return HKDFExpand(self._hash(), size, info).derive(self._secret)

    def _change_secret(self, secret):
        self._secret = secret
        self._cipher = self._make_cipher(self._expand(b"key", self._key_size))
        self._mask = int.from_bytes(self._expand(b"iv", 12), "big")
        self._number = 0

    def record(self, content, kind=DATA):
        """Return the next record (RFC 8446 5.2, 5.3)."""
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        nonce = (self._mask ^ self._number).to_bytes(12, "big")
        self._number += 1
        return header + self._cipher.encrypt(nonce, content + bytes([kind]), header)

    def key_update(self):
        """Return a record that asks for a key update, and go on with the next key (RFC 8446 7.2)."""
        record = self.record(KEY_UPDATE_REQUESTED, HANDSHAKE)
        self._change_secret(self._expand(b"traffic upd", self._hash.digest_size))
        return record

    def ticket(self, number):
        """Return a record with a session ticket."""
        return self.record(session_ticket(number), HANDSHAKE)
