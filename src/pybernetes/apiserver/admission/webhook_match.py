"""Which requests a webhook is asked about: operations, resources and their wildcards, scope, labels.

Upstream: k8s.io/apiserver/pkg/admission/plugin/webhook/predicates, pkg/kubeapiserver/admission/exclusion. Pure.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from pybernetes.api import kinds
from pybernetes.api.validation import webhooks as rules
from pybernetes.apimachinery import labels
from pybernetes.apiserver.admission.attributes import Attributes

Object = dict[str, Any]

CONFIGURATIONS = frozenset(
    plural
    for sort in ("mutating", "validating")
    for plural in (
        f"{sort}webhookconfigurations",
        f"{sort}admissionpolicies",
        f"{sort}admissionpolicybindings",
    )
)


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of a configuration; `uid` tells it from others of the same name."""

    configuration: str
    uid: str
    spec: Object
    namespaces: labels.Selector
    objects: labels.Selector

    @property
    def name(self) -> str:
        """As errors, metrics and annotations call it."""
        return str(self.spec["name"])

    @property
    def ignores_failure(self) -> bool:
        """Whether a request passes although the webhook could not be asked."""
        return self.spec.get("failurePolicy") == "Ignore"


def hooks(configurations: Iterable[Object]) -> tuple[Hook, ...]:
    """The webhooks of all configurations in the order in which they are asked."""
    found: list[Hook] = []
    for one in sorted(configurations, key=lambda one: str(one["metadata"]["name"])):
        name, seen = one["metadata"]["name"], dict[str, int]()
        for spec in one.get("webhooks") or ():
            number = seen.get(spec["name"], 0)
            seen[spec["name"]] = number + 1
            chosen = (labels.from_label_selector(spec.get(of) or {}) for of in ("namespaceSelector", "objectSelector"))
            found.append(Hook(name, f"{name}/{spec['name']}/{number}", spec, *chosen))
    return tuple(found)


def exempt(kind: kinds.Kind) -> bool:
    """Whether no webhook is ever asked about the resource."""
    if kind.group == "admissionregistration.k8s.io":
        return kind.plural in CONFIGURATIONS
    return (kind.group, kind.plural) in rules.EXCLUDED


def namespace_of(asked: Attributes) -> str:
    """The namespace of a request; a Namespace lies in itself."""
    if (asked.kind.group, asked.kind.plural) == ("", "namespaces"):
        return name_of(asked)
    return asked.namespace


def name_of(asked: Attributes) -> str:
    """The name in the request, or what the object has got by now."""
    return asked.name or ((asked.object or {}).get("metadata") or {}).get("name") or ""


def row(hook: Hook, asked: Attributes, equivalents: Sequence[kinds.Kind]) -> kinds.Kind | None:
    """In which version the webhook wants to hear of the request; None if it does not want to."""
    wanted = hook.spec.get("rules") or ()
    if any(_matches(rule, asked, asked.kind) for rule in wanted):
        return asked.kind
    if hook.spec.get("matchPolicy") != "Equivalent":
        return None
    return next((other for rule in wanted for other in equivalents if _matches(rule, asked, other)), None)


def selects(hook: Hook, asked: Attributes) -> bool:
    """Whether the labels of the object, as it was or will be, are those that the webhook wants."""
    if hook.objects.empty:
        return True
    both = (asked.object, asked.old_object)
    return any(obj and "metadata" in obj and hook.objects.matches(obj["metadata"].get("labels")) for obj in both)


def _matches(rule: Object, asked: Attributes, kind: kinds.Kind) -> bool:
    return (
        _in_scope(rule.get("scope"), asked)
        and _has(rule.get("operations"), asked.operation)
        and _has(rule.get("apiGroups"), kind.group)
        and _has(rule.get("apiVersions"), kind.version)
        and any(_names(text, kind.plural, asked.subresource) for text in rule.get("resources") or ())
    )


def _in_scope(scope: str | None, asked: Attributes) -> bool:
    if scope in (None, "*"):
        return True
    return (scope == "Namespaced") == bool(asked.namespace)


def _has(items: Sequence[str] | None, wanted: str) -> bool:
    return items is not None and ("*" in items or wanted in items)


def _names(text: str, plural: str, subresource: str) -> bool:
    resource, _, below = text.partition("/")
    return resource in ("*", plural) and below in ("*", subresource)
