"""`syncws send`, `receive`, `ping`, `info`, and what a shell completes: in this process, for real servers."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import LIMIT, echo, join, read_to_end, running_server, scripted_server
from support.commands import on_terminal
from support.programs import ROOT
from support.scripts import close_frame, only_reads
from support.server_certificates import make
from support.servers import handshake, read_frame, reset, server_frame

from syncws import MessageWebSocket
from syncws.cli import progress as progress_module
from syncws.cli.main import main

CONTENT = os.urandom(3_000_000)


@pytest.fixture
def path(tmp_path):
    """A file to send."""
    (tmp_path / "sent").write_bytes(CONTENT)
    return str(tmp_path / "sent")


class Keeper:
    """A server's handler that keeps what it gets."""

    def __init__(self):
        self.received = []
        self.ended = threading.Event()

    def __call__(self, connection):
        self.received.extend(connection)
        self.ended.set()


def test_a_file_is_sent_as_one_message(run, path):
    keeper = Keeper()
    with running_server(keeper) as uri:
        code, output, errors = run("send", uri, path)
        assert keeper.ended.wait(LIMIT)
    assert (code, output, keeper.received) == (0, b"", [CONTENT])
    assert errors.startswith("sent 3,000,000 bytes in ")


def test_an_empty_file_is_an_empty_message(run, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    keeper = Keeper()
    with running_server(keeper) as uri:
        assert run("send", uri, str(tmp_path / "empty"))[0] == 0
        assert keeper.ended.wait(LIMIT)
    assert keeper.received == [b""]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_sent_as_it_comes(run, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(CONTENT,))
    writer.start()
    keeper = Keeper()
    with running_server(keeper) as uri:
        code, _, errors = run("send", uri, str(pipe))
        assert keeper.ended.wait(LIMIT)
    join(writer)
    assert (code, b"".join(keeper.received)) == (0, CONTENT)
    assert errors.startswith("sent 3,000,000 bytes in ")


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="there is no such file here")
def test_a_file_that_tells_no_size_is_sent_as_one_message(run):
    keeper = Keeper()
    with running_server(keeper) as uri:
        assert run("send", uri, "/proc/version")[0] == 0
        assert keeper.ended.wait(LIMIT)
    assert keeper.received == [Path("/proc/version").read_bytes()]


def test_stdin_is_sent_as_it_comes(run):
    keeper = Keeper()
    with running_server(keeper) as uri:
        assert run("send", uri, "-", stdin=CONTENT)[0] == 0
        assert keeper.ended.wait(LIMIT)
    assert b"".join(keeper.received) == CONTENT


def test_what_comes_back_is_thrown_away_or_written(run, path):
    with running_server(echo) as uri:
        assert run("send", uri, path)[:2] == (0, b"")
        assert run("send", uri, path, "--wait", "1")[:2] == (0, CONTENT)


def test_a_server_that_answers_and_closes_ends_the_wait(run, path):
    def answer(connection):
        connection.send(str(len(connection.recv())))

    with running_server(answer) as uri:
        assert run("send", uri, path, "--wait", "inf")[:2] == (0, b"3000000")


def test_a_server_that_may_not_have_read_everything_is_told_by_the_exit_code(run, tmp_path):
    (tmp_path / "sent").write_bytes(b"in the system's memory")
    has_ended = threading.Event()

    def read_nothing(connection):
        handshake(connection)
        has_ended.wait(LIMIT)

    with scripted_server(read_nothing) as uri:
        code, _, errors = run("send", uri, str(tmp_path / "sent"), "--close-timeout", "0.05")
        has_ended.set()
    assert (code, "may not have arrived" in errors, "22 bytes" in errors) == (8, True, False)


@pytest.mark.parametrize("end", [reset, socket.socket.close])
def test_a_server_that_leaves_without_a_close_frame_of_its_own_is_told_by_the_exit_code(run, tmp_path, end):
    (tmp_path / "sent").write_bytes(b"read")

    def hang_up(connection):
        handshake(connection)
        for opcode in (2, 8):
            assert read_frame(connection)[0] & 0x0F == opcode
        end(connection)

    with scripted_server(hang_up) as uri:
        code, _, errors = run("send", uri, str(tmp_path / "sent"))
    assert (code, "may not have arrived" in errors, "4 bytes" in errors) == (9, True, False)


