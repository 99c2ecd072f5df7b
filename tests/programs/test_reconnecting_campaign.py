"""The campaign of compliance/ that breaks down the server, in a small size; and that it finds what it looks for."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import LIMIT

from compliance import faults, reconnecting, storm
from compliance.changing_server import FAULTS, ChangingServer
from compliance.clients import Limits
from compliance.reconnecting_clients import SyncwsReconnecting
from syncws._reconnecting.worker import Worker

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_campaign_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "compliance.reconnecting", "--seconds", "5", "--seed", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing was lost in silence" in done.stdout


@pytest.mark.slow
def test_a_defect_of_the_library_is_found(monkeypatch):
    """One that gives out each message of an event-driven socket twice."""
    forward = Worker._forward

    def forward_twice(worker, socket, args):
        forward(worker, socket, args)
        forward(worker, socket, args)

    monkeypatch.setattr(Worker, "_forward", forward_twice)
    with ChangingServer() as server:
        campaign = reconnecting.Campaign(server, 1)
        campaign.run(0)
        found = [fault for account in campaign.accounts for fault in account.faults(server)]
    assert any("/object: received twice" in fault for fault in found)
    assert set(campaign.faults) <= set(FAULTS)


def account(**values):
    made = reconnecting.Account("/x")
    for name, value in values.items():
        setattr(made, name, value)
    return made


def server(arrived=(), sent=(), *, is_orderly=False):
    peer = SimpleNamespace(client="/x", sent=list(sent), is_orderly=is_orderly, end="restart")
    return SimpleNamespace(received=defaultdict(list, {"/x": list(arrived)}), peers=[peer])


@pytest.mark.parametrize(
    ("made", "seen", "text"),
    [
        (account(received=[1, 1]), server(), "received twice"),
        (account(received=[2, 1]), server(), "received out of order"),
        (account(), server(["1", "1"]), "arrived twice"),
        (account(received=[1]), server(sent=[1, 2], is_orderly=True), "1 of 2 lost of an orderly end"),
        (account(sent={"1": "socket"}), server(), "nobody told"),
    ],
)
def test_each_kind_of_fault_is_named(made, seen, text):
    assert [fault for fault in made.faults(seen) if text in fault]


def test_what_was_told_is_no_fault():
    made = account(sent={"1": "socket", "2": "socket"}, told=["socket"], refused={"3"}, received=[4, 5])
    assert made.faults(server(["1"], [4, 5], is_orderly=True)) == []
    assert made.lost(server(["1"])) == ["2"]


@pytest.mark.slow
def test_faults_and_storms_find_nothing_about_sockets_that_reconnect(monkeypatch):
    for module in (faults, storm):
        monkeypatch.setattr(module, "_OVERRUN_SECONDS", LIMIT)
        monkeypatch.setattr(module, "_PATIENCE_SECONDS", LIMIT)
    monkeypatch.setattr(faults, "HANG_SECONDS", 2 * LIMIT)
    found = faults.run(SyncwsReconnecting(), 24, 1, workers=4, only=None)
    assert found.is_good, found.failures
    for name in ("connect", "send", "close"):
        monkeypatch.setattr(Limits, name, LIMIT)
    monkeypatch.setattr(Limits, "receive", 0.01)
    found = storm.run(SyncwsReconnecting(), 1.0, 1, connections=4, threads=6)
    assert found.is_good, found.failures
