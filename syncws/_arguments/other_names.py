"""What an unknown name was meant for: another library's name, or a misspelt one of ours.

Pure functions over plain values: any thread may call them.
"""

from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "ARGUMENTS_AMONG_SETTINGS",
    "ATTRIBUTES",
    "CLIENTS",
    "EVENTS",
    "NEEDLESS",
    "OF_MESSAGES",
    "RECONNECTING_ARGUMENTS",
    "RECONNECTING_EVENTS",
    "RECONNECTING_KEYWORDS",
    "SETTINGS",
    "check_attribute",
    "nearest",
]

_AGAIN = "ReconnectingWebSocket or reconnecting()"
_BACKOFF = "backoff= of reconnecting()"
_CERTIFICATE = "client_certificate"
_HEADERS = "headers= of syncws.connect(), or set_request_header()"
_IGNORED = "ignorable_server_certificate_errors"
_SOCKETS_EVENTS = (
    "closed",
    "message_received",
    "opened",
    "ping_received",
    "pong_received",
    "server_custom_validation_requested",
)
_TLS = "ssl_context, ca_file, client_certificate or ignorable_server_certificate_errors"

EVENTS: Mapping[str, str] = {
    "on_close": "closed",
    "on_closed": "closed",
    "on_connect": "opened",
    "on_connected": "opened",
    "on_cont_message": "message_received of a MessageWebSocket, with receive_mode",
    "on_data": "message_received of a MessageWebSocket",
    "on_disconnect": "closed",
    "on_error": "the error of message_received's args",
    "on_message": "message_received of a MessageWebSocket",
    "on_open": "opened",
    "on_ping": "ping_received",
    "on_pong": "pong_received",
    "on_reconnect": "connected of a ReconnectingWebSocket",
}
"""Attributes, and keywords, that other clients have for their handlers; in JavaScript without the underscore."""

RECONNECTING_EVENTS: Mapping[str, str] = {
    **EVENTS,
    "closed": "disconnected",
    "on_close": "disconnected",
    "on_closed": "disconnected",
    "on_connect": "connected",
    "on_connected": "connected",
    "on_cont_message": "message_received, with receive_mode",
    "on_data": "message_received",
    "on_disconnect": "disconnected",
    "on_error": "the error of disconnected's args",
    "on_message": "message_received",
    "on_open": "connected",
    "on_ping": "ping_received of the socket that on_connecting= gets",
    "on_pong": "pong_received of the socket that on_connecting= gets",
    "on_reconnect": "connected",
    "opened": "connected",
    "ping_received": "ping_received of the socket that on_connecting= gets",
    "pong_received": "pong_received of the socket that on_connecting= gets",
}
"""The same for a ReconnectingWebSocket, which has other events; and those that only a socket has."""

RECONNECTING_KEYWORDS: Mapping[str, str] = {
    **RECONNECTING_EVENTS,
    **{name: f"socket.{name} += handler" for name in ("connected", "disconnected", "message_received", "reconnecting")},
    "reconnect": "backoff",
    "reconnect_interval": "backoff",
}
"""Keywords that mean something else to a ReconnectingWebSocket than SETTINGS says, its events among them."""

ATTRIBUTES: Mapping[str, str] = {
    "cancellation_token": "cancellation_token= of connect() or of receive()",
    "headers": _HEADERS,
    "keep_running": "close()",
    "subprotocols": "control.supported_protocols",
    "timeout": "timeout= of connect() or of receive(), or control.receive_timeout",
}
"""What connect() takes in addition to the settings, and what ends another client's loop, as attributes of a socket."""

ARGUMENTS_AMONG_SETTINGS = (
    "backoff",
    "cancellation_token",
    "headers",
    "max_attempts",
    "socket",
    "subprotocols",
    "timeout",
)
"""What may be meant by a misspelt keyword of connect() or reconnecting(), along with the settings; SETTINGS says where
they belong."""

