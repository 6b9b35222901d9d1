"""Does a Pod want a node (selector, affinity), and does it put up with it (taints)?

Upstream: k8s.io/component-helpers/scheduling/corev1 (nodeaffinity, helpers). Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pybernetes.api.types import core
from pybernetes.apimachinery import labels

NO_SCHEDULE, NO_EXECUTE, PREFER_NO_SCHEDULE = "NoSchedule", "NoExecute", "PreferNoSchedule"
HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
NAME_FIELD = "metadata.name"

_OPERATORS = {
    "In": labels.IN,
    "NotIn": labels.NOT_IN,
    "Exists": labels.EXISTS,
    "DoesNotExist": labels.DOES_NOT_EXIST,
    "Gt": labels.GREATER_THAN,
    "Lt": labels.LESS_THAN,
}


class Term(NamedTuple):
    """Requirements on labels and on fields, all of which must hold. A term that cannot be read matches nothing."""

    labels: labels.Selector | None
    fields: tuple[tuple[str, bool, str], ...]
    """(field, equal?, value)"""

    def matches(self, node: core.Node) -> bool:
        """Whether the node is meant."""
        metadata = node.metadata
        if self.labels is not None and not self.labels.matches(metadata.labels):
            return False
        if not self.fields or not metadata.name:
            return True
        return all(
            ((metadata.name if key == NAME_FIELD else "") == value) == equal for key, equal, value in self.fields
        )


def term(source: core.NodeSelectorTerm) -> Term | None:
    """None for an empty term, which selects nothing."""
    if not source.matchExpressions and not source.matchFields:
        return None
    try:
        selector = _selector(source.matchExpressions) if source.matchExpressions else None
        return Term(selector, tuple(map(_field, source.matchFields)))
    except labels.SelectorError:
        return Term(labels.NOTHING, ())


def _selector(expressions: Sequence[core.NodeSelectorRequirement]) -> labels.Selector:
    return labels.Selector(
        labels.requirement(one.key, _OPERATORS.get(one.operator, one.operator), one.values) for one in expressions
    )


def _field(requirement: core.NodeSelectorRequirement) -> tuple[str, bool, str]:
    if requirement.operator not in ("In", "NotIn") or len(requirement.values) != 1:
        raise labels.SelectorError("must have one element")
    return (requirement.key, requirement.operator == "In", requirement.values[0])


class NodeSelector:
    """Terms of which one must match."""

    __slots__ = ("terms",)

    def __init__(self, source: core.NodeSelector) -> None:
        self.terms = tuple(one for one in map(term, source.nodeSelectorTerms) if one is not None)

    def matches(self, node: core.Node) -> bool:
        """Whether the node is meant."""
        return any(one.matches(node) for one in self.terms)


class RequiredNodeAffinity:
    """A Pod's nodeSelector and required node affinity together."""

    __slots__ = ("_affinity", "_labels")

    def __init__(self, spec: core.PodSpec) -> None:
        self._labels = tuple(spec.nodeSelector.items())
        required = required_node_selector(spec)
        self._affinity = None if required is None else NodeSelector(required)

    @property
    def anything(self) -> bool:
        """It restricts nothing."""
        return not self._labels and self._affinity is None

    def matches(self, node: core.Node) -> bool:
        """Whether the Pod may run there."""
        present = node.metadata.labels
        for key, value in self._labels:
            if present.get(key) != value:
                return False
        return self._affinity is None or self._affinity.matches(node)


def required_node_selector(spec: core.PodSpec) -> core.NodeSelector | None:
    """The required node affinity as it stands in the spec."""
    affinity = spec.affinity
    if affinity is None or affinity.nodeAffinity is None:
        return None
    return affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution


def preferred_terms(pod: core.Pod) -> list[tuple[Term, int]]:
    """The preferred node affinity with weights."""
    affinity = pod.spec.affinity
    if affinity is None or affinity.nodeAffinity is None:
        return []
    preferred = affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution
    parsed = ((term(one.preference), one.weight) for one in preferred if one.weight)
    return [(one, weight) for one, weight in parsed if one is not None]


def tolerates(toleration: core.Toleration, taint: core.Taint) -> bool:
    """Whether a toleration covers a taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator in ("", "Equal"):
        return toleration.value == taint.value
    return toleration.operator == "Exists"


def any_tolerates(tolerations: Iterable[core.Toleration], taint: core.Taint) -> bool:
    """Whether one of them covers the taint."""
    return any(tolerates(one, taint) for one in tolerations)


def untolerated_taint(taints: Iterable[core.Taint], tolerations: Sequence[core.Toleration]) -> core.Taint | None:
    """The first taint that keeps the Pod off."""
    for taint in taints:
        if taint.effect != PREFER_NO_SCHEDULE and not any_tolerates(tolerations, taint):
            if taint.effect in (NO_SCHEDULE, NO_EXECUTE):
                return taint
    return None


def zone_key(labels_of_node: Mapping[str, str]) -> str:
    """Region and zone; nodes with the same one are taken in turns with the others."""
    zone = labels_of_node.get("failure-domain.beta.kubernetes.io/zone") or labels_of_node.get(ZONE, "")
    region = labels_of_node.get("failure-domain.beta.kubernetes.io/region") or labels_of_node.get(REGION, "")
    return f"{region}:\0:{zone}" if region or zone else ""
