"""A kubelet, or a service proxy, as a process of its own.

Upstream: cmd/kubelet/app, cmd/kube-proxy/app.
"""

import contextlib
import dataclasses

from pybernetes.aio import clock as clocks
from pybernetes.cluster.standalone import connections
from pybernetes.kubelet import config as kubelet_configs
from pybernetes.kubelet import kubelet
from pybernetes.kubelet.cri import client as cri
from pybernetes.proxy import proxier


@dataclasses.dataclass(frozen=True, slots=True)
class Connection:
    """What the flags say about the API server."""

    kubeconfig: str
    master: str = ""


async def run_kubelet(connection: Connection, config: kubelet_configs.KubeletConfig) -> None:
    """Be the node until cancelled. Raises SettingsError."""
    clock = clocks.RealClock()
    who = connections.load(connection.kubeconfig, connection.master)
    async with contextlib.AsyncExitStack() as stack:
        client = await connections.client(stack, who, clock, "kubelet")
        engine = cri.CriClient(config.container_runtime_endpoint)
        stack.push_async_callback(engine.close)
        await kubelet.Kubelet(client, clock, config, engine).run()


async def run_proxy(connection: Connection, config: proxier.ProxyConfig) -> None:
    """Keep the rules until cancelled. Raises SettingsError."""
    clock = clocks.RealClock()
    who = connections.load(connection.kubeconfig, connection.master)
    async with contextlib.AsyncExitStack() as stack:
        client = await connections.client(stack, who, clock, "kube-proxy")
        await proxier.Proxier(client, clock, config).run()
