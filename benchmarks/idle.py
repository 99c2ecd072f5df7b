"""A thousand idle connections: what each costs in threads, memory and CPU, for syncws and its two peers.

    python benchmarks/idle.py [--connections 1000] [--seconds 60] [--compression] [--write FOLDER]

The echo server of compliance/ runs in a process of its own, and so does each client, with its library's own settings;
websocket-client once as WebSocket, which has no thread and answers nothing while nobody receives, and once as
WebSocketApp with a ping every 20 seconds. With --compression it is syncws alone, plain and with some compressions, and
each connection has sent and received a document of 4 kB before it is idle. After the idle time one message is echoed
over each connection: those where that fails have broken. Exit code 1 when one of syncws has.
"""

import argparse
import gc
import json
import os
import pathlib
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import websocket
import websockets.sync.client
from peers import versions
from report import save, show

import syncws

HEADING = ["for each connection", "threads", "descriptors", "KiB", "CPU, ppm", "opening, ms", "broken of all"]
ROOT = pathlib.Path(__file__).parent.parent
LIMIT = 60.0
# Sockets, and what a client needs to wake its threads.
_DESCRIPTORS_EACH = 8

Check = Callable[[], bool]
"""Echoes a message over one connection; returns whether that went well."""


def _open_syncws(uri: str) -> Check:
    socket = syncws.connect(uri, timeout=LIMIT)

    def check() -> bool:
        socket.send("still there?")
        return socket.receive(LIMIT) == "still there?"

    return check


def _open_syncws_events(uri: str) -> Check:
    has_come = threading.Event()
    socket = syncws.MessageWebSocket()
    socket.add_message_received(lambda _, args: has_come.set() if args.text == "still there?" else None)
    socket.connect(uri, timeout=LIMIT)

    def check() -> bool:
        socket.send("still there?")
        return has_come.wait(LIMIT)

    return check


def _compressing(options: syncws.Deflate | None) -> Callable[[str], Check]:
    """Return what opens a connection on which a message has gone and come."""

    def open_it(uri: str) -> Check:
        socket = syncws.connect(uri, timeout=LIMIT, compression=options)
        document = json.dumps([{"id": number, "name": f"user{number}"} for number in range(110)])

        def check() -> bool:
            socket.send(document)
            return socket.receive(LIMIT) == document

        if not check():
            raise ConnectionError("the document did not come back")
        return check

    return open_it


def _open_websockets(uri: str) -> Check:
    connection = websockets.sync.client.connect(uri, proxy=None).__enter__()

    def check() -> bool:
        connection.send("still there?")
        return connection.recv(LIMIT) == "still there?"

    return check


def _open_websocket_client(uri: str) -> Check:
    connection = websocket.create_connection(uri, timeout=LIMIT)

    def check() -> bool:
        connection.send("still there?")
        return bool(connection.recv() == "still there?")

    return check


def _open_websocket_app(uri: str) -> Check:
    is_open, has_come = threading.Event(), threading.Event()
    app = websocket.WebSocketApp(
        uri, on_open=lambda _: is_open.set(), on_message=lambda _, message: has_come.set() if message else None
    )
    options = {"ping_interval": 20, "ping_timeout": 10}
    threading.Thread(target=app.run_forever, kwargs=options, daemon=True).start()
    if not is_open.wait(LIMIT):
        raise TimeoutError("WebSocketApp did not connect")

    def check() -> bool:
        app.send("still there?")
        return has_come.wait(LIMIT)

    return check


CLIENTS: dict[str, Callable[[str], Check]] = {
    "syncws": _open_syncws,
    "… with a handler": _open_syncws_events,
    "websockets": _open_websockets,
    "websocket-client": _open_websocket_client,
    "… WebSocketApp": _open_websocket_app,
}


