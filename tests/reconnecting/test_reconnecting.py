"""Tests of reconnecting() against real servers: that come back, refuse, are busy, want a fresh token, are silent."""

import contextlib
import inspect
import urllib.parse

import pytest
from support import black_hole, handshake, read_frame, request_headers, reset, scripted_server
from support.calls import Call
from support.reconnecting import QUICK, answers, closes, one_after_the_other, sends, stays
from support.scripts import BINARY, FIN, TEXT
from support.servers import server_frame

import syncws
from syncws import (
    CannotConnectError,
    CloseCause,
    ConnectionClosedError,
    ConnectionOverError,
    ConnectTimedOutError,
    HttpStatusError,
    InvalidOperationError,
)


def test_both_ways_of_reconnecting_take_the_same_arguments():
    ways = [inspect.signature(way).parameters for way in (syncws.reconnecting, syncws.ReconnectingWebSocket)]
    assert ways[0] == ways[1]


def test_each_message_of_each_connection_comes_once_and_in_order():
    texts, errors = [], []
    scripts = [sends("a", "b", then=closes), sends("c"), sends("d", "e", then=reset), sends("f", then=stays)]
    with one_after_the_other(*scripts) as uri, syncws.reconnecting(uri, backoff=QUICK) as sockets:
        for socket in sockets:
            try:
                for text in socket:
                    texts.append(text)
                    if text == "f":
                        sockets.close()
            except ConnectionOverError as error:
                errors.append(error.close_cause)
    assert texts in (list("abcdef"), list("abcf"))  # A reset may overtake what was sent before it.
    assert errors == [CloseCause.CONNECTION_LOST, CloseCause.CONNECTION_LOST]


def test_a_server_that_is_restarted_is_found_again():
    refusals = []
    with contextlib.ExitStack() as stack:
        with one_after_the_other(sends("before", then=closes)) as uri:
            sockets = stack.enter_context(syncws.reconnecting(uri, backoff=QUICK, policy=lambda error: starts(error)))
            assert list(next(sockets)) == ["before"]
        # Nobody listens there now.

        def starts(error):
            if isinstance(error, CannotConnectError):
                refusals.append(error)
                if len(refusals) == 3:
                    port = urllib.parse.urlsplit(uri).port
                    stack.enter_context(scripted_server(sends("after", then=stays), port=port))
            return error.is_transient

        again = next(sockets)
        assert again.receive() == "after"
        again.close()
    assert len(refusals) == 3


def test_a_busy_server_and_one_that_wants_a_fresh_token_are_served():
    requests = []
    tokens = iter(["old", "old", "new"])

    def accepts(connection):
        requests.append(handshake(connection))
        stays(connection)

    scripts = [answers("503 Busy", "Retry-After: 0"), answers("401 Who"), accepts]
    policy = lambda error: error.is_transient or error.status_code == 401  # noqa: E731
    headers = lambda: {"Authorization": f"Bearer {next(tokens)}"}  # noqa: E731
    with (
        one_after_the_other(*scripts) as uri,
        syncws.reconnecting(uri, backoff=QUICK, headers=headers, policy=policy) as sockets,
    ):
        assert next(sockets).is_open
    assert request_headers(requests[0])["authorization"] == "Bearer new"


def test_a_refusal_that_is_final_is_raised_without_our_frames():
    with one_after_the_other(answers("403 No")) as uri, pytest.raises(HttpStatusError) as caught:
        next(syncws.reconnecting(uri, backoff=QUICK))
    assert "syncws" not in [entry.frame.f_globals["__name__"].partition(".")[0] for entry in caught.traceback]


def test_a_server_that_blames_us_is_not_asked_again():
    blames = sends(then=lambda connection: closes(connection, 1008))
    with one_after_the_other(blames) as uri, syncws.reconnecting(uri, backoff=QUICK) as sockets:
        assert list(next(sockets)) == []
        with pytest.raises(ConnectionClosedError, match="1008") as caught:
            next(sockets)
    assert not caught.value.is_transient


def test_a_black_hole_costs_the_timeout_of_one_connect():
    with black_hole() as port, pytest.raises(ConnectTimedOutError):
        next(syncws.reconnecting(f"ws://127.0.0.1:{port}/", timeout=0.1, max_attempts=2, backoff=QUICK))


def test_on_connected_may_send_and_receive_before_the_socket_is_given_out():
    def asks(connection):
        handshake(connection)
        assert read_frame(connection) == (FIN | TEXT, b"login")
        connection.sendall(server_frame(TEXT, b"welcome") + server_frame(BINARY, b"data"))
        stays(connection)

    def log_in(socket):
        socket.send("login")
        assert socket.receive() == "welcome"

    with (
        one_after_the_other(sends(), asks) as uri,
        syncws.reconnecting(uri, backoff=QUICK, on_connected=log_in) as sockets,
    ):
        assert next(sockets).receive() == b"data"


def test_leaving_the_block_by_an_exception_closes_the_socket():
    def fails():
        with syncws.reconnecting(uri) as sockets:
            made.extend((sockets, next(sockets)))
            raise KeyError

    made = []
    with one_after_the_other(sends(then=stays)) as uri, pytest.raises(KeyError):
        fails()
    sockets, socket = made
    assert not socket.is_open
    assert list(sockets) == []


def test_a_second_thread_that_asks_for_a_socket_is_refused():
    with one_after_the_other(sends(then=stays)) as uri:

        def ask_again(socket):
            with pytest.raises(InvalidOperationError):
                Call(next, sockets).result()

        with syncws.reconnecting(uri, on_connected=ask_again) as sockets:
            next(sockets)


def test_a_loop_that_is_never_entered_and_an_iteration_that_is_closed_before_do_nothing():
    with syncws.reconnecting("ws://localhost:1/") as sockets:
        pass
    sockets.close()
    assert list(sockets) == []
