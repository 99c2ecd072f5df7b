"""Uri: an absolute ws or wss URI (Windows.Foundation.Uri).

A plain value that never changes: any thread may use it.
"""

from syncws._texts import plain_text
from syncws._waiting.at_fork import loading
from syncws._wire.uri import parse_uri
from syncws.errors import InvalidArgumentTypeError

__all__ = ["Uri", "uri_text"]


class Uri:
    """A checked URI, which connect() takes as well as str. Two are equal that connect to the same and ask for the same.

    It has those of WinRT's members that mean something for ws and wss, which have no fragment and no user info; to take
    URIs apart further, use urllib.parse.
    """

    __slots__ = ("_parsed", "_text")

    def __init__(self, uri: str, relative_uri: str | None = None, /) -> None:
        """Take an absolute ws or wss URI; `relative_uri` is resolved against it.

        Raises:
            InvalidArgumentTypeError: it is not a str (0x80070057).
            InvalidArgumentError: connect() would refuse it (0x80070057).

        Source: Uri(String), Uri(String, String).
        """
        with loading():
            base = parse_uri(uri)
        if relative_uri is not None:
            if not isinstance(relative_uri, str):
                raise InvalidArgumentTypeError(f"relative_uri must be str, not {type(relative_uri).__name__}")
            # Here and not above: importing it takes time, and few need it. It joins ws URIs by the rules of http.
            with loading():
                from urllib.parse import urljoin

                uri = urljoin(uri, relative_uri)
                base = parse_uri(uri)
        self._text = plain_text(uri)
        self._parsed = base

    @property
    def raw_uri(self) -> str:
        """The text as it was given (Uri.RawUri)."""
        return self._text

    @property
    def absolute_uri(self) -> str:
        """The whole URI, host in lower case and ASCII, path encoded, without the scheme's port (Uri.AbsoluteUri)."""
        parsed = self._parsed
        default = ":443" if parsed.is_secure else ":80"
        return f"{parsed.scheme}://{parsed.authority.removesuffix(default)}{parsed.resource}"

    @property
    def absolute_canonical_uri(self) -> str:
        """As absolute_uri (Uri.AbsoluteCanonicalUri)."""
        return self.absolute_uri

    @property
    def display_uri(self) -> str:
        """As absolute_uri, including the query (Uri.DisplayUri)."""
        return self.absolute_uri

    @property
    def scheme_name(self) -> str:
        """`ws` or `wss` (Uri.SchemeName)."""
        return self._parsed.scheme

    @property
    def host(self) -> str:
        """Name or address, IPv6 without brackets (Uri.Host)."""
        return self._parsed.host

    @property
    def port(self) -> int:
        """The port, the scheme's when none was given (Uri.Port)."""
        return self._parsed.port

    @property
    def path(self) -> str:
        """From the first slash to the query, percent-encoded (Uri.Path)."""
        return self._parsed.resource.partition("?")[0]

    @property
    def query(self) -> str:
        """The query with its question mark, "" when there is none (Uri.Query)."""
        _, mark, query = self._parsed.resource.partition("?")
        return mark + query

    @property
    def extension(self) -> str:
        """What follows the last dot of the path's last part, with the dot; "" for nothing (Uri.Extension)."""
        _, dot, extension = self.path.rpartition("/")[2].rpartition(".")
        return dot + extension if dot else ""

    def combine_uri(self, relative_uri: str, /) -> "Uri":
        """Return the URI that `relative_uri` names from here (Uri.CombineUri).

        Raises: as Uri().
        """
        return Uri(self._text, relative_uri)

    def equals(self, uri: "Uri", /) -> bool:
        """Tell whether both are the same; so does == (Uri.Equals)."""
        return self == uri

    def __eq__(self, other: object) -> bool:
        return self._parsed == other._parsed if isinstance(other, Uri) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._parsed)

    def to_string(self) -> str:
        """Return absolute_uri, as str() does (Uri.ToString)."""
        return self.absolute_uri

    def __str__(self) -> str:
        return self.absolute_uri

    def __repr__(self) -> str:
        # Its query may hold a secret.
        return f"<Uri {self._parsed.shown}>"


def uri_text(uri: object) -> str:
    """Return the text of a Uri or str.

    Raises:
        InvalidArgumentTypeError: it is neither (0x80070057).
    """
    if isinstance(uri, Uri):
        return uri.raw_uri
    if not isinstance(uri, str):
        raise InvalidArgumentTypeError(f"uri must be str or Uri, not {type(uri).__name__}")
    return plain_text(uri)
