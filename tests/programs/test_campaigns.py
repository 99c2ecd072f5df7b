"""The campaigns of compliance/, each in a small size with a fixed seed; and that each finds what it looks for."""

import socket as tcp
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import LIMIT, running_server, wait

from compliance import faults, machine, report, storm
from compliance.clients import CLIENTS, Limits, SyncwsMessages
from compliance.faulty_peer import FAULTS
from compliance.watch import Figures
from syncws import MessageWebSocket
from syncws._wire.deflate import Deflater

ROOT = Path(__file__).parents[2]
SYNCWS = CLIENTS["syncws"]


@pytest.fixture(autouse=True)
def long_limits(monkeypatch):
    """Let no slow machine look like a hang."""
    monkeypatch.setattr(faults, "HANG_SECONDS", 2 * LIMIT)
    for module in (faults, storm):
        monkeypatch.setattr(module, "_OVERRUN_SECONDS", LIMIT)
        monkeypatch.setattr(module, "_PATIENCE_SECONDS", LIMIT)


@pytest.fixture
def storm_limits(monkeypatch):
    for name in ("connect", "send", "close"):
        monkeypatch.setattr(Limits, name, LIMIT)
    monkeypatch.setattr(Limits, "receive", 0.01)


class Changed:
    """A client whose connections are changed by `change` after they are made."""

    name = "syncws"
    errors = SYNCWS.errors

    def __init__(self, change, client=SYNCWS):
        self._change = change
        self._client = client

    def connect(self, uri, context, number):
        connection = self._client.connect(uri, context, number)
        self._change(connection)
        return connection


def lose_one(connection):
    """Give out all received messages but the first."""
    receive, is_first = connection.receive, [True]

    def receive_later(timeout):
        message = receive(timeout)
        if is_first:
            is_first.clear()
            message = receive(timeout)
        return message

    connection.receive = receive_later


def double_all(connection):
    """Give out each received message twice."""
    receive, again = connection.receive, []

    def receive_twice(timeout):
        if again:
            return again.pop()
        again.append(receive(timeout))
        return again[0]

    connection.receive = receive_twice


def send_nothing(connection):
    connection.send = lambda message: None


def send_twice(connection):
    send = connection.send

    def send_again(message):
        send(message)
        send(message)

    connection.send = send_again


def raise_key_errors(connection):
    def send(message):
        raise KeyError(message)

    connection.send = send


# Faults.


@pytest.mark.slow
def test_no_fault_makes_a_connection_hang_lose_double_or_leave_anything():
    figures = faults.run(SYNCWS, 30, 5, workers=10)
    assert figures.is_good, "\n".join(figures.failures)
    assert figures.connections == 30
    assert set(figures.other) == set(FAULTS)


def test_what_happens_to_a_connection_depends_on_the_seed_and_its_number_only():
    campaigns = [faults.Campaign(SYNCWS, seed) for seed in (1, 1, 2)]
    plans = [[campaign.plan(number) for number in range(20)] for campaign in campaigns]
    same_faults = [[(plan.scheme, plan.fault) for plan in one] for one in plans]
    # The length of a TLS handshake, and so the position, differs by a few bytes with the signature.
    assert same_faults[0] == same_faults[1]
    assert same_faults[1] != same_faults[2]
    assert [plan.position for plan in plans[0][::2]] == [plan.position for plan in plans[1][::2]]


# What is lost is waited for in vain, so not for long; what is doubled comes.
BRIEFLY = 0.3


@pytest.mark.parametrize(
    ("change", "field", "patience"),
    [
        (lose_one, "lost", BRIEFLY),
        (double_all, "doubled", LIMIT),
        (send_twice, "doubled", LIMIT),
        (raise_key_errors, "undocumented", BRIEFLY),
    ],
)
def test_the_fault_campaign_finds_a_defect(change, field, patience, monkeypatch):
    monkeypatch.setattr(faults, "_PATIENCE_SECONDS", patience)
    client = Changed(change, SyncwsMessages())
    # A connection whose fault comes late.
    campaign = faults.Campaign(client, 1)
    late = next(number for number in range(0, 200, 2) if campaign.plan(number).position > 2500)
    figures = faults.run(client, 0, 1, workers=1, only=late)
    assert getattr(figures, field)
    assert not figures.is_good
    assert f"--seed 1 --only {late}" in figures.failures[0]


def test_the_fault_campaign_finds_a_hang_and_what_is_left_behind(monkeypatch):
    is_hanging, go = threading.Event(), threading.Event()
    left = []

    def hang(connection):
        close = connection.close

        def close_later():
            close()
            left.append(tcp.socket())
            is_hanging.set()
            wait(go)

        connection.close = close_later

    monkeypatch.setattr(faults.Campaign, "_wait", lambda campaign, thread: wait(is_hanging))
    monkeypatch.setattr(faults, "_PATIENCE_SECONDS", BRIEFLY)
    try:
        figures = faults.run(Changed(hang), 0, 1, workers=1, only=0)
    finally:
        go.set()
        for socket in left:
            socket.close()
    assert (figures.hangs, figures.descriptors) == (1, 1)
    # On a busy machine another may not have had the time to end.
    assert figures.threads >= 1
    assert "hang in close" in figures.failures[0]