COMPRESSIONS: dict[str, Callable[[str], Check]] = {
    "plain": _compressing(None),
    "Deflate()": _compressing(syncws.Deflate()),
    "12 bits each": _compressing(syncws.Deflate(client_max_window_bits=12, server_max_window_bits=12)),
    "no client takeover": _compressing(syncws.Deflate(client_context_takeover=False)),
    "no takeover": _compressing(syncws.Deflate(client_context_takeover=False, server_context_takeover=False)),
}


def _state() -> dict[str, float]:
    """Return this process's threads, descriptors and resident bytes."""
    gc.collect()
    pages = pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()
    return {
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "bytes": int(pages[1]) * os.sysconf("SC_PAGE_SIZE"),
    }


def measure_here(name: str, port: int, count: int, seconds: float) -> dict[str, float]:
    """Open the connections in this process, wait, and check them; return the figures for each connection."""
    uri = f"ws://127.0.0.1:{port}/"
    # The first connection imports what is imported late.
    open_it = (CLIENTS | COMPRESSIONS)[name]
    first = open_it(uri)
    before = _state()
    start = time.perf_counter()
    checks = [open_it(uri) for _ in range(count)]
    opening = time.perf_counter() - start
    after = _state()
    used = time.process_time()
    threading.Event().wait(seconds)
    used = time.process_time() - used
    figures = {key: (after[key] - before[key]) / count for key in before}
    broken = sum(not _is_alive(check) for check in (first, *checks))
    return figures | {"opening": opening / count, "cpu": used / count / seconds, "broken": broken}


def _is_alive(check: Check) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001 - of any library; what breaks a connection is not the question
        return False


def measure(name: str, count: int, seconds: float) -> dict[str, Any]:
    """Measure a client in a process of its own, against a server in another."""
    server = subprocess.Popen(
        [sys.executable, "-m", "compliance.echo_server"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        command = [sys.executable, __file__, "--client", name, "--port", str(port)]
        command += ["--connections", str(count), "--seconds", str(seconds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds + 10 * LIMIT, check=True)
        figures: dict[str, Any] = json.loads(done.stdout)
        return figures
    finally:
        server.stdin.close()
        server.wait(LIMIT)
        server.stdout.close()


def raise_descriptor_limit(count: int) -> int:
    """Let this process, and those it starts, open that many descriptors, as far as it may; return how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def main() -> int:
    """Measure each client and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60, help="for which nothing is sent (default 60)")
    parser.add_argument("--compression", action="store_true", help="syncws alone, with compression and without")
    parser.add_argument("--write", type=pathlib.Path, help="the folder for the table")
    parser.add_argument("--client", choices=CLIENTS | COMPRESSIONS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client is not None:
        print(json.dumps(measure_here(options.client, options.port, options.connections, options.seconds)), flush=True)
        # Not by closing a thousand connections, each with its library's patience.
        os._exit(0)
    if options.write and options.compression:
        parser.error("--write has no place for the table of --compression: leave one of them out")
    count = min(options.connections, raise_descriptor_limit(options.connections * _DESCRIPTORS_EACH) // 6)
    said = f"{count:,} connections, idle for {options.seconds:g} s"
    print(said)
    show(HEADING, 20, 14)
    exit_code = 0
    rows = []
    for name in COMPRESSIONS if options.compression else CLIENTS:
        got = measure(name, count, options.seconds)
        figures = (got["threads"], got["descriptors"], got["bytes"] / 1024, got["cpu"] * 1e6, got["opening"] * 1e3)
        rows.append([name, *(f"{figure:.2f}" for figure in figures), str(got["broken"])])
        show(rows[-1], 20, 14)
        if (CLIENTS.get(name) in (_open_syncws, _open_syncws_events) or options.compression) and got["broken"]:
            exit_code = 1
    if options.write:
        missing = ["curl_cffi", "aiohttp", "picows"]
        save(options.write / "idle-figures.md", f"{said}; {versions(missing)}", HEADING, rows)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
