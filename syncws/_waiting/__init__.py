"""All that can end a wait: deadlines, readiness and the waker, locks that Ctrl-C ends, fork, the end of the program.

Nothing here opens a connection.
"""
