"""The rules of the rooms, read from the source of every module with ast: who may import what, and in which order.

Each rule is a function that takes the modules and returns its violations as text. It is run twice: over the package,
where nothing may come out, and over small made-up modules that break it, where something must. Modules that do not
exist yet fall under the rules of their folder as soon as they appear. An import counts wherever it stands, under
`if TYPE_CHECKING:` too.
"""

import ast
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "syncws"

ROOMS = ("wire", "streams", "net", "threads", "cli")

# From the first to the last; a module may import from its own layer and those before it. Names stand for modules at
# the top of the package or for rooms; every other module at the top, and the package itself, is in PUBLIC.
PUBLIC = "public classes"
LAYERS = (
    (
        "version",
        "enums",
        "hresult",
        "errors",
        "certificate_errors",
        "certificate_fields",
        "certificate_loading",
        "certificates",
        "credentials",
    ),
    ("events",),
    ("wire",),
    ("streams",),
    (
        "checked_list",
        "checks",
        "keep_alive_control",
        "connect_control",
        "control_base",
        "control",
        "info",
        "host_name",
        "settings",
        "bandwidth",
    ),
    ("net",),
    ("threads",),
    (PUBLIC,),
    ("cli", "__main__"),
)
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}

# What a room may not import of the standard library, with the C modules beneath.
FORBIDDEN = {
    "wire": {"socket", "_socket", "ssl", "_ssl", "threading", "_thread", "time", "select", "selectors", "asyncio"},
    "streams": {"socket", "_socket", "ssl", "_ssl"},
    "net": {"threading", "_thread"},
}

# What a room may import of the package besides itself, where that is less than all earlier layers.
ALLOWED = {
    "wire": {"syncws.enums", "syncws.errors", "syncws.hresult"},
    "streams": {"syncws.enums", "syncws.errors", "syncws.hresult"},
}

# Third-party libraries and their homes: modules, or rooms with all that is in them.
HOMES = {
    "dns": ("syncws.net.resolver",),
    "idna": ("syncws.wire.uri",),
    "urllib3": ("syncws.wire.uri", "syncws.net.tls_context", "syncws.net.misused_certificate"),
    "websocket": ("syncws.wire", "syncws.net.handshake"),
    "cryptography": ("syncws.certificate_fields", "syncws.certificate_loading", "syncws.net.misused_certificate"),
    "socksio": ("syncws.net.socks",),
    "websockets": ("syncws.cli",),
    "trustme": ("syncws.cli",),
}

# Exists for type checkers only; the standard library's stubs are in it.
STUBS = {"_typeshed"}

# Heavy, and seldom needed or optional: these alone may be imported inside a function.
LAZY = {"dns", "idna", "cryptography", "socksio", "websockets", "trustme"}

CLOCK = "syncws.net.deadline"


@dataclass(frozen=True)
class Import:
    target: str
    """Dotted name of the module; for `from syncws.a import b` of syncws.a.b if that is a module."""
    name: str | None
    """What is taken from the module by `from … import`; None for a module."""
    is_inside_function: bool
    line: int

    @property
    def top(self):
        return self.target.partition(".")[0]


class Module:
    """One module's name, syntax tree and imports."""

    def __init__(self, name, source, known, *, is_package=False):
        self.name = name
        self.tree = ast.parse(source, name)
        self.package = name if is_package else name.rpartition(".")[0]
        self.imports = list(self._read(self.tree, known, inside=False))

    @property
    def room(self):
        """The room that the module is in; None at the top of the package."""
        second = self.name.partition(".")[2].partition(".")[0]
        return second if second in ROOMS else None

    def _read(self, node, known, *, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, None, inside, child.lineno)
            elif isinstance(child, ast.ImportFrom):
                base = self._base(child)
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    if full in known:
                        yield Import(full, None, inside, child.lineno)
                    else:
                        yield Import(base, alias.name, inside, child.lineno)
            else:
                is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from self._read(child, known, inside=inside or is_function)

    def _base(self, node):
        if not node.level:
            return node.module
        parts = self.package.split(".")
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, node.module] if node.module else parts)


@cache
def read_package():
    """Return the modules under syncws/ by name."""
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        sources[".".join(parts[:-1] if is_package else parts)] = (path.read_text(encoding="utf-8"), is_package)
    return parse_all(sources)


def parse_all(sources):
    return {
        name: Module(name, source, sources.keys(), is_package=is_package)
        for name, (source, is_package) in sources.items()
    }


def layer_of(name):
    """Return the number of the layer that a module of the package is in."""
    part = name.partition(".")[2].partition(".")[0]
    return LAYER_OF.get(part, LAYER_OF[PUBLIC])


