"""Takes one mechanism out of the library in this process: a plugin of pytest, loaded with `-p compliance.without`.

    SYNCWS_WITHOUT="a quiet server is pinged" python -m pytest -p compliance.without tests/connection/test_keep_alive.py

The environment variable names the mechanism, an entry of compliance/mechanisms.py. The library has no switch for it:
its function is replaced before the tests run. Python programs that a test starts lack the mechanism too, because they
find compliance/children/sitecustomize.py on their path.
"""

import functools
import importlib
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compliance.mechanisms import MECHANISMS, NO_FIT, ROOT, VARIABLE, Mechanism

__all__ = ["find_function", "take_out", "take_out_named"]

_LIMIT_SECONDS = 8.0


def find_function(path: str) -> tuple[object, str, Callable[..., Any] | property]:
    """Return the class or module that holds the function of "module:name" or "module:Class.name", the name, and it.

    Raises:
        ImportError, AttributeError: there is none.
        TypeError: what has this name is neither a function nor a property.
    """
    module, _, qualified_name = path.partition(":")
    *classes, name = qualified_name.split(".")
    holder: Any = importlib.import_module(module)
    for class_name in classes:
        holder = getattr(holder, class_name)
    # Of a class its own functions only: to replace an inherited one would be to replace nothing in its siblings.
    found = vars(holder).get(name)
    if found is None:
        raise AttributeError(f"there is no {path}")
    if not isinstance(found, property) and not callable(found):
        raise TypeError(f"{path} is no function")
    return holder, name, found


def take_out(mechanism: Mechanism) -> None:
    """Replace the function of a mechanism in this process, for good."""
    holder, name, present = find_function(mechanism.function)
    original = present.fget if isinstance(present, property) else present
    assert original is not None

    @functools.wraps(original)
    def without(*arguments: Any, **keywords: Any) -> Any:
        try:
            return mechanism.replacement(original, *arguments, **keywords)
        except (AttributeError, ImportError, TypeError) as exc:
            if _is_of_replacement(exc):
                traceback.print_exc()
                os._exit(NO_FIT)
            raise

    setattr(holder, name, property(without) if isinstance(present, property) else without)


def _is_of_replacement(error: BaseException) -> bool:
    """Tell whether it was raised by the replacement itself, or by calling it, and not by the library below it."""
    # The frame of without(), and that of the replacement.
    return len(traceback.extract_tb(error.__traceback__)) <= 2


def take_out_named() -> None:
    """Take out what the environment names, if it names something."""
    wanted = os.environ.get(VARIABLE)
    if wanted is not None:
        (mechanism,) = (mechanism for mechanism in MECHANISMS if mechanism.name == wanted)
        take_out(mechanism)


def pytest_configure() -> None:
    """Take it out of this process, and have the programs that tests start do the same."""
    take_out_named()
    for name in ("support", "support.servers"):
        # Of the tests: without its mechanism most of them wait as long as they may.
        importlib.import_module(name).LIMIT = _LIMIT_SECONDS  # type: ignore[attr-defined]
    paths = [str(Path(__file__).with_name("children")), str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
