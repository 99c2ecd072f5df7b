"""A handler that never returns: close() does not wait for it, and it keeps nothing of the connection."""

import os
import threading
import time

import pytest
from support import LIMIT, handshake, read_frame, scripted_server, server_frame, wait
from support.handlers import Slow, be_impatient
from support.scripts import TEXT, close_frame, connected, on_closed, on_message, read_until_close

from syncws import CloseCause, MessageWebSocket, StreamWebSocket
from syncws._connection import closing

ONE = server_frame(TEXT, b"one")
# Much longer than a close() may take, and than the handlers' second.
LONG = LIMIT * 4


class Stuck:
    """A handler of closed that does not return until the test is over."""

    def __init__(self):
        self.inside, self.release = threading.Event(), threading.Event()

    def __call__(self, sender, args):
        self.inside.set()
        wait(self.release)


@pytest.fixture
def stuck():
    handler = Stuck()
    yield handler
    handler.release.set()


@pytest.fixture
def slow(monkeypatch):
    be_impatient(monkeypatch)
    handler = Slow()
    yield handler
    handler.release.set()


@pytest.fixture
def handlers_time(monkeypatch):
    """Have close() wait for handlers a moment only."""
    monkeypatch.setattr(closing, "HANDLERS_SECONDS", 0.05)


def closes_first(connection):
    handshake(connection, behind=ONE)
    connection.sendall(close_frame(4000, "enough"))
    read_frame(connection)


def answers(connection):
    handshake(connection, behind=ONE)
    read_until_close(connection)


def ends(connection):
    handshake(connection, behind=ONE)


SCRIPTS = {"the server closes": closes_first, "the server answers": answers, "the connection is lost": ends}
scripts = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)


def close_in_time(socket):
    start = time.monotonic()
    socket.close()
    # Far from close_timeout, and from the tests' own limit.
    assert time.monotonic() - start < LIMIT / 6


def test_a_close_waits_for_handlers_no_longer_than_a_second():
    assert closing.HANDLERS_SECONDS <= 1


@scripts
@pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])
@pytest.mark.usefixtures("handlers_time")
def test_a_handler_of_closed_does_not_hold_up_close(script, socket_class, stuck, tls):
    with connected(script, on_closed(stuck), socket_class=socket_class, tls=tls, close_timeout=LONG) as socket:
        close_in_time(socket)
        # Inside, unless the reader is just about to call it.
        wait(stuck.inside)
        assert socket.information.close_code is not None
        assert not socket.wait_closed(0)
        stuck.release.set()
        assert socket.wait_closed(LIMIT)


@scripts
@pytest.mark.usefixtures("handlers_time")
def test_a_handler_of_messages_does_not_hold_up_close(script, slow, tls):
    with connected(script, on_message(slow), tls=tls, close_timeout=LONG) as socket:
        wait(slow.inside)
        close_in_time(socket)
        assert not slow.has_left
        assert socket.information.close_code is not None
        assert socket.information.close_cause is not CloseCause.ABORTED
        slow.release.set()
        assert socket.wait_closed(LIMIT)


def test_a_handler_that_returns_in_its_second_has_returned_when_close_does(monkeypatch):
    # A busy machine may need longer than that to run the handler's thread.
    monkeypatch.setattr(closing, "HANDLERS_SECONDS", LIMIT)
    left = []
    inside, release = threading.Event(), threading.Event()

    def handler(sender, args):
        inside.set()
        wait(release)
        left.append(args.code)

    with connected(closes_first, on_closed(handler)) as socket:
        wait(inside)
        threading.Timer(0.01, release.set).start()
        socket.close()
        assert left == [4000]


def open_descriptors():
    """Return what stands for this process's sockets and pipes."""
    targets = {descriptor_target(number) for number in os.listdir("/proc/self/fd")}
    return {target for target in targets if target.startswith(("socket:", "pipe:"))}


def descriptor_target(number):
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        # The one that listed the folder.
        return ""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not list descriptors")
@pytest.mark.parametrize("kind", ["message_received", "closed"])
@scripts
@pytest.mark.usefixtures("handlers_time")
def test_it_keeps_no_descriptor(script, kind, slow, stuck, tls):
    before = open_descriptors()
    socket = MessageWebSocket()
    socket.control.ssl_context, socket.control.close_timeout = tls[1], LONG
    handler = slow if kind == "message_received" else stuck
    getattr(socket, f"add_{kind}")(handler)
    with scripted_server(script, ssl_context=tls[0]) as uri:
        socket.connect(uri)
        if handler is slow:
            wait(slow.inside)
        close_in_time(socket)
    # The server's are gone too; the handler is still inside.
    wait(handler.inside)
    assert open_descriptors() <= before
    assert not socket.wait_closed(0)
    handler.release.set()
    assert socket.wait_closed(LIMIT)
