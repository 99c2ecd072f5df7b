"""`syncws URL` through pipes, and what all commands that connect have in common: in this process, for real servers."""

import base64
import codecs
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from functools import partial

import pytest
from support import LIMIT, echo, running_server, running_unix_server, scripted_server, wait
from support.certificates import asking_context, make, make_authority
from support.programs import ROOT
from support.proxies import real_proxy
from support.scripts import close_frame
from support.servers import handshake, read_frame, read_request, reset

from syncws import OperationTimedOutError, ReconnectingWebSocket
from syncws.cli.main import main

# To end at once where nothing is awaited.
QUICK = ("--wait", "0.2")

needs_unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")


def answers(count):
    """Return options with which the command ends when so many answers have come, however long they take."""
    return ("--count", str(count), "--wait", "inf")


@pytest.fixture
def echo_uri():
    with running_server(echo) as uri:
        yield uri


def told_headers(seen):
    """Return a handler of opening handshakes that keeps their headers."""

    def process_request(connection, request):
        seen.append(request.headers)

    return process_request


@pytest.mark.parametrize(
    ("stdin", "written"),
    [
        (b"one\ntwo\n", b"one\ntwo\n"),
        ("Grüße\r\n\nno end".encode(), "Grüße\n\nno end\n".encode()),
        (b"x" * 200_000 + b"\nshort\n", b"x" * 200_000 + b"\nshort\n"),
        (b"\xef\xbb\xbfone\ntwo\n", b"one\ntwo\n"),
        (b"", b""),
    ],
)
def test_a_line_is_a_message_and_a_message_is_a_line(run, echo_uri, stdin, written):
    count = written.count(b"\n")
    assert run(echo_uri, *(answers(count) if count else QUICK), stdin=stdin) == (0, written, "")


def test_without_a_number_of_answers_they_are_waited_for(run, echo_uri):
    assert run(echo_uri, "--wait", "1", stdin=b"one\ntwo\n") == (0, b"one\ntwo\n", "")


def test_a_reason_to_close_does_nothing_to_the_terminal_that_stderr_may_be(run):
    with running_server(lambda connection: connection.close(1011, "so long\x1b[2J")) as uri:
        code, _, told = run(uri, "--wait", "inf")
    assert (code, told) == (10, "syncws: the server closed the connection: 1011 so long\\x1b[2J\n")


@pytest.mark.parametrize("reconnect", [(), ("--reconnect",)])
def test_an_error_does_not_wait_for_a_server_that_answers_no_close(run, reconnect):
    """Ctrl-C neither: it leaves the same way."""

    has_ended, in_time = threading.Event(), []

    def ignore(connection):
        handshake(connection)
        in_time.append(has_ended.wait(LIMIT))

    with scripted_server(ignore) as uri:
        code, _, told = run(uri, *reconnect, "--close-timeout", "inf", stdin=b"sent\n\xff\n")
        has_ended.set()
    assert (code, in_time) == (2, [True])
    assert "line 2 of stdin is not UTF-8" in told


def test_the_command_can_be_named(run, echo_uri):
    assert run("connect", echo_uri, *answers(1), stdin=b"named\n") == (0, b"named\n", "")


def test_binary_is_sent_and_written_as_it_is(run, echo_uri):
    data = bytes(range(256)) * 1000
    assert run(echo_uri, "--binary", "--count", "1", stdin=data) == (0, data, "")


@pytest.mark.parametrize(
    ("options", "stdin"), [((), b""), (("--binary",), b""), (("--json",), b""), ((), codecs.BOM_UTF8)]
)
def test_whoever_only_listens_sends_nothing(run, options, stdin):
    received, has_ended = [], threading.Event()

    def keep(connection):
        received.extend(connection)
        has_ended.set()

    with running_server(keep) as uri:
        assert run(uri, *options, "--wait", "0", stdin=stdin)[0] == 0
        wait(has_ended)
    assert received == []


def test_binary_that_comes_unasked_is_a_line_of_digits(run):
    with running_server(lambda connection: connection.send(b"\x00\xff")) as uri:
        assert run(uri, "--wait", "inf") == (0, b"00ff\n", "")


