"""What is shown of a socket and its session: the numbers of the information object, a line, a table.

Any thread; it reaches the session without holding the socket object.
"""

import enum
from typing import Protocol

from syncws._arguments.showing import as_html, shown_value
from syncws._connection.session import Session
from syncws._net.connector import Connect
from syncws._waiting.deadline import now
from syncws._wire.shown import shown_protocol
from syncws._wire.uri import WebSocketUri
from syncws.enums import CloseCause
from syncws.host_name import HostName
from syncws.info import BandwidthStatistics, Snapshot

__all__ = ["SessionLink", "ShownSocket", "read_statistics"]


class SessionLink:
    """The way from the information object to the session, which does not hold the socket."""

    __slots__ = ("connect", "session", "uri")

    def __init__(self) -> None:
        # The latest one: what the server has shown stays to be seen when it has failed.
        self.connect: Connect | None = None
        self.session: Session | None = None
        self.uri: WebSocketUri | None = None

    def shown(self) -> dict[str, object]:
        """Return what people may see of the connection in a line; nothing before there is one."""
        if self.session is None:
            return {}
        snapshot = self.take_snapshot()
        shown: dict[str, object] = {"uri": None if self.uri is None else self.uri.shown}
        if snapshot.protocol:
            shown["protocol"] = shown_protocol(snapshot.protocol)
        if snapshot.compression is not None:
            shown["extension"] = "permessage-deflate"
        shown |= {"received": snapshot.messages_received, "sent": snapshot.messages_sent}
        if snapshot.close_cause is not CloseCause.NONE:
            shown |= {"ended": snapshot.close_cause.name, "code": snapshot.close_code}
            if snapshot.close_reason:
                shown["reason"] = snapshot.close_reason
        return shown

    def take_snapshot(self) -> Snapshot:
        """Return what the information object shows now."""
        session = self.session
        shown = Snapshot()
        if self.connect is not None and self.connect.certificates:
            shown = Snapshot(
                server_certificate=self.connect.certificates[0],
                server_intermediate_certificates=self.connect.certificates[1:],
                server_certificate_errors=self.connect.certificate_errors,
            )
        if session is None:
            return shown
        return shown._replace(
            local_address=HostName(session.local_address) if session.local_address else None,
            remote_address=HostName(session.remote_address) if session.remote_address else None,
            proxy=session.proxy,
            protocol=session.subprotocol,
            response_headers=session.response_headers,
            facts=session.facts,
            connected_seconds=(now() if session.ended is None else session.ended) - session.began,
            messages_received=session.received.messages,
            messages_sent=session.outbox.tally.messages,
            frames_received=session.received.frames,
            frames_sent=session.outbox.tally.frames,
            bandwidth_statistics=read_statistics(session),
            compression=None if session.compression is None else session.compression.read_statistics(),
            bytes_received=session.inbound.total_bytes,
            bytes_sent=session.outbound.total_bytes,
            bytes_buffered_in=session.inbox.size,
            close_cause=session.close_cause,
            close_code=session.closing.code if session.is_close_known else None,
            close_reason=session.closing.reason if session.is_close_known else "",
            bytes_pending_out=0 if session.is_over else session.outbox.pending_bytes,
            handler_failures=session.handler_failures,
            discarded_messages=session.discarded_messages,
            round_trip_time=session.pings.round_trip_time,
        )


# For a cell that ends in a socket: IPython's Out then keeps the object, and so the connection, for ever. No
# representation keeps it out of there.
_KEPT_HINT = "open; what a cell shows stays in Out, so end it with close()"


class _Printer(Protocol):
    """What is used of IPython.lib.pretty.PrettyPrinter."""

    def text(self, text: str) -> None:
        """Add text."""


class ShownSocket:
    """The base of the sockets that says what they are, in one line and as a table."""

    _link: SessionLink

    @property
    def state(self) -> enum.Enum:
        """How far it has come."""
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        """True while it is connected."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return as_html(self._with_hint(f"{type(self).__name__} {self.state.name}"), self._link.shown())

    def _repr_pretty_(self, printer: _Printer, is_cycle: bool) -> None:
        """Show it where IPython has no tables."""
        printer.text(self._with_hint(repr(self)))

    def _with_hint(self, text: str) -> str:
        return f"{text} ({_KEPT_HINT})" if self.is_open else text

    def __repr__(self) -> str:
        shown = [f" {name}={shown_value(value)}" for name, value in self._link.shown().items()]
        return f"<{type(self).__name__} {self.state.name}{''.join(shown)}>"


def read_statistics(session: Session) -> BandwidthStatistics:
    """Return the estimates of both directions."""
    out_rate, out_instability, out_peaked = session.outbound.read()
    in_rate, in_instability, in_peaked = session.inbound.read()
    return BandwidthStatistics(out_rate, in_rate, out_instability, in_instability, out_peaked, in_peaked)
