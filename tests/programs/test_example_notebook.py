"""examples/notebook.ipynb runs from its first cell to its last, in a real kernel, with the stop button pressed."""

import base64
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys

import pytest
from support import LIMIT
from support.programs import ROOT

NEEDED = ("ipykernel", "matplotlib", "nbclient", "websockets")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(sys.platform == "win32", reason="the stop button is no signal there"),
]

NOTEBOOK = ROOT / "examples" / "notebook.ipynb"


def read(path):
    """Return the outputs of each cell with code, by the cell's id."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: cell["outputs"] for cell in cells if cell["cell_type"] == "code"}


def text_of(outputs):
    return "".join(line for output in outputs for line in output.get("text", ()))


def kinds_of(outputs):
    """Return the kinds of a cell's outputs: a stream's name, the types of a picture or table, an error's name.

    What a cell prints comes in one output or in several, as the kernel finds time to send it.
    """
    kinds = (output.get("name") or sorted(output.get("data", ())) or output["ename"] for output in outputs)
    return [kind for kind, _ in itertools.groupby(kinds)]


def execute(written):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "run_notebook.py"), str(NOTEBOOK), str(written)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(written.parent), "MPLBACKEND": ""},
        capture_output=True,
        text=True,
        timeout=3 * LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return read(written)


# One test, because one run takes a quarter of a minute.
def test_each_cell_does_what_the_text_above_it_says(tmp_path):
    run = execute(tmp_path / "run.ipynb")
    assert text_of(run["connect"]).startswith("<MessageWebSocket CONNECTED")
    assert re.findall(r"'number': (\d+)", text_of(run["receive"])) == ["1", "2", "3"]
    for cell in ("live", "bulk", "stop"):
        pictures = [output["data"]["image/png"] for output in run[cell] if "data" in output]
        assert [base64.b64decode(picture)[:4] for picture in pictures] == [b"\x89PNG"], cell
    assert text_of(run["bulk"]) == "20,000 values\n"
    assert text_of(run["rerun"]).startswith("of the one before the server saw the end, with 1001\n")
    assert text_of(run["stop"]).startswith("stopped\n<MessageWebSocket CONNECTED")
    first, *others = map(int, re.findall(r"(?:the last was|now comes) (\d+)", text_of(run["on"])))
    assert others == [first + 1, first + 2, first + 3]
    assert_kept_like(run)


def assert_kept_like(run):
    """See to it that the file holds outputs of the same kinds, and nothing of the machine that made them."""
    kept = read(NOTEBOOK)
    assert {cell: kinds_of(outputs) for cell, outputs in kept.items()} == {
        cell: kinds_of(outputs) for cell, outputs in run.items()
    }
    assert not re.search(r'File \\"|/home/|/tmp/|/root/|[A-Z]:\\\\', NOTEBOOK.read_text(encoding="utf-8"))
