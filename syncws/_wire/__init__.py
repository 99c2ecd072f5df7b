"""Bytes only: URIs, header rules, frames, masking, the decoder and the state of closing (RFC 6455 without a socket).

Nothing in this room imports socket, ssl, threading or time, so it can neither block nor race; whoever calls it sees
to it that one thread at a time does. It may import syncws.enums and syncws.errors, and of the third-party libraries
urllib3 and idna, for URIs that need them.
"""