def test_json_is_checked_on_the_way_out_and_one_line_on_the_way_in(run, echo_uri):
    assert run(echo_uri, "--json", *answers(2), stdin=b'{"a": [1,\t2]}\n\n"x"\n')[:2] == (0, b'{"a": [1,\t2]}\n"x"\n')
    code, _, errors = run(echo_uri, "--json", *QUICK, stdin=b'{"a": 1}\nnope\n')
    assert (code, errors) == (2, "syncws: line 2 of stdin is not JSON\n")


@pytest.mark.parametrize("text", ["NaN", "-Infinity", '{"a": [Infinity]}'])
def test_numbers_that_json_has_not_are_refused_when_sent_and_a_string_when_received(run, echo_uri, text):
    with running_server(lambda connection: connection.send(text)) as uri:
        assert run(uri, "--json", "--wait", "inf")[1] == json.dumps(text).encode() + b"\n"
    code, _, errors = run(echo_uri, "--json", stdin=text.encode())
    assert (code, errors) == (2, "syncws: line 1 of stdin is not JSON\n")


def test_an_integer_of_any_length_is_json(run, echo_uri):
    digits = b"1" * 5000
    assert run(echo_uri, "--json", *answers(1), stdin=digits) == (0, digits + b"\n", "")


def test_json_of_a_server_stays_on_its_line(run):
    def several(connection):
        for message in ('{\r\n "a":\n 1}', "no JSON\n", "[" * 100_000, b"\x00"):
            connection.send(message)

    with running_server(several) as uri:
        code, output, _ = run(uri, "--json", "--wait", "inf")
    values = [json.loads(line) for line in output.splitlines() if not line.startswith(b'"[')]
    assert (code, values) == (0, [{"a": 1}, "no JSON\n", {"base64": base64.b64encode(b"\x00").decode()}])
    assert len(output.splitlines()) == 4


def test_messages_and_files_take_the_place_of_stdin(run, echo_uri, tmp_path):
    (tmp_path / "text").write_text("from a\nfile", encoding="utf-8-sig", newline="")
    arguments = ("--message", "first", "--message", "second", "--file", str(tmp_path / "text"), "--count", "3")
    assert run(echo_uri, *arguments, stdin=b"not this\n") == (0, b"first\nsecond\nfrom a\nfile\n", "")
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    assert run(echo_uri, "--file", str(tmp_path / "bytes"), "--binary", "-n", "1") == (0, b"\xff\x00", "")


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (("--json", "--binary"), b"", "exclude each other"),
        (("--json", "--message", "nope"), b"", "--message is not JSON"),
        (QUICK, b"fine\n\xff\n", "line 2 of stdin is not UTF-8: use --binary"),
        (("--pin", "00" * 32), b"", "--pin needs a wss:// URL"),
        (("--key", "key.pem"), b"", "--key needs --cert"),
        (("--cert", "a.p12", "--key", "key.pem"), b"", "--key is not for PKCS #12"),
        (("--proxy", "http://user:word@proxy.example/"), b"", "use --proxy-user"),
        (("--only-ca-file",), b"", "--only-ca-file needs --ca-file"),
        (("-H", "Sec-WebSocket-Key: mine"), b"", "Sec-WebSocket-Key"),
        (("--keep-alive", "inf", "--subprotocol", "a b"), b"", "is not a token"),
    ],
)
def test_wrong_values_are_explained(run, echo_uri, monkeypatch, arguments, stdin, told):
    monkeypatch.chdir(ROOT)
    code, _, errors = run(echo_uri, *arguments, stdin=stdin)
    assert code == 2
    assert told in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--header", "no colon"), "must be NAME: VALUE"),
        (("--header", "Authorization: Basic abc"), "use @FILE, --user or --bearer"),
        (("--header", "@/nowhere/at all"), "cannot be read"),
        (("--pin", "abc"), "64 hexadecimal digits"),
        (("--pin", "xyz"), "64 hexadecimal digits"),
        (("--ignore", "all"), "must be among untrusted"),
        (("--wait", "-1"), "must be seconds, or inf"),
        (("--wait", "soon"), "must be seconds, or inf"),
        (("--count", "0"), "must be at least 1, not 0"),
        (("--redirects", "two"), "must be from 0 to 100, not two"),
        (("--max-size", "1e6"), "must be from 0 to 4294967295, not 1e6"),
        (("--max-size", "-1"), "must be from 0 to 4294967295, not -1"),
        (("--message", "\udcff"), "argument -m/--message: must be UTF-8: use --file and --binary"),
        (("--first", "\udcff"), "argument --first: must be UTF-8"),
        (("--max-size", "9" * 5000), "must be from 0 to 4294967295, not 9"),
    ],
)
def test_wrong_options_are_explained(capsys, arguments, told):
    with pytest.raises(SystemExit) as caught:
        main(["ws://localhost/", *arguments])
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


