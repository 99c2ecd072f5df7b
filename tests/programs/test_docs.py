"""Every program that docs/ shows is run here, against a server of the same kind."""

import contextlib
import inspect
import os
import pathlib
import re
import runpy
import subprocess
import sys

import pytest
from support import LIMIT, echo, running_server
from support.certificates import make, make_authority
from support.proxies import real_proxy

import syncws

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
PROGRAMS = [
    pytest.param(program, id=f"{page.stem} {number}")
    for page in PAGES
    for number, program in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]
# What stands before a dot in the pages, and whose members come behind it.
MEMBERS = {
    "control": (syncws.MessageWebSocketControl, syncws.StreamWebSocketControl),
    "information": (syncws.MessageWebSocketInformation, syncws.StreamWebSocketInformation),
    "syncws": (syncws,),
}
# Of the library's, by what follows `syncws.`.
LOGGERS = {"frames", "handshake"}
# Peers' programs stand beside ours; their warnings are theirs. Logging goes to stderr because the program says so.
MAY_WRITE_TO_STDERR = ("logging.basicConfig", "enable_trace()")


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_of_the_pages_runs(program, tmp_path, server_tls, authority):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    client = make("A Client", make_authority("Root of the clients"))
    (tmp_path / "client.pem").write_bytes(client.pem + client.key_pem(None))
    with contextlib.ExitStack() as servers:
        if "ws://localhost:8765/" in program:
            # As `syncws echo` does, which the pages name.
            uri = servers.enter_context(running_server(echo, compression="deflate"))
            program = program.replace("ws://localhost:8765/", uri)
        if "wss://localhost:8766/" in program:
            uri = servers.enter_context(running_server(echo, ssl_context=server_tls))
            program = program.replace("wss://localhost:8766/", uri)
        if "proxy.example:3128" in program:
            program = program.replace("proxy.example:3128", servers.enter_context(real_proxy("http")))
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LIMIT,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    if not any(reason in program for reason in MAY_WRITE_TO_STDERR):
        assert done.stderr == ""


def names_behind(prefix, text):
    return set(re.findall(rf"\b{prefix}\.([a-z_]+)", text)) - LOGGERS


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_each_member_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    for prefix, kinds in MEMBERS.items():
        missing = {name for name in names_behind(prefix, text) if not any(hasattr(kind, name) for kind in kinds)}
        assert not missing, f"{prefix} has no such members"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("coming-from-*.md")), ids=lambda page: page.stem)
def test_each_keyword_that_a_page_of_other_clients_gives_for_ours_exists(page):
    keywords = {*inspect.signature(syncws.connect).parameters, *syncws.control.MessageWebSocketSettings.__annotations__}
    keywords |= {*inspect.signature(syncws.reconnecting).parameters}
    rows = re.findall(r"^\|.*\| (.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?<![\w.])([a-z_]+)=", " ".join(rows))) <= keywords


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("coming-from-*.md")), ids=lambda page: page.stem)
def test_a_keyword_of_another_client_is_told_by_the_error_as_by_the_page(page):
    ours = {*inspect.signature(syncws.connect).parameters, *syncws.control.MessageWebSocketSettings.__annotations__}
    text = re.sub(r'"[^"\n]*"', '""', page.read_text(encoding="utf-8"))
    meant: dict[str, set[str]] = {}
    for row in re.findall(r"^\| (.*) \| (.*) \|$", text, re.MULTILINE):
        theirs, here = (set(re.findall(r"(?<![\w.])([a-z_]+)=", cell)) for cell in row)
        for name in theirs - ours if here else ():
            meant.setdefault(name, set()).update(here)
    for name, here in meant.items():
        with pytest.raises(TypeError, match=f"no setting {name}; .*({'|'.join(here)})"):
            syncws.connect("ws://localhost:1/", **{name: None})


def test_what_stands_before_a_colon_in_an_attributes_first_line_is_not_taken_for_its_type(monkeypatch):
    # Which it sets, and which shall not stay.
    monkeypatch.setenv("SYNCWS_PURE_PYTHON", "1")
    keep_colons = runpy.run_path(str(ROOT / "docs" / "conf.py"))["keep_colons"]
    with_colon = 0
    for owner in filter(inspect.isclass, vars(syncws).values()):
        for name, value in inspect.getmembers(owner, lambda value: not callable(value)):
            lines = (inspect.getdoc(value) or "").splitlines()
            if name.startswith("_") or not lines:
                continue
            words = " ".join(lines)
            with_colon += ": " in lines[0]
            keep_colons(None, "attribute", name, value, None, lines)
            # As Sphinx' napoleon has it: what follows a colon in the same line is the description.
            assert not re.search(r"(?<!:):(?!:)(?!$)", lines[0]), (owner, name)
            assert " ".join(lines) == words
    assert with_colon > 20
