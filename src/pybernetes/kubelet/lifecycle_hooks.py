"""postStart and preStop: a command, an HTTP request, or just a pause.

Upstream: pkg/kubelet/lifecycle/handlers.go.
"""

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.http import client as http_client
from pybernetes.http import errors as http_errors
from pybernetes.kubelet import probes, runtime_status
from pybernetes.kubelet.cri import runtime

_HTTP_TIMEOUT = 30.0
_MAX_OUTPUT = 1024


class HookError(Exception):
    """The hook failed; the text says how."""


class Hooks:
    """Runs hooks inside or against a container."""

    def __init__(self, cri: runtime.Runtime, http: http_client.HttpClient, clock: clocks.Clock) -> None:
        self._cri = cri
        self._http = http
        self._clock = clock

    async def run(
        self,
        pod: core.Pod,
        container: runtime_status.AnyContainer,
        handler: core.LifecycleHandler,
        container_id: str,
        ip: str,
    ) -> None:
        """Run one hook to its end."""
        if handler.exec is not None:
            await self._exec(handler.exec, container, container_id)
        elif handler.httpGet is not None:
            await self._http_get(pod, container, handler.httpGet, ip)
        elif handler.sleep is not None:
            await self._clock.sleep(handler.sleep.seconds)
        else:
            raise HookError(f"invalid handler: {handler}")

    async def _exec(self, action: core.ExecAction, container: runtime_status.AnyContainer, container_id: str) -> None:
        try:
            result = await self._cri.exec_sync(container_id, action.command, 0)
        except runtime.CriError as failure:
            raise HookError(f"Exec lifecycle hook ({list(action.command)}) failed: {failure}") from failure
        if result.exit_code != 0:
            output = (result.stdout + result.stderr)[:_MAX_OUTPUT].decode("utf-8", "replace")
            command = " ".join(action.command)
            raise HookError(
                f'Exec lifecycle hook ([{command}]) for Container "{container.name}" failed - '
                f"error: command '{command}' exited with {result.exit_code}: {output}, message: \"{output}\""
            )

    async def _http_get(
        self, pod: core.Pod, container: runtime_status.AnyContainer, action: core.HTTPGetAction, ip: str
    ) -> None:
        try:
            request = probes.http_request(action, container, ip, "kube-lifecycle")
            response = await self._http.request("GET", request.url, headers=request.headers, timeout=_HTTP_TIMEOUT)
        except (probes.ProbeError, http_errors.HttpError, OSError) as failure:
            raise HookError(
                f'HTTP lifecycle hook ({action.path}) for Container "{container.name}" in Pod '
                f'"{pod.metadata.name}_{pod.metadata.namespace}" failed - error: {failure}'
            ) from failure
        if response.status >= 400:
            raise HookError(f"HTTP lifecycle hook ({action.path}) answered {response.status}")