def test_a_file_that_is_no_text_is_told_what_to_do(run, echo_uri, tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff")
    code, _, errors = run(echo_uri, "--file", str(tmp_path / "bytes"))
    assert (code, "use --binary" in errors) == (2, True)


def test_what_is_to_be_sent_is_checked_before_anything_is_connected(capsys, tmp_path):
    nobody = "ws://localhost:1/"
    assert main([nobody, "--file", str(tmp_path / "nothing")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert main([nobody, "--file", str(tmp_path)]) == 1
    assert tmp_path.name in capsys.readouterr().err
    assert main([nobody, "--json", "--message", "nope"]) == 2
    assert "--message is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_headers_and_their_like_reach_the_server(run, tmp_path, monkeypatch, encoding):
    (tmp_path / "headers").write_text("Cookie: secret=1\n\nX-Second: 2\n", encoding=encoding)
    monkeypatch.setenv("SYNCWS_TOKEN", "abc")
    seen = []
    with running_server(echo, process_request=told_headers(seen), subprotocols=["chat"]) as uri:
        arguments = ("-H", "X-First: 1", "-H", f"@{tmp_path / 'headers'}", "--origin", "https://example.org")
        assert run(uri, *arguments, "--user-agent", "me", "-s", "chat", "--bearer", *QUICK)[0] == 0
    [headers] = seen
    assert (headers["X-First"], headers["X-Second"]) == ("1", "2")
    assert (headers["Cookie"], headers["Origin"], headers["User-Agent"]) == ("secret=1", "https://example.org", "me")
    assert (headers["Sec-WebSocket-Protocol"], headers["Authorization"]) == ("chat", "Bearer abc")


def test_a_password_comes_from_the_environment(run, monkeypatch):
    def ask(connection, request):
        if "Authorization" not in request.headers:
            response = connection.respond(401, "who?")
            response.headers["WWW-Authenticate"] = 'Basic realm="here"'
            return response
        assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'me:word').decode()}"
        return None

    monkeypatch.setenv("SYNCWS_PASSWORD", "word")
    with running_server(echo, process_request=ask) as uri:
        assert run(uri, "--user", "me", *answers(1), stdin=b"in\n") == (0, b"in\n", "")


def test_a_password_is_asked_for_on_the_terminal(run, echo_uri, monkeypatch):
    monkeypatch.delenv("SYNCWS_PASSWORD", raising=False)
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "word")
    monkeypatch.setattr("syncws.cli.passwords._find_console", lambda: None)
    assert run(echo_uri, "--user", "me", *QUICK)[0] == 0
    assert asked == ["password: "]


def test_without_a_terminal_the_variable_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "syncws", "ws://127.0.0.1:1/", "--user", "me"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, "set SYNCWS_PASSWORD" in done.stderr) == (2, True)


def test_a_proxy_is_gone_through(run, echo_uri, monkeypatch):
    monkeypatch.setenv("SYNCWS_PROXY_PASSWORD", "word")
    with real_proxy("http") as proxy:
        code, output, _ = run(
            echo_uri, "--proxy", f"http://{proxy}", "--proxy-user", "me", *answers(1), stdin=b"through\n"
        )
    assert (code, output) == (0, b"through\n")


@needs_unix
def test_a_unix_socket_is_connected_to(run, tmp_path):
    path = str(tmp_path / "socket")
    with running_unix_server(tmp_path / "socket", echo):
        assert run("ws://service/", "--unix", path, *answers(1), stdin=b"inside\n") == (0, b"inside\n", "")
        code, output, _ = run("info", "ws://service/", "--unix", path)
        assert (code, path in output.decode()) == (0, True)
    # More seconds than a socket's time limit can have.
    code, _, errors = run("ws://service/", "--unix", path, "--timeout", "1e20", *QUICK)
    assert (code, "nobody accepts at" in errors) == (4, True)


