"""DirectTlsTransport among threads, signals and processes, and what it leaves behind."""

import contextlib
import itertools
import os
import random
import select
import socket
import ssl
import sys
import threading
from collections import deque

import pytest
from support import LIMIT, join
from support.fakes import interrupt_at
from support.tls_line import Line, connected_pair, needs_direct

from syncws.errors import ConnectionLostError, WebSocketError


def test_a_receive_that_is_interrupted_anywhere_loses_nothing(line):
    for size in (100, 5000):
        for number in itertools.count():
            line.say(b"hello")
            line.wait_readable()
            kept = deque()
            is_raised = interrupt_at(number, line.transport.keep, kept, size)
            assert not line.transport.is_torn
            if not kept:
                line.wait_readable()
                assert line.transport.keep(kept, size)
            assert b"".join(kept) == b"hello"
            if not is_raised:
                break
        assert number > 1


def test_only_large_calls_take_the_lock(line):
    entered = []

    class Lock:
        def __enter__(self):
            entered.append(1)

        def __exit__(self, *_):
            pass

    line.say(b"hello")
    line.wait_readable()
    line.transport._lock = Lock()
    assert line.transport.receive(100) == b"hello"
    assert not entered
    assert line.transport.receive(5000) is None
    assert len(entered) == 1
    assert line.transport.send(b"x" * 4096) == 4096
    assert len(entered) == 1
    assert line.transport.send(b"x" * 4097) == 4097
    assert len(entered) == 2


def echo_until(line, total):
    """Send back what comes, on the server's side, until that were so many bytes."""
    left = total
    while left:
        with contextlib.suppress(ssl.SSLWantReadError):
            while left:
                data = line.server.read(65536)
                left -= len(data)
                line.server.write(data)
        line.far.sendall(line._outgoing.read())
        if left:
            line._incoming.write(line.far.recv(65536))


def send_in_pieces(line, data):
    """Send all of `data` in pieces of any size, as soon as they go."""
    sizes = random.Random(2)
    rest = memoryview(data)
    while rest or not line.transport.flush():
        taken = line.transport.send(rest[: sizes.choice([1, 100, 4096, 5000, 65536])]) if rest else 0
        rest = rest[taken:]
        if not taken:
            assert select.select([], [line.near], [], LIMIT)[1]


def receive_in_pieces(line, total):
    sizes = random.Random(3)
    received = bytearray()
    while len(received) < total:
        line.wait_readable()
        size = sizes.choice([10, 4096, 5000, 65536])
        if sizes.random() < 0.3:
            part = line.transport.receive_into(memoryview(bytearray(size)))
        else:
            part = line.transport.receive(size)
        assert part != b""
        received += part or b""
    return received


def test_two_threads_read_and_write_at_once(line):
    """They meet in all ways: turns are short, and pieces small and large."""
    data = random.Random(1).randbytes(8_000_000)
    before = sys.getswitchinterval()
    threads = [
        threading.Thread(target=echo_until, args=(line, len(data))),
        threading.Thread(target=send_in_pieces, args=(line, data)),
    ]
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        received = receive_in_pieces(line, len(data))
        for thread in threads:
            join(thread)
    finally:
        sys.setswitchinterval(before)
    assert received == data


def test_a_small_call_in_the_midst_of_a_large_one_takes_the_lock(line):
    """A thread that receives lets go of the GIL; one that sends a little comes in between, and waits for the lock."""
    lock, is_met = line.transport._lock, threading.Event()

    class Lock:
        def __enter__(self):
            if threading.current_thread() is threading.main_thread():
                is_met.set()
            lock.acquire()

        def __exit__(self, *_):
            lock.release()

    is_over = threading.Event()

    def say():
        while not is_over.is_set():
            line.say(bytes(1_000_000))
        line.far.shutdown(socket.SHUT_WR)

    def receive():
        room = memoryview(bytearray(1_000_000))
        while line.transport.receive_into(room) != b"":
            line.wait_readable()

    line.transport._lock = Lock()
    threads = [threading.Thread(target=say), threading.Thread(target=receive)]
    for thread in threads:
        thread.start()
    for _ in range(2_000_000):
        if is_met.is_set():
            break
        line.transport.send(b"x")
    is_over.set()
    for thread in threads:
        join(thread)
    assert is_met.is_set()


def test_a_closed_descriptor_is_not_touched(line):
    """Its number is another socket's by then."""
    number = line.near.fileno()
    line.transport.close()
    other, far = connected_pair()
    with other, far, contextlib.ExitStack() as stack:
        if other.fileno() != number:
            os.dup2(other.fileno(), number)
            stack.callback(os.close, number)
        far.sendall(b"not ours")
        assert select.select([number], [], [], LIMIT)[0]
        for call in (
            lambda: line.transport.receive(10),
            lambda: line.transport.receive(10000),
            lambda: line.transport.receive_into(memoryview(bytearray(10))),
            lambda: line.transport.send(b"x"),
            lambda: line.transport.send(bytes(10000)),
            line.transport.flush,
        ):
            with pytest.raises(ConnectionLostError):
                call()
        line.transport.end_output()
        line.transport.abort()
        assert os.read(number, 100) == b"not ours"
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(1)


def test_abort_ends_what_the_other_thread_waits_for(line):
    line.transport.abort()
    line.wait_readable()
    assert line.transport.receive(10) == b""
    with pytest.raises(ConnectionLostError):
        line.transport.send(b"x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks nothing")
# Of the thread that watches over the test's time. From 3.15 on fork() raises it, and the child is there all the same.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_refuses_and_leaves_the_parent_s_connection_alone(line):
    process = os.fork()
    if not process:
        refused = 0
        line.transport.let_go_in_child()
        for call in (
            lambda: line.transport.receive(10),
            lambda: line.transport.receive_into(memoryview(bytearray(10))),
            lambda: line.transport.send(b"x"),
            line.transport.flush,
        ):
            try:
                call()
            except WebSocketError as exc:
                refused += "fork" in str(exc)
        line.transport.end_output()
        line.transport = None
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 4
    assert line.transport.send(b"parent") == 6
    assert line.hear(6) == b"parent"
    line.say(b"hello")
    assert line.receive(5) == b"hello"


def memory():
    """Return how many bytes this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@needs_direct
@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell how much memory there is")
def test_messages_and_connections_leave_nothing(make_line, server_tls, client_tls):
    line = make_line()

    def messages(count):
        for _ in range(count):
            assert line.transport.send(b"x" * 64) == 64
            line.hear(64)
            line.say(b"y" * 64)
            assert line.receive(64) == b"y" * 64

    def connections(count):
        for _ in range(count):
            other = Line(server_tls, client_tls)
            other.say(b"x" * 20000)
            other.receive(20000, 65536)
            other.transport.send(b"x" * 20000)
            other.close()

    messages(2000)
    connections(30)
    before, descriptors = memory(), len(os.listdir("/proc/self/fd"))
    messages(25_000)
    connections(50)
    assert memory() - before < 1_000_000
    assert len(os.listdir("/proc/self/fd")) == descriptors
