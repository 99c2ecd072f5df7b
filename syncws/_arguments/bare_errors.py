"""Errors as the application gets them: without the library's frames.

Where in the library an error was found says nothing to the application, makes a traceback of sixty lines of one of ten,
and holds in its locals what the application has given: headers, passwords, queries. Any thread may use it.
"""

from syncws.errors import WebSocketError

__all__ = ["RaisingBare"]


class RaisingBare:
    """A block that the library's errors leave without the frames that they, and their causes, have passed in it."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        link: BaseException | None = error if isinstance(error, WebSocketError) else None
        while link is not None:
            # The interpreter goes on with what stands here when this returns.
            link.__context__, link.__traceback__, link.__suppress_context__ = None, None, True
            link = link.__cause__
