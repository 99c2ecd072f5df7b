"""The information objects of both socket classes, and the structs that they give out.

Read-only, at any time in the life of the socket and on any thread: each property takes a snapshot of what the socket
knows, and reads that.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from syncws._arguments.showing import as_html, plain
from syncws._certificates.errors import severity_of
from syncws._copying import NotCopied
from syncws._wire.shown import shown_protocol
from syncws.certificates import Certificate
from syncws.compression import CompressionStatistics
from syncws.enums import ChainValidationResult, CloseCause, SocketSslErrorSeverity
from syncws.host_name import HostName
from syncws.http_headers import HttpHeaders

__all__ = [
    "BandwidthStatistics",
    "ConnectFacts",
    "ConnectTimes",
    "MessageWebSocketInformation",
    "Snapshot",
    "StreamWebSocketInformation",
    "WebSocketInformation",
]


class BandwidthStatistics(NamedTuple):
    """Estimates of what the connection carries (Windows.Networking.Sockets.BandwidthStatistics); all 0 before connect.

    WinRT's numbers are TCP's estimates. Here they are made from the bytes that really moved, in samples of at least
    100 ms smoothed as RFC 6298 smooths round trips.

    Attributes:
        outbound_bits_per_second (int): estimated outbound bandwidth, bits per second.
        inbound_bits_per_second (int): estimated inbound bandwidth, bits per second.
        outbound_bits_per_second_instability (int): smoothed deviation of the outbound estimate, bits per second.
        inbound_bits_per_second_instability (int): the same, inbound.
        outbound_bandwidth_peaked (bool): the latest outbound sample did not raise the estimate.
        inbound_bandwidth_peaked (bool): the same, inbound.
    """

    outbound_bits_per_second: int = 0
    inbound_bits_per_second: int = 0
    outbound_bits_per_second_instability: int = 0
    inbound_bits_per_second_instability: int = 0
    outbound_bandwidth_peaked: bool = False
    inbound_bandwidth_peaked: bool = False

    def unpack(self) -> tuple[int, int, int, int, bool, bool]:
        """Return the fields as a plain tuple, as PyWinRT's structs do."""
        return self[:]


class ConnectTimes(NamedTuple):
    """Seconds that the phases of connect() took (beyond WinRT); None for a phase that did not take place.

    All but `lookup` and `total` are for the connection that was made in the end: redirects, addresses that failed and
    challenges are only in `total`.

    Attributes:
        lookup (float | None): name lookups, all of them; next to nothing where the host needs none.
        tcp (float | None): TCP, to the server or the proxy.
        proxy (float | None): the exchange with the proxy, including TLS with it.
        tls (float | None): TLS with the server, including its checks and handlers of custom validation.
        handshake (float | None): the opening handshake, from the request to the answer.
        total (float): all of connect().
    """

    lookup: float | None = None
    tcp: float | None = None
    proxy: float | None = None
    tls: float | None = None
    handshake: float | None = None
    total: float = 0.0


class ConnectFacts(NamedTuple):
    """What a connect has found out, apart from what the handshake settled; made by it."""

    connected_at: dt.datetime | None = None
    times: ConnectTimes | None = None
    tls_version: str | None = None
    tls_cipher: str | None = None


_NO_STATISTICS = BandwidthStatistics()
_NO_HEADERS = HttpHeaders()


class Snapshot(NamedTuple):
    """What the socket knows at one moment; its link makes one whenever a property of the information object asks."""

    local_address: HostName | None = None
    remote_address: HostName | None = None
    proxy: str | None = None
    protocol: str = ""
    response_headers: HttpHeaders = _NO_HEADERS
    server_certificate: Certificate | None = None
    server_intermediate_certificates: tuple[Certificate, ...] = ()
    server_certificate_errors: tuple[ChainValidationResult, ...] = ()
    bandwidth_statistics: BandwidthStatistics = _NO_STATISTICS
    facts: ConnectFacts = ConnectFacts()
    connected_seconds: float | None = None
    messages_received: int = 0
    messages_sent: int = 0
    frames_received: int = 0
    frames_sent: int = 0
    compression: CompressionStatistics | None = None
    bytes_received: int = 0
    bytes_sent: int = 0
    bytes_buffered_in: int = 0
    bytes_pending_out: int = 0
    handler_failures: int = 0
    discarded_messages: int = 0
    round_trip_time: float | None = None
    close_cause: CloseCause = CloseCause.NONE
    close_code: int | None = None
    close_reason: str = ""