RECONNECTING_ARGUMENTS = (
    "uri",
    "headers",
    "subprotocols",
    "timeout",
    "cancellation_token",
    "backoff",
    "policy",
    "max_attempts",
    "on_connecting",
    "unix_path",
)
"""What ReconnectingWebSocket() takes beyond the settings; on_connected as an attribute is most likely an event."""

SETTINGS: Mapping[str, str] = {
    **EVENTS,
    **{name: f"socket.{name} += handler" for name in _SOCKETS_EVENTS},
    "additional_headers": _HEADERS,
    "address": "socket= of connect(), a socket that is connected to it",
    "address_family": "local_address",
    "auth": "server_credential",
    "auth_password": "server_credential",
    "auth_username": "server_credential",
    "auto_ping_idle_timeout": "keep_alive_interval",
    "auto_ping_reply_timeout": "keep_alive_timeout",
    "backoff": _BACKOFF,
    "bearer": _HEADERS,
    "ca_certs": "ca_file",
    "cancellation_token": "cancellation_token= of connect() or of receive()",
    "cert": _CERTIFICATE,
    "cert_reqs": _IGNORED,
    "certfile": _CERTIFICATE,
    "check_hostname": _IGNORED,
    "ciphers": "ssl_context",
    "client_key": _CERTIFICATE,
    "credential": "server_credential",
    "credentials": "server_credential, or proxy_credential",
    "delay": _BACKOFF,
    "disconnect_timeout": "close_timeout",
    "exit_event": "cancellation_token= of reconnecting()",
    "extensions": "compression",
    "extra_headers": _HEADERS,
    "family": "local_address",
    "fire_cont_frame": "receive_mode",
    "handshake_timeout": "timeout= of connect()",
    "header": _HEADERS,
    "headers": _HEADERS,
    "heartbeat": "keep_alive_interval",
    "heartbeat_freq": "keep_alive_interval",
    "host": _HEADERS,
    "http_no_proxy": "proxy",
    "http_proxy_auth": "proxy_credential",
    "http_proxy_host": "proxy",
    "http_proxy_port": "proxy",
    "http_proxy_timeout": "timeout= of connect()",
    "idle_timeout": "receive_timeout, or keep_alive_interval",
    "interface": "local_address",
    "keep_alive": "keep_alive_interval",
    "keepalive": "keep_alive_interval",
    "keyfile": _CERTIFICATE,
    "max_attempts": "max_attempts= of reconnecting()",
    "max_delay": _BACKOFF,
    "max_msg_size": "max_message_size",
    "max_queue": "inbox_size_in_bytes",
    "max_retries": "max_attempts= of reconnecting()",
    "max_size": "max_message_size",
    "max_tries": "max_attempts= of reconnecting()",
    "max_wait": _BACKOFF,
    "message_queue_size": "inbox_size_in_bytes",
    "min_delay": _BACKOFF,
    "min_wait": _BACKOFF,
    "on_connecting": "on_connecting= of reconnecting()",
    "on_message_callback": "message_received of a MessageWebSocket",
    "open_timeout": "timeout= of connect()",
    "origin": _HEADERS,
    "password": "server_credential",
    "per_message_deflate": "compression",
    "permessage_deflate": "compression",
    "ping_rate": "keep_alive_interval",
    "ping_timeout": "keep_alive_timeout",
    "policy": "policy= of reconnecting()",
    "poll": "timeout= of receive()",
    "pong_timeout": "keep_alive_timeout",
    "process_exception": "policy= of reconnecting()",
    "proxy_auth": "proxy_credential",
    "proxy_headers": "proxy_credential",
    "proxy_password": "proxy_credential",
    "proxy_ssl": "proxy_ssl_context",
    "proxy_type": "proxy",
    "proxy_username": "proxy_credential",
    "queue_size": "inbox_size_in_bytes",
    "read_timeout": "receive_timeout",
    "reconnect": _AGAIN,
    "reconnect_delay": _BACKOFF,
    "reconnect_delays": _BACKOFF,
    "reconnect_interval": _BACKOFF,
    "redirect_limit": "max_redirects",
    "server_hostname": "socket= of connect(), whose URI then has that name",
    "retries": "max_attempts= of reconnecting()",
    "retry_delay": _BACKOFF,
    "retry_interval": _BACKOFF,
    "sock": "socket= of connect()",
    "sockopt": "socket_options",
    "socket": "socket= of connect()",
    "ssl": _TLS,
    "ssl_handshake_timeout": "connect_timeout",
    "ssl_options": _TLS,
    "ssl_verify": _TLS,
    "ssl_version": "ssl_context",
    "sslopt": _TLS,
    "subprotocols": "subprotocols= of connect(), or supported_protocols",
    "timeout": "timeout= of connect() or of receive(), or receive_timeout",
    "token": "cancellation_token= of connect()",
    "trust_env": "proxy",
    "unix_path": "unix_connect()",
    "username": "server_credential",
    "validate_cert": _TLS,
    "verify": _TLS,
    "verify_ssl": _TLS,
    "websocket_handshake_timeout": "timeout= of connect()",
    "write_timeout": "send_timeout",
}
"""Keywords that other clients have for what is a setting here, or an argument of connect(); those arguments; and what
is an event, or belongs to reconnecting()."""

