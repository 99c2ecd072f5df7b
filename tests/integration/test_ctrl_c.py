"""Ctrl-C in every call that waits: KeyboardInterrupt at once, and what was not given out is still there."""

import contextlib
import textwrap
import threading

import pytest
from support import (
    black_hole,
    handshake,
    read_frame,
    read_request,
    read_to_end,
    scripted_server,
    server_frame,
    wait,
)
from support.calls import Call
from support.programs import SILENT_RESOLVER, assert_quiet, run
from support.scripts import BINARY, TEXT, connected, read_until_close, sends_and_ends

from syncws import CancellationTokenSource, IllegalMethodCallError

# The main thread calls; another one sends the signal as soon as the main thread waits, which shows by the functions
# that it is in: the library's, and the system's below it, for where there is no other socketpair() than Python's own,
# an interruption in its accept() loses a descriptor. The main thread looks itself: without a GIL no other may look at
# its frames.
INTERRUPTED = """
def interrupted(call, within=None):
    package = os.path.dirname(syncws.__file__)
    sent, waits = [], threading.Event()

    def look(frame, event, called):
        if event != "c_call" or called.__name__ not in ("acquire", "poll", "select"):
            return
        inside = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(package):
                inside.append(frame.f_code.co_name)
            frame = frame.f_back
        if inside and inside[0] in ("acquire_within", "wait", "wait_for_any", "wait_for_writable"):
            if within is None or within in inside:
                waits.set()

    def interrupt():
        is_there = waits.wait(30)
        sent.append(time.monotonic())
        press_ctrl_c()
        if not is_there:
            print("never waited where it should")

    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        sys.setprofile(look)
        call()
        print("not interrupted")
    except KeyboardInterrupt:
        seconds = time.monotonic() - sent[0]
        # Far below any limit of the library's own; a busy machine may take a moment.
        assert seconds < 5, seconds
    finally:
        sys.setprofile(None)
        thread.join()

"""

# Those of sockets and pipes; a lookup's thread may just be importing something.
DESCRIPTORS = """
def descriptors():
    kinds = []
    for number in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else []:
        try:
            kinds.append(os.readlink(f"/proc/self/fd/{number}").partition(":")[0])
        except OSError:
            pass  # It was the listing's own.
    return sorted(kind for kind in kinds if kind in ("socket", "pipe", "anon_inode"))

"""

# Name: the kind of server, and what the program does.
CALLS = {
    "receive": ("silent", "interrupted(lambda: socket.receive(None))"),
    "iteration": ("silent", "interrupted(lambda: next(iter(socket)))"),
    "wait_closed": ("silent", "interrupted(socket.wait_closed)"),
    "close": ("silent", "interrupted(socket.close)"),
    "send": ("silent", "interrupted(lambda: socket.send(bytes(1 << 25)))"),
    "store": (
        "silent",
        """
        writer = DataWriter(socket.output_stream)
        writer.write_bytes(bytes(1 << 25))
        interrupted(writer.store)
        """,
    ),
    "load": ("stream", "interrupted(lambda: DataReader(socket.input_stream).load(1))"),
    "read": ("stream", "interrupted(lambda: socket.input_stream.read(bytearray(1), 1))"),
    "a file's read": ("stream", "interrupted(lambda: socket.input_stream.as_file().read(1))"),
    "a file's readline": ("stream", "interrupted(socket.input_stream.as_file().readline)"),
}
OPEN = {
    "silent": "socket = MessageWebSocket()\nsocket.control.send_timeout = socket.control.close_timeout = None\n",
    "stream": "socket = StreamWebSocket()\nsocket.control.receive_timeout = None\n",
}


@pytest.mark.parametrize(("kind", "call"), CALLS.values(), ids=CALLS.keys())
def test_ctrl_c_ends_each_call_that_waits(kind, call, tls, authority_file):
    left = threading.Event()
    program = INTERRUPTED + OPEN[kind] + "socket.connect(uri)\n" + textwrap.dedent(call) + "\nsocket.abort()\n"
    with scripted_server(sends_and_ends(after=left), ssl_context=tls[0]) as uri:
        try:
            done = run(program, uri, authority=authority_file)
        finally:
            left.set()
    assert_quiet(done)
    assert done.stdout == ""


def answers_nothing(connection):
    read_request(connection)
    read_to_end(connection)


@contextlib.contextmanager
def black_hole_uri():
    with black_hole("127.0.0.1") as port:
        yield f"ws://127.0.0.1:{port}/"


