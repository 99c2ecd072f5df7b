"""State: how far a socket object has come. A plain value; any thread may use it."""

import enum

__all__ = ["State"]


class State(enum.Enum):
    """How far a socket object has come (beyond WinRT): CLOSED when it was closed, or its connection is over."""

    NEW = enum.auto()
    CONNECTING = enum.auto()
    CONNECTED = enum.auto()
    CLOSED = enum.auto()
