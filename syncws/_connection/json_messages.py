"""Messages that are JSON: what send_json() sends for a value, and what receive_json() makes of a message.

By orjson where that is installed, else by json. Runs on the thread that sends or receives.
"""

import functools
import importlib
from collections.abc import Callable
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

    dumps, _ = _library()
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
    try:
        # RFC 8259 8.1: UTF-8, where the standard library would guess.
        text = content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError as exc:
        import json

        raise json.JSONDecodeError(
            f"no UTF-8 ({exc.reason})", exc.object.decode("utf-8", "replace"), exc.start
        ) from None
    try:
        _, loads = _library()
        return loads(text)
    except RecursionError:
        import json

        raise json.JSONDecodeError("nested too deeply", text, 0) from None


@functools.cache
def _library() -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any]]:
    """Return orjson's `dumps`, None where that is not installed, and the `loads` of the one or the other.

    It is looked for once: a search that finds nothing costs more than reading a message.
    """
    import json

    try:
        orjson = importlib.import_module("orjson")
    except ImportError:
        orjson = None
    return getattr(orjson, "dumps", None), getattr(orjson, "loads", None) or json.loads
