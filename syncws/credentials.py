"""PasswordCredential: a user name and a password (Windows.Security.Credentials.PasswordCredential).

A plain value, set before it is used: any thread may read it.
"""

from syncws._errors.bare import raising_bare
from syncws._texts import plain_text
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

__all__ = ["PasswordCredential"]


class PasswordCredential:
    """A user name and a password for control.server_credential or proxy_credential; never shown by repr().

    The `resource` is a label for the application's own use.
    """

    __slots__ = ("_password", "_resource", "_user_name")

    @raising_bare
    def __init__(self, resource: str = "", user_name: str = "", password: str = "", /) -> None:
        """Make a credential from three strings, or an empty one.

        Raises:
            InvalidArgumentTypeError: an argument is not a str (0x80070057).
            InvalidArgumentError: one of them is given, and user name or password is empty; or as for the properties
                (0x80070057).

        Source: PasswordCredential(), PasswordCredential(String, String, String).
        """
        self._resource = self._user_name = self._password = ""
        self.resource = resource
        if resource or user_name or password:
            if password == "":
                # When two arguments are given, the first was meant as the user name, and the second is a secret.
                raise InvalidArgumentError(
                    "the password is missing: the arguments are PasswordCredential(resource, user_name, password), "
                    'and the resource may be ""'
                )
            self.user_name = user_name
            self.password = password

    @property
    def resource(self) -> str:
        """A label; "" at first (PasswordCredential.Resource).

        Raises:
            InvalidArgumentTypeError: set to something that is not a str (0x80070057).
            InvalidArgumentError: set to one with control characters or lone surrogates (0x80070057).
        """
        return self._resource

    @resource.setter
    def resource(self, value: str) -> None:
        self._resource = _checked(value, "resource")

    @property
    def user_name(self) -> str:
        """The user name; "" at first (PasswordCredential.UserName).

        Raises:
            InvalidArgumentTypeError: set to something that is not a str (0x80070057).
            InvalidArgumentError: set to an empty one, one with control characters or lone surrogates, or one with a
                colon, which HTTP's Basic scheme cannot carry (0x80070057).
        """
        return self._user_name

    @user_name.setter
    @raising_bare
    def user_name(self, value: str) -> None:
        checked = _checked(value, "user_name", may_be_empty=False)
        if ":" in checked:
            raise InvalidArgumentError("user_name must not hold a colon (RFC 7617 2)")
        self._user_name = checked

    @property
    def password(self) -> str:
        """The password; "" at first (PasswordCredential.Password).

        Raises:
            InvalidArgumentTypeError: set to something that is not a str (0x80070057).
            InvalidArgumentError: set to an empty one, or one with control characters or lone surrogates (0x80070057).
        """
        return self._password

    @password.setter
    @raising_bare
    def password(self, value: str) -> None:
        self._password = _checked(value, "password", may_be_empty=False)

    def retrieve_password(self) -> None:
        """Do nothing: the password is there already; on Windows this fetches it from the vault.

        Source: PasswordCredential.RetrievePassword.
        """

    def __reduce_ex__(self, protocol: object) -> str:
        """Refuse to be pickled or copied: the password would leave unseen.

        Raises:
            TypeError: always.
        """
        raise TypeError("a PasswordCredential cannot be pickled or copied: its password would go with it")

    def __repr__(self) -> str:
        return f"<PasswordCredential resource={self._resource!r} user_name={self._user_name!r}>"


def _checked(value: object, what: str, *, may_be_empty: bool = True) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentTypeError(f"{what} must be str, not {type(value).__name__}")
    if not value and not may_be_empty:
        raise InvalidArgumentError(f"{what} must not be empty")
    if any(character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in value):
        raise InvalidArgumentError(f"{what} must not hold control characters or lone surrogates")
    return plain_text(value)
