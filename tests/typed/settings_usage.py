"""How a typed program uses the settings. mypy reads it, nothing runs it; mypy must refuse each line that is ignored."""

import datetime as dt
import socket
import ssl
from collections.abc import MutableSequence
from http.cookiejar import CookieJar
from pathlib import Path
from typing import assert_type

import syncws
from syncws import (
    ChainValidationResult,
    MessageWebSocket,
    MessageWebSocketControl,
    MessageWebSocketReceiveMode,
    SocketMessageType,
    StreamWebSocketControl,
)
from syncws.control import MessageWebSocketSettings


def read(control: MessageWebSocketControl, stream: StreamWebSocketControl) -> None:
    assert_type(control.connect_timeout, float | None)
    assert_type(control.happy_eyeballs_delay, float | None)
    assert_type(control.max_message_size, int)
    assert_type(control.inbox_size_in_bytes, int)
    assert_type(control.message_type, SocketMessageType)
    assert_type(control.receive_mode, MessageWebSocketReceiveMode)
    assert_type(control.proxy, str | None)
    assert_type(control.user_agent, str | None)
    assert_type(control.ssl_context, ssl.SSLContext | None)
    assert_type(control.desired_unsolicited_pong_interval, dt.timedelta)
    assert_type(control.actual_unsolicited_pong_interval, dt.timedelta)
    assert_type(control.supported_protocols, MutableSequence[str])
    assert_type(control.ignorable_server_certificate_errors, MutableSequence[ChainValidationResult])
    assert_type(stream.no_delay, bool)
    assert_type(stream.inbox_size_in_bytes, int)


def assign(control: MessageWebSocketControl, stream: StreamWebSocketControl) -> None:
    control.connect_timeout = 5
    control.connect_timeout = None
    control.message_type = SocketMessageType.UTF8
    control.supported_protocols += ["chat"]
    control.connect_timeout = "5"  # type: ignore[assignment]
    control.max_message_size = None  # type: ignore[assignment]
    control.message_type = "UTF8"  # type: ignore[assignment]
    control.actual_unsolicited_pong_interval = dt.timedelta()  # type: ignore[misc]
    control.max_mesage_size = 5  # type: ignore[attr-defined]
    control.no_delay = True  # type: ignore[attr-defined]
    stream.no_delay = 1  # type: ignore[assignment]
    control.compression = True
    control.compression = syncws.Deflate(level=9)
    stream.compression = None
    control.compression = "deflate"  # type: ignore[assignment]
    control.cookies = {"a": "b"}
    control.cookies = CookieJar()
    control.ca_file = Path("authority.pem")
    control.local_address = ("192.0.2.1", 0)
    control.socket_options += [("SO_KEEPALIVE", 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    control.cookies = "a=b"  # type: ignore[assignment]
    control.ca_file = b"authority.pem"  # type: ignore[assignment]
    control.local_address = ("192.0.2.1", 0, 0)  # type: ignore[assignment]
    control.socket_options += [("SO_KEEPALIVE", None)]  # type: ignore[list-item]


def several(control: MessageWebSocketControl, stream: StreamWebSocketControl) -> None:
    control.update(connect_timeout=None, supported_protocols=("a", "b"), message_type=SocketMessageType.UTF8)
    control.copy_from(stream)
    control.update(connect_timeout="5")  # type: ignore[arg-type]
    control.update(max_mesage_size=5)  # type: ignore[call-arg]
    control.update(no_delay=True)  # type: ignore[call-arg]
    control.copy_from({})  # type: ignore[arg-type]
    stream.update(no_delay=False, inbox_size_in_bytes=5)
    stream.update(max_message_size=5)  # type: ignore[call-arg]


def connect(settings: MessageWebSocketSettings) -> None:
    assert_type(syncws.connect("ws://localhost/", **settings), MessageWebSocket)
    syncws.connect("ws://localhost/", timeout=5, subprotocols={"a"}, keep_alive_interval=0, headers={"X": "y"})
    syncws.connect("ws://localhost/", headers=None)
    syncws.connect("ws://localhost/", ignorable_server_certificate_errors=[ChainValidationResult.EXPIRED])
    syncws.connect("ws://localhost/", cookies={"a": "b"}, socket_options=[("SO_KEEPALIVE", 1)], ca_file="x.pem")
    syncws.connect("ws://localhost/", max_message_size="5")  # type: ignore[arg-type]
    syncws.connect("ws://localhost/", max_mesage_size=5)  # type: ignore[call-arg]
