"""Ctrl-C in every call that waits: KeyboardInterrupt at once, and what was not given out is still there."""

import contextlib
import json
import textwrap
import threading

import pytest
from support import LIMIT, black_hole, handshake, read_request, read_to_end, scripted_server, server_frame, wait
from support.fakes import interrupt_at
from support.programs import assert_quiet, run
from support.scripts import BINARY, TEXT, connected, read_until_close, round_trip, sends

from syncws import StreamWebSocket

# The main thread calls; another one sends the signal as soon as the main thread waits, which it sees by the function
# that it is in.
INTERRUPTED = """
def interrupted(call):
    main = threading.get_ident()
    sent = []

    def waits():
        frame = sys._current_frames()[main]
        while frame is not None and "syncws" not in frame.f_code.co_filename:
            frame = frame.f_back
        return frame is not None and frame.f_code.co_name in ("acquire_within", "select", "wait", "wait_with")

    def interrupt():
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up and not waits():
            pass
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        call()
        print("not interrupted")
    except KeyboardInterrupt:
        seconds = time.monotonic() - sent[0]
        assert seconds < 2, seconds
    finally:
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
def test_ctrl_c_ends(kind, call, tls, authority_file):
    left = threading.Event()

    def serve(connection):
        handshake(connection)
        wait(left)

    program = INTERRUPTED + OPEN[kind] + "socket.connect(uri)\n" + textwrap.dedent(call) + "\nsocket.abort()\n"
    with scripted_server(serve, ssl_context=tls[0]) as uri:
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


PHASES = {
    "a name lookup": (
        lambda _: contextlib.nullcontext("ws://name.example/"),
        """
        class Resolver:
            lifetime = 60
            def resolve(self, *_, **__):
                threading.Event().wait(60)
        socket.control.resolver = Resolver()
        """,
    ),
    "TCP": (lambda _: black_hole_uri(), ""),
    "TLS": (lambda _: scripted_server(read_to_end), "uri = uri.replace('ws:', 'wss:')"),
    "HTTP": (lambda tls: scripted_server(answers_nothing), ""),
    "HTTP over TLS": (lambda tls: scripted_server(answers_nothing, ssl_context=tls), ""),
    "custom validation": (
        lambda tls: scripted_server(answers_nothing, ssl_context=tls),
        "kept = []\nsocket.server_custom_validation_requested += lambda _, args: kept.append(args.get_deferral())",
    ),
}


@pytest.mark.parametrize(("serve", "prepare"), PHASES.values(), ids=PHASES.keys())
def test_ctrl_c_ends_a_connect_in(serve, prepare, server_tls, authority_file):
    program = (
        INTERRUPTED
        + DESCRIPTORS
        + "socket = MessageWebSocket()\n"
        + textwrap.dedent(prepare)
        + "\nbefore = descriptors()"
        + "\ninterrupted(lambda: socket.connect(uri))"
        + "\nassert 'NEW' in repr(socket)"
        + "\nassert descriptors() == before\n"
    )
    with serve(server_tls) as uri:
        done = run(program, uri, authority=authority_file)
    assert_quiet(done)
    assert done.stdout == ""


# A signal every tenth of a millisecond: wherever it comes in this library's code it interrupts.
STORM = """
import json
interruptions = 0

def interrupt(_, frame):
    global interruptions
    # Not a second one while the first is being dealt with.
    if "syncws" in frame.f_code.co_filename and sys.exc_info()[0] is not KeyboardInterrupt:
        interruptions += 1
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
given = []

def collect(take, is_enough):
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0001)
    try:
        while not is_enough():
            try:
                given.append(take())
            except KeyboardInterrupt:
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        # The system may have given the last signal to another thread, which tells this one when it next runs.
        signal.signal(signal.SIGALRM, lambda *_: None)
    assert interruptions