@pytest.fixture
def tls_files(tmp_path, authority, server_tls):
    """A server with TLS, and the file of its authority."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    with running_server(echo, ssl_context=server_tls) as uri:
        yield uri, str(path)


def test_tls_trusts_what_it_is_told_and_nothing_else(run, tls_files):
    uri, authority = tls_files
    assert run(uri, "--ca-file", authority, *answers(1), stdin=b"secret\n") == (0, b"secret\n", "")
    assert run(uri, "--ca-file", authority, "--only-ca-file", *answers(1), stdin=b"alone\n") == (0, b"alone\n", "")
    code, _, errors = run(uri, *QUICK)
    assert (code, "its SHA-256 is " in errors) == (6, True)
    assert run(uri, "--ca-file", __file__, *QUICK)[0] == 2
    assert run(uri, "--ignore", "untrusted,invalid-name", *answers(1), stdin=b"any\n") == (0, b"any\n", "")


def test_a_pin_lets_one_certificate_pass(run, tls_files):
    uri, authority = tls_files
    code, output, _ = run("info", uri, "--ca-file", authority, "--json")
    assert code == 0
    pin = json.loads(output)["certificate"]["SHA-256"]
    assert run(uri, "--ca-file", authority, "--pin", pin, *answers(1), stdin=b"pinned\n")[:2] == (0, b"pinned\n")
    code, output, errors = run(uri, "--ca-file", authority, "--pin", "00" * 32, *QUICK, stdin=b"pinned\n")
    assert (code, output, errors.splitlines()[-1]) == (6, b"", "  --pin names another certificate")


@pytest.mark.parametrize("form", ["pem", "p12"])
def test_a_client_certificate_is_shown_its_password_from_the_environment(run, tmp_path, authority, monkeypatch, form):
    root = make_authority("Root of the clients")
    client = make("A Client", root)
    content = client.bundle(password="word") if form == "p12" else client.pem + client.key_pem("word")
    (tmp_path / f"client.{form}").write_bytes(content)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    trusting = ("--ca-file", str(tmp_path / "authority.pem"))
    arguments = (*trusting, "--cert", str(tmp_path / f"client.{form}"))
    monkeypatch.setenv("SYNCWS_KEY_PASSWORD", "word")
    context = asking_context(authority.issue_cert("localhost"), [root])
    with running_server(echo, ssl_context=context) as uri:
        assert run(uri, *arguments, *answers(1), stdin=b"it is me\n")[:2] == (0, b"it is me\n")
        code, _, errors = run(uri, *trusting, *QUICK)
        assert (code, errors.splitlines()[-1]) == (6, "  see --cert")
        monkeypatch.setenv("SYNCWS_KEY_PASSWORD", "wrong")
        assert run(uri, *arguments, *QUICK)[0] == 2


def refused(connection, request, body="no"):
    return connection.respond(403, body)


def test_what_a_refusal_says_is_shown_on_one_short_line_that_does_nothing_to_a_terminal(run):
    for body, shown in ("no\n  \x1b[31mway", r"no \x1b[31mway"), ("long " * 100, ("long " * 40)[:199] + " …"):
        answer = partial(refused, body=body)
        with running_server(echo, process_request=answer) as uri:
            code, _, errors = run(uri, *QUICK)
        assert (code, errors.splitlines()[1:]) == (7, [f"  its answer: {shown}"])


def test_each_kind_of_failure_has_its_exit_code(run):
    with running_server(echo, process_request=refused) as uri:
        assert run(uri, *QUICK)[0] == 7
    with scripted_server(reset) as uri:
        assert run(uri, *QUICK)[0] == 4
    assert run("ws://127.0.0.1:1/", *QUICK)[0] == 4
    assert run("ws://name.invalid/", "--timeout", "20", *QUICK)[0] == 3
    assert run("ws://localhost/", "--proxy", "http://127.0.0.1:1", *QUICK)[0] == 5
    assert run("ws://localhost/#fragment", *QUICK)[0] == 2
    released = threading.Event()
    with scripted_server(lambda connection: wait(released)) as uri:
        code = run(uri, "--timeout", "0.2", *QUICK)[0]
        released.set()
    assert code == 8


def test_a_refusal_of_the_proxys_is_not_the_servers(run):
    def refuse(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with scripted_server(refuse) as uri:
        proxy = uri.replace("ws:", "http:").rstrip("/")
        assert run("ws://server.invalid/", "--proxy", proxy, *QUICK)[0] == 5


def test_how_the_server_ends_it_is_told_by_the_exit_code(run):
    with running_server(lambda connection: connection.close(1000)) as uri:
        assert run(uri, "--wait", "inf")[0] == 0
    with running_server(lambda connection: connection.close(4001, "go away")) as uri:
        code, _, errors = run(uri, "--wait", "inf")
        assert (code, errors) == (10, "syncws: the server closed the connection: 4001 go away\n")

    def lose(connection):
        handshake(connection)
        reset(connection)

    with scripted_server(lose) as uri:
        assert run(uri, "--wait", "inf")[0] == 9


@pytest.mark.parametrize("options", [["-m", "a"], ["-b"], []])
def test_a_server_that_finds_something_wrong_when_all_was_sent_is_told_by_the_exit_code(run, options):
    def fail(connection):
        handshake(connection)
        while read_frame(connection)[0] & 0x0F != 8:
            pass
        connection.sendall(close_frame(1011, "disk full"))

    with scripted_server(fail) as uri:
        code, _, errors = run(uri, "--wait", "0", *options, stdin=b"a\n")
    assert (code, errors) == (10, "syncws: the server closed the connection: 1011 disk full\n")


def test_several_addresses_are_listed_when_none_accepts(run, monkeypatch):
    code, _, errors = run("ws://localhost:1/", *QUICK)
    assert code == 4
    assert "  127.0.0.1: " in errors
    assert "  ::1: " in errors


def test_messages_are_compressed_on_demand(run):
    with running_server(echo, compression="deflate") as uri:
        code, output, _ = run("info", uri, "--compress")
        assert (code, b"permessage-deflate" in output) == (0, True)
        assert run(uri, "--compress", *answers(1), stdin=b"x" * 5000) == (0, b"x" * 5000 + b"\n", "")
        assert b"permessage-deflate" not in run("info", uri)[1]


def test_what_is_to_be_first_is_sent_first(run, echo_uri):
    assert run(echo_uri, "--first", "subscribe", *answers(2), stdin=b"then\n") == (0, b"subscribe\nthen\n", "")


class Restarted:
    """A server's handler that loses its first connections, and echoes on the others."""

    def __init__(self, losses):
        self.losses = losses
        self.connections = 0

    def __call__(self, connection):
        self.connections += 1
        if self.connections <= self.losses:
            connection.recv()
            connection.close(1012, "restart")
        else:
            echo(connection)


