"""From a message to the socket: frames, whose turn it is, and what is left for others to push out."""
