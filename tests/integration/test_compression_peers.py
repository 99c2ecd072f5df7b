"""permessage-deflate with three servers that others have written: `websockets`, Node's `ws` and aiohttp.

The package `ws` must be where Node finds it, which NODE_PATH may say; CI has it.
"""

import contextlib
import itertools
import json
import random
import shutil
import subprocess
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import LIMIT, echo, wait
from support.deflate import MESSAGES, ROWS, compressing, exchange

import syncws
from syncws import Deflate

BITS = [8, 9, 12, 15]


@pytest.mark.parametrize("flags", [*itertools.product([False, True], repeat=4)])
def test_all_parameters_with_the_server_of_websockets(flags):
    own = dict(zip(["client_context_takeover", "server_context_takeover"], flags[:2], strict=True))
    theirs = dict(zip(["client_no_context_takeover", "server_no_context_takeover"], flags[2:], strict=True))
    messages = MESSAGES[:13]
    for client_bits in BITS:
        with compressing(**theirs, client_max_window_bits=client_bits)(echo) as uri:
            for wanted, server_bits in itertools.product([8, 11, 15], [9, 15]):
                statistics = exchange(
                    uri, messages, client_max_window_bits=wanted, server_max_window_bits=server_bits, **own
                )
                assert statistics.client_max_window_bits == min(wanted, client_bits)
                assert statistics.server_max_window_bits == server_bits
                assert statistics.client_context_takeover is (
                    own["client_context_takeover"] and not theirs["client_no_context_takeover"]
                )
                assert statistics.server_context_takeover is (
                    own["server_context_takeover"] and not theirs["server_no_context_takeover"]
                )


bits = st.integers(8, 15)
some_messages = st.lists(
    st.one_of(
        st.text(max_size=300),
        st.binary(max_size=300),
        st.sampled_from([json.dumps(ROWS[:40]), json.dumps(ROWS), b"\x00" * 100_000]),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {
            "client_max_window_bits": bits,
            "client_context_takeover": st.booleans(),
            # The compressor of `websockets` is zlib's, which has no window of 8 bits.
            "server_max_window_bits": bits.filter(lambda number: number > 8),
            "server_context_takeover": st.booleans(),
            "level": st.integers(0, 9),
            "memory_level": st.integers(1, 9),
        }
    ),
    st.fixed_dictionaries(
        {
            "client_max_window_bits": bits,
            "client_no_context_takeover": st.booleans(),
            "server_no_context_takeover": st.booleans(),
        }
    ),
    some_messages,
)
def test_any_messages_with_any_parameters_come_back_from_the_server_of_websockets(own, theirs, messages):
    with compressing(**theirs)(echo, max_size=None) as uri:
        statistics = exchange(uri, messages, **own)
    sizes = [len(message.encode() if isinstance(message, str) else message) for message in messages]
    assert statistics.bytes_to_compress == statistics.bytes_inflated == 2 * sum(sizes)


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("memory_level", [1, 9])
def test_all_messages_with_the_server_of_websockets(level, memory_level):
    with compressing(client_max_window_bits=15)(echo) as uri:
        statistics = exchange(uri, level=level, memory_level=memory_level)
    total = 2 * sum(len(message.encode() if isinstance(message, str) else message) for message in MESSAGES)
    assert statistics.bytes_to_compress == statistics.bytes_inflated == total


# As the public conformance suite has it: the server sends, the client sends back what came (its groups 12 and 13).

SIZES = [0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]
FRAGMENTS = [256, 1024, 4096, 32768]
SUBSTANCES = [
    (json.dumps(ROWS) * 10)[:131072],
    json.dumps(ROWS).encode() * 10,
    random.Random(12).randbytes(131072),
]


def whole_and_in_fragments():
    """Yield messages, and those in pieces, as `send` of a server takes them."""
    for substance in SUBSTANCES:
        for size in SIZES:
            yield substance[:size]
        for size in FRAGMENTS:
            yield [substance[start : start + size] for start in range(0, 131072, size)]


