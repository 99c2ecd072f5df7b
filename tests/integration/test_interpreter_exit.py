"""What happens to a connection when its program ends: nothing that anybody has to wait for, or to read on stderr."""

import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from support import LIMIT, handshake, read_to_end, scripted_server, server_frame, wait

ROOT = Path(__file__).parents[2]

SCRIPTS = {
    "an idle connection": """
        socket = syncws.connect(uri)
        """,
    "an idle connection with handlers": """
        socket = syncws.MessageWebSocket()
        socket.message_received += lambda *_: None
        socket.closed += lambda *_: None
        socket.connect(uri)
        """,
    "a handler that runs": """
        inside = threading.Event()
        socket = syncws.MessageWebSocket()

        def handler(*_):
            inside.set()
            threading.Event().wait()

        socket.message_received += handler
        socket.connect(uri)
        assert inside.wait(30)
        """,
    "a handler that has been slow": """
        import syncws.threads.delivery
        syncws.threads.delivery._PATIENCE_SECONDS = syncws.threads.delivery._LOOK_SECONDS = 0.0
        socket = syncws.MessageWebSocket()
        socket.message_received += lambda *_: threading.Event().wait()
        socket.connect(uri)
        while socket._session.dispatcher is None:
            pass
        """,
    "keep-alive": """
        socket = syncws.MessageWebSocket()
        socket.control.keep_alive_interval = 0.01
        socket.connect(uri)
        while not socket._session.pings._sent:
            pass
        """,
    "a send that is stuck": """
        socket = syncws.connect(uri)
        threading.Thread(target=socket.send, args=(bytes(1 << 24),), daemon=True).start()
        while socket._session.outbox._waker is None:
            pass
        """,
    "a close that is not answered": """
        socket = syncws.MessageWebSocket()
        socket.control.close_timeout = 0.1
        socket.connect(uri)
        socket.close()
        """,
    "a close that is not answered, on another thread": """
        socket = syncws.connect(uri)
        threading.Thread(target=socket.close, daemon=True).start()
        while not socket._session.is_discarding:
            pass
        """,
    "a receive on another thread": """
        socket = syncws.connect(uri)
        threading.Thread(target=socket.receive, args=(None,), daemon=True).start()
        """,
    "a connection in a cycle": """
        class Holder:
            pass

        holder = Holder()
        holder.me = holder
        holder.socket = syncws.connect(uri)
        """,
    "an aborted connection": """
        socket = syncws.connect(uri)
        socket.abort()
        """,
}


def run(script, uri, *options):
    program = "import sys, threading, syncws\nuri = sys.argv[1]\n" + textwrap.dedent(script)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, *options, "-c", program, uri], cwd=ROOT, capture_output=True, timeout=LIMIT, check=False
    )
    assert time.monotonic() - start < LIMIT / 2
    return done


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_program_ends_with(script):
    left = threading.Event()

    def serve(connection):
        handshake(connection, behind=server_frame(1, b"hello"))
        wait(left)

    with scripted_server(serve) as uri:
        try:
            done = run(script, uri)
        finally:
            left.set()
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_a_program_that_dropped_its_socket_warns_when_it_wants_to_know():
    with scripted_server(lambda connection: (handshake(connection), read_to_end(connection))) as uri:
        done = run("socket = syncws.connect(uri)\ndel socket\n", uri, "-W", "always::ResourceWarning")
    assert done.returncode == 0
    assert "ResourceWarning: a MessageWebSocket connected to ws://" in done.stderr.decode()


def test_a_program_that_dropped_its_socket_tells_the_server():
    frames = []

    def serve(connection):
        handshake(connection)
        frames.append(read_to_end(connection))

    with scripted_server(serve) as uri:
        script = "socket = syncws.connect(uri)\nreader = socket._session.reader\ndel socket\nreader.join(5)\n"
        done = run(script, uri)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert frames[0][0] == 0x88
