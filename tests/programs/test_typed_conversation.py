"""`syncws URL` on a pseudo-terminal: with prompt_toolkit and rich, and without them."""

import sys
import threading

import pytest
from support import LIMIT, echo, handshake, running_server, scripted_server
from support.commands import PROMPT, on_terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal of this kind")


def close_at(message):
    """Return a handler that closes when it gets a message, with the code 1000 or another that the message names."""

    def handler(connection):
        for received in connection:
            if received.startswith(message):
                connection.close(int(received.partition(" ")[2] or 1000), "enough")
                return
            connection.send(received)

    return handler


@pytest.fixture(params=["plain", "with the extra"])
def is_plain(request):
    return request.param == "plain"


def ready(terminal, is_plain):
    terminal.wait_for(b"connected to ")
    if not is_plain:
        terminal.wait_for(PROMPT)


def press_ctrl_c(terminal, is_plain):
    """The prompt has the terminal give it as a character."""
    if is_plain:
        terminal.interrupt()
    else:
        terminal.type("\x03")


def test_what_is_typed_is_sent_and_what_comes_is_shown(is_plain):
    with running_server(echo) as uri, on_terminal(uri, is_plain=is_plain) as terminal:
        ready(terminal, is_plain)
        terminal.type("Grüße\r")
        terminal.wait_for("< Grüße".encode() if is_plain else "<\x1b[0m \x1b[32mGrüße".encode())
        terminal.type("/ping\r")
        terminal.wait_for(b"pong after ")
        terminal.type("/binary 00 ff\r")
        terminal.wait_for(b"00 ff [2 bytes]")
        terminal.type("//slash\r")
        terminal.wait_for(b"/slash")
        terminal.type("/help\r")
        terminal.wait_for(b"Ctrl-D")
        terminal.type("/close 4000 good bye\r")
        code, output = terminal.end()
    assert code == 0
    assert "closed: 4000 good bye" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/nonsense", b"there is no /nonsense"),
        ("/binary 0", b"/binary takes hexadecimal digits"),
        ("/close bye", b"/close takes a number"),
        ("/close 999", b"999"),
        ("/ping " + "x" * 126, b"125"),
    ],
)
def test_a_line_that_cannot_be_done_is_explained_and_ends_nothing(line, told):
    with running_server(echo) as uri, on_terminal(uri, is_plain=True) as terminal:
        ready(terminal, True)
        terminal.type(f"{line}\r")
        terminal.wait_for(b" ! ")
        terminal.wait_for(told)
        terminal.type("still here\r")
        terminal.wait_for(b"< still here")
        terminal.type("\x04")
        assert terminal.end()[0] == 0


@pytest.mark.parametrize("options", [(), ("--reconnect",)])
def test_the_end_of_input_closes(is_plain, options):
    with running_server(echo) as uri, on_terminal(*options, uri, is_plain=is_plain) as terminal:
        ready(terminal, is_plain)
        terminal.type("\x04")
        code, output = terminal.end()
    assert code == 0
    assert "closed: 1000" in output


def test_ctrl_c_ends_without_a_traceback(is_plain):
    with running_server(echo) as uri, on_terminal(uri, is_plain=is_plain) as terminal:
        ready(terminal, is_plain)
        press_ctrl_c(terminal, is_plain)
        code, output = terminal.end()
    assert code == 130
    assert "Traceback" not in output


def test_ctrl_c_does_not_wait_for_a_server_that_answers_no_close(is_plain):
    has_ended, in_time = threading.Event(), []

    def ignore(connection):
        handshake(connection)
        in_time.append(has_ended.wait(LIMIT))

    with (
        scripted_server(ignore) as uri,
        on_terminal("--close-timeout", "inf", uri, is_plain=is_plain) as terminal,
    ):
        ready(terminal, is_plain)
        press_ctrl_c(terminal, is_plain)
        code, _ = terminal.end()
        has_ended.set()
    assert (code, in_time) == (130, [True])


@pytest.mark.parametrize(("line", "exit_code"), [("stop", 0), ("stop 4000", 10)])
def test_the_servers_close_ends_it_while_a_line_is_awaited(is_plain, line, exit_code):
    with running_server(close_at("stop")) as uri, on_terminal(uri, is_plain=is_plain) as terminal:
        ready(terminal, is_plain)
        terminal.type(f"{line}\r")
        code, output = terminal.end()
    assert code == exit_code
    assert f"the server closed: {line.partition(' ')[2] or 1000} enough" in output
    assert "Traceback" not in output