def is_within(name, home):
    return name == home or name.startswith(f"{home}.")


# The rules.


def forbidden_modules(modules):
    """A room does not import what it may not touch."""
    for module in modules.values():
        for item in module.imports:
            if item.top in FORBIDDEN.get(module.room, ()):
                yield f"{module.name}:{item.line} imports {item.target}"


def foreign_rooms(modules):
    """wire/ and streams/ import of the package only themselves and the plain values."""
    for module in modules.values():
        allowed = ALLOWED.get(module.room)
        if allowed is None:
            continue
        for item in module.imports:
            if (
                item.top == "syncws"
                and not is_within(item.target, f"syncws.{module.room}")
                and item.target not in allowed
            ):
                yield f"{module.name}:{item.line} imports {item.target}"


def imports_against_the_order(modules):
    """A module imports from its own layer and those before it."""
    for module in modules.values():
        for item in module.imports:
            if item.top == "syncws" and layer_of(item.target) > layer_of(module.name):
                yield f"{module.name}:{item.line} imports {item.target}, which comes later"


def import_cycles(modules):
    """No modules import each other, however long the way round."""
    edges = {
        name: {item.target for item in module.imports if item.target in modules} for name, module in modules.items()
    }
    for name, targets in edges.items():
        if name in targets:
            yield f"{name} imports itself"
    for component in strong_components(edges):
        if len(component) > 1:
            yield " <-> ".join(sorted(component))


def strong_components(edges):
    """Yield the strongly connected components of a graph (Tarjan)."""
    index, low, stack = {}, {}, []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(edges[node]):
            if target not in index:
                yield from visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            yield component

    for node in sorted(edges):
        if node not in index:
            yield from visit(node)


def hidden_imports(modules):
    """Nothing is imported inside a function, or by a call, but heavy optional libraries."""
    for module in modules.values():
        for item in module.imports:
            if item.is_inside_function and item.top not in LAZY:
                yield f"{module.name}:{item.line} imports {item.target} inside a function"
        for node in ast.walk(module.tree):
            if mentioned(node) in ("__import__", "import_module"):
                yield f"{module.name}:{node.lineno} imports by a call"


def libraries_away_from_home(modules):
    """Each third-party library is imported in its homes, and no other library anywhere."""
    for module in modules.values():
        for item in module.imports:
            if item.top in {"syncws", *sys.stdlib_module_names, *STUBS}:
                continue
            if not any(is_within(module.name, home) for home in HOMES.get(item.top, ())):
                yield f"{module.name}:{item.line} imports {item.target}"


def short_docstrings(modules):
    """Every module has a docstring of at least two sentences."""
    for module in modules.values():
        sentences = re.findall(r"[^\s.!?][.!?](?=\s|$)", ast.get_docstring(module.tree) or "")
        if len(sentences) < 2:
            yield f"{module.name} has a docstring of {len(sentences)} sentences"


def private_imports_of_cli(modules):
    """cli/ imports the public names, the standard library, websockets and trustme."""
    for module in modules.values():
        if module.room != "cli":
            continue
        for item in module.imports:
            is_allowed = (
                item.top in sys.stdlib_module_names
                or item.top in ("websockets", "trustme")
                or is_within(item.target, "syncws.cli")
                or (item.target == "syncws" and item.name in (None, *public_names()))
            )
            if not is_allowed:
                yield f"{module.name}:{item.line} imports {item.name or 'the module'} from {item.target}"


def public_names():
    return getattr(import_module("syncws"), "__all__", ())


def clocks(modules):
    """The module time is imported in one place, so that a test can replace the clock."""
    for module in modules.values():
        for item in module.imports:
            # The demo shows how long things take; nothing that it does depends on it.
            if item.target == "time" and module.name != CLOCK and module.room != "cli":
                yield f"{module.name}:{item.line} imports time"


def socket_timeouts(modules):
    """settimeout is not called and not handed on; a stand-in for a socket may define it."""
    for module in modules.values():
        for node in ast.walk(module.tree):
            if mentioned(node) == "settimeout":
                yield f"{module.name}:{node.lineno} mentions settimeout"


def sleeps(modules):
    """time.sleep is used nowhere, under no name."""
    for module in modules.values():
        names = {
            alias.asname or alias.name
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name == "time"
        }
        for item in module.imports:
            if item.target == "time" and item.name in ("sleep", "*"):
                yield f"{module.name}:{item.line} imports sleep from time"
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr == "sleep"
                and isinstance(node.value, ast.Name)
                and node.value.id in names
            ):
                yield f"{module.name}:{node.lineno} calls time.sleep"


