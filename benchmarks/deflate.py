"""Compressed messages: syncws next to websockets, and aiohttp and picows where they are installed.

    python benchmarks/deflate.py [--clients NAMES] [--rounds N] [--quick] [--cpu] [--write docs]

Each client sends a JSON document, compressed, and receives another, compressed, in turn; each document differs from the
one before it as rows of a table do. The server is a process of its own that decodes nothing: what it sends was
compressed before, and it counts the bytes that come. It answers each offer as a server of websockets does by default:
windows of 12 bits both ways. The table shows the time of one exchange in the best round, for other programs only add to
it, and the bytes of payload that one message of the client's took on the wire. syncws and websockets compress at level
6, aiohttp and picows at their own. `--write` puts the table into compression-figures.md in a folder.

All traffic stays on loopback. Only ratios mean anything; the times are one machine's on one day.
"""

import argparse
import asyncio
import base64
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import multiprocessing
import multiprocessing.connection
import platform
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import websockets.sync.client

import syncws

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LIMIT = 60.0
clock = time.perf_counter
ROWS = [(size, has_takeover) for has_takeover in (True, False) for size in (200, 1000, 100_000)]
COUNTS = {200: 600, 1000: 600, 100_000: 12}


@functools.cache
def documents(size: int, count: int) -> list[str]:
    """Return JSON documents of `size` bytes."""
    chance = random.Random(size)
    made = []
    for number in range(count):
        rows: list[str] = []
        while sum(map(len, rows)) + 2 * len(rows) < size - 100:
            name = chance.choice(("temperature", "pressure", "humidity", "voltage"))
            row = {"sensor": name, "id": chance.randrange(10**6), "value": chance.random() * 100, "n": number}
            rows.append(json.dumps(row))
        made.append(f"[{', '.join(rows)}]".ljust(size))
    return made


# The server.


@functools.cache
def _frames(size: int, number: int, has_takeover: bool) -> list[bytes]:
    frames = []
    engine = zlib.compressobj(6, zlib.DEFLATED, -12)
    for text in documents(size, number):
        if not has_takeover:
            engine = zlib.compressobj(6, zlib.DEFLATED, -12)
        payload = (engine.compress(text.encode()) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]
        frames.append(_header(0xC1, len(payload)) + payload)
    return frames


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    return (
        bytes((first, 126)) + length.to_bytes(2, "big")
        if length < 65536
        else bytes((first, 127)) + length.to_bytes(8, "big")
    )


def _answer(connection: socket.socket) -> None:
    stream = connection.makefile("rb")
    target = stream.readline().split()[1].decode()
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    query = {name: int(values[0]) for name, values in parse_qs(urlsplit(target).query).items()}
    accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest())
    extension = b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    if not query["takeover"]:
        extension += b"; server_no_context_takeover; client_no_context_takeover"
    frames = _frames(query["size"], query["count"], bool(query["takeover"]))
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\nSec-WebSocket-Extensions: "
        + extension
        + b"\r\n\r\n"
    )
    count = 0
    for frame in frames:
        is_final = False
        while not is_final:
            first, second = stream.read(2)
            length = second & 0x7F
            if length > 125:
                length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
            stream.read(4 + length)
            count += length
            is_final = first >= 0x80
        connection.sendall(frame)
    total = str(count).encode()
    connection.sendall(_header(0x81, len(total)) + total)
    # A Close frame is answered as it is: with the end.
    with contextlib.suppress(OSError):
        if stream.read(2):
            connection.sendall(b"\x88\x00")
    stream.close()
    connection.close()


def _serve(pipe: multiprocessing.connection.Connection) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


# The clients: each returns the seconds that it took, and the bytes that the server has counted.

Figures = tuple[float, float]


def _syncws(uri: str, texts: list[str], has_takeover: bool) -> Figures:
    with syncws.connect(uri, compression=True, proxy="") as ws:
        start = clock()
        for text in texts:
            ws.send(text)
            assert ws.receive() == text
        elapsed = clock() - start
        total = int(ws.receive())
        ws.abort()
        return elapsed, total


def _syncws_events(uri: str, texts: list[str], has_takeover: bool) -> Figures:
    left = iter(texts)
    expected = next(left)
    done = threading.Event()
    totals: list[str] = []

    def received(sender: syncws.MessageWebSocket, args: syncws.MessageWebSocketMessageReceivedEventArgs) -> None:
        nonlocal expected
        text = args.text
        assert text is not None
        if text == expected:
            following = next(left, None)
            if following is not None:
                expected = following
                sender.send(following)
                return
            totals.append(str(clock()))
            return
        totals.append(text)
        done.set()

    ws = syncws.MessageWebSocket()
    ws.control.compression = True
    ws.control.proxy = ""
    ws.add_message_received(received)
    ws.connect(uri)
    start = clock()
    ws.send(expected)
    assert done.wait(LIMIT)
    ws.abort()
    return float(totals[0]) - start, int(totals[1])


