"""What may be run as `python FOLDER/FILE.py` has that folder first on its path: no neighbour may hide a module."""

import sys

import pytest
from support.programs import ROOT

FOLDERS = ("benchmarks", "examples", "tests/support")
# New in 3.14, where gzip imports it.
LATER = {"compression"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_has_the_name_of_a_module_of_the_standard_library(folder):
    names = {path.stem for path in (ROOT / folder).glob("*.py")}
    assert names
    assert not names & (sys.stdlib_module_names | LATER)
