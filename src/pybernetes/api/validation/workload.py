"""ReplicaSets, ReplicationControllers, Deployments, StatefulSets, DaemonSets: a selector, a template, a strategy.

Upstream: pkg/apis/apps/validation, pkg/apis/core/validation (ReplicationController). Pure.
"""

from collections.abc import Mapping, Sequence

from pybernetes.api.validation import claims, formats, labels, pod
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, names
from pybernetes.apimachinery import labels as selectors

MISMATCH = "`selector` does not match template `labels`"
OVER = "cannot be greater than status.replicas"
STATUS_NUMBERS = ("readyReplicas", "availableReplicas", "terminatingReplicas")


def _selector(found: fieldpath.ErrorList, given: Object | None, what: str, wrong: str) -> selectors.Selector | None:
    """The selector of a workload; None where there is no judging whether it matches."""
    if given is None:
        found.append(fieldpath.required("spec.selector"))
        return selectors.from_label_selector(None)
    count = len(found)
    labels.selector(found, "spec.selector", given)
    bad = len(found) > count
    if labels.is_empty(given):
        found.append(fieldpath.invalid("spec.selector", labels.as_go(given), f"empty selector is invalid for {what}"))
    try:
        return selectors.from_label_selector(given)
    except ValueError:
        if bad:
            found.append(fieldpath.invalid("spec.selector", labels.as_go(given), wrong))
        return None


def template(
    found: fieldpath.ErrorList, given: Object, selector: selectors.Selector, what: str, *, same: bool = False
) -> None:
    """The template of Pods that run for ever; one that is as it was before is not judged again."""
    given_labels = (given.get("metadata") or {}).get("labels")
    if not selector.empty and not selector.matches(given_labels or {}):
        found.append(fieldpath.invalid("spec.template.metadata.labels", labels.map_as_go(given_labels), MISMATCH))
    if not same:
        pod.template(found, "spec.template", given)
        runs_forever(found, given, what)


def runs_forever(found: fieldpath.ErrorList, given: Object, what: str) -> None:
    """Pods that end are for Jobs."""
    spec = given.get("spec") or {}
    if spec.get("restartPolicy") != "Always":
        policy = spec.get("restartPolicy") or ""
        found.append(fieldpath.not_supported("spec.template.spec.restartPolicy", policy, ("Always",)))
    if spec.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {what} is not Supported"
        found.append(fieldpath.forbidden("spec.template.spec.activeDeadlineSeconds", text))


def _same_template(spec: Object, old: Object | None) -> bool:
    return old is not None and spec.get("template") == (old.get("spec") or {}).get("template")


def _numbers(found: fieldpath.ErrorList, where: str, given: Object, fields: Sequence[str]) -> None:
    for field in fields:
        if given.get(field, 0) < 0:
            formats.not_negative(found, f"{where}.{field}", given[field])


def replica_set(found: fieldpath.ErrorList, obj: Object, old: Object | None = None) -> None:
    """A ReplicaSet."""
    spec = obj.get("spec") or {}
    _numbers(found, "spec", spec, ("replicas", "minReadySeconds"))
    # Upstream's text says deployment.
    selector = _selector(found, spec.get("selector"), "deployment", "invalid label selector")
    if selector is not None:
        same = _same_template(spec, old)
        template(found, spec.get("template") or {}, selector, "ReplicaSet", same=same)


