"""One open connection: sending, receiving, and the session that holds them together.

Nothing in this room opens a socket. The locks, and the order in which they are taken: DESIGN.md, "Locks".
"""
