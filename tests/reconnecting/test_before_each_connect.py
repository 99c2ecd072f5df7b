"""Tests of what a program may do about each socket before it connects, and of where it connects to."""

import contextlib
import socket as socket_module

import pytest
from support import LIMIT, echo, running_server, running_unix_server
from support.reconnecting import QUICK, closes, one_after_the_other, sends, stays

import syncws
from syncws import CannotConnectError, CertificateError

needs_unix = pytest.mark.skipif(not hasattr(socket_module, "AF_UNIX"), reason="there are no Unix sockets here")


def test_handlers_that_are_added_before_hear_of_each_connection():
    opened, states = [], []

    def prepare(socket):
        states.append(socket.state)
        socket.opened += lambda sender, args: opened.append(sender)

    scripts = [sends("a", then=closes), sends("b", then=stays)]
    with (
        one_after_the_other(*scripts) as uri,
        syncws.reconnecting(uri, backoff=QUICK, on_connecting=prepare) as sockets,
    ):
        first = next(sockets)
        assert list(first) == ["a"]
        assert opened == [first, next(sockets)]
    assert states == [syncws.State.NEW, syncws.State.NEW]


def test_a_certificate_that_a_handler_rejects_ends_it(server_tls, client_tls):
    def rejects(socket):
        socket.server_custom_validation_requested += lambda sender, args: args.reject()

    with (
        running_server(echo, ssl_context=server_tls) as uri,
        syncws.ReconnectingWebSocket(uri, on_connecting=rejects, ssl_context=client_tls) as socket,
        pytest.raises(CertificateError),
    ):
        socket.wait_connected(LIMIT)


def test_what_it_raises_is_judged_as_a_failed_connect_is():
    failures = [OSError("once"), OSError("twice")]
    judged = []

    def prepare(socket):
        if failures:
            raise failures.pop(0)

    with one_after_the_other(sends("a", then=stays)) as uri:
        sockets = syncws.reconnecting(uri, backoff=QUICK, on_connecting=prepare, policy=lambda e: not judged.append(e))
        with sockets:
            assert next(sockets).receive() == "a"
    assert [str(error) for error in judged] == ["once", "twice"]


@needs_unix
def test_a_server_on_a_unix_socket_is_found_when_it_comes(tmp_path):
    path = tmp_path / "socket"
    refusals = []
    with contextlib.ExitStack() as stack:

        def start(error):
            refusals.append(type(error))
            stack.enter_context(running_unix_server(path, echo))
            return syncws.is_worth_another(error)

        with syncws.reconnecting("ws://service/", unix_path=path, backoff=QUICK, policy=start) as sockets:
            socket = next(sockets)
            socket.send("inside")
            assert socket.receive(LIMIT) == "inside"
    assert refusals == [CannotConnectError]
