"""The settings of one connection, frozen when connect() is called.

May import enums, certificates and credentials. A plain value: any thread may read it.
"""

import ssl
from dataclasses import dataclass, field
from typing import Any

from syncws.certificates import Certificate
from syncws.credentials import PasswordCredential
from syncws.enums import ChainValidationResult, MessageWebSocketReceiveMode

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What the control object and set_request_header said when connect() was called; see there for each value."""

    max_message_size: int
    receive_mode: MessageWebSocketReceiveMode = MessageWebSocketReceiveMode.FULL_MESSAGE
    supported_protocols: tuple[str, ...] = ()
    ignorable_server_certificate_errors: frozenset[ChainValidationResult] = frozenset()
    request_headers: tuple[tuple[str, str], ...] = ()
    outbound_buffer_size_in_bytes: int | None = None
    no_delay: bool = True
    resolver: Any = None
    server_credential: PasswordCredential | None = None
    # Not shown: it may hold a password.
    proxy: str | None = field(default=None, repr=False)
    proxy_credential: PasswordCredential | None = None
    max_redirects: int = 0
    connect_timeout: float | None = 60.0
    max_connect_addresses: int = 5
    happy_eyeballs_delay: float | None = None
    send_timeout: float | None = 30.0
    receive_timeout: float | None = 30.0
    close_timeout: float | None = 10.0
    keep_alive_interval: float | None = 20.0
    keep_alive_timeout: float | None = 20.0
    unsolicited_pong_interval: float = 0.0
    inbox_size_in_bytes: int = 16 * 1024 * 1024
    ssl_context: ssl.SSLContext | None = None
    client_certificate: Certificate | None = None
    # What net.tls_context made of these settings, by client certificate; the connecting thread's.
    made_plans: dict[Certificate | None, Any] = field(default_factory=dict, repr=False, compare=False)