OF_MESSAGES: Mapping[str, str] = {
    name: f"{name} of a MessageWebSocket"
    for name in ("discard_unclaimed_messages", "max_message_size", "message_type", "receive_mode")
}
"""Settings that a StreamWebSocket has not, for it has no messages."""

NEEDLESS: Mapping[str, str] = {
    "auto_pong": "pings are answered automatically",
    "autoclose": "a Close is answered automatically",
    "autoping": "pings are answered automatically",
    "class_": "make a socket of your own class, and call its connect()",
    "connection": "the handshake makes that header",
    "create_connection": "make a socket of your own class, and call its connect()",
    "dispatcher": "no loop is needed, and other loops may wait on fileno()",
    "enable_multithread": "any thread may send, always",
    "get_mask_key": "mask keys are random, always",
    "keep_running": "close() ends it, on any thread",
    "logger": "the loggers are syncws, syncws.connect, syncws.handshake, syncws.frames and syncws.reconnecting",
    "no_delay": "it is a StreamWebSocket's, and messages are never held back",
    "ping_payload": "keep-alive needs none, and ping() takes one",
    "receive_bytes": "there is no need to say how much to read at a time",
    "skip_utf8_validation": "text is checked, always",
    "suppress_host": "a Host is sent, always",
    "suppress_origin": "no Origin is sent, unless headers= has one",
}
"""Keywords that other clients have for what needs none here, and why."""


