"""What `pip install syncws` brings along on which machine, as the package's metadata says."""

import configparser
import pathlib
import runpy
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

import syncws

# The three that were chosen, and what urllib3 needs for names.
CHOSEN = {"websocket-client", "urllib3", "dnspython", "idna"}
LINUX, WINDOWS, MAC = "linux", "win32", "darwin"
WITH_WHEEL = [(LINUX, "x86_64"), (LINUX, "aarch64"), (LINUX, "ppc64le"), (WINDOWS, "AMD64"), (MAC, "arm64")]
WITHOUT_WHEEL = [
    (LINUX, "s390x"),
    (LINUX, "riscv64"),
    (LINUX, "i686"),
    (LINUX, "armv7l"),
    (MAC, "x86_64"),
    (WINDOWS, "ARM64"),
    (WINDOWS, "x86"),
    ("freebsd14", "amd64"),
]


SOURCE = pathlib.Path(syncws.__file__).parents[1]


@pytest.fixture(scope="module")
def options():
    settings = configparser.ConfigParser()
    settings.read(SOURCE / "setup.cfg", encoding="utf-8")
    return settings


def brought(lines, system, machine):
    """Return the names of what is installed on a machine."""
    environment = {"sys_platform": system, "platform_machine": machine}
    required = [Requirement(line) for line in lines.splitlines() if line and not line.startswith("#")]
    return {one.name for one in required if one.marker is None or one.marker.evaluate(environment)}


@pytest.mark.parametrize(("system", "machine"), WITH_WHEEL)
def test_a_plain_install_can_look_into_certificates(options, system, machine):
    assert brought(options["options"]["install_requires"], system, machine) == {*CHOSEN, "cryptography"}


@pytest.mark.parametrize(("system", "machine"), WITHOUT_WHEEL)
def test_a_machine_without_a_wheel_gets_the_client_without_building_one(options, system, machine):
    assert brought(options["options"]["install_requires"], system, machine) == CHOSEN
    assert brought(options["options.extras_require"]["certificates"], system, machine) == {"cryptography"}


def test_the_compiled_part_can_be_built_with_what_a_contributor_installs(options):
    # By setup.py itself, without pip; from Python 3.12 on no virtual environment has setuptools of its own.
    build = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert set(build) <= set(options["options.extras_require"]["dev"].splitlines())


def test_a_clone_tells_an_older_python_at_once_which_one_it_needs(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 12, "final", 0))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or later; this is 3\.10$"):
        runpy.run_path(str(SOURCE / "setup.py"))
