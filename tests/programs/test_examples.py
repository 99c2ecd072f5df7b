"""Every example is run as its docstring says, against the server that it names: `python -m syncws echo`."""

import ast
import hashlib
import os
import shlex
import signal
import ssl
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from support import LIMIT, running_server, server_certificates, wait
from support.programs import ROOT, echo_command
from support.servers import echo

# What each prints when all is well, the last line first to be looked at.
EXPECTED = {
    "certificate_pinning.py": ["let pass: UNTRUSTED, INCOMPLETE_CHAIN\nHello, World!\n"],
    "client_certificate.py": ["we are A client, says ", "the server is localhost\nHello, World!\n"],
    "connect_timeout.py": ["connected to 127.0.0.1\n"],
    "message_echo.py": ["Message received from MessageWebSocket: Hello, World!\nWebSocket_Closed; Code: 1000"],
    "partial_messages.py": ["Complete UTF8 message: "],
    "receive_file.py": ["received 3,000,000 bytes in "],
    "send_file.py": ["sent 3,000,000 bytes in "],
    "stream_echo.py": ["Data received from StreamWebSocket: 10 bytes\nWebSocket_Closed; Code: 1000"],
    "through_a_proxy.py": ["received 'Hello, World!'\nthrough no proxy\n"],
    "scenario1_utf8.py": [
        "Custom validation of the server's certificate passed.\nConnected\nThe server is syncws echo server, says ",
        "Sending Message: Grüße\nMessage Received; Type: UTF8\nGrüße\nClosed; Code: 1000, Reason: Closed due to user",
    ],
    "scenario2_binary.py": [
        "Custom validation of the server's certificate passed.\n",
        "Closed; Code: 1000, Reason: Closed due to user request.\n",
        "Data sent: 50, data received: 50\n",
    ],
    "scenario3_client_authentication.py": [
        "Server certificate: for localhost, 127.0.0.1, ::1, by OU=Testing CA",
        "Connected\nClosed; Code: 1000, Reason: Closed due to user request.\n",
    ],
    "scenario4_partial_read_write.py": [
        "Sending Partial: two, \n",
        "Text: one, \n",
        "Complete message received; Type: UTF8, ",
        "Closed; Code: 1000, Reason: Closed due to user request.\n",
    ],
}
# test_ports.py runs those in examples/ports/, beside the programs that they were.
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").rglob("*.py")
    if path.name != "sample_configuration.py" and path.parent.name != "ports"
)
SAMPLE = ROOT / "examples" / "windows_sample"
WITH_TLS = [path for path in sorted(SAMPLE.glob("scenario*.py")) if "3" not in path.name]
ENOUGH = {
    "scenario1_utf8.py": ["Hello"],
    "scenario2_binary.py": ["--count", "2", "--interval", "0"],
    "scenario4_partial_read_write.py": ["one", "two"],
}
# What goes on until the server ends it. A stream has nothing to wait for then, the others miss an answer.
ENDLESS = ENOUGH | {"scenario2_binary.py": ["--interval", "10"]}
CODE_WHEN_THE_SERVER_CLOSES = {"scenario1_utf8.py": 1, "scenario2_binary.py": 0, "scenario4_partial_read_write.py": 1}


def commands_of(path):
    """Return the words of the first two commands in an example's docstring: the server's and its own."""
    lines = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()
    server, own = [shlex.split(line) for line in lines if line.startswith("    ")][:2]
    assert server[:4] == ["python", "-m", "syncws", "echo"]
    # Settings of the environment may come first.
    own = own[own.index("python") :]
    assert own[1] == path.relative_to(ROOT).as_posix()
    return server[4:], [word for word in own[2:] if not word.startswith("[")]


def run(path, *words, code=0, environment=None):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **(environment or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, ""), done.stdout
    return done.stdout


def fingerprint(uri):
    return hashlib.sha256(
        ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((urlsplit(uri).hostname, urlsplit(uri).port)))
    ).hexdigest()


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_it_runs_against_the_server_that_its_docstring_names(path, tmp_path):
    options, words = commands_of(path)
    (tmp_path / "film.mkv").write_bytes(os.urandom(3_000_000))
    files = {"film.mkv": str(tmp_path / "film.mkv"), "received.mkv": str(tmp_path / "received.mkv")}
    with echo_command(*[files.get(word, word) for word in options]) as [uri, *lines]:
        port = str(urlsplit(uri).port)
        words = [word.replace("8765", port).replace("8766", port) for word in words]
        told = dict(line.split(": ", 1) for line in lines)
        files["client.pem"] = told.get("client certificate")
        if "SHA256" in words:
            files["SHA256"] = fingerprint(uri)
        # A scenario lets an unknown authority pass, and so does pinning; for the rest it is to be trusted.
        trusted = {"SSL_CERT_FILE": told["authority"]} if path.name == "client_certificate.py" else {}
        if "--count" in words:
            words += ["--interval", "0.01"]
        output = run(path, *[files.get(word, word) for word in words], environment=trusted)
    for expected in EXPECTED[path.name]:
        assert expected in output
    if path.name == "receive_file.py":
        assert (tmp_path / "received.mkv").read_bytes() == (tmp_path / "film.mkv").read_bytes()


