"""Sockets, one caller at a time: deadlines, waiting, names, TCP, TLS and the opening handshake.

Nothing in this room imports threading: a lock that it needs is handed in, and each function and object is used by one
thread at a time unless its docstring says otherwise. Nothing here blocks where a wake-up cannot reach it: sockets are
non-blocking, and waiting is `_waiting/readiness.py`. It may import the public value modules, _waiting, _arguments and
_wire.
"""
