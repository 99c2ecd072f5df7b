"""Each mechanism that compliance/mechanisms.py takes out is where it says, can be taken out, and has its test."""

import ast
import inspect
import os
import subprocess
import sys
import textwrap

import pytest

from compliance.mechanisms import MECHANISMS, NO_FIT, ROOT, VARIABLE
from compliance.without import find_function


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.name)
def test_the_function_is_there(mechanism):
    find_function(mechanism.function)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.name)
def test_the_replacement_may_be_called_as_the_function_is(mechanism):
    _, _, present = find_function(mechanism.function)
    function = present.fget if isinstance(present, property) else present
    parameters = inspect.signature(function).parameters.values()
    for given in (parameters, [one for one in parameters if one.default is one.empty]):
        by_name = {one.name: None for one in given if one.kind is one.KEYWORD_ONLY}
        in_place = [one for one in given if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        inspect.signature(mechanism.replacement).bind(present, *in_place, **by_name)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("syncws.nowhere:f", ImportError),
        ("syncws.events:nothing", AttributeError),
        ("syncws.events:Event.nothing", AttributeError),
        # Inherited.
        ("syncws.message_websocket:MessageWebSocket.abort", AttributeError),
        ("syncws.events:__doc__", TypeError),
    ],
)
def test_what_is_not_there_is_not_found(path, error):
    with pytest.raises(error):
        find_function(path)


def test_each_mechanism_has_its_test():
    for mechanism in MECHANISMS:
        path, _, name = mechanism.test.partition("::")
        tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
        assert not name or name in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}, mechanism.name


def test_each_mechanism_has_a_name_of_its_own():
    assert len({mechanism.name for mechanism in MECHANISMS}) == len(MECHANISMS)


@pytest.mark.parametrize("without", [None, "Ctrl-C ends a wait also when it comes just before it"])
def test_the_test_of_a_mechanism_fails_without_it_and_passes_with_it(without):
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({VARIABLE: without} if without else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "compliance.without"]
    named = "tests/waiting/test_waiting.py::test_the_main_thread_waits_in_slices"
    done = subprocess.run([*command, named], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == (1 if without else 0)


@pytest.mark.parametrize(
    ("replacement", "code"),
    [
        ("lambda present, pings: pings._nothing", NO_FIT),
        ("lambda present: None", NO_FIT),
        ("lambda present, pings: present(pings, 1)", NO_FIT),
        # Of the library: there is no session.
        ("lambda present, pings: present(pings)", 1),
    ],
)
def test_a_replacement_that_does_not_fit_the_library_is_not_taken_for_a_test_that_fails(replacement, code):
    program = f"""
        from compliance.mechanisms import Mechanism
        from compliance.without import take_out
        take_out(Mechanism("", "syncws._connection.pings:Pings.post_own", {replacement}, ""))
        from syncws._connection.pings import Pings
        Pings.post_own(None)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Error" in done.stderr


def test_a_program_that_a_test_starts_lacks_the_mechanism_too():
    paths = os.pathsep.join([str(ROOT / "compliance" / "children"), str(ROOT)])
    program = "from syncws._connection.pings import Pings; print(Pings.post_own(None))"
    environment = os.environ | {"PYTHONPATH": paths, VARIABLE: "a quiet server is pinged"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("None\n", "")
