"""What README.md and examples/ show is run here, and the files keep to what they say."""

import ast
import configparser
import contextlib
import hashlib
import os
import pathlib
import re
import ssl
import struct
import subprocess
import sys

import pytest
from support import LIMIT, echo, handshake, read_to_end, running_server, scripted_server, server_certificates
from support.certificates import PASSWORD, asking_context, make, make_authority
from support.proxies import real_proxy
from support.scripts import close_frame, read_until_close

import syncws

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run_program(source, *arguments, code=0):
    """Run a program in an interpreter of its own, which must end with `code`; return what it wrote."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *source, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LIMIT,
        cwd=ROOT,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_first_program_is_short():
    assert len([line for line in SNIPPETS[0].splitlines() if line]) <= 16


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_each_snippet_prints_the_echo(number):
    with running_server(echo) as uri:
        output = run_program(["-c", SNIPPETS[number].replace("ws://localhost:8765/", uri)])
    assert "Hello, World!" in output


def test_the_snippet_with_events_shows_how_the_connection_closed():
    with running_server(echo) as uri:
        output = run_program(["-c", SNIPPETS[1].replace("ws://localhost:8765/", uri)])
    assert output.splitlines() == ["Hello, World!", "1000 thanks"]


def test_message_echo_prints_what_the_guide_s_program_prints():
    with running_server(echo) as uri:
        output = run_program([str(ROOT / "examples" / "message_echo.py")], uri)
    assert output.splitlines() == [
        "Sending message using MessageWebSocket: Hello, World!",
        "Message received from MessageWebSocket: Hello, World!",
        'WebSocket_Closed; Code: 1000, Reason: ""',
    ]


def test_stream_echo_prints_what_the_guide_s_program_prints():
    with running_server(echo) as uri:
        lines = run_program([str(ROOT / "examples" / "stream_echo.py")], uri).splitlines()
    assert lines == [
        "Sending data using StreamWebSocket: 10 bytes",
        "Data received from StreamWebSocket: 10 bytes",
        'WebSocket_Closed; Code: 1000, Reason: ""',
    ]


def test_partial_messages_shows_each_piece_and_puts_characters_together():
    def in_odd_pieces(connection):
        message = connection.recv().encode()
        connection.send([message[:3], message[3:11], message[11:]], text=True)
        for _ in connection:
            pass

    with running_server(in_odd_pieces) as uri:
        lines = run_program([str(ROOT / "examples" / "partial_messages.py")], uri).splitlines()
    pieces = [line.split(" ", 3) for line in lines]
    assert "".join(ast.literal_eval(piece[3]) for piece in pieces) == "Grüße in drei Stücken"
    assert [piece[0] for piece in pieces] == ["Partial"] * (len(pieces) - 1) + ["Complete"]
    assert {tuple(piece[1:3]) for piece in pieces} == {("UTF8", "message:")}


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_send_file_sends_one_message(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "sent").write_bytes(content)
    received = []
    with running_server(received.extend) as uri:
        output = run_program([str(ROOT / "examples" / "send_file.py")], uri, str(tmp_path / "sent"))
    assert received == [content]
    assert output.startswith(f"sent {size:,} bytes in ")


def test_send_file_fails_when_the_server_refuses_the_file(tmp_path):
    (tmp_path / "sent").write_bytes(bytes(1000))

    def refuse(connection):
        handshake(connection)
        connection.sendall(close_frame(1009, "at most 999 bytes"))
        read_until_close(connection)

    with scripted_server(refuse) as uri:
        done = subprocess.run(
            [sys.executable, "examples/send_file.py", uri, str(tmp_path / "sent")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "1009" in done.stderr
    assert "sent" not in done.stdout


def test_receive_file_receives_whatever_the_messages_are(tmp_path):
    content = os.urandom(3_000_000)

    def send(connection):
        connection.send(content[:1_000_000])
        connection.send(content[start : start + 70_001] for start in range(1_000_000, 3_000_000, 70_001))

    with running_server(send) as uri:
        output = run_program([str(ROOT / "examples" / "receive_file.py")], uri, str(tmp_path / "received"))
    assert (tmp_path / "received").read_bytes() == content
    lines = output.splitlines()
    assert lines[0].startswith("received 3,000,000 bytes in ")
    assert lines[1] == f"sha256 {hashlib.sha256(content).hexdigest()}"


def test_certificate_pinning_takes_the_known_certificate_and_no_other():
    own = server_certificates.make(names=["other.test"])
    known = hashlib.sha256(own.der).hexdigest()
    example = str(ROOT / "examples" / "certificate_pinning.py")
    with running_server(echo, ssl_context=own.server_context()) as uri:
        let_pass = f"SHA-256 {known}, let pass: UNTRUSTED, INVALID_NAME"
        assert run_program([example], uri, known.upper()).splitlines() == [let_pass, "Hello, World!"]
        lines = run_program([example], uri, "ab" * 32, code=1).splitlines()
        assert lines == [let_pass, "not the certificate that is known"]
        assert run_program([example], uri, code=1).splitlines() == lines


def test_certificate_pinning_does_not_take_one_that_has_expired():
    own = server_certificates.make(dates=server_certificates.LONG_AGO)
    with running_server(echo, ssl_context=own.server_context()) as uri:
        example = str(ROOT / "examples" / "certificate_pinning.py")
        output = run_program([example], uri, hashlib.sha256(own.der).hexdigest(), code=1)
    assert output.startswith("failed: CERTIFICATE_EXPIRED: cannot connect to wss://localhost:")


def test_connect_timeout_connects_in_time():
    with running_server(echo) as uri:
        output = run_program([str(ROOT / "examples" / "connect_timeout.py")], uri)
    assert output == "connected to 127.0.0.1\n"


def test_connect_timeout_gives_up_on_a_server_that_does_not_answer():
    with scripted_server(read_to_end) as uri:
        output = run_program([str(ROOT / "examples" / "connect_timeout.py")], uri, "0.2", code=1)
    lines = output.splitlines()
    assert lines[0] == "timed out after 0.2 s"
    assert lines[1].startswith("  127.0.0.1: connect was canceled (waiting for the server's answer")
    assert len(lines) == 2


@pytest.fixture
def asking_server(authority, tmp_path, monkeypatch):
    """The URI of a server that insists on a client certificate and tells whose it is, and the clients' authority."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    root = make_authority("Root of the clients")

    def tell(connection):
        for message in connection:
            subject = dict(field[0] for field in connection.socket.getpeercert()["subject"])
            connection.send(f"{subject['commonName']} sent: {message}")

    context = asking_context(authority.issue_cert("localhost"), [root], ssl.TLSVersion.TLSv1_3)
    with running_server(tell, ssl_context=context) as uri:
        yield uri, root


