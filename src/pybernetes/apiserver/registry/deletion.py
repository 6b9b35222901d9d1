"""What a deletion means for an object: grace, finalizers, dependents. Decisions only; `store.py` carries them out.

    DELETE --> no grace, nothing holds it ---------------------------------> gone
          \\-> deletionTimestamp set --grace over / finalizers removed -----> gone

Path: deletion. Pure.
Upstream: k8s.io/apiserver/pkg/registry/rest/delete.go, registry/generic/registry/store.go.
"""

import datetime
import enum
from typing import Any

from pybernetes.apimachinery import errors, fieldpath, gvk, meta, timestamps
from pybernetes.apiserver.registry import operation, strategy
from pybernetes.telemetry import traces

Object = dict[str, Any]

FOREGROUND, BACKGROUND, ORPHAN = "Foreground", "Background", "Orphan"


class Grace(enum.Enum):
    """How gracefully an object goes."""

    NONE = "none"
    """At once, as far as finalizers allow."""
    STARTED = "started"
    """The object got (or shortened) its grace period in this call and must be written."""
    PENDING = "pending"
    """It is on its way already; this call changes nothing."""


def validate_options(options: Object) -> None:
    """Refuse DeleteOptions that contradict themselves. Raises Invalid."""
    found: fieldpath.ErrorList = []
    policy, path = options.get("propagationPolicy"), fieldpath.Path("propagationPolicy")
    if policy is not None and options.get("orphanDependents") is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        found.append(fieldpath.invalid(path, policy, text))
    if policy not in (None, FOREGROUND, BACKGROUND, ORPHAN):
        found.append(fieldpath.not_supported(path, policy, (FOREGROUND, BACKGROUND, ORPHAN, "nil")))
    dry_run = options.get("dryRun") or []
    if any(one != "All" for one in dry_run):
        found.append(fieldpath.not_supported(fieldpath.Path("dryRun"), dry_run, ("All",)))
    if found:
        raise errors.Invalid(gvk.GroupKind("meta.k8s.io", "DeleteOptions"), "", found)


def check_preconditions(resource: gvk.GroupResource, obj: Object, wanted: operation.Preconditions) -> None:
    """Refuse when the object is not the one that was meant. Raises Conflict."""
    metadata = obj["metadata"]
    if wanted.uid and wanted.uid != metadata.get("uid"):
        text = f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({metadata.get('uid')}). "
        text += "The object might have been deleted and then recreated"
        raise errors.Conflict(resource, metadata["name"], text)
    if wanted.resource_version and wanted.resource_version != metadata.get("resourceVersion"):
        text = f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the "
        text += f"ResourceVersion in record ({metadata.get('resourceVersion')}). The object might have been modified"
        raise errors.Conflict(resource, metadata["name"], text)


def before_delete(rules: strategy.Strategy, context: strategy.Context, obj: Object, options: Object) -> Grace:
    """Decide on grace, and write it into `obj` and `options`."""
    grace = options.get("gracePeriodSeconds")
    if grace is not None and grace < 0:
        grace = options["gracePeriodSeconds"] = 1
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        return _shorten(metadata, options, grace) if metadata.get("deletionGracePeriodSeconds") else Grace.NONE
    grace = rules.check_graceful_delete(context, obj, grace)
    if grace is None:
        return Grace.NONE
    traces.step(29, f"{metadata.get('namespace', '')}/{metadata['name']}", f"grace {grace} s")
    options["gracePeriodSeconds"] = grace
    at = context.clock.now() + datetime.timedelta(seconds=grace)
    metadata["deletionTimestamp"] = timestamps.format_time(at)
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        # Controllers of an object that is going away may act differently: that is a change of what is wanted.
        metadata["generation"] += 1
    rules.mark_deleting(context, obj)
    return Grace.STARTED


def _shorten(metadata: Object, options: Object, grace: int | None) -> Grace:
    """A second deletion may shorten the grace of the first, never lengthen it."""
    given: int = metadata["deletionGracePeriodSeconds"]
    if grace is None or grace >= given:
        options["gracePeriodSeconds"] = given
        return Grace.PENDING
    end = timestamps.parse(metadata["deletionTimestamp"]) + datetime.timedelta(seconds=grace - given)
    metadata["deletionTimestamp"] = timestamps.format_time(end)
    metadata["deletionGracePeriodSeconds"] = grace
    return Grace.STARTED


def collection_finalizers(rules: strategy.Strategy, obj: Object, options: Object) -> bool:
    """Put on or take off the finalizers that have the garbage collector act first; whether anything changed."""
    if rules.default_garbage_collection == "unsupported":
        orphan = foreground = False
    else:
        orphan, foreground = _orphans(rules, obj, options), _foreground(obj, options)
    special = (meta.FINALIZER_ORPHAN_DEPENDENTS, meta.FINALIZER_DELETE_DEPENDENTS)
    before = meta.finalizers(obj)
    after = [name for name in before if name not in special]
    after += [name for name, wanted in zip(special, (orphan, foreground), strict=True) if wanted]
    if set(after) == set(before):
        return False
    if after:
        obj["metadata"]["finalizers"] = after
    else:
        obj["metadata"].pop("finalizers", None)
    return True


def _orphans(rules: strategy.Strategy, obj: Object, options: Object) -> bool:
    if options.get("orphanDependents") is not None:
        return bool(options["orphanDependents"])
    if options.get("propagationPolicy"):
        return bool(options["propagationPolicy"] == ORPHAN)
    for name in meta.finalizers(obj):
        if name == meta.FINALIZER_ORPHAN_DEPENDENTS:
            return True
        if name == meta.FINALIZER_DELETE_DEPENDENTS:
            return False
    return rules.default_garbage_collection == "orphan"


def _foreground(obj: Object, options: Object) -> bool:
    if options.get("orphanDependents") is not None:
        return False
    if options.get("propagationPolicy"):
        return bool(options["propagationPolicy"] == FOREGROUND)
    for name in meta.finalizers(obj):
        if name == meta.FINALIZER_DELETE_DEPENDENTS:
            return True
        if name == meta.FINALIZER_ORPHAN_DEPENDENTS:
            return False
    return False


def mark(rules: strategy.Strategy, context: strategy.Context, obj: Object) -> None:
    """The object is going away, without grace, but something still holds it."""
    metadata = obj["metadata"]
    now = timestamps.format_time(context.clock.now())
    given = metadata.get("deletionTimestamp")
    if not given and metadata.get("generation"):
        metadata["generation"] += 1
    if not given or given > now:
        metadata["deletionTimestamp"] = now
    metadata["deletionGracePeriodSeconds"] = 0
    rules.mark_deleting(context, obj)


def over(rules: strategy.Strategy, new: Object, old: Object) -> bool:
    """Whether an update took away the last thing that held a deleted object back."""
    metadata = old["metadata"]
    if not metadata.get("deletionTimestamp") or new["metadata"].get("finalizers") or rules.holds(new):
        return False
    return not metadata.get("deletionGracePeriodSeconds")