def _websockets(uri: str, texts: list[str], has_takeover: bool) -> Figures:
    with websockets.sync.client.connect(uri, proxy=None, max_size=None, ping_interval=None) as ws:
        return _pull(ws, texts)


def _pull(ws: websockets.sync.client.ClientConnection, texts: list[str]) -> Figures:
    start = clock()
    for text in texts:
        ws.send(text)
        assert ws.recv() == text
    elapsed = clock() - start
    total = int(ws.recv())
    ws.close_socket()
    return elapsed, total


def _aiohttp(uri: str, texts: list[str], has_takeover: bool) -> Figures:
    import aiohttp

    async def body() -> Figures:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(uri, compress=15, max_msg_size=0) as ws,
        ):
            start = clock()
            for text in texts:
                await ws.send_str(text)
                assert (await ws.receive()).data == text
            elapsed = clock() - start
            total = int((await ws.receive()).data)
            return elapsed, total

    return asyncio.run(body())


def _picows(uri: str, texts: list[str], has_takeover: bool) -> Figures:
    from picows.websockets.asyncio.client import connect

    async def body() -> Figures:
        async with connect(uri, max_size=None, ping_interval=None, proxy=None, close_timeout=0) as ws:
            start = clock()
            for text in texts:
                await ws.send(text)
                assert await ws.recv() == text
            elapsed = clock() - start
            total = int(await ws.recv())
            return elapsed, total

    return asyncio.run(body())


CLIENTS: dict[str, Callable[[str, list[str], bool], Figures]] = {
    "syncws": _syncws,
    "syncws events": _syncws_events,
    "websockets": _websockets,
    "aiohttp": _aiohttp,
    "picows": _picows,
}


def clients_there() -> list[str]:
    """Return the names of the clients that are installed."""
    return [name for name in CLIENTS if name not in ("aiohttp", "picows") or importlib.util.find_spec(name)]


def measure(port: int, names: list[str], rounds: int, shrink: int) -> list[tuple[str, dict[str, Figures]]]:
    """Run every row with the clients of these names; print the table, and return it."""
    table = []
    print(f"{'microseconds / bytes sent':28}" + "".join(f"{name:>18}" for name in names))
    for size, has_takeover in ROWS:
        count = max(2, COUNTS[size] // shrink)
        texts = documents(size, count)
        uri = f"ws://127.0.0.1:{port}/?size={size}&count={count}&takeover={int(has_takeover)}"
        # Of a client's rounds all send the same bytes: the least pair is that of the best time.
        best = {name: (float("inf"), 0.0) for name in names}
        for _ in range(rounds):
            for name in names:
                seconds, total = CLIENTS[name](uri, texts, has_takeover)
                best[name] = min(best[name], (seconds / count * 1e6, total / count))
        row = f"JSON {size:,} B, takeover {'on' if has_takeover else 'off'}"
        print(f"{row:28}" + "".join(f"{us:9.1f}/{size:8.1f}" for us, size in best.values()), flush=True)
        table.append((row, best))
    return table


def write(folder: Path, what: str, table: list[tuple[str, dict[str, Figures]]]) -> None:
    """Write the table as `compression-figures.md` into the folder."""
    names = list(table[0][1])
    peers = [name for name in names if not name.startswith("syncws")]
    versions = [f"syncws {syncws.__version__}", *(f"{name} {importlib.metadata.version(name)}" for name in peers)]
    if importlib.util.find_spec("zlib_ng"):
        versions.append(f"zlib-ng {importlib.metadata.version('zlib-ng')}")
    form = "with" if syncws.accelerated else "without"
    lines = [
        f"{', '.join(versions)}, zlib {zlib.ZLIB_RUNTIME_VERSION}; syncws {form} its compiled part; "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}. {what}.",
        "",
        f"| exchange of | {' | '.join(names)} | syncws / websockets |",
        f"| --- |{' ---: |' * (len(names) + 1)}",
    ]
    for row, best in table:
        cells = [f"{us:,.1f} µs, {size:,.1f} B" for us, size in best.values()]
        lines.append(f"| {row} | {' | '.join(cells)} | {best['syncws'][0] / best['websockets'][0]:.2f} |")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compression-figures.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Start the server, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15, help="rounds, of which the best counts (default 15)")
    parser.add_argument("--quick", action="store_true", help="one round with a tenth of the work, to see that it runs")
    parser.add_argument("--cpu", action="store_true", help="the client's CPU time, which other programs alter less")
    parser.add_argument("--clients", default=",".join(clients_there()), help="names, with commas (default: all there)")
    parser.add_argument("--write", type=Path, help="the folder for the table")
    arguments = parser.parse_args()
    if arguments.cpu:
        global clock
        clock = time.process_time
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        rounds, shrink = (1, 10) if arguments.quick else (arguments.rounds, 1)
        table = measure(here.recv(), arguments.clients.split(","), rounds, shrink)
        if arguments.write:
            what = "Processor time of the client's process" if arguments.cpu else "Time by the clock"
            write(arguments.write, what, table)
    finally:
        server.terminate()
        server.join(LIMIT)


if __name__ == "__main__":
    main()
