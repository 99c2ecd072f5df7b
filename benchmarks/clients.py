"""The clients that benchmarks/peers.py compares: syncws in both of its forms, its peers, and a bare socket.

Each does the same four things on the server of raw_server.py, and measures only these, not the connecting before them;
the blocking ones do the first also on many connections at a time (`crowd`, for benchmarks/scale.py). A peer that is not
installed is left out.
"""

import importlib.util
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import websocket
import websockets.sync.client
from case import Case, Lap
from raw_server import frame, wire_size

from syncws import (
    DataWriter,
    MessageWebSocket,
    MessageWebSocketMessageReceivedEventArgs,
    SocketMessageType,
)

LIMIT = 60.0
_HUGE = 1 << 30


class Syncws:
    """The library under test as WinRT programs use it: through the event, DataReader and DataWriter."""

    name = "syncws, events"

    def _open(self, case: Case, handler: Callable[..., None] | None) -> MessageWebSocket:
        ws = MessageWebSocket()
        ws.control.message_type = SocketMessageType.BINARY if case.is_binary else SocketMessageType.UTF8
        ws.control.ssl_context = case.context
        if handler is not None:
            ws.add_message_received(handler)
        ws.connect(case.uri, timeout=LIMIT)
        return ws

    def _sender(self, ws: MessageWebSocket, case: Case) -> Callable[[], None]:
        message = case.message

        def send_text() -> None:
            with DataWriter(ws.output_stream) as writer:
                writer.write_string(message)  # type: ignore[arg-type]
                writer.store()
                writer.detach_stream()

        def send_bytes() -> None:
            with DataWriter(ws.output_stream) as writer:
                writer.write_bytes(message)  # type: ignore[arg-type]
                writer.store()
                writer.detach_stream()

        return send_bytes if case.is_binary else send_text

    def trip(self, case: Case, lap: Lap) -> None:
        """Send the next message in the handler that receives the last one's answer."""
        self.crowd(case, 1, lap)

    def crowd(self, case: Case, number: int, lap: Lap) -> None:
        """As trip, on so many connections at a time."""
        done = threading.Semaphore(0)
        opened = [self._open_for_trips(case, done.release) for _ in range(number)]
        lap.start()
        for _, send in opened:
            send()
        for _ in opened:
            assert done.acquire(timeout=LIMIT)
        lap.stop()
        for ws, _ in opened:
            # The server decodes nothing, so it would not answer a Close frame. The peers are cut off likewise.
            ws.abort()

    def _open_for_trips(self, case: Case, done: Callable[[], None]) -> tuple[MessageWebSocket, Callable[[], None]]:
        """Return a connection and what sends the first message; `done` is called when the last was answered."""
        left = case.times
        is_binary = case.is_binary

        def received(sender: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
            nonlocal left
            with args.get_data_reader() as reader:
                if is_binary:
                    reader.read_bytes(reader.unconsumed_buffer_length)
                else:
                    reader.read_string(reader.unconsumed_buffer_length)
            left -= 1
            if left:
                send()
            else:
                done()

        ws = self._open(case, received)
        send = self._sender(ws, case)
        return ws, send

    def flood(self, case: Case, lap: Lap) -> None:
        """Receive the messages through the event."""
        done = threading.Event()
        left = case.times
        is_binary = case.is_binary

        def received(sender: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
            nonlocal left
            with args.get_data_reader() as reader:
                if is_binary:
                    reader.read_bytes(reader.unconsumed_buffer_length)
                else:
                    reader.read_string(reader.unconsumed_buffer_length)
            left -= 1
            if not left:
                done.set()

        with self._open(case, received) as ws:
            lap.start()
            ws.send(b"go")
            assert done.wait(LIMIT)
            lap.stop()
            ws.abort()

    def sink(self, case: Case, lap: Lap) -> None:
        """Send the messages through one DataWriter each."""
        done = threading.Event()
        with self._open(case, lambda *_: done.set()) as ws:
            send = self._sender(ws, case)
            lap.start()
            for _ in range(case.times):
                send()
            assert done.wait(LIMIT)
            lap.stop()
            ws.abort()

    def drop(self, case: Case, lap: Lap) -> None:
        """Connect and cut the connection."""
        lap.start()
        for _ in range(case.times):
            self._open(case, None).abort()
        lap.stop()


class PullClient:
    """A blocking client that is asked for its messages."""

    name: str

    def _open(self, case: Case) -> Any:
        raise NotImplementedError

    def _sender(self, ws: Any, case: Case) -> Callable[[], object]:
        raise NotImplementedError

    def _receiver(self, ws: Any, case: Case) -> Callable[[], object]:
        receive: Callable[[], object] = ws.recv
        return receive

    def _drop(self, ws: Any) -> None:
        raise NotImplementedError

    def trip(self, case: Case, lap: Lap) -> None:
        """Send, receive, and again."""
        ws = self._open(case)
        send = self._sender(ws, case)
        receive = self._receiver(ws, case)
        lap.start()
        for _ in range(case.times):
            send()
            receive()
        lap.stop()
        self._drop(ws)

    def crowd(self, case: Case, number: int, lap: Lap) -> None:
        """As trip, on so many connections at a time, with a thread each."""
        opened = [self._open(case) for _ in range(number)]
        # Starting the threads is not measured.
        start, end = (threading.Barrier(number, action, LIMIT) for action in (lap.start, lap.stop))

        def work(ws: Any) -> None:
            send = self._sender(ws, case)
            receive = self._receiver(ws, case)
            start.wait()
            for _ in range(case.times):
                send()
                receive()
            end.wait()

        with ThreadPoolExecutor(number) as threads:
            list(threads.map(work, opened))
        for ws in opened:
            self._drop(ws)

    def flood(self, case: Case, lap: Lap) -> None:
        """Receive the messages."""
        ws = self._open(case)
        go = self._sender(ws, case._replace(size=2))
        receive = self._receiver(ws, case)
        lap.start()
        go()
        for _ in range(case.times):
            receive()
        lap.stop()
        self._drop(ws)

    def sink(self, case: Case, lap: Lap) -> None:
        """Send the messages."""
        ws = self._open(case)
        send = self._sender(ws, case)
        receive = self._receiver(ws, case._replace(kind="ascii"))
        lap.start()
        for _ in range(case.times):
            send()
        receive()
        lap.stop()
        self._drop(ws)

    def drop(self, case: Case, lap: Lap) -> None:
        """Connect and cut the connection."""
        lap.start()
        for _ in range(case.times):
            self._drop(self._open(case))
        lap.stop()


class SyncwsPull(PullClient):
    """The library under test by send() and receive()."""

    name = "syncws, pull"

    def _open(self, case: Case) -> MessageWebSocket:
        ws = MessageWebSocket()
        ws.control.ssl_context = case.context
        ws.connect(case.uri, timeout=LIMIT)
        return ws

    def _sender(self, ws: MessageWebSocket, case: Case) -> Callable[[], object]:
        return partial(ws.send, case.message)

    def _receiver(self, ws: MessageWebSocket, case: Case) -> Callable[[], object]:
        return ws.receive

    def _drop(self, ws: MessageWebSocket) -> None:
        ws.abort()


class WebSocketClient(PullClient):
    """websocket-client's WebSocket."""

    name = "websocket-client"

    def _open(self, case: Case) -> websocket.WebSocket:
        options = None if case.context is None else {"context": case.context}
        return websocket.create_connection(case.uri, timeout=LIMIT, sslopt=options)

    def _sender(self, ws: Any, case: Case) -> Callable[[], object]:
        return partial(ws.send_binary if case.is_binary else ws.send, case.message)

    def _drop(self, ws: Any) -> None:
        ws.shutdown()


_PATIENCE_SECONDS = 5.0


def _raise_time_out(*_: object) -> None:
    raise TimeoutError


class Websockets(PullClient):
    """The sync client of websockets, without compression, limits and keep-alive."""

    name = "websockets"

    def _open(self, case: Case) -> websockets.sync.client.ClientConnection:
        connect = partial(
            websockets.sync.client.connect,
            case.uri,
            ssl=case.context,
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
            close_timeout=LIMIT,
        )
        if case.context is None or not hasattr(signal, "setitimer"):
            return connect().__enter__()
        # Over TLS it sometimes waits for its own reader for ever, which no limit of its own ends, and after an error
        # once more for the same: then it begins anew.
        signal.signal(signal.SIGALRM, _raise_time_out)
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS, 1.0)
                return connect().__enter__()
            except TimeoutError:
                print("websockets hung in its connect over TLS, and begins anew", file=sys.stderr)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def _sender(self, ws: Any, case: Case) -> Callable[[], object]:
        return partial(ws.send, case.message)

    def _drop(self, ws: Any) -> None:
        ws.close_socket()


class CurlCffi(PullClient):
    """curl_cffi's blocking WebSocket."""

    name = "curl_cffi"

    def _open(self, case: Case) -> Any:
        import curl_cffi

        ws = curl_cffi.WebSocket(max_message_size=_HUGE)
        return ws.connect(case.uri, verify=case.authority)

    def _sender(self, ws: Any, case: Case) -> Callable[[], object]:
        return partial(ws.send_bytes if case.is_binary else ws.send_str, case.message)

    def _receiver(self, ws: Any, case: Case) -> Callable[[], object]:
        receive: Callable[[], object] = ws.recv if case.is_binary else ws.recv_str
        return receive

    def _drop(self, ws: Any) -> None:
        ws.terminate()


class BareSocket(PullClient):
    """The least that the wire asks for; frames are made beforehand and never decoded."""

    name = "bare socket"

    def _open(self, case: Case) -> socket.socket:
        host, _, rest = case.uri.partition("://")[2].partition(":")
        port, _, target = rest.partition("/")
        connection = socket.create_connection((host, int(port)), LIMIT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if case.context is not None:
            connection = case.context.wrap_socket(connection, server_hostname=host)
        connection.sendall(
            f"GET /{target} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        return connection

    def _sender(self, ws: socket.socket, case: Case) -> Callable[[], object]:
        return partial(ws.sendall, os.urandom(wire_size(case.size)))

    def _receiver(self, ws: socket.socket, case: Case) -> Callable[[], object]:
        size = len(frame(case.size, case.kind))
        buffer = memoryview(bytearray(min(size, 1 << 18)))

        def receive() -> None:
            left = size
            while left:
                left -= ws.recv_into(buffer[: min(left, len(buffer))])

        return receive

    def flood(self, case: Case, lap: Lap) -> None:
        """Receive the bytes of all messages, as many as there are at a time."""
        with self._open(case) as connection:
            left = case.times * len(frame(case.size, case.kind))
            buffer = memoryview(bytearray(1 << 18))
            lap.start()
            connection.sendall(os.urandom(wire_size(2)))
            while left:
                left -= connection.recv_into(buffer[: min(left, len(buffer))])
            lap.stop()

    def sink(self, case: Case, lap: Lap) -> None:
        """Send the bytes of the messages, one system call each."""
        with self._open(case) as connection:
            data = os.urandom(wire_size(case.size))
            lap.start()
            for _ in range(case.times):
                connection.sendall(data)
            left = 4
            while left:
                left -= len(connection.recv(left))
            lap.stop()

    def _drop(self, ws: socket.socket) -> None:
        ws.close()


def installed() -> tuple[list[Any], list[str]]:
    """Return the clients that can be measured, syncws first and the bare socket last, and the names of the others."""
    clients: list[Any] = [Syncws(), SyncwsPull(), WebSocketClient(), Websockets()]
    missing = []
    if importlib.util.find_spec("curl_cffi"):
        clients.append(CurlCffi())
    else:
        missing.append("curl_cffi")
    if importlib.util.find_spec("aiohttp"):
        from async_clients import Aiohttp

        clients.append(Aiohttp())
    else:
        missing.append("aiohttp")
    if importlib.util.find_spec("picows"):
        from picows_client import Picows

        clients.append(Picows())
    else:
        missing.append("picows")
    return [*clients, BareSocket()], missing
