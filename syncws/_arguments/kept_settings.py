"""The settings that are read at each connect or each receive(), as the attributes that keep them: see Setting.

Types, which the checks in syncws.control ensure, and little else; any thread may read. A descriptor takes a few times
as long as an attribute, which a connect that reads twenty of them would notice; that of a list would also put a list
into a snapshot which refers back to it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syncws._arguments.socket_options import LocalAddress, SocketTriple

if TYPE_CHECKING:
    import datetime as dt
    from http.cookiejar import CookieJar

    from syncws.compression import Deflate
    from syncws.credentials import PasswordCredential
    from syncws.enums import ChainValidationResult, MessageWebSocketReceiveMode

__all__ = ["KeptSettings"]


class KeptSettings:
    """What a control keeps, or its class; lists are here only in a snapshot, as tuples."""

    _connect_timeout: float | None
    _max_connect_addresses: int
    _happy_eyeballs_delay: float | None
    _local_address: LocalAddress | None
    _socket_options: Sequence[SocketTriple]
    _outbound_buffer_size_in_bytes: int
    _max_redirects: int
    _supported_protocols: Sequence[str]
    _user_agent: str | None
    _cookies: "CookieJar | Mapping[str, str] | None"
    _server_credential: "PasswordCredential | None"
    _ignorable_server_certificate_errors: "Sequence[ChainValidationResult]"
    _proxy: str | None
    _receive_timeout: float | None
    _receive_mode: "MessageWebSocketReceiveMode"
    _discard_unclaimed_messages: bool
    _keep_alive_interval: float | None
    _keep_alive_timeout: float | None
    _desired_unsolicited_pong_interval: "dt.timedelta"
    _compression: "Deflate | bool | None"
    _send_timeout: float | None
    # None where it depends on the control: see WebSocketControl.
    _inbox_size_in_bytes: int | None
    _max_message_size: int | None
    _default_inbox_size: int

    def _inbox_size(self) -> int:
        given = self._inbox_size_in_bytes
        return self._default_inbox_size if given is None else given
