"""Each mechanism that compliance/mechanisms.py takes out is where it says, and has its test."""

import pytest

from compliance.mechanisms import MECHANISMS, ROOT

each_mechanism = pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.name)


@each_mechanism
def test_the_mechanism_is_there_once(mechanism):
    text = (ROOT / "syncws" / mechanism.module).read_text(encoding="utf-8")
    assert text.count(mechanism.present) == 1
    assert mechanism.without != mechanism.present


@each_mechanism
def test_the_mechanism_has_its_test(mechanism):
    module, _, name = mechanism.test.partition("::")
    assert f"def {name}(" in (ROOT / "tests" / module).read_text(encoding="utf-8")
