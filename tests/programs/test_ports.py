"""Programs of the peers, and the same with syncws: they print the same, and are as long but for two lines."""

import json
import pathlib
import subprocess
import sys
import time

import pytest
from support import LIMIT, echo, running_server
from websockets.exceptions import ConnectionClosed

ROOT = pathlib.Path(__file__).parents[2]
PORTS = ROOT / "examples" / "ports"
PAGE = (ROOT / "docs" / "ports.md").read_text(encoding="utf-8")


def restarted(*conversations):
    """Return a server's handler that has a conversation for each connection."""
    waiting = iter(conversations)

    def handler(connection):
        try:
            next(waiting)(connection)
        except ConnectionClosed:
            pass  # The client was the first.

    return handler


def sends(*messages):
    def conversation(connection):
        for message in messages:
            connection.send(message)
        if messages[-1] == "bye":
            connection.recv()
        connection.close(1012, "restart")

    return conversation


def drops(conversation):
    """Return a conversation that ends without a Close frame."""

    def drop(connection):
        conversation(connection)
        connection.socket.shutdown(2)

    return drop


def trades(*prices, is_last):
    def conversation(connection):
        assert json.loads(connection.recv()) == {"subscribe": "trades"}
        for price in prices:
            connection.send(json.dumps({"price": price, "last": is_last and price == prices[-1]}))
        if is_last:
            connection.recv()
        connection.socket.shutdown(2)

    return conversation


def shows_request(connection):
    headers = connection.request.headers
    names = ("X-Name", "Origin", "Cookie", "Sec-WebSocket-Protocol")
    connection.send(" ".join(headers[name] for name in names))
    for _ in connection:
        pass


def until_end(connection):
    for message in connection:
        connection.send(message)
        if message == "end":
            connection.close()


def only_messages(connection):
    for message in ("one", "two"):
        connection.send(message)
    connection.socket.shutdown(2)


# For each port: the program that it stands for, a server, what comes on stdin, what both print.
PAIRS = {
    "short": (
        "short_websocket_client",
        lambda: echo,
        "",
        "Sending 'Hello, World!'\nReceiving\nReceived 'Hello, World!'\n",
    ),
    "app": (
        "app_websocket_client",
        lambda: restarted(only_messages, sends("three", "bye")),
        "",
        "opened\none\ntwo\nclosed\nerror\nopened\nthree\nbye\nclosed\n",
    ),
    "options": ("options_websocket_client", lambda: shows_request, "", "value https://example.com session=1 chat\n"),
    "hello": ("hello_websockets", lambda: echo, "Ada\n", "What's your name? >>> Ada\n<<< Ada\n"),
    "patterns": ("patterns_websockets", lambda: until_end, "", "consumed one\nconsumed two\nconsumed end\n"),
    "ticker": (
        "ticker_websockets",
        lambda: restarted(trades(1, 2, is_last=False), trades(3, is_last=True)),
        "",
        "1\n2\n3\n",
    ),
    "ticker_with_events": (
        "ticker_with_events_websocket_client",
        lambda: restarted(trades(1, 2, is_last=False), trades(3, is_last=True)),
        "",
        "1\n2\n3\n",
    ),
}
# What the peer's own order of events is, where it is another one.
OTHERWISE = {"app_websocket_client": "opened\none\ntwo\nerror\nopened\nthree\nbye\nclosed\n"}


def source(name):
    return (PORTS / f"{name}.py").read_text(encoding="utf-8")


def output(name, make_handler, given):
    options = {"subprotocols": ["chat"]} if name.startswith("options") else {}
    with running_server(make_handler(), **options) as uri:
        done = subprocess.run(
            [sys.executable, "-c", source(name).replace("ws://localhost:8765/", uri)],
            cwd=ROOT,
            input=given,
            capture_output=True,
            text=True,
            timeout=2 * LIMIT,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PAIRS)
def test_the_port_prints_what_the_original_prints(name):
    original, make_handler, given, expected = PAIRS[name]
    assert output(name, make_handler, given) == expected
    assert output(original, make_handler, given) == OTHERWISE.get(original, expected)


@pytest.mark.parametrize("name", PAIRS)
def test_the_port_is_no_more_than_two_lines_longer(name):
    def lines(program):
        return len([line for line in source(program).splitlines() if line.strip()])

    assert lines(name) <= lines(PAIRS[name][0]) + 2


def test_the_port_of_run_forever_takes_ten_lines_besides_its_handler():
    lines = [line for line in source("app").splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith((" ", "def"))]) <= 10


def test_every_program_is_run_here_and_stands_in_the_docs():
    programs = {path.stem for path in PORTS.glob("*.py")}
    assert programs == set(PAIRS) | {pair[0] for pair in PAIRS.values()}
    assert all(f"../examples/ports/{name}.py" in PAGE for name in programs)


def run_three_lines(lines, *options):
    with running_server(echo) as uri:
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, *options, "-c", lines.format(uri=uri)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        seconds = time.monotonic() - start
    assert (done.returncode, done.stdout) == (0, "Hello, World!\n"), done.stderr
    # Ends by itself: no wait for the server, and none for a thread.
    assert seconds < LIMIT / 2
    return done.stderr


def test_a_script_of_three_lines_ends_without_a_word():
    lines = (
        "import syncws\n"
        "with syncws.connect({uri!r}) as socket:\n"
        "    socket.send('Hello, World!'); print(socket.receive())\n"
    )
    assert run_three_lines(lines, "-W", "error") == ""


def test_without_with_it_ends_as_well_and_warns_when_it_wants_to_know():
    lines = "import syncws; socket = syncws.connect({uri!r})\nsocket.send('Hello, World!')\nprint(socket.receive())\n"
    assert run_three_lines(lines) == ""
    assert "ResourceWarning: connections that were open when the program ended: 1" in run_three_lines(
        lines, "-W", "always::ResourceWarning"
    )