def test_a_terminal_that_can_do_nothing_gets_plain_lines_and_the_end_of_the_connection():
    """There prompt_toolkit reads by another application than the one that can be ended."""
    with running_server(close_at("stop")) as uri, on_terminal(uri, kind="dumb") as terminal:
        terminal.wait_for(b"connected to ")
        terminal.type("stop\r")
        code, output = terminal.end()
    assert code == 0
    assert "the server closed: 1000 enough" in output
    assert "\x1b" not in output


def lose_first(connections):
    """Return a handler that closes the first connection when it gets a message, and echoes on the others."""

    def handler(connection):
        connections.append(connection)
        if len(connections) == 1:
            connection.recv()
            connection.close(1012, "restart")
        else:
            echo(connection)

    return handler


def test_the_conversation_goes_on_over_the_next_connection(is_plain):
    with running_server(lose_first([])) as uri, on_terminal("--reconnect", uri, is_plain=is_plain) as terminal:
        ready(terminal, is_plain)
        terminal.type("lost\r")
        terminal.wait_for(b"the server closed: 1012 restart")
        terminal.wait_for(b"connected to ")
        terminal.type("here again\r")
        terminal.wait_for(b"here again")
        terminal.type("/ping\r")
        terminal.wait_for(b"pong after")
        terminal.type("/close 4000 enough\r")
        code, output = terminal.end()
    assert code == 0
    before, closed, behind = output.partition("closed: 4000 enough")
    assert "attempt" in before
    assert closed
    assert "attempt" not in behind
    assert "Traceback" not in output


def test_a_line_typed_between_two_connections_is_refused(is_plain):
    def refuse_after_one(connection, request):
        return None if not seen else connection.respond(503, "later")

    seen = []

    def handler(connection):
        seen.append(connection)
        connection.close(1012, "restart")

    with (
        running_server(handler, process_request=refuse_after_one) as uri,
        on_terminal("--reconnect", uri, is_plain=is_plain) as terminal,
    ):
        terminal.wait_for(b"the server closed: 1012 restart")
        terminal.wait_for(b"attempt ")
        terminal.type("nobody hears\r")
        terminal.wait_for(b"there is no connection at the moment")
        terminal.type("/close\r")
        code, output = terminal.end()
    assert code == 0
    assert "Traceback" not in output


def test_pings_and_pongs_are_shown_on_demand():
    def ping(connection):
        connection.recv()
        connection.ping(b"hello").wait(LIMIT)

    with running_server(ping) as uri, on_terminal("--pings", uri, is_plain=True) as terminal:
        ready(terminal, True)
        terminal.type("now\r")
        terminal.wait_for(b"ping 68 65 6c 6c 6f [5 bytes]")
        assert terminal.end()[0] == 0


def test_nothing_that_a_server_sends_reaches_the_terminal_as_a_command(is_plain):
    def greet(connection):
        connection.send("\x1b]0;title\x07")

    with running_server(greet) as uri, on_terminal(uri, is_plain=is_plain) as terminal:
        terminal.wait_for(rb"\x1b]0;title\x07")
        _, output = terminal.end()
    assert "\x1b]0;" not in output


def test_so_it_is_where_nobody_types():
    def greet(connection):
        connection.recv()
        connection.send("\x1b]0;title\x07")
        connection.send('"\x9b2J"')

    with running_server(greet) as uri, on_terminal("-m", "hello", uri) as terminal:
        terminal.wait_for(rb"\x1b]0;title\x07")
        terminal.wait_for(rb"\x9b2J")
        terminal.end()
    with running_server(greet) as uri, on_terminal("-m", "{}", "--json", uri) as terminal:
        terminal.wait_for(rb"]0;title")
        terminal.wait_for(rb"\x9b2J")
        _, output = terminal.end()
    assert not {"\x1b", "\x07", "\x9b"} & set(output)


def test_lines_that_were_typed_before_are_there_again(tmp_path):
    history = tmp_path / "history"
    with running_server(echo) as uri:
        with on_terminal(uri, history=history) as terminal:
            ready(terminal, False)
            terminal.type("typed before\r")
            terminal.wait_for(b"typed before\x1b[0m")
            terminal.type("/close\r")
            assert terminal.end()[0] == 0
        assert history.stat().st_mode & 0o777 == 0o600
        with on_terminal(uri, history=history) as terminal:
            ready(terminal, False)
            # Twice up: the last was /close.
            terminal.type("\x1b[A\x1b[A\r")
            terminal.wait_for(b"typed before\x1b[0m")
            terminal.type("/close\r")
            assert terminal.end()[0] == 0
