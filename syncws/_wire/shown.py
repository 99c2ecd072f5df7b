"""What may be shown of a text that holds secrets or comes from a stranger: URLs, headers, the peer's words.

Pure functions over strings: any thread may call them. Whatever a message, a log line or a repr shows of a URL, of a
header's value or of what the peer says comes from here.
"""

import re

__all__ = ["HIDDEN", "shown_header", "shown_protocol", "shown_text", "shown_url"]

HIDDEN = "***"
_LONGEST = 200
# Whose values are shown. A header that nobody knows may hold a key, so the others are hidden.
_SHOWN_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "date",
        "host",
        "location",
        "origin",
        "proxy-authenticate",
        "retry-after",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-version",
        "server",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "www-authenticate",
    }
)
# Subprotocols that are known to be names. Others may be bearer tokens, which servers answer with as well.
_SHOWN_PROTOCOLS = frozenset(
    {
        "actioncable-v1-json",
        "amqp",
        "chat",
        "graphql-transport-ws",
        "graphql-ws",
        "json",
        "jsonrpc",
        "mqtt",
        "ocpp1.6",
        "ocpp2.0",
        "ocpp2.0.1",
        "ocpp2.1",
        "protobuf",
        "sip",
        "soap",
        "stomp",
        "v10.stomp",
        "v11.stomp",
        "v12.stomp",
        "v4.channel.k8s.io",
        "v5.channel.k8s.io",
        "wamp.2.json",
        "wamp.2.msgpack",
        "webpubsub",
        "xmpp",
    }
)
_QUERY = re.compile(r"([?#])\S*")
_USER_INFO = re.compile(r"//[^/?#\s]*@")


def shown_text(text: str, longest: int = _LONGEST) -> str:
    """Return what the peer says so that it can forge nothing: what is not printable is escaped, the middle left out.

    Not printable are control characters, line separators and the marks that turn the direction of writing.
    """
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[-longest // 2 :]}"
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def shown_url(text: str) -> str:
    """Return a URL without user info, query and fragment, where secrets tend to be.

    What cannot be parsed is hidden up to its last @: no message may show what may be a password.
    """
    # First: a question mark before the last @ may be a part of a password.
    before, at_sign, after = text.rpartition("@")
    if at_sign:
        scheme, separator, _ = before.partition("://")
        start = f"{scheme}{separator}" if separator and scheme.isalpha() else ""
        text = f"{start}{HIDDEN}@{after}"
    return shown_text(_QUERY.sub(rf"\1{HIDDEN}", text, count=1))


def shown_protocol(name: str) -> str:
    """Return a subprotocol for people: hidden unless it is known to be a name."""
    return name if name.lower() in _SHOWN_PROTOCOLS else HIDDEN


def shown_header(name: str, value: str) -> str:
    """Return a header's value for a log: hidden unless it is known to hold no secret; URLs in it as shown_url has them.

    A subprotocol may be a bearer token, as Kubernetes has it, so these are hidden too.
    """
    if name.strip().lower() not in _SHOWN_HEADERS:
        return HIDDEN
    return shown_text(_USER_INFO.sub(f"//{HIDDEN}@", _QUERY.sub(rf"\1{HIDDEN}", value)))
