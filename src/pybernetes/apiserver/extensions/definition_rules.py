"""What a CustomResourceDefinition must be, in upstream's words. Pure.

Upstream's own form has what all versions say alike once, above them: errors name that place (`spec.validation`).
Upstream: apiextensions-apiserver pkg/apis/apiextensions/validation.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib import parse

from pybernetes.api.validation import webhooks
from pybernetes.apimachinery import fieldpath, goformat, names
from pybernetes.apiserver.extensions import formats, schema_rules, structural

Object = dict[str, Any]
Schema = Mapping[str, Any]
Errors = fieldpath.ErrorList

APPROVAL = "api-approved.kubernetes.io"
_SEE = "see https://github.com/kubernetes/enhancements/pull/1111"
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MAX_SELECTABLE = 8


def definition(obj: Object, old: Object | None = None) -> Errors:
    """Everything wrong with a definition, or with a change of one."""
    spec = obj.get("spec") or {}
    found: Errors = []
    given = obj["metadata"].get("name") or ""
    if old is None and given != f"{_names(spec).get('plural', '')}.{spec.get('group', '')}":
        found.append(fieldpath.invalid("metadata.name", given, 'must be spec.names.plural+"."+spec.group'))
    _spec(found, spec)
    if old is not None:
        _immutable(found, spec, old)
    status = obj.get("status") or {}
    _check_names(found, status.get("acceptedNames") or {}, "status.acceptedNames")
    _stored_versions(found, status.get("storedVersions") or [], spec.get("versions") or ())
    _approval(found, obj, old)
    if spec.get("preserveUnknownFields") and not (old and old["spec"].get("preserveUnknownFields")):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        found.append(fieldpath.invalid("spec.preserveUnknownFields", True, text))
    return found


def status(obj: Object) -> Errors:
    """Everything wrong with a change of a status."""
    found: Errors = []
    _check_names(found, (obj.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")
    return found


def _names(spec: Object) -> Object:
    return spec.get("names") or {}


def _spec(found: Errors, spec: Object) -> None:
    group, scope, versions = spec.get("group") or "", spec.get("scope") or "", spec.get("versions") or []
    if not group:
        found.append(fieldpath.required("spec.group"))
    elif wrong := names.is_dns1123_subdomain(group):
        found.append(fieldpath.invalid("spec.group", group, ",".join(wrong)))
    elif "." not in group:
        found.append(fieldpath.invalid("spec.group", group, "should be a domain with at least one dot"))
    if not scope:
        found.append(fieldpath.required("spec.scope"))
    elif scope not in ("Cluster", "Namespaced"):
        found.append(fieldpath.not_supported("spec.scope", scope, ("Cluster", "Namespaced")))
    for index, version in enumerate(versions):
        if _schema(version) is None:
            found.append(fieldpath.required(f"spec.versions[{index}].schema.openAPIV3Schema"))
    shared = {part: _alike(versions, part) for part in _PARTS}
    for index, version in enumerate(versions):
        _version(found, version, f"spec.versions[{index}]", [part for part in _PARTS if not shared[part]])
    if len({version.get("name") for version in versions}) < len(versions):
        text = "must contain unique version names"
        found.append(fieldpath.invalid("spec.versions", _go_versions(versions, shared), text))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        found.append(fieldpath.invalid("spec.versions", _go_versions(versions, shared), text))
    if versions and (wrong := names.is_dns1035_label(versions[0].get("name") or "")):
        found.append(fieldpath.invalid("spec.version", versions[0].get("name") or "", ",".join(wrong)))
    found += (
        fieldpath.required(f"spec.names.{name}")
        for name in ("plural", "singular", "kind", "listKind")
        if not _names(spec).get(name)
    )
    _check_names(found, _names(spec), "spec.names")
    if versions:
        _parts(found, versions[0], "spec", [part for part in _PARTS if shared[part]], versions)
    _conversion(found, spec.get("conversion"))


_PARTS = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")


def _alike(versions: Sequence[Object], part: str) -> bool:
    return all((one.get(part) or None) == (versions[0].get(part) or None) for one in versions)


def _go_versions(versions: Sequence[Object], shared: Mapping[str, bool]) -> Any:
    """The versions as upstream's own form has them."""
    own = [part for part in _PARTS if not shared[part]]
    shown = []
    for one in versions:
        facts = {name[0].upper() + name[1:]: one.get(name) or False for name in ("served", "storage", "deprecated")}
        parts = {part[0].upper() + part[1:]: one.get(part) if part in own else None for part in _PARTS}
        warning = one.get("deprecationWarning")
        shown.append({"Name": one.get("name") or "", **facts, "DeprecationWarning": warning, **parts})
    return shown or None


