"""`python -m syncws demo`: the library against a real server on loopback, for a person to watch.

Runs on the main thread; handlers on the connections' readers. Each step says what it shows and whether it held; the
exit code is 0 only when all did.
"""

import argparse
import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from syncws import (
    DataWriter,
    HResult,
    HttpStatusError,
    MessageWebSocket,
    MessageWebSocketMessageReceivedEventArgs,
    ObjectClosedError,
    SocketMessageType,
    StreamWebSocket,
    WebErrorStatus,
    WebSocketClosedEventArgs,
    WebSocketError,
)
from syncws.cli.demo_server import DemoServers, free_port, running_servers
from syncws.cli.options import Commands

__all__ = ["add_to", "run"]

_LIMIT = 30.0
_GREETING = "Hello, World! Grüße, κόσμε, 世界"
_MIB = 1 << 20


_Socket = TypeVar("_Socket", MessageWebSocket, StreamWebSocket)


class _Report:
    """Prints steps and remembers whether all held."""

    def __init__(self) -> None:
        self.failures = 0

    def title(self, text: str) -> None:
        print(f"\n{text}\n{'-' * len(text)}")

    def step(self, text: str, held: bool) -> None:
        if not held:
            self.failures += 1
        print(f"  {'ok    ' if held else 'FAILED'} {text}")


def add_to(commands: Commands) -> None:
    """Add the command, which has no options."""
    parser = commands.add_parser("demo", help="show the library against a server on loopback; needs the extra demo")
    parser.set_defaults(run=run, extra="demo")


def run(_: argparse.Namespace) -> int:
    """Show everything; return 0 when all of it held, otherwise 1.

    Raises:
        ImportError: the extra `demo` is not installed.
    """
    report = _Report()
    with running_servers() as servers:
        for uri in (servers.plain, servers.secure):
            _show_echo(report, servers, uri)
        _show_stream(report, servers)
        _show_detach_rule(report, servers)
        _show_errors(report, servers)
        _show_close(report, servers)
    print(f"\n{'All of it held.' if not report.failures else f'{report.failures} step(s) did not hold.'}")
    return 1 if report.failures else 0


def _socket_for(servers: DemoServers, uri: str) -> MessageWebSocket:
    return _trusting(MessageWebSocket(), servers, uri)


def _trusting(socket: _Socket, servers: DemoServers, uri: str) -> _Socket:
    # All of it is on this machine: a proxy that the environment names has no part in it.
    socket.control.proxy = ""
    if uri.startswith("wss:"):
        socket.control.ssl_context = servers.client_context
    return socket


