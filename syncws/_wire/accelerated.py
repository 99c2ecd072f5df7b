"""Whether the compiled part runs (PEP 399): a few functions and base classes, each of which has a complete Python form.

Each module that has such a function takes it from `speedups` when that is there. The compiled part is built where there
is a C compiler, and not used when the environment has SYNCWS_PURE_PYTHON=1 at the import. It holds leaves only: no
state machine, no lock, no policy. On the public API the two forms cannot be told apart.
"""

import os
from types import ModuleType

__all__ = ["accelerated", "speedups"]

# What module.c says of itself; a build that was left behind by another version is not taken.
_FORM = 20


def _load() -> ModuleType | None:
    if os.environ.get("SYNCWS_PURE_PYTHON") == "1":
        return None
    try:
        from syncws._wire import _speedups
    except ImportError:
        return None
    return _speedups if _speedups.FORM == _FORM else None


speedups = _load()

accelerated: bool = speedups is not None
"""True when the compiled part runs, False in plain Python."""
