"""From the socket to a handler or an inbox: the reading role, slow handlers, what waits to be taken."""
