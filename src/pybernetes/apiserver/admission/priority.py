"""A Pod's priority comes from its class; one class at most is the default.

Upstream: plugin/pkg/admission/priority.
"""

from pybernetes.apimachinery import errors, gvk
from pybernetes.apiserver.admission.attributes import Attributes

GROUP = "scheduling.k8s.io"
RESOURCE = "priorityclasses"


class Priority:
    """The plugin `Priority`."""

    name = "Priority"

    def handles(self, attributes: Attributes) -> bool:
        """Pods and priority classes, on creation and update."""
        kind = attributes.kind
        relevant = (kind.kind == "Pod" and not kind.group) or (kind.kind == "PriorityClass" and kind.group == GROUP)
        return relevant and not attributes.subresource and attributes.operation in ("CREATE", "UPDATE")

    async def admit(self, attributes: Attributes) -> None:
        """Resolve a new Pod's class to a number; a Pod's number never changes."""
        if attributes.kind.kind != "Pod":
            return
        assert attributes.object is not None
        spec = attributes.object["spec"]
        if attributes.operation == "UPDATE":
            old = (attributes.old_object or {}).get("spec") or {}
            for field in ("priority", "preemptionPolicy"):
                if field not in spec and field in old:
                    spec[field] = old[field]
            return
        await self._resolve(attributes, spec)

    async def _resolve(self, attributes: Attributes, spec: dict[str, object]) -> None:
        given, policy = spec.get("priority"), spec.get("preemptionPolicy")
        name = spec.get("priorityClassName")
        found = None
        if name:
            found = await attributes.objects.get(GROUP, RESOURCE, "", str(name))
            if found is None:
                raise self._refuse(attributes, f"no PriorityClass with name {name} was found")
        else:
            classes = await attributes.objects.list(GROUP, RESOURCE)
            defaults = [one for one in classes if one.get("globalDefault")]
            found = min(defaults, key=lambda one: int(one["value"]), default=None)
            if found is not None:
                spec["priorityClassName"] = found["metadata"]["name"]
        value = int(found.get("value", 0)) if found else 0
        wanted_policy = (found or {}).get("preemptionPolicy") or "PreemptLowerPriority"
        if given is not None and given != value:
            raise self._refuse(attributes, _given("integer value of priority", given, value))
        if policy is not None and policy != wanted_policy:
            raise self._refuse(attributes, _given("string value of PreemptionPolicy", policy, wanted_policy))
        spec["priority"] = value
        spec["preemptionPolicy"] = wanted_policy

    async def validate(self, attributes: Attributes) -> None:
        """Only one class may be the default."""
        if attributes.kind.kind != "PriorityClass":
            return
        assert attributes.object is not None
        if not attributes.object.get("globalDefault"):
            return
        for other in await attributes.objects.list(GROUP, RESOURCE):
            if other.get("globalDefault") and other["metadata"]["name"] != attributes.object["metadata"]["name"]:
                taken = f"PriorityClass {other['metadata']['name']} is already marked as default"
                raise self._refuse(attributes, f"{taken}. Only one default can exist")

    @staticmethod
    def _refuse(attributes: Attributes, message: str) -> errors.StatusError:
        return errors.Forbidden(
            gvk.GroupResource(attributes.kind.group, attributes.kind.plural), attributes.name, message
        )


def _given(what: str, given: object, computed: object) -> str:
    return (
        f"the {what} ({given}) must not be provided in pod spec; "
        f"priority admission controller computed {computed} from the given PriorityClass name"
    )