def test_a_connection_that_is_over_is_replaced(run):
    server = Restarted(losses=1)
    with running_server(server) as uri:
        code, output, errors = run(uri, "--reconnect", "--first", "subscribe", "--count", "1", "--wait", "inf")
    assert (code, output, server.connections) == (0, b"subscribe\n", 2)
    assert "the server closed: 1012 restart" in errors
    assert "connected to" in errors
    assert "typed" not in errors
    assert "attempt " in errors


@pytest.mark.parametrize("command", ["connect --reconnect --message one --count 1 --wait inf", "ping --count 1"])
def test_what_is_told_of_a_connection_has_no_query(run, echo_uri, command):
    """stderr goes to a log, and a query may be a token."""
    code, output, errors = run(*command.split(), f"{echo_uri}feed?token=secret")
    assert (code, "secret" in output.decode() + errors) == (0, False)
    assert f"{echo_uri}feed?…" in output.decode() + errors


def test_lines_wait_for_the_next_connection(run):
    with running_server(Restarted(losses=0)) as uri:
        assert run(uri, "--reconnect", "--max-size", "100", *answers(2), stdin=b"one\ntwo\n")[:2] == (0, b"one\ntwo\n")


def test_a_server_that_takes_nothing_any_more_is_left_for_the_next_connection(run, monkeypatch):
    sent, send = [], ReconnectingWebSocket.send

    def stuck_at_first(socket, message):
        sent.append(message)
        if len(sent) == 1:
            raise OperationTimedOutError("the peer read nothing")
        send(socket, message)

    monkeypatch.setattr(ReconnectingWebSocket, "send", stuck_at_first)
    server = Restarted(losses=0)
    with running_server(server) as uri:
        assert run(uri, "--reconnect", *answers(1), stdin=b"line\n")[:2] == (0, b"line\n")
    assert (sent, server.connections) == (["line", "line"], 2)


