"""Scenario 3 of Microsoft's WebSocket sample, client authentication: a TLS client certificate, connect and disconnect.

    python -m syncws echo --tls --client-certificate
    python examples/windows_sample/scenario3_client_authentication.py wss://127.0.0.1:8766/ client.pem

client.pem is the file that the server has named: a certificate with its key. A .pfx or .p12 file does as well, its
password in CLIENT_PASSWORD. Without a file the server sees no certificate, and refuses.
"""

import argparse
import os
import sys
from pathlib import Path

from sample_configuration import append_output_line, build_web_socket_error, take_test_certificates, try_get_uri

from syncws import (
    Certificate,
    HResult,
    StreamWebSocket,
    WebSocketClosedEventArgs,
    WebSocketError,
)


def load(path: Path) -> Certificate:
    """Load the client's certificate with its private key."""
    password = os.environ.get("CLIENT_PASSWORD")
    if path.suffix in (".pfx", ".p12"):
        return Certificate.from_pkcs12(path, password)
    return Certificate.from_pem(path, password=password)


def closed(_: StreamWebSocket, args: WebSocketClosedEventArgs) -> None:
    """Show how the connection ended, whoever ended it."""
    append_output_line(f"Closed; Code: {args.code}, Reason: {args.reason}")


def main(address: str, path: Path | None, issuer: str) -> int:
    """Run the scenario."""
    server = try_get_uri(address)
    if server is None:
        return 1
    with StreamWebSocket() as socket:
        socket.closed += closed
        socket.control.client_certificate = None if path is None else load(path)
        take_test_certificates(socket, issuer)
        append_output_line(f"Connecting to {server}...")
        try:
            socket.connect(server, timeout=10)
        except WebSocketError as error:
            if error.hresult == HResult.WININET_E_CLIENT_AUTH_CERT_NEEDED:
                append_output_line("The server wants a client certificate.")
            else:
                append_output_line(f"{build_web_socket_error(error)}\n{error.message}")
            return 1
        append_output_line("Connected")
        socket.close(1000, "Closed due to user request.")
        socket.wait_closed(timeout=10)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("certificate", nargs="?", type=Path)
    parser.add_argument("--issuer", default="syncws echo", help="part of the name of the certificate's issuer")
    options = parser.parse_args()
    sys.exit(main(options.uri, options.certificate, options.issuer))
