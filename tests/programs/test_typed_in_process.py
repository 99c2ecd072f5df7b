"""The typed form of `syncws URL` in this process: a terminal as stdin, or prompt_toolkit's own stand-in for one."""

import contextlib
import os
import sys
import threading

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from support import LIMIT, echo, join, running_server

import syncws
from syncws import MessageWebSocket
from syncws.cli import prompt as prompt_module
from syncws.cli.main import main
from syncws.cli.prompt import Prompt
from syncws.cli.screen import Screen
from syncws.cli.typed import execute

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal of this kind")

LINES = "Hello\n//slash\n/ping\n/binary 00 ff\n/binary 0\n/close now\n/close 999\n/nonsense\n/help\n"


@pytest.fixture(autouse=True)
def capable_terminal(monkeypatch):
    """Have a terminal that prompt_toolkit can edit a line on, whatever the tests are run on."""
    monkeypatch.setenv("TERM", "xterm")


@contextlib.contextmanager
def typed(text, monkeypatch):
    """Have a terminal on which a text was typed as stdin; what is written to stdout is for a person too.

    Gives the descriptor on which more can be typed.
    """
    import pty

    master, slave = pty.openpty()
    try:
        os.write(master, text.encode())
        with os.fdopen(slave) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
            yield master
    finally:
        os.close(master)


@pytest.fixture
def without_extra(monkeypatch):
    """Have the extra `cli` not installed."""
    for name in ("prompt_toolkit", "rich"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("without_extra")
def test_plain_lines_are_done_one_by_one(monkeypatch, capsys):
    with running_server(echo, subprotocols=["chat"]) as uri, typed(f"{LINES}/close 4000 bye\n", monkeypatch):
        assert main([uri, "--subprotocol", "chat", "--pings"]) == 0
    output = capsys.readouterr().out
    for told in (
        "subprotocol chat",
        "pong after ",
        "! /binary takes",
        "! /close takes",
        "there is no /nonsense",
        "- Ctrl-D",
        "closed: 4000 bye",
    ):
        assert told in output


@pytest.mark.usefixtures("without_extra")
def test_a_close_that_is_typed_announces_no_further_connection(monkeypatch, capsys):
    close, connected, note, announced = MessageWebSocket.close, Screen.connected, Screen.note, threading.Event()

    def close_and_be_slow(socket, *arguments):
        close(socket, *arguments)
        if threading.current_thread() is threading.main_thread():
            announced.wait(LIMIT)

    def type_when_connected(screen, socket):
        connected(screen, socket)
        os.write(keyboard, b"/close 999\n/close 4000 bye\n")

    def note_and_tell(screen, text):
        note(screen, text)
        if text.startswith("attempt"):
            announced.set()

    monkeypatch.setattr(MessageWebSocket, "close", close_and_be_slow)
    monkeypatch.setattr(Screen, "connected", type_when_connected)
    monkeypatch.setattr(Screen, "note", note_and_tell)
    with running_server(echo) as uri, typed("", monkeypatch) as keyboard:
        assert main([uri, "--reconnect"]) == 0
    output = capsys.readouterr().out
    assert "close code 999 must not be sent" in output
    assert "closed: 4000 bye" in output
    assert "attempt" not in output


def test_lines_of_a_prompt_are_done_one_by_one(monkeypatch, capsys):
    monkeypatch.setenv("SYNCWS_HISTORY", "")
    with (
        typed("", monkeypatch),
        create_pipe_input() as keys,
        create_app_session(input=keys, output=DummyOutput()),
    ):
        connected = threading.Event()
        received = []

        def handler(connection):
            connected.set()
            received.append(connection.recv())
            echo(connection)

        with running_server(handler) as uri:

            def type_when_connected():
                connected.wait(LIMIT)
                keys.send_text("Hello\r\r/ping\r/close 4000 bye\r")

            typing = threading.Thread(target=type_when_connected)
            typing.start()
            code = main([uri])
            join(typing)
    assert (code, received) == (0, ["Hello"])
    assert "closed: 4000 bye" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["\udcff", "/ping \udcff", "/close 1000 \udcff"])
def test_bytes_that_are_no_text_are_told_and_end_nothing(capsys, line):
    """As prompt_toolkit gives them."""
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        execute(socket, line, Screen())
        assert socket.is_open
    assert "surrogate" in capsys.readouterr().out


def test_a_close_code_of_more_digits_than_python_reads_ends_nothing(capsys):
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        execute(socket, f"/close {'9' * 5000}", Screen())
        assert socket.is_open
    assert "! /close takes" in capsys.readouterr().out


def test_the_end_of_the_connection_ends_a_line_that_is_being_typed(monkeypatch):
    monkeypatch.setenv("SYNCWS_HISTORY", "")
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        prompt = Prompt(["/help"])
        taken = []

        def take(line):
            taken.append(line)
            # The next line is being typed when this is called, or about to be.
            threading.Timer(0.05, prompt.end).start()

        keys.send_text("first\rhalf a l")
        prompt.run(take)
        # And once it is over nothing is asked for.
        prompt.run(take)
    assert taken == ["first"]


@pytest.mark.parametrize("path", ["", "/nowhere/at/all"])
def test_without_a_file_for_them_lines_are_kept_for_this_conversation(monkeypatch, path):
    monkeypatch.setenv("SYNCWS_HISTORY", path)
    assert isinstance(prompt_module._history(), prompt_module.InMemoryHistory)


def test_lines_are_kept_where_nobody_else_looks(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNCWS_HISTORY", str(tmp_path / "history"))
    assert isinstance(prompt_module._history(), prompt_module.FileHistory)
    assert (tmp_path / "history").stat().st_mode & 0o777 == 0o600


def test_a_user_without_a_home_has_no_history(monkeypatch):
    """As an arbitrary one in a container."""

    def nobody(_):
        raise KeyError("uid not found")

    monkeypatch.delenv("SYNCWS_HISTORY", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert isinstance(prompt_module._history(), prompt_module.InMemoryHistory)


@pytest.mark.usefixtures("without_extra")
def test_a_connection_that_cannot_be_made_ends_it(monkeypatch, capsys):
    with typed("", monkeypatch):
        assert main(["ws://127.0.0.1:1/"]) == 4
    assert "cannot connect" in capsys.readouterr().err


def test_info_is_a_table_where_a_person_looks(monkeypatch, capsys):
    with running_server(echo) as uri, typed("", monkeypatch):
        assert main(["info", uri]) == 0
    assert "╭" in capsys.readouterr().out
