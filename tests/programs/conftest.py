"""A fixture for the tests of the command line."""

import os

import pytest
from support.commands import run_main

if os.name == "nt":
    # The faulty peer asks how much the other end has acknowledged, which Windows does not tell.
    collect_ignore = ["test_campaigns.py"]


@pytest.fixture
def run(monkeypatch, tmp_path, capsysbinary):
    """A function that runs the command line with bytes on stdin; returns its exit code, stdout and stderr."""

    def run_it(*arguments, stdin=b""):
        code = run_main(monkeypatch, tmp_path / "stdin", *arguments, stdin=stdin)
        output = capsysbinary.readouterr()
        return code, output.out, output.err.decode()

    return run_it
