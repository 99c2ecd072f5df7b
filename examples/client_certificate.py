"""Showing a client certificate to a server that asks for one, and reading the server's.

    python -m syncws echo --tls --client-certificate
    SSL_CERT_FILE=authority.pem python examples/client_certificate.py wss://localhost:8766/ client.pem
    CLIENT_PASSWORD=... python examples/client_certificate.py wss://localhost:8766/ client.p12

The first command prints where authority.pem, which the client trusts, and client.pem are. The latter holds the
certificate, its private key and, where the server needs them, the intermediate certificates; a .p12 or .pfx file the
same. The password of an encrypted key comes from the environment, where the list of processes does not show it.
"""

import os
import sys
from pathlib import Path

from syncws import Certificate, CertificateError, HResult, MessageWebSocket, TlsError


def load(path: Path) -> Certificate:
    """Load a certificate with its private key."""
    password = os.environ.get("CLIENT_PASSWORD")
    if path.suffix in (".p12", ".pfx"):
        return Certificate.from_pkcs12(path, password)
    return Certificate.from_pem(path, password=password)


def main(uri: str, path: Path | None) -> int:
    """Connect, send a message and print the answer."""
    with MessageWebSocket() as socket:
        if path is not None:
            certificate = load(path)
            print(f"we are {certificate.subject}, says {certificate.issuer}, until {certificate.valid_to:%Y-%m-%d}")
            socket.control.client_certificate = certificate
        try:
            socket.connect(uri, timeout=10)
        except CertificateError as error:
            print(f"the server's certificate does not pass: {error}")
            return 1
        except TlsError as error:
            if error.hresult == HResult.WININET_E_CLIENT_AUTH_CERT_NEEDED:
                print("the server wants a client certificate")
            else:
                print(f"the server does not accept us: {error}")
            return 1
        server = socket.information.server_certificate
        if server is not None:
            print(f"the server is {', '.join(server.subject_alternative_name.dns_name)}")
        socket.send("Hello, World!")
        print(socket.receive(timeout=10))
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: {sys.argv[0]} wss://host/path [CERTIFICATE_FILE]")
    sys.exit(main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) == 3 else None))
