"""A message to an echo server and back through a proxy, and which proxy that was.

    python -m syncws echo
    python examples/through_a_proxy.py ws://127.0.0.1:8765/ [PROXY]

PROXY is a URL, such as http://proxy.example:3128 or socks5h://127.0.0.1:1080, or "" for none. SOCKS needs an extra:
pip install "syncws[socks]". Without PROXY the environment decides: wss_proxy, https_proxy and all_proxy, or ws_proxy,
http_proxy and all_proxy, and no_proxy. A name and a password for the proxy are taken from PROXY_USER and
PROXY_PASSWORD.
"""

import os
import sys

from syncws import (
    HttpStatusError,
    MessageWebSocket,
    PasswordCredential,
    ProxyError,
    SocketMessageType,
    WebErrorStatus,
    WebSocketError,
)


def explain(error: WebSocketError) -> str:
    """Say where the fault lies: with the proxy, with us, or with the server."""
    if error.status is WebErrorStatus.PROXY_AUTHENTICATION_REQUIRED:
        return f"the proxy wants another user name and password: {error.message}"
    if isinstance(error, ProxyError) and error.is_about_server:
        return f"the proxy works, the server behind it does not: {error.message}"
    if isinstance(error, ProxyError) or (isinstance(error, HttpStatusError) and error.is_from_proxy):
        return f"the proxy failed: {error.message}"
    return f"failed: {error.message}"


def main(uri: str, proxy: str | None) -> int:
    """Connect, send, receive, and say which way it went."""
    with MessageWebSocket() as socket:
        socket.control.message_type = SocketMessageType.UTF8
        try:
            socket.control.proxy = proxy
            if "PROXY_USER" in os.environ:
                user_name, password = os.environ["PROXY_USER"], os.environ.get("PROXY_PASSWORD", "")
                socket.control.proxy_credential = PasswordCredential("proxy", user_name, password)
            socket.connect(uri, timeout=10)
            socket.send("Hello, World!")
            print(f"received {socket.receive()!r}")
        except WebSocketError as error:
            print(explain(error))
            return 1
        print(f"through {socket.information.proxy or 'no proxy'}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: {sys.argv[0]} ws://host/path [PROXY]")
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None))