def _schema(version: Object) -> Schema | None:
    found: Schema | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return found


def _version(found: Errors, version: Object, path: str, own: Sequence[str]) -> None:
    name = version.get("name") or ""
    if wrong := names.is_dns1035_label(name):
        found.append(fieldpath.invalid(f"{path}.name", name, ",".join(wrong)))
    warning = version.get("deprecationWarning")
    if warning is not None:
        for text in _deprecation(warning, deprecated=bool(version.get("deprecated"))):
            found.append(fieldpath.invalid(f"{path}.deprecationWarning", warning, text))
    _parts(found, version, path, own, [version])


def _deprecation(warning: str, *, deprecated: bool) -> Iterable[str]:
    if not deprecated:
        yield "can only be set for deprecated versions"
        return
    if len(warning.encode()) > 256:
        yield "must be <= 256 characters long"
    if not warning:
        yield "must not be an empty string"
    for index, char in enumerate(warning):
        if not char.isprintable():
            sort = "non-printable character"
            yield f"must only contain printable UTF-8 characters; {sort} found at index {index}"
            return


def _parts(found: Errors, version: Object, path: str, parts: Sequence[str], users: Sequence[Object]) -> None:
    """Those parts of a version, or of all `users` alike."""
    schema = _schema(version)
    if "schema" in parts and schema is not None:
        where = f"{path}.validation" if path == "spec" else f"{path}.schema"
        with_status = any((one.get("subresources") or {}).get("status") is not None for one in users)
        schema_rules.check(found, schema, f"{where}.openAPIV3Schema", with_status=with_status)
    if "subresources" in parts:
        _subresources(found, version.get("subresources") or {}, f"{path}.subresources")
    if "additionalPrinterColumns" in parts:
        for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
            _column(found, column, f"{path}.additionalPrinterColumns[{index}]")
    if "selectableFields" in parts and version.get("selectableFields"):
        _selectable(found, version["selectableFields"], schema or {}, f"{path}.selectableFields")


# --- names, versions, approval


def _check_names(found: Errors, given: Object, path: str) -> None:
    for name in ("plural", "singular", "kind", "listKind"):
        value = given.get(name) or ""
        mixed = name in ("kind", "listKind")
        wrong = names.is_dns1035_label(value.lower() if mixed else value) if value else []
        if wrong:
            text = "may have mixed case, but should otherwise match: " if mixed else ""
            found.append(fieldpath.invalid(f"{path}.{name}", value, text + ",".join(wrong)))
    _labels(found, given.get("shortNames") or (), f"{path}.shortNames")
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        text = "kind and listKind may not be the same"
        found.append(fieldpath.invalid(f"{path}.listKind", given["listKind"], text))
    _labels(found, given.get("categories") or (), f"{path}.categories")


def _labels(found: Errors, given: Iterable[str], path: str) -> None:
    for index, value in enumerate(given):
        if wrong := names.is_dns1035_label(value):
            found.append(fieldpath.invalid(f"{path}[{index}]", value, ",".join(wrong)))


