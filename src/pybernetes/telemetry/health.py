"""Named health checks behind /livez, /readyz and /healthz.

A check is a function that returns None when all is well and else says what is wrong. The verbose text and the
`exclude` parameter are upstream's.
Upstream: k8s.io/apiserver/pkg/server/healthz.
"""

import dataclasses
from collections.abc import Callable, Collection

Check = Callable[[], str | None]


def _ping() -> None:
    """Whoever answers is alive."""


@dataclasses.dataclass(slots=True)
class Report:
    """The outcome of a round of checks; `text` is what the endpoint answers."""

    ok: bool
    text: str


class Checks:
    """The checks of one endpoint, in order; `ping` always passes, and stands in where there is no other."""

    def __init__(self, endpoint: str, *, ping: bool = True) -> None:
        self.endpoint = endpoint
        self._checks: dict[str, Check] = {"ping": _ping} if ping else {}

    def add(self, name: str, check: Check) -> None:
        """Add a check, or replace the one of that name."""
        self._checks[name] = check

    def names(self) -> list[str]:
        """All names in order."""
        return list(self._checks)

    def run(self, *, verbose: bool = False, exclude: Collection[str] = (), only: str = "") -> Report:
        """Run every check (or one) and word the answer as upstream does."""
        lines: list[str] = []
        failed = False
        for name, check in (self._checks or {"ping": _ping}).items():
            if only and name != only:
                continue
            if name in exclude:
                lines.append(f"[+]{name} excluded: ok")
            elif check() is None:
                lines.append(f"[+]{name} ok")
            else:
                failed = True
                lines.append(f"[-]{name} failed: reason withheld")
        unknown = [name for name in exclude if name not in self._checks]
        if unknown:
            listed = ", ".join(f'"{name}"' for name in sorted(unknown))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {listed}")
        if failed:
            return Report(ok=False, text="\n".join([*lines, f"{self.endpoint} check failed"]) + "\n")
        if verbose:
            return Report(ok=True, text="\n".join([*lines, f"{self.endpoint} check passed"]) + "\n")
        return Report(ok=True, text="ok")
