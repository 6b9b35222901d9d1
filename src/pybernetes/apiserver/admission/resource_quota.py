"""No request may take more of its namespace than its ResourceQuotas allow; what it takes is noted in them at once.

The note is an estimate on the safe side: the resourcequota controller counts again whenever something becomes free.
Upstream: k8s.io/apiserver/pkg/admission/plugin/resourcequota, pkg/quota/v1/evaluator/core.
"""

import datetime
import functools
from collections.abc import Iterable
from typing import Any

from pybernetes.api import quota
from pybernetes.api.validation import webhooks
from pybernetes.apimachinery import errors, gvk, quantity
from pybernetes.apiserver.admission.attributes import Attributes

Object = dict[str, Any]

IGNORED = frozenset(
    (
        *(("", name) for name in ("bindings", "componentstatuses", "events")),
        *webhooks.EXCLUDED,
        ("events.k8s.io", "events"),
    )
)
_HANDLED = {
    ("", "pods"): (("CREATE", ""), ("UPDATE", ""), ("UPDATE", "resize")),
    ("", "services"): (("CREATE", ""), ("UPDATE", "")),
    ("", "persistentvolumeclaims"): (("CREATE", ""), ("UPDATE", ""), ("UPDATE", "status")),
}
_ON_CREATION = (("CREATE", ""),)
_ASKED_OF_CONTAINERS = frozenset(prefix + name for prefix in ("", "requests.", "limits.") for name in ("cpu", "memory"))
_ALWAYS = datetime.datetime.min.replace(tzinfo=datetime.UTC)
"""A time at which nothing that is being deleted is gone yet."""


class ResourceQuota:
    """The plugin `ResourceQuota`."""

    name = "ResourceQuota"

    def handles(self, attributes: Attributes) -> bool:
        """Whatever may come to count for more in its namespace."""
        kind = attributes.kind
        resource = (kind.group, kind.plural)
        write = (attributes.operation, attributes.subresource)
        if not kind.namespaced or resource in IGNORED or write not in _HANDLED.get(resource, _ON_CREATION):
            return False
        return resource != ("", "pods") or write != ("UPDATE", "") or _deadline_changes(attributes)

    async def admit(self, attributes: Attributes) -> None:
        """Nothing to change."""

    async def validate(self, attributes: Attributes) -> None:
        """Refuse what exceeds one quota, else charge all of them."""
        quotas = await attributes.objects.list("", "resourcequotas", attributes.namespace)
        charged = [one for one in quotas if charge(attributes, one)]
        if attributes.dry_run:
            return
        for one in charged:
            name, change = one["metadata"]["name"], functools.partial(charge, attributes)
            try:
                await attributes.objects.rewrite("", "resourcequotas", attributes.namespace, name, change)
            except errors.NotFound:
                continue  # it limits nothing any longer


def charge(attributes: Attributes, one: Object) -> bool:
    """Add to the quota's status what the request takes; whether that is anything. Raises Forbidden."""
    kind, name = attributes.kind, one["metadata"]["name"]
    status = one.setdefault("status", {})
    hard, used = status.get("hard") or {}, status.get("used") or {}
    names = sorted(quota.relevant(hard, kind.group, kind.plural))
    assert attributes.object is not None
    if not names or not quota.matches(one["spec"], kind.group, kind.plural, attributes.object):
        return False
    if (kind.group, kind.plural) == ("", "pods") and (lacking := _lacking(names, attributes.object["spec"])):
        raise _refuse(attributes, f"failed quota: {name}: must specify {lacking}")
    if not used.keys() >= {*names}:
        raise _refuse(attributes, f"status unknown for quota: {name}, resources: {','.join(names)}")
    taken = _taken(attributes, one, names)
    total = {key: quantity.parse(used[key]) + amount for key, amount in taken.items()}
    exceeded = [key for key in taken if total[key] > quantity.parse(hard[key])]
    if exceeded and attributes.subresource != "status":
        asked, known, limit = (_listed(source, exceeded) for source in (taken, used, hard))
        raise _refuse(attributes, f"exceeded quota: {name}, requested: {asked}, used: {known}, limited: {limit}")
    status["used"] = {**used, **{key: str(amount) for key, amount in total.items()}}
    return bool(taken)


def _taken(attributes: Attributes, one: Object, names: Iterable[str]) -> quota.Usage:
    kind, old = attributes.kind, attributes.old_object
    assert attributes.object is not None
    found = quota.usage(kind.group, kind.plural, attributes.object, _ALWAYS)
    if attributes.operation == "UPDATE" and old and quota.matches(one["spec"], kind.group, kind.plural, old):
        before = quota.usage(kind.group, kind.plural, old, _ALWAYS)
        found = {key: amount - before.get(key, quantity.ZERO) for key, amount in found.items()}
    return {key: found[key] for key in names if key in found and found[key] > quantity.ZERO}


def _lacking(names: Iterable[str], spec: Object) -> str:
    """Which of the amounts that a quota limits which containers leave open."""
    if any((spec.get("resources") or {}).get(side) for side in ("requests", "limits")):
        return ""
    said = []
    for key in sorted(_ASKED_OF_CONTAINERS & {*names}):
        side, _, amount = key.rpartition(".")
        silent = {
            container["name"]
            for field in ("containers", "initContainers")
            for container in spec.get(field) or ()
            if amount not in ((container.get("resources") or {}).get(side or "requests") or {})
        }
        if silent:
            said.append(f"{key} for: {','.join(sorted(silent))}")
    return "; ".join(said)


def _deadline_changes(attributes: Attributes) -> bool:
    """Whether an update moves a Pod between the scopes Terminating and NotTerminating."""
    both = (attributes.object, attributes.old_object)
    before, after = (((pod or {}).get("spec") or {}).get("activeDeadlineSeconds") is not None for pod in both)
    return before != after


def _listed(amounts: Any, names: Iterable[str]) -> str:
    return ",".join(f"{name}={quantity.parse(str(amounts[name]))}" for name in names)


def _refuse(attributes: Attributes, message: str) -> errors.StatusError:
    about = (attributes.object or {}).get("metadata") or {}
    name = attributes.name or about.get("name") or about.get("generateName") or "Unknown"
    return errors.Forbidden(gvk.GroupResource(attributes.kind.group, attributes.kind.plural), name, message)