# The storm.


@pytest.mark.slow
@pytest.mark.usefixtures("storm_limits")
def test_every_message_of_many_threads_is_accounted_for():
    figures = storm.run(SyncwsMessages(), 4 * LIMIT, 3, connections=8, threads=10, actions=120)
    assert figures.is_good, "\n".join(figures.failures)
    assert figures.other["sent"] > 300
    assert figures.other["received"] > 300


@pytest.mark.usefixtures("storm_limits")
@pytest.mark.parametrize(
    ("change", "field", "patience"),
    [
        (send_nothing, "lost", BRIEFLY),
        (lose_one, "lost", BRIEFLY),
        (send_twice, "doubled", LIMIT),
        (double_all, "doubled", LIMIT),
    ],
)
def test_the_storm_finds_a_defect(change, field, patience, monkeypatch):
    monkeypatch.setattr(storm, "_PATIENCE_SECONDS", patience)
    client = Changed(change, SyncwsMessages())
    figures = storm.run(client, LIMIT, 3, connections=1, threads=2, actions=12)
    assert getattr(figures, field)
    assert not figures.is_good
    assert "--seed 3" in figures.failures[0]


class Compressed(SyncwsMessages):
    """Has every connection compress."""

    def connect(self, uri, context, number):
        return super().connect(uri, context, (2 * number + 1) * len(self.ways) + number % 2)


@pytest.mark.usefixtures("storm_limits")
def test_every_message_of_many_threads_on_one_context_is_accounted_for():
    figures = storm.run(Compressed(), 4 * LIMIT, 3, connections=2, threads=10, actions=200)
    assert figures.is_good, "\n".join(figures.failures)
    assert figures.other["sent"] > 300


@pytest.mark.usefixtures("storm_limits")
def test_the_storm_finds_a_context_that_is_out_of_step(monkeypatch):
    compress = Deflater.compress

    def compress_twice(deflater, data, **options):
        compress(deflater, data, **options)
        return compress(deflater, data, **options)

    monkeypatch.setattr(Deflater, "compress", compress_twice)
    monkeypatch.setattr(storm, "_PATIENCE_SECONDS", BRIEFLY)
    assert not storm.run(Compressed(), LIMIT, 3, connections=1, threads=2, actions=12).is_good


# The state machine.


@pytest.mark.slow
@pytest.mark.parametrize("kind", machine.MACHINES)
def test_every_order_of_calls_does_what_the_model_says(kind):
    with running_server(machine.serve_connection) as uri:
        assert machine.run(kind, uri, examples=25, steps=20, seed_number=4) >= 250


def test_the_state_machine_finds_a_defect(monkeypatch):
    monkeypatch.setattr(MessageWebSocket, "receive", lambda socket, timeout: "something else")
    with (
        running_server(machine.serve_connection) as uri,
        pytest.raises(AssertionError, match=r"instead of|something else"),
    ):
        machine.run("MessageWebSocket", uri, examples=40, steps=15, seed_number=4)


# The commands.


def run_command(*arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * LIMIT, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("compliance.faults", "--connections", "4", "--client", "syncws"),
        ("compliance.storm", "--seconds", "0.5", "--threads", "3", "--connections", "4", "--client", "syncws"),
    ],
)
def test_a_campaign_prints_a_row_for_a_client(arguments):
    done = run_command(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    heading, row = done.stdout.splitlines()[:2]
    assert heading.split()[:3] == ["connections", "hangs", "lost"]
    assert row.split()[0] == "syncws"
    # Connections, and then nothing that was found.
    assert int(row.split()[1].replace(",", "")) >= 4
    assert set(row.split()[2:9]) == {"0"}


def test_a_process_that_does_not_end_counts_as_a_hang(monkeypatch, capsys):
    waiting = "import threading; threading.Event().wait()"
    monkeypatch.setattr(report, "_command", lambda module, name: [sys.executable, "-c", waiting])
    options = type("Options", (), {"json": False, "client": "syncws"})
    assert report.run_clients("compliance.faults", options, CLIENTS, lambda client: Figures("syncws"), 0.1) == 1
    assert "was killed" in capsys.readouterr().out


def test_a_process_that_breaks_off_is_told_of(monkeypatch, capsys):
    monkeypatch.setattr(report, "_command", lambda module, name: [sys.executable, "-c", "raise SystemExit('broken')"])
    options = type("Options", (), {"json": False, "client": "syncws"})
    assert report.run_clients("compliance.faults", options, CLIENTS, lambda client: Figures("syncws"), LIMIT) == 1
    assert "broken" in capsys.readouterr().out