def _immutable(found: Errors, spec: Object, old: Object) -> None:
    before = old["spec"]
    pairs = [
        ("group", spec.get("group"), before.get("group")),
        ("names.plural", _names(spec).get("plural"), _names(before).get("plural")),
    ]
    if established(old):
        kinds = ("names.kind", _names(spec).get("kind"), _names(before).get("kind"))
        pairs = [("scope", spec.get("scope"), before.get("scope")), kinds, *pairs]
    for name, new, was in pairs:
        if new != was:
            found.append(fieldpath.invalid(f"spec.{name}", new, "field is immutable"))


def established(obj: Object) -> bool:
    """Whether the resource was served at least once."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _stored_versions(found: Errors, stored: list[str], versions: Sequence[Object]) -> None:
    path = "status.storedVersions"
    if not stored:
        found.append(fieldpath.invalid(path, None, "must have at least one stored version"))
        return
    for version in versions:
        if version.get("storage") and version.get("name") not in stored:
            found.append(fieldpath.invalid(path, stored, f"must have the storage version {version.get('name')}"))
    for index, name in enumerate(stored):
        if name not in [version.get("name") for version in versions]:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and "
                f"removes {name} from status.storedVersions"
            )
            found.append(fieldpath.invalid(f"{path}[{index}]", name, text))


def protected(group: str) -> bool:
    """Whether a group belongs to the Kubernetes community, whose APIs are approved."""
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def approval(obj: Object) -> tuple[str, str]:
    """What the annotation says of an API in a protected group: a condition's reason, and its message."""
    given = (obj["metadata"].get("annotations") or {}).get(APPROVAL) or ""
    wanted = f"protected groups must have approval annotation {goformat.quote(APPROVAL)}"
    if not given:
        return "MissingAnnotation", f"{wanted}, {_SEE}"
    if given.startswith("unapproved"):
        return "UnapprovedAnnotation", f"not approved: {goformat.quote(given)}"
    url = parse.urlsplit(given)
    if url.scheme and url.netloc:
        return "ApprovedAnnotation", f"approved in {given}"
    return "InvalidAnnotation", f'{wanted} with either a URL or a reason starting with "unapproved", {_SEE}'


def _approval(found: Errors, obj: Object, old: Object | None) -> None:
    if not protected(obj["spec"].get("group") or ""):
        return
    reason, text = approval(obj)
    if old is not None and approval(old)[0] == reason:
        return
    path = f"metadata.annotations[{APPROVAL}]"
    if reason == "MissingAnnotation":
        found.append(fieldpath.required(path, text))
    elif reason == "InvalidAnnotation":
        found.append(fieldpath.invalid(path, obj["metadata"]["annotations"][APPROVAL], text))


# --- parts of a version


def _column(found: Errors, column: Object, path: str) -> None:
    text = f"must be one of {','.join(COLUMN_TYPES)}"
    if not column.get("name"):
        found.append(fieldpath.required(f"{path}.name"))
    if not column.get("type"):
        found.append(fieldpath.required(f"{path}.type", text))
    elif column["type"] not in COLUMN_TYPES:
        found.append(fieldpath.invalid(f"{path}.type", column["type"], text))
    if column.get("format") and column["format"] not in COLUMN_FORMATS:
        text = f"must be one of {','.join(COLUMN_FORMATS)}"
        found.append(fieldpath.invalid(f"{path}.format", column["format"], text))
    if not column.get("jsonPath"):
        found.append(fieldpath.required(f"{path}.JSONPath"))
    else:
        _simple_path(found, column["jsonPath"], f"{path}.JSONPath")


def _simple_path(found: Errors, given: str, path: str, below: Sequence[str] = (), said: str = "") -> None:
    if not given.startswith("."):
        found.append(fieldpath.invalid(path, given, "must be a simple json path starting with ."))
    elif below and not given.startswith(tuple(below)):
        found.append(fieldpath.invalid(path, given, f"should be a json path under {said}"))


