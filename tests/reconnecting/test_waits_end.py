"""Tests that every wait of reconnecting ends at once: by close(), by a token, by Ctrl-C."""

import threading
import time

import pytest
from support import LIMIT, black_hole, scripted_server, wait
from support.calls import Call
from support.programs import assert_quiet, run
from support.scripts import uri_of_nobody
from support.servers import handshake

import syncws
from syncws import Backoff, CancellationTokenSource, OperationCanceledError, ReconnectingWebSocket

SOON = 0.2
NEVER = Backoff(1000, 1000)


def waits_of_the_iterator(uri, **arguments):
    """Return an iterator, and a call in which it waits."""
    sockets = syncws.reconnecting(uri, backoff=NEVER, **arguments)
    return sockets, Call(next, sockets, None)


def waits_of_the_object(name):
    def begin(uri, **arguments):
        socket = ReconnectingWebSocket(uri, backoff=NEVER, **arguments)
        socket.start()
        return socket, Call(getattr(socket, name))

    return begin


WAITS = {
    "iterator": waits_of_the_iterator,
    "wait_connected": waits_of_the_object("wait_connected"),
    "wait_closed": waits_of_the_object("wait_closed"),
}


def seconds_to_end(begin, place, act):
    """Return how long a wait takes to end after `act`; the best of three, for the machine may be busy."""
    taken = []
    for _ in range(3):
        source = CancellationTokenSource()
        with black_hole() as port:
            uri = uri_of_nobody() if place == "back-off" else f"ws://127.0.0.1:{port}/"
            waiting, call = begin(uri, cancellation_token=source.token)
            # Time for it to come to the wait; when it has not, it is asked before it waits.
            assert not call.done.wait(0.05)
            start = time.monotonic()
            if act == "close":
                waiting.close()
            else:
                source.cancel()
            assert call.done.wait(LIMIT)
            taken.append(time.monotonic() - start)
            if act == "close":
                call.result()
            else:
                with pytest.raises(OperationCanceledError):
                    call.result()
                waiting.close()
    return min(taken)


@pytest.mark.parametrize("act", ["close", "token"])
@pytest.mark.parametrize("place", ["back-off", "connect"])
@pytest.mark.parametrize("kind", WAITS)
def test_a_wait_ends_at_once(kind, place, act):
    assert seconds_to_end(WAITS[kind], place, act) < SOON


@pytest.mark.parametrize("when", ["before", "meanwhile", "after a time"])
def test_a_token_ends_the_wait_for_the_close_of_the_connection_before(when):
    source, is_closing, has_ended = CancellationTokenSource(), threading.Event(), threading.Event()

    def ignore(connection):
        handshake(connection)
        connection.recv(100)
        is_closing.set()
        wait(has_ended)

    with scripted_server(ignore) as uri:
        sockets = syncws.reconnecting(uri, close_timeout=None, cancellation_token=source.token)
        next(sockets)
        if when == "before":
            source.cancel()
        elif when == "after a time":
            source.cancel_after(0.05)
        call = Call(next, sockets)
        if when == "meanwhile":
            wait(is_closing)
            source.cancel()
        with pytest.raises(OperationCanceledError):
            call.result()
        has_ended.set()


@pytest.mark.parametrize(
    "call",
    [
        "next(syncws.reconnecting(uri, backoff=Backoff(1000, 1000)))",
        "socket.wait_connected()",
        "socket.wait_closed()",
    ],
)
def test_ctrl_c_ends_a_wait_at_once(call):
    done = run(
        f"""
        def interrupt():
            threading.Event().wait(0.2)
            sent.append(time.monotonic())
            press_ctrl_c()

        signal.signal(signal.SIGINT, signal.default_int_handler)
        taken = []
        with ReconnectingWebSocket(uri, backoff=Backoff(1000, 1000)) as socket:
            for _ in range(3):
                sent = []
                thread = threading.Thread(target=interrupt)
                thread.start()
                try:
                    {call}
                except KeyboardInterrupt:
                    taken.append(time.monotonic() - sent[0])
                thread.join()
        assert len(taken) == 3 and min(taken) < {SOON}, taken
        """,
        uri_of_nobody(),
    )
    assert_quiet(done)