def test_a_server_that_breaks_the_protocol_after_all_was_sent_is_told_by_the_exit_code(run, tmp_path):
    (tmp_path / "sent").write_bytes(b"read")

    def break_it(connection):
        handshake(connection)
        read_frame(connection)
        connection.sendall(server_frame(3, b""))
        read_to_end(connection)

    with scripted_server(break_it) as uri:
        code, _, errors = run("send", uri, str(tmp_path / "sent"), "--wait", "inf")
    assert (code, "broke the protocol" in errors) == (9, True)


def test_a_server_that_refuses_the_file_when_all_was_sent_is_told_by_the_exit_code(run, tmp_path):
    (tmp_path / "sent").write_bytes(b"too much")

    def refuse(connection):
        handshake(connection)
        for opcode in (2, 8):
            assert read_frame(connection)[0] & 0x0F == opcode
        connection.sendall(close_frame(1009, "too big"))

    with scripted_server(refuse) as uri:
        code, _, errors = run("send", uri, str(tmp_path / "sent"))
    assert (code, "1009 too big" in errors, "8 bytes" in errors) == (10, True, False)


def test_a_file_that_is_not_there_costs_no_connection(run, tmp_path):
    code, _, errors = run("send", "ws://127.0.0.1:1/", str(tmp_path / "nothing"))
    assert (code, "No such file" in errors) == (1, True)


