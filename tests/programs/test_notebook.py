"""What docs/notebooks.md says of real IPython: what it keeps of a cell, and so keeps open."""

import importlib.util

import pytest
from support import LIMIT, echo, running_server
from support.programs import assert_quiet, run

import syncws

pytestmark = pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")

HINT = "open; what a cell shows stays in Out, so end it with close()"

HEAD = """
import tempfile

warnings.simplefilter("default")
directory = tempfile.TemporaryDirectory()
os.environ["IPYTHONDIR"] = directory.name
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
# An object is dropped in the middle of a cell, and no test is about the warning.
warnings.simplefilter("ignore", ResourceWarning)
CONNECT = "socket = syncws.connect(uri, timeout=10); made.append(weakref.ref(socket))"
made = []

def cell(text):
    shell.run_cell(text, store_history=True)
    gc.collect()

def alive():
    return [number for number, reference in enumerate(made) if reference() is not None]

shell.user_ns.update(uri=uri, made=made)
cell("import syncws, weakref")
cell(CONNECT)
"""


def notebook(script):
    with running_server(echo) as uri:
        done = run(f"{HEAD}\n{script}\ndirectory.cleanup()", uri)
    assert_quiet(done)
    return done.stdout


def test_a_cell_run_again_leaves_the_new_connection_only():
    notebook("""
cell(CONNECT)
assert alive() == [1], alive()
""")


def test_a_socket_that_a_cell_has_shown_is_kept_and_says_so_while_it_is_open():
    shown = notebook("""
cell("socket")
cell(CONNECT)
assert alive() == [0, 1], alive()
cell("made[0]().close()")
cell("socket.close()")
cell("socket")
""")
    first, last = [line for line in shown.splitlines() if line.startswith("Out[")]
    assert "<MessageWebSocket CONNECTED" in first
    assert first.endswith(f"> ({HINT})")
    assert "<MessageWebSocket CLOSED" in last
    assert last.endswith(">")


def test_the_table_of_a_socket_says_so_too():
    with running_server(echo) as uri, syncws.connect(uri, timeout=LIMIT) as socket:
        assert f"<caption>MessageWebSocket CONNECTED ({HINT})</caption>" in socket._repr_html_()
        socket.close()
        assert "<caption>MessageWebSocket CLOSED</caption>" in socket._repr_html_()


@pytest.mark.parametrize("last_line", ["socket;", "print(socket)"])
def test_nothing_is_kept_of_a_cell_that_ends_in(last_line):
    notebook(f"""
cell({last_line!r})
cell(CONNECT)
assert alive() == [1], alive()
""")


def test_what_was_kept_is_let_go_by_xdel():
    notebook("""
cell("socket")
cell("%xdel socket")
assert alive() == [], alive()
""")


FUNCTION = """
def work():
    {}
        raise ValueError("of the cell")

work()
"""


def test_a_socket_of_a_function_that_failed_is_kept_until_the_next_error():
    notebook(f"""
cell({FUNCTION.format("socket = syncws.connect(uri); made.append(weakref.ref(socket))" + chr(10) + "    if True:")!r})
cell("1 + 1")
assert alive() == [0, 1], alive()
cell("1 / 0")
assert alive() == [0], alive()
""")


def test_a_socket_whose_call_failed_is_kept_until_the_next_error():
    notebook("""
cell("socket.receive(timeout=0.01)")
cell(CONNECT)
assert alive() == [0, 1], alive()
cell("1 / 0")
assert alive() == [1], alive()
""")


def test_a_socket_in_a_with_block_of_a_function_that_failed_is_closed():
    notebook(f"""
cell({FUNCTION.format("with syncws.connect(uri) as socket:" + chr(10) + "        made.append(weakref.ref(socket))")!r})
assert alive() == [0, 1], alive()
assert not made[1]().is_open
""")
