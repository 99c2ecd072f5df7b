"""How many Python functions a small message passes through, from the socket to the handler and from store() out; and a
connect, with an abort behind it."""

import contextlib
import gc
import os
import select
import socket
import sys
import sysconfig
import threading

import pytest
from support import LIMIT, handshake, read_request, read_to_end, reset, scripted_server, server_frame, wait
from support.scripts import TEXT, connected, only_reads, read_until_close

import syncws
from syncws import ConnectionLostError, DataWriter, HttpStatusError
from syncws._wire.uri import parse_uri

# In plain Python the scan and the meter besides.
MOST_FUNCTIONS_IN = 14 if syncws.accelerated else 16
# Without websocket-client's, the standard library's, and a lock's, which are functions from 3.14 on. In plain Python
# 250, and two more for each time that the answer is waited for once more, on a busy machine.
MOST_FUNCTIONS_TO_CONNECT = 256
MOST_FUNCTIONS_OUT = 10
# One call in C does all of it, where it does not let other threads run.
HAS_GIL = not sysconfig.get_config_var("Py_GIL_DISABLED")
SENDS_AT_ONCE = syncws.accelerated and os.name == "posix" and HAS_GIL
# Where threads run at the same time a read's messages are shared under a lock: that is counted for nobody.
NOT_COUNTED = ("Walk.", "Event.set", "Condition") + (() if HAS_GIL else ("SharedBatch.", "RLock"))


class Walk:
    """The functions that a thread enters, while it is profiled."""

    def __init__(self):
        self.functions = []

    def begin(self):
        self.functions.clear()
        sys.setprofile(self._profile)

    def end(self):
        sys.setprofile(None)
        return tuple(self.functions)

    def _profile(self, frame, event, argument):
        if event == "call":
            self.functions.append(frame.f_code.co_qualname)
        elif event == "c_call" and argument.__qualname__ == "socket.send":
            self.functions.append("sends")


@pytest.mark.skipif(sys.platform == "win32", reason="select takes more functions than poll")
def test_a_small_text_message_takes_few_functions_from_one_handler_to_the_next():
    walk = Walk()
    walks = []
    taken = threading.Event()
    done = threading.Event()

    def script(connection):
        handshake(connection)
        for _ in range(5):
            connection.sendall(server_frame(TEXT, b"x" * 32))
            wait(taken)
            taken.clear()
        read_until_close(connection)

    def handler(_, __):
        walks.append(walk.end())
        taken.set()
        if len(walks) == 5:
            done.set()
        else:
            # The reader is profiled from here, through its wait for the next message.
            walk.begin()

    with connected(script, prepare=lambda socket: socket.add_message_received(handler)):
        wait(done)
    # The first has nothing before it.
    shortest = min(walks[1:], key=len)
    own = [name for name in shortest if not name.startswith(NOT_COUNTED) and "handler" not in name]
    assert own[-1] == "Delivery.begin"
    assert 5 < len(own) <= MOST_FUNCTIONS_IN, own


def test_a_small_text_message_takes_few_functions_from_store_to_the_socket():
    walk = Walk()

    def script(connection):
        handshake(connection)
        read_until_close(connection)

    with connected(script) as socket:
        writer = DataWriter(socket.output_stream)
        writer.write_string("the first fills the stock of mask keys")
        writer.store()
        writer.write_string("x" * 32)
        walk.begin()
        writer.store()
        functions = walk.end()
        writer.detach_stream()
    if SENDS_AT_ONCE:
        assert functions == ("Walk.end",)
    else:
        before = functions[: functions.index("sends")]
        assert before[0] == ("MessageWebSocket._write_text" if syncws.accelerated else "WriterFields.store")
        assert len(before) <= MOST_FUNCTIONS_OUT, before


# A connect, and an abort behind it.


@pytest.fixture
def connect_and_abort():
    """Connect to a server that only shakes hands, and abort; what is imported and cached by the first is there."""
    with scripted_server(only_reads, connections=40) as uri:

        def once():
            syncws.connect(uri.replace("localhost", "127.0.0.1")).abort()

        once()
        yield once


@pytest.mark.skipif(sys.platform == "win32", reason="select takes more functions than poll")
def test_to_connect_and_abort_takes_so_many_functions(clock, connect_and_abort):
    # The clock stands still: when the monitor has looked since the first connect, the next one must have it look again.
    functions = []

    def note(frame, event, _):
        module = frame.f_globals["__name__"]
        if event == "call" and module.startswith("syncws.") and module != "syncws._locks":
            functions.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        connect_and_abort()
    finally:
        sys.setprofile(None)
    # What the connection needs is made while the server answers.
    order = (
        "Connect.run",
        "SocketTransport.send",
        "MessageReceiver.__init__",
        "SocketTransport.receive",
        "Session.end",
    )
    assert sorted(order, key=functions.index) == list(order)
    assert len(functions) <= MOST_FUNCTIONS_TO_CONNECT, len(functions)


def left_to_the_garbage_collector(function):
    """Return how many objects ten calls leave: the fewest of three times, for threads of other tests may be ending."""
    counts = []
    gc.disable()
    try:
        for _ in range(3):
            gc.collect()
            for _ in range(10):
                function()
            counts.append(gc.collect())
    finally:
        gc.enable()
    return min(counts)


def test_a_connection_that_is_over_leaves_nothing_to_the_garbage_collector(connect_and_abort):
    assert left_to_the_garbage_collector(connect_and_abort) < 10


def test_a_connection_over_tls_that_is_over_leaves_nothing_to_the_garbage_collector(server_tls, client_tls):
    with scripted_server(only_reads, ssl_context=server_tls, connections=31) as uri:

        def once():
            syncws.connect(uri.replace("localhost", "127.0.0.1"), ssl_context=client_tls).abort()

        once()
        assert left_to_the_garbage_collector(once) < 10


def test_what_was_made_for_a_connect_that_was_refused_leaves_nothing_to_the_garbage_collector():
    def script(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        read_to_end(connection)

    with scripted_server(script, connections=31) as uri:

        def refused():
            with contextlib.suppress(HttpStatusError):
                syncws.connect(uri.replace("localhost", "127.0.0.1"))

        refused()
        assert left_to_the_garbage_collector(refused) < 10


def test_a_connect_whose_request_cannot_be_sent_leaves_nothing_to_the_garbage_collector():
    refused = threading.Semaphore(0)

    def script(connection):
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        assert refused.acquire(timeout=LIMIT)

    with scripted_server(script, connections=31) as uri:

        def unsent():
            given = socket.create_connection(("127.0.0.1", parse_uri(uri).port))
            given.shutdown(socket.SHUT_WR)
            with contextlib.suppress(HttpStatusError):
                syncws.connect(uri, socket=given)
            refused.release()

        unsent()
        assert left_to_the_garbage_collector(unsent) < 10


def test_a_send_over_a_connection_that_is_gone_leaves_nothing_to_the_garbage_collector():
    opened = threading.Semaphore(0)

    def script(connection):
        handshake(connection)
        assert opened.acquire(timeout=LIMIT)
        reset(connection)

    with scripted_server(script, connections=31) as uri:

        def unsent():
            given = socket.create_connection(("127.0.0.1", parse_uri(uri).port))
            with given.dup() as watched:
                connected = syncws.connect(uri, socket=given)
                opened.release()
                assert select.select([watched], [], [], LIMIT)[0]
            with pytest.raises(ConnectionLostError):
                connected.send("hello")
            connected.abort()

        unsent()
        assert left_to_the_garbage_collector(unsent) < 10
