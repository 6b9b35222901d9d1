"""A simulated node in a test: the ordinary kubelet over a runtime in memory, with an identity of its own.

    node = cluster.nodes[0]
    node.runtime.exec_results = lambda container, command: runtime.ExecResult(1)    # probes and commands now fail
    await node.stop()                                                               # the kubelet falls silent
    await node.start()                                                              # and finds its containers again

Upstream: kubemark's hollow node.
"""

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.cluster import components, identities
from pybernetes.cluster import config as configs
from pybernetes.kubelet import kubelet, lease
from pybernetes.kubelet.cri import simulated


class HollowNode:
    """Node `index` (from 1) of a test's cluster. The runtime outlives the kubelet, as a real one does."""

    def __init__(
        self,
        config: configs.ClusterConfig,
        who: identities.Identities,
        clock: clocks.Clock,
        index: int,
        runtime: simulated.FakeRuntime | None = None,
    ) -> None:
        self._clock = clock
        self._group: tasks.TaskGroup | None = None
        self.name = config.simulated_node_name(index)
        self.kubelet = components.simulated_node(config, who, clock, index)
        self.runtime = runtime or simulated.FakeRuntime(clock, self.kubelet.config.pod_cidr)
        self.runtime.resume()
        self.kubelet = self._new()

    def _new(self) -> kubelet.Kubelet:
        return kubelet.Kubelet(self.kubelet.client, self._clock, self.kubelet.config, self.runtime)

    async def start(self) -> None:
        """Run the kubelet (a new one, if it was stopped) and return when it looks after its pods."""
        if self._group is not None:
            return
        if self.kubelet.ready.is_set():
            self.kubelet = self._new()
        if isinstance(self._clock, clocks.VirtualClock):
            self._clock.neglect(self._lease)
        self._group = tasks.TaskGroup(f"node {self.name}")
        self._group.start(self.kubelet.run(), "kubelet")
        await self._group.until(self.kubelet.ready.wait(), "ready")

    async def stop(self) -> None:
        """End the kubelet; containers go on, nobody reports them."""
        if self._group is not None:
            await self._group.cancel()
            self._group = None
            if isinstance(self._clock, clocks.VirtualClock):
                self._clock.attend(self._lease)  # nobody renews it: what that leads to happens at its time

    @property
    def _lease(self) -> str:
        return f"{lease.NAMESPACE}/{self.name}"
