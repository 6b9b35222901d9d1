"""Probes and hooks on a simulated node: nobody listens at a simulated pod's address, and nothing is ever sent there.

What would go over the network is asked of the simulated runtime as if it were a command (`httpGet /healthz`), so that a
test decides about probes where it decides about commands: in the runtime's `exec_results`. By default all succeed.
"""

from pybernetes.api.types import core
from pybernetes.http import client as http_client
from pybernetes.http import messages
from pybernetes.kubelet import probes


class SimulatedProbes(probes.Probes):
    """Puts every probe to the runtime."""

    async def run(self, probe: core.Probe, target: probes.Target) -> probes.Answer:
        """Ask once."""
        return await self._exec(probe.exec or core.ExecAction(command=_as_command(probe)), target, 1.0)


def _as_command(probe: core.Probe) -> tuple[str, ...]:
    if probe.httpGet is not None:
        return "httpGet", probe.httpGet.path or "/"
    if probe.tcpSocket is not None:
        return "tcpSocket", str(probe.tcpSocket.port)
    return "grpc", (probe.grpc.service if probe.grpc is not None else None) or ""


class SimulatedHttp(http_client.HttpClient):
    """What the kubelet has for HTTP there: every answer is 200, and no connection is made."""

    async def request(
        self,
        method: str,
        url: str,
        headers: http_client.HeaderList | None = None,
        body: bytes = b"",
        timeout: float | None = 30.0,
    ) -> http_client.ClientResponse:
        """An empty answer."""
        return http_client.ClientResponse(200, messages.Headers.of(()), b"")
