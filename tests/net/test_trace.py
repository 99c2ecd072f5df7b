"""What the debug log shows of requests and answers, and what it hides."""

import logging

import pytest
from support import LIMIT, handshake, read_to_end, scripted_server

from syncws import MessageWebSocket
from syncws._net.http.trace import trace_head

LOGGER = "syncws.handshake"


def traced(caplog, head):
    with caplog.at_level(logging.DEBUG, LOGGER):
        trace_head(">", head)
    return caplog.messages


def test_lines_are_shown(caplog):
    head = b"GET /a HTTP/1.1\r\nHost: example.org\r\nUpgrade:websocket\r\n\r\n"
    assert traced(caplog, head) == ["> GET /a HTTP/1.1", "> Host: example.org", "> Upgrade: websocket"]


@pytest.mark.parametrize("name", ["Authorization", "COOKIE", "Set-Cookie", "Proxy-Authorization", "X-Api-Key"])
def test_what_may_be_a_secret_is_hidden(caplog, name):
    (_, line) = traced(caplog, f"GET / HTTP/1.1\r\n{name}: secret\r\n\r\n".encode())
    assert line == f"> {name}: ***"


@pytest.mark.parametrize("line", [" authorization: x", "\tid=secret; Path=/", " host: secret"])
def test_a_line_that_may_go_on_from_the_one_before_is_hidden(caplog, line):
    assert traced(caplog, f"x\r\nSet-Cookie: a=\r\n{line}\r\n\r\n".encode()) == [
        "> x",
        "> Set-Cookie: ***",
        "> ***: ***",
    ]


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"GET /a?token=secret HTTP/1.1\n\n", "> GET /a?*** HTTP/1.1"),
        (b"x\nLocation: wss://user:secret@host/a?secret#b\n\n", "> Location: wss://***@host/a?***"),
        (b"x\nLocation: //secret@host/\n\n", "> Location: //***@host/"),
        (b"HTTP/1.1 200 \x1b[31mred\n\n", "> HTTP/1.1 200 \\x1b[31mred"),
    ],
)
def test_queries_user_info_and_controls_are_hidden(caplog, head, line):
    assert traced(caplog, head)[-1] == line
    assert "secret" not in caplog.text


def test_nothing_is_logged_unless_debug_is_on(caplog):
    with caplog.at_level(logging.INFO, LOGGER):
        trace_head(">", b"GET / HTTP/1.1\n\n")
    assert caplog.messages == []


def test_a_connect_shows_request_and_answer_and_no_secret(caplog):
    def script(connection):
        handshake(connection, "Set-Cookie: id=secret")
        read_to_end(connection)

    with caplog.at_level(logging.DEBUG, "syncws"), scripted_server(script) as uri, MessageWebSocket() as socket:
        socket.set_request_header("Authorization", "Bearer secret")
        socket.set_request_header("Cookie", "id=secret")
        socket.connect(f"{uri}path?secret", timeout=LIMIT)
        socket.abort()
    assert "> GET /path?*** HTTP/1.1" in caplog.messages
    assert "> Authorization: ***" in caplog.messages
    assert "< HTTP/1.1 101 Switching Protocols" in caplog.messages
    assert "< set-cookie: ***" in (message.lower() for message in caplog.messages)
    assert "secret" not in caplog.text
