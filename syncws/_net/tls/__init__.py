"""TLS: the transport over memory, the context, and what may pass of a server's certificate."""
