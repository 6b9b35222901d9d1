"""What kubelets (and others) may write into a Pod's status.

Upstream: pkg/apis/core/validation (ValidatePodStatusUpdate). Pure.
"""

from collections.abc import Sequence

from pybernetes.api.validation import formats, pod
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

OF_THE_SYSTEM = ("PodScheduled", "Ready", "Initialized")
STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
HEALTH = ("Healthy", "Unhealthy", "Unknown")
NOT_BACK = "may not be transitioned to non-terminated state"
GENERATION = "must be a non-negative integer"
MAX_UINT32 = 2**32 - 1


def pod_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A write of a Pod's status."""
    status, before, spec = new.get("status") or {}, old.get("status") or {}, new["spec"]
    pod.annotations_update(found, new, old)
    for index, condition in enumerate(status.get("conditions") or ()):
        place = f"status.conditions[{index}]"
        if condition.get("observedGeneration", 0) < 0:
            found.append(fieldpath.invalid(place + ".observedGeneration", condition["observedGeneration"], GENERATION))
        kind = condition.get("type") or ""
        if kind not in OF_THE_SYSTEM and formats.qualified_name(kind):
            formats.each(found, place + ".Type", kind, formats.qualified_name)
    nominated = status.get("nominatedNodeName") or ""
    if nominated and nominated != (before.get("nominatedNodeName") or ""):
        place = "status.nominatedNodeName"
        formats.each(found, place, nominated, formats.dns_subdomain)
        if spec.get("nodeName"):
            found.append(fieldpath.forbidden(place, "may not be set on pods that are already bound to a node"))
    if status.get("observedGeneration", 0) < 0:
        found.append(fieldpath.invalid("status.observedGeneration", status["observedGeneration"], GENERATION))
    formats.immutable(found, "status.qosClass", status.get("qosClass") or "", before.get("qosClass") or "")
    _transitions(found, status, before, old["spec"])
    _claims(found, status, spec)
    _addresses(found, "podIP", status, before)
    _addresses(found, "hostIP", status, before)
    system = (spec.get("os") or {}).get("name") or "linux"
    for field in STATUSES:
        for index, one in enumerate(status.get(field) or ()):
            if one.get("user") is not None:
                _user(found, f"status.{field}[{index}].user.linux", one["user"].get("linux"), system)
            if one.get("allocatedResourcesStatus"):
                _allocated(found, f"status.{field}[{index}].allocatedResourcesStatus", one, spec, field)


def _transitions(found: fieldpath.ErrorList, status: Object, before: Object, spec: Object) -> None:
    """A container that has ended stays so, unless its restart policy starts it again."""
    if _all_may_restart(spec):
        return
    for field, own in zip(STATUSES, ("containers", "initContainers", ""), strict=True):
        now = {one.get("name"): one.get("state") or {} for one in status.get(field) or ()}
        containers = {one.get("name"): one for one in spec.get(own) or ()} if own else {}
        for index, one in enumerate(before.get(field) or ()):
            ended = (one.get("state") or {}).get("terminated")
            state = now.get(one.get("name"))
            if ended is None or state is None or state.get("terminated") is not None:
                continue
            known = containers.get(one.get("name"))
            if known is None or not _restarts(known, spec, ended.get("exitCode", 0)):
                found.append(fieldpath.forbidden(f"status.{field}[{index}].state", NOT_BACK))


def _all_may_restart(spec: Object) -> bool:
    return any(
        rule.get("action") == "RestartAllContainers"
        for field in ("initContainers", "containers")
        for one in spec.get(field) or ()
        for rule in one.get("restartPolicyRules") or ()
    )


