"""Bytes only: URIs, header rules, frames, masking, the decoder and the state of closing (RFC 6455 without a socket).

Nothing in this room imports socket, ssl, threading or time, so it can neither block nor race; its callers make sure
that one thread at a time uses it. urllib3 and idna are imported for the URIs that need them.
"""
