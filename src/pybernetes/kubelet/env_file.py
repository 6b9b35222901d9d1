"""Files of variables that containers write for later ones: `NAME='value'`, over several lines if need be, `#` comments.

Upstream: pkg/kubelet/util/env. Pure.
"""


class EnvFileError(ValueError):
    """The file is not in that format."""


def value(text: str, key: str) -> str:
    """The value of a variable, empty when the file does not have it; what follows it is not read."""
    lines = iter(text.splitlines())
    for line in lines:
        name, equals, rest = line.lstrip(" \t").partition("=")
        if not line.strip(" \t") or name.startswith("#"):
            continue
        if not equals or not name or name != name.rstrip(" \t"):
            raise EnvFileError(f"not NAME='value': {line!r}")
        if rest != rest.lstrip(" \t"):
            found = ""  # a space there begins nothing, as in a shell
        elif not rest.startswith("'"):
            raise EnvFileError(f"value must be enclosed in single quotes: {line!r}")
        else:
            found, quote, after = rest[1:].partition("'")
            while not quote:
                following = next(lines, None)
                if following is None:
                    raise EnvFileError(f"unclosed single quote: {line!r}")
                more, quote, after = following.partition("'")
                found += f"\n{more}"
            if after.strip(" \t") and not after.lstrip(" \t").startswith("#"):
                raise EnvFileError(f"unexpected content after closing quote: {line!r}")
        if name == key:
            return found
    return ""
