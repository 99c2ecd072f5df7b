"""Messages that are JSON: what send_json() sends for a value, and what receive_json() makes of a message.

By orjson where that is installed, else by json. Runs on the thread that sends or receives.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["as_json", "from_json"]


def as_json(value: object) -> str:
    """Return the JSON text for a value.

    Raises:
        InvalidArgumentTypeError: it has none (0x80070057).
        InvalidArgumentError: it holds itself, a NaN or an infinity (0x80070057).
    """
    library = _library()
    if library.orjson_dumps is not None:
        try:
            return library.orjson_dumps(value).decode()
        except TypeError:
            pass  # json knows what it does not: keys that are numbers, integers of any size.
    try:
        return library.dumps(value)
    except TypeError as exc:
        raise InvalidArgumentTypeError(f"the value cannot be written as JSON: {exc}") from None
    except (ValueError, RecursionError) as exc:
        raise InvalidArgumentError(f"the value cannot be written as JSON: {exc}") from None


def from_json(content: str | bytes) -> Any:
    """Return what a JSON text stands for.

    Raises:
        json.JSONDecodeError: it is not JSON, or its bytes are not UTF-8, or it is nested too deeply, or an integer in
            it has more digits than Python converts.
    """
    try:
        # RFC 8259 8.1: UTF-8, where the standard library would guess.
        text = content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError as exc:
        shown = exc.object.decode("utf-8", "replace")
        raise _decode_error(f"not UTF-8 ({exc.reason})", shown, exc.start) from None
    try:
        return _library().loads(text)
    except RecursionError:
        raise _decode_error("nested too deeply", text) from None
    except ValueError as exc:
        if type(exc) is not ValueError:
            raise
        # An integer of too many digits (sys.set_int_max_str_digits).
        raise _decode_error(str(exc), text) from None


def _decode_error(fault: str, text: str, position: int = 0) -> ValueError:
    # Not loaded before a program has JSON to receive.
    import json

    return json.JSONDecodeError(fault, text, position)


class _Library(NamedTuple):
    """What writes JSON, orjson where it is installed and else json, and what reads it, the one or the other."""

    orjson_dumps: Callable[[object], bytes] | None
    dumps: Callable[[object], str]
    loads: Callable[[str], Any]


@functools.cache
def _library() -> _Library:
    """Return what there is. It is looked for once: a search that finds nothing costs more than reading a message."""
    # Not loaded before a program has JSON to send or receive.
    import json

    try:
        orjson = importlib.import_module("orjson")
    except ImportError:
        orjson = None
    return _Library(
        getattr(orjson, "dumps", None),
        # dumps() of json would make one of these for each value.
        json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode,
        getattr(orjson, "loads", json.loads),
    )
