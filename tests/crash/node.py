"""A simulated node as a process of its own: `python -m tests.crash.node KUBECONFIG NAME INDEX`.

Its containers end with it, as after a power cut.
"""

import asyncio
import sys

from pybernetes.aio import clock as clocks
from pybernetes.client import kubeconfig, rest, transport
from pybernetes.kubelet import config as kubelet_configs
from pybernetes.kubelet import kubelet
from pybernetes.kubelet.cri import simulated
from pybernetes.telemetry import logs


async def run(access: str, name: str, index: int) -> None:
    """Be that node until killed."""
    clock = clocks.RealClock()
    logs.configure(level=2)
    pods = f"10.244.{index}.0/24"
    settings = kubelet_configs.KubeletConfig(
        node_name=name, node_ip=f"10.244.0.{10 + index}", pod_cidr=pods, simulated=True
    )
    client = rest.Client(transport.HttpTransport(kubeconfig.load(access).credentials(), clock), clock=clock)
    await kubelet.Kubelet(client, clock, settings, simulated.FakeRuntime(clock, pods)).run()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
