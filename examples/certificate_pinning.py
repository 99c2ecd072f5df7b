"""Connecting to a server with a self-signed certificate, recognised by its SHA-256 hash and nothing else.

    python -m syncws echo --tls
    python examples/certificate_pinning.py wss://127.0.0.1:8766/ SHA256

The certificate may be self-signed and for another name, because the hash is compared with the one that is known; every
other fault still ends the connect. Without a hash the example prints the one that the server shows, which you should
compare with what the server's owner tells you.
"""

import sys

from syncws import (
    ChainValidationResult,
    HResult,
    MessageWebSocket,
    WebSocketError,
    WebSocketServerCustomValidationRequestedEventArgs,
)


def main(uri: str, known_hash: str) -> int:
    """Connect if the server's certificate is the known one."""

    def compare(_: MessageWebSocket, args: WebSocketServerCustomValidationRequestedEventArgs) -> None:
        shown = args.server_certificate.get_hash_value("SHA256").hex()
        let_pass = ", ".join(error.name for error in args.server_certificate_errors) or "nothing"
        print(f"SHA-256 {shown}, let pass: {let_pass}")
        if shown != known_hash.replace(":", "").lower():
            args.reject()

    with MessageWebSocket() as socket:
        socket.control.ignorable_server_certificate_errors.extend(
            [ChainValidationResult.UNTRUSTED, ChainValidationResult.INVALID_NAME]
        )
        socket.server_custom_validation_requested += compare
        try:
            socket.connect(uri, timeout=10)
        except WebSocketError as error:
            if error.hresult == HResult.INET_E_SECURITY_PROBLEM:
                print("not the certificate that is known")
            else:
                print(f"failed: {error.status.name}: {error.message}")
            return 1
        socket.send("Hello, World!")
        print(socket.receive(timeout=10))
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: {sys.argv[0]} wss://host/path [SHA256]")
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else ""))