"""
COUNT = 3000
TAKES = {
    "receive": "collect(socket.receive, lambda: len(given) == 3000)",
    "receive_args": "collect(lambda: socket.receive_args(), lambda: len(given) == 3000)\n"
    "given = [args.get_data_reader().read_string(args.length) for args in given]",
    "iteration": "messages = iter(socket)\ncollect(lambda: next(messages), lambda: len(given) == 3000)",
}
posix_only = pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="needs setitimer")


@posix_only
@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES.keys())
def test_no_signal_loses_a_message_or_gives_it_twice(take, tls, authority_file):
    def serve(connection):
        handshake(connection)
        for number in range(COUNT):
            connection.sendall(server_frame(TEXT, b"%d" % number))
        read_to_end(connection)

    program = STORM + "socket = syncws.connect(uri)\n" + take + "\nprint(json.dumps(given))\nsocket.abort()\n"
    with scripted_server(serve, ssl_context=tls[0]) as uri:
        done = run(program, uri, authority=authority_file)
    assert_quiet(done)
    assert json.loads(done.stdout) == [str(number) for number in range(COUNT)]


NUMBERS = b"".join(b"%d\n" % number for number in range(COUNT))
STREAM = (
    STORM
    + "socket = StreamWebSocket()\nsocket.connect(uri)\nfile = socket.input_stream.as_file()\nfive = bytearray(5)\n"
    + f"size = {len(NUMBERS)}\nis_enough = lambda: sum(map(len, given)) == size\n"
)
# Five bytes at a time, so that there are calls enough to interrupt; the whole is a multiple of that.
STREAM_TAKES = {
    "a file's readline": "collect(file.readline, is_enough)",
    "a file's read": "collect(lambda: file.read(5), is_enough)",
    "a file's read1": "collect(lambda: file.read1(5), is_enough)",
    "a file's readinto": "collect(lambda: bytes(five[: file.readinto(five)]), is_enough)",
    "a file's readinto1": "collect(lambda: bytes(five[: file.readinto1(five)]), is_enough)",
    "read": "collect(lambda: (socket.input_stream.read(five, 5), bytes(five))[1], is_enough)",
    "load": "reader = DataReader(socket.input_stream)\n"
    "missing = lambda: size - reader.unconsumed_buffer_length\n"
    "collect(lambda: missing() and reader.load(5) and missing(), lambda: 0 in given)\n"
    "given = [reader.read_bytes(size)]",
}


@posix_only
@pytest.mark.parametrize("take", STREAM_TAKES.values(), ids=STREAM_TAKES.keys())
def test_no_signal_loses_a_byte_of_a_stream_or_gives_it_twice(take, tls, authority_file):
    def serve(connection):
        handshake(connection)
        for start in range(0, len(NUMBERS), 7):
            connection.sendall(server_frame(BINARY, NUMBERS[start : start + 7]))
        read_to_end(connection)

    program = STREAM + take + "\nprint(json.dumps([part.decode() for part in given]))\nsocket.abort()\n"
    with scripted_server(serve, ssl_context=tls[0]) as uri:
        done = run(program, uri, authority=authority_file)
    assert_quiet(done)
    assert "".join(json.loads(done.stdout)) == NUMBERS.decode()


@pytest.mark.parametrize("way", ["receive", "receive_args", "iteration"])
def test_an_interruption_at_any_line_of_a_receive_loses_no_message(way):
    count = 60
    frames = [server_frame(TEXT, b"%d" % number) for number in range(count)]
    with connected(sends(*frames)) as socket:
        messages = iter(socket)
        takes = {
            "receive": lambda: socket.receive(LIMIT),
            "receive_args": lambda: socket.receive_args(LIMIT),
            "iteration": lambda: next(messages),
        }
        given = []
        line = 0
        while interrupt_at(line, lambda: given.append(takes[way]())):
            line += 1
        assert line > 10
        while len(given) < count:
            given.append(takes[way]())
    if way == "receive_args":
        given = [args.get_data_reader().read_string(args.length) for args in given]
    assert given == [str(number) for number in range(count)]


def test_after_an_interruption_that_is_kept_another_thread_may_receive():
    with connected(sends(server_frame(TEXT, b"still there"))) as socket:
        kept = []
        try:
            interrupt_and_keep(socket, kept)
            got = []
            thread = threading.Thread(target=lambda: got.append(socket.receive(LIMIT)))
            thread.start()
            thread.join(LIMIT)
        finally:
            kept.clear()
    assert got == ["still there"]


def interrupt_and_keep(socket, kept):
    def receive():
        try:
            socket.receive(LIMIT)
        except KeyboardInterrupt as exc:
            kept.append(exc)
            raise

    assert interrupt_at(12, receive)
    assert kept


def test_a_handler_that_is_added_during_a_receive_gets_what_that_has_not_taken():
    ready, received = threading.Event(), threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"one") + server_frame(TEXT, b"two"))
        round_trip(connection)
        ready.set()
        read_until_close(connection)

    with connected(script) as socket:
        wait(ready)
        taking = socket._begin_receive(socket._session, None)
        texts = []

        def handler(_, args):
            texts.append(args.get_data_reader().read_string(args.length))
            received.set()

        socket.message_received += handler
        while not socket._session.inbox.is_denied:
            pass
        taking.place.message = None
        assert taking.message.text == "one"
        del taking
        wait(received)
        assert texts == ["two"]


def test_an_interrupted_load_keeps_what_it_had():
    with connected(sends(server_frame(BINARY, b"abc")), socket_class=StreamWebSocket) as socket:
        given = []

        def read():
            target = bytearray(3)
            socket.input_stream.read(target, 3)
            given.append(bytes(target))

        line = 0
        while not given:
            interrupt_at(line, read)
            line += 1
        assert given == [b"abc"]
