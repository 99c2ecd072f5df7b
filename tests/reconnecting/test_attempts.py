"""Tests of when the next connect is tried, on a clock that only the waits turn."""

import pytest

import syncws
from syncws import (
    Backoff,
    CancellationToken,
    CancellationTokenSource,
    CannotConnectError,
    CertificateError,
    CloseCause,
    ConnectionClosedError,
    ConnectTimedOutError,
    HttpStatusError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    OperationCanceledError,
    OperationTimedOutError,
)

URI = "ws://localhost:1/"
REFUSED = CannotConnectError("refused")
BLACK_HOLE = ConnectTimedOutError("silence")


def status(code, **headers):
    return HttpStatusError("no", status_code=code, headers={name.replace("_", "-"): headers[name] for name in headers})


def reconnecting(uri=URI, **arguments):
    return syncws.reconnecting(uri, backoff=Backoff(1, 8, 2, held_after=10), **arguments)


def test_the_first_connect_is_at_once(script, waits):
    script.steps = [0]
    assert next(reconnecting()) is script.sockets[0]
    assert waits == []


def test_a_server_that_refuses_is_asked_less_and_less_often(script, waits):
    script.steps = [REFUSED] * 5 + [0]
    next(reconnecting())
    assert waits == [2, 4, 8, 8, 8]


def test_a_server_that_swallows_connects_is_tried_again(script, waits):
    script.steps = [BLACK_HOLE, BLACK_HOLE, 0]
    next(reconnecting())
    assert waits == [2, 4]


def test_a_retry_after_comes_on_top(script, waits):
    script.steps = [status(503, retry_after="30"), status(429, retry_after="5"), 0]
    next(reconnecting())
    assert waits == [32, 9]


def test_the_back_off_begins_anew_after_a_connection_that_held(script, waits):
    script.steps = [REFUSED, REFUSED, 10, 0]
    sockets = reconnecting()
    script.lose(next(sockets))
    next(sockets)
    assert waits == [2, 4, 1]


def test_a_connection_that_did_not_hold_is_one_attempt_more(script, waits):
    script.steps = [9.9, 0, 0, 0]
    sockets = reconnecting()
    for _ in range(3):
        script.lose(next(sockets))
    next(sockets)
    assert waits == [2, 4, 8]


@pytest.mark.parametrize("error", [status(401), status(403), status(404), CertificateError("unknown")])
def test_what_is_final_is_raised_at_once_and_ends_the_iteration(script, waits, error):
    script.steps = [error]
    sockets = reconnecting()
    with pytest.raises(type(error)) as caught:
        next(sockets)
    assert caught.value is error
    assert waits == []
    assert list(sockets) == []


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_what_is_the_servers_for_the_moment_is_not_final(script, waits, code):
    script.steps = [status(code), 0]
    assert next(reconnecting()) is script.sockets[0]


def test_a_policy_of_the_programs_decides(script, waits):
    asked = []
    script.steps = [status(401), status(403)]

    def policy(error):
        asked.append(error.status_code)
        return error.status_code == 401

    with pytest.raises(HttpStatusError, match="no"):
        next(reconnecting(policy=policy))
    assert asked == [401, 403]


def test_a_policy_that_raises_ends_the_iteration(script, waits):
    script.steps = [CannotConnectError("refused"), 0]
    sockets = reconnecting(policy=lambda error: error.status_code == 401)
    with pytest.raises(AttributeError, match="status_code"):
        next(sockets)
    assert next(sockets, None) is None


def test_a_fresh_token_is_asked_for_each_attempt(script, waits):
    tokens = iter(["old", "new"])
    script.steps = [status(401), 0]
    sockets = reconnecting(
        lambda: f"{URI}?attempt={len(script.connects)}",
        headers=lambda: {"Authorization": next(tokens)},
        policy=lambda error: True,
    )
    next(sockets)
    assert script.connects == [
        (f"{URI}?attempt=0", {"Authorization": "old"}),
        (f"{URI}?attempt=1", {"Authorization": "new"}),
    ]


@pytest.mark.parametrize("headers", [None, lambda: None])
def test_no_headers_are_needed_for_an_attempt(script, waits, headers):
    script.steps = [0]
    next(reconnecting(headers=headers))
    assert script.connects == [(URI, {})]


def test_what_a_callable_raises_is_the_policys_to_judge(script, waits):
    script.steps = [0]

    def headers():
        if not waits:
            raise KeyError("no token yet")
        return [("X-Token", "new")]

    with pytest.raises(KeyError):
        next(reconnecting(headers=headers))
    sockets = reconnecting(headers=headers, policy=lambda error: isinstance(error, KeyError))
    next(sockets)
    assert script.connects == [(URI, {"X-Token": "new"})]


def test_attempts_are_counted_since_the_last_connection_that_held(script, waits):
    script.steps = [REFUSED, 10, REFUSED, REFUSED, REFUSED]
    sockets = reconnecting(max_attempts=3)
    script.lose(next(sockets))
    with pytest.raises(CannotConnectError) as caught:
        next(sockets)
    assert caught.value is REFUSED
    assert len(script.connects) == 5
    assert list(sockets) == []


def test_on_connected_has_the_socket_before_the_program_and_fails_as_the_connect_would(script, waits):
    seen = []
    script.steps = [0, 0, 0]

    def on_connected(socket):
        seen.append(socket)
        if len(seen) == 1:
            raise OperationTimedOutError("no answer to the login")
        if len(seen) == 2:
            raise ValueError("not that server")

    sockets = reconnecting(on_connected=on_connected)
    with pytest.raises(ValueError, match="not that server"):
        next(sockets)
    assert waits == [2]
    assert seen == script.sockets
    assert all(socket.is_closed for socket in seen)


