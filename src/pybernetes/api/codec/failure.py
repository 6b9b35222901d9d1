"""What a body that cannot be read raises. Upstream: apimachinery/pkg/runtime errors. Pure."""

from pybernetes.apimachinery import errors


class DecodeError(errors.BadRequest):
    """The body is not what its media type says, or not an object that can be told from it."""


class NotRegistered(DecodeError):
    """The body names a kind that its version does not have."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no kind "{kind}" is registered for version "{api_version}" in scheme "pybernetes"')
