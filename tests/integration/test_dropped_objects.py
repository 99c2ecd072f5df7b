"""Socket objects that nobody holds any more: the garbage collector closes them, and nothing of ours holds them."""

import contextlib
import functools
import gc
import threading
import warnings
import weakref

import pytest
from support import (
    LIMIT,
    echo,
    handshake,
    read_frame,
    read_to_end,
    reset,
    running_server,
    scripted_server,
    server_frame,
    wait,
)
from support.scripts import BINARY, CLOSE, FIN, PING, TEXT, close_frame, connected, read_until_close, sends

import syncws
from syncws import ConnectionOverError, DataReader, DataWriter, MessageWebSocket, StreamWebSocket
from syncws._connection import closing
from syncws._waiting.deadline import Deadline


@contextlib.contextmanager
def no_warning():
    """Check that what is dropped inside gives no ResourceWarning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert not caught


class Program:
    def __init__(self, socket):
        self.socket = socket
        self.seen = []

    def handler(self, sender, args):
        self.seen.append(self.socket)


def with_a_closure(socket):
    seen = []

    def handler(sender, args):
        seen.append((socket, args.length))

    return handler


def with_a_bound_method(socket):
    return Program(socket).handler


def with_a_partial(socket):
    return functools.partial(lambda kept, sender, args: None, socket)


def with_its_own_method(socket):
    return lambda sender, args: socket.send("again") if args.length < 0 else None


HANDLERS = [with_a_closure, with_a_bound_method, with_a_partial, with_its_own_method]


@pytest.mark.parametrize("make_handler", HANDLERS)
def test_a_socket_whose_handler_refers_to_it_is_closed_when_it_is_dropped(make_handler, tls):
    frames = []
    received = threading.Event()

    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"hello"))
        frames.extend(read_until_close(connection))

    with scripted_server(script, ssl_context=tls[0]) as uri:
        socket = MessageWebSocket()
        socket.control.ssl_context = tls[1]
        handler = make_handler(socket)
        socket.message_received += handler
        socket.message_received += lambda *_: received.set()
        socket.closed += handler
        socket.connect(uri)
        wait(received)
        session = socket._session
        gone = weakref.ref(socket)
        del handler
        with pytest.warns(ResourceWarning, match="a MessageWebSocket connected to .* was dropped without close"):  # noqa: PT031
            del socket
            gc.collect()
        assert gone() is None
        assert session.wait_closed(Deadline(LIMIT))
    assert frames == [(FIN | CLOSE, b"\x03\xe9")]


@pytest.mark.parametrize("kind", [MessageWebSocket, StreamWebSocket])
def test_closed_is_not_raised_for_an_object_that_was_dropped(kind):
    raised = []
    with scripted_server(sends()) as uri:
        socket = kind()
        socket.closed += lambda sender, args: raised.append(args)
        socket.connect(uri)
        session = socket._session
        with pytest.warns(ResourceWarning):  # noqa: PT031 - one act
            del socket
            gc.collect()
        assert session.wait_closed(Deadline(LIMIT))
    assert raised == []


def test_an_object_of_which_only_the_server_s_end_of_tcp_is_left_is_dropped_without_a_warning():
    frames = []

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"last") + close_frame(1000))
        frames.append(read_frame(connection))
        read_to_end(connection)

    with scripted_server(script) as uri:
        socket = syncws.connect(uri)
        session = socket._session
        assert list(socket) == [b"last"]
        with no_warning():
            del socket
        assert session.wait_closed(Deadline(LIMIT))
    assert frames == [(FIN | CLOSE, b"\x03\xe8")]


def test_an_object_that_is_dropped_because_a_send_found_the_connection_lost_gives_no_warning(monkeypatch):
    # As in `except ConnectionOverError: socket = syncws.connect(uri)`, where the reader, for which the inbox has no
    # room, does not come to the end.
    monkeypatch.setattr(closing, "LOSS_SECONDS", 0)

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"more") * 2)
        connection.recv(1)
        reset(connection)

    with scripted_server(script) as uri:
        socket = syncws.connect(uri, inbox_size_in_bytes=1)
        session = socket._session
        with contextlib.suppress(ConnectionOverError):
            while True:
                socket.send("x")
        with no_warning():
            del socket
        assert session.wait_closed(Deadline(LIMIT))


# How a program may hold a StreamWebSocket's ends, and whether that holds the socket.
ENDS = {
    "nothing": lambda socket: None,
    "its streams, once": lambda socket: (socket.input_stream, socket.output_stream)[2:],
    "a file, once": lambda socket: socket.input_stream.as_file().close(),
    "its information and control": lambda socket: (socket.information, socket.control),
}
HOLDING = {
    "the input stream": lambda socket: socket.input_stream,
    "the output stream": lambda socket: socket.output_stream,
    "a DataReader": lambda socket: DataReader(socket.input_stream),
    "a DataWriter": lambda socket: DataWriter(socket.output_stream),
    "a file": lambda socket: socket.input_stream.as_file(),
}


@pytest.mark.parametrize("hold", ENDS.values(), ids=ENDS.keys())
def test_a_stream_socket_is_closed_when_it_is_dropped_although_the_program_holds(hold, tls):
    with scripted_server(sends(), ssl_context=tls[0]) as uri:
        socket = StreamWebSocket()
        socket.control.ssl_context = tls[1]
        socket.connect(uri)
        held = hold(socket)
        session = socket._session
        with pytest.warns(ResourceWarning):  # noqa: PT031 - one act
            del socket
            gc.collect()
        assert session.wait_closed(Deadline(LIMIT))
        del held


@pytest.mark.parametrize("hold", HOLDING.values(), ids=HOLDING.keys())
def test_a_stream_socket_lives_as_long_as_the_program_holds(hold, tls):
    with scripted_server(sends(), ssl_context=tls[0]) as uri:
        socket = StreamWebSocket()
        socket.control.ssl_context = tls[1]
        socket.connect(uri)
        held = hold(socket)
        session = socket._session
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del socket
            gc.collect()
        assert not session.is_abandoned
        with pytest.warns(ResourceWarning):  # noqa: PT031 - one act
            del held
            gc.collect()
        assert session.wait_closed(Deadline(LIMIT))


CELLS = {
    "pulled": """
