"""Tests of what `syncws` exports: complete, documented, and nothing that only pretends to be there."""

import ast
import configparser
import importlib
import inspect
import pathlib
import typing
import uuid

import pytest

import syncws

NOT_CONSTRUCTIBLE = [
    "EventRegistrationToken",
    "IWebSocket",
    "MessageWebSocketControl",
    "MessageWebSocketInformation",
    "MessageWebSocketMessageReceivedEventArgs",
    "StreamWebSocketControl",
    "StreamWebSocketInformation",
    "WebSocketClosedEventArgs",
    "WebSocketServerCustomValidationRequestedEventArgs",
]
CLASSES = {name: value for name in syncws.__all__ if inspect.isclass(value := getattr(syncws, name))}


def members(cls):
    """Yield name and value of what a class has from this package, its private bases' things included."""
    for base in cls.__mro__:
        if base.__module__.startswith("syncws"):
            yield from vars(base).items()


def functions_of(member):
    """Return the plain functions behind a member of a class."""
    if isinstance(member, property):
        return [function for function in (member.fget, member.fset, member.fdel) if function is not None]
    if isinstance(member, staticmethod | classmethod):
        return [member.__func__]
    return [member] if inspect.isfunction(member) else []


def public_members():
    for class_name, cls in CLASSES.items():
        for name, member in members(cls):
            if not name.startswith("_") and functions_of(member):
                yield f"{class_name}.{name}", member


def names_used(code):
    """Return the names that a function's code uses, those of functions within included."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names |= names_used(constant)
    return names


def test_every_name_of_all_is_there():
    assert [name for name in syncws.__all__ if not hasattr(syncws, name)] == []


def test_all_is_sorted_and_holds_no_name_twice():
    assert list(syncws.__all__) == sorted(set(syncws.__all__))


def test_everything_public_in_the_package_is_in_all():
    public = {name for name, value in vars(syncws).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public - set(syncws.__all__) == set()


def test_a_star_import_gives_exactly_all():
    namespace = {}
    exec("from syncws import *", namespace)
    del namespace["__builtins__"]
    assert sorted(namespace) == sorted(syncws.__all__)


def test_every_exported_name_has_a_docstring():
    # Not inspect.getdoc: that takes the docstring of a base class.
    names = [name for name in syncws.__all__ if name != "__version__"]
    assert [name for name in names if not (getattr(syncws, name).__doc__ or "").strip()] == []


def test_every_public_method_and_property_has_a_docstring():
    assert [name for name, member in public_members() if not (inspect.getdoc(member) or "").strip()] == []


def test_the_version_that_setup_reads_is_the_one_that_is_exported():
    settings = configparser.ConfigParser()
    settings.read(pathlib.Path(syncws.__file__).parents[1] / "setup.cfg")
    module, _, name = settings["metadata"]["version"].removeprefix("attr:").strip().rpartition(".")
    # Read as setuptools reads it: a constant of a module that need not be run.
    tree = ast.parse(pathlib.Path(importlib.import_module(module).__file__).read_text())
    values = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    assert ast.literal_eval(values[name]) == syncws.__version__


@pytest.mark.parametrize("name", NOT_CONSTRUCTIBLE)
def test_a_class_that_cannot_be_made_raises_type_error(name):
    with pytest.raises(TypeError, match=name):
        getattr(syncws, name)()


def test_no_method_of_an_exported_class_is_without_a_body():
    pretending = []
    # IWebSocket is for annotations: what is missing there is in the socket classes, which are looked at.
    for class_name, cls in [entry for entry in CLASSES.items() if entry[0] != "IWebSocket"]:
        for name in {name for name, _ in members(cls)}:
            # What the class really uses: overridden stubs of a base are not reached.
            functions = functions_of(inspect.getattr_static(cls, name))
            if any("NotImplementedError" in names_used(function.__code__) for function in functions):
                pretending.append(f"{class_name}.{name}")
    assert pretending == []


def test_the_types_of_every_function_can_be_read_at_run_time():
    functions = [value for name in syncws.__all__ if inspect.isfunction(value := getattr(syncws, name))]
    functions += [function for _, member in public_members() for function in functions_of(member)]
    functions += [cls.__init__ for cls in CLASSES.values() if inspect.isfunction(cls.__init__)]
    assert {syncws.connect, syncws.MessageWebSocket.send, syncws.Certificate.__init__} <= {*functions}
    for function in functions:
        # uuid takes long to import, so a program that reads these types must have imported it.
        typing.get_type_hints(function, localns={"uuid": uuid})


def test_no_exported_class_is_abstract():
    assert [name for name, cls in CLASSES.items() if inspect.isabstract(cls)] == []


def test_an_exported_class_is_in_all_of_the_module_where_it_lives():
    modules = {name: importlib.import_module(cls.__module__) for name, cls in CLASSES.items()}
    assert [name for name, module in modules.items() if name not in module.__all__] == []


def test_every_error_of_the_errors_module_is_exported():
    errors = importlib.import_module("syncws.errors")
    assert set(errors.__all__) <= set(syncws.__all__)


@pytest.mark.parametrize(
    "name",
    ["MessageWebSocket", "StreamWebSocket", "DataWriter", "DataReader", "OutputStream", "InputStream", "Deferral"],
)
def test_what_is_closable_in_winrt_is_a_context_manager(name):
    cls = CLASSES[name]
    assert callable(cls.close)
    assert callable(cls.__enter__)
    assert callable(cls.__exit__)
