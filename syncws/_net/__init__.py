"""Sockets, one caller at a time: deadlines, waiting, names, TCP, TLS and the opening handshake.

Nothing in this room starts a thread, and each function and object is used by one thread at a time unless its docstring
says otherwise. Nothing here blocks where a wake-up cannot reach it: sockets are non-blocking, and waiting is
`_waiting/readiness.py`.
"""
