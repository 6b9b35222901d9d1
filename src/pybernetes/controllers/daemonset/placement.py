"""Where a DaemonSet wants Pods, and what its Pods look like.

Upstream: pkg/controller/daemon (daemon_controller.go, util). Pure.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from pybernetes.api import node_matching
from pybernetes.api.types import apps, core
from pybernetes.controllers import node_taints

HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"
_NODE_NAME = "metadata.name"
_TOLERATED = (
    (node_taints.NOT_READY, "NoExecute"),
    (node_taints.UNREACHABLE, "NoExecute"),
    (node_taints.DISK_PRESSURE, "NoSchedule"),
    (node_taints.MEMORY_PRESSURE, "NoSchedule"),
    (node_taints.PID_PRESSURE, "NoSchedule"),
    (node_taints.UNSCHEDULABLE, "NoSchedule"),
)


@dataclasses.dataclass(slots=True)
class Changes:
    """What a sync has to do."""

    nodes: list[str] = dataclasses.field(default_factory=list)
    """Nodes that need a Pod."""
    delete: list[core.Pod] = dataclasses.field(default_factory=list)
    failed: list[tuple[core.Pod, str]] = dataclasses.field(default_factory=list)
    """Failed Pods and their nodes: to be deleted, but not too often."""
    succeeded: list[tuple[core.Pod, str]] = dataclasses.field(default_factory=list)


def tolerations(spec: core.PodSpec) -> tuple[core.Toleration, ...]:
    """The template's own and those that every daemon has: node trouble must not drive it away."""
    wanted = [core.Toleration(key=key, operator="Exists", effect=effect) for key, effect in _TOLERATED]
    if spec.hostNetwork:
        wanted.append(core.Toleration(key=node_taints.NETWORK_UNAVAILABLE, operator="Exists", effect="NoSchedule"))
    return (*spec.tolerations, *(one for one in wanted if one not in spec.tolerations))


def should_run(daemon_set: apps.DaemonSet, node: core.Node) -> tuple[bool, bool]:
    """Whether a Pod belongs on the node, and whether one that is there may stay."""
    spec = daemon_set.spec.template.spec
    if spec.nodeName not in ("", node.metadata.name) or not node_matching.RequiredNodeAffinity(spec).matches(node):
        return False, False
    tolerated = tolerations(spec)
    hard = [one for one in node.spec.taints if one.effect in ("NoExecute", "NoSchedule")]
    if node_taints.untolerated(hard, tolerated) is None:
        return True, True
    return False, node_taints.untolerated(node_taints.no_execute(node), tolerated) is None


def pod_template(daemon_set: apps.DaemonSet, revision_hash: str) -> core.PodTemplateSpec:
    """The template of all Pods, still without a node."""
    template = daemon_set.spec.template
    labels = {**template.metadata.labels, HASH_LABEL: revision_hash}
    if (generation := daemon_set.metadata.annotations.get(GENERATION_ANNOTATION)) is not None:
        labels[GENERATION_LABEL] = generation
    return structs.replace(
        template,
        metadata=structs.replace(template.metadata, labels=labels),
        spec=structs.replace(template.spec, tolerations=tolerations(template.spec)),
    )


def on_node(template: core.PodTemplateSpec, node: str) -> core.PodTemplateSpec:
    """The template for one node: an affinity that only this node fulfils takes the place of any other."""
    field = core.NodeSelectorRequirement(key=_NODE_NAME, operator="In", values=(node,))
    selector = core.NodeSelector(nodeSelectorTerms=(core.NodeSelectorTerm(matchFields=(field,)),))
    affinity = template.spec.affinity or core.Affinity()
    nodes = structs.replace(
        affinity.nodeAffinity or core.NodeAffinity(), requiredDuringSchedulingIgnoredDuringExecution=selector
    )
    spec = structs.replace(template.spec, affinity=structs.replace(affinity, nodeAffinity=nodes))
    return structs.replace(template, spec=spec)


def target_node(pod: core.Pod) -> str:
    """The node a Pod is on or made for; "" if it names none."""
    if pod.spec.nodeName:
        return pod.spec.nodeName
    affinity = node_matching.required_node_selector(pod.spec)
    for term in affinity.nodeSelectorTerms if affinity is not None else ():
        for one in term.matchFields:
            if (one.key, one.operator, len(one.values)) == (_NODE_NAME, "In", 1):
                return one.values[0]
    return ""


def by_node(pods: Iterable[core.Pod]) -> dict[str, list[core.Pod]]:
    """Pods by the node they are on or made for; on each the one that counts first."""
    found: dict[str, list[core.Pod]] = {}
    for pod in pods:
        found.setdefault(target_node(pod), []).append(pod)
    for some in found.values():
        some.sort(key=lambda pod: (not pod.spec.nodeName, pod.metadata.creationTimestamp, pod.metadata.name))
    return found


def is_updated(pod: core.Pod, daemon_set: apps.DaemonSet, revision_hash: str) -> bool:
    """Whether the Pod is of the present template."""
    labels = pod.metadata.labels
    generation = daemon_set.metadata.annotations.get(GENERATION_ANNOTATION)
    return labels.get(HASH_LABEL) == revision_hash or (
        generation is not None and labels.get(GENERATION_LABEL) == generation
    )


def plan(
    daemon_set: apps.DaemonSet,
    nodes: Sequence[core.Node],
    pods: Mapping[str, Sequence[core.Pod]],
    *,
    surge: bool,
    replaces: "Replaces",
) -> Changes:
    """What must change so that every node has exactly the Pods it should have."""
    changes = Changes()
    for node in nodes:
        _plan_node(daemon_set, node, pods.get(node.metadata.name), changes, surge, replaces)
    known = {node.metadata.name for node in nodes}
    for name, some in pods.items():
        if name not in known:
            changes.delete += [pod for pod in some if not pod.spec.nodeName]
    return changes


class Replaces:
    """Which of several Pods on one node are too many while a rollout surges; without surge all but the first are."""

    def surplus(self, running: Sequence[core.Pod]) -> list[core.Pod]:
        """Those to delete."""
        return [*running[1:]]


def _plan_node(
    daemon_set: apps.DaemonSet,
    node: core.Node,
    pods: Sequence[core.Pod] | None,
    changes: Changes,
    surge: bool,
    replaces: Replaces,
) -> None:
    run, stay = should_run(daemon_set, node)
    name = node.metadata.name
    if run and not pods:
        changes.nodes.append(name)
        return
    present = [pod for pod in pods or () if pod.metadata.deletionTimestamp is None]
    if not stay:
        changes.delete += present
        return
    running = []
    for pod in present:
        if pod.status.phase == "Failed":
            changes.failed.append((pod, name))
        elif pod.status.phase == "Succeeded":
            changes.succeeded.append((pod, name))
        else:
            running.append(pod)
    if surge and not running and run:
        changes.nodes.append(name)
    changes.delete += replaces.surplus(running)
