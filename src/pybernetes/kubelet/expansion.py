"""`$(VAR)` in commands, arguments and values: known names are replaced, `$$` is a dollar, unknown ones stay.

Upstream: third_party/forked/golang/expansion. Pure.
"""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:(\$)|\(([^()]*)\))")


def expand(text: str, values: Mapping[str, str]) -> str:
    """`text` with its references replaced."""
    if "$" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        return values.get(match[2], match[0])

    return _REFERENCE.sub(replacement, text)


class UnknownReferenceError(ValueError):
    """A reference that must be known is not; carries its name."""


def expand_strict(text: str, values: Mapping[str, str]) -> str:
    """Like `expand`, but an unknown reference is an error (subPathExpr)."""
    missing = [match[2] for match in _REFERENCE.finditer(text) if not match[1] and match[2] not in values]
    if missing:
        raise UnknownReferenceError(f"missing value for {missing[0]!r}")
    return expand(text, values)
