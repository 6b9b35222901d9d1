"""Jobs and CronJobs: how often to try, when to give up, what counts as success.

Upstream: pkg/apis/batch/validation. Pure.
"""

from typing import Any

from pybernetes.api.validation import formats, godiff, labels, networking, pod
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, goformat
from pybernetes.apimachinery import labels as selectors

ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
MODES = ("NonIndexed", "Indexed")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
NUMBERS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
MOST_PARALLEL = MOST_FAILED = 100_000
MANY, MANY_PARALLEL, MANY_FAILED = 100_000, 10_000, 10_000
NEEDS_INDEXES = "requires indexed completion mode"
FROZEN = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def job(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new Job."""
    spec = obj.get("spec") or {}
    _generated_selector(found, obj, spec)
    job_spec(found, "spec", spec)
    _selector(found, spec)
    _name_allows_completions(found, obj, spec)


def _generated_selector(found: fieldpath.ErrorList, obj: Object, spec: Object) -> None:
    if spec.get("manualSelector") or spec.get("selector") is None:
        return
    metadata = obj["metadata"]
    given = (spec.get("template") or {}).get("metadata", {}).get("labels") or {}
    wanted: dict[str, str] = {}
    for uid, name in zip(UID_LABELS, NAME_LABELS, strict=True):
        for label, value in ((uid, metadata.get("uid") or ""), (name, metadata.get("name") or "")):
            wanted[label] = value
            place = "spec.template.metadata.labels"
            if label not in given:
                found.append(fieldpath.required(f"{place}[{label}]", f"must be '{value}'"))
            elif given[label] != value:
                found.append(fieldpath.invalid(f"{place}[{label}]", labels.map_as_go(given), f"must be '{value}'"))
    try:
        matching = selectors.from_label_selector(spec["selector"]).matches(wanted)
    except ValueError:
        return
    if not matching:
        found.append(
            fieldpath.invalid("spec.selector", labels.as_go(spec["selector"]), "`selector` not auto-generated")
        )


def _selector(found: fieldpath.ErrorList, spec: Object) -> None:
    given = spec.get("selector")
    if given is None:
        found.append(fieldpath.required("spec.selector"))
    else:
        labels.selector(found, "spec.selector", given)
    given_labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    try:
        matching = selectors.from_label_selector(given).matches(given_labels or {})
    except ValueError:
        return
    if not matching:
        text = "`selector` does not match template `labels`"
        found.append(fieldpath.invalid("spec.template.metadata.labels", labels.map_as_go(given_labels), text))


def _name_allows_completions(found: fieldpath.ErrorList, obj: Object, spec: Object) -> None:
    count, name = spec.get("completions"), obj["metadata"].get("name") or ""
    if spec.get("completionMode") == "Indexed" and count:
        host = f"{name}-{count - 1}"
        if formats.dns_label(host):
            text = f"will not able to create pod with invalid DNS label: {host}"
            found.append(fieldpath.invalid("metadata.name", name, text))


def job_spec(found: fieldpath.ErrorList, where: str, spec: Object, *, same_template: bool = False) -> None:
    """What a Job and a template of one share."""
    for field in NUMBERS:
        formats.not_negative(found, f"{where}.{field}", spec.get(field))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        text = "when maxFailedIndexes is specified"
        found.append(fieldpath.required(where + ".backoffLimitPerIndex", text))
    if spec.get("managedBy") is not None:
        networking.domain_path(found, where + ".managedBy", spec["managedBy"])
        if len(spec["managedBy"]) > 63:
            found.append(fieldpath.too_long(where + ".managedBy", "", 63))
    _mode(found, where, spec)
    if spec.get("podFailurePolicy") is not None:
        _failure_policy(found, where + ".podFailurePolicy.rules", spec)
    if spec.get("successPolicy") is not None:
        if spec.get("completionMode") != "Indexed":
            shown = {"Rules": [_success_shown(rule) for rule in spec["successPolicy"].get("rules") or ()] or None}
            found.append(fieldpath.invalid(where + ".successPolicy", shown, NEEDS_INDEXES))
        else:
            _success_policy(found, where + ".successPolicy.rules", spec)
    replacement = spec.get("podReplacementPolicy")
    if replacement is not None:
        allowed = REPLACEMENTS[:1] if spec.get("podFailurePolicy") is not None else REPLACEMENTS
        formats.supported(found, where + ".podReplacementPolicy", replacement, allowed)
    if not same_template:
        pod.template(found, where + ".template", spec.get("template") or {})
    _restart_policy(found, where + ".template.spec.restartPolicy", spec)


def _restart_policy(found: fieldpath.ErrorList, place: str, spec: Object) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") or ""
    if policy in ("", "Always"):
        found.append(fieldpath.required(place, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        found.append(fieldpath.not_supported(place, policy, ("OnFailure", "Never")))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        found.append(fieldpath.invalid(place, policy, text))


def _success_shown(rule: Object) -> Object:
    return {"SucceededIndexes": rule.get("succeededIndexes"), "SucceededCount": rule.get("succeededCount")}


def _mode(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    mode = spec.get("completionMode")
    count, parallel, failed = (spec.get(name) for name in ("completions", "parallelism", "maxFailedIndexes"))
    per_index = spec.get("backoffLimitPerIndex")
    if mode is not None and mode not in MODES:
        found.append(fieldpath.not_supported(where + ".completionMode", mode, MODES))
    if mode in (None, "NonIndexed"):
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                found.append(fieldpath.invalid(f"{where}.{field}", spec[field], NEEDS_INDEXES))
    if mode != "Indexed":
        return
    if count is None:
        found.append(fieldpath.required(where + ".completions", "when completion mode is Indexed"))
    if parallel is not None and parallel > MOST_PARALLEL:
        text = f"must be less than or equal to {MOST_PARALLEL} when completion mode is Indexed"
        found.append(fieldpath.invalid(where + ".parallelism", parallel, text))
    place = where + ".maxFailedIndexes"
    if count is not None and failed is not None and failed > count:
        found.append(fieldpath.invalid(place, failed, "must be less than or equal to completions"))
    if failed is not None and failed > MOST_FAILED:
        found.append(fieldpath.invalid(place, failed, f"must be less than or equal to {MOST_FAILED}"))
    if count is None or count <= MANY or per_index is None:
        return
    tail = f"when completions are above {MANY} and used with backoff limit per index"
    if failed is None:
        found.append(fieldpath.required(place, f"must be specified when completions is above {MANY}"))
    if parallel is not None and parallel > MANY_PARALLEL:
        text = f"must be less than or equal to {MANY_PARALLEL} {tail}"
        found.append(fieldpath.invalid(where + ".parallelism", parallel, text))
    if failed is not None and failed > MANY_FAILED:
        found.append(fieldpath.invalid(place, failed, f"must be less than or equal to {MANY_FAILED} {tail}"))


def _quoted(words: tuple[str, ...]) -> str:
    return "[" + " ".join(map(goformat.quote, words)) + "]"


def _failure_policy(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    rules = spec["podFailurePolicy"].get("rules") or ()
    if len(rules) > 20:
        found.append(fieldpath.too_many(where, len(rules), 20))
    inner = (spec.get("template") or {}).get("spec") or {}
    known = {one.get("name") for field in ("containers", "initContainers") for one in inner.get(field) or ()}
    for index, rule in enumerate(rules):
        place, action = f"{where}[{index}]", rule.get("action") or ""
        if not action:
            found.append(fieldpath.required(place + ".action", f"valid values: {_quoted(ACTIONS)}"))
        elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            text = "requires the backoffLimitPerIndex to be set"
            found.append(fieldpath.invalid(place + ".action", action, text))
        elif action not in ACTIONS:
            found.append(fieldpath.not_supported(place + ".action", action, ACTIONS))
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
        if codes is not None:
            _exit_codes(found, place + ".onExitCodes", codes, known)
        if conditions:
            _conditions(found, place + ".onPodConditions", conditions)
        if (codes is not None) == bool(conditions):
            text = "specifying one of OnExitCodes and OnPodConditions is required"
            if conditions:
                text = "specifying both OnExitCodes and OnPodConditions is not supported"
            found.append(fieldpath.invalid(place, fieldpath.OMIT_VALUE, text))


def _conditions(found: fieldpath.ErrorList, where: str, given: Any) -> None:
    if len(given) > 20:
        found.append(fieldpath.too_many(where, len(given), 20))
    for index, pattern in enumerate(given):
        place, status = f"{where}[{index}]", pattern.get("status") or ""
        formats.each(found, place + ".type", pattern.get("type") or "", formats.qualified_name)
        if not status:
            found.append(fieldpath.required(place + ".status", f"valid values: {_quoted(STATUSES)}"))
        elif status not in STATUSES:
            found.append(fieldpath.not_supported(place + ".status", status, STATUSES))


def _exit_codes(found: fieldpath.ErrorList, where: str, given: Object, known: set[Any]) -> None:
    operator, values, name = given.get("operator") or "", given.get("values") or [], given.get("containerName")
    if not operator:
        found.append(fieldpath.required(where + ".operator", f"valid values: {_quoted(OPERATORS)}"))
    elif operator not in OPERATORS:
        found.append(fieldpath.not_supported(where + ".operator", operator, OPERATORS))
    if name is not None and name not in known:
        text = "must be one of the container or initContainer names in the pod template"
        found.append(fieldpath.invalid(where + ".containerName", name, text))
    if not values:
        found.append(fieldpath.invalid(where + ".values", values or None, "at least one value is required"))
    elif len(values) > 255:
        found.append(fieldpath.too_many(where + ".values", len(values), 255))
    for index, value in enumerate(values):
        place = f"{where}.values[{index}]"
        if operator == "In" and value == 0:
            found.append(fieldpath.invalid(place, value, "must not be 0 for the In operator"))
        if value in values[:index]:
            found.append(fieldpath.duplicate(place, value))
    if list(values) != sorted(values):
        found.append(fieldpath.invalid(where + ".values", values, "must be ordered"))


def _success_policy(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    rules, completions = spec["successPolicy"].get("rules") or (), spec.get("completions") or 0
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        found.append(fieldpath.required(where, text))
    if len(rules) > 20:
        found.append(fieldpath.too_many(where, len(rules), 20))
    for index, rule in enumerate(rules):
        place, indexes, count = f"{where}[{index}]", rule.get("succeededIndexes"), rule.get("succeededCount")
        if indexes is None and count is None:
            text = "at least one of succeededCount or succeededIndexes must be specified"
            found.append(fieldpath.required(place, text))
        total = 0
        if indexes is not None:
            if len(indexes) > 64 * 1024:
                found.append(fieldpath.too_long(place + ".succeededIndexes", "", 64 * 1024))
            total, wrong = parse_indexes(indexes, completions)
            if wrong:
                text = f"error parsing succeededIndexes: {wrong}"
                found.append(fieldpath.invalid(place + ".succeededIndexes", indexes, text))
        if count is None:
            continue
        formats.not_negative(found, place + ".succeededCount", count)
        for most, what in (
            (completions, "specified completions"),
            (total, "indexes in the specified succeededIndexes field"),
        ):
            if count > most and (indexes is not None or most is completions):
                text = f"must be less than or equal to {most} (the number of {what})"
                found.append(fieldpath.invalid(place + ".succeededCount", count, text))


def parse_indexes(text: str, completions: int) -> tuple[int, str]:
    """How many indexes `1,3-5` names, and what is wrong with it ("" for nothing)."""
    total, last = 0, -1
    for part in text.split(",") if text else ():
        ends = part.split("-")
        if len(ends) > 2:
            rule = "violates the requirement that an index interval can have at most two parts separated by '-'"
            return 0, f'the fragment "{part}" {rule}'
        for end in ends:
            if not (end.isascii() and end.isdigit()):
                return 0, f'cannot convert string to integer for index: "{end}"'
            if int(end) >= completions:
                return 0, f'too large index: "{end}"'
        first, until = int(ends[0]), int(ends[-1])
        if len(ends) == 2 and first >= until:
            return 0, f"non-increasing order, previous: {first}, current: {until}"
        if last >= first:
            return 0, f"non-increasing order, previous: {last}, current: {first}"
        total, last = total + until - first + 1, until
    return total, ""


def job_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A Job in progress: parallelism, deadlines and suspension may change."""
    spec, before = new["spec"], old["spec"]
    job_spec(found, "spec", spec, same_template=spec.get("template") == before.get("template"))
    _selector(found, spec)
    count, old_count = spec.get("completions"), before.get("completions")
    if count != old_count:
        if spec.get("completionMode") != "Indexed":
            found.append(fieldpath.invalid("spec.completions", count, formats.IMMUTABLE))
        elif count is not None and count != spec.get("parallelism"):
            text = "can only be modified in tandem with spec.parallelism"
            found.append(fieldpath.invalid("spec.completions", count, text))
    if spec.get("selector") != before.get("selector"):
        found.append(fieldpath.invalid("spec.selector", labels.as_go(spec.get("selector")), formats.IMMUTABLE))
    _template_update(found, spec, before, old.get("status") or {})
    for field in FROZEN:
        formats.immutable(found, f"spec.{field}", spec.get(field), before.get(field))
    _name_allows_completions(found, new, spec)


def _template_update(found: fieldpath.ErrorList, spec: Object, before: Object, status: Object) -> None:
    """While a Job is suspended, where its Pods run and what they ask for may still change."""
    new, old = spec.get("template") or {}, before.get("template") or {}
    if new == old:
        return
    suspended = bool(before.get("suspend"))
    halted = not status.get("startTime") or _is(status, "Suspended")
    loose = suspended and halted and not status.get("active")
    if loose:
        inner, old_inner = new.get("spec") or {}, dict(old.get("spec") or {})
        for field in ("nodeSelector", "tolerations", "schedulingGates"):
            _follow(old_inner, inner, field)
        pods = {name: value for name, value in (old_inner.get("affinity") or {}).items() if name != "nodeAffinity"}
        _follow(pods, inner.get("affinity") or {}, "nodeAffinity")
        old_inner.pop("affinity", None)
        if pods or "affinity" in inner:
            old_inner["affinity"] = pods
        for field in ("containers", "initContainers"):
            ours, theirs = old_inner.get(field) or [], inner.get(field) or []
            if ours and len(ours) == len(theirs):
                old_inner[field] = [_with_resources(one, other) for one, other in zip(ours, theirs, strict=True)]
        facts = {**(old.get("metadata") or {})}
        for field in ("annotations", "labels"):
            _follow(facts, new.get("metadata") or {}, field)
        old = {**old, "metadata": facts, "spec": old_inner}
    if not godiff.equal("PodTemplateSpec", new, old):
        kind, place, shown = ("PodSpec", ".spec", new.get("spec") or {}) if loose else ("PodTemplateSpec", "", new)
        found.append(fieldpath.invalid("spec.template" + place, godiff.shown(kind, shown), formats.IMMUTABLE))


def _follow(target: Object, source: Object, field: str) -> None:
    target.pop(field, None)
    if field in source:
        target[field] = source[field]


def _with_resources(one: Object, other: Object) -> Object:
    return {**one, "resources": other.get("resources") or {}} if one.get("name") == other.get("name") else one


def _is(status: Object, kind: str) -> bool:
    return any(one.get("type") == kind and one.get("status") == "True" for one in status.get("conditions") or ())
