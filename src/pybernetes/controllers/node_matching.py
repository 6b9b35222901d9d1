"""Whether a node is one that a Pod template asks for: its nodeSelector and its required node affinity.

Upstream: k8s.io/component-helpers/scheduling/corev1/nodeaffinity. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import core
from pybernetes.apimachinery import labels

_OPERATORS = {
    "In": labels.IN,
    "NotIn": labels.NOT_IN,
    "Exists": labels.EXISTS,
    "DoesNotExist": labels.DOES_NOT_EXIST,
    "Gt": labels.GREATER_THAN,
    "Lt": labels.LESS_THAN,
}


def required(spec: core.PodSpec) -> core.NodeSelector | None:
    """The required node affinity, if there is one."""
    if spec.affinity is None or spec.affinity.nodeAffinity is None:
        return None
    return spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution


def matches(spec: core.PodSpec, node: core.Node) -> bool:
    """Whether Pods of that spec may run on the node, as far as they say themselves."""
    present = node.metadata.labels
    if any(present.get(key) != value for key, value in spec.nodeSelector.items()):
        return False
    affinity = required(spec)
    return affinity is None or any(_term(one, node) for one in affinity.nodeSelectorTerms)


def _term(term: core.NodeSelectorTerm, node: core.Node) -> bool:
    if not term.matchExpressions and not term.matchFields:
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(_holds(one, node.metadata.labels) for one in term.matchExpressions) and all(
        _holds(one, fields) for one in term.matchFields
    )


def _holds(requirement: core.NodeSelectorRequirement, present: Mapping[str, str]) -> bool:
    operator = _OPERATORS.get(requirement.operator, requirement.operator)
    return labels.Requirement(requirement.key, operator, requirement.values).matches(present)