def _kept_selector(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    given, before = new["spec"].get("selector"), old["spec"].get("selector")
    if given != before:
        found.append(fieldpath.invalid("spec.selector", labels.as_go(given), formats.IMMUTABLE))


def replica_set_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of one."""
    replica_set(found, new, old)
    _kept_selector(found, new, old)


def replica_set_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What the controller saw."""
    fields = ("fullyLabeledReplicas", *STATUS_NUMBERS)
    _ordered_status(found, new.get("status") or {}, fields, "readyReplicas", ())


def _ordered_status(
    found: fieldpath.ErrorList, status: Object, fields: Sequence[str], ready: str, extra: Sequence[str]
) -> None:
    _numbers(found, "status", status, ("replicas", *fields, *extra, "observedGeneration", "collisionCount"))
    whole = status.get("replicas", 0)
    for field in fields:
        if field != "terminatingReplicas" and status.get(field, 0) > whole:
            found.append(fieldpath.invalid(f"status.{field}", status.get(field, 0), OVER))
    available = status.get("availableReplicas", 0)
    if available > status.get("readyReplicas", 0):
        found.append(fieldpath.invalid("status.availableReplicas", available, f"cannot be greater than {ready}"))


def replication_controller(found: fieldpath.ErrorList, obj: Object, old: Object | None = None) -> None:
    """A ReplicationController, whose selector is a plain map."""
    spec = obj.get("spec") or {}
    _numbers(found, "spec", spec, ("minReadySeconds",))
    selector: Mapping[str, str] = spec.get("selector") or {}
    if not selector:
        found.append(fieldpath.required("spec.selector"))
    if spec.get("replicas") is None:
        found.append(fieldpath.required("spec.replicas"))
    else:
        _numbers(found, "spec", spec, ("replicas",))
    given = spec.get("template")
    if given is None:
        found.append(fieldpath.required("spec.template"))
        return
    same = _same_template(spec, old)
    template(found, given, selectors.from_validated_set(selector), "ReplicationController", same=same)


def replication_controller_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What the controller saw."""
    fields = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    _ordered_status(found, new.get("status") or {}, fields, "readyReplicas", ())


def _percent(value: object) -> int | None:
    """The number of a well-formed percentage."""
    if isinstance(value, str) and not names.is_percent(value):
        return int(value[:-1])
    return None


def amount_or_percent(found: fieldpath.ErrorList, where: str, value: object) -> None:
    """A number of Pods, or a share of them."""
    if isinstance(value, str):
        found += (fieldpath.invalid(where, value, message) for message in names.is_percent(value))
    elif isinstance(value, int):
        formats.not_negative(found, where, value)


def at_most_all(found: fieldpath.ErrorList, where: str, value: object) -> None:
    """A share that is not more than the whole."""
    percent = _percent(value)
    if percent is not None and percent > 100:
        found.append(fieldpath.invalid(where, value, "must not be greater than 100%"))


def _is_zero(value: object) -> bool:
    if isinstance(value, str):
        percent = _percent(value)
        if percent is not None:
            return percent == 0
        return not (value.isascii() and value.isdigit()) or int(value) == 0
    return not value


def deployment(found: fieldpath.ErrorList, obj: Object, old: Object | None = None) -> None:
    """A Deployment."""
    spec = obj.get("spec") or {}
    _numbers(found, "spec", spec, ("replicas",))
    selector = _selector(found, spec.get("selector"), "deployment", "invalid label selector")
    if selector is not None:
        same = _same_template(spec, old)
        template(found, spec.get("template") or {}, selector, "ReplicaSet", same=same)
    _deployment_strategy(found, spec.get("strategy") or {})
    _numbers(found, "spec", spec, ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        text = "must be greater than minReadySeconds"
        found.append(fieldpath.invalid("spec.progressDeadlineSeconds", deadline, text))


def _deployment_strategy(found: fieldpath.ErrorList, given: Object) -> None:
    kind, rolling, where = given.get("type") or "", given.get("rollingUpdate"), "spec.strategy.rollingUpdate"
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            found.append(fieldpath.forbidden(where, text))
    elif kind == "RollingUpdate":
        if rolling is None:
            found.append(fieldpath.required(where, "this should be defaulted and never be nil"))
            return
        unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
        amount_or_percent(found, where + ".maxUnavailable", unavailable)
        amount_or_percent(found, where + ".maxSurge", surge)
        if _is_zero(unavailable) and _is_zero(surge):
            text = "may not be 0 when `maxSurge` is 0"
            found.append(fieldpath.invalid(where + ".maxUnavailable", unavailable, text))
        at_most_all(found, where + ".maxUnavailable", unavailable)
    else:
        shown = _strategy(kind, rolling, ("MaxUnavailable", "MaxSurge"))
        found.append(fieldpath.not_supported("spec.strategy", shown, ("Recreate", "RollingUpdate")))


def _strategy(kind: str, rolling: Object | None, members: Sequence[str]) -> Object:
    """As Go prints it."""
    shown = None if rolling is None else {name: rolling.get(name[0].lower() + name[1:]) for name in members}
    return {"Type": kind, "RollingUpdate": shown}


def deployment_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of one."""
    deployment(found, new, old)
    _kept_selector(found, new, old)


def _collisions(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    now, before = (((one.get("status") or {}).get("collisionCount")) for one in (new, old))
    if before is not None and (now is None or now < before):
        found.append(fieldpath.invalid("status.collisionCount", now or 0, "cannot be decremented"))


def deployment_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What the controller saw."""
    fields = ("updatedReplicas", *STATUS_NUMBERS)
    _ordered_status(found, new.get("status") or {}, fields, "readyReplicas", ("unavailableReplicas",))
    _collisions(found, new, old)


RETENTION = ("Retain", "Delete")
STATEFUL_STRATEGIES = ("RollingUpdate", "OnDelete")


def stateful_set(found: fieldpath.ErrorList, obj: Object, old: Object | None = None) -> None:
    """A StatefulSet."""
    spec = obj.get("spec") or {}
    policy = spec.get("podManagementPolicy") or ""
    if not policy:
        found.append(fieldpath.required("spec.podManagementPolicy"))
    elif policy not in ("OrderedReady", "Parallel"):
        text = "must be 'OrderedReady' or 'Parallel'"
        found.append(fieldpath.invalid("spec.podManagementPolicy", policy, text))
    _stateful_strategy(found, spec.get("updateStrategy") or {})
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field in ("whenDeleted", "whenScaled") if retention else ():
        place = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
        formats.supported(found, place, retention.get(field), RETENTION)
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        claims.spec(found, f"spec.volumeClaimTemplates[{index}].spec", claim.get("spec") or {})
    _numbers(found, "spec", spec, ("replicas", "minReadySeconds"))
    formats.not_negative(found, "spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    if spec.get("serviceName") and old is None:
        formats.each(found, "spec.serviceName", spec["serviceName"], formats.dns_label)
    selector = _selector(found, spec.get("selector"), "statefulset", "")
    given = spec.get("template") or {}
    if selector is not None:
        _stateful_template(found, spec, given, selector, same=_same_template(spec, old))
    if not _same_template(spec, old):
        runs_forever(found, given, "StatefulSet")


def _stateful_template(
    found: fieldpath.ErrorList, spec: Object, given: Object, selector: selectors.Selector, *, same: bool
) -> None:
    given_labels = (given.get("metadata") or {}).get("labels")
    if not selector.empty and not selector.matches(given_labels or {}):
        found.append(fieldpath.invalid("spec.template.metadata.labels", labels.map_as_go(given_labels), MISMATCH))
    if same:
        return
    inner = {name: value for name, value in (given.get("spec") or {}).items() if name not in ("subdomain", "hostname")}
    owned = [(claim.get("metadata") or {}).get("name") or "" for claim in spec.get("volumeClaimTemplates") or ()]
    if owned:
        # Claims made from templates take the place of volumes of their name.
        rest = [volume for volume in inner.get("volumes") or () if volume.get("name") not in owned]
        made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in owned]
        inner["volumes"] = [*made, *rest]
    pod.template(found, "spec.template", {**given, "spec": inner})


def _stateful_strategy(found: fieldpath.ErrorList, given: Object) -> None:
    kind, rolling, where = given.get("type") or "", given.get("rollingUpdate"), "spec.updateStrategy"
    if not kind:
        found.append(fieldpath.required(where))
    elif kind not in STATEFUL_STRATEGIES:
        shown = _strategy(kind, rolling, ("Partition", "MaxUnavailable"))
        found.append(fieldpath.invalid(where, shown, "must be 'RollingUpdate' or 'OnDelete'"))
    elif kind == "OnDelete" and rolling is not None:
        shown = _strategy(kind, rolling, ("Partition", "MaxUnavailable"))["RollingUpdate"]
        text = "only allowed for updateStrategy 'RollingUpdate'"
        found.append(fieldpath.invalid(where + ".rollingUpdate", shown, text))
    elif rolling is not None:
        where += ".rollingUpdate"
        _numbers(found, where, rolling, ("partition",))
        unavailable = rolling.get("maxUnavailable")
        if unavailable is not None:
            amount_or_percent(found, where + ".maxUnavailable", unavailable)
            if _is_zero(unavailable):
                found.append(fieldpath.invalid(where + ".maxUnavailable", unavailable, "cannot be 0"))
            at_most_all(found, where + ".maxUnavailable", unavailable)


def stateful_set_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of one: not of who its Pods are."""
    stateful_set(found, new, old)
    _kept_selector(found, new, old)
    for field in ("volumeClaimTemplates", "serviceName", "podManagementPolicy"):
        given, before = new["spec"].get(field), old["spec"].get(field)
        if (given or None) != (before or None):
            found.append(fieldpath.invalid(f"spec.{field}", given, formats.IMMUTABLE))


def stateful_set_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What the controller saw."""
    fields = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    _ordered_status(found, new.get("status") or {}, fields, "status.readyReplicas", ())
    _collisions(found, new, old)


DAEMON_NUMBERS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def daemon_set(found: fieldpath.ErrorList, obj: Object, old: Object | None = None) -> None:
    """A DaemonSet."""
    spec = obj.get("spec") or {}
    given, template_given = spec.get("selector"), spec.get("template") or {}
    labels.selector(found, "spec.selector", given)
    given_labels = (template_given.get("metadata") or {}).get("labels")
    try:
        if not selectors.from_label_selector(given).matches(given_labels or {}):
            found.append(fieldpath.invalid("spec.template.metadata.labels", labels.map_as_go(given_labels), MISMATCH))
    except ValueError:
        # What is wrong with it has been said.
        given = given or {}
    if given is not None and labels.is_empty(given):
        found.append(fieldpath.invalid("spec.selector", labels.as_go(given), "empty selector is invalid for daemonset"))
    if not _same_template(spec, old):
        pod.template(found, "spec.template", template_given)
        runs_forever(found, template_given, "DaemonSet")
    _numbers(found, "spec", spec, ("minReadySeconds",))
    _daemon_strategy(found, spec.get("updateStrategy") or {})
    _numbers(found, "spec", spec, ("revisionHistoryLimit",))


def _daemon_strategy(found: fieldpath.ErrorList, given: Object) -> None:
    kind, rolling, where = given.get("type") or "", given.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate"
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        shown = _strategy(kind, rolling, ("MaxUnavailable", "MaxSurge"))
        found.append(fieldpath.not_supported("spec.updateStrategy", shown, STATEFUL_STRATEGIES))
        return
    if rolling is None:
        found.append(fieldpath.required(where))
        return
    amounts = {field: rolling.get(field, 0) for field in ("maxUnavailable", "maxSurge")}
    for field, value in amounts.items():
        amount_or_percent(found, f"{where}.{field}", value)
    for field, value in amounts.items():
        at_most_all(found, f"{where}.{field}", value)
    zeros = [_is_zero(value) for value in amounts.values()]
    if not any(zeros):
        text = "may not be set when maxUnavailable is non-zero"
        found.append(fieldpath.invalid(where + ".maxSurge", amounts["maxSurge"], text))
    elif all(zeros):
        found.append(fieldpath.required(where + ".maxUnavailable", "cannot be 0 when maxSurge is 0"))


def daemon_set_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of one."""
    _kept_selector(found, new, old)
    daemon_set(found, new, old)


def daemon_set_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What the controller saw."""
    _numbers(found, "status", new.get("status") or {}, DAEMON_NUMBERS)
    _collisions(found, new, old)


def controller_revision(found: fieldpath.ErrorList, obj: Object) -> None:
    """A remembered state of a workload."""
    formats.not_negative(found, "revision", obj.get("revision", 0))
    if obj.get("data") is None:
        found.append(fieldpath.required("data", "data is mandatory"))
    elif not isinstance(obj["data"], dict):
        found.append(fieldpath.required("data", "data must be a valid JSON object"))


def controller_revision_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What is remembered does not change."""
    formats.not_negative(found, "revision", new.get("revision", 0))
    formats.immutable(found, "data", new.get("data"), old.get("data"))


def pod_template(found: fieldpath.ErrorList, obj: Object) -> None:
    """A PodTemplate."""
    pod.template(found, "template", obj.get("template") or {})


def pod_template_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of one."""
    if new.get("template") != old.get("template"):
        pod_template(found, new)