def _subresources(found: Errors, given: Object, path: str) -> None:
    scale = given.get("scale")
    if scale is None:
        return
    for name, root in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        if not scale.get(name):
            found.append(fieldpath.required(f"{path}.scale.{name}"))
        else:
            _simple_path(found, scale[name], f"{path}.scale.{name}", (f"{root}.",), root)
    if scale.get("labelSelectorPath"):
        place = f"{path}.scale.labelSelectorPath"
        _simple_path(found, scale["labelSelectorPath"], place, (".spec.", ".status."), "either .spec or .status")


def _selectable(found: Errors, given: Sequence[Object], schema: Schema, path: str) -> None:
    seen: set[str] = set()
    for index, one in enumerate(given):
        place, text = f"{path}[{index}].jsonPath", one.get("jsonPath") or ""
        if not text:
            found.append(fieldpath.required(place))
            continue
        below, problem = _field(text, schema)
        if problem:
            found.append(fieldpath.invalid(place, text, f"is an invalid path: {problem}"))
            continue
        if text.startswith(".metadata"):
            found.append(fieldpath.invalid(place, text, "must not point to fields in metadata"))
        if below.get("type") not in ("string", "boolean", "integer"):
            told = "must point to a field of type string, boolean or integer. Enum string fields and strings with "
            found.append(fieldpath.invalid(place, text, told + "formats are allowed."))
        if text in seen:
            found.append(fieldpath.duplicate(place, text))
        seen.add(text)
    if len(seen) > MAX_SELECTABLE:
        found.append(fieldpath.too_many(path, len(seen), MAX_SELECTABLE))


def _field(text: str, schema: Schema) -> tuple[Schema, str]:
    """The schema at a path of names, or why there is none."""
    if "[" in text:
        return {}, "array notation is not allowed"
    if not text.startswith("."):
        return {}, f"expected [ or . but got: {text.partition('.')[0]}"
    for name in text[1:].split("."):
        below = (schema.get("properties") or {}).get(name)
        if below is None:
            return {}, "does not refer to a valid field"
        schema = below
    return schema, ""


def _conversion(found: Errors, given: Object | None) -> None:
    if given is None:
        return
    path, strategy = "spec.conversion", given.get("strategy") or ""
    webhook = given.get("webhook") or {}
    if not strategy:
        found.append(fieldpath.required(f"{path}.strategy"))
    elif strategy == "Webhook":
        config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
        if config is None:
            found.append(fieldpath.required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook"))
        else:
            webhooks.client(found, f"{path}.webhookClientConfig", config)
        webhooks.review_versions(found, f"{path}.conversionReviewVersions", versions)
        return
    elif strategy != "None":
        found.append(fieldpath.not_supported(f"{path}.strategy", strategy, ("None", "Webhook")))
    for name, member in (
        ("webhookClientConfig", "clientConfig"),
        ("conversionReviewVersions", "conversionReviewVersions"),
    ):
        if webhook.get(member):
            text = "should not be set when strategy is not set to Webhook"
            found.append(fieldpath.forbidden(f"{path}.{name}", text))


# --- warnings


def warnings(obj: Object) -> list[str]:
    """What the author of a definition should know."""
    found: dict[str, None] = {}
    sets: set[str] = set()
    for version in obj["spec"].get("versions") or ():
        for _, one in structural.every(_schema(version), ""):
            form, items = one.get("format"), one.get("items")
            if form and not formats.known(one.get("type") or "", form):
                found[f"unrecognized format {goformat.quote(form)}"] = None
            kind = items.get("type") if isinstance(items, Mapping) else None
            if one.get("x-kubernetes-list-type") == "set" and kind in ("object", "array"):
                text = f'x-kubernetes-list-type: set for items of type "{kind}" is not supported by server-side apply'
                sets.add(f"{text} or CEL validation rules")
    return [*found, *sorted(sets)]
