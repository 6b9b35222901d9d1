"""Pods: as they are made, and what of a Pod may change afterwards.

Upstream: pkg/apis/core/validation (ValidatePodCreate, ValidatePodUpdate, ValidatePodTemplateSpec). Pure.
"""

import copy
from collections.abc import Mapping, Sequence

from pybernetes.api.validation import affinity, container, formats, godiff, labels, pod_spec, security
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, meta

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
APPARMOR = security.APPARMOR
UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
FROZEN = f"pod updates may not change fields other than {UPDATABLE}\n"
REQUIRED = affinity.REQUIRED


def pod(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new Pod."""
    metadata_and_spec(found, obj)
    spec = obj["spec"]
    if spec.get("ephemeralContainers"):
        found.append(fieldpath.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        found.append(fieldpath.forbidden("spec.nodeName", text))
    annotations = obj["metadata"].get("annotations")
    if annotations:
        security.annotations_match(found, "spec", annotations, spec)


def metadata_and_spec(found: fieldpath.ErrorList, obj: Object) -> None:
    """What holds for a Pod at all times."""
    metadata, spec = obj["metadata"], obj["spec"]
    if metadata.get("annotations"):
        pod_annotations(found, "metadata.annotations", metadata["annotations"], spec)
    pod_spec.pod_spec(found, "spec", spec, metadata)
    if not spec.get("serviceAccountName"):
        _tokens_need_an_account(found, spec)
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        formats.not_negative(found, "spec.terminationGracePeriodSeconds", grace)
    for field in ("containers", "initContainers"):
        for index, one in enumerate(spec.get(field) or ()):
            container.padded_image(found, f"spec.{field}[{index}]", one)


def _tokens_need_an_account(found: fieldpath.ErrorList, spec: Object) -> None:
    for index, volume in enumerate(spec.get("volumes") or ()):
        for at, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                place = f"spec.volumes[{index}].projected.sources[{at}].serviceAccountToken"
                text = "must not be specified when serviceAccountName is not set"
                found.append(fieldpath.forbidden(place, text))


def template(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A template that Pods are made from."""
    metadata, spec = given.get("metadata") or {}, given.get("spec") or {}
    labels.label_set(found, where + ".labels", metadata.get("labels"))
    annotations = metadata.get("annotations")
    if annotations:
        labels.annotations(found, where + ".annotations", annotations)
        pod_annotations(found, where + ".annotations", annotations, spec)
    pod_spec.pod_spec(found, where + ".spec", spec, None, is_pod=False)
    if annotations:
        security.annotations_match(found, where + ".spec", annotations, spec)
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        found.append(fieldpath.forbidden(where + ".spec.ephemeralContainers", text))


def pod_annotations(found: fieldpath.ErrorList, where: str, given: Mapping[str, str], spec: Object) -> None:
    """Annotations that mean something."""
    if meta.ANNOTATION_MIRROR in given and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        found.append(fieldpath.invalid(f"{where}[{meta.ANNOTATION_MIRROR}]", given[meta.ANNOTATION_MIRROR], text))
    cost = given.get(DELETION_COST)
    if cost is not None and not _is_int32(cost):
        found.append(fieldpath.invalid(f"{where}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    for name, profile in given.items():
        if name == security.SECCOMP_POD or name.startswith(security.SECCOMP_CONTAINER):
            _seccomp_annotation(found, f"{where}.{name}", profile)
        elif name.startswith(APPARMOR):
            inner = name.removeprefix(APPARMOR)
            if all(one.get("name") != inner for _, one in pod_spec.every_container(spec, "")):
                found.append(fieldpath.invalid(f"{where}[{name}]", inner, "container not found"))
            if profile not in ("", "runtime/default", "unconfined") and not profile.startswith("localhost/"):
                text = f'invalid AppArmor profile name: "{profile}"'
                found.append(fieldpath.invalid(f"{where}[{name}]", profile, text))


def _is_int32(text: str) -> bool:
    digits = text.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0"))
    return plain and text != "-0" and -(2**31) <= int(text) < 2**31


def _seccomp_annotation(found: fieldpath.ErrorList, where: str, profile: str) -> None:
    if profile.startswith("localhost/"):
        formats.descending(found, where, profile.removeprefix("localhost/"))
    elif profile not in ("runtime/default", "docker/default", "unconfined"):
        found.append(fieldpath.invalid(where, profile, "must be a valid seccomp profile"))


def annotations_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Annotations that may not come, go or change."""
    given = new["metadata"].get("annotations") or {}
    before = old["metadata"].get("annotations") or {}
    if given == before:
        return
    where = "metadata.annotations"
    for name in before:
        if given.get(name) != before[name]:
            if name.startswith(APPARMOR):
                found.append(fieldpath.forbidden(f"{where}[{name}]", "may not remove or update AppArmor annotations"))
            if name == meta.ANNOTATION_MIRROR:
                text = "may not remove or update mirror pod annotation"
                found.append(fieldpath.forbidden(f"{where}[{name}]", text))
    for name in given:
        if name not in before:
            if name.startswith(APPARMOR):
                found.append(fieldpath.forbidden(f"{where}[{name}]", "may not add AppArmor annotations"))
            if name == meta.ANNOTATION_MIRROR:
                found.append(fieldpath.forbidden(f"{where}[{name}]", "may not add mirror pod annotation"))
    pod_annotations(found, where, given, new["spec"])


def pod_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A Pod runs as it was made: images, deadline, tolerations and gates change in one direction only."""
    spec, before = new["spec"], old["spec"]
    if spec != before:
        metadata_and_spec(found, new)
    annotations_update(found, new, old)
    if spec == before:
        return
    for field in ("containers", "initContainers"):
        if _container_updates(found, f"spec.{field}", spec.get(field) or (), before.get(field) or ()):
            return
    deadline, old_deadline = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    place = "spec.activeDeadlineSeconds"
    if deadline is not None:
        if not 0 <= deadline <= pod_spec.MAX_INT32:
            formats.in_range(found, place, deadline, 0, pod_spec.MAX_INT32)
            return
        if old_deadline is not None and old_deadline < deadline:
            found.append(fieldpath.invalid(place, deadline, "must be less than or equal to previous value"))
            return
    elif old_deadline is not None:
        text = "must not update from a positive integer to nil value"
        found.append(fieldpath.invalid(place, None, text))
    _only_added_tolerations(found, spec.get("tolerations") or [], before.get("tolerations") or [])
    gates = {gate.get("name") for gate in before.get("schedulingGates") or ()}
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        if gate.get("name") not in gates:
            text = f"only deletion is allowed, but found new scheduling gate '{gate.get('name') or ''}'"
            found.append(fieldpath.forbidden(f"spec.schedulingGates[{index}].name", text))
    _nothing_else(found, spec, before)


def _container_updates(found: fieldpath.ErrorList, where: str, new: Sequence[Object], old: Sequence[Object]) -> bool:
    if len(new) != len(old):
        found.append(fieldpath.forbidden(where, "pod updates may not add or remove containers"))
        return True
    for index, one in enumerate(new):
        container.padded_image(found, f"{where}[{index}]", one)
    return False


def _only_added_tolerations(found: fieldpath.ErrorList, new: Sequence[Object], old: Sequence[Object]) -> None:
    def plain(one: Object) -> Object:
        return {name: value for name, value in one.items() if name != "tolerationSeconds" and value}

    kept = [plain(one) for one in new]
    if any(plain(one) not in kept for one in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        found.append(fieldpath.forbidden("spec.tolerations", text))
        return
    affinity.tolerations(found, "spec.tolerations", new)


def _nothing_else(found: fieldpath.ErrorList, spec: Object, before: Object) -> None:
    """Put back what may change; what then still differs may not."""
    munged = dict(spec)
    for field in ("containers", "initContainers"):
        if munged.get(field):
            pairs = zip(munged[field], before[field], strict=True)
            munged[field] = [{**one, "image": other.get("image")} for one, other in pairs]
    for field in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        munged.pop(field, None)
        if field in before:
            munged[field] = before[field]
    grace = before.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        munged["terminationGracePeriodSeconds"] = grace
    if before.get("schedulingGates"):
        _gated(found, munged, before)
    if not godiff.equal("PodSpec", munged, before):
        found.append(fieldpath.forbidden("spec", FROZEN + godiff.diff("PodSpec", before, munged)))


def _gated(found: fieldpath.ErrorList, munged: Object, before: Object) -> None:
    """While gates are closed, the choice of nodes may become narrower."""
    selector, old_selector = munged.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if any(selector.get(name) != value for name, value in old_selector.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        found.append(fieldpath.invalid("spec.nodeSelector", selector, text))
    munged.pop("nodeSelector", None)
    if before.get("nodeSelector"):
        munged["nodeSelector"] = before["nodeSelector"]
    given, old = munged.get("affinity") or {}, before.get("affinity") or {}
    nodes, old_nodes = given.get("nodeAffinity"), old.get("nodeAffinity")
    if nodes == old_nodes:
        return
    _narrower(found, ((nodes or {}).get(REQUIRED) or {}), ((old_nodes or {}).get(REQUIRED) or {}))
    merged = copy.copy(given)
    merged.pop("nodeAffinity", None)
    if old_nodes is not None:
        merged["nodeAffinity"] = old_nodes
    munged.pop("affinity", None)
    if merged or "affinity" in before:
        munged["affinity"] = merged


def _narrower(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    where = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    terms, before = new.get("nodeSelectorTerms") or [], old.get("nodeSelectorTerms") or []
    if before and len(terms) != len(before):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        shown = [godiff.shown("NodeSelectorTerm", term) for term in terms]
        found.append(fieldpath.invalid(where, shown, text))
        return
    for index, (term, was) in enumerate(zip(terms, before, strict=False)):
        lists = [(term.get(name) or [], was.get(name) or []) for name in ("matchExpressions", "matchFields")]
        grown = all(now[: len(then)] == then for now, then in lists)
        was_empty = not any(then for _, then in lists) and any(now for now, _ in lists)
        if not grown or was_empty:
            text = "only additions are allowed (no mutations or deletions)"
            shown_term = godiff.shown("NodeSelectorTerm", term)
            found.append(fieldpath.invalid(f"{where}[{index}]", shown_term, text))
