"""What may be run as `python FOLDER/FILE.py` has that folder first on its path: no neighbour may hide a module."""

import os
import subprocess
import sys

import pytest
from support import LIMIT, echo, running_server
from support.programs import ROOT

from syncws import WebSocketError
from syncws._net.http.handshake import _library

FOLDERS = ("benchmarks", "examples", "tests/support")
# New in 3.14, where gzip imports it.
LATER = {"compression"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_has_the_name_of_a_module_of_the_standard_library(folder):
    names = {path.stem for path in (ROOT / folder).glob("*.py")}
    assert names
    assert not names & (sys.stdlib_module_names | LATER)


PROGRAM = """
import sys
import syncws

try:
    syncws.connect(sys.argv[1])
except syncws.WebSocketError as error:
    print(error)
"""


@pytest.mark.parametrize("is_the_program", [True, False])
def test_a_file_of_the_application_s_that_is_named_websocket_is_told_of(tmp_path, is_the_program):
    path = tmp_path / "websocket.py"
    program = path if is_the_program else tmp_path / "program.py"
    path.touch()
    program.write_text(PROGRAM)
    with running_server(echo) as uri:
        done = subprocess.run(
            [sys.executable, program, uri],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=2 * LIMIT,
            check=False,
        )
    assert f"needs websocket-client, module websocket: {str(path)!r} is found in its place" in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_missing_handshake_library_is_told_of(monkeypatch):
    monkeypatch.setitem(sys.modules, "websocket", None)
    _library.cache_clear()
    try:
        with pytest.raises(WebSocketError, match="websocket-client, module websocket: import of websocket halted"):
            _library()
    finally:
        _library.cache_clear()
