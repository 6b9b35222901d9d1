"""The health checks of a server: three endpoints' worth, and the post-start hooks that show up in them.

Upstream: k8s.io/apiserver/pkg/server/hooks.go.
"""

from pybernetes.telemetry import health


class Endpoints:
    """The checks of the three endpoints. A hook's check fails until the hook is done."""

    def __init__(self) -> None:
        self.live = health.Checks("livez")
        self.ready = health.Checks("readyz")
        self.old = health.Checks("healthz")
        self._pending: set[str] = set()
        self._stopping = False
        self.add_ready("shutdown", lambda: "process is shutting down" if self._stopping else None)

    def endpoints(self) -> dict[str, health.Checks]:
        """Each endpoint's checks by its path."""
        return {"healthz": self.old, "livez": self.live, "readyz": self.ready}

    def add(self, name: str, check: health.Check) -> None:
        """A check for all three."""
        for checks in self.endpoints().values():
            checks.add(name, check)

    def add_ready(self, name: str, check: health.Check) -> None:
        """A check for readiness alone."""
        self.ready.add(name, check)

    def add_hook(self, name: str) -> None:
        """A post-start hook that is not done yet."""
        self._pending.add(name)
        self.add(f"poststarthook/{name}", lambda: "not finished" if name in self._pending else None)

    def hook_done(self, name: str) -> None:
        """The hook has done its work."""
        self._pending.discard(name)

    def stopping(self) -> None:
        """From now on the server is not ready."""
        self._stopping = True