@pytest.mark.parametrize("suffix", [".pem", ".p12"])
def test_client_certificate_shows_who_is_who(asking_server, tmp_path, monkeypatch, suffix):
    uri, root = asking_server
    made = make("A Client", root)
    path = tmp_path / f"client{suffix}"
    path.write_bytes(made.pem + made.key_pem(PASSWORD) if suffix == ".pem" else made.bundle(password=PASSWORD))
    monkeypatch.setenv("CLIENT_PASSWORD", PASSWORD)
    lines = run_program([str(ROOT / "examples" / "client_certificate.py")], uri, str(path)).splitlines()
    until = f"{made.certificate.not_valid_after_utc:%Y-%m-%d}"
    assert lines == [
        f"we are A Client, says Root of the clients, until {until}",
        "the server is localhost",
        "A Client sent: Hello, World!",
    ]


def test_client_certificate_says_that_one_is_wanted(asking_server):
    output = run_program([str(ROOT / "examples" / "client_certificate.py")], asking_server[0], code=1)
    assert output == "the server wants a client certificate\n"


def test_through_a_proxy_tells_which_it_was(monkeypatch):
    program = [str(ROOT / "examples" / "through_a_proxy.py")]
    with real_proxy("http", "name:word") as address, running_server(echo) as uri:
        assert run_program(program, uri) == "received 'Hello, World!'\nthrough no proxy\n"
        refused = run_program(program, uri, f"http://{address}", code=1)
        assert refused.startswith("the proxy wants another user name and password: cannot connect to ws://")
        assert f": the proxy http://{address} answered 407" in refused
        monkeypatch.setenv("PROXY_USER", "name")
        monkeypatch.setenv("PROXY_PASSWORD", "word")
        monkeypatch.setenv("ws_proxy", f"http://{address}")
        assert run_program(program, uri) == f"received 'Hello, World!'\nthrough http://{address}\n"
        assert run_program(program, uri, "") == "received 'Hello, World!'\nthrough no proxy\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_send_file_shows_a_bar_on_a_terminal(tmp_path):
    import fcntl
    import pty
    import termios

    (tmp_path / "sent").write_bytes(bytes(1_000_000))
    terminal, end = pty.openpty()
    # A bar needs room: 24 lines of 80 characters.
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    bar = b""
    with open(terminal, "rb", buffering=0) as shown:
        with open(end, "wb", buffering=0) as screen, running_server(list) as uri:
            program = [sys.executable, "-W", "error", "examples/send_file.py", uri, str(tmp_path / "sent")]
            subprocess.run(program, check=True, stdout=subprocess.PIPE, stderr=screen, timeout=LIMIT, cwd=ROOT)
        # Linux answers EIO when nobody has the other end any more.
        with contextlib.suppress(OSError):
            while piece := shown.read(65536):
                bar += piece
    assert b"100%" in bar
    assert b"B/s" in bar


