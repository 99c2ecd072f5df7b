"""Which form runs: the compiled part is taken when it is there, fits, and is not forbidden."""

import sys
import types

import pytest

import syncws._wire
from syncws._wire import accelerated

NAME = "syncws._wire._speedups"


@pytest.fixture
def built(monkeypatch):
    """Return a function that puts a module, or None for none, in the place of the compiled part."""
    monkeypatch.delenv("SYNCWS_PURE_PYTHON", raising=False)

    def build(module):
        monkeypatch.setitem(sys.modules, NAME, module)
        monkeypatch.delattr(syncws._wire, "_speedups", raising=False)

    return build


def test_a_part_that_fits_is_taken(built):
    module = types.SimpleNamespace(FORM=accelerated._FORM)
    built(module)
    assert accelerated._load() is module


def test_without_a_compiled_part_python_runs(built):
    built(None)
    assert accelerated._load() is None


def test_a_part_that_another_version_has_left_behind_is_not_taken(built):
    built(types.SimpleNamespace(FORM=accelerated._FORM - 1))
    assert accelerated._load() is None


@pytest.mark.parametrize(("value", "is_taken"), [("1", False), ("0", True), ("", True)])
def test_the_environment_forbids_it_with_1_alone(built, monkeypatch, value, is_taken):
    built(types.SimpleNamespace(FORM=accelerated._FORM))
    monkeypatch.setenv("SYNCWS_PURE_PYTHON", value)
    assert (accelerated._load() is not None) is is_taken
