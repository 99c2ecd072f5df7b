"""Why a connection is over, or ending.

May import enums. Any thread notes and asks; nothing here takes a lock.
"""

from syncws.enums import CloseCause

__all__ = ["Causes", "text_of"]

_TEXTS = {
    CloseCause.NONE: "it is open",
    CloseCause.PEER: "the server closed it",
    CloseCause.LOCAL: "close() was called",
    CloseCause.ABORTED: "abort() was called",
    CloseCause.DROPPED: "its socket object was dropped",
    CloseCause.CONNECTION_LOST: "it was lost",
    CloseCause.KEEP_ALIVE: "the server was silent for too long (keep-alive)",
    CloseCause.PROTOCOL_ERROR: "the server broke the protocol",
    CloseCause.MESSAGE_TOO_BIG: "a message was too big",
    CloseCause.FORKED: "it belongs to the parent process",
    CloseCause.HANDLER: "a handler raised what is no Exception, and ended its thread",
}


def text_of(cause: CloseCause) -> str:
    """Return a cause in words, for an error."""
    return _TEXTS[cause]


class Causes:
    """What has been noted as causes, of which the first one counts."""

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        # A list, because appending to it is one step on any thread.
        self._noted: list[CloseCause] = []

    def note(self, cause: CloseCause) -> None:
        """Note why the connection ends, unless that is known already."""
        if not self._noted:
            self._noted.append(cause)

    @property
    def first(self) -> CloseCause:
        """What began the end of the connection; NONE while it is open."""
        return self._noted[0] if self._noted else CloseCause.NONE