def _show_echo(report: _Report, servers: DemoServers, uri: str) -> None:
    report.title(f"Messages through events, DataWriter and DataReader: {uri}")
    received: queue.Queue[str | bytes] = queue.Queue()

    def message_received(sender: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
        with args.get_data_reader() as reader:
            if args.message_type is SocketMessageType.UTF8:
                received.put(reader.read_string(reader.unconsumed_buffer_length))
            else:
                received.put(reader.read_bytes(reader.unconsumed_buffer_length))

    with _socket_for(servers, uri) as socket:
        socket.message_received += message_received
        start = time.perf_counter()
        socket.connect(uri, timeout=_LIMIT)
        report.step(f"connected in {_milliseconds(start)}", True)
        for what, message in (
            ("text, not only ASCII", _GREETING),
            ("binary", bytes(range(256))),
            ("1 MiB of binary", os.urandom(_MIB)),
            ("1 MiB of text", ("0123456789abcde\n" * (_MIB // 16))),
        ):
            start = time.perf_counter()
            count = _send(socket, message)
            held = received.get(timeout=_LIMIT) == message
            report.step(f"{what}: {count} bytes there and back in {_milliseconds(start)}", held)
        _show_information(report, socket)


def _send(socket: MessageWebSocket, message: str | bytes) -> int:
    """Send one message as a WinRT program does; return its bytes."""
    is_text = isinstance(message, str)
    socket.control.message_type = SocketMessageType.UTF8 if is_text else SocketMessageType.BINARY
    with DataWriter(socket.output_stream) as writer:
        if isinstance(message, str):
            writer.write_string(message)
        else:
            writer.write_bytes(message)
        count = writer.store()
        writer.detach_stream()
    return count


def _show_information(report: _Report, socket: MessageWebSocket) -> None:
    information = socket.information
    statistics = information.bandwidth_statistics
    rows = {
        "local_address": str(information.local_address),
        "protocol": information.protocol or "(none)",
        "bytes_sent": f"{information.bytes_sent:,}",
        "bytes_received": f"{information.bytes_received:,}",
        "outbound_bits_per_second": f"{statistics.outbound_bits_per_second:,}",
        "inbound_bits_per_second": f"{statistics.inbound_bits_per_second:,}",
        "handler_failures": str(information.handler_failures),
    }
    print("         information")
    for name, value in rows.items():
        print(f"           {name:<26} {value:>20}")
    report.step("the information object counts what moved", information.bytes_received > 2 * _MIB)


def _show_stream(report: _Report, servers: DemoServers) -> None:
    report.title(f"A StreamWebSocket, reading and writing at the same time: {servers.secure}")
    content = os.urandom(16 * _MIB)
    received = hashlib.sha256()
    most_buffered = 0
    with _trusting(StreamWebSocket(), servers, servers.secure) as socket:
        socket.connect(servers.secure, timeout=_LIMIT)
        start = time.perf_counter()
        writing = threading.Thread(target=lambda: [socket.output_stream.write(content) for _ in range(2)])
        writing.start()
        file = socket.input_stream.as_file()
        count = 0
        while count < 2 * len(content) and (piece := file.read1()):
            received.update(piece)
            count += len(piece)
            most_buffered = max(most_buffered, socket.information.bytes_buffered_in)
        writing.join()
        held = received.digest() == hashlib.sha256(content * 2).digest()
        report.step(f"2 messages of 16 MiB there and back in {_milliseconds(start)}, SHA-256 equal", held)
        # One read may come on top of the bound.
        held = most_buffered <= socket.control.inbox_size_in_bytes + _MIB // 4
        report.step(f"at most {most_buffered:,} bytes waited in the inbox", held)


def _show_detach_rule(report: _Report, servers: DemoServers) -> None:
    report.title("The detach rule: a DataWriter owns the stream until it gives it back")
    with _socket_for(servers, servers.plain) as socket:
        socket.connect(servers.plain, timeout=_LIMIT)
        with DataWriter(socket.output_stream) as writer:
            writer.write_string("first")
            writer.store()
            writer.detach_stream()
        with DataWriter(socket.output_stream) as writer:
            writer.write_string("second")
            writer.store()
        report.step("detached, the stream could be used again", True)
        error = _error_of(lambda: socket.output_stream.write(b"third"))
        held = isinstance(error, ObjectClosedError) and error.hresult == HResult.RO_E_CLOSED
        report.step(f"not detached, the next use raised {type(error).__name__}: {error}", held)


def _show_errors(report: _Report, servers: DemoServers) -> None:
    report.title("Errors: HRESULT and WebErrorStatus")
    refused = f"ws://127.0.0.1:{free_port()}/"
    _show_error(report, "a port where nobody listens", refused, WebErrorStatus.CANNOT_CONNECT)
    error = _show_error(report, "a path without a WebSocket", f"{servers.plain}missing", WebErrorStatus.NOT_FOUND)
    held = isinstance(error, HttpStatusError) and error.status_code == 404 and b"no WebSocket" in error.body
    report.step("the HTTP answer stands on the error: status code, headers, body", held)


def _show_error(report: _Report, what: str, uri: str, expected: WebErrorStatus) -> WebSocketError | None:
    with MessageWebSocket() as socket:
        socket.control.proxy = ""
        error = _error_of(lambda: socket.connect(uri, timeout=_LIMIT))
    status = WebSocketError.get_status(error.hresult) if error is not None else None
    report.step(f"{what}: {error} -> {status.name if status is not None else 'no error'}", status is expected)
    return error


def _show_close(report: _Report, servers: DemoServers) -> None:
    report.title("Closing: code and reason on both sides")
    closings: queue.Queue[tuple[int, str]] = queue.Queue()

    def closed(sender: MessageWebSocket, args: WebSocketClosedEventArgs) -> None:
        closings.put((args.code, args.reason))

    socket = _socket_for(servers, servers.secure)
    socket.add_closed(closed)
    socket.connect(servers.secure, timeout=_LIMIT)
    start = time.perf_counter()
    socket.close(4000, "that is all")
    report.step(f"close(4000, 'that is all') took {_milliseconds(start)}", socket.wait_closed(_LIMIT))
    code, reason = closings.get(timeout=_LIMIT)
    report.step(f"the Closed event said {code} {reason!r}", (code, reason) == (4000, "that is all"))
    seen = _closing_seen_by(servers, 4000)
    report.step(f"the server saw {seen[0]} {seen[1]!r}", seen == (4000, "that is all"))


def _closing_seen_by(servers: DemoServers, code: int) -> tuple[int | None, str | None]:
    """Wait until the server has seen a connection close with `code`; those of earlier steps may come first."""
    try:
        while True:
            seen = servers.closings.get(timeout=_LIMIT)
            if seen[0] == code:
                return seen
    except queue.Empty:
        return None, None


def _error_of(action: Callable[[], object]) -> WebSocketError | None:
    try:
        action()
    except WebSocketError as exc:
        return exc
    return None


def _milliseconds(start: float) -> str:
    return f"{(time.perf_counter() - start) * 1e3:.1f} ms"