def _restarts(container: Object, spec: Object, code: int) -> bool:
    policy = container.get("restartPolicy")
    if policy is not None:
        for rule in container.get("restartPolicyRules") or ():
            codes = rule.get("exitCodes") or {}
            if (code in (codes.get("values") or ())) == (codes.get("operator") == "In"):
                return bool(rule.get("action") == "Restart")
    policy = policy or spec.get("restartPolicy")
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _claims(found: fieldpath.ErrorList, status: Object, spec: Object) -> None:
    known = {one.get("name") for one in spec.get("resourceClaims") or ()}
    seen: set[str] = set()
    for index, one in enumerate(status.get("resourceClaimStatuses") or ()):
        place, name = f"status.resourceClaimStatuses[{index}]", one.get("name") or ""
        if name not in known:
            text = "must match the name of an entry in `spec.resourceClaims`"
            found.append(fieldpath.invalid(place + ".name", name, text))
        if name in seen:
            found.append(fieldpath.duplicate(place + ".name", name))
        seen.add(name)
        if one.get("resourceClaimName") is not None:
            formats.each(found, place + ".resourceClaimName", one["resourceClaimName"], formats.dns_subdomain)


def _addresses(found: fieldpath.ErrorList, field: str, status: Object, before: Object) -> None:
    """`podIPs` begins with `podIP`, `hostIPs` with `hostIP`; one address of a family at most."""
    first, entries = status.get(field) or "", status.get(field + "s") or []
    where = f"status.{field}s"
    addresses = [entry.get("ip") or "" for entry in entries]
    host = field == "hostIP"
    if host and entries and first != addresses[0]:
        found.append(fieldpath.invalid(where + "[0].ip", addresses[0], "must be equal to `hostIP`"))
    old = [entry.get("ip") for entry in before.get(field + "s") or ()]
    for index, address in enumerate(addresses):
        if address not in old:
            formats.each(found, f"{where}[{index}]", address, formats.ip_legacy)
    if len(addresses) > 1:
        shown = [{"IP": address} for address in addresses]
        formats.dual_stack(found, where, addresses, shown)
    if host:
        return
    if bool(first) != bool(entries):
        shown = [{"IP": address} for address in addresses]
        text = "podIP and podIPs must either both be set or both be unset"
        found.append(fieldpath.invalid(where, shown or None, text))
    elif entries and first != addresses[0]:
        found.append(fieldpath.invalid(where + "[0].ip", addresses[0], "must be equal to `podIP`"))


def _user(found: fieldpath.ErrorList, where: str, user: Object | None, system: str) -> None:
    if user is None:
        return
    if system == "windows":
        found.append(fieldpath.forbidden(where, "cannot be set for a windows pod"))
        return
    formats.in_range(found, where + ".uid", user.get("uid", 0), 0, MAX_UINT32)
    formats.user_id(found, where + ".gid", user.get("gid", 0))
    for index, group in enumerate(user.get("supplementalGroups") or ()):
        formats.user_id(found, f"{where}.supplementalGroups[{index}]", group)


def _allocated(found: fieldpath.ErrorList, where: str, one: Object, spec: Object, field: str) -> None:
    if field == "ephemeralContainerStatuses":
        found.append(fieldpath.forbidden(where, "must not be specified in container status"))
        return
    own: Sequence[Object] = spec.get("containers" if field == "containerStatuses" else "initContainers") or ()
    container = next((known for known in own if known.get("name") == one.get("name")), None)
    for index, entry in enumerate(one["allocatedResourcesStatus"]):
        name = entry.get("name") or ""
        if container is not None and not _asked_for(container, name):
            text = "must match one of the container's resource requests"
            if name.startswith("claim:"):
                text = "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when "
                text += "container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty"
            found.append(fieldpath.invalid(f"{where}[{index}].name", name, text))
        seen: set[str] = set()
        for at, resource in enumerate(entry.get("resources") or ()):
            place = f"{where}[{index}].resources[{at}]"
            if resource.get("health") not in HEALTH:
                allowed = ("Healthy", "Unhealthy", "Unknown")
                found.append(fieldpath.not_supported(place + ".health", resource.get("health") or "", allowed))
            identity = resource.get("resourceID") or ""
            if identity in seen:
                found.append(fieldpath.duplicate(place + ".resourceID", identity))
            seen.add(identity)


def _asked_for(container: Object, name: str) -> bool:
    asked = container.get("resources") or {}
    if not name.startswith("claim:"):
        return name in (asked.get("requests") or {})
    claims = {
        f"claim:{one.get('name')}/{one['request']}" if one.get("request") else f"claim:{one.get('name')}"
        for one in asked.get("claims") or ()
    }
    return name in claims