# Name: the server, what the program does before, and the function of the library that it waits in.
PHASES = {
    "a name lookup": (
        lambda _: contextlib.nullcontext("ws://name.example/"),
        f"{SILENT_RESOLVER}socket.control.resolver = SilentResolver()\n",
        "look_up",
    ),
    "TCP": (lambda _: black_hole_uri(), "", "dial"),
    "TLS": (lambda _: scripted_server(read_to_end), "uri = uri.replace('ws:', 'wss:')", "handshake"),
    "HTTP": (lambda tls: scripted_server(answers_nothing), "", "ask"),
    "HTTP over TLS": (lambda tls: scripted_server(answers_nothing, ssl_context=tls), "", "ask"),
    "custom validation": (
        lambda tls: scripted_server(answers_nothing, ssl_context=tls),
        "kept = []\nsocket.server_custom_validation_requested += lambda _, args: kept.append(args.get_deferral())",
        "ask_about_server",
    ),
}


@pytest.mark.parametrize(("serve", "prepare", "within"), PHASES.values(), ids=PHASES.keys())
def test_ctrl_c_ends_a_connect_in(serve, prepare, within, server_tls, authority_file):
    program = (
        INTERRUPTED
        + DESCRIPTORS
        + "socket = MessageWebSocket()\n"
        + textwrap.dedent(prepare)
        + "\nbefore = descriptors()"
        + f"\ninterrupted(lambda: socket.connect(uri), {within!r})"
        + "\nassert 'NEW' in repr(socket)"
        + "\nassert descriptors() == before\n"
    )
    with serve(server_tls) as uri:
        done = run(program, uri, authority=authority_file)
    assert_quiet(done)
    assert done.stdout == ""


# What a call that is interrupted in its wait leaves for the next.
AGAIN = {
    "receive": ("silent", "socket.receive(None)"),
    "receive_args": ("silent", "socket.receive_args(None).get_data_reader().read_string(5)"),
    "iteration": ("silent", "next(messages)"),
    "load": ("stream", "(reader.load(5 - reader.unconsumed_buffer_length), reader.read_string(5))[1]"),
    "read": ("stream", "bytes(socket.input_stream.read(bytearray(5), 5)).decode()"),
    "a file's read": ("stream", "file.read(5).decode()"),
    "a file's readline": ("stream", "file.readline().decode().strip()"),
    "a file's readinto": ("stream", "(file.readinto(five), five.decode())[1]"),
}
PREPARE = {
    "silent": "messages = iter(socket)\n",
    "stream": "file = socket.input_stream.as_file()\nreader = DataReader(socket.input_stream)\nfive = bytearray(5)\n",
}


@pytest.mark.parametrize(("kind", "call"), AGAIN.values(), ids=AGAIN.keys())
def test_after_ctrl_c_the_next_call_gets_what_the_interrupted_one_waited_for(kind, call, tls, authority_file):
    """Of a stream three bytes have come when the wait is interrupted."""

    def serve(connection):
        handshake(connection)
        if kind == "stream":
            connection.sendall(server_frame(BINARY, b"hel"))
        read_frame(connection)
        connection.sendall(server_frame(TEXT, b"hello") if kind == "silent" else server_frame(BINARY, b"lo\n"))
        read_to_end(connection)

    program = (
        INTERRUPTED
        + OPEN[kind]
        + "socket.connect(uri)\n"
        + PREPARE[kind]
        + f"again = lambda: {call}\ninterrupted(again)\n"
        + "socket.output_stream.write(b'go on')\nprint(again())\nsocket.abort()\n"
    )
    with scripted_server(serve, ssl_context=tls[0]) as uri:
        done = run(program, uri, authority=authority_file)
    assert_quiet(done)
    assert done.stdout == "hello\n"


@pytest.mark.parametrize("token", [None, CancellationTokenSource().token], ids=["plain", "with a token"])
def test_a_handler_that_is_added_during_a_receive_gets_the_message_and_the_receive_is_refused(token):
    waits, received = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection)
        wait(waits)
        connection.sendall(server_frame(TEXT, b"one"))
        read_until_close(connection)

    with connected(script) as socket:
        receiving = Call(socket.receive, None, cancellation_token=token)
        while not socket._session.inbox.is_being_taken:
            pass
        socket.message_received += lambda _, args: received.set()
        with pytest.raises(IllegalMethodCallError):
            receiving.result()
        waits.set()
        wait(received)
