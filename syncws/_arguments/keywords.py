"""The settings as typed keywords, for connect() and update(): one line for each assignment in syncws.control.

Any thread may use what stands here.
"""

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from syncws._arguments.socket_options import LocalAddress, SocketOption
from syncws.certificates import Certificate
from syncws.compression import Deflate
from syncws.credentials import PasswordCredential
from syncws.enums import ChainValidationResult, MessageWebSocketReceiveMode, SocketMessageType

if TYPE_CHECKING:
    import ssl
    from http.cookiejar import CookieJar

__all__ = ["MessageWebSocketSettings", "StreamWebSocketSettings", "WebSocketSettings", "add_subprotocols"]


class WebSocketSettings(TypedDict, total=False):
    """The settings of both socket classes as typed keywords; see WebSocketControl. A list may be any iterable."""

    connect_timeout: float | None
    max_connect_addresses: int
    happy_eyeballs_delay: float | None
    local_address: LocalAddress | None
    socket_options: Iterable[SocketOption]
    outbound_buffer_size_in_bytes: int
    resolver: Any
    max_redirects: int
    supported_protocols: Iterable[str]
    user_agent: str | None
    cookies: "CookieJar | Mapping[str, str] | None"
    server_credential: PasswordCredential | None
    proxy: str | None
    proxy_credential: PasswordCredential | None
    proxy_ssl_context: "ssl.SSLContext | None"
    ssl_context: "ssl.SSLContext | None"
    ca_file: "str | os.PathLike[str] | None"
    trusts_system_authorities: bool
    client_certificate: Certificate | None
    ignorable_server_certificate_errors: Iterable[ChainValidationResult]
    send_timeout: float | None
    receive_timeout: float | None
    close_timeout: float | None
    inbox_size_in_bytes: int
    keep_alive_interval: float | None
    keep_alive_timeout: float | None
    desired_unsolicited_pong_interval: dt.timedelta
    compression: Deflate | bool | None


class MessageWebSocketSettings(WebSocketSettings, total=False):
    """Every setting of a MessageWebSocket as a typed keyword; see MessageWebSocketControl."""

    message_type: SocketMessageType
    receive_mode: MessageWebSocketReceiveMode
    max_message_size: int
    discard_unclaimed_messages: bool


class StreamWebSocketSettings(WebSocketSettings, total=False):
    """Every setting of a StreamWebSocket as a typed keyword; see StreamWebSocketControl."""

    no_delay: bool


def add_subprotocols(settings: MessageWebSocketSettings, subprotocols: Iterable[str] | None) -> None:
    """Put the argument `subprotocols` of a connect, unless it is None, in the place of its setting.

    Raises:
        TypeError: the setting was given too.
    """
    if subprotocols is not None:
        if "supported_protocols" in settings:
            raise TypeError("subprotocols and supported_protocols are the same setting: give one of them")
        settings["supported_protocols"] = subprotocols