def test_the_wait_for_messages_begins_with_the_first_connection(run):
    received, has_ended = [], threading.Event()

    def keep(connection):
        received.extend(connection)
        has_ended.set()

    with running_server(keep) as uri:
        assert run(uri, "--reconnect", "--first", "subscribe", "--wait", "0")[0] == 0
        wait(has_ended)
    assert received == ["subscribe"]
    # However short that was.
    with running_server(lambda connection: connection.close(1012)) as uri:
        assert run(uri, "--reconnect", "--wait", "0")[0] == 0


@pytest.mark.parametrize("stdin", [b"", b"line\n"])
def test_a_certificate_that_does_not_pass_is_told_as_without_reconnecting(run, tls_files, stdin):
    uri, _ = tls_files
    code, _, errors = run(uri, "--reconnect", *QUICK, stdin=stdin)
    assert (code, errors.count("its SHA-256 is ")) == (6, 1)


def test_what_has_no_chance_is_not_tried_again(run):
    with running_server(echo, process_request=refused) as uri:
        code, _, errors = run(uri, "--reconnect", "--wait", "inf")
    assert code == 7
    assert "403" in errors
    assert "Traceback" not in errors


def test_that_there_is_no_chance_is_said_once():
    with running_server(echo, process_request=refused) as uri:
        ended = subprocess.run(
            [sys.executable, "-m", "syncws", uri, "--reconnect", "--wait", "inf"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    assert ended.returncode == 7
    assert re.fullmatch("syncws: .*403.*\n  its answer: no\n", ended.stderr)


@needs_unix
def test_a_connection_over_a_unix_socket_is_replaced_too(run, tmp_path):
    server, path = Restarted(losses=1), tmp_path / "socket"
    with running_unix_server(path, server):
        code, output, _ = run(
            "ws://service/", "--unix", str(path), "--reconnect", "--first", "in", "--count", "1", "--wait", "inf"
        )
    assert (code, output, server.connections) == (0, b"in\n", 2)


def test_each_connection_that_replaces_another_is_held_to_the_pin(run, tmp_path, authority, server_tls):
    server = Restarted(losses=1)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    options = ("--ca-file", str(tmp_path / "authority.pem"), "--reconnect", "--first", "in", "--count", "1")
    with running_server(server, ssl_context=server_tls) as uri:
        code, _, errors = run(uri, *options, "--pin", "00" * 32)
        assert (code, "Traceback" in errors, server.connections) == (6, False, 0)
        pin = re.search("its SHA-256 is ([0-9a-f]{64})", errors)[1]
        code, output, _ = run(uri, *options, "--wait", "inf", "--pin", pin)
    assert (code, output, server.connections) == (0, b"in\n", 2)
    assert run("ws://localhost/", "--reconnect", "--pin", pin)[::2] == (2, "syncws: --pin needs a wss:// URL\n")


def test_verbose_shows_frames_on_stderr(echo_uri):
    done = subprocess.run(
        [sys.executable, "-m", "syncws", echo_uri, "-v", "-m", "hi", "-n", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    assert done.stdout == "hi\n"
    assert "> TEXT 'hi' [2 bytes]" in done.stderr


def test_nobody_who_reads_is_no_traceback(echo_uri):
    with subprocess.Popen(
        [sys.executable, "-m", "syncws", echo_uri, "--message", "x" * 2000, "--wait", "inf"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        running.stdout.close()
        assert running.wait(LIMIT) == 141
        assert running.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one program")
@pytest.mark.parametrize(
    ("command", "code"), [(["connect"], 130), (["ping"], 0), (["receive", "-"], 130), (["send", "-"], 130)]
)
def test_ctrl_c_ends_each_command_without_a_traceback(command, code):
    connected = threading.Event()

    def handler(connection):
        connection.send("ready")
        connected.set()
        echo(connection)

    name, *rest = command
    with (
        running_server(handler) as uri,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, name, uri, *rest],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running,
    ):
        try:
            assert running.stdout.read(1) if name != "send" else connected.wait(LIMIT)
            if name == "ping":
                # Behind the heading stands the first answer.
                running.stdout.readline()
                running.stdout.readline()
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=LIMIT)
        finally:
            running.kill()
    assert (running.returncode, b"Traceback" in errors) == (code, False)


# A program that a shell starts in the background does not get Python's own handling of Ctrl-C.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from syncws.cli.main import main
sys.exit(main())
"""
