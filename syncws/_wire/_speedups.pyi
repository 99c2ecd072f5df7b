# accelerated.py holds the compiled part as a plain module, of whose names type checkers ask nothing. What each is for,
# and with which arguments, its Python form says.
from typing import Any

FORM: int

def __getattr__(name: str) -> Any: ...
