"""Runs a campaign for each client in a process of its own, under a watchdog, and prints the figures side by side.

May import this folder only. The process prints its figures as JSON, as the last line; one that does not come to its
end in time is killed, and counts as a hang.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from compliance.clients import Client
from compliance.watch import Figures

__all__ = ["run_clients"]

ROOT = Path(__file__).parent.parent

_COLUMNS = (
    ("connections", "connections"),
    ("hangs", "hangs"),
    ("lost", "lost"),
    ("doubled", "doubled"),
    ("threads left", "threads"),
    ("fds left", "descriptors"),
    ("undocumented", "undocumented"),
    ("broken", "broken"),
    ("overrun s", "overrun"),
    ("seconds", "seconds"),
)


def run_clients(
    module: str,
    options: argparse.Namespace,
    clients: Mapping[str, Client],
    run_here: Callable[[Client], Figures],
    limit: float,
) -> int:
    """Run the campaign of `module` for the clients asked for; return the exit code, which is that of syncws.

    Args:
        module: what to run as `python -m`, with the same arguments and --client NAME --json.
        options: the arguments; of these client and json are looked at.
        clients: by name.
        run_here: runs the campaign for one client in this process.
        limit: seconds for each client.
    """
    if options.json:
        print(json.dumps(dataclasses.asdict(run_here(clients[options.client or "syncws"]))), flush=True)
        return 0
    print(f"{'':<18}" + "".join(f"{title:>14}" for title, _ in _COLUMNS), flush=True)
    exit_code = 0
    for name in [options.client] if options.client else clients:
        figures = _run_in_process(module, name, limit)
        _print(figures)
        if name.startswith("syncws") and not figures.is_good:
            exit_code = 1
    return exit_code


def _run_in_process(module: str, name: str, limit: float) -> Figures:
    try:
        done = subprocess.run(
            _command(module, name), cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return Figures(name, hangs=1, seconds=limit, failures=["the process did not end and was killed"])
    try:
        return Figures(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        return Figures(
            name, undocumented=1, failures=[f"the process ended with {done.returncode}: {done.stderr[-800:]}"]
        )


def _command(module: str, name: str) -> list[str]:
    return [sys.executable, "-m", module, *sys.argv[1:], "--client", name, "--json"]


def _print(figures: Figures) -> None:
    cells = [getattr(figures, attribute) for _, attribute in _COLUMNS]
    row = "".join(f"{cell:>14.1f}" if isinstance(cell, float) else f"{cell:>14,}" for cell in cells)
    print(f"{figures.client:<18}{row}", flush=True)
    if figures.other:
        print("    " + ", ".join(f"{name} {number:,}" for name, number in sorted(figures.other.items())), flush=True)
    for failure in figures.failures:
        print(f"    {failure}", flush=True)
