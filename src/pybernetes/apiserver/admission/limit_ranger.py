"""Pods and claims keep to the LimitRanges of their namespace; containers that do not say get its defaults.

Upstream: plugin/pkg/admission/limitranger.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pybernetes.api import quota
from pybernetes.apimachinery import errors, fieldpath, gvk, quantity
from pybernetes.apiserver.admission.attributes import Attributes

Object = dict[str, Any]
Amounts = Mapping[str, quantity.Quantity]

ANNOTATION = "kubernetes.io/limit-ranger"
_HANDLED = {("Pod", "CREATE", ""), ("Pod", "UPDATE", "resize")}
_HANDLED |= {("PersistentVolumeClaim", operation, "") for operation in ("CREATE", "UPDATE")}


class LimitRanger:
    """The plugin `LimitRanger`."""

    name = "LimitRanger"

    def handles(self, attributes: Attributes) -> bool:
        """Pods and claims that are not on their way out."""
        old = attributes.old_object
        if old is not None and old["metadata"].get("deletionTimestamp"):
            return False
        kind = attributes.kind
        return not kind.group and (kind.kind, attributes.operation, attributes.subresource) in _HANDLED

    async def admit(self, attributes: Attributes) -> None:
        """Fill in the defaults, and note which."""
        if attributes.kind.kind != "Pod":
            return
        assert attributes.object is not None
        spec = attributes.object["spec"]
        for one in await _ranges(attributes):
            defaults: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
            for limit in _limits(one, "Container"):
                defaults["requests"].update(limit.get("defaultRequest") or {})
                defaults["limits"].update(limit.get("default") or {})
            containers = [("container", container) for container in spec["containers"]]
            containers += [("init container", container) for container in spec.get("initContainers") or ()]
            notes = [note for what, container in containers for note in _fill(what, container, defaults)]
            if notes:
                annotations = attributes.object["metadata"].setdefault("annotations", {})
                annotations[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)

    async def validate(self, attributes: Attributes) -> None:
        """Refuse what is too much, too little, or too far from what it asks for."""
        assert attributes.object is not None
        for one in await _ranges(attributes):
            judge = _judge_pod if attributes.kind.kind == "Pod" else _judge_claim
            if found := fieldpath.aggregate(judge(one, attributes.object)):
                resource = gvk.GroupResource("", attributes.kind.plural)
                raise errors.Forbidden(resource, attributes.name, found)


async def _ranges(attributes: Attributes) -> list[Object]:
    return await attributes.objects.list("", "limitranges", attributes.namespace)


def _limits(one: Object, kind: str) -> list[Object]:
    return [limit for limit in one["spec"].get("limits") or () if limit.get("type") == kind]


def _fill(what: str, container: Object, defaults: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    resources = container.setdefault("resources", {})
    for side, word in (("requests", "request"), ("limits", "limit")):
        missing = {name: value for name, value in defaults[side].items() if name not in (resources.get(side) or {})}
        if missing:
            resources[side] = {**(resources.get(side) or {}), **missing}
            yield f"{', '.join(sorted(missing))} {word} for {what} {container['name']}"


def _judge_pod(one: Object, pod: Object) -> Iterator[str]:
    spec = pod["spec"]
    for limit in one["spec"].get("limits") or ():
        if limit.get("type") == "Container":
            for container in (*spec["containers"], *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                yield from _judge(limit, _parsed(resources.get("requests")), _parsed(resources.get("limits")))
        elif limit.get("type") == "Pod":
            yield from _judge(limit, quota.pod_amounts(pod, "requests"), quota.pod_amounts(pod, "limits"))


def _judge_claim(one: Object, claim: Object) -> Iterator[str]:
    asked = _parsed((claim["spec"].get("resources") or {}).get("requests"))
    for limit in _limits(one, "PersistentVolumeClaim"):
        yield from _least(limit, asked, {})
        for name, enforced in sorted((limit.get("max") or {}).items()):
            said = f"maximum {name} usage per PersistentVolumeClaim is {enforced}"
            if name not in asked:
                yield f"{said}.  No request is specified"
            elif asked[name] > quantity.parse(enforced):
                yield f"{said}, but request is {asked[name]}"


def _judge(limit: Object, asked: Amounts, allowed: Amounts) -> Iterator[str]:
    yield from _least(limit, asked, allowed)
    kind = limit["type"]
    for name, enforced in sorted((limit.get("max") or {}).items()):
        said, most = f"maximum {name} usage per {kind} is {enforced}", quantity.parse(enforced)
        if name not in allowed:
            yield f"{said}.  No limit is specified"
        elif allowed[name] > most:
            yield f"{said}, but limit is {allowed[name]}"
        elif name in asked and asked[name] > most:
            yield f"{said}, but request is {asked[name]}"
    for name, enforced in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        said = f"{name} max limit to request ratio per {kind} is {enforced}"
        if not asked.get(name):
            yield f"{said}, but no request is specified or request is 0"
        elif not allowed.get(name):
            yield f"{said}, but no limit is specified or limit is 0"
        elif (ratio := allowed[name].as_float() / asked[name].as_float()) > quantity.parse(enforced).as_float():
            yield f"{said}, but provided ratio is {ratio:f}"


def _least(limit: Object, asked: Amounts, allowed: Amounts) -> Iterator[str]:
    for name, enforced in sorted((limit.get("min") or {}).items()):
        said, least = f"minimum {name} usage per {limit['type']} is {enforced}", quantity.parse(enforced)
        if name not in asked:
            yield f"{said}.  No request is specified"
        elif asked[name] < least:
            yield f"{said}, but request is {asked[name]}"
        elif name in allowed and allowed[name] < least:
            yield f"{said}, but limit is {allowed[name]}"


def _parsed(amounts: Mapping[str, str] | None) -> Amounts:
    return {name: quantity.parse(text) for name, text in (amounts or {}).items()}