class WebSocketInformation(NotCopied):
    """Facts about a connection; what WinRT calls IWebSocketInformation2, and more. Not for use by itself."""

    __slots__ = ("_take_snapshot",)

    _take_snapshot: Callable[[], Snapshot]

    def __new__(cls) -> Self:
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{cls.__name__} cannot be made: use {cls.__name__.removesuffix('Information')}.information")

    @classmethod
    def _over(cls, take_snapshot: Callable[[], Snapshot]) -> Self:
        information = object.__new__(cls)
        information._take_snapshot = take_snapshot
        return information

    @property
    def local_address(self) -> HostName | None:
        """Our IP address; None before connect, and over a Unix socket, which has none (….LocalAddress)."""
        return self._take_snapshot().local_address

    @property
    def remote_address(self) -> HostName | None:
        """IP address of the server, or of the proxy; None when local_address is (beyond WinRT)."""
        return self._take_snapshot().remote_address

    @property
    def proxy(self) -> str | None:
        """The proxy that the connection goes through; None before connect, and when there is none (beyond WinRT).

        Scheme, host and port, as in "http://proxy.example:3128"; never a user name or a password.
        """
        return self._take_snapshot().proxy

    @property
    def protocol(self) -> str:
        """The subprotocol that the server chose; "" before connect, and when it chose none (….Protocol)."""
        return self._take_snapshot().protocol

    @property
    def response_headers(self) -> HttpHeaders:
        """The headers of the server's answer to the opening handshake; empty before connect (beyond WinRT).

        The headers of a refusal are on the HttpStatusError.
        """
        return self._take_snapshot().response_headers

    @property
    def server_certificate(self) -> Certificate | None:
        """The server's certificate, even one that was refused; None before connect and over ws.

        Source: ….ServerCertificate.
        """
        return self._take_snapshot().server_certificate

    @property
    def server_intermediate_certificates(self) -> tuple[Certificate, ...]:
        """Certificates that came with the server's, in its order; empty before connect and over ws.

        Source: ….ServerIntermediateCertificates.
        """
        return self._take_snapshot().server_intermediate_certificates

    @property
    def server_certificate_errors(self) -> tuple[ChainValidationResult, ...]:
        """All that was wrong with the server's certificate, ignored or not; empty when it passed the usual checks.

        After a connect that failed because of it, it is there until the next connect. When the issuer is not known it
        holds UNTRUSTED and INCOMPLETE_CHAIN. After an error that cannot be ignored nothing more is looked for.

        Source: ….ServerCertificateErrors.
        """
        return self._take_snapshot().server_certificate_errors

    @property
    def server_certificate_error_severity(self) -> SocketSslErrorSeverity:
        """NONE, IGNORABLE when all the errors can be ignored, or FATAL (….ServerCertificateErrorSeverity)."""
        return severity_of(self._take_snapshot().server_certificate_errors)

    @property
    def bandwidth_statistics(self) -> BandwidthStatistics:
        """Estimates from the bytes moved so far; zeros before connect (….BandwidthStatistics)."""
        return self._take_snapshot().bandwidth_statistics

    @property
    def connected_at(self) -> dt.datetime | None:
        """When connect was done, in UTC; None before (beyond WinRT)."""
        return self._take_snapshot().facts.connected_at

    @property
    def connected_seconds(self) -> float | None:
        """Seconds since then, up to the connection's end; None before connect (beyond WinRT)."""
        return self._take_snapshot().connected_seconds

    @property
    def connect_times(self) -> ConnectTimes | None:
        """Seconds that each phase of connect took; None before (beyond WinRT)."""
        return self._take_snapshot().facts.times

    @property
    def tls_version(self) -> str | None:
        """The version of TLS with the server, as in "TLSv1.3"; None before connect and over ws (beyond WinRT)."""
        return self._take_snapshot().facts.tls_version

    @property
    def tls_cipher(self) -> str | None:
        """Name of the cipher suite with the server; None before connect and over ws (beyond WinRT)."""
        return self._take_snapshot().facts.tls_cipher

    @property
    def messages_received(self) -> int:
        """Messages that have arrived whole, delivered or not (beyond WinRT)."""
        return self._take_snapshot().messages_received

    @property
    def messages_sent(self) -> int:
        """Messages whose last frame has been sent, or has begun to be (beyond WinRT)."""
        return self._take_snapshot().messages_sent

    @property
    def frames_received(self) -> int:
        """Frames that have arrived, or have begun to: of messages, pings, pongs and Close (beyond WinRT)."""
        return self._take_snapshot().frames_received

    @property
    def frames_sent(self) -> int:
        """Frames of every kind that have been sent, or have begun to be (beyond WinRT)."""
        return self._take_snapshot().frames_sent

    @property
    def compression(self) -> CompressionStatistics | None:
        """What was agreed about compression and what it has achieved; None before connect and without (beyond WinRT).

        It is also None when control.compression was set but the server does not compress.
        """
        return self._take_snapshot().compression

    @property
    def bytes_received(self) -> int:
        """Bytes that have come over TCP since connect, including TLS and frame headers (beyond WinRT)."""
        return self._take_snapshot().bytes_received

    @property
    def bytes_sent(self) -> int:
        """Bytes that have gone over TCP since connect, including TLS and frame headers (beyond WinRT)."""
        return self._take_snapshot().bytes_sent

    @property
    def bytes_buffered_in(self) -> int:
        """Bytes of payload that have arrived and wait to be taken (beyond WinRT).

        At most control.inbox_size_in_bytes, plus one message or one read: 64 KiB or, where the inbox has the default
        size or more, 512 KiB. With receive_mode FULL_MESSAGE only complete messages count. What a read
        that timed out has put back counts too.
        """
        return self._take_snapshot().bytes_buffered_in

    @property
    def bytes_pending_out(self) -> int:
        """Bytes given by sending threads, waiting ones too, that the system has not taken yet (beyond WinRT).

        They are in the buffers that were passed to send and write, not in copies.
        """
        return self._take_snapshot().bytes_pending_out

    @property
    def discarded_messages(self) -> int:
        """Messages, or pieces, that control.discard_unclaimed_messages threw away (beyond WinRT); 0 for a stream."""
        return self._take_snapshot().discarded_messages

    @property
    def handler_failures(self) -> int:
        """How many times a handler raised; each time is logged on `syncws` with its traceback (beyond WinRT)."""
        return self._take_snapshot().handler_failures

    @property
    def round_trip_time(self) -> float | None:
        """Seconds from the latest answered ping, of ping() or keep-alive, to its pong (beyond WinRT).

        None until there is one. Time that a handler took before the pong was read is part of it.
        """
        return self._take_snapshot().round_trip_time

    @property
    def close_cause(self) -> CloseCause:
        """Why the connection is over, or closing; CloseCause.NONE while it is open (beyond WinRT).

        What came first counts: after close() it is LOCAL, even if the server never answered. It is set before
        receive, a read, wait_closed or closed reports the end.
        """
        return self._take_snapshot().close_cause

    @property
    def close_code(self) -> int | None:
        """The code that the event closed has, or will have; None until it is known (beyond WinRT)."""
        return self._take_snapshot().close_code

    @property
    def close_reason(self) -> str:
        """The reason that goes with close_code; "" until there is one (beyond WinRT)."""
        return self._take_snapshot().close_reason

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, as of one moment, in plain values that JSON takes (beyond WinRT).

        Enumerations by name, times as ISO 8601, certificates by hash. What may be secret is left out: the values of
        headers that are not known to be harmless, and a subprotocol whose name is not known.
        """
        snapshot = self._take_snapshot()
        still = self._over(lambda: snapshot)
        names = [name for name, value in vars(WebSocketInformation).items() if isinstance(value, property)]
        values = {name: plain(getattr(still, name)) for name in names}
        return values | {"protocol": snapshot.protocol and shown_protocol(snapshot.protocol)}

    def _repr_html_(self) -> str:
        return as_html(type(self).__name__, self.as_dict())

    def __repr__(self) -> str:
        snapshot = self._take_snapshot()
        shown = "" if snapshot.compression is None else f" compression={snapshot.compression!r}"
        return (
            f"<{type(self).__name__} local_address={snapshot.local_address} "
            f"messages_received={snapshot.messages_received} messages_sent={snapshot.messages_sent} "
            f"bytes_received={snapshot.bytes_received} bytes_sent={snapshot.bytes_sent}{shown}>"
        )


class MessageWebSocketInformation(WebSocketInformation):
    """Facts about a MessageWebSocket (Windows.Networking.Sockets.MessageWebSocketInformation).

    Comes from `MessageWebSocket.information`; cannot be made. Readable before connect and after close too.
    """

    __slots__ = ()


class StreamWebSocketInformation(WebSocketInformation):
    """Facts about a StreamWebSocket (Windows.Networking.Sockets.StreamWebSocketInformation).

    Comes from `StreamWebSocket.information`; cannot be made. Readable before connect and after close too.
    """

    __slots__ = ()
