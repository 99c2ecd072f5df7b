"""What happens to a connection when its program ends: nothing that anybody has to wait for, or to read on stderr."""

import contextlib
import signal
import socket
import sys
import textwrap
import threading

import pytest
from support import LIMIT, echo, handshake, read_frame, read_to_end, running_server, scripted_server, server_frame, wait
from support.calls import Call
from support.programs import SILENT_RESOLVER, assert_quiet, run
from support.scripts import CLOSE, FIN, TEXT, read_until_close
from websockets.exceptions import ConnectionClosed

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
        import syncws._connection.receiving.delivery as delivery
        delivery._PATIENCE_SECONDS = delivery._LOOK_SECONDS = 0.0
        socket = syncws.MessageWebSocket()
        socket.message_received += lambda *_: threading.Event().wait()
        socket.connect(uri)
        while socket._session.dispatcher_thread is None:
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
        while socket._session.outbox._writer._waker is None:
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
        while not socket._session.closing.is_discarding:
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
    # Without a GIL any does that which a global variable holds.
    "a writer and a reader that outlive the library's modules": """
        os.kept = [module for name, module in sys.modules.items() if name.startswith("syncws")]
        socket = syncws.StreamWebSocket()
        socket.connect(uri)
        os.kept.append((syncws.DataWriter(socket.output_stream), syncws.DataReader(socket.input_stream)))
        """,
}


def with_time_to_close(seconds):
    """Return the beginning of a program that gives its servers so long to answer the Close frame at its end."""
    return f"import syncws._connection.at_exit\nsyncws._connection.at_exit._CLOSE_SECONDS = {seconds}\n"


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_program_ends_with(script, tls, authority_file):
    left = threading.Event()

    def serve(connection):
        handshake(connection, behind=server_frame(1, b"hello"))
        wait(left)

    with scripted_server(serve, ssl_context=tls[0]) as uri:
        try:
            done = run(with_time_to_close(0.2) + textwrap.dedent(script), uri, authority=authority_file)
        finally:
            left.set()
    assert_quiet(done)
    assert done.seconds < LIMIT / 3


# What a program that Ctrl-C has ended returns: STATUS_CONTROL_C_EXIT on Windows.
BY_CTRL_C = 0xC000013A if sys.platform == "win32" else -signal.SIGINT
ENDINGS = {
    "its last line": ("", 0, ""),
    "sys.exit": ("sys.exit(3)", 3, ""),
    "an exception": ("raise ValueError('of the program')", 1, "ValueError: of the program"),
    "Ctrl-C": ("signal.raise_signal(signal.SIGINT)", BY_CTRL_C, "KeyboardInterrupt"),
}
LISTENERS = {
    "a receive on a daemon thread": "threading.Thread(target=socket.receive, args=(None,), daemon=True).start()",
    "an iteration on a daemon thread": "threading.Thread(target=list, args=(socket,), daemon=True).start()",
    "handlers": "socket.message_received += print\nsocket.closed += print",
    "a daemon thread that sends all the time": """
def send():
    while True:
        socket.send("x")

threading.Thread(target=send, daemon=True).start()
""",
}


def answering(frames):
    """Return a script that notes the frames but data, and answers the Close."""

    def serve(connection):
        handshake(connection)
        frames.extend(frame for frame in read_until_close(connection) if frame[0] != FIN | TEXT)
        # The server's part (RFC 6455 7.1.1), for which the client would wait. Not an SSLSocket's own, after which it
        # would decrypt no more.
        socket.socket.shutdown(connection, socket.SHUT_WR)
        frames.append(read_to_end(connection))

    return serve


WAYS = {f"{name}, with nobody": ("", *ending) for name, ending in ENDINGS.items()} | {
    f"its last line, with {name}": (listener, *ENDINGS["its last line"]) for name, listener in LISTENERS.items()
}


# A busy machine's server may need longer than the usual time to read all that came before the Close. What happens when
# the time is over has tests of its own.
PATIENT = with_time_to_close(LIMIT / 2)


@pytest.mark.parametrize(("listener", "end", "code", "error"), WAYS.values(), ids=WAYS.keys())
def test_the_server_gets_1001_when_a_program_ends_by(listener, end, code, error, tls, authority_file):
    frames = []
    program = f"{PATIENT}socket = syncws.connect(uri)\n{listener}\n{end}\n"
    with scripted_server(answering(frames), ssl_context=tls[0]) as uri:
        done = run(program, uri, authority=authority_file)
    assert done.returncode == code
    # The program's own error, and nothing of ours.
    assert done.stderr.strip().endswith(error)
    assert done.stderr.count("Traceback") == bool(error)
    assert done.stdout == ""
    assert frames == [(FIN | CLOSE, b"\x03\xe9"), b""]


# Puts a stop-watch around what is done at the end.
MEASURED = """
import atexit
from syncws._connection import at_exit
atexit.unregister(at_exit.close_all)

def measured():
    start = time.monotonic()
    at_exit.close_all()
    print(time.monotonic() - start)

atexit.register(measured)
"""


def test_many_connections_are_closed_together(tls, authority_file):
    codes = []

    def serve(connection):
        with contextlib.suppress(ConnectionClosed):
            connection.recv()
        codes.append(connection.protocol.close_rcvd and connection.protocol.close_rcvd.code)

    program = MEASURED + "sockets = [syncws.connect(uri) for _ in range(40)]\n"
    with running_server(serve, ssl_context=tls[0]) as uri:
        done = run(program, uri, authority=authority_file)
    assert_quiet(done)
    assert codes == [1001] * 40


