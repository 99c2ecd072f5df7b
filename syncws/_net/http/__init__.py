"""HTTP while a connection is made: the opening handshake, redirects, Basic authentication, the log of both."""
