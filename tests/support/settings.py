"""Every setting: what it is at first, and another value. For a new one there is a line in each.

Lists are among the other values only: at first each is empty.
"""

import datetime as dt
import ssl

from support.certificates import make
from syncws import (
    Certificate,
    ChainValidationResult,
    Deflate,
    MessageWebSocketControl,
    MessageWebSocketReceiveMode,
    PasswordCredential,
    SocketMessageType,
    StreamWebSocketControl,
    __version__,
)

_CLIENT = make()
# Of both classes, where they are the same.
_BOTH = {
    "outbound_buffer_size_in_bytes": 0,
    "resolver": None,
    "cookies": None,
    "local_address": None,
    "server_credential": None,
    "proxy": None,
    "proxy_credential": None,
    "user_agent": f"syncws/{__version__}",
    "connect_timeout": 60.0,
    "max_connect_addresses": 5,
    "max_redirects": 0,
    "happy_eyeballs_delay": None,
    "send_timeout": 30.0,
    "receive_timeout": 30.0,
    "close_timeout": 10.0,
    "keep_alive_interval": 20.0,
    "keep_alive_timeout": 20.0,
    "desired_unsolicited_pong_interval": dt.timedelta(0),
    "ssl_context": None,
    "ca_file": None,
    "trusts_system_authorities": True,
    "proxy_ssl_context": None,
    "client_certificate": None,
    "compression": None,
}
DEFAULTS = {
    MessageWebSocketControl: {
        **_BOTH,
        "message_type": SocketMessageType.BINARY,
        "max_message_size": 64 * 1024 * 1024,
        "discard_unclaimed_messages": False,
        "inbox_size_in_bytes": 16 * 1024 * 1024,
        "receive_mode": MessageWebSocketReceiveMode.FULL_MESSAGE,
    },
    StreamWebSocketControl: {
        **_BOTH,
        "inbox_size_in_bytes": 1024 * 1024,
        "no_delay": True,
    },
}
OTHERS = {
    "connect_timeout": 1.0,
    "max_connect_addresses": 2,
    "happy_eyeballs_delay": 0.25,
    "local_address": ("127.0.0.1", 0),
    "socket_options": [(1, 9, 1)],
    "outbound_buffer_size_in_bytes": 4096,
    "resolver": type("Resolver", (), {"resolve": lambda *_: []})(),
    "max_redirects": 3,
    "supported_protocols": ["a", "b"],
    "user_agent": "app/1",
    "cookies": {"a": "b"},
    "server_credential": PasswordCredential("", "name", "secret"),
    "proxy": "http://proxy:1",
    "proxy_credential": PasswordCredential("", "name", "secret"),
    "ssl_context": ssl.create_default_context(),
    "ca_file": "authorities.pem",
    "trusts_system_authorities": False,
    "proxy_ssl_context": ssl.create_default_context(),
    "client_certificate": Certificate.from_pem(_CLIENT.pem, _CLIENT.key_pem()),
    "ignorable_server_certificate_errors": [ChainValidationResult.EXPIRED],
    "send_timeout": None,
    "receive_timeout": 4.0,
    "close_timeout": 5.0,
    "inbox_size_in_bytes": 6,
    "keep_alive_interval": 0.0,
    "keep_alive_timeout": 7.0,
    "desired_unsolicited_pong_interval": dt.timedelta(seconds=8),
    "compression": Deflate(level=9),
    "message_type": SocketMessageType.UTF8,
    "receive_mode": MessageWebSocketReceiveMode.PARTIAL_MESSAGE,
    "max_message_size": 9,
    "discard_unclaimed_messages": True,
    "no_delay": False,
}