def mentioned(node):
    """Return the name that a node of the syntax tree uses, also as text for getattr; None for other nodes."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


RULES = {
    rule.__name__: rule
    for rule in (
        forbidden_modules,
        foreign_rooms,
        imports_against_the_order,
        import_cycles,
        hidden_imports,
        libraries_away_from_home,
        short_docstrings,
        private_imports_of_cli,
        clocks,
        socket_timeouts,
        sleeps,
    )
}

each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


# The package itself.


@each_rule
def test_the_package_keeps_the_rule(rule):
    assert list(rule(read_package())) == []


def test_every_file_of_the_package_is_read():
    modules = read_package()
    assert len(modules) == len(list(PACKAGE.rglob("*.py")))
    assert {"syncws", "syncws.errors", "syncws.wire", "syncws.wire.decoder"} <= set(modules)


def test_every_folder_with_python_files_is_a_room():
    folders = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    assert folders == {".", *ROOMS}


def test_no_test_sleeps():
    sources = {
        path.relative_to(TESTS).as_posix(): (path.read_text(encoding="utf-8"), False) for path in TESTS.rglob("*.py")
    }
    assert Path(__file__).name in sources
    assert list(sleeps(parse_all(sources))) == []


# The rules can fail. Each entry: rule, modules that break it.

BREAKS = [
    ("forbidden_modules", {"syncws.wire.a": "import socket"}),
    ("forbidden_modules", {"syncws.wire.a": "import ssl"}),
    ("forbidden_modules", {"syncws.wire.a": "from threading import Lock"}),
    ("forbidden_modules", {"syncws.wire.a": "from time import monotonic"}),
    ("forbidden_modules", {"syncws.wire.a": "import asyncio.events"}),
    ("forbidden_modules", {"syncws.wire": "import socket"}),
    ("forbidden_modules", {"syncws.streams.a": "def f():\n    import socket"}),
    ("forbidden_modules", {"syncws.streams.a": "import ssl as s"}),
    ("forbidden_modules", {"syncws.net.a": "import threading"}),
    ("forbidden_modules", {"syncws.net.a": "if TYPE_CHECKING:\n    from threading import Lock"}),
    ("foreign_rooms", {"syncws.wire.a": "import syncws.streams"}),
    ("foreign_rooms", {"syncws.wire.a": "from ..net import tls", "syncws.net.tls": ""}),
    ("foreign_rooms", {"syncws.wire.a": "from syncws.events import Event"}),
    ("foreign_rooms", {"syncws.wire.a": "from syncws import errors_of_mine"}),
    ("foreign_rooms", {"syncws.streams.a": "from syncws.wire.utf8 import TextAssembler"}),
    ("foreign_rooms", {"syncws.streams.a": "from syncws.certificates import Certificate"}),
    ("imports_against_the_order", {"syncws.errors": "from syncws.events import Event"}),
    ("imports_against_the_order", {"syncws.enums": "import syncws"}),
    ("imports_against_the_order", {"syncws.events": "from .wire.events import Message"}),
    ("imports_against_the_order", {"syncws.streams.a": "from syncws.control import C"}),
    ("imports_against_the_order", {"syncws.control": "from syncws.net import tls"}),
    ("imports_against_the_order", {"syncws.net.a": "from ..threads.session import Session"}),
    ("imports_against_the_order", {"syncws.threads.a": "from syncws.message_websocket import MessageWebSocket"}),
    ("imports_against_the_order", {"syncws.threads.a": "from syncws.something_new import Thing"}),
    ("imports_against_the_order", {"syncws.message_websocket": "from syncws.cli.main import main"}),
    ("import_cycles", {"syncws.a": "import syncws.b", "syncws.b": "import syncws.a"}),
    (
        "import_cycles",
        {"syncws.a": "from . import b", "syncws.b": "from .c import x", "syncws.c": "from syncws import a"},
    ),
    ("import_cycles", {"syncws.a": "def f():\n    import syncws.b", "syncws.b": "import syncws.a"}),
    ("import_cycles", {"syncws.a": "import syncws.a"}),
    ("hidden_imports", {"syncws.a": "def f():\n    import json"}),
    ("hidden_imports", {"syncws.a": "class C:\n    async def f(self):\n        from syncws import b"}),
    ("hidden_imports", {"syncws.a": "def f():\n    if True:\n        import urllib3"}),
    ("hidden_imports", {"syncws.a": "import importlib\nimportlib.import_module('x')"}),
    ("hidden_imports", {"syncws.a": "from importlib import import_module\nimport_module('x')"}),
    ("hidden_imports", {"syncws.a": "x = __import__('json')"}),
    ("libraries_away_from_home", {"syncws.net.connector": "import dns.resolver"}),
    ("libraries_away_from_home", {"syncws.wire.frames": "from urllib3.util import parse_url"}),
    ("libraries_away_from_home", {"syncws.net.tls": "import websocket"}),
    ("libraries_away_from_home", {"syncws.net.tls": "from cryptography import x509"}),
    ("libraries_away_from_home", {"syncws.net.resolver_of_mine": "import dns"}),
    ("libraries_away_from_home", {"syncws.net.resolver": "import idna"}),
    ("libraries_away_from_home", {"syncws.message_websocket": "def f():\n    import websockets"}),
    ("libraries_away_from_home", {"syncws.cli.main": "import requests"}),
    ("short_docstrings", {"syncws.a": ""}),
    ("short_docstrings", {"syncws.a": '"""One sentence."""'}),
    ("short_docstrings", {"syncws.a": '"""One sentence, version 1.2 of it, no end"""'}),
    ("private_imports_of_cli", {"syncws.cli.main": "from syncws.message_websocket import MessageWebSocket"}),
    ("private_imports_of_cli", {"syncws.cli.main": "from syncws import net", "syncws.net": ""}),
    ("private_imports_of_cli", {"syncws.cli.main": "from ..errors import HResultError"}),
    ("private_imports_of_cli", {"syncws.cli.main": "from syncws import _hidden"}),
    ("private_imports_of_cli", {"syncws.cli.main": "import cryptography"}),
    ("clocks", {"syncws.threads.a": "import time"}),
    ("clocks", {"syncws.net.connector": "from time import monotonic"}),
    ("socket_timeouts", {"syncws.net.a": "def f(s):\n    s.settimeout(1)"}),
    ("socket_timeouts", {"syncws.net.a": "def f(s):\n    getattr(s, 'settimeout')(1)"}),
    ("sleeps", {"syncws.net.deadline": "import time\ntime.sleep(1)"}),
    ("sleeps", {"syncws.net.deadline": "import time as t\nwait = t.sleep"}),
    ("sleeps", {"syncws.net.deadline": "from time import sleep as nap"}),
    ("sleeps", {"syncws.net.deadline": "from time import *"}),
]

# What looks near to a breach and is none: rule, modules.
KEEPS = [
    ("forbidden_modules", {"syncws.net.a": "import socket, ssl, select", "syncws.threads.a": "import threading"}),
    ("forbidden_modules", {"syncws.streams.a": "import threading, codecs"}),
    (
        "foreign_rooms",
        {"syncws.wire.a": "from syncws import errors\nfrom . import b\nfrom .b import c", "syncws.errors": ""},
    ),
    ("imports_against_the_order", {"syncws.threads.a": "from syncws.settings import Settings\nimport syncws.net.tls"}),
    ("imports_against_the_order", {"syncws": "from syncws.message_websocket import MessageWebSocket"}),
    ("import_cycles", {"syncws.a": "import syncws.b, syncws.c", "syncws.b": "import syncws.c", "syncws.c": ""}),
    ("hidden_imports", {"syncws.certificate_fields": "def f():\n    from cryptography import x509"}),
    ("hidden_imports", {"syncws.a": "try:\n    import json\nexcept ImportError:\n    json = None"}),
    ("libraries_away_from_home", {"syncws.net.resolver": "import dns.resolver", "syncws.cli.a": "import trustme"}),
    ("libraries_away_from_home", {"syncws.wire.frames": "from websocket import ABNF\nimport os.path"}),
    ("short_docstrings", {"syncws.a": '"""One sentence (RFC 6455 5.3). Is this two?"""'}),
    ("private_imports_of_cli", {"syncws.cli.main": "import argparse, syncws\nfrom .text import t\nimport websockets"}),
    ("clocks", {"syncws.net.deadline": "import time", "syncws.net.a": "import timeit"}),
    (
        "socket_timeouts",
        {"syncws.net.a": '"""settimeout is not called."""\nclass G:\n    def settimeout(self, t): pass'},
    ),
    ("sleeps", {"syncws.net.deadline": "import time\ntime.monotonic()\nself.sleep(1)"}),
]


def made_up(sources):
    return parse_all({name: (source, name.count(".") < 2 and name[7:] in ROOMS) for name, source in sources.items()})


@pytest.mark.parametrize(("rule", "sources"), BREAKS)
def test_a_rule_finds_what_breaks_it(rule, sources):
    assert list(RULES[rule](made_up(sources)))


@pytest.mark.parametrize(("rule", "sources"), KEEPS)
def test_a_rule_lets_pass_what_keeps_it(rule, sources):
    assert list(RULES[rule](made_up(sources))) == []


def test_every_rule_was_seen_to_fail_and_to_pass():
    assert {rule for rule, _sources in BREAKS} == {rule for rule, _sources in KEEPS} == set(RULES)