@pytest.mark.parametrize("no_takeover", [False, True])
@pytest.mark.parametrize("window_bits", [None, 9, 15])
def test_what_a_server_sends_is_sent_back(no_takeover, window_bits):
    sent, errors = [], []

    def handler(connection):
        try:
            for message in whole_and_in_fragments():
                connection.send(message)
                whole = message if isinstance(message, str | bytes) else message[0][:0].join(message)
                assert connection.recv() == whole
                sent.append(whole)
        except BaseException as exc:
            errors.append(exc)
            raise

    asked = (
        {} if window_bits is None else {"client_max_window_bits": window_bits, "server_max_window_bits": window_bits}
    )
    server = compressing(client_no_context_takeover=no_takeover, server_no_context_takeover=no_takeover, **asked)
    # Of what the server may ask for, all was offered.
    with server(handler, max_size=None) as uri, syncws.connect(uri, compression=Deflate(minimum_size=0)) as socket:
        for message in socket:
            socket.send(message)
        statistics = socket.information.compression
    assert not errors
    assert len(sent) == len(list(whole_and_in_fragments()))
    assert statistics.bytes_inflated == statistics.bytes_to_compress
    assert (statistics.client_context_takeover, statistics.server_context_takeover) == (not no_takeover,) * 2
    assert statistics.client_max_window_bits == statistics.server_max_window_bits == (window_bits or 15)


# Other servers, where they are there.


NODE_SERVER = """
const { WebSocketServer } = require('ws');
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 0, perMessageDeflate: {
  threshold: 0, ...JSON.parse(process.argv[1]) } });
server.on('listening', () => console.log(server.address().port));
server.on('connection', s => s.on('message', (data, isBinary) => s.send(data, { binary: isBinary })));
"""


def has_ws():
    """Tell whether Node finds the package ws."""
    node = shutil.which("node")
    return node is not None and not subprocess.run([node, "-e", "require('ws')"], capture_output=True).returncode


@pytest.mark.skipif(not has_ws(), reason="Node or its package ws is not there")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"serverNoContextTakeover": True, "clientNoContextTakeover": True},
        {"serverMaxWindowBits": 9, "clientMaxWindowBits": 9},
        {"clientMaxWindowBits": 8, "serverMaxWindowBits": 10, "serverNoContextTakeover": True},
    ],
)
def test_with_the_server_of_node(options):
    with subprocess.Popen(
        ["node", "-e", NODE_SERVER, json.dumps(options)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            uri = f"ws://127.0.0.1:{int(process.stdout.readline())}/"
            # It refuses the whole handshake when it is offered less than it was told to use.
            least_client, least_server = options.get("clientMaxWindowBits", 8), options.get("serverMaxWindowBits", 9)
            for own in itertools.product([8, 12, 15], [True, False], [9, 15], [True, False]):
                if own[0] < least_client or own[2] < least_server:
                    continue
                names = ["client_max_window_bits", "client_context_takeover"]
                names += ["server_max_window_bits", "server_context_takeover"]
                statistics = exchange(uri, **dict(zip(names, own, strict=True)))
                assert statistics.client_max_window_bits <= options.get("clientMaxWindowBits", 15)
                assert statistics.bytes_to_inflate < statistics.bytes_inflated
        finally:
            process.terminate()


@contextlib.contextmanager
def aiohttp_server():
    """Run an echo server of aiohttp, which compresses; gives its URI."""
    import asyncio

    from aiohttp import WSMsgType, web

    async def handle(request):
        socket = web.WebSocketResponse(max_msg_size=0, compress=True)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket

    ports, ready, loop = [], threading.Event(), asyncio.new_event_loop()

    async def serve():
        application = web.Application()
        application.router.add_get("/", handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(runner.addresses[0][1])
        end = asyncio.Event()
        ports.append(end)
        ready.set()
        await end.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(serve()), loop.close()))
    thread.start()
    try:
        wait(ready)
        yield f"ws://127.0.0.1:{ports[0]}/"
    finally:
        loop.call_soon_threadsafe(ports[1].set)
        thread.join(LIMIT)


def test_with_the_server_of_aiohttp():
    pytest.importorskip("aiohttp")
    with aiohttp_server() as uri:
        for own in itertools.product([9, 15], [True, False], [9, 15], [True, False]):
            names = ["client_max_window_bits", "client_context_takeover"]
            names += ["server_max_window_bits", "server_context_takeover"]
            exchange(uri, **dict(zip(names, own, strict=True)))
