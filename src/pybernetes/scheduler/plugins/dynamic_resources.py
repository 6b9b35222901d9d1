"""DynamicResources: Pods with claims for devices. Allocation is not built yet: such Pods are refused, and told so.

Its place in the profile already shows: PostFilter plugins run in order, and this one, asked about a Pod that another
plugin's PreFilter refused before it was reached, ends the matter with "not found": no preemption is tried then.
Upstream: plugins/dynamicresources. Pure.
"""

from pybernetes.scheduler import framework
from pybernetes.scheduler.framework import NodeToStatus, PostFilterResult, Status
from pybernetes.scheduler.node_info import PodInfo


class DynamicResources:
    """The plugin."""

    name = "DynamicResources"
    _no = framework.unresolvable("DynamicResources", "dynamic resource allocation is not supported")
    _nothing_to_free = framework.unschedulable("DynamicResources")

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Nothing to say about Pods without claims."""
        state[self.name] = True
        return self._no if pod.pod.spec.resourceClaims else framework.SKIP

    def post_filter(
        self, state: framework.CycleState, pod: PodInfo, statuses: NodeToStatus
    ) -> tuple[PostFilterResult | None, Status | None]:
        """There are no allocations that could be freed."""
        if self.name not in state:
            return None, framework.as_status(framework.PluginFailed("not found"), self.name)
        return None, self._nothing_to_free