CLIENTS: Mapping[str, str] = {
    "ABNF": "SocketMessageType",
    "BasicAuth": "PasswordCredential",
    "Client": "connect, or MessageWebSocket",
    "ClientConnection": "MessageWebSocket",
    "ClientError": "WebSocketError",
    "ClientProtocol": "MessageWebSocket",
    "ClientSession": "connect, or MessageWebSocket",
    "ClientWebSocket": "MessageWebSocket",
    "ClientWebSocketResponse": "MessageWebSocket",
    "CloseCode": "the number, as in close(1000)",
    "ConcurrencyError": "InvalidOperationError",
    "ConnectionClosed": "ConnectionOverError",
    "ConnectionClosedOK": "ConnectionClosedError",
    "InvalidMessage": "HandshakeError",
    "InvalidStatus": "HttpStatusError",
    "InvalidURI": "InvalidArgumentError",
    "NegotiationError": "HandshakeError",
    "Opcode": "SocketMessageType",
    "PayloadTooBig": "MessageTooBigError",
    "STATUS_GOING_AWAY": "the number, as in close(1001)",
    "STATUS_NORMAL": "the number, as in close(1000)",
    "SecurityError": "RedirectError",
    "TimeoutError": "OperationTimedOutError",
    "WSMessage": "MessageWebSocketMessageReceivedEventArgs",
    "WSServerHandshakeError": "HttpStatusError",
    "WebSocket": "MessageWebSocket",
    "WebSocketAddressException": "HostNameNotResolvedError",
    "WebSocketApp": "MessageWebSocket, or ReconnectingWebSocket",
    "WebSocketBadStatusException": "HttpStatusError",
    "WebSocketClient": "MessageWebSocket",
    "WebSocketClientConnection": "MessageWebSocket",
    "WebSocketCloseStatus": "the number, as in close(1000)",
    "WebSocketClosed": "ConnectionOverError",
    "WebSocketClosedError": "ConnectionOverError",
    "WebSocketConnectionClosedException": "ConnectionOverError",
    "WebSocketDisconnect": "ConnectionClosedError",
    "WebSocketException": "WebSocketError",
    "WebSocketInvalidTypeReceived": "IllegalMethodCallError",
    "WebSocketNetworkError": "ConnectionLostError",
    "WebSocketPayloadException": "ProtocolViolationError",
    "WebSocketProtocolException": "ProtocolViolationError",
    "WebSocketProxyException": "ProxyError",
    "WebSocketReceiveResult": "MessageWebSocketMessageReceivedEventArgs",
    "WebSocketSession": "MessageWebSocket",
    "WebSocketState": "State, or is_open",
    "WebSocketStream": "StreamWebSocket",
    "WebSocketTimeout": "OperationTimedOutError",
    "WebSocketTimeoutException": "OperationTimedOutError",
    "WebSocketUpgradeError": "HttpStatusError",
    "WsCloseCode": "the number, as in close(1000)",
    "connect_async": "connect",
    "create_connection": "connect",
    "enableTrace": "enable_trace",
    "exceptions": "errors",
    "getdefaulttimeout": "receive_timeout= of connect",
    "persist": "reconnecting, or ReconnectingWebSocket",
    "reconnect": "reconnecting, or ReconnectingWebSocket",
    "setdefaulttimeout": "receive_timeout= of connect",
    "unix_reconnect": "unix_path= of reconnecting, or of ReconnectingWebSocket",
    "websocket_connect": "connect",
    "ws_connect": "connect",
}
"""What other clients have in their modules."""


def nearest(name: str, names: Iterable[str], others: Mapping[str, str], cutoff: float = 0.6) -> str:
    """Return the end of a message about an unknown name: what was meant, if that can be guessed.

    Args:
        name: what was written.
        names: ours, one of which may be near.
        others: those of other libraries, and what they are here.
        cutoff: how near, from 0 to 1.
    """
    import difflib

    # In JavaScript's way: onmessage.
    written = f"on_{name[2:]}" if name.startswith("on") and name not in others else name
    near = [written] if written in others else difflib.get_close_matches(name, names, 1, cutoff)
    return f"; did you mean {others.get(near[0], near[0])}?" if near else ""


def check_attribute(owner: object, name: str, others: Callable[[], Mapping[str, str]]) -> None:
    """Refuse to set a misspelt event of the owner's, or a name from elsewhere; a subclass may have its own.

    Args:
        owner: the object whose attribute is set.
        name: of the attribute.
        others: gives the names from elsewhere and what they are here, as nearest takes them.

    Raises:
        AttributeError: says which is meant.
    """
    kind = type(owner)
    if hasattr(kind, name) or not kind.__module__.startswith("syncws."):
        return
    # Near enough to be misspelt: programs have attributes of their own, such as code and port.
    meant = nearest(name, [known for known in dir(kind) if hasattr(getattr(kind, known), "__set__")], others(), 0.9)
    if meant:
        raise AttributeError(f"{kind.__name__} has no attribute {name}{meant}")
