"""Static tokens from a file: `token,user,uid,"group1,group2"` a line.

Upstream: k8s.io/apiserver/pkg/authentication/token/tokenfile.
"""

import csv
import pathlib

from pybernetes.apiserver.authn import user as users


class TokenFile:
    """The tokens of one file, read once."""

    def __init__(self, tokens: dict[str, users.UserInfo]) -> None:
        self._tokens = tokens

    @classmethod
    def load(cls, path: pathlib.Path) -> "TokenFile":
        """Read the file. Raises ValueError for a line with fewer than three columns."""
        tokens: dict[str, users.UserInfo] = {}
        for row in csv.reader(path.read_text().splitlines()):
            if not row or row[0].startswith("#"):
                continue
            if len(row) < 3:
                raise ValueError(f"token file {path} must have at least 3 columns (token, user name, user uid)")
            groups = tuple(group.strip() for group in row[3].split(",") if group.strip()) if len(row) > 3 else ()
            tokens[row[0]] = users.UserInfo(row[1], groups, row[2])
        return cls(tokens)

    async def authenticate_token(self, token: str) -> users.UserInfo | None:
        """The user of a listed token."""
        return self._tokens.get(token)