def test_send_file_sends_more_than_all_buffers_hold_to_a_server_that_echoes(tmp_path):
    (tmp_path / "film.mkv").write_bytes(bytes(40_000_000))
    with echo_command() as [uri]:
        output = run(ROOT / "examples" / "send_file.py", uri, str(tmp_path / "film.mkv"))
    assert output.startswith("sent 40,000,000 bytes in ")


@pytest.mark.parametrize("path", WITH_TLS, ids=[path.stem for path in WITH_TLS])
def test_a_scenario_shows_the_rejected_certificate(path):
    own = server_certificates.make(names=["other.test"])
    with running_server(echo, ssl_context=own.server_context()) as uri:
        output = run(path, uri, *ENOUGH[path.name], "--issuer", "nobody of that name", code=1)
        assert "Server certificate: for other.test, by " in output
        assert "Custom validation of the server's certificate failed.\n" in output
        assert "Custom validation has rejected the server's certificate.\n" in output
        assert "Connected" not in output


@pytest.mark.parametrize("path", WITH_TLS, ids=[path.stem for path in WITH_TLS])
def test_a_scenario_lets_no_other_error_of_a_certificate_pass(path):
    own = server_certificates.make(dates=server_certificates.LONG_AGO)
    with running_server(echo, ssl_context=own.server_context()) as uri:
        output = run(path, uri, *ENOUGH[path.name], code=1)
    assert "Error: CERTIFICATE_EXPIRED\n" in output


@pytest.mark.parametrize("path", WITH_TLS, ids=[path.stem for path in WITH_TLS])
def test_a_scenario_runs_without_tls(path):
    with echo_command() as [uri]:
        assert "Closed; Code: 1000, Reason: Closed due to user request.\n" in run(path, uri, *ENOUGH[path.name])


@pytest.mark.parametrize("path", WITH_TLS, ids=[path.stem for path in WITH_TLS])
def test_a_scenario_tells_how_the_server_ended_the_connection(path):
    def refuse(connection):
        connection.recv()
        connection.close(1008, "not today")

    with running_server(refuse) as uri:
        output = run(path, uri, *ENDLESS[path.name], code=CODE_WHEN_THE_SERVER_CLOSES[path.name])
    assert "Closed; Code: 1008, Reason: not today\n" in output


@pytest.mark.parametrize("path", WITH_TLS, ids=[path.stem for path in WITH_TLS])
def test_a_scenario_says_what_is_wrong_with_a_uri(path):
    output = run(path, "http://127.0.0.1/", *ENOUGH[path.name], code=1)
    assert output.startswith("Error: ")
    assert "ws and wss" in output
    assert "scheme" in output


def test_client_authentication_says_that_a_certificate_is_wanted():
    with echo_command("--tls", "--client-certificate") as [uri, _, _]:
        output = run(SAMPLE / "scenario3_client_authentication.py", uri, code=1)
    assert "The server wants a client certificate.\n" in output


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C for one process alone")
def test_ctrl_c_stops_the_stream_of_scenario_2_and_closes_it():
    has_sent = threading.Event()

    def serve(connection):
        connection.recv()
        # Its answer waits for the frame that is on its way, and Ctrl-C in the middle of that would cut the connection.
        assert connection.ping().wait(LIMIT)
        has_sent.set()
        echo(connection)

    with running_server(serve) as uri:
        # A signal that comes just before the wait between two writes does not end it, so it must be over within LIMIT.
        program = [sys.executable, "-u", "-W", "error", str(SAMPLE / "scenario2_binary.py"), uri, "--interval", "5"]
        own = os.environ | {"PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(program, cwd=ROOT, env=own, text=True, **pipes) as running:
            wait(has_sent)
            running.send_signal(signal.SIGINT)
            output, errors = running.communicate(timeout=LIMIT)
    assert (running.returncode, errors) == (0, "")
    assert "Stopping\n" in output
    assert "Closed; Code: 1000, Reason: Closed due to user request.\n" in output
