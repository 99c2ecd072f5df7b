"""syncws beside websocket-client, websockets (sync) and a bare socket, in turn, on one raw-socket server process.

    python benchmarks/peers.py [--rounds N] [--quick]

Prints, for each thing that a client does, the median over the rounds for each client, and how many times syncws is
faster than each peer. The clients take turns within each round, so that whatever else the machine does meets all of
them. syncws is driven through its events, DataReader and DataWriter, as WinRT programs are; the bare socket does the
least that the wire asks for, without looking at what it reads: it is the floor, not a client.

All traffic stays on loopback. Only ratios mean anything; the times are one machine's on one day.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import websocket
import websockets.sync.client
from raw_server import frame, payload, wire_size

from syncws import (
    DataWriter,
    MessageWebSocket,
    MessageWebSocketMessageReceivedEventArgs,
    SocketMessageType,
)

MIB = 1 << 20
LIMIT = 60.0


def _text(size: int, kind: str) -> str:
    return payload(size, kind).decode()


# syncws


class Syncws:
    """The library under test, through events, DataReader and DataWriter."""

    name = "syncws"

    def _open(self, uri: str, kind: str, handler: Callable[..., None] | None) -> MessageWebSocket:
        ws = MessageWebSocket()
        if kind != "binary":
            ws.control.message_type = SocketMessageType.UTF8
        if handler is not None:
            ws.add_message_received(handler)
        ws.connect(uri, timeout=LIMIT)
        return ws

    def trip(self, uri: str, count: int, size: int, kind: str) -> float:
        """Send the next message in the handler that receives the last one's answer."""
        done = threading.Event()
        left = count
        text = _text(size, kind) if kind != "binary" else ""
        data = payload(size, kind)

        def received(sender: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
            nonlocal left
            with args.get_data_reader() as reader:
                if kind == "binary":
                    reader.read_bytes(reader.unconsumed_buffer_length)
                else:
                    reader.read_string(reader.unconsumed_buffer_length)
            left -= 1
            if left:
                send()
            else:
                done.set()

        def send() -> None:
            with DataWriter(ws.output_stream) as writer:
                if kind == "binary":
                    writer.write_bytes(data)
                else:
                    writer.write_string(text)
                writer.store()
                writer.detach_stream()

        with self._open(uri, kind, received) as ws:
            start = time.perf_counter()
            send()
            assert done.wait(LIMIT)
            elapsed = time.perf_counter() - start
            # The server decodes nothing, so it would not answer a Close frame. The peers are cut off likewise.
            ws.abort()
            return elapsed

    def flood(self, uri: str, count: int, size: int, kind: str) -> float:
        """Receive `count` messages through the event."""
        done = threading.Event()
        left = count

        def received(sender: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
            nonlocal left
            with args.get_data_reader() as reader:
                if kind == "binary":
                    reader.read_bytes(reader.unconsumed_buffer_length)
                else:
                    reader.read_string(reader.unconsumed_buffer_length)
            left -= 1
            if not left:
                done.set()

        with self._open(uri, kind, received) as ws:
            start = time.perf_counter()
            ws.output_stream.write(b"go")
            assert done.wait(LIMIT)
            elapsed = time.perf_counter() - start
            ws.abort()
            return elapsed

    def sink(self, uri: str, count: int, size: int, kind: str) -> float:
        """Send `count` messages through one DataWriter each, as WinRT programs do."""
        done = threading.Event()
        text = _text(size, kind) if kind != "binary" else ""
        data = payload(size, kind)
        with self._open(uri, kind, lambda *_: done.set()) as ws:
            start = time.perf_counter()
            for _ in range(count):
                with DataWriter(ws.output_stream) as writer:
                    if kind == "binary":
                        writer.write_bytes(data)
                    else:
                        writer.write_string(text)
                    writer.store()
                    writer.detach_stream()
            assert done.wait(LIMIT)
            elapsed = time.perf_counter() - start
            ws.abort()
            return elapsed

    def drop(self, uri: str, count: int, size: int, kind: str) -> float:
        """Connect and cut the connection."""
        start = time.perf_counter()
        for _ in range(count):
            ws = MessageWebSocket()
            ws.connect(uri)
            ws.abort()
        return time.perf_counter() - start


class PullClient:
    """A client that is asked for its messages: what the two peers have in common."""

    name: str

    def _open(self, uri: str) -> Any:
        raise NotImplementedError

    def _sender(self, ws: Any, size: int, kind: str) -> Callable[[], object]:
        raise NotImplementedError

    def _drop(self, ws: Any) -> None:
        raise NotImplementedError

    def trip(self, uri: str, count: int, size: int, kind: str) -> float:
        """Send, receive, and again."""
        ws = self._open(uri)
        send = self._sender(ws, size, kind)
        start = time.perf_counter()
        for _ in range(count):
            send()
            ws.recv()
        elapsed = time.perf_counter() - start
        self._drop(ws)
        return elapsed

    def flood(self, uri: str, count: int, size: int, kind: str) -> float:
        """Receive `count` messages."""
        ws = self._open(uri)
        start = time.perf_counter()
        ws.send("go")
        for _ in range(count):
            ws.recv()
        elapsed = time.perf_counter() - start
        self._drop(ws)
        return elapsed

    def sink(self, uri: str, count: int, size: int, kind: str) -> float:
        """Send `count` messages."""
        ws = self._open(uri)
        send = self._sender(ws, size, kind)
        start = time.perf_counter()
        for _ in range(count):
            send()
        ws.recv()
        elapsed = time.perf_counter() - start
        self._drop(ws)
        return elapsed

    def drop(self, uri: str, count: int, size: int, kind: str) -> float:
        """Connect and cut the connection."""
        start = time.perf_counter()
        for _ in range(count):
            self._drop(self._open(uri))
        return time.perf_counter() - start


class WebSocketClient(PullClient):
    """websocket-client's WebSocket."""

    name = "websocket-client"

    def _open(self, uri: str) -> websocket.WebSocket:
        return websocket.create_connection(uri, timeout=LIMIT)

    def _sender(self, ws: Any, size: int, kind: str) -> Callable[[], object]:
        data = payload(size, kind)
        return partial(ws.send_binary, data) if kind == "binary" else partial(ws.send, data.decode())

    def _drop(self, ws: Any) -> None:
        ws.shutdown()


class Websockets(PullClient):
    """The sync client of websockets, without compression, limits and keep-alive."""

    name = "websockets"

    def _open(self, uri: str) -> websockets.sync.client.ClientConnection:
        return websockets.sync.client.connect(
            uri, compression=None, max_size=None, ping_interval=None, proxy=None, close_timeout=LIMIT
        ).__enter__()

    def _sender(self, ws: Any, size: int, kind: str) -> Callable[[], object]:
        data = payload(size, kind)
        return partial(ws.send, data if kind == "binary" else data.decode())

    def _drop(self, ws: Any) -> None:
        ws.close_socket()


class BareSocket:
    """The least that the wire asks for; frames are made beforehand and never decoded."""

    name = "bare socket"

    def _open(self, uri: str) -> socket.socket:
        host, _, rest = uri.removeprefix("ws://").partition(":")
        port, _, target = rest.partition("/")
        connection = socket.create_connection((host, int(port)), LIMIT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(
            f"GET /{target} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        return connection

    def _read(self, connection: socket.socket, count: int) -> None:
        buffer = memoryview(bytearray(1 << 18))
        while count:
            count -= connection.recv_into(buffer[: min(count, len(buffer))])

    def trip(self, uri: str, count: int, size: int, kind: str) -> float:
        """Send, receive, and again."""
        with self._open(uri) as connection:
            data = os.urandom(wire_size(size))
            answer = len(frame(size, kind))
            start = time.perf_counter()
            for _ in range(count):
                connection.sendall(data)
                self._read(connection, answer)
            return time.perf_counter() - start

    def flood(self, uri: str, count: int, size: int, kind: str) -> float:
        """Receive the bytes of `count` messages."""
        with self._open(uri) as connection:
            start = time.perf_counter()
            connection.sendall(b"!")
            self._read(connection, count * len(frame(size, kind)))
            return time.perf_counter() - start

    def sink(self, uri: str, count: int, size: int, kind: str) -> float:
        """Send the bytes of `count` messages, one system call each."""
        with self._open(uri) as connection:
            data = os.urandom(wire_size(size))
            start = time.perf_counter()
            for _ in range(count):
                connection.sendall(data)
            self._read(connection, 4)
            return time.perf_counter() - start

    def drop(self, uri: str, count: int, size: int, kind: str) -> float:
        """Connect and cut the connection."""
        start = time.perf_counter()
        for _ in range(count):
            self._open(uri).close()
        return time.perf_counter() - start


CLIENTS = (Syncws(), WebSocketClient(), Websockets(), BareSocket())

# What is done, how often, message size, kind of payload.
ROWS: tuple[tuple[str, str, int, int, str], ...] = (
    ("round trip  64 B text", "trip", 600, 64, "ascii"),
    ("round trip  64 B binary", "trip", 600, 64, "binary"),
    ("round trip  1 MiB text, not ASCII", "trip", 3, MIB, "text"),
    ("round trip  1 MiB binary", "trip", 3, MIB, "binary"),
    ("receiving   64 B text", "flood", 6000, 64, "ascii"),
    ("receiving   64 B text, not ASCII", "flood", 6000, 64, "text"),
    ("receiving   64 B binary", "flood", 6000, 64, "binary"),
    ("receiving   1 MiB text, ASCII", "flood", 6, MIB, "ascii"),
    ("receiving   1 MiB text, not ASCII", "flood", 6, MIB, "text"),
    ("receiving   1 MiB binary", "flood", 6, MIB, "binary"),
    ("sending     64 B text", "sink", 2000, 64, "ascii"),
    ("sending     64 B binary", "sink", 2000, 64, "binary"),
    ("sending     1 MiB text, not ASCII", "sink", 3, MIB, "text"),
    ("sending     1 MiB binary", "sink", 3, MIB, "binary"),
    ("connect and drop", "drop", 20, 2, "ascii"),
)


def address(port: int, action: str, count: int, size: int, kind: str) -> str:
    """Return the URI that makes the server do a row's part."""
    uri = f"ws://127.0.0.1:{port}/{action}?count={count}&kind={kind}&wire={wire_size(size)}"
    # The answer to the last message that is sent stays small.
    return uri if action == "sink" else f"{uri}&size={size}"


def measure(port: int, rounds: int, shrink: int) -> None:
    """Run every row with every client and print the table."""
    names = [client.name for client in CLIENTS]
    heading = "".join(f"{name:>18}" for name in names)
    print(f"{'each, in microseconds (median)':36}{heading}   syncws is faster by")
    for title, action, count, size, kind in ROWS:
        number = max(2, count // shrink)
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for client in CLIENTS:
                # Text of 1 MiB takes websocket-client a third of a second: a few of them tell as much.
                few = 1 if client.name == "websocket-client" and size == MIB else number
                uri = address(port, action, few, size, kind)
                times[client.name].append(getattr(client, action)(uri, few, size, kind) / few * 1e6)
        medians = [statistics.median(times[name]) for name in names]
        ratios = "".join(f"  {median / medians[0]:.2f}x" for median in medians[1:3])
        print(f"{title:36}" + "".join(f"{median:18.1f}" for median in medians) + ratios, flush=True)


def main() -> None:
    """Start the server, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds, of which the median counts (default 15)")
    parser.add_argument("--quick", action="store_true", help="one round with a tenth of the work, to see that it runs")
    arguments = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("raw_server.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        port = int(server.stdout.readline())
        measure(port, 1 if arguments.quick else arguments.rounds, 10 if arguments.quick else 1)
    finally:
        server.stdin.close()
        server.wait(LIMIT)
        server.stdout.close()


if __name__ == "__main__":
    main()
