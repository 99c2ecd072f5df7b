"""Objects as plain values, and as a table for notebooks.

Pure functions: any thread may call them. The caller leaves out what may be a secret.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Any, cast

from syncws._wire.shown import shown_header, shown_text
from syncws.http_headers import HttpHeaders

__all__ = ["as_html", "plain", "shown_value"]


def plain(value: Any) -> Any:
    """Return a value of an information object as JSON knows them: numbers, text, None, lists and dicts of these.

    Headers are without the values that may be secrets, as in the log; what has no other form is its str().
    """
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, HttpHeaders):
        return {name: shown_header(name, text) for name, text in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(one) for name, one in cast("Any", value)._asdict().items()}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return str(value)


def shown_value(value: object) -> str:
    """Return a value for people, in one line of a sane length."""
    if isinstance(value, enum.Enum):
        return value.name
    return shown_text(value if isinstance(value, str) else repr(value))


def as_html(title: str, rows: Mapping[str, object]) -> str:
    """Return a table for notebooks, everything in it escaped."""
    # Here and not above: only notebooks need it.
    from html import escape

    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">'
        f"{escape(shown_value(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"
