"""HTTP while a connection is made: the opening handshake, redirects, Basic and Digest authentication, their log."""