def test_the_socket_before_is_closed(script, waits):
    script.steps = [0, 0]
    sockets = reconnecting()
    first = next(sockets)
    next(sockets)
    assert first.is_closed


@pytest.mark.parametrize("cause", [CloseCause.LOCAL, CloseCause.ABORTED, CloseCause.FORKED])
def test_what_the_program_did_itself_is_no_reason_to_end(script, waits, cause):
    script.steps = [0, 0]
    sockets = reconnecting(policy=lambda error: pytest.fail("asked"))
    error = ConnectionClosedError("closed")
    error.close_cause = cause
    next(sockets)._session.end_error = lambda: error
    assert next(sockets) is script.sockets[1]


def test_an_iteration_that_is_closed_in_a_wait_ends(script, waits):
    script.steps = [REFUSED] * 3

    def policy(error):
        if len(script.connects) == 2:
            sockets.close()
        return True

    sockets = reconnecting(policy=policy)
    assert list(sockets) == []
    assert waits == [2]


def test_a_token_that_is_cancelled_in_a_wait_is_raised(script, waits, clock):
    script.steps = [REFUSED] * 3
    source = CancellationTokenSource()
    source.cancel_after(5)
    sockets = reconnecting(cancellation_token=source.token)
    with pytest.raises(OperationCanceledError):
        next(sockets)
    # What is left of the five seconds, and no more.
    assert waits == [2, 3]
    assert list(sockets) == []


def test_a_token_that_is_cancelled_already_lets_nothing_begin(script, waits):
    source = CancellationTokenSource()
    source.cancel()
    with pytest.raises(OperationCanceledError):
        next(reconnecting(cancellation_token=source.token))
    assert script.connects == []


def test_settings_go_to_every_socket(script, waits):
    script.steps = [0, 0]
    sockets = reconnecting(subprotocols=iter(["chat"]), receive_timeout=7)
    for _ in range(2):
        control = next(sockets).control
        assert (list(control.supported_protocols), control.receive_timeout) == (["chat"], 7)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"uri": "http://localhost/"}, InvalidArgumentError, "http"),
        ({"uri": 7}, InvalidArgumentTypeError, "uri"),
        ({"headers": 7}, InvalidArgumentTypeError, "headers"),
        ({"headers": {"Upgrade": "x"}}, InvalidArgumentError, "Upgrade"),
        ({"backoff": 7}, InvalidArgumentTypeError, "backoff must be a Backoff or None, not int"),
        ({"policy": 7}, InvalidArgumentTypeError, "policy must be callable or None, not int"),
        ({"on_connecting": 7}, InvalidArgumentTypeError, "on_connecting must be callable or None, not int"),
        ({"unix_path": 7}, InvalidArgumentTypeError, "unix_path must be a str or os.PathLike, not int"),
        ({"unix_path": ""}, InvalidArgumentError, "unix_path must be the path"),
        ({"on_connected": 7}, InvalidArgumentTypeError, "on_connected must be callable or None, not int"),
        ({"max_attempts": 0}, InvalidArgumentError, "max_attempts"),
        ({"timeout": -1}, InvalidArgumentError, "timeout"),
        ({"cancellation_token": 7}, InvalidArgumentTypeError, "cancellation_token"),
        ({"subprotocols": ["a"], "supported_protocols": ["b"]}, TypeError, "the same setting"),
        ({"no_such": 7}, TypeError, "no_such"),
        ({"receive_timeout": -1}, InvalidArgumentError, "receive_timeout"),
    ],
)
@pytest.mark.parametrize("make", [syncws.reconnecting, syncws.ReconnectingWebSocket])
def test_a_wrong_argument_is_refused_at_once(make, arguments, error, text):
    with pytest.raises(error, match=text):
        make(**{"uri": URI, **arguments})


def test_its_repr_tells_how_far_it_is(script, waits):
    script.steps = [REFUSED, 0]
    sockets = reconnecting()
    next(sockets)
    assert repr(sockets) == "<ReconnectingIterator attempt=2>"
    sockets.close()
    assert repr(sockets) == "<ReconnectingIterator attempt=2 closed>"


def test_a_cancellation_in_the_moment_before_a_wait_is_seen(script, waits, monkeypatch):
    script.steps = [REFUSED, 0]
    with CancellationTokenSource() as source:
        add_listener = CancellationToken._add_listener

        def cancel_and_add(token, *arguments):
            source.cancel()
            add_listener(token, *arguments)

        monkeypatch.setattr(CancellationToken, "_add_listener", cancel_and_add)
        with pytest.raises(OperationCanceledError):
            next(reconnecting(cancellation_token=source.token))
    assert waits == []


def test_a_connect_that_fails_when_it_was_cancelled_is_followed_by_no_other_attempt(script, waits, caplog):
    script.steps = [REFUSED, 0]
    with CancellationTokenSource() as source, caplog.at_level("INFO"), pytest.raises(OperationCanceledError):
        next(reconnecting(on_connecting=lambda _: source.cancel(), cancellation_token=source.token))
    assert len(script.connects) == 1
    assert caplog.messages == []


def test_who_ends_it_before_a_connect_has_begun_gets_no_connection(script, waits):
    script.steps = [0]
    sockets = reconnecting(on_connecting=lambda _: sockets.close())
    assert list(sockets) == []
    assert script.connects == []