def test_nobody_who_reads_the_answers_ends_it(path):
    with (
        running_server(echo) as uri,
        subprocess.Popen(
            [sys.executable, "-m", "syncws", "send", uri, path, "--wait", "inf"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running,
    ):
        running.stdout.close()
        assert (running.wait(LIMIT), running.stderr.read()) == (141, b"")


def test_what_a_server_sends_goes_into_a_file(run, tmp_path):
    def send(connection):
        connection.send(CONTENT)
        connection.send("Grüße")

    with running_server(send) as uri:
        code, output, errors = run("receive", uri, str(tmp_path / "received"))
        assert (code, output) == (0, b"")
        assert "received 3,000,007 bytes in " in errors
        assert (tmp_path / "received").read_bytes() == CONTENT + "Grüße".encode()
        assert run("receive", uri, "-")[:2] == (0, CONTENT + "Grüße".encode())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that tells when something comes")
def test_what_has_come_is_in_the_file_while_the_server_has_more(run, tmp_path):
    os.mkfifo(tmp_path / "received")
    has_arrived, was_seen = threading.Event(), []

    def follow():
        with open(tmp_path / "received", "rb", buffering=0) as file:
            file.read(1)
            has_arrived.set()
            file.read()

    def send(connection):
        connection.send("first")
        was_seen.append(has_arrived.wait(LIMIT))

    # If the program opens no file, this would wait in open() for good.
    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    with running_server(send) as uri:
        assert run("receive", uri, str(tmp_path / "received"))[0] == 0
    join(reader)
    assert was_seen == [True]


def test_what_came_before_a_loss_is_in_the_file(run, tmp_path):
    def lose(connection):
        handshake(connection)
        connection.sendall(server_frame(2, b"half"))
        # Until the pong has come, the client has read what stands before the ping.
        connection.sendall(server_frame(9))
        read_frame(connection)
        reset(connection)

    with scripted_server(lose) as uri:
        assert run("receive", uri, str(tmp_path / "received"))[0] == 9
    assert (tmp_path / "received").read_bytes() == b"half"


def test_send_tells_of_a_connection_that_was_lost_while_it_waited_for_answers(run, path):
    def take_all_and_reset(connection):
        handshake(connection)
        taken = 0
        while taken < 3_000_000:
            taken += len(connection.recv(1 << 20))
        reset(connection)

    with scripted_server(take_all_and_reset) as uri:
        code, _, error = run("send", uri, path, "--wait", "30")
    assert code == 9
    assert "the connection was lost, so what was sent last may not have arrived" in error


def test_a_file_is_left_alone_when_nobody_answers(run, tmp_path):
    (tmp_path / "kept").write_bytes(b"before")
    assert run("receive", "ws://127.0.0.1:1/", str(tmp_path / "kept"))[0] == 4
    assert (tmp_path / "kept").read_bytes() == b"before"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal of this kind")
@pytest.mark.parametrize("is_plain", [True, False])
def test_progress_is_shown_where_a_person_looks(path, is_plain):
    with running_server(echo) as uri, on_terminal("send", uri, path, is_plain=is_plain) as terminal:
        terminal.wait_for(b"sending sent")
        terminal.wait_for(b"MiB" if is_plain else b"MB" if b"MB" in terminal.output else b"M")
        code, output = terminal.end()
    assert code == 0
    assert "sent 3,000,000 bytes" in output


class FakeTerminal(io.StringIO):
    """A stderr that a person looks at."""

    def isatty(self):
        return True


@pytest.mark.parametrize("is_plain", [True, False])
def test_progress_of_a_known_and_an_unknown_size(monkeypatch, is_plain):
    # On a dumb terminal rich shows no bar.
    monkeypatch.setenv("TERM", "xterm")
    if is_plain:
        monkeypatch.setitem(sys.modules, "rich", None)
        monkeypatch.setitem(sys.modules, "rich.console", None)
    for total in (None, 2 << 20):
        monkeypatch.setattr(sys, "stderr", FakeTerminal())
        with progress_module.progress("moving film[hd].mp4", total) as show:
            show(1 << 20)
            show(2 << 20)
        assert "moving film[hd].mp4" in sys.stderr.getvalue()


def test_ping_tells_round_trips_and_statistics(run):
    with running_server(echo) as uri:
        code, output, _ = run("ping", uri, "--count", "3", "--interval", "0.01")
    lines = output.decode().splitlines()
    assert code == 0
    assert lines[0] == f"PING {uri} (127.0.0.1)"
    assert [line.partition(" ")[0] for line in lines[1:4]] == ["seq=1", "seq=2", "seq=3"]
    assert lines[5].startswith("3 pings, 3 answers, 0% lost, time ")
    assert lines[6].startswith("round trip min/avg/max/mdev = ")


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_count_of_pings_that_is_none_is_refused(capsys, count):
    with pytest.raises(SystemExit) as caught:
        main(["ping", "ws://localhost/", "--count", count])
    assert caught.value.code == 2
    assert f"must be at least 1, not {count}" in capsys.readouterr().err


def test_a_server_that_answers_no_ping_is_told_by_the_exit_code(run):
    with scripted_server(only_reads) as uri:
        code, output, _ = run("ping", uri, "-c", "2", "-i", "0", "-W", "0.05", "--close-timeout", "0.05")
    assert code == 1
    assert "seq=1 no answer\nseq=2 no answer" in output.decode()
    assert "2 pings, 0 answers, 100% lost" in output.decode()


def test_ctrl_c_ends_ping_without_waiting_for_a_server_that_answers_nothing(run, monkeypatch):
    has_ended, in_time = threading.Event(), []

    def ignore(connection):
        handshake(connection)
        in_time.append(has_ended.wait(LIMIT))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(MessageWebSocket, "ping", interrupted)
    with scripted_server(ignore) as uri:
        code, output, _ = run("ping", uri, "--close-timeout", "inf")
        has_ended.set()
    assert (code, in_time) == (1, [True])
    assert b"1 pings, 0 answers, 100% lost" in output


def test_a_server_that_closes_ends_ping_with_its_statistics(run):
    def close_after_one(connection):
        handshake(connection)
        _, payload = read_frame(connection)
        connection.sendall(server_frame(10, payload) + server_frame(8, b"\x03\xe9"))
        read_to_end(connection)

    with scripted_server(close_after_one) as uri:
        code, output, _ = run("ping", uri, "-i", "inf")
    assert code == 10
    assert "2 pings, 1 answers, 50% lost" in output.decode()


def test_info_shows_what_there_is_to_know(run):
    with running_server(echo, subprotocols=["chat"]) as uri:
        code, output, _ = run("info", uri, "--subprotocol", "chat")
        assert code == 0
        for told in ("connection", "127.0.0.1", "subprotocol", "chat", "headers of the answer", "round trip of a ping"):
            assert told in output.decode()
        assert re.search(r"^  total +[0-9.]+ ms$", output.decode(), re.MULTILINE)
        code, output, _ = run("info", f"{uri}?token=secret", "--subprotocol", "chat", "--json")
    table = json.loads(output)
    # Seconds, which a program can compare.
    assert 0 < table["times"]["tcp"] <= table["times"]["total"] < LIMIT
    assert 0 < table["times"]["round trip of a ping"] < LIMIT
    assert table["connection"]["URL"] == f"{uri}?…"
    assert table["connection"]["state"] == "connected"


def test_info_shows_the_certificate_also_of_a_server_that_does_not_pass(run, tmp_path, authority, server_tls):
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with running_server(echo, ssl_context=server_tls) as uri:
        code, output, _ = run("info", uri, "--ca-file", str(tmp_path / "authority.pem"), "--json")
        table = json.loads(output)
        assert (code, table["certificate"]["errors"]) == (0, "none")
        assert table["connection"]["TLS"].startswith("TLSv1.")
        assert {"tcp", "tls", "handshake", "total"} <= set(table["times"])
        assert "localhost" in table["certificate"]["names"]
        code, output, _ = run("info", uri, "--json")
        table = json.loads(output)
        assert (code, table["certificate"]["errors"]) == (6, "untrusted, incomplete_chain")
        assert table["connection"]["state"].startswith("failed: ")


def test_json_of_info_is_ascii(run):
    with scripted_server(lambda connection: handshake(connection, "X-Name: caf\xe9 \x9b31m")) as uri:
        code, output, _ = run("info", uri, "--json")
    assert (code, output.isascii()) == (0, True)
    assert json.loads(output)["headers of the answer"]["x-name"] == "caf\xe9 \x9b31m"


def test_info_says_that_a_certificate_has_nothing_but_a_subject(run):
    with running_server(echo, ssl_context=make("localhost", names=[]).server_context()) as uri:
        code, output, _ = run("info", uri, "--ignore", "untrusted,invalid_name", "--json")
    certificate = json.loads(output)["certificate"]
    assert (code, certificate["subject"], certificate["names"]) == (0, "localhost", "none")


def test_info_shows_the_headers_of_a_refusal_and_the_addresses_tried(run):
    def refuse(connection, request):
        response = connection.respond(503, "later")
        response.headers["Retry-After"] = "120"
        return response

    with running_server(echo, process_request=refuse) as uri:
        code, output, _ = run("info", uri)
        assert (code, "120" in output.decode()) == (7, True)
    code, output, _ = run("info", "ws://localhost:1/", "--json")
    assert code == 4
    assert {"127.0.0.1", "::1"} <= set(json.loads(output)["addresses tried"])


@pytest.mark.parametrize(
    ("behind", "told"),
    [(b"", "no answer in 0.05 s"), (server_frame(8, b"\x03\xe8"), "closed")],
    ids=["silent", "close"],
)
def test_info_says_when_a_ping_has_no_answer(run, monkeypatch, behind, told):
    def ignore(connection):
        handshake(connection, behind=behind)
        read_to_end(connection)

    monkeypatch.setattr("syncws.cli.info._ANSWER", 0.05)
    with scripted_server(ignore) as uri:
        code, output, _ = run("info", uri, "--json", "--close-timeout", "0.05")
    assert code == 0
    assert told in json.loads(output)["times"]["round trip of a ping"]


def test_info_goes_without_what_reads_certificates(run, monkeypatch, server_tls):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.x509", None)
    with running_server(echo, ssl_context=server_tls) as uri:
        code, output, _ = run("info", uri, "--ignore", "untrusted", "--json")
    certificate = json.loads(output)["certificate"]
    assert code == 0
    assert "cryptography" in certificate["fields"]
    assert len(certificate["SHA-256"]) == 64


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal of this kind")
def test_info_on_a_terminal_is_a_table():
    with running_server(echo) as uri, on_terminal("info", uri) as terminal:
        code, output = terminal.end()
    assert code == 0
    assert "┃" in output or "│" in output


@pytest.mark.skipif(sys.platform == "win32", reason="a descriptor of its own is passed on")
@pytest.mark.parametrize(("typed", "offered"), [("syncws in", "info"), ("syncws info --proxy-", "--proxy-user")])
def test_a_shell_can_complete_commands_and_options(tmp_path, typed, offered):
    environment = os.environ | {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "offered"),
        "COMP_LINE": typed,
        "COMP_POINT": str(len(typed)),
    }
    subprocess.run([sys.executable, "-m", "syncws"], cwd=ROOT, env=environment, timeout=LIMIT, check=True)
    assert offered in (tmp_path / "offered").read_text().split()


def test_completion_needs_no_library(monkeypatch, capsys):
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("syncws ")