def test_servers_that_do_not_answer_cost_a_second_altogether_and_not_each(tls, authority_file):
    count = 10
    left = threading.Event()
    closed = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.ExitStack() as stack:
            connections = []
            for _ in range(count):
                connection = stack.enter_context(listener.accept()[0])
                connection.settimeout(LIMIT)
                if tls[0] is not None:
                    connection = stack.enter_context(tls[0].wrap_socket(connection, server_side=True))
                handshake(connection)
                connections.append(connection)
            closed.extend(read_frame(connection) for connection in connections)
            wait(left)

    server = Call(serve)
    scheme = "ws" if tls[0] is None else "wss"
    program = MEASURED + f"sockets = [syncws.connect(uri) for _ in range({count})]\n"
    try:
        done = run(program, f"{scheme}://localhost:{listener.getsockname()[1]}/", authority=authority_file)
    finally:
        left.set()
        listener.close()
    server.result()
    assert_quiet(done)
    assert closed == [(FIN | CLOSE, b"\x03\xe9")] * count
    # A second, and what a busy machine adds; one second for each would be ten.
    assert float(done.stdout) < count / 2


def test_the_close_frame_goes_out_although_the_reader_is_in_a_handler(tls, authority_file):
    frames = []

    def serve(connection):
        handshake(connection, behind=server_frame(TEXT, b"hello"))
        frames.append(read_frame(connection))

    program = SCRIPTS["a handler that runs"]
    with scripted_server(serve, ssl_context=tls[0]) as uri:
        assert_quiet(run(program, uri, authority=authority_file))
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_the_close_frame_goes_out_although_the_inbox_is_full(tls, authority_file):
    frames = []

    def serve(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"x" * 100) * 10)
        frames.extend(read_until_close(connection))

    program = """
        socket = MessageWebSocket()
        socket.control.inbox_size_in_bytes = 100
        socket.connect(uri)
        while not socket._session.inbox.is_full:
            pass
        """
    with scripted_server(serve, ssl_context=tls[0]) as uri:
        assert_quiet(run(program, uri, authority=authority_file))
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


def test_an_atexit_function_that_was_registered_before_gets_an_error_and_no_hang(tls, authority_file):
    frames = []
    program = """
        import atexit
        from syncws._connection import at_exit
        socket = syncws.connect(uri)

        def late():
            for call in (lambda: socket.send("late"), lambda: socket.receive(None), lambda: next(iter(socket))):
                try:
                    call()
                except ObjectClosedError as exc:
                    assert "the program ends" in str(exc), exc
                else:
                    print("no error")
            socket.close()

        # Last registered, first called.
        atexit.unregister(at_exit.close_all)
        atexit.register(late)
        atexit.register(at_exit.close_all)
        """
    with scripted_server(answering(frames), ssl_context=tls[0]) as uri:
        done = run(program, uri, authority=authority_file)
    assert_quiet(done)
    assert done.stdout == ""


def test_no_thread_of_the_library_is_none_but_a_daemon(tls, authority_file):
    program = """
        socket = syncws.connect(uri)
        looking = MessageWebSocket()
        looking.control.resolver = SilentResolver()
        connecting = threading.Thread(target=looking.connect, args=("ws://name.example/",), daemon=True)
        connecting.start()
        assert asked.wait(30)
        own = [thread for thread in threading.enumerate() if thread.name.startswith("syncws")]
        assert len(own) >= 2, own
        assert all(thread.daemon for thread in own), own
        """
    with scripted_server(answering([]), ssl_context=tls[0]) as uri:
        assert_quiet(run(SILENT_RESOLVER + textwrap.dedent(program), uri, authority=authority_file))


def test_a_program_that_dropped_its_socket_warns_when_it_wants_to_know():
    with scripted_server(lambda connection: (handshake(connection), read_to_end(connection))) as uri:
        done = run("socket = syncws.connect(uri)\ndel socket\n", uri, "-W", "always::ResourceWarning")
    assert done.returncode == 0
    assert "ResourceWarning: a MessageWebSocket connected to ws://" in done.stderr


def test_a_program_that_dropped_its_socket_tells_the_server():
    frames = []

    def serve(connection):
        handshake(connection)
        frames.append(read_to_end(connection))

    with scripted_server(serve) as uri:
        script = "socket = syncws.connect(uri)\nsession = socket._session\ndel socket\nsession.finished.wait(5)\n"
        done = run(script, uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert frames[0][0] == 0x88


def test_a_thread_that_the_program_waits_for_after_all_was_closed_ends_without_a_word(tls, authority_file):
    program = """
        import atexit
        from syncws._connection import at_exit

        def receive():
            while True:
                try:
                    socket.receive(0.01)
                except TimeoutError:
                    pass

        at_exit._QUIET_SECONDS = 0.0
        socket = syncws.connect(uri)
        thread = threading.Thread(target=receive, daemon=True)
        atexit.unregister(at_exit.close_all)
        # What is registered later runs earlier.
        atexit.register(thread.join)
        atexit.register(at_exit.close_all)
        thread.start()
        """
    with running_server(echo, ssl_context=tls[0]) as uri:
        assert_quiet(run(program, uri, authority=authority_file))
