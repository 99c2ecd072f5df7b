"""One open connection: sending, receiving, and the session that holds them together.

Nothing in this room opens a socket. It may import the public value modules, _waiting, _wire, _net and _streams. The
locks and the order in which they are taken: DESIGN.md, "Locks".
"""
