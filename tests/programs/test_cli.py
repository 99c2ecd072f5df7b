"""The command line, in this process; test_readme.py runs it as a person would."""

import re
import sys

import pytest
from support import running_server
from support.programs import ROOT

import syncws.cli.demo
import syncws.cli.exits
from syncws.cli.exits import ExitCode, print_error
from syncws.cli.main import main


def test_the_demo_ends_with_0_when_all_of_it_held(capsys):
    assert main(["demo"]) == 0
    assert "All of it held." in capsys.readouterr().out


def test_the_demo_takes_no_proxy(capsys, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert main(["demo"]) == 0
    assert "All of it held." in capsys.readouterr().out


def test_the_demo_ends_with_1_when_a_step_did_not_hold(capsys, monkeypatch):
    monkeypatch.setattr(syncws.cli.demo, "_show_close", lambda report, servers: report.step("a broken promise", False))
    assert main(["demo"]) == 1
    output = capsys.readouterr().out
    assert "FAILED a broken promise" in output
    assert "1 step(s) did not hold." in output


def test_a_step_that_raises_no_error_where_one_is_due_does_not_hold(capsys):
    report = syncws.cli.demo._Report()
    with syncws.cli.demo.running_servers() as servers:
        error = syncws.cli.demo._show_error(report, "a server", servers.plain, syncws.WebErrorStatus.NOT_FOUND)
    assert error is None
    assert report.failures == 1


@pytest.mark.parametrize("missing", ["trustme", "websockets.sync.server"])
def test_a_missing_extra_is_named(capsys, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["demo"]) == 2
    assert 'pip install "syncws[demo]"' in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nonsense"]])
def test_wrong_arguments_are_explained(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: syncws" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["localhost:8765", "example.com", "example.com/feed", "http://localhost/"])
def test_what_is_nearly_a_url_is_told_how_one_looks(capsys, url):
    assert main([url]) == 2
    assert "ws://" in capsys.readouterr().err


def test_a_misspelt_command_is_told_as_one(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["conect", "ws://localhost:1/"])
    assert caught.value.code == 2
    assert "invalid choice: 'conect'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["ws://me:word@localhost/"], "--user and --bearer"),
        (["ws://localhost/", "-H", "Sec-WebSocket-Protocol: chat"], "--subprotocol"),
        (["ws://localhost/", "-H", "Sec-WebSocket-Extensions: permessage-deflate"], "--compress"),
    ],
)
def test_an_error_that_names_a_setting_names_its_option_too(capsys, arguments, option):
    assert main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[1:] == [f"  see {option}"]


def test_an_error_that_names_no_setting_of_an_option_is_all_that_is_said(capsys):
    print_error(syncws.InvalidArgumentError("control.resolver and proxy"))
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_each_option_that_an_error_may_name_exists_and_so_does_its_setting(capsys):
    with pytest.raises(SystemExit):
        main(["connect", "--help"])
    told = capsys.readouterr().out
    for setting, option in syncws.cli.exits._OPTIONS.items():
        assert hasattr(syncws.MessageWebSocketControl, setting), setting
        assert re.search(rf"{option}(?![\w-])", told), option


def test_a_close_that_the_server_never_sees_does_not_hold_and_does_not_hang(monkeypatch):
    monkeypatch.setattr(syncws.cli.demo, "_LIMIT", 0.01)
    with syncws.cli.demo.running_servers() as servers:
        servers.closings.put((1005, ""))
        assert syncws.cli.demo._closing_seen_by(servers, 4000) == (None, None)


def test_every_exit_code_is_described_in_help_and_in_the_documentation(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out.partition("exit codes:")[2]
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert re.search(rf"^  {code:d} ", told, re.MULTILINE), code
        assert f"\n| {code:d} |" in page, code


@pytest.mark.parametrize("command", ["connect --count 1", "connect --wait 0.1", "info", "receive"])
def test_standard_streams_that_were_closed_are_empty_and_take_all(monkeypatch, caplog, command):
    # As by `syncws … <&- >&-`, or under pythonw.
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with running_server(greet) as uri:
        assert main([*command.split(), uri, *(["-"] if command == "receive" else [])]) == 0
    assert (sys.stdin, sys.stdout, sys.stderr) == (None, None, None)
    assert not caplog.records


def greet(connection):
    connection.send('"one"')