socket = MessageWebSocket()
socket.control.ssl_context = context
socket.connect(uri)
socket.send("cell")
print(socket.receive(30))
""",
    "with handlers": """
socket = MessageWebSocket()
socket.control.ssl_context = context
texts = []
came = threading.Event()

def received(sender, args):
    texts.append(args.get_data_reader().read_string(args.length))
    assert socket is sender
    came.set()

socket.message_received += received
socket.closed += lambda sender, args: texts.append(args.code)
socket.connect(uri)
socket.send("cell")
assert came.wait(30)
""",
    "with a class that holds it": """
class Client:
    def __init__(self):
        self.came = threading.Event()
        self.socket = MessageWebSocket()
        self.socket.control.ssl_context = context
        self.socket.message_received += self.received
        self.socket.connect(uri)

    def received(self, sender, args):
        self.came.set()

client = Client()
client.socket.send("cell")
assert client.came.wait(30)
""",
    "a stream": """
socket = StreamWebSocket()
socket.control.ssl_context = context
socket.connect(uri)
file = socket.input_stream.as_file()
socket.output_stream.write(b"cell")
assert file.read(4) == b"cell"
""",
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_five_runs_of_a_notebook_cell_leave_one_connection_and_its_threads(cell, tls):
    """Where handlers are called these are two; who receives by pull needs no thread but the monitor."""
    expected = ["syncws-monitor", "syncws-reader-"] if "message_received" in cell else ["syncws-monitor"]
    open_ones = []
    closed = threading.Semaphore(0)

    def serve(connection):
        open_ones.append(connection)
        try:
            echo(connection)
        finally:
            open_ones.remove(connection)
            closed.release()

    namespace = {"context": tls[1], "threading": threading, "print": lambda *_: None}
    namespace |= {"MessageWebSocket": MessageWebSocket, "StreamWebSocket": StreamWebSocket}
    with running_server(serve, ssl_context=tls[0]) as uri:
        namespace["uri"] = uri
        before = our_threads()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            code = compile(cell, "<cell>", "exec")
            for _ in range(5):
                exec(code, namespace)
            gc.collect()
            for _ in range(4):
                assert closed.acquire(timeout=LIMIT), "a connection of an earlier run is still open"
            wait_until(lambda: len(our_threads() - before) == len(expected))
            assert sorted(thread.name.rstrip("0123456789") for thread in our_threads()) == expected
            assert len(open_ones) == 1
            namespace.clear()
            gc.collect()
            assert closed.acquire(timeout=LIMIT)
            wait_until(lambda: our_threads() <= before)


def our_threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("syncws")}


def wait_until(is_so):
    """Wait for threads that are about to end."""
    for thread in our_threads():
        if not is_so():
            thread.join(0.5)
    assert is_so()


def test_a_socket_that_was_closed_is_collected_without_a_warning(tls):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with connected(sends(), tls=tls) as socket:
            handler = with_a_closure(socket)
            socket.message_received += handler
        del socket, handler
        gc.collect()


def test_a_failed_connect_leaves_nothing_that_holds_the_socket():
    socket = MessageWebSocket()
    with contextlib.suppress(OSError):
        socket.connect("ws://127.0.0.1:1/")
    gone = weakref.ref(socket)
    del socket
    gc.collect()
    assert gone() is None


def receives(socket, was_reset):
    while True:
        socket.receive(LIMIT)


def receives_when_it_is_over(socket, was_reset):
    wait(was_reset)
    receives(socket, was_reset)


def reads(socket, was_reset):
    while socket.input_stream.as_file().read1(4096):
        pass


def sends_without_end(socket, was_reset):
    wait(was_reset)
    while True:
        socket.output_stream.write(bytes(65536))


def sends_in_fragments(socket, was_reset):
    wait(was_reset)
    while True:
        socket.output_stream.write(bytes(65536 * 2), lambda count: None)


def leaves_it_to_the_reader(socket, was_reset):
    assert socket.wait_closed(LIMIT)


@pytest.mark.parametrize(
    ("kind", "use"),
    [
        (MessageWebSocket, receives),
        (MessageWebSocket, receives_when_it_is_over),
        (MessageWebSocket, sends_without_end),
        (MessageWebSocket, sends_in_fragments),
        (MessageWebSocket, leaves_it_to_the_reader),
        (StreamWebSocket, reads),
        (StreamWebSocket, sends_without_end),
        (StreamWebSocket, sends_in_fragments),
    ],
)
def test_nothing_holds_a_socket_whose_connection_was_lost(kind, use, tls):
    was_reset = threading.Event()

    def script(connection):
        handshake(connection)
        read_frame(connection)
        # Their pongs may fail too.
        connection.sendall(server_frame(PING, b"p" * 100) * 50)
        reset(connection)
        was_reset.set()

    def program(uri):
        socket = kind()
        socket.control.ssl_context = tls[1]
        with socket:
            socket.connect(uri)
            socket.output_stream.write(b"go")
            with contextlib.suppress(ConnectionOverError):
                use(socket, was_reset)
            assert socket.wait_closed(LIMIT)
        return weakref.ref(socket)

    with scripted_server(script, ssl_context=tls[0]) as uri:
        gone = program(uri)
        gc.collect()
        assert gone() is None
