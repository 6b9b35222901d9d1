"""What a request asks besides its path: list, delete and write options from the query (or, for deletions, the body).

Upstream: k8s.io/apimachinery/pkg/apis/meta/{v1,internalversion}/validation, pkg/conversion/queryparams.
"""

import dataclasses
import re
from typing import Any

from pybernetes.api import kinds
from pybernetes.api.codec import body as bodies
from pybernetes.api.codec import failure
from pybernetes.apimachinery import errors, fieldpath, fields, goformat, gvk, labels
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver import request_info
from pybernetes.apiserver.registry import deletion, metadata, operation, selectable
from pybernetes.apiserver.verbs import negotiate
from pybernetes.storage import cached, listing

META = "meta.k8s.io"
VALIDATIONS = ("", "Ignore", "Strict", "Warn")
EXACT, NOT_OLDER = listing.EXACT, listing.NOT_OLDER_THAN


def integer(text: str) -> int:
    """An int64 parameter. Raises BadRequest."""
    if re.fullmatch(r"[-+]?[0-9]+", text):
        if -(1 << 63) <= int(text) < 1 << 63:
            return int(text)
        problem = "value out of range"
    else:
        problem = "invalid syntax"
    raise errors.BadRequest(f"strconv.ParseInt: parsing {goformat.quote(text)}: {problem}")


def boolean(context: contexts.RequestContext, name: str) -> bool | None:
    """A boolean parameter; None if it is not given."""
    values = context.request.query.get(name) if context.request.raw_query else None
    return request_info.boolean(values[0]) if values else None


@dataclasses.dataclass(frozen=True, slots=True)
class ListRequest:
    """The options of a list, a watch or a deletion of a collection."""

    resource_version: str = ""
    match: str = ""
    limit: int = 0
    continue_token: str = ""
    selection: cached.Selection = cached.EVERYTHING
    timeout: int = 0
    bookmarks: bool = False
    initial_events: bool | None = None


PLAIN = ListRequest()


def list_request(context: contexts.RequestContext, kind: kinds.Kind) -> ListRequest:
    """Read and check the options of a list or watch. Raises BadRequest, Invalid."""
    if not context.request.raw_query:
        return PLAIN
    get = context.parameter
    limit, timeout = get("limit"), get("timeoutSeconds")
    found = ListRequest(
        resource_version=get("resourceVersion"),
        match=get("resourceVersionMatch"),
        limit=max(0, integer(limit)) if limit else 0,
        continue_token=get("continue"),
        selection=selection(get("labelSelector"), get("fieldSelector"), kind),
        timeout=integer(timeout) if timeout else 0,
        bookmarks=bool(boolean(context, "allowWatchBookmarks")),
        initial_events=boolean(context, "sendInitialEvents"),
    )
    wrong = _wrong_watch(found) if context.info.verb == "watch" else _wrong_list(found)
    if wrong:
        raise errors.Invalid(gvk.GroupKind(META, "ListOptions"), "", wrong)
    return found