def test_every_example_is_listed_and_run_here():
    names = {path.name for path in (ROOT / "examples").glob("*.py")}
    own = pathlib.Path(__file__).read_text(encoding="utf-8")
    listed = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert names
    assert all(f"examples/{name}" in listed and name in own for name in names)


def test_the_readme_has_both_commands_on_one_line_each():
    assert len(re.findall(r"^python3 -m venv .venv && .*-m syncws demo$", README, re.MULTILINE)) == 1
    assert len(re.findall(r"^python3 -m venv .venv && .*-m pytest -n 4$", README, re.MULTILINE)) == 1


def test_the_demo_holds_and_says_so():
    output = run_program(["-m", "syncws", "demo"])
    assert output.rstrip().endswith("All of it held.")
    assert "FAILED" not in output
    assert "0x80000013" in output


def test_the_command_line_tells_its_version():
    assert run_program(["-m", "syncws", "--version"]).strip() == f"syncws {syncws.__version__}"


def test_the_oldest_libraries_that_are_tried_are_the_oldest_that_may_be_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = config["options.extras_require"]
    brought = [extras[name] for name in ("certificates", "socks", "fast")]
    allowed = "\n".join([config["options"]["install_requires"], *brought])
    tried = (ROOT / "tests" / "oldest.txt").read_text(encoding="utf-8")
    assert dict(re.findall(r"^([a-z0-9-]+)>=([0-9.]+)", allowed, re.MULTILINE)) == dict(
        re.findall(r"^([a-z0-9-]+)==([0-9.]+)$", tried, re.MULTILINE)
    )


@pytest.mark.parametrize("page", ["README.md", "docs/installation.md"])
def test_a_page_tells_how_to_install_what_is_not_released_as_long_as_it_is_not(page):
    is_to_come = "## 0.1.0, not yet released" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ("Until the first release is out" in (ROOT / page).read_text(encoding="utf-8")) == is_to_come


def test_every_markdown_link_to_a_file_leads_somewhere():
    for name in ("README.md", "DESIGN.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)", text):
            assert target.startswith("https://") or (ROOT / target).exists(), f"{name} links to {target}"
