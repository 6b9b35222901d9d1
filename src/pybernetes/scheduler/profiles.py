"""Profiles: which plugins schedule a Pod, chosen by the Pod's `schedulerName`.

The rows below are upstream's default profile, in its order and with its weights. Adding a plugin is a row.
Upstream: pkg/scheduler/apis/config/v1/default_plugins.go, pkg/scheduler/profile. Pure.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from pybernetes.scheduler import framework, listers, nominator, runtime
from pybernetes.scheduler.plugins import (
    default_binder,
    dynamic_resources,
    image_locality,
    inter_pod_affinity,
    node_affinity,
    node_name,
    node_ports,
    node_resources_balanced_allocation,
    node_resources_fit,
    node_unschedulable,
    node_volume_limits,
    pod_topology_spread,
    priority_sort,
    scheduling_gates,
    taint_toleration,
    volume_binding,
    volume_restrictions,
    volume_zone,
)

DEFAULT_SCHEDULER_NAME = "default-scheduler"


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """The settings of one profile."""

    scheduler_name: str = DEFAULT_SCHEDULER_NAME
    disabled: tuple[str, ...] = ()
    """Names of default plugins to leave out."""
    weights: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Other weights than the default ones."""
    percentage_of_nodes_to_score: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Dependencies:
    """What plugins are built from."""

    snapshot: framework.Snapshot
    listers: listers.Listers
    bind: default_binder.Bind
    nominator: nominator.Nominator
    volume_binder: volume_binding.Binder
    default_preemption: Callable[[], framework.Plugin]
    """It needs the finished frameworks, so the component makes it."""


Make = Callable[[Dependencies], framework.Plugin]


def _topology_spread(needs: Dependencies) -> framework.Plugin:
    return pod_topology_spread.PodTopologySpread(
        needs.snapshot, lambda pod: listers.default_selector(pod, needs.listers)
    )


DEFAULT_PLUGINS: tuple[tuple[str, int, Make], ...] = (
    ("SchedulingGates", 0, lambda _: scheduling_gates.SchedulingGates()),
    ("PrioritySort", 0, lambda _: priority_sort.PrioritySort()),
    ("NodeName", 0, lambda _: node_name.NodeName()),
    ("NodeUnschedulable", 0, lambda _: node_unschedulable.NodeUnschedulable()),
    ("TaintToleration", 3, lambda _: taint_toleration.TaintToleration()),
    ("NodeAffinity", 2, lambda _: node_affinity.NodeAffinity()),
    ("NodePorts", 0, lambda _: node_ports.NodePorts()),
    ("NodeResourcesFit", 1, lambda n: node_resources_fit.NodeResourcesFit(n.snapshot)),
    ("VolumeRestrictions", 0, lambda n: volume_restrictions.VolumeRestrictions(n.listers)),
    ("NodeVolumeLimits", 0, lambda n: node_volume_limits.NodeVolumeLimits(n.listers)),
    ("VolumeBinding", 0, lambda n: volume_binding.VolumeBinding(n.listers, n.volume_binder)),
    ("VolumeZone", 0, lambda n: volume_zone.VolumeZone(n.listers)),
    ("PodTopologySpread", 2, _topology_spread),
    ("InterPodAffinity", 2, lambda n: inter_pod_affinity.InterPodAffinity(n.snapshot, n.listers)),
    ("DynamicResources", 0, lambda _: dynamic_resources.DynamicResources()),
    ("DefaultPreemption", 0, lambda n: n.default_preemption()),
    (
        "NodeResourcesBalancedAllocation",
        1,
        lambda n: node_resources_balanced_allocation.NodeResourcesBalancedAllocation(n.snapshot),
    ),
    ("ImageLocality", 1, lambda n: image_locality.ImageLocality(n.snapshot)),
    ("DefaultBinder", 0, lambda n: default_binder.DefaultBinder(n.bind)),
)


def build(profile: Profile, needs: Dependencies) -> runtime.Framework:
    """The plugins of a profile, ready to run."""
    known = {name for name, _, _ in DEFAULT_PLUGINS}
    unknown = ({*profile.disabled} | {*profile.weights}) - known
    if unknown:
        raise ValueError(f"profile {profile.scheduler_name}: no such plugins: {', '.join(sorted(unknown))}")
    plugins = [
        runtime.Weighted(make(needs), profile.weights.get(name, weight))
        for name, weight, make in DEFAULT_PLUGINS
        if name not in profile.disabled
    ]
    return runtime.Framework(profile.scheduler_name, plugins, needs.nominator, profile.percentage_of_nodes_to_score)


def build_all(profiles: Sequence[Profile], needs: Dependencies) -> dict[str, runtime.Framework]:
    """All profiles by scheduler name."""
    names = [profile.scheduler_name for profile in profiles]
    if not names or len(names) != len({*names}):
        raise ValueError(f"every profile needs a name of its own: {names}")
    return {profile.scheduler_name: build(profile, needs) for profile in profiles}