def _wrong_list(asked: ListRequest) -> fieldpath.ErrorList:
    found: fieldpath.ErrorList = []
    path = fieldpath.Path("resourceVersionMatch")
    match = asked.match
    if match:
        if not asked.resource_version:
            text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            found.append(fieldpath.forbidden(path, text))
        if asked.continue_token:
            found.append(fieldpath.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
        if match not in (EXACT, NOT_OLDER):
            found.append(fieldpath.not_supported(path, match, (EXACT, NOT_OLDER, "")))
        if match == EXACT and asked.resource_version == "0":
            text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            found.append(fieldpath.forbidden(path, text))
    if asked.initial_events is not None:
        path = fieldpath.Path("sendInitialEvents")
        found.append(fieldpath.forbidden(path, "sendInitialEvents is forbidden for list"))
    return found


def _wrong_watch(asked: ListRequest) -> fieldpath.ErrorList:
    found: fieldpath.ErrorList = []
    path, match = fieldpath.Path("resourceVersionMatch"), asked.match
    if asked.initial_events is not None and match != NOT_OLDER:
        text = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}"
        found.append(fieldpath.forbidden(path, text))
    if match:
        if asked.initial_events is None:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            found.append(fieldpath.forbidden(path, text))
        if match != NOT_OLDER:
            found.append(fieldpath.not_supported(path, match, (NOT_OLDER,)))
        if asked.continue_token:
            found.append(fieldpath.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    return found


def selection(label_text: str, field_text: str, kind: kinds.Kind) -> cached.Selection:
    """The objects that both selectors want. Raises BadRequest."""
    if not label_text and not field_text:
        return cached.EVERYTHING
    try:
        wanted_labels = labels.parse(label_text) if label_text else labels.EVERYTHING
        wanted_fields = fields.parse(field_text) if field_text else fields.EVERYTHING
    except (labels.SelectorError, fields.SelectorError) as error:
        raise errors.BadRequest(str(error)) from error
    if not wanted_fields.empty:
        known = selectable.labels(kind)
        for requirement in wanted_fields.requirements:
            if requirement.field not in known:
                raise errors.BadRequest(selectable.unknown(kind, requirement.field))
        wanted_fields = wanted_fields.transform(lambda field, value: (selectable.rename(kind, field), value))
    return cached.Selection(wanted_labels, wanted_fields)


def write(context: contexts.RequestContext, options_kind: str, *, patch: str = "") -> operation.Operation:
    """The options of a create, update or patch. Raises Invalid."""
    info = context.info
    op = operation.Operation(
        kind=context.kind,
        user=context.user,
        namespace=info.namespace if context.kind.namespaced else "",
        name=info.name,
        subresource=info.subresource,
        warnings=context.warnings,
        audit_annotations=context.audit,
    )
    if not context.request.raw_query and patch != "apply":
        op.manager = _default_manager(context)
        return op
    query = context.request.query
    dry_run, manager = query.get("dryRun") or [], context.parameter("fieldManager")
    validation = context.parameter("fieldValidation")
    found: fieldpath.ErrorList = []
    if patch == "apply" and not manager:
        found.append(fieldpath.required(fieldpath.Path("fieldManager"), "is required for apply patch"))
    elif patch and patch != "apply" and boolean(context, "force") is not None:
        found.append(fieldpath.forbidden(fieldpath.Path("force"), "may not be specified for non-apply patch"))
    found += metadata.validate_manager(manager, fieldpath.Path("fieldManager"))
    if any(one != "All" for one in dry_run):
        found.append(fieldpath.not_supported(fieldpath.Path("dryRun"), dry_run, ("All",)))
    if validation not in VALIDATIONS:
        found.append(fieldpath.not_supported(fieldpath.Path("fieldValidation"), validation, VALIDATIONS))
    if found:
        raise errors.Invalid(gvk.GroupKind(META, options_kind), "", found)
    op.dry_run = bool(dry_run)
    op.manager = manager or _default_manager(context)
    op.options = {"kind": options_kind, "apiVersion": "meta.k8s.io/v1"}
    if dry_run:
        op.options["dryRun"] = dry_run
    if manager:
        op.options["fieldManager"] = manager
    if validation:
        op.options["fieldValidation"] = validation
    return op


def _default_manager(context: contexts.RequestContext) -> str:
    """Whoever names no field manager is known by the first word of its user agent."""
    headers = context.request.headers
    known: str | None = headers.state.get("manager")
    if known is None:
        agent = (headers.get("user-agent") or "").partition("/")[0]
        known = headers.state["manager"] = "".join(char for char in agent if char.isprintable())[:128] or "unknown"
    return known


def delete(context: contexts.RequestContext) -> tuple[operation.Operation, dict[str, Any]]:
    """The DeleteOptions of the body, or those of the query. Raises BadRequest, Invalid."""
    request = context.request
    if request.body:
        media = negotiate.body_media(request)
        expected = gvk.GroupVersionKind(context.info.group, context.info.version, "DeleteOptions")
        try:
            given = bodies.read(request.body, media, expected, accept_groups=True).obj
        except bodies.Refused as error:
            # Here upstream says what is wrong and nothing around it.
            text = error.problem
            if "unknown conversion" in text:
                kind, _, version = error.message.partition(" in version ")
                text = f'no kind "{kind}" is registered for version {version.split(" ", 1)[0]} in scheme'
                text += f' "{failure.SCHEME}"'
            raise errors.BadRequest(text) from error
    else:
        given = _delete_query(context)
    deletion.validate_options(given)
    info = context.info
    op = operation.Operation(
        kind=context.kind,
        user=context.user,
        namespace=info.namespace if context.kind.namespaced else "",
        name=info.name,
        dry_run=bool(given.get("dryRun")),
        options=given,
        warnings=context.warnings,
        audit_annotations=context.audit,
    )
    return op, given


def _delete_query(context: contexts.RequestContext) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if not context.request.raw_query:
        return given
    if grace := context.parameter("gracePeriodSeconds"):
        given["gracePeriodSeconds"] = integer(grace)
    if policy := context.parameter("propagationPolicy"):
        given["propagationPolicy"] = policy
    orphan = boolean(context, "orphanDependents")
    if orphan is not None:
        given["orphanDependents"] = orphan
    if dry_run := context.request.query.get("dryRun"):
        given["dryRun"] = dry_run
    return given
