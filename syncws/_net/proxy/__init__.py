"""Proxies: which one a connection goes through, and how it is asked to connect further (CONNECT, SOCKS)."""
