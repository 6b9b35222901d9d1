"""What a body that cannot be read raises. Upstream: apimachinery/pkg/runtime errors. Pure."""

from pybernetes.apimachinery import errors

#: The scheme is named after where upstream made it.
SCHEME = "pkg/runtime/scheme.go:111"


class DecodeError(errors.BadRequest):
    """The body is not what its media type says, or not an object that can be told from it."""


class Unreadable(DecodeError):
    """What the object is could be told, but not what it says."""

    def __init__(self, api_version: str, kind: str, message: str) -> None:
        super().__init__(message)
        self.api_version, self.kind = api_version, kind


class NotRegistered(Unreadable):
    """The body names a kind that its version does not have."""

    def __init__(self, api_version: str, kind: str) -> None:
        text = f'no kind "{kind}" is registered for version "{api_version}" in scheme "{SCHEME}"'
        super().__init__(api_version, kind, text)
