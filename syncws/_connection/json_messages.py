"""Messages that are JSON: what send_json() sends for a value, and what receive_json() makes of a message.

By orjson where that is installed, else by json. Runs on the thread that sends or receives.
"""

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["as_json", "from_json"]


def as_json(value: object) -> str:
    """Return the JSON text for a value.

    Raises:
        InvalidArgumentTypeError: it has none (0x80070057).
        InvalidArgumentError: it holds itself, a NaN or an infinity (0x80070057).
    """
    # Not loaded before a program has JSON to send or receive.
    import json

    dumps = _of_orjson("dumps")
    if dumps is not None:
        try:
            return bytes(dumps(value)).decode()
        except TypeError:
            pass  # json knows what it does not: keys that are numbers, integers of any size.
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except TypeError as exc:
        raise InvalidArgumentTypeError(f"the value has no JSON: {exc}") from None
    except (ValueError, RecursionError) as exc:
        raise InvalidArgumentError(f"the value has no JSON: {exc}") from None


def from_json(content: str | bytes) -> Any:
    """Return what a JSON text stands for.

    Raises:
        json.JSONDecodeError: it is none, or its bytes are no UTF-8, or it is nested too deeply.
    """
    import json

    loads = _of_orjson("loads") or json.loads
    try:
        # RFC 8259 8.1: UTF-8, where the standard library would guess.
        text = content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError as exc:
        raise json.JSONDecodeError(
            f"no UTF-8 ({exc.reason})", exc.object.decode("utf-8", "replace"), exc.start
        ) from None
    try:
        return loads(text)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", text, 0) from None


def _of_orjson(name: str) -> Callable[[Any], Any] | None:
    """Return a function of orjson, None where it is not installed."""
    orjson = _orjson()
    function: Callable[[Any], Any] | None = getattr(orjson, name, None)
    return function


@functools.cache
def _orjson() -> ModuleType | None:
    """Return orjson, which is looked for once: a search that finds nothing costs more than reading a message."""
    try:
        return importlib.import_module("orjson")
    except ImportError:
        return None
